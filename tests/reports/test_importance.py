from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.reports import importance, permutation_importance


def predict(X: Any) -> Any:
    """Return the sum of the first three of four columns."""
    return X[:, :3].sum(axis=1)


def score(p: Any, y: Any) -> float:
    return float(1 - np.mean((p - y) ** 2) / np.var(y))


@pytest.mark.parametrize("rows", [40, 5000])
def test_columns_are_shuffled_as_wholes_and_ordered_by_what_is_lost(rows: int) -> None:
    X = np.random.default_rng(0).standard_normal((rows, 4))
    X[:, 2] *= 3
    before = X.copy()
    groups = {"two": slice(0, 2), "three": slice(2, 3), "idle": slice(3, 4)}
    found = permutation_importance(predict, score, X, predict(X), groups, seed=1)
    assert [each.name for each in found] == ["three", "two", "idle"]
    assert found[0].drop == pytest.approx(2 * 9 / 11, rel=0.3)
    assert found[1].drop == pytest.approx(2 * 2 / 11, rel=0.4)
    assert found[2].drop == 0
    assert (before == X).all()
    assert found == permutation_importance(predict, score, X, predict(X), groups, seed=1)


def test_many_columns_are_measured_within_a_budget() -> None:
    X = np.random.default_rng(0).standard_normal((100, 2000)).astype(np.float32)
    numbers = [0]

    def counting(X: Any) -> Any:
        numbers[0] += X.size
        return predict(X)

    groups = {f"c{k}": slice(k, k + 1) for k in range(2000)}
    found = permutation_importance(counting, score, X, predict(X), groups)
    assert numbers[0] <= 1.01 * importance.PREDICTED_NUMBERS
    assert {each.name for each in found[:3]} == {"c0", "c1", "c2"}


def test_intervals_cover_the_importance_for_all_rows_and_shrink_with_more_of_them() -> None:
    random = np.random.default_rng(0)
    everyone = random.standard_normal((40_000, 4))
    groups = {"two": slice(0, 2), "three": slice(2, 3)}

    def measured(X: Any, noise: Any, seed: int) -> dict[str, Any]:
        found = permutation_importance(lambda X: X[:, 2], score, X, X[:, 2] + noise, groups, seed)
        return {each.name: each for each in found}

    true = 1.6  # R² falls from 1 − 0.25/1.25 to 1 − 2.25/1.25
    covered, margins = 0, []
    for k in range(40):
        rows = slice(1000 * k, 1000 * k + 200)
        found = measured(everyone[rows], 0.5 * everyone[rows, 3], k)
        covered += abs(found["three"].drop - true) <= found["three"].margin
        margins.append(found["three"].margin)
        assert found["two"].drop == found["two"].margin == 0
    assert covered >= 34
    assert np.mean(margins) < 0.5
    many = measured(everyone[:2000], 0.5 * everyone[:2000, 3], 0)["three"].margin
    assert 0.15 < many / np.mean(margins) < 0.6
