"""The reference engine: sizes from arrays, and errors for arrays that do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from chainrule.engines import Engine, EngineError, evaluate, evaluate_nodes, get_engine
from chainrule.ir import ArrayType, Input, Program, ProgramError, ShapeError, parse_shape
from chainrule.primitives import sum_
from chainrule.words import ChainruleError


def product() -> Program:
    x, w = Input("x", ArrayType(parse_shape("n d"))), Input("w", ArrayType(parse_shape("d h")))
    return Program((x, w), (x @ w, sum_(x)))


def test_named_sizes_are_read_off_the_arrays() -> None:
    x, w = np.arange(6.0).reshape(3, 2), np.arange(8.0).reshape(2, 4)
    result, total = evaluate(product(), {"x": x, "w": w})
    np.testing.assert_allclose(result, x @ w, rtol=1e-15)
    assert total == 15


def test_numbers_are_taken_in_the_dtype_of_the_input() -> None:
    result, _ = evaluate(product(), {"x": np.ones((3, 2), int), "w": np.ones((2, 4), np.float32)})
    assert result.dtype == np.float64


def test_the_value_of_every_node_can_be_had() -> None:
    program = product()
    x, w = program.inputs
    values = evaluate_nodes(program.outputs, {x: np.ones((3, 2)), w: np.ones((2, 4))})
    assert set(values) == {x, w, *program.nodes}


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"x": (3, 2), "w": (5, 4)}, "the size d is 2 in x but 5 in w"),
        ({"x": (3,), "w": (2, 4)}, r"x has the shape \(3,\); it should be \(n, d\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(shapes: dict[str, tuple[int, ...]], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        evaluate(product(), {name: np.ones(shape) for name, shape in shapes.items()})


def test_a_size_that_is_a_number_is_checked() -> None:
    x = Input("x", ArrayType((3, 2)))
    with pytest.raises(ShapeError, match="x has the shape"):
        evaluate(Program((x,), (sum_(x),)), {"x": np.ones((2, 2))})


def test_a_missing_input_is_named() -> None:
    with pytest.raises(ProgramError, match="'w' has no value"):
        evaluate(product(), {"x": np.ones((3, 2))})


def test_there_are_two_engines_and_each_is_one_object() -> None:
    for name in ("reference", "native"):
        engine: Engine = get_engine(name)
        assert engine.name == name
        assert get_engine(name) is engine


def test_another_name_is_refused_with_the_names_that_there_are() -> None:
    names = "'native', 'xla', 'auto' or 'reference'"
    with pytest.raises(EngineError, match=names) as caught:
        get_engine("cuda")
    assert isinstance(caught.value, ChainruleError)
    assert isinstance(caught.value, ValueError)
