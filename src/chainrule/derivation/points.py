"""Random points for verification, scaled to the function so that it is finite and not saturated.

The domain of a function is unknown: distributions are tried, then single elements are drawn again. So is its scale:
exp(x / 0.01) overflows, and a softmax of it is constant, for inputs of size 1. The scale is chosen at which the most
elements of the gradients are not negligible.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import TANGENT
from chainrule.derivation.declared import FIXED_SCALE, with_properties
from chainrule.derivation.record import Record
from chainrule.ir import (
    Apply,
    ArrayType,
    Dim,
    DType,
    Input,
    Node,
    Program,
    Property,
    concrete,
    substitute,
    topological_order,
)
from chainrule.primitives import (
    Abs,
    Add,
    Broadcast,
    Cast,
    Compare,
    Concatenate,
    CumulativeSum,
    Gather,
    Max,
    Maximum,
    Min,
    Minimum,
    Multiply,
    Negate,
    Pad,
    Permute,
    RandomUniform,
    Relu,
    Reshape,
    Several,
    Sign,
    Slice,
    Subtract,
    Sum,
    Where,
    Windows,
    evaluate_nodes,
    index_bounds,
)

Array = NDArray[Any]
Values = dict[Node, Array]

FEW = 8
"""The number of elements of a row or column above which smaller values are drawn for an array."""
SPREADS = ("normal", "positive", "small") * 4
"""Distributions for all inputs, in the order of trial; a determinant is negative at half of all points."""
RANGES = {
    "positive": (0.2, 1.5),
    "small": (0.05, 0.95),
    "negative": (-1.5, -0.2),
    "above one": (1.05, 2.0),
    "tens": (5.0, 50.0),
    "hundreds": (50.0, 500.0),
    "thousands": (500.0, 5000.0),
    "minus tens": (-50.0, -5.0),
    "minus hundreds": (-500.0, -50.0),
}
"""Intervals for the elements of an input."""
OTHER_SPREADS = ("normal", "definite", *RANGES)
"""Distributions tried for each input separately if no point was found."""
TRIES = 60
"""The number of such mixed points, and of redraws of an element."""
ROOM = 2.0**-6
"""The relative change of inputs within which the function is to be finite, since it is too steep at the edge."""
DIRECTIONS = 3
"""The number of such changes that are tried, each with its opposite."""
CANDIDATES = 8
"""The number of points drawn if the loss is large relative to its changes, as when a label is masked."""
DROWNED = 1e4
"""The accepted ratio of a loss to its changes."""
SCALES = (1.0, 2.0**-3, 2.0**-6, 2.0**-10, 2.0**-14, 2.0**-20, 2.0**3)
"""Factors of the inputs, from which the best scale is chosen."""
NEGLIGIBLE = 1e-3
"""The size relative to the largest element below which an element of a gradient is negligible."""
HIDDEN = 1e-7
"""The size relative to the loss below which an element of a gradient is negligible."""
ROUNDING = 2.0**-51
"""The maximum relative error of each operation if its rounding is randomized."""

_EXACT = frozenset({
    Abs, Broadcast, Cast, Compare, Concatenate, Gather, Max, Maximum, Min, Minimum, Negate, Pad, Permute, RandomUniform,
    Relu, Reshape, Sign, Slice, Where, Windows,
})  # fmt: skip
"""Operations without rounding; some distinguish values that rounding would make different."""
_EXACT_OF_WHOLE = frozenset({Add, CumulativeSum, Multiply, Subtract, Sum})
"""Operations without rounding of whole numbers, such as counts."""


class NoPointError(ValueError):
    """The function is not finite at any of the points tried."""


def _identical(first: Array, second: Array) -> bool:
    """Whether two arrays of one type have the same bits."""
    return first is second or (first.shape == second.shape and first.tobytes() == second.tobytes())


class Evaluator:
    """Evaluates expressions repeatedly; the topological order of each is computed once.

    If `rounding` is a generator, the result of every operation is perturbed by a random multiple of its rounding error.
    Of a computation with several results, such as a recurrence, the latest are kept: each gradient asks for one.
    """

    def __init__(self) -> None:
        self.rounding: np.random.Generator | None = None
        self._orders: dict[Node, list[Node]] = {}
        self._literals: Values = {}
        self._latest: dict[Hashable, tuple[Sequence[Array], Sequence[Array]]] = {}

    def __call__(self, node: Node, values: Mapping[Node, Array]) -> Array:
        """Evaluate `node`, given the values of the inputs that it needs."""
        return self.along(self._order(node), values)[node]

    def moving(
        self, node: Node, moved: Collection[Node], values: Mapping[Node, Array]
    ) -> Callable[[Mapping[Node, Array]], Array]:
        """Return `node` as a function of the inputs `moved`; parts that depend on none of them are computed once."""
        if self.rounding is not None:  # every evaluation is rounded again
            return lambda new: self(node, {**values, **new})
        dependent: set[Node] = set()
        order: list[Apply] = []
        rest: list[Node] = []
        for part in self._order(node):
            if part in moved or (isinstance(part, Apply) and not dependent.isdisjoint(part.operands)):
                dependent.add(part)
                if isinstance(part, Apply) and part not in moved:
                    order.append(part)
            else:
                rest.append(part)
        fixed = self.along(rest, values)
        if node not in dependent:
            return lambda new: fixed[node]

        def value(new: Mapping[Node, Array]) -> Array:
            known = {**fixed, **new}
            with np.errstate(all="ignore"):
                for part in order:
                    known[part] = self._result(part, [known[operand] for operand in part.operands])
            return known[node]

        return value

    def _order(self, node: Node) -> list[Node]:
        order = self._orders.get(node)
        if order is None:
            order = self._orders[node] = topological_order([node])
        return order

    def along(self, order: Sequence[Node], values: Mapping[Node, Array]) -> Values:
        """Evaluate every node in a topological order."""
        known: Values = {}
        with np.errstate(all="ignore"):
            for part in order:
                if isinstance(part, Input):
                    known[part] = values[part]
                elif isinstance(part, Apply):
                    operands = [known[operand] for operand in part.operands]
                    result = self._result(part, operands)
                    known[part] = result if self.rounding is None else self._rounded(part, result, operands)
                else:
                    known[part] = self._literal(part)
        return known

    def _literal(self, node: Node) -> Array:
        found = self._literals.get(node)
        if found is None:
            found = self._literals[node] = evaluate_nodes([node], {})[node]
        return found

    def _result(self, node: Apply, operands: Sequence[Array]) -> Array:
        primitive = node.primitive
        result: Array
        if isinstance(primitive, Several):
            key = primitive.together, node.operands
            latest = self._latest.get(key)
            if latest is None or not all(map(_identical, latest[0], operands)):
                latest = self._latest[key] = operands, primitive.values(*operands)
            result = latest[1][primitive.output]
        else:
            result = primitive.value(*operands)
        return result

    def _rounded(self, node: Apply, value: Array, operands: Sequence[Array]) -> Array:
        kind = type(node.primitive)
        if self.rounding is None or not node.type.dtype.is_float or kind in _EXACT:
            return value
        if kind in _EXACT_OF_WHOLE and all(np.array_equal(x, np.rint(x)) for x in (value, *operands)):
            return value
        return np.asarray(value * (1 + ROUNDING * self.rounding.uniform(-1, 1, np.shape(value))))


def drawn(
    type_: ArrayType,
    spread: str,
    random: np.random.Generator,
    limit: Dim | None = None,
    few: float = math.inf,
    declared: Collection[Property] = (),
) -> Array:
    """Draw an array: whole numbers below `limit`, others with `spread`: "normal", "definite" or a key of RANGES.

    It has the properties `declared`. If an axis has more than `few` elements, values are smaller, so that sums over it
    stay of the size of a few elements, and exp of them neither overflows nor dominates.
    """
    shape = type_.concrete_shape
    if type_.dtype is DType.BOOL:
        return random.integers(0, 2, shape).astype(bool)
    if type_.dtype is DType.INT64:
        return random.integers(0, 4 if limit is None else concrete(limit), shape)
    if declared:
        return with_properties(drawn(type_, spread, random, limit, few), declared)
    share = few / max(few, *shape, 1) if math.isfinite(few) else 1.0
    if spread == "normal":
        return np.asarray(random.standard_normal(shape)) * math.sqrt(share)
    if spread == "definite" and len(shape) >= 2 and shape[-1] == shape[-2]:
        factor = random.standard_normal(shape)
        return np.asarray(factor @ np.swapaxes(factor, -1, -2) / shape[-1] + 0.5 * np.eye(shape[-1]))
    low, high = RANGES.get(spread, (0.2, 1.5))
    return np.asarray(random.uniform(low, high, shape) * (share if high <= 2 else 1))


def bind_nodes(roots: Sequence[Node], sizes: Mapping[str, int]) -> dict[Node, Node]:
    """Map each node beneath `roots` to one with bound sizes."""
    nodes = topological_order(roots)
    inputs = tuple(dict.fromkeys(node for node in nodes if isinstance(node, Input)))
    bound = Program(inputs, tuple(nodes)).bind(sizes, DType.FLOAT64)
    return dict(zip(nodes, bound.outputs, strict=True))


def _moving_exactly(direction: Array, at: Array | None) -> Array:
    """Round a direction such that small steps along it from `at` are exact, as from −10⁹ in a mask."""
    if at is None:
        return direction
    with np.errstate(all="ignore"):
        unit = np.spacing(np.abs(at)) * 2.0**16
        rounded = np.round(direction / unit) * unit
    return np.where(np.isfinite(rounded), rounded, direction)


def add_derivatives(
    record: Record,
    bound: Mapping[Node, Node],
    values: Values,
    evaluate: Callable[[Node, Mapping[Node, Array]], Array],
) -> None:
    """Add to the forward `values` the derivative of each activation and then each cotangent."""
    for stage, factor in record.activation_factors.items():
        values[bound[record.derivative_symbols[stage]]] = evaluate(bound[factor], values)
    for entry in record.backward.accumulations:
        values[bound[entry.cotangent]] = evaluate(bound[entry.result], values)


class Points:
    """Draws points for one record; `bound` maps each node to one with its sizes as numbers."""

    def __init__(
        self, record: Record, bound: dict[Node, Node], evaluate: Evaluator, random: np.random.Generator
    ) -> None:
        self._record = record
        self._bound = bound
        self._evaluate = evaluate
        self._random = random
        bounds = index_bounds([bound[stage.node] for stage in record.backward.stages])
        self._index_bounds: dict[Node, Dim] = dict(bounds.items())
        self._scale: float | None = None
        self._candidates = CANDIDATES
        self._unscaled = {
            bound[node] for node in record.program.inputs if not FIXED_SCALE.isdisjoint(record.program.properties(node))
        }
        wrt = set(record.backward.wrt)
        self._gradients = [bound[entry.cotangent] for entry in record.backward.accumulations if entry.symbol in wrt]
        self._forward = topological_order([bound[stage.node] for stage in record.backward.stages])

    def draw(self) -> Values:
        """Return the value of every symbol at a new point; raise NoPointError if the function is finite nowhere."""
        best: Values | None = None
        least = math.inf
        for _ in range(self._candidates):
            inputs = self._inputs()
            if self._scale is None:
                self._scale = self._best_scale(inputs)
            values = self._values(self._scaled(inputs, self._scale)) or self._values(inputs)
            if values is None:
                continue
            drowned = self._drowned(values)
            if best is None or drowned < least:
                best, least = values, drowned
            if least <= DROWNED:
                break
        else:
            self._candidates = 1  # the loss is as large everywhere
        if best is None:
            raise NoPointError
        return best

    def _drowned(self, values: Values) -> float:
        """Return the ratio of the loss to its changes; rounding exceeds the changes if it is large."""
        largest = [np.max(np.abs(values[symbol]), initial=0.0) for symbol in self._gradients]
        loss = float(np.abs(values[self._bound[self._record.loss]]))
        return loss / max(1e-300, min(1.0, max(map(float, largest), default=1.0)))

    def again(self, values: Values) -> Values | None:
        """Recompute the values at the inputs of a point, as with randomized rounding."""
        inputs = {self._bound[node]: values[self._bound[node]] for node in self._record.program.inputs}
        tangents: Values = {node: value for node, value in values.items() if isinstance(node, Input)}
        return self._values(inputs, tangents)

    # Inputs at which the forward pass is finite

    def _inputs(self) -> Values:
        edge: Values | None = None
        for spread in SPREADS:
            inputs = {self._bound[node]: self._draw(node, spread) for node in self._record.program.inputs}
            if self._faults(inputs) == 0:
                if self._has_room(inputs):
                    return inputs
                edge = edge or inputs
        return self._mixed_inputs(inputs, edge)

    def _mixed_inputs(self, inputs: Values, edge: Values | None) -> Values:
        """Draw inputs with a distribution each; redraw single elements of the best of them.

        A point at the edge of the domain is taken only if there is no other.
        """
        nodes = self._record.program.inputs
        best, least = inputs, self._faults(inputs)
        for _ in range(TRIES):
            spreads = self._random.choice(OTHER_SPREADS, len(nodes))
            tried = {self._bound[node]: self._draw(node, str(s)) for node, s in zip(nodes, spreads, strict=True)}
            for scale in SCALES:
                scaled = self._scaled(tried, scale)
                faults = self._faults(scaled)
                if faults == 0 and self._has_room(scaled):
                    return scaled
                if faults == 0 and edge is None:
                    edge = scaled
                if faults < least:
                    best, least = scaled, faults
        if edge is not None:
            return edge
        floats = [node for node in nodes if node.type.dtype.is_float and best[self._bound[node]].size]
        for _ in range(TRIES * 4 if floats else 0):
            node = floats[int(self._random.integers(len(floats)))]
            place = int(self._random.integers(best[self._bound[node]].size))
            changed, fresh = best[self._bound[node]].copy(), self._draw(node, str(self._random.choice(OTHER_SPREADS)))
            if self._record.program.properties(node):
                changed = fresh
            else:
                changed.flat[place] = fresh.flat[place]
            tried = {**best, self._bound[node]: changed}
            faults = self._faults(tried)
            if faults <= least:
                best, least = tried, faults
            if least == 0:
                return best
        raise NoPointError

    def _has_room(self, inputs: Values) -> bool:
        """Whether the forward pass is finite on all sides of a point, the same for every point of a function.

        All elements grow, or shrink, together, for borders as of ln(x − 1); then each in a direction of its own and in
        the opposite one, for borders between them, as of ln(x − y).
        """
        signs = np.random.default_rng(0)
        for place in range(DIRECTIONS):
            changes = {
                node: np.ones(value.shape) if place == 0 else signs.choice((-1.0, 1.0), value.shape)
                for node, value in inputs.items()
                if self._may_move(node, value)
            }
            for room in (ROOM, -ROOM):
                moved = {node: inputs[node] * (1 + room * change) for node, change in changes.items()}
                if self._faults({**inputs, **moved}):
                    return False
        return True

    def _may_move(self, node: Node, value: Array) -> bool:
        return value.dtype.kind == "f" and node not in self._unscaled

    def _faults(self, inputs: Values) -> int:
        """Count the non-finite values of the forward pass; infinities count if they reach the loss."""
        known = self._evaluate.along(self._forward, inputs)
        faults = 0
        for stage in self._record.backward.stages:
            value = known[self._bound[stage.node]]
            faults += int(np.sum(np.isnan(value)))
            if stage.symbol is self._record.loss:
                faults += int(np.sum(np.isinf(value)))
        return faults

    def _draw(self, node: Input, spread: str) -> Array:
        bound = self._bound[node]
        declared = self._record.program.properties(node)
        return drawn(bound.type, spread, self._random, self._index_bounds.get(bound), FEW, declared)

    def _normal(self, shape: tuple[int, ...]) -> Array:
        return np.asarray(self._random.standard_normal(shape))

    def _scaled(self, inputs: Values, scale: float) -> Values:
        return {
            node: value * scale if node.type.dtype.is_float and node not in self._unscaled else value
            for node, value in inputs.items()
        }

    # The scale of the function

    def _best_scale(self, inputs: Values) -> float:
        """Return the scale at which the most elements of the gradients are not negligible."""
        lively: dict[float, float] = {}
        state = self._random.bit_generator.state
        for scale in SCALES:
            values = self._values(self._scaled(inputs, scale))
            lively[scale] = 0.0 if values is None else self._liveliness(values)
            if lively[scale] == 1:
                break
        self._random.bit_generator.state = state
        return next(scale for scale in lively if lively[scale] == max(lively.values()))

    def _liveliness(self, values: Values) -> float:
        """Return the fraction of elements of gradients that are not negligible."""
        shares = []
        loss = float(np.abs(values[self._bound[self._record.loss]]))
        for entry in self._record.backward.accumulations:
            sizes = np.abs(values[self._bound[entry.cotangent]])
            if sizes.size and np.all(np.isfinite(sizes)):
                shares.append(float(np.mean(sizes > max(NEGLIGIBLE * np.max(sizes), HIDDEN * loss))))
            else:
                shares.append(0.0 if sizes.size else 1.0)
        return float(np.mean(shares)) if shares else 1.0

    # Every symbol

    def _values(self, inputs: Values, given: Values | None = None) -> Values | None:
        """Return the value of every symbol: forward values, tangents drawn or `given`, cotangents from the record.

        Returns None if the forward pass is not finite.
        """
        values = dict(inputs)
        known = self._evaluate.along(self._forward, inputs)
        for stage in self._record.backward.stages:
            values[self._bound[stage.symbol]] = known[self._bound[stage.node]]
        if any(np.any(np.isnan(value)) for value in values.values() if value.dtype.kind == "f"):
            return None
        if not np.all(np.isfinite(values[self._bound[self._record.loss]])):
            return None
        for entry in self._record.backward.accumulations:
            tangent = self.bound_input(Input(TANGENT + entry.symbol.name, entry.symbol.type))
            shape = self._bound[entry.symbol].type.concrete_shape
            at = values.get(self._bound[entry.symbol])
            values[tangent] = _moving_exactly(self._normal(shape), at) if given is None else given[tangent]
        add_derivatives(self._record, self._bound, values, self._evaluate)
        return self.with_abbreviations(values)

    def with_abbreviations(self, values: Values) -> Values:
        """Add the values of the abbreviations."""
        whole: dict[Node, Node] = {}
        for entry in self._record.abbreviations:
            (whole[entry.symbol],) = substitute([entry.value], whole)
            values[self._bound[entry.symbol]] = self._value(whole[entry.symbol], values)
        return values

    def bound_input(self, node: Input) -> Node:
        return self._bound.get(node, node)

    def _value(self, node: Node, values: Mapping[Node, Array]) -> Array:
        return self._evaluate(self._bound[node], values)
