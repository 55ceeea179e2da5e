"""Sampling and splitting of rows, decided row by row and independent of the batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.tables.cells import texts
from chainrule.tables.dependency import load_polars
from chainrule.tables.frames import cells_of, with_column

if TYPE_CHECKING:
    import polars as pl

Mask = NDArray[np.bool_]

MOST_STRATA = 1_000
FEWEST_STRATA = 20
"""A target with more distinct values in its first rows than the first number, or than a fifth of these rows and the
second, is split without stratification."""

MOST_ROWS = 200_000
FEWEST_ROWS = 2_000
MOST_CELLS = 20_000_000
"""The maximum number of cells of a sample, whose rows lie between the two numbers above."""

_ALL = np.uint64(2**64 - 1)


def mixed(numbers: NDArray[Any], seed: int) -> NDArray[np.uint64]:
    """Return pseudo-random numbers, each a function of its number and the seed alone.

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
    """Return the size of the sample for a table with `column_count` columns."""
    return max(FEWEST_ROWS, min(MOST_ROWS, MOST_CELLS // max(1, column_count)))


class RowSample:
    """A uniform sample of at most `limit` rows: those whose mixed number is below a bound, halved as needed.

    A table of no more than `limit` rows is kept whole.
    """

    def __init__(self, limit: int, seed: int) -> None:
        self.limit, self.seed = limit, seed
        self.seen = 0
        self.kept = 0
        """The number of rows in the sample."""
        self.halvings = 0
        """How often the bound has been halved."""
        self._frames: list[pl.DataFrame] = []
        self._rows: list[NDArray[np.int64]] = []
        self._draws: list[NDArray[np.uint64]] = []
        self._held: list[Mask] = []

    @property
    def whole(self) -> bool:
        """Whether the sample has all rows."""
        return self.kept == self.seen

    @property
    def _bound(self) -> np.uint64:
        return _ALL >> np.uint64(self.halvings)

    def add(self, frame: pl.DataFrame, held: Mask, draws: NDArray[np.uint64] | None = None) -> None:
        """Add the next rows of the table; `draws` are their mixed numbers, by default those of rows of one table."""
        rows = np.arange(self.seen, self.seen + frame.height)
        draws = mixed(rows, self.seed) if draws is None else draws
        self.seen += frame.height
        if self.halvings:
            keep = draws < self._bound
            frame, rows, held, draws = _copied(frame.filter(keep)), rows[keep], held[keep], draws[keep]
        self.append(frame, rows, held, draws)
        while self.kept > self.limit:
            self.thin(self.halvings + 1)

    def thin(self, halvings: int) -> None:
        """Keep the rows whose mixed number is below the bound after so many halvings."""
        if halvings == self.halvings:
            return
        self.halvings = halvings
        parts = list(zip(self._frames, self._rows, self._held, self._draws, strict=True))
        self._frames, self._rows, self._held, self._draws, self.kept = [], [], [], [], 0
        for part, numbers, mask, draws in parts:
            keep = draws < self._bound
            self.append(_copied(part.filter(keep)), numbers[keep], mask[keep], draws[keep])

    def append(self, frame: pl.DataFrame, rows: NDArray[np.int64], held: Mask, draws: NDArray[np.uint64]) -> None:
        """Add rows with these numbers, without counting them as seen."""
        if frame.height:
            self._frames.append(frame)
            self._rows.append(rows)
            self._held.append(held)
            self._draws.append(draws)
            self.kept += frame.height

    def keeping(self, mask: Mask) -> RowSample:
        """Return the sample without the rows outside of the mask, which then were never seen."""
        found = RowSample(self.limit, self.seed)
        found.append(self.frame().filter(mask), self.rows()[mask], self.held()[mask], self.draws()[mask])
        found.seen, found.halvings = self.seen - int((~mask).sum()), self.halvings
        return found

    def frame(self) -> pl.DataFrame:
        """The rows; columns whose batches differ in type are converted to texts."""
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
        """The mask of the rows that are held out."""
        return np.concatenate(self._held)

    def draws(self) -> NDArray[np.uint64]:
        """The mixed numbers of the rows."""
        return np.concatenate(self._draws)


def _copied(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a copy that shares no memory with its batch, so that the batch can be freed."""
    pl = load_polars()
    for series in frame.iter_columns():
        if series.dtype == pl.String:
            frame = with_column(frame, series.name, pl.Series(series.to_list(), dtype=pl.String))
    return frame


class StreamSplit:
    """A streaming stratified split: of every 1/fraction rows of a class, one at random is held out.

    The first row of a class is always in training. Classes are the texts of the target column; with too many distinct
    texts, rows are split without stratification.
    """

    def __init__(self, fraction: float, seed: int) -> None:
        self.fraction, self.seed = fraction, seed
        self._seen: dict[str | None, int] = {}
        self._strata: bool | None = None

    def add(self, target: pl.Series | None, count: int) -> Mask:
        """Return the mask of the held-out rows among the next `count` rows, given their targets."""
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


class Draws:
    """The random choices among the rows of a table: which are held out, and mixed numbers for a sample.

    If several processes have their own files, `first_file` is the number of the first file of this one among those of
    all. The choices in a file are then a function of its number and its rows, whichever process reads it.
    """

    def __init__(self, fraction: float, seed: int, first_file: int | None = None) -> None:
        self._fraction, self._seed, self._first_file = fraction, seed, first_file
        self._file = -1
        self._begin(0)

    def _begin(self, file: int) -> None:
        self._file, self._done = file, 0
        self._drawn = self._seed + (0 if self._first_file is None else (self._first_file + file) << 48)
        self._split = StreamSplit(self._fraction, self._drawn)

    def next(self, file: int, target: pl.Series) -> tuple[Mask, NDArray[np.uint64]]:
        """Return the mask of the held-out rows among the next ones, given their targets, and their mixed numbers."""
        if self._first_file is not None and file != self._file:
            self._begin(file)
        rows = np.arange(self._done, self._done + len(target))
        self._done += len(target)
        return self._split.add(target, len(target)), mixed(rows, self._drawn)


def _codes(written: pl.Series) -> tuple[NDArray[np.int64], list[str]]:
    """Return the code of each text, and the texts in the order of their first occurrence."""
    pl = load_polars()
    filled = written.fill_null("")
    labels = filled.unique(maintain_order=True)
    known = dict(zip(labels.to_list(), range(len(labels)), strict=True))
    return filled.replace_strict(known, return_dtype=pl.Int64).to_numpy(), labels.to_list()


def split_rows(codes: NDArray[np.int64] | None, count: int, fraction: float, seed: int) -> Mask:
    """Return the mask of the held-out rows among `count`: the fraction of each class, none of a class with one row.

    `codes`, of shape (rows,), are class numbers; None splits without stratification.
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
