"""Evaluation of one element of an expression: `lower` of each primitive on Python numbers, to check the index form."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import Apply, Const, Dim, DType, Node, ProgramError, SymbolicDim, concrete
from chainrule.primitives import (
    INTEGER_RULES,
    Comparison,
    Composite,
    Elementwise,
    IntegerOperation,
    MathFunction,
    NotExpandableError,
    ReductionKind,
    evaluate_nodes,
    uniform_floats,
)

Scalar: TypeAlias = float | int | bool

_COMPARE: dict[Comparison, Callable[[Scalar, Scalar], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def _sigmoid(x: float) -> float:
    small = math.exp(-abs(x))
    return 1 / (1 + small) if x >= 0 else small / (1 + small)


_MATH: dict[MathFunction, Callable[..., Any]] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "erf": math.erf,
    "erfc": math.erfc,
    "abs": np.abs,
    "floor": np.floor,
    "fmod": np.fmod,
    "power": np.float_power,
}


class NumericEmitter:
    """An emitter whose scalars are Python numbers, in float64 for every dtype, and whose indices are integers."""

    def constant(self, value: float, dtype: DType) -> Scalar:
        return value

    def constant_like(self, value: float, x: Scalar) -> Scalar:
        return value

    def add(self, x: Scalar, y: Scalar) -> Scalar:
        return x + y

    def subtract(self, x: Scalar, y: Scalar) -> Scalar:
        return x - y

    def multiply(self, x: Scalar, y: Scalar) -> Scalar:
        return x * y

    def divide(self, x: Scalar, y: Scalar) -> Scalar:
        return float(np.divide(x, y))

    def negate(self, x: Scalar) -> Scalar:
        return -x

    def math(self, function: MathFunction, *x: Scalar) -> Scalar:
        return float(_MATH[function](*x))

    def compare(self, comparison: Comparison, x: Scalar, y: Scalar) -> Scalar:
        return bool(_COMPARE[comparison](x, y))

    def logical_and(self, x: Scalar, y: Scalar) -> Scalar:
        return bool(x and y)

    def logical_or(self, x: Scalar, y: Scalar) -> Scalar:
        return bool(x or y)

    def logical_not(self, x: Scalar) -> Scalar:
        return not x

    def integer(self, operation: IntegerOperation, x: Scalar, y: Scalar) -> Scalar:
        return INTEGER_RULES[operation](int(x), int(y))

    def select(self, condition: Scalar, x: Scalar | Callable[[], Scalar], y: Scalar | Callable[[], Scalar]) -> Scalar:
        chosen = x if condition else y
        return chosen() if callable(chosen) else chosen

    def convert(self, x: Scalar, dtype: DType) -> Scalar:
        return float(x) if dtype.is_float else bool(x) if dtype is DType.BOOL else int(x)

    def random_uniform(self, seed: Scalar, stream: Scalar, step: Scalar, place: Scalar, dtype: DType) -> Scalar:
        return float(uniform_floats(int(seed), int(stream), int(step), np.full(1, place, np.uint64), dtype)[0])

    def index(self, value: Dim) -> int:
        return concrete(value)

    def index_add(self, i: int, j: int) -> int:
        return i + j

    def index_multiply(self, i: int, j: int) -> int:
        return i * j

    def index_divide(self, i: int, j: int) -> int:
        return i // j

    def index_remainder(self, i: int, j: int) -> int:
        return i % j

    def index_compare(self, comparison: Comparison, i: int, j: int) -> Scalar:
        return bool(_COMPARE[comparison](i, j))

    def index_of(self, x: Scalar) -> int:
        return int(x)

    def scalar_of(self, i: int) -> Scalar:
        return i

    def reduce(self, kind: ReductionKind, extents: Sequence[Dim], body: Callable[[Sequence[int]], Scalar]) -> Scalar:
        values = [body(index) for index in product(*(range(concrete(extent)) for extent in extents))]
        if kind == "sum":
            return math.fsum(values) if all(map(math.isfinite, values)) else sum(values)
        return float(np.max(values) if kind == "max" else np.min(values))


def element_value(node: Node, index: Sequence[int], values: Mapping[Node, NDArray[Any]]) -> Scalar:
    """Return the element of `node` at `index`, in float64, given the inputs (or any inner nodes) in `values`.

    Raises ProgramError if an input has no value, ShapeError if a size is symbolic.
    """
    emit = NumericEmitter()
    found: dict[tuple[Node, tuple[int, ...]], Scalar] = {}
    expanded: dict[Node, Node] = {}

    def element(node: Node, index: Sequence[int]) -> Scalar:
        key = node, tuple(index)
        if key not in found:
            found[key] = computed(node, key[1])
        return found[key]

    def computed(node: Node, index: tuple[int, ...]) -> Scalar:
        if node in values:
            return _item(values[node], index)
        if isinstance(node, Const):
            literal = node.value
            if isinstance(literal, np.ndarray):
                return _item(literal, index)
            return concrete(literal) if isinstance(literal, SymbolicDim) else literal
        if not isinstance(node, Apply):
            raise ProgramError(f"{node!r} has no value; give one for it")
        primitive = node.primitive
        if isinstance(primitive, Elementwise):
            return primitive.lower(emit, *(element(operand, index) for operand in node.operands))
        if isinstance(primitive, Composite):
            if node not in expanded:
                expanded[node] = written_out(node, primitive)
            return element(expanded[node], index)
        types = [operand.type for operand in node.operands]
        result: Scalar = primitive.lower(emit, [accessor(operand) for operand in node.operands], types, index)
        return result

    def written_out(node: Apply, primitive: Composite) -> Node:
        """Decompose `node` into other primitives; use its definition if it is too large for that."""
        try:
            return primitive.expand(*node.operands)
        except NotExpandableError:
            return Const(np.array(evaluate_nodes([node], values)[node]), node.type)

    def accessor(node: Node) -> Callable[[Sequence[int]], Scalar]:
        return lambda index: element(node, index)

    with np.errstate(all="ignore"):
        return element(node, index)


def _item(array: NDArray[Any], index: tuple[int, ...]) -> Scalar:
    value: Scalar = array[index].item()
    return value
