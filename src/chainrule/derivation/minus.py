"""The minus sign of a factor in front of its product, and that of a term as the sign of a sum."""

from __future__ import annotations

from dataclasses import replace

from chainrule.primitives import Fraction, Infix, Notation, Number, Precedence, Prefix, precedence

_PRODUCTS = ("", "·", "⊙", "⊗")
_OPPOSITE = {"+": "−", "−": "+"}


def with_sign_in_front(notation: Notation) -> Notation:
    """Write `(−a b) c` as `−a b c`, `a + (−b) c` as `a − b c`, and `−(1 − a) / b` as `(a − 1) / b`.

    >>> a, b = Number(2), Number(3)
    >>> below = Number(4)
    >>> with_sign_in_front(Prefix("−", Fraction(Infix("−", (a, b)), below))) == Fraction(Infix("−", (b, a)), below)
    True
    >>> with_sign_in_front(Infix("+", (a, Infix("", (Number(-5), b))))) == Infix("−", (a, Infix("", (Number(5), b))))
    True
    >>> of_ones = Infix("+", (a, Infix("", (Number(-1), b))))
    >>> with_sign_in_front(of_ones) is of_ones
    True
    """
    match notation:
        case Infix("+" | "−" as operator, (left, right)):
            positive = _without_sign(right)
            return notation if positive is None else Infix(_OPPOSITE[operator], (left, positive))
        case Infix(operator, (Prefix("−", Infix() as first), *others)) if operator in _PRODUCTS:
            if precedence(first) is Precedence.PRODUCT:
                return Prefix("−", Infix(operator, (first, *others)))
        case Prefix("−", Fraction(Infix("−", (Number() as number, x)), below)):
            return Fraction(Infix("−", (x, number)), below)
    return notation


def _without_sign(notation: Notation) -> Notation | None:
    """Return −notation if that has one sign less; a number −1 is no sign, since 1 may be the vector of ones."""
    match notation:
        case Prefix("−", operand):
            return operand
        case Number(value) if value < 0 and value != -1:
            return replace(notation, value=-value)
        case Infix(operator, (first, *others)) if operator in _PRODUCTS:
            positive = _without_sign(first)
            return None if positive is None else Infix(operator, (positive, *others))
        case Fraction(above, below):
            positive = _without_sign(above)
            return None if positive is None else Fraction(positive, below)
    return None
