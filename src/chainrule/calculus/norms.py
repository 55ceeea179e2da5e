"""Rules for quotients by norms, which are 0 where the norm is 0."""

from __future__ import annotations

from chainrule.calculus.examples import some_x, some_y
from chainrule.calculus.rules import rule
from chainrule.calculus.terms import (
    Term,
    factors,
    product_of,
)
from chainrule.ir import Apply, Const, Node
from chainrule.primitives import (
    Broadcast,
    Contract,
    Divide,
    DivideNoNan,
    Exp,
    Multiply,
    Norm,
    Reshape,
    Square,
    Sum,
)


def _norm(x: Node) -> Node:
    """Return Σ x², repeated; its root is the norm."""
    return Broadcast(x.type.shape, ())(Sum(tuple(range(x.type.ndim)))(Square()(x)))


@rule("y·(x/y) → x, both 0 at 0", Multiply, Divide, examples=lambda: [
    some_y() * DivideNoNan()(Exp()(some_x()), some_y()),
    (2 * DivideNoNan()(Exp()(some_x()), some_y())) * some_y(),
    _norm(some_x()) * DivideNoNan()(some_x(), Broadcast(some_x().type.shape, ())(Norm((0, 1))(some_x()))),
    some_y() * DivideNoNan()(some_y(), Exp()(some_x())) / Exp()(some_x()),
    Norm((0, 1))(some_x()) * Contract(((0, 1), (0, 1)), ())(
        DivideNoNan()(some_x(), Broadcast(some_x().type.shape, ())(Norm((0, 1))(some_x()))), some_y()
    ),
])  # fmt: skip
def _cancel_norm(node: Apply) -> Node | None:
    """Cancel y with the division by it, or divide by y² at once: y is a norm, and where it is 0, so is x."""
    term = factors(node)
    powers = dict(term.powers)
    for factor, exponent in term.powers:
        match factor:
            case Apply(DivideNoNan(), (x, y)) if exponent > 0 and powers.get(y, 0) != 0:
                rest = term.times(Term(1, ((factor, -1), (y, -1))))
                return product_of(rest.times(factors(x)), node.type)
            case Apply(DivideNoNan(), (x, y)) if exponent > 0 and (square := _square_of_norm(y)) is not None:
                if powers.get(square, 0) > 0:
                    rest = term.times(Term(1, ((factor, -1), (square, -1), (y, 1))))
                    return product_of(rest.times(factors(x)), node.type)
            case Apply(Contract(), operands) if exponent == 1:
                for k, operand in enumerate(operands):
                    match operand:
                        case Apply(DivideNoNan(), (x, Apply(Broadcast(axes=()), (y,)))) if powers.get(y, 0) > 0:
                            product = Apply(factor.primitive, (*operands[:k], x, *operands[k + 1 :]))
                            rest = term.times(Term(1, ((factor, -1), (y, -1), (product, 1))))
                            return product_of(rest, node.type)
    return None


@rule("(x/y)/y → x/y², both with 0 at 0", Divide, DivideNoNan, examples=lambda: [
    DivideNoNan()(some_x(), Exp()(some_y())) / Exp()(some_y()),
    DivideNoNan()(some_x(), 1 / Exp()(some_y())),
    DivideNoNan()(DivideNoNan()(some_x(), Exp()(some_y())), Exp()(some_y())),
])  # fmt: skip
def _divided_norm(node: Apply) -> Node | None:
    """Divide by a norm twice, or by the inverse of one."""
    match node:
        case Apply(Divide(), (Apply(DivideNoNan(), (x, y)), z)) if y is z:
            return x / _squared(y)
        case Apply(DivideNoNan(), (Apply(DivideNoNan(), (x, y)), z)) if y is z:
            return DivideNoNan()(x, _squared(y))
        case Apply(DivideNoNan(), (x, y)):
            match y:
                case Apply(Broadcast() as repeat, (Apply(Divide(), (Const(1), z)),)):
                    return x * repeat(z)
                case Apply(Divide(), (Const(1), z)):
                    return x * z
    return None


def _squared(node: Node) -> Node:
    """Return the square of a number or an array, beneath its repetition."""
    match node:
        case Apply(Broadcast() as repeat, (x,)):
            return repeat(Square()(x))
    return Square()(node)


def _square_of_norm(node: Node) -> Node | None:
    """Return ‖x‖², as it is simplified, for a norm that may be broadcast."""
    match node:
        case Apply((Broadcast() | Reshape()) as repeat, (norm,)) if (square := _square_of_norm(norm)) is not None:
            return repeat(square)
        case Apply(Norm() as norm, (x,)):
            return norm.squared(x)
    return None
