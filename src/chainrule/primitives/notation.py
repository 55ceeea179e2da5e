"""The notation of values: a small tree of mathematics, printed by precedence.

A primitive states its notation in these terms; the renderers of `derivation` convert the tree to Unicode text or LaTeX.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, Union

Notation: TypeAlias = Union[
    "Symbol",
    "Number",
    "Matrix",
    "Call",
    "Application",
    "Infix",
    "Prefix",
    "Postfix",
    "Power",
    "Fraction",
    "BigOperator",
    "Indexed",
    "Cases",
    "Pairing",
    "Partial",
    "SecondPartial",
]


class Precedence(enum.IntEnum):
    """The precedence of a form; an operand with a lower precedence than required is parenthesized."""

    COMPARISON = 0
    SUM = 1
    SIGN = 2
    PRODUCT = 3
    POWER = 4
    ATOM = 5


@dataclass(frozen=True)
class Symbol:
    """A name as the user wrote it (`W1`, `a_hidden`); `prefix` is a mark such as `d` or `δ`."""

    name: str
    prefix: str = ""


@dataclass(frozen=True)
class Mark(Symbol):
    """Text in the place of a name: a slice, a size, the letters of an einsum."""


@dataclass(frozen=True)
class Verbatim(Symbol):
    """A name rendered verbatim, without subscripts or Greek letters, since another name would look the same."""


@dataclass(frozen=True)
class Number:
    """A literal."""

    value: float | int | bool


@dataclass(frozen=True)
class Decimal(Number):
    """The value of a quantity, in decimals: 0.5, where a literal would be ½.

    A rounded number has all its significant `digits`, as 0.1330; one that is not has as many as it needs.
    """

    digits: int = 0


@dataclass(frozen=True)
class Matrix:
    """An array in brackets, row by row."""

    rows: tuple[tuple[Notation, ...], ...]


@dataclass(frozen=True)
class Call:
    """A function of arguments: `σ(z)`; `primes` counts derivatives, `σ′(z)`; `subscript` holds axes or parameters.

    The functions "rows" and "columns" join blocks, and are written `[A; B]` and `[A, B]`.
    """

    function: str
    arguments: tuple[Notation, ...]
    primes: int = 0
    subscript: tuple[Notation, ...] = ()


@dataclass(frozen=True)
class Application:
    """A function that has a name only, `f(x)`, and its derivatives.

    They are written `f″(x)` with `primes`, `∂₁₂f(x, y)` with the numbers of the arguments that it is differentiated
    `by`, of a function of one vector `∇²f(x)` with `nablas`, and `J_f(x)` for a `jacobian`. Without arguments the
    function alone is written.
    """

    function: Symbol
    arguments: tuple[Notation, ...]
    primes: int = 0
    by: tuple[int, ...] = ()
    nablas: int = 0
    jacobian: bool = False


@dataclass(frozen=True)
class Infix:
    """`a + b + c`: `operator` is one of `+ − ⊙ ⊗ ⋆ · / = ≈ < ≤ > ≥ ≠ ∧ ∨` or empty (juxtaposed matrix product)."""

    operator: str
    operands: tuple[Notation, ...]


@dataclass(frozen=True)
class Prefix:
    """`−x`, `¬m`, `Σ x`."""

    operator: str
    operand: Notation


@dataclass(frozen=True)
class Postfix:
    """`Aᵀ`: `operator` is `ᵀ`, `⁻¹`, or `⁻ᵀ` for both."""

    operator: str
    operand: Notation


@dataclass(frozen=True)
class Power:
    """`base` raised to `exponent`."""

    base: Notation
    exponent: Notation


@dataclass(frozen=True)
class Fraction:
    """`numerator` over `denominator`."""

    numerator: Notation
    denominator: Notation


@dataclass(frozen=True)
class BigOperator:
    """`Σ_i body`, `max_i body`: `indices` are bound in `body`."""

    operator: str
    indices: tuple[Notation, ...]
    body: Notation


@dataclass(frozen=True)
class Indexed:
    """One element: `W1[j, k]`, in LaTeX a subscript."""

    base: Notation
    indices: tuple[Notation, ...]


@dataclass(frozen=True)
class Cases:
    """`value if condition, else otherwise`."""

    condition: Notation
    value: Notation
    otherwise: Notation


@dataclass(frozen=True)
class Pairing:
    """The inner product `⟨a, b⟩`."""

    left: Notation
    right: Notation


@dataclass(frozen=True)
class Partial:
    """The partial derivative `∂L/∂W`, read as one symbol."""

    of: Notation
    by: Notation


@dataclass(frozen=True)
class SecondPartial:
    """The second derivative `∂²L/∂x∂yᵀ`, read as one symbol; `by` are x and yᵀ, or x² alone."""

    of: Notation
    by: tuple[Notation, ...]


INFIX_PRECEDENCE = {
    "=": Precedence.COMPARISON,
    "<": Precedence.COMPARISON,
    "≤": Precedence.COMPARISON,
    ">": Precedence.COMPARISON,
    "≥": Precedence.COMPARISON,
    "≠": Precedence.COMPARISON,
    "≈": Precedence.COMPARISON,
    "∧": Precedence.COMPARISON,
    "∨": Precedence.COMPARISON,
    "+": Precedence.SUM,
    "−": Precedence.SUM,
    "⊙": Precedence.PRODUCT,
    "⊗": Precedence.PRODUCT,
    "⋆": Precedence.PRODUCT,
    "·": Precedence.PRODUCT,
    "/": Precedence.PRODUCT,
    "": Precedence.PRODUCT,
}


def precedence(notation: Notation) -> Precedence:
    """Return the precedence of the outermost form of `notation`."""
    if isinstance(notation, Infix):
        return INFIX_PRECEDENCE[notation.operator]
    if isinstance(notation, Prefix):
        return Precedence.SIGN if notation.operator in "−¬" else Precedence.PRODUCT
    if isinstance(notation, BigOperator | Cases):
        return Precedence.SUM
    if isinstance(notation, Fraction):
        return Precedence.PRODUCT
    if isinstance(notation, Power | Postfix):
        return Precedence.POWER
    if isinstance(notation, Number):
        return Precedence.SIGN if not isinstance(notation.value, bool) and notation.value < 0 else Precedence.ATOM
    return Precedence.ATOM


def call(function: str, *arguments: Notation) -> Call:
    """`function(arguments…)`."""
    return Call(function, tuple(arguments))


def infix(operator: str, *operands: Notation) -> Infix:
    """`a operator b …`."""
    return Infix(operator, tuple(operands))


def transposed(x: Notation) -> Notation:
    """`xᵀ`; the transpose of an inverse is `x⁻ᵀ`, that of `A B` is `Bᵀ Aᵀ`, that of `2 A` is `2 Aᵀ`.

    `A + Aᵀ` is its own.
    """
    if isinstance(x, Infix) and len(x.operands) == 2:
        first, second = x.operands
        if x.operator == "":
            return Infix("", (transposed(second), transposed(first)))
        if x.operator == "·" and isinstance(first, Number | Fraction):
            return Infix("·", (first, transposed(second)))
        if x.operator == "+" and transposed(first) == second:
            return x
    if isinstance(x, Postfix):
        return {"ᵀ": x.operand, "⁻¹": Postfix("⁻ᵀ", x.operand), "⁻ᵀ": Postfix("⁻¹", x.operand)}[x.operator]
    return Postfix("ᵀ", x)


def indexed(base: Notation, indices: Sequence[Notation]) -> Notation:
    """`base[indices…]`; a scalar has no index and is returned unchanged."""
    return Indexed(base, tuple(indices)) if indices else base
