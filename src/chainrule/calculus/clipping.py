"""The derivative of a clipped product, such as PPO's min(r A, clip(r, 1 − ε, 1 + ε) A), by r."""

from __future__ import annotations

from chainrule.calculus.collect import factors, terms_of
from chainrule.calculus.rules import applied, rule
from chainrule.ir import Apply, ArrayType, Const, Input, Node, parse_shape
from chainrule.primitives import Add, Cast, Compare, Comparison, Maximum, Minimum, Multiply


def _example() -> Node:
    r, a, low, high = (Input(name, ArrayType(parse_shape("n m"))) for name in ("r", "A", "low", "high"))
    shares = _shares(r, a, low, high)
    assert shares is not None
    return Add()(Add()(Multiply()(Multiply()(shares[1], shares[2]), shares[3]), shares[0]), shares[4])


def _indicator(comparison: Comparison, x: Node, y: Node) -> Node:
    return Cast(x.type.dtype)(Compare(comparison)(x, y))


def _shares(r: Node, a: Node, low: Node, high: Node) -> tuple[Node, Node, Node, Node, Node]:
    """What min(r a, c a), c = clip(r), gives of its derivative to either side, and clip of its own to r."""
    raised = Maximum()(r, low)
    plain, clipped = Multiply()(r, a), Multiply()(Minimum()(raised, high), a)
    half = Const(0.5, r.type)
    tie = Multiply()(half, _indicator("==", plain, clipped))
    below = Add()(_indicator("<", raised, high), Multiply()(half, _indicator("==", raised, high)))
    above = Add()(_indicator(">", r, low), Multiply()(half, _indicator("==", r, low)))
    return _indicator("<", plain, clipped), Add()(_indicator("<", clipped, plain), tie), below, above, tie


@rule("derivative of min(r·a, clip(r)·a)", Add, examples=lambda: [_example()])
def _clipped_product(node: Apply) -> Node | None:
    """1 where r a ≤ clip(r) a, else 0: where the clipped product is the smaller, r is out of bounds and clip is flat.

    At the bounds themselves, where there is no derivative, this is the one from inside.
    """
    terms = terms_of(node)
    if len(terms) != 3:
        return None
    for term in terms:
        if term.number != 1 or len(term.powers) != 1:
            continue
        compared = _compared(term.powers[0][0])
        if compared is None:
            continue
        first, *others = _shares(*compared)
        product = Multiply()(Multiply()(others[0], others[1]), others[2])
        expected = [factors(part) for part in (first, product, others[3])]
        if {(t.number, frozenset(t.powers)) for t in expected} == {(t.number, frozenset(t.powers)) for t in terms}:
            r, a, low, high = compared
            return _indicator("<=", Multiply()(r, a), Multiply()(Minimum()(Maximum()(r, low), high), a))
    return None


def _compared(node: Node) -> tuple[Node, Node, Node, Node] | None:
    """(r, a, low, high) of the indicator of r a < clip(r, low, high) a."""
    cast = applied(node, Cast)
    comparison = None if cast is None else applied(cast.operands[0], Compare)
    if comparison is None or comparison.primitive != Compare("<"):
        return None
    plain, clipped = (applied(operand, Multiply) for operand in comparison.operands)
    if plain is None or clipped is None or plain.operands[1] is not clipped.operands[1]:
        return None
    lowered = applied(clipped.operands[0], Minimum)
    raised = None if lowered is None else applied(lowered.operands[0], Maximum)
    if lowered is None or raised is None or raised.operands[0] is not plain.operands[0]:
        return None
    return plain.operands[0], plain.operands[1], raised.operands[1], lowered.operands[1]
