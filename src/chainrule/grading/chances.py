"""Changes of a statement that correct its value by chance: by what is constantly 1, or by one of equal sizes."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.grading.changes import Path
from chainrule.grading.edits import replaced


def without_changed(before: ast.stmt, after: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the changed statement without each factor that holds all of the change.

    If one is right too, the factor has become 1, as a sum of probabilities is, and the mistake is that it is there.
    A term that vanishes is different: batch normalization has one as a rule, and it should be the right one.

    >>> before, after = (ast.parse(code).body[0] for code in ("g = a * s[0]", "g = a * s.sum()"))
    >>> [ast.unparse(each) for each in without_changed(before, after)]
    ['g = a']
    """
    path = _changed(before, after)
    node: Any = after
    for depth, (name, index) in enumerate(path):
        rest = _other(node, name)
        child = getattr(node, name)
        node = child if index is None else child[index]
        if rest is not None and any(isinstance(part, ast.Name) for part in ast.walk(node)):
            yield ast.fix_missing_locations(replaced(after, path[:depth], rest))


def is_one_of_equals(name: str, values: Mapping[str, Sequence[Any] | None], held: Mapping[str, Any]) -> bool:
    """Whether a variable is a whole number that another variable is as well, at every point.

    `values` are those of the variables at each point, `held` what the forward pass has at the first one. Sizes with
    names are different at the points; those that are given as numbers may be equal, and then each fits for the other.

    >>> values = {"B": [2, 2], "hd": [2, 2], "n": [3, 5]}
    >>> [is_one_of_equals(name, values, {}) for name in values]
    [True, True, False]
    >>> [is_one_of_equals("hd", {"hd": [2, 2]}, held) for held in ({"hd": 2, "B": 2}, {"hd": 2, "B": 3})]
    [True, False]
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


def _changed(before: Any, after: Any) -> Path:
    """Return the path from a statement to the smallest part that holds every difference."""
    path: Path = ()
    while type(before) is type(after):
        different = [(step, old, new) for step, old, new in _pairs(before, after) if not _are_same(old, new)]
        if len(different) != 1 or not isinstance(different[0][2], ast.AST):
            break
        step, before, after = different[0]
        path = (*path, step)
    return path


def _pairs(before: ast.AST, after: ast.AST) -> Iterator[tuple[tuple[str, int | None], Any, Any]]:
    for name in after._fields:
        old, new = getattr(before, name, None), getattr(after, name, None)
        if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
            yield from (((name, k), *both) for k, both in enumerate(zip(old, new, strict=True)))
        else:
            yield (name, None), old, new


def _are_same(first: Any, second: Any) -> bool:
    if isinstance(first, ast.AST) and isinstance(second, ast.AST):
        return ast.dump(first) == ast.dump(second)
    return not isinstance(first, ast.AST | list) and not isinstance(second, ast.AST | list) and first == second


def _other(parent: ast.AST, name: str) -> ast.expr | None:
    """Return a product or quotient without the operand `name`; None for other parents."""
    match parent, name:
        case ast.BinOp(_, ast.Mult(), right), "left":
            return right
        case ast.BinOp(left, ast.Mult() | ast.Div(), _), "right":
            return left
        case ast.BinOp(_, ast.Div(), right), "left":
            return ast.BinOp(ast.Constant(1), ast.Div(), right)
    return None
