"""Categories with many levels, encoded by the average of the target over the training rows of each level.

The average of a level with n rows is drawn towards that of all rows, `(Σy + m ȳ) / (n + m)`, where m is the variance
within levels over that between them, both estimated from all levels (Bühlmann 1967, *Experience rating and
credibility*). A network that learnt from averages in which its own rows take part would trust them too much, so the
training rows are encoded by averages over the other folds, as scikit-learn's `TargetEncoder` does; all others by the
averages over all training rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.tables.arithmetic import Floats
from chainrule.tables.cells import counted, read_levels, texts
from chainrule.tables.features import MOST_LEVELS, LevelNumbers, Scaling, scaled
from chainrule.tables.fitting import mean_and_scale, natural
from chainrule.tables.sampling import Mask, mixed

if TYPE_CHECKING:
    import polars as pl

FOLDS = 5
MOST_AVERAGED = 10_000
"""The number of levels with an average each; rarer ones are taken for unknown, as are those of a single row."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What is averaged: `values` (rows, outcomes) of a sample, with names, and the number of the fold of each row."""

    names: tuple[str, ...]
    values: Floats
    folds: NDArray[np.int64]

    def of(self, rows: Mask) -> Outcomes:
        """Return those of some of the rows."""
        return Outcomes(self.names, self.values[rows], self.folds[rows])


@dataclass(frozen=True, eq=False)
class Folded:
    """The averages of a feature without each fold, `tables` (folds, levels + 2, outcomes), rows as those of `table`."""

    feature: LevelNumbers
    tables: Floats

    def encoded(self, values: NDArray[np.int64], folds: NDArray[np.int64]) -> Floats:
        """Encode training rows, given as indices in levels and numbers of folds, as (rows, outcomes)."""
        return scaled(self.tables[folds, self.feature.rows_of(values)], self.feature.scalings)


def fold_of(rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return the fold of each row of a table, a function of its number and the seed."""
    return (mixed(rows, seed + 17) % np.uint64(FOLDS)).astype(np.int64)


def fit_averages(name: str, series: pl.Series, outcomes: Outcomes) -> Folded | None:
    """Fit the averages of a category to its training rows.

    Return None if its levels are few, or differ no more in their averages than chance has it.
    """
    counts = counted(texts(series))
    if len(counts) <= MOST_LEVELS:
        return None
    by_count = sorted(counts, key=lambda level: (-counts[level], level))[:MOST_AVERAGED]
    levels = tuple(sorted((level for level in by_count if counts[level] > 1), key=natural))
    if not levels:
        return None
    plain = LevelNumbers(name, levels, (), (), (), ())
    places = plain.rows_of(read_levels(series, levels)[0])
    height = len(levels) + 2
    keys = outcomes.folds * height + places
    rows = np.bincount(keys, minlength=FOLDS * height).reshape(FOLDS, height)
    several = (rows.sum(axis=0) > 0) & (np.arange(height) != plain.other_column)
    of_several = several[places]
    kept: list[Scaling] = []
    tables: list[Floats] = []
    for k, title in enumerate(outcomes.names):
        centre = outcomes.values[:, k].mean()
        y = outcomes.values[:, k] - centre
        sums = np.bincount(keys, weights=y, minlength=FOLDS * height).reshape(FOLDS, height)
        known = y[of_several]
        drawn = _credibility(rows.sum(axis=0)[several], sums.sum(axis=0)[several], float(known @ known))
        if drawn is None:
            continue
        # The last table is over all rows, the others are without one fold.
        n, total = (np.vstack([found.sum(axis=0) - found, found.sum(axis=0)[None]]) for found in (rows, sums))
        average = centre + total / (n + drawn)
        average[:, plain.other_column] = centre
        mean, scale = mean_and_scale(average[outcomes.folds, places])
        kept.append(Scaling(f"share of {title}" if title else "average", mean, scale))
        tables.append(average)
    if not kept:
        return None
    table = np.stack(tables, axis=-1)
    whole = [tuple(map(float, row)) for row in table[-1]]
    feature = LevelNumbers(name, levels, tuple(whole[:-2]), whole[-2], whole[-1], tuple(kept))
    return Folded(feature, table[:-1])


def _credibility(rows: NDArray[np.int64], sums: Floats, squares: float) -> float | None:
    """Return the number of rows m that the average of all counts for in that of a level; None if levels do not differ.

    `rows` and `sums` are the count and sum of each level, of numbers with mean 0, and `squares` the sum of all squares.
    """
    count, levels = float(rows.sum()), len(rows)
    if levels < 2 or count <= levels:
        return None
    of_levels = float(sums @ (sums / rows))
    between = (of_levels - sums.sum() ** 2 / count) / (levels - 1)
    within = max(squares - of_levels, 0.0) / (count - levels)
    spread = (between - within) / ((count - float(rows @ rows) / count) / (levels - 1))
    return within / spread if spread > 0 else None
