"""The parameters of which returned values are the next ones, by the statements: `next_W = W - lr * dW`."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence

from chainrule.cage import called
from chainrule.grading.answers import Unit


def origin_of(units: Sequence[Unit], name: str, parameters: Collection[str]) -> str | None:
    """Return the parameter from which the only statement that sets a variable subtracts, or adds, a product."""
    setting = [unit.statement for unit in units if name in unit.names and unit.helper is None and not unit.hidden]
    match setting:
        case [ast.Assign(value=ast.BinOp(ast.Name(id=older), ast.Sub() | ast.Add(), ast.BinOp(op=ast.Mult())))]:
            return called(older, parameters)
    return None
