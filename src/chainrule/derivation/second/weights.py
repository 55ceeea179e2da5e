"""Gradients p ⊙ q at probabilities p, such as that of the mean of a under softmax(x), which is p ⊙ (a − aᵀ p)."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.calculus import simplify
from chainrule.derivation.second.differentials import Differentials
from chainrule.ir import Apply, Input, Node, substitute
from chainrule.primitives import Contract, Multiply, Negate, Softmax, Sum


def weights_within(gradient: Node, differentials: Differentials) -> tuple[Node, Node] | None:
    """Return p and q of a gradient p ⊙ q at a vector p that is a softmax; None for another."""
    definitions = {stage.symbol: stage.expression for stage in differentials.record.backward.stages}
    match gradient:
        case Apply(Multiply(), (x, y)) if gradient.type.ndim == 1:
            for p, q in ((x, y), (y, x)):
                match definitions.get(p, p) if isinstance(p, Input) else p:
                    case Apply(Softmax()):
                        return p, q
    return None


def change_by_weights(p: Node, q: Node, name: Input, differentials: Differentials) -> Node | None:
    """Return the differential of the gradient g = p ⊙ q with its `name` in it: (dp / p) ⊙ g + p ⊙ dq.

    In dq the differential of the loss is written as such. None stands for zero.
    """
    loss = differentials.record.loss
    change, relative = differentials.of(q), differentials.of(p)
    total = None if relative is None else simplify(relative / p) * name
    if change is None:
        return total
    tangent = differentials.tangents[loss]
    for form, value in _forms(differentials.stages[loss], tangent):
        (change,) = substitute([change], {form: value})
    return p * change if total is None else total + p * change


def _forms(change: Node, tangent: Node) -> Iterator[tuple[Node, Node]]:
    """Yield the ways in which the differential of the loss may be written, each with its value."""
    yield change, tangent
    match change:
        case Apply(Negate(), (x,)):
            yield from ((form, -value) for form, value in _forms(x, tangent))
        case Apply(Sum((0,)), (Apply(Multiply(), (x, y)),)):
            yield from ((Contract(((0,), (0,)), ())(*pair), tangent) for pair in ((x, y), (y, x)))
