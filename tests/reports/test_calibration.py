"""Calibration, curves over thresholds, and partial dependence, against scikit-learn and by construction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.inspection import partial_dependence as reference_dependence
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_curve
from support.sample_reports import CLASSIFICATION, REGRESSION, changed

from chainrule.cli import dependence
from chainrule.reports import (
    Calibration,
    Dependence,
    Grid,
    Thresholds,
    partial_dependence,
    probabilities_text,
    render_page,
)
from chainrule.tables import FrameSource, as_frame, prepare

RANDOM = np.random.default_rng(0)
TWO = ("no", "yes")


def drawn(rows: int, distort: float = 1.0) -> tuple[Any, Any]:
    """Return classes drawn by probabilities, and those probabilities with their log odds times `distort`."""
    odds = RANDOM.normal(0.0, 2.0, rows)
    y = (RANDOM.random(rows) < 1 / (1 + np.exp(-odds))).astype(int)
    p = 1 / (1 + np.exp(-distort * odds))
    return y, np.column_stack([1 - p, p])


@pytest.mark.parametrize(("distort", "trust"), [(1.0, "true"), (3.0, "sure"), (0.4, "unsure")])
def test_probabilities_are_told_from_those_that_are_too_sure_or_too_careful(distort: float, trust: str) -> None:
    y, p = drawn(5000, distort)
    found = Calibration.of_rows(TWO, y, p)
    assert found is not None
    assert found.trust == trust
    assert (found.error < 1.7 * found.chance) == (trust == "true")
    assert sum(each.rows for each in found.bins) == 5000
    assert found.accuracy == pytest.approx((p.argmax(axis=1) == y).mean())


@pytest.mark.parametrize("rows", [15, 40, 150])
@pytest.mark.parametrize("sharpness", [1.0, 4.0])
def test_few_rows_of_true_probabilities_are_seldom_called_wrong(rows: int, sharpness: float) -> None:
    """Also where nearly all are certain, so that one row that is not as expected is far from normal."""
    random = np.random.default_rng(rows)
    said = []
    for _ in range(300):
        odds = sharpness * random.normal(0.0, 2.0, rows)
        p = 1 / (1 + np.exp(-odds))
        found = Calibration.of_rows(TWO, (random.random(rows) < p).astype(int), np.column_stack([1 - p, p]))
        assert found is not None
        said.append(found.trust)
    assert sum(each in ("sure", "unsure", "uneven") for each in said) <= 0.05 * len(said) + 12
    assert all(each != "true" for each in said) or rows > 15


def test_so_few_rows_do_not_tell_unless_the_difference_is_clear() -> None:
    def judged(right: int, rows: int, confidence: float) -> str:
        y = (np.arange(rows) < right).astype(int)
        found = Calibration.of_rows(TWO, y, np.column_stack([np.full(rows, 1 - confidence), np.full(rows, confidence)]))
        assert found is not None
        return found.trust

    assert judged(19, 20, 0.995) == "open"  # beyond two standard deviations, and as likely as one in ten
    assert judged(20, 20, 0.99) == "open"
    assert judged(22, 30, 0.85) == "open"
    assert judged(12, 30, 0.85) == "sure"
    assert judged(30, 30, 0.7) == "unsure"
    assert judged(500, 500, 0.995) == "true"


def test_the_error_of_true_probabilities_is_that_of_chance_on_average() -> None:
    found = [Calibration.of_rows(TWO, *drawn(400)) for _ in range(200)]
    errors, chances = (np.mean([getattr(each, name) for each in found]) for name in ("error", "chance"))
    assert errors == pytest.approx(chances, rel=0.1)


def test_bins_that_are_wrong_in_both_directions_are_uneven() -> None:
    p = np.repeat([0.55, 0.95], 1000)
    y = np.concatenate([np.arange(1000) < 700, np.arange(1000) < 800]).astype(int)
    found = Calibration.of_rows(TWO, y, np.column_stack([1 - p, p]))
    assert found is not None
    assert found.trust == "uneven"


def test_of_more_classes_the_predicted_one_is_judged_and_scores_are_no_probabilities() -> None:
    p = RANDOM.dirichlet([1.0, 1.0, 1.0], 3000)
    y = np.array([RANDOM.choice(3, p=row) for row in p])
    found = Calibration.of_rows(("a", "b", "c"), y, p)
    assert found is not None
    assert found.of is None
    assert found.trust == "true"
    assert found.confidence == pytest.approx(p.max(axis=1).mean())
    assert Calibration.of_rows(("a", "b", "c"), y, 3 * p - 1) is None


@pytest.mark.parametrize("rounded", [False, True])
def test_curves_are_those_of_scikit_learn(rounded: bool) -> None:
    y, p = drawn(80 if rounded else 3000)
    p = np.round(p, 1) if rounded else p
    found = Thresholds.of_rows(TWO, y, p)
    assert found is not None
    assert found.average_precision == pytest.approx(average_precision_score(y, p[:, 1]))
    mistaken, recall, _ = roc_curve(y, p[:, 1], drop_intermediate=False)
    precision, found_of, _ = precision_recall_curve(y, p[:, 1])
    for points, (first, second) in ((found.roc, (mistaken, recall)), (found.precision, (found_of, precision))):
        assert len(points) <= 102
        everyone = set(zip(first.tolist(), second.tolist(), strict=True))
        assert all(point in everyone for point in points)
    assert found.roc[-1] == (1.0, 1.0)
    assert found.precision[-1][0] == 1.0
    assert found.precision[-1][1] == pytest.approx(y.mean())
    assert Thresholds.of_rows(TWO, np.zeros(5, int), p[:5]) is None


def test_partial_dependence_is_that_of_scikit_learn() -> None:
    X = RANDOM.standard_normal((150, 3))
    model = LogisticRegression().fit(X, (X[:, 0] * X[:, 1] + X[:, 2] > 0).astype(int))
    values = np.array([-1.0, 0.0, 2.0])
    expected = reference_dependence(model, X, [2], custom_values={2: values}, response_method="predict_proba")
    grid = Grid("c", tuple(values), values[:, None], slice(2, 3))
    (found,) = partial_dependence(model.predict_proba, X, [grid], TWO)
    np.testing.assert_allclose(found.predictions[1], np.ravel(expected["average"]), rtol=1e-12)


def test_partial_dependence_replaces_all_columns_of_a_category_and_leaves_the_rows_alone() -> None:
    X = np.hstack([np.eye(3)[RANDOM.integers(3, size=300)], RANDOM.standard_normal((300, 1))])
    model = LinearRegression().fit(X, X @ [1.0, 2.0, 4.0, 1.0])
    before = X.copy()
    grid = Grid("level", ("a", "b", "c"), np.eye(3), slice(0, 3))
    (found,) = partial_dependence(lambda X: model.predict(X)[:, None], X, [grid], [""])
    np.testing.assert_allclose(np.diff(found.predictions[0]), [1.0, 2.0])
    np.testing.assert_array_equal(X, before)


def test_the_report_shows_and_says_it() -> None:
    y, p = drawn(2000, 3.0)
    made = {"calibration": Calibration.of_rows(TWO, y, p), "thresholds": Thresholds.of_rows(TWO, y, p)}
    number = Dependence("size", (1.0, 2.0, 3.0), ("cat", "dog"), ((0.1, 0.2, 0.4), (0.9, 0.8, 0.6)))
    level = Dependence("<hue>", ("red", "green"), ("cat", "dog"), ((0.3, 0.2), (0.7, 0.8)))
    report = changed(CLASSIFICATION, **made, dependence=(number, level))
    page = render_page(report)
    assert page.count("<svg") == 1 + 3 + 2
    assert "The network is too sure" in page
    assert "&lt;hue&gt;" in page
    assert "<hue>" not in page
    assert "0.667" not in "".join(probabilities_text(report.scores, 80))
    assert any("too sure" in line for line in probabilities_text(report.scores, 80))
    assert len(render_page(report, lang="zh")) > 0
    days = Dependence("when", (18_000.0, 19_500.0), ("",), ((1.0, 2.0),), dates=True)
    assert "2020-" in render_page(changed(REGRESSION, dependence=(days,)))
    written = report.to_dict()["scores"]
    assert written["calibration"]["bins"][0].keys() == {"expected", "observed", "rows"}
    assert written["dependence"][1]["values"] == ["red", "green"]
    assert written["thresholds"]["of"] == "yes"


def test_the_dependence_on_each_kind_of_column_is_that_of_the_encoded_rows() -> None:
    cells = {
        "level": [*"abc" * 40],
        "rank": ["low", "medium", "high"] * 40,
        "size": [f"{2.0 ** (k % 17):g}" for k in range(120)],
        "flag": ["yes", "no"] * 60,
        "day": [f"2021-{1 + k % 12:02}-{1 + k % 28:02}" for k in range(120)],
        "y": [f"{k * 1.5}" for k in range(120)],
    }
    prepared = prepare(FrameSource(as_frame(cells)), "y")
    preprocessing = prepared.preprocessing
    X = preprocessing.encode(cells)
    for name in ("level", "rank", "size", "flag", "day"):
        grid = dependence.grid(preprocessing, name, X)
        assert grid is not None
        columns = preprocessing.groups[name]
        assert grid.columns == columns
        seen = [np.datetime64(int(value), "D") if grid.dates else value for value in grid.values]
        rest = {other: [texts[0]] * len(seen) for other, texts in cells.items()}
        again = preprocessing.encode({**rest, name: [str(value) for value in seen]})
        np.testing.assert_allclose(again[:, columns], grid.encoded, atol=0.02 if grid.dates else 1e-4)
        assert name != "level" or grid.values == ("a", "b", "c")
