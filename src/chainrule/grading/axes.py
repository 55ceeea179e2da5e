"""Single changes of axes: those that are summed over, and their order, each the inverse of a common mistake."""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Iterator
from typing import Literal, TypeAlias

from chainrule.grading.building import argument_of, function_name, is_method
from chainrule.grading.written import written

AxisChange: TypeAlias = tuple[Literal["extra sum", "factor", "axis", "shape", "transposed"], ast.expr, int, str, str]

_FEWEST = 3
"""The number of axes from which on several may be summed over, and have an order."""
_MOST = 4


def of_reduction(node: ast.Call, name: str, ndim: int) -> Iterator[AxisChange]:
    """Yield what a sum or mean is taken of, the other of the two, and those over other axes of up to `ndim`."""
    inner = argument_of(node)
    text = written(node)
    yield "extra sum", inner, 0, text, written(inner)
    swapped = {"sum": "mean", "mean": "sum"}[name]
    new = copy.copy(node)
    if isinstance(node.func, ast.Attribute):
        new.func = ast.Attribute(node.func.value, swapped, ast.Load())
        yield "factor", new, 0, name, swapped
    yield from other_axes(node, ndim)


def other_axes(node: ast.Call, ndim: int) -> Iterator[AxisChange]:
    """Yield a reduction over other axes, one or several, and over the same with them kept or not."""
    position = 0 if is_method(node) else 1
    now = next((k.value for k in node.keywords if k.arg == "axis"), None)
    if now is None and len(node.args) > position:
        now = node.args[position]
    keeps = any(k.arg == "keepdims" for k in node.keywords)
    rest = [k for k in node.keywords if k.arg not in ("axis", "keepdims")]
    before = written(now) if now is not None else "None"
    choices = dict(axes_up_to(ndim))
    choices.setdefault(before, 0)
    for text, cost in choices.items():
        for keep in (False, True):
            new = copy.copy(node)
            new.args = node.args[:position]
            axis = ast.parse(text, mode="eval").body
            new.keywords = [*rest, ast.keyword("axis", axis), ast.keyword("keepdims", ast.Constant(keep))]
            yield ("shape" if before == text else "axis"), new, cost + (keep != keeps), before, text


def axes_up_to(ndim: int) -> Iterator[tuple[str, int]]:
    """Yield axes as code, with their costs: all, each of an array of `ndim` axes, and of three or more several.

    >>> list(axes_up_to(3))
    [('0', 0), ('1', 0), ('2', 0), ('None', 0), ('(0, 1)', 2), ('(0, 2)', 2), ('(1, 2)', 2)]
    """
    for axis in range(max(_FEWEST, min(ndim, _MOST))):
        yield str(axis), 0
    yield "None", 0
    if ndim >= _FEWEST:
        for count in range(2, min(ndim, _MOST)):
            for axes in itertools.combinations(range(min(ndim, _MOST)), count):
                yield str(axes), 2


def of_order(node: ast.Call, ndim: int) -> Iterator[AxisChange]:
    """Yield other orders of three or more axes, and an exchange of two before a reshape that lacks it.

    >>> def orders(code):
    ...     return [text for *_, text in of_order(ast.parse(code, mode="eval").body, 4)]
    >>> orders("x.transpose(0, 1, 2)")[:2], orders("np.transpose(x, (1, 0, 2))")[0]
    (['x.transpose(0, 2, 1)', 'x.transpose(1, 0, 2)'], 'np.transpose(x, (0, 1, 2))')
    >>> orders("np.swapaxes(x, 0, 1)")[1], orders("x.reshape(n, d)")[0]
    ('np.swapaxes(x, 0, 2)', 'x.swapaxes(1, 2).reshape(n, d)')
    """
    name, text = function_name(node), written(node)
    match node:
        case ast.Call(ast.Attribute(), [ast.Tuple(parts)]) | ast.Call(ast.Attribute(), [_, ast.Tuple(parts)]):
            pass
        case _:
            parts = node.args
    order = [part.value for part in parts if isinstance(part, ast.Constant)]
    axes = list(range(len(parts)))
    if name == "transpose" and len(order) == len(parts) and all(axis in order for axis in axes):
        for other in itertools.permutations(axes) if _FEWEST <= len(order) <= _MOST else ():
            if list(other) != order:
                new = _with_axes(node, parts, other)
                yield "transposed", new, sum(a != b for a, b in zip(order, other, strict=True)), text, written(new)
    if name == "swapaxes" and len(order) >= 2:
        for pair in itertools.combinations(range(min(ndim, _MOST)), 2):
            new = copy.copy(node)
            new.args = [*node.args[:-2], *(ast.Constant(axis) for axis in pair)]
            yield "transposed", new, 3, text, written(new)
    if name == "reshape" and is_method(node) and ndim >= _MOST and isinstance(node.func, ast.Attribute):
        for first, second in ((1, 2), (2, 3), (0, 1)):
            exchanged = ast.Call(
                ast.Attribute(node.func.value, "swapaxes", ast.Load()), [ast.Constant(first), ast.Constant(second)], []
            )
            new = copy.copy(node)
            new.func = ast.Attribute(exchanged, "reshape", ast.Load())
            yield "transposed", new, 3, text, written(new)


def _with_axes(node: ast.Call, parts: list[ast.expr], order: tuple[int, ...]) -> ast.Call:
    """Return a transposition with another order of the axes."""
    axes: list[ast.expr] = [ast.Constant(axis) for axis in order]
    new = copy.copy(node)
    new.args = axes if parts is node.args else [*node.args[:-1], ast.Tuple(axes, ast.Load())]
    return new
