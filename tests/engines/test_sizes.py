"""Generated loops equal the definition at every size around those of tiles and vectors, with any team of threads.

The same examples in every run; with `--hypothesis-profile=explore` many others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.sized_programs import (
    BOUNDARIES,
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
    random_values,
)

from chainrule.engines import Outcome, Run, evaluate, get_engine
from chainrule.engines.native import NativeEngine
from chainrule.engines.native.compilation import CompiledProgram
from chainrule.ir import DType, Program

Array = NDArray[Any]
TEAMS = (1, 2, 3, 4, 8)

extents = st.one_of(st.sampled_from(BOUNDARIES), st.integers(1, 70))
sizes = st.builds(Sizes, extents, extents, extents, extents)
floats = st.sampled_from(FLOATS)
products = st.sampled_from(list(PRODUCTS))
epilogues = st.lists(st.sampled_from(list(EPILOGUES)), min_size=1, max_size=3, unique=True)
trainings = st.builds(
    Training,
    sizes,
    st.integers(1, 150),
    st.sampled_from(LOSSES),
    st.sampled_from(OPTIMIZERS),
    floats,
    st.booleans(),
)


def assert_near(found: Array, expected: Array, dtype: DType, terms: int, where: str) -> None:
    """Within a few units in the last place for each of √terms additions, of the largest value."""
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype), where
    scale = max(1.0, float(np.max(np.abs(expected), initial=0)))
    tolerance = 8 * float(np.finfo(dtype.numpy).eps) * terms**0.5 * scale
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance, err_msg=where)


def check(program: Program, seed: int, dtype: DType, terms: int) -> None:
    values = random_values(program, seed)
    found = CompiledProgram(program, "loops")(values)
    for k, (result, expected) in enumerate(zip(found, evaluate(program, values), strict=True)):
        assert_near(result, expected, dtype, terms, f"output {k}")


@pytest.mark.parametrize("product", PRODUCTS)
@few(2)
@given(sizes=sizes, epilogues=epilogues, dtype=floats, seed=st.integers(0, 99))
def test_products_of_any_size(product: str, sizes: Sizes, epilogues: list[str], dtype: DType, seed: int) -> None:
    terms = max(sizes.inputs * sizes.hidden, sizes.rows)
    check(product_program(sizes, product, epilogues, dtype), seed, dtype, terms)


@pytest.mark.parametrize("epilogue", EPILOGUES)
@few(1)
@given(sizes=sizes, dtype=floats)
def test_what_follows_a_product_of_any_size(epilogue: str, sizes: Sizes, dtype: DType) -> None:
    terms = max(sizes.inputs, sizes.rows, sizes.hidden)
    check(product_program(sizes, "plain", [epilogue], dtype), 0, dtype, terms)


@few(10)
@given(sizes=sizes, dtype=floats, seed=st.integers(0, 99))
def test_looked_up_and_chosen_places_of_any_size(sizes: Sizes, dtype: DType, seed: int) -> None:
    check(moving_program(sizes, dtype), seed, dtype, max(sizes.hidden, sizes.inputs))


def assert_identical(found: Outcome, expected: Outcome) -> None:
    np.testing.assert_array_equal(found.losses, expected.losses)
    for name, value in expected.state.items():
        np.testing.assert_array_equal(found.state[name], value, err_msg=name)


def check_training(training: Training, epochs: int) -> None:
    """The same bits with every team, and near the definition."""
    loop = training.loop
    state, data = training.values(0)
    engine = NativeEngine("loops")
    outcomes = []
    for engine.team in TEAMS:
        outcomes.append(engine.run(Run(loop, state, data, 5), epochs))
    for outcome in outcomes[1:]:
        assert_identical(outcome, outcomes[0])
    expected = get_engine("reference").run(Run(loop, state, data, 5), epochs)
    assert outcomes[0].status == expected.status == "finished"
    # Each step may move an error on into every weight; Adam's root of a small v makes more of it.
    tolerance = 2000 * float(np.finfo(training.dtype.numpy).eps) * (1 + expected.steps_done)
    np.testing.assert_allclose(outcomes[0].losses, expected.losses, rtol=tolerance, atol=tolerance)
    for name, value in expected.state.items():
        np.testing.assert_allclose(outcomes[0].state[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


@few(6)
@given(training=trainings)
@example(Training(Sizes(33, 17, 65, 10), 70, "classes", "adam", DType.FLOAT32))
@example(Training(Sizes(48, 49, 32, 2), 130, "normalized", "momentum", DType.FLOAT64))
def test_training_is_the_same_with_any_team(training: Training) -> None:
    check_training(training, 2)
