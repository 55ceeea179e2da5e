"""Arrangements, repetitions and sums along axes: composed, or removed where they change nothing."""

from __future__ import annotations

from collections.abc import Iterator

from chainrule.calculus.examples import filled, size, some_x, some_y
from chainrule.calculus.rules import (
    both_orders,
    is_scale,
    reduced,
    refilled,
    rule,
)
from chainrule.ir import (
    Apply,
    Node,
    Shape,
    applies,
    dim_product,
    parse_shape,
)
from chainrule.primitives import (
    Add,
    Broadcast,
    CumulativeSum,
    Divide,
    Mean,
    Multiply,
    Permute,
    Reshape,
    Slice,
    Subtract,
    Sum,
    Windows,
    permute,
    reshape,
)


@rule("(Aᵀ)ᵀ → A", Permute, examples=lambda: [
    Permute((1, 0))(Permute((1, 0))(some_x())),
    Permute((2, 0, 1))(Permute((2, 0, 1))(some_x("n m k"))),
])  # fmt: skip
def _double_transpose(node: Apply) -> Node | None:
    match node:
        case Apply(Permute(outer), (Apply(Permute(inner), (x,)),)):
            return permute(x, [inner[axis] for axis in outer])
    return None


@rule("transpose of what is repeated", Permute, examples=lambda: [
    Permute((1, 0))(Reshape(parse_shape("n 1"))(some_x("n"))),
    Permute((1, 0))(Broadcast(parse_shape("n m"), (0,))(some_x("n"))),
    Permute((2, 0, 1))(Broadcast(parse_shape("n m k"), (0, 1))(some_x("n m"))),
])  # fmt: skip
def _transpose_of_repeated(node: Apply) -> Node | None:
    """Broadcast along the permuted axes, or to the axes of size 1 that are needed."""
    match node:
        case Apply(Permute(order), (Apply(Broadcast(axes=axes), (x,)),)):
            places = tuple(order.index(axis) for axis in axes)
            return Broadcast(node.type.shape, places)(x) if places == tuple(sorted(places)) else None
        case Apply(Permute(order), (Apply(Reshape()) as made,)):
            others = [axis for axis in order if made.type.shape[axis] != 1]
            return Reshape(node.type.shape)(made) if others == sorted(others) else None
    return None


@rule("compose sums and broadcasts", Sum, Broadcast, Reshape, examples=lambda: [
    Sum((0,))(Sum((1,))(some_x())),
    Broadcast(parse_shape("k n m"), (1, 2))(Broadcast(parse_shape("n m"), (1,))(some_x("m"))),
    Reshape(parse_shape("n"))(Reshape(parse_shape("1 n"))(some_x("n 1"))),
    Reshape(parse_shape("n"))(Reshape(parse_shape("1 n"))(some_x("n"))),
    Broadcast(parse_shape("n m"), (0, 1))(some_x("n m")),
    Reshape(parse_shape("n"))(Broadcast(parse_shape("n 1"), (0,))(some_x("n"))),
    Reshape(parse_shape("n m 1"))(Broadcast(parse_shape("n 1 m"), (2,))(some_x("m"))),
    Broadcast(parse_shape("1 m"), (1,))(Reshape(parse_shape("m"))(some_x("1 m"))),
    Broadcast(parse_shape("k 1 m"), (1, 2))(Reshape(parse_shape("1 m"))(some_x("m"))),
])  # fmt: skip
def _compose(node: Apply) -> Node | None:
    match node:
        case Apply(Broadcast(shape) | Reshape(shape), (x,)) if x.type.shape == shape:
            return x
        case Apply(Broadcast(shape, axes), (Apply(Broadcast(axes=inner), (x,)),)):
            return Broadcast(shape, tuple(axes[axis] for axis in inner))(x)
        case Apply(Broadcast(shape, axes), (Apply(Reshape(between), (x,)),)):
            return x if x.type == node.type else _repeated_again(shape, axes, between, x)
        case Apply(Reshape(shape), (Apply(Reshape(), (x,)),)):
            return Reshape(shape)(x)
        case Apply(Reshape(shape), (Apply(Broadcast(between, axes), (x,)),)):
            return _reshaped_repetition(shape, between, axes, x)
        case Apply(Sum(axes), (Apply(Sum(inner), (x,)),)):
            remaining = [axis for axis in range(x.type.ndim) if axis not in inner]
            return Sum(tuple(sorted((*inner, *(remaining[axis] for axis in axes)))))(x)
    return None


def _repeated_again(shape: Shape, axes: tuple[int, ...], between: Shape, x: Node) -> Node | None:
    """Broadcast directly if axes of size 1 are only removed or inserted in between."""
    kept = tuple(axis for axis, dim in zip(axes, between, strict=True) if dim != 1)
    return Broadcast(shape, kept)(x) if tuple(shape[axis] for axis in kept) == x.type.shape else None


def _reshaped_repetition(shape: Shape, between: Shape, axes: tuple[int, ...], x: Node) -> Node | None:
    """Absorb a reshape that removes or inserts axes of size 1 into the broadcast."""
    if x.type.size == dim_product(between):
        return Reshape(shape)(x)
    before = [axis for axis, dim in enumerate(between) if dim != 1]
    after = [axis for axis, dim in enumerate(shape) if dim != 1]
    if 1 in x.type.shape or [between[axis] for axis in before] != [shape[axis] for axis in after]:
        return None
    return Broadcast(shape, tuple(after[before.index(axis)] for axis in axes))(x)


@rule("terms back to the axes that they had", Reshape, examples=lambda: [
    Reshape(parse_shape("1 m"))(Reshape(parse_shape("m"))(some_x("1 m")) + some_y("m")),
    Reshape(parse_shape("1 m"))((some_y("m") + Reshape(parse_shape("m"))(some_x("1 m"))) - some_y("m")),
    Reshape(parse_shape("1 m"))(Broadcast(parse_shape("m"), ())(some_y("")) * Reshape(parse_shape("m"))(some_x("1 m"))),
])  # fmt: skip
def _terms_back(node: Apply) -> Node | None:
    match node:
        case Apply(Reshape() as back, (Apply((Add() | Subtract()) as plus, (x, y)) as total,)) if total.type.ndim:
            sources = [term.operands[0] for term in _terms(total) if applies(term, Reshape)]
            return plus(back(x), back(y)) if any(source.type == node.type for source in sources) else None
        case Apply(Reshape() as back, (Apply(Multiply()) as product,)) if product.type.ndim:
            for number, factor in both_orders(product):
                match number, factor:
                    case Apply(Broadcast(axes=())), Apply(Reshape(), (x,)) if x.type == node.type:
                        return Multiply()(*(back(each) for each in product.operands))
    return None


def _terms(total: Node) -> Iterator[Apply]:
    """Yield the terms of a sum, except inputs and constants."""
    pending = [total]
    while pending:
        match pending.pop():
            case Apply(Add() | Subtract(), terms):
                pending += terms
            case Apply() as term:
                yield term


@rule("sum of one term → the term", Sum, Mean, CumulativeSum, examples=lambda: [
    Sum((0,))(some_x("1 m")),
    Mean((1,))(some_x("n 1")),
    CumulativeSum(0, reverse=True)(some_x("1 m")),
])  # fmt: skip
def _sum_of_one_term(node: Apply) -> Node | None:
    match node:
        case Apply(Sum(axes) | Mean(axes), (x,)) if all(x.type.shape[axis] == 1 for axis in axes):
            return reshape(x, node.type.shape)
        case Apply(CumulativeSum(axis), (x,)) if x.type.shape[axis] == 1:
            return x
    return None


@rule("repeat a literal", Broadcast, Reshape, Permute, Windows, Slice, examples=lambda: [
    Broadcast(parse_shape("n m"), (1,))(filled(2, "m")),
    Slice((1,), (1,), (1,))(filled(2, "3")),
])  # fmt: skip
def _repeat_literal(node: Apply) -> Node | None:
    (c,) = node.operands
    return refilled(c, node.type) if is_scale(c) else None


@rule("sum of equal terms", Sum, examples=lambda: [
    Sum((0, 1))(filled(2)), Sum((0,))(filled(2, "3 m")),
    Sum((0,))(filled(2) / size("n")), Sum((0, 1))(filled(2) / size("m")),
])  # fmt: skip
def _sum_of_equal_terms(node: Apply) -> Node | None:
    match node:
        case Apply(Sum(axes), (term,)) if is_scale(term):
            count = dim_product(term.type.shape[axis] for axis in axes)
        case _:
            return None
    match refilled(term, node.type):
        case Apply(Divide(), (above, below)):
            rest = reduced(below, count)
            if rest is None:
                return (above * count) / below
            return above if rest == 1 else above / rest
        case repeated:
            return repeated * count
