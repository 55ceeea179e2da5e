"""What is known to be symmetric is; what is not symmetric is not said to be; and gradients use it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.calculus import backward, is_symmetric, simplify
from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    Declaration,
    Input,
    Node,
    Program,
    Property,
    parse_shape,
    topological_order,
)
from chainrule.primitives import (
    Broadcast,
    Contract,
    DiagonalMatrix,
    Exp,
    Inverse,
    Permute,
    Reshape,
    evaluate_nodes,
    identity,
    inverse,
    permute,
)

SIZES = {"n": 3, "m": 4, "k": 2}


def array(name: str, shape: str) -> Input:
    return Input(name, ArrayType(parse_shape(shape)))


A, B, S, X, Y = array("A", "n n"), array("B", "n n"), array("S", "n n"), array("X", "m n"), array("Y", "m n")
v, c, T, D = array("v", "n"), array("c", ""), array("T", "k m n"), array("D", "m m")


def t(x: Node) -> Node:
    return permute(x, (*range(x.type.ndim - 2), x.type.ndim - 1, x.type.ndim - 2))


def filled(x: Node, shape: str) -> Node:
    return Broadcast(parse_shape(shape), ())(x)


SYMMETRIC = {
    "XᵀX": t(X) @ X,
    "X Xᵀ": X @ t(X),
    "XᵀX as a contraction": Contract(((0, 1), (0, 2)), (1, 2))(X, X),
    "a stack of XᵀX": Contract(((0, 1, 2), (0, 1, 3)), (0, 2, 3))(T, T),
    "A + Aᵀ": A + t(A),
    "A + S + Aᵀ": (A + S) + t(A),
    "A ⊙ Aᵀ": A * t(A),
    "S": S,
    "Sᵀ": t(S),
    "S⁻¹": inverse(S),
    "(XᵀX)⁻¹": Inverse()(simplify(t(X) @ X)),
    "A S Aᵀ": A @ S @ t(A),
    "A (S Aᵀ)": A @ (S @ t(A)),
    "Xᵀ D X with a diagonal D": t(X) @ (DiagonalMatrix()(array("d", "m")) @ X),
    "S A S Aᵀ S": S @ A @ S @ t(A) @ S,
    "A B + Bᵀ Aᵀ": simplify(A @ B + t(B) @ t(A)),
    "diag(v)": DiagonalMatrix()(v),
    "I": identity(parse_shape("n")[0]),
    "v vᵀ": Contract(((0,), (1,)), (0, 1))(v, v),
    "v as column times row": Reshape(parse_shape("n 1"))(v) @ Reshape(parse_shape("1 n"))(v),
    "e^S": Exp()(S),
    "c S − I": filled(c, "n n") * S - identity(parse_shape("n")[0]),
    "−(A + Aᵀ)": -(A + t(A)),
    "a number repeated": filled(c, "n n"),
    "S − A − Aᵀ": S - A - t(A),
    "S − 2 A − 2 Aᵀ": S - 2 * A - 2 * t(A),
    "S for each of k": Broadcast(parse_shape("k n n"), (1, 2))(S),
}
ASYMMETRIC = {
    "A": A,
    "XᵀY": t(X) @ Y,
    "A A": A @ A,
    "A S": A @ S,
    "A S A": A @ S @ A,
    "A B Aᵀ": A @ B @ t(A),
    "A − Aᵀ": A - t(A),
    "A + Bᵀ": A + t(B),
    "S − A + Aᵀ": S - A + t(A),
    "2 A + 3 Aᵀ": 2 * A + 3 * t(A),
    "A + A + Aᵀ": (A + A) + t(A),
    "A⁻¹": inverse(A),
    "e^A": Exp()(A),
    "v repeated as rows": Broadcast(parse_shape("n n"), (1,))(v),
    "not square": X,
    "A for each of k": Broadcast(parse_shape("k n n"), (1, 2))(A),
    "A as a stack of rows": Broadcast(parse_shape("n n n"), (0, 1))(A),
    "a literal": Const(np.array([[1.0, 2.0], [3.0, 4.0]]), ArrayType((2, 2))),
}


def value_of(node: Node, seed: int = 0) -> np.ndarray[Any, Any]:
    inputs = tuple(part for part in topological_order([node]) if isinstance(part, Input))
    program = Program(inputs, (node,)).bind(SIZES)
    random = np.random.default_rng(seed)
    values = {node: random.standard_normal(node.type.concrete_shape) for node in program.inputs}
    for node in program.inputs:
        if node.name == "S":
            values[node] = values[node] + values[node].T
    return evaluate_nodes(program.outputs, values)[program.outputs[0]]


@pytest.mark.parametrize("name", SYMMETRIC)
def test_what_is_symmetric(name: str) -> None:
    node = SYMMETRIC[name]
    assert is_symmetric(node, {S})
    value = value_of(node)
    np.testing.assert_allclose(value, np.swapaxes(value, -1, -2), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ASYMMETRIC)
def test_what_is_not(name: str) -> None:
    node = ASYMMETRIC[name]
    assert not is_symmetric(node, {S})
    value = value_of(node)
    turned = np.swapaxes(value, -1, -2)
    assert value.shape != turned.shape or not np.allclose(value, turned)


def test_an_input_is_symmetric_only_if_declared() -> None:
    assert not is_symmetric(S)
    assert not is_symmetric(inverse(S))


def quadratic(program: Program, symmetric: tuple[Input, ...] = ()) -> list[Node]:
    program = program.declare([Declaration(node.name, Property.SYMMETRIC) for node in symmetric])
    found = backward(program, [program.input("x")])
    return topological_order([found.accumulations[-1].result])


def has_transpose(nodes: list[Node]) -> bool:
    return any(isinstance(node, Apply) and isinstance(node.primitive, Permute) for node in nodes)


def test_declared_inputs_reach_the_gradient() -> None:
    program = cr.trace(lambda M, x: x @ M @ x, M="n n", x="n")
    assert has_transpose(quadratic(program))
    assert not has_transpose(quadratic(program, (program.input("M"),)))


def test_a_name_of_a_symmetric_value_is_symmetric() -> None:
    def of_covariance(X: Any, x: Any) -> Any:
        S = X.T @ X / 10
        return x @ S @ x

    program = cr.trace(of_covariance, X="m n", x="n")
    assert not has_transpose(quadratic(program))
    derivation = cr.derive(of_covariance, wrt="x", X="m n", x="n")
    assert "∂L/∂x = 2 S x" in derivation.text(detail="brief")
    assert derivation.verify().ok
