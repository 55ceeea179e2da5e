"""NumPy functions that few write in a loss: their values and derivatives, and what is refused of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import chainrule as cr

_draw = np.random.default_rng(4)
x, X = _draw.normal(size=5), _draw.normal(size=(3, 4))
POINTS, WEIGHTS = np.arange(5.0), np.array([1.0, 2.0, 0.5, 3.0, 1.0])


def put(x: Any) -> Any:
    y = x * 1
    np.put(y, [0, 2], [5.0, 6.0])
    return np.sum(y**2)


def put_in_a_matrix(X: Any) -> Any:
    Y = X * 1
    np.put(Y, [[0, 6]], X[0, 1] * X[0, 2])
    return np.sum(Y**2)


def place(x: Any) -> Any:
    y = x * 1
    np.place(y, y > 0, [2.0])
    return np.sum(y**3)


def flat(X: Any) -> Any:
    Y = X * 1
    Y.flat[3] = 2.0
    return np.sum(Y**2) * Y.flat[4] + sum(v**2 for v in Y.flat)


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "take, wrapped": (lambda x: np.sum(np.take(x, [0, 7, -8], mode="wrap") ** 2), x),
    "take, clipped": (lambda X: np.sum(np.take(X, [0, 7, -8], axis=1, mode="clip") ** 2), X),
    "take of places": (lambda x: np.sum(x.take(np.argmax(x) + np.arange(4) - 9, mode="wrap") ** 2), x),
    "choose, wrapped": (lambda x: np.sum(np.choose(np.array([1, 2, 3, 4, -5]), [x, x * x, x**3], mode="wrap")), x),
    "resize": (lambda x: np.sum(np.resize(x, (2, 6)) ** 2 * np.arange(12.0).reshape(2, 6)), x),
    "resize to fewer": (lambda x: np.sum(np.resize(x, 3) ** 2), x),
    "unravel_index": (lambda X: X[np.unravel_index(np.argmax(X), X.shape)] ** 2, X),
    "cov, weighted": (lambda X: np.sum(np.cov(X, aweights=WEIGHTS[:4]) ** 2), X),
    "cov, counted": (lambda X: np.sum(np.cov(X, fweights=np.array([1, 2, 3, 1])) ** 2), X),
    "cov, both": (lambda x: np.cov(x, fweights=[1, 2, 3, 1, 2], aweights=WEIGHTS, ddof=0) ** 2, x),
    "polyfit": (lambda y: np.sum(np.polyfit(POINTS, y, 2) ** 2), x),
    "polyfit, weighted": (lambda y: np.sum(np.polyfit(POINTS, np.stack([y, y * y], 1), 1, w=WEIGHTS) ** 2), x),
    "shifts": (lambda x: np.sum(x * (np.argsort(x) << 2) + x * ((np.argsort(x) - 3) >> 1)), x),
    "put": (put, x),
    "put in a matrix": (put_in_a_matrix, X),
    "place": (place, x),
    "flat": (flat, X),
    "average, with weights": (lambda X: np.sum(np.stack(np.average(X, 0, X[:, 0] ** 2, returned=True)) ** 2), X),
    "average, in place": (lambda X: np.sum(X * np.average(X, axis=1, weights=WEIGHTS[:4], keepdims=True)), X),
    "average, counted": (lambda X: np.sum(np.multiply(*np.average(X, axis=1, returned=True))), X),
    "add.reduceat": (lambda X: np.sum(np.add.reduceat(X, [0, 2, 1], axis=1) ** 2 * POINTS[:3]), X),
    "multiply.reduceat": (lambda x: np.sum(np.multiply.reduceat(x, [3, 0, 4])), x),
    "maximum.reduceat": (lambda X: np.sum(np.maximum.reduceat(X, [0, 1]) ** 2 - np.minimum.reduceat(X, [0, 2])), X),
    "apply_over_axes": (lambda X: np.sum(np.apply_over_axes(np.mean, X**2, [0, -1])), X),
    "choose from the rows of an array": (lambda X: np.sum(np.choose([2, 0, 1, 0], X) ** 2), X),
    "vectorize, of vectors": (lambda X: np.sum(np.vectorize(lambda v: v @ v, signature="(n)->()")(X) ** 2), X),
    "vectorize, of several": (
        lambda X: np.sum(np.vectorize(lambda A, v: (A @ v, v[0]), signature="(m,n),(n)->(m),()")(X[None], X)[0] ** 2),
        X,
    ),
    "pad, odd": (lambda X: np.sum(np.pad(X, ((1, 2), (3, 0)), "reflect", reflect_type="odd") ** 2), X),
    "pad, odd and symmetric": (lambda x: np.sum(np.pad(x, (5, 1), "symmetric", reflect_type="odd") ** 3), x),
    "pad, empty": (lambda x: np.sum(np.pad(x, 2, "empty")[2:-2] ** 2), x),
    "one place": (lambda X: np.sum(X[[1]]) * np.sum(X[:, [2, 2]] ** 2) * np.prod(X[[1, 1], [0, 2]]), X),
    "r_": (lambda x: np.sum(np.r_[x, 1.0, 2:4, np.r_[1.0, 2.0], x**2] * np.arange(15)), x),
    "c_": (lambda x: np.sum(np.c_[x, x**2, np.stack([x, x]).T] * np.arange(4)), x),
    "ix_": (lambda X: np.sum(X[np.ix_([0, 2], [1, 0, 1])] ** 2), X),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_numpys_and_derivatives_agree_with_differences(name: str) -> None:
    function, at = FUNCTIONS[name]
    value, _ = cr.value_and_grad(function)(at)
    np.testing.assert_allclose(value, function(at), rtol=1e-12)
    cr.check_grads(function, (at,))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: np.sum(np.r_["0,2", x]), r"write np\.concatenate"),
        (lambda x: np.sum(np.polyfit(x, x, 2)), r"write np\.linalg\.lstsq"),
        (lambda x: np.sum(np.polyfit(POINTS, x, 1, full=True)[0]), "leave them out"),
        (lambda x: np.quantile(x, 0.3, weights=WEIGHTS, method="inverted_cdf"), "weights that are counts"),
        (lambda x: np.cov(x, aweights=WEIGHTS[:2]), "a number for each of the 5 observations"),
        (
            lambda x: np.sum(np.take(x, [7], mode="round")),  # type: ignore[call-overload]
            "none of 'raise', 'wrap' and 'clip'",
        ),
        (lambda x: np.sum(x * (np.argsort(x) << 80)), "one number of bits from 0 to 62"),
        (lambda x: np.sum(np.add.reduceat(x, [1, 5])), "from 0 to 4 along an axis of 5"),
        (lambda x: np.sum(np.apply_over_axes(lambda a, axis: np.sum(a), np.stack([x, x]), [0])), "keeps an axis"),
        (lambda x: np.multiply.at(x * 1, [0, 0], x[:2]), r"x \* np\.prod\(np\.where\(k\[:, None\] == "),
        (lambda x: np.minimum.at(x * 1, [0, 0], x[:2]), r"np\.minimum\(x, np\.min\(np\.where"),
        (lambda x: np.mean(x[x > 0]), r"and np\.mean\(x, where=mask\) for a mean"),
        (lambda x: np.sum(scipy.linalg.sqrtm(np.outer(x, x))), r"\(Q \* np\.sqrt\(E\)\) @ Q\.T for a symmetric A"),
        (lambda x: np.sum(scipy.linalg.cholesky(np.outer(x, x))), "its transpose for the upper factor"),
        (lambda x: np.sum(scipy.linalg.svd(np.outer(x, x))[1]), r"write np\.linalg\.svd"),
        (lambda x: np.sum(np.stack(np.unravel_index(np.argmax(x), (5,), order="F")) * x), "in the order 'C'"),
    ],
)
def test_what_is_refused_names_what_to_write(function: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(cr.ChainruleError, match=message):
        cr.grad(function)(x)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: np.sum(x[np.ix_([0, 2], [1, 0])] ** 2), "3 4"),
        (lambda x: np.nanmedian(x) ** 2, "5"),
        (lambda x: np.nanquantile(x, 0.3) ** 2, "5"),
    ],
)
def test_places_in_a_grid_and_quantiles_without_nan_are_verified(function: Callable[[Any], Any], shape: str) -> None:
    assert cr.derive(function, x=shape).verify().ok


@pytest.mark.parametrize(
    "function",
    [
        lambda X: np.sum(np.exp(X[[1]])),
        lambda X: np.sum(X[:, [2, 2]] ** 2),
        lambda X: np.sum(X[[1, 1], [0, 2]] ** 2),
        lambda X: np.sum(np.pad(X, 1, "reflect", reflect_type="odd") ** 2),
    ],
)
def test_equal_places_are_read_and_written(function: Callable[[Any], Any]) -> None:
    derivation = cr.derive(function, X="3 4")
    assert derivation.verify().ok
    for target in ("numpy", "torch", "jax", "c", "js"):
        assert derivation.source(target)
