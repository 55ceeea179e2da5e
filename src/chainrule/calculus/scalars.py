"""Simplifications of factors that are one number repeated, such as a temperature: one coefficient, in front.

Literal numbers are gathered by the rules of `rules`; here a coefficient is what an input of no dimensions has a part
in, λ/n, and it is kept as a scalar that is repeated last.
"""

from __future__ import annotations

from chainrule.calculus.collect import Term, divides_anew, factors, operation_count
from chainrule.calculus.rules import applied, is_coefficient, is_scale, refilled, rule, scalar_of
from chainrule.ir import Apply, ArrayType, Const, Input, Node, named_dim, parse_shape
from chainrule.primitives import (
    Broadcast,
    Contract,
    Divide,
    Exp,
    Mean,
    Multiply,
    Negate,
    Permute,
    Reshape,
    Square,
    Sum,
)

_SCALAR = ArrayType(())


def _x(shape: str = "n m") -> Node:
    return Input("x", ArrayType(parse_shape(shape)))


def _y(shape: str = "n m") -> Node:
    return Input("y", ArrayType(parse_shape(shape)))


def _s(shape: str = "n m", scalar: Node | None = None) -> Node:
    return repeated(Exp()(Input("s", _SCALAR)) if scalar is None else scalar, ArrayType(parse_shape(shape)))


def repeated(scalar: Node, type_: ArrayType) -> Node:
    """A scalar repeated to the shape of `type_`."""
    return Broadcast(type_.shape, ())(scalar) if type_.ndim else scalar


def _multiplied(node: Node) -> tuple[Node, Node] | None:
    """(s, x) of a product of a repeated scalar and something else."""
    product = applied(node, Multiply)
    if product is None:
        return None
    scalar = scalar_of(product.operands[0])
    return None if scalar is None or scalar_of(product.operands[1]) is not None else (scalar, product.operands[1])


def _is_array(node: Node) -> bool:
    return not is_scale(node) and scalar_of(node) is None


@rule("scalar outwards", Contract, Sum, Mean, Broadcast, Permute, Reshape, Negate, examples=lambda: [
    Contract(((0, 1), (1, 2)), (0, 2))(Multiply()(_s(), _x()), _y("m k")),
    Sum((0, 1))(Multiply()(_s(), _x())),
    Broadcast(parse_shape("k n m"), (1, 2))(Multiply()(_s(), _x())),
])  # fmt: skip
def _scalar_outwards(node: Apply) -> Node | None:
    for k, operand in enumerate(node.operands):
        product = _multiplied(operand)
        if product is not None and not isinstance(node.primitive, Negate):
            scalar, x = product
            inner = Apply(node.primitive, (*node.operands[:k], x, *node.operands[k + 1 :]))
            return Multiply()(repeated(scalar, inner.type), inner)
    return None


@rule("scalar first", Multiply, examples=lambda: [
    Multiply()(_x(), _s()),
    Multiply()(_x(), Multiply()(_s(), _y())),
    Multiply()(Multiply()(_s(), _x()), _y()),
    Multiply()(Const(2, _x().type), Multiply()(_s(), _x())),
    Multiply()(Const(2, _x().type), _s()),
    Multiply()(_s(), Multiply()(_s(), _x())),
])  # fmt: skip
def _scalar_first(node: Apply) -> Node | None:
    x, y = node.operands
    scalar_x, scalar_y, product_x, product_y = scalar_of(x), scalar_of(y), _multiplied(x), _multiplied(y)
    if scalar_y is not None:
        if _is_array(x):
            return Multiply()(y, x)
        factor = refilled(x, _SCALAR.with_dtype(x.type.dtype)) if scalar_x is None else scalar_x
        return repeated(Multiply()(factor, scalar_y), node.type)
    if product_y is not None:
        scalar, rest = product_y
        if _is_array(x):
            return Multiply()(repeated(scalar, node.type), Multiply()(x, rest))
        factor = refilled(x, _SCALAR.with_dtype(x.type.dtype)) if scalar_x is None else scalar_x
        return Multiply()(repeated(Multiply()(factor, scalar), node.type), rest)
    if product_x is not None and _is_array(y):
        return Multiply()(repeated(product_x[0], node.type), Multiply()(product_x[1], y))
    return None


@rule("scalar out of a quotient", Divide, examples=lambda: [
    Divide()(_x(), _s()),
    Divide()(Multiply()(_s(), _x()), Exp()(_y())),
    Divide()(_x(), Multiply()(_s(), Exp()(_y()))),
    Divide()(Const(3, _x().type), _s()),
])  # fmt: skip
def _scalar_out_of_quotient(node: Apply) -> Node | None:
    x, y = node.operands
    below, product_x, product_y = scalar_of(y), _multiplied(x), _multiplied(y)
    if below is not None:
        one = Const(1, below.type)
        if is_scale(x):
            return repeated(Divide()(refilled(x, below.type), below), node.type)
        if scalar_of(x) is None:
            return Multiply()(repeated(Divide()(one, below), node.type), x)
    if product_y is not None:
        scalar, rest = product_y
        return Multiply()(repeated(Divide()(Const(1, scalar.type), scalar), node.type), Divide()(x, rest))
    if product_x is not None and _is_array(y):
        return Multiply()(repeated(product_x[0], node.type), Divide()(product_x[1], y))
    return None


@rule("one coefficient", Multiply, Divide, examples=lambda: [
    Multiply()(Divide()(Const(1, _SCALAR), Const(named_dim("n"), _SCALAR)), _x("")),
    Divide()(Divide()(Multiply()(_y(""), _y("")), Const(3, _SCALAR)), _y("")),
    Multiply()(Divide()(Const(2, _SCALAR), Const(3, _SCALAR)), Divide()(_x(""), _y(""))),
])  # fmt: skip
def _one_coefficient(node: Apply) -> Node | None:
    """Numbers and sizes joined, equal factors cancelled: T²/n · 1/T is T/n."""
    if not is_coefficient(node):
        return None
    term = factors(node)
    if not term.powers:
        return None
    quotient = _quotient(Term(abs(term.number), term.powers), node.type)
    result = quotient if term.number > 0 else Negate()(quotient)
    if all(exponent > 0 for _, exponent in term.powers):  # a product of names stays in the order it is in
        return result if operation_count(result) < operation_count(node) else None
    return None if result is node or divides_anew(node, result) else result


def _quotient(term: Term, type_: ArrayType) -> Node:
    sides: list[Node | None] = [None if term.number == 1 else Const(term.number, type_), None]
    for factor, exponent in term.powers:
        side = 0 if exponent > 0 else 1
        power, product = _power(factor, abs(exponent)), sides[side]
        sides[side] = power if product is None else Multiply()(product, power)
    above, below = sides
    numerator = Const(1, type_) if above is None else above
    return numerator if below is None else Divide()(numerator, below)


def _power(factor: Node, exponent: int) -> Node:
    if exponent == 1:
        return factor
    if exponent % 2:
        return Multiply()(_power(factor, exponent - 1), factor)
    return Square()(_power(factor, exponent // 2))
