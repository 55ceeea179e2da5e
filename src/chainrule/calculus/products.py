"""Simplifications of matrix products: transposes taken in, ones and numbers taken out."""

from __future__ import annotations

from chainrule.calculus.rules import applied, is_scale, refilled, rule, scalar_of
from chainrule.ir import Apply, ArrayType, Const, Input, Node, named_dim, parse_shape
from chainrule.primitives import Add, Broadcast, Contract, Divide, Multiply, Negate, Permute, Reshape, Sum


def _x(shape: str = "n m") -> Node:
    return Input("x", ArrayType(parse_shape(shape)))


def _y(shape: str = "n m") -> Node:
    return Input("y", ArrayType(parse_shape(shape)))


def _number(shape: str) -> Node:
    number = Input("c", ArrayType(()))
    return Reshape(parse_shape(shape))(number) if shape else number


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
    Contract(((0, 1), (1, 2)), (0, 2))(_x(), Divide()(_filled(1, _x("m k")), Const(named_dim("k"), _x("m k").type))),
    Contract(((0, 1), (2, 1)), (2, 0))(Broadcast(parse_shape("m k"), ())(_number("")), _x("n k")),
])  # fmt: skip
def _product_with_ones(node: Apply) -> Node | None:
    if len(node.operands) != 2:
        return None
    for k, operand in enumerate(node.operands):
        coefficient = scalar_of(operand)
        if is_scale(operand) or coefficient is not None:
            filled = node.primitive.inputs[k]
            if any(label not in node.primitive.inputs[1 - k] + node.primitive.output for label in filled):
                return None
            rest = _filled_out(node, 1 - k)
            if coefficient is not None:
                return Multiply()(Broadcast(node.type.shape, ())(coefficient), rest)
            return Multiply()(refilled(operand, node.type), rest)
    return None


def _filled_out(node: Apply, k: int) -> Node:
    """A product of two factors, of which only factor `k` is not 1 everywhere."""
    other, labels, output = node.operands[k], node.primitive.inputs[k], node.primitive.output
    summed = tuple(axis for axis, label in enumerate(labels) if label not in output)
    kept = [label for label in labels if label in output]
    wanted = [label for label in output if label in kept]
    result = Sum(summed)(other) if summed else other
    if kept != wanted:
        result = Permute(tuple(kept.index(label) for label in wanted))(result)
    axes = tuple(axis for axis, label in enumerate(output) if label in kept)
    return Broadcast(node.type.shape, axes)(result) if len(axes) < node.type.ndim else result


@rule("A x + Aᵀ x → (A + Aᵀ) x", Add, examples=lambda: [
    Add()(
        Contract(((0, 1), (1,)), (0,))(_x("n n"), _y("n")), Contract(((0, 1), (0,)), (1,))(_x("n n"), _y("n"))
    ),
    Add()(
        Contract(((0, 1), (0, 2)), (1, 2))(_x("n n"), _y("n k")),
        Contract(((0, 1), (1, 2)), (0, 2))(_x("n n"), _y("n k")),
    ),
])  # fmt: skip
def _product_and_transposed(node: Apply) -> Node | None:
    left, right = node.operands
    joined = _joined(left, right)
    if joined is not None:
        return joined
    total = applied(left, Add)
    if total is not None:  # the terms of a longer sum
        for term, rest in (total.operands, total.operands[::-1]):
            joined = _joined(term, right)
            if joined is not None:
                return Add()(joined, rest)
    return None


def _joined(left: Node, right: Node) -> Node | None:
    """`(A + Aᵀ) x` for the two terms of A x + Aᵀ x."""
    match left, right:
        case Apply(Contract() as first, (_, _) as factors), Apply(Contract() as second, others) if factors == others:
            pass
        case _:
            return None
    for k, matrix in enumerate(factors):
        if matrix.type.ndim != 2 or matrix.type.shape[0] != matrix.type.shape[1]:
            continue
        inputs = (*second.inputs[:k], second.inputs[k][::-1], *second.inputs[k + 1 :])
        if Contract(inputs, second.output) == first:
            total = Add()(matrix, Permute((1, 0))(matrix))
            return (first if _is_upright(first, k) else second)(*factors[:k], total, *factors[k + 1 :])
    return None


def _is_upright(contract: Contract, operand: int) -> bool:
    """Whether an operand stands in a product without a transpose."""
    product = contract.product
    return product is not None and not product.factor(operand).transposed


@rule("Σ (a ⊙ b) of vectors → aᵀ b", Sum, examples=lambda: [Sum((0,))(Multiply()(_x("n"), _y("n")))])
def _sum_of_products(node: Apply) -> Node | None:
    product = applied(node.operands[0], Multiply)
    if product is None or product.type.ndim != 1:
        return None
    x, y = product.operands
    if any(is_scale(factor) or applied(factor, Multiply, Negate, Broadcast) is not None for factor in (x, y)):
        return None
    return Contract(((0,), (0,)), ())(x, y)


@rule("product with a number", Contract, examples=lambda: [
    Contract(((), (0,)), (0,))(_x(""), _y("m")),
    Contract(((0,), ()), (0,))(_x("n"), _y("")),
    Contract(((0,), (1,)), (1, 0))(_number("1"), _y("m")),
    Contract(((0, 1), (2, 1)), (0, 2))(_x("n 1"), _number("1 1")),
    Contract(((0, 1), (1, 2)), (0, 2))(_number("1 1"), _y("1 m")),
])  # fmt: skip
def _product_with_number(node: Apply) -> Node | None:
    if len(node.operands) != 2:
        return None
    for k, operand in enumerate(node.operands):
        number = _single(operand)
        if number is not None:
            return Multiply()(Broadcast(node.type.shape, ())(number), _filled_out(node, 1 - k))
    return None


def _single(node: Node) -> Node | None:
    """The number that `node` is, or is the only entry of."""
    if node.type.ndim == 0:
        return node
    made = applied(node, Reshape, Broadcast)
    if made is None or made.operands[0].type.ndim or any(size != 1 for size in node.type.shape):
        return None
    return made.operands[0]
