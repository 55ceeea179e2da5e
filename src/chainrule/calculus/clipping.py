"""The derivative of a choice between r a and clip(r) a, such as PPO's min(r A, clip(r, 1 − ε, 1 + ε) A), by r."""

from __future__ import annotations

from chainrule.calculus.collect import factors
from chainrule.calculus.rules import applied, rule
from chainrule.ir import Apply, ArrayType, Const, Input, Node, parse_shape
from chainrule.primitives import Add, Cast, Compare, Maximum, Minimum, Multiply, Where


def _example() -> Node:
    r, a, low, high = (Input(name, ArrayType(parse_shape("n m"))) for name in ("r", "A", "low", "high"))
    raised = Maximum()(r, low)
    clipped = Minimum()(raised, high)
    slope = Multiply()(_slope(clipped, raised, high), _slope(raised, r, low))
    return Where()(Compare("<")(Multiply()(clipped, a), Multiply()(r, a)), Multiply()(slope, a), a)


def _slope(bounded: Apply, x: Node, bound: Node) -> Node:
    """The derivative of the maximum or minimum `bounded` by its operand x."""
    inside = Compare(">" if isinstance(bounded.primitive, Maximum) else "<")(x, bound)
    tie = Compare("==")(*bounded.operands)
    return Add()(Cast(x.type.dtype)(inside), Multiply()(Const(0.5, x.type), Cast(x.type.dtype)(tie)))


@rule("clip is flat where it changes its argument", Where, examples=lambda: [_example()])
def _flat_where_clipped(node: Apply) -> Node | None:
    """A multiple of the derivative of clip(r) is 0 where clip(r) a < r a, or >, and so r ≠ clip(r)."""
    condition, chosen, other = node.operands
    compared = applied(condition, Compare)
    if compared is None or compared.primitive.comparison not in ("<", ">"):
        return None
    found = {factor for factor, exponent in factors(chosen).powers if exponent > 0}
    terms = [factors(operand) for operand in compared.operands]
    if not all(term.number for term in terms):
        return None
    ratio = terms[0].times(terms[1].inverse())
    if ratio.number != 1 or sorted(exponent for _, exponent in ratio.powers) != [-1, 1]:
        return None
    first, second = (factor for factor, _ in ratio.powers)
    if any(_is_slope_of_clip(found, *pair) for pair in ((first, second), (second, first))):
        return Where()(condition, Const(0, chosen.type), other)
    return None


def _is_slope_of_clip(found: set[Node], clipped: Node, r: Node) -> bool:
    """Whether `clipped` is r with bounds, and the derivatives of all of them are among the factors `found`."""
    if clipped is r:
        return True
    bounded = applied(clipped, Maximum, Minimum)
    if bounded is None:
        return False
    return any(
        _slope(bounded, x, bound) in found and _is_slope_of_clip(found, x, r)
        for x, bound in (bounded.operands, bounded.operands[::-1])
    )
