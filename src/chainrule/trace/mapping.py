"""NumPy functions that call a function of the user on traced values: `np.piecewise`, `np.apply_along_axis`, …

They are written in NumPy functions of traced values, which are recorded themselves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.ir import Apply, Node, ShapeError, topological_order
from chainrule.trace.source import refusal

MOST_CALLS: Final = 1_000
"""The largest number of calls of the user's function for one array, each of which is recorded."""


def _piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **options: Any) -> Any:
    conditions = list(condlist) if isinstance(condlist, list | tuple) or np.ndim(condlist) > 1 else [condlist]
    conditions = [condition if _is_traced(condition) else np.asarray(condition) for condition in conditions]
    if len(funclist) == len(conditions) + 1:
        others = conditions[0]
        for condition in conditions[1:]:
            others = others | condition
        conditions = [*conditions, ~others]
    elif len(funclist) != len(conditions):
        raise refusal(f"np.piecewise of {len(conditions)} conditions takes as many functions, or one more")
    result = np.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        value = function
        if callable(function):
            value = function(x, *args, **options)
            if not _is_pointwise(value, [x]):
                raise refusal(
                    "np.piecewise calls a function with the elements of its piece alone, whose number depends on "
                    "values, and this one combines them; write np.where(condition, f(x), g(x))"
                )
        result = np.where(condition, value, result)
    return result


def _apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **options: Any) -> Any:
    if axis < -arr.ndim or axis >= arr.ndim:
        raise refusal(f"np.apply_along_axis(…, {axis}, x) of an array of {arr.ndim} dimensions")
    axis %= arr.ndim
    last = np.moveaxis(arr, axis, -1)
    around = _counts(last.shape[:-1], "np.apply_along_axis")
    results = [func1d(last[place], *args, **options) for place in np.ndindex(*around)]
    if not results:
        raise refusal("np.apply_along_axis of an array without elements has no result")
    shape = np.shape(results[0])
    whole = np.reshape(np.stack(results), (*around, *shape))
    places = range(axis, axis + len(shape))
    return np.moveaxis(whole, tuple(range(len(around), len(around) + len(shape))), tuple(places))


def vectorized(function: np.vectorize, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Call a function of `np.vectorize`: once with whole arrays if it treats all elements alike, else with each."""
    if function.excluded or options:
        raise refusal(
            "np.vectorize with excluded or named arguments is not recorded; call the function in a loop over the "
            "elements"
        )
    pyfunc: Callable[..., Any] = function.pyfunc
    if function.signature is not None:
        return _by_signature(pyfunc, function.signature, args)
    arrays = np.broadcast_arrays(*args)
    try:
        whole = pyfunc(*arrays)
    except ShapeError:  # it joins its argument to numbers, for example
        whole = None
    if whole is not None and _is_pointwise(whole, [each for each in arrays if _is_traced(each)]):
        return whole if np.shape(whole) == arrays[0].shape else np.broadcast_to(whole, arrays[0].shape)
    around = _counts(arrays[0].shape, "np.vectorize")
    results = [pyfunc(*(each[place] for each in arrays)) for place in np.ndindex(*around)]
    return np.reshape(np.stack(results), around)


def _by_signature(pyfunc: Callable[..., Any], signature: str, args: tuple[Any, ...]) -> Any:
    """Call a function with the last axes of its arguments that a signature such as (m,n),(n)->(m) names."""
    inputs, _, outputs = signature.partition("->")
    cores = [len(re.findall(r"\w+", group)) for group in re.findall(r"\(([^)]*)\)", inputs)]
    if len(cores) != len(args):
        raise refusal(f"np.vectorize with the signature {signature} takes {len(cores)} arrays, not {len(args)}")
    shapes = [
        _counts(np.shape(each)[: np.ndim(each) - core], "np.vectorize") for each, core in zip(args, cores, strict=True)
    ]
    around = np.broadcast_shapes(*shapes)
    arrays = [
        np.broadcast_to(each, (*around, *np.shape(each)[np.ndim(each) - core :]))
        for each, core in zip(args, cores, strict=True)
    ]
    if not math.prod(around):
        raise refusal("np.vectorize of arrays without elements has no result")
    results = [pyfunc(*(each[place] for each in arrays)) for place in np.ndindex(*_counts(around, "np.vectorize"))]
    columns = list(zip(*results, strict=True)) if outputs.count("(") > 1 else [results]
    stacked = tuple(np.reshape(np.stack(column), (*around, *np.shape(column[0]))) for column in columns)
    return stacked if len(stacked) > 1 else stacked[0]


def _apply_over_axes(func: Callable[..., Any], a: Any, axes: Any) -> Any:
    for axis in [axes] if isinstance(axes, int) else axes:
        found = func(a, axis)
        if np.ndim(found) == np.ndim(a) - 1:
            found = np.expand_dims(found, axis if axis >= 0 else np.ndim(a) + axis)
        elif np.ndim(found) != np.ndim(a):
            raise refusal("np.apply_over_axes takes a function that keeps an axis, or removes it")
        a = found
    return a


def _counts(shape: tuple[Any, ...], name: str) -> tuple[int, ...]:
    """Return a shape in numbers, with a bounded number of elements."""
    named = [dim for dim in shape if not isinstance(dim, int)]
    if named:
        raise refusal(f"{name} calls the function {named[0]} times, a size without a number; give it, as in X=(4, 2)")
    count = int(np.prod(shape))
    if count > MOST_CALLS:
        raise refusal(f"{name} calls the function {count:,} times; write operations on whole arrays")
    return shape


def _is_traced(value: object) -> bool:
    return isinstance(getattr(value, "node", None), Node)


def _is_pointwise(value: Any, arguments: Sequence[Any]) -> bool:
    """Whether each element of `value` depends on the elements of traced arguments at its own place alone."""
    if not _is_traced(value):
        return np.ndim(value) == 0
    active: set[Node] = {argument.node for argument in arguments}
    for node in topological_order([value.node], stop=active):
        if isinstance(node, Apply) and any(operand in active for operand in node.operands):
            if not node.primitive.is_pointwise:
                return False
            active.add(node)
    return value.node in active or value.ndim == 0


CALLING: Final[dict[Callable[..., Any], Callable[..., Any]]] = {
    np.apply_along_axis: _apply_along_axis,
    np.apply_over_axes: _apply_over_axes,
    np.iscomplexobj: lambda x: False,
    np.isrealobj: lambda x: True,
    np.piecewise: _piecewise,
}
