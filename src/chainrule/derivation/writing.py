"""Layout shared by the renderers: formulas as boxes, with brackets, fractions, scripts and breaks.

A renderer defines how each form looks in its format, given boxes of its parts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from chainrule.derivation.boxes import BLANK, Box, Break, Pieces, row
from chainrule.derivation.brackets import is_one, is_scaled, needs_brackets, starts_with_digit
from chainrule.primitives import (
    INFIX_PRECEDENCE,
    Application,
    BigOperator,
    Call,
    Cases,
    Fraction,
    Indexed,
    Infix,
    Matrix,
    Notation,
    Number,
    Partial,
    Postfix,
    PowerNotation,
    Precedence,
    Prefix,
    SecondPartial,
    Symbol,
    precedence,
)

NESTING = 10
"""The additional depth of a break within brackets."""
_INFIX_DEPTH = {Precedence.COMPARISON: 0, Precedence.SUM: 1}
_PRODUCT_DEPTH = {"⊙": 2, "⊗": 2, "⋆": 2, "·": 3, "": 4}
_FRACTION_DEPTH = 5
BLOCKS = ("rows", "columns")
"""The functions that join blocks, `[A; B]` and `[A, B]`."""
_ROOTS = ("sqrt", "√")


class Writer(ABC):
    """Lays out formulas; a renderer defines how each form looks.

    `stacked` says that fractions are written one part over the other, and so need no brackets; `space` separates the
    factors of a product, `blank` other adjacent parts, `comma` arguments, `slash` the parts of fractions of numbers and
    names; `fences` are the signs of functions around their argument. `language` is that of words in formulas.
    """

    stacked = False
    blank: ClassVar[Box] = BLANK
    space: ClassVar[Box] = BLANK
    comma: ClassVar[Box] = Box(",", 1)
    slash: ClassVar[Box]
    ones: ClassVar[Box]
    differential: ClassVar[Box] = Box("∂", 1)
    joint: ClassVar[Box] = Box("", 0)
    """What separates the parts of ∂x∂y."""
    fences: ClassVar[Mapping[str, str]] = {"abs": "|", "norm": "‖", "floor": "⌊", "ceil": "⌈"}

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self._symbols: dict[Symbol, Box] = {}

    def write(self, notation: Notation) -> str:
        """Write `notation` on one line."""
        return self.box(notation).text

    def box(self, notation: Notation) -> Box:
        """Write `notation` on one line, in one box."""
        return row(self.pieces(notation))

    def pieces(self, notation: Notation, nesting: int = 0) -> Pieces:
        """Write `notation` as boxes, with possible line breaks."""
        if isinstance(notation, Symbol):
            known = self._symbols.get(notation)
            if known is None:
                known = self._symbols[notation] = self.symbol(notation)
            return [known]
        if isinstance(notation, Infix):
            return self._infix(notation, nesting)
        if isinstance(notation, Postfix):
            return self.postfix(self._factor(notation.operand, notation, 0, nesting), notation.operator)
        if isinstance(notation, Number):
            return [self.number(notation)]
        if isinstance(notation, Matrix):
            return [self.matrix([list(map(self.box, entries)) for entries in notation.rows])]
        if isinstance(notation, Call):
            return self.call(notation, nesting + NESTING)
        if isinstance(notation, Application):
            function = self.applied_function(notation)
            if not notation.arguments:
                return [function]
            return [function, *self.bracketed(self.arguments(notation.arguments, nesting + NESTING))]
        if isinstance(notation, Partial):
            return [self.partial(row(self.operand(notation.of, notation)), row(self.operand(notation.by, notation)))]
        if isinstance(notation, SecondPartial):
            return [self.second_partial(notation)]
        if isinstance(notation, Indexed):
            element = element_within(notation)
            return self.indexed(notation, nesting) if element is None else self.pieces(element, nesting)
        if isinstance(notation, Prefix):
            return [self.prefix(notation.operator), *self.operand(notation.operand, notation, nesting=nesting)]
        if isinstance(notation, PowerNotation):
            return self.power(self.operand(notation.base, notation, nesting=nesting), notation.exponent)
        if isinstance(notation, Fraction):
            return self.fraction(notation, nesting)
        if isinstance(notation, BigOperator):
            body = self.operand(notation.body, notation, nesting=nesting)
            return [self.big_operator(notation.operator, notation.indices), *body]
        if isinstance(notation, Cases):
            return self.cases(notation, nesting)
        return self.fenced("⟨", self.arguments((notation.left, notation.right), nesting + NESTING))

    def side(self, notation: Notation) -> Pieces:
        """Write `notation` as one side of an equation; a comparison is bracketed."""
        if isinstance(notation, Infix) and precedence(notation) is Precedence.COMPARISON:
            return self.bracketed(self.pieces(notation, NESTING))
        return self.pieces(notation)

    def operand(self, child: Notation, parent: Notation, position: int = 0, nesting: int = 0) -> Pieces:
        """Write `child` as an operand of `parent`, in brackets if it needs them."""
        if not self.has_brackets(child) and needs_brackets(child, parent, position, self.stacked):
            return self.bracketed(self.pieces(child, nesting + NESTING))
        return self.pieces(child, nesting)

    def arguments(self, arguments: Sequence[Notation], nesting: int, separator: Box | None = None) -> Pieces:
        """Write arguments separated by commas, or by another sign."""
        result: Pieces = []
        for position, argument in enumerate(arguments):
            if position:
                result += [separator or self.comma, Break(nesting, self.blank)]
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
        matrices, scaled = operator == "", is_scaled(notation)
        written = self._factor if matrices else self.operand
        result = written(operands[0], notation, 0, nesting)
        for position, operand in enumerate(operands[1:], 1):
            if scaled:
                bare = not needs_brackets(operand, notation, position, self.stacked)
                dotted = (bare and starts_with_digit(operand)) or is_one(operands[0])
                result.append(row(self.separator(depth, "·")) if dotted else self.space)
            elif matrices and not (isinstance(operand, Number) and operand.value != 1):
                result.append(Break(depth, self.space))
            else:
                result += self.separator(depth, operator or "·")
            result += written(operand, notation, position, nesting)
        return result

    def _factor(self, child: Notation, parent: Notation, position: int, nesting: int) -> Pieces:
        """Write a factor of a matrix product, or the operand of a transpose: the number 1 is the vector of ones."""
        if isinstance(child, Number) and child.value == 1:
            return [self.ones]
        return self.operand(child, parent, position, nesting)

    def separator(self, depth: int, operator: str) -> Pieces:
        """Return a possible line break, and the operator after it."""
        return [Break(depth, self.blank), self.infix(operator)]

    def fraction(self, notation: Fraction, nesting: int) -> Pieces:
        """Write a fraction with a slash."""
        upper = self.operand(notation.numerator, notation, 0, nesting)
        lower = self.operand(notation.denominator, notation, 1, nesting)
        if isinstance(notation.numerator, Number) and isinstance(notation.denominator, Number | Symbol):
            return [row([*upper, self.slash, *lower])]
        return [*upper, *self.separator(nesting + _FRACTION_DEPTH, "/"), *lower]

    def partial(self, of: Box, by: Box) -> Box:
        """Write ∂of/∂by."""
        upper, lower = (self.group(row([self.differential, each])) for each in (of, by))
        return self.ratio(upper, lower)

    def second_partial(self, notation: SecondPartial) -> Box:
        """Write ∂²of/∂x∂y."""
        upper = self.group(row([self.differential_of_order(2), *self.operand(notation.of, notation)]))
        factors = [row([self.differential, *self.operand(each, notation)]) for each in notation.by]
        lower = self.group(row([box for each in factors for box in (self.joint, each)][1:]))
        return self.ratio(upper, lower)

    def ratio(self, upper: Box, lower: Box) -> Box:
        """Write a ratio in one box."""
        return row([upper, self.slash, lower])

    def call(self, notation: Call, nesting: int) -> Pieces:
        """Write a function of arguments, in brackets or in signs of its own."""
        if notation.function in BLOCKS:
            return self.blocks(notation, nesting)
        arguments = self.arguments(notation.arguments, nesting)
        if notation.function in _ROOTS:
            return self.root(notation, arguments)
        if notation.function in self.fences:
            *before, last = self.fenced(self.fences[notation.function], arguments)
            assert isinstance(last, Box)
            return [*before, self.lowered(last, notation.subscript) if notation.subscript else last]
        return [*self.function(notation), *self.bracketed(arguments)]

    def applied_function(self, notation: Application) -> Box:
        """Write the name of a function with the marks of its derivative."""
        if notation.by:
            return row([self.differentiated(notation.by), self.symbol(notation.function)])
        if notation.jacobian:
            return self.jacobian(notation.function)
        name = self.primed(self.symbol(notation.function), notation.primes)
        return row([self.nabla(notation.nablas), name]) if notation.nablas else name

    def bracketed(self, inner: Pieces) -> Pieces:
        """Write `inner` in round brackets."""
        return self.fenced("(", inner)

    def has_brackets(self, notation: Notation) -> bool:
        """Whether `notation` always has brackets."""
        return False

    def group(self, box: Box) -> Box:
        """Group `box` as one operand of a script, a fraction or a root."""
        return box

    @abstractmethod
    def symbol(self, symbol: Symbol) -> Box: ...
    @abstractmethod
    def jacobian(self, function: Symbol) -> Box:
        """Write J with the function below it."""

    @abstractmethod
    def primed(self, name: Box, primes: int) -> Box: ...
    @abstractmethod
    def differentiated(self, by: Sequence[int]) -> Box:
        """Write ∂ with the numbers of arguments below it."""

    @abstractmethod
    def differential_of_order(self, order: int) -> Box:
        """Write ∂ with an order raised."""

    @abstractmethod
    def nabla(self, count: int) -> Box:
        """Write ∇ with its order raised if it is above 1."""

    @abstractmethod
    def number(self, number: Number) -> Box: ...
    @abstractmethod
    def matrix(self, rows: Sequence[Sequence[Box]]) -> Box:
        """Write an array in brackets."""

    @abstractmethod
    def blocks(self, notation: Call, nesting: int) -> Pieces:
        """Write arrays joined as blocks, below or beside each other."""

    @abstractmethod
    def infix(self, operator: str) -> Box:
        """Return an operator with the space after it; the space before it is a possible line break."""

    @abstractmethod
    def prefix(self, operator: str) -> Box: ...
    @abstractmethod
    def postfix(self, operand: Pieces, operator: str) -> Pieces: ...
    @abstractmethod
    def power(self, base: Pieces, exponent: Notation) -> Pieces: ...
    @abstractmethod
    def big_operator(self, operator: str, indices: Sequence[Notation]) -> Box:
        """Write the operator with its bound indices, and the space before its body."""

    @abstractmethod
    def cases(self, notation: Cases, nesting: int) -> Pieces: ...
    @abstractmethod
    def function(self, notation: Call) -> Pieces:
        """Write the name of a function with its primes and its subscript."""

    @abstractmethod
    def root(self, notation: Call, arguments: Pieces) -> Pieces: ...
    @abstractmethod
    def indexed(self, notation: Indexed, nesting: int) -> Pieces: ...
    @abstractmethod
    def lowered(self, sign: Box, subscript: Sequence[Notation]) -> Box:
        """Write the subscript of a function that is written as signs around its argument."""

    @abstractmethod
    def fenced(self, left: str, inner: Pieces) -> Pieces:
        """Write `inner` between the sign `left` and its counterpart."""


def element_within(notation: Indexed) -> Notation | None:
    """Move the index of an element inwards: that of ∂L/∂W is ∂L/∂W[j,k], that of σ′(z) is σ′(z[i,k])."""
    base, indices = notation.base, notation.indices
    if isinstance(base, Partial):
        return Partial(base.of, Indexed(base.by, indices))
    if isinstance(base, Call) and base.primes and len(base.arguments) == 1 and isinstance(base.arguments[0], Symbol):
        return Call(base.function, (Indexed(base.arguments[0], indices),), base.primes, base.subscript)
    return None
