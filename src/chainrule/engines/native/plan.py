"""Decides which values of a program are stored and which are recomputed where they are used.

The rule is independent of the primitive. Lowering a primitive symbolically shows what it reads and what it costs;
traversing from the outputs gives how often each value would be evaluated if nothing were stored. A value is inlined if
it is evaluated no more often than it has elements, or if it only renames places (a transpose, a broadcast). A reduction
is never computed twice: it is stored, or belongs to the one nest that uses it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from chainrule.engines.native.definitions import is_called
from chainrule.engines.native.storage import Storage, is_ordered_load, padded
from chainrule.engines.native.symbolic import Expression, Index, SymbolicEmitter, Variable, variable_index, walk
from chainrule.ir import Apply, ArrayType, Const, Node
from chainrule.primitives import Elementwise

DEEPEST = 24
"""Maximum length of a chain of inlined values; bounds the recursion and the registers of one loop."""

Read = Callable[[Node, Sequence[Index]], Expression]


def size(type: ArrayType) -> int:
    """The number of elements."""
    return math.prod(type.concrete_shape)


def lower(emit: SymbolicEmitter, node: Apply, read: Read, index: Sequence[Index]) -> Expression:
    """Lower the element of `node` at `index`."""
    match node:
        case Apply(Elementwise() as primitive, operands):
            return primitive.lower(emit, *(read(operand, index) for operand in operands))

    def accessor(operand: Node) -> Callable[[Sequence[Index]], Expression]:
        return lambda at: read(operand, at)

    types = [operand.type for operand in node.operands]
    result: Expression = node.primitive.lower(emit, [accessor(operand) for operand in node.operands], types, index)
    return result


class Storages:
    """The storage of each value: given, or padded by default."""

    def __init__(self, given: Mapping[Node, Storage]) -> None:
        self._known = dict(given)

    def __getitem__(self, node: Node) -> Storage:
        if node not in self._known:
            self._known[node] = padded(node.type)
        return self._known[node]

    def reader(self, emit: SymbolicEmitter) -> Read:
        """Return a function that reads elements of stored values from memory; a uniform literal becomes a constant."""

        def read(operand: Node, index: Sequence[Index]) -> Expression:
            if isinstance(operand, Const) and operand.is_filled:
                assert isinstance(operand.value, float | int)
                return emit.constant(operand.value, operand.type.dtype)
            within = [emit.clamped(i, n) for i, n in zip(index, operand.type.concrete_shape, strict=True)]
            return emit.load(operand, self[operand].offset(emit, within), operand.type.dtype)

        return read


def stored_values(nodes: Sequence[Node], outputs: Sequence[Node], storages: Storages) -> set[Node]:
    """Return the nodes in memory: inputs, literals, and stored values. `nodes` are in topological order."""
    stored = {node for node in nodes if not isinstance(node, Apply)}
    stored -= {node for node in stored if isinstance(node, Const) and not isinstance(node.value, np.ndarray)}
    called = [node for node in nodes if isinstance(node, Apply) and is_called(node)]
    wanted = {*outputs, *called, *(operand for node in called for operand in node.operands)}
    evaluations: dict[Node, int] = dict.fromkeys(nodes, 0)
    for node in reversed(nodes):
        if not isinstance(node, Apply):
            continue
        if is_called(node):
            stored.add(node)
            continue
        emit = SymbolicEmitter()
        index = [variable_index(Variable(extent)) for extent in node.type.concrete_shape]
        root = lower(emit, node, storages.reader(emit), index)
        elements = size(node.type)
        uses = [(use, count) for use, count in walk(root) if not is_ordered_load(use)]
        free = all(use.kind in ("load", "constant") for use, _ in uses) and len(uses) <= 1
        repeated = evaluations[node] > elements and not free
        if repeated or node in wanted or any(use.kind == "reduce" for use, _ in uses):
            stored.add(node)
        times = elements if node in stored else evaluations[node]
        for use, count in uses:
            if use.kind == "load" and use.payload[0] in evaluations:
                evaluations[use.payload[0]] += times * count
    depth: dict[Node, int] = {}
    for node in nodes:
        below = [depth[operand] for operand in node.operands] if isinstance(node, Apply) else []
        depth[node] = 0 if node in stored else 1 + max(below, default=0)
        if depth[node] > DEEPEST:
            stored.add(node)
            depth[node] = 0
    return stored
