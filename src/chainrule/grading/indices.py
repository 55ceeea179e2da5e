"""Single changes of indices, masks and brackets, each the inverse of a common mistake."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from chainrule.grading.written import written

IndexChange: TypeAlias = tuple[Literal["mask", "index", "brackets"], ast.expr, int, str, str]

_FLIPPED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.Gt, ast.GtE, ast.LtE),
    ast.LtE: (ast.Gt, ast.GtE, ast.Lt),
    ast.Gt: (ast.LtE, ast.Lt, ast.GtE),
    ast.GtE: (ast.Lt, ast.LtE, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}


def of_index(node: ast.expr, variables: Sequence[str]) -> Iterator[IndexChange]:
    """Yield the changes of an index: a mask of another array or the other way round, an index next to it."""
    for path, part in _parts(node, ()):
        if isinstance(part, ast.Compare):
            for new in compared(part):
                yield "mask", _with(node, path, new), 0, written(part), written(new)
            if isinstance(part.left, ast.Name):
                for name in variables:
                    if name != part.left.id:
                        other = copy.copy(part)
                        other.left = ast.Name(name, ast.Load())
                        yield "mask", _with(node, path, other), 1, written(part), written(other)
            continue
        for cost, other_index in enumerate(_next_to(part)):
            yield (
                "index",
                _with(node, path, other_index),
                cost,
                written(node),
                written(_with(node, path, other_index)),
            )
        if isinstance(part, ast.Name):
            for name in variables:
                if name != part.id:
                    changed = _with(node, path, ast.Name(name, ast.Load()))
                    yield "index", changed, 9, written(node), written(changed)
    match node:
        case ast.Tuple([ast.Slice(None, None, None), ast.Name() | ast.Attribute() as labels]):
            every = ast.parse(f"np.arange(len({ast.unparse(labels)}))", mode="eval").body
            yield "index", ast.Tuple([every, labels], ast.Load()), 2, ":", written(every)
    if isinstance(node, ast.Tuple) and len(node.elts) == 2:
        swapped = ast.Tuple(node.elts[::-1], ast.Load())
        yield "index", swapped, 3, written(node), written(swapped)


def compared(node: ast.Compare) -> Iterator[ast.Compare]:
    """Yield a comparison with other operators, and with 0 or 1 for another number."""
    for operator in _FLIPPED.get(type(node.ops[0]), ()) if len(node.ops) == 1 else ():
        new = copy.copy(node)
        new.ops = [operator()]
        yield new
    match node.comparators:
        case [ast.Constant(value=int() | float() as number)] if not isinstance(number, bool):
            for other in (0, 1):
                if other != number:
                    new = copy.copy(node)
                    new.comparators = [ast.Constant(other)]
                    yield new


def _next_to(node: ast.expr) -> Iterator[ast.expr]:
    """Yield indices that are one off, or counted from the other end."""
    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            for other in (number + 1, number - 1, -number):
                if other != number:
                    yield ast.Constant(other)
        case ast.UnaryOp(ast.USub(), ast.Constant(value=int() as number)):
            for other in (-number + 1, -number - 1, number):
                yield ast.Constant(other)
        case ast.BinOp(left, ast.Add() | ast.Sub() as operator, ast.Constant(value=int() as number)):
            sign = 1 if isinstance(operator, ast.Add) else -1
            for other in (sign * number + 1, sign * number - 1, -sign * number):
                yield _shifted(left, other)
        case ast.Name() | ast.UnaryOp(ast.USub(), ast.Name()):
            yield _shifted(node, 1)
            yield _shifted(node, -1)


def _shifted(node: ast.expr, by: int) -> ast.expr:
    if not by:
        return node
    return ast.BinOp(node, ast.Add() if by > 0 else ast.Sub(), ast.Constant(abs(by)))


_Path: TypeAlias = tuple[tuple[str, int | None], ...]


def _parts(node: ast.expr, path: _Path) -> Iterator[tuple[_Path, ast.expr]]:
    """Yield the parts of an index that select: its elements, and the ends of slices."""
    if isinstance(node, ast.Tuple):
        for k, item in enumerate(node.elts):
            yield from _parts(item, (*path, ("elts", k)))
    elif isinstance(node, ast.Slice):
        for name in ("lower", "upper"):
            end = getattr(node, name)
            if end is not None:
                yield from _parts(end, (*path, (name, None)))
    else:
        yield path, node


def _with(node: ast.expr, path: _Path, new: ast.expr) -> ast.expr:
    """Return a copy of an index with another part."""
    if not path:
        return new
    (name, k), *rest = path
    changed = copy.copy(node)
    if k is None:
        setattr(changed, name, _with(getattr(node, name), tuple(rest), new))
    else:
        items = list(getattr(node, name))
        items[k] = _with(items[k], tuple(rest), new)
        setattr(changed, name, items)
    return changed


def of_brackets(node: ast.BinOp) -> Iterator[IndexChange]:
    """Yield a sum or product with brackets that may have been forgotten: `1 / (1 + x)` for `1 / 1 + x`."""
    text = written(node)
    left, right = node.left, node.right
    if isinstance(node.op, ast.Add | ast.Sub):
        if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult | ast.Div | ast.Pow):
            new = ast.BinOp(left.left, left.op, ast.BinOp(left.right, node.op, right))
            yield "brackets", new, 0, text, written(new)
        if isinstance(right, ast.BinOp) and isinstance(right.op, ast.Mult | ast.Div):
            new = ast.BinOp(ast.BinOp(left, node.op, right.left), right.op, right.right)
            yield "brackets", new, 1, text, written(new)
    if isinstance(node.op, ast.Mult) and isinstance(left, ast.BinOp) and isinstance(left.op, ast.Div):
        new = ast.BinOp(left.left, ast.Div(), ast.BinOp(left.right, ast.Mult(), right))
        yield "brackets", new, 2, text, written(new)
