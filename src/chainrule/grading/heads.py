"""Changes of the head of a loop or of a condition: rounds that are left out, their order, a comparison turned round."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

from chainrule.grading.changes import Kind
from chainrule.grading.edits import Edit
from chainrule.grading.indices import compared


def head_edits(statement: ast.stmt) -> Iterator[Edit]:
    """Yield the changes of the head of `statement`."""
    if isinstance(statement, ast.For):
        for cost, new in enumerate(_ranges(statement.iter)):
            yield _changed(statement, "iter", statement.iter, new, "rounds", cost)
    elif isinstance(statement, ast.If) and isinstance(statement.test, ast.Compare):
        for cost, new in enumerate(compared(statement.test)):
            yield _changed(statement, "test", statement.test, new, "mask", cost)


def head_of(statement: ast.stmt) -> str:
    """Return the head of a loop or of a condition as code."""
    return ast.unparse(statement).partition("\n")[0]


def _changed(statement: ast.stmt, field: str, old: ast.expr, new: ast.expr, kind: Kind, cost: int) -> Edit:
    changed = copy.copy(statement)
    setattr(changed, field, ast.copy_location(new, old))
    return Edit(kind, ast.fix_missing_locations(changed), ast.unparse(old), ast.unparse(new), cost)


def _ranges(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what a loop may be meant to run over: one more or less at an end, everything, or the other order."""
    match node:
        case ast.Call(func=ast.Name(id="reversed"), args=[inner]):
            for new in _ranges(inner):
                yield new if _is_reversed(new) else _reversed(new)
            yield inner
        case ast.Call(func=ast.Name(id="range") as function, args=arguments) if 1 <= len(arguments) <= 3:
            first, last = (ast.Constant(0), arguments[0]) if len(arguments) == 1 else arguments[:2]
            for a, b in ((0, 1), (-1, 0), (1, 0), (0, -1), (-1, 1)):
                if len(arguments) > 1 or a == 0:
                    ends = [_shifted(first, a), _shifted(last, b)]
                    kept = ends[1:] if _is_zero(ends[0]) and len(arguments) < 3 else [*ends, *arguments[2:]]
                    yield ast.Call(function, kept, [])
                elif a == 1:
                    yield ast.Call(function, [ast.Constant(1), _shifted(last, b)], [])
            yield _reversed(node)
        case ast.Subscript(value=whole, slice=ast.Slice()):
            yield whole
        case ast.Name() | ast.Attribute():
            yield _reversed(node)
        case ast.Call(func=function, args=arguments, keywords=options) if arguments:
            for k, argument in enumerate(arguments):
                for new in _ranges(argument) if isinstance(argument, ast.Subscript | ast.Call) else ():
                    yield ast.Call(function, [*arguments[:k], new, *arguments[k + 1 :]], options)
            if isinstance(function, ast.Name) and function.id in ("enumerate", "zip"):
                yield _reversed(ast.Call(ast.Name("list", ast.Load()), [node], []))


def _reversed(node: ast.expr) -> ast.expr:
    return ast.Call(ast.Name("reversed", ast.Load()), [node], [])


def _is_reversed(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reversed"


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0


def _shifted(node: ast.expr, by: int) -> ast.expr:
    """Return `node + by`, written as a person would."""
    match node:
        case _ if not by:
            return node
        case ast.Constant(value=int() as number):
            return (
                ast.Constant(number + by) if number + by >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-number - by))
            )
        case ast.BinOp(left, ast.Add() | ast.Sub() as operator, ast.Constant(value=int() as number)):
            total = (number if isinstance(operator, ast.Add) else -number) + by
            return left if not total else _plus(left, total)
        case _:
            return _plus(node, by)


def _plus(node: ast.expr, by: int) -> ast.expr:
    return ast.BinOp(node, ast.Add() if by > 0 else ast.Sub(), ast.Constant(abs(by)))
