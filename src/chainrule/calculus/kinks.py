"""Where a function has a kink, such as a maximum at a tie, and the derivative that it is given there.

A kink that is alone may have any slope between those of its two sides: where the whole function is differentiable
although one of its kinks is met, the chain rule multiplies that slope by 0. So `max(x, 0)` alone is relu, with the
derivative 0 at 0, and operands of other maxima that tie share the derivative, as in JAX and autograd.

Kinks that coincide, as those of max(x, 0) + min(x, 0), must agree on it. Sharing ties is right for any number of them
in smooth functions, since it takes the mean of both sides. It is not where one kink lies within another, as in
min(|x|, x) = x, or beneath a condition: these take the side of the tie on which the conditions hold as they do at it.

Which kinks coincide is asked at random points where one of them ties: of kinks that are computed element by element
from common values, whether the other ties there as well.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus.linearize import linearize
from chainrule.calculus.rules import Rule, applied, is_filled
from chainrule.calculus.simplify import Rewrite, Simplifier
from chainrule.ir import Apply, ArrayType, Const, DType, Input, Node, Program, SymbolicDim, topological_order
from chainrule.primitives import (
    Abs,
    Add,
    Broadcast,
    Cast,
    Compare,
    Comparison,
    Elementwise,
    LeakyRelu,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    Maximum,
    Minimum,
    Multiply,
    Negate,
    Relu,
    Subtract,
    Where,
    zeros,
)

Values = Mapping[Node, NDArray[np.float64]]

GROUP_LIMIT = 24
"""Of more kinks of common values, none is compared with another."""
_SAMPLES = 5
_REACH = np.sinh(np.linspace(-8.0, 8.0, 97))
"""Where a tie is looked for, along one value."""
_HALVINGS = 80
_NEAR = 1e-4
_TIE = 1e-9
_SIZE = 7.25
"""What a named size counts as at a random point."""

_POINTWISE = (Elementwise, Add, Subtract, Negate, Multiply, Where, Cast)
_OPPOSITE: dict[Comparison, Comparison] = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}


@dataclass(frozen=True, eq=False)
class Kink:
    """A function with a kink where `left` equals `right`; of a choice, `node` is the condition."""

    node: Apply
    left: Node
    right: Node

    @property
    def is_condition(self) -> bool:
        """Whether it is the condition of a choice."""
        return isinstance(self.node.primitive, Compare)


@dataclass(frozen=True, eq=False)
class _Tie:
    """Points where a kink ties, and on both sides of them: the values that the kinks are computed from."""

    at: Values
    below: Values
    above: Values


@dataclass(frozen=True)
class _Change:
    """What becomes of a kink: `side` is the sign of left − right with which a tie counts, 0 where both sides share."""

    rule: str
    side: float = 0
    values: Mapping[Node, float] | None = None
    """The direction in which one goes from the tie, where no side is the same at all points."""


def _relu(node: Apply) -> Node | None:
    x, y = node.operands
    return Relu()(x) if is_filled(y, 0) else Relu()(y) if is_filled(x, 0) else None


_X = Input("x", ArrayType(()))
RELU = Rule("max(x, 0) → relu(x)", (Maximum,), _relu, lambda: [Maximum()(_X, Const(0, _X.type))])
"""Not in the table, since it changes a derivative; it is for a maximum that is alone."""
SHARED = "kinks that coincide share a tie"
SIDED = "kinks that coincide take one side of a tie"


def settle_kinks(program: Program) -> tuple[Program, tuple[Rewrite, ...]]:
    """`program` with the derivative at each kink settled, and the rewrites that did it; no value changes."""
    kinks = find_kinks(program)
    if not kinks:
        return program, ()
    leaves = _Leaves(program, kinks)
    changes: dict[Kink, _Change] = {}
    for group in _coinciding(kinks, leaves):
        if len(group) > 1:
            changes.update(_settled(group, leaves))
        elif _is_relu(group[0]):
            changes[group[0]] = _Change(RELU.name, 0)
    return _changed(program, {kink.node: change for kink, change in changes.items()})


def find_kinks(program: Program) -> list[Kink]:
    """Every kink of a program: maxima, magnitudes and their kin, and conditions of choices."""
    found: dict[Node, Kink] = {}
    for node in program.nodes:
        if not isinstance(node, Apply):
            continue
        if isinstance(node.primitive, Maximum | Minimum):
            found[node] = Kink(node, *node.operands)
        elif isinstance(node.primitive, Abs | Relu | LeakyRelu):
            found[node] = Kink(node, node.operands[0], Const(0, node.type))
        elif isinstance(node.primitive, Where):
            for part in topological_order([node.operands[0]]):
                if _is_ordering(part):
                    found[part] = Kink(part, *part.operands)
    return list(found.values())


def _is_ordering(node: Node) -> TypeGuard[Apply]:
    """Whether `node` compares the sizes of floats."""
    compared = applied(node, Compare)
    return (
        compared is not None and compared.primitive.comparison in _OPPOSITE and compared.operands[0].type.dtype.is_float
    )


def _is_relu(kink: Kink) -> bool:
    """Whether it is a maximum with 0."""
    return isinstance(kink.node.primitive, Maximum) and (is_filled(kink.left, 0) or is_filled(kink.right, 0))


def _is_pointwise(node: Node) -> bool:
    if not isinstance(node, Apply):
        return False
    if isinstance(node.primitive, Broadcast):
        return node.operands[0].type.ndim == 0
    return isinstance(node.primitive, _POINTWISE) and all(o.type.dtype is not DType.INT64 for o in node.operands)


class _Leaves:
    """The values that each node is computed from element by element; those that it is a sum of, among others."""

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
                    if isinstance(operand, Apply) and isinstance(operand.primitive, Compare):
                        self.choices.setdefault(operand, []).append(node)

    def of(self, kinks: Iterable[Kink]) -> frozenset[Node]:
        """The values that `kinks` are computed from, and what is chosen by those that are conditions."""
        nodes = [node for kink in kinks for node in (kink.left, kink.right, *self.choices.get(kink.node, ()))]
        return frozenset().union(*(self.all[node] for node in nodes))

    def of_sum(self, terms: Sequence[Node]) -> frozenset[Node]:
        """The values that occur in one term alone, and there as a summand."""
        found: set[Node] = set()
        for k, term in enumerate(terms):
            found |= self.summed[term].difference(*(self.all[o] for o in (*terms[:k], *terms[k + 1 :])))
        return frozenset(found)

    def may_coincide(self, first: Kink, second: Kink) -> bool:
        """Whether they have common values, and neither has one more that moves its tie."""
        pairs = [(kink.left, kink.right) for kink in (first, second)]
        values = [self.all[left] | self.all[right] for left, right in pairs]
        summed = [self.of_sum(pair) for pair in pairs]
        return bool(values[0] & values[1]) and summed[0] <= values[1] and summed[1] <= values[0]


def _is_sum(node: Apply) -> bool:
    if isinstance(node.primitive, Multiply):
        return any(isinstance(operand, Const) and not operand.filled_with(0) for operand in node.operands)
    return isinstance(node.primitive, Add | Subtract | Negate | Broadcast)


def _coinciding(kinks: Sequence[Kink], leaves: _Leaves) -> list[list[Kink]]:
    """The kinks in groups that tie together."""
    candidates = _joined(
        kinks, [pair for pair in itertools.combinations(kinks, 2) if leaves.may_coincide(*pair)] if _few(kinks) else []
    )
    groups: list[list[Kink]] = []
    for candidate in candidates:
        if len(candidate) == 1 or len(candidate) > GROUP_LIMIT:
            groups += [[kink] for kink in candidate]
            continue
        pairs = []
        always = {kink for kink in candidate if _holds(kink, _random_values(candidate, leaves)).all()}
        candidate = [kink for kink in candidate if kink not in always]
        groups += [[kink] for kink in always]  # 0 = max(0·x, 0) has no kink
        for kink in candidate:
            for tie in _ties(kink, candidate, leaves):
                pairs += [(kink, other) for other in candidate if other is not kink and _holds(other, tie.at).any()]
        groups += _joined(candidate, pairs)
    return groups


def _few(kinks: Sequence[Kink]) -> bool:
    return len(kinks) <= 500


def _joined(kinks: Sequence[Kink], pairs: Iterable[tuple[Kink, Kink]]) -> list[list[Kink]]:
    """The kinks in groups that `pairs` connect, in their order."""
    group = {kink: [kink] for kink in kinks}
    for first, second in pairs:
        if group[first] is not group[second]:
            group[first] += group[second]
            for kink in group[second]:
                group[kink] = group[first]
    order = {kink: k for k, kink in enumerate(kinks)}
    found = {id(members): members for members in group.values()}
    return [sorted(members, key=order.__getitem__) for members in found.values()]


# Random points ------------------------------------------------------------------------------------------------------


def _ties(kink: Kink, group: Sequence[Kink], leaves: _Leaves) -> list[_Tie]:
    """Random points where `kink` ties, found along each of the values that it is computed from."""
    random = np.random.default_rng(0)
    own = leaves.all[kink.left] | leaves.all[kink.right]
    every = [leaf for leaf in leaves.all if leaf in leaves.of(group)]
    base = {leaf: _drawn(random, leaf.type, _SAMPLES) for leaf in every}
    found = []
    for moved in every:
        if moved not in own or not moved.type.dtype.is_float:
            continue
        spread = {leaf: value[:, None] for leaf, value in base.items()}
        places = _REACH + random.uniform(-0.01, 0.01, _REACH.size)
        differences = np.broadcast_to(_difference(kink, {**spread, moved: places}), (_SAMPLES, places.size))
        with np.errstate(all="ignore"):
            rows, columns = np.nonzero(differences[:, :-1] * differences[:, 1:] < 0)
        if not rows.size:
            continue
        fixed = {leaf: value[rows] for leaf, value in base.items()}
        low, high = places[columns], places[columns + 1]
        negative = differences[rows, columns] < 0
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            same = (_difference(kink, {**fixed, moved: middle}) < 0) == negative
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        kept = _holds(kink, {**fixed, moved: low})  # a pole or a step is no tie
        for place in (low, high) if kept.any() else ():  # a condition may hold on one of the two sides alone
            at = {leaf: value[kept] for leaf, value in {**fixed, moved: place}.items()}
            step = _NEAR * (1 + np.abs(at[moved]))
            found.append(_Tie(at, {**at, moved: at[moved] - step}, {**at, moved: at[moved] + step}))
    return found


def _random_values(group: Sequence[Kink], leaves: _Leaves) -> Values:
    random = np.random.default_rng(1)
    return {leaf: _drawn(random, leaf.type, 200) for leaf in leaves.all if leaf in leaves.of(group)}


def _drawn(random: np.random.Generator, type_: ArrayType, count: int) -> NDArray[np.float64]:
    if type_.dtype is DType.BOOL:
        return np.asarray(random.random(count) < 0.5)
    if type_.dtype is DType.INT64:
        return np.asarray(random.integers(0, 4, count))
    return np.asarray(random.normal(0, 1.5, count))


def _evaluated(node: Node, values: Values) -> NDArray[np.float64]:
    """`node` at random points, from the values that it is computed from element by element."""
    known = dict(values)
    for part in topological_order([node], stop=known):
        if part in known:
            continue
        if isinstance(part, Const):
            known[part] = np.asarray(_SIZE if isinstance(part.value, SymbolicDim) else part.value)
        else:
            assert isinstance(part, Apply)
            operands = [known[operand] for operand in part.operands]
            if isinstance(part.primitive, Cast | Broadcast):
                known[part] = operands[0] * 1.0 if part.type.dtype.is_float else operands[0]
            else:
                with np.errstate(all="ignore"):
                    known[part] = np.asarray(part.primitive.value(*operands))
    return known[node]


def _difference(kink: Kink, values: Values) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):
        return np.asarray(_evaluated(kink.left, values) - _evaluated(kink.right, values), float)


def _holds(kink: Kink, values: Values) -> NDArray[np.bool_]:
    """At which points `kink` ties."""
    left, right = (np.asarray(_evaluated(node, values), float) for node in (kink.left, kink.right))
    count = max(len(value) for value in values.values())
    with np.errstate(all="ignore"):
        return np.broadcast_to(np.abs(left - right) <= _TIE * (1 + np.abs(left)), (count,))


# What becomes of kinks that coincide ----------------------------------------------------------------------------------


def _settled(group: Sequence[Kink], leaves: _Leaves) -> dict[Kink, _Change]:
    nodes = {kink.node for kink in group}
    within = (part for kink in group for part in topological_order([kink.left, kink.right]))
    if any(kink.is_condition for kink in group) or not nodes.isdisjoint(within):
        sided = _sided(group, leaves) or _outermost(group, leaves)
        if sided is None:
            values = [leaf for leaf in leaves.all if leaf in leaves.of(group) and leaf.type.dtype.is_float]
            speeds = {leaf: _speed(k) for k, leaf in enumerate(values)}
            return {kink: _Change(SIDED, values=speeds) for kink in group}
        return sided
    return {kink: _Change(SHARED) for kink in group if isinstance(kink.node.primitive, Relu | LeakyRelu)}


def _outermost(group: Sequence[Kink], leaves: _Leaves) -> dict[Kink, _Change] | None:
    """The outermost maximum or minimum with the side of an operand without kinks; None where that is not right.

    So min(r·a, clip(r)·a) takes r·a at a tie. Where it takes the other, the kinks of clip are alone, if any ties.
    """
    outer = group[-1]
    inner = {kink.node for kink in group[:-1]}
    if not isinstance(outer.node.primitive, Maximum | Minimum):
        return None
    if not inner <= set(topological_order([outer.left, outer.right])):
        return None
    ties = [tie for kink in group for tie in _ties(kink, group, leaves)]
    for tie in ties:
        count = sum(_holds(kink, tie.at).astype(int) for kink in group)
        if not np.all(_holds(outer, tie.at) | (count <= 1)):
            return None
    for operand, sign in ((outer.left, 1.0), (outer.right, -1.0)):
        if inner.isdisjoint(topological_order([operand])) and all(_is_on_a_side(operand, outer, tie) for tie in ties):
            return {outer: _Change(SIDED, sign if isinstance(outer.node.primitive, Maximum) else -sign)}
    return None


def _is_on_a_side(operand: Node, kink: Kink, tie: _Tie) -> bool:
    """Whether, where the maximum or minimum ties, it is this operand on one side."""
    below, above = (
        np.isclose(_evaluated(kink.node, values), _evaluated(operand, values), rtol=_TIE, atol=_TIE)
        for values in (tie.below, tie.above)
    )
    return bool(np.all(below | above | ~_holds(kink, tie.at)))


def _speed(place: int) -> float:
    """A number of which no simple multiple is that of another place."""
    return round(1 + math.sin(1 + place) / 2, 3)


def _sided(group: Sequence[Kink], leaves: _Leaves) -> dict[Kink, _Change] | None:
    """Each kink of a group with the side that it takes at the tie; None where the sides differ from point to point."""
    reference, ties = next(((kink, ties) for kink in group if (ties := _ties(kink, group, leaves))), (group[0], []))
    # The signs of each difference where that of the reference is negative, and where it is positive.
    signs: dict[Kink, list[set[float]]] = {kink: [set(), set()] for kink in group}
    for tie in ties:
        for values in (tie.below, tie.above):
            places = (_difference(reference, values) > 0).astype(int)
            for kink in group:
                found = np.broadcast_to(np.sign(_difference(kink, values)), places.shape)
                held = _holds(kink, tie.at)
                for sign, place in zip(found[held], places[held], strict=True):
                    if sign:  # it may tie on the whole side, where either operand is right
                        signs[kink][place].add(float(sign))
    everywhere = all(any(_holds(kink, tie.at).any() for tie in ties) for kink in group)
    if not ties or not everywhere or any(len(known) > 1 for pair in signs.values() for known in pair):
        return None
    side = _side(group, signs)
    changes = {}
    for kink in group:
        (sign,) = signs[kink][side] or {1.0}
        if not kink.is_condition:
            changes[kink] = _Change(SIDED, sign)
        elif _truth_at_tie(kink) != _truth(kink, sign):
            own = _ties(kink, group, leaves)
            points = [values for tie in (*ties, *own) for values in (tie.at, tie.below, tie.above)]
            if not _is_continuous(kink, [*points, _random_values(group, leaves)], leaves):
                return None
            changes[kink] = _Change(SIDED, sign)
    return changes


def _side(group: Sequence[Kink], signs: Mapping[Kink, list[set[float]]]) -> int:
    """The side on which most conditions hold as they do at the tie; else the one on which relu is 0."""

    def score(side: int) -> tuple[int, int]:
        conditions = relus = 0
        for kink in group:
            (sign,) = signs[kink][side] or {0.0}
            if kink.is_condition:
                conditions += _truth_at_tie(kink) == _truth(kink, sign)
            elif isinstance(kink.node.primitive, Relu):
                relus += sign < 0
        return conditions, relus

    return max((0, 1), key=score)


def _truth_at_tie(kink: Kink) -> bool:
    return "=" in kink.node.primitive.comparison


def _truth(kink: Kink, sign: float) -> bool:
    return (sign > 0) == (">" in kink.node.primitive.comparison)


def _is_continuous(condition: Kink, points: Sequence[Values], leaves: _Leaves) -> bool:
    """Whether what is chosen by this condition alone is equal wherever it ties, so that either may be taken there."""
    for choice in leaves.choices.get(condition.node, ()):
        if not isinstance(choice.primitive, Where):
            return False
        for values in points:
            held = _holds(condition, values)
            first, second = (np.broadcast_to(_evaluated(x, values), held.shape)[held] for x in choice.operands[1:])
            if not np.allclose(first, second, rtol=_TIE, atol=_TIE):
                return False
    return True


def _changed(program: Program, changes: Mapping[Node, _Change]) -> tuple[Program, tuple[Rewrite, ...]]:
    rewrites: list[Rewrite] = []
    made: dict[Node, Node] = {}
    as_it_was: dict[Node, Node] = {}
    for node in program.nodes:
        made[node] = node
        if not isinstance(node, Apply):
            continue
        before = made[node] = Apply(node.primitive, tuple(made[operand] for operand in node.operands))
        condition = node.operands[0] if isinstance(node.primitive, Where) else None
        change = changes.get(node if condition is None else condition)
        if change is None:
            continue
        if change.values is not None:
            seeds = {made[leaf]: Const(speed, leaf.type) for leaf, speed in change.values.items() if leaf in made}
            made[node] = _directed(before, seeds)
        elif condition is not None:  # the choice is what stays the same, not its condition
            before = Apply(node.primitive, (as_it_was[condition], *before.operands[1:]))
        else:
            made[node] = _replaced(before, change.side)
        if isinstance(node.primitive, Compare):
            as_it_was[node] = before
        elif made[node] is not before:
            rewrites.append(Rewrite(change.rule, before, made[node]))
    if not rewrites:
        return program, ()
    names = {made[node]: name for node, name in program.names.items()}
    return Program(program.inputs, tuple(made[output] for output in program.outputs), names), tuple(rewrites)


def _directed(node: Apply, seeds: Mapping[Node, Node]) -> Node:
    """`node` with the derivative of the side of its tie to which the direction `seeds` leads."""

    def before(x: Node, y: Node) -> Node:
        """Whether x < y, at a tie as soon as one goes in that direction."""
        speeds = [
            zeros(side.type) if v is None else v for side, v in zip((x, y), linearize([x, y], seeds), strict=True)
        ]
        sooner = Compare("<")(*map(Simplifier(), speeds))
        return LogicalOr()(Compare("<")(x, y), LogicalAnd()(Compare("==")(x, y), sooner))

    x, *others = node.operands
    zero = Const(0, x.type)
    match node.primitive:
        case Maximum():
            return Where()(before(x, others[0]), others[0], x)
        case Minimum():
            return Where()(before(x, others[0]), x, others[0])
        case Abs():
            return Where()(before(x, zero), Negate()(x), x)
        case Relu():
            return Where()(before(x, zero), zero, x)
        case LeakyRelu(slope):
            return Where()(before(x, zero), Multiply()(Const(slope, x.type), x), x)
        case Where():
            condition = applied(x, Compare)
            if condition is None:
                return node
            left, right = condition.operands
            if ">" in condition.primitive.comparison:
                left, right = right, left
            tied = LogicalAnd()(Compare("==")(left, right), Compare("==")(*others))  # either may be taken there
            held = LogicalAnd()(LogicalNot()(tied), condition)
            return Where()(LogicalOr()(held, LogicalAnd()(tied, before(left, right))), *others)
    return node


def _replaced(node: Apply, side: float) -> Node:
    """`node` with another derivative at its tie. What is taken keeps NaN wherever a comparison with it fails."""
    x, *others = node.operands
    zero = Const(0, x.type)
    match node.primitive:
        case Compare(comparison):
            return Compare(_OPPOSITE[comparison])(*node.operands)
        case Maximum():
            (y,) = others
            if side == 0:
                return _relu(node) or node
            if side > 0:
                return Relu()(y) if is_filled(x, 0) else _chosen(x, "<", y, y, x)
            return Relu()(x) if is_filled(y, 0) else _chosen(y, "<", x, x, y)
        case Minimum():
            (y,) = others
            return node if side == 0 else _chosen(x, "<", y, x, y) if side > 0 else _chosen(y, "<", x, y, x)
        case Abs():
            if side == 0:
                return node
            return _chosen(x, "<", zero, Negate()(x), x) if side > 0 else _chosen(x, ">", zero, x, Negate()(x))
        case Relu():
            return Maximum()(x, zero) if side == 0 else _chosen(x, "<", zero, zero, x) if side > 0 else node
        case LeakyRelu(slope):
            scaled = Multiply()(Const(slope, x.type), x)
            if side == 0:
                return (Maximum() if slope <= 1 else Minimum())(x, scaled)
            return _chosen(x, "<", zero, scaled, x) if side > 0 else node
    return node


def _chosen(x: Node, comparison: Comparison, y: Node, first: Node, second: Node) -> Node:
    return Where()(Compare(comparison)(x, y), first, second)
