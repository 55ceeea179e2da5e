"""The nests of a program: stored values, shared nests, and loops."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from support.schedules import schedule_of, schedules_of
from support.sized_programs import EPILOGUES, PRODUCTS, Sizes, Training, product_program, random_values

from chainrule.engines import evaluate
from chainrule.engines.native.compilation import CompiledProgram
from chainrule.engines.native.nests import MOST_MEMBERS, MOST_REDUCTIONS, Nest, merged, nests
from chainrule.engines.native.plan import Storages, stored_values
from chainrule.engines.native.prepare import prepare
from chainrule.engines.native.schedule import Schedule
from chainrule.ir import Apply, ArrayType, DType, Input, Node, Program, topological_order
from chainrule.primitives import (
    Contract,
    exp,
    greater,
    log_softmax,
    mean,
    permute,
    relu,
    reshape,
    softmax,
    sum_,
    tanh,
    where,
)

X, W = Input("x", ArrayType((8, 5))), Input("w", ArrayType((5, 6)))
SQUARE = Input("x", ArrayType((20, 20)))
NETWORK = Sizes(48, 20, 64, 10)


def made(*outputs: Node) -> list[Nest]:
    nodes, storages = topological_order(outputs), Storages({})
    return nests(nodes, outputs, stored_values(nodes, outputs, storages), storages)


def targets(*outputs: Node) -> list[list[object]]:
    """What each nest stores."""
    return [[result.target for result in nest.results] for nest in made(*outputs)]


def stored_by(schedule: Schedule) -> list[set[object]]:
    """The buffers that each nest of a schedule writes."""
    return [{schedule.part(result.target) for result in item.nest.results} for item in schedule.items]


def evaluations(schedule: Schedule, function: str) -> int:
    """How often a function is computed."""
    uses = [use for item in schedule.items for use in item.nest.uses]
    return sum(count for use, count in uses if use.kind == "math" and use.payload == function)


def assert_right(program: Program) -> None:
    values = random_values(program, 0)
    for found, expected in zip(CompiledProgram(program, "loops")(values), evaluate(program, values), strict=True):
        assert_allclose(found, expected, rtol=1e-12, atol=1e-13)


def test_what_follows_a_product_at_the_same_place_shares_its_nest() -> None:
    bias, mask = Input("b", ArrayType((6,))), X @ W
    h = where(greater(mask, 0), tanh(mask + bias), 0.1 * mask)
    assert targets(h) == [[h]]
    old = Input("old", ArrayType((5, 6)))
    updated = old - 0.1 * (permute(X) @ h)
    assert targets(updated) == [[h], [updated]]


def test_a_residual_is_added_in_the_nest_of_its_product() -> None:
    h = SQUARE + tanh(SQUARE @ SQUARE)
    y = h + tanh(h @ SQUARE)
    assert targets(y) == [[h], [y]]


@pytest.mark.parametrize(("optimizer", "memory"), [("descent", ""), ("momentum", "v"), ("adam", "mv")])
def test_an_update_shares_the_nest_of_its_gradient(optimizer: str, memory: str) -> None:
    """Gradients of weights are never stored, and no product is but as what follows from it."""
    (schedule,) = schedules_of(Training(NETWORK, 96, "squares", optimizer, DType.FLOAT32).loop)
    inputs = {node.name: node for node in schedule.program.inputs}
    written = stored_by(schedule)
    for name in ("W1", "b1", "W2", "b2"):
        assert {inputs[name], *(inputs[f"{name} {letter}"] for letter in memory)} in written
    kept = {target for group in written for target in group if isinstance(target, Apply)}
    assert not any(isinstance(node.primitive, Contract) for node in kept)


def test_a_softmax_computes_each_power_once() -> None:
    for function in (softmax, log_softmax):
        schedule = schedule_of(Program((X, W), (function(X @ W, 1),)))
        assert evaluations(schedule, "exp") == 8 * 6
        assert sum(len(item.nest.reductions) for item in schedule.items) == 3


def test_a_step_evaluates_each_activation_once() -> None:
    (schedule,) = schedules_of(Training(NETWORK, 96, "squares", "descent", DType.FLOAT32).loop)
    assert evaluations(schedule, "tanh") == 48 * 64
    assert sum(len(item.nest.reductions) for item in schedule.items) == 3 * 2 + 2


def test_what_is_read_at_other_places_is_stored_by_another_nest() -> None:
    """Here each value reads the last at its own place, and an earlier one turned."""
    product = SQUARE @ SQUARE
    powers = exp(product * 0.01)
    mixed = powers + permute(product)
    program = Program((SQUARE,), (product, powers, mixed))
    assert targets(*program.outputs) == [[product, powers], [mixed]]
    assert_right(program)


def test_nests_do_not_wait_for_each_other() -> None:
    """The last value reads the first at its own place, and by way of a sum at all others."""
    product = SQUARE @ SQUARE
    total = sum_(product, 0, True)
    share = tanh(product) * tanh(product @ SQUARE) / total
    program = Program((SQUARE,), (share, total))
    order = [target for group in targets(*program.outputs) for target in group]
    assert order.index(product) < order.index(share)
    assert_right(program)


def test_nests_are_bounded() -> None:
    values: list[Node] = [SQUARE @ SQUARE]
    for k in range(20):
        values.append(tanh(values[-1]) + (SQUARE @ permute(SQUARE) if k % 4 == 0 else SQUARE))
    found = made(*values)
    assert 3 <= len(found) <= 10
    assert all(len(nest.members) <= MOST_MEMBERS and len(nest.reductions) <= MOST_REDUCTIONS for nest in found)
    assert_right(Program((SQUARE,), tuple(values)))


@settings(max_examples=20)
@given(
    st.builds(Sizes, *[st.sampled_from((1, 2, 5, 17))] * 4),
    st.sampled_from(list(PRODUCTS)),
    st.lists(st.sampled_from(list(EPILOGUES)), min_size=1, max_size=4, unique=True),
)
def test_every_output_is_stored_once_after_what_it_reads(sizes: Sizes, product: str, epilogues: list[str]) -> None:
    program = product_program(sizes, product, epilogues, X.type.dtype)
    outputs = [node for node in prepare(program).outputs if isinstance(node, Apply)]
    done: set[object] = set(program.inputs)
    for nest in made(*outputs):
        own = [result.target for result in nest.results]
        assert not done.intersection(own)
        assert done.issuperset(source for source in nest.sources if isinstance(source, Apply))
        assert len(nest.members) <= MOST_MEMBERS
        done.update(own)
    assert done.issuperset(outputs)


def loops(*outputs: Node) -> list[list[int]]:
    return [[variable.extent for variable in merged(nest).variables] for nest in made(*outputs)]


def test_neighbouring_loops_become_one() -> None:
    assert loops(exp(X)) == [[40]]
    assert loops(exp(permute(X))) == [[5, 8]]
    assert loops(X @ W) == [[8, 6]]
    assert loops(X + reshape(exp(Input("y", ArrayType((40,)))), (8, 5))) == [[40]]
    assert loops(X + Input("y", ArrayType((5,)))) == [[8, 5]]
    (nest,) = made(mean(relu(X)))
    assert [variable.extent for variable in merged(nest).reductions[0].payload[1]] == [40]


def test_rows_are_counted_through_merged_loops() -> None:
    (nest,) = made(exp(X))
    rows = merged(nest).rows
    assert rows is not None
    assert (rows.extent, rows.factor) == (8, 5)
    (single,) = made(exp(Input("row", ArrayType((1, 30)))))
    rows = merged(single).rows
    assert rows is not None
    assert (rows.extent, rows.factor) == (30, 1)


def test_padded_rows_are_not_merged() -> None:
    """Rows of 260 bytes lie further apart than they are long."""
    wide = Input("wide", ArrayType((4, 65)))
    assert loops(exp(wide)) == [[4, 65]]
