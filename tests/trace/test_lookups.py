"""Tables of numbers that are indexed by traced values, several index arrays, and lengths with a name but no number."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import ChainruleError
from chainrule.primitives import evaluate_nodes
from chainrule.trace import trace

TABLE = np.array([[1.0, -2.0], [0.5, 3.0], [4.0, 8.0]])
WEIGHTS = np.array([1.0, 2.0, 5.0])
CONFIG = {"tables": [TABLE, WEIGHTS]}
SHOWN: list[str] = []
Y = np.array([0, 2, 2, 1])
X = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0], [1.0, 1.0]])


def value(function: Callable[..., Any], *arguments: Any) -> Any:
    program = trace(function, *arguments)
    known = evaluate_nodes(program.outputs, dict(zip(program.inputs, map(np.asarray, arguments), strict=True)))
    return known[program.outputs[0]]


def weighted(x: Any) -> Any:
    return x * WEIGHTS[Y]


def _helper(y: Any) -> Any:
    return WEIGHTS[y]


def through_a_helper(x: Any, y: Any) -> Any:
    return x * _helper(y)[:, None]


def of_its_own(x: Any, y: Any) -> Any:
    table = np.arange(6.0).reshape(3, 2)
    return [row * table[y] for row in (x, x + 1)][1]


def annotated(x: np.ndarray[Any, Any], y: Any) -> Any:
    rows: list[int] = [0, 1]
    return x[:, rows[1]] + WEIGHTS[y]


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "rows": lambda x, y: x * TABLE[y],
    "a column": lambda x, y: x[:, 0] * TABLE[y, 1],
    "paired": lambda x, y: TABLE[y, np.array([0, 1, 1, 0])] * x[:, 1],
    "sliced": lambda x, y: TABLE[y, ::-1] + x,
    "behind": lambda x, y: x.T + TABLE[:, [1, 0]].T[:, y],
    "the identity": lambda x, y: np.eye(3)[y] @ TABLE * x,
    "in containers": lambda x, y: x * CONFIG["tables"][1][y][:, None],
    "an attribute": lambda x, y: x * SimpleNamespace(rows=TABLE).rows[y],
    "np.take": lambda x, y: x * np.take(TABLE, y, axis=0) + np.take(WEIGHTS, y)[:, None],
    "integers": lambda x, y: x[np.array([3, 0, 1])[y]],
    "an element": lambda x, y: x * [1.0, 2.0, 5.0][y[0]] + (4.0, 2.0, 1.0)[y[1]],
    "traced elements": lambda x, y: x * [x[0, 0], x[1, 1], x[2, 0]][y[0]],
    "a helper": through_a_helper,
    "its own": of_its_own,
    "annotated": annotated,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_table_is_looked_up(name: str) -> None:
    np.testing.assert_array_equal(value(FUNCTIONS[name], X, Y), FUNCTIONS[name](X, Y))


def test_an_identity_becomes_onehot() -> None:
    derivation = cr.derive(lambda x, y: np.sum(np.eye(3)[y] * x), wrt="x", x="n 3", y="n:int")
    assert derivation.verify().ok
    assert "∂L/∂x = onehot(y)" in derivation.text(detail="brief")


def test_the_function_itself_is_as_before() -> None:
    def helper(y: Any) -> Any:
        return WEIGHTS[y]

    code = helper.__code__
    np.testing.assert_array_equal(value(lambda x, y: x[:, 0] * helper(y), X, Y), X[:, 0] * WEIGHTS[Y])
    assert helper.__code__ is code


def test_a_gradient_passes_the_table() -> None:
    np.testing.assert_array_equal(cr.grad(lambda x, y: np.sum(x * TABLE[y]))(X, Y), TABLE[Y])


def test_a_lookup_in_an_inner_trace() -> None:
    def inner(x: Any, y: Any) -> Any:
        return np.sum(x**2 * TABLE[y])

    def outer(x: Any, y: Any) -> Any:
        return np.sum(cr.grad(inner)(x, y) ** 2)

    np.testing.assert_allclose(cr.grad(outer)(X, Y), 8 * X * TABLE[Y] ** 2)


def test_a_caught_refusal_does_not_send_the_function_another_way() -> None:
    def guarded(x: Any, y: Any) -> Any:
        try:
            return x * TABLE[y]
        except Exception:
            return x

    np.testing.assert_array_equal(value(guarded, X, Y), X * TABLE[Y])


def test_without_its_source_a_lookup_is_refused_with_the_mend() -> None:
    scope: dict[str, Any] = {"np": np, "TABLE": TABLE}
    exec(
        "def hidden(x, y):\n    return x * TABLE[y]\ndef shown(x, y):\n    return x * np.take(TABLE, y, axis=0)", scope
    )
    with pytest.raises(ChainruleError, match=r"source of this code is not known; write np\.take"):
        trace(scope["hidden"], X, Y)
    np.testing.assert_array_equal(value(scope["shown"], X, Y), X * TABLE[Y])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, y: TABLE[x], "must be an integer"),
        (lambda x, y: TABLE[x > 0], "depends on values"),
        (lambda x, y: [1.0, 2.0][y], "takes one integer as index"),
        (lambda x, y: TABLE[y, y, y], "does not fit an array of shape"),
        (lambda x, y: {0: 1.0}[y[0]], "unhashable"),
    ],
)
def test_what_is_no_lookup(function: Callable[..., Any], message: str) -> None:
    with pytest.raises((ChainruleError, TypeError), match=message):
        trace(function, X, Y)


def test_several_index_arrays_print_as_they_are_written() -> None:
    derivation = cr.derive(lambda T, a, b: np.sum(T[:, a, b] ** 2), wrt="T", T="q k m", a="n:int", b="n:int")
    assert derivation.verify().ok
    text = derivation.text(detail="brief")
    assert "Σ T[:,a,b]²" in text
    assert "∂L/∂T = 2 scatter_add₁(T[:,a,b], a, b)" in text


def test_places_of_a_matrix_are_products_with_one_hot_rows() -> None:
    derivation = cr.derive(lambda T, a, b: np.sum(T[a, b] ** 2), wrt="T", T="k m", a="n:int", b="n:int")
    assert derivation.verify().ok
    assert "∂L/∂T = 2 onehot(a)ᵀ diag(T[a,b]) onehot(b)" in derivation.text(detail="brief")


def test_two_numbers_pick_an_entry() -> None:
    derivation = cr.derive(lambda T, i, j: T[i, j] ** 2, wrt="T", T="k m", i=":int", j=":int")
    assert derivation.verify().ok
    assert "∂L/∂T = 2 T[i,j] · onehot(i) onehot(j)ᵀ" in derivation.text(detail="brief")


CONVERTED: dict[str, Callable[..., Any]] = {
    "numbers": lambda x: np.array([x[0, 0] * 2, 1, x[1, 1]]),
    "rows": lambda x: np.array([[x[0, 0], 1.0], [2, x[1, 0]]]) @ np.asarray([x[0], x[1]]),
    "an array": lambda x: np.asarray(x) - np.array(x, ndmin=3) + np.ascontiguousarray(x),
    "a dtype": lambda x: np.array([x[0, 0], 1], dtype=float),
    "full": lambda x: np.full((2, 3), x[0, 0]) * np.full(3, 2.0),
}


@pytest.mark.parametrize("name", CONVERTED)
def test_arrays_are_made_of_traced_values(name: str) -> None:
    found, wanted = value(CONVERTED[name], X), CONVERTED[name](X)
    np.testing.assert_array_equal(found, wanted)
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype


def _mean(values: Any) -> Any:
    return np.sum(values) / len(values)


def _own_length(x: Any) -> Any:
    def mean(len: Any) -> Any:
        return len(x) / x.shape[0]

    return mean(np.sum) * np.max(x) / len(x)


LENGTHS: dict[str, Callable[..., Any]] = {
    "a divisor": lambda x: np.sum(x**2) / len(x),
    "a helper": lambda x: _mean(x[:, 0]) * _mean(x),
    "a lambda": lambda x: (lambda of: np.sum(of) / (2 * len(of)))(x.T),
    "a range": lambda x: np.sum(x[range(len(x)), 1]),
    "a shape": lambda x: np.sum(np.ones(len(x)) @ x) + len([1, 2]) * len(np.eye(3)),
    "of another name": _own_length,
}


@pytest.mark.parametrize("name", LENGTHS)
def test_a_length_may_have_a_name_but_no_number(name: str) -> None:
    program = trace(LENGTHS[name], x="n m").bind({"n": 4, "m": 2})
    found = evaluate_nodes(program.outputs, {program.inputs[0]: X})[program.outputs[0]]
    np.testing.assert_allclose(found, LENGTHS[name](X), rtol=1e-14)


def test_a_length_is_refused_where_python_needs_a_number() -> None:
    with pytest.raises(ChainruleError, match="the size n has a name but no number yet"):
        trace(lambda x: x if list(range(len(x))) else x.T, x="n m")
    with pytest.raises(ChainruleError, match=r"named size n; write \.shape\[0\]"):
        trace(lambda x: x * next(map(len, [x])), x="n m")


@pytest.mark.parametrize(
    "table", [np.eye(3), np.diag([2.0, 1.0, 1.0]), np.eye(3)[[1, 0, 2]], np.eye(3) + np.eye(3, k=1), np.eye(2, 3)]
)
def test_only_an_identity_matrix_is_taken_for_one(table: np.ndarray[Any, Any]) -> None:
    weights = np.arange(1.0, len(table) + 1)
    gradient = cr.grad(lambda x: np.sum(weights * (table @ x)))(np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(gradient, table.T @ weights)
