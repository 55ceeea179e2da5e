from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.reports import importance, permutation_importance


def score(X: Any, y: Any) -> float:
    """R² of the sum of the first three of four columns."""
    return float(1 - np.mean((X[:, :3].sum(axis=1) - y) ** 2) / np.var(y))


@pytest.mark.parametrize("rows", [40, 5000])
def test_columns_are_shuffled_as_wholes_and_ordered_by_what_is_lost(rows: int) -> None:
    X = np.random.default_rng(0).standard_normal((rows, 4))
    X[:, 2] *= 3
    before = X.copy()
    groups = {"two": slice(0, 2), "three": slice(2, 3), "idle": slice(3, 4)}
    found = permutation_importance(score, X, X[:, :3].sum(axis=1), groups, seed=1)
    assert [each.name for each in found] == ["three", "two", "idle"]
    assert found[0].drop == pytest.approx(2 * 9 / 11, rel=0.3)
    assert found[1].drop == pytest.approx(2 * 2 / 11, rel=0.4)
    assert found[2].drop == 0
    assert (before == X).all()
    assert found == permutation_importance(score, X, X[:, :3].sum(axis=1), groups, seed=1)


def test_many_columns_are_measured_within_a_budget() -> None:
    X = np.random.default_rng(0).standard_normal((100, 2000)).astype(np.float32)
    numbers = [0]

    def counting(X: Any, y: Any) -> float:
        numbers[0] += X.size
        return score(X, y)

    groups = {f"c{k}": slice(k, k + 1) for k in range(2000)}
    found = permutation_importance(counting, X, X[:, :3].sum(axis=1), groups)
    assert numbers[0] <= 1.01 * importance.PREDICTED_NUMBERS
    assert {each.name for each in found[:3]} == {"c0", "c1", "c2"}
