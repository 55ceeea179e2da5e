from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from chainrule.reports import Confusion, Residuals, better, class_scores, decisive, number_scores


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_class_scores_are_scikit_learns(classes: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    actual = random.integers(0, classes, 60)
    actual[:classes] = range(classes)
    p = random.dirichlet(np.ones(classes), 60)
    p = np.round(p, 1) + 0.01  # ties
    p /= p.sum(axis=1, keepdims=True)
    found = class_scores(actual, p)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(actual, p.argmax(axis=1)))
    assert found["balanced accuracy"] == pytest.approx(metrics.balanced_accuracy_score(actual, p.argmax(axis=1)))
    assert found["log loss"] == pytest.approx(metrics.log_loss(actual, p))
    if classes == 2:
        assert found["auc"] == pytest.approx(metrics.roc_auc_score(actual, p[:, 1]))
    else:
        assert "auc" not in found


def test_number_scores_are_scikit_learns() -> None:
    random = np.random.default_rng(0)
    y, p = random.normal(size=50), random.normal(size=50)
    found = number_scores(y, p)
    assert found["r2"] == pytest.approx(metrics.r2_score(y, p))
    assert found["rmse"] == pytest.approx(metrics.mean_squared_error(y, p) ** 0.5)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(y, p))


def test_quantiles_are_scored_by_the_middle_one_and_by_what_lies_between() -> None:
    y = np.array([0.0, 1.0, 2.0, 3.0])
    p = np.array([[-1, 0, 1], [2, 3, 4], [1, 2, 3], [2, 3, 4]], float)
    found = number_scores(y, p, (0.1, 0.5, 0.9))
    assert found["r2"] == pytest.approx(0.2)
    assert found["coverage"] == 0.75


def test_what_decides_is_the_first_score_whichever_way_it_is_better() -> None:
    assert better({"accuracy": 0.9}, {"accuracy": 0.8})
    assert better({"loss": 0.1, "r2": 0.0}, {"loss": 0.2, "r2": 0.9})
    assert not better({"r2": float("nan")}, {"r2": -5.0})
    assert not better({}, {"r2": -5.0})
    assert decisive({"log loss": 0.3}) == -0.3


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_a_confusion_matrix_counts_every_row_once(pairs: list[tuple[int, int]]) -> None:
    actual, predicted = (np.array(side) for side in zip(*pairs, strict=True))
    found = Confusion.of(("a", "b", "c"), actual, predicted)
    assert sum(map(sum, found.counts)) == len(pairs)
    assert sum(found.counts[k][k] for k in range(3)) == int((actual == predicted).sum())
    assert sum(count for _, _, count in found.worst(9)) == int((actual != predicted).sum())


@pytest.mark.parametrize("rows", [1, 7, 5000])
def test_residuals_of_any_number_of_rows(rows: int) -> None:
    actual = np.arange(rows, dtype=float)
    found = Residuals.of(actual, actual + 2)
    assert dict(found.quantiles) == dict.fromkeys((0, 5, 25, 50, 75, 95, 100), 2.0)
    assert sum(found.counts) == rows
    assert len(found.edges) == len(found.counts) + 1
    assert len(found.points) == min(rows, 400)
