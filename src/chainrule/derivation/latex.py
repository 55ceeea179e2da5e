r"""A derivation as LaTeX: a fragment that needs only amsmath, or a complete document.

English compiles with pdfLaTeX, XeLaTeX and LuaLaTeX; Chinese uses the class `ctexart` and XeLaTeX.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import groupby
from typing import ClassVar

from chainrule.derivation.boxes import NOTHING, Box, Pieces, break_lines, row
from chainrule.derivation.document import Block, Document, Equation, Frame, Heading, Paragraph, Remark, Words, displays
from chainrule.derivation.names import GREEK, name_parts, shape_words
from chainrule.derivation.typesetting import SetWriter
from chainrule.primitives import Mark, Notation, Symbol
from chainrule.words import width_of

_COMMANDS = {letter: "\\" + name for name, letter in GREEK.items()}
_OPERATORS = {
    "−": "-",
    "⊙": r"\odot",
    "⊗": r"\otimes",
    "⋆": r"\star",
    "·": r"\cdot",
    "≤": r"\le",
    "≥": r"\ge",
    "≠": r"\ne",
    "∧": r"\land",
    "∨": r"\lor",
    "¬": r"\lnot",
    "Σ": r"\sum",
    "→": r"\to",
    "×": r"\times",
    "ᵀ": r"{}^{\top}",
    "⟨": r"\langle",
    "⟩": r"\rangle",
    "≈": r"\approx",
    "∂": r"\partial",
    "′": "'",
    "½": r"\tfrac{1}{2}",
    "¼": r"\tfrac{1}{4}",
    "¾": r"\tfrac{3}{4}",
    "²": "^{2}",
    "⁻¹": "^{-1}",
    "∞": r"\infty",
    "NaN": r"\mathrm{NaN}",
    "√": r"\surd",
    "∗": r"\ast",
}
_FUNCTIONS = {"exp", "ln", "sinh", "cosh", "tanh", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "max", "min"}
_FENCES = {
    "(": ("(", ")"),
    "|": (r"\lvert", r"\rvert"),
    "‖": (r"\lVert", r"\rVert"),
    "⌊": (r"\lfloor", r"\rfloor"),
    "⌈": (r"\lceil", r"\rceil"),
    "⟨": (r"\langle", r"\rangle"),
}
_ESCAPES = {character: "\\" + character for character in "{}$&#_%"}
_ESCAPES |= {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
_SIGNS = {character: "\\" + character for character in "{}$&#_%"}
_SIGNS |= {"\\": r"\backslash ", "^": r"\hat{}", "~": r"\sim ", " ": r"\ "}
_SIGNS |= {quote: rf"\text{{{quote}}}" for quote in "“”\"'"}
"""Characters in formulas, as commands that MathJax and KaTeX support as well."""
_ACCENTS = {
    "\u0300": "grave",
    "\u0301": "acute",
    "\u0302": "hat",
    "\u0303": "tilde",
    "\u0304": "bar",
    "\u0306": "breve",
    "\u0307": "dot",
    "\u0308": "ddot",
    "\u030a": "mathring",
    "\u030c": "check",
    "\u20d7": "vec",
}
_FRAMED_LINES = 41
"""The number of lines above which a box has no frame, since a frame cannot be broken over pages."""
_LINE = 64
"""The width in letters of a line beside the equality signs and the shape."""


class LatexWriter(SetWriter):
    """Writes formulas in LaTeX."""

    widest = 48
    script = 1
    space = Box(r" \, ", 2)
    slash = Box(" / ", 3)
    ones = Box(r"\mathbf{1}", 1)
    differential = Box(r"\partial ", 1)
    joint = Box(r"\,", 0)
    del_ = Box(r"\nabla ", 1)
    marks: ClassVar = {"ᵀ": Box(r"\top", 1), "⁻¹": Box("-1", 2), "⁻ᵀ": Box(r"-\top", 2)}
    when: ClassVar = {"en": (r"\text{if }", r"\text{otherwise}"), "zh": (r"\text{若}\;", r"\text{否则}")}
    over, radical, prefixed = r"\frac{%s}{%s}", r"\sqrt{%s}", r"\mathrm{%s}%s"
    below, above, both, under = "%s_{%s}", "%s^{%s}", "%s_{%s}^{%s}", "%s_{%s}"
    truth, times = r"\mathrm{%s}", r"{%s \times %s}"
    grid = r"\begin{bmatrix} %s \end{bmatrix}", r" \\ ", " & "
    table = r"\begin{cases} %s & %s %s \\ %s & %s \end{cases}"
    operator_command = r"\operatorname"

    @property
    def every_letter(self) -> bool:
        """Whether letters of any alphabet are supported."""
        return self.language == "zh"

    def fenced(self, left: str, inner: Pieces) -> Pieces:
        opening, closing = _FENCES[left]
        gap = "" if left == "(" else " "
        tall = any(isinstance(piece, Box) and piece.tall for piece in inner)
        if self.stacked and tall:  # \left and \right would prevent a line break in between
            return [Box(rf"\Bigl{opening}{gap}", 1), *inner, Box(rf"\Bigr{closing}", 1)]
        return [Box(opening + gap, 1), *inner, Box(gap + closing, 1)]

    def symbol(self, symbol: Symbol) -> Box:
        if not isinstance(symbol, Mark) or name_parts(symbol.name)[0].isalpha():
            return super().symbol(symbol)
        written = _mathematics(symbol.name)
        return Box(written if len(symbol.name) == 1 else rf"\mathrm{{{written}}}", width_of(symbol.name))

    def primed(self, name: Box, primes: int) -> Box:
        return name if not primes else Box(name.text + "'" * primes, name.width + primes)

    def name(self, name: str, verbatim: bool = False) -> Box:
        return _word(name, self.every_letter) if verbatim else _letters(name, self.every_letter)

    def subscript(self, part: str) -> Box:
        if part in _COMMANDS or (part.isascii() and (part.isdigit() or (len(part) == 1 and part.isalpha()))):
            return Box(_COMMANDS.get(part, part), len(part))
        if part[:1] == "t" and part[1:2] in ("+", "-"):  # of a step of a recurrence
            return Box(part, len(part))
        return _word(part, self.every_letter)

    def digits(self, digits: str) -> Box:
        return Box(_OPERATORS.get(digits, digits), len(digits))

    def infix(self, operator: str) -> Box:
        command = _OPERATORS.get(operator, operator)
        return Box(command + " ", 2 if len(command) == 1 else 1)

    def prefix(self, operator: str) -> Box:
        return Box("-", 1) if operator == "−" else Box(_OPERATORS.get(operator, operator) + " ", 1, operator == "Σ")

    def large(self, operator: str, bound: bool) -> Box:
        return self.function_name(operator, 0)._replace(tall=self.stacked and operator == "Σ")

    def function_name(self, name: str, primes: int) -> Box:
        """Return a command if LaTeX has one for the function."""
        if name in _FUNCTIONS:
            command = "\\" + name
        elif len(name) == 1:
            command = _OPERATORS.get(name) or _COMMANDS.get(name, name)
        else:
            command = f"{self.operator_command}{{{_mathematics(name)}}}"
        return Box(command + "'" * primes, len(name) + primes)


def _letters(name: str, every: bool) -> Box:
    """Return the start of a name: a letter or a word; other strings are set upright."""
    if name in _COMMANDS or (len(name) == 1 and name.isascii() and name.isalpha()):
        return Box(_COMMANDS.get(name, name), 1)
    base, *accents = list(unicodedata.normalize("NFD", name))
    if base.isascii() and base.isalpha() and accents and all(accent in _ACCENTS for accent in accents):
        return _characters(name, every)
    letters = "".join(c for c in name if not unicodedata.combining(c)).isalpha()
    return _wrapped(r"\mathit", _characters(name, every)) if letters else _word(name, every)


def _word(word: str, every: bool) -> Box:
    return _wrapped(r"\mathrm", _characters(word, every))


def _wrapped(command: str, box: Box) -> Box:
    return Box(f"{command}{{{box.text}}}", box.width)


def _characters(name: str, every: bool = False) -> Box:
    r"""Escape the characters of a name in a formula.

    >>> print(_characters("naïve_$").text)
    na\ddot{i}ve\_\$
    """
    written: list[tuple[bool, Box]] = []
    """Characters, and whether they are set as text."""
    for character in name:
        base, *accents = list(unicodedata.normalize("NFD", character))
        if base in _ACCENTS and written:
            accents = [base, *accents]
            base = ""
        if all(accent in _ACCENTS for accent in accents) and (not base or base.isascii() or base in _COMMANDS):
            text, letter = (False, Box(_character(base), 1)) if base else written.pop()
            if text:
                letter = _wrapped(r"\text", letter)
            for accent in accents:
                letter = _wrapped(f"\\{_ACCENTS[accent]}", letter)
            written.append((False, letter))
        elif character in _OPERATORS or character in _SIGNS:
            written.append((False, Box(_SIGNS.get(character) or f"{{{_OPERATORS[character]}}}", 1)))
        elif every and character.isprintable():
            written.append((True, Box(character, width_of(character))))
        else:
            written.append((False, Box(rf"\langle U{{+}}{ord(character):X}\rangle ", 8)))
    runs = [(text, row([box for _, box in run])) for text, run in groupby(written, key=lambda each: each[0])]
    return row([_wrapped(r"\text", run) if text else run for text, run in runs])


def _character(character: str) -> str:
    """Return an ASCII character or a Greek letter in a formula."""
    if character in _COMMANDS:
        return f"{{{_COMMANDS[character]}}}"
    if character.isalnum() or character == ".":
        return character
    return _SIGNS.get(character, f"{{{character}}}")


def _mathematics(text: str) -> str:
    """Return characters in a formula; a plain colon would be spaced as a relation."""
    written = ((c, _OPERATORS.get(c, _COMMANDS.get(c))) for c in text)
    return "".join(_ESCAPES.get(c, "{:}" if c == ":" else c) if sign is None else sign + " " for c, sign in written)


def escape(text: str, every: bool = True) -> str:
    """Escape text, with the mathematical letters and signs in it set as formulas.

    Unless `every` letter is supported, those that pdfLaTeX does not know are written as their codes.
    """
    result = ""
    for is_sign, run in groupby(re.findall(r"⁻¹|.", text, re.DOTALL), lambda c: c in _OPERATORS or c in _COMMANDS):
        if is_sign:
            result += "$" + "".join(_OPERATORS.get(c, _COMMANDS.get(c, "")) for c in run) + "$"
        else:
            known = (c if every or ord(c) < 0x180 or not c.isalpha() else f"U+{ord(c):X}" for c in run)
            result += "".join(_ESCAPES.get(c, c) for c in known)
    return result


def latex_of(notation: Notation, language: str = "en") -> str:
    r"""Return `notation` as a LaTeX formula, without dollar signs.

    >>> latex_of(Symbol("W1"))
    'W_{1}'
    """
    return LatexWriter(language).write(notation)


def render_latex(document: Document, standalone: bool = False) -> str:
    """Render the document as LaTeX; with `standalone` as a complete document, otherwise as a fragment."""
    body = "\n".join(_Page(document.language).lines(document.blocks))
    if not standalone:
        return body
    chinese = document.language == "zh"
    compiler = "% Compile with xelatex.\n" if chinese else ""
    preamble = (
        "\\documentclass%s\n\\usepackage[margin=2.2cm]{geometry}\n\\usepackage{amsmath}\n\\setlength{\\parindent}{0pt}\n\\setlength{\\parskip}{4pt}\n\\emergencystretch=3em\n\\allowdisplaybreaks\n"
        % ("[zihao=false]{ctexart}" if chinese else "{article}")
    )
    return f"{compiler}{preamble}\\begin{{document}}\n\n{body}\n\\end{{document}}\n"


def latex_equations(document: Document) -> str:
    """Return the equations of a document alone, each once and in a line, without shapes and reasons."""
    writer = LatexWriter(document.language)
    blocks = [part for block in document.blocks for part in (block.blocks if isinstance(block, Frame) else (block,))]
    equations = [block for block in blocks if isinstance(block, Equation) and len(block.sides) > 1]
    lines = [
        "".join(
            f" {_OPERATORS.get(sign, sign)} {text}" if sign else text
            for sign, text in zip(("", *equation.signs), map(writer.write, equation.sides), strict=True)
        )
        for equation in equations
    ]
    return "\n".join(dict.fromkeys(lines))


class _Page:
    """Writes blocks, one display of equations for each run without reasons."""

    def __init__(self, language: str) -> None:
        self._writer = LatexWriter(language)
        self._inline = LatexWriter(language, inline=True)
        self._every = self._writer.every_letter

    def lines(self, blocks: Sequence[Block]) -> list[str]:
        """Return the lines of each block, followed by an empty line."""
        lines: list[str] = []
        for block in displays(blocks):
            if not isinstance(block, tuple):
                lines += [*(self._frame(block) if isinstance(block, Frame) else self._words_block(block)), ""]
                continue
            del lines[-1:]  # a new paragraph would add a gap
            rows = _ended([row for equation in block for row in self._rows(equation)])
            lines += ["\\begin{align*}", *rows, "\\end{align*}", ""]
            reasons = _ended([self._sentence(reason) for reason in block[-1].reasons])
            lines += ["\\begin{quote}\\small", *reasons, "\\end{quote}", ""] if reasons else []
        return lines

    def _frame(self, frame: Frame) -> list[str]:
        """Return a frame, or two rules if it would be too tall for a page."""
        inner = self.lines(frame.blocks)[:-1]
        if len(inner) > _FRAMED_LINES:
            return ["\\noindent\\hrulefill", *inner, "\\noindent\\hrulefill"]
        page = "\\begin{minipage}{\\dimexpr\\linewidth-2\\fboxsep-2\\fboxrule}"
        return [f"\\noindent\\fbox{{{page}", *inner, "\\end{minipage}}"]

    def _words_block(self, block: Heading | Paragraph | Remark) -> list[str]:
        sentence = self._sentence(block.words)
        if isinstance(block, Remark):
            return ["\\begin{quote}\\itshape", sentence, "\\end{quote}"]
        if isinstance(block, Heading):
            command = "section" if block.level == 1 else "subsection" if block.level == 2 else "subsubsection"
            return [f"\\{command}*{{{sentence}}}"]
        return [sentence]

    def _sentence(self, words: Words) -> str:
        return "".join(self._text(part) if isinstance(part, str) else f"${self._inline.write(part)}$" for part in words)

    def _text(self, text: str) -> str:
        shape = shape_in_latex(text)
        return f"${shape}$" if shape else escape(text, self._every)

    def _rows(self, equation: Equation) -> list[str]:
        """Return an equation on its lines, with its shape as a tag."""
        tag = rf" \tag*{{{self._text(equation.shape)}}}" if equation.shape else ""
        first, *others = aligned_lines(self._writer, equation, shape_width(equation.shape))
        return ["  " + line for line in (first + tag, *others)]


def _ended(rows: Sequence[str]) -> list[str]:
    """Add row separators to all rows except the last."""
    return [*(row + " \\\\" for row in rows[:-1]), *rows[-1:]]


def aligned_lines(writer: LatexWriter, equation: Equation, shape_width: float) -> list[str]:
    """Return the lines of an equation: equality signs are marked with & for alignment, long sides broken.

    Space of `shape_width` letters is reserved at the end of a line that holds several sides.
    """
    first, *others = [writer.side(side) for side in equation.sides]
    if not others:
        start, *more = break_lines(first, _LINE, NOTHING)
        return ["& " + start.text, *("&\\quad " + line.text for line in more)]
    signs = [_OPERATORS.get(sign, sign) for sign in equation.signs]
    left = row(first)
    room = _LINE - left.width
    whole = [row(side) for side in others]
    if sum(side.width + 3 for side in whole) - 3 + shape_width <= room:
        first_sign, *further = signs
        joined = "".join(f" {sign} {side.text}" for sign, side in zip(further, whole[1:], strict=True))
        return [f"{left.text} &{first_sign} {whole[0].text}{joined}"]
    lines: list[str] = []
    for sign, side in zip(signs, others, strict=True):
        start, *more = break_lines(side, max(room, _LINE // 2), NOTHING)
        lines += [f"&{sign} {start.text}", *("&\\quad " + line.text for line in more)]
    return [f"{left.text} {lines[0]}", *lines[1:]]


def shape_width(shape: str) -> int:
    """Return the approximate width of a shape in letters, with the space before it."""
    return width_of(shape) + sum(shape.count(sign) for sign in "×·") + 1 if shape else 0


def shape_in_latex(text: str) -> str:
    """Return `n×h`, `(h×n)(n×o) = h×o` or a single letter as a formula; "" for other text."""
    return "".join(
        _PLAIN.symbol(Mark(word)).text if name else _SHAPE_SIGNS.get(word, word) for word, name in shape_words(text)
    )


_PLAIN = LatexWriter()
_SHAPE_SIGNS = {sign: f" {_OPERATORS[sign]} " for sign in "×·"}
