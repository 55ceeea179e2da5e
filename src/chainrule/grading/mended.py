"""The line that a mend makes, as the learner would write it."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from chainrule.cage import BEFORE, GIVEN, TRANSPOSE
from chainrule.grading.changes import DERIVATIVE, FACTOR
from chainrule.grading.heads import head_of
from chainrule.grading.mending import Mend

_HIDDEN = (DERIVATIVE, FACTOR, TRANSPOSE, GIVEN, BEFORE)


def code_of(mend: Mend, numbers: Mapping[str, float], deep: bool = False) -> str:
    """Return the corrected statement in the learner's names; "" if it needs others. `numbers` are those of factors.

    A transposition exchanges the last two axes of `deep` arrays, which have more than two.
    """
    if mend.edit is not None and mend.unit.is_head:
        return head_of(mend.edit.statement)
    if mend.edit is None or isinstance(mend.edit.pattern, ast.If) or mend.edit.kind == "updated":
        return ""
    statement = _Readable(numbers, deep).visit(ast.parse(ast.unparse(mend.edit.statement)))
    text = ast.unparse(statement)
    if any(hidden in text for hidden in _HIDDEN):
        return ""
    if text.startswith(("__out_", "__part_")):
        return text.partition(" = ")[2]
    return text


def exchanged(code: str) -> str:
    """Return an array of several axes with the last two exchanged, as code."""
    return f"np.swapaxes({code}, -1, -2)"


class _Readable(ast.NodeTransformer):
    """Replaces generated names of a correction by readable expressions."""

    def __init__(self, numbers: Mapping[str, float], deep: bool) -> None:
        self._numbers, self._deep = numbers, deep

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        right = node.right
        if isinstance(node.op, ast.Mult) and isinstance(right, ast.Constant) and getattr(right, "is_factor", False):
            return ast.BinOp(right, ast.Mult(), node.left)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        number = self._numbers.get(node.id)
        if number is None:
            return node
        constant = ast.Constant(int(number) if float(number).is_integer() else number)
        constant.is_factor = True  # type: ignore[attr-defined]  # it is written before what it multiplies
        return constant

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AugAssign:
        self.generic_visit(node)
        match node:
            case ast.AugAssign(op=ast.Add(), value=ast.UnaryOp(ast.USub(), value)):
                return ast.AugAssign(node.target, ast.Sub(), value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == TRANSPOSE:
            if self._deep:
                return ast.parse(exchanged(ast.unparse(node.args[0])), mode="eval").body
            return ast.Attribute(node.args[0], "T", ast.Load())
        node.keywords = [
            k
            for k in node.keywords
            if not (
                isinstance(k.value, ast.Constant) and ((k.arg, k.value.value) in (("axis", None), ("keepdims", False)))
            )
        ]
        return node
