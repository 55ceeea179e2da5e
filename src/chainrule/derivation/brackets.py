"""Placement of brackets, by precedence and where a formula would be ambiguous to a reader.

Two products of different kinds are never adjacent, since `W2ᵀ δ ⊙ a` could be read in two ways, and a partial
derivative is bracketed if a mark, an index or an exponent is attached to it.
"""

from __future__ import annotations

from dataclasses import replace

from chainrule.derivation.numerals import VULGAR_FRACTIONS, digits_of
from chainrule.primitives import (
    INFIX_PRECEDENCE,
    BigOperator,
    Call,
    Cases,
    Decimal,
    Fraction,
    Indexed,
    Infix,
    Notation,
    Number,
    Partial,
    Postfix,
    PowerNotation,
    Precedence,
    Prefix,
    SecondPartial,
    Symbol,
    precedence,
)


def is_scaled(notation: Notation) -> bool:
    """Whether `notation` is a number times another factor, as in `2 x` or `(1/n) x`."""
    if not isinstance(notation, Infix) or notation.operator not in ("", "·") or len(notation.operands) != 2:
        return False
    first = notation.operands[0]
    if isinstance(first, Fraction):
        return _is_size(first.numerator) and _is_size(first.denominator)
    return isinstance(first, Number) and not (notation.operator == "" and first.value == 1)


def is_one(notation: Notation) -> bool:
    """Whether `notation` ends in the number 1, which before a factor would mean the vector of ones."""
    return isinstance(notation, Number) and abs(notation.value) == 1


def _is_size(notation: Notation) -> bool:
    """Whether `notation` is a number, a name, a root or power of one, or a product of them."""
    if isinstance(notation, Infix):
        return notation.operator in ("", "·") and all(map(_is_size, notation.operands))
    if isinstance(notation, Call):
        return notation.function in ("√", "sqrt") and all(map(_is_size, notation.arguments))
    if isinstance(notation, PowerNotation):
        return _is_size(notation.base) and isinstance(notation.exponent, Number)
    return isinstance(notation, Number | Symbol)


def starts_with_digit(notation: Notation) -> bool:
    """Whether `notation` starts with a number."""
    if isinstance(notation, Infix):
        return starts_with_digit(notation.operands[0])
    if isinstance(notation, Fraction):
        return starts_with_digit(notation.numerator)
    if isinstance(notation, PowerNotation):
        return starts_with_digit(notation.base) and not needs_brackets(notation.base, notation, 0)
    if isinstance(notation, Postfix):
        return starts_with_digit(notation.operand) and not needs_brackets(notation.operand, notation, 0)
    return isinstance(notation, Number)


def is_signed(notation: Notation) -> bool:
    """Whether `notation`, written without brackets, starts with a minus sign."""
    if isinstance(notation, Infix):
        first, binds = notation.operands[0], precedence(notation)
        if binds is Precedence.PRODUCT and not isinstance(first, Infix | Number | Prefix):
            return False
        return binds is not Precedence.COMPARISON and is_signed(first)
    if isinstance(notation, Fraction):
        return isinstance(notation.numerator, Infix | Number | Prefix) and is_signed(notation.numerator)
    return precedence(notation) is Precedence.SIGN and not (isinstance(notation, Prefix) and notation.operator == "¬")


_VECTOR_OF_ONES = Infix("", (Number(1),))


def needs_brackets(child: Notation, parent: Notation, position: int, stacked: bool = False) -> bool:
    """Whether `child`, operand number `position` of `parent`, is written in brackets."""
    if child == _VECTOR_OF_ONES:
        return False
    if isinstance(child, Cases):
        return not (isinstance(parent, Cases) and position == 2)
    binds = precedence(child)
    if isinstance(parent, Infix):
        return _infix_brackets(child, parent, position, stacked)
    if isinstance(parent, Fraction):
        return not stacked and _fraction_brackets(child, position)
    if isinstance(parent, Prefix):
        if parent.operator == "−":
            return not isinstance(child, BigOperator) and (binds <= Precedence.SIGN or is_signed(child))
        return binds < Precedence.POWER or is_partial(child)
    if isinstance(parent, BigOperator):
        return not isinstance(child, BigOperator) and (binds < Precedence.PRODUCT or is_signed(child))
    if isinstance(parent, PowerNotation):
        marked = isinstance(child, Symbol) and child.prefix not in ("", "δ")
        return marked or _is_odd_number(child) or not _can_carry(child)
    if isinstance(parent, Indexed):
        return not _can_carry(child) or isinstance(child, Indexed)
    if isinstance(parent, Postfix | Partial):
        return not _can_carry(child)
    if isinstance(parent, SecondPartial):
        return precedence(child) < Precedence.POWER
    return False


def _can_carry(child: Notation) -> bool:
    """Whether a mark, an index or an exponent can be attached to `child` without brackets."""
    rooted = isinstance(child, Call) and child.function == "sqrt"
    return precedence(child) is Precedence.ATOM and not rooted and not is_partial(child)


def is_partial(notation: Notation) -> bool:
    """Whether `notation` is a partial derivative, or an element of one."""
    return isinstance(notation, Partial) or (isinstance(notation, Indexed) and isinstance(notation.base, Partial))


def _is_odd_number(child: Notation) -> bool:
    """Whether a number is written with characters other than digits and a point."""
    if not isinstance(child, Number):
        return False
    vulgar = child.value in VULGAR_FRACTIONS and not isinstance(child, Decimal)
    return vulgar or digits_of(replace(child, value=abs(child.value)))[1] is not None


def _infix_brackets(child: Notation, parent: Infix, position: int, stacked: bool) -> bool:
    binds, level = precedence(child), INFIX_PRECEDENCE[parent.operator]
    if parent.operator in ("∧", "∨"):
        return isinstance(child, Infix) and child.operator in ("∧", "∨") and child.operator != parent.operator
    if level is Precedence.COMPARISON:
        return binds is Precedence.COMPARISON or (isinstance(child, Prefix) and child.operator == "¬")
    if level is Precedence.SUM:
        if binds is Precedence.COMPARISON or (isinstance(child, Prefix) and child.operator == "¬"):
            return True
        if isinstance(child, BigOperator):
            return child.operator != "Σ" and position < len(parent.operands) - 1
        subtracted = isinstance(child, Infix) and binds is Precedence.SUM and parent.operator == "−"
        return position > 0 and (is_signed(child) or subtracted)
    if parent.operator == "/":
        return not stacked and _fraction_brackets(child, min(position, 1))
    if is_scaled(parent):
        return _scaled_brackets(child, position, stacked)
    if parent.operator == "·" and 0 < position == len(parent.operands) - 1 and _is_plain_ratio(child):
        return False
    return _factor_brackets(child, parent.operator, position, stacked)


def _scaled_brackets(child: Notation, position: int, stacked: bool) -> bool:
    """Whether brackets are needed in a number times another factor."""
    if position == 0:
        return isinstance(child, Fraction) and not stacked
    if isinstance(child, BigOperator) or (isinstance(child, Prefix) and child.operator == "Σ"):
        return False
    if is_partial(child):
        return not stacked
    slashed = isinstance(child, Fraction) or (isinstance(child, Infix) and child.operator == "/")
    if precedence(child) < Precedence.PRODUCT or is_signed(child):
        return True
    return slashed and not stacked and _begins_with_digit(child)


def _is_plain_ratio(notation: Notation) -> bool:
    """Whether `notation` is x / y, before which a factor may stand: c · x / y."""
    if not isinstance(notation, Fraction) or starts_with_digit(notation) or is_signed(notation):
        return False
    return not is_partial(notation.numerator) and precedence(notation.numerator) >= Precedence.POWER


def _begins_with_digit(ratio: Notation) -> bool:
    """Whether a number before a fraction with a slash would be beside another number, which begins its numerator."""
    above = ratio.operands[0] if isinstance(ratio, Infix) else ratio
    above = above.numerator if isinstance(above, Fraction) else above
    return starts_with_digit(above) and not _fraction_brackets(above, 0)


def _factor_brackets(child: Notation, operator: str, position: int, stacked: bool) -> bool:
    """Whether a factor of a product written with `operator` needs brackets."""
    if is_partial(child):
        return operator == "" and not stacked
    if isinstance(child, Number) and is_signed(child):
        return position > 0
    binds = precedence(child)
    if binds >= Precedence.POWER:
        return False
    if isinstance(child, Fraction):
        return not stacked
    if position == 0 and _is_negated_factor(child):
        return False
    if not isinstance(child, Infix) or binds is not Precedence.PRODUCT or (position > 0 and is_signed(child)):
        return True
    if operator == "·" and child.operator == "" and position > 0 and not starts_with_digit(child):
        return False  # c · A x: the number can be multiplied first or last
    if operator == child.operator == "·" and isinstance(child.operands[-1], Fraction) and not stacked:
        return True
    if is_scaled(child):
        rest = child.operands[1]
        if position > 0 or isinstance(rest, BigOperator):
            return True
        return not _scaled_brackets(rest, 1, stacked) and _factor_brackets(rest, operator, 1, stacked)
    return child.operator != operator or (position > 0 and _begins_with_number(child))


def _begins_with_number(product: Infix) -> bool:
    """Whether the leftmost factor of a product is itself a number times another factor."""
    first = product.operands[0]
    return isinstance(first, Infix) and (is_scaled(first) or _begins_with_number(first))


def _fraction_brackets(child: Notation, position: int) -> bool:
    """Whether the numerator (position 0) or denominator of a fraction with a slash needs brackets."""
    if is_partial(child):
        return True
    if precedence(child) >= Precedence.POWER:
        return False
    if isinstance(child, Number):
        return position > 0
    return position > 0 or not (_is_plain_product(child) or _is_negated_factor(child))


def _is_negated_factor(notation: Notation) -> bool:
    """Whether `notation` is −x, whose sign may stand before a product or a fraction that begins with x."""
    if not isinstance(notation, Prefix) or notation.operator != "−":
        return False
    return precedence(notation.operand) >= Precedence.POWER and not is_partial(notation.operand)


def _is_plain_product(notation: Notation) -> bool:
    """Whether `notation` is a product in which no factor is a sum without brackets, or a fraction."""
    if not isinstance(notation, Infix) or notation.operator not in ("", "·"):
        return False
    if notation.operator == "·" and _is_plain_ratio(notation.operands[-1]):
        return False
    rest = notation.operands[1] if is_scaled(notation) else None
    return rest is None or precedence(rest) >= Precedence.POWER or _is_plain_product(rest)
