"""What a reader sees in an expression: which operations a change passes through, what is repeated, how long it is."""

from __future__ import annotations

from chainrule.calculus import Contribution, Stage, is_scale
from chainrule.derivation.legend import walk
from chainrule.derivation.notate import product_shapes, shape_of
from chainrule.ir import Apply, Dim, Node, applies, topological_order
from chainrule.primitives import BigOperator, Broadcast, Contract, Multiply, Notation, Subtract, Sum


def one_hot_remark(node: Node) -> tuple[Node, Node, int] | None:
    """(y, c (p − y), axis) for c (p ⊙ Σy − y), Σ along the axis: what softmax with cross-entropy gives for any y."""
    match node:
        case Apply(Multiply(), (c, x)) if is_scale(c):
            inner = one_hot_remark(x)
            return None if inner is None else (inner[0], c * inner[1], inner[2])
        case Apply(Subtract(), (Apply(Multiply(), factors), y)):
            for p, repeated in (factors, factors[::-1]):
                match repeated:
                    case Apply(Broadcast(axes=kept), (Apply(Sum((axis,)), (summed,)),)) if summed is y:
                        if kept == tuple(k for k in range(y.type.ndim) if k != axis):
                            return y, p - y, axis
    return None


def sums_away(terms: list[Notation], result: Notation) -> bool:
    """Whether the chain rule sums over an index that the result does not sum over."""
    before = {index for term in terms for part in walk(term) if isinstance(part, BigOperator) for index in part.indices}
    after = {index for part in walk(result) if isinstance(part, BigOperator) for index in part.indices}
    return not before <= after


def product_shapes_of_stage(stage: Stage) -> str:
    """The shape of a stage, with those of the product in it where that is the only one."""
    products = [
        node
        for node in topological_order([stage.expression])
        if applies(node, Contract) and node.type.shape == stage.symbol.type.shape
    ]
    return product_shapes(products[0]) if len(products) == 1 else shape_of(stage.symbol.type)


def operations_on(contribution: Contribution) -> list[Apply]:
    """The applications in the linear map that the tangent passes through."""
    reached: set[Node] = {contribution.tangent}
    path: list[Apply] = []
    for node in topological_order([contribution.linear_map]):
        if isinstance(node, Apply) and not reached.isdisjoint(node.operands):
            reached.add(node)
            path.append(node)
    return path


def repeated_sizes(path: list[Apply]) -> list[Dim]:
    """The sizes along which the first repetition on a path repeats."""
    for node in path:
        if isinstance(node.primitive, Broadcast):
            sizes = [dim for axis, dim in enumerate(node.type.shape) if axis not in node.primitive.axes and dim != 1]
            if sizes:
                return sizes
    return []


def operation_total(node: Node) -> int:
    """How many applications `node` holds, shared ones once."""
    return sum(isinstance(part, Apply) for part in topological_order([node]))
