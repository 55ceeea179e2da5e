"""Export of a derivation as the text of a file for a target."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chainrule.derivation import Derivatives, Record, Recurrent, Verification
from chainrule.emit.c_source import c_source
from chainrule.emit.checking import check_derivatives, check_gradients, check_js, check_lines, check_numpy, check_wasm
from chainrule.emit.errors import EmitError
from chainrule.emit.further import check_further
from chainrule.emit.jax_source import jax_source
from chainrule.emit.js_source import JsSource
from chainrule.emit.names import identifier
from chainrule.emit.numpy_source import numpy_source
from chainrule.emit.steps import NoLoopError
from chainrule.emit.torch_source import torch_source
from chainrule.emit.wasm_source import WasmSource
from chainrule.primitives import refuse_abstract

_ARRAYS: dict[str, Callable[[Record, str, Derivatives | None], str]] = {
    "numpy": numpy_source,
    "torch": torch_source,
    "jax": jax_source,
}
_LOOPS: dict[str, Callable[[Recurrent, str], str]] = {"numpy": numpy_source, "torch": torch_source, "jax": jax_source}
"""The array libraries, in which recurrences are loops."""
TARGETS = (*_ARRAYS, "c", "js", "wasm")
"""The supported targets."""


def source(
    record: Record,
    target: str,
    name: str | None = None,
    sizes: Mapping[str, int] | None = None,
    dtype: str = "float32",
    title: str = "f",
    derivatives: Derivatives | None = None,
    *,
    verified: bool = False,
) -> str:
    """Return the passes of a derivation as source for `target`, one of `TARGETS`; see `Derivation.source`.

    The function is called `name`, by default `title`, the name of the derived function. With `derivatives` the file has
    functions of the Hessian or of the Jacobians too. Nothing is checked if the caller has `verified` the derivation.

    Raises EmitError for an unknown target, and for operations that it does not support; UnverifiedError if a line of
    the derivation does not hold, or if the NumPy source, whose lines the other array libraries share, disagrees with
    it.
    """
    wanted = _function_name(name, title)
    if target not in TARGETS:
        raise EmitError(f"there is no target {target!r}; it can be {', '.join(TARGETS)}")
    if dtype not in ("float32", "float64"):
        raise EmitError(f"the dtype is {dtype!r}; it can be float32 or float64")
    refuse_abstract(record.program.nodes)
    if not verified:
        check_lines(record)
    if derivatives is not None:
        if target == "wasm":
            raise EmitError("wasm descends a loss, and has no Hessian or Jacobian; write them for js or c")
        check_derivatives(derivatives)
    if target == "c":
        return c_source(record, wanted, sizes or {}, dtype, derivatives)
    if target == "js":
        text = JsSource(record, wanted, sizes or {}, derivatives).text()
        if not verified:
            check_js(record, wanted, sizes or {}, derivatives)
        return text
    if target == "wasm":
        text = WasmSource(record, wanted, sizes or {}).text()
        if not verified:
            check_wasm(record, wanted)
        return text
    text = _ARRAYS[target](record, identifier(wanted), derivatives)
    if verified:
        return text
    twin = text if target == "numpy" else _in_numpy(record, identifier(wanted), derivatives)
    if twin is not None:
        check_numpy(record, twin)
        if derivatives is not None:
            check_further(derivatives, twin)
    return text


def source_with_loops(
    recurrent: Recurrent,
    target: str,
    name: str | None,
    sizes: Mapping[str, int],
    dtype: str,
    verify: Callable[[], Verification],
    title: str = "f",
) -> str | None:
    """Return the passes of a function with recurrences as source with a loop for each.

    Returns None for a target or a recurrence whose steps are written one after another. The lines hold if `verify` says
    so; the gradients of the whole function are then compared with those of the lines, and of the source.
    """
    wanted = _function_name(name, title)
    try:
        if target in _LOOPS:
            text, twin = _LOOPS[target](recurrent, identifier(wanted)), numpy_source(recurrent, identifier(wanted))
        elif target == "c":
            text = c_source(recurrent, wanted, sizes, dtype)
        elif target == "js":
            text = JsSource(recurrent, wanted, sizes).text()
        else:
            return None
    except NoLoopError:
        return None
    check_gradients(recurrent.joined, recurrent, verify())
    if target in _LOOPS:
        check_numpy(recurrent.joined, twin)
    else:  # C and JavaScript are written from the same program
        check_js(recurrent, wanted, sizes)
    return text


def _function_name(name: str | None, title: str) -> str:
    if name is not None and not name.isidentifier():
        raise EmitError(f"{name!r} is not a name for a function; use letters, digits and underscores")
    return name or title


def _in_numpy(record: Record, name: str, derivatives: Derivatives | None) -> str | None:
    """Return the same lines in NumPy, if it supports them."""
    try:
        return numpy_source(record, name, derivatives)
    except EmitError:
        return None
