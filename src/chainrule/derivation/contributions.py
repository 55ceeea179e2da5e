"""What one contribution to a gradient is: a linear map of a change, perhaps with a factor σ′(z)."""

from __future__ import annotations

from chainrule.calculus import Contribution
from chainrule.derivation.naming import is_activation
from chainrule.ir import Apply, Input, Node
from chainrule.primitives import Divide, Multiply


def linear_map_of(contribution: Contribution, derivative: Input | None) -> Node:
    """Return the linear map of a contribution at its change, with the symbol of σ′(z) if it has one."""
    if derivative is None:
        return _with_change_last(contribution.linear_map, contribution.tangent)
    return Multiply()(derivative, contribution.tangent)


def _with_change_last(node: Node, change: Node) -> Node:
    """Write a product of numbers with the change last: x · dw."""
    match node:
        case Apply(Divide(), (x, y)):
            return Divide()(_with_change_last(x, change), y)
        case Apply(Multiply(), (x, y)) if x is change and not node.type.shape:
            return Multiply()(y, x)
    return node


def activation_factor(contribution: Contribution) -> Node | None:
    """Return σ′(z) as an expression if the equation is a = σ(z) and its contribution δ ⊙ σ′(z), otherwise None."""
    match contribution.stage.expression:
        case Apply(primitive, operands) if is_activation(primitive) and operands == (contribution.operand,):
            pass
        case _:
            return None
    match contribution.adjoint:
        case Apply(Multiply(), (delta, factor)) if delta is contribution.cotangent is not factor:
            return factor
    return None
