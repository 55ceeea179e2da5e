"""The estimators in comparison with scikit-learn's, on tables that ship with scikit-learn and statsmodels.

Both train with the same parameters from the same `random_state`, so that they follow the same path and the time of a
fit is the time to scikit-learn's own final loss; both are then scored on the same held-out rows. Ours also runs in
float32, which follows the path less exactly.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from benchmarks.measure import BenchmarkError, Contender, interleave
from benchmarks.peers import AbsentError, optional
from benchmarks.settings import Settings, say

TITLE = "fits of MLPClassifier and MLPRegressor to the same loss"
SAME = 1e-6
"""The relative tolerance of the final losses: both follow the same path, with different rounding."""

Split = tuple[Any, Any, Any, Any]


@dataclass(frozen=True)
class RealTable:
    """A table and its model. `columns` returns features and target; `parameters` are passed to both estimators."""

    name: str
    columns: Callable[[], tuple[Any, Any]]
    classifies: bool
    parameters: dict[str, Any]

    def split(self) -> Split:
        """Return standardized features and targets, with a quarter of the rows held out."""
        X, y = self.columns()
        selection, preprocessing = (import_module(f"sklearn.{name}") for name in ("model_selection", "preprocessing"))
        seen, held, wanted, truth = selection.train_test_split(
            np.asarray(X, float), np.asarray(y), random_state=0, stratify=y if self.classifies else None
        )
        scaler = preprocessing.StandardScaler().fit(seen)
        if not self.classifies:
            mean, deviation = wanted.mean(), wanted.std()
            wanted, truth = (wanted - mean) / deviation, (truth - mean) / deviation
        return scaler.transform(seen), scaler.transform(held), wanted, truth


def _bundled(name: str) -> Callable[[], tuple[Any, Any]]:
    def columns() -> tuple[Any, Any]:
        X, y = getattr(optional("sklearn.datasets", "scikit-learn"), f"load_{name}")(return_X_y=True)
        return X, y

    return columns


def _survey(name: str, target: str, decide: Callable[[Any], Any] = lambda y: y, also: str = "") -> Any:
    """Load a table of statsmodels; `decide` converts its target to classes, `also` is left out as well."""

    def columns() -> tuple[Any, Any]:
        frame = getattr(optional("statsmodels.api", "statsmodels").datasets, name).load_pandas().data
        X = frame.drop(columns=[target, *also.split()]).to_numpy(float)
        return np.delete(X, np.flatnonzero(X.std(axis=0) == 0), axis=1), decide(frame[target].to_numpy(float))

    return columns


TABLES = [
    RealTable("breast_cancer", _bundled("breast_cancer"), True, {}),
    RealTable("digits", _bundled("digits"), True, {}),
    RealTable("wine", _bundled("wine"), True, {}),
    RealTable("diabetes", _bundled("diabetes"), False, {}),
    RealTable("fair", _survey("fair", "affairs", lambda y: (y > 0).astype(int)), True, {}),
    RealTable("randhie", _survey("randhie", "mdvis"), False, {}),
    RealTable("anes96", _survey("anes96", "vote", lambda y: y.astype(int)), True, {}),
    RealTable("star98", _survey("star98", "NABOVE", also="NBELOW"), False, {}),
]
"""With default parameters: one hidden layer of 100, relu, Adam, batches of 200 or all rows, 200 epochs."""


def run(settings: Settings) -> dict[str, Any]:
    """Fit both estimators on each table, interleaved."""
    report: dict[str, Any] = {"title": TITLE, "tables": [], "absent": {}}
    for table in TABLES:
        say(f"estimators: {table.name}")
        try:
            report["tables"].append(_measured(table, settings))
        except AbsentError as reason:
            report["absent"][table.name] = str(reason)
    return report


def _measured(table: RealTable, settings: Settings) -> dict[str, Any]:
    seen, held, wanted, truth = table.split()
    name = "MLPClassifier" if table.classifies else "MLPRegressor"
    parameters = {**table.parameters, "random_state": 0, **({"max_iter": 5} if settings.quick else {})}

    def fitted(module: str, **further: Any) -> Callable[[], Any]:
        make = getattr(import_module(module), name)

        def fit() -> Any:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # both warn that 200 epochs were not enough
                return make(**parameters, **further).fit(seen, wanted)

        return fit

    ours, single, peer = interleave(
        [
            Contender("chainrule", fitted("chainrule.estimators")),
            Contender("chainrule, float32", fitted("chainrule.estimators", dtype="float32")),
            Contender("scikit-learn", fitted("sklearn.neural_network")),
        ],
        settings.rounds,
    )
    losses = ours.outcome.loss_, peer.outcome.loss_
    if abs(losses[0] - losses[1]) > SAME * abs(losses[1]):
        raise BenchmarkError(f"{table.name}: the losses are {losses[0]!r} and {losses[1]!r}, which is not the same job")
    return {
        "name": table.name,
        "rows": len(seen),
        "features": seen.shape[1],
        "epochs": int(peer.outcome.n_iter_),
        "loss": float(losses[1]),
        "scores": [float(ours.outcome.score(held, truth)), float(peer.outcome.score(held, truth))],
        "ratio": peer.median / ours.median,
        "float32_ratio": peer.median / single.median,
        "float32_loss": float(single.outcome.loss_),
        "first_ratio": peer.first / ours.first,
        "contenders": [ours.report(), peer.report(), single.report()],
    }


def text(report: dict[str, Any]) -> str:
    """Return a line for each table: sizes, both times and their ratio, that of the first fit, and held-out scores."""
    head = (
        f"{'table':<14}{'rows':>7}{'features':>9}{'epochs':>7}{'ours':>10}{'sklearn':>10}{'times':>7}{'float32':>8}{'first':>7}"
        f"{'score':>8}{'sklearn':>8}"
    )
    lines = [head]
    for each in report["tables"]:
        ours, peer = (contender["median_seconds"] for contender in each["contenders"][:2])
        lines.append(
            f"{each['name']:<14}{each['rows']:>7,}{each['features']:>9}{each['epochs']:>7}{ours * 1e3:>7,.0f} ms"
            f"{peer * 1e3:>7,.0f} ms{each['ratio']:>7.1f}{each['float32_ratio']:>8.1f}{each['first_ratio']:>7.1f}"
            f"{each['scores'][0]:>8.3f}{each['scores'][1]:>8.3f}"
        )
    lines += [f"{name}: not measured: {reason}" for name, reason in report["absent"].items()]
    return "\n".join(lines)
