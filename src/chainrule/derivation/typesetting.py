"""Formulas as typeset in books, for the renderers that have scripts, stacked fractions and roots."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from chainrule.derivation.boxes import Box, Pieces, row
from chainrule.derivation.names import name_parts, shown_name
from chainrule.derivation.numerals import digits_of, number_text
from chainrule.derivation.writing import NESTING, Writer
from chainrule.primitives import (
    Call,
    Cases,
    Fraction,
    Indexed,
    Notation,
    Number,
    Symbol,
    Verbatim,
)
from chainrule.words import width_of

_CASES_WIDTH = 12
"""The width of a brace, the words, and the gaps between columns."""


class SetWriter(Writer):
    """Writes formulas as typeset in books, with scripts, stacked fractions and roots.

    `inline` is for a line of text, where fractions are written with a slash.
    """

    widest: ClassVar[float]
    """The width in letters above which a fraction has a slash, at which a line can break."""
    script: ClassVar[float]
    """The width of a letter in a script, relative to one on the line."""
    marks: ClassVar[Mapping[str, Box]]
    """The superscripts for `ᵀ`, `⁻¹` and `⁻ᵀ`."""
    listing: ClassVar[Box] = Box(",", 1)
    """The separator of subscripts."""
    fences: ClassVar[Mapping[str, str]] = {"abs": "|", "norm": "‖", "floor": "⌊", "ceil": "⌈"}
    over: ClassVar[str]
    """The template of a fraction; likewise for a root, a prefix, each kind of script, a sign with its indices, …"""
    radical: ClassVar[str]
    prefixed: ClassVar[str]
    del_: ClassVar[Box] = Box("∇", 1)
    below: ClassVar[str]
    above: ClassVar[str]
    both: ClassVar[str]
    under: ClassVar[str]
    truth: ClassVar[str]
    grid: ClassVar[tuple[str, str, str]]
    """The template of an array, and the separators of its rows and columns."""
    times: ClassVar[str]
    table: ClassVar[str]
    applied: ClassVar[str] = "%s"
    when: ClassVar[Mapping[str, tuple[str, str]]] = {"en": ("if", "otherwise"), "zh": ("若", "否则")}

    def __init__(self, language: str = "en", inline: bool = False) -> None:
        super().__init__(language)
        self.stacked = not inline
        self._inline = self if inline else type(self)(language, inline=True)

    def symbol(self, symbol: Symbol) -> Box:
        name, verbatim = shown_name(symbol), isinstance(symbol, Verbatim)
        head, parts = (name, ()) if verbatim else name_parts(name)
        if not head:  # δ in a step of a recurrence
            return self.scripted(self.name("δ"), tuple(map(self.subscript, parts)))
        base, subscripts = self.name(head, verbatim), tuple(map(self.subscript, parts))
        if symbol.prefix == "δ":
            whole = name.isdigit() or (head == name and len(name) > 1)
            subscripts = (self.subscript(name) if whole else self.scripted(base, subscripts),)
            base = self.name("δ")
        elif symbol.prefix:
            base = Box(self.prefixed % (symbol.prefix, base.text), width_of(symbol.prefix) + base.width)
        return self.scripted(base, subscripts)

    def jacobian(self, function: Symbol) -> Box:
        return self.scripted(self.name("J"), (self.symbol(function),))

    def differentiated(self, by: Sequence[int]) -> Box:
        return self.scripted(self.differential, tuple(self.digits(str(each)) for each in by))

    def differential_of_order(self, order: int) -> Box:
        return self.scripted(self.group(self.differential), (), self.digits(str(order)))

    def nabla(self, count: int) -> Box:
        return self.scripted(self.del_, (), self.digits(str(count)) if count > 1 else None)

    def number(self, number: Number) -> Box:
        value = number.value
        if isinstance(value, bool):
            word = number_text(value)
            return Box(self.truth % word, len(word))
        if value < 0:
            return row([self.prefix("−"), self.number(replace(number, value=-value))])
        if value != value:
            return Box(self.truth % "NaN", 3)
        mantissa, exponent = digits_of(number)
        if exponent is None:
            return self.digits(mantissa)
        scale = self.scripted(self.digits("10"), (), self.group(self.number(Number(exponent))))
        if mantissa == "1":
            return scale
        return Box(self.times % (self.digits(mantissa).text, scale.text), len(mantissa) + 2 + scale.width)

    def matrix(self, rows: Sequence[Sequence[Box]]) -> Box:
        array, between, beside = self.grid
        width = sum(max(entry.width for entry in column) + 2 for column in zip(*rows, strict=True))
        return Box(array % between.join(beside.join(entry.text for entry in entries) for entries in rows), width, True)

    def blocks(self, notation: Call, nesting: int) -> Pieces:
        entries = list(map(self._inline.box, notation.arguments))
        return [self.matrix([entries] if notation.function == "columns" else [[entry] for entry in entries])]

    def lowered(self, sign: Box, subscript: Sequence[Notation]) -> Box:
        return self.scripted(sign, tuple(map(self._inline.box, subscript)))

    def scripted(self, base: Box, subscripts: tuple[Box, ...], raised: Box | None = None) -> Box:
        """Write `base` with subscripts and a superscript."""
        if not subscripts:
            if raised is None:
                return base._replace(base=base)
            return Box(self.above % (base.text, raised.text), base.width + self.script * raised.width, base.tall)
        below = self.listed(subscripts)
        if raised is None:
            text, width = self.below % (base.text, below.text), base.width + self.script * below.width
            return Box(text, width, base.tall, base, subscripts)
        width = base.width + self.script * max(below.width, raised.width)
        return Box(self.both % (base.text, below.text, raised.text), width, base.tall)

    def listed(self, boxes: Sequence[Box]) -> Box:
        """Join subscripts with commas."""
        first, *others = boxes
        return row([first, *(box for each in others for box in (self.listing, each))])

    def postfix(self, operand: Pieces, operator: str) -> Pieces:
        return self._raised(operand, self.marks[operator])

    def power(self, base: Pieces, exponent: Notation) -> Pieces:
        return self._raised(base, self.group(self._inline.box(exponent)))

    def _raised(self, pieces: Pieces, raised: Box) -> Pieces:
        """Attach a superscript to the closing bracket if there is one, above subscripts."""
        *before, last = pieces
        assert isinstance(last, Box)
        base = last.base if last.base is not None and last.subscripts else self.group(last)
        return [*before, self.scripted(base, last.subscripts, raised)]

    def indexed(self, notation: Indexed, nesting: int) -> Pieces:
        indices = tuple(map(self._inline.box, notation.indices))
        if all(map(_is_letter, notation.indices)):
            indices = (row(indices),)
        *before, last = self.operand(notation.base, notation, nesting=nesting)
        assert isinstance(last, Box)
        base = self.group(last) if last.base is None else last.base
        return [*before, self.scripted(base, (*last.subscripts, *indices))]

    def fraction(self, notation: Fraction, nesting: int) -> Pieces:
        if not self.stacked:
            return super().fraction(notation, nesting)
        stacked = self._stacked(notation)
        if stacked.width <= self.widest:
            return [stacked]
        return self.bracketed(self._inline.pieces(notation, nesting + NESTING))

    def has_brackets(self, notation: Notation) -> bool:
        return self.stacked and isinstance(notation, Fraction) and self._stacked(notation).width > self.widest

    def side(self, notation: Notation) -> Pieces:
        return self._inline.pieces(notation) if self.has_brackets(notation) else super().side(notation)

    def _stacked(self, fraction: Fraction) -> Box:
        """Write a stacked fraction; fractions within it have a slash, since smaller ones are hard to read."""
        return self.ratio(*(self.group(self._inline.box(part)) for part in (fraction.numerator, fraction.denominator)))

    def ratio(self, upper: Box, lower: Box) -> Box:
        if not self.stacked:
            return super().ratio(upper, lower)
        return Box(self.over % (upper.text, lower.text), max(upper.width, lower.width), tall=True)

    def big_operator(self, operator: str, indices: Sequence[Notation]) -> Box:
        return row([self.bounded(operator, indices, bound=True), self.blank])

    def bounded(self, operator: str, indices: Sequence[Notation], bound: bool = False) -> Box:
        """Write a sign such as Σ with its indices or axes; `bound` indices are summation variables."""
        below = self.listed(list(map(self._inline.box, indices))) if indices else None
        sign = self.large(operator, bound)
        if below is None:
            return sign
        return Box(self.under % (sign.text, below.text), max(sign.width, below.width), tall=True)

    def function(self, notation: Call) -> Pieces:
        if not notation.function:
            return []
        if notation.function == "Σ":
            return [self.bounded("Σ", notation.subscript)]
        name = self.function_name(notation.function, notation.primes)
        below = tuple(map(self._inline.box, notation.subscript))
        name = self.scripted(self.group(name), below) if below else name
        return [Box(self.applied % name.text, name.width)]

    def root(self, notation: Call, arguments: Pieces) -> Pieces:
        inner = self.group(row(arguments))
        return [Box(self.radical % inner.text, inner.width + 0.3, inner.tall)]

    def cases(self, notation: Cases, nesting: int) -> Pieces:
        value, condition, otherwise = map(self.box, (notation.value, notation.condition, notation.otherwise))
        when, other = self.when[self.language]
        width = max(value.width + condition.width, otherwise.width) + _CASES_WIDTH
        return [Box(self.table % (value.text, when, condition.text, otherwise.text, other), width, tall=True)]

    @abstractmethod
    def name(self, name: str, verbatim: bool = False) -> Box:
        """Write a letter or a word, upright if it is `verbatim`."""

    @abstractmethod
    def subscript(self, part: str) -> Box: ...
    @abstractmethod
    def digits(self, digits: str) -> Box: ...
    @abstractmethod
    def large(self, operator: str, bound: bool) -> Box: ...
    @abstractmethod
    def function_name(self, name: str, primes: int) -> Box: ...


def _is_letter(index: Notation) -> bool:
    """Whether an index is a single letter, which needs no comma beside others."""
    return type(index) is Symbol and not index.prefix and len(index.name) == 1 and "a" <= index.name <= "z"
