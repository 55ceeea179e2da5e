"""Which results of NumPy share the memory of an argument, so that a write to one is a write to the other.

A traced array stands for memory in row-major order unless an operation may have changed that; whether `reshape` and
`ravel` copy then depends on it, as do some other functions. Such a result is fine until something is written.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np


class Sharing(enum.Enum):
    """What a result has in common with the array that it is made of."""

    VIEW = "view"
    IN_ORDER = "view with the elements in their order"
    READ_ONLY = "read-only view"
    CONTIGUOUS = "a view of an array in row-major order, of another a copy or a view"
    UNKNOWN = "a view or a copy"


def _functions(*names: str, module: Any = np) -> list[Callable[..., Any]]:
    return [getattr(module, name) for name in names if hasattr(module, name)]


SHARING: Final[dict[Callable[..., Any], Sharing]] = {
    **dict.fromkeys(
        _functions(
            "transpose",
            "permute_dims",
            "matrix_transpose",
            "swapaxes",
            "moveaxis",
            "rollaxis",
            "split",
            "array_split",
            "hsplit",
            "vsplit",
            "dsplit",
            "unstack",
            "flip",
            "flipud",
            "fliplr",
            "rot90",
            "trim_zeros",
        ),
        Sharing.VIEW,
    ),
    **dict.fromkeys(
        _functions("expand_dims", "squeeze", "atleast_1d", "atleast_2d", "atleast_3d", "real"), Sharing.IN_ORDER
    ),
    **dict.fromkeys(_functions("matrix_transpose", module=np.linalg), Sharing.VIEW),
    **dict.fromkeys(_functions("diagonal", "diag", "broadcast_to", "broadcast_arrays"), Sharing.READ_ONLY),
    **dict.fromkeys(_functions("diagonal", module=np.linalg), Sharing.READ_ONLY),
    np.lib.stride_tricks.sliding_window_view: Sharing.READ_ONLY,
    **dict.fromkeys(_functions("reshape", "ravel"), Sharing.CONTIGUOUS),
    **dict.fromkeys(_functions("einsum", "ix_", "meshgrid", "nan_to_num", "real_if_close"), Sharing.UNKNOWN),
}
"""Keyed by the NumPy function. The results of all others are arrays of their own."""

_COPIES: Final = {np.meshgrid: "copy", np.nan_to_num: "copy"}
"""Functions that copy unless an option says otherwise."""


def sharing_of(function: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]) -> Sharing | None:
    """Return what the result shares with the only traced argument; None for an array of its own."""
    if options.get(_COPIES.get(function, ""), False) or (function in _COPIES and len(options) + len(args) == 1):
        return None
    if function is np.diag and np.ndim(args[0] if args else options["v"]) == 1:
        return None
    return SHARING.get(function)


_ROW_MAJOR: Final = frozenset(
    _functions(
        "concatenate",
        "stack",
        "vstack",
        "hstack",
        "column_stack",
        "dot",
        "outer",
        "where",
        "clip",
        "copy",
        "zeros_like",
        "ones_like",
        "full_like",
        "empty_like",
        "sum",
        "mean",
        "max",
        "min",
        "amax",
        "amin",
        "var",
        "std",
        "prod",
        "cumsum",
        "pad",
    )
)
"""Functions whose results are in row-major order if their arguments are."""


def keeps_order(function: Callable[..., Any]) -> bool:
    """Whether the result of a NumPy function is in row-major order if its arguments are."""
    return function in _ROW_MAJOR


def index_keeps_order(index: object) -> bool:
    """Whether basic indexing of an array in row-major order gives one: leading positions, one range, whole axes."""
    parts = [part for part in (index if isinstance(index, tuple) else (index,)) if part is not None]
    if any(part is Ellipsis for part in parts[:-1]):
        return False
    leading = 0
    while leading < len(parts) and isinstance(parts[leading], int | np.integer):
        leading += 1
    if leading < len(parts) and isinstance(part := parts[leading], slice) and part.step in (None, 1):
        leading += 1
    return all(part is Ellipsis or part == slice(None) for part in parts[leading:])
