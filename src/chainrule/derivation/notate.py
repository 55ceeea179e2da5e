"""Expressions over the symbols of a derivation, as mathematics: names, tangents `dz1`, cotangents `δ1` and `∂L/∂W1`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from chainrule.calculus import COTANGENT, TANGENT, is_scale
from chainrule.derivation.contractions import is_matrix_product
from chainrule.derivation.expressions import ExpressionWriter
from chainrule.derivation.factors import (
    is_chain,
)
from chainrule.derivation.legend import walk
from chainrule.derivation.literals import PI, literal
from chainrule.derivation.names import name_parts
from chainrule.derivation.record import Record
from chainrule.derivation.upstream import is_upstream, output_name
from chainrule.ir import Apply, ArrayType, Const, Dim, Input, Node, Shape, sizes_text, topological_order
from chainrule.primitives import (
    Call,
    Contract,
    Elementwise,
    Indexed,
    LogSoftmax,
    LogSumExp,
    Multiply,
    Negate,
    Notation,
    Number,
    Partial,
    Softmax,
    Symbol,
    indexed,
)

SOFTMAX = (Softmax, LogSoftmax, LogSumExp)
"""Functions of the scores that go into a softmax."""


class Notator(ExpressionWriter):
    """Writes the expressions of one record; pre-activations' cotangents are called δ, as in textbooks."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._has_pi = any(name_parts(name) == ("π", ()) for name in record.names)
        self._loss = Symbol(record.loss.name)
        names = {node.name for node in record.program.inputs} | {stage.name for stage in record.backward.stages}
        mark = "Δ" if any("d" + name in names for name in names) else "d"
        self.mark = mark
        outside = (letters + "_" for letters in ("G", "out", "given", "upstream"))
        self._outside = next(each for each in outside if not any(name.startswith(each) for name in names))
        self._symbols: dict[Input, Notation] = {}
        self.delta_symbols: dict[Input, Input] = {}
        deltas = _delta_names(_pre_activations(record), names)
        for entry in record.backward.accumulations:
            symbol = entry.symbol
            delta = deltas.get(symbol)
            if delta is not None:
                self._symbols[entry.cotangent] = Symbol(delta, "δ")
                self.delta_symbols[symbol] = entry.cotangent
            else:
                self._symbols[entry.cotangent] = Partial(self._loss, Symbol(symbol.name))
            self._symbols[Input(TANGENT + symbol.name, symbol.type)] = Symbol(symbol.name, mark)
        for stage, symbol in record.derivative_symbols.items():
            expression = stage.expression
            assert isinstance(expression, Apply)
            shown = self.of(expression)
            if isinstance(shown, Call):
                self._symbols[symbol] = Call(shown.function, shown.arguments, 1, shown.subscript)

    def symbol(self, node: Input) -> Notation:
        """The name of an input, a named value, a tangent or a cotangent."""
        found = self._symbols.get(node)
        if found is None:
            for prefix, mark in ((TANGENT, self.mark), (COTANGENT, "δ")):
                if node.name.startswith(prefix):
                    return Symbol(node.name.removeprefix(prefix), mark)
            if is_upstream(node):
                return Symbol(self._outside + output_name(node))
            return Symbol(node.name)
        return found

    def literal(self, node: Const) -> Notation:
        if not node.is_filled:
            return self._record.constants.of(node)
        written = literal(node)
        if self._has_pi and PI in walk(written):
            return Number(node.value) if isinstance(node.value, float) else written
        return written

    @property
    def identity(self) -> Symbol:
        return self._record.constants.identity

    def partial(self, symbol: Input) -> Notation:
        """`∂L/∂symbol`, also for what is called δ elsewhere."""
        return Partial(self._loss, Symbol(symbol.name))

    def quotient(
        self, of: Input, by: Input, of_index: Sequence[Notation] = (), by_index: Sequence[Notation] = ()
    ) -> Notation:
        """`∂a/∂z`, or `∂a[i]/∂z[j]`."""
        return Partial(indexed(Symbol(of.name), of_index), indexed(Symbol(by.name), by_index))

    def direct(self, partial: Notation) -> Notation:
        """A partial derivative in which all but what is named is held."""
        return Indexed(Call("", (partial,)), (Symbol("direct"),))

    def tangent(self, symbol: Input) -> Notation:
        """`dz`."""
        return Symbol(symbol.name, self.mark)


def _pre_activations(record: Record) -> list[Input]:
    """What an activation or a softmax is applied to, as it is or within a longer equation."""
    order = [stage.symbol for stage in record.backward.stages]
    found = {stage.operands[0] for stage in record.derivative_symbols}
    found |= operands_of(record, Elementwise, activation=True) | operands_of(record, *SOFTMAX)
    return sorted(found & set(order), key=order.index)


def operands_of(record: Record, *primitives: type, activation: bool = False) -> set[Input]:
    """The named quantities that one of `primitives` is applied to; `activation`: where it is an activation."""
    return {
        operand
        for stage in record.backward.stages
        for node in topological_order([stage.expression])
        if isinstance(node, Apply) and isinstance(node.primitive, primitives)
        if not activation or (isinstance(node.primitive, Elementwise) and node.primitive.is_activation)
        for operand in node.operands
        if isinstance(operand, Input)
    }


def _delta_names(symbols: list[Input], taken: set[str]) -> dict[Input, str]:
    """`2` for z2 where the number is its own, else the whole name; none that could be taken for a user's name."""
    numbers = [re.sub(r"^.*?(\d*)$", r"\1", symbol.name) for symbol in symbols]
    names = {
        symbol: number if number and numbers.count(number) == 1 else symbol.name
        for symbol, number in zip(symbols, numbers, strict=True)
    }
    clashing = {f"{letter}{joint}{name}" for name in names.values() for letter in ("delta", "δ") for joint in ("", "_")}
    own = any(name_parts(name)[0] == "δ" for name in taken)  # δ0 and an element of δ would be set alike
    return {} if own or clashing & taken else names


def shape_of(type_: ArrayType) -> str:
    """`n×h`, `n×(l-k+1)`; empty for a scalar."""
    return sizes_text(type_.shape)


def product_shapes(node: Node) -> str:
    """`(h×n)(n×o) = h×o` for a product of two matrices, else, and so for one of several, the shape alone."""
    product = _product_under(node)
    result = shape_of(node.type)
    if product is None or len(product.operands) != 2 or not result or any(map(is_chain, product.operands)):
        return result
    sizes: dict[int, Dim] = {}
    for labels, operand in zip(product.primitive.inputs, product.operands, strict=True):
        sizes.update(zip(labels, operand.type.shape, strict=True))
    left, right = product.primitive.inputs
    output = product.primitive.output
    summed = [label for label in left if label in right and label not in output]
    if (
        len(left) > 2
        or len(right) > 2
        or not 1 <= len(output) <= 2
        or len(summed) > 1
        or not is_matrix_product(product)
    ):
        return result
    rows, columns = output[:1], output[1:]
    if not summed:
        return f"({_sizes(rows, sizes)}×1)(1×{_sizes(columns, sizes)}) = {result}" if columns else result
    first: Shape = tuple(sizes[label] for label in (*rows, *summed))
    second: Shape = tuple(sizes[label] for label in (*summed, *columns))
    return f"({'×'.join(map(str, first))})({'×'.join(map(str, second))}) = {result}"


def _sizes(labels: tuple[int, ...], sizes: Mapping[int, Dim]) -> str:
    return "×".join(str(sizes[label]) for label in labels)


def _product_under(node: Node) -> Apply | None:
    """The product that gives `node` its shape, beneath numbers, signs and transposes."""
    while isinstance(node, Apply):
        if isinstance(node.primitive, Contract):
            return node
        if isinstance(node.primitive, Multiply) and is_scale(node.operands[0]):
            node = node.operands[1]
        elif isinstance(node.primitive, Negate):
            node = node.operands[0]
        else:
            return None
    return None
