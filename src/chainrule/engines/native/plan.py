"""Which values of a program are stored, and which are computed where they are used.

The rule needs no knowledge of single primitives. Lowering a primitive on symbols shows what it reads and what it costs;
from the outputs backwards, that gives how often each value would be evaluated if nothing were stored. A value is
computed in place if this is no more often than it has elements, or if it only renames places (a transpose, a
broadcast). Reductions are always stored, so that no sum is ever formed twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.engines.native.symbolic import (
    Affine,
    Expression,
    Index,
    SymbolicEmitter,
    Variable,
    add,
    affines,
    scale,
    variable_index,
    walk,
)
from chainrule.ir import Apply, ArrayType, Const, Node, topological_order
from chainrule.primitives import Elementwise

DEEPEST = 24
"""The longest chain of values computed in place; it bounds the recursion and the registers of one loop."""

COSTS = {"math": 20, "divide": 5, "quotient": 5, "remainder": 5, "load": 0, "constant": 0, "index": 0, "reduce": 0}
"""Rough costs against an addition, which is 1."""


def size(type: ArrayType) -> int:
    """The number of elements."""
    return math.prod(type.concrete_shape)


def row_major(index: Sequence[Index], shape: Sequence[int]) -> Index:
    """The flat offset of an index."""
    offset: Index = 0
    for axis, i in enumerate(index):
        offset = add(offset, scale(i, math.prod(shape[axis + 1 :])))
    return offset


@dataclass(frozen=True)
class Kernel:
    """A loop nest that stores `root`, evaluated at every value of `variables`, in row-major order."""

    node: Node
    variables: tuple[Variable, ...]
    root: Expression

    @property
    def sources(self) -> list[Node]:
        """The stored values that it reads."""
        found = {node.payload[0]: None for node, _ in walk(self.root) if node.kind == "load"}
        return list(found)

    @property
    def work(self) -> int:
        """A rough count of operations."""
        times = math.prod(variable.extent for variable in self.variables)
        return sum(max(COSTS.get(node.kind, 1), 1) * count for node, count in walk(self.root, times))


def plan(outputs: Sequence[Node]) -> list[Kernel]:
    """Kernels for all that `outputs` need, in the order in which they must run."""
    nodes = topological_order(outputs)
    stored = _stored(nodes, outputs)
    return [kernel(node, stored) for node in nodes if node in stored and isinstance(node, Apply)]


def copy_kernel(node: Node) -> Kernel:
    """A kernel that stores a copy of a value."""
    emit = SymbolicEmitter()
    variables = tuple(Variable(extent) for extent in node.type.concrete_shape)
    index = [variable_index(variable) for variable in variables]
    if isinstance(node, Const) and node.is_filled:
        assert isinstance(node.value, float | int)
        root = emit.constant(node.value, node.type.dtype)
    else:
        root = emit.load(node, row_major(index, node.type.concrete_shape), node.type.dtype)
    return _merged(Kernel(node, variables, root), emit)


def lower(
    emit: SymbolicEmitter, node: Apply, read: Callable[[Node, Sequence[Index]], Expression], index: Sequence[Index]
) -> Expression:
    """The element of `node` at `index`."""
    if isinstance(node.primitive, Elementwise):
        return node.primitive.lower(emit, *(read(operand, index) for operand in node.operands))

    def accessor(operand: Node) -> Callable[[Sequence[Index]], Expression]:
        return lambda at: read(operand, at)

    types = [operand.type for operand in node.operands]
    result: Expression = node.primitive.lower(emit, [accessor(operand) for operand in node.operands], types, index)
    return result


def _stored(nodes: Sequence[Node], outputs: Sequence[Node]) -> set[Node]:
    stored = {node for node in nodes if not isinstance(node, Apply)}
    stored -= {node for node in stored if isinstance(node, Const) and not isinstance(node.value, np.ndarray)}
    wanted = set(outputs)
    evaluations: dict[Node, int] = dict.fromkeys(nodes, 0)
    for node in reversed(nodes):
        if not isinstance(node, Apply):
            continue
        emit = SymbolicEmitter()
        index = [variable_index(Variable(extent)) for extent in node.type.concrete_shape]
        root = lower(emit, node, _operand_reader(emit), index)
        elements = size(node.type)
        uses = list(walk(root))
        free = all(use.kind in ("load", "constant") for use, _ in uses) and len(uses) <= 1
        repeated = evaluations[node] > elements and not free
        if repeated or node in wanted or any(use.kind == "reduce" for use, _ in uses):
            stored.add(node)
        times = elements if node in stored else evaluations[node]
        for use, count in uses:
            if use.kind == "load":
                evaluations[use.payload[0]] += times * count
    depth: dict[Node, int] = {}
    for node in nodes:
        below = [depth[operand] for operand in node.operands] if isinstance(node, Apply) else []
        depth[node] = 0 if node in stored else 1 + max(below, default=0)
        if depth[node] > DEEPEST:
            stored.add(node)
            depth[node] = 0
    return stored


def _operand_reader(emit: SymbolicEmitter) -> Callable[[Node, Sequence[Index]], Expression]:
    def read(operand: Node, index: Sequence[Index]) -> Expression:
        if isinstance(operand, Const) and operand.is_filled:
            assert isinstance(operand.value, float | int)
            return emit.constant(operand.value, operand.type.dtype)
        shape = operand.type.concrete_shape
        within = [emit.clamped(i, extent) for i, extent in zip(index, shape, strict=True)]
        return emit.load(operand, row_major(within, shape), operand.type.dtype)

    return read


def kernel(node: Apply, stored: set[Node]) -> Kernel:
    """The loop nest of one stored value, with what is not stored written into it."""
    emit = SymbolicEmitter()
    load = _operand_reader(emit)
    known: dict[tuple[Node, tuple[Index, ...]], Expression] = {}

    def read(operand: Node, index: Sequence[Index]) -> Expression:
        if operand in stored or not isinstance(operand, Apply):
            return load(operand, index)
        # A division further down would hide that an index is out of range.
        within = [emit.clamped(i, extent) for i, extent in zip(index, operand.type.concrete_shape, strict=True)]
        key = (operand, tuple(within))
        if key not in known:
            known[key] = lower(emit, operand, read, within)
        return known[key]

    variables = tuple(Variable(extent) for extent in node.type.concrete_shape)
    root = lower(emit, node, read, [variable_index(variable) for variable in variables])
    return _merged(Kernel(node, variables, root), emit)


def _merged(kernel: Kernel, emit: SymbolicEmitter) -> Kernel:
    """The same nest with neighbouring loops made one where every offset allows it, as in elementwise work."""
    root = kernel.root
    variables = [variable for variable in kernel.variables if variable.extent != 1]
    groups = [variables, *(list(use.payload[1]) for use, _ in walk(root) if use.kind == "reduce")]
    for group in groups:
        place = len(group) - 2
        while place >= 0:
            outer, inner = group[place : place + 2]
            if _mergeable(root, outer, inner):
                merged = Variable(outer.extent * inner.extent)
                root = _Rewriter(emit, outer, inner, merged).rewrite(root)
                group[place : place + 2] = [merged]
            place -= 1
    return Kernel(kernel.node, tuple(variables), root)


def _mergeable(root: Expression, outer: Variable, inner: Variable) -> bool:
    return all(
        affine.coefficient(outer) == affine.coefficient(inner) * inner.extent
        for use, _ in walk(root)
        for affine in affines(use)
    )


class _Rewriter:
    """Puts one variable in the place of two."""

    def __init__(self, emit: SymbolicEmitter, outer: Variable, inner: Variable, merged: Variable) -> None:
        self.emit, self.outer, self.inner, self.merged = emit, outer, inner, merged
        self._done: dict[Expression, Expression] = {}

    def rewrite(self, root: Expression) -> Expression:
        if root not in self._done:
            arguments = tuple(self.rewrite(argument) for argument in root.arguments)
            self._done[root] = self.emit.make(root.kind, root.dtype, *arguments, payload=self._payload(root))
        return self._done[root]

    def _payload(self, root: Expression) -> object:
        if root.kind == "load":
            return root.payload[0], self._index(root.payload[1])
        if root.kind == "index":
            return self._index(root.payload)
        if root.kind in ("quotient", "remainder"):
            return self._index(root.payload[0]), root.payload[1]
        if root.kind == "reduce" and self.inner in root.payload[1]:
            variables = [v if v is not self.inner else self.merged for v in root.payload[1] if v is not self.outer]
            return root.payload[0], tuple(variables)
        return root.payload

    def _index(self, index: Index) -> Index:
        if not isinstance(index, Affine):
            return index
        result: Index = index.constant
        for atom, c in index.terms:
            if isinstance(atom, Expression):
                term: Index = Affine(((self.rewrite(atom), 1),), 0)
            elif atom is self.outer:
                continue
            else:
                term = variable_index(self.merged if atom is self.inner else atom)
            result = add(result, scale(term, c))
        return result
