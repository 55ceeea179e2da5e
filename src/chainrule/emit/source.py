"""The one function of the room: a derivation and a target to the text of a file."""

from __future__ import annotations

from chainrule.derivation import Derivation
from chainrule.emit.errors import EmitError
from chainrule.emit.jax_source import jax_source
from chainrule.emit.names import identifier
from chainrule.emit.numpy_source import numpy_source
from chainrule.emit.torch_source import torch_source

TARGETS = ("numpy", "torch", "jax", "c")


def source(derivation: Derivation, target: str, name: str | None = None) -> str:
    chosen = identifier(name or "f")
    if target == "numpy":
        return numpy_source(derivation, chosen)
    if target == "jax":
        return jax_source(derivation, chosen)
    if target == "torch":
        return torch_source(derivation, chosen)
    raise EmitError(f"there is no target {target!r}")
