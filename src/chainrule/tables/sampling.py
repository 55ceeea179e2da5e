"""Which rows are looked at closely and which are held out, decided row by row: the same whatever the batches are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.tables.cells import texts
from chainrule.tables.frames import cells_of, with_column
from chainrule.tables.library import load_polars

if TYPE_CHECKING:
    import polars as pl

Mask = NDArray[np.bool_]

MOST_STRATA = 1_000
FEWEST_STRATA = 20
"""A target with more different values in its first rows than the first number, or than a fifth of these rows and the
second, is split without regard to them."""

MOST_ROWS = 200_000
FEWEST_ROWS = 2_000
MOST_CELLS = 20_000_000
"""A sample has at most so many cells, and rows between the two numbers above."""

_ALL = np.uint64(2**64 - 1)


def mixed(numbers: NDArray[Any], seed: int) -> NDArray[np.uint64]:
    """Numbers as random as can be, each from its number and the seed alone.

    The finalizer of SplitMix64 (Steele, Lea and Flood 2014, figure 17).
    """
    with np.errstate(over="ignore"):
        state = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        state += np.uint64((seed * 0xD1B54A32D192ED03 + 0x9E3779B97F4A7C15) & (2**64 - 1))
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found: NDArray[np.uint64] = state ^ (state >> np.uint64(31))
        return found


def row_limit(column_count: int) -> int:
    """How many rows of a table with so many columns are looked at closely."""
    return max(FEWEST_ROWS, min(MOST_ROWS, MOST_CELLS // max(1, column_count)))


class RowSample:
    """At most `limit` rows of a table, drawn evenly: those whose number, mixed, is below a bound, halved as needed.

    With no more than `limit` rows, it holds all of them.
    """

    def __init__(self, limit: int, seed: int) -> None:
        self.limit, self.seed = limit, seed
        self.seen = 0
        self._bound = _ALL
        self._frames: list[pl.DataFrame] = []
        self._rows: list[NDArray[np.int64]] = []
        self._held: list[Mask] = []
        self._kept = 0

    @property
    def whole(self) -> bool:
        """Whether no row was left out."""
        return self._kept == self.seen

    def add(self, frame: pl.DataFrame, held: Mask) -> None:
        rows = np.arange(self.seen, self.seen + frame.height)
        self.seen += frame.height
        if self._bound != _ALL:
            keep = mixed(rows, self.seed) < self._bound
            frame, rows, held = _copied(frame.filter(keep)), rows[keep], held[keep]
        self._append(frame, rows, held)
        while self._kept > self.limit:
            self._bound //= np.uint64(2)
            parts = list(zip(self._frames, self._rows, self._held, strict=True))
            self._frames, self._rows, self._held, self._kept = [], [], [], 0
            for part, numbers, mask in parts:
                keep = mixed(numbers, self.seed) < self._bound
                self._append(_copied(part.filter(keep)), numbers[keep], mask[keep])

    def _append(self, frame: pl.DataFrame, rows: NDArray[np.int64], held: Mask) -> None:
        if frame.height:
            self._frames.append(frame)
            self._rows.append(rows)
            self._held.append(held)
            self._kept += frame.height

    def frame(self) -> pl.DataFrame:
        """The rows; columns whose batches differ in type are made of texts."""
        if len(self._frames) == 1:
            return self._frames[0]
        frames = load_polars()
        schemas = [frame.schema for frame in self._frames]
        for name in schemas[0]:
            found = {schema[name] for schema in schemas}
            if len(found) > 1:
                alike = all(one.is_numeric() or one == frames.Null for one in found)
                self._frames = [
                    with_column(frame, name, cells.cast(frames.Float64) if alike else texts(cells))
                    for frame in self._frames
                    for cells in (cells_of(frame, name),)
                ]
        joined: pl.DataFrame = frames.concat(self._frames, rechunk=True)
        self._frames = [joined]
        return joined

    def rows(self) -> NDArray[np.int64]:
        """The numbers of the rows, from 0."""
        return np.concatenate(self._rows)

    def held(self) -> Mask:
        """Which of the rows are held out."""
        return np.concatenate(self._held)


def _copied(frame: pl.DataFrame) -> pl.DataFrame:
    """A copy that shares no memory with the batch that it was cut from, so that the batch can go."""
    pl = load_polars()
    for series in frame.iter_columns():
        if series.dtype == pl.String:
            frame = with_column(frame, series.name, pl.Series(series.to_list(), dtype=pl.String))
    return frame


class StreamSplit:
    """Which rows are held out, decided as they pass by: of every 1/fraction rows of a class, one at random.

    The first row of a class is always trained on. Rows count by the text in the target column, or all together where
    that has too many different ones.
    """

    def __init__(self, fraction: float, seed: int) -> None:
        self.fraction, self.seed = fraction, seed
        self._seen: dict[str | None, int] = {}
        self._strata: bool | None = None

    def add(self, target: pl.Series | None, count: int) -> Mask:
        """Which of the next `count` rows, whose targets are given, are held out."""
        if not self.fraction:
            return np.zeros(count, dtype=bool)
        if target is None or self._strata is False:
            return self._decided("", np.arange(count), count)
        codes, labels = _codes(texts(target))
        if self._strata is None:
            self._strata = len(labels) <= min(MOST_STRATA, max(FEWEST_STRATA, count // 5))
            if not self._strata:
                return self._decided("", np.arange(count), count)
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes, minlength=len(labels)))
        held = np.zeros(count, dtype=bool)
        for label, rows in zip(labels, np.split(order, ends[:-1]), strict=True):
            known = label in self._seen or len(self._seen) < MOST_STRATA
            held |= self._decided(label if known else None, rows, count)
        return held

    def _decided(self, label: str | None, rows: NDArray[np.int64], count: int) -> Mask:
        start = self._seen.get(label, 0)
        self._seen[label] = start + len(rows)
        numbers = np.arange(start, start + len(rows))
        group = np.floor(numbers * self.fraction).astype(np.int64)
        first = np.ceil(group / self.fraction).astype(np.int64)
        size = np.ceil((group + 1) / self.fraction).astype(np.int64) - first
        stratum = sum(byte << 8 * (k % 6) for k, byte in enumerate((label or "").encode("utf-8", "surrogatepass")))
        chosen = mixed(group, self.seed + stratum) % size.astype(np.uint64)
        chosen = np.where((group == 0) & (size > 1), 1 + chosen % np.maximum(size - 1, 1).astype(np.uint64), chosen)
        held = np.zeros(count, dtype=bool)
        held[rows] = (numbers - first) == chosen.astype(np.int64)
        return held


def _codes(written: pl.Series) -> tuple[NDArray[np.int64], list[str]]:
    """The number of each text, and the texts in the order of their first occurrence."""
    pl = load_polars()
    filled = written.fill_null("")
    labels = filled.unique(maintain_order=True)
    known = dict(zip(labels.to_list(), range(len(labels)), strict=True))
    return filled.replace_strict(known, return_dtype=pl.Int64).to_numpy(), labels.to_list()


def split_rows(codes: NDArray[np.int64] | None, count: int, fraction: float, seed: int) -> Mask:
    """Which of `count` rows are held out: the fraction of each class, of one with a single row none.

    `codes`, of shape (rows,), numbers the classes; None splits the rows without regard to any.
    """
    random = np.random.default_rng(seed)
    held = np.zeros(count, dtype=bool)
    groups: Sequence[NDArray[Any]] = [np.arange(count)]
    if codes is not None:
        order = np.argsort(codes, kind="stable")
        groups = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    for group in groups:
        share = min(len(group) - 1, max(1, round(fraction * len(group)))) if len(group) > 1 and fraction else 0
        held[random.permutation(group)[:share]] = True
    return held
