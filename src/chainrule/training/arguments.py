"""Validation and conversion of the arguments of `fit`: names, dtypes and row counts."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import ALONE, ProcessError, Processes
from chainrule.ir import DType, DTypeError, Program, plain_array
from chainrule.trace import formula_variables, is_record
from chainrule.training.errors import TrainingError
from chainrule.training.implicit import IMPLICIT
from chainrule.training.structure import ParameterTree, named_loss
from chainrule.words import suggestion

Array = NDArray[Any]

PIECE = 2**16
"""Number of elements of data that are checked at a time."""

LARGE = 2**28
"""Size in bytes above which float data keep their dtype and are converted batch by batch."""


@dataclass(frozen=True, eq=False)
class Arguments:
    """Arrays by name, in the dtype of the run except for large ones; all of `rows` have `row_count` rows.

    `loss` takes these names; `tree` is how the caller arranges `params`. `parts` are the numbers of rows of several
    processes, if each has its own.
    """

    loss: Callable[..., Any] | Program | str
    tree: ParameterTree
    params: dict[str, Array]
    rows: dict[str, Array]
    constants: dict[str, Array]
    row_count: int
    dtype: DType
    parts: tuple[int, ...] | None = None

    def dtype_of(self, array: Array) -> DType:
        """Return the dtype in which the run computes with `array`."""
        held = DType.of(array.dtype)
        return self.dtype if held.is_float else held


def read_arguments(
    loss: Callable[..., Any] | Program | str,
    params: Any,
    data: Any,
    constants: Mapping[str, Any],
    title: str = "data",
    processes: Processes = ALONE,
) -> Arguments:
    """Validate the arguments of a run; raise TrainingError, naming the argument. `title` is what `data` is called.

    Of several `processes` each gives its own rows. They are then in the order of the first one, and ProcessError is
    raised in all if one gives other arrays.
    """
    if isinstance(params, Mapping) and not params:
        raise TrainingError("params is empty; give the initial value of at least one parameter")
    named = named_loss(loss, params, data, constants if isinstance(constants, Mapping) else {})
    loss, params, data = named.loss, named.params, named.data
    groups = {"params": params, title: data, "constants": constants}
    for kind, group in groups.items():
        if not isinstance(group, Mapping):
            raise TrainingError(f"{kind} is a {type(group).__name__}; give a dict from names to arrays")
    _check_names(loss, groups)
    learnt = {name: _array("parameter", name, value) for name, value in params.items()}
    for name, array in learnt.items():
        if array.dtype.kind != "f":
            raise TrainingError(f"parameter {name!r} holds {array.dtype}; give floats, as {name}.astype(float) does")
    dtype = DType.FLOAT32 if all(array.dtype == np.float32 for array in learnt.values()) else DType.FLOAT64
    rows = {name: _array(title, name, value) for name, value in data.items()}
    row_count = _row_count(rows, title)
    parts = None
    if processes.count > 1:
        rows, parts = _in_common(rows, row_count, title, processes)
    all_rows = row_count if parts is None else sum(parts)
    fixed = {name: _array("constant", name, value) for name, value in constants.items()}
    for kind, arrays in (("parameter", learnt), (title, rows), ("constant", fixed)):
        for name, array in arrays.items():
            _check_finite(kind, name, array)
            size = all_rows * row_bytes(array) if kind == title else array.nbytes
            if kind == "parameter" or array.dtype.kind != "f" or size <= LARGE:
                arrays[name] = _converted(array, dtype)
    return Arguments(loss, named.tree, learnt, rows, fixed, row_count, dtype, parts)


def _in_common(
    rows: dict[str, Array], row_count: int, title: str, processes: Processes
) -> tuple[dict[str, Array], tuple[int, ...]]:
    """Return the rows of this process as the first one arranges them, and the number of rows of each process."""
    told = [row_count, {name: [DType.of(array.dtype).value, array.shape[1:]] for name, array in rows.items()}]
    each = [json.loads(one) for one in processes.gathered("the rows of each", json.dumps(told).encode())]
    if not any(arrays for _, arrays in each):
        raise TrainingError("OwnRows has no rows; give each process some, or leave it out")
    first = each[0][1]
    for number, (_, arrays) in enumerate(each):
        for name in sorted({*first, *arrays}):
            if name not in first or name not in arrays:
                lacks, has = (number, 0) if name in first else (0, number)
                raise ProcessError(
                    f"process {lacks} has no {title} {name!r}, which process {has} has; give the same names"
                )
            for here, there, what in zip(arrays[name], first[name], ("dtype", "shape"), strict=True):
                if here != there:
                    raise ProcessError(
                        f"the rows of {title} {name!r} are of {what} {_shown(here)} in process {number}, and of "
                        f"{_shown(there)} in process 0; give the same {what} in all"
                    )
    return {name: rows[name] for name in first}, tuple(count for count, _ in each)


def _shown(told: str | list[int]) -> str:
    return told if isinstance(told, str) else str(tuple(told))


def row_bytes(array: Array) -> int:
    """Return the number of bytes of one row, also of an array without rows."""
    return array.dtype.itemsize * math.prod(array.shape[1:])


def _check_names(loss: Callable[..., Any] | Program | str, groups: Mapping[str, Mapping[str, Any]]) -> None:
    if not callable(loss) and not isinstance(loss, Program | str):
        raise TrainingError(f"the loss is a {type(loss).__name__}; give a function")
    owner: dict[str, str] = {}
    for kind, group in groups.items():
        for name in group:
            if not isinstance(name, str):
                raise TrainingError(f"{kind} has the key {name!r}; name each array as the loss does, by a str")
            if name in owner:
                raise TrainingError(f"{name!r} is in {owner[name]} and in {kind}; name it once")
            owner[name] = kind
    parameters = _signature(loss).parameters
    title = getattr(loss, "__name__", "the loss")
    attributes = vars(getattr(loss, "__self__", None)) if hasattr(getattr(loss, "__self__", None), "__dict__") else {}
    kinds = {parameter.kind for parameter in parameters.values()}
    named = [name for name, p in parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    for name in named:
        if name not in owner and parameters[name].default is inspect.Parameter.empty:
            hint = suggestion(name, [other for other in owner if other not in named])
            *others, last = groups
            raise TrainingError(f"{title} takes {name!r}, which is not in {', '.join(others)} or {last}{hint}")
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return
    for name, kind in owner.items():
        if name not in named and name not in attributes:
            hint = suggestion(name, [other for other in named if other not in owner])
            raise TrainingError(
                f"{title} takes no {name!r}, which is in {kind}; it takes {', '.join(named) or 'none'}{hint}"
            )


@lru_cache(maxsize=32)
def _program_signature(loss: Program) -> inspect.Signature:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature([inspect.Parameter(node.name, kind) for node in loss.inputs if node.name not in IMPLICIT])


def _signature(loss: Callable[..., Any] | Program | str) -> inspect.Signature:
    if isinstance(loss, Program):
        return _program_signature(loss)
    if isinstance(loss, str):
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Signature([inspect.Parameter(name, kind) for name in formula_variables(loss)])
    try:
        return inspect.signature(loss)
    except (TypeError, ValueError):
        raise TrainingError(
            f"the parameters of {getattr(loss, '__name__', loss)} are not known; give a function written in Python"
        ) from None


_READY = frozenset(map(np.dtype, (np.float64, np.float32, np.int64, np.bool_)))


def _array(kind: str, name: str, value: Any) -> Array:
    if type(value) is np.ndarray and value.dtype in _READY:
        return value
    if value is None or isinstance(value, Mapping):
        what = "None" if value is None else "a dict; name each of its arrays by itself, as in W1"
        raise TrainingError(f"{kind} {name!r} should be an array, and is {what}")
    if isinstance(value, list | tuple) and any(np.ndim(entry) > 0 and hasattr(entry, "dtype") for entry in value):
        raise TrainingError(
            f"{kind} {name!r} is a {type(value).__name__} of arrays; give each a name of its own, as in "
            f"{name}1 and {name}2, and let the loss take these"
        )
    if is_record(value):
        raise TrainingError(
            f"{kind} {name!r} is a {type(value).__name__}; give each of its arrays by itself, "
            "and let the loss take these"
        )
    try:
        array = plain_array(value)
    except DTypeError as error:
        raise TrainingError(f"{kind} {name!r}: {error}") from None
    except ValueError as error:
        raise TrainingError(f"{kind} {name!r} is not an array: {error}") from None
    return array


def _converted(array: Array, dtype: DType) -> Array:
    held = DType.of(array.dtype)
    return array.astype((dtype if held.is_float else held).numpy, copy=False)


def _row_count(rows: Mapping[str, Array], title: str) -> int:
    """Return the number of rows that all of `rows` have; 1 if there are no data."""
    counts: dict[str, int] = {}
    for name, array in rows.items():
        if array.ndim == 0:
            raise TrainingError(f"{title} {name!r} is a single number, without rows; give it in constants")
        counts[name] = array.shape[0]
        if counts[name] == 0:
            raise TrainingError(f"{title} {name!r} is empty: its shape is {array.shape}")
        first = next(iter(counts))
        if counts[name] != counts[first]:
            raise TrainingError(
                f"{title} {first!r} has {counts[first]} rows and {name!r} has {counts[name]}; all need the same number "
                "(arrays that do not consist of rows go in constants)"
            )
    return next(iter(counts.values()), 1)


def _check_finite(kind: str, name: str, array: Array) -> None:
    if array.dtype.kind != "f":
        return
    if np.isfinite(array).all() if array.size <= PIECE else all(map(_is_finite, _parts(array, "K"))):
        return
    seen = 0
    for part in _parts(array, "C"):
        bad = ~np.isfinite(part)
        if bad.any():
            break
        seen += part.size
    place = tuple(int(k) for k in np.unravel_index(seen + int(bad.argmax()), array.shape))
    where = f"[{', '.join(map(str, place))}]" if place else ""
    raise TrainingError(
        f"{kind} {name!r} is not finite: {name}{where} is {array[place]}; remove or replace such values"
    )


def _is_finite(part: Array) -> bool:
    """Whether all elements are finite. Their sum, which is much cheaper, is finite only if they are."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(part.sum())) or bool(np.isfinite(part).all())


def _parts(array: Array, order: Literal["C", "K"]) -> Iterator[Array]:
    """Yield all elements in slices of one axis, in row-major ("C") or memory ("K") order, so that no copy is made."""
    flags: list[Any] = ["external_loop", "buffered", "zerosize_ok"]
    operand: list[Any] = ["readonly"]
    with np.nditer(array, flags, operand, order=order, buffersize=PIECE) as pieces:
        yield from pieces
