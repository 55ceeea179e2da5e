"""Simplification of factors that are one number repeated, such as a temperature: one coefficient, in front.

Literal numbers are collected by the rules of `rules`; here a coefficient depends on an input of shape (), as λ/n does.
It is kept as a scalar, which is broadcast last.
"""

from __future__ import annotations

from chainrule.calculus.examples import filled, size, some, some_x, some_y
from chainrule.calculus.rules import both_orders, is_coefficient, is_scale, refilled, rule, scalar_of, with_operand
from chainrule.calculus.stages import COTANGENT, TANGENT
from chainrule.calculus.terms import Term, divides_anew, factors, operation_count, power_of, with_lessened
from chainrule.ir import Apply, ArrayType, Const, Input, Node, applies, parse_shape
from chainrule.primitives import (
    Abstract,
    Add,
    Broadcast,
    Contract,
    Divide,
    DivideNoNan,
    Elementwise,
    Exp,
    LessOne,
    Mean,
    Multiply,
    Negate,
    Norm,
    Permute,
    Power,
    Reshape,
    Square,
    Subtract,
    Sum,
)

_SCALAR = ArrayType(())
_ARITHMETIC = (Add, Subtract, Multiply, Divide, DivideNoNan, Negate, Square, Power, LessOne)


def _some_s(shape: str = "n m") -> Node:
    return repeated(Exp()(Input("s", _SCALAR)), ArrayType(parse_shape(shape)))


def repeated(scalar: Node, type_: ArrayType) -> Node:
    """Broadcast a scalar to the shape of `type_`."""
    return Broadcast(type_.shape, ())(scalar) if type_.ndim else scalar


def _multiplied(node: Node) -> tuple[Node, Node] | None:
    """Return (s, x) for a product of a repeated scalar s and another value x, or None."""
    match node:
        case Apply(Multiply(), (s, x)) if (scalar := scalar_of(s)) and scalar_of(x) is None:
            return scalar, x
    return None


def _as_scalar(node: Node) -> Node | None:
    """Return the number or coefficient that `node` repeats, as a scalar; None for an array."""
    return refilled(node, _SCALAR.with_dtype(node.type.dtype)) if is_scale(node) else scalar_of(node)


@rule("scalar outwards", Contract, Sum, Mean, Broadcast, Permute, Reshape, examples=lambda: [
    (_some_s() * some_x()) @ some_y("m k"),
    Sum((0, 1))(_some_s() * some_x()),
    Broadcast(parse_shape("k n m"), (1, 2))(_some_s() * some_x()),
])  # fmt: skip
def _scalar_outwards(node: Apply) -> Node | None:
    for k, operand in enumerate(node.operands):
        match _multiplied(operand):
            case (scalar, x):
                return repeated(scalar, node.type) * with_operand(node, k, x)
    return None


def _some_number(shape: str = "n m") -> Node:
    return repeated(Sum((0,))(Exp()(some("v", "n"))), ArrayType(parse_shape(shape)))


@rule("A (x/s) → (A x)/s", Contract, examples=lambda: [
    some_x() @ (some_y("m") / _some_number("m")),
    some_x() @ DivideNoNan()(some_y("m"), _some_number("m")),
    (some_x() / _some_number()) @ some_y("m k"),
    (_some_number() * some_x()) @ some_y("m k"),
    (some_x() * _some_number()) @ some_y("m k"),
    some_x("k n") @ (_some_number() * (some_y() / _some_number())),
])  # fmt: skip
def _number_out_of_product(node: Apply) -> Node | None:
    """Move a number that is computed from arrays, such as xᵀ x, out of a product of matrices."""
    for k, operand in enumerate(node.operands):
        match operand:
            case Apply(
                Multiply(), ((Apply(Broadcast(axes=()), (number,)), x) | (x, Apply(Broadcast(axes=()), (number,))))
            ):
                return repeated(number, node.type) * with_operand(node, k, x)
            case Apply((Divide() | DivideNoNan()) as quotient, (x, Apply(Broadcast(axes=()), (number,)))):
                return None if is_scale(x) else quotient(with_operand(node, k, x), repeated(number, node.type))
    return None


def _some_inner() -> Node:
    return repeated(some("p", "m") @ some("q", "m"), ArrayType(parse_shape("n")))


@rule("b·(x/s) → (b·x)/s for numbers b and s", Multiply, examples=lambda: [
    _some_inner() * (some_x("n") / _some_number("n")),
    _some_inner() * DivideNoNan()(some_x("n"), _some_number("n")),
    DivideNoNan()(some_x("n"), _some_number("n")) * _some_inner(),
    repeated(DivideNoNan()(some("p", "m") @ some("q", "m"), Norm((0,))(some("q", "m"))), ArrayType(parse_shape("n")))
    * some_x("n"),
])  # fmt: skip
def _number_above(node: Apply) -> Node | None:
    """Write an inner product times a quotient as one quotient: x xᵀ v / ‖x‖²."""
    for number, x in both_orders(node):
        match number, x:
            case (
                Apply(Broadcast(axes=()), (Apply(Contract()),)),
                Apply((Divide() | DivideNoNan()) as quotient, (above, Apply(Broadcast(axes=())) as below)),
            ) if not is_scale(above):
                return quotient(number * above, below)
            case (
                Apply(
                    Broadcast(axes=()),
                    (Apply((Divide() | DivideNoNan()) as quotient, (Apply(Contract()) as above, s)),),
                ),
                _,
            ) if not applies(x, Divide, DivideNoNan) and not is_scale(s) and x.type.ndim and scalar_of(x) is None:
                return quotient(repeated(above, node.type) * x, repeated(s, node.type))
    return None


@rule("scalar first", Multiply, examples=lambda: [
    some_x() * _some_s(),
    some_x() * (_some_s() * some_y()),
    (_some_s() * some_x()) * some_y(),
    2 * (_some_s() * some_x()),
    2 * _some_s(),
    _some_s() * (_some_s() * some_x()),
])  # fmt: skip
def _scalar_first(node: Apply) -> Node | None:
    x, y = node.operands
    factor = _as_scalar(x)
    match scalar_of(y), _multiplied(y):
        case Node() as s, _:
            return y * x if factor is None else repeated(factor * s, node.type)
        case _, (s, rest):
            return repeated(s, node.type) * (x * rest) if factor is None else repeated(factor * s, node.type) * rest
    match _multiplied(x):
        case (s, rest) if _as_scalar(y) is None:
            return repeated(s, node.type) * (rest * y)
    return None


@rule("cos(u)·x → x·cos(u) for numbers", Multiply, examples=lambda: [
    Exp()(some_x("")) * some("z", ""),
    (2 * Exp()(some_x(""))) * some("z", "") ** 2,
    (some("z", "") * Exp()(some_x(""))) * some("w", ""),
])  # fmt: skip
def _name_before_function(node: Apply) -> Node | None:
    """Write a name before the functions beside it."""
    if node.type.ndim:
        return None
    match node:
        case Apply(Multiply(), (Apply(Multiply(), (rest, function)), x)) if _is_name(x) and _is_function(function):
            return (rest * x) * function
        case Apply(Multiply(), (function, x)) if _is_name(x) and _is_function(function):
            return x * function
    return None


def _is_name(node: Node) -> bool:
    """Whether a number is a name, or a power of one, and no differential or gradient."""
    match node:
        case Apply(Square(), (x,)) | Apply(Power(), (x, Const())):
            return _is_name(x)
        case Input():
            return not node.name.startswith((COTANGENT, TANGENT))
    return False


def _is_function(node: Node) -> bool:
    """Whether a number is a function of another value, or a power of one.

    A derivative f′ that is not known stays in front: it is the first factor of the chain rule.
    """
    match node:
        case Apply(Square(), (x,)) | Apply(Power(), (x, Const())):
            return _is_function(x)
        case Apply(Elementwise() as primitive):
            return not isinstance(primitive, (*_ARITHMETIC, Abstract))
    return False


@rule("a·(a·x) → a²·x for a number a", Multiply, examples=lambda: [_some_number() * (_some_number() * some_x())])
def _number_twice(node: Apply) -> Node | None:
    match node:
        case Apply(
            Multiply(),
            (Apply(Broadcast(axes=()), (a,)), Apply(Multiply(), (Apply(Broadcast(axes=()), (b,)), x))),
        ) if a is b:
            return repeated(a**2, node.type) * x
    return None


@rule("x·(s/y) → s·(x/y)", Multiply, examples=lambda: [
    some_x() * (_some_s() / Exp()(some_y())),
    (_some_s() / Exp()(some_y())) * some_x(),
    some_x() * Broadcast(parse_shape("n m"), (0,))(_some_s("n") / Exp()(some_y("n"))),
])  # fmt: skip
def _scalar_over(node: Apply) -> Node | None:
    """Move a repeated scalar from above a fraction in front of the product with it."""
    for x, quotient in both_orders(node):
        if _as_scalar(x) is not None:
            continue
        match quotient:
            case Apply(Divide(), (s, y)) if (scalar := scalar_of(s)) and _as_scalar(y) is None:
                return repeated(scalar, node.type) * (x / y)
            case Apply(Broadcast() as repeat, (Apply(Divide(), (s, y)),)) if s.type.ndim and (scalar := scalar_of(s)):
                return repeated(scalar, node.type) * (x / repeat(y))
    return None


@rule("scalar out of a quotient", Divide, examples=lambda: [
    some_x() / _some_s(),
    (_some_s() * some_x()) / Exp()(some_y()),
    some_x() / (_some_s() * Exp()(some_y())),
    3 / _some_s(),
])  # fmt: skip
def _scalar_out_of_quotient(node: Apply) -> Node | None:
    x, y = node.operands
    match scalar_of(y), _multiplied(y):
        case Node() as s, _ if is_scale(x):
            return repeated(refilled(x, s.type) / s, node.type)
        case Node() as s, _ if scalar_of(x) is None:
            return repeated(1 / s, node.type) * x
        case _, (s, rest):
            return repeated(1 / s, node.type) * (x / rest)
    match _multiplied(x):
        case (s, rest) if _as_scalar(y) is None:
            return repeated(s, node.type) * (rest / y)
    return None


@rule("one coefficient", Multiply, Divide, examples=lambda: [
    (1 / size("n", "")) * some_x(""),
    ((some_y("") * some_y("")) / 3) / some_y(""),
    Exp()(some_x("")) * (2 * some_y("")),
    (filled(2, "") / 3) * (some_x("") / some_y("")),
])  # fmt: skip
def _one_coefficient(node: Apply) -> Node | None:
    """Combine numbers and sizes and cancel equal factors: T²/n · 1/T is T/n."""
    if not is_coefficient(node):
        return None
    term = factors(node)
    if not term.powers:
        return None
    quotient = _quotient(Term(abs(term.number), term.powers), node.type)
    result = quotient if term.number > 0 else Negate()(quotient)
    if all(exponent > 0 for _, exponent in term.powers):  # a product that begins with a name keeps its order
        late = abs(term.number) != 1 and not _leads(_first_factor(node))
        return result if late or operation_count(result) < operation_count(node) else None
    return None if result is node or divides_anew(node, result) else result


def _leads(node: Node) -> bool:
    """Whether a factor stands before a number: another number, or ∂L/∂u in a chain."""
    return isinstance(node, Const) or (isinstance(node, Input) and node.name.startswith(COTANGENT))


def _first_factor(node: Node) -> Node:
    while applies(node, Multiply, Divide, Negate):
        node = node.operands[0]
    return node


def _quotient(term: Term, type_: ArrayType) -> Node:
    sides: list[Node | None] = [None if term.number == 1 else Const(term.number, type_), None]
    for factor, exponent in with_lessened(term.powers):
        side = 0 if exponent > 0 else 1
        power, product = power_of(factor, abs(exponent)), sides[side]
        sides[side] = power if product is None else Multiply()(product, power)
    above, below = sides
    numerator = Const(1, type_) if above is None else above
    return numerator if below is None else Divide()(numerator, below)
