"""Training of all combinations in sequence, from the start or from a checkpoint."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.errors import CommandError
from chainrule.cli.live import Live
from chainrule.cli.scoring import Scorer
from chainrule.engines import get_engine
from chainrule.interrupts import deferred
from chainrule.learners import Data, Learner
from chainrule.networks import FormulaLoss, TrainingState, Validation, predict_rows, train
from chainrule.reports import Run, Trial
from chainrule.training import DivergenceWarning

Array: TypeAlias = NDArray[Any]

LOOKS = 0.1
"""Seconds between two polls of a run."""


@dataclass
class Standing:
    """The progress over the combinations.

    Attributes
    ----------
    trials
        The finished combinations.
    best, best_state
        The index of the best one, and its final state.
    state
        The state of the current combination; None between two.
    pending
        Whether the search is finished, and the best network is still to be trained on all rows.
    refit, refit_rows, refit_interrupted
        The state of the best network after training on all rows, and their number; whether Ctrl-C ended it.

    """

    trials: list[Trial] = field(default_factory=list)
    best: int | None = None
    best_state: TrainingState | None = None
    state: TrainingState | None = None
    pending: bool = False
    refit: TrainingState | None = None
    refit_rows: int = 0
    refit_interrupted: bool = False

    @property
    def saved_params(self) -> dict[str, Array]:
        """The parameters to save: those learnt from all rows, if there are any."""
        return self.params if self.refit is None else self.refit.learnt

    @property
    def params(self) -> dict[str, Array]:
        """The parameters of the best combination."""
        return {} if self.best_state is None else self.best_state.learnt

    @property
    def run(self) -> Run | None:
        """The course of the best run."""
        return None if self.best_state is None else run_of(self.best_state)

    def keep(self, place: int, state: TrainingState) -> None:
        """Record a combination as the best."""
        self.best, self.best_state = place, state

    def reopen(self) -> None:
        """Reopen the last combination as the current one."""
        self.state, self.best, self.best_state = self.best_state, None, None
        self.trials.pop()

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.refit_interrupted or (self.state is not None and self.state.status == "interrupted")


Keep: TypeAlias = Callable[[Standing], None]


def run_trials(
    learners: Sequence[Learner],
    data: Data,
    live: Live,
    threads: int | None = None,
    standing: Standing | None = None,
    keep: Keep | None = None,
    every: float = math.inf,
    seconds: float = math.inf,
) -> Standing:
    """Train the remaining combinations; call `keep` every `every` seconds and on an interrupt.

    With `seconds`, none begins that is not expected to end within them, but for the first one.

    Raises CommandError if no combination succeeds.
    """
    standing = standing or Standing()
    search = _Search(learners, data, live, threads, standing, keep, every, seconds)
    while not standing.pending and len(standing.trials) < len(learners) and search.has_time():
        if not search.next():
            break
    if standing.best is None and not standing.interrupted:
        raise CommandError(search.failure)
    return standing


class _Search:
    def __init__(
        self,
        learners: Sequence[Learner],
        data: Data,
        live: Live,
        threads: int | None,
        standing: Standing,
        keep: Keep | None,
        every: float,
        seconds: float,
    ) -> None:
        self.learners, self.data, self.live = learners, data, live
        self.threads, self.standing, self.keep, self.every = threads, standing, keep, every
        self.last_kept = time.monotonic()
        self.until = self.last_kept + seconds
        self.longest = 0.0
        self.failure = "training diverged; give a smaller --learning-rate"

    def has_time(self) -> bool:
        """Whether the next combination, if it takes as long as the longest one, ends in time; one always does."""
        standing = self.standing
        late = standing.best is not None and standing.state is None and time.monotonic() + self.longest > self.until
        processes = get_engine(self.learners[0].settings.engine).processes
        return math.isinf(self.until) or not processes.anywhere("the end of the search", late)

    def next(self) -> bool:
        """Train one combination; return whether it finished."""
        standing, place = self.standing, len(self.standing.trials)
        learner = self.learners[place]
        self.live.begin(place + 1, len(self.learners) if math.isinf(self.until) else None, learner.settings.epochs)
        started = time.monotonic()
        state = self._trained(learner)
        self.longest = max(self.longest, time.monotonic() - started)
        standing.state = state
        if state.status == "interrupted":
            if self.keep is not None and place == 0:
                self.keep(standing)
            return False
        self._note(learner, state)
        standing.state = None
        if self.keep is not None and len(standing.trials) < len(self.learners):
            self.keep(standing)
        return True

    def _trained(self, learner: Learner) -> TrainingState:
        data, resume = self.data, self.standing.state
        looked_at = self.live.shown or self.keep is not None
        validation = None
        if len(data.y_choosing):
            validation = Validation(data.X_choosing, data.y_choosing)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DivergenceWarning)
            return train(
                learner.architecture,
                learner.initial() if resume is None else None,
                data.X,
                data.y,
                data.weights,
                learner.settings,
                validation,
                resume,
                self._look if looked_at else None,
                self.threads,
                seconds=min(LOOKS, self.every),
            )

    @deferred()
    def _look(self, state: TrainingState) -> None:
        self.live.epoch(state)
        now = time.monotonic()
        first = not self.standing.trials
        if self.keep is not None and first and state.status == "running" and now - self.last_kept >= self.every:
            self.keep(replace(self.standing, state=state))
            self.last_kept = time.monotonic()

    def _note(self, learner: Learner, state: TrainingState) -> None:
        """Record the result of a combination, and keep it if it is the best."""
        standing = self.standing
        trial = finished_trial(learner, state, self.data)
        if state.status == "diverged":
            self.failure = f"training diverged: {state.reason}; {_remedy(learner)}"
        standing.trials.append(trial)
        best = None if standing.best is None else standing.trials[standing.best]
        better = state.status != "diverged" and (best is None or _order(trial) > _order(best))
        if get_engine(learner.settings.engine).processes.agreed("the better trial", better)[0]:
            standing.keep(len(standing.trials) - 1, state)


def _remedy(learner: Learner) -> str:
    """Return the mend for a diverged run, found by evaluating formulas at sample values."""
    architecture = learner.architecture
    numbers = np.array([[-2.0], [-1.0], [-0.3], [0.3], [1.0], [2.0]])
    with np.errstate(all="ignore"):
        for layer in architecture.layers:
            if not np.isfinite(np.asarray(layer(numbers))).any():
                return f"the activation {layer.name} is finite for no input"
        if isinstance(architecture.loss, FormulaLoss):
            finite = np.isfinite(np.asarray(architecture.loss.after(numbers, np.ones_like(numbers)))).ravel()
            below = np.asarray(architecture.output(numbers)).ravel() <= 0
            if not finite.any():
                return "the loss is finite for no prediction"
            if below.any() and finite[3:].all() and not finite[:3].any():
                return "the loss takes positive predictions only, which --output-activation exp (or softplus) gives"
    learning_rate = learner.combination.learning_rate or getattr(learner.settings.solver, "learning_rate", None)
    return f"give a --learning-rate{f' smaller than {learning_rate:g}' if learning_rate else ''}"


def adopt_interrupted(standing: Standing, learners: Sequence[Learner], data: Data) -> None:
    """Count the interrupted combination as finished, and keep it if it is the best."""
    state, place = standing.state, len(standing.trials)
    if state is None:
        return
    trial = finished_trial(learners[place], state, data)
    standing.trials.append(trial)
    if standing.best is None or _order(trial) > _order(standing.trials[standing.best]):
        standing.keep(place, state)


def _order(trial: Trial) -> tuple[float, float]:
    """The ranking key: the score, then the negative loss."""
    return trial.worth, -np.nan_to_num(trial.loss, nan=np.inf)


def finished_trial(learner: Learner, state: TrainingState, data: Data) -> Trial:
    """Return score and loss of the kept parameters of a combination."""
    combination = learner.combination
    score = loss = math.nan
    name = "accuracy"
    if state.best_epoch and len(state.validation_scores):
        p = predict_rows(learner.architecture, state.learnt, data.X_choosing)
        name, score = next(iter(Scorer(data, learner.architecture.loss)(p, data.y_choosing).items()))
        loss = float(state.validation_losses[state.best_epoch - 1])
    elif len(state.loss_curve):
        loss = float(state.loss_curve[-1])
    learning_rate = combination.learning_rate or getattr(learner.settings.solver, "learning_rate", None)
    return Trial(combination.layers, learning_rate, combination.alpha, state.epoch, score, loss, scored_by=name)


def run_of(state: TrainingState) -> Run:
    """Describe the course of a run as plain data."""
    return Run(
        state.status,
        state.reason,
        state.epoch,
        state.best_epoch,
        state.seconds,
        tuple(map(float, state.loss_curve)),
        tuple(map(float, state.validation_losses)),
        state.culprit,
    )
