"""Expressions over the symbols of a derivation, as mathematics: names, tangents `dz1`, cotangents `δ1` and `∂L/∂W1`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction as Fractional
from functools import partial

from chainrule.calculus import COTANGENT, TANGENT, is_scale
from chainrule.derivation.correlation import correlation
from chainrule.derivation.factors import (
    as_factor,
    column_of_sums,
    is_chain,
    is_juxtaposed,
    is_of_matrices_alone,
    repetition,
    stands_as_factor,
    takes_factors,
    with_numbers_in_front,
)
from chainrule.derivation.index_form import size_notation
from chainrule.derivation.record import Record
from chainrule.derivation.upstream import is_upstream, output_name
from chainrule.ir import Apply, ArrayType, Const, Dim, Input, Node, Shape, SymbolicDim, topological_order
from chainrule.primitives import (
    Add,
    Broadcast,
    Call,
    Contract,
    Elementwise,
    Fraction,
    Indexed,
    Infix,
    LogSoftmax,
    LogSumExp,
    Mark,
    Multiply,
    Negate,
    Notation,
    Number,
    Pairing,
    Partial,
    Permute,
    Postfix,
    PowerNotation,
    Reshape,
    Slice,
    Softmax,
    Subtract,
    Sum,
    Symbol,
    indexed,
)

SOFTMAX = (Softmax, LogSoftmax, LogSumExp)
"""Functions of the scores that go into a softmax."""


class Notator:
    """Writes the expressions of one record; pre-activations' cotangents are called δ, as in textbooks."""

    def __init__(self, record: Record) -> None:
        self._loss = Symbol(record.loss.name)
        names = {node.name for node in record.program.inputs} | {stage.name for stage in record.backward.stages}
        mark = "Δ" if any("d" + name in names for name in names) else "d"
        self._mark = mark
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
            for prefix, mark in ((TANGENT, self._mark), (COTANGENT, "δ")):
                if node.name.startswith(prefix):
                    return Symbol(node.name.removeprefix(prefix), mark)
            if is_upstream(node):
                return Symbol(self._outside + output_name(node))
            return Symbol(node.name)
        return found

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
        return Symbol(symbol.name, self._mark)

    def of(self, node: Node, explicit: bool = False) -> Notation:
        """`node` in matrix notation; `explicit` writes repetition as a product with a vector of ones."""
        written: dict[Node, Notation] = {}
        factors: dict[Node, Notation] = {}
        order = topological_order([node])
        plain = _stretched(order) if explicit else set()
        for part in order:
            ones = explicit and part not in plain
            write = partial(self._write, explicit=explicit, ones=ones, factors=factors)
            written[part] = write(part, factors if takes_factors(part) else written)
            factors[part] = as_factor(part, written, factors, write)
        return (factors if stands_as_factor(node) else written)[node]

    def _write(
        self, node: Node, written: Mapping[Node, Notation], explicit: bool, ones: bool, factors: Mapping[Node, Notation]
    ) -> Notation:
        if isinstance(node, Input):
            return self.symbol(node)
        if isinstance(node, Const):
            return literal(node)
        assert isinstance(node, Apply)
        operands = [written[operand] for operand in node.operands]
        plain = [
            factors[each.operands[0]] if isinstance(each, Apply) and _repeats_number(each) else operand
            for each, operand in zip(node.operands, operands, strict=True)
        ]
        special = scaled(node, plain) or correlation(node, written) or _element(node, written)
        if special is None and takes_factors(node):
            special = _product(node, operands, factors)
        if special is None and ones:
            special = _with_ones(node, operands, factors)
        if special is None and explicit:
            special = _pairing(node, written)
        if special is not None:
            return special
        result: Notation = node.primitive.notation(operands, [operand.type for operand in node.operands])
        return result


def _product(node: Apply, operands: list[Notation], factors: Mapping[Node, Notation]) -> Notation | None:
    """A contraction or sum of factors, the numbers that fill some of them in front."""
    types = [operand.type for operand in node.operands]
    if isinstance(node.primitive, Sum) and is_of_matrices_alone(node.operands[0]):
        return column_of_sums(node, factors)
    if isinstance(node.primitive, Permute):
        return None

    def product(rest: Sequence[Notation]) -> Notation:
        stacked = _stacked_product(node, rest)
        result: Notation = node.primitive.notation(rest, types) if stacked is None else stacked
        return result

    return with_numbers_in_front(operands, product)


def _with_ones(node: Apply, operands: list[Notation], factors: Mapping[Node, Notation]) -> Notation | None:
    """`1 b` for a vector repeated as rows, `u 1ᵀ` as columns, `1 c` for a number repeated."""
    if not isinstance(node.primitive, Broadcast) or not 1 <= len(node.primitive.shape) <= 2:
        return None
    repeated = [axis for axis in range(node.type.ndim) if axis not in node.primitive.axes]
    if len(repeated) != 1 or node.primitive.shape[repeated[0]] == 1:
        return None
    if node.type.ndim == 2 and (repeated == [1] or is_juxtaposed(operands[0])):
        return repetition(node, factors)
    return Infix("", (Number(1), operands[0]))


def _stretched(order: list[Node]) -> set[Node]:
    """The nodes that repeat a forward value only to meet an array of full shape, as NumPy does unasked."""
    users: dict[Node, list[Node]] = {}
    for part in order:
        for operand in part.operands if isinstance(part, Apply) else ():
            users.setdefault(operand, []).append(part)
    repeated: set[Node] = set()
    thin: set[Node] = set()
    for part in order:
        if is_scale(part):
            thin.add(part)
        elif isinstance(part, Apply):
            if isinstance(part.primitive, Broadcast):
                if _repeats_unasked(part) and not any(map(_is_calculus, topological_order(part.operands))):
                    repeated.add(part)
                    thin.add(part)
            elif _is_elementwise(part) and thin.issuperset(part.operands):
                thin.add(part)

    def meets_full_shape(node: Node) -> bool:
        uses = users.get(node, [])
        return bool(uses) and all(
            _is_elementwise(use) and (meets_full_shape(use) if use in thin else True) for use in uses
        )

    return {node for node in repeated if meets_full_shape(node)}


def _is_elementwise(node: Node) -> bool:
    return isinstance(node, Apply) and isinstance(node.primitive, Elementwise | Multiply | Add | Subtract | Negate)


def _repeats_unasked(node: Apply) -> bool:
    """Whether NumPy's own rule repeats the operand: its axes are the last ones, or of size 1."""
    axes, ndim = node.primitive.axes, node.type.ndim
    reshaped = isinstance(node.operands[0], Apply) and isinstance(node.operands[0].primitive, Reshape)
    return axes == tuple(range(ndim - len(axes), ndim)) or reshaped


def _is_calculus(node: Node) -> bool:
    """Whether `node` is a tangent, a cotangent, or a sum."""
    if isinstance(node, Input):
        return node.name.startswith((TANGENT, COTANGENT))
    return isinstance(node, Apply) and isinstance(node.primitive, Sum)


def literal(node: Const) -> Notation:
    """A number, a size, or `C` for an array of numbers; √2 and 1/√8 where the number is one of these."""
    if isinstance(node.value, SymbolicDim):
        return size_notation(node.value)
    if isinstance(node.value, float):
        found = root_of(node.value) or ratio_of(node.value) or _constant(node.value) or _power_of_ten(node.value)
        return found or Number(node.value)
    if isinstance(node.value, bool | int):
        return Number(node.value)
    return Symbol("C")


def _power_of_ten(number: float) -> Notation | None:
    """10⁻⁵ for 0.00001: what is added to a variance, say."""
    exponent = round(math.log10(number)) if 0 < number < 1e-3 else 0
    return PowerNotation(Number(10), Number(exponent)) if exponent and number == float(f"1e{exponent}") else None


def ratio_of(number: float) -> Notation | None:
    """A fraction of small whole numbers, if that is `number` to the last digit and its decimals do not end soon."""
    nearest = Fractional(number).limit_denominator(12) if math.isfinite(number) else Fractional(0)
    if len(repr(number)) < 8 or not 0 < nearest < 100 or nearest.numerator / nearest.denominator != number:
        return None
    return Fraction(Number(nearest.numerator), Number(nearest.denominator))


def root_of(number: float) -> Notation | None:
    """√k or 1/√k for a whole k up to 4096 that is no square, if that is `number` to the last digits."""
    for power, make in ((number**2, _root), (number**-2 if number else 0.0, lambda k: Fraction(Number(1), _root(k)))):
        k = round(power) if 1 < power <= 4096 else 0
        if number > 0 and k and abs(power - k) <= 1e-14 * k and math.isqrt(k) ** 2 != k:
            return make(k)
    return None


def _root(k: int) -> Notation:
    return Call("sqrt", (Number(k),))


def _constant(number: float) -> Notation | None:
    """1/√(2π) and its kin, if that is `number` to the last digits."""
    pi, two = Symbol("π"), Number(2)
    twice = Infix("·", (two, pi))
    known: list[tuple[float, Notation]] = [
        (math.pi, pi),
        (2 * math.pi, twice),
        (math.sqrt(2 * math.pi), Call("sqrt", (twice,))),
        (1 / math.sqrt(2 * math.pi), Fraction(Number(1), Call("sqrt", (twice,)))),
        (2 / math.sqrt(math.pi), Fraction(two, Call("sqrt", (pi,)))),
        (math.sqrt(2 / math.pi), Call("sqrt", (Fraction(two, pi),))),
        (math.log(2), Call("ln", (two,))),
        (math.log(2 * math.pi), Call("ln", (twice,))),
    ]
    return next((written for value, written in known if abs(number - value) <= 4e-16 * value), None)


def scaled(node: Apply, operands: Sequence[Notation]) -> Notation | None:
    """`2/n · x`: a product with one repeated number is not written ⊙."""
    if not isinstance(node.primitive, Multiply):
        return None
    for k, operand in enumerate(node.operands):
        if is_scale(operand) or (isinstance(operand, Apply) and _repeats_number(operand)):
            return Infix("·", (operands[k], operands[1 - k]))
    return None


def _repeats_number(node: Apply) -> bool:
    return isinstance(node.primitive, Broadcast) and node.primitive.axes == () and node.type.ndim > 0


def _element(node: Apply, written: Mapping[Node, Notation]) -> Notation | None:
    """`x[0]` for a slice of size 1 whose axis is dropped."""
    (first, *_) = node.operands or (None,)
    if (
        not isinstance(node.primitive, Reshape)
        or not isinstance(first, Apply)
        or not isinstance(first.primitive, Slice)
    ):
        return None
    shown = written[first]
    sizes, shape = first.type.shape, node.type.shape
    if not isinstance(shown, Indexed) or [d for d in sizes if d != 1] != [d for d in shape if d != 1]:
        return None
    dropped = len(sizes) - len(shape)
    entries: list[Notation] = []
    for start, size_, entry in zip(first.primitive.starts, sizes, shown.indices, strict=True):
        if size_ == 1 and dropped and isinstance(start, int):
            dropped -= 1
            entries.append(Number(start))
        else:
            entries.append(entry)
    while entries and entries[-1] == Mark(":"):
        entries.pop()
    return None if dropped else Indexed(shown.base, tuple(entries))


def _stacked_product(node: Apply, operands: Sequence[Notation]) -> Notation | None:
    """`N W` where one matrix meets each of a stack, as NumPy's rule is; `Σ₀(A Bᵀ)` where the products are added up."""
    if not isinstance(node.primitive, Contract) or len(node.operands) != 2:
        return None
    (left, right), output = node.primitive.inputs, node.primitive.output
    if max(len(left), len(right)) < 3:
        return None
    added = len(left) == len(right) == 3 and len(output) == 2 and left[0] == right[0] and left[0] not in output
    batch = left[:1] if added else output[:-2]
    cores: list[tuple[int, ...]] = []
    for labels in (left, right):
        core = labels[len(batch) :] if labels[: len(batch)] == batch else labels
        if len(core) != 2 or not set(batch).isdisjoint(core):
            return None
        cores.append(core)
    row, column = output[-2:]
    factors: list[Notation] = []
    shared = [label for label in cores[0] if label in cores[1]]
    if len(shared) != 1 or shared[0] in output:
        return None
    for label in (row, column):
        place = next((k for k, core in enumerate(cores) if label in core), None)
        if place is None or len(factors) > 1:
            return None
        upright = cores[place] == ((label, shared[0]) if label == row else (shared[0], label))
        factors.append(operands[place] if upright else Postfix("ᵀ", operands[place]))
    product = Infix("", tuple(factors))
    return Call("Σ", (product,), subscript=(Number(0),)) if added else product


def is_matrix_product(node: Apply) -> bool:
    """Whether a contraction is written as a product of matrices."""
    names: list[Notation] = [Symbol("A"), Symbol("B")]
    shown = _stacked_product(node, names) or node.primitive.notation(names, [each.type for each in node.operands])
    return (isinstance(shown, Infix) and shown.operator == "") or (isinstance(shown, Call) and shown.function == "Σ")


def _pairing(node: Apply, written: Mapping[Node, Notation]) -> Notation | None:
    if not isinstance(node.primitive, Sum) or node.type.ndim:
        return None
    (operand,) = node.operands
    if not (isinstance(operand, Apply) and isinstance(operand.primitive, Multiply)):
        return None
    if not any(isinstance(part, Input) and part.name.startswith(TANGENT) for part in topological_order([operand])):
        return None
    return Pairing(written[operand.operands[0]], written[operand.operands[1]])


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
    return {} if clashing & taken else names


def shape_of(type_: ArrayType) -> str:
    """`n×h`, `n×(l-k+1)`; empty for a scalar."""
    return sizes_text(type_.shape)


def sizes_text(sizes: Sequence[Dim]) -> str:
    """Sizes as they are multiplied, a sum in brackets where it does not stand alone."""
    return "×".join(f"({dim})" if _is_sum(dim) and len(sizes) > 1 else str(dim) for dim in sizes)


def _is_sum(dim: Dim) -> bool:
    return isinstance(dim, SymbolicDim) and len(dim.terms) > 1


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
