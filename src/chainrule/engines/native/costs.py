"""The cost model: an estimate of the cycles of a nest for each way of writing it.

A cycle is one instruction on a full vector register. The estimates are rough, and only their order matters. The
alternatives are vectors along one of the loops over the result (a *lane*), vectors along a sum, and scalar code.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chainrule.engines.native.nests import Nest
from chainrule.engines.native.symbolic import Affine, Dependence, Expression, Index, Variable, affines
from chainrule.engines.native.target import Target

OPERATIONS = {"math": 20, "divide": 5, "quotient": 4, "remainder": 4, "random_uniform": 60, "constant": 0, "index": 0}
"""Cycles of an operation relative to an addition."""

PACKED_REUSE = 4
"""The minimum number of uses of each element for a packed copy to pay."""

PACKING = 4
"""Cycles to copy one element into another order."""

WAITING = 500
"""Cycles of overhead per copy: its loop, and a possible barrier."""

SHARING = 4
"""The number of rows of a tile that share a load that is the same for all of them."""

ALONE = 1.5
"""Cycles to insert one element into a lane, or to extract it."""

NARROW_TILE = 0.6
"""The slowdown of tiles of a single vector, which are used if a result is stored element by element."""

ACROSS = 8
"""Cycles to reduce the lanes of a register."""

FOLDING = 4
"""Cycles per sum to reduce the lanes of several sums together."""


@dataclass(frozen=True)
class Shape:
    """The tile of a product: a number of rows, and of vectors along the lanes, of accumulators."""

    rows: int
    vectors: int


def tile(target: Target) -> Shape:
    """Return the tile that fits in the registers: accumulators, the vectors of a row of one factor, and one more.

    In WebAssembly every product takes a register before it is added, all factors are loaded before the first product,
    and browsers use 15 of the 16 registers of x86: 8 accumulators, 6 factors and a product.

    At least eight accumulators keep two multipliers with a latency of four cycles busy. Of the shapes that fit, this
    one needs few loads per product and divides most extents.
    """
    if target.architecture == "wasm":
        return Shape(2, 4)
    return Shape(4, 3) if target.vector_registers < 32 else Shape(8, 3)


def groups_of_vectors(count: int, most: int) -> list[int]:
    """Split `count` vectors into groups of at most `most`, as large as possible, avoiding a single one at the end.

    >>> groups_of_vectors(16, 3), groups_of_vectors(5, 3), groups_of_vectors(1, 3)
    ([3, 3, 3, 3, 2, 2], [3, 2], [1])
    """
    whole, rest = divmod(count, most)
    if rest == 1 and whole and most > 2:
        return [most] * (whole - 1) + [most - 1, 2]
    return [most] * whole + [rest] * (rest > 0)


def operations(nest: Nest) -> int:
    """The number of scalar operations of a nest, including loads."""
    if nest.called is not None:
        return nest.called.operations
    return sum(max(OPERATIONS.get(use.kind, 1), 1) * count for use, count in nest.uses)


def best_lane(nest: Nest, lanes: int, sizes: Mapping[object, int]) -> Variable | None:
    """Return the loop along which to use vectors of `lanes`; None if scalar code is cheaper.

    `sizes` holds the number of elements of each source.
    """
    costs = {variable: lane_cost(nest, variable, lanes, sizes) for variable in nest.variables[::-1]}
    summed = summed_variable(nest)
    if summed is not None:
        costs[summed] = across_cost(nest, summed, lanes)
    best = min(costs, key=lambda variable: costs[variable], default=None)
    return best if best is not None and costs[best] < scalar_cost(nest, lanes) else None


def summed_variable(nest: Nest) -> Variable | None:
    """The summed axis of a nest with one sum, along which vectors may run; None for other nests."""
    if len(nest.reductions) != 1 or nest.reductions[0] not in nest.unconditional or not nest.variables:
        return None
    kind, variables = nest.reductions[0].payload
    return variables[0] if kind == "sum" and len(variables) == 1 else None


def across_cost(nest: Nest, summed: Variable, lanes: int) -> float:
    """Cycles with vectors along a sum, several sums together; infinite if not possible."""
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
    """Cycles with vectors of `lanes` along `lane`; infinite if not possible."""
    varies = Dependence(lane)
    vectors = _vectors(lane, lanes)
    total = 0.0
    for use, count in nest.uses:
        if not varies(use):
            total += OPERATIONS.get(use.kind, 1) * count / lane.extent
        elif use.kind == "select" and any(use.payload) and varies(use.arguments[0]):
            if not harmless(use.arguments[1:], sizes, nest.unconditional):
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
    """Cycles of a load that differs between lanes: contiguous elements as a vector, others one by one."""
    times = count / _sharing(nest, load, lane)
    return times * (_vectors(lane, lanes) if neighbours(load, Dependence(lane)) else ALONE)


def packing_cost(nest: Nest, load: Expression, lane: Variable, count: int, lanes: int) -> float:
    """Cycles of such a load from a packed copy, including the copy; infinite if not possible."""
    elements = packable(nest, load, lane, count)
    if elements is None:
        return math.inf
    return WAITING + PACKING * elements + count / _sharing(nest, load, lane) * _vectors(lane, lanes)


def _sharing(nest: Nest, load: Expression, lane: Variable) -> int:
    """The number of rows of a tile that use the same loaded vector."""
    others = (variable for variable in nest.variables if variable is not lane and not Dependence(variable)(load))
    return max((min(SHARING, variable.extent) for variable in others), default=1) if nest.reductions else 1


def _vectors(lane: Variable, lanes: int) -> float:
    """Vectors per element of a lane, counting a partial vector at its end as a whole one."""
    return -(-lane.extent // lanes) / lane.extent


def neighbours(load: Expression, varies: Dependence) -> bool:
    """Whether the lanes of a load are contiguous, or all the same element."""
    index: Index = load.payload[1]
    if isinstance(index, int) or varies.variable is None:
        return True
    atoms = [atom for atom, _ in index.terms if isinstance(atom, Expression)]
    return index.coefficient(varies.variable) in (0, 1) and not any(map(varies, atoms))


def packable(nest: Nest, load: Expression, lane: Variable, count: int) -> int | None:
    """The number of elements of a packed copy of a load; None if the copy would not be used often enough.

    Only loads inside a sum are copied.
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
    """Cycles of scalar code, with sums over contiguous memory in vectors of `lanes`."""
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
    """Whether evaluating `sides` reads nothing out of bounds; `sizes` counts the elements of the arrays.

    `known` are values that have been computed already.
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
    # A loaded index is clamped to its axis; an addition to it must not exceed one step of that axis.
    looked_up = [c for atom, c in index.terms if isinstance(atom, Expression) and atom.kind not in _BOUNDED]
    rest = Affine(
        tuple(term for term in index.terms if not isinstance(term[0], Expression) or term[0].kind in _BOUNDED),
        index.constant,
    )
    low, high = rest.bounds()
    return low >= 0 and high < (min(looked_up) if looked_up else sizes.get(source, 0))


_BOUNDED = ("quotient", "remainder")
