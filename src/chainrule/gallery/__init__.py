"""Networks, layers and losses that people ask about, each a short function in NumPy with shapes as annotations."""

from chainrule.gallery import perceptrons
from chainrule.gallery.entries import GALLERY, Entry

__all__ = ["GALLERY", "Entry", "perceptrons"]
