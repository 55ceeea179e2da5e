"""A program of several processes that each have a part of a table; every one prints what it knows, as JSON.

Its argument is a folder with as many Parquet files as processes.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

import chainrule as cr
from chainrule.cli import app
from chainrule.engines import Processes, get_engine
from chainrule.estimators import TabularClassifier, tabular
from chainrule.learners import Data, Learner, Plan, learners, read_data, whole_learner
from chainrule.networks import Validation, train
from chainrule.tables import FrameSource, TableError, open_table, prepare, preparing
from support import training_together

PARTS = (110, 50, 23)
"""The rows of each file, of which the processes send one another some."""

BATCH = 30


def write_parts(folder: str) -> None:
    """Write a table whose parts differ: in levels, in missing cells, in a type; one column has many levels."""
    rng = np.random.default_rng(0)
    rows = sum(PARTS)
    last = np.arange(rows) >= rows - PARTS[-1]
    colour = np.where(last & (np.arange(rows) % 2 == 0), "violet", rng.choice(["red", "blue"], rows))
    a = np.where(last & (rng.random(rows) < 0.3), np.nan, rng.normal(3, 2, rows))
    town = rng.integers(0, 70, rows)
    towns = [f"town {k}" for k in town]
    y = 9.0 * (town % 3) + rng.normal(size=rows)
    table = pl.DataFrame(
        {"a": a, "b": rng.integers(0, 100, rows), "colour": colour, "town": towns, "y": y}
    ).with_columns(a=pl.col("a").fill_nan(None))
    first = 0
    for number, count in enumerate(PARTS):
        part = table[first : first + count]
        part = part.with_columns(pl.col("b").cast(pl.Float64)) if number == 1 else part
        part.write_parquet(f"{folder}/{number}.parquet")
        first += count


def plan(**changed: Any) -> Plan:
    given: dict[str, Any] = {
        "target": "y", "task": None, "drop": (), "kinds": (("town", "category"),), "hidden": ((6,),),
        "learning_rates": (None,), "alphas": (3.0,), "activation": "relu", "output_activation": None, "loss": None,
        "dropout": 0.0, "normalization": "batch", "solver": "adam", "epochs": 2, "batch_size": BATCH, "patience": 20,
        "class_weight": None, "validation": None, "delimiter": None, "seed": 0, "ensemble": 2,
    }  # fmt: skip
    return Plan(**{**given, **changed})


def known(data: Data) -> dict[str, Any]:
    """Return what is known of a table, whoever has its rows."""
    prepared = data.prepared
    held = np.concatenate([data.X_choosing, data.X_held])
    return {
        "preprocessing": prepared.preprocessing.description(),
        "target": repr(prepared.target),
        "rows": [prepared.row_count, data.row_count, data.whole_count],
        "class counts": prepared.class_counts,
        "class weights": None if data.class_weights is None else data.class_weights.tolist(),
        "held": held[np.lexsort(held.T)].tolist(),
    }


def classified(table: pl.DataFrame, **changed: Any) -> dict[str, Any]:
    """Return what an estimator finds, whose batches are of all rows, so that their order does not matter."""
    X, y = table.drop("colour", "town"), table["colour"].to_numpy()
    given = {"ensemble": 1, "batch_size": sum(PARTS), "learning_rate": 0.05, "max_epochs": 3, "random_state": 0}
    model = TabularClassifier((3,), **{**given, **changed}).fit(X, y)
    everyone = pl.DataFrame({"a": [1.0, None, 4.0], "b": [10, 50, 90], "y": [0.0, 9.0, 18.0]})
    return {
        "classes": model.classes_.tolist(),
        "losses": [*model.loss_curve_, *model.validation_loss_curve_],
        "predicted": model.predict_proba(everyone).ravel().tolist(),
    }


def of_all_rows(learner: Learner, rows: int, epochs: int) -> Learner:
    """Return the learner for the last training, in batches of all rows too."""
    found = whole_learner(learner, rows, epochs)
    return replace(found, settings=replace(found.settings, batch_size=rows))


def whole(folder: str) -> dict[str, Any]:
    """Return what one process that has all rows finds, which takes them in the order of three."""
    used = plan()
    data = read_data(folder, used)
    (learner,) = learners(used, data)
    settings = replace(learner.settings, order=cr.DividedOrder(len(data.y), BATCH, len(PARTS)))
    validation = Validation(data.X_choosing, data.y_choosing)
    state = train(learner.architecture, learner.initial(), data.X, data.y, None, settings, validation)
    weighted = read_data(folder, plan(target="colour", class_weight="balanced"))
    table = pl.concat(
        [pl.read_parquet(f"{folder}/{number}.parquet") for number in range(len(PARTS))], how="vertical_relaxed"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tabular, "whole_learner", of_all_rows)
        found = classified(table)
    return {
        "known": known(data),
        "classes": known(weighted),
        "X": data.X.tolist(),
        "everything": data.everything()[0].tolist(),
        "classified": found,
        "losses": state.loss_curve.tolist(),
        "params": {name: array.tolist() for name, array in state.params.items()},
    }


def refused(arguments: list[str]) -> str:
    """Return the status of a command that fails in this process, and what it says."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told), pytest.raises(SystemExit) as end:
        app.main(arguments, prog_name="chainrule")
    return f"{end.value.code} {told.getvalue()}"


def train_own_part(folder: str, processes: Processes, path: str) -> list[str]:
    """Return the arguments of the command that trains on the part of this process."""
    given = ["train", f"{folder}/{processes.number}.parquet", "--rows", "own", "--target", "y", "--json"]
    given += ["--engine", "xla", "--ensemble", "2", "--hidden", "6", "--epochs", "2", "--normalization", "batch"]
    return [*given, "--batch-size", str(BATCH), "--kind", "town=category", "--no-refit", "--save", path]


def parted(folder: str, processes: Processes) -> dict[str, Any]:
    used = plan(engine="xla", rows="divided")
    data = read_data(folder, used, processes=processes)
    weighted = read_data(folder, replace(used, target="colour", class_weight="balanced"), processes=processes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "row_limit", lambda columns: 60)
        sampled = prepare(open_table(f"{folder}/{processes.number}.parquet"), "y", processes=processes)
    frame = pl.read_parquet(f"{folder}/{processes.number}.parquet")
    held = prepare(
        FrameSource(frame.head(1) if processes.number == 2 else frame), "y", held_out=0.9, processes=processes
    )
    refusals = []
    for fails in (
        lambda: prepare(FrameSource(frame.drop("b") if processes.number == 2 else frame), "y", processes=processes),
        lambda: open_table(f"{folder}/0.parquet", part=(processes.number, processes.count)),
        lambda: TabularClassifier(engine="xla", rows="own").fit(
            frame, np.resize([1, 2] if processes.number else ["a", "b"], frame.height)
        ),
    ):
        with pytest.raises((TableError, ValueError)) as caught:
            fails()
        refusals.append(str(caught.value).replace(folder, "FOLDER"))
    misspelt = pl.DataFrame({"a": [1.0, 2.0, 3.0], "y": ["1.5", "oops" if processes.number == 1 else "2.5", "3.5"]})
    with pytest.raises(TableError) as caught:  # of a cell that one process has
        prepare(FrameSource(misspelt), "y", task="regression", processes=processes)
    solver = ["train", f"{folder}/0.parquet", "--target", "y", "--engine", "xla", "--solver", "lbfgs"]
    uneven = [each for each in train_own_part(folder, processes, "missing") if each != "--json"]
    return {
        "known": known(data),
        "classes": known(weighted),
        "X": data.X.tolist(),
        "everything": data.everything()[0].tolist(),
        "sampled": [sampled.preprocessing.description(), repr(sampled.target), sampled.fingerprint],
        "sampled rows": len(sampled.y) + len(sampled.y_held),
        "classified": classified(frame, engine="xla", rows="own", random_state=None if processes.number else 0),
        "held out": [len(held.y), len(held.y_held)],
        "refusals": refusals,
        "misspelt": str(caught.value),
        "solver": refused(solver),
        "uneven": refused([*uneven, "--batch-size", "25"]),
        "brief": training_together.brief(),
        "unwritten": [refused(train_own_part(folder, processes, path)) for path in ("missing/model", "/dev/full")],
    }


if __name__ == "__main__":
    processes = get_engine("xla").processes
    folder = sys.argv[1]
    warnings.simplefilter("ignore", cr.UndividedWarning)  # of a batch of all rows
    sys.stdout.write(json.dumps(parted(folder, processes)) + "\n")
    sys.stdout.flush()
    app.main(train_own_part(folder, processes, f"{folder}/../model"), prog_name="chainrule")
