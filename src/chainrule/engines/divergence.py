"""Naming what went non-finite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import Apply, Const, Input, Node, Program
from chainrule.primitives import evaluate_nodes


def all_finite(arrays: Iterable[NDArray[Any]]) -> bool:
    """Whether every element is finite; integers are."""
    return all(bool(np.isfinite(array).all()) for array in arrays)


def first_non_finite(program: Program, values: Mapping[str, NDArray[Any]]) -> str | None:
    """The name of the first value of `program` that is not finite on these inputs, or a description of it.

    First in the order of computation: the forward pass, then the gradients, then the updates. A value without a name
    is described, after the nearest named one that it spoils: `L, by log(…)`.
    """
    known: dict[Node, NDArray[Any]] = {node: np.asarray(values[node.name]) for node in program.inputs}
    for node in program.inputs:
        if not all_finite([known[node]]):
            return node.name
    with np.errstate(all="ignore"):
        computed = evaluate_nodes(program.outputs, known)
    # A literal such as -inf is meant; what is computed from it may be finite again.
    spoilt = [node for node in program.nodes if isinstance(node, Apply) and not all_finite([computed[node]])]
    if not spoilt:
        return None
    reached: set[Node] = {spoilt[0]}
    for apply in spoilt:
        if apply is spoilt[0] or reached.intersection(apply.operands):
            reached.add(apply)
            if apply in program.names:
                name = program.names[apply]
                return name if apply is spoilt[0] else f"{name}, by {describe(spoilt[0], program)}"
    return describe(spoilt[0], program)


def describe(node: Node, program: Program) -> str:
    """A few words for a value: its name, or the operation and what it is applied to."""
    if node in program.names:
        return program.names[node]
    if isinstance(node, Input):
        return node.name
    if isinstance(node, Const):
        return str(node.value) if node.is_filled else "a constant"
    assert isinstance(node, Apply)
    arguments = [
        program.names.get(operand) or (describe(operand, program) if not isinstance(operand, Apply) else "…")
        for operand in node.operands
    ]
    return f"{type(node.primitive).__name__.lower()}({', '.join(arguments)})"
