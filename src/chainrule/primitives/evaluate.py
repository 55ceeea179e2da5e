"""Reference evaluation of expressions by each primitive's `value`. All engines are tested against it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import Apply, Const, Node, ProgramError, SymbolicDim, topological_order
from chainrule.primitives.base import Several

N = TypeVar("N", bound=Node)


def evaluate_nodes(outputs: Sequence[Node], values: Mapping[N, NDArray[Any]]) -> dict[Node, NDArray[Any]]:
    """Return the value of every node that `outputs` depend on, given those in `values`; sizes must be numbers.

    Raises ProgramError if an input has no value.
    """
    return evaluate_ordered(topological_order(outputs, stop=values), values)


def evaluate_ordered(order: Sequence[Node], values: Mapping[N, NDArray[Any]]) -> dict[Node, NDArray[Any]]:
    """As `evaluate_nodes`, for nodes in a topological order, which is found once for many evaluations."""
    known: dict[Node, NDArray[Any]] = dict(values.items())
    several: dict[Hashable, Sequence[NDArray[Any]]] = {}
    for node in order:
        if node in known:
            continue
        if isinstance(node, Const):
            if isinstance(node.value, SymbolicDim):
                raise ProgramError(f"the size {node.value} has no value here; bind it to a number first")
            known[node] = np.broadcast_to(np.asarray(node.value, node.type.dtype.numpy), node.type.concrete_shape)
        elif isinstance(node, Apply):
            operands = [known[operand] for operand in node.operands]
            if isinstance(node.primitive, Several):
                key = node.primitive.together, node.operands
                if key not in several:
                    several[key] = node.primitive.values(*operands)
                known[node] = several[key][node.primitive.output]
            else:
                known[node] = node.primitive.value(*operands)
        else:
            raise ProgramError(f"{node!r} has no value; give one for it")
    return known
