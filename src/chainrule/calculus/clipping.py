"""The derivative of a choice between r a and clip(r) a by r, as in PPO's min(r A, clip(r, 1 − ε, 1 + ε) A)."""

from __future__ import annotations

from chainrule.calculus.rules import both_orders, rule
from chainrule.calculus.terms import Term, factors
from chainrule.ir import Apply, ArrayType, Const, Input, Node, parse_shape
from chainrule.primitives import Cast, Compare, Maximum, Minimum, Where


def _example() -> Node:
    r, a, low, high = (Input(name, ArrayType(parse_shape("n m"))) for name in ("r", "A", "low", "high"))
    raised = Maximum()(r, low)
    clipped = Minimum()(raised, high)
    slope = _slope(clipped, raised, high) * _slope(raised, r, low)
    return Where()(Compare("<")(clipped * a, r * a), slope * a, a)


def _slope(bounded: Apply, x: Node, bound: Node) -> Node:
    """Return the derivative of the maximum or minimum `bounded` with respect to its operand x."""
    inside = Compare(">" if isinstance(bounded.primitive, Maximum) else "<")(x, bound)
    tie = Compare("==")(*bounded.operands)
    return Cast(x.type.dtype)(inside) + 0.5 * Cast(x.type.dtype)(tie)


@rule("clip is flat where it changes its argument", Where, examples=lambda: [_example()])
def _flat_where_clipped(node: Apply) -> Node | None:
    """Replace the derivative of clip(r) by 0 where clip(r) a < r a, or >, and so r ≠ clip(r)."""
    match node:
        case Apply(Where(), (Apply(Compare("<" | ">"), (left, right)) as condition, chosen, other)):
            first, second = factors(left), factors(right)
        case _:
            return None
    if not first.number or not second.number:
        return None
    match first.times(second.inverse()):
        case Term(1, ((x, 1), (y, -1)) | ((x, -1), (y, 1))):
            found = {factor for factor, exponent in factors(chosen).powers if exponent > 0}
            if _is_slope_of_clip(found, x, y) or _is_slope_of_clip(found, y, x):
                return Where()(condition, Const(0, chosen.type), other)
    return None


def _is_slope_of_clip(found: set[Node], clipped: Node, r: Node) -> bool:
    """Whether `clipped` is r with bounds, and the factors `found` contain the derivatives of all of them."""
    if clipped is r:
        return True
    match clipped:
        case Apply(Maximum() | Minimum()):
            return any(
                _slope(clipped, x, bound) in found and _is_slope_of_clip(found, x, r)
                for x, bound in both_orders(clipped)
            )
    return False
