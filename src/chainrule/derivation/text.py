"""A derivation as Unicode text of a given width, measured in terminal columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

from chainrule.derivation.boxes import BLANK, INDENT, NOTHING, Box, Break, Pieces, base_line, break_lines, row
from chainrule.derivation.document import Block, Document, Equation, Frame, Heading, Paragraph, Remark, Words, displays
from chainrule.derivation.names import name_parts, shown_name, with_greek_letters
from chainrule.derivation.numerals import SUPERSCRIPTS, number_text, numeral
from chainrule.derivation.writing import NESTING, Writer
from chainrule.primitives import Call, Cases, Indexed, Mark, Notation, Number, Symbol, Verbatim
from chainrule.words import may_part, runs, width_of

_SUBSCRIPTS = dict(zip("0123456789aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True))
_CLOSING = {"(": ")", "|": "|", "‖": "‖", "⌊": "⌋", "⌈": "⌉", "⟨": "⟩"}
_SQUARE, _TOP, _SIDES, _BOTTOM = ("[", "]"), ("⎡", "⎤"), ("⎢", "⎥"), ("⎣", "⎦")
_TIGHT = ("+", "−", "·", "/")
_WORDS = {
    "en": (Box("if ", 3), Box(",", 1), BLANK, Box("else ", 5)),
    "zh": (Box("若 ", 3), Box("，", 2), NOTHING, Box("否则 ", 5)),
}
_EQUATION_INDENT = 2
_REASON_INDENT = 6
_SHAPE_GAP = 3
_REMARK = "  │ "
_UNDERLINES = {1: "=", 2: "-", 3: "~"}

Kind: TypeAlias = Literal["heading", "shape", "reason", "remark", "frame"]
_COLORS: dict[Kind, str] = {"heading": "1;36", "shape": "2", "reason": "2", "remark": "33", "frame": "1"}
"""ANSI codes: cyan and bold, faint, yellow, bold."""


@lru_cache(4096)
def columns(text: str) -> Box:
    """Return text with its width in terminal columns."""
    return Box(text, width_of(text))


class TextWriter(Writer):
    """Writes formulas in Unicode.

    `tight` is for indices, without spaces around operators; `tall` draws matrices over several lines.
    """

    slash = Box("/", 1)
    ones = Box("1", 1)

    def __init__(self, language: str = "en", tight: bool = False, tall: bool = False) -> None:
        super().__init__(language)
        self._tight = tight
        self._tall = tall
        self._index = self if tight else TextWriter(language, tight=True)

    def fenced(self, left: str, inner: Pieces) -> Pieces:
        return [Box(left, 1), *inner, Box(_CLOSING[left], 1)]

    def lowered(self, sign: Box, subscript: Sequence[Notation]) -> Box:
        return columns(sign.text + "_" + ",".join(self._index.box(entry).text for entry in subscript))

    def symbol(self, symbol: Symbol) -> Box:
        joint = "_" if symbol.prefix == "δ" and not symbol.name.isdigit() and name_parts(symbol.name)[0] else ""
        name = shown_name(symbol)
        shown = name if isinstance(symbol, Mark | Verbatim) else with_greek_letters(name)
        return columns(symbol.prefix + joint + shown)

    def jacobian(self, function: Symbol) -> Box:
        return columns("J_" + shown_name(function))

    def primed(self, name: Box, primes: int) -> Box:
        return columns(name.text + "′" * primes)

    def differentiated(self, by: Sequence[int]) -> Box:
        return columns("∂" + "".join(_SUBSCRIPTS[digit] for each in by for digit in str(each)))

    def differential_of_order(self, order: int) -> Box:
        return columns("∂" + str(order).translate(SUPERSCRIPTS))

    def nabla(self, count: int) -> Box:
        return columns("∇" if count == 1 else "∇" + str(count).translate(SUPERSCRIPTS))

    def number(self, number: Number) -> Box:
        return columns(numeral(number))

    def matrix(self, rows: Sequence[Sequence[Box]]) -> Box:
        if not self._tall:
            return columns("[" + "; ".join(", ".join(entry.text for entry in entries) for entries in rows) + "]")
        widths = [int(max(entry.width for entry in column)) for column in zip(*rows, strict=True)]
        lines = []
        for place, entries in enumerate(rows):
            cells = (" " * int(width - entry.width) + entry.text for width, entry in zip(widths, entries, strict=True))
            left, right = (
                _SQUARE if len(rows) == 1 else _TOP if not place else _BOTTOM if place == len(rows) - 1 else _SIDES
            )
            lines.append(left + " " + "  ".join(cells) + " " + right)
        width = sum(widths) + 2 * len(widths) + 2
        return Box(lines[base_line(len(lines))], width, len(rows) > 1, lines=tuple(lines))

    def blocks(self, notation: Call, nesting: int) -> Pieces:
        separator = self.comma if notation.function == "columns" else Box(";", 1)
        return [Box("[", 1), *self.arguments(notation.arguments, nesting, separator), Box("]", 1)]

    def separator(self, depth: int, operator: str) -> Pieces:
        if self._tight and operator in _TIGHT:
            return [Break(depth, NOTHING), Box(operator, 1)]
        return super().separator(depth, operator)

    def infix(self, operator: str) -> Box:
        return Box(operator + " ", 2)

    def prefix(self, operator: str) -> Box:
        return Box("Σ ", 2) if operator == "Σ" else columns(operator)

    def postfix(self, operand: Pieces, operator: str) -> Pieces:
        return [*operand, columns(operator)]

    def power(self, base: Pieces, exponent: Notation) -> Pieces:
        if isinstance(exponent, Number) and float(exponent.value).is_integer() and abs(exponent.value) < 100:
            return [*base, columns(number_text(exponent.value).translate(SUPERSCRIPTS))]
        bare = isinstance(exponent, Symbol) or (isinstance(exponent, Number) and exponent.value >= 0)
        inner: Pieces = [self.box(exponent)]
        return [*base, row([Box("^", 1), *(inner if bare else self.bracketed(inner))])]

    def big_operator(self, operator: str, indices: Sequence[Notation]) -> Box:
        return columns(operator + self._subscript(indices) + " ")

    def _subscript(self, indices: Sequence[Notation]) -> str:
        """Return indices as subscript characters if Unicode has them, otherwise in square brackets."""
        small = list(map(_small, indices))
        if all(small):
            return "".join(small)
        return "[" + ",".join(map(self.write, indices)) + "]"

    def cases(self, notation: Cases, nesting: int) -> Pieces:
        value = self.operand(notation.value, notation, 1, nesting)
        condition = self.operand(notation.condition, notation, 0, nesting)
        otherwise = self.operand(notation.otherwise, notation, 2, nesting)
        when, comma, joint, other = _WORDS[self.language]
        return [*value, Break(nesting), when, *condition, comma, Break(nesting, joint), other, *otherwise]

    def function(self, notation: Call) -> Pieces:
        return [columns(notation.function + "′" * notation.primes + self._subscript(notation.subscript))]

    def root(self, notation: Call, arguments: Pieces) -> Pieces:
        (argument,) = notation.arguments
        return [Box("√", 1), *(arguments if isinstance(argument, Symbol | Number) else self.bracketed(arguments))]

    def indexed(self, notation: Indexed, nesting: int) -> Pieces:
        if notation.base == Number(1):  # the indicator of a condition, which may be long
            return [Box("1[", 2), *self.arguments(notation.indices, nesting + NESTING), Box("]", 1)]
        indices = ",".join(map(self._index.write, notation.indices))
        return [*self.operand(notation.base, notation, nesting=nesting), columns(f"[{indices}]")]


def _small(index: Notation) -> str:
    """Return an index as a subscript character with its primes; "" if Unicode has none."""
    if isinstance(index, Number):
        return _SUBSCRIPTS.get(number_text(index.value), "")
    if not isinstance(index, Symbol) or index.prefix:
        return ""
    letter, primes = index.name[:1], index.name[1:]
    return _SUBSCRIPTS[letter] + primes if letter in _SUBSCRIPTS and primes == "′" * len(primes) else ""


def text_of(notation: Notation, language: str = "en") -> str:
    """Return `notation` in Unicode, on one line.

    >>> text_of(Call("exp", (Symbol("a"),)))
    'exp(a)'
    """
    return TextWriter(language).write(notation)


def plain(words: Words, language: str = "en") -> str:
    """Return a sentence in Unicode, on one line."""
    return "".join(part if isinstance(part, str) else text_of(part, language) for part in words)


def render_text(document: Document, width: int = 80, color: bool = False) -> str:
    """Render the document as text; no line is wider than `width` columns unless a single symbol is.

    With `color`, headings, shapes, reasons, remarks and frames are set apart by the ANSI codes of a terminal.
    """
    return _Page(document.language, width, color=color).render(document)


class _Page:
    """Lays out blocks in lines of a given width."""

    def __init__(self, language: str, width: int, indent: int = _EQUATION_INDENT, color: bool = False) -> None:
        self._writer = TextWriter(language, tall=True)
        self._width = width
        self._indent = indent
        self._color = color

    def _painted(self, kind: Kind, lines: Iterable[str]) -> list[str]:
        """Return complete lines, or ends of lines, in the color of their kind."""
        if not self._color:
            return list(lines)
        return [f"\x1b[{_COLORS[kind]}m{line}\x1b[0m" for line in lines]

    def render(self, document: Document) -> str:
        return "\n".join(self._lines(document.blocks)) + "\n"

    def _lines(self, blocks: Sequence[Block]) -> list[str]:
        lines: list[str] = []
        for block in displays(blocks):
            written = self._display(block) if isinstance(block, tuple) else self._block(block)
            lines += [*([""] if lines else []), *written]
        return lines

    def _display(self, equations: Sequence[Equation]) -> list[str]:
        """Return equations, with a space before one that begins above its line, as a matrix of three rows does."""
        lines: list[str] = []
        for equation in equations:
            written, above = self._equation(equation)
            lines += [*([""] if above and lines else []), *written]
        return lines

    def _block(self, block: Heading | Paragraph | Remark | Frame) -> list[str]:
        if isinstance(block, Frame):
            return self._frame(block)
        if isinstance(block, Remark):
            lines = self._wrapped(block.words, self._width - len(_REMARK))
            return self._painted("remark", (_REMARK + line.text for line in lines))
        lines = self._wrapped(block.words, self._width)
        text = [line.text for line in lines]
        if isinstance(block, Heading):
            text.append(_UNDERLINES[block.level] * int(min(self._width, max(line.width for line in lines))))
            return self._painted("heading", text)
        return text

    def _frame(self, frame: Frame) -> list[str]:
        """Return a frame of the page's width; a line that is too long leaves its right side open."""
        inner = self._width - 4
        lines = [
            f"│ {line}{' ' * (inner - width_of(line))} │" if width_of(line) <= inner else f"│ {line}"
            for line in _Page(self._writer.language, inner, indent=0)._lines(frame.blocks)
        ]
        edge = "─" * (inner + 2)
        return self._painted("frame", [f"┌{edge}┐", *lines, f"└{edge}┘"])

    def _equation(self, equation: Equation) -> tuple[list[str], int]:
        """Return an equation, its shape at the right, its reasons below, and the number of lines above its first."""
        needed = width_of(equation.shape) + _SHAPE_GAP if equation.shape else 0
        sides = self._sides(equation, self._width - self._indent, needed)
        lines: list[str] = []
        bases: list[int] = []
        """The line of each side that is level with its equality sign."""
        for side in sides:
            bases.append(len(lines) + base_line(side.height))
            lines += [" " * self._indent + line for line in side.lines or (side.text,)]
        if equation.shape:
            rooms = [int(self._width - self._indent - side.width) - needed for side in sides]
            place = next((k for k in (0, len(sides) - 1) if rooms[k] >= 0), None)
            if place is not None:
                (shape,) = self._painted("shape", [equation.shape])
                lines[bases[place]] += " " * (rooms[place] + _SHAPE_GAP) + shape
            else:
                wrapped = self._wrapped((equation.shape,), self._width)
                lines += self._painted("shape", (" " * int(self._width - line.width) + line.text for line in wrapped))
        for reason in equation.reasons:
            wrapped = self._wrapped(reason, self._width - _REASON_INDENT)
            lines += self._painted("reason", (" " * _REASON_INDENT + line.text for line in wrapped))
        return lines, bases[0]

    def _sides(self, equation: Equation, width: int, needed: int) -> list[Box]:
        """Return `a = b = c` on one line if it fits; otherwise one side a line, with aligned equality signs.

        `needed` columns at the end of the first line are reserved if a break between sides allows it.
        """
        written = [self._writer.side(side) for side in equation.sides]
        signs = list(map(self._writer.infix, equation.signs))
        first, *others = map(row, written)
        equated = zip(signs, others, strict=True)
        single = row([first, *(box for sign, other in equated for box in (BLANK, sign, other))])
        if single.width <= width - (needed if len(others) > 1 else 0):
            return [single]
        layouts = [_EQUATION_INDENT, 0]
        if first.width <= width // 3 and others:
            layouts.insert(0, int(first.width) + 1)
        for column in layouts:
            lines = _in_column(written, signs, width, column)
            if max(line.width for line in lines) <= width:
                break
        return lines

    def _wrapped(self, words: Words, width: int) -> list[Box]:
        """Wrap a sentence to `width`: at spaces and between wide characters, within formulas only if necessary."""
        lines = [NOTHING]
        for separator, unit in self._units(words):
            last, added = lines[-1], row([separator, *unit])
            if last.width and last.width + added.width <= width:
                lines[-1] = row([last, added])
            else:
                lines[-1 if not last.width else len(lines) :] = break_lines(unit, width, NOTHING)
        return lines

    def _units(self, words: Words) -> Iterator[tuple[Box, Pieces]]:
        """Yield the unbreakable parts of a sentence, each with the separator before it."""
        separator, unit, last = NOTHING, Pieces(), ""
        for text, pieces in self._atoms(words):
            if text == " ":
                if unit:
                    yield separator, unit
                    separator, unit = BLANK, []
                continue
            if unit and may_part(last, text[0]):
                yield separator, unit
                separator, unit = NOTHING, []
            unit, last = [*unit, *pieces], text[-1]
        if unit:
            yield separator, unit

    def _atoms(self, words: Words) -> Iterator[tuple[str, Pieces]]:
        """Yield formulas whole, wide characters one at a time, other text by words, and one space for white space.

        A line may end beside a formula wherever it may end beside a letter.
        """
        for part in words:
            if isinstance(part, str):
                for text in runs(part):
                    yield (" ", []) if text.isspace() else (text, [columns(text)])
            else:
                yield "x", self._writer.pieces(part)


def _in_column(sides: Sequence[Pieces], signs: Sequence[Box], width: int, column: int) -> list[Box]:
    """Return one side a line, with aligned equality signs: beside the first side if it ends just before `column`."""
    *lines, last = break_lines(sides[0], width)
    margin = columns(" " * column)
    beside = last.width == column - 1 and len(sides) > 1
    head = row([last, BLANK]) if beside else margin
    lines += [] if beside else [last]
    for sign, side in zip(signs, sides[1:], strict=True):
        first, *others = break_lines(side, width - column - 2)
        lines += [row([head, sign, first]), *(row([margin, INDENT, line]) for line in others)]
        head = margin
    return lines
