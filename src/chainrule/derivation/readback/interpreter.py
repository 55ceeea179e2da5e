"""Evaluation of the tokens of a printed line as a reader of mathematics would."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np

from chainrule.derivation.readback import functions, matrices
from chainrule.derivation.readback.calls import Calls
from chainrule.derivation.readback.cursor import unset
from chainrule.derivation.readback.tokens import Token
from chainrule.derivation.readback.values import (
    Array,
    ChainFactorError,
    Meaning,
    Open,
    ReadingError,
    Shape,
    UnknownNotationError,
    Value,
    elementwise,
    fitted_to,
    known,
    ones,
    product,
    transposed,
)

_COMPARISONS: dict[str, Callable[..., Array]] = {
    "<": lambda x, y: np.less(x, y) & ~_alike(x, y),
    "≤": lambda x, y: np.less(x, y) | _alike(x, y),
    ">": lambda x, y: np.greater(x, y) & ~_alike(x, y),
    "≥": lambda x, y: np.greater(x, y) | _alike(x, y),
    "=": lambda x, y: _alike(x, y),
    "≠": lambda x, y: ~_alike(x, y),
}


def _alike(x: Array, y: Array) -> Array:
    """Whether two numbers differ only by rounding, which depends on the order of operations."""
    return np.isclose(x, y, rtol=1e-13, atol=0)


_STARTS = frozenset(("number", "ones", "name", "function", "applied", "partial", "quotient"))

_AT_NUMBER = re.compile("[₀-₉]$")
"""A value in a numbered step of a recurrence, in text."""


class Interpreter(Calls):
    """Evaluates one line; a literal 1 in a matrix product is the vector of ones."""

    @property
    def is_number(self) -> bool:
        """Whether the line is a single literal number, possibly with a sign."""
        words = self._words[1:] if self._words[0].text == "−" else self._words
        return [word.kind for word in words] == ["number", "end"]

    def expression(self) -> Meaning:
        """Evaluate an expression as it may occur in brackets."""
        value = self._condition()
        if not self._at("if"):
            return value
        self._take()
        condition = self._condition()
        self._expect(",")
        self._expect("else")
        otherwise = self.expression()
        return elementwise(np.where, condition, value, otherwise)

    def _condition(self) -> Meaning:
        value = self._comparison()
        while self._at("∧", "∨"):
            operation = np.logical_and if self._take().text == "∧" else np.logical_or
            value = elementwise(operation, value, self._comparison())
        return value

    def _comparison(self) -> Meaning:
        if self._at("¬"):
            self._take()
            return elementwise(np.logical_not, self._power())
        value = self._sum()
        if self._next.kind == "sign" and self._next.text in _COMPARISONS:
            operation = _COMPARISONS[self._take().text]
            return elementwise(operation, value, self._sum())
        return value

    def _sum(self) -> Meaning:
        if self._at("−"):
            self._take()
            value = elementwise(np.negative, self._numeric(self._product()))
        else:
            value = self._product()
        while self._at("+", "−"):
            operation = np.add if self._take().text == "+" else np.subtract
            value = elementwise(operation, self._numeric(value), self._numeric(self._product()))
        return value

    def _product(self) -> Meaning:
        first = self._place
        value = self._chain()
        while self._at("⊙", "⊗", "·", "/", "⋆"):
            sign = self._take().text
            start = self._place
            other = self._chain()
            if sign == "⋆":
                raise UnknownNotationError("⋆")
            if sign == "⊗":
                ends = start - 2 == first and self._words[first].text == "1", self._place == start + 1
                value = ones(len(self._around.letters)) if ends[0] and self._words[first].kind == "number" else value
                other = ones(len(self._around.letters)) if ends[1] and self._words[start].text == "1" else other
                value = matrices.kronecker(self._numeric(value), self._numeric(other))
                continue
            if sign == "/":
                value = elementwise(np.true_divide, self._numeric(value), self._numeric(other))
                continue
            if sign == "·":
                if _is_array(value) and _is_array(other):
                    single = _single(value)
                    value, other = (single, other) if single is not value else (value, _single(other))
                alone = self._place == start + 1 and self._words[start].text == "1"
                if alone and self._around.letters == {}:
                    other = ones(0)
                if _is_ones(other):
                    value = product([_single(value), other])
                    continue
                sizes = [each for each in (value, other) if isinstance(each, Open) or each.ndim]
                if len(sizes) > 1:
                    raise ReadingError("· between two arrays")
            value = elementwise(np.multiply, self._numeric(value), self._numeric(other))
        return value

    def _starts_factor(self) -> bool:
        token = self._next
        if token.kind in _STARTS:
            return True
        return token.kind == "sign" and (token.text in "(⌊⌈⟨√" or self._bars.get(token.text) == 0)

    def _chain(self) -> Meaning:
        factors: list[Meaning] = []
        literal: list[bool] = []
        while True:
            start = self._place
            factors.append(self._power())
            literal.append(self._place == start + 1 and self._words[start].kind == "number")
            if not self._starts_factor():
                break
        if len(factors) == 1:
            return factors[0]
        letters = len(self._around.letters)
        numbers = letters and all(isinstance(factor, Value) and factor.ndim == 0 for factor in factors)
        for k, (factor, plain) in enumerate(zip(factors, literal, strict=True)):
            if plain and not numbers and isinstance(factor, Value) and np.all(factor.data == 1):
                factors[k] = ones(letters)
        return product([self._numeric(factor) for factor in factors])

    def _power(self) -> Meaning:
        start = self._place
        value = self._atom()
        while True:
            token = self._next
            if token.kind == "raised":
                self._take()
                literal = self._place == start + 2 and self._words[start].kind == "number"
                if token.text == "transpose" and literal and known(value).data == 1:
                    value = ones(len(self._around.letters))
                if literal and self._words[start].text == "10" and token.text == "power":
                    value = self._number(float(f"1e{token.number:.0f}"))  # 10⁻⁵ is the number nearest to it
                else:
                    value = self._raised(value, token)
            elif token.kind == "index":
                self._take()
                value = self._item(value, token, self._words[start], self._place == start + 2)
            elif self._at("^"):
                self._take()
                value = elementwise(_raise, value, self._atom())
            else:
                return value

    def _raised(self, value: Meaning, token: Token) -> Meaning:
        if token.text == "transpose":
            return transposed(value)
        if token.text == "inverse transpose":
            return transposed(matrices.inverse(value))
        if token.number == -1:
            return matrices.inverse(value)
        exponent = token.number
        return elementwise(lambda x: _raise(x, exponent), self._numeric(value))

    def _atom(self) -> Meaning:
        token = self._take()
        if token.kind == "number":
            if token.text in ("true", "false"):
                return self._around.of(np.asarray(bool(token.number)))
            return self._number(token.number)
        if token.kind == "ones":
            return ones(len(self._around.letters))
        if token.kind == "name":
            if token.text in self._around.letters:
                return self._around.letter(token.text)
            if token.text == self._around.identity and token.text not in self._around.names:
                return Open(lambda size: self._around.of(np.eye(size)), 1, 2)
            return self._named(self._around.names, token.text)
        if token.kind == "partial":
            if token.text == self._around.loss and token.entries[0] in self._around.gradients:
                return self._named(self._around.gradients, token.entries[0])
            if token.text == self._around.loss and _AT_NUMBER.search(token.entries[0]):
                raise ReadingError(f"no gradient by {token.entries[0]} is known")
            raise ChainFactorError
        if token.kind == "quotient":
            raise ChainFactorError
        if token.kind == "function":
            return self._function(token)
        if token.kind == "applied":
            return self._applied(token)
        if token.text == "(":
            bars, self._bars = self._bars, dict.fromkeys("|‖", 0)
            value = self.expression()
            self._bars = bars
            self._expect(")")
            return value
        if token.text == "|":
            self._bars["|"] += 1
            value = self.expression()
            self._bars["|"] -= 1
            self._expect("|")
            return elementwise(np.abs, value)
        if token.text == "‖":
            self._bars["‖"] += 1
            value = self.expression()
            self._bars["‖"] -= 1
            self._expect("‖")
            return functions.norm(self._numeric(value), self._frobenius())
        if token.text == "⌊":
            value = self.expression()
            self._expect("⌋")
            return elementwise(np.floor, value)
        if token.text == "⌈":
            value = self.expression()
            self._expect("⌉")
            return elementwise(np.ceil, value)
        if token.text == "⟨":
            left = self.expression()
            self._expect(",")
            right = self.expression()
            self._expect("⟩")
            return _pairing(left, right)
        if token.text == "√":
            return elementwise(np.sqrt, self._atom())
        raise ReadingError(f"{token.text or token.kind!r} is not expected")

    def _frobenius(self) -> bool:
        """Read the subscript of a norm, if it has one."""
        if self._next.kind != "index":
            return False
        if unset(self._take().entries[0]) != "F":
            raise ReadingError("a norm of another kind")
        return True

    def _named(self, names: Mapping[str, Array], name: str) -> Value:
        if name not in names:
            raise ReadingError(f"{name} is not a name that the page defines")
        return self._around.of(names[name])


def _is_ones(value: Meaning) -> bool:
    """Whether the value is a column or a row of ones of any length."""
    return isinstance(value, Value) and value.ndim == 1 and value.free == {0} and bool(np.all(value.data == 1))


def _is_array(value: Meaning) -> bool:
    return isinstance(value, Value) and value.ndim > 0


def _single(value: Meaning) -> Meaning:
    """Return an array of one element as a number."""
    if isinstance(value, Value) and value.ndim and not value.free and set(value.shape) == {1}:
        return Value(value.data.reshape(value.data.shape[: value.letters]), value.letters)
    return value


def _raise(x: Array, exponent: Array | float) -> Array:
    whole = np.all(np.equal(np.mod(exponent, 1), 0))
    return np.asarray(
        np.power(
            np.asarray(x, float), np.asarray(exponent, int if whole and np.all(np.asarray(exponent) >= 0) else float)
        )
    )


def _fitted(value: Open, shape: Shape) -> Value:
    return value.fitted(lambda each: fitted_to(each, shape) is not None, shape)


def _pairing(left: Meaning, right: Meaning) -> Meaning:
    """Return the sum of all elements of the elementwise product."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Open) and isinstance(other, Value):
            return _pairing(_fitted(one, other.shape), other)
    a, b = known(left), known(right)
    if a.ndim == 0 or b.ndim == 0:
        return functions.reduction("Σ", known(elementwise(np.multiply, a, b)), ())
    if a.ndim == b.ndim and a.free and b.free and not a.free & b.free:  # each determines the free sizes of the other
        return functions.reduction("Σ", known(elementwise(np.multiply, a, b)), ())
    for one, other in ((a, b), (b, a)):
        data = None if other.free else fitted_to(one, other.shape)
        if data is not None:
            return functions.reduction("Σ", Value(np.asarray(data * other.data), a.letters), ())
    raise ReadingError(f"⟨⟩ of shapes {a.shape} and {b.shape}")
