"""What a line may have been meant to compute, and the line that is given such a value."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

from chainrule.cage import GIVEN
from chainrule.grading.answers import Unit
from chainrule.grading.attempts import Attempt
from chainrule.grading.quantities import Quantity
from chainrule.grading.truth import Truth


def candidates(truth: Truth) -> Iterator[Quantity]:
    """Yield every quantity, gradients also with the opposite sign or times the batch; parts without a name last."""
    yield from (quantity for quantity in truth.quantities if quantity.kind != "part")
    gradients = [quantity for quantity in truth.quantities if quantity.kind == "gradient" and quantity.label]
    for quantity in gradients:
        yield Quantity(f"−{quantity.label}", "gradient", quantity.symbol, tuple(-v for v in quantity.values))
    sizes = truth.points[0].sizes if truth.batch is None else [truth.batch]
    for quantity, size in itertools.product(gradients, sizes):
        if quantity.symbol in truth.stages:
            counts = [point.sizes[size] for point in truth.points]
            values = tuple(count * value for count, value in zip(counts, quantity.values, strict=True))
            yield Quantity(f"{size} {quantity.label}", "gradient", None, values)
    yield from (quantity for quantity in truth.quantities if quantity.kind == "part")


def whole_of(attempt: Attempt, unit: Unit) -> ast.Assign | None:
    """Return the assignment that a unit is, to the whole array or sum if it changes a part; None for others."""
    match unit.statement:
        case _ if unit.nested:
            return None
        case ast.Assign([ast.Subscript(base)]) | ast.AugAssign(ast.Subscript(base)) if (
            unit.number in attempt.runs[0].wholes
        ):
            return ast.copy_location(ast.Assign([_stored(base)], ast.Name(GIVEN, ast.Load())), unit.statement)
        case ast.AugAssign(ast.Name() as total, ast.Add() | ast.Sub()):
            return ast.copy_location(ast.Assign([total], ast.Name(GIVEN, ast.Load())), unit.statement)
        case ast.Assign([ast.Name() | ast.Subscript() | ast.Attribute()], value) if not _selects(value):
            return unit.statement
    return None


def given(statement: ast.Assign, name: str) -> ast.stmt:
    """Return the assignment of the value that is given under a name."""
    new = ast.copy_location(ast.Assign(statement.targets, ast.Name(name, ast.Load())), statement)
    return ast.fix_missing_locations(new)


def _stored(node: ast.expr) -> ast.expr:
    """Return the place that an expression reads, to be assigned to."""
    (statement,) = ast.parse(f"{ast.unparse(node)} = 0").body
    assert isinstance(statement, ast.Assign)
    return statement.targets[0]


def _selects(node: ast.expr) -> bool:
    """Whether an expression only selects a value, so that a mistake is in an earlier one."""
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)
