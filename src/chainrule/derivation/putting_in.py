"""Formulas with numbers in place of names: for numbers in any formula, for matrices in sums and products."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np

from chainrule.derivation.brackets import is_scaled, needs_brackets
from chainrule.derivation.decimals import decimal_of, drawing_of, matrix_of
from chainrule.derivation.points import Array
from chainrule.primitives import (
    Application,
    BigOperator,
    Fraction,
    Indexed,
    Infix,
    Notation,
    Number,
    Pairing,
    Partial,
    Postfix,
    Prefix,
    SecondPartial,
    Symbol,
)

_MOST_NUMBERS = 8
"""The number of numbers in a formula above which it is not written with numbers."""
_MOST_ENTRIES = 32
"""The number of entries of matrices in a formula above which it is not written with matrices."""
_CLOSE = 1e-9


class Filled(NamedTuple):
    """A formula with numbers in place of names, and whether none of them is rounded."""

    notation: Notation
    exact: bool


class _Part(NamedTuple):
    """A part of a formula with its value: a number, or an array with two axes."""

    notation: Notation
    value: Array
    exact: bool
    is_vector: bool = False


def with_numbers(notation: Notation, values: Mapping[Notation, Array]) -> Filled | None:
    """Return `notation` with numbers for all names; None if it has another name, no name, or many."""
    exact: list[bool] = []

    def filled(part: Notation) -> Notation:
        value = values.get(part)
        if value is not None and value.ndim == 0:
            number, is_exact = decimal_of(value.item())
            exact.append(is_exact)
            return number
        if isinstance(part, Symbol | Partial | SecondPartial | BigOperator | Indexed | Pairing | Application):
            raise LookupError
        return replace(part, **{each.name: inner(getattr(part, each.name)) for each in fields(part)})

    def inner(part: Any) -> Any:
        if isinstance(part, tuple):
            return tuple(map(inner, part))
        return filled(cast("Notation", part)) if is_dataclass(part) else part

    try:
        found = filled(notation)
    except LookupError:
        return None
    return Filled(found, all(exact)) if 0 < len(exact) <= _MOST_NUMBERS else None


def with_matrices(notation: Notation, values: Mapping[Notation, Array], expected: Array) -> Filled | None:
    """Return `notation` with matrices for all names, if it is made of sums and products and is not long.

    The matrices are multiplied and added as they are written; None if the result is not `expected`.
    """
    try:
        part = _part(notation, values)
    except LookupError:
        return None
    found = part.value if part.value.ndim == expected.ndim else part.value.reshape(-1)
    if found.shape != expected.shape or not np.allclose(found, expected, _CLOSE, _CLOSE, equal_nan=True):
        return None
    return Filled(part.notation, part.exact)


def _part(notation: Notation, values: Mapping[Notation, Array]) -> _Part:
    """Fill a formula; raise LookupError if it has another form."""
    if isinstance(notation, Number):
        return _Part(notation, np.asarray(float(notation.value)), True)
    if notation in values:
        value = values[notation]
        if drawing_of(value, columns=True) is None:
            raise LookupError
        if value.ndim == 0:
            return _Part(*_of_number(value))
        whole = value if value.ndim == 2 else value[:, None]
        matrix, exact = matrix_of(whole)
        return _Part(matrix, whole, exact, value.ndim == 1)
    if isinstance(notation, Postfix) and notation.operator == "ᵀ" and notation.operand in values:
        inner = _part(notation.operand, values)
        matrix, exact = matrix_of(inner.value.T)
        return _Part(matrix, inner.value.T, exact)
    if isinstance(notation, Prefix) and notation.operator == "−":
        inner = _part(notation.operand, values)
        return inner._replace(notation=replace(notation, operand=inner.notation), value=-inner.value)
    if isinstance(notation, Fraction):
        upper, lower = _part(notation.numerator, values), _part(notation.denominator, values)
        if upper.value.ndim or lower.value.ndim:
            raise LookupError
        return _Part(Fraction(upper.notation, lower.notation), upper.value / lower.value, upper.exact and lower.exact)
    if isinstance(notation, Infix) and notation.operator in ("", "·", "⊙", "+", "−"):
        return _combined(notation, values)
    raise LookupError


def _of_number(value: Array) -> tuple[Notation, Array, bool]:
    number, exact = decimal_of(value.item())
    return number, value, exact


def _combined(notation: Infix, values: Mapping[Notation, Array]) -> _Part:
    if any(isinstance(each, Infix) and needs_brackets(each, notation, k) for k, each in enumerate(notation.operands)):
        raise LookupError  # brackets around matrices are hard to read
    if notation.operator == "" and not is_scaled(notation):
        parts = list(_factors(notation, values))
    else:
        parts = [_part(each, values) for each in notation.operands]
        parts = _repeated(parts)
    if sum(part.value.size for part in parts) > _MOST_ENTRIES:
        raise LookupError
    total = parts[0].value
    for part in parts[1:]:
        total = _applied(notation.operator, total, part.value)
    written = tuple(part.notation for part in parts)
    return _Part(replace(notation, operands=written), total, all(part.exact for part in parts))


def _factors(notation: Infix, values: Mapping[Notation, Array]) -> Iterator[_Part]:
    """Yield the factors of a matrix product; a row of ones before a matrix is written 1ᵀ."""
    ones = Postfix("ᵀ", Number(1))
    for place, factor in enumerate(notation.operands):
        if factor == ones and place == 0 and len(notation.operands) > 1:
            following = _part(notation.operands[1], values)
            if following.value.ndim != 2:
                raise LookupError
            yield _Part(ones, np.ones((1, following.value.shape[0])), True)
        elif isinstance(factor, Number):
            raise LookupError
        else:
            yield _part(factor, values)


def _repeated(parts: list[_Part]) -> list[_Part]:
    """Repeat a vector beside a matrix as rows, as the notation leaves unsaid."""
    shapes = {part.value.shape for part in parts if part.value.ndim and not part.is_vector}
    rows = max((shape[0] for shape in shapes), default=0)
    result = []
    for part in parts:
        if part.is_vector and rows and part.value.shape not in shapes:
            repeated = np.repeat(part.value.T, rows, axis=0)
            matrix, exact = matrix_of(repeated)
            result.append(_Part(matrix, repeated, exact))
        else:
            result.append(part)
    return result


def _applied(operator: str, left: Array, right: Array) -> Array:
    if left.ndim == right.ndim == 2:
        if operator == "":
            if left.shape[1] != right.shape[0]:
                raise LookupError
            return np.asarray(left @ right)
        if left.shape != right.shape or operator == "·":
            raise LookupError
    elif operator in ("+", "−") and left.ndim != right.ndim:
        raise LookupError
    with np.errstate(all="ignore"):
        return np.asarray(left + right if operator == "+" else left - right if operator == "−" else left * right)
