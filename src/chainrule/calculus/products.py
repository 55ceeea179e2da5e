"""Simplifications of matrix products: transposes taken in, ones and numbers taken out."""

from __future__ import annotations

from chainrule.calculus.rules import applied, rule
from chainrule.ir import Apply, ArrayType, Const, Input, Node, parse_shape
from chainrule.primitives import Broadcast, Contract, Multiply, Permute, Sum


def _x(shape: str = "n m") -> Node:
    return Input("x", ArrayType(parse_shape(shape)))


def _y(shape: str = "n m") -> Node:
    return Input("y", ArrayType(parse_shape(shape)))


def _filled(value: float, like: Node) -> Const:
    return Const(value, like.type)


@rule("transpose into the product", Contract, Permute, examples=lambda: [
    Contract(((0, 1), (1, 2)), (0, 2))(Permute((1, 0))(_x()), _y("n k")),
    Permute((1, 0))(Contract(((0, 1), (1, 2)), (0, 2))(_x("n m"), _y("m k"))),
])  # fmt: skip
def _transpose_into_product(node: Apply) -> Node | None:
    if isinstance(node.primitive, Permute):
        product = applied(node.operands[0], Contract)
        if product is None:
            return None
        output = tuple(product.primitive.output[axis] for axis in node.primitive.order)
        return Contract(product.primitive.inputs, output)(*product.operands)
    for k, operand in enumerate(node.operands):
        permuted = applied(operand, Permute)
        if permuted is not None:
            order, labels = permuted.primitive.order, node.primitive.inputs[k]
            original = tuple(labels[order.index(axis)] for axis in range(len(order)))
            inputs = (*node.primitive.inputs[:k], original, *node.primitive.inputs[k + 1 :])
            operands = (*node.operands[:k], permuted.operands[0], *node.operands[k + 1 :])
            return Contract(inputs, node.primitive.output)(*operands)
    return None


@rule("product with ones → sum", Contract, examples=lambda: [
    Contract(((0, 1), (0,)), (1,))(_x(), _filled(1, _x("n"))),
    Contract(((0, 1), (0, 2)), (1, 2))(_x(), _filled(3, _x("n k"))),
])  # fmt: skip
def _product_with_ones(node: Apply) -> Node | None:
    if len(node.operands) != 2:
        return None
    for k, operand in enumerate(node.operands):
        if isinstance(operand, Const) and operand.is_filled:
            other, labels, filled = node.operands[1 - k], node.primitive.inputs[1 - k], node.primitive.inputs[k]
            lost = [label for label in filled if label not in labels and label not in node.primitive.output]
            if lost:
                return None
            summed = tuple(axis for axis, label in enumerate(labels) if label not in node.primitive.output)
            kept = [label for label in labels if label in node.primitive.output]
            wanted = [label for label in node.primitive.output if label in kept]
            result = Sum(summed)(other) if summed else other
            if kept != wanted:
                result = Permute(tuple(kept.index(label) for label in wanted))(result)
            axes = tuple(axis for axis, label in enumerate(node.primitive.output) if label in kept)
            if len(axes) < node.type.ndim:
                result = Broadcast(node.type.shape, axes)(result)
            return Multiply()(Const(operand.value, node.type), result)
    return None


@rule("product with a number", Contract, examples=lambda: [
    Contract(((), (0,)), (0,))(_x(""), _y("m")),
    Contract(((0,), ()), (0,))(_x("n"), _y("")),
])  # fmt: skip
def _product_with_number(node: Apply) -> Node | None:
    if len(node.operands) != 2 or node.type.ndim == 0:
        return None
    for k, labels in enumerate(node.primitive.inputs):
        if not labels and node.primitive.inputs[1 - k] == node.primitive.output:
            return Multiply()(Broadcast(node.type.shape, ())(node.operands[k]), node.operands[1 - k])
    return None
