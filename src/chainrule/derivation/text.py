"""A derivation as Unicode text of a given width, measured in terminal columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from chainrule.derivation.document import Block, Box, Document, Equation, Heading, Remark, Words
from chainrule.derivation.names import shown_name
from chainrule.derivation.writing import (
    NESTING,
    SUPERSCRIPTS,
    VULGAR_FRACTIONS,
    Break,
    Pieces,
    Writer,
    break_lines,
    flat,
)
from chainrule.primitives import (
    Call,
    Cases,
    Fraction,
    Indexed,
    Infix,
    Notation,
    Number,
    Precedence,
    Symbol,
    precedence,
)
from chainrule.words import may_part, runs, width_of

_SUBSCRIPTS = dict(zip("0123456789aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True))
_VULGAR = {(1, 2): "½", (1, 4): "¼", (3, 4): "¾"}
_EQUATION_INDENT = 2
_REASON_INDENT = 6
_SHAPE_GAP = 3
_REMARK = "  │ "
_UNDERLINES = {1: "=", 2: "-", 3: "~"}


def number_text(value: float | int | bool) -> str:
    """A literal as a person writes it: `½`, `2` for 2.0, `10⁻⁵` for 0.00001."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value < 0:
        return "−" + number_text(-value)
    if value in VULGAR_FRACTIONS:
        return _VULGAR[VULGAR_FRACTIONS[value]]
    if value == float("inf"):
        return "∞"
    if isinstance(value, float) and value.is_integer() and value < 1e15:
        return str(int(value))
    mantissa, _, exponent = repr(value).partition("e")
    if not exponent:
        return mantissa
    scale = "10" + str(int(exponent)).translate(SUPERSCRIPTS)
    return scale if mantissa == "1" else f"{mantissa}·{scale}"


class TextWriter(Writer):
    """Mathematics in Unicode."""

    def bracketed(self, inner: Pieces) -> Pieces:
        return ["(", *inner, ")"]

    def symbol(self, symbol: Symbol) -> str:
        joint = "_" if symbol.prefix == "δ" and not symbol.name.isdigit() else ""
        return symbol.prefix + joint + shown_name(symbol)

    def number(self, number: Number) -> str:
        return number_text(number.value)

    def vector_of_ones(self) -> str:
        return "1"

    def infix(self, operator: str) -> str:
        return operator

    def prefix(self, operator: str) -> str:
        return operator + " " if operator == "Σ" else operator

    def postfix(self, operand: Pieces, operator: str) -> Pieces:
        return [*operand, operator]

    def power(self, base: Pieces, exponent: Notation) -> Pieces:
        if isinstance(exponent, Number) and float(exponent.value).is_integer() and abs(exponent.value) < 100:
            return [*base, number_text(exponent.value).translate(SUPERSCRIPTS)]
        written = self.write(exponent)
        bare = isinstance(exponent, Symbol | Number) and not written.startswith("−")
        return [*base, "^" + (written if bare else f"({written})")]

    def fraction(self, notation: Fraction, nesting: int) -> Pieces:
        upper = self.operand(notation.numerator, notation, 0, nesting)
        lower = self.operand(notation.denominator, notation, 1, nesting)
        if isinstance(notation.numerator, Number) and isinstance(notation.denominator, Number | Symbol):
            return [flat(upper), "/", flat(lower)]
        return [*upper, Break(nesting + 5), "/ ", *lower]

    def big_operator(self, operator: str, indices: Sequence[Notation]) -> str:
        return operator + self._subscript(indices) + " "

    def _subscript(self, indices: Sequence[Notation]) -> str:
        """Small letters where Unicode has them, else indices in square brackets."""
        names = [self.write(index) for index in indices]
        if names and all(len(name.rstrip("′")) == 1 and name[0] in _SUBSCRIPTS for name in names):
            return "".join(_SUBSCRIPTS[name[0]] + name[1:] for name in names)
        return "[" + ",".join(names) + "]" if names else ""

    def cases(self, notation: Cases, nesting: int) -> Pieces:
        value = self.operand(notation.value, notation, 1, nesting)
        condition = self.operand(notation.condition, notation, 0, nesting)
        otherwise = self.operand(notation.otherwise, notation, 2, nesting)
        if self.language == "zh":
            return [*value, Break(nesting), "若 ", *condition, "，", Break(nesting, ""), "否则 ", *otherwise]
        return [*value, Break(nesting), "if ", *condition, ",", Break(nesting), "else ", *otherwise]

    def call(self, notation: Call, nesting: int) -> Pieces:
        arguments = self.arguments(notation.arguments, nesting)
        if notation.function == "abs":
            return ["|", *arguments, "|"]
        if notation.function == "floor":
            return ["⌊", flat(arguments), "⌋"]
        if notation.function == "sqrt":
            (argument,) = notation.arguments
            return ["√", *(arguments if isinstance(argument, Symbol | Number) else self.bracketed(arguments))]
        name = notation.function + "′" * notation.primes + self._subscript(notation.subscript)
        return [name, *self.bracketed(arguments)]

    def indexed(self, notation: Indexed, nesting: int) -> Pieces:
        if notation.base == Number(1):  # 1 where a condition holds, which may be long
            return ["1[", *self.arguments(notation.indices, nesting + NESTING), "]"]
        indices = ",".join(self.index(index) for index in notation.indices)
        return [*self.operand(notation.base, notation, nesting=nesting), f"[{indices}]"]

    def index(self, index: Notation) -> str:
        """An index, with no spaces around its operators."""
        return re.sub(r" ([+−·/]) ", r"\1", self.write(index))

    def pairing_brackets(self) -> tuple[str, str]:
        return "⟨", "⟩"

    def partial(self, of: str, by: str) -> str:
        return f"∂{of}/∂{by}"


def text_of(notation: Notation, language: str = "en") -> str:
    """`notation` in Unicode, on one line.

    >>> text_of(Fraction(Symbol("a"), Symbol("b")))
    'a / b'
    """
    return TextWriter(language).write(notation)


def render_text(document: Document, width: int = 80) -> str:
    """The document as plain text; no line is wider than `width` columns unless a single symbol is."""
    return _Page(document.language, width).render(document)


class _Page:
    """Lays out blocks in lines of a given width."""

    def __init__(self, language: str, width: int, indent: int = _EQUATION_INDENT) -> None:
        self._writer = TextWriter(language)
        self._width = width
        self._indent = indent

    def render(self, document: Document) -> str:
        return "\n".join(self._lines(document.blocks)) + "\n"

    def _lines(self, blocks: Sequence[Block]) -> list[str]:
        lines: list[str] = []
        previous: object = None
        for block in blocks:
            joined = isinstance(block, Equation) and isinstance(previous, Equation) and not previous.reasons
            if lines and not joined:
                lines.append("")
            lines += self._block(block)
            previous = block
        return lines

    def _block(self, block: Block) -> list[str]:
        if isinstance(block, Equation):
            return self._equation(block)
        if isinstance(block, Box):
            return self._box(block)
        if isinstance(block, Remark):
            wrapped = self._wrapped(block.words, self._width - len(_REMARK))
            return [_REMARK + line for line in wrapped]
        lines = self._wrapped(block.words, self._width)
        if isinstance(block, Heading):
            lines.append(_UNDERLINES[block.level] * min(self._width, max(map(width_of, lines))))
        return lines

    def _box(self, box: Box) -> list[str]:
        """A frame of the page's width; a line that is too long for it leaves its right side open."""
        inner = self._width - 4
        lines = [
            f"│ {line}{' ' * (inner - width_of(line))} │" if width_of(line) <= inner else f"│ {line}"
            for line in _Page(self._writer.language, inner, indent=0)._lines(box.blocks)
        ]
        edge = "─" * (inner + 2)
        return [f"┌{edge}┐", *lines, f"└{edge}┘"]

    def _equation(self, equation: Equation) -> list[str]:
        """An equation, its shape at the right, its reasons below."""
        needed = width_of(equation.shape) + _SHAPE_GAP if equation.shape else 0
        sides = self._sides(equation.sides, self._width - self._indent, needed)
        lines = [" " * self._indent + line for line in sides]
        if equation.shape:
            rooms = [self._width - width_of(line) - needed for line in lines]
            place = next((k for k in (0, len(lines) - 1) if rooms[k] >= 0), None)
            if place is not None:
                lines[place] += " " * (rooms[place] + _SHAPE_GAP) + equation.shape
            else:
                wrapped = self._wrapped((equation.shape,), self._width)
                lines += [" " * (self._width - width_of(line)) + line for line in wrapped]
        for reason in equation.reasons:
            wrapped = self._wrapped(reason, self._width - _REASON_INDENT)
            lines += [" " * _REASON_INDENT + line for line in wrapped]
        return lines

    def _sides(self, sides: Sequence[Notation], width: int, needed: int) -> list[str]:
        """`a = b = c` on one line where it fits; else one side a line, the equality signs below one another.

        `needed` columns at the end of the first line are kept free where a break between sides achieves that.
        """
        written = [self._side(side) for side in sides]
        single = " = ".join(map(flat, written))
        if width_of(single) <= width - (needed if len(sides) > 2 else 0):
            return [single]
        first = flat(written[0])
        layouts = [_EQUATION_INDENT, 0]
        if width_of(first) <= width // 3 and len(sides) > 1:
            layouts.insert(0, width_of(first) + 1)
        for column in layouts:
            lines = _in_column(written, width, column)
            if max(map(width_of, lines)) <= width:
                break
        return lines

    def _side(self, side: Notation) -> Pieces:
        """One side of an equation; a comparison is bracketed."""
        loose = isinstance(side, Infix) and precedence(side) is Precedence.COMPARISON
        return self._writer.bracketed(self._writer.pieces(side, NESTING)) if loose else self._writer.pieces(side)

    def _wrapped(self, words: Words, width: int) -> list[str]:
        """A sentence on lines of `width`: broken at spaces and between wide characters, in formulas only at need."""
        lines = [""]
        for separator, unit in self._units(words):
            text = flat(unit)
            if lines[-1] and width_of(lines[-1] + separator + text) <= width:
                lines[-1] += separator + text
            else:
                lines = [*lines[: -1 if not lines[-1] else None], *break_lines(unit, width, width_of, "")]
        return lines

    def _units(self, words: Words) -> Iterator[tuple[str, Pieces]]:
        """What a line break does not part, each with the separator before it."""
        separator, unit = "", Pieces()
        for text, pieces in self._atoms(words):
            if text == " ":
                if unit:
                    yield separator, unit
                    separator, unit = " ", []
            elif unit and may_part(flat(unit)[-1], text[0]):
                yield separator, unit
                separator, unit = "", pieces
            else:
                unit = [*unit, *pieces]
        if unit:
            yield separator, unit

    def _atoms(self, words: Words) -> Iterator[tuple[str, Pieces]]:
        """Formulas whole, wide characters one at a time, other text word by word, and one space for white space."""
        for part in words:
            if isinstance(part, str):
                for text in runs(part):
                    yield (" ", []) if text.isspace() else (text, [text])
            else:
                pieces = self._writer.pieces(part)
                yield flat(pieces), pieces


def _in_column(sides: Sequence[Pieces], width: int, column: int) -> list[str]:
    """One side a line, with the equality signs at `column`: beside the first side where that ends just before it."""
    lines = break_lines(sides[0], width, width_of)
    beside = width_of(lines[-1]) == column - 1
    for side in sides[1:]:
        broken = break_lines(side, width - column - 2, width_of)
        lines.append(" " * column + "= " + broken[0])
        lines += [" " * (column + 2) + line for line in broken[1:]]
    if beside:
        lines[:2] = [lines[0] + lines[1][column - 1 :]]
    return lines
