"""The values of a derivation at one point, which a worked example shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.calculus import find_kinks
from chainrule.derivation.declared import has_property
from chainrule.derivation.notator import Notator, shape_of
from chainrule.derivation.points import Array, Evaluator, Values, add_derivatives, bind_nodes
from chainrule.derivation.record import Record
from chainrule.derivation.upstream import is_upstream, output_name
from chainrule.functions import RNG_SEED, RNG_STEP
from chainrule.ir import (
    Apply,
    DType,
    DTypeError,
    Input,
    Node,
    Program,
    ShapeError,
    bind_dim,
    concrete,
    plain_array,
    substitute,
    topological_order,
)
from chainrule.primitives import Max, Min, Notation, Symbol, identity, index_bounds
from chainrule.trace import canonical_name
from chainrule.words import ChainruleError, suggestion


class ValuesError(ChainruleError, ValueError):
    """A worked example was requested at values that the function does not take."""


class Valuation:
    """The value of every quantity of a record at one point, in float64.

    Attributes
    ----------
    sizes : dict
        The number for each named size.
    ones : tuple of Input
        The gradients of a layer's outputs that were not given, and are taken as ones.

    """

    def __init__(self, record: Record, at: Mapping[str, Any]) -> None:
        """Evaluate the record at the values of its inputs, given by name; `dY` is the gradient by an output Y."""
        for function in record.abstract_functions:
            raise ValuesError(
                f"{function.name} has no definition, and so no values; write it out, as in "
                "sin(x) for f(x), or leave the values out"
            )
        self._record = record
        program = record.program
        self.ones, inputs = _inputs(program, at)
        self.sizes = _sizes(program, inputs)
        _check_indices(record, inputs, self.sizes)
        for each in program.declared:
            if not has_property(inputs[each.name], each.property):
                raise ValuesError(
                    f"{each.name} is declared {each.property.value}, and its value is not; give another value, or "
                    "leave the declaration out"
                )
        self._evaluate = Evaluator()
        roots: list[Node] = [*program.inputs, *record.derivative_symbols.values()]
        roots += record.activation_factors.values()
        for stage in record.backward.stages:
            roots += [stage.symbol, stage.expression]
        for entry in record.backward.accumulations:
            roots += [entry.cotangent, entry.result]
        self._bound = bind_nodes(roots, self.sizes)
        self._values: Values = {}
        for node in program.inputs:
            self._values[self._bound[node]] = inputs[node.name].astype(self._bound[node].type.dtype.numpy)
        for stage in record.backward.stages:
            self._values[self._bound[stage.symbol]] = self(stage.expression)
        add_derivatives(record, self._bound, self._values, lambda node, values: self._evaluate(node, values))
        whole: dict[Node, Node] = {}
        for abbreviation in record.abbreviations:
            (whole[abbreviation.symbol],) = substitute([abbreviation.value], whole)
            self._bound |= bind_nodes([abbreviation.symbol], self.sizes)
            self._values[self._bound[abbreviation.symbol]] = self(whole[abbreviation.symbol])

    def __call__(self, node: Node) -> Array:
        """Return the value of an expression over the symbols of the record."""
        if node not in self._bound:
            self._bound.update(bind_nodes([node], self.sizes))
        return np.asarray(self._evaluate(self._bound[node], self._values))

    def define(self, symbol: Input, value: Node | Array) -> None:
        """Give a symbol that the record does not have the value of an expression, or an array."""
        array = self(value) if isinstance(value, Node) else value
        self._bound |= bind_nodes([symbol], self.sizes)
        self._values[self._bound[symbol]] = array

    def has(self, node: Node) -> bool:
        """Whether an expression has a value: not if it contains a change, or a direction."""
        inputs = (part for part in topological_order([node]) if isinstance(part, Input))
        return all(part in self._bound and self._bound[part] in self._values for part in inputs)

    def ties(self) -> Iterator[tuple[Node, Node, int]]:
        """Yield both sides of each kink that this point hits, with the number of entries in which they are equal."""
        names: dict[Node, Node] = {stage.node: stage.symbol for stage in self._record.backward.stages}
        for kink in find_kinks(self._record.program):
            left, right = substitute([kink.left, kink.right], names)
            count = int(np.sum(self(left) == self(right)))
            if count:
                yield left, right, count

    def shared_extrema(self) -> Iterator[Node]:
        """Yield each maximum or minimum over axes that several entries attain."""
        names: dict[Node, Node] = {stage.node: stage.symbol for stage in self._record.backward.stages}
        for node in self._record.program.nodes:
            match node:
                case Apply(Max(axes) | Min(axes), (x,)):
                    (operand,) = substitute([x], names)
                    value = self(operand)
                    extremum = np.max if isinstance(node.primitive, Max) else np.min
                    if value.size and np.any(np.sum(value == extremum(value, axes, keepdims=True), axes) > 1):
                        yield node.primitive(operand)


def written_names(record: Record, notator: Notator) -> Iterator[tuple[Notation, Node]]:
    """Yield each name of an input, a named value, a gradient or an abbreviation, as it is written, with its symbol."""
    for node in record.program.inputs:
        yield notator.symbol(node), node
    for stage in record.backward.stages:
        yield Symbol(stage.name), stage.symbol
    for entry in record.backward.accumulations:
        yield notator.symbol(entry.cotangent), entry.cotangent
        yield notator.partial(entry.symbol), entry.cotangent
    for abbreviation in record.abbreviations:
        yield Symbol(abbreviation.symbol.name), abbreviation.symbol


def meanings(
    record: Record, notator: Notator, value: Callable[[Node], Array], sizes: Mapping[str, int]
) -> Iterator[tuple[Notation, Array]]:
    """Yield each name in a derivation, as it is written, with its value."""
    values: dict[Node, Array] = {}
    for notation, node in written_names(record, notator):
        if node not in values:
            values[node] = value(node)
        yield notation, values[node]
    yield from constant_meanings(record, value)
    for name, size in sizes.items():
        yield Symbol(name), np.asarray(float(size))


def constant_meanings(record: Record, value: Callable[[Node], Array]) -> Iterator[tuple[Symbol, Array]]:
    """Yield the name of each constant array with its value, also of identity matrices of several sizes."""
    for symbol, constant in record.constants.named:
        yield symbol, np.asarray(constant.value)
    for size, symbol in record.constants.identities.items():
        yield symbol, value(identity(size, DType.FLOAT64))


def given_name(node: Input) -> str:
    """Return the name by which the value of an input is given: `dY` for the gradient by an output Y."""
    return "d" + output_name(node) if is_upstream(node) else node.name


def _inputs(program: Program, at: Mapping[str, Any]) -> tuple[tuple[Input, ...], dict[str, Array]]:
    """Return the gradients that are taken as ones, and the value of every input, by its name."""
    nodes = {given_name(node): node for node in program.inputs}
    sizes = set(program.dim_names)
    letters = {canonical_name(name): name for name in nodes}
    at = {name if name in nodes else letters.get(canonical_name(name), name): value for name, value in at.items()}
    for name in at:
        if name not in nodes and name not in sizes:
            raise ValuesError(
                f"the values have {name!r}, which the function does not; it has {', '.join(nodes)}"
                f"{suggestion(name, nodes)}"
            )
    optional = (RNG_SEED, RNG_STEP)
    missing = [node for node in program.inputs if not is_upstream(node) and node.name not in (*at, *optional)]
    if missing:
        raise ValuesError(f"the values lack {', '.join(map(_described, missing))}; give {_them(missing)} too")
    found: dict[str, Array] = {}
    for name, node in nodes.items():
        if name in at:
            found[node.name] = _array(node, name, at[name])
        elif node.name in optional:
            found[node.name] = np.zeros((), np.int64)
    ones = tuple(node for node in program.inputs if node.name not in found)
    if ones:
        known = tuple(node for node in program.inputs if node.name in found)
        known_sizes = _sizes(Program(known, ()), found) | {name: int(at[name]) for name in at if name in sizes}
        for node in ones:
            shape = node.type.bind(known_sizes)
            if not shape.is_concrete:
                raise ValuesError(f"the values do not determine the shape of {given_name(node)}; give it too")
            found[node.name] = np.ones(shape.concrete_shape)
    return ones, found


def _described(node: Input) -> str:
    shape = shape_of(node.type)
    return f"{node.name} ({shape})" if shape else node.name


def _them(nodes: Sequence[Input]) -> str:
    return "it" if len(nodes) == 1 else "them"


def _array(node: Input, name: str, value: Any) -> Array:
    """Return a value as an array of the kind that the input holds."""
    try:
        array = plain_array(value)
    except DTypeError as error:
        raise ValuesError(f"the value of {name} is not an array of numbers: {error}") from None
    except ValueError:
        raise ValuesError(f"the value of {name} has rows of different lengths; give as many entries to each") from None
    if array.ndim != node.type.ndim:
        raise ValuesError(
            f"the value of {name} is {_shape_of_array(array)}, but in the derivation {name} is {_shape_words(node)}; "
            "give its shape to the derivation, or another value"
        )
    if not np.all(np.isfinite(array)):
        raise ValuesError(f"the value of {name} has entries that are not finite; give numbers")
    if node.type.dtype is DType.INT64 and not np.array_equal(array, np.round(array)):
        raise ValuesError(f"the value of {name} has fractions, but {name} holds whole numbers")
    return array


def _shape_of_array(array: Array) -> str:
    return (
        "×".join(map(str, array.shape))
        if array.ndim > 1
        else f"a vector of length {array.size}"
        if array.ndim
        else "a number"
    )


def _shape_words(node: Input) -> str:
    shape = shape_of(node.type)
    return "a number" if not shape else f"a vector of length {shape}" if node.type.ndim == 1 else shape


def _sizes(program: Program, inputs: Mapping[str, Array]) -> dict[str, int]:
    try:
        sizes = program.sizes({name: array.shape for name, array in inputs.items()})
    except ShapeError as error:
        raise ValuesError(f"the values do not fit together: {error}") from None
    return {name: concrete(size) for name, size in sizes.items()}


def _check_indices(record: Record, inputs: Mapping[str, Array], sizes: Mapping[str, int]) -> None:
    """Raise ValuesError for an index beyond the array that it points to."""
    for node, size in index_bounds([stage.node for stage in record.backward.stages]).items():
        most = concrete(bind_dim(size, sizes))
        wrong = [entry for entry in inputs[node.name].flat if not -most <= entry < most]
        if wrong:
            raise ValuesError(f"the value of {node.name} has {wrong[0]}; its entries count from 0 up to {most - 1}")
