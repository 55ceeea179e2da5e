"""Which of several lines lacks a factor, where changes of each correct the same gradients."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from chainrule.cage import OUT
from chainrule.grading.answers import Answer, Unit
from chainrule.grading.attempts import Attempt
from chainrule.grading.identities import Identities
from chainrule.grading.mending import Mend
from chainrule.grading.names import is_target

_MULTIPLES = frozenset({"factor", "missing operand"})
"""Kinds of changes that multiply a value."""
_ERRORS = ("delta", "δ", "err")
"""Parts of the names of errors, which may be those of each sample."""


def beside_its_kin(attempt: Attempt, mend: Mend, others: Sequence[Mend]) -> Mend:
    """Return the later line that lacks a factor of `mend`, if it scales all other gradients: `dW1 / n, dW2`."""
    if mend.edit is None or mend.edit.kind not in _MULTIPLES:
        return mend
    returned = [u.statement for u in attempt.answer.units if _is_returned(u)]
    lacking = []
    for other in others:
        value = getattr(other.unit.statement, "value", None)
        kin = getattr(value, "elts", None) or getattr(value, "values", [])
        if other.unit.hidden and other.unit.statement in returned:
            kin = [getattr(statement, "value", None) for statement in returned]
        own = [node.id for node in kin if isinstance(node, ast.Name) and node.id in mend.unit.names]
        scales = [_scale(node) for node in kin if isinstance(node, ast.BinOp)]
        kind = "" if other.edit is None else other.edit.kind
        if own and scales and len(scales) == len(kin) - 1 and kind in _MULTIPLES and other.gain == mend.gain:
            unlike = other.edit is None or other.edit.after not in scales or kind == "factor"
            lacking.append((unlike, other.rank, other))
    return min(lacking, key=lambda each: each[:2])[2] if lacking else mend


def where_claimed(identities: Identities, attempt: Attempt, mend: Mend, mends: Sequence[Mend]) -> Mend:
    """Return the first line that is named as a gradient, if a mend divides a value by a size that is not."""
    claims = {id(m): identities.of(attempt, m.unit).claim is not None for m in [mend, *mends]}
    if mend.edit is None or mend.edit.kind not in _MULTIPLES or claims[id(mend)]:
        return mend
    later = [
        other
        for other in mends
        if claims[id(other)] and other.edit is not None and other.edit.kind in _MULTIPLES
        if other.gain >= mend.gain and other.unit.order > mend.unit.order and mend.edit.after.startswith("1/")
    ]
    return min(later, key=lambda other: (other.unit.order, other.rank), default=mend)


def beside_penalties(mend: Mend, mends: Sequence[Mend]) -> Mend:
    """Return the first later line that lacks a factor of `mend`, if such lines have other terms: `h.T @ delta + W`.

    An error that is called delta is often that of each sample, and the mean is taken where a penalty is added.
    """
    if mend.edit is None or mend.edit.kind not in _MULTIPLES or not is_error(mend.unit):
        return mend
    scaled = [
        other
        for other in mends
        if other.edit is not None and other.edit.kind in _MULTIPLES and other.edit.after == mend.edit.after
        if other.gain <= mend.gain and other.unit.order > mend.unit.order and not is_error(other.unit)
    ]
    in_sums = [other for other in scaled if other.edit is not None and is_sum(other.edit.statement)]
    if not in_sums or frozenset[str]().union(*(other.gain for other in scaled)) != mend.gain:
        return mend
    return min(scaled, key=lambda other: (other.unit.order, other.rank))


def at_its_seed(mend: Mend, mends: Sequence[Mend]) -> Mend:
    """Return the line that gives the first gradient a number, `self.grad = 1.0`, if a mend scales what follows it."""
    kind = None if mend.edit is None or not mend.unit.sets_attribute else mend.edit.kind
    if kind not in (*_MULTIPLES, "extra operand", "sign"):
        return mend
    seeds = [
        other
        for other in mends
        if other.edit is not None and other.edit.kind in ("factor", "sign") and other.gain >= mend.gain
        if not other.unit.closure and isinstance(getattr(other.unit.statement, "value", None), ast.Constant)
    ]
    return min(seeds, key=lambda other: (other.rank, other.unit.order), default=mend)


def is_error(unit: Unit) -> bool:
    """Whether a unit assigns what is called an error, which may be that of each sample."""
    name = unit.names[0].casefold() if unit.names else ""
    return any(part in name for part in _ERRORS)


def has_error_of_target(answer: Answer) -> bool:
    """Whether an answer takes what it computes from what it is given, for an error: `delta = y - a`, not `-(a - y)`."""
    own = {name for unit in answer.units for name in unit.names}
    for unit in answer.units:
        for node in ast.walk(unit.statement) if is_error(unit) else ():
            match node:
                case ast.UnaryOp(op=ast.USub()):
                    return False
                case ast.BinOp(left=ast.Name(id=target), op=ast.Sub(), right=ast.Name(id=output)):
                    return target not in own and (output in own or is_target(target))
    return False


def _is_returned(unit: Unit) -> bool:
    """Whether a unit is one of several values that are returned."""
    match unit.statement:
        case ast.Assign([ast.Name(id=name)]):
            return unit.helper is None and name.startswith(OUT)
    return False


def is_sum(statement: ast.stmt) -> bool:
    """Whether a statement assigns a sum of two terms."""
    value = getattr(statement, "value", None)
    return isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add)


def _scale(node: ast.BinOp) -> str:
    """Return what a product or quotient multiplies by, as an edit writes it."""
    return ("1/" if isinstance(node.op, ast.Div) else "") + ast.unparse(node.right)
