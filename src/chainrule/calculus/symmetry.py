"""Symmetric matrices: which expressions are equal to their transpose, and the rules that follow.

A matrix is the last two axes of an array, and leading axes are batch axes. What is symmetric follows from the form of
an expression, as in XᵀX, A + Aᵀ, diag(v) and their inverses, from declared inputs, and from definitions of names.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from itertools import count

import numpy as np

from chainrule.calculus.chains import Chain, chain_of
from chainrule.calculus.examples import some, some_x, some_y
from chainrule.calculus.rules import Rule, is_scale, rule
from chainrule.ir import Apply, Const, Dim, Node, Shape, applies, parse_shape
from chainrule.primitives import (
    Add,
    Adjugate,
    Broadcast,
    Contract,
    DiagonalMatrix,
    Inverse,
    Kronecker,
    Multiply,
    Permute,
    Primitive,
    Reshape,
    Subtract,
)

Labels = tuple[int, ...]

_NAME = "Sᵀ → S for symmetric S"
_FACTOR_LIMIT = 8


def is_symmetric(node: Node, symmetric_inputs: Container[Node] = ()) -> bool:
    """Whether every matrix in `node` is known to equal its transpose.

    `symmetric_inputs` are nodes that are symmetric although their form does not show it: declared inputs, and names of
    symmetric values. False means that nothing is known.
    """
    return _is_symmetric(node, symmetric_inputs, {})


def _is_symmetric(node: Node, given: Container[Node], known: dict[Node, bool]) -> bool:
    shape = node.type.shape
    if len(shape) < 2 or shape[-1] != shape[-2]:
        return False
    if node not in known:
        known[node] = node in given or _follows(node, given, known)
    return known[node]


def _follows(node: Node, given: Container[Node], known: dict[Node, bool]) -> bool:
    """Whether the symmetry of `node` follows from its form."""
    match node:
        case Const(value=np.ndarray() as array):
            return np.array_equal(array, np.swapaxes(array, -1, -2))
        case Const():
            return True
        case Apply(DiagonalMatrix()):
            return True
        case Apply(Kronecker(), (x, y)):
            return _is_symmetric(x, given, known) and _is_symmetric(y, given, known)
        case Apply(Inverse() | Adjugate(), (x, *_)):
            return _is_symmetric(x, given, known)
        case Apply(Broadcast(axes=axes), (x,)):
            last = {node.type.ndim - 1, node.type.ndim - 2}
            return last.isdisjoint(axes) or (last <= set(axes) and _is_symmetric(x, given, known))
        case Apply(Permute(order), (x,)):
            last = {node.type.ndim - 1, node.type.ndim - 2}
            return set(order[-2:]) == last and _is_symmetric(x, given, known)
        case Apply(Contract()):
            return _are_mirrored(node, node, given, known)
        case Apply(Add() | Subtract(), _):
            return all(_is_paired(terms, given, known) for terms in _signed_terms(node))
        case Apply(Multiply(), _):
            return _is_paired(_factors(node), given, known)
        case Apply(Primitive(is_pointwise=True), operands):
            return all(_is_symmetric(operand, given, known) for operand in operands)
    return False


def _signed_terms(node: Node) -> tuple[list[Node], list[Node]]:
    """Return what is added and what is subtracted in a sum of more than two terms."""
    pending = [(node, False)]
    added, subtracted = list[Node](), list[Node]()
    while pending:
        part, is_negative = pending.pop()
        match part:
            case Apply(Add(), (x, y)):
                pending += [(x, is_negative), (y, is_negative)]
            case Apply(Subtract(), (x, y)):
                pending += [(x, is_negative), (y, not is_negative)]
            case _:
                (subtracted if is_negative else added).append(part)
    return added, subtracted


def _factors(node: Node) -> list[Node]:
    """Return the operands of a product of more than two."""
    pending, found = [node], list[Node]()
    while pending:
        part = pending.pop()
        if applies(part, Multiply):
            pending += part.operands
        else:
            found.append(part)
    return found


def _is_paired(terms: Sequence[Node], given: Container[Node], known: dict[Node, bool]) -> bool:
    """Whether each of the terms, or factors, is symmetric or is there with its transpose."""
    left = [term for term in terms if not _is_symmetric(term, given, known)]
    while left:
        term = left.pop()
        image = next((other for other in left if _are_mirrored(term, other, given, known)), None)
        if image is None:
            return False
        left.remove(image)
    return True


def _are_mirrored(x: Node, y: Node, given: Container[Node], known: dict[Node, bool]) -> bool:
    """Whether `y` is the transpose of `x`: the same factors, with the last two labels of the result exchanged."""
    match x, y:
        case Apply(Multiply(), (c, inner)), Apply(Multiply(), (d, other)) if c is d and is_scale(c):
            return _are_mirrored(inner, other, given, known)
    factors, output = network(x)
    others, wanted = network(y)
    if len(factors) != len(others):
        return False
    renamed = dict(zip(output, (*wanted[:-2], wanted[-1], wanted[-2]), strict=True))

    def matches(place: int, renamed: Mapping[int, int], left: frozenset[int]) -> bool:
        if place == len(factors):
            return True
        factor, labels = factors[place]
        images = [labels]
        if _is_symmetric(factor, given, known):
            images.append((*labels[:-2], labels[-1], labels[-2]))
        for other in left:
            same, its_labels = others[other]
            for image in images if same is factor else ():
                extended = _extended(renamed, image, its_labels)
                if extended is not None and matches(place + 1, extended, left - {other}):
                    return True
        return False

    return matches(0, renamed, frozenset(range(len(others))))


def _extended(renamed: Mapping[int, int], labels: Labels, wanted: Labels) -> dict[int, int] | None:
    """Return `renamed` with `labels` renamed to `wanted` as well; None if they were renamed otherwise."""
    result = dict(renamed)
    for label, name in zip(labels, wanted, strict=True):
        if result.setdefault(label, name) != name:
            return None
    return result if len(set(result.values())) == len(result) else None


def network(node: Node) -> tuple[list[tuple[Node, Labels]], Labels]:
    """Return nested contractions as one: each factor with its labels, and the labels of the result.

    Transposes are absorbed into the labels, and axes of size 1 that are inserted or removed have none in common.
    """
    factors: list[tuple[Node, Labels]] = []
    output = tuple(range(node.type.ndim))
    fresh = count(node.type.ndim)
    pending: list[tuple[Node, Labels]] = [(node, output)]
    while pending:
        part, labels = pending.pop()
        match part:
            case Apply(Permute(order), (x,)):
                pending.append((x, tuple(labels[order.index(axis)] for axis in range(len(order)))))
            case Apply(Reshape(shape), (x,)) if _without_ones(shape) == _without_ones(x.type.shape):
                kept = iter([label for label, dim in zip(labels, shape, strict=True) if dim != 1])
                pending.append((x, tuple(next(fresh) if dim == 1 else next(kept) for dim in x.type.shape)))
            case Apply(Contract(inputs, result), operands) if len(factors) + len(pending) < _FACTOR_LIMIT:
                place = dict(zip(result, labels, strict=True))
                for label in (label for each in inputs for label in each):
                    place[label] = place[label] if label in place else next(fresh)
                inner = [tuple(place[label] for label in each) for each in inputs]
                pending += reversed(list(zip(operands, inner, strict=True)))
            case _:
                factors.append((part, labels))
    return factors, output


def _without_ones(shape: Shape) -> list[Dim]:
    return [dim for dim in shape if dim != 1]


def known_symmetric(definitions: Mapping[Node, Node], declared: Iterable[Node] = ()) -> frozenset[Node]:
    """Return the declared inputs, and the names whose definitions are symmetric, in order of definition."""
    found = set(declared)
    for symbol, definition in definitions.items():
        if is_symmetric(definition, found):
            found.add(symbol)
    return frozenset(found)


def symmetric_rules(symmetric_inputs: Container[Node]) -> tuple[Rule, ...]:
    """Return the rules of symmetric matrices for inputs that are known to be symmetric."""

    def untransposed(node: Apply) -> Node | None:
        found = without_transpose(node, lambda x: is_symmetric(x, symmetric_inputs))
        return found if found is not None else _with_product_turned(node, symmetric_inputs)

    return (Rule(_NAME, (Permute, Contract), untransposed, list),)


def _gram() -> Node:
    return Contract(((0, 1), (0, 2)), (1, 2))(some_x("m n"), some_x("m n"))


@rule(_NAME, Permute, Contract, examples=lambda: [
    Permute((1, 0))(Inverse()(_gram())),
    Permute((0, 2, 1))(Inverse()(DiagonalMatrix()(some_x("k n")))),
    Contract(((0, 1), (0, 2)), (1, 2))(DiagonalMatrix()(some_x("n")), some_y("n k")),
    Contract(((0, 1), (0,)), (1,))(some_x("n n") + Permute((1, 0))(some_x("n n")), some_y("n")),
    Contract(((0, 1), (2, 1)), (0, 2))(some_y("k n"), Inverse()(_gram())),
    Contract(((0, 1), (0, 1)), ())(Inverse()(_gram()), some_y("n n")),
    Contract(((0, 1), (0, 2)), (1, 2))(some_y("n n") @ Inverse()(_gram()), some("z", "n k")),
    Contract(((0, 1), (2, 1)), (0, 2))(some("w", "k n"), (Inverse()(_gram()) @ some_y("n n")) @ some("z", "n n")),
    Contract(((0, 1, 2), (0, 1, 3)), (0, 2, 3))(Broadcast(parse_shape("k n n"), (1, 2))(_gram()), some_y("k n m")),
])  # fmt: skip
def _transpose_of_symmetric(node: Apply) -> Node | None:
    found = without_transpose(node, is_symmetric)
    return found if found is not None else _with_product_turned(node, ())


def without_transpose(node: Apply, may_turn: Callable[[Node], bool]) -> Node | None:
    """Return `node` with a matrix in it that is not transposed, where it was, if the matrix may be turned."""
    match node:
        case Apply(Permute(order), (x,)):
            last = (*range(x.type.ndim - 2), x.type.ndim - 1, x.type.ndim - 2)
            return x if order == last and may_turn(x) else None
        case Apply(Contract(inputs, output) as contract, factors) if transposes := _transposes(contract):
            for place, (labels, factor) in enumerate(zip(inputs, factors, strict=True)):
                if len(labels) > 1:
                    turned = (*labels[:-2], labels[-1], labels[-2])
                    upright = Contract((*inputs[:place], turned, *inputs[place + 1 :]), output)
                    fewer = _transposes(upright)
                    if fewer is not None and fewer < transposes and may_turn(factor):
                        return upright(*factors)
    return None


def _with_product_turned(node: Apply, symmetric: Container[Node]) -> Node | None:
    """Return (A S)ᵀ B as (S Aᵀ) B: the transpose of a product has its symmetric factors as they are."""
    match node:
        case Apply(Contract(inputs, output, product=product), factors) if product is not None:
            pass
        case _:
            return None
    for place, (labels, factor) in enumerate(zip(inputs, factors, strict=True)):
        match factor:
            case Apply(Contract(inner, result, product=found), parts) if product.factor(place).transposed and found:
                links = (*parts, *(link for link, _ in chain_of(factor)))
                if len(result) > 1 and any(is_symmetric(link, symmetric) for link in links):
                    turned = (*labels[:-2], labels[-1], labels[-2])
                    upright = Contract((*inputs[:place], turned, *inputs[place + 1 :]), output)
                    mirrored = Contract(inner, (*result[:-2], result[-1], result[-2]))(*parts)
                    return upright(*factors[:place], mirrored, *factors[place + 1 :])
    return None


def upright(links: Chain, symmetric: Container[Node]) -> Chain:
    """Return a chain in which no symmetric matrix is transposed."""
    return tuple((node, turned and not is_symmetric(node, symmetric)) for node, turned in links)


def _transposes(contract: Contract) -> int | None:
    """Count the transposed factors of a product; None if it is not one of linear algebra."""
    product = contract.product
    return None if product is None else product.left.transposed + product.right.transposed
