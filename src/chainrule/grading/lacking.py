"""Single changes that put in what an expression lacks: a sum to divide by, a sign, an entry that its loop looks up."""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from chainrule.grading.written import written

LackingChange: TypeAlias = tuple[Literal["operand", "missing operand", "missing term"], ast.expr, int, str, str]

_MOST_INDICES = 3
_MOST_OTHERS = 40
_BY_SUM = ("np.sum({0})", "np.sum({0}, axis=1, keepdims=True)", "np.sum({0}, axis=0, keepdims=True)")


def of_exponentials(node: ast.Call) -> Iterator[LackingChange]:
    """Yield the exponentials divided by their sum: over all, over rows, over columns."""
    for cost, text in enumerate(_BY_SUM):
        total = ast.parse(text.format(written(node)), mode="eval").body
        yield "missing operand", ast.BinOp(node, ast.Div(), total), cost, "", f"1/{written(total)}"


def by_sign(node: ast.expr, variable: ast.expr) -> ast.BinOp:
    """Return an expression times the sign of a variable."""
    sign = ast.Attribute(ast.Name("np", ast.Load()), "sign", ast.Load())
    return ast.BinOp(node, ast.Mult(), ast.Call(sign, [variable], []))


def of_entries(
    node: ast.expr, whole: bool, entries: Sequence[ast.expr], others: Sequence[ast.expr]
) -> Iterator[LackingChange]:
    """Yield an entry, such as `y[t]`, in the place of another, or beside the whole value of a line.

    Those of the arrays at `others` of the indices come only in the place of another.
    """
    for entry in others if isinstance(node, ast.Subscript) else ():
        if (text := written(entry)) != written(node):
            yield "operand", entry, 2, written(node), text
    for entry in entries if whole or isinstance(node, ast.Subscript) else ():
        text = written(entry)
        if isinstance(node, ast.Subscript) and text != written(node):
            yield "operand", entry, 1, written(node), text
        if whole:
            yield "missing term", ast.BinOp(node, ast.Sub(), entry), 1, "", f"-{text}"
            yield "missing term", ast.BinOp(node, ast.Add(), entry), 1, "", text
            yield "missing operand", ast.BinOp(node, ast.Mult(), entry), 1, "", text


def others_of(loop: ast.stmt) -> list[ast.expr]:
    """Return entries of the arrays of a loop at one or two of its indices that are not looked up there."""
    known = {written(entry) for entry in entries_of(loop)}
    nodes = list(ast.walk(loop))
    indices = [n.target.id for n in nodes if isinstance(n, ast.For) and isinstance(n.target, ast.Name)][:_MOST_INDICES]
    arrays = [n.value.id for n in nodes if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name)]
    places = [*indices, *(", ".join(pair) for pair in itertools.permutations(indices, 2))]
    texts = (f"{array}[{place}]" for array in dict.fromkeys(arrays) for place in places)
    return [ast.parse(text, mode="eval").body for text in texts if text not in known][:_MOST_OTHERS]


def entries_of(loop: ast.stmt) -> list[ast.expr]:
    """Return the different entries of variables that a loop looks up by a varying index, such as `y[t]`."""
    found: dict[str, ast.expr] = {}
    for node in ast.walk(loop):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            varies = any(isinstance(n, ast.Name) for n in ast.walk(node.slice))
            if varies and not any(isinstance(n, ast.Slice | ast.Call) for n in ast.walk(node.slice)):
                entry = copy.copy(node)
                entry.ctx = ast.Load()
                found.setdefault(written(entry), entry)
    return list(found.values())
