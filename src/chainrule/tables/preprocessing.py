"""Encoding of a table as an array: the columns that are features, and the encoding of each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.ir import cached_property
from chainrule.tables.arithmetic import Floats
from chainrule.tables.cells import (
    CellError,
    read_levels,
    read_most_dates,
    read_numbers,
    read_truth,
    texts,
    without_words,
)
from chainrule.tables.columns import check_wishes, fit_columns
from chainrule.tables.dates import MISSING
from chainrule.tables.dependency import load_polars
from chainrule.tables.description import columns_from_json, describe_columns
from chainrule.tables.errors import TableError, listed, short
from chainrule.tables.features import Boolean, Category, Date, Feature, Kind, LeftOut, LevelNumbers, Number, Text
from chainrule.tables.frames import as_frame
from chainrule.tables.sampling import RowSample, row_limit
from chainrule.tables.sources import Batch, FrameSource, Source, row_places
from chainrule.tables.trigrams import hashed
from chainrule.words import suggestion

if TYPE_CHECKING:
    import polars as pl


@dataclass
class Notes:
    """Values met in encoding that no training row has, counted over batches."""

    rows: int = 0
    unknown: dict[str, Counter[str]] = field(default_factory=dict)
    """Unknown levels with their counts, by feature."""
    together: set[str] = field(default_factory=set)
    """Features whose unknown levels share a column with rare ones."""
    unreadable: dict[str, Counter[str]] = field(default_factory=dict)
    """Cells that are no dates as those of training, with their counts, by feature."""
    missing: Counter[str] = field(default_factory=Counter)
    """Empty cells of features without missing values in training, by feature."""
    new: tuple[str, ...] = ()
    """Columns that the training table does not have."""

    def sentences(self) -> list[str]:
        """Return one sentence for each observation.

        >>> Notes(rows=10, unknown={"city": Counter({"Bonn": 3})}).sentences()
        ["column 'city' holds 'Bonn', which no training row has, in 3 of 10 rows"]
        """
        said = []
        for name, counts in self.unknown.items():
            most = ", ".join(short(level) for level, _ in counts.most_common(3))
            more = f" and {len(counts) - 3:,} more" if len(counts) > 3 else ""
            rows = sum(counts.values())
            what = "rare in training or new to it" if name in self.together else "which no training row has"
            said.append(f"column {name!r} holds {most}{more}, {what}, in {rows:,} of {self.rows:,} rows")
        for name, counts in self.unreadable.items():
            shown = short(next(iter(counts)))
            rows = counts.total()
            said.append(
                f"column {name!r} holds {shown}, no date as those of training, in {rows:,} of {self.rows:,} rows"
            )
        for name, rows in self.missing.items():
            said.append(f"column {name!r}, full in training, is empty in {rows:,} of {self.rows:,} rows")
        if self.new:
            what = "column" if len(self.new) == 1 else "columns"
            said.append(f"{what} {listed([repr(name) for name in self.new], 8)} not used: not in the training table")
        return said


@dataclass(frozen=True)
class Preprocessing:
    """The features of a table in the order of its columns, and the columns that are left out.

    >>> import polars as pl
    >>> table = pl.DataFrame({"age": ["30", "50", ""], "city": ["Oslo", "Rome", "Oslo"]})
    >>> age = Number("age", fill=30.0, mean=40.0, scale=10.0, flag_missing=True)
    >>> preprocessing = Preprocessing((age, Category("city", ("Oslo", "Rome"))))
    >>> preprocessing.names
    ('age', 'age: missing', 'city=Oslo', 'city=Rome')
    >>> preprocessing.encode(table).tolist()
    [[-1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 1.0], [-1.0, 1.0, 1.0, 0.0]]
    """

    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the encoded columns, such as `age` and `city=Oslo`."""
        return tuple(name for feature in self.features for name in feature.columns)

    @property
    def width(self) -> int:
        """The number of encoded columns."""
        return len(self.names)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """The slice of encoded columns of each feature."""
        ends = accumulate(len(feature.columns) for feature in self.features)
        return tuple(slice(end - len(feature.columns), end) for feature, end in zip(self.features, ends, strict=True))

    @cached_property
    def groups(self) -> dict[str, slice]:
        """The slice of encoded columns of each column of the table, by its name; its features follow each other."""
        groups: dict[str, slice] = {}
        for feature, columns in zip(self.features, self.slices, strict=True):
            first = groups.get(feature.name, columns)
            groups[feature.name] = slice(first.start, columns.stop)
        return groups

    @cached_property
    def by_column(self) -> dict[str, Feature]:
        """The first feature of each column of the table that has one, by its name."""
        found: dict[str, Feature] = {}
        for feature in self.features:
            found.setdefault(feature.name, feature)
        return found

    def check_columns(
        self, names: Iterable[str], path: str = "the table", target: str | None = None
    ) -> tuple[str, ...]:
        """Return the new columns among `names`; raise TableError, with similar names, for missing features.

        `target` and columns left out in training are not new.
        """
        there = list(names)
        known = set(there)
        absent = [name for name in self.groups if name not in known]
        used = {feature.name for feature in self.features} | {column.name for column in self.left_out} | {target}
        new = tuple(name for name in there if name not in used)
        if absent:
            hint = suggestion(absent[0], new) if len(absent) == 1 else ""
            what = "the column" if len(absent) == 1 else f"{len(absent)} columns:"
            shown = listed([repr(name) for name in absent], 10)
            raise TableError(f"{path} lacks {what} {shown}, which the model was trained on{hint}")
        return new

    def encode(
        self,
        data: Batch | pl.DataFrame | Mapping[str, Any] | Any,
        notes: Notes | None = None,
        dtype: DTypeLike = np.float32,
    ) -> NDArray[Any]:
        """Encode the rows of `data` as an array (rows, width).

        `data` is a batch of a table, a polars, pandas or Arrow frame, or a dict of columns; columns are found by name,
        and others are ignored. `notes` collects values that no training row has. Raises TableError, naming row and
        column, for missing columns and for invalid cells.
        """
        batch = data if isinstance(data, Batch) else as_batch(data)
        frame = batch.frame
        known = set(frame.columns)
        if any(feature.name not in known for feature in self.features):
            self.check_columns(frame.columns, batch.path)
        notes = notes if notes is not None else Notes()
        notes.rows += frame.height
        result = np.empty((frame.height, self.width), dtype)
        for feature, columns in zip(self.features, self.slices, strict=True):
            encoding = partial(_encoded, feature, notes, np.dtype(dtype))
            result[:, columns] = batch.read(feature.name, encoding)
        return result

    @classmethod
    def fit(
        cls, data: Any, leave_out: Sequence[str] = (), kinds: Mapping[str, Kind] | None = None, seed: int = 0
    ) -> Preprocessing:
        """Fit the preprocessing of a table, a `Source` or a frame, all of whose columns are features.

        One pass over the batches: kinds, medians and levels come from a sample of up to 200,000 rows, drawn with
        `seed`, or from all rows of a smaller table. `kinds` overrides inferred kinds, by name. Raises TableError for a
        column of inconsistent cells.
        """
        source = data if isinstance(data, Source) else FrameSource(as_frame(data))
        check_wishes(source.names, source.path, kinds or {}, leave_out, None)
        sample = RowSample(row_limit(len(source.names)), seed)
        for whole in source.batches():
            batch = whole.without(leave_out)
            batch.check_plain()
            sample.add(batch.frame, np.zeros(batch.frame.height, dtype=bool))
        rows = sample.rows()
        fitted = fit_columns(
            source.names,
            sample.frame(),
            np.ones(len(rows), dtype=bool),
            lambda row, name: source.place(int(rows[row]), name),
            rows,
            kinds or {},
            leave_out,
        )
        return cls(fitted.features, fitted.left_out)

    def to_json(self) -> str:
        """Return a description from which `from_json` reconstructs the preprocessing."""
        return json.dumps(self.description(), ensure_ascii=False)

    def description(self) -> dict[str, Any]:
        """Return the description as JSON data."""
        return describe_columns(self.features, self.left_out)

    @classmethod
    def from_json(cls, text: str | bytes | Mapping[str, Any]) -> Preprocessing:
        """Reconstruct a preprocessing from its description, a JSON text or parsed JSON.

        Raises TableError for an invalid description.
        """
        return cls(*columns_from_json(text))


def as_batch(data: Any, path: str = "the table") -> Batch:
    """Convert a frame to a batch, whose places name rows instead of lines."""
    return Batch(as_frame(data), 0, row_places(path, 0), path)


def feature_values(feature: Feature, series: pl.Series, notes: Notes | None = None) -> NDArray[Any]:
    """Parse the cells of a column to the values (rows,) that the feature's `arithmetic` takes; raises CellError."""
    notes = notes if notes is not None else Notes()
    if isinstance(feature, LevelNumbers):  # the category of the same column notes what no training row has
        cells = without_words(series, feature.words)
        return read_levels(cells, feature.levels, feature.main_spellings)[0]
    if isinstance(feature, Text):
        return hashed(texts(without_words(series, feature.words)).to_list(), len(feature.weights))
    if isinstance(feature, Category):
        places, unknown = read_levels(without_words(series, feature.words), feature.levels, feature.main_spellings)
        if unknown:
            notes.unknown.setdefault(feature.name, Counter()).update(unknown)
            if feature.other:
                notes.together.add(feature.name)
        _note_missing(notes, feature.name, feature.missing, int((places == -1).sum()))
        return places
    if isinstance(feature, Date):
        seconds, wrong = read_most_dates(without_words(series, feature.words), feature.format)
        if wrong.any():
            notes.unreadable.setdefault(feature.name, Counter()).update(series.filter(load_polars().Series(wrong)))
        _note_missing(notes, feature.name, feature.flag_missing, int(((seconds == MISSING) & ~wrong).sum()))
        return seconds
    if isinstance(feature, Boolean):
        values, unknown_words = read_truth(series)
        if unknown_words.any():
            words = texts(series).filter(load_polars().Series(unknown_words))
            notes.unknown.setdefault(feature.name, Counter()).update(words.to_list())
        _note_missing(notes, feature.name, feature.flag_missing, int((np.isnan(values) & ~unknown_words).sum()))
        return values
    values = read_numbers(without_words(series, feature.words), feature.notation)
    absent = np.isnan(values) | np.isin(values, feature.sentinels)
    _note_missing(notes, feature.name, feature.flag_missing, int(absent.sum()))
    return values


def _encoded(feature: Feature, notes: Notes, dtype: np.dtype[Any], series: pl.Series) -> Floats:
    values = feature_values(feature, series, notes)
    with np.errstate(over="ignore", invalid="ignore"):
        columns = feature.arithmetic(values)
        if not isinstance(feature, Number):
            return columns
        good = np.isfinite(columns[:, 0].astype(dtype))
    if not good.all():
        row = int((~good).argmax())
        raise CellError(
            row, f"holds {series[row]}, too far from the {feature.mean:.4g} ± {feature.scale:.4g} of training"
        )
    return columns


def _note_missing(notes: Notes, name: str, expected: bool, count: int) -> None:
    if count and not expected:
        notes.missing[name] += count
