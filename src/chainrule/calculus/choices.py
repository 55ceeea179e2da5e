"""Simplifications of choices and of deviations from a mean."""

from __future__ import annotations

from chainrule.calculus.collect import Term, factors, product_of
from chainrule.calculus.rules import applied, is_filled, is_scale, rule, scalar_of
from chainrule.ir import Apply, ArrayType, Const, DType, Input, Node, parse_shape
from chainrule.primitives import Add, Broadcast, Mean, Multiply, Subtract, Sum, Where


def _x(name: str = "x") -> Node:
    return Input(name, ArrayType(parse_shape("n m")))


def _condition() -> Node:
    return Const(True, ArrayType(parse_shape("n m"), DType.BOOL))


def _two() -> Node:
    return Const(2, _x().type)


def _scalar() -> Node:
    return Broadcast(parse_shape("n m"), ())(Input("s", ArrayType(())))


def _zero() -> Node:
    return Const(0, _x().type)


@rule("join the branches of a choice", Add, examples=lambda: [
    Add()(Where()(_condition(), _x(), _zero()), Where()(_condition(), _zero(), _x("y"))),
    Add()(Where()(_condition(), _zero(), _x()), Where()(_condition(), _x("y"), _zero())),
])  # fmt: skip
def _join_branches(node: Apply) -> Node | None:
    x, y = applied(node.operands[0], Where), applied(node.operands[1], Where)
    if x is None or y is None or x.operands[0] is not y.operands[0]:
        return None
    for first, second in ((x, y), (y, x)):
        if is_filled(first.operands[2], 0) and is_filled(second.operands[1], 0):
            return Where()(x.operands[0], first.operands[1], second.operands[2])
    return None


@rule("factor into a choice", Multiply, examples=lambda: [
    Multiply()(Where()(_condition(), _x(), _zero()), _x("y")),
    Multiply()(_x("y"), Where()(_condition(), _zero(), _x())),
])  # fmt: skip
def _factor_into_choice(node: Apply) -> Node | None:
    for k, operand in enumerate(node.operands):
        choice, factor = applied(operand, Where), node.operands[1 - k]
        if choice is None:
            continue
        condition, yes, no = choice.operands
        if is_filled(yes, 0):
            return Where()(condition, yes, Multiply()(no, factor))
        if is_filled(no, 0):
            return Where()(condition, Multiply()(yes, factor), no)
    return None


@rule("number out of a choice", Where, examples=lambda: [
    Where()(_condition(), Multiply()(_two(), _x()), Multiply()(_two(), _x("y"))),
    Where()(_condition(), Multiply()(_two(), _x()), Multiply()(Multiply()(_two(), _scalar()), _x("y"))),
])  # fmt: skip
def _number_out_of_choice(node: Apply) -> Node | None:
    """What number or coefficient both branches share."""
    condition, *branches = node.operands
    if any(is_filled(branch, 0) for branch in branches):
        return None
    yes, no = (factors(branch) for branch in branches)
    number = abs(yes.number) if abs(yes.number) == abs(no.number) else 1.0
    shared = [
        (factor, exponent)
        for factor, exponent in yes.powers
        if (is_scale(factor) or scalar_of(factor) is not None) and dict(no.powers).get(factor, 0) == exponent
    ]
    common = Term(number, tuple(shared))
    if number == 1 and not shared:
        return None
    rest = [product_of(term.times(common.inverse()), node.type) for term in (yes, no)]
    return Multiply()(product_of(common, node.type), Where()(condition, *rest))


@rule("deviations from the mean sum to zero", Sum, examples=lambda: [
    Sum((0,))(Subtract()(_x(), Broadcast(parse_shape("n m"), (1,))(Mean((0,))(_x())))),
    Sum((0, 1))(Subtract()(Broadcast(parse_shape("n m"), ())(Mean((0, 1))(_x())), _x())),
])  # fmt: skip
def _sum_of_deviations(node: Apply) -> Node | None:
    difference = applied(node.operands[0], Subtract)
    if difference is None:
        return None
    for x, centre in (difference.operands, difference.operands[::-1]):
        repeated = applied(centre, Broadcast)
        mean = None if repeated is None else applied(repeated.operands[0], Mean)
        if repeated is None or mean is None or mean.operands[0] is not x or mean.primitive.axes != node.primitive.axes:
            continue
        if tuple(axis for axis in range(x.type.ndim) if axis not in repeated.primitive.axes) == node.primitive.axes:
            return Const(0, node.type)
    return None
