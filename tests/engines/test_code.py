"""The generated text itself, and how kernels are formed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.handwritten import network_loop, random_data

import chainrule as cr
from chainrule.engines import evaluate
from chainrule.engines.native.compilation import CompiledProgram, compile_loop, write_loop
from chainrule.engines.native.nests import nests
from chainrule.engines.native.plan import Storages, stored_values
from chainrule.engines.native.symbolic import Affine, SymbolicEmitter, Variable, add, scale, variable_index
from chainrule.ir import ArrayType, Const, DType, Input, Node, Program, ShapeError, parse_shape, topological_order
from chainrule.primitives import (
    REGISTRY,
    Pad,
    Where,
    broadcast_to,
    cast,
    contract,
    equal,
    exp,
    greater,
    indicator,
    less,
    logical_or,
    max_,
    mean,
    permute,
    relu,
    reshape,
    sigmoid,
    softmax,
    sum_,
    take,
    take_slices,
)
from chainrule.training.arguments import read_arguments
from chainrule.training.runs import loop_for

Array = NDArray[Any]
FORBIDDEN = re.compile(r"\b(fast|nnan|ninf|nsz|arcp|afn)\b")


def check_flags(text: str) -> None:
    assert not FORBIDDEN.search(text), FORBIDDEN.search(text)


@pytest.mark.parametrize("mode", ["unrolled", "loops"])
def test_no_code_assumes_that_values_are_finite(mode: Any) -> None:
    text = compile_loop(network_loop(10, 3, True), mode).code.text
    assert "fmul contract" in text
    check_flags(text)


@pytest.mark.parametrize("primitive", REGISTRY)
def test_no_primitive_assumes_that_values_are_finite(primitive: Any) -> None:
    example = primitive.examples()[0]
    inputs = tuple(Input(f"x{k}", type) for k, type in enumerate(example.operands))
    program = Program(inputs, (example.primitive(*inputs),)).bind({"n": 2, "m": 3, "k": 2})
    check_flags(CompiledProgram(program).code.text)


def test_tiny_programs_are_unrolled_and_others_are_not() -> None:
    assert write_loop(network_loop(4, 4)).mode == "unrolled"
    assert write_loop(network_loop(64, 64, sizes=(20, 64, 2))).mode == "loops"


def test_a_size_without_a_number_is_refused() -> None:
    x = Input("x", ArrayType(parse_shape("n")))
    with pytest.raises(
        ShapeError, match=r"x has the type float64\[n\]; generated code needs every size to be a number"
    ):
        CompiledProgram(Program((x,), (sum_(x),)))


def test_an_array_of_another_shape_is_refused() -> None:
    x = Input("x", ArrayType((4,)))
    code = CompiledProgram(Program((x,), (sum_(x),)))
    assert code({"x": np.ones(4)})[0] == 4
    with pytest.raises(ShapeError, match="x has the shape"):
        code({"x": np.ones(5)})


def stored(*outputs: Node) -> list[object]:
    nodes, storages = topological_order(outputs), Storages({})
    kept = stored_values(nodes, outputs, storages)
    return [result.target for nest in nests(nodes, outputs, kept, storages) for result in nest.results]


X = Input("x", ArrayType((8, 5)))
W = Input("w", ArrayType((5, 6)))


def test_elementwise_work_and_renamed_places_are_not_stored() -> None:
    assert stored(result := permute(exp(X) + sigmoid(X))) == [result]


def test_work_that_would_be_repeated_is_stored() -> None:
    scores = exp(X)
    product = scores @ W
    assert stored(product) == [scores, product]
    total = sum_(X, 1, True)
    assert sum_(X, 1) in stored(X / total)


def test_a_sum_of_elementwise_work_reads_it_once() -> None:
    assert stored(total := sum_(exp(X) * X)) == [total]


def test_long_chains_are_cut() -> None:
    node: Node = X
    for _ in range(1000):
        node = node + X
    assert 2 <= len(stored(node)) < 50
    assert CompiledProgram(Program((X,), (node,)), "loops")({"x": np.ones((8, 5))})[0][0, 0] == 1001


def test_indices_stay_affine_through_reshaping() -> None:
    emit = SymbolicEmitter()
    i, j = Variable(6), Variable(4)
    flat = add(scale(variable_index(i), 4), variable_index(j))
    assert emit.index_divide(flat, 4) == variable_index(i)
    assert emit.index_remainder(flat, 4) == variable_index(j)
    k = variable_index(Variable(24))
    whole = add(scale(emit.index_divide(k, 4), 4), emit.index_remainder(k, 4))
    assert whole == k
    assert isinstance(emit.index_divide(k, 5), Affine)


def test_what_is_known_of_an_index_is_not_asked_at_run_time() -> None:
    emit = SymbolicEmitter()
    i = variable_index(Variable(6))
    assert emit.index_compare("<", i, 6).payload is True
    assert emit.index_compare(">=", i, 6).payload is False
    assert emit.index_compare("<", i, 3).kind == "compare"


SHAPES = [(1, 1, 1), (3, 4, 5), (4, 7, 24), (5, 9, 33), (9, 40, 27), (17, 3, 10)]


@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
@pytest.mark.parametrize("shape", SHAPES)
def test_products_of_every_layout_and_size(shape: tuple[int, int, int], dtype: DType) -> None:
    """Sizes around the tile's, with each operand as it is and transposed."""
    n, k, m = shape
    rng = np.random.default_rng(n)
    layouts = [(((0, 1), (1, 2)), (n, k), (k, m)), (((1, 0), (1, 2)), (k, n), (k, m))]
    layouts += [(((0, 1), (2, 1)), (n, k), (m, k)), (((1, 0), (2, 1)), (k, n), (m, k))]
    inputs: list[Input] = []
    outputs: list[Node] = []
    for place, (labels, left, right) in enumerate(layouts):
        pair = [Input(f"{name}{place}", ArrayType(size, dtype)) for name, size in (("a", left), ("b", right))]
        inputs += pair
        outputs += [contract(pair, labels, (0, 2)), contract(pair, labels, (2, 0))]
    program = Program(tuple(inputs), tuple(outputs))
    values = {node.name: rng.uniform(-1, 1, node.type.concrete_shape).astype(dtype.numpy) for node in inputs}
    tolerance = 4 * k * float(np.finfo(dtype.numpy).eps)
    for result, expected in zip(CompiledProgram(program, "loops")(values), evaluate(program, values), strict=True):
        np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("mode", ["unrolled", "loops"])
def test_reductions_over_every_choice_of_axes(mode: Any) -> None:
    x = Input("x", ArrayType((3, 5, 4)))
    axes = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    outputs = [reduce(exp(x), axis) for axis in axes for reduce in (sum_, max_, mean)]
    program = Program((x,), tuple(outputs))
    values = {"x": np.random.default_rng(0).normal(size=(3, 5, 4))}
    for result, expected in zip(CompiledProgram(program, mode)(values), evaluate(program, values), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-14)


@pytest.mark.parametrize("mode", ["unrolled", "loops"])
def test_a_program_of_many_kinds_of_work(mode: Any) -> None:
    x, w = Input("x", ArrayType((6, 4))), Input("w", ArrayType((4, 5)))
    hidden = relu(x @ w)
    shares = softmax(hidden, 1)
    folded = reshape(permute(shares), (3, 10))
    program = Program((x, w), (sum_(folded * folded), shares, folded, hidden, x))
    values = {"x": random_data(6, (4, 1, 1))["X"], "w": random_data(4, (5, 1, 1))["X"]}
    for result, expected in zip(CompiledProgram(program, mode)(values), evaluate(program, values), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-14, atol=1e-15)


def test_no_index_reads_outside_of_an_array() -> None:
    """An index computed from floats is not checked in advance; it is clamped to the axis."""
    x, places = Input("x", ArrayType((4,))), Input("places", ArrayType((3,), DType.INT64))
    program = Program((x, places), (take(x, places, 0),))
    code = CompiledProgram(program, "loops")
    assert code({"x": np.arange(4.0), "places": np.array([-4, 3, 0])})[0].tolist() == [0, 3, 0]
    assert code.code.text.count("select") >= 2
    with pytest.raises(ValueError, match="places holds 0 to 9"):
        code({"x": np.arange(4.0), "places": np.array([0, 9, 0])})


def test_a_value_computed_in_two_kernels_is_the_same_to_the_bit() -> None:
    """The product is used once in one kernel and twice in the other, so that a fused addition would differ."""
    x, y, z = (Input(name, ArrayType((200,))) for name in "xyz")
    product = x * y
    head = take_slices(product + z, slice(0, 16))
    largest = max_(head)
    found = indicator(equal(head, broadcast_to(largest, (16,))), head) * take_slices(product, slice(0, 16))
    program = Program((x, y, z), (largest, found))
    code = CompiledProgram(program, "loops")
    for seed in range(100):
        rng = np.random.default_rng(seed)
        values = {name: rng.normal(size=200) for name in "xyz"}
        for result, expected in zip(code(values), evaluate(program, values), strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("mode", ["unrolled", "loops"])
def test_factors_stay_in_order(mode: Any) -> None:
    x, y = Input("x", ArrayType((3,))), Input("y", ArrayType((3,)))
    code = CompiledProgram(Program((x, y), (x * y * x,)), mode)
    result = code({"x": np.array([1e200, -1e160, 1e-200]), "y": np.array([1e-200, 1e-170, 1e200])})[0]
    np.testing.assert_allclose(result, [1e200, 1e150, 1e-200], rtol=1e-15)


@pytest.mark.parametrize("mode", ["unrolled", "loops"])
def test_numbers_beyond_the_integers_become_the_least_integer(mode: Any) -> None:
    """Literals too, which LLVM converts itself, and calls undefined unless it is told what is meant."""
    least = -(2**63)
    numbers = np.array([np.nan, np.inf, -np.inf, 1e300, -3.7, 2.0**63, -(2.0**63), 2.0**62])
    expected = [least, least, least, least, -3, least, least, 2**62]
    x = Input("x", ArrayType((8,)))
    literal = Const(numbers, ArrayType((8,)))
    code = CompiledProgram(Program((x,), (cast(x, DType.INT64), cast(literal * 1.0, DType.INT64))), mode)
    for result in code({"x": numbers}):
        assert result.tolist() == expected


def test_an_index_out_of_range_stays_in_range_through_a_division() -> None:
    x, places = Input("x", ArrayType((6,))), Input("places", ArrayType((3,)))
    spread = Pad((0,), (0,), (1,))(x)
    code = CompiledProgram(Program((x, places), (take(spread, cast(places, DType.INT64), 0),)), "loops")
    assert code({"x": np.arange(6.0), "places": np.array([2.0, 1e12, -1e15])})[0].tolist() == [1, 5, 0]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (2, 0, 5)])
def test_empty_arrays_take_other_shapes(shape: tuple[int, ...]) -> None:
    x = Input("x", ArrayType(shape))
    other = reshape(x, (7, 0, 2))
    code = CompiledProgram(Program((x,), (other, sum_(other * 2.0, 1), exp(reshape(other, (0,))))))
    results = code({"x": np.zeros(shape)})
    assert [result.shape for result in results] == [(7, 0, 2), (7, 2), (0,)]
    assert not results[1].any()


def test_a_condition_on_labels_is_seen_where_they_choose() -> None:
    """Labels that mark what is to be left out are in range wherever they are used."""
    x, labels = Input("x", ArrayType((3,))), Input("labels", ArrayType((4,), DType.INT64))
    absent = logical_or(less(labels, 0), greater(labels, 2))
    kept = Where()(absent, Const(0, labels.type), labels)
    program = Program((x, labels), (take(x, kept, 0),))
    values = {"x": np.array([5.0, 6.0, 7.0]), "labels": np.array([1, -100, 2, 100])}
    assert CompiledProgram(program)(values)[0].tolist() == [6, 5, 7, 5]


def layers(width: int, depth: int) -> int:
    """The lines of code of a step of gradient descent through so many layers."""
    network = cr.MLP([width] * (depth + 1), output="softmax", dtype="float32")
    data = {"X": np.zeros((64, width)), "y": np.zeros(64, int)}
    loss = network.loss_function
    arguments = read_arguments(loss, network.params, data, {})
    return write_loop(loop_for(loss, arguments, cr.SGD(0.1), None, False)[0]).text.count("\n")


def test_code_does_not_grow_with_the_width_of_layers() -> None:
    lengths = [layers(width, 2) for width in (256, 512, 1024)]
    assert max(lengths) <= 1.3 * min(lengths)  # strips of two or of three vectors


def test_code_grows_at_most_linearly_with_the_number_of_layers() -> None:
    two, four, eight = (layers(48, depth) for depth in (2, 4, 8))
    assert two < four < eight
    assert eight - four <= 2.2 * (four - two)
