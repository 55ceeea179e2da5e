"""The values of a target column, counted over all rows: they decide whether it holds classes or numbers."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import ALONE, Processes
from chainrule.tables.absent import stand_for_nothing
from chainrule.tables.cells import (
    EXACT,
    MISSING_WORDS,
    as_numbers,
    counted,
    labels,
    number_in,
    what_is_seen,
    without_missing,
)
from chainrule.tables.columns import usual_decimal_of
from chainrule.tables.conventions import USUAL, Conventions
from chainrule.tables.dates import FIRST_AS_NUMBER, LAST_AS_NUMBER, guess_formats
from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import TableError, short
from chainrule.tables.fitting import natural
from chainrule.tables.frames import cells_of
from chainrule.tables.notation import PLAIN, Notation, guess_notation
from chainrule.tables.pooling import common_notation
from chainrule.tables.readings import notes_on_notation
from chainrule.tables.sources import Batch, Source
from chainrule.tables.spellings import groups_of, main_spellings, with_counts
from chainrule.tables.targets import ClassTarget, Task, read_target

if TYPE_CHECKING:
    import polars as pl

FEW = 20
"""A target with at most this many distinct whole numbers has classes."""

LOWEST_CLASS = -9
"""Numbers below, such as losses of -999, are quantities and no names of classes."""

MOST_CLASSES = 10_000

FEWEST_OF_A_WORD = 0.01
"""A word such as NA is a class among others if at least this share of the rows, and two, have it."""

_LISTED = 8
_LOOKED_AT = 5_000


@dataclass
class TargetCount:
    """Counts of the values in a target column, over all rows."""

    source: Source
    name: str
    conventions: Conventions = USUAL
    processes: Processes = ALONE
    """Those that have a part of the table each."""
    notation: Notation = PLAIN
    """How numbers are written, inferred from the first batch."""
    rows: int = 0
    """The rows with a value."""
    without: int = 0
    """The rows without one, which are left out."""
    begun: bool = False
    nothing: tuple[str, ...] = MISSING_WORDS
    """Texts that stand for no value; none if it is chosen that words such as NA are classes."""
    counts: Counter[str] = field(default_factory=Counter)
    spelled: Counter[str] = field(default_factory=Counter)
    """The counts before spellings of one class were merged, if they were."""
    many: bool = False
    """Whether there are more than `MOST_CLASSES` distinct texts, so that `counts` is incomplete."""
    odd: int = 0
    """The number of cells that are not numbers."""
    others: Counter[str] = field(default_factory=Counter)
    """Their texts, of which at most about `MOST_CLASSES` are counted."""
    words: Counter[str] = field(default_factory=Counter)
    """Texts that may mean a missing value, such as NA and None."""
    left_out_words: Counter[str] = field(default_factory=Counter)
    """Those that are left out, where other texts are classes."""
    set_apart: Counter[str] = field(default_factory=Counter)
    """Words that are left out as they stand among numbers, such as unknown."""
    looked_at: int = 0
    decorated: int = 0
    """How many of these cells were examined, and how many of them are numbers in another notation, such as 1,5."""
    readings: list[str] = field(default_factory=list)
    """Notes on numbers of the first batch that are read otherwise than they stand."""
    whole: bool = True
    low: float = np.inf
    high: float = -np.inf

    def add(self, batch: Batch) -> None:
        """Count the rows of a batch."""
        series = batch.read(self.name, self._cells)
        there = labels(series).is_not_null()
        self.without += len(series) - int(there.sum())
        series = series.filter(there)
        written = labels(series)
        if not self.begun or (not self.rows and self.processes.count == 1):
            self.begun = True
            self.notation = common_notation(self._notation(batch, written), self.processes)
            self.readings = notes_on_notation(self.name, written, self.notation, is_target=True)
        numbers = as_numbers(written if series.dtype == load_polars().Boolean else series, self.notation)
        absent = written.is_in(MISSING_WORDS)
        if absent.any():
            self.words.update(counted(written.filter(absent)))
        self.rows += len(series)
        if numbers.null_count():
            others = written.filter(numbers.is_null())
            self.odd += len(others)
            if len(self.others) <= MOST_CLASSES:
                self.others.update(counted(others))
            some = others.head(1_000).to_list()
            self.looked_at += len(some)
            self.decorated += sum(what_is_seen(cell) is not None for cell in some)
        values = numbers.drop_nulls().drop_nans().to_numpy()
        if len(values):
            self.whole = self.whole and bool((values == np.floor(values)).all())
            self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
        if not self.many:
            self.counts.update(counted(written))
            self.many = len(self.counts) > MOST_CLASSES

    def _cells(self, series: pl.Series) -> pl.Series:
        """Return the cells, null for those that the user calls missing."""
        return without_missing(series, self.conventions.missing, self.conventions.missing_numbers)

    def filled(self, series: pl.Series) -> NDArray[np.bool_]:
        """Return the mask of the cells with a value, among cells of the target, once the task is chosen."""
        written = labels(self._cells(series))
        return (written.is_not_null() & ~written.is_in(self.nothing).fill_null(False)).to_numpy()

    def add_up(self) -> None:
        """Make these the counts of all processes."""
        if self.processes.count == 1:
            return
        sums, counts, extrema = (
            ("rows", "without", "odd", "looked_at", "decorated"),
            ("counts", "words", "others"),
            ("low", "high"),
        )
        own = {name: getattr(self, name) for name in (*sums, *counts, *extrema, "many", "whole")}
        found = self.processes.gathered("the values of the target", json.dumps(own).encode())
        each = [json.loads(one) for one in found]
        for name in sums:
            setattr(self, name, sum(one[name] for one in each))
        for name in counts:
            setattr(self, name, sum((Counter(one[name]) for one in each), Counter()))
        self.low, self.high = min(one["low"] for one in each), max(one["high"] for one in each)
        self.many, self.whole = any(one["many"] for one in each), all(one["whole"] for one in each)

    def _notation(self, batch: Batch, written: pl.Series) -> Notation:
        """Return the notation of numbers; the plain one for cells that are not text, or mostly other texts."""
        if cells_of(batch.frame, self.name).dtype != load_polars().String:
            return PLAIN
        wanted = self.conventions
        usual = usual_decimal_of(batch.frame) if wanted.decimal is None else None
        numbers = as_numbers(written)
        if not numbers.null_count() and usual is None and (wanted.decimal, wanted.thousands) == (None, None):
            return PLAIN
        cells = written.unique(maintain_order=True).head(_LOOKED_AT).to_list()
        found = guess_notation(cells, wanted.decimal, wanted.thousands, usual, self.name) or PLAIN
        wrong = as_numbers(written, found).null_count()
        return found if 2 * wrong < len(written) and wrong <= numbers.null_count() else PLAIN

    def choose(self, task: Task | None) -> tuple[ClassTarget | None, str]:
        """Return the classes, None for a target of numbers, and the reason; raise TableError for an invalid target."""
        self._check_any()
        # Texts are classes if most cells are texts; a few among numbers are mistakes, as are 1,5 and 20%.
        labelled = self.rows - self.words.total()
        texts_rule = 2 * self.odd >= labelled and self.decorated < 0.9 * self.looked_at
        if self.odd and not texts_rule and task != "classification":
            self._set_apart()
        if self.odd and not texts_rule and task != "classification" and not self._are_groups():
            raise self._refused("holds texts among numbers")
        few = self.odd == 0 and self._few()
        classes = task == "classification" or (task is None and (self.odd > 0 or few))
        if self.words and classes and self._are_classes(task):
            self.nothing = ()
        elif self.words:
            self._leave_out_words(classes)
        if task == "regression":
            if self.odd:
                raise self._refused("holds texts")
            self._check_varied()
            return None, "as asked"
        if self.odd or self.words:
            return self._classes(), "as asked" if task else f"{self.name} holds texts"
        self._check_finite()
        if task == "classification":
            return self._classes(), "as asked"
        if few:
            return self._classes(), f"{self.name} holds few different whole numbers"
        self._check_varied()
        self._check_undated()
        return None, f"{self.name} holds {'whole ' if self.whole else ''}numbers{self.notation.words()}"

    def _check_any(self) -> None:
        """Raise TableError if no row, or hardly any, has a value."""
        if self.rows - self.words.total():
            return
        raise TableError(
            f"{self.source.path}, column {self.name!r} has no value in any of {self.rows + self.without:,} rows; "
            "choose another target"
        )

    def _set_apart(self) -> None:
        """Take words among numbers for no value, if they can mean nothing else, as in a column that is no target."""
        varied = len(self.counts) - len(self.others) > FEW
        if stand_for_nothing(self.others, repeated=varied):
            self.set_apart = self.others
            self.words += self.others
            self.nothing = (*self.nothing, *sorted(self.others))
            self.odd, self.others = 0, Counter()

    def _are_groups(self) -> bool:
        """Whether a few texts among few whole numbers are names of groups too, as `3+` is after 0, 1 and 2."""
        different = len(self.counts.keys() - self.words.keys())
        few = self.whole and not self.many and different <= max(2, min(FEW, self.rows // 5))
        return few and all(count > 1 or not any(map(str.isdigit, text)) for text, count in self.others.items())

    def _leave_out_words(self, classes: bool) -> None:
        """Take words such as NA for no value."""
        if classes:
            self.left_out_words = self.words
        self.rows -= self.words.total()
        self.without += self.words.total()
        for word in self.words:
            self.counts.pop(word, None)
        self.words = Counter()

    def _refused(self, words: str) -> TableError:
        """Return the error for the first cell that is no number, which the part of another process may have."""
        alone = self.processes.count == 1
        elsewhere = "" if alone else " in the part of another process"
        return self.source.refuse(self.name, self._readable, words + elsewhere, here=alone)

    def _readable(self, series: pl.Series) -> None:
        """Raise CellError for the first cell that is neither empty nor a finite number."""
        read_target(self._cells(series), self.notation)

    def _few(self) -> bool:
        """Whether the numbers are few and whole, as class numbers are."""
        if not self.notation.plain:
            different = len(self.counts.keys() - self.words.keys())
            return (
                bool(self.notation.unit) and self.whole and not self.many and 1 < different <= min(FEW, self.rows // 5)
            )
        different = len({number_in(text) for text in self.counts if text not in self.words})
        if self.low < LOWEST_CLASS:
            return False
        return self.whole and not self.many and 0 < different <= max(2, min(FEW, self.rows // 5))

    def _are_classes(self, task: Task | None) -> bool:
        """Whether words such as NA and None are classes: on request, or if they are common among other texts."""
        least = max(2.0, FEWEST_OF_A_WORD * self.rows)
        common = all(count >= least for count in self.words.values())
        return task == "classification" or (self.odd > 0 and common)

    def note_on_missing(self) -> list[str]:
        """Return a note on rows without a value, if there are any."""
        if not self.without:
            return []
        return [without_target(self.without, self.rows + self.without, self.name), *self._note_on_words()]

    def _note_on_words(self) -> list[str]:
        left_out = [
            f"{short(word)} in {count:,} rows is taken for no value of {self.name!r}; --task classification makes it a "
            "class"
            for word, count in self.left_out_words.most_common()
            if word not in self.set_apart
        ]
        return left_out + [
            f"{short(word)} in {count:,} rows, among numbers, is taken for no value of {self.name!r}"
            for word, count in self.set_apart.most_common()
        ]

    def notes(self) -> list[str]:
        """Return notes on the texts, a sentence each."""
        said = [
            f"{short(word)} in {count:,} of {self.rows:,} rows is taken for a class of {self.name!r}; remove these "
            "rows if they have no value"
            for word, count in self.words.most_common()
        ]
        counts = self.spelled or self.counts
        for spellings in groups_of(counts)[:_LISTED]:
            found = with_counts(spellings, counts)
            if self.conventions.merge:
                said.append(f"{found} rows are taken for the class {short(spellings[0])} of {self.name!r}")
            else:
                said.append(
                    f"{found} rows are different classes of {self.name!r}; if they mean the same, --merge-spellings "
                    "makes one of them"
                )
        return said

    def _check_finite(self) -> None:
        if not np.isfinite((self.low, self.high)).all():
            raise self._refused("holds numbers that are not finite")

    def _check_varied(self) -> None:
        self._check_finite()
        if self.low == self.high:
            raise TableError(
                f"{self.source.path}, column {self.name!r} has the one value {next(iter(self.counts))}; there is "
                "nothing to learn"
            )

    def _check_undated(self) -> None:
        """Raise TableError for numbers such as 20190201, whose differences are no times."""
        if not (self.whole and self.low >= FIRST_AS_NUMBER and self.high <= LAST_AS_NUMBER):
            return
        if guess_formats([str(int(value)) for text in self.counts if (value := number_in(text)) is not None]):
            raise TableError(
                f"{self.source.path}, column {self.name!r} holds dates such as {short(min(self.counts))}, which "
                "cannot be predicted; make numbers of them, such as days until then, or add --task regression to "
                "predict the numbers as they stand"
            )

    def _classes(self) -> ClassTarget:
        where = f"{self.source.path}, column {self.name!r}"
        numeric = not self.odd and not self.words and self.notation.plain and max(-self.low, self.high) < EXACT
        counts = self.counts
        if numeric and not self.many:
            spellings: dict[float | None, str] = {}
            counts = Counter()
            for text, count in sorted(self.counts.items(), key=lambda pair: (-pair[1], len(pair[0]), pair[0])):
                counts[spellings.setdefault(number_in(text), text)] += count
        if self.conventions.merge and not self.many:
            self.spelled, mains = counts, main_spellings(counts)
            counts = Counter()
            for text, count in self.spelled.items():
                counts[mains.get(text, text)] += count
        if len(counts) == 1:
            raise TableError(
                f"{where} has the single class {short(next(iter(counts)))}; a classifier needs at least two"
            )
        if self.many or (2 * len(counts) > self.rows and len(counts) > 2):
            number = f"more than {MOST_CLASSES:,}" if self.many else f"{len(counts):,}"
            forms = guess_formats(list(counts))
            if forms[:1] == ["hour:minute"]:
                raise TableError(
                    f"{where} holds times of day, which cannot be predicted; make numbers of them, such as minutes "
                    "since midnight"
                )
            if forms:
                raise TableError(
                    f"{where} holds dates, which cannot be predicted; make numbers of them, such as days until then"
                )
            raise TableError(
                f"{where} has {number} different values in {self.rows:,} rows, too many for classes; choose another "
                f"target{', or predict it as a number' if numeric else ''}"
            )
        self.counts = counts
        return ClassTarget(self.name, tuple(sorted(counts, key=natural)), numeric)


def without_target(count: int, rows: int, name: str) -> str:
    """Return the note on rows without a target.

    >>> without_target(59, 1_322, "Salary")
    "59 of 1,322 rows have no value of 'Salary' and are left out"
    """
    if count == 1:
        return f"1 of {rows:,} rows has no value of {name!r} and is left out"
    return f"{count:,} of {rows:,} rows have no value of {name!r} and are left out"
