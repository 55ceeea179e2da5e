"""NumPy's ufuncs in terms of primitives: `np.exp`, `np.add`, `x < y`, …"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard

from chainrule import primitives
from chainrule.ir import DType, DTypeError, Node, Operand, ShapeError
from chainrule.primitives import (
    abs_,
    add,
    bitwise_and,
    bitwise_or,
    bitwise_xor,
    cos,
    cumsum,
    divide,
    equal,
    expand_dims,
    greater,
    greater_equal,
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
    not_equal,
    power,
    sin,
    square,
    subtract,
    sum_,
)
from chainrule.trace.literals import as_node, as_operand
from chainrule.trace.options import in_dtype, refuse_options
from chainrule.trace.recording import recording

Handler: TypeAlias = Callable[..., Any]


def _unary(builder: Callable[[Node], Node]) -> Handler:
    def handler(x: object) -> Node:
        return builder(as_node(x))

    return handler


def _binary(builder: Callable[[Operand, Operand], Node]) -> Handler:
    def handler(x1: object, x2: object) -> Node:
        return builder(as_operand(x1), as_operand(x2))

    return handler


def _matmul(x1: object, x2: object) -> Node:
    return matmul(as_node(x1), as_node(x2))


def _of_signed(builder: Callable[[Node], Node], what: str, mend: str) -> Handler:
    """Wrap `builder` to reject integers if unsigned ones are stored as int64."""

    def handler(x: object) -> Node:
        node, here = as_node(x), recording.get()
        if node.type.dtype is DType.INT64 and here is not None and here.unsigned:
            raise DTypeError(
                f"unsigned integers are held as int64, whose {what} is another; give k.astype(np.int64) for k{mend}"
            )
        return builder(node)

    return handler


def _power(x1: object, x2: object) -> Node:
    base, exponent = as_operand(x1), as_operand(x2)
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


def _tan(x: Node) -> Node:
    return sin(x) / cos(x)


def _log2(x: Node) -> Node:
    return log(x) / math.log(2)


def _log10(x: Node) -> Node:
    return log(x) / math.log(10)


def _log_sigmoid(x: Node) -> Node:
    return negate(primitives.softplus(negate(x)))


def _logaddexp2(x: Operand, y: Operand) -> Node:
    return logaddexp(multiply(x, math.log(2)), multiply(y, math.log(2))) / math.log(2)


UFUNC_CALLS: dict[str, Handler] = {
    **{name: (_unary if kind.arity == 1 else _binary)(kind.of) for name, kind in primitives.UFUNCS.items()},
    "negative": _of_signed(negate, "negative", ", or write -1.0 * k"),
    "positive": _unary(_same),
    "fabs": _unary(abs_),
    "square": _unary(square),
    "reciprocal": _unary(_reciprocal),
    "log2": _unary(_log2),
    "log10": _unary(_log10),
    "tan": _unary(_tan),
    "logical_not": _unary(logical_not),
    "invert": _of_signed(invert, "inverse", ", or write k ^ 255 for the inverse of uint8"),
    "add": _binary(add),
    "subtract": _binary(subtract),
    "multiply": _binary(multiply),
    "divide": _binary(divide),
    "power": _power,
    "float_power": _binary(power),
    "logaddexp2": _binary(_logaddexp2),
    "less": _binary(less),
    "less_equal": _binary(less_equal),
    "greater": _binary(greater),
    "greater_equal": _binary(greater_equal),
    "equal": _binary(equal),
    "not_equal": _binary(not_equal),
    "logical_and": _binary(logical_and),
    "logical_or": _binary(logical_or),
    "logical_xor": _binary(logical_xor),
    "bitwise_and": _binary(bitwise_and),
    "bitwise_or": _binary(bitwise_or),
    "bitwise_xor": _binary(bitwise_xor),
    "matmul": _matmul,
}
"""Keyed by the ufunc's name."""

CALLS: dict[str, Handler] = {
    **UFUNC_CALLS,
    "expit": _unary(primitives.sigmoid),
    "log_expit": _unary(_log_sigmoid),
    "erf": _unary(primitives.erf),
}
"""With those of `scipy.special`."""


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


def _accumulate(array: object, axis: int = 0, dtype: Any = None, out: None = None) -> Node:
    refuse_options("ufunc.accumulate", out=out)
    if axis is None:
        raise ShapeError("ufunc.accumulate goes along one axis; name it, as in axis=0")
    return cumsum(in_dtype("ufunc.accumulate", as_node(array), dtype), axis)


UFUNC_METHODS: dict[str, dict[str, Handler]] = {
    "outer": {name: _outer(name) for name in ("add", "subtract", "multiply", "divide", "maximum", "minimum", "power")},
    "accumulate": {"add": _accumulate},
    "reduce": {
        "add": _reduce(sum_),
        "maximum": _reduce(max_),
        "minimum": _reduce(min_),
        "logaddexp": _reduce(logsumexp),
    },
}
"""Keyed by the method's name, as in `np.subtract.outer`, then by the ufunc's."""
