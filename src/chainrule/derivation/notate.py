"""Expressions over the symbols of a derivation, as mathematics: names, tangents `dz1`, cotangents `δ1` and `∂L/∂W1`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from chainrule.calculus import COTANGENT, TANGENT, is_scale
from chainrule.derivation.record import Record
from chainrule.ir import Apply, ArrayType, Const, Dim, Input, Node, Shape, SymbolicDim, topological_order
from chainrule.primitives import (
    Broadcast,
    Call,
    Contract,
    Infix,
    Multiply,
    Notation,
    Number,
    Pairing,
    Partial,
    Permute,
    Postfix,
    Sum,
    Symbol,
)


class Notator:
    """Writes the expressions of one record; pre-activations' cotangents are called δ, as in textbooks."""

    def __init__(self, record: Record) -> None:
        self._loss = Symbol(record.loss.name)
        self._symbols: dict[Input, Notation] = {}
        self.delta_symbols: dict[Input, Input] = {}
        deltas = _delta_names([stage.operands[0] for stage in record.derivative_symbols])
        for entry in record.backward.accumulations:
            symbol = entry.symbol
            delta = deltas.get(symbol)
            if delta is not None:
                self._symbols[entry.cotangent] = Symbol(delta, "δ")
                self.delta_symbols[symbol] = entry.cotangent
            else:
                self._symbols[entry.cotangent] = Partial(self._loss, Symbol(symbol.name))
            self._symbols[Input(TANGENT + symbol.name, symbol.type)] = Symbol(symbol.name, "d")
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
            for prefix, mark in ((TANGENT, "d"), (COTANGENT, "δ")):
                if node.name.startswith(prefix):
                    return Symbol(node.name.removeprefix(prefix), mark)
            return Symbol(node.name)
        return found

    def partial(self, symbol: Input) -> Notation:
        """`∂L/∂symbol`, also for what is called δ elsewhere."""
        return Partial(self._loss, Symbol(symbol.name))

    def of(self, node: Node, explicit: bool = False) -> Notation:
        """`node` in matrix notation; `explicit` writes repetition as a product with a vector of ones."""
        written: dict[Node, Notation] = {}
        for part in topological_order([node]):
            written[part] = self._write(part, written, explicit)
        return written[node]

    def _write(self, node: Node, written: Mapping[Node, Notation], explicit: bool) -> Notation:
        if isinstance(node, Input):
            return self.symbol(node)
        if isinstance(node, Const):
            return literal(node)
        assert isinstance(node, Apply)
        operands = [written[operand] for operand in node.operands]
        special = _scaled(node, operands)
        if special is None and explicit:
            special = self._with_ones(node, operands) or _pairing(node, written)
        if special is not None:
            return special
        result: Notation = node.primitive.notation(operands, [operand.type for operand in node.operands])
        return result

    def _with_ones(self, node: Apply, operands: list[Notation]) -> Notation | None:
        """`1 db` for a vector repeated over rows; values of the forward pass are left as NumPy has them."""
        if not isinstance(node.primitive, Broadcast) or len(node.primitive.shape) != 2 or len(node.primitive.axes) != 1:
            return None
        (kept,) = node.primitive.axes
        if node.primitive.shape[1 - kept] == 1 or not any(map(_is_calculus, topological_order(node.operands))):
            return None
        ones = Number(1)
        return Infix("", (ones, operands[0]) if kept == 1 else (operands[0], Postfix("ᵀ", ones)))


def _is_calculus(node: Node) -> bool:
    """Whether `node` is a tangent, a cotangent, or a sum."""
    if isinstance(node, Input):
        return node.name.startswith((TANGENT, COTANGENT))
    return isinstance(node, Apply) and isinstance(node.primitive, Sum)


def literal(node: Const) -> Notation:
    """A number, a size, or `C` for an array of numbers."""
    if isinstance(node.value, SymbolicDim):
        return size(node.value)
    if isinstance(node.value, bool | int | float):
        return Number(node.value)
    return Symbol("C")


def size(dim: SymbolicDim) -> Notation:
    """A named size: `n`, `n·h`, `n + 1`."""
    terms: list[Notation] = []
    for names, number in dim.terms:
        factors: list[Notation] = [Symbol(name) for name in names]
        if number != 1 or not factors:
            factors.insert(0, Number(number))
        terms.append(factors[0] if len(factors) == 1 else Infix("·", tuple(factors)))
    return terms[0] if len(terms) == 1 else Infix("+", tuple(terms))


def _scaled(node: Apply, operands: list[Notation]) -> Notation | None:
    """`2/n · x`: a product with one repeated number is not written ⊙."""
    if isinstance(node.primitive, Multiply) and is_scale(node.operands[0]):
        return Infix("·", tuple(operands))
    return None


def _pairing(node: Apply, written: Mapping[Node, Notation]) -> Notation | None:
    if not isinstance(node.primitive, Sum) or node.type.ndim:
        return None
    (operand,) = node.operands
    if not (isinstance(operand, Apply) and isinstance(operand.primitive, Multiply)):
        return None
    if not any(isinstance(part, Input) and part.name.startswith(TANGENT) for part in topological_order([operand])):
        return None
    return Pairing(written[operand.operands[0]], written[operand.operands[1]])


def _delta_names(symbols: list[Input]) -> dict[Input, str]:
    """`2` for z2 where the number is its own, else the whole name."""
    numbers = [re.sub(r"^.*?(\d*)$", r"\1", symbol.name) for symbol in symbols]
    return {
        symbol: number if number and numbers.count(number) == 1 else symbol.name
        for symbol, number in zip(symbols, numbers, strict=True)
    }


def shape_of(type_: ArrayType) -> str:
    """`n×h`; empty for a scalar."""
    return "×".join(map(str, type_.shape))


def product_shapes(node: Node) -> str:
    """`(h×n)(n×o) = h×o` for a product of two matrices, else the shape alone."""
    product = _product_under(node)
    result = shape_of(node.type)
    if product is None or len(product.operands) != 2 or not result:
        return result
    sizes: dict[int, Dim] = {}
    for labels, operand in zip(product.primitive.inputs, product.operands, strict=True):
        sizes.update(zip(labels, operand.type.shape, strict=True))
    left, right = product.primitive.inputs
    output = product.primitive.output
    summed = [label for label in left if label in right and label not in output]
    if len(left) > 2 or len(right) > 2 or not 1 <= len(output) <= 2 or len(summed) > 1:
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
        if isinstance(node.primitive, Multiply) and isinstance(node.operands[0], Const):
            node = node.operands[1]
        elif len(node.operands) == 1 and not isinstance(node.primitive, Sum | Broadcast | Permute):
            node = node.operands[0]
        else:
            return None
    return None
