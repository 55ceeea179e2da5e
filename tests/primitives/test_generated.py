"""Properties of every registered primitive, on each of its examples, at sizes and values drawn by Hypothesis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from chainrule.calculus import linearize, transpose
from chainrule.ir import ArrayType, DType, Input, Node, ShapeError, SymbolicDim
from chainrule.primitives import (
    REGISTRY,
    Composite,
    Example,
    Linear,
    LinearComposite,
    Multilinear,
    NeverExpandableError,
    Notation,
    NotExpandableError,
    Number,
    Primitive,
    Symbol,
    evaluate_nodes,
    precedence,
)

Array = NDArray[Any]
Examples = pytest.mark.parametrize(
    "example",
    [pytest.param(e, id=f"{cls.__name__}-{k}") for cls in REGISTRY for k, e in enumerate(cls.examples())],
)
EPS = float(np.finfo(np.float64).eps)
STEP = EPS**0.2  # balances the h⁴ truncation of the five-point formula against rounding, eps / h
DIFFERENCE_TOLERANCE = EPS**0.5
EXACT_TOLERANCE = 1000 * EPS


@dataclass(frozen=True)
class Case:
    """An example with numbers for its sizes, and values for its operands and for directions."""

    primitive: Primitive
    inputs: tuple[Input, ...]
    values: tuple[Array, ...]
    directions: tuple[Array, ...]
    cotangent: Array

    @property
    def node(self) -> Node:
        return self.primitive(*self.inputs)

    @property
    def floats(self) -> list[int]:
        return [k for k, node in enumerate(self.inputs) if node.type.dtype.is_float]

    def at(self, step: float, values: Sequence[Array]) -> tuple[Array, ...]:
        """`values` moved along the directions, as far as they are floats."""
        pairs = enumerate(zip(values, self.directions, strict=True))
        return tuple(x + step * u if k in self.floats else x for k, (x, u) in pairs)


def names_in(value: object) -> Iterable[str]:
    if isinstance(value, SymbolicDim):
        yield from value.names
    elif isinstance(value, ArrayType):
        yield from names_in(value.shape)
    elif isinstance(value, tuple):
        for entry in value:
            yield from names_in(entry)


def draw_value(rng: np.random.Generator, type: ArrayType, domain: tuple[float, float]) -> Array:
    """Numbers that keep their distance from each other and from the ends of the domain, in random order."""
    shape = type.concrete_shape
    if type.dtype is DType.BOOL:
        return np.asarray(rng.random(shape) < 0.5)
    if type.dtype is DType.INT64:
        return np.asarray(rng.integers(int(domain[0]), int(domain[1]), shape))
    count = int(np.prod(shape))
    spacing = (domain[1] - domain[0]) / (count + 1)
    grid = domain[0] + spacing * (1 + np.arange(count)) + rng.uniform(-0.25, 0.25, count) * spacing
    return np.asarray(rng.permutation(grid).reshape(shape).astype(type.dtype.numpy))


def draw_case(example: Example, data: st.DataObject, float_dtype: DType = DType.FLOAT64) -> Case:
    names = sorted({*names_in(example.operands), *names_in(tuple(vars(example.primitive).values()))})
    sizes = {name: data.draw(st.integers(1, 5), label=name) for name in names}
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    types = [type.bind(sizes) for type in example.operands]
    types = [type.with_dtype(float_dtype) if type.dtype.is_float else type for type in types]
    inputs = tuple(Input(f"x{k}", type) for k, type in enumerate(types))
    domain = example.domain or ((-3.0, 3.0),) * len(types)
    drawn = (draw_value(rng, type, bounds) for type, bounds in zip(types, domain, strict=True))
    values = tuple(map(example.with_diagonal, drawn))
    primitive = example.primitive.bind(sizes, float_dtype)
    directions = tuple(rng.uniform(-1, 1, type.concrete_shape) for type in types)
    cotangent = rng.uniform(-1, 1, primitive.type(*types).concrete_shape)
    return Case(primitive, inputs, values, directions, cotangent)


def evaluate(node: Node, *pairs: tuple[Sequence[Node], Sequence[Array]]) -> Array:
    known = {symbol: value for symbols, values in pairs for symbol, value in zip(symbols, values, strict=True)}
    return evaluate_nodes([node], known)[node]


def slope(function: Callable[[float], Array]) -> Array:
    """dfunction/dt at 0 by the five-point formula."""
    near, far = function(STEP) - function(-STEP), function(2 * STEP) - function(-2 * STEP)
    return np.asarray((8 * near - far) / (12 * STEP))


def assert_close(actual: ArrayLike, expected: ArrayLike, tolerance: float) -> None:
    wanted = np.asarray(expected, np.float64)
    scale = max(1.0, float(np.max(np.abs(wanted), initial=0)))
    np.testing.assert_allclose(np.asarray(actual, np.float64), wanted, rtol=0, atol=tolerance * scale)


def is_by_definition(cls: type[Primitive]) -> bool:
    """Whether a primitive is computed by its definition alone."""
    example = cls.examples()[0]
    if not isinstance(example.primitive, Composite):
        return False
    try:
        example.primitive.expand(*(Input(f"x{k}", type) for k, type in enumerate(example.operands)))
    except NeverExpandableError:
        return True
    except (NotExpandableError, ShapeError):  # the sizes are not numbers
        return False
    return False


def tangents_of(case: Case) -> list[Input]:
    return [Input(f"d{k}", case.inputs[k].type) for k in case.floats]


def tangent_of(case: Case) -> Node | None:
    tangents: list[Node | None] = [None] * len(case.inputs)
    for k, tangent in zip(case.floats, tangents_of(case), strict=True):
        tangents[k] = tangent
    return case.primitive.differential(case.inputs, case.node, tangents)


@Examples
@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_type_is_that_of_the_value(example: Example, dtype: DType, data: st.DataObject) -> None:
    case = draw_case(example, data, dtype)
    value = case.primitive.value(*case.values)
    assert isinstance(value, np.ndarray)
    assert value.shape == case.node.type.concrete_shape
    assert value.dtype == case.node.type.dtype.numpy


@Examples
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_single_precision_rounds_double_precision(example: Example, data: st.DataObject) -> None:
    case = draw_case(example, data, DType.FLOAT32)
    double = tuple(x.astype(np.float64) if x.dtype == np.float32 else x for x in case.values)
    primitive = case.primitive.bind({}, DType.FLOAT64)
    assert_close(case.primitive.value(*case.values), primitive.value(*double), 64 * float(np.finfo(np.float32).eps))


@Examples
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_differential_agrees_with_differences(example: Example, data: st.DataObject) -> None:
    case = draw_case(example, data)
    tangent = tangent_of(case)
    if not case.node.type.dtype.is_float:
        assert tangent is None
        return
    expected = slope(lambda t: case.primitive.value(*case.at(t, case.values)))
    if tangent is None:
        np.testing.assert_array_equal(expected, 0)
        return
    assert tangent.type == case.node.type
    directions = [case.directions[k] for k in case.floats]
    actual = evaluate(tangent, (case.inputs, case.values), (tangents_of(case), directions))
    assert_close(actual, expected, DIFFERENCE_TOLERANCE)


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(e, id=f"{cls.__name__}-{k}")
        for cls in REGISTRY
        if issubclass(cls, Linear | LinearComposite | Multilinear)
        for k, e in enumerate(cls.examples())
    ],
)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_transpose_is_the_adjoint(example: Example, data: st.DataObject) -> None:
    """⟨J v, u⟩ = ⟨v, Jᵀ u⟩ for each operand alone."""
    case = draw_case(example, data)
    count = len(case.inputs)
    linear: Sequence[int] = range(count)
    if isinstance(case.primitive, Linear | LinearComposite):
        linear = case.primitive.linear_operands(count)
    symbol = Input("u", case.node.type)
    for k in set(linear) & set(case.floats):
        operands = [
            case.directions[k] if j == k else np.zeros_like(x) if _held_at_zero(case.primitive, j, linear) else x
            for j, x in enumerate(case.values)
        ]
        assert isinstance(case.primitive, Linear | LinearComposite | Multilinear)
        adjoint = case.primitive.transpose(case.inputs, symbol, k)
        assert adjoint.type == case.inputs[k].type
        there = np.vdot(case.primitive.value(*operands), case.cotangent)
        back = np.vdot(case.directions[k], evaluate(adjoint, (case.inputs, case.values), ([symbol], [case.cotangent])))
        assert_close(back, there, EXACT_TOLERANCE)


def _held_at_zero(primitive: Primitive, operand: int, linear: Sequence[int]) -> bool:
    return isinstance(primitive, Linear) and operand in linear


@Examples
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_second_order_agrees_with_differences(example: Example, data: st.DataObject) -> None:
    """The gradient of ⟨f(x), u⟩ moves along v as its own linearization says, whose transpose is its adjoint."""
    case = draw_case(example, data)
    tangents = tangents_of(case)
    symbol = Input("u", case.node.type)
    if not case.node.type.dtype.is_float:
        return
    inputs = [case.inputs[k] for k in case.floats]
    (tangent,) = linearize([case.node], dict(zip(inputs, tangents, strict=True)))
    if tangent is None:
        return
    gradients = transpose([tangent], tangents, [symbol])
    directions = [case.directions[k] for k in case.floats]
    weights = [Input(f"w{k}", case.inputs[k].type) for k in case.floats]
    for gradient in gradients:
        if gradient is None:
            continue

        def moved(step: float, gradient: Node = gradient) -> Array:
            return evaluate(gradient, (case.inputs, case.at(step, case.values)), ([symbol], [case.cotangent]))

        expected = slope(moved)
        (second,) = linearize([gradient], dict(zip(inputs, weights, strict=True)))
        if second is None:
            np.testing.assert_allclose(expected, 0, atol=DIFFERENCE_TOLERANCE)
            continue
        at = ((case.inputs, case.values), ([symbol], [case.cotangent]))
        actual = evaluate(second, *at, (weights, directions))
        assert_close(actual, expected, DIFFERENCE_TOLERANCE)
        other = Input("o", gradient.type)
        against = np.random.default_rng(0).uniform(-1, 1, gradient.type.concrete_shape)
        adjoints = transpose([second], weights, [other])
        back = sum(
            np.vdot(v, evaluate(adjoint, *at, ([other], [against])))
            for v, adjoint in zip(directions, adjoints, strict=True)
            if adjoint is not None
        )
        assert_close(np.asarray(back), np.vdot(actual, against), EXACT_TOLERANCE)


Expandable = pytest.mark.parametrize(
    "example",
    [
        pytest.param(e, id=f"{cls.__name__}-{k}")
        for cls in REGISTRY
        if issubclass(cls, Composite | Linear) and not is_by_definition(cls)
        for k, e in enumerate(cls.examples())
    ],
)


@Expandable
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_expansion_is_the_value(example: Example, data: st.DataObject) -> None:
    case = draw_case(example, data)
    assert isinstance(case.primitive, Composite | Linear)
    expanded = case.primitive.expand(*case.inputs)
    if expanded is None:
        assert isinstance(case.primitive, Linear)
        return
    assert expanded.type == case.node.type
    assert_close(evaluate(expanded, (case.inputs, case.values)), case.primitive.value(*case.values), EXACT_TOLERANCE)


@Expandable
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_expansion_keeps_single_precision(example: Example, data: st.DataObject) -> None:
    case = draw_case(example, data, DType.FLOAT32)
    assert isinstance(case.primitive, Composite | Linear)
    expanded = case.primitive.expand(*case.inputs)
    assert expanded is None or expanded.type == case.node.type


@Examples
def test_notation_is_printable(example: Example) -> None:
    operands: list[Notation] = [Symbol(f"x{k}") for k in range(len(example.operands))]
    for written in (operands, [Number(2.0) for _ in operands]):
        notation = example.primitive.notation(written, example.operands)
        assert precedence(notation) in range(6)
        hash(notation)


@Examples
def test_types_with_names_bind_to_types_with_numbers(example: Example) -> None:
    sizes = {name: 2 + k for k, name in enumerate("nmk")}
    named = example.primitive.type(*example.operands)
    bound = example.primitive.bind(sizes, None).type(*(type.bind(sizes) for type in example.operands))
    assert named.bind(sizes) == bound


def test_every_primitive_gives_examples() -> None:
    for cls in REGISTRY:
        assert cls.examples(), f"{cls.__name__} gives no example"
        assert all(type(example.primitive) is cls for example in cls.examples())
