"""What there is to say about a trained network, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from chainrule.reports.importance import Importance
from chainrule.reports.mistakes import Confusion, Level, Residuals
from chainrule.reports.scoring import Scores, ahead, worth

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
    scored_by: str = "accuracy"

    @property
    def worth(self) -> float:
        """The score, larger where it is better."""
        return worth(self.scored_by, {self.scored_by: self.score})


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of it.

    Attributes
    ----------
    network, linear, trivial, training
        Scores on the rows held out, of the network, a linear model, and of always predicting `trivial_value`; and
        of the network on rows it was trained on. The first of the network's decides.
    levels
        How each of several quantiles fares.
    loss_divisor
        What the target was divided by for the loss that is trained on; None where that is in the target's own units.
    score_divisor
        The same for the loss among the scores, which is in the target's own units where that can be said exactly.
    gradients
        Sentences on how gradients fare in the trained network; empty where all is well.

    """

    data: str
    target: str
    task: Task
    reason: str
    columns: tuple[Column, ...]
    rows: Rows
    settings: Settings
    run: Run
    network: Scores
    linear: Scores
    trivial: Scores
    trivial_value: str
    training: Scores
    classes: tuple[str, ...] = ()
    class_counts: Mapping[str, int] = field(default_factory=dict)
    confusion: Confusion | None = None
    residuals: Residuals | None = None
    importances: tuple[Importance, ...] = ()
    trials: tuple[Trial, ...] = ()
    notes: tuple[str, ...] = ()
    gradients: tuple[str, ...] = ()
    validation: str | None = None
    fingerprint: str = ""
    version: str = ""
    saved: str | None = None
    levels: tuple[Level, ...] = ()
    loss_divisor: float | None = None
    score_divisor: float | None = None

    @property
    def deciding(self) -> str:
        """The score that decides, which importances are drops of."""
        return next(iter(self.network))

    @property
    def comparison(self) -> Scores:
        """Scores of the linear model; none where it is worse than a constant, and nothing to compare with."""
        failed = self.linear and ahead(self.deciding, self.linear, self.trivial, self.rows.held) < 0
        return {} if failed else self.linear

    def to_dict(self) -> dict[str, Any]:
        """The report as what JSON can hold; a number that is none is null."""
        found: dict[str, Any] = _plain(asdict(self))
        if self.residuals is not None:
            found["residuals"]["quantiles"] = {str(percent): value for percent, value in self.residuals.quantiles}
            del found["residuals"]["points"]
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
