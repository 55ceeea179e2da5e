"""Random numbers in generated code: the published answers, and the bits of the definition in every kind of run."""

from __future__ import annotations

import ctypes
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.engines import Engine, Loop, Run, get_engine
from chainrule.engines.native import NativeEngine
from chainrule.engines.native.machine import build
from chainrule.engines.native.random import threefry
from chainrule.engines.native.text import INTEGER, POINTER, Function, Module, Value, vector
from chainrule.ir import ArrayType, DType, Input, Node, Program
from chainrule.primitives import (
    cast,
    concatenate,
    dropout_mask,
    evaluate_nodes,
    random_normal,
    random_uniform,
    reshape,
    sum_,
    take_slices,
)

Mode = Literal["unrolled", "loops", "xla"]
Modes = pytest.mark.parametrize("mode", ["unrolled", "loops", "xla"])
ONES = 2**64 - 1
COUNTERS = [(0, 0), (ONES, ONES), (0x243F6A8885A308D3, 0x13198A2E03707344)]
KEYS = [(0, 0), (ONES, ONES), (0xA4093822299F31D0, 0x082EFA98EC4E6C89)]
ANSWERS = [
    (0xC2B6E3A8C2C69865, 0x6F81ED42F350084D),
    (0xE02CB7C4D95D277A, 0xD06633D0893B8B68),
    (0x263C7D30BB0F0AF1, 0x56BE8361D3311526),
]
SEED, STEP = (Input(name, ArrayType((), DType.INT64)) for name in ("rng seed", "rng step"))


@pytest.mark.parametrize("width", [0, 3])
def test_generated_code_gives_the_published_answers(width: int) -> None:
    """One counter at a time, or all three as the lanes of a vector."""
    module, lanes = Module(), max(width, 1)
    type = vector(INTEGER, width)
    f = Function(module, "cipher", "void", [("words", "ptr")])
    words = Value("%words", POINTER)
    key0, key1, first, second = (f.load(type, f.offset(words, k * lanes, INTEGER), ", align 8") for k in range(4))
    for k, word in enumerate(threefry(f, (key0, key1), (first, second))):
        f.store(word, f.offset(words, (4 + k) * lanes, INTEGER), ", align 8")
    f.do("ret void")
    f.finish()
    code = build(str(module))
    cases = np.array([(*k, *c, 0, 0) for k, c in zip(KEYS, COUNTERS, strict=True)], np.uint64)
    for start in range(0, 3, lanes):
        memory = np.ascontiguousarray(cases[start : start + lanes].T)
        code.function("cipher", 1)(memory.ctypes.data_as(ctypes.c_void_p))
        assert memory[4:].T.tolist() == [list(answer) for answer in ANSWERS[start : start + lanes]]


def engine_of(mode: Mode) -> Engine:
    return get_engine("xla") if mode == "xla" else NativeEngine(mode)


def compare(mode: Mode, program: Program, seed: int, step: int) -> tuple[NDArray[Any], NDArray[Any]]:
    values = {"rng seed": np.asarray(seed), "rng step": np.asarray(step)}
    known: dict[Node, NDArray[Any]] = {node: values[node.name] for node in program.inputs}
    (expected,) = (evaluate_nodes(program.outputs, known)[output] for output in program.outputs)
    (found,) = engine_of(mode).compile(program)(values)
    assert found.dtype == expected.dtype
    return found, expected


@Modes
@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5), (2, 1, 9)])
def test_draws_are_those_of_the_definition_to_the_bit(mode: Mode, dtype: DType, shape: tuple[int, ...]) -> None:
    program = Program((SEED, STEP), (random_uniform(SEED, STEP, shape, 3, dtype),))
    for seed, step in ((0, 0), (-1, 5), (2**63 - 1, 2**40)):
        np.testing.assert_array_equal(*compare(mode, program, seed, step))


@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
def test_masks_of_many_elements_are_those_of_the_definition(dtype: DType) -> None:
    """Vectors, what is left of a row after them, and a transposed mask."""
    mask = dropout_mask(SEED, STEP, Input("x", ArrayType((37, 53), dtype)), 0.3, 1)
    for node in (mask, reshape(mask, (53, 37)), take_slices(mask, (slice(5, 30, 2), slice(None, None, -1)))):
        np.testing.assert_array_equal(*compare("loops", Program((SEED, STEP), (node,)), 3, 4))


@Modes
@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
def test_normal_draws_agree_to_rounding(mode: Mode, dtype: DType) -> None:
    found, expected = compare(mode, Program((SEED, STEP), (random_normal(SEED, STEP, (50,), (1, 2), dtype),)), 1, 2)
    np.testing.assert_allclose(found, expected, rtol=0, atol=32 * float(np.finfo(dtype.numpy).eps))


def remembering_loop(rows: int, batch: int) -> Loop:
    """A run that remembers what it drew in its last two epochs; the state also holds the number of the step."""
    width = 3
    history = Input("history", ArrayType((2 * rows, width)))
    following = cast(cast(STEP, DType.FLOAT64) + 1, DType.INT64)

    def step(size: int) -> Program:
        x = Input("x", ArrayType((size, width)))
        drawn = x * random_uniform(SEED, STEP, (size, width), 1)
        kept = concatenate([take_slices(history, slice(size, None)), drawn], 0)
        return Program((history, STEP, SEED, x), (sum_(drawn), kept, following))

    sizes = {batch, rows % batch or batch}
    return Loop(("history", "rng step"), ("x",), ("rng seed",), {k: step(k) for k in sizes}, rows, batch, False)


@Modes
@pytest.mark.parametrize(("rows", "batch"), [(6, 2), (5, 2), (4, 4)])
def test_each_step_of_a_run_draws_anew(mode: Mode, rows: int, batch: int) -> None:
    state = {"history": np.zeros((2 * rows, 3)), "rng step": np.asarray(0)}
    data = {"x": np.ones((rows, 3)), "rng seed": np.asarray(9)}
    steps = -(-rows // batch)
    draws = []
    for number in range(2 * steps):
        size = min(batch, rows - number % steps * batch)
        drawn = random_uniform(SEED, STEP, (size, 3), 1)
        draws.append(evaluate_nodes([drawn], {SEED: np.asarray(9), STEP: np.asarray(number)})[drawn])
    for engine in (engine_of(mode), get_engine("reference")):
        outcome = engine.run(Run(remembering_loop(rows, batch), state, data, 0), 2)
        np.testing.assert_array_equal(outcome.state["history"], np.concatenate(draws))
        assert outcome.state["rng step"] == 2 * steps


def test_a_batch_cut_short_draws_the_beginning_of_what_a_full_one_draws() -> None:
    short, long = (random_uniform(SEED, STEP, (rows, 3), 1) for rows in (5, 8))
    program = Program((SEED, STEP), (short - take_slices(long, slice(0, 5)),))
    found, _ = compare("loops", program, 1, 1)
    assert not found.any()


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_nothing(threads: int) -> None:
    shape = (96, 257)
    drawn, x = Input("drawn", ArrayType(shape)), Input("x", ArrayType((4,)))
    following = cast(cast(STEP, DType.FLOAT64) + 1, DType.INT64)
    draw = random_uniform(SEED, STEP, shape, 1)
    step = Program((drawn, STEP, SEED, x), (sum_(x), draw, following))
    loop = Loop(("drawn", "rng step"), ("x",), ("rng seed",), {4: step}, 4, 4, False)
    state, data = {"drawn": np.zeros(shape), "rng step": np.asarray(0)}, {"x": np.ones(4), "rng seed": np.asarray(9)}
    outcome = NativeEngine().run(Run(loop, state, data, 0), 3, threads=threads)
    expected = evaluate_nodes([draw], {SEED: np.asarray(9), STEP: np.asarray(2)})[draw]
    np.testing.assert_array_equal(outcome.state["drawn"], expected)
