"""Common networks, layers and losses, each a short NumPy function with shapes as annotations."""

from chainrule.gallery import (  # isort: skip - in the order of presentation
    regression,
    perceptrons,
    normalization,
    convolution,
    attention,
    recurrent,
    losses,
    preferences,
    regularization,
)
from chainrule.gallery.entries import GALLERY, Entry

__all__ = [
    "GALLERY",
    "Entry",
    "attention",
    "convolution",
    "losses",
    "normalization",
    "perceptrons",
    "preferences",
    "recurrent",
    "regression",
    "regularization",
]
