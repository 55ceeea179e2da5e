"""The cost model: which loop is vectorized, and with which width."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.schedules import schedule_of

from chainrule.engines.native.choices import Packed
from chainrule.engines.native.costs import (
    PACKED_REUSE,
    across_cost,
    best_lane,
    groups_of_vectors,
    harmless,
    lane_cost,
    neighbours,
    operations,
    packable,
    scalar_cost,
    summed_variable,
    tile,
)
from chainrule.engines.native.nests import Nest, merged, nests
from chainrule.engines.native.plan import Storages, stored_values
from chainrule.engines.native.symbolic import Dependence, Expression, SymbolicEmitter, Variable, variable_index
from chainrule.engines.native.target import Target
from chainrule.ir import ArrayType, DType, Input, Node, Program, topological_order
from chainrule.primitives import (
    concatenate,
    einsum,
    exp,
    max_,
    pad,
    permute,
    softmax,
    sum_,
    take,
    take_slices,
    tanh,
    where,
)

LANES = 8


def matrix(name: str, *shape: int, dtype: DType = DType.FLOAT32) -> Input:
    return Input(name, ArrayType(shape, dtype))


def nest_of(*outputs: Node) -> tuple[Nest, dict[object, int]]:
    """The last nest of a program, and the elements of its sources."""
    nodes, storages = topological_order(outputs), Storages({})
    made = nests(nodes, outputs, stored_values(nodes, outputs, storages), storages)
    nest = merged(made[-1])
    return nest, {source: storages[source].size for source in nest.sources if isinstance(source, Node)}


def lane(*outputs: Node, lanes: int = LANES) -> int | None:
    """The extent of the loop that is taken in vectors."""
    nest, sizes = nest_of(*outputs)
    best = best_lane(nest, lanes, sizes)
    return None if best is None else best.extent


def load_of(nest: Nest, source: Node) -> tuple[Expression, int]:
    (found,) = [(use, count) for use, count in nest.uses if use.kind == "load" and use.payload[0] is source]
    return found


X, W = matrix("x", 48, 20), matrix("w", 20, 64)


@pytest.mark.parametrize("text", ["nd,dh->nh", "dn,dh->nh"])
def test_a_product_has_vectors_along_the_rows_of_its_result(text: str) -> None:
    left = matrix("left", *(48 if axis == "n" else 20 for axis in text[:2]))
    assert lane(einsum(text, left, W)) == 64
    assert lane(tanh(einsum(text, left, W)) + matrix("b", 64)) == 64


def test_a_transposed_factor_is_packed_rather_than_gathered() -> None:
    left, right = matrix("left", 48, 20), matrix("right", 64, 20)
    schedule = schedule_of(Program((left, right), (einsum("nd,hd->nh", left, right),)))
    copy, product = schedule.items
    assert [isinstance(result.target, Packed) for result in copy.nest.results] == [True]
    assert set(product.nest.sources) == {left, copy.nest.results[0].target}
    assert product.lane is not None
    loads = [use for use, _ in product.nest.uses if use.kind == "load"]
    assert all(neighbours(use, Dependence(product.lane)) for use in loads)


def test_a_copy_must_be_used_often_enough() -> None:
    right = matrix("right", 64, 20)
    for rows in (PACKED_REUSE - 1, PACKED_REUSE):
        left = matrix("left", rows, 20)
        nest, _ = nest_of(einsum("nd,hd->nh", left, right))
        columns = nest.variables[-1]
        load, count = load_of(nest, right)
        copied = packable(nest, load, columns, count)
        assert copied == (64 * 20 if rows >= PACKED_REUSE else None)


def test_nothing_is_copied_that_is_not_summed() -> None:
    nest, _ = nest_of(exp(permute(X)))
    load, count = load_of(nest, X)
    assert packable(nest, load, nest.variables[-1], 100 * count) is None


def test_elementwise_work_is_one_long_loop() -> None:
    assert lane(exp(X) * X) == 48 * 20


def test_few_classes_are_reduced_in_vectors_along_the_rows() -> None:
    scores = matrix("scores", 48, 10)
    assert lane(max_(scores, 1)) == 48
    assert lane(sum_(exp(scores), 1)) == 48
    assert lane(max_(matrix("scores", 48, 3), 1)) == 48


def test_long_rows_are_summed_along_memory() -> None:
    wide = matrix("wide", 48, 640)
    assert lane(sum_(wide, 1)) == 640
    assert lane(sum_(wide)) is None
    assert lane(sum_(wide, 0)) == 640


def test_columns_are_summed_in_vectors_of_them() -> None:
    assert lane(sum_(X, 0)) == 20


def test_rows_that_are_looked_up_are_read_in_vectors() -> None:
    places = matrix("places", 30, dtype=DType.INT64)
    table = matrix("table", 100, 64)
    assert lane(take(table, places, 0)) == 64
    assert lane(take(permute(table), places, 1)) in (64, None)


def test_one_number_has_no_lane() -> None:
    a, b = matrix("a"), matrix("b")
    nest, sizes = nest_of(a * b + tanh(a))
    assert nest.variables == ()
    assert best_lane(nest, LANES, sizes) is None


@pytest.mark.parametrize("extent", [1, 2, 3])
def test_the_cheapest_is_taken(extent: int) -> None:
    nest, sizes = nest_of(tanh(matrix("x", extent, 50) @ matrix("w", 50, extent)))
    best = best_lane(nest, LANES, sizes)
    costs: dict[Variable | None, float] = {v: lane_cost(nest, v, LANES, sizes) for v in nest.variables}
    costs[None] = scalar_cost(nest, LANES)
    summed = summed_variable(nest)
    assert (summed is None) == (extent == 1)
    if summed is not None:
        costs[summed] = across_cost(nest, summed, LANES)
    assert costs[best] == min(costs.values())


def test_a_product_with_few_columns_runs_along_its_sums() -> None:
    for columns, along in ((2, True), (48, False)):
        nest, sizes = nest_of(matrix("x", 64, 64) @ matrix("w", 64, columns))
        best = best_lane(nest, LANES, sizes)
        assert best is not None
        assert (best is summed_variable(nest)) == along
    short, _ = nest_of(matrix("x", 64, 12) @ matrix("w", 12, 2))
    summed = summed_variable(short)
    assert summed is not None
    assert across_cost(short, summed, LANES) == math.inf


def test_costs_grow_with_work() -> None:
    small, large = (nest_of(tanh(matrix("x", n, 32) @ matrix("w", 32, 64)))[0] for n in (16, 32))
    assert operations(large) == 2 * operations(small)
    assert 1.9 < scalar_cost(large, LANES) / scalar_cost(small, LANES) < 2.1
    assert lane_cost(small, small.variables[-1], LANES, {}) < scalar_cost(small, LANES)


def choices(nest: Nest) -> list[Expression]:
    return [use for use, _ in nest.uses if use.kind == "select" and any(use.payload)]


def test_a_side_that_reads_outside_is_not_harmless() -> None:
    """Padding reads before the first element where it is not taken; a choice between whole arrays never does."""
    nest, sizes = nest_of(pad(X, ((0, 0), (2, 0))) * matrix("y", 48, 22))
    (choice,) = choices(nest)
    assert not harmless(choice.arguments[1:], sizes, ())
    assert lane_cost(nest, nest.variables[-1], LANES, sizes) == math.inf
    nest, sizes = nest_of(where(matrix("mask", 48, 20, dtype=DType.BOOL), X, exp(X)))
    (choice,) = choices(nest)
    assert harmless(choice.arguments[1:], sizes, ())
    assert lane_cost(nest, nest.variables[-1], LANES, sizes) < scalar_cost(nest, LANES)


def test_a_sum_is_harmless_only_where_it_is_known() -> None:
    nest, sizes = nest_of(X @ W)
    (product,) = nest.reductions
    assert not harmless([product], sizes, ())
    assert harmless([product], sizes, [product])


@pytest.mark.parametrize(("constant", "within"), [(0, True), (3, True), (4, False), (-1, False)])
def test_a_load_is_harmless_within_its_array(constant: int, within: bool) -> None:
    emit, source = SymbolicEmitter(), object()
    place = emit.index_add(variable_index(Variable(5)), constant)
    load = emit.load(source, place, DType.FLOAT32)
    assert harmless([load], {source: 8}, ()) is within
    assert not harmless([load], {}, ())


def test_a_row_that_was_looked_up_is_harmless_within_the_row() -> None:
    emit, source, order = SymbolicEmitter(), object(), object()
    row = emit.index_of(emit.load(order, variable_index(Variable(3)), DType.INT64))
    for stride, within in ((5, True), (4, False)):
        place = emit.index_add(emit.index_multiply(row, stride), variable_index(Variable(5)))
        load = emit.load(source, place, DType.FLOAT32)
        assert harmless([load], {source: 100, order: 3}, ()) is within


@pytest.mark.parametrize(("cpu", "registers"), [("haswell", 16), ("skylake-avx512", 32)])
def test_a_tile_fits_in_the_registers(cpu: str, registers: int) -> None:
    target = Target("x86_64-unknown-linux-gnu", cpu)
    assert target.vector_registers == registers
    shape = tile(target)
    accumulators = shape.rows * shape.vectors
    assert accumulators + shape.vectors + 1 <= registers
    assert accumulators >= 8


@given(st.integers(0, 500), st.integers(1, 8))
def test_groups_of_vectors_cover_exactly(count: int, most: int) -> None:
    groups = groups_of_vectors(count, most)
    assert sum(groups) == count
    assert all(1 <= group <= most for group in groups)
    assert groups == sorted(groups, reverse=True)
    assert 1 not in groups or count == 1 or most <= 2


def test_joined_and_sliced_arrays_are_read_in_vectors() -> None:
    y = matrix("y", 48, 20)
    assert lane(take_slices(X, (slice(None), slice(2, 12))) * matrix("z", 48, 10)) == 10
    assert lane(concatenate([exp(X), y], 0) * matrix("z", 96, 20)) is not None


def test_a_softmax_has_lanes_throughout() -> None:
    """No nest of it is left to go one element at a time."""
    scores = matrix("scores", 48, 10)
    schedule = schedule_of(Program((scores,), (softmax(scores, 1),)))
    assert all(item.lane is not None for item in schedule.items)
