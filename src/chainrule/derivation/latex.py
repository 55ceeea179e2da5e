r"""A derivation as LaTeX: a fragment that needs amsmath alone, or a document that compiles.

English compiles with pdfLaTeX, XeLaTeX and LuaLaTeX; Chinese uses the class `ctexart` and XeLaTeX.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from chainrule.derivation.document import Block, Box, Document, Equation, Heading, Paragraph, Remark, Words
from chainrule.derivation.names import GREEK, is_shape, name_parts, shown_name
from chainrule.derivation.writing import NESTING, VULGAR_FRACTIONS, Break, Pieces, Writer, break_lines, flat
from chainrule.primitives import Call, Cases, Fraction, Indexed, Mark, Notation, Number, Pairing, Symbol, Verbatim

_COMMANDS = {letter: "\\" + name for name, letter in GREEK.items()}
_OPERATORS = {
    "−": "-",
    "⊙": r"\odot",
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
    "∂": r"\partial",
    "′": "'",
    "½": r"\tfrac{1}{2}",
    "¼": r"\tfrac{1}{4}",
    "¾": r"\tfrac{3}{4}",
    "²": "^{2}",
    "⁻¹": "^{-1}",
    "∞": r"\infty",
    "√": r"\surd",
    "∗": r"\ast",
}
_FUNCTIONS = {"exp", "ln", "sinh", "cosh", "tanh", "sin", "cos", "arctan", "max", "min"}
_DELIMITERS = {
    "abs": (r"\lvert ", r" \rvert"),
    "norm": (r"\lVert ", r" \rVert"),
    "floor": (r"\lfloor ", r" \rfloor"),
    "sqrt": (r"\sqrt{", "}"),
    "√": (r"\sqrt{", "}"),
}
_ESCAPES = {character: "\\" + character for character in "{}$&#_%"}
_ESCAPES |= {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
_SIGNS = {character: "\\" + character for character in "{}$&#_%"}
_SIGNS |= {"\\": r"\backslash ", "^": r"\hat{}", "~": r"\sim ", " ": r"\ "}
_SIGNS |= {quote: rf"\text{{{quote}}}" for quote in "“”\"'"}
"""Characters in mathematics, by commands that MathJax and KaTeX know as well."""
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
_TALL = re.compile(r"\\(frac|sum|begin)(?![a-z])")
_FRAMED_LINES = 40
"""A box of more lines than this is not framed, since a frame cannot be broken over pages."""
_FRACTION = 48
"""A fraction that is wider, in letters, has a slash, where a line can be broken."""
_LINE = 64
"""The estimated width, in letters, of what fits on a line beside the equality signs and the shape."""


class LatexWriter(Writer):
    """Mathematics in LaTeX; `inline` is for a line of text, where fractions are written with a slash."""

    space = r" \, "
    operator_command = r"\operatorname"

    def __init__(self, language: str = "en", inline: bool = False) -> None:
        super().__init__(language)
        self.stacked = not inline
        self._inline = self if inline else type(self)(language, inline=True)

    @property
    def every_letter(self) -> bool:
        """Whether letters of any alphabet can be set as they are."""
        return self.language == "zh"

    def pieces(self, notation: Notation, nesting: int = 0) -> Pieces:
        if isinstance(notation, Pairing):  # its brackets grow as others do
            return self._fenced(
                *self.pairing_brackets(), self.arguments((notation.left, notation.right), nesting + NESTING)
            )
        return super().pieces(notation, nesting)

    def bracketed(self, inner: Pieces) -> Pieces:
        return self._fenced("(", ")", inner)

    def _fenced(self, left: str, right: str, inner: Pieces) -> Pieces:
        if self.stacked and _TALL.search(flat(inner)):  # \left and \right would forbid a line break in between
            return ["\\Bigl" + left, *inner, "\\Bigr" + right.lstrip()]
        return [left, *inner, right]

    def symbol(self, symbol: Symbol) -> str:
        return _subscripted(*_symbol_parts(symbol, self.every_letter))

    def number(self, number: Number) -> str:
        value = number.value
        if isinstance(value, bool):
            return r"\mathrm{true}" if value else r"\mathrm{false}"
        if value < 0:
            return "-" + self.number(Number(-value))
        if value in VULGAR_FRACTIONS:
            return r"\tfrac{{{}}}{{{}}}".format(*VULGAR_FRACTIONS[value])
        if value == float("inf"):
            return r"\infty"
        if isinstance(value, float) and value.is_integer() and value < 1e15:
            return str(int(value))
        mantissa, _, exponent = repr(value).partition("e")
        if not exponent:
            return mantissa
        scale = f"10^{{{int(exponent)}}}"
        return scale if mantissa == "1" else rf"{{{mantissa} \times {scale}}}"

    def vector_of_ones(self) -> str:
        return r"\mathbf{1}"

    def infix(self, operator: str) -> str:
        return _OPERATORS.get(operator, operator)

    def prefix(self, operator: str) -> str:
        return "-" if operator == "−" else self.infix(operator) + " "

    def postfix(self, operand: Pieces, operator: str) -> Pieces:
        return [*operand, {"ᵀ": r"^{\top}", "⁻¹": "^{-1}", "⁻ᵀ": r"^{-\top}"}[operator]]

    def power(self, base: Pieces, exponent: Notation) -> Pieces:
        return [*base, f"^{{{self.write(exponent)}}}"]

    def fraction(self, notation: Fraction, nesting: int) -> Pieces:
        if self.has_brackets(notation):
            return self.bracketed(self._inline.pieces(notation, nesting + NESTING))
        if self.stacked:
            return [self._stacked(notation)]
        upper_pieces = self.operand(notation.numerator, notation, 0, nesting)
        lower_pieces = self.operand(notation.denominator, notation, 1, nesting)
        if isinstance(notation.numerator, Number) and isinstance(notation.denominator, Number | Symbol):
            return [f"{flat(upper_pieces)} / {flat(lower_pieces)}"]
        return [*upper_pieces, Break(nesting + 5), "/ ", *lower_pieces]

    def side(self, notation: Notation) -> Pieces:
        """`notation` as one side of an equation."""
        return (self._inline if self.has_brackets(notation) else self).pieces(notation)

    def has_brackets(self, notation: Notation) -> bool:
        if not self.stacked or not isinstance(notation, Fraction):
            return False
        return estimated_width(self._stacked(notation)) > _FRACTION

    def _stacked(self, fraction: Fraction) -> str:
        """One part over the other; what is within has a slash, since smaller fractions are hard to read."""
        return rf"\frac{{{self._inline.write(fraction.numerator)}}}{{{self._inline.write(fraction.denominator)}}}"

    def big_operator(self, operator: str, indices: Sequence[Notation]) -> str:
        return self.function(operator) + (f"_{{{','.join(map(self.write, indices))}}} " if indices else " ")

    def cases(self, notation: Cases, nesting: int) -> Pieces:
        condition = self.write(notation.condition)
        when, otherwise = (
            (r"\text{若}\;", r"\text{否则}") if self.language == "zh" else (r"\text{if }", r"\text{otherwise}")
        )
        rows = rf"{self.write(notation.value)} & {when} {condition} \\ {self.write(notation.otherwise)} & {otherwise}"
        return [rf"\begin{{cases}} {rows} \end{{cases}}"]

    def call(self, notation: Call, nesting: int) -> Pieces:
        arguments = self.arguments(notation.arguments, nesting)
        if notation.function in _DELIMITERS:
            left, right = _DELIMITERS[notation.function]
            return [left + flat(arguments) + right]
        name = (self.function(notation.function) if notation.function else "") + "'" * notation.primes
        if notation.subscript:
            name += f"_{{{','.join(map(self.write, notation.subscript))}}}"
        return [name, *self.bracketed(arguments)]

    def function(self, name: str) -> str:
        """The name of a function: a command where LaTeX has one."""
        if name in _FUNCTIONS:
            return "\\" + name
        if name == "Σ":
            return r"\sum"
        if len(name) == 1:
            return _COMMANDS.get(name, name)
        return f"{self.operator_command}{{{_mathematics(name)}}}"

    def indexed(self, notation: Indexed, nesting: int) -> Pieces:
        written = [self.write(index) for index in notation.indices]
        joined = "".join(written) if all(re.fullmatch("[a-z]", index) for index in written) else ",".join(written)
        if isinstance(notation.base, Symbol):
            head, subscripts = _symbol_parts(notation.base, self.every_letter)
            return [_subscripted(head, [*subscripts, joined])]
        return [*self.operand(notation.base, notation, nesting=nesting), f"_{{{joined}}}"]

    def pairing_brackets(self) -> tuple[str, str]:
        return r"\langle ", r" \rangle"

    def partial(self, of: str, by: str) -> str:
        return rf"\frac{{\partial {of}}}{{\partial {by}}}" if self.stacked else rf"\partial {of} / \partial {by}"


def _symbol_parts(symbol: Symbol, every: bool) -> tuple[str, list[str]]:
    r"""A name as a letter and its subscripts: `W1` is W with 1, `a_hidden` is a with \mathrm{hidden}.

    `every` says that every letter can be set as it is, as in Chinese documents and in Markdown.
    """
    if isinstance(symbol, Mark):
        return _mark(symbol.name), []
    name = shown_name(symbol)
    head, subscripts = (_word(name, every), []) if isinstance(symbol, Verbatim) else _name_parts(name, every)
    if symbol.prefix == "δ":
        if name.isascii() and name.isdigit():
            return r"\delta", [name]
        word = len(name) > 1 and name_parts(name) == (name, ()) and name.isascii()
        return r"\delta", [_word(name, every) if word else _subscripted(head, subscripts)]
    if symbol.prefix == "d":
        return r"\mathrm{d}" + head, subscripts
    return _mathematics(symbol.prefix) + head, subscripts


def _mark(text: str) -> str:
    """A slice, a size, or the letters of an einsum."""
    if name_parts(text)[0].isalpha():
        return _subscripted(*_name_parts(text, every=False))
    written = _mathematics(text).replace(":", "{:}")  # a colon of its own would be spaced as a relation
    return written if len(text) == 1 else rf"\mathrm{{{written}}}"


def _name_parts(name: str, every: bool) -> tuple[str, list[str]]:
    head, subscripts = name_parts(name)
    if not _is_letters(head):
        return _word(name, every), []
    return _letters(head, every), [_subscript(part, every) for part in subscripts]


def _is_letters(text: str) -> bool:
    return "".join(c for c in text if not unicodedata.combining(c)).isalpha()


def _letters(letters: str, every: bool) -> str:
    """The letters that a name begins with: one letter or a word."""
    if len(letters) == 1 and (letters.isascii() or letters in _COMMANDS):
        return _COMMANDS.get(letters, letters)
    base, *accents = list(unicodedata.normalize("NFD", letters))
    if base.isascii() and accents and all(accent in _ACCENTS for accent in accents):
        return _characters(letters, every)
    return rf"\mathit{{{_characters(letters, every)}}}"


def _subscript(part: str, every: bool) -> str:
    if part.isascii() and (part.isdigit() or (len(part) == 1 and part.isalpha())):
        return part
    return _COMMANDS.get(part) or _word(part, every)


def _word(word: str, every: bool) -> str:
    return rf"\mathrm{{{_characters(word, every)}}}"


def _characters(name: str, every: bool = False) -> str:
    r"""The characters of a name in mathematics, so that none is a command, and none is unknown to a compiler.

    >>> print(_characters("naïve_$"))
    na\ddot{i}ve\_\$
    """
    written: list[str] = []
    for character in name:
        base, *accents = list(unicodedata.normalize("NFD", character))
        if base in _ACCENTS and written:
            accents = [base, *accents]
            base = ""
        if all(accent in _ACCENTS for accent in accents) and (not base or base.isascii() or base in _COMMANDS):
            letter = _character(base) if base else written.pop()
            for accent in accents:
                letter = rf"\{_ACCENTS[accent]}{{{letter}}}"
            written.append(letter)
        elif character in _OPERATORS or character in _SIGNS:
            written.append(_SIGNS.get(character) or f"{{{_OPERATORS[character]}}}")
        elif every and character.isprintable():
            joined = bool(written) and written[-1].startswith(r"\text{")
            before = written.pop().removesuffix("}") if joined else r"\text{"
            written.append(f"{before}{character}}}")
        else:
            written.append(rf"\langle U{{+}}{ord(character):X}\rangle ")
    return "".join(written)


def _character(character: str) -> str:
    """An ASCII character or a Greek letter in mathematics."""
    if character in _COMMANDS:
        return f"{{{_COMMANDS[character]}}}"
    if character.isalnum() or character == ".":
        return character
    return _SIGNS.get(character, f"{{{character}}}")


def _subscripted(head: str, subscripts: Sequence[str]) -> str:
    return f"{head}_{{{','.join(subscripts)}}}" if subscripts else head


def _mathematics(text: str) -> str:
    """Characters in mathematics."""
    return "".join(
        command + " " if (command := _OPERATORS.get(c, _COMMANDS.get(c))) is not None else _ESCAPES.get(c, c)
        for c in text
    )


def escape(text: str, every: bool = True) -> str:
    """Text for LaTeX, with the letters and signs of mathematics in it set as such.

    Not `every` letter is one that pdfLaTeX knows; the others are written as their codes.
    """
    result = ""
    for run in re.findall(r"⁻¹|.", text, re.DOTALL):
        command = _OPERATORS.get(run, _COMMANDS.get(run))
        plain = _ESCAPES.get(run, run if every or ord(run) < 0x180 or not run.isalpha() else f"U+{ord(run):X}")
        result += f"${command}$" if command is not None else plain
    return result.replace("$$", "")


def latex_of(notation: Notation, language: str = "en") -> str:
    r"""`notation` in LaTeX's mathematics, without dollar signs.

    >>> latex_of(Symbol("W1"))
    'W_{1}'
    """
    return LatexWriter(language).write(notation)


def render_latex(document: Document, standalone: bool = False) -> str:
    """The document as LaTeX; with `standalone` one that compiles by itself, else a fragment for another document."""
    body = _Page(document.language).render(document.blocks)
    if not standalone:
        return body
    chinese = document.language == "zh"
    compiler = "% Compile with xelatex.\n" if chinese else ""
    preamble = (
        "\\documentclass%s\n\\usepackage[margin=2.2cm]{geometry}\n\\usepackage{amsmath}\n\\setlength{\\parindent}{0pt}\n\\setlength{\\parskip}{4pt}\n\\emergencystretch=3em\n\\allowdisplaybreaks\n"
        % ("[zihao=false]{ctexart}" if chinese else "{article}")
    )
    return f"{compiler}{preamble}\\begin{{document}}\n\n{body}\n\\end{{document}}\n"


class _Page:
    """Writes blocks, one display of equations for each run without reasons."""

    def __init__(self, language: str) -> None:
        self._writer = LatexWriter(language)
        self._inline = LatexWriter(language, inline=True)
        self._every = self._writer.every_letter

    def render(self, blocks: Sequence[Block]) -> str:
        parts: list[str] = []
        rows: list[str] = []
        for place, block in enumerate(blocks):
            if not isinstance(block, Equation):
                parts.append(self._box(block) if isinstance(block, Box) else self._words_block(block))
                continue
            rows.append(self._row(block))
            after = blocks[place + 1] if place + 1 < len(blocks) else None
            if block.reasons or not isinstance(after, Equation):
                parts[-1:] = [part.rstrip("\n") for part in parts[-1:]]  # a new paragraph would leave a gap
                parts.append("\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}\n")
                rows = []
            if block.reasons:
                reasons = " \\\\\n".join(self._sentence(reason) for reason in block.reasons)
                parts.append("\\begin{quote}\\small\n" + reasons + "\n\\end{quote}\n")
        return "\n".join(parts)

    def _box(self, box: Box) -> str:
        """A frame, or two rules where that would be too tall to stand on one page."""
        inner = self.render(box.blocks).rstrip("\n")
        if inner.count("\n") > _FRAMED_LINES:
            return f"\\noindent\\hrulefill\n{inner}\n\\noindent\\hrulefill\n"
        frame = "\\begin{minipage}{\\dimexpr\\linewidth-2\\fboxsep-2\\fboxrule}"
        return f"\\noindent\\fbox{{{frame}\n{inner}\n\\end{{minipage}}}}\n"

    def _words_block(self, block: Heading | Paragraph | Remark) -> str:
        sentence = self._sentence(block.words)
        if isinstance(block, Remark):
            return f"\\begin{{quote}}\\itshape\n{sentence}\n\\end{{quote}}\n"
        if isinstance(block, Heading):
            command = "section" if block.level == 1 else "subsection" if block.level == 2 else "subsubsection"
            return f"\\{command}*{{{sentence}}}\n"
        return sentence + "\n"

    def _sentence(self, words: Words) -> str:
        return "".join(self._text(part) if isinstance(part, str) else f"${self._inline.write(part)}$" for part in words)

    def _text(self, text: str) -> str:
        return shape_in_latex(text) or escape(text, self._every)

    def _row(self, equation: Equation) -> str:
        """An equation on its lines, with its shape as a tag."""
        shape = _shape(equation.shape, self._every)
        first, *others = aligned_lines(self._writer, equation, estimated_width(shape))
        return " \\\\\n".join("  " + line for line in (first + shape, *others))


def aligned_lines(writer: LatexWriter, equation: Equation, shape_width: int) -> list[str]:
    """The lines of an equation: its equality signs marked with & to be aligned, its long sides broken.

    A place `shape_width` letters wide is kept free at the end of a line that holds several sides.
    """
    first, *others = [writer.side(side) for side in equation.sides]
    if not others:
        start, *more = break_lines(first, _LINE, estimated_width, "")
        return ["& " + start, *("&\\quad " + line for line in more)]
    left = flat(first)
    room = _LINE - estimated_width(left)
    single = " = ".join(map(flat, others))
    if estimated_width(single) + shape_width <= room:
        return [f"{left} &= {single}"]
    lines: list[str] = []
    for side in others:
        start, *more = break_lines(side, max(room, _LINE // 2), estimated_width, "")
        lines += ["&= " + start, *("&\\quad " + line for line in more)]
    return [f"{left} {lines[0]}", *lines[1:]]


def _shape(shape: str, every: bool) -> str:
    """A shape as the tag of a line."""
    return rf" \tag*{{{shape_in_latex(shape) or escape(shape, every)}}}" if shape else ""


def shape_in_latex(text: str) -> str:
    """`n×h`, `(h×n)(n×o) = h×o` or a single letter as mathematics, in dollars; nothing for other text."""
    if not is_shape(text):
        return ""
    named = re.sub(r"[^\W\d]\w*", lambda match: _mark(match.group()), text)
    return "$" + re.sub("[×·]", lambda match: f" {_OPERATORS[match.group()]} ", named) + "$"


def estimated_width(latex: str) -> int:
    """About how many letters wide a formula is when it is set."""
    for pattern, replacement in _WIDTHS:
        latex = pattern.sub(replacement, latex)
    return len(latex)


_WIDTHS = [
    (re.compile(r"\\frac\{\\partial [^{}]*\}\{\\partial ([^{}]*(?:\{[^{}]*\})?)\}"), r"d\1"),
    (re.compile(r"\\(mathrm|mathit|mathbf|text|operatorname|tag\*|begin|end|Bigl|Bigr|tfrac|frac|quad)"), ""),
    (re.compile(rf"\\({'|'.join(sorted(_FUNCTIONS))})\b"), r"\1"),
    (re.compile(r"\\,"), ""),
    (re.compile(r"\\[A-Za-z]+ ?"), "x"),
    (re.compile(r"[{}_^$&\\]"), ""),
]
