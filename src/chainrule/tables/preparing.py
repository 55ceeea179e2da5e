"""Preparation of a table for training: columns classified, rows held out, data encoded in memory or on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.engines import ALONE, Processes
from chainrule.tables.averages import Folded, Outcomes, fold_of
from chainrule.tables.cells import read_numbers
from chainrule.tables.columns import Fitted, check_wishes, fit_columns
from chainrule.tables.conventions import USUAL, Conventions
from chainrule.tables.counts import TargetCount, without_target
from chainrule.tables.errors import TableError, short
from chainrule.tables.features import Kind
from chainrule.tables.fitting import mean_and_scale
from chainrule.tables.frames import cells_of
from chainrule.tables.freetext import FoldedText
from chainrule.tables.kinds import Finding
from chainrule.tables.notation import Notation
from chainrule.tables.pooling import common_digest, common_names, first_file, pooled_sample
from chainrule.tables.preprocessing import Notes, Preprocessing, feature_values
from chainrule.tables.sampling import Draws, Mask, RowSample, row_limit, split_rows
from chainrule.tables.sources import BATCH_ROWS, Batch, Source, row_places
from chainrule.tables.spooling import IN_MEMORY, GrownArray, SpooledArray
from chainrule.tables.targets import ClassTarget, NumberTarget, Target, Task

if TYPE_CHECKING:
    import polars as pl

HELD_OUT = 0.2
FEWEST_ROWS = 5
MOST_SHARES = 10
"""The number of classes whose shares encode a level, the most frequent ones."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Arrays for training and scoring, and the preprocessing that made them.

    `X` has shape (training rows, width), float32 by default; `y` holds class indices (int64) or scaled numbers
    (float64), of shape (training rows,). `X_held` and `y_held` are the rows held out, `X_validation` and `y_validation`
    those of the validation table, if there is one.
    """

    preprocessing: Preprocessing
    target: Target
    reason: str
    """The reason for the choice of the task."""
    findings: tuple[Finding, ...]
    X: NDArray[Any]
    y: NDArray[Any]
    X_held: NDArray[Any]
    y_held: NDArray[Any]
    row_count: int
    """The number of rows of the table that have a target, of all processes."""
    fingerprint: str
    """SHA-256 of the column names and the contents of the table.

    If each process has its own files, it is the same whichever process has which of them, in their order; not if a
    part was so small that all of its rows would have been held out, and are trained on.
    """
    class_counts: dict[str, int]
    """The number of rows of each class in the whole table; empty for numbers."""
    notes: tuple[str, ...]
    """Notes for the user, a sentence each."""
    spooled: bool
    """Whether the arrays are on disk, memory-mapped."""
    X_validation: NDArray[Any] | None = None
    y_validation: NDArray[Any] | None = None


def prepare(
    source: Source,
    target: str,
    task: Task | None = None,
    kinds: Mapping[str, Kind] | None = None,
    leave_out: Sequence[str] = (),
    validation: Source | None = None,
    held_out: float | None = None,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
    folder: str | None = None,
    report: Callable[[str, int], None] | None = None,
    conventions: Conventions = USUAL,
    processes: Processes = ALONE,
    own_rows: bool = False,
) -> Prepared:
    """Prepare a table for training on the column `target`.

    The table is read once to count rows and to draw a sample of up to 200,000, from which kinds, medians and levels are
    inferred, and a larger table a second time to encode it. Arrays of more than 256 MiB are stored in temporary files,
    in `folder` or the default folder of such files. The share `held_out` of the rows of each class, drawn with `seed`,
    is held out: by default 0.2, or none if there is a `validation` table. `conventions` say how cells are written
    where it is not to be inferred. Rows without a target are left out, with a note. `report` is called with the stage
    ("reading" or "encoding") and the number of rows so far.

    Of several `processes`, each gives its own part of the table as `source`, and gets the arrays of these rows; all
    else is of the rows of all, and the same in all of them. With `own_rows`, also of one process, random choices are a
    function of the files in their order, whichever process has which of them.

    Raises TableError, naming the place, for a table that cannot be trained on.
    """
    target = source.name_of(target)
    kinds = {source.name_of(name): kind for name, kind in (kinds or {}).items()}
    leave_out = [part for name in leave_out for part in source.parts_of(source.name_of(name))]
    source.check_column(target, "the target")
    names = common_names(source, processes)
    check_wishes(names, source.path, kinds, leave_out, target)
    if held_out is None:
        held_out = HELD_OUT if validation is None else 0.0
    if not 0 <= held_out < 1:
        raise TableError(f"the share of rows to hold out is {held_out!r}; give one from 0 to below 1, such as 0.2")
    counted = TargetCount(source, target, conventions, processes)
    file = first_file(source, processes) if own_rows or processes.count > 1 else None
    survey = _survey(source, counted, leave_out, held_out, seed, file, report).shared(names, processes)
    classes, reason = survey.counted.choose(task)
    survey = survey.with_targets()
    frame, held = survey.sample.frame(), survey.sample.held()
    rows = survey.sample.rows()
    if survey.sample.whole:
        codes = classes.encode(cells_of(frame, target)) if classes is not None else None
        held = split_rows(codes, frame.height, held_out, seed)
    if held_out and validation is None and survey.counted.rows < FEWEST_ROWS:
        raise TableError(
            f"{source.path} has {survey.counted.rows} rows with a value of {target!r}; a part is held out, so give at "
            f"least {FEWEST_ROWS}"
        )
    place = survey.place
    wanted = classes or _number_target(target, cells_of(frame, target), ~held, survey.counted.notation)
    outcomes = _outcomes(wanted, wanted.encode(cells_of(frame, target)), fold_of(rows, seed))
    fitted = fit_columns(names, frame, ~held, place, rows, kinds, leave_out, target, conventions, outcomes)
    preprocessing = _with_features(fitted, source, frame, ~held, place, target)
    steps = _Encoding(preprocessing, wanted, np.dtype(dtype), folder, report, fitted.folded, seed, counted)
    if survey.sample.whole:
        own = slice(*np.searchsorted(rows, (survey.own.start, survey.own.stop)).tolist())
        batches = _sampled(frame[own], held[own], rows[own], _shifted(place, own.start))
    else:
        batches = _streamed(survey, held_out, seed)
    return steps.run(batches, survey, fitted, reason, validation)


@dataclass
class _Survey:
    source: Source
    sample: RowSample
    counted: TargetCount
    own: slice
    """The rows of this process among those of all."""
    digest: str
    file: int | None = None
    """The number of the first file of this process among those of all, if each has its own."""
    parts: tuple[int, ...] = ()
    """The number of rows of each process, if there are several."""

    def shared(self, names: tuple[str, ...], processes: Processes) -> _Survey:
        """Return the survey of the rows of all processes."""
        if self.file is None:
            return self
        digest = common_digest(self.source, processes)
        if processes.count == 1:
            return replace(self, digest=digest)
        parts = tuple(int(rows) for rows in processes.each("the rows of a part", self.sample.seen))
        first = sum(parts[: processes.number])
        own = parts[processes.number]
        self.counted.add_up()
        sample = pooled_sample(self.sample, names, processes)
        return _Survey(self.source, sample, self.counted, slice(first, first + own), digest, self.file, parts)

    def with_targets(self) -> _Survey:
        """Return the survey without the rows of the sample that have no target."""
        if not self.counted.without:
            return self
        filled = self.counted.filled(cells_of(self.sample.frame(), self.counted.name))
        return replace(self, sample=self.sample.keeping(filled))

    def place(self, row: int, name: str) -> str:
        """Describe the place of a cell of the sample."""
        number = int(self.sample.rows()[row])
        if self.own.start <= number < self.own.stop:
            return self.source.place(number - self.own.start, name)
        return row_places("the table of all processes", number)(0, name)


def _survey(
    source: Source,
    counted: TargetCount,
    leave_out: Sequence[str],
    held_out: float,
    seed: int,
    file: int | None,
    report: Callable[[str, int], None] | None,
) -> _Survey:
    target = counted.name
    sample = RowSample(row_limit(len(source.names)), seed)
    draws = Draws(held_out, seed, file)
    for whole in source.batches():
        batch = whole.without(leave_out)
        batch.check_plain(target)
        counted.add(batch)
        sample.add(batch.frame, *draws.next(batch.file, cells_of(batch.frame, target)))
        if report is not None:
            report("reading", sample.seen)
    return _Survey(source, sample, counted, slice(0, sample.seen), source.digest or "", file)


def _number_target(name: str, series: pl.Series, training: Mask, notation: Notation) -> NumberTarget:
    return NumberTarget(name, *mean_and_scale(read_numbers(series, notation)[training]), notation)


def _outcomes(target: Target, y: NDArray[Any], folds: NDArray[np.int64]) -> Outcomes:
    """Return what the levels of categories are averaged for: the number, or the shares of the most frequent classes."""
    if not isinstance(target, ClassTarget):
        return Outcomes(("",), y[:, None], folds)
    common = np.argsort(-np.bincount(y, minlength=len(target.classes)), kind="stable")[:MOST_SHARES]
    chosen = [1] if len(target.classes) == 2 else sorted(common.tolist())
    return Outcomes(tuple(target.classes[k] for k in chosen), (y[:, None] == chosen).astype(float), folds)


def _with_features(
    fitted: Fitted, source: Source, frame: pl.DataFrame, training: Mask, place: Callable[[int, str], str], target: str
) -> Preprocessing:
    """Return the preprocessing; raise TableError if every column is left out."""
    if not fitted.features:
        if not fitted.findings:
            raise TableError(f"{source.path} has no column beside the target {target!r} to predict it from")
        why = ", ".join(f"{found.name!r} ({found.reason})" for found in fitted.findings[:3])
        more = f" and {len(fitted.findings) - 3:,} more" if len(fitted.findings) > 3 else ""
        raise TableError(f"{source.path} has no column to learn from; left out are {why}{more}")
    return Preprocessing(fitted.features, fitted.left_out)


Part = tuple[Batch, Mask, NDArray[np.int64]]
"""Rows with a target, the mask of those that are held out, and their numbers in the table."""


def _parts_note(parts: Sequence[int]) -> list[str]:
    if not parts:
        return []
    return [f"{len(parts)} processes have their own rows of the table, {min(parts):,} to {max(parts):,} each"]


def _sampled(
    frame: pl.DataFrame, held: Mask, rows: NDArray[np.int64], place: Callable[[int, str], str]
) -> Iterator[Part]:
    """Yield the batches of a table in memory."""
    for start in range(0, frame.height, BATCH_ROWS):
        part = frame.slice(start, BATCH_ROWS)
        end = start + BATCH_ROWS
        yield Batch(part, start, _shifted(place, start)), held[start:end], rows[start:end]


def _shifted(place: Callable[[int, str], str], start: int) -> Callable[[int, str], str]:
    return lambda row, name: place(start + row, name)


def _streamed(survey: _Survey, held_out: float, seed: int) -> Iterator[Part]:
    """Yield the batches of a table, read again; raise TableError if it has another number of rows."""
    source, counted = survey.source, survey.counted
    draws = Draws(held_out, seed, survey.file)
    done = survey.own.start
    for batch in source.batches():
        cells = cells_of(batch.frame, counted.name)
        held, rows = draws.next(batch.file, cells)[0], np.arange(done, done + len(cells))
        done += len(cells)
        if counted.without:
            filled = counted.filled(cells)
            batch, held, rows = batch.keeping(filled), held[filled], rows[filled]
        yield batch, held, rows
    if done != survey.own.stop:
        raise TableError(f"{source.path} changed while it was read; train on a file that stays as it is")


@dataclass
class _Encoding:
    preprocessing: Preprocessing
    target: Target
    dtype: np.dtype[Any]
    folder: str | None
    report: Callable[[str, int], None] | None
    folded: tuple[Folded | FoldedText, ...]
    seed: int
    counted: TargetCount

    def run(
        self, parts: Iterator[Part], survey: _Survey, fitted: Fitted, reason: str, validation: Source | None
    ) -> Prepared:
        source, counted = survey.source, survey.counted
        size = counted.rows * max(1, self.preprocessing.width) * self.dtype.itemsize
        spooled = size > IN_MEMORY
        X, y, X_held, y_held = self._encoded(parts, spooled, folded=True)
        notes = [
            *source.notes,
            *_parts_note(survey.parts),
            *counted.note_on_missing(),
            *fitted.notes(),
            *self._notes(survey),
        ]
        X_validation = y_validation = None
        if validation is not None:
            X_validation, y_validation, more = self._validation(validation, spooled)
            notes += more
        digest = survey.digest
        if counted.processes.anywhere("a part of which all rows are held out", bool(survey.parts and not len(y))):
            # Every process trains; a part of a few rows may be held out as a whole.
            X, y, X_held, y_held = (X, y, X_held, y_held) if len(y) else (X_held, y_held, X, y)
            digest = sha256(repr((digest, survey.parts)).encode()).hexdigest()
        if not len(y):
            raise TableError(f"{source.path} has no row to train on: all are held out")
        return Prepared(
            self.preprocessing,
            self.target,
            reason,
            fitted.findings,
            X,
            y,
            X_held,
            y_held,
            counted.rows,
            digest,
            dict(counted.counts) if isinstance(self.target, ClassTarget) else {},
            tuple(notes),
            spooled,
            X_validation,
            y_validation,
        )

    def _encoded(
        self, parts: Iterator[Part], spooled: bool, notes: Notes | None = None, folded: bool = False
    ) -> list[NDArray[Any]]:
        """Encode the rows; return features and targets for training, then those held out."""
        of_target = np.dtype(np.int64 if isinstance(self.target, ClassTarget) else np.float64)
        kinds = [(self.preprocessing.width, self.dtype), (None, of_target)] * 2
        written: list[SpooledArray | GrownArray] = []
        try:
            for kind in kinds:
                written.append(SpooledArray(*kind, self.folder) if spooled else GrownArray(*kind))
            self._write(parts, written, notes, folded)
            return [array.finish() for array in written]
        except BaseException:
            for array in written:
                array.discard()
            raise

    def _write(
        self, parts: Iterator[Part], written: Sequence[SpooledArray | GrownArray], notes: Notes | None, folded: bool
    ) -> None:
        done = 0
        for batch, held, rows in parts:
            X = self.preprocessing.encode(batch, notes, self.dtype)
            if folded:
                self._fold(X, batch, ~held, rows)
            y = batch.read(self.target.name, self.target.encode)
            some = bool(held.any())
            for k, encoded in enumerate((X, y, X, y)):
                if some:
                    written[k].append(encoded[held if k >= 2 else ~held])
                elif k < 2:
                    written[k].append(encoded)
            done += len(y)
            if self.report is not None:
                self.report("encoding", done)

    def _fold(self, X: NDArray[Any], batch: Batch, training: Mask, rows: NDArray[np.int64]) -> None:
        """Write the averages without its own fold into each training row; `rows` are the numbers of all."""
        folds = fold_of(rows[training], self.seed)
        for each in self.folded:
            columns = self.preprocessing.slices[self.preprocessing.features.index(each.feature)]
            values = batch.read(each.feature.name, partial(feature_values, each.feature))
            X[training, columns] = each.encoded(values[training], folds)

    def _validation(self, source: Source, spooled: bool) -> tuple[NDArray[Any], NDArray[Any], list[str]]:
        source.check_column(self.target.name, "the target")
        notes = Notes(new=self.preprocessing.check_columns(source.names, source.path, self.target.name))
        without: list[int] = []
        X, y, _, _ = self._encoded(self._with_targets(source, without), spooled, notes)
        said = [*source.notes, *(f"{source.path}: {sentence}" for sentence in notes.sentences())]
        if not sum(without):
            return X, y, said
        rows = len(y) + sum(without)
        if not len(y):
            raise TableError(
                f"{source.path}, column {self.target.name!r} has no value in any of {rows:,} rows; "
                "choose another target"
            )
        return X, y, [*said, f"{source.path}: {without_target(sum(without), rows, self.target.name)}"]

    def _with_targets(self, source: Source, without: list[int]) -> Iterator[Part]:
        """Yield the rows of a validation table that have a target; append the numbers of others to `without`."""
        for batch in source.batches():
            filled = self.counted.filled(cells_of(batch.frame, self.target.name))
            without.append(int((~filled).sum()))
            if without[-1]:
                batch = batch.keeping(filled)
            yield batch, np.zeros(batch.frame.height, dtype=bool), np.arange(batch.frame.height)

    def _notes(self, survey: _Survey) -> list[str]:
        """Return notes on the classes, or the numbers, of the target."""
        if not isinstance(self.target, ClassTarget):
            return survey.counted.readings
        counts = survey.counted.counts
        single = [label for label in self.target.classes if counts[label] == 1]
        notes = survey.counted.notes()
        if single:
            shown = ", ".join(short(label) for label in single[:5]) + (", …" if len(single) > 5 else "")
            what = "class" if len(single) == 1 else "classes"
            notes.append(f"{what} {shown} of {self.target.name!r}: a single row, which is trained on and never scored")
        commonest, most = counts.most_common(1)[0]
        if most >= 0.9 * survey.counted.rows:
            notes.append(f"{most / survey.counted.rows:.1%} of the rows are of the class {short(commonest)}")
        return notes
