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
    assert named(y, 590) == names  # with few rows held out, from all of them


@pytest.mark.parametrize("rows", [60, 80, 120])
@pytest.mark.parametrize(
    ("y", "names"),
    [
        (X[:, 0], ("a",)),
        (np.exp(X[:, 0]), ("a",)),
        (X[:, 0] + X[:, 1], ()),
        (X[:, 2:].argmax(axis=1), ("c",)),
        ((X[:, 1] > 0.2).astype(int), ("b",)),
        (np.where(RANDOM.random(600) < 0.1, 0, X[:, 2:].argmax(axis=1)), ()),
    ],
)
def test_few_rows_are_predicted_in_turn(rows: int, y: Any, names: tuple[str, ...]) -> None:
    share = 4 * rows // 5
    assert alone(X[:share], y[:share], X[share:rows], y[share:rows], GROUPS) == names
    assert alone(X[:32], y[:32], X[32:40], y[32:40], GROUPS) == ()


def test_of_two_columns_that_tell_the_target_both_are_named_among_few_rows() -> None:
    rows = np.column_stack([X[:120, 0], X[:120, 0] ** 3, X[:120, 1]])
    groups = {name: slice(k, k + 1) for k, name in enumerate("abc")}
    assert alone(rows[:96], X[:96, 0], rows[96:], X[96:120, 0], groups) == ("a", "b")


@pytest.mark.parametrize("rows", [50, 70, 120])
def test_random_columns_are_not_named(rows: int) -> None:
    """Whatever the target: numbers, ties, two classes of which one is rare."""
    random = np.random.default_rng(rows)
    share = 4 * rows // 5
    for _ in range(20):
        columns = np.hstack([random.standard_normal((rows, 20)), np.eye(12)[random.integers(0, 12, rows)]])
        groups = {str(k): slice(k, k + 1) for k in range(20)} | {"levels": slice(20, 32)}
        targets = random.standard_normal(rows), random.integers(0, 3, rows).astype(float), random.random(rows) < 0.07
        for y in (targets[0], targets[1], np.where(targets[2], 0, 1)):
            assert alone(columns[:share], y[:share], columns[share:], y[share:], groups) == ()


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
