"""Choices between values of which one may be NaN, infinite or out of bounds, in vectors too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.sized_programs import BOUNDARIES, FLOATS, few

from chainrule.calculus import backward
from chainrule.engines import evaluate
from chainrule.engines.native.compilation import CompiledProgram
from chainrule.ir import ArrayType, DType, Input, Node, Program
from chainrule.primitives import (
    Pad,
    ScatterAdd,
    Slice,
    concatenate,
    exp,
    greater,
    log,
    max_,
    maximum,
    one_hot,
    reverse,
    sqrt,
    sum_,
    take,
    where,
)

Array = NDArray[Any]
extents = st.one_of(st.sampled_from(BOUNDARIES), st.integers(1, 70))
SPECIAL = (np.nan, np.inf, -np.inf, -0.0, 1e300)


def special_values(program: Program, seed: int, places: int) -> dict[str, Array]:
    """Return floats of which one in five is special, integers that are valid indices, and conditions."""
    rng = np.random.default_rng(seed)
    values: dict[str, Array] = {}
    for node in program.inputs:
        shape, dtype = node.type.concrete_shape, node.type.dtype
        if dtype is DType.BOOL:
            values[node.name] = rng.random(shape) < 0.5
        elif dtype is DType.INT64:
            values[node.name] = rng.integers(-places, places, shape)
        else:
            numbers = np.where(rng.random(shape) < 0.2, rng.choice(SPECIAL, shape), rng.normal(size=shape))
            with np.errstate(over="ignore"):
                values[node.name] = np.asarray(numbers).astype(dtype.numpy)
    return values


def check(program: Program, seed: int, places: int = 1) -> None:
    """Check for the same NaN and infinities, and the same numbers up to rounding."""
    values = special_values(program, seed, places)
    with np.errstate(all="ignore"):
        expected = evaluate(program, values)
    for k, (found, wanted) in enumerate(zip(CompiledProgram(program, "loops")(values), expected, strict=True)):
        eps = float(np.finfo(wanted.dtype).eps) if wanted.dtype.kind == "f" else 0
        np.testing.assert_allclose(found, wanted, rtol=16 * eps, atol=0, err_msg=f"output {k}")


@few(6)
@given(n=extents, d=extents, dtype=st.sampled_from(FLOATS), seed=st.integers(0, 99))
def test_what_is_not_chosen_does_not_matter(n: int, d: int, dtype: DType, seed: int) -> None:
    """Neither does its derivative: a value that is not chosen is not multiplied by zero."""
    x, y = (Input(name, ArrayType((n, d), dtype)) for name in "xy")
    mask = Input("mask", ArrayType((n, d), DType.BOOL))
    safe = where(mask, log(x), y)
    program = Program((x, y, mask), (safe, where(mask, 2 * x, exp(y)), maximum(where(mask, x, y), 0 * x)))
    check(program, seed)
    (gradient,) = backward(Program((x, y, mask), (sum_(where(mask, y, sqrt(x))),)), (y,)).gradients
    check(Program((x, y, mask), (gradient, where(greater(x, 0), y, -y))), seed)


@few(6)
@given(n=extents, d=extents, dtype=st.sampled_from(FLOATS), seed=st.integers(0, 99), low=st.integers(0, 3))
def test_spread_and_joined_arrays_have_nothing_from_beside(n: int, d: int, dtype: DType, seed: int, low: int) -> None:
    """Missing elements are zero, regardless of adjacent memory."""
    x, y = (Input(name, ArrayType((n, d), dtype)) for name in "xy")
    spread = Pad((low, 1), (1, low), (0, 2))(x)
    inner = Pad((0, 0), (0, 0), (1, 0))(exp(y))
    turned = reverse(concatenate([x, exp(y), 2 * x], 1), (0,))
    joined = concatenate([spread, concatenate([spread, 2 * spread], 0)], 0)
    program = Program((x, y), (spread, inner, turned, joined, max_(concatenate([x, y], 0), 0), 3 * spread))
    check(program, seed)


@few(6)
@given(n=extents, d=extents, count=extents, dtype=st.sampled_from(FLOATS), seed=st.integers(0, 99))
def test_places_that_are_looked_up(n: int, d: int, count: int, dtype: DType, seed: int) -> None:
    """Rows and columns; sums at indices, without adding other values times zero."""
    x, table = Input("x", ArrayType((n, d), dtype)), Input("table", ArrayType((count, d), dtype))
    rows = Input("rows", ArrayType((count,), DType.INT64))
    least = Slice((0, 0), (n, 1), (1, 1))(x)
    outputs: tuple[Node, ...] = (
        take(x, rows, 0),
        take(least, rows, 0),
        max_(take(x, rows, 0), 1),
        one_hot(rows, n, dtype),
        where(greater(take(x, rows, 0), 0), take(x, rows, 0), table),
    )
    check(Program((x, table, rows), outputs), seed, n)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_sum_at_places_takes_only_what_goes_there(dtype: DType) -> None:
    table, rows = Input("table", ArrayType((4, 20), dtype)), Input("rows", ArrayType((4,), DType.INT64))
    values = {"table": np.ones((4, 20), dtype.numpy), "rows": np.array([0, 2, 2, -1])}
    values["table"][3] = np.nan
    program = Program((table, rows), (ScatterAdd(0, 5)(table, rows),))
    (found,) = CompiledProgram(program, "loops")(values)
    np.testing.assert_array_equal(found, evaluate(program, values)[0])
    assert found[:, 0].tolist()[:4] == [1, 0, 2, 0]
    assert np.isnan(found[4]).all()
