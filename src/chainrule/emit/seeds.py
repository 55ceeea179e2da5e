"""Multiplication of a loss's gradient by the upstream gradient that autograd passes."""

from __future__ import annotations

from collections.abc import Collection

from chainrule.calculus import COTANGENT
from chainrule.ir import Apply, ArrayType, Const, DType, Input, Node, topological_order
from chainrule.primitives import Broadcast, Contract, Divide, Linear, LinearComposite, Multiply


def seeded(node: Node, cotangents: Collection[Input], seed: Input) -> Node:
    """Replace the loss's own cotangent, 1 in `node`, by `seed`.

    `node` is linear in `cotangents` and that 1 jointly: the terms without a cotangent are multiplied.
    """
    if node in cotangents or (isinstance(node, Const) and node.filled_with(0)):
        return node
    if not any(part in cotangents for part in topological_order([node])):
        factor: Node = seed if node.type.shape == () else Broadcast(node.type.shape, ())(seed)
        return factor if isinstance(node, Const) and node.filled_with(1) else Multiply()(factor, node)
    assert isinstance(node, Apply)
    primitive, operands = node.primitive, node.operands
    if isinstance(primitive, Linear):
        places = set(primitive.linear_operands(len(operands)))
    elif isinstance(primitive, Divide):
        places = {0}
    else:
        assert isinstance(primitive, Multiply | Contract | LinearComposite)
        holds = [any(part in cotangents for part in topological_order([operand])) for operand in operands]
        places = {holds.index(True)}
    changed = [seeded(x, cotangents, seed) if k in places else x for k, x in enumerate(operands)]
    return Apply(primitive, tuple(changed))


def seed_of(loss: DType) -> Input:
    """Return the symbol of the upstream gradient of a loss; no line of the code can have its name."""
    return Input(COTANGENT + "returned loss", ArrayType((), loss))
