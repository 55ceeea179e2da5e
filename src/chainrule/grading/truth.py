"""The correct quantities of the reference: those of its forward and backward pass, with values at random points.

The quantities and their names come from the record of the derivation: named values, the gradients with respect to them
and to unnamed intermediates, derivatives of activations, and every part of these expressions.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.calculus import Accumulation, operation_count
from chainrule.derivation import is_upstream, output_name, text_of
from chainrule.grading.comparison import TOLERANCE, Array, Candidates, agree, as_arrays, constant_ratios, same_shapes
from chainrule.grading.epsilon import difference, epsilons, without_epsilons
from chainrule.grading.names import TARGETS
from chainrule.grading.numbers import Numbers, corrected_sizes
from chainrule.grading.points import Assumption, Drawing
from chainrule.grading.quantities import Match, Quantity
from chainrule.grading.reduced import counted, reduced
from chainrule.grading.shares import is_difference, share_of
from chainrule.grading.vocabulary import LABEL_OPERATIONS, Kind, Vocabulary
from chainrule.ir import Apply, Input, Node, substitute, topological_order
from chainrule.primitives import Add, Subtract, evaluate_nodes


class Truth:
    """The quantities of one derivation at a few random points.

    `assume` draws targets of common kinds: rows that sum to 1, columns that do, or zeros and ones; and `masks`, unless
    it is "any", as zeros and ones.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        batch: str | None,
        assume: Assumption = "any",
        single: bool = False,
        masks: Collection[str] = (),
    ) -> None:
        self.vocabulary = vocabulary
        self.record = vocabulary.record
        self.batch = batch
        self.inputs = {node.name: node for node in self.record.program.inputs}
        self.upstream = {output_name(node): node.name for node in self.record.program.inputs if is_upstream(node)}
        self.stages = vocabulary.stages
        self._slacks: dict[str, list[float]] = {}
        self._sums: dict[str, list[Quantity]] = {}
        self._evaluate(Drawing(vocabulary, batch, assume, single, masks))

    # Quantities

    def formula(self, symbol: str, gradient: bool = True) -> str | None:
        """Return the derivation's expression for the gradient with respect to `symbol`, or for its value, or None."""
        for step in self.record.steps:
            if gradient and step.accumulation.symbol.name == symbol:
                node = self._written(self._spelled(step.chain.right if step.merge is None else step.merge.right))
                short = operation_count(node) <= 3 * LABEL_OPERATIONS
                return text_of(self.vocabulary.notator.of(node)) if short else None
        stage = next((s for s in self.record.backward.stages if s.name == symbol), None)
        return None if stage is None else text_of(self.vocabulary.notator.of(reduced(self._spelled(stage.expression))))

    def _spelled(self, node: Node) -> Node:
        """Return `node` with quantities that are unnamed in the reference substituted."""
        for entry in reversed(self.record.abbreviations):
            (node,) = substitute([node], {entry.symbol: entry.value})
        own = set(self.record.traced.names.values())
        for stage in reversed(self.record.backward.stages):
            if stage.name not in own:
                (node,) = substitute([node], {stage.symbol: stage.expression})
        return node

    def _written(self, node: Node) -> Node:
        return reduced(counted(node, self.numbers.counts()))

    # Values

    def _evaluate(self, drawing: Drawing) -> None:
        vocabulary = self.vocabulary
        points = list(drawing.points())
        self.decided = drawing.decided
        self.points = tuple(point for point, _ in points)
        columns = [column for _, column in points]
        self.numbers = Numbers(self.points, self.inputs.values(), corrected_sizes(self.record.program))
        described = [
            *(self._described(node, *said) for node, said in vocabulary.expressions.items()),
            *((label, "gradient", None) for label in vocabulary.hidden_labels),
        ]
        self.quantities: list[Quantity] = []
        summands = [vocabulary.summands.get(node, frozenset()) for node in vocabulary.expressions]
        summands += [frozenset()] * len(vocabulary.hidden_labels)
        for (label, kind, symbol), of, rows in zip(described, summands, zip(*columns, strict=True), strict=True):
            arrays = tuple(np.asarray(row, float) if np.asarray(row).dtype != bool else np.asarray(row) for row in rows)
            self.quantities.append(Quantity(label, _kind(kind), symbol, arrays, of))
        made = zip(vocabulary.expressions, self.quantities, strict=False)
        self._symbols = {node: quantity for node, quantity in made if isinstance(node, Input)}
        for name in self.record.program.dim_names:
            self.quantities.append(
                Quantity(name, "size", None, tuple(np.asarray(float(p.sizes[name])) for p in self.points))
            )
        self._by_size: dict[int, list[Quantity]] = {}
        for quantity in self.quantities:
            self._by_size.setdefault(quantity.values[0].size, []).append(quantity)
        self._candidates = {
            size: Candidates([quantity.values[0] for quantity in quantities])
            for size, quantities in self._by_size.items()
        }

    def _described(self, node: Node, label: str, kind: str, symbol: str | None) -> tuple[str, str, str | None]:
        """Return how an expression is called, in terms of the numbers that the reference has as variables."""
        renamed = counted(node, self.numbers.counts()) if kind == "part" and label else node
        return (label if renamed is node else self.vocabulary.label(reduced(renamed))), kind, symbol

    # Queries

    def gradient(self, name: str) -> Quantity | None:
        """Return the gradient with respect to the input or named value `name`, or None."""
        return next((q for q in self.quantities if q.kind == "gradient" and q.symbol == name), None)

    def derivatives(self) -> list[Quantity]:
        """Return σ′(z) of every activation."""
        return [q for q in self.quantities if q.kind == "derivative"]

    def without_terms(self, symbol: str, gradient: bool = True) -> list[tuple[str, list[Array]]]:
        """Return the gradient by `symbol`, or its value, without each term of a sum, with the name of the term."""
        backward = self.record.backward
        stages = [] if gradient else [s for s in backward.stages if s.name == symbol]
        roots: list[Node] = [node for s in stages for node in (s.expression, s.node)]
        for entry in (e for e in backward.accumulations if gradient and e.symbol.name == symbol):
            roots += [c.adjoint for c in entry.contributions] if len(entry.contributions) == 1 else []
            roots += [entry.chain, entry.result, self.record.write_out(entry.result)]
        if not roots:
            return []
        variants: dict[Node, tuple[Node, Node, Node]] = {}
        for root in dict.fromkeys(roots):
            for part in topological_order([root]):
                match part:
                    case Apply(Add(), (left, right)):
                        kept = right
                    case Apply(Subtract(), (left, right)):
                        kept = -right
                    case _:
                        continue
                for rest, term in ((left, right), (kept, left)):
                    found = root, term, share_of(root, part, term)
                    variants.setdefault(substitute([root], {part: rest})[0], found)
        wholes, shares = [root for root, _, _ in variants.values()], [share for _, _, share in variants.values()]
        columns = [self._values_of(nodes) for nodes in (list(variants), wholes, shares)] if variants else [[]] * 3
        result = []
        for (_, term, share), rest, whole, by_share in zip(variants.values(), *columns, strict=True):
            named = share if is_difference(by_share, whole, rest) else term  # a term of what a function is applied to
            result.append((self.vocabulary.label(self._written(named)), rest))
        return result

    def without_paths(self, symbol: str) -> list[tuple[str, list[Array]]]:
        """Return the gradient by `symbol` without what reaches it through some of the values computed from it.

        The names of these values come with it.
        """
        entry = next((e for e in self.record.backward.accumulations if e.symbol.name == symbol), None)
        if entry is None or len(entry.contributions) > _MOST_PATHS:
            return []
        names = [contribution.stage.name for contribution in entry.contributions]
        parts = self._values_of([contribution.adjoint for contribution in entry.contributions])
        partial = self._without_earlier_paths(entry)
        for count in range(1, len(names)):
            for kept in itertools.combinations(range(len(names)), count):
                left_out = dict.fromkeys(name for k, name in enumerate(names) if k not in kept)
                sums = [np.asarray(sum(columns)) for columns in zip(*(parts[k] for k in kept), strict=True)]
                partial.append((", ".join(left_out), sums))
        return partial

    def summed(self, symbol: str, arrays: Sequence[Array]) -> Match | None:
        """Return what values are, if they are some of the summands of a gradient, but neither one nor all."""
        if symbol not in self._sums:
            entry = next((e for e in self.record.backward.accumulations if e.symbol.name == symbol), None)
            terms = [] if entry is None else [contribution.adjoint for contribution in entry.contributions]
            kept = [some for k in range(2, len(terms)) for some in itertools.combinations(terms, k)]
            nodes = [sum(some[1:], start=some[0]) for some in kept] if len(terms) <= _MOST_PATHS else []
            columns = self._values_of(nodes) if nodes else []
            of = frozenset({symbol})
            self._sums[symbol] = [
                Quantity(self.vocabulary.label(node), "part", None, tuple(values), of)
                for node, values in zip(nodes, columns, strict=True)
            ]
        found = (q for q in self._sums[symbol] if same_shapes(arrays, q.values) and agree(arrays, q.values))
        return next((Match(quantity) for quantity in found), None)

    def _without_earlier_paths(self, entry: Accumulation) -> list[tuple[str, list[Array]]]:
        """Return a gradient without a summand of a gradient that it contains."""
        variants: dict[Node, str] = {}
        for other in self.record.backward.accumulations:
            if 1 < len(other.contributions) <= _MOST_PATHS:
                for left_out in other.contributions:
                    rest = [c.adjoint for c in other.contributions if c is not left_out]
                    (changed,) = substitute([entry.chain], {other.cotangent: sum(rest[1:], start=rest[0])})
                    if changed is not entry.chain:
                        variants.setdefault(changed, left_out.stage.name)
        return list(zip(variants.values(), self._values_of(list(variants)), strict=True)) if variants else []

    def _values_of(self, nodes: Sequence[Node]) -> list[list[Array]]:
        """Evaluate expressions over the symbols of the derivation at each point."""
        columns = []
        for number, point in enumerate(self.points):
            bound = self.vocabulary.bound([*nodes, *self._symbols], point.sizes)
            known = {
                bound[symbol]: quantity.values[number].astype(symbol.type.dtype.numpy)  # labels are stored as floats
                for symbol, quantity in self._symbols.items()
            }
            found = evaluate_nodes([bound[node] for node in nodes], known)
            columns.append([found[bound[node]] for node in nodes])
        return [list(column) for column in zip(*columns, strict=True)]

    def epsilons(self, symbol: str) -> tuple[float, ...]:
        """Return the constants ε of the reference on which the gradient by an input depends."""
        gradient = self._composed(symbol)
        return () if gradient is None else epsilons(gradient)

    def slack(self, symbol: str) -> list[float]:
        """Return the relative effect of these constants on the gradient by an input at each point."""
        if symbol not in self._slacks:
            gradient = self._composed(symbol)
            pair = [] if gradient is None or not epsilons(gradient) else [gradient, without_epsilons(gradient)]
            self._slacks[symbol] = [
                difference(a, b) for a, b in zip(*(self._values_of(pair) if pair else ()), strict=True)
            ]
        return self._slacks[symbol]

    def _composed(self, symbol: str) -> Node | None:
        """Return the gradient by an input as an expression over the inputs; None for other values."""
        found = self.record.backward
        return next((g for node, g in zip(found.wrt, found.gradients, strict=True) if node.name == symbol), None)

    def derivative_at_activation(self, symbol: str) -> list[Array] | None:
        """Return σ′ of the activation of `symbol`, evaluated at σ(z) instead of z, at each point, or None."""
        described = next(
            (s for s in self.record.stages if s.derivative is not None and s.stage.operands[0].name == symbol), None
        )
        if described is None or described.derivative is None:
            return None
        stage, results = described.stage, []
        (again,) = substitute([stage.expression], {stage.operands[0]: stage.symbol})
        for point in self.points:
            bound = self.vocabulary.bound(
                [described.derivative.right, again, stage.symbol, stage.operands[0]], point.sizes
            )
            output = point.values[stage.name]
            second = evaluate_nodes([bound[again]], {bound[stage.symbol]: output})[bound[again]]
            values = {bound[stage.symbol]: second, bound[stage.operands[0]]: output}
            results.append(
                evaluate_nodes([bound[described.derivative.right]], values)[bound[described.derivative.right]]
            )
        return results

    def identify(self, values: Sequence[Any], claim: str | None = None, name: str = "") -> Match | None:
        """Identify `values`, one at each point; of several matches, return the one that the name claims."""
        arrays = as_arrays(values)
        if arrays is None:
            return None
        best: tuple[tuple[int, ...], Match] | None = None
        size = arrays[0].size
        for place in self._candidates[size].near(arrays[0]) if size in self._candidates else ():
            quantity = self._by_size[size][place]
            match = self._matched(arrays, quantity)
            if match is None:
                continue
            order = _KINDS[quantity.kind]
            claimed = quantity.kind == "gradient" and quantity.symbol is not None and quantity.symbol == claim
            own = quantity.kind in ("forward", "input") and quantity.symbol == name
            rank = (
                0 if own or claimed else 1 if claim in quantity.summand_of else 2,
                _exactness(match),
                0 if quantity.label else 1,
                order,
                len(quantity.label),
            )
            if best is None or rank < best[0]:
                best = rank, match
        return self._number(arrays) if best is None else best[1]

    def entry(self, rounds: Sequence[Sequence[Array]]) -> Match | None:
        """Identify numbers that are entries of one quantity, those of each round of a loop at each point."""
        if any(array.size != 1 for arrays in rounds for array in arrays):
            return None
        found = [np.unique([float(array.reshape(())) for array in arrays]) for arrays in rounds]
        if any(len(numbers) < _FEWEST_ENTRIES for numbers in found):
            return None
        known = [q for q in self.quantities if q.label and q.values[0].ndim and q.values[0].dtype != bool]
        for quantity in sorted(known, key=lambda q: (_KINDS[q.kind], len(q.label))):
            if all(_are_entries(numbers, value) for numbers, value in zip(found, quantity.values, strict=True)):
                return Match(quantity, index="ᵢⱼ"[: min(quantity.values[0].ndim, 2)])
        return None

    def _number(self, arrays: Sequence[Array]) -> Match | None:
        """Identify a number that is determined by the sizes."""
        if any(array.size != 1 for array in arrays):
            return None
        label = self.numbers.label([float(array.reshape(())) for array in arrays])
        return (
            None
            if label is None or label.startswith("−")
            else Match(Quantity(label or "1", "size", None, tuple(arrays)))
        )

    def _matched(self, arrays: Sequence[Array], quantity: Quantity) -> Match | None:
        if agree(arrays, quantity.values):
            return Match(quantity, reshaped=arrays[0].shape != quantity.values[0].shape)
        if arrays[0].size == 1:
            return None
        if all(a.ndim == 2 and min(a.shape) > 1 for a in arrays) and agree([a.T for a in arrays], quantity.values):
            return Match(quantity, transposed=True)
        if quantity.kind in ("part", "size", "input") and not quantity.summand_of:
            return None
        ratios = constant_ratios(arrays, quantity.values)
        factor = None if ratios is None else self.numbers.label(ratios)
        return None if factor is None else Match(quantity, factor)


_KINDS: Mapping[Kind, int] = {"gradient": 0, "derivative": 1, "forward": 2, "input": 2, "size": 2, "part": 3}
_FEWEST_ENTRIES = 4
_MOST_PATHS = 6


def _are_entries(numbers: Array, values: Array) -> bool:
    """Whether sorted numbers are among the entries of an array."""
    entries = np.sort(values, axis=None)
    if len(entries) < len(numbers):
        return False
    place = np.clip(np.searchsorted(entries, numbers), 1, len(entries) - 1)
    nearest = np.minimum(np.abs(entries[place] - numbers), np.abs(entries[place - 1] - numbers))
    return float(nearest.max()) <= TOLERANCE * TOLERANCE * max(float(np.abs(entries).max()), 1e-9)


def _exactness(match: Match) -> int:
    """Return the distance of a match from a named quantity; −∂L/∂a2 is preferred to its part y − a2."""
    quantity = match.quantity
    if not match.is_exact:
        return 1 if match.factor == "−" and quantity.kind == "gradient" else 4
    if quantity.kind == "gradient" and (quantity.symbol or "").casefold() in TARGETS:
        return 3
    return 2 if quantity.kind == "part" else 0


def _kind(text: str) -> Kind:
    for kind in ("input", "forward", "derivative", "gradient", "part", "size"):
        if kind == text:
            return kind
    raise ValueError(text)
