"""Each rule for one element, run on plain Python scalars, gives what `value` gives for the whole array."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule.ir import ArrayType, Dim, DType, concrete
from chainrule.primitives import (
    INTEGER_RULES,
    REGISTRY,
    Composite,
    Elementwise,
    Emitter,
    Example,
    IntegerOperation,
    Linear,
    Multilinear,
    Nonlinear,
    Triangle,
)

Scalar = Any
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
MATH: dict[str, Callable[..., Any]] = {
    **{
        name: getattr(np, name)
        for name in ("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tanh", "abs", "floor", "fmod")
    },
    "power": np.power,
    "erf": math.erf,
    "erfc": math.erfc,
    "sigmoid": lambda x: np.exp(-np.logaddexp(0, -x)),
    "softplus": lambda x: np.logaddexp(0, x),
}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1000.0, -1000.0, 1e300, -1e300, 1e-300, -1e-300, 1.5]


def first_word(seed: int, stream: int, step: int, place: int) -> int:
    """Threefry-2x64-20 in Python's integers, after the paper's figure."""
    key = [seed % 2**64, stream]
    key.append(0x1BD11BDAA9FC1A22 ^ key[0] ^ key[1])
    x, y = (step + key[0]) % 2**64, (place + key[1]) % 2**64
    for group in range(5):
        for rotation in (16, 42, 12, 31) if group % 2 == 0 else (16, 32, 24, 21):
            x = (x + y) % 2**64
            y = (y << rotation) % 2**64 | y >> 64 - rotation
            y ^= x
        x = (x + key[(group + 1) % 3]) % 2**64
        y = (y + key[(group + 2) % 3] + group + 1) % 2**64
    return x


class ScalarEmitter:
    """Python numbers as scalars and as indices. An index that is used to load must lie within the array."""

    def constant(self, value: float, dtype: DType) -> Scalar:
        return dtype.numpy.type(value)

    def constant_like(self, value: float, x: Scalar) -> Scalar:
        return np.asarray(x).dtype.type(value)

    def add(self, x: Scalar, y: Scalar) -> Scalar:
        return x + y

    def subtract(self, x: Scalar, y: Scalar) -> Scalar:
        return x - y

    def multiply(self, x: Scalar, y: Scalar) -> Scalar:
        return x * y

    def divide(self, x: Scalar, y: Scalar) -> Scalar:
        return x / y

    def negate(self, x: Scalar) -> Scalar:
        return -x

    def math(self, function: str, *x: Scalar) -> Scalar:
        return np.asarray(x[0]).dtype.type(MATH[function](*x))

    def compare(self, comparison: str, x: Scalar, y: Scalar) -> Scalar:
        return bool(COMPARISONS[comparison](x, y))

    def logical_and(self, x: Scalar, y: Scalar) -> Scalar:
        return x and y

    def logical_or(self, x: Scalar, y: Scalar) -> Scalar:
        return x or y

    def logical_not(self, x: Scalar) -> Scalar:
        return not x

    def integer(self, operation: IntegerOperation, x: Scalar, y: Scalar) -> Scalar:
        return INTEGER_RULES[operation](int(x), int(y))

    def select(self, condition: Scalar, x: Scalar, y: Scalar) -> Scalar:
        taken = x if condition else y
        return taken() if callable(taken) else taken

    def convert(self, x: Scalar, dtype: DType) -> Scalar:
        return dtype.numpy.type(x)

    def random_uniform(self, seed: Scalar, stream: Scalar, step: Scalar, place: Scalar, dtype: DType) -> Scalar:
        bits = 53 if dtype is DType.FLOAT64 else 24
        return dtype.numpy.type((first_word(int(seed), int(stream), int(step), int(place)) >> 64 - bits) * 2.0**-bits)

    def index(self, value: Dim) -> int:
        return concrete(value)

    def index_add(self, i: int, j: int) -> int:
        return i + j

    def index_multiply(self, i: int, j: int) -> int:
        return i * j

    def index_divide(self, i: int, j: int) -> int:
        return int(i / j)

    def index_remainder(self, i: int, j: int) -> int:
        return int(math.fmod(i, j))

    def index_compare(self, comparison: str, i: int, j: int) -> Scalar:
        return bool(COMPARISONS[comparison](i, j))

    def index_of(self, x: Scalar) -> int:
        return int(x)

    def scalar_of(self, i: int) -> Scalar:
        return np.int64(i)

    def reduce(self, kind: str, extents: Sequence[Dim], body: Callable[[Sequence[int]], Scalar]) -> Scalar:
        elements = [body(index) for index in itertools.product(*(range(concrete(extent)) for extent in extents))]
        reductions: dict[str, Callable[[list[Scalar]], Scalar]] = {"sum": np.sum, "max": np.max, "min": np.min}
        return reductions[kind](elements)


def reader(array: NDArray[Any]) -> Callable[[Sequence[int]], Scalar]:
    def read(index: Sequence[int]) -> Scalar:
        assert all(0 <= i < size for i, size in zip(index, array.shape, strict=True)), (index, array.shape)
        return array[tuple(index)]

    return read


def lowered(
    primitive: Linear | Multilinear | Nonlinear | Elementwise, types: Sequence[ArrayType], values: Sequence[Any]
) -> NDArray[Any]:
    emit: Emitter[Scalar, int] = ScalarEmitter()
    result_type = primitive.type(*types)
    result = np.empty(result_type.concrete_shape, result_type.dtype.numpy)
    for index in np.ndindex(*result.shape):
        if isinstance(primitive, Elementwise):
            result[index] = primitive.lower(emit, *(value[index] for value in values))
        else:
            result[index] = primitive.lower(emit, [reader(value) for value in values], types, index)
    return result


EXAMPLES = [
    pytest.param(example, id=f"{cls.__name__}-{k}")
    for cls in REGISTRY
    if not issubclass(cls, Composite)
    for k, example in enumerate(cls.examples())
]


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("sizes", [{"n": 3, "m": 2, "k": 4}, {"n": 1, "m": 1, "k": 1}, {"n": 2, "m": 5, "k": 3}])
def test_lowering_agrees_with_the_value(example: Example, sizes: dict[str, int]) -> None:
    rng = np.random.default_rng(0)
    types = [type.bind(sizes) for type in example.operands]
    domain = example.domain or ((-3.0, 3.0),) * len(types)
    values = []
    for type, (low, high) in zip(types, domain, strict=True):
        if type.dtype is DType.BOOL:
            values.append(np.asarray(rng.random(type.concrete_shape) < 0.5))
        elif type.dtype is DType.INT64:
            values.append(np.asarray(rng.integers(int(low), int(high), type.concrete_shape)))
        else:
            values.append(np.asarray(rng.uniform(low, high, type.concrete_shape)))
    primitive = example.primitive.bind(sizes, None)
    assert isinstance(primitive, Linear | Multilinear | Nonlinear | Elementwise)
    expected = primitive.value(*values)
    scale = max(1.0, float(np.max(np.abs(np.asarray(expected, np.float64)), initial=0)))
    actual = lowered(primitive, types, values)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=100 * float(np.finfo(np.float64).eps) * scale)


ELEMENTWISE = [
    pytest.param(example.primitive, len(example.operands), id=f"{cls.__name__}-{k}")
    for cls in REGISTRY
    if issubclass(cls, Elementwise)
    for k, example in enumerate(cls.examples())
    if all(type.dtype.is_float for type in example.operands)
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("primitive", "count"), ELEMENTWISE)
def test_elementwise_rules_agree_at_extreme_values(primitive: Elementwise, count: int, dtype: type[Any]) -> None:
    """Zeros of both signs, infinities, NaN, huge and tiny numbers, in every pairing where there are two operands."""
    with np.errstate(all="ignore"):
        points = np.asarray(list(itertools.product(SPECIAL, repeat=count))).astype(dtype)
        values = list(points.T)
        types = [ArrayType((len(points),), DType.of(np.dtype(dtype)))] * count
        expected, actual = primitive.value(*values), lowered(primitive, types, values)
    np.testing.assert_allclose(actual, expected, rtol=8 * float(np.finfo(dtype).eps), atol=float(np.finfo(dtype).tiny))


def reads_at_its_place(example: Example, sizes: dict[str, int]) -> bool:
    """Whether the rule of an example asks its operands, all of the result's shape, for elements at the same place."""
    types = [type.bind(sizes) for type in example.operands]
    primitive = example.primitive.bind(sizes, None)
    result = primitive.type(*types)
    if any(type.shape != result.shape for type in types) or isinstance(primitive, Elementwise):
        return isinstance(primitive, Elementwise)
    assert isinstance(primitive, Linear | Multilinear | Nonlinear)
    rng = np.random.default_rng(0)
    arrays = [np.asarray(rng.integers(0, 2, type.concrete_shape), type.dtype.numpy) for type in types]
    emit: Emitter[Scalar, int] = ScalarEmitter()
    for place in np.ndindex(*result.concrete_shape):
        asked: list[tuple[int, ...]] = []

        def noting(array: NDArray[Any], asked: list[tuple[int, ...]] = asked) -> Callable[[Sequence[int]], Scalar]:
            def read(index: Sequence[int]) -> Scalar:
                asked.append(tuple(index))
                return reader(array)(index)

            return read

        primitive.lower(emit, [noting(array) for array in arrays], types, place)
        if set(asked) - {place}:
            return False
    return True


@pytest.mark.parametrize("kind", [kind for kind in REGISTRY if not issubclass(kind, Composite)])
def test_what_is_pointwise_reads_at_its_place_and_nothing_else_does(kind: type[Any]) -> None:
    sizes = {"n": 3, "m": 3, "k": 3}
    found = [reads_at_its_place(example, sizes) for example in kind.examples()]
    # A triangle reads each element at its place, but which ones depends on the place.
    assert all(found) if kind.is_pointwise or kind is Triangle else not all(found)
