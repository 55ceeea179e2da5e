"""Properties of an expression as a reader sees it: operations on a tangent, broadcasts, length."""

from __future__ import annotations

from chainrule.calculus import Contribution, Stage, is_scale
from chainrule.derivation.legend import walk
from chainrule.derivation.notator import product_shapes, shape_of
from chainrule.ir import Apply, Dim, Node, applies, topological_order
from chainrule.primitives import BigOperator, Broadcast, Contract, Multiply, Notation, Subtract, Sum


def one_hot_remark(node: Node) -> tuple[Node, Node, int] | None:
    """Return (y, c (p − y), axis) for c (p ⊙ Σy − y), Σ along the axis, the result of softmax with cross-entropy."""
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
    """Whether the chain rule sums over an index over which the result does not."""
    before = {index for term in terms for part in walk(term) if isinstance(part, BigOperator) for index in part.indices}
    after = {index for part in walk(result) if isinstance(part, BigOperator) for index in part.indices}
    return not before <= after


def product_shapes_of_stage(stage: Stage) -> str:
    """Return the shape of a stage, with the shapes of its product if it has only one."""
    products = [
        node
        for node in topological_order([stage.expression])
        if applies(node, Contract) and node.type.shape == stage.symbol.type.shape
    ]
    return product_shapes(products[0]) if len(products) == 1 else shape_of(stage.symbol.type)


def operations_on(contribution: Contribution) -> list[Apply]:
    """Return the applications in the linear map that act on the tangent."""
    reached: set[Node] = {contribution.tangent}
    path: list[Apply] = []
    for node in topological_order([contribution.linear_map]):
        if isinstance(node, Apply) and not reached.isdisjoint(node.operands):
            reached.add(node)
            path.append(node)
    return path


def repeated_sizes(path: list[Apply]) -> list[Dim]:
    """Return the sizes along which the first broadcast on a path repeats."""
    for node in path:
        if isinstance(node.primitive, Broadcast):
            sizes = [dim for axis, dim in enumerate(node.type.shape) if axis not in node.primitive.axes and dim != 1]
            if sizes:
                return sizes
    return []


def operation_total(node: Node) -> int:
    """Count the applications in `node`, shared ones once."""
    return sum(isinstance(part, Apply) for part in topological_order([node]))
