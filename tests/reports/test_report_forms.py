"""Reports as text and as a page, with hostile names."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from support.sample_reports import CLASSIFICATION, REGRESSION, RUN, changed

from chainrule.reports import (
    Column,
    Confusion,
    Importance,
    Report,
    columns_text,
    curve_text,
    importance_text,
    mistakes_text,
    render_page,
    scores_text,
    trials_text,
    verdict,
    words,
)
from chainrule.words import width_of

HOSTILE = '<script>alert("x")</script> & \u202e \x1b[31m[red] 长名字 ' + "x" * 90
MANY = tuple(f"class {k} of a kind" for k in range(30))
REPORTS: list[Report] = [
    CLASSIFICATION,
    REGRESSION,
    changed(
        CLASSIFICATION,
        target=HOSTILE,
        path=HOSTILE,
        trivial_value=HOSTILE,
        columns=(Column(HOSTILE, "category", HOSTILE, 3),) * 50,
        importances=tuple(Importance(f"{HOSTILE}{k}", 0.1 / (k + 1), 0.0) for k in range(40)),
        confusion=Confusion((HOSTILE, "b", "c"), ((1, 2, 3), (4, 5, 6), (7, 8, 9))),
        notes=(HOSTILE,),
    ),
    changed(CLASSIFICATION, classes=MANY, confusion=Confusion(MANY, ((1,) * 30,) * 30)),
    changed(REGRESSION, run=replace(RUN, losses=(float("inf"), 1.0, 0.5), validation_losses=())),
    changed(REGRESSION, run=replace(RUN, losses=(), validation_losses=())),
    changed(
        REGRESSION, network={"loss": float("nan"), "r2": float("-inf")}, linear={}, trivial={"loss": 0.5, "r2": 0.0}
    ),
]


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("report", REPORTS)
@pytest.mark.parametrize("width", [60, 80, 100])
def test_text_is_no_wider_than_asked_for(report: Report, lang: Any, width: int) -> None:
    for part in (
        columns_text(report.data.columns, width, lang),
        curve_text(report.fit, width, lang),
        mistakes_text(report.scores, width, lang),
        importance_text(report.scores, width, lang),
        scores_text(report, lang) if width == 80 else [],
        trials_text(report.fit, lang),
    ):
        for line in part:
            assert width_of(line) <= width, line
            assert line.isprintable()


class Checker(HTMLParser):
    """Notes tags that are not closed, scripts, and what is asked for from elsewhere."""

    VOID = frozenset({"meta", "br", "wbr", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.faults.append("a script")
        for name, value in attributes:
            if name in ("src", "href", "xlink:href") and not (value or "").startswith("#"):
                self.faults.append(f"{name}={value}")
        if tag not in self.VOID and not str(self.get_starttag_text()).endswith("/>"):
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("report", REPORTS)
def test_a_page_is_well_formed_and_needs_nothing_else(report: Report, lang: Any) -> None:
    page = render_page(report, "<div>derived</div>", lang)
    checker = Checker()
    checker.feed(page)
    assert checker.faults == []
    assert checker.stack == []
    assert "<div>derived</div>" in page
    assert all(letter.isprintable() or letter == "\n" for letter in page)
    assert "nan" not in page
    assert ">inf" not in page


@pytest.mark.parametrize("report", REPORTS)
def test_a_report_is_json(report: Report) -> None:
    text = json.dumps(report.to_dict(), allow_nan=False)
    assert json.loads(text)["data"]["target"] == report.data.target


def test_a_curve_shows_both_losses_and_the_best_epoch() -> None:
    lines = curve_text(CLASSIFICATION.fit, 80)
    assert "training loss" in lines[-2]
    assert "best: epoch 60" in lines[-1]
    assert "logarithmic" in lines[-1]
    assert any("●" in line for line in lines)


def test_it_is_said_what_is_as_good() -> None:
    assert verdict(CLASSIFICATION, "en") is None
    assert "--hidden none" in str(verdict(changed(CLASSIFICATION, linear={"accuracy": 0.95}), "en"))
    assert "no better than that" in str(verdict(changed(CLASSIFICATION, network={"accuracy": 0.4}), "en"))


IMBALANCED = changed(
    CLASSIFICATION,
    classes=("no", "yes"),
    class_counts={"no": 9000, "yes": 1000},
    confusion=Confusion(("no", "yes"), ((1780, 20), (180, 20))),
    network={"accuracy": 0.9, "log loss": 0.276, "auc": 0.79},
    linear={"accuracy": 0.9, "log loss": 0.3, "auc": 0.7},
    trivial={"accuracy": 0.9, "log loss": 0.325, "auc": 0.5},
)


def test_features_that_say_something_are_not_said_to_say_nothing() -> None:
    said = str(verdict(IMBALANCED, "en"))
    assert "may say nothing" not in said
    assert "by AUC it does (0.790 against 0.500)" in said
    useless = changed(IMBALANCED, network={"accuracy": 0.9, "log loss": 0.326, "auc": 0.52}, linear={})
    assert "may say nothing" in str(verdict(useless, "en"))
    assert "by AUC" not in render_page(useless)


def test_what_is_better_is_not_said_to_be_no_better() -> None:
    close = changed(REGRESSION, network={"r2": 0.082}, linear={"r2": 0.081}, trivial={"r2": 0.0})
    assert "about as well" in str(verdict(close, "en"))
    far = changed(close, linear={"r2": 0.2})
    assert "does better than the network" in str(verdict(far, "en"))
    assert verdict(changed(close, linear={"r2": 0.01}), "en") is None


def test_features_that_a_linear_model_learns_from_say_something() -> None:
    report = changed(REGRESSION, network={"r2": -0.2}, linear={"r2": 0.5}, trivial={"r2": 0.0})
    assert "no better than that, but the linear model does" in str(verdict(report, "en"))


@pytest.mark.parametrize("score", [float("nan"), float("-inf"), -3.0])
def test_a_linear_model_that_came_to_nothing_is_no_comparison(score: float) -> None:
    report = changed(REGRESSION, linear={"r2": score, "rmse": 1e9, "mae": 1e9})
    assert "came to nothing" in str(verdict(report, "en"))
    assert not any("linear" in line for line in scores_text(report))
    assert "a linear model has –" in render_page(report)


def test_an_importance_written_as_nothing_has_no_bar() -> None:
    found = (Importance("a", 0.02, 0.0), Importance("b", 0.0004, 0.0), Importance("c", -0.01, 0.0))
    lines = importance_text(changed(CLASSIFICATION, importances=found).scores, 80)
    assert [line.count("█") > 0 for line in lines] == [True, False, False]
    assert importance_text(changed(CLASSIFICATION, importances=found[1:]).scores, 80) == []


def test_both_languages_have_the_same_marks() -> None:
    for key, templates in words._WORDS.items():
        marks = [{field for _, field, _, _ in string.Formatter().parse(text) if field} for text in templates]
        assert marks[0] == marks[1], key
