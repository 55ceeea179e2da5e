"""Decisions for each nest: the vectorized loop, the operands copied into order, and how rows are divided."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from chainrule.engines.native.costs import best_lane, load_cost, neighbours, packable, packing_cost
from chainrule.engines.native.nests import Nest, Result, Rows, replaced
from chainrule.engines.native.symbolic import Affine, Dependence, Expression, Variable
from chainrule.engines.native.target import Target
from chainrule.ir import DType

GRAIN = 16
"""Rows are divided among threads in multiples of this: whole tiles, and whole vectors of the widest registers."""

SHORT = 64
"""Axes shorter than this are divided in multiples of half the grain, to balance the shares."""


def grain(extent: int) -> int:
    """The number of rows that shares of an axis are multiples of."""
    return GRAIN // 2 if extent < SHORT else GRAIN


def divisible(nest: Nest, lane: Variable | None, target: Target) -> bool:
    """Whether the rows of a nest may be divided such that vectors along them are never cut."""
    rows = nest.rows
    if rows is None or rows.extent <= grain(rows.extent):
        return False
    return lane is not rows.variable or lanes_of(nest, target) <= grain(rows.extent)


def lane_of(nest: Nest, sizes: Mapping[object, int], target: Target) -> Variable | None:
    """Return the loop that is cheapest to vectorize."""
    return best_lane(nest, lanes_of(nest, target), sizes)


@dataclass(frozen=True, eq=False)
class Packed:
    """A part of a stored value copied into the order in which a nest uses it."""

    size: int
    dtype: DType


def lanes_of(nest: Nest, target: Target) -> int:
    """The number of lanes of a vector of the widest type in the nest, limited by the smallest share of rows."""
    sizes = [use.dtype.numpy.itemsize for use, _ in nest.uses if use.dtype.is_float or use.kind == "load"]
    return min(max(target.vector_bytes // max(sizes, default=1), 1), GRAIN)


def pack_operands(nest: Nest, lane: Variable | None, target: Target) -> tuple[list[tuple[Packed, Nest]], Nest]:
    """Return the copies that make the loads of a reduction contiguous along `lane`, and the nest that reads them."""
    if lane is None:
        return [], nest
    varies = Dependence(lane)
    copies: list[tuple[Packed, Nest]] = []
    mapping: dict[Expression, Expression] = {}
    for use, count in nest.uses:
        if use.kind != "load" or use in mapping or neighbours(use, varies) or not varies(use):
            continue
        arguments = nest, use, lane, count, lanes_of(nest, target)
        elements = packable(nest, use, lane, count)
        if elements is None or packing_cost(*arguments) >= load_cost(*arguments):
            continue
        offset: Affine = use.payload[1]
        variables = [atom for atom, _ in offset.terms if isinstance(atom, Variable) and atom is not lane]
        variables.append(lane)
        strides = [math.prod(v.extent for v in variables[k + 1 :]) for k in range(len(variables))]
        terms = sorted(zip(variables, strides, strict=True), key=lambda term: term[0].serial)
        place = Affine(tuple(terms), 0)
        packed = Packed(elements, use.dtype)
        mapping[use] = nest.emit.load(packed, place, use.dtype)
        rows = Rows(variables[0], variables[0].extent, 1)
        copies.append((packed, Nest(tuple(variables), (Result(packed, place, use),), (use,), rows, nest.emit)))
    return copies, replaced(nest, mapping) if mapping else nest
