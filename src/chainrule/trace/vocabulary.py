"""Which NumPy functions can be recorded, and what is said of those that cannot."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from chainrule.trace.arrangement import ARRANGEMENT
from chainrule.trace.linear_algebra import LINEAR_ALGEBRA
from chainrule.trace.products import PRODUCTS
from chainrule.trace.reductions import REDUCTIONS
from chainrule.trace.source import TraceError, refusal
from chainrule.trace.ufuncs import UFUNCS

FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {**REDUCTIONS, **PRODUCTS, **ARRANGEMENT, **LINEAR_ALGEBRA}
"""By the NumPy function itself."""

_THERE_ARE = (
    "there are arithmetic, exp, log and their kin, sums, means and extrema, matrix products and einsum, reshaping, "
    "joining, indexing and np.where"
)

_MENDS = {
    "prod": "for positive numbers write np.exp(np.sum(np.log(x)))",
    "cumprod": "for positive numbers write np.exp(np.cumsum(np.log(x)))",
    "argmax": "an index has no derivative; compute it outside of the function",
    "argmin": "an index has no derivative; compute it outside of the function",
    "floor_divide": "write / for a quotient",
    "any": "write np.max over numbers, or np.where for a choice",
    "all": "write np.min over numbers, or np.where for a choice",
    "allclose": "check results outside of the function",
    "array_equal": "check results outside of the function",
    "cosh": "write (np.exp(x) + np.exp(-x)) / 2",
    "sinh": "write (np.exp(x) - np.exp(-x)) / 2",
    "matvec": "write A @ x",
    "repeat": "write np.broadcast_to and reshape",
    "tile": "write np.broadcast_to and reshape",
    "floor": "its derivative is zero wherever it has one; leave it out",
    "ceil": "its derivative is zero wherever it has one; leave it out",
    "rint": "its derivative is zero wherever it has one; leave it out",
    "round": "its derivative is zero wherever it has one; leave it out",
    "isnan": "check values outside of the function",
    "isfinite": "check values outside of the function",
    "linalg.pinv": "for full column rank write np.linalg.inv(A.T @ A) @ A.T",
    "linalg.lstsq": "for full column rank write np.linalg.solve(A.T @ A, A.T @ b)",
    "linalg.cholesky": "for ln det A write cr.logdet(A), for A⁻¹ b np.linalg.solve(A, b)",
    "linalg.matrix_power": "write the products, A @ A, or np.linalg.inv(A) @ np.linalg.inv(A)",
    "fill": "write np.full_like(x, value)",
    "sort": "the order depends on values; sort outside of the function",
}


def name_of(function: Callable[..., Any]) -> str:
    """How users write a NumPy function, without `np.`."""
    return f"{function.__module__}.{function.__name__}".removeprefix("numpy.")


@cache
def _signature(handler: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(handler)


def checked_call(handler: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
    """Call a handler; arguments that it does not know are refused."""
    try:
        _signature(handler).bind(*args, **kwargs)
    except TypeError as error:
        raise refusal(f"np.{name} cannot be recorded with these arguments: {error}") from None
    return handler(*args, **kwargs)


def unsupported(name: str, method: bool = False) -> TraceError:
    """The refusal of a NumPy function that is not in the vocabulary: what to write instead, or what is near it."""
    known = sorted({*UFUNCS, *map(name_of, FUNCTIONS)})
    mend = _MENDS.get(name)
    if mend is None:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.7)
        mend = f"near it there are {', '.join(f'np.{n}' for n in near)}" if near else _THERE_ARE
    what = f"the method .{name}()" if method else f"np.{name}"
    return refusal(f"{what} is not among the functions that can be recorded and differentiated; {mend}")
