"""Every recorded NumPy function computes, as a program, the result of NumPy on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import functions as cr
from chainrule.primitives import evaluate_nodes
from chainrule.trace import trace

_draw = np.random.default_rng(7)
X = _draw.normal(size=(4, 3))
W = _draw.normal(size=(3, 5))
V = _draw.normal(size=3)
T = _draw.normal(size=(2, 4, 3))
P = np.abs(X) + 0.1
Y = np.array([0, 2, 1, 1])

Case = tuple[Callable[..., Any], tuple[Any, ...]]

ELEMENTWISE: dict[str, Case] = {
    "operators": (lambda x: +x - (-x) * 2 + 1 / (x**2 + 1) - 3 + abs(x) ** 1.5, (X,)),
    "reflected": (lambda x: 2 - x + 2 * x + 2**x + 2 / (3 + x * x), (X,)),
    "arrays on the left": (lambda x: X * x + np.float64(2) * x - X[0] @ x.T @ x, (X,)),
    "lists": (lambda x: x * [1, 2, 3], (X,)),
    "logarithms": (lambda x: np.log(x) + np.log1p(x) + np.log2(x) + np.log10(x) + np.sqrt(x) + np.power(x, 0.3), (P,)),
    "exponentials": (lambda x: np.exp(x) + np.expm1(x) + np.tanh(x) + np.square(x) + np.reciprocal(x), (X,)),
    "trigonometric": (lambda x: np.sin(x) * np.cos(x) + np.tan(x), (X,)),
    "signs": (lambda x: np.abs(x) + np.fabs(x) + np.sign(x) + np.negative(x) + np.positive(x), (X,)),
    "extrema": (lambda x: np.maximum(0, x) + np.minimum(x, 0.5) + np.logaddexp(x, 0), (X,)),
    "clip": (lambda x: np.clip(x, -0.5, 0.5) + x.clip(0, None) + np.clip(x, None, 1), (X,)),
    "where": (lambda x: np.where((x > 0) & (x <= 1) | ~(x >= -1), x, 2), (X,)),
    "comparisons": (lambda x: (x == x) * 1.0 + (x != x) + (x < 0.1) * x + np.logical_not(x > 0) * x, (X,)),
    "ternary": (lambda x: np.where(np.logical_and(x > 0, np.logical_or(x < 1, x > 2)), x, -x), (X,)),
    "ufunc outer": (lambda x: np.subtract.outer(x[:, 0], x[:, 1]) + np.add.outer(x[:, 0], x[:, 2]), (X,)),
    "masks as numbers": (lambda x: (x > 0).astype(float) * x, (X,)),
}

REDUCTIONS: dict[str, Case] = {
    "sum": (lambda x: np.sum(x, axis=0, keepdims=True) + x.sum(1)[:, None] + np.sum(x), (X,)),
    "mean": (lambda x: np.mean(x, axis=(0, 1)) + x.mean(-1), (X,)),
    "extrema": (lambda x: x.max(1) - x.min(-1) + np.max(x) + np.amax(x, 1) - np.amin(x), (X,)),
    "variance": (lambda x: np.var(x, 0) + x.std(axis=0, ddof=1) + x.var() + np.std(x), (X,)),
    "norm": (lambda x: np.linalg.norm(x) + np.linalg.norm(x, axis=1, keepdims=True), (X,)),
    "other norms": (lambda a: np.linalg.norm(a, 1) + np.linalg.norm(a, np.inf) + np.linalg.norm(a, 2), (V,)),
    "average": (lambda x: np.average(x, axis=0) + np.average(x, axis=0, weights=P), (X,)),
    "ufunc reduce": (lambda x: np.add.reduce(x) + np.maximum.reduce(x, axis=0) + np.logaddexp.reduce(x), (X,)),
    "shape": (lambda x: x * np.shape(x)[0] + np.size(x) + np.ndim(x) + x.size + x.ndim + len(x), (X,)),
    "python sum": (lambda x: sum(row.sum() for row in x), (X,)),
    "softmax": (lambda x: cr.softmax(x, axis=-1), (X,)),
    "cross entropy": (lambda x, y: cr.cross_entropy(x, y) + cr.cross_entropy(x, [0, 1, 2, 0]), (X, Y)),
}

PRODUCTS: dict[str, Case] = {
    "dot": (lambda x, w: np.dot(x, w) @ w.T + np.dot(2.0, x) + x.dot(w).dot(w.T), (X, W)),
    "dot of vectors": (lambda x, a: np.dot(x, a) + np.dot(a, a) + a @ a + x @ a, (X, V)),
    "dot of many axes": (lambda x, t: np.dot(x.T, t), (X, T)),
    "matmul": (lambda t, w: t @ w + np.matmul(t, w), (T, W)),
    "batched": (lambda t: t @ np.swapaxes(t, 1, 2), (T,)),
    "inner and outer": (lambda a: np.outer(a, a) + np.inner(a, a) + np.vdot(a, a), (V,)),
    "tensordot": (lambda t, x: np.tensordot(t, x, ([1, 2], [0, 1])) + np.tensordot(t, x, 2), (T, X)),
    "einsum": (lambda t, w: np.einsum("bij,jk->bik", t, w), (T, W)),
    "einsum of one": (lambda t: np.einsum("...ij->...ji", t) + np.einsum("bij->bj", t)[:, :, None], (T,)),
    "einsum of a diagonal": (lambda x: np.einsum("ii->i", x[:3]) * np.einsum("ii", x[:3]), (X,)),
    "einsum of two diagonals": (lambda x, w: np.einsum("jj,jk->k", x[:3], w), (X, W)),
    "einsum without a sum": (
        lambda x, v: np.einsum("ij,j->ji", x, v) * np.einsum("i,i,ij->ij", v, v, x[:3]).sum(),
        (X, V),
    ),
    "einsum of what one operand sums": (lambda x, w: np.einsum("ij,jk->i", x, w), (X, W)),
    "einsum implicit": (lambda x, w: np.einsum("ij,jk", x, w), (X, W)),
    "einsum ellipsis": (lambda x, t: np.einsum("ij,...ij", x, t), (X, T)),
    "einsum of three": (lambda x, w, a: np.einsum("ij,jk,j->ik", x, w, a), (X, W, V)),
}

ARRANGEMENT: dict[str, Case] = {
    "transposes": (lambda t: t.transpose(1, 0, 2) + np.transpose(t, (1, 0, 2)) + np.swapaxes(t, 0, 1), (T,)),
    "T": (lambda x: x.T + np.transpose(x) + x.transpose() + x.swapaxes(0, 1), (X,)),
    "moveaxis": (lambda t: np.moveaxis(t, 0, -1), (T,)),
    "moveaxis of two": (lambda t: np.moveaxis(t, [0, 1], [2, 0]), (T,)),
    "reshape": (lambda t: t.reshape(3, -1) + np.reshape(t, (3, 8)) + t.reshape((-1, 8)), (T,)),
    "flat": (lambda t: t.ravel() + t.flatten() + np.ravel(t) + t.reshape(-1), (T,)),
    "expand and squeeze": (lambda x: np.expand_dims(x, (0, 2)).squeeze() + np.squeeze(x[None], axis=0), (X,)),
    "broadcast_to": (lambda x: np.broadcast_to(x, (2, 4, 3)), (X,)),
    "concatenate": (lambda x: np.concatenate([x, x * 2, X], axis=1), (X,)),
    "concatenate flat": (lambda x: np.concatenate([x, x[0]], axis=None), (X,)),
    "stack": (lambda x: np.stack([x, 2 * x], axis=-1), (X,)),
    "vstack": (lambda x: np.vstack([x[0], x]), (X,)),
    "hstack": (lambda x: np.hstack((x, x)) + np.concatenate([np.hstack([x[0], x[1]])[None]]), (X,)),
    "column_stack": (lambda x: np.column_stack([x, x[:, 0]]), (X,)),
    "split": (lambda x: [*np.split(x, 2), *np.split(x, [1, 3], axis=0)], (X,)),
    "pad": (lambda x: np.pad(x, ((1, 0), (0, 2)), mode="constant", constant_values=2.0), (X,)),
    "flip": (lambda x: np.flip(x, 0) + np.flip(x), (X,)),
    "like": (lambda x: np.zeros_like(x) + np.ones_like(x) * np.full_like(x, 3) + np.copy(x) + x.copy(), (X,)),
    "take": (lambda x: np.take(x, [1, 0], axis=1) + np.take(x, [0]) + x.take(2), (X,)),
    "take_along_axis": (lambda x, y: np.take_along_axis(x, y[:, None], axis=1)[:, 0], (X, Y)),
}

INDEXING: dict[str, Case] = {
    "integers": (lambda x: x[0] + x[-1] + x[1, 2] + x[np.int64(2)], (X,)),
    "slices": (lambda x: x[1:3, ::2] + x[-2:, :2], (X,)),
    "reversed": (lambda x: x[:, ::-1], (X,)),
    "none and ellipsis": (lambda x: x[1:3, None, ..., 0], (X,)),
    "gather": (lambda x, y: x[y], (X, Y)),
    "columns": (lambda x: x[:, [0, 2]], (X,)),
    "one element of each row": (lambda x, y: x[np.arange(4), y], (X, Y)),
    "rows and columns": (lambda x, y: x[y, np.array([0, 1, 2, 0])], (X, Y)),
    "literal rows and columns": (lambda x: x[np.array([2, 0]), np.array([1, 1])], (X,)),
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=f"{name}: {title}")
        for name, table in [
            ("elementwise", ELEMENTWISE),
            ("reductions", REDUCTIONS),
            ("products", PRODUCTS),
            ("arrangement", ARRANGEMENT),
            ("indexing", INDEXING),
        ]
        for title, case in table.items()
    ],
)
def test_the_program_gives_what_numpy_gives(case: Case) -> None:
    function, arrays = case
    program = trace(function, *arrays)
    values = evaluate_nodes(program.outputs, dict(zip(program.inputs, arrays, strict=True)))
    expected = function(*arrays)
    expected = expected if isinstance(expected, list) else [expected]
    assert len(expected) == len(program.outputs)
    for output, wanted in zip(program.outputs, expected, strict=True):
        assert output.type.concrete_shape == np.shape(wanted)
        np.testing.assert_allclose(values[output], wanted, rtol=1e-13, atol=1e-14)


def test_named_sizes_are_numbers_in_arithmetic_and_dims_in_shapes() -> None:
    def function(x: Any) -> Any:
        n, d = x.shape
        assert n == x.shape[0]
        assert n != d
        spread = x.reshape(n * d).reshape(d, n).T.reshape((n, -1))
        return spread * (1 / n) + x / (2 * n) + (n - 1) * x + n**2 + np.sqrt(n) + (n * d // d - 0.5)

    program = trace(function, x="n d")
    bound = program.bind({"n": 4, "d": 3})
    values = evaluate_nodes(bound.outputs, {bound.inputs[0]: X})
    n = 4
    wanted = X.reshape(12).reshape(3, 4).T.reshape(4, 3) / n + X / (2 * n) + (n - 1) * X + n**2 + np.sqrt(n) + n - 0.5
    np.testing.assert_allclose(values[bound.outputs[0]], wanted, rtol=1e-14)


def test_python_numbers_and_sizes_take_on_the_dtype_of_arrays() -> None:
    def function(x: Any) -> Any:
        return np.sum(x * 0.5 * np.sqrt(2.0)) * (1 / x.shape[0])

    assert trace(function, x="n:float32").outputs[0].type.dtype.value == "float32"
    assert trace(function, x=np.ones(3, np.float32)).outputs[0].type.dtype.value == "float32"
    assert trace(lambda x: x * np.ones(3), x="3:float32").outputs[0].type.dtype.value == "float64"


def test_a_dot_product_is_a_matrix_product() -> None:
    products = trace(lambda x, w: (np.dot(x, w), x @ w, np.matmul(x, w)), x="n d", w="d h").outputs
    assert len(set(products)) == 1


def test_the_order_of_array_and_traced_value_does_not_matter() -> None:
    program = trace(lambda x: (np.ones((4, 3)) * x, x * np.ones((4, 3))), x=(4, 3))
    left, right = (evaluate_nodes([o], {program.inputs[0]: X})[o] for o in program.outputs)
    np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_an_average_takes_one_weight_for_each_place_along_an_axis(axis: int) -> None:
    """On a square matrix the weights of axis 0 would fit the wrong axis as well."""
    random = np.random.default_rng(0)
    x, weights = random.standard_normal((3, 3)), random.random(3)

    def average(x: Any, weights: Any) -> Any:
        return np.average(x, axis=axis, weights=weights)

    program = trace(average, x=x, weights=weights)
    known = evaluate_nodes(program.outputs, dict(zip(program.inputs, (x, weights), strict=True)))
    np.testing.assert_allclose(known[program.outputs[0]], average(x, weights), rtol=1e-14)
