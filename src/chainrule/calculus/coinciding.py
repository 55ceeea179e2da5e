"""Detection of kinks that coincide, by evaluation at random points where one of them has a tie.

Kinks that are elementwise functions of common values coincide if the others have a tie there as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus.kinks import Kink
from chainrule.ir import Apply, ArrayType, Const, DType, Node, Program, SymbolicDim, applies, topological_order
from chainrule.primitives import Add, Broadcast, Cast, Compare, Multiply, Negate, Primitive, Subtract

Values = Mapping[Node, NDArray[np.float64]]

GROUP_LIMIT = 24
"""The number of kinks of common values above which none is compared."""
_SAMPLES = 5
_REACH = np.sinh(np.linspace(-8.0, 8.0, 97))
"""The values of one variable among which a tie is sought."""
_HALVINGS = 80
_NEAR = 1e-4
TIE = 1e-9
"""The relative difference up to which values count as equal."""
_SIZE = 7.25
"""The value of a named size at a random point."""


@dataclass(frozen=True, eq=False)
class Tie:
    """Points where a kink has a tie, and on both sides of them, as values of the leaves of the kinks."""

    at: Values
    below: Values
    above: Values


def _is_pointwise(node: Node) -> bool:
    match node:
        case Apply(Broadcast(), (x,)):
            return x.type.ndim == 0
        case Apply(Primitive(is_pointwise=True), operands):
            return all(operand.type.dtype is not DType.INT64 for operand in operands)
    return False


class Leaves:
    """The leaves of elementwise expressions, and those of them that are summands."""

    def __init__(self, program: Program, kinks: Iterable[Kink]) -> None:
        self.all: dict[Node, frozenset[Node]] = {}
        self.summed: dict[Node, frozenset[Node]] = {}
        self.choices: dict[Node, list[Apply]] = {}
        zeros = (kink.right for kink in kinks if isinstance(kink.right, Const))
        for node in (*zeros, *program.nodes):
            if isinstance(node, Const) and node.is_filled:
                self.all[node] = self.summed[node] = frozenset()
            elif not _is_pointwise(node):
                self.all[node] = self.summed[node] = frozenset([node])
            else:
                assert isinstance(node, Apply)
                self.all[node] = frozenset().union(*(self.all[o] for o in node.operands))
                self.summed[node] = self.of_sum(node.operands) if _is_sum(node) else frozenset()
                for operand in node.operands:
                    if applies(operand, Compare):
                        self.choices.setdefault(operand, []).append(node)

    def of(self, kinks: Iterable[Kink]) -> frozenset[Node]:
        """Return the leaves of `kinks`, and of the values selected by those that are conditions."""
        nodes = [node for kink in kinks for node in (kink.left, kink.right, *self.choices.get(kink.node, ()))]
        return frozenset().union(*(self.all[node] for node in nodes))

    def of_sum(self, terms: Sequence[Node]) -> frozenset[Node]:
        """Return the leaves that occur in one term only, and there as a summand."""
        found: set[Node] = set()
        for k, term in enumerate(terms):
            found |= self.summed[term].difference(*(self.all[o] for o in (*terms[:k], *terms[k + 1 :])))
        return frozenset(found)

    def may_coincide(self, first: Kink, second: Kink) -> bool:
        """Whether the kinks have common leaves, and neither has a further one that moves its tie."""
        pairs = [(kink.left, kink.right) for kink in (first, second)]
        values = [self.all[left] | self.all[right] for left, right in pairs]
        summed = [self.of_sum(pair) for pair in pairs]
        return bool(values[0] & values[1]) and summed[0] <= values[1] and summed[1] <= values[0]


def _is_sum(node: Apply) -> bool:
    match node:
        case Apply(Add() | Subtract() | Negate() | Broadcast()):
            return True
        case Apply(Multiply(), factors):
            return any(isinstance(factor, Const) and not factor.filled_with(0) for factor in factors)
    return False


def coinciding(kinks: Sequence[Kink], leaves: Leaves) -> list[list[Kink]]:
    """Group the kinks that have ties at the same points."""
    candidates = _joined(
        kinks, [pair for pair in itertools.combinations(kinks, 2) if leaves.may_coincide(*pair)] if _few(kinks) else []
    )
    groups: list[list[Kink]] = []
    for candidate in candidates:
        if len(candidate) == 1 or len(candidate) > GROUP_LIMIT:
            groups += [[kink] for kink in candidate]
            continue
        pairs = []
        always = {kink for kink in candidate if holds(kink, random_values(candidate, leaves)).all()}
        candidate = [kink for kink in candidate if kink not in always]
        groups += [[kink] for kink in always]  # 0 = max(0·x, 0) has no kink
        for kink in candidate:
            for tie in find_ties(kink, candidate, leaves):
                pairs += [(kink, other) for other in candidate if other is not kink and holds(other, tie.at).any()]
        groups += _joined(candidate, pairs)
    return groups


def _few(kinks: Sequence[Kink]) -> bool:
    return len(kinks) <= 500


def _joined(kinks: Sequence[Kink], pairs: Iterable[tuple[Kink, Kink]]) -> list[list[Kink]]:
    """Group the kinks that `pairs` connect, in order."""
    group = {kink: [kink] for kink in kinks}
    for first, second in pairs:
        if group[first] is not group[second]:
            group[first] += group[second]
            for kink in group[second]:
                group[kink] = group[first]
    order = {kink: k for k, kink in enumerate(kinks)}
    found = {id(members): members for members in group.values()}
    return [sorted(members, key=order.__getitem__) for members in found.values()]


def find_ties(kink: Kink, group: Sequence[Kink], leaves: Leaves, samples: int = _SAMPLES) -> list[Tie]:
    """Return random points where `kink` has a tie, sought along each of its leaves."""
    random = np.random.default_rng(0)
    own = leaves.all[kink.left] | leaves.all[kink.right]
    every = [leaf for leaf in leaves.all if leaf in leaves.of(group)]
    base = {leaf: _drawn(random, leaf.type, samples) for leaf in every}
    found = []
    for moved in every:
        if moved not in own or not moved.type.dtype.is_float:
            continue
        spread = {leaf: value[:, None] for leaf, value in base.items()}
        places = _REACH + random.uniform(-0.01, 0.01, _REACH.size)
        differences = np.broadcast_to(difference(kink, {**spread, moved: places}), (samples, places.size))
        with np.errstate(all="ignore"):
            rows, columns = np.nonzero(differences[:, :-1] * differences[:, 1:] < 0)
        if not rows.size:
            continue
        fixed = {leaf: value[rows] for leaf, value in base.items()}
        low, high = places[columns], places[columns + 1]
        negative = differences[rows, columns] < 0
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            same = (difference(kink, {**fixed, moved: middle}) < 0) == negative
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        kept = holds(kink, {**fixed, moved: low})  # a pole or a step is not a tie
        for place in (low, high) if kept.any() else ():  # a condition may hold on only one of the two sides
            at = {leaf: value[kept] for leaf, value in {**fixed, moved: place}.items()}
            step = _NEAR * (1 + np.abs(at[moved]))
            found.append(Tie(at, {**at, moved: at[moved] - step}, {**at, moved: at[moved] + step}))
    return found


def random_values(group: Sequence[Kink], leaves: Leaves) -> Values:
    """Return random points, at which kinks have ties only by accident."""
    random = np.random.default_rng(1)
    return {leaf: _drawn(random, leaf.type, 200) for leaf in leaves.all if leaf in leaves.of(group)}


def _drawn(random: np.random.Generator, type_: ArrayType, count: int) -> NDArray[np.float64]:
    if type_.dtype is DType.BOOL:
        return np.asarray(random.random(count) < 0.5)
    if type_.dtype is DType.INT64:
        return np.asarray(random.integers(0, 4, count))
    return np.asarray(random.normal(0, 1.5, count))


def evaluated(node: Node, values: Values) -> NDArray[np.float64]:
    """Evaluate `node` at random points, from the values of its leaves."""
    known = dict(values)
    for part in topological_order([node], stop=known):
        if part in known:
            continue
        match part:
            case Const(SymbolicDim()):
                known[part] = np.asarray(_SIZE)
            case Const():
                known[part] = np.asarray(part.value)
            case Apply(Cast() | Broadcast(), (x,)):
                known[part] = known[x] * 1.0 if part.type.dtype.is_float else known[x]
            case Apply(primitive, operands):
                with np.errstate(all="ignore"):
                    known[part] = np.asarray(primitive.value(*(known[operand] for operand in operands)))
    return known[node]


def difference(kink: Kink, values: Values) -> NDArray[np.float64]:
    """Evaluate the left side of a kink minus the right one."""
    with np.errstate(all="ignore"):
        return np.asarray(evaluated(kink.left, values) - evaluated(kink.right, values), float)


def holds(kink: Kink, values: Values) -> NDArray[np.bool_]:
    """Return the mask of points where `kink` has a tie."""
    left, right = (np.asarray(evaluated(node, values), float) for node in (kink.left, kink.right))
    count = max(len(value) for value in values.values())
    with np.errstate(all="ignore"):
        return np.broadcast_to(np.abs(left - right) <= TIE * (1 + np.abs(left)), (count,))
