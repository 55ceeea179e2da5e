"""Rules for numbers, signs, sums and broadcasts, which are tried first."""

from __future__ import annotations

import operator
from collections.abc import Callable

from chainrule.calculus.examples import filled, size, some_x, some_y
from chainrule.calculus.rules import (
    both_orders,
    is_coefficient,
    is_filled,
    is_scale,
    is_scaling,
    reduced,
    refilled,
    rule,
    with_operand,
)
from chainrule.ir import (
    Apply,
    Const,
    Node,
    SymbolicDim,
    applies,
    named_dim,
    parse_shape,
)
from chainrule.primitives import (
    Add,
    Broadcast,
    Concatenate,
    Contract,
    CumulativeSum,
    Diagonal,
    DiagonalMatrix,
    Divide,
    DivideNoNan,
    Exp,
    Gather,
    Mean,
    Multiply,
    Negate,
    Norm,
    OverlapAdd,
    Pad,
    Permute,
    Reshape,
    ScatterAdd,
    Slice,
    Sqrt,
    Square,
    Subtract,
    Sum,
    Trace,
    Triangle,
    Windows,
)

_FOLDS: dict[type, Callable[..., float]] = {
    Add: operator.add,
    Subtract: operator.sub,
    Multiply: operator.mul,
    Divide: operator.truediv,
    Negate: operator.neg,
    Square: lambda x: x * x,
}


@rule("fold constants", Add, Subtract, Multiply, Divide, Negate, Square, examples=lambda: [
    filled(2) + filled(3),
    filled(2) * filled(3),
    filled(3) / filled(4),
    -filled(3),
    filled(3) ** 2,
])  # fmt: skip
def _fold_constants(node: Apply) -> Node | None:
    match node:
        case Apply(Multiply(), (Const(SymbolicDim() as m), Const(SymbolicDim() as n))):
            return Const(m * n, node.type)
        case Apply(Divide(), (_, Const(0))):
            return None
        case Apply(primitive, (Const(float(x)),)):
            return Const(_FOLDS[type(primitive)](x), node.type)
        case Apply(primitive, (Const(float(x)), Const(float(y)))):
            return Const(_FOLDS[type(primitive)](x, y), node.type)
    return None


@rule("x + 0 → x", Add, Subtract, examples=lambda: [some_x() + 0, 0 + some_x(), some_x() - 0, 0 - some_x()])
def _add_zero(node: Apply) -> Node | None:
    match node:
        case Apply(Add() | Subtract(), (x, Const(0))) | Apply(Add(), (Const(0), x)):
            return x
        case Apply(Subtract(), (Const(0), x)):
            return -x
    return None


@rule("1·x → x", Multiply, Divide, DivideNoNan, examples=lambda: [
    some_x() * 1,
    1 * some_x(),
    some_x() / 1,
    DivideNoNan()(some_x(), filled(1)),
])  # fmt: skip
def _multiply_one(node: Apply) -> Node | None:
    match node:
        case Apply(Multiply() | Divide() | DivideNoNan(), (x, Const(1))) | Apply(Multiply(), (Const(1), x)):
            return x
    return None


@rule("0·x → 0", Multiply, Divide, DivideNoNan, Contract, examples=lambda: [
    some_x() * 0,
    0 / Exp()(some_x()),
    DivideNoNan()(filled(0), some_x()),
    filled(0, "n m") @ some_y("m k"),
])  # fmt: skip
def _multiply_zero(node: Apply) -> Node | None:
    match node:
        case Apply(Divide() | DivideNoNan(), (Const(0), _)):
            return Const(0, node.type)
        case Apply(Multiply() | Contract(), factors) if any(is_filled(factor, 0) for factor in factors):
            return Const(0, node.type)
    return None


@rule("a linear function of 0 is 0", Concatenate, Gather, Pad, ScatterAdd, Slice, Triangle, examples=lambda: [
    Pad((0, 0), (2, 0), (0, 0))(filled(0)),
    Concatenate(0)(filled(0), filled(0, "k m")),
])  # fmt: skip
def _linear_in_zero(node: Apply) -> Node | None:
    arrays = node.operands if applies(node, Concatenate) else node.operands[:1]
    return Const(0, node.type) if all(is_filled(x, 0) for x in arrays) else None


@rule("number first", Multiply, examples=lambda: [some_x() * 2, some_x() * (1 / size("n"))])
def _number_first(node: Apply) -> Node | None:
    match node:
        case Apply(Multiply(), (x, c)) if is_scale(c) and not is_scale(x):
            return c * x
    return None


@rule("collect numbers", Multiply, Divide, examples=lambda: [
    0.5 * (2 * some_x()),
    some_x() * (2 * some_y()),
    (2 * some_x()) * some_y(),
    2 * (3 / Exp()(some_x())),
    (2 * some_x()) / 4,
    some_x() / (2 * Exp()(some_y())),
])  # fmt: skip
def _collect_numbers(node: Apply) -> Node | None:
    if is_coefficient(node):
        return None
    match node:
        case Apply(Multiply(), (Const(float()) as a, Apply(Multiply(), (b, x)))) if is_scaling(b, x):
            return (a * b) * x
        case Apply(Multiply(), (Const(float()) as a, Apply(Divide(), (Const(float()) as b, x)))):
            return (a * b) / x
        case Apply(Multiply(), (x, Apply(Multiply(), (c, y)))) if not isinstance(x, Const) and is_scaling(c, y):
            return c * (x * y)
        case Apply(Multiply(), (Apply(Multiply(), (c, x)), y)) if not isinstance(y, Const) and is_scaling(c, x):
            return c * (x * y)
        case Apply(Divide(), (Apply(Multiply(), (c, x)), y)) if is_scaling(c, x):
            return c * (x / y)
        case Apply(Divide(), (x, Apply(Multiply(), (c, y)))) if is_scaling(c, y):
            return (1 / c) * (x / y)
    return None


@rule("merge factors 2·(1/n) → 2/n", Multiply, examples=lambda: [
    2 * (1 / size("n")),
    (1 / size("n")) * 2,
])  # fmt: skip
def _merge_scales(node: Apply) -> Node | None:
    if not is_scale(node):
        return None
    match node:
        case Apply(Multiply(), (Apply(Divide(), (a, m)), Apply(Divide(), (b, n)))):
            return (a * b) / (m * n)
        case Apply(Multiply(), (Apply(Divide(), (a, n)), b)) | Apply(Multiply(), (a, Apply(Divide(), (b, n)))):
            return (a * b) / n
    return None


@rule("reduce a fraction of sizes", Divide, examples=lambda: [
    filled(2) / (2 * named_dim("n")),
    filled(2) / (filled(2) * size("n")),
    filled(3) / (6 * named_dim("n")),
    filled(0.5) / named_dim("n"),
])  # fmt: skip
def _reduce_fraction(node: Apply) -> Node | None:
    match node:
        case Apply(Divide(), (Const(float(c)), Apply(Multiply(), (Const(float(d)), n)))) if d and is_scale(n):
            return Const(c / d, node.type) / n
        case Apply(Divide(), (Const(float(c)), divisor)) if c > 1 and c % 1 == 0:
            rest = reduced(divisor, int(c))
            return None if rest is None else 1 / Const(rest, node.type)
        case Apply(Divide(), (Const(float(c)), Const(SymbolicDim() as n))) if 0 < c < 1 and (1 / c) % 1 == 0:
            return 1 / Const(int(1 / c) * n, node.type)
    return None


@rule("size as a number", Divide, examples=lambda: [some_x() / size("n")])
def _divide_by_size(node: Apply) -> Node | None:
    match node:
        case Apply(Divide(), (x, n)) if is_scale(n) and not is_scale(x) and not is_coefficient(x):
            return (1 / n) * x
    return None


@rule("−x·(a − b) → x·(b − a)", Negate, examples=lambda: [
    -(some_x() * (some_x() - some_y())),
    -(some_x() * (some_x() - some_y()) / Exp()(some_y())),
    -(2 * (some_x() * (some_x() - some_y()))),
    -((some_x() - 1) * some_y()),
])  # fmt: skip
def _turn_difference(node: Apply) -> Node | None:
    """Absorb the sign into a difference of variables; 1 − y remains unchanged."""
    match node:
        case Apply(Negate(), (Apply(Multiply(), (Apply(Subtract(), (a, Const() as c)), x)),)) if is_scale(c):
            return None if isinstance(a, Const) or _has_factor(x, a - c) else (c - a) * x
        case Apply(Negate(), (Apply(Multiply(), (x, Apply(Subtract(), (a, b)))),)):
            return None if isinstance(a, Const) or isinstance(b, Const) or _has_factor(x, a - b) else x * (b - a)
        case Apply(Negate(), (Apply(Multiply(), (c, Apply(Multiply()) as product)),)) if is_scale(c):
            turned = _turn_difference(Negate()(product))
            return None if turned is None else c * turned
        case Apply(Negate(), (Apply(Divide(), (Apply(Multiply()) as product, y)),)):
            turned = _turn_difference(Negate()(product))
            return None if turned is None else turned / y
    return None


def _has_factor(product: Node, factor: Node) -> bool:
    match product:
        case Apply(Multiply(), (x, y)):
            return _has_factor(x, factor) or _has_factor(y, factor)
    return product is factor


@rule("−(−x) → x", Negate, examples=lambda: [
    Negate()(-some_x()),
    -(some_x() - some_y()),
    -(2 * (some_x() - some_y())),
])  # fmt: skip
def _double_negation(node: Apply) -> Node | None:
    match node:
        case Apply(Negate(), (Apply(Negate(), (x,)),)):
            return x
        case Apply(Negate(), (Apply(Subtract(), (x, y)),)):
            return y - x
        case Apply(Negate(), (Apply(Multiply(), (c, Apply(Subtract()) as difference)),)) if is_scale(c):
            return c * -difference
    return None


@rule("(y − 1)/x → −(1 − y)/x", Divide, examples=lambda: [(some_y() - 1) / Exp()(some_x())])
def _number_less_variable(node: Apply) -> Node | None:
    match node:
        case Apply(Divide(), (Apply(Subtract(), (y, Const(float()) as c)), x)):
            return -((c - y) / x)
    return None


@rule("x + (−y) → x − y", Add, Subtract, examples=lambda: [
    some_x() + -some_y(),
    -some_x() + some_y(),
    some_x() - -some_y(),
    -some_x() - some_y(),
    some_x() + filled(-2),
    filled(-2) + some_x(),
    some_x() - filled(-2),
])  # fmt: skip
def _add_negation(node: Apply) -> Node | None:
    match node:
        case Apply(Add(), (x, c)) if not is_scale(x) and (positive := _opposite(c)):
            return x - positive
        case Apply(Add(), (c, x)) if isinstance(c, Const) and not is_scale(x) and (positive := _opposite(c)):
            return x - positive
        case Apply(Subtract(), (x, c)) if not is_scale(x) and (positive := _opposite(c)):
            return x + positive
        case Apply(Add(), (x, Apply(Negate(), (y,)))) | Apply(Add(), (Apply(Negate(), (y,)), x)):
            return x - y
        case Apply(Subtract(), (x, Apply(Negate(), (y,)))):
            return x + y
        case Apply(Subtract(), (Apply(Negate(), (x,)), y)):
            return -(x + y)
    return None


_ONE_OPERAND = (
    *(Sum, Mean, Broadcast, Permute, Reshape, Windows, OverlapAdd),
    *(CumulativeSum, Diagonal, DiagonalMatrix, Trace, Triangle),
)
"""Primitives that are linear in their one operand, so that signs and numbers can be moved in front of them."""


@rule("sign outwards", Multiply, Divide, Contract, *_ONE_OPERAND, examples=lambda: [
    -some_x() * some_y(),
    some_x() * -some_y(),
    -2 * some_x(),
    -some_x() / some_y(),
    -1 / Exp()(some_x()),
    Sum((0,))(-some_x()),
    -some_x() @ some_y("m k"),
    some_x() @ (-1 / Exp()(some_y("m k"))),
])  # fmt: skip
def _sign_outwards(node: Apply) -> Node | None:
    for k, operand in enumerate(node.operands):
        match operand:
            case Apply(Negate(), (x,)):
                return -with_operand(node, k, x)
            case Apply(Divide(), (c, x)) if not is_scale(operand) and (positive := _opposite(c)):
                return -with_operand(node, k, positive / x)
    match node:
        case Apply(Multiply(), (c, x)) if positive := _opposite(c):
            return -(positive * x)
        case Apply(Divide(), (c, x)) if not is_scale(node) and (positive := _opposite(c)):
            return -(positive / x)
    return None


def _opposite(scale: Node) -> Node | None:
    """Return the positive number whose negative is `scale`, or None."""
    match scale:
        case Const(float(number)):
            return Const(-number, scale.type) if number < 0 else None
        case Apply(_, (first, *_)) if is_scale(scale):
            opposite = _opposite(first)
            return None if opposite is None else with_operand(scale, 0, opposite)
    return None


@rule("number outwards", Contract, *_ONE_OPERAND, examples=lambda: [
    (2 * some_x()) @ some_y("m k"),
    Sum((0,))(2 * some_x()),
    CumulativeSum(1)(2 * some_x()),
    Triangle(offset=-1)(2 * some_x()),
    Sum((0,))(2 / Exp()(some_x())),
])  # fmt: skip
def _number_outwards(node: Apply) -> Node | None:
    for k, operand in enumerate(node.operands):
        match operand:
            case Apply(Divide(), (c, x)) if is_scaling(c, x) and not is_filled(c, 1) and applies(node, Sum, Mean):
                return refilled(c, node.type) * with_operand(node, k, 1 / x)
            case Apply(Multiply(), (c, x)) if is_scaling(c, x):
                if not isinstance(node.primitive, Broadcast) or not is_coefficient(operand):
                    return refilled(c, node.type) * with_operand(node, k, x)
    return None


@rule("x + x → 2·x", Add, examples=lambda: [some_x() + some_x()])
def _sum_with_itself(node: Apply) -> Node | None:
    x, y = node.operands
    return 2 * x if x is y and not isinstance(x, Const) else None


@rule("x·x → x²", Multiply, examples=lambda: [some_x() * some_x()])
def _product_with_itself(node: Apply) -> Node | None:
    x, y = node.operands
    return x**2 if x is y and not isinstance(x, Const) else None


@rule("(√x)² → x", Square, examples=lambda: [
    Sqrt()(Exp()(some_x())) ** 2,
    Norm((0, 1), mean=True)(some_x()) ** 2,
])  # fmt: skip
def _square_of_root(node: Apply) -> Node | None:
    match node:
        case Apply(Square(), (Apply(Sqrt(), (x,)),)):
            return x
        case Apply(Square(), (Apply(Norm(mean=True) as norm, (x,)),)):
            return norm.squared(x)
    return None


@rule("x·(1/y) → x/y", Multiply, examples=lambda: [
    some_x() * (1 / Exp()(some_y())),
    (1 / Exp()(some_y())) * some_x(),
    some_x() * (2 / Exp()(some_y())),
    some_x() * Broadcast(parse_shape("n m"), (0,))(1 / Exp()(some_y("n"))),
    some_x() * Broadcast(parse_shape("n m"), (0,))(0.5 / Exp()(some_y("n"))),
])  # fmt: skip
def _multiply_reciprocal(node: Apply) -> Node | None:
    is_scalar = is_coefficient(node)  # a coefficient is one quotient
    for x, reciprocal in both_orders(node):
        match reciprocal:
            case Apply(Divide(), (Const(1), y)) if not is_scale(reciprocal) and not is_scale(x):
                return x / y
            case Apply(Divide(), (Const() as c, y)) if is_scale(c) and not is_scale(reciprocal) and not is_scale(x):
                if not is_scalar:
                    return c * (x / y)
            case Apply(Broadcast() as repeat, (Apply(Divide(), (Const() as c, y)) as quotient,)) if is_scale(c):
                if not is_scale(quotient) and not is_coefficient(quotient) and not is_scale(x):
                    return refilled(c, node.type) * (x / repeat(y))
    return None
