"""Order, phases and memory of the nests of a program."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.schedules import races, schedule_of, schedules_of, writer_of
from support.sized_programs import (
    EPILOGUES,
    FLOATS,
    LOSSES,
    OPTIMIZERS,
    PRODUCTS,
    Sizes,
    Training,
    few,
    moving_program,
    product_program,
)

from chainrule.engines import Loop, Run, get_engine
from chainrule.engines.native import NativeEngine, compilation
from chainrule.engines.native.schedule import ALIGNMENT, Arena, Home, Item, Schedule, aligned
from chainrule.ir import ArrayType, Const, DType, Input, Node, Program
from chainrule.primitives import exp, logical_and, logical_not, permute, sum_, tanh

extents = st.sampled_from((1, 2, 3, 7, 16, 17, 33, 40))
small = st.sampled_from((1, 2, 3, 5, 17, 18))
sizes = st.builds(Sizes, extents, small, extents, small)
product_programs = st.builds(
    product_program,
    sizes,
    st.sampled_from(list(PRODUCTS)),
    st.lists(st.sampled_from(list(EPILOGUES)), min_size=1, max_size=3, unique=True),
    st.just(DType.FLOAT32),
)
trainings = st.builds(
    Training, sizes, st.integers(1, 70), st.sampled_from(LOSSES), st.sampled_from(OPTIMIZERS), st.sampled_from(FLOATS)
)
programs = st.one_of(product_programs, st.builds(moving_program, sizes, st.just(DType.FLOAT64)))
NETWORK = Sizes(48, 20, 64, 10)


def positions(schedule: Schedule) -> dict[Item, int]:
    return {item: k for k, item in enumerate(item for phase in schedule.phases for item in phase)}


def check_order(schedule: Schedule) -> None:
    """Whatever is read was written before, and an input is overwritten only when everybody has read it."""
    position = positions(schedule)
    assert set(position) == set(schedule.items)
    written: dict[object, int] = {}
    for item, k in position.items():
        for result in item.nest.results:
            assert result.target not in written
            written[result.target] = k
    overwritten = {
        schedule.part(target): k for target, k in written.items() if isinstance(schedule.part(target), Input)
    }
    for item, k in position.items():
        for source in item.nest.sources:
            if source in written:
                assert written[source] < k
            if isinstance(source, Input) and source in overwritten:
                assert k <= overwritten[source]


def check_memory(schedule: Schedule, arena: Arena) -> None:
    """Buffers that are alive in one phase lie apart, and all within the arena."""
    alive: dict[object, list[int]] = {}
    for item in schedule.items:
        for thing in (*item.nest.sources, *(result.target for result in item.nest.results)):
            alive.setdefault(schedule.part(thing), []).append(item.phase)
    spans = []
    for buffer, start in schedule.places.items():
        stop = start + schedule.nbytes(buffer)
        assert start % ALIGNMENT == 0
        assert 0 <= start <= stop <= arena.size
        spans.append((start, stop, min(alive[buffer]), max(alive[buffer])))
    for k, (start, stop, first, last) in enumerate(spans):
        for other_start, other_stop, other_first, other_last in spans[:k]:
            apart = stop <= other_start or other_stop <= start
            assert apart or last < other_first or other_last < first
    outside = {buffer for buffer in alive if buffer not in schedule.places and buffer not in schedule.private}
    assert not any(isinstance(buffer, Node) and not isinstance(buffer, Input | Const) for buffer in outside)


def check_private(schedule: Schedule) -> None:
    """What a thread has for itself is made by items that all repeat, and from nothing but what all have."""
    for item in schedule.items:
        private = [result.target in schedule.private for result in item.nest.results]
        assert private == [item.repeated] * len(private)
    places = sorted((start, start + schedule.nbytes(buffer)) for buffer, start in schedule.private.items())
    assert all(stop <= start for (_, stop), (start, _) in itertools.pairwise(places))


def check(schedule: Schedule, arena: Arena) -> None:
    check_order(schedule)
    check_memory(schedule, arena)
    check_private(schedule)
    assert not races(schedule)


@few(15)
@given(program=programs)
def test_schedules_of_programs_are_sound(program: Program) -> None:
    arena = Arena()
    check(schedule_of(program, arena), arena)


@few(10)
@given(training=trainings)
def test_schedules_of_steps_are_sound(training: Training) -> None:
    writer = writer_of(training.loop)
    arena = Arena()
    arena.size = writer.layout.arena_size
    for composition in writer.sequencers.values():
        for schedule in composition.schedules:
            check(schedule, arena)


def test_a_race_is_found() -> None:
    """Without the phases, what is read across rows would be."""
    x = Input("x", ArrayType((40, 40)))
    product = x @ x
    schedule = schedule_of(Program((x,), (product, exp(product) @ x, permute(exp(product)) @ x)))
    assert not races(schedule)
    assert len(schedule.phases) == 2
    for item in schedule.items:
        item.phase = 0
    assert races(schedule)


@given(st.lists(st.one_of(st.integers(0, 1000), st.just(-1)), max_size=40), st.randoms(use_true_random=False))
def test_the_arena_gives_no_place_twice(requests: list[int], random: Any) -> None:
    """Sizes are taken, and −1 gives one back."""
    arena, held = Arena(), []
    for count in requests:
        if count >= 0:
            held.append((arena.take(count), count))
        elif held:
            arena.give_back(*held.pop(random.randrange(len(held))))
        spans = sorted((start, start + max(count, 1)) for start, count in held)
        assert all(start % ALIGNMENT == 0 for start, _ in spans)
        assert all(left[1] <= right[0] for left, right in itertools.pairwise(spans))
        assert not spans or spans[-1][1] <= arena.size
    for place in held:
        arena.give_back(*place)
    whole = arena.size
    assert arena.take(whole) == 0
    assert arena.size == max(whole, ALIGNMENT)


def test_the_arena_takes_the_closest_fit() -> None:
    arena = Arena()
    places = [(arena.take(count), count) for count in (640, 64, 128, 64)]
    arena.give_back(*places[0])
    arena.give_back(*places[2])
    assert arena.take(100) == places[2][0]
    assert arena.size == aligned(640) + 64 + 128 + 64


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", ["squares", "classes", "masked"])
def test_a_step_of_two_layers_has_three_phases_and_changes_weights_in_place(loss: str, optimizer: str) -> None:
    (schedule,) = schedules_of(Training(NETWORK, 96, loss, optimizer, DType.FLOAT32).loop)
    assert len(schedule.phases) <= 3
    state = [node for node in schedule.program.inputs if node.name not in ("X", "y")]
    written = {schedule.part(result.target) for item in schedule.items for result in item.nest.results}
    assert written >= set(state)
    assert not any(isinstance(result.target, Home) for item in schedule.items for result in item.nest.results)


@pytest.mark.parametrize("turned", [0, 1])
@pytest.mark.parametrize("first", [True, False])
def test_two_values_of_one_nest_may_be_read_in_two_ways(turned: int, first: bool) -> None:
    """One row by row, the other across rows: the wait that one of them asks for is not forgotten for the other."""
    x = Input("x", ArrayType((96, 96)))
    product = x @ x
    values = [product, exp(product)]
    pair = [permute(value) if k == turned else value for k, value in enumerate(values)]
    result = tanh(pair[0] * pair[1] if first else pair[1] * pair[0])
    schedule = schedule_of(Program((x,), (*values, result)))
    assert not races(schedule)
    assert len(schedule.phases) == 2


def test_what_the_phases_of_a_step_are() -> None:
    """Forward and backward, row by row; then what reads the δ of each layer across rows."""
    (schedule,) = schedules_of(Training(NETWORK, 96, "squares", "descent", DType.FLOAT32).loop)
    updated = [
        {
            part.name
            for item in phase
            for part in (schedule.part(result.target) for result in item.nest.results)
            if isinstance(part, Input)
        }
        for phase in schedule.phases
    ]
    assert updated == [set(), {"W1", "b1", "W2", "b2"}]


def swapping(n: int) -> Loop:
    """States that change places, one of them by way of a value that reads the other at other places."""
    a, b, c, k, m = (Input(name, ArrayType((n, n))) for name in "abckm")
    x = Input("x", ArrayType((1, n)))
    turned = tanh(permute(c))
    following = (b, a, turned, turned, m + permute(k))
    program = Program((a, b, c, k, m, x), (sum_(x @ a), *following))
    return Loop(tuple("abckm"), ("x",), (), {1: program}, 3, 1, False)


@pytest.mark.parametrize("n", [3, 40])
@pytest.mark.parametrize("team", [1, 3])
def test_states_change_places(n: int, team: int) -> None:
    loop = swapping(n)
    (schedule,) = schedules_of(loop)
    check_order(schedule)
    assert not races(schedule)
    rng = np.random.default_rng(0)
    state = {name: rng.normal(size=(n, n)) for name in loop.state}
    data = {"x": rng.normal(size=(3, n))}
    expected = get_engine("reference").run(Run(loop, state, data, 0), 3)
    found = NativeEngine("loops", team=team).run(Run(loop, state, data, 0), 3)
    for name, value in expected.state.items():
        np.testing.assert_allclose(found.state[name], value, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("team", [1, 2, 3, 4, 8])
def test_short_elements_are_divided_like_long_ones(team: int) -> None:
    """A register holds more booleans than the rows that one thread has at least."""
    n = 200
    m, k = (Input(name, ArrayType((n,), DType.BOOL)) for name in "mk")
    x = Input("x", ArrayType((1,)))
    program = Program((m, k, x), (sum_(x), logical_not(k), logical_and(m, k)))
    loop = Loop(("m", "k"), ("x",), (), {1: program}, 2, 1, False)
    state = {"m": np.arange(n) % 3 > 0, "k": np.arange(n) % 5 > 1}
    found = NativeEngine("loops", team=team).run(Run(loop, state, {"x": np.ones(2)}, 0), 3)
    expected = get_engine("reference").run(Run(loop, state, {"x": np.ones(2)}, 0), 3)
    for name, value in expected.state.items():
        np.testing.assert_array_equal(found.state[name], value)


@few(3)
@given(training=trainings)
def test_memory_is_known_beforehand(training: Training) -> None:
    """A run takes what its layout says: copies of the state, the order of rows, the arena, each thread's own."""
    loop = training.loop
    layout = compilation.write_loop(loop, "loops").layout
    state, data = training.values(0)
    outcome = NativeEngine("loops", team=2).run(Run(loop, state, data, 0), 1)
    assert outcome.workspace_bytes == layout.size(2)
    copies = 3 * sum(aligned(storage.nbytes) for storage in layout.states)
    order = aligned(8 * training.count) if loop.shuffles else 0
    assert layout.size(2) == copies + order + layout.arena_size + 2 * layout.private_size


def test_buffers_are_used_again() -> None:
    """A deep network needs no more memory for what it computes than a few layers do, but for what goes backwards."""
    x, w = Input("x", ArrayType((40, 32))), Input("w", ArrayType((32, 32)))

    def needed(layers: int) -> int:
        h: Node = x
        for _ in range(layers):
            h = tanh(sum_(h @ w, 0, True) + x)
        arena = Arena()
        schedule_of(Program((x, w), (h,)), arena)
        return arena.size

    assert needed(20) == needed(10)
