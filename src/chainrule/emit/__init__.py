"""A derivation, or a program alone, as source code that stands alone: NumPy, JAX, PyTorch or C."""

from chainrule.emit import expressions
from chainrule.emit.errors import EmitError
from chainrule.emit.forward import Body, Forward, find_forward, forward_body
from chainrule.emit.names import ascii_identifier
from chainrule.emit.source import TARGETS, source

__all__ = [
    "TARGETS",
    "Body",
    "EmitError",
    "Forward",
    "ascii_identifier",
    "expressions",
    "find_forward",
    "forward_body",
    "source",
]
