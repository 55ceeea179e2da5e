"""Networks, layers and losses that people ask about, each a short function in NumPy with shapes as annotations."""

from chainrule.gallery import (  # isort: skip - in the order in which a reader meets them
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
