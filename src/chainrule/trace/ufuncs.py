"""NumPy's ufuncs in terms of primitives: `np.exp`, `np.add`, `x < y`, …"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard

import numpy as np

from chainrule import primitives
from chainrule.ir import Const, DType, DTypeError, Node, Operand, ShapeError, SymbolicDim
from chainrule.primitives import (
    IntegerOperation,
    abs_,
    add,
    are_booleans,
    are_integers,
    as_condition,
    as_floats,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    broadcast_together,
    cast,
    concatenate,
    cumsum,
    divide,
    equal,
    expand_dims,
    greater,
    greater_equal,
    integer_absolute,
    integer_power,
    integer_sign,
    integers,
    invert,
    less,
    less_equal,
    log,
    logaddexp,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    logsumexp,
    matmul,
    max_,
    min_,
    multiply,
    negate,
    normalize_axes,
    not_equal,
    power,
    square,
    subtract,
    sum_,
    take_slices,
    where,
)
from chainrule.trace.literals import as_node, as_operand
from chainrule.trace.options import in_dtype, refuse_options
from chainrule.trace.products import matvec, vecdot, vecmat
from chainrule.trace.recording import recording
from chainrule.trace.running import product, running
from chainrule.trace.source import refusal

Handler: TypeAlias = Callable[..., Any]


def unary(builder: Callable[[Node], Node]) -> Handler:
    """Return the handler of a ufunc of one operand."""

    def handler(x: object) -> Node:
        return builder(as_node(x))

    return handler


def binary(builder: Callable[[Operand, Operand], Node]) -> Handler:
    """Return the handler of a ufunc of two operands."""

    def handler(x1: object, x2: object) -> Node:
        return builder(as_operand(x1), as_operand(x2))

    return handler


def _matmul(x1: object, x2: object) -> Node:
    return matmul(as_node(x1), as_node(x2))


def _of_signed(builder: Callable[..., Node], what: str, mend: str = "") -> Callable[..., Node]:
    """Wrap `builder` to reject integers if unsigned ones, whose range is another, are stored as int64."""

    def build(*operands: Any) -> Node:
        here = recording.get()
        if here is not None and here.unsigned and are_integers(*operands) and any(map(_is_integer_array, operands)):
            raise DTypeError(
                f"unsigned integers are held as int64, whose {what} is another; give k.astype(np.int64) for k{mend}"
            )
        return builder(*operands)

    return build


def _is_integer_array(x: Operand) -> bool:
    return isinstance(x, Node) and x.type.dtype is DType.INT64


def _kept(builder: Callable[[Node], Node], of_integers: Callable[[Node], Node]) -> Callable[[Node], Node]:
    """A function of floats and booleans, and its counterpart on integers."""
    return lambda x: of_integers(x) if x.type.dtype is DType.INT64 else builder(x)


def _kept_pair(
    builder: Callable[[Operand, Operand], Node],
    operation: IntegerOperation,
    of_booleans: Callable[[Operand, Operand], Node] | None = None,
) -> Callable[[Operand, Operand], Node]:
    """A function of two floats, with its counterparts on integers and booleans."""

    def build(x: Operand, y: Operand) -> Node:
        if are_booleans(x, y):
            return of_booleans(x, y) if of_booleans else integers(operation, x, y)
        return integers(operation, x, y) if are_integers(x, y) else builder(x, y)

    return build


def _power(x1: object, x2: object) -> Node:
    base, exponent = as_operand(x1), as_operand(x2)
    if _is_integer_array(base) and isinstance(exponent, int) and 0 <= exponent <= 64:
        return _of_signed(integer_power, "power")(base, int(exponent))
    if _is_integer(base) and _is_integer(exponent) and (isinstance(exponent, Node) or exponent < 0):
        raise DTypeError(
            "a power of integers is an integer in NumPy, which overflows, and refuses negative exponents; write "
            "base.astype(float) ** exponent, or 2.0 for 2"
        )
    return power(base, exponent)


def _is_integer(x: Operand) -> TypeGuard[Node | int]:
    if isinstance(x, Node):
        return x.type.dtype is DType.INT64
    return isinstance(x, int) and not isinstance(x, bool)


def _same(x: Node) -> Node:
    return x


def _reciprocal(x: Node) -> Node:
    return 1 / x


def _log2(x: Node) -> Node:
    return log(x) / math.log(2)


def _log10(x: Node) -> Node:
    return log(x) / math.log(10)


def _logaddexp2(x: Operand, y: Operand) -> Node:
    return logaddexp(multiply(x, math.log(2)), multiply(y, math.log(2))) / math.log(2)


def _fmod(x: Operand, y: Operand) -> Node:
    if not are_integers(x, y):
        return primitives.Fmod.of(x, y)
    x, y = as_node(x), as_node(y)
    rest = integers("remainder", integer_absolute(x), integer_absolute(y))
    return integers("multiply", integer_sign(x), rest)


def _divmod(x1: object, x2: object) -> tuple[Node, Node]:
    return UFUNC_CALLS["floor_divide"](x1, x2), UFUNC_CALLS["remainder"](x1, x2)


def _modf(x: object) -> tuple[Node, Node]:
    number = as_floats(as_node(x))
    whole = primitives.Trunc.of(number)
    fraction = where(_isinf(number), 0.0, number - whole)
    return _copysign(fraction, number), whole


def _exp2(x: Node) -> Node:
    return power(2.0, as_floats(x))


def _radians(x: Node) -> Node:
    return multiply(as_floats(x), math.pi / 180)


def _degrees(x: Node) -> Node:
    return multiply(as_floats(x), 180 / math.pi)


def isnan(x: Operand) -> Node:
    """`np.isnan`."""
    number = as_floats(x)
    return not_equal(number, number)


def _isinf(x: Operand) -> Node:
    return equal(abs_(as_floats(x)), math.inf)


def _isfinite(x: Operand) -> Node:
    return less(abs_(as_floats(x)), math.inf)


def _signbit(x: Operand) -> Node:
    """Whether x < 0, also for −0, whose reciprocal is −∞; NaN has no sign here."""
    number = as_floats(x)
    return logical_or(less(number, 0.0), less(divide(1.0, number), 0.0))


def _copysign(x: Operand, y: Operand) -> Node:
    size = abs_(as_floats(x))
    return where(_signbit(y), negate(size), size)


def _ignoring_nan(builder: Callable[[Operand, Operand], Node]) -> Callable[[Operand, Operand], Node]:
    """The extremum of what is not NaN."""

    def build(x: Operand, y: Operand) -> Node:
        if are_integers(x, y) or are_booleans(x, y):
            return builder(x, y)
        x, y = broadcast_together(x, y, floats=True)
        return where(isnan(x), y, where(isnan(y), x, builder(x, y)))

    return build


def _heaviside(x: Operand, at_zero: Operand) -> Node:
    x, at_zero = broadcast_together(x, at_zero, floats=True)
    return where(equal(x, 0.0), at_zero, 0.5 * (1 + primitives.sign(x)))


def _ldexp(x: Operand, exponent: Operand) -> Node:
    return multiply(as_floats(x), power(2.0, as_floats(exponent)))


def _shifted(name: str, operation: IntegerOperation) -> Callable[[Operand, Operand], Node]:
    """A shift by a number of bits, as a product with, or a quotient by, a power of two."""

    def build(x: Operand, bits: Operand) -> Node:
        match as_node(bits):
            case Const(int() as count) if not isinstance(count, bool) and 0 <= count < 63 and are_integers(x):
                return integers(operation, x, 1 << count)
        raise refusal(
            f"np.{name} is recorded for integers and one number of bits from 0 to 62; write a product with, "
            "or a floor division by, a power of two"
        )

    return build


_EXTREMA: dict[str, Callable[[Operand, Operand], Node]] = {
    "maximum": _kept_pair(primitives.maximum, "maximum", logical_or),
    "minimum": _kept_pair(primitives.minimum, "minimum", logical_and),
}

UFUNC_CALLS: dict[str, Handler] = {
    **{
        name: (unary if kind.arity == 1 else binary)(kind.of)
        for name, kind in primitives.UFUNCS.items()
        if name != "sinc"
    },
    "negative": unary(_of_signed(negate, "negative", ", or write -1.0 * k")),
    "conjugate": unary(_same),
    "positive": unary(_same),
    "absolute": unary(_kept(abs_, integer_absolute)),
    "sign": unary(_kept(primitives.sign, integer_sign)),
    "floor": unary(_kept(primitives.Floor.of, _same)),
    "ceil": unary(_kept(primitives.Ceil.of, _same)),
    "trunc": unary(_kept(primitives.Trunc.of, _same)),
    "floor_divide": binary(_kept_pair(primitives.FloorDivide.of, "floor_divide")),
    "remainder": binary(_kept_pair(primitives.Remainder.of, "remainder")),
    "fmod": binary(_fmod),
    "divmod": _divmod,
    "modf": _modf,
    "exp2": unary(_exp2),
    "deg2rad": unary(_radians),
    "radians": unary(_radians),
    "rad2deg": unary(_degrees),
    "degrees": unary(_degrees),
    "isnan": unary(isnan),
    "isinf": unary(_isinf),
    "isfinite": unary(_isfinite),
    "signbit": unary(_signbit),
    "copysign": binary(_copysign),
    "fmax": binary(_ignoring_nan(_EXTREMA["maximum"])),
    "fmin": binary(_ignoring_nan(_EXTREMA["minimum"])),
    "heaviside": binary(_heaviside),
    "ldexp": binary(_ldexp),
    **{name: binary(builder) for name, builder in _EXTREMA.items()},
    "fabs": unary(abs_),
    "square": unary(square),
    "reciprocal": unary(_reciprocal),
    "log2": unary(_log2),
    "log10": unary(_log10),
    "logical_not": unary(logical_not),
    "invert": unary(_of_signed(invert, "inverse", ", or write k ^ 255 for the inverse of uint8")),
    "add": binary(_of_signed(add, "sum")),
    "subtract": binary(_of_signed(subtract, "difference")),
    "multiply": binary(_of_signed(multiply, "product")),
    "divide": binary(divide),
    "power": _power,
    "float_power": binary(power),
    "logaddexp2": binary(_logaddexp2),
    "less": binary(less),
    "less_equal": binary(less_equal),
    "greater": binary(greater),
    "greater_equal": binary(greater_equal),
    "equal": binary(equal),
    "not_equal": binary(not_equal),
    "logical_and": binary(logical_and),
    "logical_or": binary(logical_or),
    "logical_xor": binary(logical_xor),
    "bitwise_and": binary(bitwise_and),
    "left_shift": binary(_shifted("left_shift", "multiply")),
    "right_shift": binary(_shifted("right_shift", "floor_divide")),
    "bitwise_or": binary(bitwise_or),
    "bitwise_xor": binary(bitwise_xor),
    "matmul": _matmul,
    "matvec": matvec,
    "vecdot": vecdot,
    "vecmat": vecmat,
}
"""Keyed by the ufunc's name."""


def _outer(name: str) -> Handler:
    def handler(x1: object, x2: object) -> Node:
        left, right = as_node(x1), as_node(x2)
        spread = expand_dims(left, range(left.type.ndim, left.type.ndim + right.type.ndim)) if right.type.ndim else left
        result: Node = UFUNC_CALLS[name](spread, right)
        return result

    return handler


def _reduce(builder: Callable[..., Node]) -> Handler:
    def handler(array: object, axis: Any = 0, dtype: Any = None, out: None = None, keepdims: bool = False) -> Node:
        refuse_options("ufunc.reduce", out=out)
        return builder(in_dtype("ufunc.reduce", as_node(array), dtype), axis, keepdims)

    return handler


def _truth(builder: Callable[..., Node]) -> Handler:
    def handler(array: object, axis: Any = 0, dtype: None = None, out: None = None, keepdims: bool = False) -> Node:
        refuse_options("ufunc.reduce", dtype=dtype, out=out)
        return greater(builder(cast(as_condition(as_operand(array)), DType.FLOAT64), axis, keepdims), 0.5)

    return handler


def _accumulate(builder: Callable[[Node, int], Node]) -> Handler:
    def handler(array: object, axis: int = 0, dtype: Any = None, out: None = None) -> Node:
        refuse_options("ufunc.accumulate", out=out)
        if axis is None:
            raise ShapeError("ufunc.accumulate goes along one axis; name it, as in axis=0")
        return builder(in_dtype("ufunc.accumulate", as_node(array), dtype), axis)

    return handler


def _reduceat(builder: Callable[..., Node]) -> Handler:
    def handler(array: object, indices: object, axis: int = 0, dtype: Any = None, out: None = None) -> Node:
        refuse_options("ufunc.reduceat", out=out)
        x = in_dtype("ufunc.reduceat", as_node(array), dtype)
        (place,) = normalize_axes(axis, x.type.ndim)
        size = x.type.shape[place]
        if isinstance(indices, Node) or isinstance(size, SymbolicDim):
            raise refusal("ufunc.reduceat needs numbers for the indices and the size, as in X=(4, 2)")
        starts = np.asarray(indices).tolist()
        if not starts or min(starts) < 0 or max(starts) >= size:
            raise ShapeError(f"the indices of ufunc.reduceat are from 0 to {size - 1} along an axis of {size}")
        before = (slice(None),) * place
        ends = [*starts[1:], size]
        slices = [slice(start, max(end, start + 1)) for start, end in zip(starts, ends, strict=True)]
        return concatenate([builder(take_slices(x, (*before, part)), place, True) for part in slices], place)

    return handler


def _running(name: str, combine: Callable[[Operand, Operand], Node]) -> Handler:
    return _accumulate(lambda x, axis: running(f"np.{name}.accumulate", combine, x, axis))


def _product(x: Node, axis: Any, keepdims: bool) -> Node:
    return product("np.multiply.reduce", x, axis, keepdims)


UFUNC_METHODS: dict[str, dict[str, Handler]] = {
    "outer": {name: _outer(name) for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power")},
    "accumulate": {
        "add": _accumulate(cumsum),
        "maximum": _running("maximum", primitives.maximum),
        "minimum": _running("minimum", primitives.minimum),
        "multiply": _running("multiply", multiply),
    },
    "reduceat": {
        "add": _reduceat(sum_),
        "maximum": _reduceat(max_),
        "minimum": _reduceat(min_),
        "multiply": _reduceat(_product),
        "logaddexp": _reduceat(logsumexp),
    },
    "reduce": {
        "add": _reduce(sum_),
        "maximum": _reduce(max_),
        "multiply": _reduce(_product),
        "minimum": _reduce(min_),
        "logaddexp": _reduce(logsumexp),
        "logical_and": _truth(min_),
        "logical_or": _truth(max_),
    },
}
"""Keyed by the method's name, as in `np.subtract.outer`, then by the ufunc's."""
