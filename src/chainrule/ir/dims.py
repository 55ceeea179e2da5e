"""Sizes of axes: an `int`, or a polynomial with integer coefficients in named sizes.

`"n d"` names two sizes; reshaping and concatenation form products and sums of them. A `SymbolicDim` is in normal form,
so that equal sizes are the same object, and a constant polynomial is always a plain `int`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from chainrule.ir.errors import ShapeError

Monomial: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SymbolicDim:
    """A symbolic size, e.g. `n`, `2·h`, `n + m`; `terms` are sorted (monomial, coefficient) pairs."""

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Dim) -> Dim:
        return _combine(self, other, 1)

    __radd__ = __add__

    def __sub__(self, other: Dim) -> Dim:
        return _combine(self, other, -1)

    def __rsub__(self, other: int) -> Dim:
        return _combine(other, self, -1)

    def __mul__(self, other: Dim) -> Dim:
        product: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in _terms(other):
                key = tuple(sorted(left + right))
                product[key] = product.get(key, 0) + a * b
        return _normal(product)

    __rmul__ = __mul__

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for monomial, _ in self.terms for name in monomial)

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in sorted(self.terms, key=reading_order):
            size = abs(coefficient)
            factors = [str(size)] if size != 1 or not monomial else []
            body = "·".join([*factors, *monomial])
            sign = "-" if coefficient < 0 else "+" if text else ""
            text += sign + body
        return text

    __repr__ = __str__


Dim: TypeAlias = int | SymbolicDim


def reading_order(term: tuple[Monomial, int]) -> tuple[bool, bool, int, Monomial]:
    """The sort key of a term for printing: numbers last, preceded by positive terms, as in l − k + 1."""
    monomial, coefficient = term
    return not monomial, coefficient < 0, -len(monomial), monomial


def _terms(dim: Dim) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(dim, SymbolicDim):
        return dim.terms
    return (((), int(dim)),) if dim else ()


def _normal(terms: Mapping[Monomial, int]) -> Dim:
    kept = tuple(sorted((monomial, c) for monomial, c in terms.items() if c))
    if not kept:
        return 0
    if len(kept) == 1 and kept[0][0] == ():
        return kept[0][1]
    return SymbolicDim(kept)


def _combine(left: Dim, right: Dim, sign: int) -> Dim:
    total = dict(_terms(left))
    for monomial, c in _terms(right):
        total[monomial] = total.get(monomial, 0) + sign * c
    return _normal(total)


def named_dim(name: str) -> Dim:
    """Return the symbolic size called `name`."""
    if not re.fullmatch(r"[^\W\d]\w*", name):
        raise ShapeError(
            f"{name!r} is not a name for a size; write a letter, then letters or digits, as in 'n' or 'batch'"
        )
    return SymbolicDim((((name,), 1),))


def dim_product(dims: Iterable[Dim]) -> Dim:
    """Return the product of sizes, such as the number of elements of a shape."""
    total: Dim = 1
    for dim in dims:
        total = total * dim
    return total


def dim_quotient(dividend: Dim, divisor: Dim) -> Dim | None:
    """Return `dividend / divisor` if the division is exact for all values of the names, else None."""
    if isinstance(dividend, int) and isinstance(divisor, int):
        return dividend // divisor if divisor and dividend % divisor == 0 else None
    if dividend == 0:
        return 0
    divisor_terms = _terms(divisor)
    if len(divisor_terms) != 1:
        return 1 if dividend == divisor else None
    ((monomial, c),) = divisor_terms
    quotient: dict[Monomial, int] = {}
    for term, coefficient in _terms(dividend):
        remaining = list(term)
        for name in monomial:
            if name not in remaining:
                return None
            remaining.remove(name)
        if coefficient % c:
            return None
        quotient[tuple(remaining)] = coefficient // c
    return _normal(quotient)


def bind_dim(dim: Dim, sizes: Mapping[str, Dim]) -> Dim:
    """Replace every name in `dim` that occurs in `sizes`."""
    if isinstance(dim, int):
        return dim
    total: Dim = 0
    for monomial, coefficient in dim.terms:
        total = total + dim_product([coefficient, *(sizes.get(name, named_dim(name)) for name in monomial)])
    return total
