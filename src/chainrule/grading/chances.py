"""Changes of a statement that correct its value by chance: by what is constantly 1, or by one of equal sizes."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np


def without_changed(before: ast.stmt, after: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the changed statement without each factor that holds all of the change.

    If one is right too, the factor has become 1, as a sum of probabilities is, and the mistake is that it is there.
    A term that vanishes is different: batch normalization has one as a rule, and it should be the right one.

    >>> before, after = (ast.parse(code).body[0] for code in ("g = a * s[0]", "g = a * s.sum()"))
    >>> [ast.unparse(each) for each in without_changed(before, after)]
    ['g = a']
    """
    path = _changed(before, after)
    for depth, (parent, name, index) in enumerate(path):
        rest = _other(parent, name)
        part = _child(parent, name, index)
        if rest is not None and any(isinstance(node, ast.Name) for node in ast.walk(part)):
            yield _replaced(after, path[:depth], rest)


def is_one_of_equals(name: str, values: Mapping[str, Sequence[Any] | None], held: Mapping[str, Any]) -> bool:
    """Whether a variable is a whole number that another variable is as well, at every point.

    `values` are those of the variables at each point, `held` what the forward pass has at the first one. Sizes with
    names are different at the points; those that are given as numbers may be equal, and then each fits for the other.

    >>> values = {"B": [2, 2], "hd": [2, 2], "n": [3, 5]}
    >>> [is_one_of_equals(name, values, {}) for name in values]
    [True, True, False]
    """
    number = whole_number(values.get(name))
    if number is None:
        return False
    own = [each for each in values if whole_number(values[each]) == number]
    theirs = [each for each, value in held.items() if _is_whole(value) and value == number]
    return max(len(own), len(theirs)) > 1


def whole_number(values: Sequence[Any] | None) -> int | None:
    """Return the whole number that a variable is at every point; None for others."""
    if not values or not all(_is_whole(value) and value == values[0] for value in values):
        return None
    return int(values[0])


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


_Step = tuple[ast.AST, str, int | None]


def _changed(before: Any, after: Any) -> list[_Step]:
    """Return the way from a statement to the smallest part that holds every difference."""
    path: list[_Step] = []
    while type(before) is type(after):
        pairs = list(_pairs(before, after))
        different = [step for step, old, new in pairs if not _are_same(old, new)]
        if len(different) != 1 or not isinstance(_child(*different[0]), ast.AST):
            break
        path.append(different[0])
        ((before, after),) = ((old, new) for step, old, new in pairs if step == different[0])
    return path


def _pairs(before: ast.AST, after: ast.AST) -> Iterable[tuple[_Step, Any, Any]]:
    for name in after._fields:
        old, new = getattr(before, name, None), getattr(after, name, None)
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            yield from (((after, name, k), a, b) for k, (a, b) in enumerate(zip(old, new, strict=True)))
        else:
            yield (after, name, None), old, new


def _are_same(first: Any, second: Any) -> bool:
    if isinstance(first, ast.AST) and isinstance(second, ast.AST):
        return ast.dump(first) == ast.dump(second)
    return not isinstance(first, ast.AST | list) and not isinstance(second, ast.AST | list) and first == second


def _child(parent: ast.AST, name: str, index: int | None) -> Any:
    value = getattr(parent, name)
    return value if index is None else value[index]


def _other(parent: ast.AST, name: str) -> ast.expr | None:
    """Return the other factor of a product, or the dividend."""
    match parent, name:
        case ast.BinOp(_, ast.Mult(), right), "left":
            return right
        case ast.BinOp(left, ast.Mult() | ast.Div(), _), "right":
            return left
    return None


def _replaced(statement: ast.stmt, path: Sequence[_Step], new: ast.expr) -> ast.stmt:
    """Return the statement with another expression at the end of a way."""
    whole: ast.AST = copy.copy(statement)
    place = whole
    for depth, (_, name, index) in enumerate(path):
        last = depth == len(path) - 1
        child = new if last else copy.copy(_child(place, name, index))
        if index is None:
            setattr(place, name, child)
        else:
            setattr(place, name, [child if k == index else each for k, each in enumerate(getattr(place, name))])
        place = child
    assert isinstance(whole, ast.stmt)
    return whole
