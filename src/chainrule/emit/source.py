"""The one function of the room: a derivation and a target to the text of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chainrule.derivation import Record
from chainrule.emit.c_source import c_source
from chainrule.emit.checking import check_lines, check_numpy
from chainrule.emit.errors import EmitError
from chainrule.emit.jax_source import jax_source
from chainrule.emit.names import identifier
from chainrule.emit.numpy_source import numpy_source
from chainrule.emit.torch_source import torch_source

_ARRAYS: dict[str, Callable[[Record, str], str]] = {
    "numpy": numpy_source,
    "torch": torch_source,
    "jax": jax_source,
}
TARGETS = (*_ARRAYS, "c")
"""What source can be written for."""


def source(
    record: Record,
    target: str,
    name: str | None = None,
    sizes: Mapping[str, int] | None = None,
    dtype: str = "float32",
    title: str = "f",
) -> str:
    """The passes of a derivation as the text of a file for `target`, one of `TARGETS`; see `Derivation.source`.

    The function is called `name`, or what the one that was derived is called, its `title`.

    Raises EmitError for a target that there is not, and for what a target cannot write; UnverifiedError where a line of
    the derivation does not hold, or the source in NumPy, whose lines are those for the other libraries of arrays too,
    does not give what was derived.
    """
    wanted = name or title
    if name is not None and not name.isidentifier():
        raise EmitError(f"{name!r} is not a name for a function; use letters, digits and underscores")
    if target not in TARGETS:
        raise EmitError(f"there is no target {target!r}; it can be {', '.join(TARGETS)}")
    if dtype not in ("float32", "float64"):
        raise EmitError(f"the dtype is {dtype!r}; it can be float32 or float64")
    check_lines(record)
    if target == "c":
        return c_source(record, wanted, sizes or {}, dtype)
    text = _ARRAYS[target](record, identifier(wanted))
    twin = text if target == "numpy" else _in_numpy(record, identifier(wanted))
    if twin is not None:
        check_numpy(record, twin)
    return text


def _in_numpy(record: Record, name: str) -> str | None:
    """The same lines in NumPy, if it can say them."""
    try:
        return numpy_source(record, name)
    except EmitError:
        return None
