"""Each suggestion is made if its reason is present, and only then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.sample_reports import CLASSIFICATION, REGRESSION, SETTINGS, changed, run_with

from chainrule.reports import Column, Confusion, Importance, Report, Trial, advice, verdict

LOST = Confusion(("cat", "dog", "emu"), ((780, 10, 10), (60, 640, 0), (90, 10, 20)))
UNSEEN = Confusion(("cat", "dog", "emu"), ((780, 10, 0), (60, 640, 0), (0, 0, 0)))
SCARCE = {"cat": 2999, "dog": 2999, "emu": 2}
RARE = {"cat": 4000, "dog": 5000, "emu": 1000}
ONE = (Importance("key", 0.58, 0.01), Importance("b", 0.01, 0.01), Importance("c", 0.002, 0.0))
IDLE = (Importance("size", 0.3, 0.01), Importance("hue, new", 0.0, 0.0), Importance("tail", -0.01, 0.001))

FITTED = {"r2": 0.86}

CASES: list[tuple[Report, str]] = [
    (run_with(status="finished", best_epoch=100), "--epochs 300"),
    (run_with(losses=(1.0, 2.0)), "smaller --learning-rate"),
    (changed(CLASSIFICATION, training={"accuracy": 0.999}), "--dropout"),
    (changed(REGRESSION, training={"r2": 0.99}), "--dropout"),
    (changed(REGRESSION, network={"loss": 0.2}, training={"loss": 0.1}, linear={"loss": 0.3}), "--dropout"),
    (changed(CLASSIFICATION, linear={"accuracy": 0.9}), "--hidden none"),
    (changed(REGRESSION, linear={"r2": 0.85}, training={"r2": 0.8}, linear_training=FITTED), "--hidden 64,64) or"),
    (
        changed(REGRESSION, linear={"r2": 0.85}, training={"r2": 0.8}, linear_training=FITTED),
        "trained on (0.800) it is no better than the linear model is there (0.860)",
    ),
    (changed(CLASSIFICATION, confusion=UNSEEN, class_counts=SCARCE), "'emu' there are 2 rows among 6,000, and none"),
    (changed(CLASSIFICATION, network={"accuracy": 1.0}, rows=replace(CLASSIFICATION.data.rows, held=20)), "±15%"),
    (changed(CLASSIFICATION, confusion=LOST, class_counts=RARE), "--class-weight balanced"),
    (changed(CLASSIFICATION, rows=replace(CLASSIFICATION.data.rows, held=40)), "±9%"),
    (changed(CLASSIFICATION, network={"accuracy": 0.99}, importances=ONE), "'key' alone carries nearly everything"),
    (changed(CLASSIFICATION, importances=IDLE), "--drop 'hue, new,tail'"),
    (changed(CLASSIFICATION, columns=(Column("note", "text", "", 0),)), "'note' left out as free text"),
    (changed(run_with(status="interrupted"), saved="m"), "chainrule train animals.csv --resume m"),
    (changed(CLASSIFICATION, gradients=("The gradient vanishes.",)), "The gradient vanishes."),
    (CLASSIFICATION, "Search for better settings"),
]


@pytest.mark.parametrize(("report", "words"), CASES, ids=[words for _, words in CASES])
def test_advice_is_given_where_its_reason_is(report: Report, words: str) -> None:
    assert any(words in sentence for sentence in advice(report))
    assert len(advice(report, "zh")) == len(advice(report))


@pytest.mark.parametrize("words", [words for _, words in CASES[:-1]])
def test_no_advice_is_given_without_its_reason(words: str) -> None:
    trial = Trial("32", 0.002, 0.1, 100, 0.9, 0.3, True)
    for report in (CLASSIFICATION, REGRESSION):
        for sentence in advice(changed(report, trials=(trial, trial))):
            assert words not in sentence


def test_weights_are_not_advised_to_who_has_them() -> None:
    weighted = replace(SETTINGS, class_weight="balanced")
    report = changed(CLASSIFICATION, confusion=LOST, class_counts=RARE, settings=weighted)
    assert not any("--class-weight" in sentence for sentence in advice(report))


LESS = {"accuracy": 0.92}
PERFECT = {"accuracy": 1.0, "log loss": 1e-6}


@pytest.mark.parametrize(
    ("report", "words"),
    [
        # 100 % on the training rows is not "no better than a linear model".
        (
            changed(
                CLASSIFICATION, network=PERFECT, training=PERFECT, linear=PERFECT, linear_training=PERFECT
            ),
            "no better than",
        ),
        (changed(CLASSIFICATION, training=PERFECT, linear=LESS, linear_training=LESS), "no better than"),
        (
            changed(
                CLASSIFICATION, network={"log loss": 0.01}, training={"log loss": 0.005}, linear={"log loss": 0.004},
                linear_training={"log loss": 0.004}, trivial={"log loss": 1.1},
            ),
            "no better than",
        ),
        (
            changed(
                REGRESSION, network={"r2": 0.99}, training={"r2": 0.999}, linear={"r2": 1.0},
                linear_training={"r2": 1.0},
            ),
            "no better than",
        ),
        # On the rows both were trained on, it fits better than the linear model.
        (
            changed(REGRESSION, linear={"r2": 0.81}, training={"r2": 0.8}, linear_training={"r2": 0.7}),
            "no better than the linear model is there",
        ),
        # A loss that ends where it began has not grown.
        (run_with(losses=(1.0, 0.2, 1.001)), "smaller --learning-rate"),
        (run_with(losses=(-3.0, -3.01, -2.99)), "smaller --learning-rate"),
        # Twenty rows do not show that a column is of no use.
        (changed(CLASSIFICATION, importances=IDLE, rows=replace(CLASSIFICATION.data.rows, held=20)), "--drop"),
        # A class with held-out rows is not called unseen, nor one that no row has.
        (changed(CLASSIFICATION, confusion=LOST, class_counts=RARE), "none among"),
        (changed(CLASSIFICATION, confusion=UNSEEN, class_counts={"cat": 3000, "dog": 3000}), "none among"),
        (changed(CLASSIFICATION, confusion=UNSEEN, class_counts=SCARCE), "--class-weight"),
    ],
)  # fmt: skip
def test_what_is_not_so_is_not_said(report: Report, words: str) -> None:
    assert not any(words in sentence for sentence in advice(report))


def test_a_class_without_weights_and_one_with_them_are_both_named_where_unseen() -> None:
    weighted = replace(SETTINGS, class_weight="balanced")
    report = changed(CLASSIFICATION, confusion=UNSEEN, class_counts=SCARCE, settings=weighted)
    assert any("none among the held-out rows" in sentence for sentence in advice(report))


def test_rows_of_one_class_tell_nothing_apart() -> None:
    alone = Confusion(("cat", "dog", "emu"), ((2000, 0, 0), (0, 0, 0), (0, 0, 0)))
    report = changed(CLASSIFICATION, confusion=alone, network=PERFECT, trivial=PERFECT)
    assert "All these rows are of one class" in str(verdict(report, "en"))
    assert verdict(report, "zh")
    assert verdict(changed(report, confusion=LOST), "en") != verdict(report, "en")
