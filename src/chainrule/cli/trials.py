"""Training of all combinations, side by side, from the start or from a checkpoint; their results are in order."""

from __future__ import annotations

import math
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.errors import CommandError
from chainrule.cli.live import Live
from chainrule.cli.scoring import Scorer
from chainrule.engines import get_engine
from chainrule.interrupts import Interrupt, deferred
from chainrule.learners import Data, Learner
from chainrule.networks import FormulaLoss, TrainingState, Validation, predict_rows, shares, side_by_side, train
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

    @property
    def interruption(self) -> str | None:
        """The key of the sentence on what Ctrl-C ended; None if nothing."""
        if self.refit_interrupted:
            return "interrupted whole"
        return "interrupted search" if self.interrupted else None


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
    if not standing.pending:
        with deferred() as interrupt:
            search.run(interrupt)
            if standing.interrupted:
                interrupt.answer()
    if standing.best is None and not standing.interrupted:
        raise CommandError(search.failure)
    return standing


class _Finished(NamedTuple):
    """The end of a combination; it has no result if Ctrl-C ended it."""

    place: int
    state: TrainingState
    trial: Trial | None


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
        self.processes = get_engine(learners[0].settings.engine).processes
        self.last_kept = time.monotonic()
        self.until = self.last_kept + seconds
        self.durations: list[tuple[float, int]] = []
        self.shown = -1
        self.failure = "training diverged; give a smaller --learning-rate"

    def run(self, interrupt: Interrupt) -> None:
        """Train the combinations side by side, if time is bounded after the first one."""
        standing = self.standing
        places = deque(range(len(standing.trials), len(self.learners)))
        resume, standing.state = standing.state, None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DivergenceWarning)
            if not math.isinf(self.until) and standing.best is None:
                self._run([places.popleft()], resume, interrupt)
                resume = None
            if places and not standing.interrupted:
                self._run(places, resume, interrupt)

    def _run(self, places: Sequence[int], resume: TrainingState | None, interrupt: Interrupt) -> None:
        workers, share = shares(len(places) if self._parted else 1, self.threads)

        def jobs() -> Iterator[Callable[[], _Finished]]:
            for place in places:
                if self.processes.anywhere("Ctrl-C between combinations", interrupt.pressed):
                    return
                if not self.has_time(share):
                    return
                yield partial(self._trained, place, share, resume if place == places[0] else None)

        self._show(places[0])
        side_by_side(jobs(), workers, self._take, "search")

    @property
    def _parted(self) -> bool:
        """Whether threads are better used by several combinations: not by XLA, nor by tables that do not fit in memory.

        Several processes execute one run together.
        """
        settings = self.learners[0].settings
        return settings.engine == "native" and settings.order is None

    def has_time(self, share: int) -> bool:
        """Whether the next combination, if it takes as long as the longest one, ends in time; one always does.

        A combination that had more threads than its `share` now is expected to take longer.
        """
        standing = self.standing
        longest = max((seconds * max(1, threads / share) for seconds, threads in self.durations), default=0.0)
        late = standing.best is not None and time.monotonic() + longest > self.until
        return math.isinf(self.until) or not self.processes.anywhere("the end of the search", late)

    def _show(self, place: int) -> None:
        """Begin the display of a combination."""
        if place < len(self.learners):
            count = len(self.learners) if math.isinf(self.until) else None
            self.live.begin(place + 1, count, self.learners[place].settings.epochs)
        self.shown = place

    def _trained(self, place: int, share: int, resume: TrainingState | None) -> _Finished:
        """Train one combination."""
        learner, data = self.learners[place], self.data
        looked_at = self.live.shown or self.keep is not None
        validation = None
        if len(data.y_choosing):
            validation = Validation(data.X_choosing, data.y_choosing)
        started = time.monotonic()
        state = train(
            learner.architecture,
            learner.initial() if resume is None else None,
            data.X,
            data.y,
            data.weights,
            learner.settings,
            validation,
            resume,
            partial(self._look, place) if looked_at else None,
            share if learner.settings.engine == "native" else self.threads,
            seconds=min(LOOKS, self.every),
        )
        self.durations.append((time.monotonic() - started, state.threads))
        interrupted = state.status == "interrupted"
        return _Finished(place, state, None if interrupted else finished_trial(learner, state, data))

    def _take(self, finished: _Finished) -> bool:
        """Record the end of a combination, in their order; return whether the search goes on."""
        place, state, trial = finished
        standing = self.standing
        standing.state = state
        if trial is None:
            if self.keep is not None and place == 0:
                self.keep(standing)
            return False
        self._note(place, state, trial)
        standing.state = None
        if self.keep is not None and len(standing.trials) < len(self.learners):
            self.keep(standing)
        self._show(place + 1)
        return True

    @deferred()
    def _look(self, place: int, state: TrainingState) -> None:
        if place == self.shown:
            self.live.epoch(state)
        now = time.monotonic()
        first = place == 0
        if self.keep is not None and first and state.status == "running" and now - self.last_kept >= self.every:
            self.keep(replace(self.standing, state=state))
            self.last_kept = time.monotonic()

    def _note(self, place: int, state: TrainingState, trial: Trial) -> None:
        """Record the result of a combination, and keep it if it is the best."""
        standing, learner = self.standing, self.learners[place]
        if state.status == "diverged":
            self.failure = f"training diverged: {state.reason}; {_remedy(learner)}"
        standing.trials.append(trial)
        best = None if standing.best is None else standing.trials[standing.best]
        better = state.status != "diverged" and (best is None or _order(trial) > _order(best))
        if self.processes.agreed("the better trial", better)[0]:
            standing.keep(place, state)


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
