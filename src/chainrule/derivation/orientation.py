"""Vectors beside each other have one orientation: column sums beside a column are `Mᵀ 1`, not the row `1ᵀ M`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chainrule.primitives import Call, Fraction, Infix, Notation, Number, Postfix, Prefix, transposed

_ROW_OF_ONES = Postfix("ᵀ", Number(1))


def as_columns(operands: Sequence[Notation]) -> list[Notation]:
    """Return the vectors as columns, if some are products that are columns, and others rows."""
    kinds = {kind for operand in operands for kind in _kinds(operand)}
    return [_turned(operand) for operand in operands] if kinds == {"row", "column"} else list(operands)


def _kinds(notation: Notation) -> set[str]:
    """Return the orientations of the products in a sum or an elementwise product of vectors."""
    match notation:
        case Infix("", operands):
            return {"row" if operands[0] == _ROW_OF_ONES else "column"}
        case Infix("+" | "−" | "⊙" | "·", operands):
            return {kind for operand in operands for kind in _kinds(operand)}
        case Prefix("−", operand) | Call("", (operand,)):
            return _kinds(operand)
        case Fraction(above, below):
            return _kinds(above) | _kinds(below)
    return set()


def _turned(notation: Notation) -> Notation:
    match notation:
        case Infix("", operands) if operands[0] == _ROW_OF_ONES:
            matrix = operands[1] if len(operands) == 2 else Infix("", operands[1:])
            return Infix("", (transposed(matrix), Number(1)))
        case Infix("+" | "−" | "⊙" | "·", operands):
            return replace(notation, operands=tuple(map(_turned, operands)))
        case Prefix("−", operand):
            return Prefix("−", _turned(operand))
        case Call("", (operand,)):
            return replace(notation, arguments=(_turned(operand),))
        case Fraction(above, below):
            return Fraction(_turned(above), _turned(below))
    return notation
