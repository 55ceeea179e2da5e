"""How an answer uses its parameters: as a dict, a list, a learning rate, or not at all."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from chainrule.grading.answers import Answer

_SEQUENCES = frozenset({"zip", "enumerate", "reversed", "len", "list", "range"})


class Uses:
    """The uses of names in the body of an answer."""

    def __init__(self, answer: Answer) -> None:
        self._statements = [node for top in answer.body for node in ast.walk(top) if isinstance(node, ast.stmt)]
        self._nodes = [node for top in answer.body for node in ast.walk(top)]

    def occurs(self, name: str) -> bool:
        """Whether a name is read."""
        return any(_is_name(node, name) for node in self._nodes)

    def keys(self, name: str) -> list[str]:
        """Return the texts by which a dict is indexed, and the attributes that are read."""
        return [
            node.slice.value
            for node in self._nodes
            if isinstance(node, ast.Subscript) and _is_name(node.value, name)
            if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
        ]

    def is_keyed(self, name: str) -> bool:
        """Whether a name is used as a dict: indexed by texts, or by a text and a number, as in `"W" + str(l)`."""
        return bool(self.keys(name)) or any(
            isinstance(node, ast.Subscript)
            and _is_name(node.value, name)
            and any(isinstance(part, ast.Constant) and isinstance(part.value, str) for part in ast.walk(node.slice))
            for node in self._nodes
        )

    def is_sequence(self, name: str) -> bool:
        """Whether a name is used as a list: indexed, counted or iterated."""
        for node in self._nodes:
            if isinstance(node, ast.Subscript) and _is_name(node.value, name):
                return True
            if isinstance(node, ast.For | ast.comprehension) and _is_name(node.iter, name):
                return True
            if isinstance(node, ast.Call) and ast.unparse(node.func) in _SEQUENCES:
                found = [argument for argument in node.args if _is_name(argument, name)]
                if found:
                    return True
        return False

    def unpacked(self, name: str) -> list[str]:
        """Return the variables to which a name is assigned: of `W1, b1 = params` and of `x = cache`."""
        for target, value in self._assignments():
            if _is_name(value, name):
                parts = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
                return [part.id for part in parts if isinstance(part, ast.Name)]
        return []

    def _assignments(self) -> Iterator[tuple[ast.expr, ast.expr]]:
        for statement in self._statements:
            if isinstance(statement, ast.Assign):
                target, value = statement.targets[0], statement.value
                yield target, value
                pairs = (target, value) if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) else None
                if pairs is not None and len(pairs[0].elts) == len(pairs[1].elts):
                    yield from zip(pairs[0].elts, pairs[1].elts, strict=True)

    def is_rate(self, name: str) -> bool:
        """Whether a name multiplies what is added to or subtracted from a variable: a learning rate."""
        for value in self._steps():
            for node in ast.walk(value):
                if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
                    sides = (node.left, node.right)
                    if any(_is_name(side.operand if isinstance(side, ast.UnaryOp) else side, name) for side in sides):
                        return True
        return False

    def _steps(self) -> Iterator[ast.expr]:
        """Yield the values that are added to or subtracted from variables, or assigned as such sums."""
        for statement in self._statements:
            if isinstance(statement, ast.AugAssign):
                yield statement.value
            elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                value = statement.value
                is_step = isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub)
                if is_step or ast.unparse(statement.targets[0]) in ast.unparse(value):
                    yield value


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
