"""Simplification of matrix products: transposes are absorbed, ones and numbers moved out."""

from __future__ import annotations

from chainrule.calculus.examples import filled, size, some_x, some_y
from chainrule.calculus.rules import both_orders, is_scale, refilled, rule, scalar_of
from chainrule.ir import Apply, ArrayType, Input, Node, parse_shape
from chainrule.primitives import Add, Broadcast, Contract, Multiply, Negate, Permute, Reshape, Sum


def _number(shape: str) -> Node:
    number = Input("c", ArrayType(()))
    return Reshape(parse_shape(shape))(number) if shape else number


@rule("transpose into the product", Contract, Permute, examples=lambda: [
    Permute((1, 0))(some_x()) @ some_y("n k"),
    Permute((1, 0))(some_x("n m") @ some_y("m k")),
])  # fmt: skip
def _transpose_into_product(node: Apply) -> Node | None:
    match node:
        case Apply(Permute(order), (Apply(Contract(inputs, output), factors),)):
            return Contract(inputs, tuple(output[axis] for axis in order))(*factors)
        case Apply(Contract(inputs, output), factors):
            for k, factor in enumerate(factors):
                match factor:
                    case Apply(Permute(order), (x,)):
                        labels = tuple(inputs[k][order.index(axis)] for axis in range(len(order)))
                        changed = (*inputs[:k], labels, *inputs[k + 1 :])
                        return Contract(changed, output)(*factors[:k], x, *factors[k + 1 :])
    return None


@rule("product with ones → sum", Contract, examples=lambda: [
    Contract(((0, 1), (0,)), (1,))(some_x(), filled(1, "n")),
    Contract(((0, 1), (0, 2)), (1, 2))(some_x(), filled(3, "n k")),
    some_x() @ (filled(1, "m k") / size("k", "m k")),
    Contract(((0, 1), (2, 1)), (2, 0))(Broadcast(parse_shape("m k"), ())(_number("")), some_x("n k")),
])  # fmt: skip
def _product_with_ones(node: Apply) -> Node | None:
    if len(node.operands) != 2:
        return None
    for k, operand in enumerate(node.operands):
        coefficient = scalar_of(operand)
        if is_scale(operand) or coefficient is not None:
            others = (*node.primitive.inputs[1 - k], *node.primitive.output)
            if not set(node.primitive.inputs[k]) <= set(others):
                return None
            rest = _filled_out(node, 1 - k)
            if coefficient is not None:
                return Broadcast(node.type.shape, ())(coefficient) * rest
            return refilled(operand, node.type) * rest
    return None


def _filled_out(node: Apply, k: int) -> Node:
    """Return a product of two factors of which only factor `k` is not filled with 1."""
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
    some_x("n n") @ some_y("n") + Contract(((0, 1), (0,)), (1,))(some_x("n n"), some_y("n")),
    Contract(((0, 1), (0, 2)), (1, 2))(some_x("n n"), some_y("n k")) + some_x("n n") @ some_y("n k"),
])  # fmt: skip
def _product_and_transposed(node: Apply) -> Node | None:
    left, right = node.operands
    joined = _joined(left, right)
    if joined is not None:
        return joined
    match left:
        case Apply(Add()):  # terms of a longer sum
            for term, rest in both_orders(left):
                joined = _joined(term, right)
                if joined is not None:
                    return joined + rest
    return None


def _joined(left: Node, right: Node) -> Node | None:
    """Return `(A + Aᵀ) x` for the two terms of A x + Aᵀ x, or None."""
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
            total = matrix + Permute((1, 0))(matrix)
            return (first if _is_upright(first, k) else second)(*factors[:k], total, *factors[k + 1 :])
    return None


def _is_upright(contract: Contract, operand: int) -> bool:
    """Whether an operand is not transposed in a product."""
    product = contract.product
    return product is not None and not product.factor(operand).transposed


@rule("Σ (a ⊙ b) of vectors → aᵀ b", Sum, examples=lambda: [Sum((0,))(some_x("n") * some_y("n"))])
def _sum_of_products(node: Apply) -> Node | None:
    match node:
        case Apply(Sum(), (Apply(Multiply(), (a, b)) as product,)) if product.type.ndim == 1:
            return a @ b if _is_vector(a) and _is_vector(b) else None
    return None


def _is_vector(node: Node) -> bool:
    """Whether `node` is not only numbers, signs and broadcasts of them."""
    match node:
        case Apply(Multiply() | Negate() | Broadcast()):
            return False
    return not is_scale(node)


@rule("product with a number", Contract, examples=lambda: [
    Contract(((), (0,)), (0,))(some_x(""), some_y("m")),
    Contract(((0,), ()), (0,))(some_x("n"), some_y("")),
    Contract(((0,), (1,)), (1, 0))(_number("1"), some_y("m")),
    Contract(((0, 1), (2, 1)), (0, 2))(some_x("n 1"), _number("1 1")),
    Contract(((0, 1), (1, 2)), (0, 2))(_number("1 1"), some_y("1 m")),
])  # fmt: skip
def _product_with_number(node: Apply) -> Node | None:
    if len(node.operands) != 2:
        return None
    for k, operand in enumerate(node.operands):
        number = _single(operand)
        if number is not None:
            return Broadcast(node.type.shape, ())(number) * _filled_out(node, 1 - k)
    return None


def _single(node: Node) -> Node | None:
    """Return the number that `node` is, or its only entry; otherwise None."""
    if node.type.ndim == 0:
        return node
    match node:
        case Apply(Reshape() | Broadcast(), (number,)) if set(node.type.shape) == {1} and number.type.ndim == 0:
            return number
    return None
