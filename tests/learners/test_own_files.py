"""Files of a table that several processes have: what is drawn does not depend on which of them has which."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from chainrule.engines import Processes
from chainrule.learners import Data, Plan, learning, read_data
from chainrule.networks import Architecture, TrainingSettings, train
from chainrule.tables import preparing
from chainrule.training import Adam

ROWS = (400, 30, 300, 200, 70)
"""The rows of each file."""

HANG = 120.0


class Threads(Processes):
    """One of several threads that agree as processes do."""

    def __init__(self, number: int, count: int, met: threading.Barrier, given: list[bytes]) -> None:
        self.number, self.count, self.devices, self._met, self._given = number, count, count, met, given

    def gathered(self, what: str, data: bytes) -> list[bytes]:
        self._given[self.number] = data
        self._met.wait(HANG)
        found = list(self._given)
        self._met.wait(HANG)
        return found

    def each(self, what: str, number: float) -> list[float]:
        return [float(one) for one in self.gathered(what, repr(float(number)).encode())]

    def agreed(self, what: str, *numbers: float) -> list[float]:
        return list(numbers)

    def anywhere(self, what: str, flag: bool) -> bool:
        return any(self.each(what, flag))


def together(count: int, work: Callable[[Processes], Data]) -> list[Data]:
    """Return what each of so many threads finds."""
    met, given = threading.Barrier(count), [b""] * count
    processes = [Threads(number, count, met, given) for number in range(count)]
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(work, processes))


def plan(**changed: Any) -> Plan:
    given: dict[str, Any] = {
        "target": "y", "task": None, "drop": (), "kinds": (), "hidden": ((3,),), "learning_rates": (None,),
        "alphas": (3.0,), "activation": "relu", "output_activation": None, "loss": None, "dropout": 0.0,
        "normalization": None, "solver": "adam", "epochs": 2, "batch_size": None, "patience": 20,
        "class_weight": None, "validation": None, "delimiter": None, "seed": 0, "rows": "divided", "engine": "xla",
    }  # fmt: skip
    return Plan(**{**given, **changed})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number, rows in enumerate(ROWS):
        town = [f"town {k}" for k in rng.integers(0, 40, rows)]
        a = rng.normal(number, 2, rows)
        y = np.where(a > 1, "red", "blue") if number else np.resize(["red", "blue", "rare"], rows)
        pl.DataFrame({"a": a, "town": town, "y": y, "z": a + rng.normal(size=rows)}).write_parquet(
            tmp_path / f"{number}.parquet"
        )
    return tmp_path


def everything(parts: Sequence[Data]) -> list[NDArray[Any]]:
    """Return all that is known of the table."""
    first = parts[0]
    every = [part.everything() for part in parts]
    found = [
        np.concatenate([part.X for part in parts]),
        np.concatenate([part.y for part in parts]),
        np.sort(np.concatenate([X for X, _, _ in every]), axis=0),
        np.sort(np.concatenate([y for _, y, _ in every]), axis=0),
        first.X_held, first.y_held, first.X_choosing, first.y_choosing,
    ]  # fmt: skip
    for part in parts[1:]:
        for name in ("X_held", "y_held", "X_choosing", "y_choosing"):
            np.testing.assert_array_equal(getattr(part, name), getattr(first, name))
        assert part.prepared.preprocessing == first.prepared.preprocessing
    return found


@pytest.mark.parametrize("limit", [2_000, 300], ids=["all rows fit", "a sample is taken"])
@pytest.mark.parametrize("target", ["y", "z"])
def test_the_same_rows_are_held_out_however_files_are_divided(
    folder: Path, target: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "row_limit", lambda _: limit)
    monkeypatch.setattr(learning, "MOST_HELD", 90)
    used = plan(target=target)
    found = {
        count: together(count, lambda processes: read_data(str(folder), used, processes=processes))
        for count in (1, 2, 3, 5)
    }
    alone = everything(found[1])
    for count, parts in found.items():
        assert {part.prepared.fingerprint for part in parts} == {found[1][0].prepared.fingerprint}, count
        assert parts[0].prepared.preprocessing == found[1][0].prepared.preprocessing
        assert parts[0].target == found[1][0].target
        for here, there in zip(everything(parts), alone, strict=True):
            np.testing.assert_array_equal(here, there)
    # As many as asked for, of all files, and each process with a folder of its own is one of those that divide one.
    held = sum(len(part.rest) for part in found[3])
    assert abs(held - 0.28 * sum(ROWS)) < 20
    assert len(alone[4]) == 90
    for number, paths in enumerate([("0", "1"), ("2", "3", "4")]):
        own = folder / f"part {number}"
        own.mkdir()
        for name in paths:
            (folder / f"{name}.parquet").rename(own / f"{name}.parquet")
    given = replace(used, rows="own")
    own_parts = together(2, lambda one: read_data(str(folder / f"part {one.number}"), given, processes=one))
    for here, there in zip(everything(own_parts), alone, strict=True):
        np.testing.assert_array_equal(here, there)
    assert own_parts[1].prepared.fingerprint == found[1][0].prepared.fingerprint
    swapped = together(2, lambda one: read_data(str(folder / f"part {1 - one.number}"), given, processes=one))
    assert swapped[0].prepared.fingerprint != found[1][0].prepared.fingerprint


def test_the_share_held_out_goes_by_the_bytes_of_all_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(path.stat().st_size for path in folder.iterdir())
    for limit, share in ((size - 1, learning.HELD_OUT_LARGE), (size, learning.HELD_OUT + learning.CHOOSING)):
        monkeypatch.setattr(learning, "LARGE_FILE", limit)
        for count in (1, 3):
            parts = together(count, lambda processes: read_data(str(folder), plan(target="z"), processes=processes))
            held = sum(len(part.prepared.y_held) for part in parts)
            assert held == round(share * sum(ROWS))


def test_a_part_that_is_trained_on_as_a_whole_ties_the_fingerprint_to_the_division(folder: Path) -> None:
    """Its rows would all have been held out; with other parts, those of another one would be."""
    for number, rows in enumerate(ROWS):
        file = folder / f"{number}.parquet"
        pl.read_parquet(file)[: 1 if number == 4 else rows].write_parquet(file)
    prints = set()
    for count in (1, 2, 5):
        work = lambda processes: learning.table_data(  # noqa: E731
            plan(target="z").open(str(folder), None, processes), plan(target="z"), 0.9, processes=processes
        )
        parts = together(count, work)
        assert all(len(part.y) for part in parts)
        prints.add(parts[0].prepared.fingerprint)
    assert len(prints) == 2


def test_an_unfinished_epoch_is_begun_again_by_another_number_of_devices() -> None:
    X = np.linspace(-1, 1, 64)[:, None]
    network = Architecture(1, (4,), 1)

    def trained(epochs: int, **changed: Any) -> dict[str, NDArray[Any]]:
        settings = TrainingSettings(Adam(0.01), epochs=epochs, batch_size=16, engine="xla", own_rows=True)
        state = train(network, network.initial(0), X, X**2, settings=settings)
        assert state.devices == 1
        further = replace(settings, epochs=epochs + 1)
        return train(network, None, X, X**2, settings=further, resume=replace(state, **changed)).params

    again, whole = trained(2, step=2, loss=0.1, devices=3), trained(2)
    half = trained(2, step=2, loss=0.1)
    for name, value in whole.items():
        np.testing.assert_array_equal(again[name], value)
    assert any((half[name] != value).any() for name, value in whole.items())
