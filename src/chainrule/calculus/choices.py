"""Simplification of conditional expressions and of deviations from a mean."""

from __future__ import annotations

from typing import Final

from chainrule.calculus.examples import filled, some_x, some_y
from chainrule.calculus.rules import Rule, both_orders, is_filled, is_scale, rule, scalar_of
from chainrule.calculus.terms import Term, factors, product_of
from chainrule.ir import Apply, ArrayType, Const, DType, Input, Node, applies, parse_shape
from chainrule.primitives import Add, Broadcast, Cast, Divide, Mean, Multiply, Negate, Square, Subtract, Sum, Where


def _condition() -> Node:
    return Const(True, ArrayType(parse_shape("n m"), DType.BOOL))


def _scalar() -> Node:
    return Broadcast(parse_shape("n m"), ())(Input("s", ArrayType(())))


@rule("join the branches of a choice", Add, Subtract, examples=lambda: [
    Where()(_condition(), some_x(), some_y()) + Where()(_condition(), some_y() * some_y(), filled(0)),
    Where()(_condition(), filled(0), some_x()) + Where()(_condition(), some_x(), some_y()),
    Where()(_condition(), some_x(), filled(0)) + Where()(_condition(), filled(0), some_y()),
    Where()(_condition(), filled(0), some_x()) + Where()(_condition(), some_y(), filled(0)),
    Where()(_condition(), filled(0), some_x()) - Where()(_condition(), filled(0), some_y()),
    Where()(_condition(), some_x(), some_y()) - Where()(_condition(), some_y(), filled(0)),
])  # fmt: skip
def _join_branches(node: Apply) -> Node | None:
    plus = node.primitive
    for first, second in both_orders(node) if applies(node, Add) else (node.operands,):
        match first, second:
            case Apply(Where(), (p, x, Const(0))), Apply(Where(), (q, Const(0), y)) if p is q and applies(node, Add):
                return Where()(p, x, y)
            case Apply(Where(), (p, x, y)), Apply(Where(), (q, z, Const(0))) if p is q:
                return Where()(p, plus(x, z), y)
            case Apply(Where(), (p, x, y)), Apply(Where(), (q, Const(0), z)) if p is q:
                return Where()(p, x, plus(y, z))
    return None


@rule("Σ (x or 0) − 2·Σ (y or 0) → Σ (x − 2·y or 0)", Add, Subtract, examples=lambda: [
    Sum((1,))(Where()(_condition(), filled(0), some_x())) - 2 * Sum((1,))(Where()(_condition(), filled(0), some_y())),
    Sum((1,))(Where()(_condition(), some_x(), filled(0))) + Sum((1,))(Where()(_condition(), some_y(), filled(0))),
])  # fmt: skip
def _sum_of_choices(node: Apply) -> Node | None:
    """Add sums of what is 0 under one condition."""
    first, second = (factors(term) for term in node.operands)
    match first.powers, second.powers:
        case ((Apply(Sum() as total, (x,)), 1),), ((Apply(Sum() as other, (y,)), 1),) if total == other:
            pass
        case _:
            return None
    match x, y:
        case (Apply(Where(), (p, Const(0) as zero, _)), Apply(Where(), (q, Const(0), _))) | (
            Apply(Where(), (p, _, Const(0) as zero)),
            Apply(Where(), (q, _, Const(0))),
        ) if p is q:
            place = 1 if x.operands[2] is zero else 2
        case _:
            return None
    terms = [
        product_of(term.times(Term(1, ((each, 1),))), each.type)
        for term, each in ((Term(first.number, ()), x.operands[place]), (Term(second.number, ()), y.operands[place]))
    ]
    joined = node.primitive(*terms)
    return total(Where()(p, joined, zero) if place == 1 else Where()(p, zero, joined))


WITHIN_CHOICE = "divide within a choice"
"""The rule by which what is not chosen contributes 0, though its derivative is not finite: (g if x > 0, else 0)/x."""


@rule("1[c]² → 1[c]", Square, examples=lambda: [Cast(DType.FLOAT64)(_condition()) ** 2])
def _square_of_indicator(node: Apply) -> Node | None:
    (x,) = node.operands
    return x if applies(x, Cast) and x.operands[0].type.dtype is DType.BOOL else None


@rule("factor into a choice", Multiply, examples=lambda: [
    Where()(_condition(), some_x(), filled(0)) * some_y(),
    some_y() * Where()(_condition(), filled(0), some_x()),
])  # fmt: skip
def _factor_into_choice(node: Apply) -> Node | None:
    for choice, factor in both_orders(node):
        match choice:
            case Apply(Where(), (condition, Const(0) as zero, x)):
                return Where()(condition, zero, x * factor)
            case Apply(Where(), (condition, x, Const(0) as zero)):
                return Where()(condition, x * factor, zero)
    return None


@rule(WITHIN_CHOICE, Divide, examples=lambda: [
    Where()(_condition(), some_x(), filled(0)) / some_y(),
    Where()(_condition(), filled(0), some_x()) / some_y(),
])  # fmt: skip
def _divide_within_choice(node: Apply) -> Node | None:
    match node.operands:
        case (Apply(Where(), (condition, Const(0) as zero, x)), divisor):
            return Where()(condition, zero, x / divisor)
        case (Apply(Where(), (condition, x, Const(0) as zero)), divisor):
            return Where()(condition, x / divisor, zero)
    return None


@rule("number out of a choice", Where, examples=lambda: [
    Where()(_condition(), 2 * some_x(), 2 * some_y()),
    Where()(_condition(), 2 * some_x(), (2 * _scalar()) * some_y()),
])  # fmt: skip
def _number_out_of_choice(node: Apply) -> Node | None:
    """Move a number or coefficient that both branches share in front of the choice."""
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
    return product_of(common, node.type) * Where()(condition, *rest)


@rule("deviations from the mean sum to zero", Sum, examples=lambda: [
    Sum((0,))(some_x() - Broadcast(parse_shape("n m"), (1,))(Mean((0,))(some_x()))),
    Sum((0, 1))(Broadcast(parse_shape("n m"), ())(Mean((0, 1))(some_x())) - some_x()),
])  # fmt: skip
def _sum_of_deviations(node: Apply) -> Node | None:
    match node:
        case Apply(Sum(axes), (Apply(Subtract()) as difference,)):
            if any(_is_mean_of(x, centre, axes) for x, centre in both_orders(difference)):
                return Const(0, node.type)
    return None


def _is_mean_of(x: Node, centre: Node, axes: tuple[int, ...]) -> bool:
    """Whether `centre` is the mean of x along `axes`, broadcast along them."""
    match centre:
        case Apply(Broadcast(axes=kept), (Apply(Mean(along), (y,)),)) if y is x and along == axes:
            return tuple(axis for axis in range(x.type.ndim) if axis not in kept) == axes
    return False


def _negative_within_choice(node: Apply) -> Node | None:
    match node.operands:
        case (Apply(Where(), (condition, x, y)),) if is_filled(x, 0) or is_filled(y, 0):
            return Where()(condition, *(branch if is_filled(branch, 0) else -branch for branch in (x, y)))
    return None


WITHIN_CHOICES: Final = (
    Rule("negative within a choice", (Negate,), _negative_within_choice, list),
    Rule("factor into a choice", (Multiply,), _factor_into_choice, list),
    Rule(WITHIN_CHOICE, (Divide,), _divide_within_choice, list),
)
"""The rules by which factors of what is not chosen are not multiplied with its 0, which would give NaN."""
