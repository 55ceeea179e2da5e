"""A derivation as source code that stands alone: NumPy, JAX, PyTorch or C."""

from chainrule.emit.errors import EmitError
from chainrule.emit.names import ascii_identifier
from chainrule.emit.source import TARGETS, source

__all__ = ["TARGETS", "EmitError", "ascii_identifier", "source"]
