"""Each piece of advice is given when its reason is there, and not without."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.sample_reports import CLASSIFICATION, REGRESSION, SETTINGS, run_with

from chainrule.reports import Column, Confusion, Importance, Report, Trial, advice

LOST = Confusion(("cat", "dog", "emu"), ((780, 10, 10), (60, 640, 0), (90, 10, 20)))
RARE = {"cat": 4000, "dog": 5000, "emu": 1000}
ONE = (Importance("key", 0.58, 0.01), Importance("b", 0.01, 0.01), Importance("c", 0.002, 0.0))
IDLE = (Importance("size", 0.3, 0.01), Importance("hue, new", 0.0, 0.0), Importance("tail", -0.01, 0.001))

CASES: list[tuple[Report, str]] = [
    (run_with(status="finished", best_epoch=100), "--epochs 300"),
    (run_with(losses=(1.0, 2.0)), "smaller --rate"),
    (replace(CLASSIFICATION, training={"accuracy": 0.999}), "--dropout"),
    (replace(REGRESSION, training={"r2": 0.99}), "--dropout"),
    (replace(REGRESSION, network={"loss": 0.2}, training={"loss": 0.1}, linear={"loss": 0.3}), "--dropout"),
    (replace(CLASSIFICATION, linear={"accuracy": 0.9}), "--hidden none"),
    (replace(REGRESSION, linear={"r2": 0.85}, training={"r2": 0.8}), "--hidden 64,64) or"),
    (replace(CLASSIFICATION, confusion=LOST, class_counts=RARE), "--class-weight balanced"),
    (replace(CLASSIFICATION, rows=replace(CLASSIFICATION.rows, held=40)), "±9%"),
    (replace(CLASSIFICATION, network={"accuracy": 0.99}, importances=ONE), "'key' alone carries nearly everything"),
    (replace(CLASSIFICATION, importances=IDLE), "--drop 'hue, new,tail'"),
    (replace(CLASSIFICATION, columns=(Column("note", "text", "", 0),)), "'note' left out as free text"),
    (replace(run_with(status="interrupted"), saved="m"), "chainrule train animals.csv --resume m"),
    (replace(CLASSIFICATION, gradients=("The gradient vanishes.",)), "The gradient vanishes."),
    (CLASSIFICATION, "Try several settings"),
]


@pytest.mark.parametrize(("report", "words"), CASES, ids=[words for _, words in CASES])
def test_advice_is_given_where_its_reason_is(report: Report, words: str) -> None:
    assert any(words in sentence for sentence in advice(report))
    assert len(advice(report, "zh")) == len(advice(report))


@pytest.mark.parametrize("words", [words for _, words in CASES[:-1]])
def test_no_advice_is_given_without_its_reason(words: str) -> None:
    trial = Trial("32", 0.002, 0.1, 100, 0.9, 0.3, True)
    for report in (CLASSIFICATION, REGRESSION):
        for sentence in advice(replace(report, trials=(trial, trial))):
            assert words not in sentence


def test_weights_are_not_advised_to_who_has_them() -> None:
    weighted = replace(SETTINGS, class_weight="balanced")
    report = replace(CLASSIFICATION, confusion=LOST, class_counts=RARE, settings=weighted)
    assert not any("--class-weight" in sentence for sentence in advice(report))
