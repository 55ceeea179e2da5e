"""A worked example: a derivation with the value behind every line, at one point."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from chainrule.calculus import TANGENT, Contribution
from chainrule.derivation.decimals import DIGITS, decimal_of, drawing_of, extent_of
from chainrule.derivation.document import Block, Equation, Frame, Heading, Paragraph, Remark, Words
from chainrule.derivation.notator import Notator
from chainrule.derivation.points import Array
from chainrule.derivation.putting_in import Filled, with_matrices, with_numbers
from chainrule.derivation.record import Record
from chainrule.derivation.upstream import is_upstream, output_name
from chainrule.derivation.valuation import Valuation, meanings
from chainrule.derivation.words import enumerated, join, say
from chainrule.functions import RNG_SEED, RNG_STEP
from chainrule.ir import Const, Input, Node, applies, substitute, topological_order
from chainrule.primitives import (
    Contract,
    Indexed,
    Infix,
    Notation,
    Number,
    Partial,
    Postfix,
    Prefix,
    SecondPartial,
    Symbol,
)
from chainrule.words import Language


class WorkedExample:
    """Adds values to the equations of one document.

    `factors` are the factors of chains as they are written, with their contributions, and `further` other names with
    symbols that have a value. With `whole` the gradients that come back to a layer have values as well.
    """

    def __init__(
        self,
        record: Record,
        notator: Notator,
        language: Language,
        valuation: Valuation,
        factors: Mapping[Notation, Contribution],
        further: Mapping[Notation, Node] | None = None,
        whole: bool = True,
    ) -> None:
        self._record = record
        self._notator = notator
        self._language = language
        self._value = valuation
        self._columns = _has_columns(record)
        self._whole = whole
        self._names: dict[Notation, Array] = dict(meanings(record, notator, valuation, valuation.sizes))
        self._names |= {name: valuation(node) for name, node in (further or {}).items()}
        for symbol in record.derivative_symbols.values():
            self._names[notator.symbol(symbol)] = valuation(symbol)
        for factor, contribution in factors.items():
            if contribution.stage.symbol.type.shape == contribution.operand.type.shape == ():
                self._names.setdefault(factor, self._along(contribution.linear_map, contribution.tangent))

    def _say(self, key: str, *parts: str | Notation | Words) -> Words:
        return say(self._language, key, *parts)

    def _along(self, linear_map: Node, tangent: Node) -> Array:
        """Return the value of a linear map of numbers for one change of 1, and no others."""
        changes: dict[Node, Node] = {
            node: Const(1 if node is tangent else 0, node.type)
            for node in topological_order([linear_map])
            if isinstance(node, Input) and node.name.startswith(TANGENT)
        }
        (moved,) = substitute([linear_map], changes)
        return self._value(moved)

    # The point

    def opening(self) -> list[Block]:
        """Return the section that gives the values of the inputs."""
        inputs = [node for node in self._record.program.inputs if node.name not in (RNG_SEED, RNG_STEP)]
        inputs = [node for node in inputs if self._whole or not is_upstream(node)]
        numbers: list[Words] = [self._equal(Symbol(name), np.asarray(size)) for name, size in self._value.sizes.items()]
        numbers += [
            self._equal(self._notator.symbol(node), self._value(node)) for node in inputs if not node.type.shape
        ]
        blocks: list[Block] = [Heading(self._say("example"))]
        if numbers:
            blocks.append(Paragraph(self._say("example at", enumerated(self._language, numbers))))
        blocks.append(Paragraph(self._say("example rounding", str(DIGITS))))
        for node in self._value.ones if self._whole else ():
            of = Symbol(output_name(node))
            blocks.append(Paragraph(self._say("example ones", self._notator.symbol(node), of)))
        for node in inputs:
            if node.type.shape:
                blocks += self._of(Equation((self._notator.symbol(node),)), self._value(node))
        return [*blocks, *self._warnings()]

    def _equal(self, name: Notation, value: Array) -> Words:
        number, exact = decimal_of(value.item())
        return (Infix("=" if exact else "≈", (name, number)),)

    def _warnings(self) -> list[Block]:
        """Return remarks on what a reader should know of this point."""
        blocks: list[Block] = []
        for left, right, count in self._value.ties():
            sides = Infix("=", (self._notator.of(left), self._level(right)))
            blocks.append(Remark(self._say("example kink" if count == 1 else "example kinks", sides, str(count))))
        for extremum in self._value.shared_extrema():
            blocks.append(Remark(self._say("example extremum", self._notator.of(extremum))))
        wrong: list[Words] = []
        for name, value in self._names.items():
            if value.dtype.kind == "f" and not np.all(np.isfinite(value)) and (name,) not in wrong:
                wrong.append((name,))
        if wrong:
            blocks.append(Remark(self._say("example not finite", join(self._language, wrong, "list letters"))))
        return blocks

    def _level(self, node: Node) -> Notation:
        """Return the other side of a kink; an array filled with one number is written as the number."""
        return self._notator.literal(node) if isinstance(node, Const) and node.is_filled else self._notator.of(node)

    # Equations

    def worked(self, blocks: Iterable[Block], results: bool = False) -> list[Block]:
        """Return `blocks` with values; in `results` numbers are not put in once more."""
        found: list[Block] = []
        for block in blocks:
            if isinstance(block, Frame):
                inner = [each for each in self.worked(block.blocks, True) if isinstance(each, Equation | Paragraph)]
                found.append(Frame(tuple(inner)))
            elif isinstance(block, Equation):
                found += self._equation(block, results)
            else:
                found.append(block)
        return found

    def _equation(self, equation: Equation, result: bool) -> list[Block]:
        node = equation.node if equation.elements is None else equation.elements
        if node is None:
            return [equation]
        tangents = [n for n in topological_order([node]) if isinstance(n, Input) and n.name.startswith(TANGENT)]
        if tangents:
            return [self._differential(equation, node, tangents)]
        if not self._value.has(node):
            return [equation]
        value = self._value(node)
        if equation.elements is not None and node.type.ndim:
            return self._of_elements(equation, value)
        return self._of(equation, value, None if result else self._filled(equation, value))

    def _filled(self, equation: Equation, value: Array) -> Filled | None:
        """Return the first side with numbers or matrices in place of its names."""
        for side in equation.sides[1:]:
            if side not in self._names:
                filled = with_numbers(side, self._names) if value.ndim == 0 else None
                filled = filled or with_matrices(side, self._names, value)
                if filled is not None:
                    return filled
        return None

    def _of(self, equation: Equation, value: Array, filled: Filled | None = None) -> list[Block]:
        """Return an equation that ends in its value, which is drawn or summarized."""
        drawing = drawing_of(value, self._columns)
        if drawing is None:
            return [replace(equation, reasons=(self._summary(value), *equation.reasons), value=value)]
        shown, exact = drawing
        sides, rounded = list(equation.sides), 0
        if filled is not None and filled.notation not in (shown, *sides):
            sides.append(filled.notation)
            rounded += not filled.exact
        last = sides[-1]
        if isinstance(last, Number) and isinstance(shown, Number) and last.value == shown.value:
            return [replace(equation, value=value)]
        return [
            replace(equation, sides=(*sides, shown), rounded=rounded + (rounded or not exact), value=value),
        ]

    def _of_elements(self, equation: Equation, value: Array) -> list[Block]:
        """Return the equation of one element, and the whole array on a line of its own."""
        name = _whole(equation.sides[0])
        if drawing_of(value, self._columns) is None:
            return self._of(equation, value)
        whole = Equation((name,), reasons=equation.reasons)
        return [replace(equation, reasons=()), *self._of(whole, value)]

    def _summary(self, value: Array) -> Words:
        if not value.size:
            return self._say("example empty")
        extent = extent_of(value)
        missing = int(np.sum(~np.isfinite(np.asarray(value, float))))
        words = self._say("example summary", "×".join(map(str, value.shape)), *extent) if extent else ()
        return (*words, *self._say("example missing", str(missing))) if missing else words

    def _differential(self, equation: Equation, node: Node, tangents: list[Input]) -> Equation:
        """Write `dz = 2 dw − 3 dx`, if all are numbers."""
        if any(each.type.shape for each in (node, *tangents)):
            return equation
        total: Notation | None = None
        rounded = False
        for tangent in tangents:
            number, exact = decimal_of(self._along(node, tangent).item())
            rounded = rounded or not exact
            if number.value == 0:
                continue
            size: Number = replace(number, value=abs(number.value))
            change = self._notator.symbol(tangent)
            term = change if size.value == 1 else Infix("·", (size, change))
            if total is None:
                total = Prefix("−", term) if number.value < 0 else term
            else:
                total = Infix("−" if number.value < 0 else "+", (total, term))
        total = Number(0) if total is None else total
        if total in equation.sides:
            return equation
        return replace(equation, sides=(*equation.sides, total), rounded=int(rounded))


def _whole(element: Notation) -> Notation:
    """Return the name of the array that an element is of."""
    match element:
        case Indexed(base):
            return base
        case Partial(of, by):
            return Partial(_whole(of), _whole(by))
        case SecondPartial(of, (Indexed(x, (_,)), Indexed(y, (_,)))):
            return SecondPartial(of, (x, Postfix("ᵀ", y)))
        case SecondPartial(of, by):
            return SecondPartial(of, tuple(map(_whole, by)))
    return element


def _has_columns(record: Record) -> bool:
    """Whether vectors are columns: some matrix is multiplied by one."""
    return any(
        applies(node, Contract)
        and len(node.operands) == 2
        and (node.operands[0].type.ndim, node.operands[1].type.ndim) == (2, 1)
        for node in topological_order([stage.expression for stage in record.backward.stages])
    )
