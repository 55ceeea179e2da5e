"""ONNX for each primitive, in one table. Functions that runtimes lack in float64 are composed of others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.emit import expressions as ex
from chainrule.exports.onnx_expressions import ExpressionWriter, Rule
from chainrule.exports.onnx_graph import Value
from chainrule.ir import DType, Shape, SymbolicDim
from chainrule.primitives import (
    ERFC_POLYNOMIAL,
    Abs,
    Add,
    AddAlong,
    Cast,
    Ceil,
    Compare,
    Concatenate,
    Cos,
    CumulativeSum,
    Diagonal,
    DiagonalMatrix,
    Divide,
    Elu,
    Erf,
    Erfc,
    Exp,
    Expm1,
    Floor,
    Fmod,
    Gather,
    GeluTanh,
    IntegerArithmetic,
    Log,
    Log1p,
    LogAddExp,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    LogSoftmax,
    Maximum,
    Minimum,
    Multiply,
    Negate,
    OneHot,
    Pad,
    Power,
    Relu,
    Rint,
    ScatterAdd,
    Sigmoid,
    Sign,
    Sin,
    Softmax,
    Softplus,
    Sqrt,
    Square,
    Subtract,
    TakeAlong,
    Tanh,
    Trace,
    Triangle,
    Where,
    Windows,
)

_COMPARISONS = {">": "Greater", ">=": "GreaterOrEqual", "<": "Less", "<=": "LessOrEqual", "==": "Equal"}

Part = Callable[[ExpressionWriter, DType, Value], Value]
"""A function of one value in a dtype."""


def _of_one(part: Part) -> Rule:
    """Return the rule of a function of one value."""
    return lambda writer, x, operands: part(writer, x.dtype, operands[0])


def _compare(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    comparison = _primitive(x, Compare).comparison
    if comparison == "!=":
        return writer.graph.add("Not", writer.graph.add("Equal", *operands))
    return writer.graph.add(_COMPARISONS[comparison], *operands)


_INTEGERS = {"add": "Add", "subtract": "Sub", "multiply": "Mul", "maximum": "Max", "minimum": "Min"}


def _integer(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    """A division by 0 is replaced by one by 1, and its result by 0."""
    add, operation = writer.graph.add, _primitive(x, IntegerArithmetic).operation
    if operation in ("and", "or", "xor"):
        return add(f"Bitwise{operation.capitalize()}", *operands)
    if operation in _INTEGERS:
        return add(_INTEGERS[operation], *operands)
    first, second = operands
    zero, one = (writer.number(number, DType.INT64) for number in (0, 1))
    endless = add("Equal", second, zero)
    divisor = add("Where", endless, one, second)
    rest = add("Mod", first, divisor)
    found = rest if operation == "remainder" else add("Div", add("Sub", first, rest), divisor)
    return add("Where", endless, zero, found)


def _fmod(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    return writer.graph.add("Mod", *operands, fmod=1)


def _where(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    return writer.graph.add("Where", *operands)


def _cast(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    return writer.cast(operands[0], x.dtype)


def _cos(writer: ExpressionWriter, dtype: DType, x: Value) -> Value:
    """Compute 1 − 2 sin²(x/2) in 64 bits: runtimes of 2024 and 2025 have the sine in 64 bits and no cosine."""
    add, number = writer.graph.add, writer.number
    if dtype is not DType.FLOAT64:
        return add("Cos", x)
    sine = add("Sin", add("Mul", x, number(0.5, dtype)))
    return add("Sub", number(1.0, dtype), add("Mul", number(2.0, dtype), add("Mul", sine, sine)))


def _sigmoid(writer: ExpressionWriter, dtype: DType, x: Value) -> Value:
    """Compute 1 / (1 + e⁻ˣ) in 64 bits, since runtimes replace x · Sigmoid(x) by a kernel that has 32 only."""
    add = writer.graph.add
    if dtype is not DType.FLOAT64:
        return add("Sigmoid", x)
    one = writer.number(1.0, dtype)
    return add("Div", one, add("Add", one, add("Exp", add("Neg", x))))


def _square(writer: ExpressionWriter, dtype: DType, x: Value) -> Value:
    return writer.graph.add("Mul", x, x)


def _expm1(writer: ExpressionWriter, dtype: DType, x: Value) -> Value:
    """Compute 2 tanh(x/2) / (1 − tanh(x/2)) near 0, without cancellation; eˣ − 1 elsewhere."""
    add, number = writer.graph.add, writer.number
    near = add("Less", add("Abs", x), number(1.0, dtype))
    half = add("Tanh", add("Mul", x, number(0.5, dtype)))
    small = add("Div", add("Add", half, half), add("Sub", number(1.0, dtype), half))
    return add("Where", near, small, add("Sub", add("Exp", x), number(1.0, dtype)))


def log1p_of(writer: ExpressionWriter, dtype: DType, x: Value) -> Value:
    """Compute x ln(u) / (u − 1) with u = 1 + x rounded, whose errors cancel (Goldberg 1991, theorem 4)."""
    add, one = writer.graph.add, writer.number(1.0, dtype)
    u = add("Add", x, one)
    over = add("Sub", u, one)
    plain = add("Or", add("Equal", over, writer.number(0.0, dtype)), add("IsInf", over))
    safe = add("Where", plain, one, over)
    found = add("Mul", add("Log", u), add("Div", x, safe))
    return add("Where", add("Equal", over, writer.number(0.0, dtype)), x, add("Where", plain, add("Log", u), found))


def _softplus(writer: ExpressionWriter, dtype: DType, x: Value) -> Value:
    """Compute max(x, 0) + ln(1 + e^−|x|)."""
    add = writer.graph.add
    above = add("Relu", x)
    return add("Add", above, log1p_of(writer, dtype, add("Exp", add("Neg", add("Abs", x)))))


def _erf(writer: ExpressionWriter, dtype: DType, x: Value) -> Value:
    """Use the operator in float32, and a table with a Taylor series in float64, where runtimes lack it.

    With r the multiple of 1/128 nearest to |x| and d = |x| − r, erf |x| is erf r plus
    2/√π e^−r² d (1 − r d + (2r² − 1) d²/3 − (2r³ − 3r) d³/6 + (4r⁴ − 12r² + 3) d⁴/30), within 1e-15.
    """
    if dtype is DType.FLOAT32:
        return writer.graph.add("Erf", x)
    add = writer.graph.add

    def number(value: float) -> Value:
        return writer.number(value, dtype)

    lost = add("IsNaN", x)
    size = add("Where", lost, number(0.0), add("Min", add("Abs", x), number(6.0)))
    place = add("Cast", add("Round", add("Mul", size, number(128.0))), to=np.dtype(np.int64))
    table = np.array([math.erf(k / 128) for k in range(6 * 128 + 1)])
    at_r = add("Gather", writer.graph.constant(table, "erf_table"), place, axis=0)
    r = add("Mul", add("Cast", place, to=dtype.numpy), number(1 / 128))
    d, square = add("Sub", size, r), add("Mul", r, r)
    slope = add("Mul", add("Exp", add("Neg", square)), number(2 / math.sqrt(math.pi)))
    fourth = add("Mul", add("Sub", add("Mul", square, number(4.0)), number(12.0)), square)
    coefficients = [
        add("Mul", add("Add", fourth, number(3.0)), number(1 / 30)),
        add("Mul", add("Mul", r, add("Sub", number(3.0), add("Add", square, square))), number(1 / 6)),
        add("Mul", add("Sub", add("Add", square, square), number(1.0)), number(1 / 3)),
        add("Neg", r),
        number(1.0),
    ]
    total = coefficients[0]
    for coefficient in coefficients[1:]:
        total = add("Add", add("Mul", total, d), coefficient)
    value = add("Add", at_r, add("Mul", add("Mul", slope, d), total))
    return add("Where", lost, x, add("Mul", add("Sign", x), value))


def _erfc(writer: ExpressionWriter, dtype: DType, x: Value) -> Value:
    """Compute 1 − erf x below ½, and above e^−x² P(t) / (1 + 2x), t = (x − 3) / (x + 3), without cancellation."""
    add = writer.graph.add

    def number(value: float) -> Value:
        return writer.number(value, dtype)

    y = add("Where", add("Less", x, number(0.5)), number(0.5), add("Min", x, number(28.0)))
    t = add("Div", add("Sub", y, number(3.0)), add("Add", y, number(3.0)))
    series = number(ERFC_POLYNOMIAL[-1])
    for coefficient in reversed(ERFC_POLYNOMIAL[:-1]):
        series = add("Add", add("Mul", series, t), number(coefficient))
    scaled = add("Div", series, add("Add", add("Add", y, y), number(1.0)))
    far = add("Mul", add("Exp", add("Neg", add("Mul", y, y))), scaled)
    near = add("Sub", number(1.0), _erf(writer, dtype, x))
    return add("Where", add("Greater", x, number(0.5)), far, near)


def _log_add_exp(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    """Add ln(1 + e^−|x − y|) to the maximum; for equal operands, which may be infinite, add ln 2."""
    add = writer.graph.add
    first, second = operands
    apart = add("Neg", add("Abs", add("Sub", first, second)))
    result = add("Add", add("Max", first, second), log1p_of(writer, x.dtype, add("Exp", apart)))
    equal = add("Add", first, writer.number(math.log(2), x.dtype))
    return add("Where", add("Equal", first, second), equal, result)


def _gelu_tanh(writer: ExpressionWriter, dtype: DType, x: Value) -> Value:
    """Compute the tanh approximation as x / (1 + e^−2u), without cancellation; σ of runtimes has an error of 1e-16."""
    add, number = writer.graph.add, writer.number
    cubic = add("Mul", add("Mul", add("Mul", x, x), x), number(0.044715, dtype))
    inner = add("Mul", add("Add", x, cubic), number(-2 * math.sqrt(2 / math.pi), dtype))
    return add("Div", x, add("Add", add("Exp", inner), number(1.0, dtype)))


def _elu(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    """Limit the argument of the exponential to x ≤ 0, so that it cannot overflow."""
    add, zero = writer.graph.add, writer.number(0.0, x.dtype)
    below = _expm1(writer, x.dtype, add("Min", operands[0], zero))
    scaled = add("Mul", below, writer.number(_primitive(x, Elu).alpha, x.dtype))
    return add("Where", add("Greater", operands[0], zero), operands[0], scaled)


def _softmax(kind: type[Softmax] | type[LogSoftmax], name: str) -> Rule:
    def write(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
        axes = _primitive(x, kind).axes
        if len(axes) == 1:
            return writer.graph.add(name, operands[0], axis=axes[0])
        add, where = writer.graph.add, writer.graph.whole_numbers(axes)
        shifted = add("Sub", operands[0], add("ReduceMax", operands[0], where, keepdims=1))
        powers = add("Exp", shifted)
        total = add("ReduceSum", powers, where, keepdims=1)
        if name == "Softmax":
            return add("Div", powers, total)
        return add("Sub", shifted, add("Log", total))

    return write


def _concatenate(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    return writer.graph.add("Concat", *operands, axis=_primitive(x, Concatenate).axis)


def _gather(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    axis = _primitive(x, Gather).axis
    if len(operands) == 2:
        return writer.graph.add("Gather", *operands, axis=axis)
    values, *indices = operands
    order = _front_first(axis, len(indices), x.operands[0].ndim)
    where = _index_columns(writer, indices, x.operands[0].shape[axis:], x.operands[1].ndim)
    found = writer.graph.add("GatherND", writer.transposed(values, order), where)
    # The axes of the indices return to the place of the axis that they replace.
    count = x.operands[1].ndim
    return writer.transposed(found, [*range(count, count + axis), *range(count), *range(count + axis, x.ndim)])


def _front_first(axis: int, count: int, rank: int) -> list[int]:
    """Return the order of axes in which `count` of them, from `axis` on, come first."""
    front = list(range(axis, axis + count))
    return [*front, *(k for k in range(rank) if k not in front)]


def _index_columns(writer: ExpressionWriter, indices: Sequence[Value], sizes: Shape, ndim: int) -> Value:
    """Return the non-negative places of an element along several axes, on a new last axis."""
    add = writer.graph.add
    columns: list[Value] = []
    for index, dim in zip(indices, sizes, strict=False):
        size = writer.axes(writer.size(dim), "Squeeze", [0])
        wrapped = add("Where", add("Less", index, writer.number(0, DType.INT64)), add("Add", index, size), index)
        columns.append(writer.axes(wrapped, "Unsqueeze", [ndim]))
    return columns[0] if len(columns) == 1 else add("Concat", *columns, axis=ndim)


def _one_hot(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    """Gather rows of the identity matrix."""
    rows = _identity(writer, x.shape[-1:], x.dtype)
    return writer.graph.add("Gather", rows, operands[0], axis=0)


def _identity(writer: ExpressionWriter, size: Shape, dtype: DType) -> Value:
    """Return the identity matrix."""
    (dim,) = size
    if not isinstance(dim, SymbolicDim):
        return writer.graph.constant(np.eye(dim, dtype=dtype.numpy), "identity")
    zeros = writer.graph.add("Expand", writer.number(0.0, DType.FLOAT32), writer.shape((dim, dim)))
    return writer.cast(writer.graph.add("EyeLike", zeros), dtype)


def _scatter_add(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    """Move the indexed axes to the front, add rows to zeros there, and move them back."""
    axis = _primitive(x, ScatterAdd).axis
    values, *indices = operands
    count = x.operands[1].ndim
    front = _front_first(axis, len(indices), x.ndim)
    order = _front_first(axis, count, x.operands[0].ndim)
    where = _index_columns(writer, indices, x.shape[axis:], count)
    zeros = writer.filled(0.0, tuple(x.shape[k] for k in front), x.dtype)
    result = writer.graph.add("ScatterND", zeros, where, writer.transposed(values, order), reduction="add")
    return writer.transposed(result, [front.index(k) for k in range(x.ndim)])


def _take_along(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    return writer.graph.add("GatherElements", *operands, axis=_primitive(x, TakeAlong).axis)


def _add_along(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    values, places = operands
    zeros = writer.filled(0.0, x.shape, x.dtype)
    axis = _primitive(x, AddAlong).axis
    return writer.graph.add("ScatterElements", zeros, places, values, axis=axis, reduction="add")


def _pad(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    """Pad with zeros; between neighbours as further columns, of which those after the last are cut off."""
    add, primitive = writer.graph.add, _primitive(x, Pad)
    (value,) = operands
    shape = list(x.operands[0].shape)
    for axis, between in enumerate(primitive.interior):
        if between:
            spread = writer.axes(value, "Unsqueeze", [axis + 1])
            zeros = [0] * (len(shape) + 1)
            behind = [*zeros[: axis + 1], between, *zeros[axis + 2 :]]
            spread = add("Pad", spread, writer.graph.whole_numbers([*zeros, *behind]), writer.number(0.0, x.dtype))
            full = shape[axis] * (between + 1)
            shape[axis] = full
            value = add("Reshape", spread, writer.shape(tuple(shape)), allowzero=1)
            kept = add("Sub", writer.size(full), writer.graph.whole_numbers([between]))
            kept = add("Max", kept, writer.graph.whole_numbers([0]))
            value = add("Slice", value, writer.graph.whole_numbers([0]), kept, writer.graph.whole_numbers([axis]))
            shape[axis] = full - between
    widths = add("Concat", *map(writer.size, (*primitive.low, *primitive.high)), axis=0)
    return add("Pad", value, widths, writer.number(0.0, x.dtype))


def _cumulative_sum(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    primitive = _primitive(x, CumulativeSum)
    return writer.graph.add(
        "CumSum", operands[0], writer.number(primitive.axis, DType.INT64), reverse=int(primitive.reverse)
    )


def _on_diagonal(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    """Set all elements off the diagonals of the matrices to 0."""
    identity = _identity(writer, x.operands[0].shape[-1:], x.dtype)
    condition = writer.cast(identity, DType.BOOL)
    return writer.graph.add("Where", condition, operands[0], writer.number(0.0, x.dtype))


def _diagonal(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    kept = _on_diagonal(writer, x, operands)
    return writer.graph.add("ReduceSum", kept, writer.graph.whole_numbers([-1]), keepdims=0)


def _trace(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    kept = _on_diagonal(writer, x, operands)
    return writer.graph.add("ReduceSum", kept, writer.graph.whole_numbers([-2, -1]), keepdims=0)


def _diagonal_matrix(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    return _on_diagonal(writer, x, [writer.axes(operands[0], "Unsqueeze", [-1])])


def _triangle(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    primitive = _primitive(x, Triangle)
    offset = writer.number(primitive.offset, DType.INT64)
    return writer.graph.add("Trilu", operands[0], offset, upper=int(primitive.upper))


def _windows(writer: ExpressionWriter, x: ex.Expr, operands: Sequence[Value]) -> Value:
    """Gather the positions of every window along each axis; move the axis within windows to the end."""
    add, primitive = writer.graph.add, _primitive(x, Windows)
    (value,) = operands
    rank = x.operands[0].ndim

    def steps(size: Any, step: int) -> Value:
        limit = writer.axes(writer.size(size), "Squeeze", [0])
        counted = add("Range", writer.number(0, DType.INT64), limit, writer.number(1, DType.INT64))
        return add("Mul", counted, writer.number(step, DType.INT64))

    parts = zip(primitive.axes, primitive.counts, primitive.sizes, primitive.strides, primitive.dilations, strict=True)
    for axis, count, size, stride, dilation in parts:
        first = writer.axes(steps(count, stride), "Unsqueeze", [1])
        value = add("Gather", value, add("Add", first, steps(size, dilation)), axis=axis)
        rank += 1
        order = [*range(axis + 1), *range(axis + 2, rank), axis + 1]
        value = writer.transposed(value, order)
    return value


def _primitive(x: ex.Expr, kind: type[Any]) -> Any:
    """Return the primitive that `x` applies, which is of `kind`."""
    assert isinstance(x.operation, ex.Function | ex.Structured)
    assert isinstance(x.operation.primitive, kind)
    return x.operation.primitive


RULES: Final[dict[type, str | Rule]] = {
    Abs: "Abs",
    Add: "Add",
    AddAlong: _add_along,
    Cast: _cast,
    Compare: _compare,
    Concatenate: _concatenate,
    Cos: _of_one(_cos),
    CumulativeSum: _cumulative_sum,
    Diagonal: _diagonal,
    DiagonalMatrix: _diagonal_matrix,
    Divide: "Div",
    Elu: _elu,
    Erf: _of_one(_erf),
    Erfc: _of_one(_erfc),
    Exp: "Exp",
    Expm1: _of_one(_expm1),
    Ceil: "Ceil",
    Floor: "Floor",
    Fmod: _fmod,
    Gather: _gather,
    IntegerArithmetic: _integer,
    GeluTanh: _of_one(_gelu_tanh),
    Log: "Log",
    Log1p: _of_one(log1p_of),
    LogAddExp: _log_add_exp,
    LogSoftmax: _softmax(LogSoftmax, "LogSoftmax"),
    LogicalAnd: "And",
    LogicalNot: "Not",
    LogicalOr: "Or",
    Maximum: "Max",
    Minimum: "Min",
    Multiply: "Mul",
    Negate: "Neg",
    OneHot: _one_hot,
    Pad: _pad,
    Power: "Pow",
    Relu: "Relu",
    Rint: "Round",
    ScatterAdd: _scatter_add,
    Sigmoid: _of_one(_sigmoid),
    Sign: "Sign",
    Sin: "Sin",
    Softmax: _softmax(Softmax, "Softmax"),
    Softplus: _of_one(_softplus),
    Sqrt: "Sqrt",
    Square: _of_one(_square),
    Subtract: "Sub",
    TakeAlong: _take_along,
    Tanh: "Tanh",
    Trace: _trace,
    Triangle: _triangle,
    Where: _where,
    Windows: _windows,
}
"""Reductions and matrix products are not primitives here: they are kinds of expressions."""
