"""Code fragments with precedence, so that parentheses are written only where needed.

Products and sums are lists of factors and terms: `a * (b * c)` is written without parentheses, since the result differs
only by rounding; a nested matrix product keeps its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from chainrule.ir import Dim, reading_order


class Level(IntEnum):
    """Precedence of operators in Python and C, lowest first."""

    CHOICE = 0
    OR = 1
    AND = 2
    COMPARISON = 3
    BIT_OR = 4
    BIT_AND = 5
    SUM = 6
    PRODUCT = 7
    MATRIX = 8
    SIGN = 9
    POWER = 10
    ATOM = 11


@dataclass(frozen=True)
class Code:
    """Text with its precedence; for a sum or product, `parts` are its terms with their operators."""

    text: str
    level: Level = Level.ATOM
    parts: tuple[tuple[str, Code], ...] = ()
    is_word: bool = False
    """Whether it is a name, possibly with attributes, or a number."""

    def at(self, level: Level) -> str:
        """Return the text, parenthesized if its precedence is below `level`."""
        return self.text if self.level >= level else f"({self.text})"

    def __str__(self) -> str:
        return self.text

    def __format__(self, level: str) -> str:
        """Return the text in a template, parenthesized if its precedence is below the given level."""
        return self.at(Level[level]) if level else self.text


def atom(text: str) -> Code:
    """A name or a number."""
    return Code(text, is_word=True)


def call(function: str, *arguments: Code | str, **options: Code | str) -> Code:
    """`function(a, b, axis=0)`."""
    given = [*map(str, arguments), *(f"{name}={value}" for name, value in options.items())]
    return Code(f"{function}({', '.join(given)})")


def method(x: Code, name: str, *arguments: Code | str, **options: Code | str) -> Code:
    """`x.name(a, axis=0)`."""
    return call(f"{x.at(Level.ATOM)}.{name}", *arguments, **options)


def attribute(x: Code, name: str) -> Code:
    """`x.name`."""
    return Code(f"{x.at(Level.ATOM)}.{name}", is_word=x.is_word)


def subscript(x: Code, *entries: Code | str) -> Code:
    """`x[a, b]`."""
    return Code(f"{x.at(Level.ATOM)}[{', '.join(map(str, entries))}]")


def entries_of(entries: Sequence[object]) -> str:
    """`(a, b)`, as a Python literal."""
    return f"({', '.join(map(str, entries))}{',' if len(entries) == 1 else ''})"


def product(x: Code, y: Code) -> Code:
    """`x * y`."""
    first = [*_parts(x, Level.PRODUCT, "*")]
    return _joined([*first, *_parts(y, Level.PRODUCT, "*")], Level.PRODUCT)


def quotient(x: Code, y: Code) -> Code:
    """`x / y`."""
    return _joined([*_parts(x, Level.PRODUCT, "*"), ("/", y)], Level.PRODUCT)


def total(x: Code, y: Code) -> Code:
    """`x + y`."""
    return _joined([*_parts(x, Level.SUM, "+"), *_parts(y, Level.SUM, "+")], Level.SUM)


def difference(x: Code, y: Code) -> Code:
    """`x - y`."""
    return _joined([*_parts(x, Level.SUM, "+"), ("-", y)], Level.SUM)


def negative(x: Code) -> Code:
    """`-x`; for a product, the sign precedes the first factor."""
    if x.level is Level.PRODUCT and x.parts:
        (operator, first), *rest = x.parts
        return _joined([(operator, negative(first)), *rest], Level.PRODUCT)
    if x.level is Level.SIGN and x.parts:
        return x.parts[0][1]
    return Code(f"-{x.at(Level.SIGN)}", Level.SIGN, (("-", x),))


def binary(operator: str, x: Code, y: Code, level: Level) -> Code:
    """Apply a left-associative operator."""
    above = Level(level + 1)
    left = x.at(above if level is Level.COMPARISON else level)
    return Code(f"{left} {operator} {y.at(above)}", level)


def matrix_product(x: Code, y: Code) -> Code:
    """`x @ y`; a product with numbers is parenthesized, though Python does not always require it."""
    return Code(f"{x.at(Level.MATRIX)} @ {y.at(Level.SIGN)}", Level.MATRIX)


def power(x: Code, exponent: Code) -> Code:
    """`x ** exponent`."""
    sign = "**" if x.is_word and exponent.is_word else " ** "
    return Code(f"{x.at(Level.ATOM)}{sign}{exponent.at(Level.SIGN)}", Level.POWER)


def _parts(x: Code, level: Level, operator: str) -> Sequence[tuple[str, Code]]:
    if x.level is level and x.parts:
        (_, first), *rest = x.parts
        return [(operator, first), *rest]
    return [(operator, x)]


def _joined(parts: Sequence[tuple[str, Code]], level: Level) -> Code:
    above = Level(level + 1)
    # A matrix product needs no parentheses at the beginning of a product. The same holds for a sign in a sum.
    text = parts[0][1].at(above)
    for operator, part in parts[1:]:
        needed = Level.SIGN if level is Level.PRODUCT else above
        text += f" {operator} {part.at(needed)}"
    return Code(text, level, tuple(parts))


def written_dim(dim: Dim, variable: Callable[[str], str]) -> Code:
    """Write a size, applying `variable` to each name."""
    if isinstance(dim, int):
        return negative(atom(str(-dim))) if dim < 0 else atom(str(dim))
    code: Code | None = None
    for monomial, coefficient in sorted(dim.terms, key=reading_order):
        factors = [atom(variable(name)) for name in monomial]
        if abs(coefficient) != 1 or not factors:
            factors.insert(0, atom(str(abs(coefficient))))
        term = factors[0]
        for factor in factors[1:]:
            term = product(term, factor)
        if code is None:
            code = negative(term) if coefficient < 0 else term
        else:
            code = difference(code, term) if coefficient < 0 else total(code, term)
    assert code is not None
    return code
