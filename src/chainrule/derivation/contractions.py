"""Contractions as products of matrices, of stacks of them, or by indices."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.ir import Apply
from chainrule.primitives import Call, Contract, Infix, Notation, Number, Postfix, Symbol


def stacked_product(node: Apply, operands: Sequence[Notation]) -> Notation | None:
    """`N W` where one matrix meets each of a stack, as NumPy's rule is; `Σ₀(A Bᵀ)` where the products are added up."""
    if not isinstance(node.primitive, Contract) or len(node.operands) != 2:
        return None
    (left, right), output = node.primitive.inputs, node.primitive.output
    if max(len(left), len(right)) < 3:
        return None
    added = len(left) == len(right) == 3 and len(output) == 2 and left[0] == right[0] and left[0] not in output
    batch = left[:1] if added else output[:-2]
    cores: list[tuple[int, ...]] = []
    for labels in (left, right):
        core = labels[len(batch) :] if labels[: len(batch)] == batch else labels
        if len(core) != 2 or not set(batch).isdisjoint(core):
            return None
        cores.append(core)
    row, column = output[-2:]
    factors: list[Notation] = []
    shared = [label for label in cores[0] if label in cores[1]]
    if len(shared) != 1 or shared[0] in output:
        return None
    for label in (row, column):
        place = next((k for k, core in enumerate(cores) if label in core), None)
        if place is None or len(factors) > 1:
            return None
        upright = cores[place] == ((label, shared[0]) if label == row else (shared[0], label))
        factors.append(operands[place] if upright else Postfix("ᵀ", operands[place]))
    product = Infix("", tuple(factors))
    return Call("Σ", (product,), subscript=(Number(0),)) if added else product


def _in_letters(node: Apply) -> Notation:
    """The notation of a contraction of matrices A, B, …"""
    names = [Symbol(chr(ord("A") + k)) for k in range(len(node.operands))]
    shown: Notation = node.primitive.notation(names, [each.type for each in node.operands])
    return stacked_product(node, names) or shown


def is_by_indices(node: Apply) -> bool:
    """Whether a contraction is written as einsum, by the indices of its operands."""
    if not isinstance(node.primitive, Contract):
        return False
    shown = _in_letters(node)
    return isinstance(shown, Call) and shown.function == "einsum"


def is_matrix_product(node: Apply) -> bool:
    """Whether a contraction is written as a product of matrices."""
    if not isinstance(node.primitive, Contract):
        return False
    shown = _in_letters(node)
    return (isinstance(shown, Infix) and shown.operator == "") or (isinstance(shown, Call) and shown.function == "Σ")
