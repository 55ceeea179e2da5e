"""The derivative of a function at its kinks.

A single kink may have any slope between those of its two sides: if the whole function is differentiable there, the
chain rule multiplies that slope by 0. So `max(x, 0)` alone is relu, with the derivative 0 at 0, and tied operands of
other maxima share the derivative, as in JAX and autograd.

Kinks that coincide, as those of max(x, 0) + min(x, 0), must have consistent slopes. Sharing ties is right for any
number of them in smooth functions, since it gives the mean of both sides. It is wrong if one kink is nested in
another, as in min(|x|, x) = x, or lies in a condition: these take the side of the tie on which the conditions hold as
they do at the tie.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.calculus.coinciding import (
    TIE,
    Leaves,
    Tie,
    Values,
    coinciding,
    difference,
    evaluated,
    find_ties,
    holds,
    random_values,
)
from chainrule.calculus.kinks import OPPOSITE, Kink, find_kinks, is_relu, stacked_extrema, written_out
from chainrule.calculus.linearize import linearize
from chainrule.calculus.rules import Rule
from chainrule.calculus.signs import signs_as_choices
from chainrule.calculus.simplify import Rewrite, Simplifier
from chainrule.ir import Apply, ArrayType, Const, Input, Node, Program, topological_order
from chainrule.primitives import (
    Abs,
    Compare,
    Comparison,
    Elu,
    Expm1,
    LeakyRelu,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    Maximum,
    Minimum,
    Relu,
    Where,
    zeros,
)


@dataclass(frozen=True)
class _Change:
    """The change of a kink: `side` is the sign of left − right that determines a tie, 0 if both sides share it."""

    rule: str
    side: float = 0
    values: Mapping[Node, float] | None = None
    """The direction away from the tie, if no single side is right at all points."""


def _relu(node: Apply) -> Node | None:
    match node:
        case Apply(Maximum(), (x, Const(0)) | (Const(0), x)):
            return Relu()(x)
    return None


_X = Input("x", ArrayType(()))
RELU = Rule("max(x, 0) → relu(x)", (Maximum,), _relu, lambda: [Maximum()(_X, Const(0, _X.type))])
"""Not in the table, since it changes a derivative; for a maximum that coincides with no other kink."""
_SAMPLES = 40
"""The number of random points at which a side is tested."""
SHARED = "kinks that coincide share a tie"
SIDED = "kinks that coincide take one side of a tie"


def settle_kinks(program: Program) -> tuple[Program, tuple[Rewrite, ...]]:
    """Fix the derivative at each kink; return the program, with the same values, and the rewrites."""
    program, choices = signs_as_choices(program)
    program, stacked = _with_stacked_extrema(program)
    written = [*(Rewrite(SIDED, product, choice) for product, choice in choices.items()), *stacked]
    kinks = find_kinks(program)
    if not kinks:
        return program, ()
    leaves = Leaves(program, kinks)
    changes: dict[Kink, _Change] = {}
    for group in coinciding(kinks, leaves):
        if len(group) > 1:
            changes.update(_settled(group, leaves))
        elif is_relu(group[0]):
            changes[group[0]] = _Change(RELU.name, 0)
    changes.update(_within_directed(kinks, changes, leaves))
    changed, rewrites = _changed(program, {kink.node: change for kink, change in changes.items()})
    return changed, (*written, *rewrites)


def _with_stacked_extrema(program: Program) -> tuple[Program, list[Rewrite]]:
    """Rewrite reductions as nested maxima of two values if they coincide with outer kinks, or are nested in them."""
    stacked = stacked_extrema(program)
    if not stacked:
        return program, []
    whole, chains = written_out(program, stacked)
    kinks = find_kinks(whole)
    within: set[Node] = set()
    for group in coinciding(kinks, Leaves(whole, kinks)):
        nodes = {kink.node for kink in group}
        if len(group) > 1 and not any(nodes <= set(chain) for chain in chains.values()):
            within.update(topological_order(nodes))
    chosen = {node: values for node, values in stacked.items() if not within.isdisjoint(chains[node])}
    found, chains = written_out(program, chosen)
    return found, [Rewrite(SHARED, node, chain[-1]) for node, chain in chains.items()]


def _settled(group: Sequence[Kink], leaves: Leaves) -> dict[Kink, _Change]:
    nodes = {kink.node for kink in group}
    within = (part for kink in group for part in topological_order([kink.left, kink.right]))
    if any(kink.is_condition for kink in group) or not nodes.isdisjoint(within):
        sided = _sided(group, leaves) or _outermost(group, leaves)
        if sided is None:
            return {kink: _Change(SIDED, values=_direction(leaves)) for kink in group}
        return sided
    return {kink: _Change(SHARED) for kink in group if isinstance(kink.node.primitive, Relu | LeakyRelu | Elu)}


def _within_directed(
    kinks: Sequence[Kink], changes: Mapping[Kink, _Change], leaves: Leaves
) -> Iterator[tuple[Kink, _Change]]:
    """Yield the kinks within one that takes a direction: they take it too, to be consistent where they meet."""
    directed = [kink for kink, change in changes.items() if change.values is not None]
    within = set(topological_order([kink.node for kink in directed], stop=leaves.of(directed)))
    for kink in kinks:
        if kink.node in within:
            yield kink, _Change(SIDED, values=_direction(leaves))


def _direction(leaves: Leaves) -> dict[Node, float]:
    """Return a direction that is the same throughout a program, and satisfies no simple relation between values."""
    values = {leaf for parts in leaves.all.values() for leaf in parts if leaf.type.dtype.is_float}
    return {leaf: _speed(k) for k, leaf in enumerate(leaf for leaf in leaves.all if leaf in values)}


def _outermost(group: Sequence[Kink], leaves: Leaves) -> dict[Kink, _Change] | None:
    """Return the outermost maximum or minimum with the side of an operand without kinks; None if that is wrong.

    So min(r·a, clip(r)·a) takes r·a at a tie. Where it takes the other operand, the kinks of clip are the only ones.
    """
    outer = group[-1]
    inner = {kink.node for kink in group[:-1]}
    if not isinstance(outer.node.primitive, Maximum | Minimum):
        return None
    if not inner <= set(topological_order([outer.left, outer.right])):
        return None
    ties = [tie for kink in group for tie in find_ties(kink, group, leaves, _SAMPLES)]
    for tie in ties:
        count = sum(holds(kink, tie.at).astype(int) for kink in group)
        if not np.all(holds(outer, tie.at) | (count <= 1)):
            return None
    for operand, sign in ((outer.left, 1.0), (outer.right, -1.0)):
        if inner.isdisjoint(topological_order([operand])) and all(_is_on_a_side(operand, outer, tie) for tie in ties):
            return {outer: _Change(SIDED, sign if isinstance(outer.node.primitive, Maximum) else -sign)}
    return None


def _is_on_a_side(operand: Node, kink: Kink, tie: Tie) -> bool:
    """Whether the maximum or minimum equals this operand on one side of its tie."""
    below, above = (
        np.isclose(evaluated(kink.node, values), evaluated(operand, values), rtol=TIE, atol=TIE)
        for values in (tie.below, tie.above)
    )
    return bool(np.all(below | above | ~holds(kink, tie.at)))


def _speed(place: int) -> float:
    """Return a number whose simple multiples differ from those of other places."""
    return round(1 + math.sin(1 + place) / 2, 3)


def _sided(group: Sequence[Kink], leaves: Leaves) -> dict[Kink, _Change] | None:
    """Return each kink of a group with its side at the tie; None if the sides differ between points."""
    reference, ties = next(
        ((kink, ties) for kink in group if (ties := find_ties(kink, group, leaves, _SAMPLES))), (group[0], [])
    )
    # The signs of each difference where that of the reference is negative, and where it is positive.
    signs: dict[Kink, list[set[float]]] = {kink: [set(), set()] for kink in group}
    for tie in ties:
        for values in (tie.below, tie.above):
            places = (difference(reference, values) > 0).astype(int)
            for kink in group:
                found = np.broadcast_to(np.sign(difference(kink, values)), places.shape)
                held = holds(kink, tie.at)
                for sign, place in zip(found[held], places[held], strict=True):
                    if sign:  # a tie on the whole side, where either operand is right
                        signs[kink][place].add(float(sign))
    everywhere = all(any(holds(kink, tie.at).any() for tie in ties) for kink in group)
    if not ties or not everywhere or any(len(known) > 1 for pair in signs.values() for known in pair):
        return None
    side = _side(group, signs)
    changes = {}
    for kink in group:
        (sign,) = signs[kink][side] or {1.0}
        if not kink.is_condition:
            changes[kink] = _Change(SIDED, sign)
        elif _truth_at_tie(kink) != _truth(kink, sign):
            own = find_ties(kink, group, leaves, _SAMPLES)
            points = [values for tie in (*ties, *own) for values in (tie.at, tie.below, tie.above)]
            if not _is_continuous(kink, [*points, random_values(group, leaves)], leaves):
                return None
            changes[kink] = _Change(SIDED, sign)
    return changes


def _side(group: Sequence[Kink], signs: Mapping[Kink, list[set[float]]]) -> int:
    """Return the side on which most conditions hold as they do at the tie; otherwise the one on which relu is 0."""

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


def _is_continuous(condition: Kink, points: Sequence[Values], leaves: Leaves) -> bool:
    """Whether both branches of the choice are equal at every tie of the condition, so that either may be taken."""
    for choice in leaves.choices.get(condition.node, ()):
        if not isinstance(choice.primitive, Where):
            return False
        for values in points:
            held = holds(condition, values)
            first, second = (np.broadcast_to(evaluated(x, values), held.shape)[held] for x in choice.operands[1:])
            if not np.allclose(first, second, rtol=TIE, atol=TIE):
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
        elif condition is not None:  # the selected value must stay the same, not the condition
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
    """Return `node` with the derivative of the side of its tie in the direction `seeds`."""

    def before(x: Node, y: Node) -> Node:
        """Whether x < y, at a tie after a step in that direction."""
        speeds = [
            zeros(side.type) if v is None else v for side, v in zip((x, y), linearize([x, y], seeds), strict=True)
        ]
        sooner = Compare("<")(*map(Simplifier(), speeds))
        return LogicalOr()(Compare("<")(x, y), LogicalAnd()(Compare("==")(x, y), sooner))

    match node:
        case Apply(Maximum(), (x, y)):
            return Where()(before(x, y), y, x)
        case Apply(Minimum(), (x, y)):
            return Where()(before(x, y), x, y)
        case Apply(Abs(), (x,)):
            return Where()(before(x, zeros(x.type)), -x, x)
        case Apply(Relu(), (x,)):
            return Where()(before(x, zeros(x.type)), zeros(x.type), x)
        case Apply(LeakyRelu(slope), (x,)):
            return Where()(before(x, zeros(x.type)), slope * x, x)
        case Apply(Elu(alpha), (x,)):
            return Where()(before(x, zeros(x.type)), alpha * Expm1()(x), x)
        case Apply(Where(), (Apply(Compare(comparison), (left, right)) as condition, first, second)):
            if ">" in comparison:
                left, right = right, left
            tied = LogicalAnd()(Compare("==")(left, right), Compare("==")(first, second))  # either may be taken there
            held = LogicalAnd()(LogicalNot()(tied), condition)
            return Where()(LogicalOr()(held, LogicalAnd()(tied, before(left, right))), first, second)
    return node


def _replaced(node: Apply, side: float) -> Node:
    """Return `node` with another derivative at its tie. NaN is preserved, as every comparison with it fails."""
    match node:
        case Apply(Compare(comparison), (x, y)):
            return Compare(OPPOSITE[comparison])(x, y)
        case Apply(Maximum()) if side == 0:
            return _relu(node) or node
        case Apply(Maximum(), (Const(0), x)) if side > 0:
            return Relu()(x)
        case Apply(Maximum(), (x, Const(0))) if side < 0:
            return Relu()(x)
        case Apply(Maximum(), (x, y)):
            return _chosen(x, "<", y, y, x) if side > 0 else _chosen(y, "<", x, x, y)
        case Apply(Minimum(), (x, y)) if side != 0:
            return _chosen(x, "<", y, x, y) if side > 0 else _chosen(y, "<", x, y, x)
        case Apply(Abs(), (x,)) if side != 0:
            zero = zeros(x.type)
            return _chosen(x, "<", zero, -x, x) if side > 0 else _chosen(x, ">", zero, x, -x)
        case Apply(Relu(), (x,)) if side >= 0:
            zero = zeros(x.type)
            return Maximum()(x, zero) if side == 0 else _chosen(x, "<", zero, zero, x)
        case Apply(LeakyRelu(slope), (x,)) if side >= 0:
            larger = Maximum() if slope <= 1 else Minimum()
            return larger(x, slope * x) if side == 0 else _chosen(x, "<", zeros(x.type), slope * x, x)
        case Apply(Elu(alpha), (x,)) if side >= 0:
            zero = zeros(x.type)
            if side == 0:
                return Maximum()(x, zero) + alpha * Expm1()(Minimum()(x, zero))
            return _chosen(x, "<", zero, alpha * Expm1()(x), x)
    return node


def _chosen(x: Node, comparison: Comparison, y: Node, first: Node, second: Node) -> Node:
    return Where()(Compare(comparison)(x, y), first, second)
