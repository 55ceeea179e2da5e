"""Columns that alone predict the target, and the ridge regression beside the network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV

from chainrule.cli.reporting import RIDGES, ridge
from chainrule.reports import alone

RANDOM = np.random.default_rng(0)
X = np.column_stack([RANDOM.standard_normal((600, 2)), np.eye(3)[RANDOM.integers(0, 3, 600)]])
GROUPS = {"a": slice(0, 1), "b": slice(1, 2), "c": slice(2, 5)}


def named(y: Any, share: int = 400) -> tuple[str, ...]:
    return alone(X[:share], y[:share], X[share:], y[share:], GROUPS)


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (np.exp(X[:, 0]), ("a",)),
        (X[:, 0] + X[:, 1], ()),
        (X[:, 0] + 0.3 * RANDOM.standard_normal(600), ()),
        (X[:, 2:].argmax(axis=1), ("c",)),
        ((X[:, 1] > 0.2).astype(int), ("b",)),
        ((X[:, 1] > 5).astype(int), ()),
        (np.where(RANDOM.random(600) < 0.2, 0, X[:, 2:].argmax(axis=1)), ()),
        (10.0 * X[:, 2:].argmax(axis=1), ("c",)),
    ],
)
def test_what_is_told_by_one_column(y: Any, names: tuple[str, ...]) -> None:
    assert named(y) == names
    assert named(y, 590) == ()


def test_the_penalty_of_a_ridge_regression_is_that_of_the_least_cross_validated_error() -> None:
    rows = RANDOM.standard_normal((40, 30))
    y = rows[:, :1] + RANDOM.standard_normal((40, 1))
    centred = rows - rows.mean(axis=0)
    unit = np.mean(np.linalg.eigvalsh(centred.T @ centred))
    held = RANDOM.standard_normal((200, 30))
    candidates = [RidgeCV([unit * penalty]).fit(rows, y).predict(held) for penalty in RIDGES]
    found = ridge(rows, y)(held)[:, 0]
    place = int(np.argmin([np.abs(found - each).max() for each in candidates]))
    np.testing.assert_allclose(found, candidates[place], rtol=1e-6, atol=1e-8)
    assert RIDGES[place] >= 0.03
    same = np.hstack([rows, rows])
    assert np.isfinite(ridge(same, y)(np.hstack([held, held]))).all()
