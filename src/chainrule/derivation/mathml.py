"""Mathematics as MathML Core, which browsers set without a script.

A formula that is too wide for a small screen is parted into several `math` elements, nested as its places to break
are, so that the browser breaks a line at the outermost operators first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape, unescape

from chainrule.derivation.names import name_parts, shown_name
from chainrule.derivation.text import number_text
from chainrule.derivation.writing import NESTING, Break, Pieces, Writer, chunks, flat
from chainrule.primitives import Call, Cases, Fraction, Indexed, Notation, Number, Pairing, Symbol, Verbatim
from chainrule.words import width_of

_FENCES = {"abs": ("|", "|"), "norm": ("‖", "‖"), "floor": ("⌊", "⌋"), "ceil": ("⌈", "⌉")}
_MARKS = {
    "ᵀ": "<mi>⊤</mi>",
    "⁻¹": '<mrow><mo form="prefix">−</mo><mn>1</mn></mrow>',
    "⁻ᵀ": '<mrow><mo form="prefix">−</mo><mi>⊤</mi></mrow>',
}
_ROOTS = ("sqrt", "√")
_LIMITED = {"Σ": "∑", "max": "max", "min": "min"}
"""Operators that carry their indices below them."""
_FRACTION_WIDTH = 24
"""A fraction that is wider has a slash, where a line can be broken."""
_STRETCHED_WIDTH = 20
"""Brackets round what is tall grow with it, if it is not wider than this: such a group stays on one line."""


class MathWriter(Writer):
    """Mathematics in MathML; `inline` is for a line of text, where fractions are written with a slash."""

    space = '<mo lspace="0.1em" rspace="0.1em">&#x2062;</mo>'
    comma = '<mo rspace="0.25em">,</mo>'

    def __init__(self, language: str = "en", inline: bool = False) -> None:
        super().__init__(language)
        self.stacked = not inline
        self._inline = self if inline else MathWriter(language, inline=True)

    def pieces(self, notation: Notation, nesting: int = 0) -> Pieces:
        if isinstance(notation, Pairing):  # its brackets grow as others do
            return _fenced("⟨", self.arguments((notation.left, notation.right), nesting + NESTING), "⟩")
        return super().pieces(notation, nesting)

    def bracketed(self, inner: Pieces) -> Pieces:
        return _fenced("(", inner, ")")

    def symbol(self, symbol: Symbol) -> str:
        head, subscripts = _symbol_parts(symbol)
        return _scripted(head, subscripts)

    def number(self, number: Number) -> str:
        value = number.value
        if isinstance(value, bool):
            return f"<mi>{number_text(value)}</mi>"
        if value < 0:
            return '<mo form="prefix">−</mo>' + self.number(Number(-value))
        mantissa, _, exponent = repr(value).partition("e")
        if not exponent or math.isinf(value) or number_text(value).isdecimal():
            return f"<mn>{number_text(value)}</mn>"
        scale = f"<msup><mn>10</mn>{_row(self.number(Number(int(exponent))))}</msup>"
        return scale if mantissa == "1" else f"<mrow><mn>{mantissa}</mn><mo>×</mo>{scale}</mrow>"

    def vector_of_ones(self) -> str:
        return "<mn>𝟏</mn>"

    def infix(self, operator: str) -> str:
        return f'<mo form="infix">{escape(operator)}</mo>'

    def prefix(self, operator: str) -> str:
        return "<mo>∑</mo>" if operator == "Σ" else f'<mo form="prefix">{escape(operator)}</mo>'

    def postfix(self, operand: Pieces, operator: str) -> Pieces:
        return _raised(operand, _MARKS[operator])

    def power(self, base: Pieces, exponent: Notation) -> Pieces:
        return _raised(base, _row(self._inline.write(exponent)))

    def fraction(self, notation: Fraction, nesting: int) -> Pieces:
        if self.has_brackets(notation):
            return self.bracketed(self._inline.pieces(notation, nesting + NESTING))
        if self.stacked:
            return [self._stacked(notation)]
        upper = self.operand(notation.numerator, notation, 0, nesting)
        lower = self.operand(notation.denominator, notation, 1, nesting)
        if isinstance(notation.numerator, Number) and isinstance(notation.denominator, Number | Symbol):
            return [flat(upper) + _SLASH + flat(lower)]
        return [*upper, Break(nesting + 5, ""), _SLASH, *lower]

    def side(self, notation: Notation) -> Pieces:
        """`notation` as one side of an equation."""
        return (self._inline if self.has_brackets(notation) else self).pieces(notation)

    def has_brackets(self, notation: Notation) -> bool:
        if not self.stacked or not isinstance(notation, Fraction):
            return False
        return written_width(self._stacked(notation)) > _FRACTION_WIDTH

    def _stacked(self, fraction: Fraction) -> str:
        """One part over the other; what is within has a slash, since smaller fractions are hard to read."""
        parts = map(self._inline.write, (fraction.numerator, fraction.denominator))
        return f"<mfrac>{''.join(map(_row, parts))}</mfrac>"

    def big_operator(self, operator: str, indices: Sequence[Notation]) -> str:
        sign = _LIMITED.get(operator, operator)
        written = f'<mo form="prefix" rspace="0.2em">{escape(sign)}</mo>'
        return f"<munder>{written}{_row(_listed(map(self.write, indices)))}</munder>" if indices else written

    def cases(self, notation: Cases, nesting: int) -> Pieces:
        when, otherwise = ("若&#xA0;", "否则") if self.language == "zh" else ("if&#xA0;", "otherwise")
        rows = (
            (self.write(notation.value), f"<mtext>{when}</mtext>{self.write(notation.condition)}"),
            (self.write(notation.otherwise), f"<mtext>{otherwise}</mtext>"),
        )
        table = "".join("<mtr>" + "".join(f"<mtd>{_row(cell)}</mtd>" for cell in row) + "</mtr>" for row in rows)
        return [f'<mrow><mo form="prefix" stretchy="true">{{</mo><mtable class="cases">{table}</mtable></mrow>']

    def call(self, notation: Call, nesting: int) -> Pieces:
        arguments = self.arguments(notation.arguments, nesting)
        if notation.function in _ROOTS:
            return [f"<msqrt>{_row(flat(arguments))}</msqrt>"]
        if notation.function in _FENCES:
            left, right = _FENCES[notation.function]
            return _fenced(left, arguments, right)
        return [*self._function(notation), *self.bracketed(arguments)]

    def _function(self, notation: Call) -> Pieces:
        """The name of a function with its primes and its subscript."""
        if not notation.function:
            return []
        subscript = _row(_listed(map(self.write, notation.subscript))) if notation.subscript else ""
        if notation.function == "Σ":
            return [f"<munder><mo>∑</mo>{subscript}</munder>" if subscript else "<mo>∑</mo>"]
        name = f"<mi>{escape(notation.function)}</mi>" + _PRIME * notation.primes
        if subscript:
            name = f"<msub>{_row(name)}{subscript}</msub>"
        return [name + "<mo>&#x2061;</mo>"]

    def indexed(self, notation: Indexed, nesting: int) -> Pieces:
        letters = all(isinstance(index, Symbol) and len(index.name) == 1 for index in notation.indices)
        written = list(map(self.write, notation.indices))
        joined = "".join(written) if letters else _listed(written)
        if isinstance(notation.base, Symbol):
            head, subscripts = _symbol_parts(notation.base)
            return [_scripted(head, [*subscripts, joined])]
        base = self.operand(notation.base, notation, nesting=nesting)
        return [*base[:-1], f"<msub>{_row(flat(base[-1:]))}{_row(joined)}</msub>"]

    def pairing_brackets(self) -> tuple[str, str]:
        return "<mo>⟨</mo>", "<mo>⟩</mo>"

    def partial(self, of: str, by: str) -> str:
        upper, lower = f"<mrow><mi>∂</mi>{of}</mrow>", f"<mrow><mi>∂</mi>{by}</mrow>"
        return f"<mfrac>{upper}{lower}</mfrac>" if self.stacked else upper + _SLASH + lower


_PRIME = '<mo form="postfix" lspace="0" rspace="0">′</mo>'
_SLASH = '<mo lspace="0" rspace="0">/</mo>'


def _fenced(left: str, inner: Pieces, right: str) -> Pieces:
    """`inner` between fences, which grow with it where it is tall and stays on one line."""
    written = flat(inner)
    tall = "<mfrac>" in written or "<munder>" in written or "<mtable" in written
    if tall and written_width(written) <= _STRETCHED_WIDTH:
        return [f'<mrow><mo form="prefix">{left}</mo>{written}<mo form="postfix">{right}</mo></mrow>']
    stretch = 'stretchy="false"'
    return [f'<mo form="prefix" {stretch}>{left}</mo>', *inner, f'<mo form="postfix" {stretch}>{right}</mo>']


def _raised(base: Pieces, exponent: str) -> Pieces:
    """`base` with an exponent: at its closing bracket where it has one, above its subscript where it has that."""
    last = flat(base[-1:])
    if last.startswith("<msub>"):
        return [*base[:-1], f"<msubsup>{last[len('<msub>') : -len('</msub>')]}{exponent}</msubsup>"]
    return [*base[:-1], f"<msup>{_row(last)}{exponent}</msup>"]


def _row(written: str) -> str:
    return f"<mrow>{written}</mrow>"


def _listed(written: Sequence[str] | map[str]) -> str:
    return "<mo>,</mo>".join(written)


def _scripted(head: str, subscripts: Sequence[str]) -> str:
    return f"<msub>{head}{_row(_listed(subscripts))}</msub>" if subscripts else head


def _symbol_parts(symbol: Symbol) -> tuple[str, list[str]]:
    """The letter and the subscripts of a symbol."""
    name = shown_name(symbol)
    head, subscripts = (name, ()) if isinstance(symbol, Verbatim) else name_parts(name)
    if symbol.prefix == "δ":
        whole = name.isdigit() or (head == name and len(head) > 1)
        return "<mi>δ</mi>", [_subscript(name) if whole else _scripted(_name(head), _subscripts(subscripts))]
    prefix = f'<mi mathvariant="normal">{escape(symbol.prefix)}</mi>' if symbol.prefix else ""
    return (_row(prefix + _name(head)) if prefix else _name(head)), _subscripts(subscripts)


def _name(name: str) -> str:
    """A letter, or a word in italics, which a `d` before it needs to be told apart from."""
    return f"<mi>{escape(name)}</mi>" if len(name) == 1 else f'<mi class="word">{escape(name)}</mi>'


def _subscripts(subscripts: Sequence[str]) -> list[str]:
    return list(map(_subscript, subscripts))


def _subscript(part: str) -> str:
    return f"<mn>{part}</mn>" if part.isdigit() else f"<mi>{escape(part)}</mi>"


def written_width(written: str) -> float:
    """About how many letters wide a formula is when it is set.

    >>> written_width("<mi>x</mi><mo>+</mo><mfrac><mi>y</mi><mn>12</mn></mfrac>")
    4.0
    """
    open_elements: list[tuple[str, str, list[float]]] = [("mrow", "", [])]
    for closing, tag, attributes, text in _TOKEN.findall(written):
        if closing:
            name, given, children = open_elements.pop()
            open_elements[-1][2].append(_element_width(name, given, children))
        elif tag:
            open_elements.append((tag, attributes, []))
        else:
            open_elements[-1][2].append(width_of(unescape(text).strip(_INVISIBLE)))
    return sum(open_elements[0][2])


_TOKEN = re.compile(r"<(/?)(\w+)([^>]*)>|([^<]+)")
_INVISIBLE = "\u2061\u2062 "


def _element_width(tag: str, attributes: str, children: Sequence[float]) -> float:
    if tag in ("mfrac", "munder"):
        return max(children)
    if tag in ("msub", "msup", "msubsup"):
        return children[0] + 0.7 * max(children[1:])
    if tag == "mtable":
        return max(children) + 4.0
    spaced = tag == "mo" and 'form="infix"' in attributes
    return sum(children) + (2.0 if spaced else 0.3 if tag == "msqrt" else 0.0)


def math_of(notation: Notation, language: str = "en") -> str:
    """`notation` as one MathML element.

    >>> math_of(Symbol("W1"))
    '<math><msub><mi>W</mi><mrow><mn>1</mn></mrow></msub></math>'
    """
    return f"<math>{MathWriter(language, inline=True).write(notation)}</math>"


def parted(pieces: Pieces, width: float, display: bool) -> str:
    """`pieces` as `math` elements of about `width` letters at most, in nested spans of the class `part`.

    `display` asks for the size that formulas have outside of sentences.
    """
    written = flat(pieces)
    depths = [piece.depth for piece in pieces if isinstance(piece, Break)]
    if not depths or written_width(written) <= width:
        return f'<math displaystyle="true">{written}</math>' if display else f"<math>{written}</math>"
    result = ""
    for place, (separator, chunk) in enumerate(chunks(pieces, min(depths))):
        inner = parted(list(chunk), width, display)
        joint = "" if not place else "<wbr>" if separator.isspace() or not separator else " "  # operators bring space
        result += joint + (f'<span class="part">{inner}</span>' if inner.count("<math") > 1 else inner)
    return result
