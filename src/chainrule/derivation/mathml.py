"""Formulas as MathML Core, which browsers render without a script.

A wide formula is divided into several `math` elements, nested by the depth of its breaks, so that the browser breaks
lines at the outermost operators first.
"""

from __future__ import annotations

from html import escape
from typing import ClassVar

from chainrule.derivation.boxes import Box, Break, Pieces, chunks, row
from chainrule.derivation.typesetting import SetWriter
from chainrule.primitives import Notation
from chainrule.words import width_of

_CLOSING = {"(": ")", "|": "|", "‖": "‖", "⌊": "⌋", "⌈": "⌉", "⟨": "⟩"}
_PRIME = '<mo form="postfix" lspace="0" rspace="0">′</mo>'
_SLASH = '<mo lspace="0" rspace="0">/</mo>'
_STRETCHED_WIDTH = 20
"""The width up to which brackets around tall formulas are stretched, since they prevent a line break."""


class MathWriter(SetWriter):
    """Writes formulas in MathML."""

    widest = 24
    script = 0.7
    blank = Box(" ", 0)
    space = Box('<mo lspace="0.1em" rspace="0.1em">&#x2062;</mo>', 0)
    comma = Box('<mo rspace="0.25em">,</mo>', 1)
    listing = Box("<mo>,</mo>", 1)
    slash = Box(_SLASH, 1)
    ones = Box("<mn>𝟏</mn>", 1)
    differential = Box("<mi>∂</mi>", 1)
    del_ = Box("<mi>∇</mi>", 1)
    marks: ClassVar = {
        "ᵀ": Box("<mi>⊤</mi>", 1),
        "⁻¹": Box('<mrow><mo form="prefix">−</mo><mn>1</mn></mrow>', 2),
        "⁻ᵀ": Box('<mrow><mo form="prefix">−</mo><mi>⊤</mi></mrow>', 2),
    }

    over, radical = "<mfrac>%s%s</mfrac>", "<msqrt>%s</msqrt>"
    prefixed = '<mrow><mi mathvariant="normal">%s</mi>%s</mrow>'
    below, above = "<msub>%s<mrow>%s</mrow></msub>", "<msup>%s%s</msup>"
    both, under = "<msubsup>%s<mrow>%s</mrow>%s</msubsup>", "<munder>%s<mrow>%s</mrow></munder>"
    truth, times, applied = "<mi>%s</mi>", "<mrow>%s<mo>×</mo>%s</mrow>", "%s<mo>&#x2061;</mo>"
    grid = (
        '<mrow><mo form="prefix" stretchy="true">[</mo><mtable class="matrix"><mtr><mtd>%s</mtd></mtr></mtable>'
        '<mo form="postfix" stretchy="true">]</mo></mrow>',
        "</mtd></mtr><mtr><mtd>",
        "</mtd><mtd>",
    )
    table = (
        '<mrow><mo form="prefix" stretchy="true">{</mo><mtable class="cases">'
        "<mtr><mtd><mrow>%s</mrow></mtd><mtd><mrow><mtext>%s&#xA0;</mtext>%s</mrow></mtd></mtr>"
        "<mtr><mtd><mrow>%s</mrow></mtd><mtd><mrow><mtext>%s</mtext></mrow></mtd></mtr></mtable></mrow>"
    )

    def group(self, box: Box) -> Box:
        return box._replace(text=f"<mrow>{box.text}</mrow>")

    def fenced(self, left: str, inner: Pieces) -> Pieces:
        """Return signs that stretch around a tall formula on one line."""
        whole = row(inner)
        grown = whole.tall and _is_whole(inner, _STRETCHED_WIDTH)
        stretch = "" if grown else ' stretchy="false"'
        opening = Box(f'<mo form="prefix"{stretch}>{left}</mo>', 1)
        closing = Box(f'<mo form="postfix"{stretch}>{_CLOSING[left]}</mo>', 1)
        return [self.group(row([opening, whole, closing]))] if grown else [opening, *inner, closing]

    def primed(self, name: Box, primes: int) -> Box:
        return name if not primes else Box(name.text + _PRIME * primes, name.width + primes)

    def name(self, name: str, verbatim: bool = False) -> Box:
        """Return a letter, or a word in italics, which distinguishes it from a `d` before it."""
        word = "" if len(name) == 1 else ' class="word"'
        return Box(f"<mi{word}>{escape(name)}</mi>", width_of(name))

    def subscript(self, part: str) -> Box:
        if part.isdigit():
            return self.digits(part)
        if part[:1] == "t" and part[1:2] in ("+", "-"):  # of a step of a recurrence
            sign = "−" if part[1] == "-" else "+"
            return Box(f"<mrow><mi>t</mi><mo>{sign}</mo><mn>{part[2:]}</mn></mrow>", width_of(part))
        return Box(f"<mi>{escape(part)}</mi>", width_of(part))

    def digits(self, digits: str) -> Box:
        return Box(f"<mn>{digits}</mn>", width_of(digits))

    def infix(self, operator: str) -> Box:
        return self.slash if operator == "/" else Box(f'<mo form="infix">{escape(operator)}</mo> ', 3)

    def prefix(self, operator: str) -> Box:
        if operator == "Σ":
            return self.large(operator, bound=False)
        return Box(f'<mo form="prefix">{escape(operator)}</mo>', width_of(operator))

    def large(self, operator: str, bound: bool) -> Box:
        """Return a sign or a name with its indices below it."""
        sign = "∑" if operator == "Σ" else operator
        form = ' form="prefix" rspace="0.2em"' if bound else ""
        return Box(f"<mo{form}>{escape(sign)}</mo>", width_of(sign), self.stacked and operator == "Σ")

    def function_name(self, name: str, primes: int) -> Box:
        return Box(f"<mi>{escape(name)}</mi>" + _PRIME * primes, width_of(name) + primes)


def math_of(notation: Notation, language: str = "en") -> str:
    """Return `notation` as one MathML element.

    >>> from chainrule.primitives import Symbol
    >>> math_of(Symbol("W1"))
    '<math><msub><mi>W</mi><mrow><mn>1</mn></mrow></msub></math>'
    """
    return f"<math>{MathWriter(language, inline=True).write(notation)}</math>"


def parted(pieces: Pieces, width: float, display: bool, opening: str = "", closing: str = "") -> str:
    """Return `pieces` as `math` elements of at most about `width` letters, in nested spans of the class `part`.

    `display` selects the size of displayed formulas; punctuation at either end is kept with the first and the last
    element.
    """
    if _is_whole(pieces, width):
        style = ' displaystyle="true"' if display else ""
        written = f"<math{style}>{row(pieces).text}</math>"
        if closing:
            written = f'<span class="held">{written}{closing}</span>'
        return f'<span class="held">{opening}{written}</span>' if opening else written
    parts = chunks(pieces, 0, len(pieces))
    result = ""
    for place, (separator, begin, end) in enumerate(parts):
        chunk = pieces[begin:end]
        ends = opening if place == 0 else "", closing if place == len(parts) - 1 else ""
        inner = parted(chunk, width, display, *ends)
        joint = "" if not place else " " if separator == MathWriter.space else "<wbr>"  # operators include space
        result += joint + (inner if _is_whole(chunk, width) else f'<span class="part">{inner}</span>')
    return result


def _is_whole(pieces: Pieces, width: float) -> bool:
    return row(pieces).width <= width or not any(isinstance(piece, Break) for piece in pieces)
