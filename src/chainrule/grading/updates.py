"""Updates of parameters inside helpers, such as the layers of a network."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from chainrule.grading.answers import Answer, Unit
from chainrule.grading.finals import Final
from chainrule.grading.names import is_gradient_name


def updates_undone(answer: Answer, unit: Unit, finals: Iterable[Final]) -> dict[str, ast.expr]:
    """Return what a helper has updated above a unit, with expressions of the values before: `self.W + lr * dW`."""
    keys = _keys(finals)
    helper = answer.helpers[unit.helper or ""]
    keys |= {argument.arg for argument in helper.args.args if any(final.is_update for final in finals)}
    undone: dict[str, ast.expr] = {}
    for each in answer.units:
        step = step_of(each.statement) if each.helper == unit.helper and each.order < unit.order else None
        if step is None or _key(step[0]) not in keys:
            continue
        target, back = step
        text = ast.unparse(target)
        undone[text] = ast.BinOp(undone.get(text, ast.parse(text, mode="eval").body), back.op, back.right)
    return undone


def updates_parameter(answer: Answer, unit: Unit, finals: Iterable[Final]) -> bool:
    """Whether a line is named as the update of a parameter, `self.W -= lr * dW`, or steps every one in a loop."""
    step, keys = step_of(unit.statement), _keys(finals)
    if step is None:
        return False
    return _key(step[0]) in keys or (
        bool(keys) and isinstance(unit.statement, ast.AugAssign) and _steps_each(answer, unit)
    )


def _steps_each(answer: Answer, unit: Unit) -> bool:
    """Whether a line changes the variable of a loop in place, `for p, g in zip(params, grads): p -= lr * g`."""
    name = _key(unit.statement.target) if isinstance(unit.statement, ast.AugAssign) else ""
    body = answer.body if unit.helper is None else answer.helpers[unit.helper].body
    loops = [node for top in body for node in ast.walk(top) if isinstance(node, ast.For)]
    targets = (node for loop in loops for node in ast.walk(loop.target) if isinstance(node, ast.Name))
    return not is_gradient_name(name) and any(node.id == name for node in targets)


def _keys(finals: Iterable[Final]) -> set[str]:
    """Return the names, attributes and keys under which parameters are updated."""
    return {str(final.place.path[-1]) if final.place.path else final.place.root for final in finals if final.is_update}


def step_of(statement: ast.stmt) -> tuple[ast.expr, ast.BinOp] | None:
    """Return what a statement updates by a sum or difference, and the operation that takes it back."""
    match statement:
        case ast.AugAssign(target=target, op=ast.Add() | ast.Sub() as op, value=step):
            pass
        case ast.Assign(targets=[target], value=ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=step)):
            if ast.unparse(left) != ast.unparse(target):
                return None
        case _:
            return None
    back = ast.Sub() if isinstance(op, ast.Add) else ast.Add()
    return target, ast.BinOp(target, back, step)


def _key(target: ast.expr) -> str:
    """Return the name, attribute or key that a target ends in."""
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=key)):
            return str(key)
    return ""
