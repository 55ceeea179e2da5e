"""The matrix of a linear map, and its coefficients, are compared with the map at each unit vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.calculus import NoClosedFormError, jacobian_matrix, jacobian_tensor, simplify
from chainrule.calculus.networks import linear_terms
from chainrule.ir import ArrayType, Const, DType, Input, Node, Program, named_dim, parse_shape, topological_order
from chainrule.primitives import (
    Broadcast,
    Contract,
    CumulativeSum,
    Diagonal,
    DiagonalMatrix,
    DivideNoNan,
    Exp,
    Gather,
    Max,
    Mean,
    Negate,
    Pad,
    Permute,
    Reshape,
    ScatterAdd,
    Slice,
    Sum,
    Trace,
    Where,
    evaluate_nodes,
    greater,
    identity,
    matmul,
)

Array = np.ndarray[Any, Any]
SIZES = {"n": 3, "m": 4, "k": 2}


def array(name: str, shape: str) -> Input:
    return Input(name, ArrayType(parse_shape(shape)))


def integers(shape: str) -> Const:
    places = np.array([2, 0, 0, 1])[: {"4": 4}[shape]]
    return Const(places, ArrayType((4,), DType.INT64))


A, B, C = array("A", "n m"), array("B", "m k"), array("C", "n n")
a, b, s = array("a", "n"), array("b", "m"), array("s", "")
dx, dy, DX, ds = array("d x", "n"), array("d y", "m"), array("d X", "n m"), array("d s", "")
N = named_dim("n")
longer = Input("d z", ArrayType((N + 1,)))
DV, DC = array("d V", "3 2"), array("d C", "n n")


def rows(vector: Node, shape: str = "n m") -> Node:
    return Broadcast(parse_shape(shape), (1,))(vector)


def columns(vector: Node, shape: str = "n m") -> Node:
    return Broadcast(parse_shape(shape), (0,))(vector)


def outer(u: Node, v: Node) -> Node:
    return Contract(((0,), (1,)), (0, 1))(u, v)


def transposed(x: Node) -> Node:
    return Permute((1, 0))(x)


# A linear map, its tangent, and whether it has a matrix as well as coefficients.
MAPS: dict[str, tuple[Node, Input, bool]] = {
    "x": (dx, dx, True),
    "A y": (A @ dy, dy, True),
    "Aᵀ x": (transposed(A) @ dx, dx, True),
    "a ⊙ x": (a * dx, dx, True),
    "−3 a ⊙ x": (-3 * a * dx, dx, True),
    "x / a": (dx / Exp()(a), dx, True),
    "x / ‖·‖": (DivideNoNan()(dx, Broadcast(parse_shape("n"), ())(Exp()(s))), dx, True),
    "a aᵀ x": (outer(a, a) @ dx, dx, True),
    "(aᵀ x) a": ((a @ dx) * a, dx, True),
    "sum": (Sum((0,))(dx), dx, True),
    "mean": (Mean((0,))(dx) * a, dx, True),
    "Aᵀ diag(a) A y": (transposed(A) @ (a * (A @ dy)), dy, True),
    "A diag(b) Aᵀ x with a": (a * (A @ (b * (transposed(A) @ (a * dx)))), dx, True),
    "softmax": (a * (dx - Broadcast(parse_shape("n"), ())(Sum((0,))(a * dx))), dx, True),
    "constant terms are left out": (dx + a * dx - 2 * (C @ dx) + dx, dx, True),
    "Hadamard A ⊙ A": (Sum((1,))(A * columns(dx) * A), dx, True),
    "a sum over rows": (Sum((0,))(columns(dx) * A), dx, True),
    "rows": (rows(dy), dy, True),
    "columns": (columns(dx) * A, dx, False),
    "number": (ds * A, ds, True),
    "number to number": (ds * s + 2 * ds, ds, True),
    "number to vector": (Broadcast(parse_shape("n"), ())(ds) * a, ds, True),
    "a repeated number summed": (Sum((0,))(Broadcast(parse_shape("n"), ())(ds)) * a, ds, True),
    "a repeated vector summed": (Sum((0,))(rows(dy)) * b, dy, True),
    "a repeated vector averaged": (Mean((0,))(rows(dy)), dy, True),
    "a repeated number in a product": (A @ Broadcast(parse_shape("m"), ())(ds), ds, True),
    "a repeated number in a product that sums it alone": (
        Contract(((0, 1), (0,)), (0,))(Broadcast(parse_shape("n m"), ())(ds), a),
        ds,
        True,
    ),
    "a repeated vector traced": (Trace()(Broadcast(parse_shape("m n n"), (0,))(dy)), dy, True),
    "vector to number": (a @ dx, dx, True),
    "matrix to number": (Sum((0, 1))(A * DX), DX, True),
    "A X": (transposed(A) @ DX, DX, True),
    "X B": (DX @ B, DX, True),
    "C X B": (C @ DX @ B, DX, True),
    "Bᵀ Xᵀ C": (transposed(B) @ transposed(DX) @ C, DX, True),
    "Xᵀ": (transposed(DX), DX, True),
    "X": (DX, DX, True),
    "A ⊙ X": (A * DX, DX, True),
    "(A ⊙ X)ᵀ": (transposed(A * DX), DX, True),
    "rows scaled": (columns(a) * DX, DX, True),
    "rows and columns scaled": (columns(a) * DX * rows(b), DX, True),
    "X b": (DX @ b, DX, True),
    "Xᵀ a": (transposed(DX) @ a, DX, True),
    "column sums": (Sum((0,))(DX), DX, True),
    "row sums": (Sum((1,))(DX) * a, DX, True),
    "trace": (Trace()(C @ DC) * a, DC, True),
    "the trace alone": (Trace()(DC) * C, DC, True),
    "diagonal": (Diagonal()(DC), DC, False),
    "diagonal matrix": (DiagonalMatrix()(dx), dx, False),
    "diag(x) A": (DiagonalMatrix()(dx) @ A, dx, False),
    "(aᵀ X b) A": ((a @ DX @ b) * A, DX, True),
    "sum of Kronecker products": (C @ DX + DX @ B @ transposed(B) + 2 * DX, DX, True),
    "I in the middle": (C @ (identity(named_dim("n")) @ dx), dx, True),
    "a choice": (Where()(greater(a, 0), dx, 2 * dx), dx, True),
    "a slice": (Slice((1,), (2,), (1,))(array("d z", "4")), array("d z", "4"), True),
    "differences": (Slice((1,), (N,), (1,))(longer) - Slice((0,), (N,), (1,))(longer), longer, True),
    "padding": (Pad((1,), (2,), (0,))(dx), dx, True),
    "cumulative sum": (CumulativeSum(0)(dx), dx, True),
    "reversed cumulative sum of rows": (CumulativeSum(1, reverse=True)(DX), DX, True),
    "selected rows": (Gather(0)(DV, integers("4")), DV, True),
    "selected entries": (Gather(0)(array("d v", "3"), integers("4")), array("d v", "3"), True),
    "scattered": (ScatterAdd(0, 3)(array("d z", "4"), integers("4")), array("d z", "4"), True),
    "an axis of size 1": (Reshape(parse_shape("n 1"))(dx), dx, True),
    "an axis of size 1 less": (Reshape(parse_shape("n"))(array("d z", "n 1")) * a, array("d z", "n 1"), True),
    "softmax of rows": (
        A * (DX - columns(Sum((1,))(A * DX))),
        DX,
        False,
    ),
    "einsum": (Contract(((0, 1, 2), (2,)), (0, 1))(array("T", "n m k"), array("d z", "k")), array("d z", "k"), False),
}


def value(nodes: list[Node], values: dict[Node, Array]) -> list[Array]:
    inputs = tuple(dict.fromkeys(node for node in topological_order(nodes) if isinstance(node, Input)))
    program = Program(inputs, tuple(nodes)).bind(SIZES)
    given = {bound: values[node] for node, bound in zip(inputs, program.inputs, strict=True)}
    found = evaluate_nodes(program.outputs, given)
    return [np.asarray(found[node]) for node in program.outputs]


def numeric(linear_map: Node, tangent: Input, nodes: list[Node]) -> tuple[Array, list[Array]]:
    """The coefficients by unit vectors, with the axes of the tangent last, and the values of `nodes`."""
    random = np.random.default_rng(0)
    every = [node for node in topological_order([linear_map, tangent, *nodes]) if isinstance(node, Input)]
    program = Program(tuple(every), (tangent,)).bind(SIZES)
    shapes = [node.type.concrete_shape for node in program.inputs]
    values: dict[Node, Array] = {node: random.standard_normal(shape) for node, shape in zip(every, shapes, strict=True)}
    shape = values[tangent].shape
    columns = []
    for place in np.ndindex(*shape):
        unit = np.zeros(shape)
        unit[place] = 1
        columns.append(value([linear_map], {**values, tangent: unit})[0])
    return np.stack(columns, -1).reshape((*columns[0].shape, *shape)), value(nodes, values)


@pytest.mark.parametrize("name", MAPS)
def test_the_coefficients_are_those_of_the_map(name: str) -> None:
    linear_map, tangent, has_matrix = MAPS[name]
    tensor = jacobian_tensor(linear_map, tangent)
    matrix = [jacobian_matrix(linear_map, tangent)] if has_matrix else []
    assert tensor.type.shape == (*linear_map.type.shape, *tangent.type.shape)
    expected, (found, *others) = numeric(linear_map, tangent, [tensor, *matrix])
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    ndim = linear_map.type.ndim
    size = int(np.prod(expected.shape[:ndim]))
    stacked = np.moveaxis(expected, range(ndim), range(ndim)[::-1])  # vec stacks columns
    stacked = np.moveaxis(stacked, range(ndim, expected.ndim), range(ndim, expected.ndim)[::-1])
    flat = [size] * (ndim > 0) + [expected.size // size] * (expected.ndim > ndim)
    for other in others if tangent.type.ndim else []:  # the derivative by a number has the shape of the result
        np.testing.assert_allclose(other, stacked.reshape(flat), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", [name for name, (_, _, has_matrix) in MAPS.items() if not has_matrix])
def test_what_has_no_matrix_says_so(name: str) -> None:
    linear_map, tangent, _ = MAPS[name]
    with pytest.raises(NoClosedFormError):
        jacobian_matrix(linear_map, tangent)


@pytest.mark.parametrize("name", MAPS)
def test_a_term_without_its_number_would_be_noticed(name: str) -> None:
    linear_map, tangent, _ = MAPS[name]
    expected, (found,) = numeric(linear_map, tangent, [jacobian_tensor(Negate()(linear_map) + 3 * linear_map, tangent)])
    assert not np.allclose(found, expected)
    np.testing.assert_allclose(found, 2 * expected, rtol=1e-12, atol=1e-12)


CLOSED: dict[str, tuple[Node, Input, Callable[[], Node]]] = {
    "XᵀX": (transposed(A) @ (A @ dy), dy, lambda: transposed(A) @ A),
    "diag": (a * dx, dx, lambda: DiagonalMatrix()(a)),
    "λ I": (Broadcast(parse_shape("n"), ())(s) * dx, dx, lambda: s * identity(named_dim("n"))),
    "a aᵀ": ((a @ dx) * a, dx, lambda: outer(a, a)),
}


@pytest.mark.parametrize("name", CLOSED)
def test_the_form_is_that_of_textbooks(name: str) -> None:
    linear_map, tangent, expected = CLOSED[name]
    assert jacobian_matrix(linear_map, tangent) is simplify(expected())


def test_what_is_no_product_is_refused() -> None:
    with pytest.raises(NoClosedFormError, match="Max is not written as a product"):
        linear_terms(Max((0,))(dx), dx)
    with pytest.raises(NoClosedFormError, match="two tangents"):
        linear_terms(matmul(dx, dx), dx)
