"""Arithmetic of integers and booleans: NumPy's values and dtypes, in every engine and target."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.emitted import assert_close, case, run_c, run_numpy

import chainrule as cr
from chainrule.deriving import derive
from chainrule.engines import get_engine
from chainrule.primitives import INTEGER_RULES, IntegerArithmetic, evaluate_nodes
from chainrule.trace import trace

COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
LEAST = np.iinfo(np.int64).min
K = np.array([-7, -1, 0, 1, 2, 5, 9])
J = np.array([3, -2, 4, 1, -5, 2, 7])
M = np.array([True, False, True, True, False, False, True])

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "numbers": lambda k, j, m: (k - 1) * 2 + 3 - k,
    "arrays": lambda k, j, m: k * j - (k + j),
    "negative": lambda k, j, m: -k + abs(j),
    "quotients": lambda k, j, m: k // j + k % 3 + 7 // j,
    "powers": lambda k, j, m: k**2 + j**3 + k**0 + k**1 + np.square(j),
    "extrema": lambda k, j, m: np.maximum(k, j) - np.minimum(k, 2) + np.clip(k, 0, 4) + k.clip(None, 3),
    "signs": lambda k, j, m: np.sign(k) + np.abs(j) + np.floor(k),
    "masks and integers": lambda k, j, m: m * k + (k > 0) * 2 + m + 1,
    "sum of masks": lambda k, j, m: m + (k > 0),
    "product of masks": lambda k, j, m: m * (k > 0) * (j < 3),
    "extrema of masks": lambda k, j, m: np.maximum(m, k > 0) & ~np.minimum(m, j > 0),
    "bits": lambda k, j, m: (k & 6) ^ (j | 1),
    "a size": lambda k, j, m: k + k.shape[0] - len(j),
    "comparison": lambda k, j, m: (k - 1 < j) | (k * 2 == j + 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("engine", ["reference", "native"])
def test_values_and_dtypes_are_numpys(name: str, engine: str) -> None:
    program = trace(FUNCTIONS[name], k=K, j=J, m=M)
    (found,) = get_engine(engine).compile(program)({"k": K, "j": J, "m": M})
    expected = FUNCTIONS[name](K, J, M)
    assert program.outputs[0].type.dtype.numpy == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("operation", INTEGER_RULES)
@pytest.mark.parametrize("engine", ["reference", "native"])
def test_the_edges_are_numpys(operation: str, engine: str) -> None:
    numbers = np.array([0, 1, -1, 2, -3, LEAST, LEAST + 1, np.iinfo(np.int64).max, 2**53 + 1])
    x, y = (part.ravel() for part in np.meshgrid(numbers, numbers))
    names = {"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}
    ufunc = getattr(np, names.get(operation, operation))
    program = trace(lambda x, y: ufunc(x, y), x=x, y=y)
    (found,) = get_engine(engine).compile(program)({"x": x, "y": y})
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found, ufunc(x, y))


INDEXED: dict[str, Callable[..., Any]] = {
    "before": lambda x, k: x[k - 1],
    "after": lambda x, k: np.sum(x[(k + 1) % 7] ** 2),
    "from the end": lambda x, k: x[-k] * x[6 - k],
    "clipped": lambda x, k: x[np.clip(k, 1, 4)] * (k * 2),
    "halved": lambda x, k: x[k // 2] * k**2,
    "one of two": lambda x, k: x * np.where(k > 2, k, 1 - k),
}
X = np.array([0.5, -1.0, 2.0, 0.25, 1.5, -0.75, 1.0])
PLACES = np.array([0, 1, 2, 3, 4, 5, 6])


def loss_of(name: str) -> Callable[..., Any]:
    def loss(x: Any, k: Any) -> Any:
        y = INDEXED[name](x, k)
        return np.sum(y * y)

    return loss


@pytest.mark.parametrize("name", INDEXED)
def test_derivations_hold_and_print(name: str) -> None:
    derivation = cr.derive(loss_of(name), ["x"], x="7", k="7:int")
    assert derivation.verify().holds
    for language in ("en", "zh"):
        for form in ("matrix", "path", "index"):
            assert derivation.text(form=form, lang=language)
    cr.check_grads(lambda x: loss_of(name)(x, PLACES), (X,))
    np.testing.assert_allclose(loss_of(name)(X, PLACES), evaluated(loss_of(name)), rtol=1e-14)


def test_points_are_drawn_at_which_a_computed_index_exists() -> None:
    assert cr.derive(lambda x, k: np.sum(x[k + 5] ** 2), ["x"], x="7", k="9:int").verify().holds


def evaluated(loss: Callable[..., Any]) -> Any:
    program = trace(loss, x=X, k=PLACES)
    return evaluate_nodes(program.outputs, dict(zip(program.inputs, (X, PLACES), strict=True)))[program.outputs[0]]


@pytest.mark.parametrize("name", INDEXED)
def test_sources_compute_the_same(name: str, tmp_path: Path) -> None:
    given = case(derive(loss_of(name), ["x"], x="7", k="7:int"))
    outputs, gradients = run_numpy(given.derivation.source("numpy"), given)
    assert_close(outputs[0], given.outputs[0], "the value", 1e-10)
    assert_close(gradients["x"], given.gradients["x"], "the gradient", 1e-10)
    source = given.derivation.source("c", "f", dtype="float64")
    if COMPILER is not None:
        loss, gradients = run_c(source, given, "f", tmp_path, compiler=COMPILER)
        assert_close(loss, given.outputs[0], "the value", 1e-10)
        assert_close(gradients["x"], given.gradients["x"], "the gradient", 1e-10)


def test_integer_arithmetic_is_printed_as_on_paper() -> None:
    text = cr.derive(lambda x, k: np.sum(x * (2 * k - 1) * (k % 3)), ["x"], x="n", k="n:int").text()
    assert "∂L/∂x = mod(k, 3) ⊙ (2 k − 1)" in text
    assert "−k" in cr.derive(lambda x, k: np.sum(x * -k), ["x"], x="n", k="n:int").text()
    assert "⌊k / 2⌋" in cr.derive(lambda x, k: np.sum(x * (k // 2)), ["x"], x="n", k="n:int").text()


def test_labels_from_one_on_are_trained_with() -> None:
    X = np.eye(3)
    result = cr.fit(
        lambda X, k, W: cr.cross_entropy(X @ W, k - 1),
        {"W": np.zeros((3, 3))},
        {"X": X, "k": np.array([1, 2, 3])},
        cr.SGD(1.0),
        epochs=3,
    )
    assert result.history["loss"][-1] < result.history["loss"][0]
    with pytest.raises(cr.ProgramError, match="from 0 to 2"):
        cr.fit(
            lambda X, k, W: cr.cross_entropy(X @ W, k - 1),
            {"W": np.zeros((3, 3))},
            {"X": X, "k": np.array([0, 2, 3])},
            cr.SGD(1.0),
            epochs=1,
        )


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x, m, u: x * (m - (x > 0)), "booleans have no difference"),
        (lambda x, m, u: x * -m, "booleans have no negative"),
        (lambda x, m, u: x * (u - 1), "unsigned integers are held as int64, whose difference is another"),
        (lambda x, m, u: x * (u * 2), "whose product is another"),
        (lambda x, m, u: x * u**2, "whose power is another"),
    ],
)
def test_what_would_differ_is_refused(function: Any, said: str) -> None:
    unsigned = np.array([1, 2, 3], np.uint8)
    with pytest.raises(cr.ChainruleError, match=said):
        trace(function, x=np.ones(3), m=np.ones(3, bool), u=unsigned)


def test_a_mask_counts_where_unsigned_integers_are_given() -> None:
    loss = cr.value_and_grad(lambda x, u: np.sum(x * ((u == 1) * 2)))
    value, gradient = loss(np.array([1.0, 2.0]), np.array([0, 1], np.uint8))
    assert value == 4.0
    np.testing.assert_array_equal(gradient, [0.0, 2.0])


def test_operations_on_integers_take_integers() -> None:
    program = trace(lambda x: x * 1.0, x="3")
    with pytest.raises(cr.DTypeError, match="takes integers, not float64"):
        IntegerArithmetic("add")(program.inputs[0], program.inputs[0])
