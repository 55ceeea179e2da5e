"""Products in blocks that stay in a near cache, and on few pages of memory.

A long sum is cut: a strip of columns of one factor is copied, block after block of the summed axis, to where its rows
lie next to each other; all rows of the other factor then use the block before it is left. What a tile has summed up so
far waits in memory meanwhile. A factor that is walked across, as in the gradient of a weight, where each term is in
another row of the data, is copied a block of columns at a time. Terms are still added one after another, so that not a
bit depends on the blocks; of a sum of very many terms, a block is a part (`reductions.in_parts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainrule.engines.native.costs import neighbours
from chainrule.engines.native.nests import Nest
from chainrule.engines.native.reductions import LONG_UNROLL
from chainrule.engines.native.symbolic import Affine, Dependence, Expression, Variable

BLOCK_BYTES: Final = 24 * 1024
"""The size of a copied block: most of a first-level cache of 32 KiB, which the other factor passes through as well."""

ROW_BLOCK: Final = 512
"""Rows whose unfinished sums are kept at a time."""

LEAST_ROWS: Final = 32
"""Rows that must use a block for its copy to pay."""


@dataclass(frozen=True, eq=False)
class Blocking:
    """How a reduction is cut: `length` terms at a time along `variable`; `loads` are read from the copied strip."""

    reduction: Expression
    variable: Variable
    loads: tuple[Expression, ...]
    length: int


def blocking(nest: Nest, lane: Variable, row: Variable, strip: int) -> Blocking | None:
    """The blocks for strips of so many lanes; None where the strip fits in the cache as it is, or cannot be cut."""
    if len(nest.reductions) != 1 or nest.reductions[0] not in nest.outright or row.extent < LEAST_ROWS:
        return None
    (reduction,) = nest.reductions
    kind, variables = reduction.payload
    (inner,) = reduction.arguments
    if kind != "sum" or len(variables) != 1 or inner.kind != "multiply":
        return None
    (variable,) = variables
    by_lane, by_row, by_term = Dependence(lane), Dependence(row), Dependence(variable)
    loads = tuple(
        use
        for use, _ in nest.uses
        if use.kind == "load" and by_lane(use) and by_term(use) and not by_row(use) and neighbours(use, by_lane)
    )
    length = BLOCK_BYTES // (strip * reduction.dtype.numpy.itemsize * max(len(loads), 1)) // LONG_UNROLL * LONG_UNROLL
    if not loads or variable.extent <= length:
        return None
    blocks = -(-variable.extent // length)
    even = -(-variable.extent // blocks)
    return Blocking(reduction, variable, loads, -(-even // LONG_UNROLL) * LONG_UNROLL)


COLUMN_BYTES: Final = 64 * 1024
"""The size of a copied block of a factor that is walked across."""

FAR: Final = 256
"""Bytes between one term and the next from which on a walk is better made in a copy."""

COLUMNS: Final = 16
"""Blocks have a multiple of so many columns."""


@dataclass(frozen=True, eq=False)
class ColumnCopy:
    """A factor that is walked across: `loads` are read from a copy of `columns` of its columns at a time."""

    variable: Variable
    loads: tuple[Expression, ...]
    columns: int


def column_copy(nest: Nest, lane: Variable, row: Variable, strip: int) -> ColumnCopy | None:
    """The copies for a product whose rows are neighbours in memory and whose terms are not; None where they are not."""
    if len(nest.reductions) != 1 or nest.reductions[0] not in nest.outright or lane.extent <= strip:
        return None
    (reduction,) = nest.reductions
    variables = reduction.payload[1]
    itemsize = reduction.dtype.numpy.itemsize
    by_lane, by_row = Dependence(lane), Dependence(row)
    if len(variables) != 1 or row.extent < LEAST_ROWS:
        return None
    by_term = Dependence(variables[0])
    loads = tuple(
        use
        for use, _ in nest.uses
        if use.kind == "load" and by_term(use) and by_row(use) and not by_lane(use) and neighbours(use, by_row)
    )
    if not loads or any(_step(load, variables[0]) * itemsize < FAR for load in loads):
        return None
    columns = COLUMN_BYTES // (variables[0].extent * itemsize * len(loads)) // COLUMNS * COLUMNS
    return ColumnCopy(variables[0], loads, min(columns, row.extent)) if columns else None


def _step(load: Expression, variable: Variable) -> float:
    """The distance from one term to the next; without bound where it is looked up."""
    index = load.payload[1]
    direct = index.coefficient(variable) if isinstance(index, Affine) else 0
    return direct or float("inf")
