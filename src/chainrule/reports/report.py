"""The data of a report on a trained network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, TypeAlias

from chainrule.reports.calibration import Calibration, Thresholds
from chainrule.reports.dependence import Dependence
from chainrule.reports.importance import Importance
from chainrule.reports.mistakes import Confusion, Level, Residuals
from chainrule.reports.scoring import SCORES, Scores, ahead, worth
from chainrule.schema import OMITTED, one_of

Task: TypeAlias = Literal["classification", "regression"]


@dataclass(frozen=True)
class Column:
    """A column of the table: its kind, a description, and its number of inputs; 0 if it is left out."""

    name: str
    kind: str
    reason: str
    inputs: int


@dataclass(frozen=True)
class Rows:
    """The numbers of rows by use."""

    all: int
    training: int
    choosing: int
    held: int


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of the network and of training."""

    widths: tuple[int, ...]
    parameters: int
    activation: str
    loss: str
    solver: str
    learning_rate: float | None
    alpha: float
    batch_size: int | None
    dropout: float
    normalization: str | None
    class_weight: str | None
    seed: int
    epochs: int
    ensemble: int = 1

    @property
    def sizes(self) -> str:
        """The layer sizes, such as `4-32-3`, or `8 × 4-32-3` for several networks."""
        sizes = "-".join(map(str, self.widths))
        return sizes if self.ensemble == 1 else f"{self.ensemble} × {sizes}"


@dataclass(frozen=True)
class Run:
    """The progress of training; losses by epoch, those of validation may be absent."""

    status: str
    reason: str
    epochs: int
    best_epoch: int
    seconds: float
    losses: tuple[float, ...]
    validation_losses: tuple[float, ...] = ()
    culprit: str | None = None


@dataclass(frozen=True)
class Refit:
    """Training of the saved network on all rows, for the epochs found."""

    rows: int
    epochs: int
    seconds: float


@dataclass(frozen=True)
class Trial:
    """A combination of settings in a search, and its validation score; `scored_by` is the name of the score."""

    hidden: str
    learning_rate: float | None
    alpha: float
    epochs: int
    score: float
    loss: float
    kept: bool = False
    scored_by: Annotated[str, one_of(*sorted(SCORES)), OMITTED] = "accuracy"

    @property
    def worth(self) -> float:
        """The score with its sign chosen so that larger is better."""
        return worth(self.scored_by, {self.scored_by: self.score})


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """The table: target, columns, and the use of the rows.

    `path` is its file, or that of its first part if other processes have the `others`; `validation` is that of the
    held-out rows, if they come from another file.
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
    others: int = 0


@dataclass(frozen=True, kw_only=True)
class FitSummary:
    """The training of the network.

    Attributes
    ----------
    refit
        How the saved network was trained anew on all rows; None if it was not.
    gradients
        Sentences on problems with gradients in the trained network; empty if there are none.
    loss_divisor
        The divisor of the target in the training loss; None if the loss is in the units of the target.

    """

    settings: Settings
    run: Run
    trials: tuple[Trial, ...] = ()
    refit: Refit | None = None
    gradients: tuple[str, ...] = ()
    loss_divisor: float | None = None


@dataclass(frozen=True, kw_only=True)
class ScoreSummary:
    """The scores and mistakes of the network.

    Attributes
    ----------
    network, linear, trivial, training
        Scores on the held-out rows of the network, of a linear model, and of the constant `trivial_value`; and scores
        of the network on training rows. The first score of the network decides.
    linear_training
        Scores of the linear model on the same training rows.
    calibration, thresholds
        How true the probabilities of classes are; for two classes, what each threshold finds.
    levels
        The evaluation of each predicted quantile.
    dependence
        The partial dependence on the most important columns; empty if it was not asked for.
    alone
        The columns from each of which alone the target is predicted almost perfectly.
    divisor
        The divisor of the target in the loss among the scores; None if the loss can be given exactly in the units of
        the target.

    """

    network: Scores
    linear: Scores
    trivial: Scores
    trivial_value: str
    training: Scores
    linear_training: Scores = field(default_factory=dict)
    confusion: Confusion | None = None
    residuals: Residuals | None = None
    levels: tuple[Level, ...] = ()
    calibration: Calibration | None = None
    thresholds: Thresholds | None = None
    importances: tuple[Importance, ...] = ()
    dependence: tuple[Dependence, ...] = ()
    alone: tuple[str, ...] = ()
    divisor: float | None = None

    @property
    def deciding(self) -> str:
        """The name of the deciding score, on which importances are based."""
        return next(iter(self.network))


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole report; `saved` is the model file."""

    data: DataSummary
    fit: FitSummary
    scores: ScoreSummary
    version: str = ""
    saved: str | None = None

    @property
    def comparison(self) -> Scores:
        """The scores of the linear model; empty if it is worse than a constant, and so no basis of comparison."""
        scores = self.scores
        failed = scores.linear and ahead(scores.deciding, scores.linear, scores.trivial, self.data.rows.held) < 0
        return {} if failed else scores.linear

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON data; nan and infinities become null."""
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
