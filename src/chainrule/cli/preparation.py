"""From a table to arrays: what kind of target it has, which rows are held out, how features are scaled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.errors import CommandError
from chainrule.cli.tables import Table, as_number, has_decimal_comma

Task: TypeAlias = Literal["classification", "regression"]
Reason: TypeAlias = Literal["text", "few", "numbers", "asked"]

FEW = 20
"""A target with no more distinct whole numbers than this is taken for classes."""

HELD_OUT = 0.2
FEWEST_ROWS = 5


@dataclass(frozen=True, eq=False)
class Target:
    """The column to predict: class numbers with the labels of the classes, or values (`classes` is empty then)."""

    name: str
    values: NDArray[Any]
    classes: list[str]
    reason: Reason

    @property
    def task(self) -> Task:
        return "classification" if self.classes else "regression"


def read_target(table: Table, name: str, task: Task | None) -> Target:
    """The target, as `task` or as what it looks like; raises CommandError for one that cannot be learnt."""
    cells = table.column(name)
    table.check_filled(name)
    texts = sum(as_number(cell) is None for cell in cells)
    if texts == sum(has_decimal_comma(cell) for cell in cells):
        texts = 0  # numbers that the table will ask to write otherwise
    # A few texts among numbers are mistakes, not classes.
    if texts and (task == "classification" or (task is None and 2 * texts >= len(cells))):
        return _classes(table, name, cells, "asked" if task else "text")
    numbers = table.numbers(name)
    whole = bool((numbers == np.round(numbers)).all())
    few = whole and len(np.unique(numbers)) <= max(2, min(FEW, table.row_count // FEWEST_ROWS))
    if task == "classification" or (task is None and few):
        return _classes(table, name, _spelled_alike(cells) if whole else cells, "asked" if task else "few")
    if numbers.min() == numbers.max():
        raise CommandError(f"{table.path}, column {name!r} has the one value {cells[0]}; there is nothing to learn")
    return Target(name, numbers, [], "asked" if task else "numbers")


def _spelled_alike(cells: Sequence[str]) -> list[str]:
    """Whole numbers as they are written, each in the first of its spellings: 1, 1.0 and 01 are one class."""
    spellings: dict[Decimal, str] = {}
    return [spellings.setdefault(Decimal(cell), cell) for cell in cells]


def _classes(table: Table, name: str, labels: Sequence[str], reason: Reason) -> Target:
    counts = Counter(labels)
    if len(counts) == 1:
        raise CommandError(
            f"{table.path}, column {name!r} has the single class {labels[0]!r}; a classifier needs at least two"
        )
    if 2 * len(counts) > len(labels) and len(counts) > 2:
        raise CommandError(
            f"{table.path}, column {name!r} has {len(counts)} different values in {len(labels)} rows, too many for "
            "classes; choose another target"
        )
    known = sorted(counts, key=lambda label: (as_number(label) or 0.0, label))
    number = {label: k for k, label in enumerate(known)}
    return Target(name, np.array([number[label] for label in labels]), known, reason)


def read_features(table: Table, names: Sequence[str]) -> NDArray[np.float64]:
    """The columns `names` as an array (rows, features)."""
    return np.column_stack([table.numbers(name) for name in names])


def hold_out(target: Target, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows to train on and the fifth held out, each class in proportion; raises CommandError for too few rows."""
    count = len(target.values)
    if count < FEWEST_ROWS:
        raise CommandError(f"there are {count} rows; a fifth is held out, so give at least {FEWEST_ROWS}")
    random = np.random.default_rng(seed)
    groups = (
        [np.flatnonzero(target.values == k) for k in range(len(target.classes))]
        if target.classes
        else [np.arange(count)]
    )
    held: list[int] = []
    for group in groups:
        share = max(1, round(HELD_OUT * len(group))) if len(group) > 1 else 0
        held.extend(random.permutation(group)[:share].tolist())
    mask = np.zeros(count, dtype=bool)
    mask[held] = True
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def scaling(columns: NDArray[np.float64], names: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of each column; 1 for the deviation of a constant one."""
    with np.errstate(all="ignore"):
        mean, deviation = columns.mean(axis=0), columns.std(axis=0)
    for name, value in zip(names, mean + deviation, strict=True):
        if not np.isfinite(value):
            raise CommandError(
                f"column {name!r} holds numbers too large to square; divide the column by a power of ten"
            )
    for name, value, changes in zip(names, deviation, columns.min(axis=0) < columns.max(axis=0), strict=True):
        if changes and value == 0:
            raise CommandError(
                f"column {name!r} holds numbers too small to square; multiply the column by a power of ten"
            )
    constant = deviation <= 1e-12 * np.abs(mean)
    return mean, np.where(constant, 1.0, deviation)
