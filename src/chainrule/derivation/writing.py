"""What the renderers share: where brackets go, where a line may break, and how sentences hold mathematics.

Brackets follow from precedence alone. Beyond it, two products of different kinds are never left side by side, since
`W2ᵀ δ ⊙ a` would make a reader hesitate, and a partial derivative is bracketed wherever something is attached to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from chainrule.primitives import (
    INFIX_PRECEDENCE,
    BigOperator,
    Call,
    Cases,
    Fraction,
    Indexed,
    Infix,
    Notation,
    Number,
    Pairing,
    Partial,
    Postfix,
    PowerNotation,
    Precedence,
    Prefix,
    Symbol,
    precedence,
)


@dataclass(frozen=True)
class Break:
    """A place where a line may end, shallow ones first; `flat` is written where the line goes on."""

    depth: int
    flat: str = " "


Pieces: TypeAlias = list[str | Break]

NESTING = 10
"""How much deeper than its surroundings a break within brackets is."""
_INFIX_DEPTH = {Precedence.COMPARISON: 0, Precedence.SUM: 1}
_PRODUCT_DEPTH = {"⊙": 2, "⋆": 2, "·": 3, "": 4}

SUPERSCRIPTS = str.maketrans("0123456789−-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")
VULGAR_FRACTIONS = {0.5: (1, 2), 0.25: (1, 4), 0.75: (3, 4)}


def flat(pieces: Sequence[str | Break]) -> str:
    """The pieces on one line."""
    return "".join(piece.flat if isinstance(piece, Break) else piece for piece in pieces)


class Writer(ABC):
    """Turns mathematics into pieces of a line; a renderer says how each form looks.

    `stacked` tells that fractions are written one part over the other, and so need no brackets of their own;
    `space` stands between the factors of a product, `comma` between arguments; `language` is that of the few words in
    mathematics.
    """

    stacked = False
    space = " "
    comma = ","

    def __init__(self, language: str = "en") -> None:
        self.language = language

    def write(self, notation: Notation) -> str:
        """`notation` on one line."""
        return flat(self.pieces(notation))

    def pieces(self, notation: Notation, nesting: int = 0) -> Pieces:
        """`notation` as text with the places where a line may break."""
        if isinstance(notation, Infix):
            return self._infix(notation, nesting)
        if isinstance(notation, Prefix):
            return [self.prefix(notation.operator), *self.operand(notation.operand, notation, nesting=nesting)]
        if isinstance(notation, Postfix):
            return self.postfix(self._factor(notation.operand, notation, 0, nesting), notation.operator)
        if isinstance(notation, PowerNotation):
            return self.power(self.operand(notation.base, notation, nesting=nesting), notation.exponent)
        if isinstance(notation, Fraction):
            return self.fraction(notation, nesting)
        if isinstance(notation, BigOperator):
            body = self.operand(notation.body, notation, nesting=nesting)
            return [self.big_operator(notation.operator, notation.indices), *body]
        if isinstance(notation, Cases):
            return self.cases(notation, nesting)
        if isinstance(notation, Call):
            return self.call(notation, nesting + NESTING)
        if isinstance(notation, Indexed):
            element = element_within(notation)
            return self.indexed(notation, nesting) if element is None else self.pieces(element, nesting)
        if isinstance(notation, Pairing):
            left, right = self.pairing_brackets()
            return [left, *self.arguments((notation.left, notation.right), nesting + NESTING), right]
        if isinstance(notation, Partial):
            return [self.partial(flat(self.operand(notation.of, notation)), flat(self.operand(notation.by, notation)))]
        if isinstance(notation, Number):
            return [self.number(notation)]
        return [self.symbol(notation)]

    def operand(self, child: Notation, parent: Notation, position: int = 0, nesting: int = 0) -> Pieces:
        """`child` as it stands in `parent`, in brackets where it needs them."""
        if not self.has_brackets(child) and needs_brackets(child, parent, position, self.stacked):
            return self.bracketed(self.pieces(child, nesting + NESTING))
        return self.pieces(child, nesting)

    def arguments(self, arguments: Sequence[Notation], nesting: int) -> Pieces:
        """Arguments parted by commas."""
        result: Pieces = []
        for position, argument in enumerate(arguments):
            if position:
                result += [self.comma, Break(nesting)]
            inner = self.pieces(argument, nesting)
            result += self.bracketed(inner) if isinstance(argument, Cases) else inner
        return result

    def _infix(self, notation: Infix, nesting: int) -> Pieces:
        operator, operands = notation.operator, notation.operands
        if operator == "/":
            quotient = operands[0]
            for divisor in operands[1:]:
                quotient = Fraction(quotient, divisor)
            return self.pieces(quotient, nesting)
        binds = INFIX_PRECEDENCE[operator]
        depth = nesting + (_PRODUCT_DEPTH[operator] if binds is Precedence.PRODUCT else _INFIX_DEPTH[binds])
        matrices = operator == ""
        result = (
            self._factor(operands[0], notation, 0, nesting)
            if matrices
            else self.operand(operands[0], notation, 0, nesting)
        )
        for position, operand in enumerate(operands[1:], 1):
            if is_scaled(notation):
                dotted = starts_with_digit(operand) or _is_one(operands[0])
                separator: Pieces = [f" {self.infix('·')} " if dotted else self.space]
            elif matrices and not (isinstance(operand, Number) and operand.value != 1):
                separator = [Break(depth, self.space)]
            else:
                separator = [Break(depth), self.infix(operator or "·") + " "]
            written = self._factor if matrices else self.operand
            result += [*separator, *written(operand, notation, position, nesting)]
        return result

    def _factor(self, child: Notation, parent: Notation, position: int, nesting: int) -> Pieces:
        """A factor of a matrix product, or what is transposed: the number 1 stands for the vector of ones."""
        if isinstance(child, Number) and child.value == 1:
            return [self.vector_of_ones()]
        return self.operand(child, parent, position, nesting)

    def has_brackets(self, notation: Notation) -> bool:
        """Whether `notation` is written in brackets wherever it stands."""
        return False

    @abstractmethod
    def bracketed(self, inner: Pieces) -> Pieces:
        """`inner` in round brackets."""

    @abstractmethod
    def symbol(self, symbol: Symbol) -> str: ...
    @abstractmethod
    def number(self, number: Number) -> str: ...
    @abstractmethod
    def vector_of_ones(self) -> str: ...
    @abstractmethod
    def infix(self, operator: str) -> str: ...
    @abstractmethod
    def prefix(self, operator: str) -> str: ...
    @abstractmethod
    def postfix(self, operand: Pieces, operator: str) -> Pieces: ...
    @abstractmethod
    def power(self, base: Pieces, exponent: Notation) -> Pieces: ...
    @abstractmethod
    def fraction(self, notation: Fraction, nesting: int) -> Pieces: ...
    @abstractmethod
    def big_operator(self, operator: str, indices: Sequence[Notation]) -> str:
        """The operator with the indices that it binds, and the space before its body."""

    @abstractmethod
    def cases(self, notation: Cases, nesting: int) -> Pieces: ...
    @abstractmethod
    def call(self, notation: Call, nesting: int) -> Pieces: ...
    @abstractmethod
    def indexed(self, notation: Indexed, nesting: int) -> Pieces: ...
    @abstractmethod
    def pairing_brackets(self) -> tuple[str, str]: ...
    @abstractmethod
    def partial(self, of: str, by: str) -> str: ...


def element_within(notation: Indexed) -> Notation | None:
    """An element with its index further in: that of ∂L/∂W is ∂L/∂W[j,k], that of σ′(z) is σ′(z[i,k])."""
    base, indices = notation.base, notation.indices
    if isinstance(base, Partial):
        return Partial(base.of, Indexed(base.by, indices))
    if isinstance(base, Call) and base.primes and len(base.arguments) == 1 and isinstance(base.arguments[0], Symbol):
        return Call(base.function, (Indexed(base.arguments[0], indices),), base.primes, base.subscript)
    return None


def is_scaled(notation: Notation) -> bool:
    """Whether `notation` is a number times something, as in `2 x` or `(1/n) x`."""
    if not isinstance(notation, Infix) or notation.operator not in ("", "·") or len(notation.operands) != 2:
        return False
    first = notation.operands[0]
    if isinstance(first, Fraction):
        return _is_size(first.numerator) and _is_size(first.denominator)
    return isinstance(first, Number) and not (notation.operator == "" and first.value == 1)


def _is_one(notation: Notation) -> bool:
    """Whether `notation` ends in the digit 1 alone, which before a factor would be the vector of ones."""
    return isinstance(notation, Number) and abs(notation.value) == 1


def _is_size(notation: Notation) -> bool:
    """Whether `notation` is a number, a name, a root or power of one, or a product of them."""
    if isinstance(notation, Infix):
        return notation.operator in ("", "·") and all(map(_is_size, notation.operands))
    if isinstance(notation, Call):
        return notation.function in ("√", "sqrt") and all(map(_is_size, notation.arguments))
    if isinstance(notation, PowerNotation):
        return _is_size(notation.base) and isinstance(notation.exponent, Number)
    return isinstance(notation, Number | Symbol)


def starts_with_digit(notation: Notation) -> bool:
    """Whether `notation` starts with a number."""
    if isinstance(notation, Infix):
        return starts_with_digit(notation.operands[0])
    if isinstance(notation, Fraction):
        return starts_with_digit(notation.numerator)
    if isinstance(notation, PowerNotation):
        return starts_with_digit(notation.base)
    if isinstance(notation, Postfix):
        return starts_with_digit(notation.operand)
    return isinstance(notation, Number)


def is_signed(notation: Notation) -> bool:
    """Whether `notation`, written without brackets, starts with a minus sign."""
    if isinstance(notation, Infix):
        first, binds = notation.operands[0], precedence(notation)
        if binds is Precedence.PRODUCT and not isinstance(first, Infix | Number):
            return False
        return binds is not Precedence.COMPARISON and is_signed(first)
    if isinstance(notation, Fraction):
        return isinstance(notation.numerator, Infix | Number) and is_signed(notation.numerator)
    return precedence(notation) is Precedence.SIGN and not (isinstance(notation, Prefix) and notation.operator == "¬")


_VECTOR_OF_ONES = Infix("", (Number(1),))


def needs_brackets(child: Notation, parent: Notation, position: int, stacked: bool = False) -> bool:
    """Whether `child`, operand number `position` of `parent`, is written in brackets."""
    if child == _VECTOR_OF_ONES:
        return False
    if isinstance(child, Cases):
        return not (isinstance(parent, Cases) and position == 2)
    binds = precedence(child)
    if isinstance(parent, Infix):
        return _infix_brackets(child, parent, position, stacked)
    if isinstance(parent, Fraction):
        return not stacked and _fraction_brackets(child, position)
    if isinstance(parent, Prefix):
        if parent.operator == "−":
            return not isinstance(child, BigOperator) and (binds <= Precedence.SIGN or is_signed(child))
        return binds < Precedence.POWER or is_partial(child)
    if isinstance(parent, BigOperator):
        return not isinstance(child, BigOperator) and (binds < Precedence.PRODUCT or is_signed(child))
    if isinstance(parent, PowerNotation):
        marked = isinstance(child, Symbol) and child.prefix not in ("", "δ")
        return marked or _is_odd_number(child) or not _can_carry(child)
    if isinstance(parent, Indexed):
        return not _can_carry(child) or isinstance(child, Indexed)
    if isinstance(parent, Postfix | Partial):
        return not _can_carry(child)
    return False


def _can_carry(child: Notation) -> bool:
    """Whether a mark, an index or an exponent may be attached to `child` as it stands."""
    rooted = isinstance(child, Call) and child.function == "sqrt"
    return precedence(child) is Precedence.ATOM and not rooted and not is_partial(child)


def is_partial(notation: Notation) -> bool:
    """Whether `notation` is a partial derivative, or an element of one."""
    return isinstance(notation, Partial) or (isinstance(notation, Indexed) and isinstance(notation.base, Partial))


def _is_odd_number(child: Notation) -> bool:
    """Whether a number is written with more than digits and a point."""
    return isinstance(child, Number) and (child.value in VULGAR_FRACTIONS or "e" in repr(child.value))


def _infix_brackets(child: Notation, parent: Infix, position: int, stacked: bool) -> bool:
    binds, level = precedence(child), INFIX_PRECEDENCE[parent.operator]
    if parent.operator in ("∧", "∨"):
        return isinstance(child, Infix) and child.operator in ("∧", "∨") and child.operator != parent.operator
    if level is Precedence.COMPARISON:
        return binds is Precedence.COMPARISON or (isinstance(child, Prefix) and child.operator == "¬")
    if level is Precedence.SUM:
        if binds is Precedence.COMPARISON or (isinstance(child, Prefix) and child.operator == "¬"):
            return True
        if isinstance(child, BigOperator):
            return child.operator != "Σ" and position < len(parent.operands) - 1
        subtracted = isinstance(child, Infix) and binds is Precedence.SUM and parent.operator == "−"
        return position > 0 and (is_signed(child) or subtracted)
    if parent.operator == "/":
        return not stacked and _fraction_brackets(child, min(position, 1))
    if is_scaled(parent):
        return _scaled_brackets(child, position, stacked)
    return _factor_brackets(child, parent.operator, position, stacked)


def _scaled_brackets(child: Notation, position: int, stacked: bool) -> bool:
    """Whether brackets are needed in a number times something."""
    if position == 0:
        return isinstance(child, Fraction) and not stacked
    if isinstance(child, BigOperator) or (isinstance(child, Prefix) and child.operator == "Σ"):
        return False
    if is_partial(child):
        return not stacked
    slashed = isinstance(child, Fraction) or (isinstance(child, Infix) and child.operator == "/")
    return precedence(child) < Precedence.PRODUCT or is_signed(child) or (slashed and not stacked)


def _factor_brackets(child: Notation, operator: str, position: int, stacked: bool) -> bool:
    """Whether a factor of a product written with `operator` needs brackets."""
    if is_partial(child):
        return operator == "" and not stacked
    if isinstance(child, Number) and is_signed(child):
        return position > 0
    binds = precedence(child)
    if binds >= Precedence.POWER:
        return False
    if isinstance(child, Fraction):
        return not stacked
    if not isinstance(child, Infix) or binds is not Precedence.PRODUCT or (position > 0 and is_signed(child)):
        return True
    if is_scaled(child):
        rest = child.operands[1]
        return position > 0 or isinstance(rest, BigOperator) or _factor_brackets(rest, operator, 1, stacked)
    return child.operator != operator or (position > 0 and _begins_with_number(child))


def _begins_with_number(product: Infix) -> bool:
    """Whether the leftmost factor of a product is itself a number times something."""
    first = product.operands[0]
    return isinstance(first, Infix) and (is_scaled(first) or _begins_with_number(first))


def _fraction_brackets(child: Notation, position: int) -> bool:
    """Whether the upper (position 0) or lower part of a fraction written with a slash needs brackets."""
    if is_partial(child):
        return True
    if precedence(child) >= Precedence.POWER:
        return False
    if isinstance(child, Number):
        return position > 0
    product = isinstance(child, Infix) and child.operator in ("", "·")
    return position > 0 or not product or any(_factor_brackets(f, "", 1, False) for f in _factors(child))


def _factors(notation: Notation) -> Sequence[Notation]:
    return notation.operands[1:] if isinstance(notation, Infix) else ()


def break_lines(pieces: Pieces, width: int, measure: Callable[[str], int], indent: str = "  ") -> list[str]:
    """The pieces on lines of `width` at most, broken at the shallowest places that will do.

    A line that continues an inner expression starts with `indent`. Only a piece that has no place to break is longer.
    """
    return _Breaker(pieces, measure, indent).lines(0, len(pieces), width, indent)


class _Part(NamedTuple):
    """A range of pieces: on one line, how wide that is, its longest piece without a break, the ranges between breaks.

    Those are the shallowest breaks, each range with what stands before it where the line is not broken.
    """

    text: str
    width: int
    longest: int
    parts: list[tuple[str, int, int]]


class _Breaker:
    """Breaks lines of one expression, whose parts are ranges of its pieces.

    What was tried with a range at a width is remembered, or deep nesting would be tried over and over.
    """

    def __init__(self, pieces: Sequence[str | Break], measure: Callable[[str], int], indent: str) -> None:
        self._pieces = pieces
        self._measure = measure
        self._indent = measure(indent)
        self._known: dict[tuple[int, int, int, str], tuple[list[str], int]] = {}
        self._parts: dict[tuple[int, int], _Part] = {}
        places = [-1, *(k for k, piece in enumerate(pieces) if isinstance(piece, Break)), len(pieces)]
        self._runs = [0] * (len(pieces) + 1)
        """At the beginning of each run of pieces without a break, its width."""
        for before, after in pairwise(places):
            self._runs[before + 1] = measure(flat(pieces[before + 1 : after]))

    def lines(self, start: int, end: int, width: int, indent: str) -> list[str]:
        """The pieces from `start` to `end` on lines of `width`."""
        return self._broken(start, end, width, indent)[0]

    def _part(self, start: int, end: int) -> _Part:
        found = self._parts.get((start, end))
        if found is None:
            breaks = [(place, piece) for place in range(start, end) if isinstance(piece := self._pieces[place], Break)]
            least = min((piece.depth for _, piece in breaks), default=0)
            parts: list[tuple[str, int, int]] = []
            separator, begin = "", start
            for place, piece in breaks:
                if piece.depth == least:
                    parts.append((separator, begin, place))
                    separator, begin = piece.flat, place + 1
            if breaks:
                parts.append((separator, begin, end))
            text = flat(self._pieces[start:end])
            longest = max(self._runs[start : end + 1])
            found = self._parts[start, end] = _Part(text, self._measure(text), longest, parts)
        return found

    def _broken(self, start: int, end: int, width: int, indent: str) -> tuple[list[str], int]:
        """The lines, and the width of the widest."""
        key = start, end, width, indent
        found = self._known.get(key)
        if found is None:
            lines = self._tried(start, end, width, indent)
            found = self._known[key] = lines, max(map(self._measure, lines))
        return found

    def _tried(self, start: int, end: int, width: int, indent: str) -> list[str]:
        measure = self._measure
        whole = self._part(start, end)
        if not whole.parts or whole.width <= width:
            return [whole.text]
        lines: list[str] = []
        for number, (separator, begin, stop) in enumerate(whole.parts):
            part = self._part(begin, stop)
            if number and measure(lines[-1] + separator + part.text) <= width:
                lines[-1] += separator + part.text
            elif part.width <= width:
                lines.append(part.text)
            elif number and (beside := self._beside(lines[-1] + separator, begin, stop, width, indent)):
                lines[-1:] = beside
            else:
                room = width - (self._indent if indent else 0)
                inner, widest = ([], room + 1) if part.longest > room else self._broken(begin, stop, room, indent)
                if widest > room:  # room matters more than looks
                    lines += self._broken(begin, stop, width, "")[0]
                else:
                    lines += [inner[0], *(indent + line for line in inner[1:])]
        return lines

    def _beside(self, head: str, start: int, end: int, width: int, indent: str) -> list[str]:
        """What is too long for one line, beginning beside a short `head`; nothing where it does not fit."""
        column = self._measure(head)
        if column > 8 or self._part(start, end).longest > width - column:
            return []
        inner, widest = self._broken(start, end, width - column, indent)
        if widest > width - column:
            return []
        return [head + inner[0], *(" " * column + line for line in inner[1:])]


def chunks(pieces: Sequence[str | Break], depth: int) -> list[tuple[str, tuple[str | Break, ...]]]:
    """The pieces between the breaks of one depth, each with what stands before it where the line is not broken."""
    parts: list[tuple[str, list[str | Break]]] = [("", [])]
    for piece in pieces:
        if isinstance(piece, Break) and piece.depth == depth:
            parts.append((piece.flat, []))
        else:
            parts[-1][1].append(piece)
    return [(separator, tuple(part)) for separator, part in parts]
