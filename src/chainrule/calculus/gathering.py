"""Common factors of products are collected: A C + B C is (A + B) C, and A x + Aᵀ x is (A + Aᵀ) x.

The terms of a sum are compared in pairs, wherever they stand, also with numbers and scalars in front. A sum is changed
only if it is not longer to read and has fewer operations.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TypeAlias

import numpy as np

from chainrule.calculus.chains import Chain, Link, chain_of, is_column, is_row, product_of_chain, transposed_chain
from chainrule.calculus.examples import some, some_x, some_y
from chainrule.calculus.reading import reading_cost
from chainrule.calculus.rules import Rule, both_orders, is_scale, number_of, refilled, rule, with_operand
from chainrule.calculus.symmetry import upright
from chainrule.calculus.terms import Term, factors, operation_count, product_of, sum_of_terms
from chainrule.ir import Apply, ArrayType, Const, DType, Node, applies, named_dim, parse_shape
from chainrule.primitives import Add, Broadcast, Contract, Exp, Multiply, Negate, OneHot, Permute, ScatterAdd, Subtract

_TERM_LIMIT = 24

Key: TypeAlias = Node | Chain | frozenset[Chain]


@dataclass(frozen=True)
class _Product:
    """A term of a sum: a coefficient, which is one number for all elements, times a contraction."""

    coefficient: Term
    product: Apply


def _transposed_first(x: Node, y: Node) -> Node:
    """Return xᵀ y, for each matrix of a stack."""
    batch = tuple(range(x.type.ndim - 2))
    k, i, j = (len(batch) + place for place in range(3))
    return Contract(((*batch, k, i), (*batch, k, j)), (*batch, i, j))(x, y)


def _outer(x: Node, y: Node) -> Node:
    return Contract(((0,), (1,)), (0, 1))(x, y)


def _c(shape: str) -> Node:
    return Broadcast(parse_shape(shape), ())(some("c", ""))


@rule("A C + B C → (A + B) C", Add, Subtract, examples=lambda: [
    some_x("n m") @ some("z", "m k") + some_y("n m") @ some("z", "m k"),
    some("z", "k n") @ some_x("n m") - some("z", "k n") @ some_y("n m"),
    _outer(some_x("n"), some("z", "m")) + _outer(some_y("n"), some("z", "m")),
    _outer(some("z", "m"), some_x("n")) - _outer(some("z", "m"), some_y("n")),
    some_x("n n") @ some_y("n") + some_y("n") @ some_x("n n"),
    _transposed_first(some_x("n n"), some_y("n k")) + some_x("n n") @ some_y("n k"),
    some_x("k n n") @ some_y("k n m") + _transposed_first(some_x("k n n"), some_y("k n m")),
    (some_x("n n") @ some_y("n") + some("z", "n")) + some_y("n") @ some_x("n n"),
    2 * (some_x("n m") @ some("z", "m")) - 2 * (some_y("n m") @ some("z", "m")),
    _c("n") * (some_x("n m") @ some("z", "m")) + _c("n") * (some_y("n m") @ some("z", "m")),
    some_x("n m") @ (some_y("m k") @ some("z", "k n")) + (some("w", "n m") @ some_y("m k")) @ some("z", "k n"),
    some("z", "k n") @ (_outer(some_x("n"), some_y("n")) @ some("w", "n m"))
    + some("z", "k n") @ (_outer(some_y("n"), some_x("n")) @ some("w", "n m")),
    Negate()(some_x("n m") @ some("z", "m")) - some_y("n m") @ some("z", "m"),
    (some("z", "k n") @ some_x("n n")) @ some("w", "n m") + some("z", "k n") @ (some_y("n n") @ some("w", "n m")),
    some("z", "k n") @ (some_x("n n") @ (some("v", "n n") @ some("w", "n m")))
    - (some("z", "k n") @ Permute((1, 0))(some_x("n n"))) @ (some("v", "n n") @ some("w", "n m")),
])  # fmt: skip
def _common_factor_of_products(node: Apply) -> Node | None:
    terms = list(signed_terms(node))
    if len(terms) > _TERM_LIMIT:
        return None
    products = [_as_product(sign, term) for sign, term in terms]
    for first, one in enumerate(products):
        for second in range(first + 1, len(products) if one else 0):
            other = products[second]
            joined = None if one is None or other is None else _joined(one, other)
            if joined is not None:
                rest = [(sign, term) for place, (sign, term) in enumerate(terms) if place not in (first, second)]
                result = sum_of_signed([*rest[:first], joined, *rest[first:]])
                shorter = reading_cost(result) <= reading_cost(node)
                return result if shorter and operation_count(result) < operation_count(node) else None
    return None


@rule("A (x + y) + A y → A (x + 2·y)", Add, Subtract, examples=lambda: [
    some("z", "n m") @ (some_x("m") + some_y("m")) + some("z", "n m") @ some_y("m"),
    some("z", "n m") @ (some_x("m") + _c("m") * some_y("m")) + _c("n") * (some("z", "n m") @ some_y("m")),
    2 * (some("z", "n m") @ (some_x("m") - _c("m") * some_y("m"))) - _c("n") * (some("z", "n m") @ some_y("m")),
    some("z", "m") @ (some_x("m") + _c("m") * some_y("m")) + some("c", "") * (some("z", "m") @ some_y("m")),
])  # fmt: skip
def _like_terms_within_product(node: Apply) -> Node | None:
    """Take a product of a matrix with a vector into another with a sum that has this vector among its terms."""
    terms = list(signed_terms(node))
    products = [_as_product(sign, term) for sign, term in terms] if len(terms) <= _TERM_LIMIT else []
    for first, second in permutations(range(len(products)), 2):
        one, other = products[first], products[second]
        if one is None or other is None or one.coefficient.powers:
            continue
        (*before, (total, _)), (*its_before, (vector, _)) = chain_of(one.product), chain_of(other.product)
        if not before or before != its_before or total.type.ndim != 1 or not applies(total, Add, Subtract):
            continue
        number = other.coefficient.times(Term(1 / one.coefficient.number, ()))
        powers = tuple((_repeated_like(factor, vector), exponent) for factor, exponent in number.powers)
        term = product_of(Term(number.number, powers).times(factors(vector)), vector.type)
        inner = _with_like_terms(Apply(Add(), (total, term)), ())
        if inner is not None:
            product = product_of_chain((*before, (inner, False)))
            joined = product_of(Term(one.coefficient.number, ((product, 1),)), node.type)
            rest = [each for place, each in enumerate(terms) if place not in (first, second)]
            return sum_of_signed([*rest[:first], (1, joined), *rest[first:]])
    return None


def _repeated_like(number: Node, like: Node) -> Node:
    """Return a number that fills an array in the shape of `like`."""
    match number:
        case Apply(Broadcast(axes=()), (scalar,)):
            return Broadcast(like.type.shape, ())(scalar)
    if number.type.ndim == 0 and not is_scale(number):
        return Broadcast(like.type.shape, ())(number)
    return refilled(number, like.type)


@rule("A vᵀ − onehot(o) vᵀ → (A − onehot(o)) vᵀ", Add, Subtract, examples=lambda: [
    _outer(some_x("n"), some("z", "m")) - _scattered(some("z", "m"), _label()),
    _c("n m") * _scattered(some("z", "m"), _label()) - _c("n m") * _outer(some_x("n"), some("z", "m")),
    _transposed_first(some_x("4 n"), some("z", "4 m")) + _scattered(some("z", "4 m"), _labels()),
])  # fmt: skip
def _with_labels_as_factor(node: Apply) -> Node | None:
    """Write rows that are added at places as a product with one-hot rows, where the sum has another such product."""
    terms = list(signed_terms(node))
    for place, (sign, term) in enumerate(terms if len(terms) <= _TERM_LIMIT else ()):
        one = _as_product(sign, term, ScatterAdd)
        match one:
            case _Product(coefficient, Apply(ScatterAdd(0, size, ()), (rows, places))) if places.type.ndim < 2:
                contract = _outer if places.type.ndim == 0 else _transposed_first
            case _:
                continue
        if rows.type.ndim != places.type.ndim + 1:
            continue
        product = contract(OneHot(size, rows.type.dtype)(places), rows)
        if not isinstance(product, Apply):
            continue
        for other, (other_sign, other_term) in enumerate(terms):
            beside = None if other == place else _as_product(other_sign, other_term)
            joined = None if beside is None else _joined(beside, _Product(coefficient, product))
            if joined is not None:
                rest = [each for k, each in enumerate(terms) if k not in (place, other)]
                return sum_of_signed([*rest[:other], joined, *rest[other:]])
    return None


def _scattered(rows: Node, places: Node) -> Node:
    return ScatterAdd(0, named_dim("n"))(rows, places)


def _gram() -> Node:
    return _transposed_first(some("z", "m n"), some("z", "m n"))


def _label() -> Node:
    return Const(1, ArrayType((), DType.INT64))


def _labels() -> Node:
    return Const(np.array([2, 0, 2, 1]), ArrayType((4,), DType.INT64))


_LIKE_TERMS = "x − y − y → x − 2·y"


def like_terms_of_symmetric(symmetric: Container[Node]) -> Rule:
    """Return the rule of like terms with inputs and names of values that are symmetric matrices."""
    return Rule(_LIKE_TERMS, (Add, Subtract), lambda node: _with_like_terms(node, symmetric), list)


@rule(_LIKE_TERMS, Add, Subtract, examples=lambda: [
    (some_x() - some_y()) - some_y(),
    (some_y() + some_x()) + some_y(),
    (some_x() - 2 * some_y()) - some_y(),
    (_c("n m") * some_y() - some_x()) + _c("n m") * some_y(),
    some_x("n") @ (_gram() @ some_y("n")) + some_y("n") @ (_gram() @ some_x("n")),
    (some_x("n m") @ some_y("m k")) @ some("z", "k n") + some_x("n m") @ (some_y("m k") @ some("z", "k n")),
])  # fmt: skip
def _like_terms(node: Apply) -> Node | None:
    return _with_like_terms(node, ())


def _with_like_terms(node: Apply, symmetric: Container[Node]) -> Node | None:
    """Add terms that differ only in their numbers, wherever they stand, and in the brackets of products."""
    found: dict[frozenset[tuple[Key, int]], Term] = {}
    terms = list(signed_terms(node))
    for sign, each in terms if len(terms) <= _TERM_LIMIT else ():
        term = Term(sign, ()).times(factors(each))
        key = frozenset((_key(factor, symmetric), exponent) for factor, exponent in term.powers)
        found[key] = term if key not in found else Term(found[key].number + term.number, found[key].powers)
    if len(found) in (0, len(terms)):
        return None
    result = sum_of_terms([term for term in found.values() if term.number], node.type)
    shorter = reading_cost(result) < reading_cost(node) and operation_count(result) <= operation_count(node)
    return result if shorter else None


@rule("x + 1 − (s + 1) → x − s", Add, Subtract, examples=lambda: [
    (some_x("n") + 1) - Broadcast(parse_shape("n"), ())(some("s", "") + 1),
    Broadcast(parse_shape("n"), ())(some("s", "") + 1) - some_x("n") - 1,
    (some_x("n") - 3) + Broadcast(parse_shape("n"), ())(2 - some("s", "")),
])  # fmt: skip
def _numbers_of_repeated(node: Apply) -> Node | None:
    """Add the numbers in a sum to those in a repeated one."""
    terms = list(signed_terms(node))
    if len(terms) > _TERM_LIMIT or not any(number_of(term) for _, term in terms):
        return None
    rest: list[tuple[int, Node]] = []
    numbers: list[float] = []
    merged = False
    for sign, term in terms:
        match term:
            case Apply(Broadcast(axes=()) as repeat, (Apply(Add() | Subtract()) as total,)):
                inner = list(signed_terms(total))
                found = [each * (number_of(part) or 0.0) for each, part in inner]
                others = [part for part, number in zip(inner, found, strict=True) if not number]
                if any(found) and others:
                    numbers.append(sign * sum(found))
                    rest.append((sign, repeat(sum_of_signed(others))))
                    merged = True
                    continue
            case _ if number := number_of(term):
                numbers.append(sign * number)
                continue
        rest.append((sign, term))
    if not merged or not rest:
        return None
    number = sum(numbers)
    if number:
        rest.append((1 if number > 0 else -1, Const(abs(number), node.type)))
    return sum_of_signed(rest)


def _key(factor: Node, symmetric: Container[Node]) -> Key:
    """Return what equal factors have in common: the chain of a product of matrices, in which symmetric ones stand.

    A product that is a number has its transpose in common as well: xᵀ S y is yᵀ S x.
    """
    if not applies(factor, Contract):
        return factor
    links = upright(chain_of(factor), symmetric)
    if len(links) < 2:
        return factor
    turned = upright(transposed_chain(links), symmetric)
    return frozenset((links, turned)) if is_row(links[0]) and is_column(links[-1]) else links  # a number is its own


@rule("a + b·(1 − a) → b + a·(1 − b)", Add, examples=lambda: [
    Exp()(some_x() + some_y()) + some_y() * (1 - Exp()(some_x() + some_y())),
    (1 - Exp()(some_x())) * some_y() + Exp()(some_x()),
])  # fmt: skip
def _complement_of_shorter(node: Apply) -> Node | None:
    """Write the complement of what is shorter to read."""
    for a, product in both_orders(node):
        match product:
            case Apply(Multiply(), (b, Apply(Subtract(), (Const(1) as one, c)))):
                pass
            case Apply(Multiply(), (Apply(Subtract(), (Const(1) as one, c)), b)):
                pass
            case _:
                continue
        if c is a and reading_cost(b) < reading_cost(a):
            return b + a * (one - b)
    return None


def signed_terms(node: Node) -> Iterator[tuple[int, Node]]:
    """Yield the terms of a sum with their signs, from the left."""
    pending = [(1, node)]
    while pending:
        match pending.pop():
            case sign, Apply(Add(), (x, y)):
                pending += [(sign, y), (sign, x)]
            case sign, Apply(Subtract(), (x, y)):
                pending += [(-sign, y), (sign, x)]
            case sign, Apply(Negate(), (x,)):
                pending.append((-sign, x))
            case term:
                yield term


def sum_of_signed(terms: Sequence[tuple[int, Node]]) -> Node:
    """Return a sum of terms with signs, those with a positive sign first."""
    (sign, result), *others = sorted(terms, key=lambda term: term[0] < 0)
    result = result if sign > 0 else -result
    for sign, term in others:
        result = result + term if sign > 0 else result - term
    return result


def _as_product(sign: int, node: Node, kind: type = Contract) -> _Product | None:
    """Return a term as a product of the `kind` with a coefficient in front, or None."""
    term = Term(sign, ()).times(factors(node))
    products = [factor for factor, exponent in term.powers if exponent == 1 and applies(factor, kind)]
    others = [factor for factor, _ in term.powers if factor not in products]
    if len(products) != 1 or not all(map(_is_one_number, others)):
        return None
    (product,) = products
    return _Product(term.times(Term(1, ((product, -1),))), product)


def _is_one_number(node: Node) -> bool:
    """Whether all elements of `node` are one number."""
    match node:
        case Const():
            return node.is_filled
        case Apply(Broadcast(axes=())):
            return True
    return node.type.ndim == 0


def _joined(one: _Product, other: _Product) -> tuple[int, Node] | None:
    """Return two products with a common factor as one, with its sign; None if they have none."""
    if dict(one.coefficient.powers) != dict(other.coefficient.powers):
        return None
    numbers = one.coefficient.number, other.coefficient.number
    if abs(numbers[0]) != abs(numbers[1]) or one.product is other.product:
        return None
    sign = 1 if max(numbers) > 0 else -1
    plus = tuple(sign if number > 0 else -sign for number in numbers)
    product = _distributed(one.product, other.product, plus) or _along_chains(one.product, other.product, plus)
    if product is None:
        return None
    magnitude = Term(abs(numbers[0]), one.coefficient.powers)
    return sign, product_of(magnitude.times(Term(1, ((product, 1),))), product.type)


def _distributed(one: Apply, other: Apply, signs: Sequence[int]) -> Node | None:
    """Return the sum of two contractions that have all operands but one in common."""
    if len(one.operands) != len(other.operands):
        return None
    for place, factor in enumerate(one.operands):
        for its_place, its_factor in enumerate(other.operands):
            order = _order_of_other(one, place, other, its_place)
            if order is None:
                continue
            if order == tuple(range(len(order))):
                return with_operand(one, place, _sum_in_order(signs, (factor, its_factor)))
            if _is_transposed(one.primitive, place):  # the factor of the other product is upright
                back = tuple(order.index(axis) for axis in range(len(order)))
                return with_operand(other, its_place, _sum_in_order(signs, (Permute(back)(factor), its_factor)))
            return with_operand(one, place, _sum_in_order(signs, (factor, Permute(order)(its_factor))))
    return None


def _sum_in_order(signs: Sequence[int], terms: Sequence[Node]) -> Node:
    """Return ±x ± y, what is not transposed first."""
    pairs = zip(signs, terms, strict=True)
    return sum_of_signed(sorted(pairs, key=lambda pair: applies(pair[1], Permute)))


def _order_of_other(one: Apply, place: int, other: Apply, its_place: int) -> tuple[int, ...] | None:
    """Return the axes of `other`'s factor in the order of those of `one`'s; None if the remaining factors differ."""
    renamed = dict(zip(other.primitive.output, one.primitive.output, strict=True))
    rest, its_rest = list(one.operands), list(other.operands)
    labels, its_labels = list(one.primitive.inputs), list(other.primitive.inputs)
    factor, its_factor = rest.pop(place), its_rest.pop(its_place)
    wanted, found = labels.pop(place), its_labels.pop(its_place)
    if rest != its_rest:
        return None
    for each, its_each in zip(labels, its_labels, strict=True):
        for label, its_label in zip(each, its_each, strict=True):
            if renamed.setdefault(its_label, label) != label:
                return None
    if len(set(renamed.values())) != len(renamed) or not all(label in renamed for label in found):
        return None
    axes = [renamed[label] for label in found]
    if sorted(axes) != sorted(wanted):
        return None
    order = tuple(axes.index(label) for label in wanted)
    return order if tuple(its_factor.type.shape[axis] for axis in order) == factor.type.shape else None


def _is_transposed(contract: Contract, operand: int) -> bool:
    product = contract.product
    return product is not None and product.factor(operand).transposed


def _along_chains(one: Apply, other: Apply, signs: Sequence[int]) -> Node | None:
    """Return A C + B C as (A + B) C for a product C that is computed in one of them already, A B C + A D C likewise."""
    links, its_links = chain_of(one), chain_of(other)
    if len(links) != len(its_links) or len(links) < 3:
        return None
    differing = [place for place, pair in enumerate(zip(links, its_links, strict=True)) if pair[0] != pair[1]]
    if differing and 0 < (first := differing[0]) <= (last := differing[-1]) < len(links) - 1:
        middle = [_as_link(each[first : last + 1]) for each in (links, its_links)]
        total = _sum_of_links(middle, signs)
        return None if total is None else product_of_chain((*links[:first], total, *links[last + 1 :]))
    operands = {*one.operands, *other.operands}
    for part, its_part, at in ((links[1:], its_links[1:], 0), (links[:-1], its_links[:-1], -1)):
        common = product_of_chain(part)
        if part != its_part or common not in operands:
            continue
        total = _sum_of_links((links[at], its_links[at]), signs)
        if total is not None:
            link = (common, common.type.ndim == 1 and is_row(part[0]))
            return product_of_chain((total, link) if at == 0 else (link, total))
    return None


def _as_link(links: Chain) -> Link:
    """Return a part of a chain as one factor."""
    if len(links) == 1:
        return links[0]
    return product_of_chain(links), is_row(links[0]) and not is_column(links[-1])


def _sum_of_links(links: Sequence[Link], signs: Sequence[int]) -> Link | None:
    """Return the sum of two factors that may be transposed; None if their shapes differ."""
    (_, turned), (_, its_turned) = links
    nodes = [node if turned == its_turned else product_of_chain([(node, each)]) for node, each in links]
    if nodes[0].type != nodes[1].type or not nodes[0].type.ndim:
        return None
    return _sum_in_order(signs, nodes), turned and its_turned
