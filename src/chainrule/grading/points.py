"""Random points at which a reference and an answer are compared, with the values of the reference there."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np

from chainrule.calculus import COTANGENT, find_kinks
from chainrule.derivation import Evaluator, add_derivatives, drawn, is_upstream
from chainrule.grading.comparison import Array
from chainrule.grading.forwards import held_nodes, valued
from chainrule.grading.names import is_data, is_target
from chainrule.grading.quantities import Point
from chainrule.grading.vocabulary import Vocabulary
from chainrule.ir import Apply, Const, Input, Node, Program, concrete, topological_order
from chainrule.primitives import Add, Broadcast, Subtract, evaluate_nodes, index_bounds
from chainrule.words import ChainruleError

Assumption: TypeAlias = Literal[
    "any", "masked", "distribution", "columns", "indicator", "one-hot rows", "one-hot columns"
]

SIZES = ((3, 5, 7, 4, 6, 8, 9, 10), (5, 3, 4, 7, 8, 6, 10, 9))
"""Distinct sizes, none of them 1 or 2, so that axes and factors are not confused."""
RATES = (0.3, 0.7, 0.45)
_SCALES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05, 2.0, 4.0, 8.0)
"""Scales of the inputs at the last point, of which the first is taken at which every threshold decides an element."""


class Drawing:
    """Draws points for a derivation.

    `assume` draws targets of common kinds: rows that sum to 1, columns that do, or zeros and ones; and `masks`, unless
    it is "any", as zeros and ones.
    """

    def __init__(
        self, vocabulary: Vocabulary, batch: str | None, assume: Assumption, single: bool, masks: Collection[str]
    ) -> None:
        self.vocabulary = vocabulary
        self.record = vocabulary.record
        self.stages = vocabulary.stages
        self.batch = batch
        self._assume = assume
        self._single = single
        self._masks = frozenset() if assume == "any" else frozenset(masks)
        self._random = np.random.default_rng(7)
        self._thresholds = list(_thresholds(self.record.program))
        self.decided = 0
        """The number of thresholds that decide the side of a kink at one of the points."""

    def points(self) -> Iterator[tuple[Point, list[Array]]]:
        """Yield points, each with the values of the vocabulary's expressions and hidden cotangents."""
        names = self.record.program.dim_names
        for number, rate in enumerate(RATES):
            sizes = dict(zip(names, _sizes(number % 2, len(names)), strict=True))
            if self._single and self.batch is not None:
                sizes[self.batch] = 1
            is_last = number == len(RATES) - 1
            try:
                values = self._values(sizes, is_last)
            except (ChainruleError, ValueError, IndexError):
                sizes = dict(zip(names, _sizes(0, len(names)), strict=True))
                values = self._values(sizes, is_last)
            known = self._named(values)
            held = {**self._aliases(known), **self._held(values, sizes)}
            column = [values[node] for node in self.vocabulary.expressions] + self._hidden_values(values, sizes)
            yield Point(known, sizes, rate, held), column

    def _values(self, sizes: Mapping[str, int], near: bool) -> dict[Node, Array]:
        """Evaluate every expression at a new random point; points are replaced if the forward pass is not finite.

        A point `near` the thresholds of the forward pass is one at which they decide the side of a kink.
        """
        record = self.record
        stages = record.backward.stages
        roots = [*self.vocabulary.expressions, *(s.node for s in stages), *record.program.inputs]
        roots += [entry.result for entry in record.backward.accumulations]
        roots += [s.derivative.right for s in record.stages if s.derivative is not None]
        bound = self.vocabulary.bound(roots, sizes)
        bounds: dict[Node, Any] = dict(index_bounds([bound[stage.node] for stage in stages]).items())
        values: dict[Node, Array] = {}
        for spreads in self._spreads():
            values = {bound[n]: self._draw(n, bound[n], spreads[n], bounds) for n in record.program.inputs}
            if near and self._thresholds:
                values = self._near(values, sizes, spreads)
            found = evaluate_nodes([bound[s.node] for s in stages], values)
            for stage in stages:
                values[bound[stage.symbol]] = found[bound[stage.node]]
            if all(np.all(np.isfinite(value)) for value in values.values()):
                break
        add_derivatives(record, bound, values, Evaluator())
        known = evaluate_nodes([bound[node] for node in self.vocabulary.expressions], values)
        return {node: known[bound[node]] for node in self.vocabulary.expressions}

    def _near(
        self, values: Mapping[Node, Array], sizes: Mapping[str, int], spreads: Mapping[Node, str]
    ) -> dict[Node, Array]:
        """Scale inputs such that as many thresholds as possible decide an element, so that one left out is noticed.

        If none does, a threshold of the other sign may: a negative margin changes no side where all is negative.
        """
        inputs = self.record.program.inputs
        pairs = [side for pair in self._thresholds for side in pair]
        bound = self.vocabulary.bound([*pairs, *inputs], sizes)
        normal = [n for n in inputs if n.type.dtype.is_float and n.type.ndim and spreads[n] == "normal"]
        free = {bound[n] for n in normal if not self._is_assumed(n)}
        numbers = [n for n in inputs if n.type.dtype.is_float and not n.type.ndim and spreads[n] == "normal"]
        turned = {bound[n] for n in numbers if not self._is_assumed(n) and not self.record.program.properties(n)}
        best, self.decided = dict(values), -1
        for sign, scale in itertools.product((1.0, -1.0), _SCALES):
            scaled = {node: value * scale if node in free else value for node, value in values.items()}
            scaled.update({node: sign * values[node] for node in turned})
            found = evaluate_nodes([bound[side] for side in pairs], {bound[n]: scaled[bound[n]] for n in inputs})
            sides = [np.asarray(found[bound[side]]) > 0 for side in pairs]
            decided = sum(bool(np.any(a != b)) for a, b in zip(sides[::2], sides[1::2], strict=True))
            if decided > self.decided:
                best, self.decided = scaled, decided
            if decided == len(self._thresholds):
                break
        return best

    def _held(self, values: Mapping[Node, Array], sizes: Mapping[str, int]) -> dict[str, Any]:
        """Return what the forward pass holds in its arguments and variables."""
        forward, inputs = self.vocabulary.forward, self.record.program.inputs
        known: dict[Node, Array] = {node: values[node] for node in inputs}
        trees = {**forward.held, **forward.arguments}
        nodes = list(dict.fromkeys(node for tree in trees.values() for node in held_nodes(tree)))
        try:
            bound = self.vocabulary.bound([*nodes, *inputs], sizes)
            found = evaluate_nodes([bound[node] for node in nodes], {bound[node]: known[node] for node in inputs})
            known.update({node: found[bound[node]] for node in nodes})
        except (ChainruleError, ValueError, IndexError, KeyError):  # sizes with other names in the derivation
            trees = {}
        return {**forward.options, **{name: valued(tree, known, sizes) for name, tree in trees.items()}}

    def _aliases(self, known: Mapping[str, Array]) -> dict[str, Array]:
        """Return the input and the output of the network as activations of layers, A0 and A3 beside Z1 and Z3."""
        numbers = [(name, re.fullmatch(r"([zZ])(\d+)", name)) for name in self.stages]
        layers = [(name, found[1], int(found[2])) for name, found in numbers if found]
        shaped = [name for name, symbol in self.stages.items() if symbol.type.ndim and symbol.type.dtype.is_float]
        if not layers or not shaped:
            return {}
        last, letter, number = layers[-1]
        if shaped[-1] == last or known[shaped[-1]].shape != known[last].shape:
            return {}
        activation = "A" if letter == "Z" else "a"
        data = next((node.name for node in self.record.program.inputs if not is_upstream(node)), "")
        aliases = {f"{activation}{number}": shaped[-1], **({f"{activation}0": data} if is_data(data) else {})}
        return {name: known[value] for name, value in aliases.items() if name not in known}

    def _spreads(self) -> Iterator[Mapping[Node, str]]:
        """Yield distributions for the inputs, until the forward pass is finite; as few as possible are positive.

        If all were positive, no activation would saturate and no sign change, so that a missing derivative would go
        unnoticed.
        """
        inputs = self.record.program.inputs
        normal: dict[Node, str] = dict.fromkeys(inputs, "normal")
        floats = [node for node in inputs if node.type.dtype.is_float]
        yield normal
        for spread in ("positive", "small"):
            for several in range(1, min(len(floats), 3)):
                for chosen in itertools.islice(itertools.combinations(floats, several), 40):
                    yield {**normal, **dict.fromkeys(chosen, spread)}
            yield dict.fromkeys(inputs, spread)

    def _draw(self, node: Input, bound: Node, spread: str, bounds: Mapping[Node, Any]) -> Array:
        shape = bound.type.concrete_shape
        target = None
        if shape and bound.type.dtype.is_float and node.name in self._masks:
            target = self._zeros_and_ones(shape)
        elif self._is_assumed(node) and shape and bound.type.dtype.is_float:
            target = self._target(node, shape)
        declared = self.record.program.properties(node)
        if target is not None and not declared:
            return target
        limit = bounds.get(bound)
        values = drawn(bound.type, spread, self._random, limit, declared=declared)
        if limit is not None and values.size:  # answers count the classes by Y.max() + 1
            values.flat[self._random.integers(values.size)] = concrete(limit) - 1
        return values

    def _target(self, node: Input, shape: tuple[int, ...]) -> Array | None:
        """Draw a target according to the assumption; None if it does not apply to this input."""
        dims = node.type.shape
        if self._assume in ("distribution", "columns"):
            if [str(dim) for dim in dims] == [self.batch]:  # a number for each sample; those of a batch do not sum to 1
                return None
            weights = self._random.uniform(0.1, 1.0, shape)
            axis = -min(2, len(shape)) if self._assume == "columns" else -1
            return np.asarray(weights / weights.sum(axis, keepdims=True))
        classes = [k for k, size in enumerate(shape) if size > 1 and str(dims[k]) != self.batch]
        if self._assume == "indicator" or not classes:
            return self._zeros_and_ones(shape)
        columns = [k for k in classes if k == max(len(shape) - 2, 0)] or classes  # of several samples or times
        axis = columns[0] if self._assume == "one-hot columns" else classes[-1]
        scores = self._random.standard_normal(shape)
        return np.asarray(scores == scores.max(axis, keepdims=True), float)

    def _zeros_and_ones(self, shape: tuple[int, ...]) -> Array:
        drawn = self._random.integers(0, 2, shape).astype(float)
        drawn.flat[0], drawn.flat[-1] = 1.0, 0.0
        return drawn

    def _is_assumed(self, node: Input) -> bool:
        """Whether an input is drawn as the assumption says, rather than freely."""
        return node.name in self._masks or (self._assume not in ("any", "masked") and is_target(node.name))

    def _named(self, values: Mapping[Node, Array]) -> dict[str, Array]:
        named: dict[str, Array] = {}
        for node in (*self.record.program.inputs, *self.stages.values()):
            named[node.name] = values[node]
        return named

    def _hidden_values(self, values: Mapping[Node, Array], sizes: Mapping[str, int]) -> list[Array]:
        """Return gradients with respect to unnamed intermediates."""
        steps, stages = self.vocabulary.hidden, self.vocabulary.all_stages
        nodes = [node for step in steps for node in step]
        nodes += [stage.symbol for stage in stages] + [stage.node for stage in stages]
        bound = self.vocabulary.bound(nodes, sizes)
        known = {bound[node]: values[node] for node in self.record.program.inputs if node in bound}
        forward = evaluate_nodes([bound[stage.node] for stage in stages], known)
        known.update({bound[stage.symbol]: forward[bound[stage.node]] for stage in stages})
        results = []
        for cotangent, result in steps:
            known[bound[cotangent]] = evaluate_nodes([bound[result]], known)[bound[result]]
            if isinstance(cotangent, Input) and cotangent.name.startswith(COTANGENT + "unnamed "):
                results.append(known[bound[cotangent]])
        return results


_MOST_MARGINS = 6
"""The number of such numbers that are tried."""


def _thresholds(program: Program) -> Iterator[tuple[Node, Node]]:
    """Yield what is compared with 0 at each kink that has a constant, with and without the constant."""
    for kink in find_kinks(program):
        whole = kink.left - kink.right
        left, right = _without_constant(kink.left), _without_constant(kink.right)
        if left is not None:
            yield whole, left - kink.right
        if right is not None:
            yield whole, kink.left - right


def margins(program: Program) -> list[float]:
    """Return the numbers, with their sign, that are added to what is compared with 0 at a kink."""
    parts = [part for kink in find_kinks(program) for part in topological_order([kink.left - kink.right])]
    numbers = [abs(n.value) for n in parts if isinstance(n, Const) and isinstance(n.value, int | float) and n.value]
    return list(dict.fromkeys(sign * number for number in numbers for sign in (1, -1)))[:_MOST_MARGINS]


def _without_constant(node: Node) -> Node | None:
    """Return a sum without the number or scalar in it, 0 for a number alone; None if there is none."""
    if _is_constant(node):
        return Const(0, node.type)
    match node:
        case Apply(Add() | Subtract(), (x, constant)) if _is_constant(constant):
            return x
        case Apply(Add(), (constant, x)) if _is_constant(constant):
            return x
        case Apply(Subtract(), (constant, x)) if _is_constant(constant):
            return -x
    return None


def _is_constant(node: Node) -> bool:
    """Whether a node is a number other than 0, or a scalar input, perhaps repeated."""
    match node:
        case Const(float() | int() as value):
            return value != 0
        case Input():
            return node.type.ndim == 0
        case Apply(Broadcast(), (x,)):
            return _is_constant(x)
    return False


def _sizes(which: int, count: int) -> list[int]:
    return [*SIZES[which], *range(11, 11 + count)][:count]
