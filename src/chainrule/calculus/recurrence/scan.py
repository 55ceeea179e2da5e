"""Recurrences: a step repeated along sequences, with carries that each step hands on to the next.

A recurrence has the meaning of `jax.lax.scan`. Its step is a program of the carries, the elements of the sequences at
this place, and constants. It computes the next carries, *ys*, which are stacked, and *terms*, which are summed over all
steps, since the transpose of a constant is a sum. A result is one of

    states    all values of a carry, in the order of the sequence: one more than there are steps
    ys        one entry for each step
    sums      Σ_t of a term

The differential of a recurrence is a recurrence in the tangents, and the transpose of that one runs in the opposite
direction: λ_t = s̄_t + A_tᵀ λ_{t+1}.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar, final

import numpy as np

from chainrule.calculus.linearize import linearize
from chainrule.calculus.transpose import transpose
from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    Dim,
    DType,
    Input,
    Node,
    Program,
    ProgramError,
    ShapeError,
    applies,
    concrete,
    substitute,
    topological_order,
)
from chainrule.primitives import (
    Add,
    Array,
    Call,
    Example,
    Notation,
    Pad,
    Several,
    Slice,
    evaluate_ordered,
    permute,
    squeeze,
    stack,
    zeros,
)

V = TypeVar("V")


@final
@dataclass(frozen=True)
class Scan(Several, abstract=True):
    """One result of a recurrence of `length` steps; the operands are initial carries, sequences and constants.

    `inputs` and `outputs` are those of the step: carries, elements and constants; next carries, ys and terms.
    `axes` has for each sequence the axis that the elements are taken along. With `reverse` the steps go from the last
    element to the first, and the initial carry is the last state. `names` are the user's of values in the step.

    It is not a primitive of the registry: it does not occur in derivations, models or files, since `expand` writes it
    in primitives that do.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[Node, ...]
    carries: int
    axes: tuple[int, ...]
    terms: int
    length: Dim
    reverse: bool
    output: int
    names: tuple[tuple[Node, str], ...] = ()

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return []

    @property
    def together(self) -> Hashable:
        return replace(self, output=0)

    @property
    def step(self) -> Program:
        """The program of a step."""
        return Program(self.inputs, self.outputs, dict(self.names))

    def bind(self, sizes: Mapping[str, Dim], float_dtype: DType | None) -> Scan:
        step = self.step.bind(sizes, float_dtype)
        length = ArrayType((self.length,)).bind(sizes).shape[0]
        names = tuple(step.names.items())
        return replace(self, inputs=step.inputs, outputs=step.outputs, length=length, names=names)

    def type(self, *operands: ArrayType) -> ArrayType:
        if len(operands) != len(self.inputs):
            raise ProgramError(f"a scan with {len(self.inputs)} inputs is applied to {len(operands)} operands")
        for place, (node, operand) in enumerate(zip(self.inputs, operands, strict=True)):
            expected = node.type
            if 0 <= place - self.carries < len(self.axes):
                axis = self.axes[place - self.carries]
                expected = expected.with_shape((*expected.shape[:axis], self.length, *expected.shape[axis:]))
            if operand != expected:
                raise ShapeError(f"operand {place} of a scan has the type {operand}; its step expects {expected}")
        for carry, following in zip(self.inputs[: self.carries], self.outputs, strict=False):
            if carry.type != following.type:
                raise ShapeError(f"a carry of a scan has the type {carry.type}, and {following.type} after a step")
        result = self.outputs[self.output].type
        if self.output < self.carries:
            return result.with_shape((self.length + 1, *result.shape))
        return result if self._is_sum(self.output) else result.with_shape((self.length, *result.shape))

    def _is_sum(self, output: int) -> bool:
        return output >= len(self.outputs) - self.terms

    def split(self, values: Sequence[V]) -> tuple[list[V], list[V], list[V]]:
        """Divide what belongs to the inputs into that of carries, sequences and constants."""
        rest = self.carries + len(self.axes)
        return list(values[: self.carries]), list(values[self.carries : rest]), list(values[rest:])

    def values(self, *operands: Array) -> Sequence[Array]:
        carries, sequences, constants = self.split(operands)
        count = concrete(self.length)
        states = [[carry] for carry in carries]
        ys: list[list[Array]] = [[] for _ in self.outputs[self.carries :]]
        order = topological_order(self.outputs, stop=self.inputs)
        for t in range(count - 1, -1, -1) if self.reverse else range(count):
            elements = [np.take(x, t, axis) for x, axis in zip(sequences, self.axes, strict=True)]
            given: dict[Node, Array] = dict(zip(self.inputs, [*carries, *elements, *constants], strict=True))
            found = evaluate_ordered(order, given)
            results = [found[output] for output in self.outputs]
            carries = results[: self.carries]
            for line, value in zip([*states, *ys], results, strict=True):
                line.append(value)
        stacked: list[Array] = []
        for number, (line, output) in enumerate(zip([*states, *ys], self.outputs, strict=True)):
            ordered = line[::-1] if self.reverse else line
            shape, dtype = output.type.concrete_shape, output.type.dtype.numpy
            whole = np.stack(ordered) if ordered else np.zeros((0, *shape), dtype)
            stacked.append(np.sum(whole, axis=0, dtype=dtype) if self._is_sum(number) else whole)
        return stacked

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return Call("scan", tuple(operands))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        return Recurrence.of(self, operands).differential(tangents)[self.output]

    def transposed(
        self, operands: Sequence[Node], cotangents: Mapping[int, Node], places: Collection[int]
    ) -> Mapping[int, Node]:
        return Recurrence.of(self, operands).transposed(cotangents, places)

    def expand(self, *operands: Node) -> Node:
        """Write the steps one after another."""
        return Recurrence.of(self, operands).unrolled()[self.output]


@dataclass(frozen=True)
class Carried:
    """A carry: its symbol in the step, its initial value, and its next value, an expression of the step."""

    symbol: Input
    initial: Node
    following: Node


@dataclass(frozen=True)
class Sequenced:
    """A sequence: the symbol of its element in the step, the array, and the axis along which elements are taken."""

    symbol: Input
    array: Node
    axis: int = 0


@dataclass(frozen=True)
class Constant:
    """A value that is the same in all steps, with its symbol in the step."""

    symbol: Input
    value: Node


Part: TypeAlias = Carried | Sequenced | Constant


@dataclass(frozen=True)
class Recurrence:
    """A recurrence with its operands, to be transformed."""

    carries: tuple[Carried, ...]
    sequences: tuple[Sequenced, ...]
    constants: tuple[Constant, ...]
    ys: tuple[Node, ...]
    terms: tuple[Node, ...]
    length: Dim
    reverse: bool = False
    names: tuple[tuple[Node, str], ...] = ()

    @classmethod
    def of(cls, scan: Scan, operands: Sequence[Node]) -> Recurrence:
        """Return the recurrence that `scan` is a result of."""
        rest, ends = scan.carries + len(scan.axes), len(scan.outputs) - scan.terms
        return cls(
            tuple(map(Carried, scan.inputs[: scan.carries], operands, scan.outputs)),
            tuple(map(Sequenced, scan.inputs[scan.carries : rest], operands[scan.carries : rest], scan.axes)),
            tuple(map(Constant, scan.inputs[rest:], operands[rest:])),
            scan.outputs[scan.carries : ends],
            scan.outputs[ends:],
            scan.length,
            scan.reverse,
            scan.names,
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        """The carries, sequences and constants, in the order of the operands."""
        return (*self.carries, *self.sequences, *self.constants)

    @property
    def outputs(self) -> tuple[Node, ...]:
        """The outputs of the step: next carries, ys and terms."""
        return (*(each.following for each in self.carries), *self.ys, *self.terms)

    @property
    def initial_place(self) -> Dim:
        """The place of the initial carry among the states."""
        return self.length if self.reverse else 0

    def results(self) -> list[Apply]:
        """Return all results: states, ys and sums."""
        inputs = tuple(each.symbol for each in self.parts)
        operands = (
            *(each.initial for each in self.carries),
            *(each.array for each in self.sequences),
            *(each.value for each in self.constants),
        )
        axes = tuple(each.axis for each in self.sequences)
        outputs = self.outputs
        count, sums = len(self.carries), len(self.terms)
        scan = Scan(inputs, outputs, count, axes, sums, self.length, self.reverse, 0, self.names)
        return [Apply(replace(scan, output=number), operands) for number in range(len(outputs))]

    def neat(self) -> Recurrence:
        """Return the recurrence without unused sequences and constants, each once, with symbols of standard names.

        What is a number stands in the step, where it can be simplified.
        """
        used = set(topological_order(self.outputs))
        made: dict[Node, Node] = {}
        sequences: dict[tuple[Node, int], Sequenced] = {}
        constants: dict[Node, Constant] = {}
        carries: list[Carried] = []
        for number, each in enumerate(self.carries):
            made[each.symbol] = symbol = Input(f"c{number}", each.symbol.type)
            carries.append(Carried(symbol, each.initial, each.following))
        for one in self.sequences:
            if one.symbol not in used:
                continue
            if isinstance(one.array, Const) and one.array.is_filled:
                made[one.symbol] = Const(one.array.value, one.symbol.type)
                continue
            symbol = Input(f"x{len(sequences)}", one.symbol.type)
            made[one.symbol] = sequences.setdefault(
                (one.array, one.axis), Sequenced(symbol, one.array, one.axis)
            ).symbol
        for node in topological_order(self.outputs):
            if isinstance(node, Const) and not node.is_filled:
                symbol = Input(f"k{len(constants)}", node.type)
                made[node] = constants.setdefault(node, Constant(symbol, node)).symbol
        for given in self.constants:
            if given.symbol not in used:
                continue
            if isinstance(given.value, Const) and given.value.is_filled:
                made[given.symbol] = given.value
                continue
            symbol = Input(f"k{len(constants)}", given.symbol.type)
            made[given.symbol] = constants.setdefault(given.value, Constant(symbol, given.value)).symbol
        following = substitute([each.following for each in carries], made)
        named = [(node, name) for node, name in self.names if node in used]
        names = zip(substitute([node for node, _ in named], made), (name for _, name in named), strict=True)
        return replace(
            self,
            names=tuple(names),
            carries=tuple(replace(each, following=new) for each, new in zip(carries, following, strict=True)),
            sequences=tuple(sequences.values()),
            constants=tuple(constants.values()),
            ys=substitute(self.ys, made),
            terms=substitute(self.terms, made),
        )

    def before(self, states: Node) -> Node:
        """Return the states before each step, given all of them."""
        return self.window(states, 1 if self.reverse else 0)

    def after(self, states: Node) -> Node:
        """Return the states after each step, given all of them."""
        return self.window(states, 0 if self.reverse else 1)

    def window(self, states: Node, start: int) -> Node:
        return part(states, start, self.length)

    def _tangent_sources(self, own: Sequence[int], symbols: Mapping[Node, Node]) -> tuple[Sequenced, ...]:
        """Return the sequences of a recurrence that reads the carries `own` of this one, and its sequences."""
        states = self.results()
        return (
            *(Sequenced(self.carries[k].symbol, self.before(states[k])) for k in own),
            *(each for each in self.sequences if each.symbol not in symbols),
        )

    def differential(self, tangents: Sequence[Node | None]) -> list[Node | None]:
        """Return the tangent of each result, given those of the operands; None stands for zero."""
        given: dict[Part, Node | None] = dict(zip(self.parts, tangents, strict=True))
        seeds: dict[Node, Node] = {
            each.symbol: Input(f"d {each.symbol.name}", each.symbol.type)
            for each, tangent in given.items()
            if tangent is not None
        }
        while True:  # a carry has a tangent if something that it is computed from has one
            found = linearize(self.outputs, seeds)
            new = [
                each.symbol
                for each, tangent in zip(self.carries, found, strict=False)
                if tangent is not None and each.symbol not in seeds
            ]
            if not new:
                break
            seeds.update({symbol: Input(f"d {symbol.name}", symbol.type) for symbol in new})
        if not seeds:
            return [None] * len(self.outputs)
        carries: list[Carried] = []
        sequences = [*self._tangent_sources(range(len(self.carries)), {})]
        constants = list(self.constants)
        for each, following in zip(self.carries, found, strict=False):
            if each.symbol in seeds:
                start, zero = given[each], zeros(each.symbol.type)
                symbol = _symbol(seeds[each.symbol])
                carries.append(
                    Carried(symbol, zero if start is None else start, zero if following is None else following)
                )
        for one in self.sequences:
            if (tangent := given[one]) is not None:
                sequences.append(Sequenced(_symbol(seeds[one.symbol]), tangent, one.axis))
        for constant in self.constants:
            if (tangent := given[constant]) is not None:
                constants.append(Constant(_symbol(seeds[constant.symbol]), tangent))
        ends = len(self.outputs) - len(self.terms)
        ys = [y for y in found[len(self.carries) : ends] if y is not None]
        terms = [term for term in found[ends:] if term is not None]
        tangent_recurrence = Recurrence(
            tuple(carries), tuple(sequences), tuple(constants), tuple(ys), tuple(terms), self.length, self.reverse
        )
        results = iter(tangent_recurrence.neat().results())
        active = [each.symbol in seeds for each in self.carries] + [
            tangent is not None for tangent in found[len(self.carries) :]
        ]
        return [next(results) if is_active else None for is_active in active]

    def transposed(self, cotangents: Mapping[int, Node], places: Collection[int]) -> dict[int, Node]:
        """Return the cotangents of the operands at `places`, given those of the results."""
        everything = self.parts
        active: dict[Node, Node] = {everything[place].symbol: everything[place].symbol for place in places}
        while new := [  # a carry is active if something that it is computed from is
            each.symbol
            for each, depends in zip(self.carries, _depending(self.outputs, active), strict=False)
            if depends and each.symbol not in active
        ]:
            active.update({symbol: symbol for symbol in new})
        count, ends = len(self.carries), len(self.outputs) - len(self.terms)
        symbols = list(active)
        seeds: list[tuple[Node, Node]] = []
        bars: dict[int, Input] = {}
        carries: list[Carried] = []
        own = [number for number, each in enumerate(self.carries) if each.symbol not in active]
        sequences = [*self._tangent_sources(own, active)]
        constants = [each for each in self.constants if each.symbol not in active]
        for number, output in enumerate(self.outputs):
            bar = Input(f"∂ {number}", output.type)
            if number < count:
                if self.carries[number].symbol in active:
                    seeds.append((output, bar))
                    bars[number] = bar
            elif number in cotangents:
                seeds.append((output, bar))
                given = cotangents[number]
                if number < ends:
                    sequences.append(Sequenced(bar, given))
                else:
                    constants.append(Constant(bar, given))
        parts = transpose([output for output, _ in seeds], symbols, [bar for _, bar in seeds])
        received = dict(zip(symbols, parts, strict=True))
        for number, bar in bars.items():
            symbol, type_ = self.carries[number].symbol, bar.type
            part = received.get(symbol)
            following = zeros(type_) if part is None else part
            last: Node = zeros(type_)
            if number in cotangents:
                states = cotangents[number]
                last = entry(states, 0 if self.reverse else self.length)
                own_part = Input(f"∂s {number}", type_)
                sequences.append(Sequenced(own_part, self.before(states)))
                following = own_part if part is None else own_part + part
            carries.append(Carried(bar, last, following))
        elements = [each for each in self.sequences if received.get(each.symbol) is not None]
        weights = [each for each in self.constants if received.get(each.symbol) is not None]
        adjoint = Recurrence(
            tuple(carries),
            tuple(sequences),
            tuple(constants),
            tuple(part for each in elements if (part := received[each.symbol]) is not None),
            tuple(part for each in weights if (part := received[each.symbol]) is not None),
            self.length,
            not self.reverse,
        )
        results = iter(adjoint.neat().results())
        by_symbol: dict[Node, Node] = {}
        for number in bars:
            by_symbol[self.carries[number].symbol] = entry(next(results), self.length if self.reverse else 0)
        for one in elements:
            y = next(results)
            order = [*range(1, one.axis + 1), 0, *range(one.axis + 1, y.type.ndim)]
            by_symbol[one.symbol] = permute(y, order)
        for weight in weights:
            by_symbol[weight.symbol] = next(results)
        return {place: by_symbol[everything[place].symbol] for place in places if everything[place].symbol in by_symbol}

    def unrolled(self) -> list[Node]:
        """Return all results with the steps written one after another."""
        count = concrete(self.length)
        carries = [each.initial for each in self.carries]
        lines: list[list[Node]] = [[carry] for carry in carries] + [[] for _ in (*self.ys, *self.terms)]
        for t in range(count - 1, -1, -1) if self.reverse else range(count):
            given: dict[Node, Node] = {each.symbol: each.value for each in self.constants}
            given.update({each.symbol: carry for each, carry in zip(self.carries, carries, strict=True)})
            given.update({each.symbol: entry(each.array, t, each.axis) for each in self.sequences})
            results = substitute(self.outputs, given)
            carries = list(results[: len(carries)])
            for line, value in zip(lines, results, strict=True):
                line.append(value)
        found: list[Node] = []
        for number, (line, output) in enumerate(zip(lines, self.outputs, strict=True)):
            if number >= len(lines) - len(self.terms):
                total = line[0] if line else zeros(output.type)
                for value in line[1:]:
                    total = total + value
                found.append(total)
            elif line:
                found.append(stack(line[::-1] if self.reverse else line))
            else:
                found.append(zeros(output.type.with_shape((0, *output.type.shape))))
        return found


def written_nodes(outputs: Sequence[Node]) -> list[Node]:
    """Return every node that `outputs` depend on, also those of the steps of recurrences."""
    found: dict[Node, None] = {}
    for node in topological_order(outputs):
        if applies(node, Scan):
            found.update(dict.fromkeys(written_nodes(node.primitive.outputs)))
        found[node] = None
    return list(found)


def _depending(outputs: Sequence[Node], symbols: Collection[Node]) -> list[bool]:
    """Return for each output whether it depends on one of the symbols."""
    found = set(symbols)
    for node in topological_order(outputs):
        if isinstance(node, Apply) and not found.isdisjoint(node.operands):
            found.add(node)
    return [output in found for output in outputs]


def _symbol(node: Node) -> Input:
    assert isinstance(node, Input)
    return node


def entry(array: Node, place: Dim, axis: int = 0) -> Node:
    """Return the element of `array` at `place` along `axis`."""
    return squeeze(part(array, place, 1, axis), [axis])


def part(array: Node, start: Dim, size: Dim, axis: int = 0) -> Node:
    """Return `size` elements of `array` along `axis`, beginning at `start`; those of terms and of what is padded."""
    shape = array.type.shape

    def along(value: Dim, others: Sequence[Dim]) -> tuple[Dim, ...]:
        return tuple(value if k == axis else other for k, other in enumerate(others))

    if (start, size) == (0, shape[axis]):
        return array
    match array:
        case Const() if array.is_filled:
            return Const(array.value, array.type.with_shape(along(size, shape)))
        case Apply(Add(), (x, y)):
            return part(x, start, size, axis) + part(y, start, size, axis)
        case Apply(Slice() as kind, (x,)) if kind.strides[axis] == 1:
            starts, sizes = along(kind.starts[axis] + start, kind.starts), along(size, kind.sizes)
            return replace(kind, starts=starts, sizes=sizes)(x)
        case Apply(Pad() as kind, (x,)) if kind.interior[axis] == 0:
            numbers = start, size, kind.low[axis], x.type.shape[axis]
            if all(isinstance(number, int) for number in numbers):
                first, count, low, inner = map(concrete, numbers)
                begin, end = min(max(first - low, 0), inner), min(max(first + count - low, 0), inner)
                if begin == end:
                    return zeros(array.type.with_shape(along(size, shape)))
                before = along(max(low - first, 0), kind.low)
                after = along(max(first + count - low - inner, 0), kind.high)
                within = part(x, begin, end - begin, axis)
                wide = any((*before, *after, *kind.interior))
                return replace(kind, low=before, high=after)(within) if wide else within
    zero = (0,) * len(shape)
    return Slice(along(start, zero), along(size, shape), (1,) * len(shape))(array)
