"""Transposition: the adjoint of a linear program, obtained by running it backwards.

⟨δ, J dx⟩ = ⟨Jᵀδ, dx⟩ for every operation J on the way, so a cotangent δ of the output becomes, operation by operation,
a cotangent of the input. The cotangent of an array used twice is the sum of the contributions of its uses.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Container, Hashable, Sequence

from chainrule.ir import Apply, Node, ProgramError, topological_order
from chainrule.primitives import Linear, LinearComposite, Multilinear, Several


def transpose(
    outputs: Sequence[Node], tangents: Sequence[Node], cotangents: Sequence[Node], as_read: bool = True
) -> list[Node | None]:
    """Apply the adjoint of the linear map from `tangents` to `outputs` to `cotangents`; None stands for zero.

    What an array receives from several uses is added up in the order in which a reader meets them, unless `as_read` is
    False; then in the order of the operations, the last one first.

    Raises ProgramError if an operation on the way is not linear in the operands that depend on `tangents`.
    """
    order = topological_order(outputs)
    active = set(tangents)
    for node in order:
        if isinstance(node, Apply) and not active.isdisjoint(node.operands):
            active.add(node)
    uses = _reading_order(outputs, active) if as_read else {}
    received: dict[Node, list[tuple[int, Node]]] = {}

    def receive(node: Node, place: int, cotangent: Node) -> None:
        received.setdefault(node, []).append((place, cotangent))

    def total(node: Node) -> Node | None:
        parts = [part for _, part in sorted(received.get(node, ()), key=lambda entry: entry[0])]
        return functools.reduce(operator.add, parts) if parts else None

    for output, cotangent in zip(outputs, cotangents, strict=True):
        if output in active:
            receive(output, 0, cotangent)
    together = _together(order, active)
    for node in reversed(order):
        if node in together:  # the first of several results: whatever uses the others comes after it
            _receive_jointly(together[node], total, active, receive)
            continue
        whole = total(node)
        if not isinstance(node, Apply) or node not in active or whole is None or node in tangents:
            continue
        if isinstance(node.primitive, Several):
            continue
        places = [k for k, operand in enumerate(node.operands) if operand in active]
        if not _is_linear(node, places):
            raise ProgramError(f"{node.primitive} is not linear in its operands {places} and has no transpose")
        for k in places:
            part = node.primitive.transpose(node.operands, whole, k)
            receive(node.operands[k], uses.get((node, k), 0), part)
    return [total(tangent) for tangent in tangents]


def _together(order: Sequence[Node], active: Container[Node]) -> dict[Node, list[Apply]]:
    """Return the active results of each computation of several, by the first of them."""
    groups: dict[Hashable, list[Apply]] = {}
    for node in order:
        if isinstance(node, Apply) and isinstance(node.primitive, Several) and node in active:
            groups.setdefault((node.primitive.together, node.operands), []).append(node)
    return {group[0]: group for group in groups.values()}


def _receive_jointly(
    group: Sequence[Apply],
    total: Callable[[Node], Node | None],
    active: Container[Node],
    receive: Callable[[Node, int, Node], None],
) -> None:
    """Hand the cotangents of all results of one computation on to its operands."""
    found = {node: total(node) for node in group}
    cotangents = {node.primitive.output: whole for node, whole in found.items() if whole is not None}
    if not cotangents:
        return
    first = group[0]
    places = [k for k, operand in enumerate(first.operands) if operand in active]
    for place, part in first.primitive.transposed(first.operands, cotangents, places).items():
        receive(first.operands[place], place, part)


def _reading_order(outputs: Sequence[Node], active: Container[Node]) -> dict[tuple[Node, int], int]:
    """Number the uses of active nodes, each by the node that uses it and the place, as a reader meets them."""
    uses: dict[tuple[Node, int], int] = {}
    entered: set[Node] = set()
    pending = [(output, 0) for output in reversed(outputs)]
    while pending:
        node, place = pending.pop()
        if not isinstance(node, Apply) or (place == 0 and node in entered):
            continue
        entered.add(node)
        while place < len(node.operands) and node.operands[place] not in active:
            place += 1
        if place < len(node.operands):
            uses[node, place] = len(uses)
            pending += [(node, place + 1), (node.operands[place], 0)]
    return uses


def _is_linear(node: Apply, places: Sequence[int]) -> bool:
    if isinstance(node.primitive, Multilinear):
        return len(places) == 1
    if isinstance(node.primitive, LinearComposite):
        return len(places) == 1 and places[0] in node.primitive.linear_operands(len(node.operands))
    return isinstance(node.primitive, Linear) and set(places) <= set(node.primitive.linear_operands(len(node.operands)))
