"""Classification and fitting of the columns of a table, from which `Preprocessing` is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from chainrule.tables.arithmetic import SENTINELS
from chainrule.tables.averages import Folded, Outcomes, fit_averages
from chainrule.tables.cells import EXACT, CellError, as_numbers, texts, without_missing
from chainrule.tables.conventions import USUAL, Conventions
from chainrule.tables.dependency import load_polars
from chainrule.tables.errors import TableError
from chainrule.tables.features import KINDS, Boolean, Category, Feature, Kind, LeftOut, LevelNumbers, Number, Spelling
from chainrule.tables.fitting import fit_feature
from chainrule.tables.frames import cells_of
from chainrule.tables.freetext import FoldedText, fit_text
from chainrule.tables.identifiers import keeping
from chainrule.tables.kinds import Finding, as_asked, find_kind
from chainrule.tables.notation import usual_decimal
from chainrule.tables.ordered import fit_order
from chainrule.tables.sampling import Mask
from chainrule.tables.spellings import merged, notes_on_spellings
from chainrule.words import suggestion

if TYPE_CHECKING:
    import polars as pl

AS_ASKED = "left out, as asked"
"""The reason of the finding for a column that the user leaves out."""

_LOOKED_AT = 1_000
"""Cells of a column in which decimal marks are looked for."""

Place = Callable[[int, str], str]
F = TypeVar("F", bound=Feature)
L = TypeVar("L", Category, LevelNumbers)


@dataclass(frozen=True)
class Fitted:
    """The encoding of each column, or the reason for none, and the finding for each."""

    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...]
    findings: tuple[Finding, ...]
    folded: tuple[Folded | FoldedText, ...] = ()
    """The encodings of training rows that are fitted without them: averages of levels, and predictions from texts."""

    def notes(self) -> list[str]:
        """Return notes for the user, a sentence each."""
        said = [note for found in self.findings for note in found.notes]
        kept = {found.name: found.kept_as for found in self.findings if found.kept_as and found.kind == "identifier"}
        return [keeping(kept), *said] if kept else said


def fit_columns(
    names: Sequence[str],
    frame: pl.DataFrame,
    training: Mask,
    place: Place,
    rows: NDArray[np.int64],
    kinds: Mapping[str, Kind],
    leave_out: Sequence[str],
    target: str | None = None,
    conventions: Conventions = USUAL,
    outcomes: Outcomes | None = None,
) -> Fitted:
    """Fit the features of a table with columns `names`; return them with the finding for each column.

    `frame` is a sample of the rows, whose numbers are `rows`; it may lack the columns to leave out. The
    target has no finding.

    Kinds are inferred from all rows of the sample, statistics from its `training` rows. `place` names the place of a
    cell of the sample. With the `outcomes` of the target, categories with many levels have its averages too, and
    texts what they predict of it. Raises TableError for a column that cannot be encoded.
    """
    usual = usual_decimal_of(frame) if conventions.decimal is None else None
    fitting = _Fitting(conventions, None if outcomes is None else outcomes.of(training))
    wanted = None if training.all() else load_polars().Series(training)
    if target is not None:
        fitting.twins.find(target, cells_of(frame, target))
    for name in names:
        if name == target:
            continue
        if name in leave_out:
            fitting.leave_out(LeftOut(name, "text", "as asked"), Finding(name, "text", AS_ASKED))
            continue
        as_written = without_missing(cells_of(frame, name), conventions.missing, conventions.missing_numbers)
        series, spellings = merged(as_written) if conventions.merge else (as_written, {})
        try:
            if name in kinds:
                finding = as_asked(name, series, kinds[name], conventions, usual)
            else:
                finding = find_kind(name, series, rows, conventions, usual)
            known = series if wanted is None else series.filter(wanted)
            text, finding = _as_text(known, finding, fitting.outcomes)
            fitted = fit_feature(known, finding) if text is None else text.feature
        except CellError as error:
            raise TableError(f"{place(error.row, name)} {error.words}") from None
        twin = None if name in kinds or isinstance(fitted, LeftOut) else fitting.twins.find(name, series)
        if twin is not None:
            what = "the target" if twin == target else f"column {twin!r}"
            same = LeftOut(name, finding.kind, f"the same as {what} in every row")
            fitting.leave_out(same, Finding(name, same.kind, same.reason))
        elif isinstance(fitted, LeftOut):
            fitting.leave_out(fitted, Finding(name, fitted.kind, fitted.reason, kept_as=finding.kept_as))
        elif isinstance(fitted, Category):
            said = notes_on_spellings(name, as_written, conventions.merge)
            fitting.add_category(fitted, finding.noted(*said), known, spellings)
        else:
            fitting.add(fitted, finding, text)
    result = fitting.result()
    return result if result.features else _with_numbers(result, frame, training, kinds)


class _Fitting:
    """The features found so far, in the order of the columns; `outcomes` are those of the training rows."""

    def __init__(self, conventions: Conventions, outcomes: Outcomes | None) -> None:
        self.conventions, self.outcomes = conventions, outcomes
        self.twins = _Twins()
        self._features: list[Feature] = []
        self._left_out: list[LeftOut] = []
        self._findings: list[Finding] = []
        self._folded: list[Folded | FoldedText] = []

    def result(self) -> Fitted:
        return Fitted(tuple(self._features), tuple(self._left_out), tuple(self._findings), tuple(self._folded))

    def leave_out(self, column: LeftOut, finding: Finding) -> None:
        self._left_out.append(column)
        self._findings.append(finding)

    def add(self, feature: Feature, finding: Finding, text: FoldedText | None) -> None:
        """Add the feature of a column, which is that of a `text` if there is one."""
        feature = _with_words(feature, self.conventions)
        self._features.append(feature)
        if text is not None:
            self._folded.append(replace(text, feature=_with_words(text.feature, self.conventions)))
        self._findings.append(_explained(finding, feature, ""))

    def add_category(
        self, category: Category, finding: Finding, known: pl.Series, spellings: Mapping[str, str]
    ) -> None:
        """Add a category, and the numbers for its levels if there are any."""

        def spelt(feature: L) -> L:
            return _with_words(replace(feature, spellings=_spellings(spellings, feature.levels)), self.conventions)

        self._features.append(spelt(category))
        numbers, averages, more = _of_levels(category, known, self.outcomes)
        if numbers is not None:
            numbers = spelt(numbers)
            self._features.append(numbers)
            self._folded += [] if averages is None else [replace(averages, feature=numbers)]
        self._findings.append(_explained(finding, category, more))


def _as_text(known: pl.Series, finding: Finding, outcomes: Outcomes | None) -> tuple[FoldedText | None, Finding]:
    """Return the encoding of texts by their words, if it predicts the target; else they are levels if they repeat."""
    if finding.kind != "text":
        return None, finding
    text = None if outcomes is None else fit_text(finding.name, known, outcomes, finding.asked)
    if text is not None:
        return text, finding
    if finding.repeated:
        return None, replace(finding, kind="category")
    silent = "; its trigrams do not predict the target" if outcomes is not None else ""
    return None, replace(finding, reason=f"{finding.reason}{silent}")


def _of_levels(
    category: Category, known: pl.Series, outcomes: Outcomes | None
) -> tuple[LevelNumbers | None, Folded | None, str]:
    """Return the numbers for the levels of a category, if there are any, their averages by folds, and words on them."""
    averages = None if outcomes is None else fit_averages(category.name, known, outcomes)
    if averages is not None:
        return averages.feature, averages, "; and the average target of each"
    order = fit_order(category, known)
    return order, None, "" if order is None else "; and their order"


def _spellings(spellings: Mapping[str, str], levels: Sequence[str]) -> tuple[Spelling, ...]:
    """Return the spellings of the levels that a feature has."""
    places = {level: place for place, level in enumerate(levels)}
    return tuple(Spelling(text, places[level]) for text, level in spellings.items() if level in places)


def _with_words(feature: F, conventions: Conventions) -> F:
    """Add the given words for missing values to a feature."""
    words = conventions.missing
    if not words or isinstance(feature, Boolean):  # other words than those for yes and no are missing anyway
        return feature
    found: dict[str, Any] = {"words": tuple(dict.fromkeys((*feature.words, *words)))}
    if isinstance(feature, Number):
        numbers = dict.fromkeys((*feature.sentinels, *conventions.missing_numbers))
        found["sentinels"] = tuple(numbers)[: len(SENTINELS)]
    return replace(feature, **found)


def usual_decimal_of(frame: pl.DataFrame) -> str | None:
    """Return the decimal mark of the columns of text together; see `usual_decimal`."""
    columns = (cells_of(frame, name) for name in frame.columns)
    some = (
        column.drop_nulls().head(_LOOKED_AT).to_list() for column in columns if column.dtype == load_polars().String
    )
    return usual_decimal(some)


def _explained(finding: Finding, feature: Feature, more: str) -> Finding:
    """Add the treatment of rare values and outliers, and `more`, to the finding."""
    if isinstance(feature, Category) and feature.other:
        rare = f"{finding.reason}; the rare ones share a column, {len(feature.levels)} have their own"
        return replace(finding, reason=f"{rare}{more}")
    if isinstance(feature, Number) and feature.unit is not None:
        return replace(finding, reason=f"{finding.reason}; heavy-tailed, so on a logarithmic scale")
    return replace(finding, reason=f"{finding.reason}{more}")


def _with_numbers(fitted: Fitted, frame: pl.DataFrame, training: Mask, kinds: Mapping[str, Kind]) -> Fitted:
    """Use numbers that count the rows as features if there are no others."""
    features: list[Feature] = []
    findings = list(fitted.findings)
    for k, finding in enumerate(findings):
        if finding.kind == "identifier" and finding.name not in kinds:
            series = cells_of(frame, finding.name)
            if not as_numbers(series).null_count():
                findings[k] = Finding(
                    finding.name, "number", f"{finding.reason}, but there is nothing else to learn from"
                )
                found = fit_feature(series.filter(training), findings[k])
                if not isinstance(found, LeftOut):
                    features.append(found)
    kept = {feature.name for feature in features}
    left_out = tuple(column for column in fitted.left_out if column.name not in kept)
    return Fitted(tuple(features), left_out, tuple(findings))


def check_wishes(
    names: Sequence[str], path: str, kinds: Mapping[str, str], leave_out: Sequence[str], target: str | None
) -> None:
    """Raise TableError for an unknown column or an unknown kind in the user's choices."""
    for name in (*leave_out, *kinds):
        if name not in names:
            raise TableError(
                f"{path} has no column {name!r} to leave out or to name the kind of{suggestion(name, names)}"
            )
        if name == target:
            what = "left out" if name in leave_out else "given a kind, which features have"
            raise TableError(f"column {name!r} is the target, and cannot be {what}; name another column, or none")
    for name, kind in kinds.items():
        if kind not in KINDS:
            raise TableError(
                f"column {name!r} is given the kind {kind!r}; a kind is one of {', '.join(KINDS)}"
                f"{suggestion(kind, KINDS)}"
            )
        if name in leave_out:
            raise TableError(f"column {name!r} is left out and has a kind; give one of the two")


class _Twins:
    """Detects columns with identical cells, by a hash of their cells."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[str, Any]] = {}

    def find(self, name: str, series: pl.Series) -> str | None:
        """Return the name of an earlier column with the same cells in all rows, or None."""
        numbers = as_numbers(series)
        values = numbers.to_numpy()
        if not numbers.null_count() and np.nanmax(np.abs(values), initial=0) < EXACT:
            twin, other = self._seen.setdefault(hash(values.tobytes()), (name, values))
            same = isinstance(other, np.ndarray) and np.array_equal(values, other, equal_nan=True)
            return twin if twin != name and same else None
        written = texts(series)
        weights = np.arange(1, 2 * len(written), 2, dtype=np.uint64)
        with np.errstate(over="ignore"):
            key = int((written.hash(seed=0).to_numpy() * weights).sum())
        twin, other = self._seen.setdefault(key, (name, written))
        same = not isinstance(other, np.ndarray) and bool(written.equals(other, check_names=False))
        return twin if twin != name and same else None
