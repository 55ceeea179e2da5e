"""What there is to say about a trained network, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from chainrule.reports.importance import Importance
from chainrule.reports.mistakes import Confusion, Level, Residuals
from chainrule.reports.scoring import SCORES, Scores, ahead, worth
from chainrule.schema import OMITTED, one_of

Task: TypeAlias = Literal["classification", "regression"]


@dataclass(frozen=True)
class Column:
    """A column of the table: its kind, what it holds, and how many inputs it gives; 0 if it is left out."""

    name: str
    kind: str
    reason: str
    inputs: int


@dataclass(frozen=True)
class Rows:
    """How many rows there are, and what for."""

    all: int
    training: int
    choosing: int
    held: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The network and how it was trained."""

    widths: tuple[int, ...]
    parameters: int
    activation: str
    loss: str
    solver: str
    rate: float | None
    alpha: float
    batch_size: int | None
    dropout: float
    normalization: str | None
    class_weight: str | None
    seed: int
    epochs: int

    @property
    def sizes(self) -> str:
        """`4-32-3`."""
        return "-".join(map(str, self.widths))


@dataclass(frozen=True)
class Run:
    """How the training went; losses by epoch, those of validation may be absent."""

    status: str
    reason: str
    epochs: int
    best_epoch: int
    seconds: float
    losses: tuple[float, ...]
    validation_losses: tuple[float, ...] = ()
    culprit: str | None = None


@dataclass(frozen=True)
class Trial:
    """A combination of settings that was tried, and its score on the validation rows; `scored_by` is which it is."""

    hidden: str
    rate: float | None
    alpha: float
    epochs: int
    score: float
    loss: float
    kept: bool = False
    scored_by: Annotated[str, one_of(*sorted(SCORES)), OMITTED] = "accuracy"

    @property
    def worth(self) -> float:
        """The score, larger where it is better."""
        return worth(self.scored_by, {self.scored_by: self.score})


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """The table: what is predicted from which columns, and what became of the rows.

    `path` is its file, `validation` that of the rows held out, where they come from another.
    """

    path: str
    target: str
    task: Task
    reason: str
    columns: tuple[Column, ...]
    rows: Rows
    classes: tuple[str, ...] = ()
    class_counts: Mapping[str, int] = field(default_factory=dict)
    validation: str | None = None
    notes: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, kw_only=True)
class FitSummary:
    """How the network was trained.

    Attributes
    ----------
    gradients
        Sentences on how gradients fare in the trained network; empty where all is well.
    loss_divisor
        What the target was divided by for the loss that is trained on; None where that is in the target's own units.

    """

    settings: Settings
    run: Run
    trials: tuple[Trial, ...] = ()
    gradients: tuple[str, ...] = ()
    loss_divisor: float | None = None


@dataclass(frozen=True, kw_only=True)
class ScoreSummary:
    """How good the network is, and where it is wrong.

    Attributes
    ----------
    network, linear, trivial, training
        Scores on the rows held out, of the network, a linear model, and of always predicting `trivial_value`; and
        of the network on rows it was trained on. The first of the network's decides.
    levels
        How each of several quantiles fares.
    divisor
        What the target was divided by for the loss among the scores, which is in the target's own units where that can
        be said exactly; then None.

    """

    network: Scores
    linear: Scores
    trivial: Scores
    trivial_value: str
    training: Scores
    confusion: Confusion | None = None
    residuals: Residuals | None = None
    levels: tuple[Level, ...] = ()
    importances: tuple[Importance, ...] = ()
    divisor: float | None = None

    @property
    def deciding(self) -> str:
        """The score that decides, which importances are drops of."""
        return next(iter(self.network))


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of it; `saved` is the file that the model is in."""

    data: DataSummary
    fit: FitSummary
    scores: ScoreSummary
    version: str = ""
    saved: str | None = None

    @property
    def comparison(self) -> Scores:
        """Scores of the linear model; none where it is worse than a constant, and nothing to compare with."""
        scores = self.scores
        failed = scores.linear and ahead(scores.deciding, scores.linear, scores.trivial, self.data.rows.held) < 0
        return {} if failed else scores.linear

    def to_dict(self) -> dict[str, Any]:
        """The report as what JSON can hold; a number that is none is null."""
        found: dict[str, Any] = _plain(asdict(self))
        residuals = self.scores.residuals
        if residuals is not None:
            written = found["scores"]["residuals"]
            written["quantiles"] = {str(percent): value for percent, value in residuals.quantiles}
            del written["points"]
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
