"""Simplification of matrix products: transposes are absorbed, ones and numbers moved out."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.calculus.chains import chain_of, number_within, product_of_chain
from chainrule.calculus.examples import filled, size, some, some_x, some_y
from chainrule.calculus.rules import Pattern, Rule, is_scale, refilled, rule, scalar_of
from chainrule.ir import Apply, ArrayType, Input, Node, applies, parse_shape, topological_order
from chainrule.primitives import (
    Add,
    Broadcast,
    Contract,
    Divide,
    Exp,
    Multiply,
    Negate,
    Permute,
    Reshape,
    Sum,
    multiplied,
)


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


@rule("a product without a sum → ⊙", Contract, examples=lambda: [
    Contract(((0,), (0, 1)), (0, 1))(some_x("n"), some_y("n m")),
    Contract(((0, 1), (1,)), (0, 1))(some_x("n m"), some_y("m")),
    Contract(((0, 1), (1, 0)), (0, 1))(some_x("n m"), some_y("m n")),
    Contract(((0, 1), (0, 1)), (1, 0))(some_x("n m"), some_y("n m")),
    Contract(((0, 1, 2), (2, 0)), (1, 0, 2))(some_x("n m k"), some_y("k n")),
])  # fmt: skip
def _product_without_sum(node: Apply) -> Node | None:
    match node:
        case Apply(Contract(inputs, output), (_, _) as factors):
            return multiplied(factors, inputs, output)
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


_LEFT_FIRST = "left factor first"
_VECTORS_FIRST = "(A B) x → A (B x)"


@rule(_LEFT_FIRST, Contract, examples=lambda: [
    Contract(((0, 1), (2, 0)), (2, 1))(some_y("m k"), some_x("n m")),
    Contract(((0,), (1,)), (1, 0))(some_x("n"), some_y("m")),
    Contract(((0,), (1, 0)), (1,))(some_x("m"), some_y("n m")),
    Contract(((0, 1, 2), (0, 3, 1)), (0, 3, 2))(some_y("n k m"), some_x("n m k")),
])  # fmt: skip
def _left_factor_first(node: Apply) -> Node | None:
    """Order the operands of a product as they are written, so that equal products are equal terms."""
    match node:
        case Apply(Contract((x, y), output, product=product), (a, b)) if product is not None:
            if product.kind in ("outer", "matrix", "vector") and product.left.operand == 1:
                return Contract((y, x), output)(b, a)
    return None


def _outer(x: Node, y: Node) -> Node:
    return Contract(((0,), (1,)), (0, 1))(x, y)


@rule(_VECTORS_FIRST, Contract, examples=lambda: [
    (some_x("n m") @ some_y("m k")) @ some("v", "k"),
    _outer(some("u", "n"), some("v", "m")) @ some_x("m k"),
    some_x("k n") @ _outer(some("u", "n"), some("v", "m")),
    Contract(((0, 1), (0,)), (1,))(some_x("n m") @ some_y("m k"), some("v", "n")),
    (some_x("k n") @ _outer(some("u", "n"), some("v", "m"))) @ some_y("m n"),
])  # fmt: skip
def _products_with_vectors_first(node: Apply) -> Node | None:
    links = chain_of(node)
    if len(links) < 3 or not any(factor.type.ndim == 1 for factor, _ in links) or number_within(links):
        return None
    if not any(applies(part, Contract) and part.type.ndim == 2 for part in node.operands):
        return None
    result = product_of_chain(links)
    return result if result is not node and result.type == node.type else None


def orders_of_products(definitions: Mapping[Node, Node]) -> tuple[Rule, ...]:
    """Return the two rules of order for products that the definitions do not have: those are computed as they are."""
    computed = {part for part in topological_order(list(definitions.values())) if applies(part, Contract)}

    def unless_computed(name: str, rewrite: Pattern) -> Rule:
        return Rule(name, (Contract,), lambda node: None if node in computed else rewrite(node), list)

    return (
        unless_computed(_LEFT_FIRST, _left_factor_first),
        unless_computed(_VECTORS_FIRST, _products_with_vectors_first),
    )


@rule("the number in a (bᵀ c) dᵀ in front", Contract, examples=lambda: [
    _outer(some_x("n"), some("b", "m")) @ _outer(some("c", "m"), some_y("k")),
    _outer(some_x("n"), some("b", "m")) @ some("c", "m"),
    Contract(((0, 1), (0,)), (1,))(_outer(some_x("n"), some("b", "m")), some("c", "n")),
])  # fmt: skip
def _number_in_front(node: Apply) -> Node | None:
    links = chain_of(node)
    found = number_within(links)
    if found is None:
        return None
    first, last = found
    number = product_of_chain(links[first:last])
    rest = product_of_chain((*links[:first], *links[last:]))
    return Broadcast(node.type.shape, ())(number) * rest if rest.type == node.type else None


@rule("aᵀ b + bᵀ a → 2 aᵀ b", Add, examples=lambda: [some_x("n") @ some_y("n") + some_y("n") @ some_x("n")])
def _inner_product_twice(node: Apply) -> Node | None:
    match node.operands:
        case (Apply(Contract(((0,), (0,)), ()) as inner, (a, b)), Apply(Contract() as other, (c, d))):
            return 2 * inner(a, b) if other == inner and a is d and b is c else None
    return None


@rule("(x/y)ᵀ y → Σ x", Contract, examples=lambda: [
    (some_x("n") / Exp()(some_y("n"))) @ Exp()(some_y("n")),
    Exp()(some_y("n")) @ (some_x("n") / Exp()(some_y("n"))),
])  # fmt: skip
def _inner_product_with_divisor(node: Apply) -> Node | None:
    match node:
        case Apply(Contract(((0,), (0,)), ()), (Apply(Divide(), (x, y)), z)) if y is z:
            return Sum((0,))(x)
        case Apply(Contract(((0,), (0,)), ()), (z, Apply(Divide(), (x, y)))) if y is z:
            return Sum((0,))(x)
    return None


@rule("Σ (a ⊙ b) of vectors → aᵀ b", Sum, examples=lambda: [Sum((0,))(some_x("n") * some_y("n"))])
def _sum_of_products(node: Apply) -> Node | None:
    match node:
        case Apply(Sum(), (Apply(Multiply(), (a, b)) as product,)) if product.type.ndim == 1:
            return a @ b if _is_vector(a) and _is_vector(b) else None
    return None


@rule("(x / y)ᵀ y → Σ x", Contract, examples=lambda: [
    (some_x("n") / Exp()(some_y("n"))) @ Exp()(some_y("n")),
    Exp()(some_y("n")) @ (some_x("n") / Exp()(some_y("n"))),
])  # fmt: skip
def _cancelled_inner_product(node: Apply) -> Node | None:
    match node:
        case Apply(Contract(output=()), (a, b)) if a.type.ndim == b.type.ndim == 1:
            for x, y in ((a, b), (b, a)):
                match x:
                    case Apply(Divide(), (above, below)) if below is y:
                        return Sum((0,))(above)
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
    Contract(((0,), (), (1,)), (0, 1))(some_x("n"), Exp()(_number("")), some_y("m")),
])  # fmt: skip
def _product_with_number(node: Apply) -> Node | None:
    if len(node.operands) != 2:
        return _without_number(node)
    for k, operand in enumerate(node.operands):
        number = _single(operand)
        if number is not None:
            return Broadcast(node.type.shape, ())(number) * _filled_out(node, 1 - k)
    return None


def _without_number(node: Apply) -> Node | None:
    """Take a number out of a contraction of more than two factors, which then is one of the others."""
    inputs, output = node.primitive.inputs, node.primitive.output
    for k, number in enumerate(node.operands):
        if not number.type.ndim and len(node.operands) > 2:
            others = Contract((*inputs[:k], *inputs[k + 1 :]), output)
            product = others(*node.operands[:k], *node.operands[k + 1 :])
            return Broadcast(node.type.shape, ())(number) * product
    return None


def _single(node: Node) -> Node | None:
    """Return the number that `node` is, or its only entry; otherwise None."""
    if node.type.ndim == 0:
        return node
    match node:
        case Apply(Reshape() | Broadcast(), (number,)) if set(node.type.shape) == {1} and number.type.ndim == 0:
            return number
    return None
