"""Cache blocking of products.

A long sum is cut into blocks. A strip of columns of one factor is copied, one block of the summed axis at a time, into
contiguous rows, and all rows of the other factor use the block before the next one is copied. Partial sums of a tile
are kept in memory between blocks. A factor that is read with a large stride, as in the gradient of a weight, where each
term lies in another row of the data, is copied a block of columns at a time. The order of the additions does not
change, so the result does not depend on the blocks; in a sum of very many terms, a block is a part
(`reductions.in_parts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainrule.engines.native.costs import neighbours
from chainrule.engines.native.nests import Nest
from chainrule.engines.native.reductions import LONG_UNROLL
from chainrule.engines.native.symbolic import Affine, Dependence, Expression, Variable

BLOCK_BYTES: Final = 24 * 1024
"""The size of a copied block: most of a 32 KiB L1 cache, which also holds the stream of the other factor."""

ROW_BLOCK: Final = 512
"""The number of rows whose partial sums are kept at a time."""

LEAST_ROWS: Final = 32
"""The minimum number of rows that must use a block for the copy to pay."""


@dataclass(frozen=True, eq=False)
class Blocking:
    """How a reduction is cut: `length` terms at a time along `variable`; `loads` are read from the copied strip."""

    reduction: Expression
    variable: Variable
    loads: tuple[Expression, ...]
    length: int


def blocking(nest: Nest, lane: Variable, row: Variable, strip: int) -> Blocking | None:
    """Return the blocks for strips of `strip` lanes; None if the strip fits in the cache or cannot be cut."""
    if len(nest.reductions) != 1 or nest.reductions[0] not in nest.unconditional or row.extent < LEAST_ROWS:
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
"""The size of a copied block of a factor that is read with a large stride."""

FAR: Final = 256
"""The stride in bytes above which a factor is copied."""

COLUMNS: Final = 16
"""The number of columns of a block is a multiple of this."""


@dataclass(frozen=True, eq=False)
class ColumnCopy:
    """The copy of a factor with a large stride: `loads` are read from a copy of `columns` columns at a time."""

    variable: Variable
    loads: tuple[Expression, ...]
    columns: int


def column_copy(nest: Nest, lane: Variable, row: Variable, strip: int) -> ColumnCopy | None:
    """Return the copies for a product with contiguous rows and strided terms; None for any other."""
    if len(nest.reductions) != 1 or nest.reductions[0] not in nest.unconditional or lane.extent <= strip:
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
    """The stride between consecutive terms; unbounded if the index is loaded."""
    index = load.payload[1]
    direct = index.coefficient(variable) if isinstance(index, Affine) else 0
    return direct or float("inf")
