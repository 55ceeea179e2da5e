"""Random mathematics, its meaning on matrices over a prime field, and a reader of what is printed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from chainrule.primitives.notation import Fraction, Infix, Notation, Number, Postfix, Power, Prefix, Symbol

PRIME = 2**31 - 1
Matrix = NDArray[Any]
_random = np.random.default_rng(7)
MATRICES: dict[str, Matrix] = {
    name: _random.integers(1, PRIME, (3, 3)).astype(object) for name in ("a", "b", "W1", "δ2", "dX")
}
SYMBOLS = {"a": Symbol("a"), "b": Symbol("b"), "W1": Symbol("W1"), "δ2": Symbol("2", "δ"), "dX": Symbol("X", "d")}


def trees(fractions: bool = True, signs: bool = True) -> st.SearchStrategy[Notation]:
    """Sums, products of three kinds, transposes, squares, and if asked fractions and signs."""
    leaves: st.SearchStrategy[Notation] = st.sampled_from(list(SYMBOLS.values()))

    def grow(inner: st.SearchStrategy[Notation]) -> st.SearchStrategy[Notation]:
        operators = st.sampled_from(["+", "−", "⊙", ""])
        numbers = st.sampled_from([0.5, 2.0, 3] + ([-2.0] if signs else [])).map(Number)
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        choices: list[st.SearchStrategy[Notation]] = [
            st.builds(Infix, operators, several),
            st.builds(lambda n, x: Infix("·", (n, x)), numbers, inner),
            st.builds(Postfix, st.just("ᵀ"), inner),
            st.builds(Power, inner, st.just(Number(2))),
        ]
        if signs:
            choices.append(st.builds(Prefix, st.just("−"), inner))
        if fractions:
            choices.append(st.builds(Fraction, inner, inner))
        return st.one_of(choices)

    return st.recursive(leaves, grow, max_leaves=9)


def _number(value: float) -> int:
    return pow(2, -1, PRIME) if value == 0.5 else int(value) % PRIME


def _quotient(upper: Matrix, lower: Matrix) -> Matrix:
    inverse = np.vectorize(lambda x: pow(int(x), PRIME - 2, PRIME), otypes=[object])
    return upper * inverse(lower) % PRIME


def meaning(notation: Notation) -> Matrix:
    """The value of a tree, exact in the field."""
    if isinstance(notation, Symbol):
        return MATRICES[notation.prefix + notation.name]
    if isinstance(notation, Infix):
        if notation.operator == "·":
            assert isinstance(notation.operands[0], Number)
            return _number(notation.operands[0].value) * meaning(notation.operands[1]) % PRIME
        result = meaning(notation.operands[0])
        for operand in notation.operands[1:]:
            result = _combine(notation.operator, result, meaning(operand))
        return result
    if isinstance(notation, Prefix):
        return -meaning(notation.operand) % PRIME
    if isinstance(notation, Postfix):
        return meaning(notation.operand).T
    if isinstance(notation, Power):
        return meaning(notation.base) ** 2 % PRIME
    assert isinstance(notation, Fraction)
    return _quotient(meaning(notation.numerator), meaning(notation.denominator))


def _combine(operator: str, x: Matrix, y: Matrix) -> Matrix:
    result = {"+": x.__add__, "−": x.__sub__, "⊙": x.__mul__, "": x.dot}[operator](y)
    return np.asarray(result % PRIME)


class Reader:
    """Reads printed mathematics as a strict reader would: one kind of product in a chain, one mark on a factor."""

    def __init__(self, text: str) -> None:
        self._tokens = re.findall(r"W1|δ2|dX|[ab]|[0-9]+|½|²|ᵀ|[()+−⊙/·]", text)
        assert "".join(self._tokens) == text.replace(" ", ""), text
        self._place = 0

    def read(self) -> Matrix:
        """The value of the whole; ValueError where it is ambiguous or not well formed."""
        result = self._sum()
        if self._next is not None:
            raise ValueError(f"{self._next} is left over")
        return result

    @property
    def _next(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _take(self, *tokens: str) -> str | None:
        if self._next in tokens:
            self._place += 1
            return self._tokens[self._place - 1]
        return None

    def _sum(self) -> Matrix:
        result = -self._product() % PRIME if self._take("−") else self._product()
        while operator := self._take("+", "−"):
            result = _combine(operator, result, self._product())
        return result

    def _product(self) -> Matrix:
        coefficient = 1
        while self._next is not None and re.fullmatch("[0-9]+|½", self._next):
            number = self._tokens[self._place]
            self._place += 1
            coefficient = coefficient * _number(0.5 if number == "½" else int(number)) % PRIME
            self._take("·")
        result, kinds = self._factor(), set()
        while self._next not in (None, ")", "+", "−"):
            if self._take("/"):
                if "⊙" in kinds:
                    raise ValueError("a quotient beside ⊙")
                result = _quotient(result, self._factor())
                kinds.add("/")
                if self._next not in (None, ")", "+", "−"):
                    raise ValueError("something follows a quotient")
                break
            operator = self._take("⊙") or ""
            kinds.add(operator)
            if len(kinds) > 1:
                raise ValueError("two kinds of products side by side")
            result = _combine(operator, result, self._factor())
        return coefficient * result % PRIME

    def _factor(self) -> Matrix:
        if self._take("("):
            result = self._sum()
            if not self._take(")"):
                raise ValueError("a bracket is not closed")
        else:
            name = self._take(*MATRICES)
            if name is None:
                raise ValueError(f"{self._next} is not a factor")
            result = MATRICES[name]
        if self._next == "²" and self._tokens[self._place - 1] == "dX":
            raise ValueError("the square of a differential without brackets")
        if mark := self._take("ᵀ", "²"):
            result = result.T if mark == "ᵀ" else result**2 % PRIME
        if self._next in ("ᵀ", "²"):
            raise ValueError("two marks on one factor")
        return result
