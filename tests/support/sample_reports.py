"""Reports of fictitious runs, to test their texts."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from chainrule.reports import (
    Column,
    Confusion,
    DataSummary,
    FitSummary,
    Importance,
    Report,
    Residuals,
    Rows,
    Run,
    ScoreSummary,
    Settings,
)

SETTINGS = Settings(
    widths=(4, 32, 3),
    parameters=259,
    activation="relu",
    loss="cross_entropy",
    solver="adam",
    learning_rate=0.002,
    alpha=0.1,
    batch_size=32,
    dropout=0.0,
    normalization=None,
    class_weight=None,
    seed=0,
    epochs=200,
)
RUN = Run(
    "converged", "", 100, 60, 1.5, tuple(1 / (k + 1) for k in range(100)), tuple(1.1 / (k + 1) for k in range(100))
)
CLASSES = ("cat", "dog", "emu")

CLASSIFICATION = Report(
    data=DataSummary(
        path="animals.csv",
        target="kind",
        task="classification",
        reason="kind holds texts",
        columns=(Column("size", "number", "numbers from 1 to 9", 1), Column("id", "identifier", "a different code", 0)),
        rows=Rows(10_000, 6800, 1200, 2000),
        classes=CLASSES,
        class_counts={"cat": 4000, "dog": 3500, "emu": 2500},
        fingerprint="0" * 64,
    ),
    fit=FitSummary(settings=SETTINGS, run=RUN),
    scores=ScoreSummary(
        network={"accuracy": 0.9, "log loss": 0.3},
        linear={"accuracy": 0.7, "log loss": 0.8},
        trivial={"accuracy": 0.4, "log loss": 1.1},
        trivial_value="cat",
        training={"accuracy": 0.91, "log loss": 0.28},
        confusion=Confusion(CLASSES, ((780, 10, 10), (60, 600, 40), (30, 50, 420))),
        importances=(Importance("size", 0.3, 0.01),),
    ),
)


def changed(report: Report, **changes: Any) -> Report:
    """Return a report with other values of fields, in any of its groups."""
    for name in ("data", "fit", "scores"):
        group: Any = getattr(report, name)
        here = {spec.name: changes.pop(spec.name) for spec in fields(group) if spec.name in changes}
        report = replace(report, **{name: replace(group, **here)})
    return replace(report, **changes)


REGRESSION = changed(
    CLASSIFICATION,
    task="regression",
    classes=(),
    class_counts={},
    confusion=None,
    network={"r2": 0.8, "rmse": 1.0, "mae": 0.7},
    linear={"r2": 0.5, "rmse": 1.6, "mae": 1.2},
    trivial={"r2": -0.01, "rmse": 2.2, "mae": 1.9},
    training={"r2": 0.82, "rmse": 0.9, "mae": 0.6},
    trivial_value="3.25",
    residuals=Residuals(
        ((0, -3.0), (5, -1.5), (25, -0.5), (50, 0.0), (75, 0.5), (95, 1.5), (100, 3.0)),
        0.0,
        tuple((k / 10, k / 10 + 0.3 * (k % 3 - 1)) for k in range(50)),
        (1, 5, 20, 18, 4, 2),
        (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0),
    ),
)


def run_with(**changes: Any) -> Report:
    """Return a classification report with a changed run."""
    return changed(CLASSIFICATION, run=replace(RUN, **changes))
