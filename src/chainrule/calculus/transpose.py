"""Transposition: the adjoint of a linear program, obtained by running it backwards.

⟨δ, J dx⟩ = ⟨Jᵀδ, dx⟩ for every operation J on the way, so a cotangent δ of the output becomes, operation by operation,
a cotangent of the input. The cotangent of an array used twice is the sum of the contributions of its uses.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.ir import Apply, Node, ProgramError, topological_order
from chainrule.primitives import Linear, Multilinear


def transpose(outputs: Sequence[Node], tangents: Sequence[Node], cotangents: Sequence[Node]) -> list[Node | None]:
    """Apply the adjoint of the linear map from `tangents` to `outputs` to `cotangents`; None stands for zero.

    Raises ProgramError if an operation on the way is not linear in the operands that depend on `tangents`.
    """
    order = topological_order(outputs)
    active = set(tangents)
    for node in order:
        if isinstance(node, Apply) and not active.isdisjoint(node.operands):
            active.add(node)
    received: dict[Node, Node] = {}

    def receive(node: Node, cotangent: Node) -> None:
        received[node] = received[node] + cotangent if node in received else cotangent

    for output, cotangent in zip(outputs, cotangents, strict=True):
        if output in active:
            receive(output, cotangent)
    for node in reversed(order):
        if not isinstance(node, Apply) or node not in active or node not in received or node in tangents:
            continue
        places = [k for k, operand in enumerate(node.operands) if operand in active]
        if not _is_linear(node, places):
            raise ProgramError(f"{node.primitive} is not linear in its operands {places} and has no transpose")
        for k in places:
            receive(node.operands[k], node.primitive.transpose(node.operands, received[node], k))
    return [received.get(tangent) for tangent in tangents]


def _is_linear(node: Apply, places: Sequence[int]) -> bool:
    if isinstance(node.primitive, Multilinear):
        return len(places) == 1
    return isinstance(node.primitive, Linear) and set(places) <= set(node.primitive.linear_operands(len(node.operands)))
