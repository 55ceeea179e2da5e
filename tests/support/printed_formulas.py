"""Comparison of printed formulas, as text: up to the order of terms, and of factors that commute.

A formula becomes a sum of terms. A term is a number, a multiset of scalar factors, and a multiset of arrays that are
multiplied element by element; one of them may be a product of matrices, whose order counts. Scalars move freely, and
brackets without effect disappear. Nothing is expanded, collected, cancelled or transposed: `x (a + b)` is not
`x a + x b`, and `(A B)ᵀ` is not `Bᵀ Aᵀ`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal, TypeAlias

Key: TypeAlias = Any
"""What identifies a subexpression."""
Kind: TypeAlias = Literal["scalar", "column", "row", "matrix"]
"""A scalar; an array of one axis, or its transpose; any other array."""


class FormulaTextError(ValueError):
    """A formula that cannot be parsed."""


@dataclass(frozen=True)
class Term:
    """A product: `number`, scalars and arrays with their exponents; an array of `kind`."""

    kind: Kind
    number: Fraction = Fraction(1)
    scalars: frozenset[tuple[tuple[Key, int], int]] = frozenset()
    arrays: frozenset[tuple[tuple[Key, int], int]] = frozenset()

    @property
    def key(self) -> Key:
        return ("term", self.number, self.scalars, self.arrays)

    @property
    def single(self) -> tuple[Key, int] | None:
        """The only factor and its exponent, if there is only one."""
        factors = [*self.scalars, *self.arrays]
        if self.number == 1 and len(factors) == 1 and factors[0][1] == 1:
            return factors[0][0]
        return None


def same_formula(one: str, other: str, axes: Mapping[str, int]) -> bool:
    """Whether two formulas are the same up to the order of what commutes; `axes` says how many axes each name has."""
    return bool(parsed(one, axes).key == parsed(other, axes).key)


def parsed(text: str, axes: Mapping[str, int]) -> Term:
    """Parse a formula; raise FormulaTextError if it is not one, or for a name that is not in `axes`."""
    parser = _Parser(_tokens(text), axes)
    term = parser.expression()
    parser.end()
    return term


def symbols(text: str) -> int:
    """Return the number of symbols that a reader reads: names, numbers, signs, functions, brackets and superscripts."""
    return len([token for token in _tokens(text) if token.text != ","])


# Tokens

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
_LOWERED = "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ"
_LETTER = rf"[^\W{_RAISED}ᵀ{_LOWERED}½¼¾]"
_PATTERN = re.compile(
    rf"""(?P<partial>∂{_LETTER}+/∂{_LETTER}+)
    |(?P<number>\d+(?:\.\d+)?|[½¼¾])
    |(?P<raised>⁻?ᵀ|[{_RAISED}]+)
    |(?P<lowered>[{_LOWERED}]+)
    |(?P<name>(?!\d){_LETTER}+)
    |(?P<prime>′+)
    |(?P<sign>[-−+⊙·/=<≤>≥≠^√|‖()\[\],;:Σ∞])""",
    re.VERBOSE,
)
_WORDS = ("if", "else")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    tight: bool
    """Whether it directly follows the token before it."""


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        match = _PATTERN.match(text, place)
        if match is None:
            raise FormulaTextError(f"what is {text[place:]!r} in {text!r}?")
        kind, word = str(match.lastgroup), match.group()
        if word in _WORDS or word == "Σ":
            kind = "sign"
        tight = place > 0 and not text[place - 1].isspace()
        tokens.append(_Token(kind, "−" if word == "-" else word, tight))
        place = match.end()
    return tokens


# Terms


def _multiset(entries: Iterable[tuple[Key, int]]) -> frozenset[tuple[tuple[Key, int], int]]:
    return frozenset(Counter(entries).items())


def _entries(multiset: frozenset[tuple[tuple[Key, int], int]]) -> list[tuple[Key, int]]:
    return [entry for entry, count in multiset for _ in range(count)]


def _atom(key: Key, kind: Kind, exponent: int = 1) -> Term:
    factor = _multiset([(key, exponent)])
    return Term(kind, scalars=factor) if kind == "scalar" else Term(kind, arrays=factor)


def _number(value: Fraction) -> Term:
    return Term("scalar", value)


def _widest(kinds: Iterable[Kind]) -> Kind:
    order: tuple[Kind, ...] = ("scalar", "column", "row", "matrix")
    return max(kinds, key=order.index)


def _array(term: Term) -> Key:
    """Return the array of a term without its scalars, as one factor of a product of matrices."""
    entries = _entries(term.arrays)
    return entries[0][0] if len(entries) == 1 and entries[0][1] == 1 else ("elementwise", term.arrays)


def _elementwise(terms: Sequence[Term]) -> Term:
    number = Fraction(1)
    for term in terms:
        number *= term.number
    return Term(
        _widest(term.kind for term in terms),
        number,
        _multiset(entry for term in terms for entry in _entries(term.scalars)),
        _multiset(entry for term in terms for entry in _entries(term.arrays)),
    )


def _inverted(term: Term) -> Term:
    return Term(
        term.kind,
        1 / term.number,
        _multiset((key, -exponent) for key, exponent in _entries(term.scalars)),
        _multiset((key, -exponent) for key, exponent in _entries(term.arrays)),
    )


def _summed(terms: Sequence[Term]) -> Term:
    """Return a sum; sums among its terms are merged with it unless they have a factor or a sign."""
    flat: list[Term] = []
    for term in terms:
        single = term.single
        if single is not None and single[1] == 1 and single[0][0] == "sum":
            flat += [inner for inner, count in single[0][1] for _ in range(count)]
        else:
            flat.append(term)
    if len(flat) == 1:
        return flat[0]
    return _atom(("sum", frozenset(Counter(flat).items())), _widest(term.kind for term in flat))


def _matrix_product(terms: Sequence[Term]) -> Term:
    """Return a product by juxtaposition; within it, a row times … times a column is a scalar."""
    scalars = [entry for term in terms for entry in _entries(term.scalars)]
    number = Fraction(1)
    chain: list[tuple[Key, Kind]] = []
    arrays = [term for term in terms if term.arrays]
    if len(arrays) == 1:
        return _elementwise(terms)
    for term in terms:
        number *= term.number
        if not term.arrays:
            continue
        key = _array(term)
        chain += key[1] if key[0] == "product" else [(key, term.kind)]
    row = 0
    while row < len(chain):
        column = next((k for k in range(row + 1, len(chain)) if chain[k][1] == "column"), None)
        if chain[row][1] != "row" or column is None:
            row += 1
            continue
        scalars.append((_inner([key for key, _ in chain[row : column + 1]]), 1))
        del chain[row : column + 1]
    if not chain:
        return Term("scalar", number, _multiset(scalars))
    key = chain[0][0] if len(chain) == 1 else ("product", tuple(chain))
    return Term(_kind_of([kind for _, kind in chain]), number, _multiset(scalars), _multiset([(key, 1)]))


def _inner(factors: Sequence[Key]) -> Key:
    """Return the key of a row times … times a column; two vectors commute."""
    if len(factors) == 2 and factors[0][0] == "transposed":
        return ("inner", frozenset(Counter([factors[0][1], factors[1]]).items()))
    return ("form", tuple(factors))


def _kind_of(kinds: Sequence[Kind]) -> Kind:
    if len(kinds) == 1:
        return kinds[0]
    if kinds[0] == "row":
        return "row"
    return "column" if kinds[-1] == "column" and kinds[0] == "matrix" else "matrix"


_TURNED: Mapping[Kind, Kind] = {"column": "row", "row": "column", "matrix": "matrix"}


def _transposed(term: Term) -> Term:
    if term.kind == "scalar":
        return term
    kind = _TURNED[term.kind]
    return replace(term, kind=kind, arrays=_multiset([(("transposed", _array(term)), 1)]))


# The parser

_REDUCTIONS = ("Σ", "sum", "mean", "max", "min", "logsumexp", "var", "std")
_NUMBERS = ("tr", "det", "norm")
_VULGAR = {"½": Fraction(1, 2), "¼": Fraction(1, 4), "¾": Fraction(3, 4)}
_COMPARISONS = ("<", "≤", ">", "≥", "=", "≠")


class _Parser:
    def __init__(self, tokens: Sequence[_Token], axes: Mapping[str, int]) -> None:
        self._tokens = [*tokens, _Token("end", "", False)]
        self._place = 0
        self._axes = axes
        self._bars: list[str] = []

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        self._place += 1
        return self._tokens[self._place - 1]

    def _at(self, *signs: str) -> bool:
        return self._next.kind == "sign" and self._next.text in signs

    def _expect(self, sign: str) -> None:
        if not self._at(sign):
            raise FormulaTextError(f"{sign} is missing before {self._next.text!r}")
        self._place += 1

    def end(self) -> None:
        if self._next.kind != "end":
            raise FormulaTextError(f"{self._next.text!r} is not expected")

    def expression(self) -> Term:
        """`a if b, else c`, a comparison or a sum."""
        value = self._comparison()
        if not self._at("if"):
            return value
        self._take()
        condition = self._comparison()
        self._expect(",")
        self._expect("else")
        otherwise = self.expression()
        kind = _widest([value.kind, condition.kind, otherwise.kind])
        return _atom(("if", value.key, condition.key, otherwise.key), kind)

    def _comparison(self) -> Term:
        left = self._sum()
        if not self._at(*_COMPARISONS):
            return left
        sign = self._take().text
        right = self._sum()
        if sign in (">", "≥"):
            sign, left, right = {">": "<", "≥": "≤"}[sign], right, left
        return _atom((sign, left.key, right.key), _widest([left.kind, right.kind]))

    def _sum(self) -> Term:
        terms = [self._signed(self._at("−"))]
        while self._at("+", "−"):
            terms.append(self._signed(self._at("−"), skip=True))
        return _summed(terms)

    def _signed(self, negative: bool, skip: bool = False) -> Term:
        if negative or skip:
            self._take()
        term = self._product()
        return replace(term, number=-term.number) if negative else term

    def _product(self) -> Term:
        term = self._chain()
        while self._at("⊙", "·", "/"):
            sign = self._take().text
            start = self._place
            other = self._chain()
            if sign == "·" and self._place == start + 1 and self._tokens[start].text == "1":
                other = _ones()
            term = _elementwise([term, _inverted(other) if sign == "/" else other])
        return term

    def _starts_factor(self) -> bool:
        if self._next.kind in ("number", "name", "partial"):
            return True
        if self._at("|", "‖"):
            return self._next.text not in self._bars
        return self._at("(", "√", "Σ") or (self._at("[") and not self._next.tight)

    def _chain(self) -> Term:
        factors = [self._power()]
        while self._starts_factor():
            factors.append(self._power())
        return (
            _matrix_product([_ones() if factor is _ONE else factor for factor in factors])
            if factors[1:]
            else _plain(factors[0])
        )

    def _power(self) -> Term:
        start = self._place
        term = self._atom()
        while True:
            if self._next.kind == "raised":
                raised = self._take().text
                if term is _ONE and raised == "ᵀ":
                    term = _ones()
                term = self._raised(_plain(term), raised, self._place == start + 2)
            elif self._at("[") and self._next.tight:
                term = self._item(term)
            elif self._at("^"):
                self._take()
                exponent = self._atom()
                term = _atom(("power", _plain(term).key, _plain(exponent).key), term.kind)
            else:
                return term

    def _raised(self, term: Term, raised: str, literal: bool) -> Term:
        if raised == "ᵀ":
            return _transposed(term)
        if raised == "⁻ᵀ":
            return _transposed(_inverse(term))
        exponent = int(raised.translate(str.maketrans(_RAISED, "0123456789-")))
        if literal and not term.scalars and not term.arrays:
            return _number(term.number**exponent)
        if exponent == -1:
            return _inverse(term)
        if term.single is not None and term.single[1] == 1:
            return _atom(term.single[0], term.kind, exponent)
        return _atom(("power", term.key, exponent), term.kind)

    def _item(self, term: Term) -> Term:
        self._expect("[")
        if term is _ONE:
            (condition,) = self._arguments("]")
            return _atom(("indicator", condition.key), condition.kind)
        entries: list[Key] = []
        sliced = False
        while not self._at("]"):
            mark = self._at(":", ",")
            sliced |= self._at(":")
            entries.append(self._take().text if mark else self._sum().key)
        self._expect("]")
        return _atom(("item", term.key, tuple(entries)), term.kind if sliced else "scalar")

    def _atom(self) -> Term:
        token = self._take()
        if token.kind == "number":
            if token.text == "1":
                return _ONE
            return _number(_VULGAR[token.text] if token.text in _VULGAR else Fraction(token.text))
        if token.kind == "partial":
            return _atom(("partial", token.text.partition("/∂")[2]), self._kind(token.text.partition("/∂")[2]))
        if token.kind == "name" or token.text == "Σ":
            return self._named(token.text)
        if token.text in ("(", "‖", "|"):
            self._bars.append(token.text)
            inner = self.expression()
            self._bars.pop()
            self._expect({"(": ")"}.get(token.text, token.text))
            if token.text == "(":
                return replace(inner)
            if token.text == "|":
                return _atom(("absolute", inner.key), inner.kind)
            which = self._take().text if self._next.kind == "lowered" or self._next.text == "_F" else ""
            return _atom(("norm", which, inner.key), "scalar")
        if token.text == "[":
            start = self._place
            blocks = self._arguments("]")
            side = ";" if any(each.text == ";" for each in self._tokens[start : self._place]) else ","
            return _atom(("blocks", side, tuple(block.key for block in blocks)), blocks[0].kind)
        if token.text == "√":
            inner = _plain(self._atom())
            return _atom(("root", inner.key), inner.kind)
        raise FormulaTextError(f"{token.text!r} is not expected")

    def _named(self, name: str) -> Term:
        primes = self._take().text if self._next.kind == "prime" else ""
        below = self._take().text if self._next.kind == "lowered" else ""
        if self._at("(") and (self._next.tight or (name == "Σ" and not below)):
            self._take()
            bars, self._bars = self._bars, []
            arguments = self._arguments(")")
            self._bars = bars
            return _called(name, primes, below, arguments)
        if name == "Σ" and below:  # over index letters, of a whole product
            return _atom(("sum over", below, self._product().key), "scalar")
        if name == "Σ":
            return _called(name, primes, below, [_plain(self._power())])
        if name == "I" and name not in self._axes:
            return _atom(("identity",), "matrix")
        return _atom(("name", name + below + primes), self._kind(name + below + primes))

    def _arguments(self, closing: str) -> list[Term]:
        arguments = [self.expression()]
        while self._at(",", ";"):
            self._take()
            arguments.append(self.expression())
        self._expect(closing)
        return arguments

    def _kind(self, name: str) -> Kind:
        if name not in self._axes:
            raise FormulaTextError(f"{name} is not a name of the derivation")
        kinds: tuple[Kind, ...] = ("scalar", "column", "matrix")
        return kinds[min(self._axes[name], 2)]


def _called(name: str, primes: str, below: str, arguments: Sequence[Term]) -> Term:
    kind = _widest(argument.kind for argument in arguments)
    if name in _NUMBERS or (name in _REDUCTIONS and not below and len(arguments) == 1):
        kind = "scalar"
    elif name in _REDUCTIONS and below:
        kind = "column"
    elif name == "onehot":
        kind = "column" if arguments[0].kind == "scalar" else "matrix"
    elif name == "diag":
        kind = "column" if arguments[0].kind == "matrix" else "matrix"
    keys: Key = tuple(argument.key for argument in arguments)
    if name in ("max", "min"):
        keys = frozenset(keys)
    return _atom(("call", name, primes, below, keys), kind)


def _inverse(term: Term) -> Term:
    if term.kind == "scalar":
        return _inverted(term)
    return replace(
        term,
        number=1 / term.number,
        scalars=_inverted(term).scalars,
        arrays=_multiset([(("inverse", _array(term)), 1)]),
    )


_ONE = Term("scalar", Fraction(1))
"""The literal 1, which is the number or, within a product of matrices, a column of ones; compared by identity."""


def _ones() -> Term:
    return _atom(("ones",), "column")


def _plain(term: Term) -> Term:
    return replace(term)
