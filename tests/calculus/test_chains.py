"""Products as chains of factors: a chain has the value of its product, whatever the brackets were."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from chainrule.calculus.chains import chain_of, number_within, product_of_chain, transposed_chain
from chainrule.calculus.reading import reading_cost
from chainrule.ir import Apply, ArrayType, Input, Node, Program, parse_shape, topological_order
from chainrule.primitives import Add, Contract, Inverse, Square, evaluate_nodes, permute

SIZES = {"n": 3, "m": 4, "k": 2}


def array(name: str, shape: str) -> Input:
    return Input(name, ArrayType(parse_shape(shape)))


A, B, C = array("A", "n m"), array("B", "m k"), array("C", "k n")
S, u, v, w = array("S", "n n"), array("u", "n"), array("v", "m"), array("w", "n")


def outer(x: Node, y: Node) -> Node:
    return Contract(((0,), (1,)), (0, 1))(x, y)


PRODUCTS = {
    "(A B) C": (A @ B) @ C,
    "A (B C)": A @ (B @ C),
    "(A B)ᵀ": permute(A @ B, (1, 0)),
    "(A B)ᵀ S": permute(A @ B, (1, 0)) @ S,
    "A v": A @ v,
    "Aᵀ u": permute(A, (1, 0)) @ u,
    "u A": u @ A,
    "u vᵀ": outer(u, v),
    "v uᵀ S": outer(v, u) @ S,
    "S (u vᵀ)": S @ outer(u, v),
    "(S u) (Aᵀ w)ᵀ": outer(S @ u, permute(A, (1, 0)) @ w),
    "uᵀ A v": u @ (A @ v),
    "uᵀ S w": (u @ S) @ w,
    "labels in another order": Contract(((1, 2), (0, 1)), (0, 2))(B, A),
}


def value_of(node: Node) -> np.ndarray[Any, Any]:
    inputs = tuple(part for part in topological_order([node]) if isinstance(part, Input))
    program = Program(inputs, (node,)).bind(SIZES)
    values = {
        node: np.random.default_rng(ord(node.name)).standard_normal(node.type.concrete_shape) for node in program.inputs
    }
    return evaluate_nodes(program.outputs, values)[program.outputs[0]]


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_chain_has_the_value_of_its_product(name: str) -> None:
    node = PRODUCTS[name]
    links = chain_of(node)
    assert len(links) > 1
    assert all(not isinstance(factor, Apply) for factor, _ in links)
    again = product_of_chain(links)
    assert again.type == node.type
    np.testing.assert_allclose(value_of(again), value_of(node), rtol=1e-12)


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_transposed_chain_has_the_transposed_value(name: str) -> None:
    node = PRODUCTS[name]
    again = product_of_chain(transposed_chain(chain_of(node)))
    np.testing.assert_allclose(value_of(again), value_of(node).T, rtol=1e-12)
    assert chain_of(permute(node, (1, 0)) if node.type.ndim == 2 else node, turned=node.type.ndim != 2) == (
        transposed_chain(chain_of(node))
    )


def test_a_stack_of_products_is_not_a_chain() -> None:
    stack = Contract(((0, 1, 2), (0, 2, 3)), (0, 1, 3))(array("T", "k n m"), array("U", "k m n"))
    assert chain_of(stack) == ((stack, False),)


def test_products_with_vectors_come_first() -> None:
    for links in (chain_of((S @ S) @ u), chain_of(S @ outer(u, v)), chain_of(outer(u, w) @ A)):
        ranks = [node.type.ndim for node in topological_order([product_of_chain(links)]) if isinstance(node, Apply)]
        assert ranks[:-1] == [1] * (len(ranks) - 1)


def test_a_number_within_a_product() -> None:
    assert number_within(chain_of(outer(v, u) @ outer(w, v))) == (1, 3)
    assert number_within(chain_of(u @ (A @ v))) is None
    assert number_within(chain_of(outer(u, v) @ B)) is None
    assert number_within(((u, True), (S, False), (w, False), (v, True))) == (0, 3)


def test_what_a_reader_reads() -> None:
    def t(x: Node) -> Node:
        return permute(x, (1, 0))

    lengths = {
        "A B C": reading_cost((A @ B) @ C),
        "A B (C + D)": reading_cost((A @ B) @ (C + array("D", "k n"))),
        "Bᵀ Aᵀ": reading_cost(t(A @ B)),
        "S (S + S)ᵀ": reading_cost(S @ t(S + S)),
        "u vᵀ": reading_cost(outer(u, v)),
        "u vᵀ again": reading_cost(t(outer(v, u))),
        "S⁻ᵀ": reading_cost(t(Inverse()(S))),
        "(S²)ᵀ": reading_cost(t(Square()(S))),
        "2 u": reading_cost(2 * u),
    }
    assert lengths == {
        "A B C": 3,
        "A B (C + D)": 6,
        "Bᵀ Aᵀ": 4,
        "S (S + S)ᵀ": 6,
        "u vᵀ": 3,
        "u vᵀ again": 3,
        "S⁻ᵀ": 2,
        "(S²)ᵀ": 3,
        "2 u": 2,
    }


def test_a_shared_part_counts_as_often_as_it_is_printed() -> None:
    x: Node = S
    for _ in range(200):
        x = Add()(x, x)
    assert reading_cost(x) > 2**200
    assert all(reading_cost(a) <= reading_cost(b) for a, b in itertools.pairwise([S, S @ S, S @ S @ S]))
