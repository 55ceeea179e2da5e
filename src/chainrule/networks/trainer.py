"""Training: epochs in the engine, and between them validation, stopping, rates, and a word to whoever asked for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Outcome, get_engine
from chainrule.networks.architecture import Architecture
from chainrule.networks.errors import NetworkError
from chainrule.networks.evaluation import Validator, checked_weights
from chainrule.networks.population import population
from chainrule.networks.settings import TrainingSettings, Validation
from chainrule.networks.state import Status, TrainingState
from chainrule.networks.stopping import Watch
from chainrule.training import LBFGS, prepare_run

Array: TypeAlias = NDArray[Any]
OnEpoch: TypeAlias = Callable[[TrainingState], object]

PIECE_SECONDS = 0.1
"""How long epochs are run without a look at them."""

MOST_ORDERED = 2**22
"""Row numbers that are given to the engine at once."""


def train(
    architecture: Architecture,
    params: Mapping[str, Array] | None,
    X: Any,
    y: Any,
    weights: Any = None,
    settings: TrainingSettings | None = None,
    validation: Validation | None = None,
    resume: TrainingState | None = None,
    on_epoch: OnEpoch | None = None,
    threads: int | None = None,
    every: int = 1,
    seconds: float | None = None,
) -> TrainingState:
    """Train a network on `X` (rows, inputs) and `y`, from `params` or from where `resume` stands.

    Parameters
    ----------
    architecture
        The network and its loss.
    params
        The initial parameters, as `architecture.initial` draws them; not used with `resume`.
    X, y, weights
        The rows, their targets as `architecture.checked_target` takes them, and a weight for each row or None.
    settings
        See `TrainingSettings`.
    validation
        Further rows, whose loss and score are computed after each epoch.
    resume
        A state that an earlier call gave, to go on to the same bits as if it had not ended there. Where its
        `optimizer_state` is empty the optimizer begins anew.
    on_epoch
        Called with the state after every `every`-th epoch, or where `seconds` is given when so much time has passed
        since the last call, and after the last epoch. Where it returns False training stops. The state is a copy.
    threads
        The most threads; the result does not depend on it.
    every, seconds
        How often `on_epoch` is called.

    Ctrl-C ends training with the status "interrupted", and keeps what was learnt. What `on_epoch` raises is raised.
    Raises NetworkError, ShapeError and TrainingError for what does not fit together.

    Examples
    --------
    >>> from chainrule.training import Adam
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> network = Architecture(1, (16,), 1, activations="tanh")
    >>> settings = TrainingSettings(Adam(0.01), epochs=200, batch_size=16)
    >>> state = train(network, network.initial(0), X, X**2, settings=settings)
    >>> print(state.status, len(state.loss_curve), state.loss_curve[-1] < 0.1 * state.loss_curve[0])
    finished 200 True

    """
    settings = TrainingSettings() if settings is None else settings
    if isinstance(settings.solver, LBFGS):
        raise NetworkError("LBFGS is not there yet")
    trainer = _Trainer(architecture, params, X, y, weights, settings, validation, resume, threads)
    trainer.on_epoch, trainer.every, trainer.seconds = on_epoch, every, seconds
    return trainer.run()


class _Trainer:
    def __init__(
        self,
        architecture: Architecture,
        params: Mapping[str, Array] | None,
        X: Any,
        y: Any,
        weights: Any,
        settings: TrainingSettings,
        validation: Validation | None,
        resume: TrainingState | None,
        threads: int | None,
    ) -> None:
        self.started = time.perf_counter()
        self.architecture, self.settings = architecture, settings
        self.on_epoch: OnEpoch | None = None
        self.every = 1
        self.seconds: float | None = None
        if validation is None and settings.monitor != "loss":
            raise NetworkError(f"monitor is {settings.monitor!r}, and there is no validation; give one")
        self.state = _beginning(architecture, params, settings) if resume is None else _copied(resume)
        self.X = architecture.checked_input(X)
        data = {"X": self.X, "y": architecture.checked_target(y, len(self.X))}
        if weights is not None:
            data["weights"] = checked_weights(weights, len(self.X), architecture.dtype)
        self.names = tuple(architecture.parameters)
        run = prepare_run(
            architecture.loss_function if weights is None else architecture.weighted_loss_function,
            {name: self.state.params[name] for name in self.names},
            data,
            settings.optimizer,
            settings.batch_size,
            settings.seed,
            settings.shuffle,
            {"alpha": architecture.alpha} if architecture.alpha else None,
            self.state.optimizer_state or None,
        )
        self.loop = run.loop
        self.watch = Watch.of(settings, self.state)
        self.validator = None if validation is None else Validator(architecture, validation)
        if self.state.rate is None and settings.rate_input in run.data:
            self.state.rate = float(run.data[settings.rate_input])
        elif self.state.rate is not None:
            run.data[settings.rate_input] = np.asarray(self.state.rate)
        engine = get_engine(settings.engine)
        place = self.state.epoch, self.state.step, self.state.loss
        self.session = engine.begin(run.loop, run.state, run.data, settings.seed, threads, *place)
        self.first_rate = float(getattr(settings.solver, "rate", 0.0)) if settings.rate_power is not None else 0.0
        self.epoch_seconds = 0.0
        self.last_report = time.perf_counter()

    def run(self) -> TrainingState:
        """Train to the end."""
        state = self.state
        state.status, state.reason, state.culprit = "running", "", None
        before = state.seconds
        try:
            while state.status == "running":
                if state.epoch >= self.settings.epochs:
                    self._end("finished", f"all {self.settings.epochs} epochs are done")
                    break
                self._piece()
                state.seconds = before + time.perf_counter() - self.started
                self._tell()
        except KeyboardInterrupt:
            self._end("interrupted", f"interrupted after {state.epoch} epochs")
        self._take_parameters()
        state.seconds = before + time.perf_counter() - self.started
        return state

    def _piece(self) -> None:
        """A few epochs, up to the one where something is to be done."""
        count = self._length()
        orders = self._orders(count)
        begun, position = self.session.state, self.session.position
        clock, rate = time.perf_counter(), self.state.rate
        outcome = self.session.advance(count, order=orders)
        if outcome.losses.size:
            self.epoch_seconds = (time.perf_counter() - clock) / outcome.losses.size
        at_end = 0
        for loss in outcome.losses:
            at_end += 1
            if self._after_epoch(float(loss)):
                break
        if at_end < outcome.losses.size:
            self.session.restore(begun, position)
            outcome = self.session.advance(at_end, order=None if orders is None else orders[:at_end])
        if self.state.rate != rate:
            # Only now, so that epochs that are run again have the rate that they had.
            self.session.set(self.settings.rate_input, self.state.rate)
        self._settle(outcome)

    def _settle(self, outcome: Outcome) -> None:
        state = self.state
        state.threads = outcome.threads
        if outcome.status == "diverged" and state.status == "running":
            state.culprit = outcome.culprit
            self._end("diverged", f"{outcome.culprit or 'a value'} is no longer finite in epoch {state.epoch + 1}")
        elif outcome.status == "interrupted" and state.status == "running":
            self._end("interrupted", f"interrupted after {state.epoch} epochs")

    def _length(self) -> int:
        """How many epochs to run at once."""
        settings, state = self.settings, self.state
        left = settings.epochs - state.epoch
        if self.validator is not None or settings.rate_power is not None:
            return 1
        swift = int(PIECE_SECONDS / self.epoch_seconds) if self.epoch_seconds else 1
        if settings.order is not None:
            # The order may come from a source of random numbers, which is not to be drawn from in vain.
            length = min(self.watch.least, max(swift, 1), MOST_ORDERED // self.loop.row_count)
        else:
            length = max(min(self.watch.least, 2 * swift), swift)
        if self.on_epoch is not None and self.seconds is None:
            length = min(length, self.every - state.epoch % self.every)
        return max(1, min(left, int(min(length, 2**31))))

    def _orders(self, count: int) -> NDArray[np.int64] | None:
        order = self.settings.order
        if order is None or not self.loop.shuffles:
            return None
        return np.stack([np.asarray(order(self.state.epoch + k), np.int64) for k in range(count)])

    def _after_epoch(self, loss: float) -> bool:
        """Take note of an epoch; whether the run, at least with this rate, ends here."""
        settings, state = self.settings, self.state
        state.epoch += 1
        state.rows_seen += self.loop.row_count
        state.loss_curve = np.append(state.loss_curve, loss)
        value = loss
        if self.validator is not None:
            self._take_parameters()
            found, score = self.validator(state.params)
            state.validation_losses = np.append(state.validation_losses, found)
            state.validation_scores = np.append(state.validation_scores, score)
            value = {"loss": loss, "validation_loss": found, "validation_score": score}[settings.monitor]
        better, at_end = self.watch.see(value)
        if better:
            state.best, state.best_epoch = value, state.epoch
            if settings.restore_best and self.validator is not None and settings.monitor != "loss":
                state.best_params = {name: array.copy() for name, array in state.params.items()}
        if settings.rate_power is not None:
            state.rate = self.first_rate / (state.rows_seen + 1) ** settings.rate_power
        if at_end:
            at_end = self._plateau()
        state.waiting = self.watch.waiting
        return at_end

    def _plateau(self) -> bool:
        settings, state = self.settings, self.state
        if settings.plateau == "stop" or state.rate is None or state.rate <= settings.least_rate:
            what = "training loss" if settings.monitor == "loss" else settings.monitor.replace("_", " ")
            self._end(
                "converged",
                f"the {what} did not improve by more than {settings.tolerance:g} in {self.watch.waiting} epochs",
            )
            return True
        self.watch.waiting = 0
        state.rate /= settings.plateau_factor
        return True

    def _end(self, status: Status, reason: str) -> None:
        self.state.status, self.state.reason = status, reason

    def _take_parameters(self) -> None:
        """Copy from the engine what was learnt."""
        held = self.session.state
        state = self.state
        state.params = {name: held[name] for name in self.names}
        state.optimizer_state = {name: array for name, array in held.items() if name not in state.params}
        state.params.update(population(self.architecture, state.params, self.X))

    def _tell(self) -> None:
        if self.on_epoch is None:
            return
        state, now = self.state, time.perf_counter()
        last = state.status != "running" or state.epoch >= self.settings.epochs
        due = state.epoch % self.every == 0 if self.seconds is None else now - self.last_report >= self.seconds
        if not (due or last):
            return
        self.last_report = now
        self._take_parameters()
        if self.on_epoch(_copied(state)) is False and state.status == "running":
            self._end("stopped", f"stopped by on_epoch after {state.epoch} epochs")


def _beginning(
    architecture: Architecture, params: Mapping[str, Array] | None, settings: TrainingSettings
) -> TrainingState:
    given = architecture.initial(settings.seed) if params is None else params
    for name, shape in architecture.parameters.items():
        if name not in given:
            raise NetworkError(f"the parameters lack {name!r}, of shape {shape}")
        if np.shape(given[name]) != shape:
            raise NetworkError(f"{name} has the shape {np.shape(given[name])}; this network takes {shape}")
    kept = {name: np.array(given[name], architecture.dtype) for name in architecture.parameters}
    return TrainingState(kept, seed=settings.seed)


def _copied(state: TrainingState) -> TrainingState:
    """A state that shares no dict with this one; arrays are never changed in place."""
    return replace(
        state,
        params=dict(state.params),
        optimizer_state=dict(state.optimizer_state),
        best_params=None if state.best_params is None else dict(state.best_params),
    )
