"""Training sessions: a run in pieces that the caller can observe and modify."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import EngineError, Outcome, Position, Processes, Run, Session, exploded, first_loss
from chainrule.ir import ProgramError, ShapeError, cached_property
from chainrule.schema import FINITE, checked
from chainrule.training.errors import TrainingError
from chainrule.training.implicit import SEED
from chainrule.training.optimizers import Optimizer
from chainrule.training.structure import ParameterTree
from chainrule.training.updates import hyperparameter_values
from chainrule.words import suggestion

Array = NDArray[Any]
Report = Callable[[int, NDArray[np.float64]], object]


class TrainingSession:
    """A training run that continues from call to call; created by `begin_training`.

    The result is bitwise equal to that of `fit`, however the run is divided into calls of `advance`.

    Examples
    --------
    >>> import chainrule as cr
    >>> data = {"x": np.arange(4.0), "y": 3 * np.arange(4.0)}
    >>> training = cr.begin_training("mean((slope * x - y)^2)", {"slope": 0.0}, data, cr.SGD(0.1))
    >>> outcome = training.advance(20)
    >>> training.position.epoch, outcome.losses[-1] < 1e-6
    (20, np.True_)

    """

    def __init__(
        self, run: Run, params: tuple[str, ...], optimizer: Optimizer, session: Session, tree: ParameterTree
    ) -> None:
        self.run, self.optimizer, self.tree = run, optimizer, tree
        self.steps_per_epoch = run.loop.steps_per_epoch
        """The number of updates per epoch: its batches."""
        self._names, self._session = params, session

    @cached_property
    def _numbers(self) -> tuple[str, ...]:
        return tuple(hyperparameter_values(self.optimizer))

    @property
    def position(self) -> Position:
        """The progress since the first epoch; the `start` from which a new run continues."""
        return self._session.position

    @property
    def processes(self) -> Processes:
        """The processes that execute the run together."""
        return self._session.processes

    @property
    def state(self) -> dict[str, Array]:
        """Copies of parameters and optimizer state."""
        return self._session.state

    @property
    def params(self) -> Any:
        """Copies of the current parameters, arranged as they were given."""
        return self.tree.arranged(self.named_params())

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """The names of the parameters."""
        return self._names

    def named_params(self) -> dict[str, Array]:
        """Return copies of the current parameters by name."""
        return {name: value for name, value in self.state.items() if name in self._names}

    @property
    def optimizer_state(self) -> dict[str, Array]:
        """Copies of the optimizer state, including the step count if something depends on it."""
        return {name: value for name, value in self.state.items() if name not in self._names}

    def advance(self, epochs: int = 1, report: Report | None = None, order: NDArray[np.int64] | None = None) -> Outcome:
        """Train until `epochs` more epochs are finished; an unfinished epoch counts as one.

        Parameters
        ----------
        epochs
            Number of epochs.
        report
            Called periodically as `report(epochs_done, losses)`, with the epochs of this call. If it returns False,
            training stops after the current step; an exception that it raises ends training and is propagated.
        order
            Row numbers, int64 of shape (epochs, rows): the order in each epoch, instead of the one drawn from the seed.
            A row may occur more than once. Ignored if a batch contains all rows.

        Returns
        -------
        Outcome
            The outcome of this call: `losses` of the finished epochs, `status` "finished", "stopped" (by `report`),
            "interrupted" (by Ctrl-C) or "diverged", with the `culprit`; `state` contains parameters and optimizer
            state. After a divergence the session has returned to the beginning of the epoch with the lowest loss.

        Raises
        ------
        TrainingError
            For an order that does not fit.

        """
        try:
            outcome = self._session.advance(epochs, report, order)
        except (EngineError, ProgramError, ShapeError) as error:
            raise TrainingError(str(error)) from None
        return self._gone_back(outcome) if outcome.status == "diverged" else outcome

    def judged(self, outcome: Outcome) -> Outcome:
        """Return the outcome of a run made in one call; "diverged" also if its loss grew out of proportion."""
        if outcome.status not in ("finished", "stopped"):
            return outcome
        return self._gone_back(outcome) if self.exploded(outcome.losses) else outcome

    def exploded(self, losses: NDArray[np.float64]) -> bool:
        """Whether a run with these epoch losses ended far above its initial loss."""
        return self.processes.anywhere("a divergence", exploded(losses, lambda: first_loss(self.run)))

    def retreat(self) -> Position:
        """Return to the beginning of the epoch with the lowest loss since the session began or was restored."""
        return self._session.retreat()

    def _gone_back(self, outcome: Outcome) -> Outcome:
        return replace(outcome, status="diverged", position=self.retreat(), state=self.state)

    def restore(self, params: Any, optimizer_state: Mapping[str, Any], position: Sequence[float] | None = None) -> None:
        """Set the state and, unless None, the `position` that belongs to it.

        Raises TrainingError for a state that does not fit this run.
        """
        there = None if position is None else checked_start(position, self.steps_per_epoch)
        try:
            self._session.restore({**self.tree.named(params), **optimizer_state}, there)
        except (ProgramError, ShapeError) as error:
            raise TrainingError(str(error)) from None

    def set_hyperparameter(self, name: str, value: float) -> None:
        """Set a numeric hyperparameter of the optimizer, such as `learning_rate`, from the next step on.

        A number within a schedule is named after both, as in `learning_rate steps`. Nothing is recompiled. Raises
        TrainingError if the optimizer has no such number.
        """
        key = f"{type(self.optimizer).__name__} {name}"
        if key not in self._numbers:
            known = [each.partition(" ")[2] for each in self._numbers]
            raise TrainingError(
                f"{type(self.optimizer).__name__} has no number {name!r}; it has {', '.join(known)}"
                f"{suggestion(name, known)}"
            )
        self._session.set(key, checked(name, value, FINITE, TrainingError))

    def set_constant(self, name: str, value: Any) -> None:
        """Set one of the `constants` of the loss to another value of the same shape, from the next step on.

        Raises TrainingError for another shape, or a name that is not among the constants.
        """
        constants = [each for each in self.run.loop.constants if each not in {*self._numbers, SEED.name}]
        if name not in constants:
            raise TrainingError(f"{name!r} is not in constants{suggestion(name, constants)}")
        try:
            self._session.set(name, value)
        except (ProgramError, ShapeError) as error:
            raise TrainingError(str(error)) from None


def checked_start(start: Sequence[float], steps_per_epoch: int) -> Position:
    """Return `start` as a Position within a run with this many steps per epoch."""
    try:
        epoch, step, loss = start
        whole = epoch == int(epoch) and step == int(step)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or epoch < 0 or step < 0 or not math.isfinite(loss):
        raise TrainingError(f"start is {start!r}; give the position of an earlier result")
    if step >= steps_per_epoch:
        raise TrainingError(
            f"start is in step {step} of an epoch, which has only {steps_per_epoch} here; resume with the same data "
            "and batch_size"
        )
    return Position(int(epoch), int(step), float(loss))
