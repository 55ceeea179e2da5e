"""The values with which a page opens: those given, or random ones at which every line is finite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.derivation import Record, Valuation, ValuesError, drawn, given_name, small_sizes
from chainrule.ir import Dim, Input, bind_dim
from chainrule.primitives import index_bounds

_DECIMALS = 2
_SPREADS = ("normal", "positive", "small")
_TARGETS = frozenset({"y", "t", "target", "targets"})
"""Names of floats that are drawn from 0 and 1."""


def starting_values(
    record: Record,
    given: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
    *,
    spread_out: bool = False,
) -> Valuation:
    """Return a point of the record: at the values `given` by name, or at random ones of the `sizes`.

    Values that are `spread_out` are not those of an example: targets are no zeros and ones.

    Raises ValuesError for values that do not fit the function, and if no finite point is found.
    """
    if given is not None:
        return Valuation(record, given)
    random = np.random.default_rng(seed)
    bound = {**small_sizes(record.program), **(sizes or {})}
    failure: ValuesError | None = None
    for spread in _SPREADS:
        for _ in range(4):
            try:
                point = Valuation(
                    record,
                    {
                        given_name(node): _drawn(record, node, spread, bound, random, spread_out)
                        for node in record.program.inputs
                    },
                )
            except ValuesError as error:
                failure = error
                continue
            if all(np.all(np.isfinite(point(entry.cotangent))) for entry in record.backward.accumulations):
                return point
    raise failure or ValuesError("no point was found at which the function is finite; give values of its arguments")


def _drawn(
    record: Record, node: Input, spread: str, sizes: Mapping[str, int], random: np.random.Generator, spread_out: bool
) -> NDArray[Any]:
    type_ = node.type.bind(sizes)
    limit = limits(record).get(node)
    declared = record.program.properties(node)
    if not type_.shape and type_.dtype.is_float and not declared:
        spread = "positive"
    if not spread_out and node.name.lower() in _TARGETS and type_.dtype.is_float and type_.shape and not declared:
        return random.integers(0, 2, type_.concrete_shape).astype(float)
    values = drawn(type_, spread, random, None if limit is None else bind_dim(limit, sizes), declared=declared)
    return np.round(values, _DECIMALS) if type_.dtype.is_float and not declared else values


def limits(record: Record) -> dict[Input, Dim]:
    """Return the size of the axis into which each input of whole numbers points."""
    return index_bounds([stage.node for stage in record.backward.stages])
