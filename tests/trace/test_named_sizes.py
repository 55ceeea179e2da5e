"""Arrays and indices made from sizes that have a name: `np.eye(X.shape[0])`, `p[range(n), y]`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.primitives import evaluate_nodes

_random = np.random.default_rng(3)
X = _random.normal(size=(4, 3))
S = _random.normal(size=(4, 4))
Y = np.array([2, 0, 1, 2])
CONSTRUCTORS = {
    "eye": "np.eye(S.shape[0]) @ S",
    "eye above": "np.eye(S.shape[0], k=1) @ S",
    "eye below": "np.eye(n, k=-2) @ S",
    "eye of the same size twice": "np.eye(n, n) @ S",
    "eye of numbers": "np.eye(2, 3)[0, 0] * S",
    "identity": "S * np.identity(n)",
    "ones": "X.T @ np.ones(n)",
    "ones of a shape": "np.ones((n, 2)).T @ X",
    "zeros": "np.zeros(X.shape) + X",
    "full": "np.full(n, 2.5) @ X",
    "full of a value": "np.full((n, m), X[0, 0]) * X",
    "arange": "np.arange(n) @ X",
    "arange from 1": "np.arange(1, n + 1) * S",
    "arange from a size": "np.arange(n, 2 * n) * S",
    "arange in steps": "np.arange(1, 2 * n + 1, 2) * S",
    "arange of floats": "np.arange(n, dtype=float) * S",
    "causal mask": "np.where(np.arange(n)[:, None] >= np.arange(n), S, 0.0)",
}
INDICES = {
    "arange": "X[np.arange(n), y]",
    "range": "X[range(n), y]",
    "range from 0": "X[range(0, n), y]",
    "range from 1": "X[range(1, n), y[1:]]",
    "range of numbers": "X[range(2), [1, 2]]",
    "range alone": "X[range(n)]",
    "range in a call": "np.log(np.abs(X[range(X.shape[0]), y])).sum()",
    "columns": "X.T[y, range(n)]",
    "both by labels": "S[y[:-1], y[1:]]",
    "two numbers": "S[y[0], y[1]]",
    "a number and labels": "S[0, y]",
    "labels and a number": "S[y, 1]",
    "a label and labels": "S[y[1], y]",
    "a slice and labels": "S[1:, y]",
}
CASES = [
    pytest.param(expression, id=f"{kind}: {name}")
    for kind, table in (("made", CONSTRUCTORS), ("index", INDICES))
    for name, expression in table.items()
]


def function_of(expression: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {"np": np}
    exec(f"def f(X, S, y):\n    n, m = X.shape\n    return {expression}\n", scope)
    return scope["f"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("expression", CASES)
def test_sizes_with_a_name_make_what_numbers_make(expression: str) -> None:
    function = function_of(expression)
    program = cr.trace(function, X="n m", S="n n", y="n:int").bind({"n": 4, "m": 3})
    values = {node: {"X": X, "S": S, "y": Y}[node.name] for node in program.inputs}
    found = evaluate_nodes(program.outputs, values)[program.outputs[0]]
    np.testing.assert_allclose(found, function(X, S, Y), rtol=1e-12)


NOT_INDICES = [
    "X[range(n)[-1]]",
    "X[len(range(n))]",
    "X[range(n).stop - 1]",
    "X[list(range(n)), y]",
    "X[(range(n), y)[0]]",
    "X[max(range(n))]",
    "X[range(n) and y]",
    "sum(X[i, 0] for i in range(n))",
]


@pytest.mark.parametrize("expression", NOT_INDICES)
def test_a_range_that_is_more_than_an_index_is_refused(expression: str) -> None:
    with pytest.raises(cr.TraceError, match="the size n has a name but no number yet"):
        cr.trace(function_of(expression), X="n m", S="n n", y="n:int")


def test_constructors_of_numpy_stand_in_their_places_afterwards() -> None:
    before = [getattr(np, name) for name in ("arange", "eye", "full", "identity", "ones", "zeros")]
    inside: list[Any] = []

    def inner(X: Any) -> Any:
        inside.append(np.eye)
        return X @ np.eye(X.shape[1])

    def outer(X: Any) -> Any:
        cr.trace(inner, X="n m")
        np.eye(X.shape[1])
        return inner(X)

    cr.trace(outer, X="n m")
    with pytest.raises(cr.TraceError):
        cr.trace(lambda X: np.eye(X.shape[0], X.shape[1]), X="n m")
    assert inside[0] is not before[1]
    assert [getattr(np, name) for name in ("arange", "eye", "full", "identity", "ones", "zeros")] == before


def test_another_thread_makes_arrays_meanwhile() -> None:
    made: list[Any] = []

    def function(X: Any) -> Any:
        thread = threading.Thread(target=lambda: made.append(np.eye(2) + np.arange(2.0)))
        thread.start()
        thread.join()
        return X @ np.eye(X.shape[1])

    cr.trace(function, X="n m")
    np.testing.assert_array_equal(made[0], [[1, 1], [0, 2]])


def test_the_gradient_of_two_labels_is_a_product_of_one_hot_vectors() -> None:
    derivation = cr.derive(lambda T, i, j: T[i, j], T="k k", i=":int", j=":int")
    assert "L = T[i,j]" in derivation.text()
    assert "∂L/∂T = onehot(i) onehot(j)ᵀ" in derivation.text()
    assert derivation.verify().ok
