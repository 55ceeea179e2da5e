"""Transposes of sums and of inverses: moved to where an expression is shorter to read, or its terms meet others."""

from __future__ import annotations

from chainrule.calculus.chains import chain_of, product_of_chain, transposed_chain
from chainrule.calculus.examples import some, some_x, some_y
from chainrule.calculus.reading import reading_cost
from chainrule.calculus.rules import rule, with_operand
from chainrule.calculus.simplify import simplify
from chainrule.calculus.symmetry import is_symmetric
from chainrule.ir import Apply, Node, parse_shape
from chainrule.primitives import (
    Add,
    Broadcast,
    Contract,
    Divide,
    DivideNoNan,
    Exp,
    Inverse,
    Multiply,
    Negate,
    Permute,
    Subtract,
)


def _t(x: Node) -> Node:
    return Permute((*range(x.type.ndim - 2), x.type.ndim - 1, x.type.ndim - 2))(x)


def _distributed(order: tuple[int, ...], node: Node) -> Node | None:
    """Return the transpose of a sum as the sum of the transposes; None for what is not a sum."""
    match node:
        case Apply((Add() | Subtract()) as plus, (x, y)):
            return plus(_permuted(order, x), _permuted(order, y))
    return None


def _permuted(order: tuple[int, ...], node: Node) -> Node:
    return _distributed(order, node) or Permute(order)(node)


@rule("(Xᵀ + Y)ᵀ → X + Yᵀ", Permute, examples=lambda: [
    _t(_t(some_x("m n")) - some_y("n m") @ _t(some("z", "m m"))),
    _t((_t(some_x("m n")) + some_y("n m")) - some_y("n m") @ _t(some("z", "m m"))),
    _t(_t(some_x("k m n")) + _t(some_y("k m n"))),
])  # fmt: skip
def _transpose_of_sum(node: Apply) -> Node | None:
    distributed = _distributed(node.primitive.order, node.operands[0])
    return distributed if distributed is not None and reading_cost(distributed) < reading_cost(node) else None


@rule("A + (X + Y)ᵀ → A + Xᵀ + Yᵀ", Add, Subtract, examples=lambda: [
    some_y("m n") + _t(some_x("n m") + _t(some_y("m n"))),
    _t(some_x("n m") - some_y("n m")) - _t(some_x("n m")),
])  # fmt: skip
def _transposed_sum_among_terms(node: Apply) -> Node | None:
    for place, term in enumerate(node.operands):
        match term:
            case Apply(Permute(order), (x,)) if (distributed := _distributed(order, x)) is not None:
                result = with_operand(node, place, distributed)
                if reading_cost(simplify(result)) < reading_cost(node):  # shorter at once, or because terms meet
                    return result
    return None


@rule("(Xᵀ + Y)ᵀ B → (X + Yᵀ) B", Contract, examples=lambda: [
    Contract(((0, 1), (0, 2)), (1, 2))(_t(some_x("m n")) - some_y("n m") @ _t(some("z", "m m")), some_y("n m")),
    Contract(((0, 1), (2, 1)), (0, 2))(some("z", "k n"), _t(some_x("n k")) + _t(some_y("n k"))),
])  # fmt: skip
def _transposed_sum_as_factor(node: Apply) -> Node | None:
    match node:
        case Apply(Contract(inputs, output, product=product), factors) if product is not None:
            for place, factor in enumerate(factors):
                labels = inputs[place]
                if not product.factor(place).transposed or factor.type.ndim < 2:
                    continue
                last = (*range(len(labels) - 2), len(labels) - 1, len(labels) - 2)
                distributed = _distributed(last, factor)
                if distributed is not None:
                    turned = (*labels[:-2], labels[-1], labels[-2])
                    upright = Contract((*inputs[:place], turned, *inputs[place + 1 :]), output)
                    result = upright(*factors[:place], distributed, *factors[place + 1 :])
                    if reading_cost(result) < reading_cost(node):
                        return result
    return None


@rule("transpose past a number", Permute, examples=lambda: [
    _t(some_x("n m") / Broadcast(parse_shape("n m"), ())(Exp()(some_y("")))),
    _t(DivideNoNan()(some_x("n m"), Broadcast(parse_shape("n m"), ())(Exp()(some_y(""))))),
    _t(Broadcast(parse_shape("n m"), ())(Exp()(some_y(""))) * some_x("n m")),
    _t(-some_x("n m")),
])  # fmt: skip
def _transpose_past_number(node: Apply) -> Node | None:
    match node:
        case Apply(Permute(order), (Apply(Negate(), (x,)),)):
            return -Permute(order)(x)
        case Apply(Permute(order), (Apply((Divide() | DivideNoNan()) as over, (x, Apply(Broadcast(axes=()), (c,)))),)):
            return over(Permute(order)(x), Broadcast(node.type.shape, ())(c))
        case Apply(Permute(order), (Apply(Multiply(), (Apply(Broadcast(axes=()), (c,)), x)),)):
            return Broadcast(node.type.shape, ())(c) * Permute(order)(x)
    return None


@rule("(Xᵀ)⁻¹ → X⁻ᵀ", Inverse, examples=lambda: [
    Inverse()(_t(some_x("n n"))),
    Inverse()(_t(some_x("k n n"))),
    Inverse()(_t(some_x("n n")) @ _t(some_y("n n"))),
    Inverse()(Contract(((0, 1), (2, 0)), (1, 2))(some_x("n n"), some_y("n n"))),
])  # fmt: skip
def _inverse_of_transpose(node: Apply) -> Node | None:
    match node:
        case Apply(Inverse(), (Apply(Permute(), (x,)) as turned,)) if turned is _t(x):
            return _t(Inverse()(x))
        case Apply(Inverse(), (Apply(Contract()) as product,)) if product.type.ndim == 2:
            links = chain_of(product)
            if len(links) > 1 and all(turned and not is_symmetric(factor) for factor, turned in links):
                return _t(Inverse()(product_of_chain(transposed_chain(links))))
    return None
