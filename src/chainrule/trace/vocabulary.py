"""The supported NumPy functions, and the error messages of unsupported ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from chainrule.trace.arrangement import ARRANGEMENT
from chainrule.trace.choices import CHOICES
from chainrule.trace.decompositions import DECOMPOSITIONS
from chainrule.trace.elementwise import ELEMENTWISE
from chainrule.trace.joining import JOINING
from chainrule.trace.linear_algebra import LINEAR_ALGEBRA
from chainrule.trace.norms import NORMS
from chainrule.trace.order import ORDER
from chainrule.trace.padding import pad
from chainrule.trace.products import PRODUCTS
from chainrule.trace.reductions import REDUCTIONS
from chainrule.trace.running import RUNNING
from chainrule.trace.series import SERIES
from chainrule.trace.source import TraceError, refusal
from chainrule.trace.spacing import SPACING

FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    **ELEMENTWISE,
    **REDUCTIONS,
    **RUNNING,
    **SERIES,
    **PRODUCTS,
    **ARRANGEMENT,
    **CHOICES,
    **JOINING,
    **ORDER,
    **SPACING,
    **LINEAR_ALGEBRA,
    **DECOMPOSITIONS,
    **NORMS,
    np.pad: pad,
}
"""Keyed by the NumPy function."""

_THERE_ARE = (
    "there are arithmetic, exp, log and related functions, sums, means and extrema, matrix products and einsum, "
    "reshaping, joining, indexing and np.where"
)

_CHECKS = "check results outside of the function"
_INDICES = "an index has no derivative; compute it outside of the function and pass it as an argument"
_SIZES = "the size of the result depends on values; compute it outside of the function and pass it as an argument"
_WRITES = "it changes an array in place; write an expression that gives the new array"
_BITS = "its result has no derivative; compute it outside of the function and pass it as an argument"
_COMPLEX = "complex numbers cannot be recorded; keep real and imaginary parts in arrays of their own"
_MEMORY = "it concerns the memory of an array, and this value has none yet; use it outside of the function"
_POLYNOMIALS = "compute the coefficients outside of the function and pass them as an argument"

MENDS = {
    **dict.fromkeys(("argwhere", "intersect1d", "setdiff1d", "setxor1d", "union1d", "in1d"), _SIZES),
    **dict.fromkeys(("trim_zeros", "unique_all", "unique_counts", "unique_inverse", "unique_values"), _SIZES),
    **dict.fromkeys(("histogram", "histogram2d", "histogram_bin_edges", "histogramdd"), _SIZES),
    **dict.fromkeys((".put", ".resize"), _WRITES),
    **dict.fromkeys(("bitwise_count", "frexp", "gcd", "lcm", "nextafter", "packbits", "spacing", "unpackbits"), _BITS),
    **dict.fromkeys(("ravel_multi_index",), _INDICES),
    **dict.fromkeys(("sort_complex", "bmat", "asmatrix", "mat"), _COMPLEX),
    **dict.fromkeys(("base", "byteswap", "ctypes", "data", "device", "dump", "dumps", "flags"), _MEMORY),
    **dict.fromkeys(("getfield", "itemsize", "nbytes", "setfield", "setflags", "strides", "to_device"), _MEMORY),
    **dict.fromkeys(("tobytes", "tofile", "tostring", "view", "require"), _MEMORY),
    **dict.fromkeys(("poly", "polydiv"), _POLYNOMIALS),
    "roots": _THERE_ARE,
    "maximum.at": "write np.maximum(x, np.max(np.where(k[:, None] == np.arange(len(x)), v[:, None], -np.inf), axis=0))",
    "minimum.at": "write np.minimum(x, np.min(np.where(k[:, None] == np.arange(len(x)), v[:, None], np.inf), axis=0))",
    "multiply.at": "write x * np.prod(np.where(k[:, None] == np.arange(len(x)), v[:, None], 1), axis=0)",
    **dict.fromkeys(("item", "tolist"), "it is not a number yet; leave it out, a sum is a scalar as it is"),
    **dict.fromkeys(("linalg.eig", "linalg.eigvals"), _COMPLEX),
    **dict.fromkeys(("nonzero", "flatnonzero"), _INDICES),
    "unique": _SIZES,
    **dict.fromkeys(("allclose", "array_equal", "array_equiv"), _CHECKS),
    ".partition": "it sorts in place; there is np.partition, which gives a new array",
    ".sort": "it sorts in place; there is np.sort, which gives a new array",
}
"""Equivalent expressions for unsupported functions, and reasons; a point begins the name of a method alone."""

_OPTIONS = {
    "where": "write np.where(condition, x, y) for the elements, with y for those that are not to count",
    "initial": "combine the result with the initial value, as in np.maximum(np.max(x), initial)",
}
"""Alternatives to unsupported arguments."""


def name_of(function: Callable[..., Any]) -> str:
    """Return the user's spelling of a NumPy function, without `np.`."""
    return f"{function.__module__}.{function.__name__}".removeprefix("numpy.")


@cache
def _signature(handler: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(handler)


def checked_call(handler: Callable[..., Any], name: str, *args: Any, **kwargs: Any) -> Any:
    """Call a handler; reject arguments that it does not support."""
    try:
        _signature(handler).bind(*args, **kwargs)
    except TypeError as error:
        mend = next((f"; {mend}" for option, mend in _OPTIONS.items() if option in kwargs), "")
        raise refusal(f"np.{name} cannot be recorded with these arguments: {error}{mend}") from None
    return handler(*args, **kwargs)


def unsupported(name: str, method: bool = False) -> TraceError:
    """Return the error for an unsupported NumPy function: an alternative, or what is supported."""
    mend = MENDS.get(f".{name}", MENDS.get(name, _THERE_ARE)) if method else MENDS.get(name, _THERE_ARE)
    what = f"the method .{name}()" if method else f"np.{name}"
    return refusal(f"{what} is not among the functions that can be recorded and differentiated; {mend}")
