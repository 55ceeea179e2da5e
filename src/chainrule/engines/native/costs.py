"""The cost model: how many cycles a nest takes in each way of writing it, so that the cheapest is written.

A cycle here is one instruction on a full vector register; the figures are rough, and only their order matters. What is
compared: vectors along one of the loops over the result (a *lane*), vectors along a sum, or one element at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chainrule.engines.native.nests import Nest
from chainrule.engines.native.symbolic import Affine, Dependence, Expression, Index, Variable, affines

OPERATIONS = {"math": 20, "divide": 5, "quotient": 4, "remainder": 4, "random_uniform": 60, "constant": 0, "index": 0}
"""Cycles of an operation against those of an addition, which takes 1."""

PACKED_REUSE = 4
"""How often each element must be used for a copy in the order of use to pay."""

PACKING = 4
"""Cycles for one element that is copied into another order."""

WAITING = 500
"""Cycles for one more copy: its own loop, and threads that may have to wait for it."""

SHARING = 4
"""Rows of a tile that share what they load, where it is the same for all of them."""

ALONE = 1.5
"""Cycles to put one element into its lane, or to store it from there."""

NARROW_TILE = 0.6
"""What is lost with tiles of a single vector, which is all that is kept of a result that is stored one by one."""

ACROSS = 8
"""Cycles to add up the lanes of a register."""

FOLDING = 4
"""The same where several sums are folded side by side."""


@dataclass(frozen=True)
class Shape:
    """The tile of a product: so many rows, and vectors along the lanes, of accumulators."""

    rows: int
    vectors: int


def tile(registers: int) -> Shape:
    """The tile that fits in the vector registers: accumulators, the vectors of a row of one factor, and one more.

    Eight accumulators at least keep two multipliers of four cycles' latency busy; of the shapes that fit, this one
    loads few numbers for each product and divides most extents.
    """
    return Shape(4, 3) if registers < 32 else Shape(8, 3)


def groups_of_vectors(count: int, most: int) -> list[int]:
    """How many vectors are taken at once, until `count` are: as many as may be, and one alone only if it is the only.

    >>> groups_of_vectors(16, 3), groups_of_vectors(5, 3), groups_of_vectors(1, 3)
    ([3, 3, 3, 3, 2, 2], [3, 2], [1])
    """
    whole, rest = divmod(count, most)
    if rest == 1 and whole and most > 2:
        return [most] * (whole - 1) + [most - 1, 2]
    return [most] * whole + [rest] * (rest > 0)


def operations(nest: Nest) -> int:
    """Scalar operations of a nest, loads among them."""
    return sum(max(OPERATIONS.get(use.kind, 1), 1) * count for use, count in nest.uses)


def best_lane(nest: Nest, lanes: int, sizes: Mapping[object, int]) -> Variable | None:
    """The loop to have vectors of `lanes` along; None where one element at a time is cheaper.

    `sizes` holds the elements of each source.
    """
    costs = {variable: lane_cost(nest, variable, lanes, sizes) for variable in nest.variables[::-1]}
    summed = summed_variable(nest)
    if summed is not None:
        costs[summed] = across_cost(nest, summed, lanes)
    best = min(costs, key=lambda variable: costs[variable], default=None)
    return best if best is not None and costs[best] < scalar_cost(nest, lanes) else None


def summed_variable(nest: Nest) -> Variable | None:
    """The axis of the one sum of a nest, along which vectors may run; None where there is no such sum."""
    if len(nest.reductions) != 1 or nest.reductions[0] not in nest.outright or not nest.variables:
        return None
    kind, variables = nest.reductions[0].payload
    return variables[0] if kind == "sum" and len(variables) == 1 else None


def across_cost(nest: Nest, summed: Variable, lanes: int) -> float:
    """Cycles with vectors along a sum, several sums side by side; infinite where that cannot be written."""
    if summed.extent < 2 * lanes:
        return math.inf
    varies, vectors = Dependence(summed), _vectors(summed, lanes)
    total = ALONE * nest.elements * len(nest.results)
    for use, count in nest.uses:
        if use.kind == "reduce":
            total += FOLDING * count
        elif not varies(use):
            total += OPERATIONS.get(use.kind, 1) * count
        elif use.kind in ("quotient", "remainder", "index") or (use.kind == "select" and any(use.payload)):
            return math.inf
        elif use.kind == "load":
            total += min(load_cost(nest, use, summed, count, lanes), packing_cost(nest, use, summed, count, lanes))
        else:
            total += OPERATIONS.get(use.kind, 1) * count * vectors
    return total


def lane_cost(nest: Nest, lane: Variable, lanes: int, sizes: Mapping[object, int]) -> float:
    """Cycles with vectors of `lanes` along `lane`; infinite where that cannot be written."""
    varies = Dependence(lane)
    vectors = _vectors(lane, lanes)
    total = 0.0
    for use, count in nest.uses:
        if not varies(use):
            total += OPERATIONS.get(use.kind, 1) * count / lane.extent
        elif use.kind == "select" and any(use.payload) and varies(use.arguments[0]):
            if not harmless(use.arguments[1:], sizes, nest.outright):
                return math.inf
            total += count * vectors
        elif use.kind in ("quotient", "remainder"):
            total += OPERATIONS[use.kind] * count
        elif use.kind == "load":
            arguments = nest, use, lane, count, lanes
            total += min(load_cost(*arguments), packing_cost(*arguments))
        else:
            total += OPERATIONS.get(use.kind, 1) * count * vectors
    for result in nest.results:
        together = isinstance(result.place, Affine) and result.place.coefficient(lane) == 1
        total += nest.elements * (vectors if together else ALONE)
        if not together and nest.reductions:
            total += NARROW_TILE * sum(count * vectors for use, count in nest.uses if varies(use))
    return total


def load_cost(nest: Nest, load: Expression, lane: Variable, count: int, lanes: int) -> float:
    """Cycles of a load that differs between lanes, from memory as it is: neighbours together, others one by one."""
    times = count / _sharing(nest, load, lane)
    return times * (_vectors(lane, lanes) if neighbours(load, Dependence(lane)) else ALONE)


def packing_cost(nest: Nest, load: Expression, lane: Variable, count: int, lanes: int) -> float:
    """Cycles of the same from a copy in the order of use, and to make it; infinite where that is not possible."""
    elements = packable(nest, load, lane, count)
    if elements is None:
        return math.inf
    return WAITING + PACKING * elements + count / _sharing(nest, load, lane) * _vectors(lane, lanes)


def _sharing(nest: Nest, load: Expression, lane: Variable) -> int:
    """How many rows of a tile use the same loaded vector."""
    others = (variable for variable in nest.variables if variable is not lane and not Dependence(variable)(load))
    return max((min(SHARING, variable.extent) for variable in others), default=1) if nest.reductions else 1


def _vectors(lane: Variable, lanes: int) -> float:
    """Vectors for each element of a lane, counting a shorter one at its end as whole."""
    return -(-lane.extent // lanes) / lane.extent


def neighbours(load: Expression, varies: Dependence) -> bool:
    """Whether the lanes of a load read places next to each other, or one place."""
    index: Index = load.payload[1]
    if isinstance(index, int) or varies.variable is None:
        return True
    atoms = [atom for atom, _ in index.terms if isinstance(atom, Expression)]
    return index.coefficient(varies.variable) in (0, 1) and not any(map(varies, atoms))


def packable(nest: Nest, load: Expression, lane: Variable, count: int) -> int | None:
    """The elements of a copy of what a load reads; None where the copy would not be used often enough.

    Only what is read inside a sum is copied.
    """
    index: Index = load.payload[1]
    if not isinstance(index, Affine) or not nest.reductions:
        return None
    variables = [atom for atom, _ in index.terms if isinstance(atom, Variable)]
    if len(variables) < len(index.terms) or index.coefficient(lane) in (0, 1):
        return None
    elements = math.prod(variable.extent for variable in variables)
    return elements if count >= PACKED_REUSE * elements else None


def scalar_cost(nest: Nest, lanes: int) -> float:
    """Cycles one element at a time, sums along memory in vectors of `lanes`."""
    along: list[Dependence] = []
    total = float(nest.elements * len(nest.results))
    for reduction in nest.reductions:
        variables = reduction.payload[1]
        along += [Dependence(v) for v in variables[-1:] if v.extent >= 2 * lanes]
    for use, count in nest.uses:
        cost = OPERATIONS.get(use.kind, 1) * count
        if use.kind == "reduce":
            total += cost * ACROSS
        elif any(varies(use) and _contiguous(use, varies) for varies in along):
            total += cost / lanes
        else:
            total += cost
    return total


def _contiguous(use: Expression, varies: Dependence) -> bool:
    if use.kind == "load":
        return neighbours(use, varies)
    return all(_contiguous(argument, varies) for argument in use.arguments)


def harmless(sides: Iterable[Expression], sizes: Mapping[object, int], known: Iterable[Expression]) -> bool:
    """Whether evaluating these reads nothing outside of the arrays, whose elements are counted in `sizes`.

    `known` are values that are there already.
    """
    pending, seen = list(sides), set(known)
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.kind == "reduce" or (node.kind == "load" and not _inside(node, sizes)):
            return False
        pending.extend(node.arguments)
        for affine in affines(node):
            pending.extend(atom for atom, _ in affine.terms if isinstance(atom, Expression))
    return True


def _inside(load: Expression, sizes: Mapping[object, int]) -> bool:
    source, index = load.payload
    if isinstance(index, int):
        return 0 <= index < sizes.get(source, 0)
    # An index that was itself loaded is kept within its axis; what is added to it must not leave one step of it.
    looked_up = [c for atom, c in index.terms if isinstance(atom, Expression) and atom.kind not in _BOUNDED]
    rest = Affine(
        tuple(term for term in index.terms if not isinstance(term[0], Expression) or term[0].kind in _BOUNDED),
        index.constant,
    )
    low, high = rest.bounds()
    return low >= 0 and high < (min(looked_up) if looked_up else sizes.get(source, 0))


_BOUNDED = ("quotient", "remainder")
