"""Notation of the symbols of a derivation: names, tangents `dz1`, cotangents `δ1` and `∂L/∂W1`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chainrule.calculus import COTANGENT, TANGENT, is_scale
from chainrule.derivation.expressions import ExpressionWriter
from chainrule.derivation.factors import is_chain
from chainrule.derivation.legend import walk
from chainrule.derivation.literals import PI, literal
from chainrule.derivation.names import at_step, name_parts, step_of
from chainrule.derivation.record import Record
from chainrule.derivation.untransposed import untransposed
from chainrule.derivation.upstream import is_upstream, output_name
from chainrule.ir import Apply, ArrayType, Const, Input, Node, applies, sizes_text, topological_order
from chainrule.primitives import (
    Abstract,
    AbstractMap,
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
    Product,
    Softmax,
    Symbol,
    indexed,
)

SOFTMAX = (Softmax, LogSoftmax, LogSumExp)
"""Functions whose operand is named as the scores of a softmax."""


class Notator(ExpressionWriter):
    """Writes the expressions of one record; cotangents of pre-activations are named δ, as in textbooks."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._has_pi = any(name_parts(name) == ("π", ()) for name in record.names)
        self._loss = Symbol(record.loss_name)
        self._symmetric = frozenset(map(Symbol, record.symmetric_names))
        names = {node.name for node in record.program.inputs} | {stage.name for stage in record.backward.stages}
        mark = "Δ" if any("d" + name in names for name in names) else "d"
        self.mark = mark
        outside = (letters + "_" for letters in ("G", "out", "given", "upstream"))
        self._outside = next(each for each in outside if not any(name.startswith(each) for name in names))
        self._symbols: dict[Input, Notation] = {}
        self.delta_symbols: dict[Input, Input] = {}
        deltas = _delta_names(_pre_activations(record), names, record.numbers_deltas)
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
        """Return the name of an input, a named value, a tangent or a cotangent."""
        found = self._symbols.get(node)
        if found is None:
            for prefix, mark in ((TANGENT, self.mark), (COTANGENT, "δ")):
                if node.name.startswith(prefix):
                    return Symbol(node.name.removeprefix(prefix), mark)
            if is_upstream(node):
                return Symbol(self._outside + output_name(node))
            return Symbol(node.name)
        return found

    def of(self, node: Node, explicit: bool = False) -> Notation:
        return untransposed(super().of(node, explicit), self._symmetric)

    def literal(self, node: Const) -> Notation:
        if not node.is_filled:
            return self._record.constants.of(node)
        written = literal(node)
        if self._has_pi and PI in walk(written):
            return Number(node.value) if isinstance(node.value, float) else written
        return written

    def identity(self, node: Node) -> Symbol:
        return self._record.constants.identity_of(node)

    def partial(self, symbol: Input) -> Notation:
        """Return `∂L/∂symbol`, also for symbols named δ elsewhere."""
        return Partial(self._loss, Symbol(symbol.name))

    def quotient(
        self, of: Input, by: Input, of_index: Sequence[Notation] = (), by_index: Sequence[Notation] = ()
    ) -> Notation:
        """Return `∂a/∂z`, or `∂a[i]/∂z[j]`."""
        return Partial(indexed(Symbol(of.name), of_index), indexed(Symbol(by.name), by_index))

    def direct(self, partial: Notation) -> Notation:
        """Mark a partial derivative as the direct part, with all other quantities held constant."""
        return Indexed(Call("", (partial,)), (Symbol("direct"),))

    def tangent(self, symbol: Input) -> Notation:
        """Return `dz`."""
        return Symbol(symbol.name, self.mark)


def _pre_activations(record: Record) -> list[Input]:
    """Return the operands of activations and softmax, also within longer equations."""
    order = [stage.symbol for stage in record.backward.stages]
    found = {stage.operands[0] for stage in record.derivative_symbols}
    found |= operands_of(record, Elementwise, activation=True) | operands_of(record, *SOFTMAX)
    if record.in_steps:
        unknown = operands_of(record, Abstract, AbstractMap)
        found |= {symbol for symbol in unknown if name_parts(symbol.name)[0] == "z"}
    return sorted(found & set(order), key=order.index)


def operands_of(record: Record, *primitives: type, activation: bool = False) -> set[Input]:
    """Return the named operands of `primitives`; with `activation` only where they are activations."""
    return {
        operand
        for stage in record.backward.stages
        for node in topological_order([stage.expression])
        if applies(node, *primitives)
        if not activation or (isinstance(node.primitive, Elementwise) and node.primitive.is_activation)
        for operand in node.operands
        if isinstance(operand, Input)
    }


def _delta_names(symbols: list[Input], taken: set[str], by_number: bool) -> dict[Input, str]:
    """Return `2` for z2 if the number is unique, otherwise the whole name; distinct from the user's names."""
    numbers = [re.sub(r"^.*?(\d*)$", r"\1", symbol.name) for symbol in symbols]
    if len(symbols) == 1 and by_number and (step := step_of(symbols[0].name)):
        numbers = [at_step("", step)]
    names = {
        symbol: number if number and by_number and numbers.count(number) == 1 else symbol.name
        for symbol, number in zip(symbols, numbers, strict=True)
    }
    clashing = {f"{letter}{joint}{name}" for name in names.values() for letter in ("delta", "δ") for joint in ("", "_")}
    own = any(name_parts(name)[0] == "δ" for name in taken)  # δ0 and an element of δ would look alike
    return {} if own or clashing & taken else names


def shape_of(type_: ArrayType) -> str:
    """Return `n×h`, `n×(l-k+1)`; "" for a scalar."""
    return sizes_text(type_.shape)


def product_shapes(node: Node) -> str:
    """Return `(h×n)(n×o) = h×o` for a product of two matrices, otherwise only the shape."""
    result = shape_of(node.type)
    match _beneath_numbers(node):
        case Apply(Contract(product=Product("matrix" | "vector" | "outer" | "rows") as product) as contract, factors):
            if product.batch or product.added or any(map(is_chain, factors)):
                return result
        case _:
            return result
    sizes = contract.sizes([factor.type for factor in factors])
    rows, *columns = (sizes[label] for label in contract.output)
    between = [dim for label, dim in sizes.items() if label not in contract.output] or [1]
    return f"({sizes_text((rows, *between))})({sizes_text((*between, *columns))}) = {result}"


def _beneath_numbers(node: Node) -> Node:
    """Return the operand that determines the shape of `node`, beneath numbers and signs."""
    match node:
        case Apply(Multiply(), (number, x)) if is_scale(number):
            return _beneath_numbers(x)
        case Apply(Negate(), (x,)):
            return _beneath_numbers(x)
    return node
