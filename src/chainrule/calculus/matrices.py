"""Simplifications of products with the identity, which the transpose of a trace brings in, and of 1×1 matrices."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.calculus.rules import applied, number_of, rule
from chainrule.ir import Apply, ArrayType, Const, Input, Node, named_dim, parse_shape
from chainrule.primitives import (
    Add,
    Broadcast,
    Contract,
    Diagonal,
    DiagonalMatrix,
    Multiply,
    Permute,
    Reshape,
    Subtract,
    Sum,
    Trace,
    broadcast_to,
    identity,
)

Labels = tuple[int, ...]


def _x(shape: str = "n n") -> Node:
    return Input("x", ArrayType(parse_shape(shape)))


def _y(shape: str = "n n") -> Node:
    return Input("y", ArrayType(parse_shape(shape)))


def _i() -> Node:
    return identity(named_dim("n"))


def _matrix_product(x: Node, y: Node) -> Node:
    return Contract(((0, 1), (1, 2)), (0, 2))(x, y)


def _identity(node: Node) -> Node | None:
    """The number that is c in c·I, as a scalar, if `node` is that, or repeats it along axes in front."""
    repeated = applied(node, Broadcast)
    if repeated is not None and repeated.primitive.axes == (node.type.ndim - 2, node.type.ndim - 1):
        return _identity(repeated.operands[0])
    product = applied(node, Multiply)
    if product is not None:
        factor, matrix = product.operands
        one = _identity(matrix)
        if one is None or number_of(one) != 1:
            return None
        if isinstance(factor, Const) and factor.is_filled:
            return Const(factor.value, one.type)
        repeated = applied(factor, Broadcast)
        return repeated.operands[0] if repeated is not None and repeated.primitive.axes == () else None
    matrix_of_ones = applied(node, DiagonalMatrix)
    if matrix_of_ones is None or node.type.ndim != 2:
        return None
    (ones,) = matrix_of_ones.operands
    scalar = ArrayType((), node.type.dtype)
    return Const(ones.value, scalar) if isinstance(ones, Const) and ones.is_filled else None


@rule("product with the identity", Contract, examples=lambda: [
    _matrix_product(_x("m n"), _i()),
    _matrix_product(_i(), _x("n m")),
    Contract(((0, 1), (2, 1)), (2, 0))(_i(), _x("m n")),
    Contract(((0, 1), (1, 2)), (0, 2))(_x(), Multiply()(Broadcast(parse_shape("n n"), ())(_y("")), _i())),
    Contract(((0, 1), (1, 0)), ())(_x(), _i()),
    Contract(((0, 1), (1, 2), (2, 3)), (0, 3))(_x("m n"), _i(), _y("n k")),
    Contract(((0, 1, 2), (0, 2, 3)), (0, 1, 3))(_x("m n n"), broadcast_to(_i(), parse_shape("m n n"))),
])  # fmt: skip
def _product_with_identity(node: Apply) -> Node | None:
    for k, operand in enumerate(node.operands):
        factor = _identity(operand)
        if factor is None or len(node.operands) < 2:
            continue
        operands = (*node.operands[:k], *node.operands[k + 1 :])
        inputs = (*node.primitive.inputs[:k], *node.primitive.inputs[k + 1 :])
        *batch, first, second = node.primitive.inputs[k]
        if any(all(label not in labels for labels in inputs) for label in batch):
            return None
        result = _without(first, second, operands, inputs, node.primitive.output)
        if result is not None:
            return result if number_of(factor) == 1 else Multiply()(broadcast_to(factor, result.type.shape), result)
    return None


def _without(
    first: int, second: int, operands: Sequence[Node], inputs: Sequence[Labels], output: Labels
) -> Node | None:
    """A contraction with one label in place of two, which an identity made equal."""
    if not any(label in labels for labels in inputs for label in (first, second)):
        return None
    if any(first in labels and second in labels for labels in inputs):
        trace = len(operands) == 1 and output == () and set(inputs[0]) == {first, second}
        return Trace()(operands[0]) if trace else None
    if first in output and second in output:
        return None
    one = [tuple(first if label == second else label for label in labels) for labels in (*inputs, output)]
    if len(operands) > 1:
        return Contract(tuple(one[:-1]), one[-1])(*operands)
    (x,), (labels, wanted) = operands, one
    summed = tuple(axis for axis, label in enumerate(labels) if label not in wanted)
    kept = [label for label in labels if label in wanted]
    x = Sum(summed)(x) if summed else x
    return x if kept == list(wanted) else Permute(tuple(kept.index(label) for label in wanted))(x)


@rule("a matrix of one entry", Trace, Diagonal, DiagonalMatrix, examples=lambda: [
    Trace()(_x("1 1")),
    Diagonal()(_x("n 1 1")),
    DiagonalMatrix()(_x("n 1")),
    identity(1),
])  # fmt: skip
def _matrix_of_one_entry(node: Apply) -> Node | None:
    (operand,) = node.operands
    if operand.type.shape[-1] != 1:
        return None
    if isinstance(operand, Const) and operand.is_filled:
        return Const(operand.value, node.type)
    return Reshape(node.type.shape)(operand)


@rule("multiply out a sum with the identity", Contract, examples=lambda: [
    _matrix_product(_x(), Add()(_i(), _y())),
    _matrix_product(Subtract()(_y(), _i()), _x()),
    _matrix_product(_x(), Subtract()(Multiply()(Const(2, _x().type), _i()), _y())),
])  # fmt: skip
def _multiply_out(node: Apply) -> Node | None:
    for k, operand in enumerate(node.operands):
        total = applied(operand, Add, Subtract)
        if total is None or all(_identity(term) is None for term in total.operands):
            continue
        left, right = (
            Apply(node.primitive, (*node.operands[:k], term, *node.operands[k + 1 :])) for term in total.operands
        )
        return Apply(total.primitive, (left, right))
    return None
