"""Random draws in a traced function: two more inputs, and a stream for each draw in order of call."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.ir import Apply, ArrayType, DType, Program
from chainrule.primitives import RandomUniform, evaluate_nodes
from chainrule.trace import trace, trace_with_structure


def streams(program: Program) -> list[int]:
    draws = [node.primitive for node in program.nodes if isinstance(node, Apply)]
    return sorted(draw.stream for draw in draws if isinstance(draw, RandomUniform))


def twice(x: Any, w: Any) -> Any:
    return np.sum(cr.dropout(cr.dropout(x, 0.5) * w, 0.25))


def test_seed_and_step_become_inputs_behind_the_arguments() -> None:
    program = trace(twice, x="n d", w="d")
    assert [node.name for node in program.inputs] == ["x", "w", "rng seed", "rng step"]
    assert {node.type for node in program.inputs[2:]} == {ArrayType((), DType.INT64)}
    tracing = trace_with_structure(twice, x="n d", w="d")
    assert tracing.random == tracing.program.inputs[2:]
    assert list(tracing.arguments) == ["x", "w"]


def test_a_function_that_draws_nothing_has_no_such_inputs() -> None:
    undrawn: list[Callable[[Any], Any]] = [np.sum, lambda x: cr.dropout(x, 0), lambda x: cr.dropout(x, 0.5, False)]
    for function in undrawn:
        tracing = trace_with_structure(lambda x, function=function: np.sum(function(x)), x="n")
        assert [node.name for node in tracing.program.inputs] == ["x"]
        assert tracing.random == ()


def test_draws_are_numbered_in_order_of_call_and_the_same_each_time() -> None:
    def f(x: Any) -> Any:
        return np.sum(cr.dropout(x, 0.5) * cr.random_normal(x.shape) + cr.random_uniform())

    assert streams(trace(f, x="n")) == [1, 2, 3, 4]
    assert streams(trace(f, x="n")) == [1, 2, 3, 4]
    assert trace(f, x="n").outputs == trace(f, x="n").outputs
    assert streams(trace(twice, x="n d", w="d")) == [1, 2]


def test_a_rate_of_zero_leaves_the_other_masks_as_they_are() -> None:
    def f(x: Any, rate: float) -> Any:
        return np.sum(cr.dropout(cr.dropout(x, rate), 0.5))

    assert streams(trace(lambda x: f(x, 0.0), x="n")) == [2]
    assert streams(trace(lambda x: f(x, 0.1), x="n")) == [1, 2]


def test_a_trace_inside_a_trace_draws_from_the_outer_ones_source() -> None:
    def f(x: Any) -> Any:
        return np.sum(cr.dropout(x, 0.5) * cr.grad(lambda z: np.sum(cr.dropout(z, 0.5) ** 2))(x))

    program = trace(f, x="n")
    assert [node.name for node in program.inputs] == ["x", "rng seed", "rng step"]
    assert streams(program) == [1, 2]


def test_shapes_and_dtypes_of_noise() -> None:
    def f(x: Any) -> Any:
        return (
            cr.random_normal(x.shape, x.dtype),
            cr.random_uniform(x.shape[0]),
            cr.random_uniform([2, x.shape[1]], np.float32),
            cr.random_normal(),
        )

    program = trace(f, x=np.zeros((4, 3), np.float32))
    assert [str(node.type) for node in program.outputs] == ["float32[4, 3]", "float64[4]", "float32[2, 3]", "float64[]"]
    assert [str(node.type) for node in trace(f, x="n d").outputs][:2] == ["float64[n, d]", "float64[n]"]
    drawn = evaluate_nodes(program.outputs, dict.fromkeys(program.inputs[1:], np.asarray(3)))
    assert all(np.all(np.isfinite(drawn[node])) for node in program.outputs)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: cr.dropout(x, 1.0), r"the rate of dropout is 1\.0; .* from 0 to below 1"),
        (lambda x: cr.dropout(x, -0.1), r"the rate of dropout is -0\.1"),
        (lambda x: cr.dropout(x, float("nan")), "the rate of dropout is nan"),
        (lambda x: cr.dropout(x, x[0]), "the rate of dropout is "),
        (lambda x: x * cr.random_normal(2.5), "2.5 is not the shape of an array"),
        (lambda x: x * cr.random_normal((2, -1)), "the size -1 on an axis"),
        (lambda x: x * cr.random_uniform(x.shape, int), "float64 or float32, not int64"),
    ],
)
def test_what_is_refused_is_refused_with_its_line(function: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(cr.ChainruleError, match=message) as caught:
        trace(lambda x: np.sum(function(x)), x="n")
    assert re.match(r".*test_random_draws\.py:\d+: ", str(caught.value))
