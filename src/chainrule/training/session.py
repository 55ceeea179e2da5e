"""A training run that its caller makes piece by piece, with a look at it, or a change, in between."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import EngineError, Outcome, Position, Run, Session, exploded, first_loss
from chainrule.ir import ProgramError, ShapeError, cached_property
from chainrule.training.errors import TrainingError, finite_number
from chainrule.training.implicit import SEED
from chainrule.training.optimizers import Optimizer
from chainrule.training.updates import hyperparameter_values
from chainrule.words import suggestion

Array = NDArray[Any]
Report = Callable[[int, NDArray[np.float64]], object]


class TrainingSession:
    """A run of training that goes on from call to call; `begin_training` makes it.

    Cut into calls of `advance` in whatever way, it comes to the same bits as `fit` in one go.
    """

    def __init__(self, run: Run, params: tuple[str, ...], optimizer: Optimizer, session: Session) -> None:
        self.run, self.optimizer = run, optimizer
        self.steps_per_epoch = run.loop.steps_per_epoch
        """The updates in an epoch: its batches."""
        self._names, self._session = params, session

    @cached_property
    def _numbers(self) -> tuple[str, ...]:
        return tuple(hyperparameter_values(self.optimizer))

    @property
    def position(self) -> Position:
        """The epochs finished since the very beginning, and what is done of the next: what `start` is to go on from."""
        return self._session.position

    @property
    def state(self) -> dict[str, Array]:
        """Copies of parameters and optimizer state together."""
        return self._session.state

    @property
    def params(self) -> dict[str, Array]:
        """Copies of the parameters, as they are now."""
        return {name: value for name, value in self.state.items() if name in self._names}

    @property
    def optimizer_state(self) -> dict[str, Array]:
        """Copies of what the optimizer remembers, with the number of steps made where something depends on it."""
        return {name: value for name, value in self.state.items() if name not in self._names}

    def advance(self, epochs: int = 1, report: Report | None = None, order: NDArray[np.int64] | None = None) -> Outcome:
        """Train until `epochs` more are finished; an epoch that was left in its middle counts as one.

        Parameters
        ----------
        epochs
            How many.
        report
            Called now and then as `report(epochs_done, losses)`, with those of this call. Where it returns False the
            training stops after a step; what it raises ends it too, and is raised here.
        order
            Numbers of rows, int64 of shape (epochs, rows): the order in each epoch, instead of the one drawn from the
            seed. A row may come more than once. Without effect where a batch is the whole data.

        Returns
        -------
        Outcome
            Of this call: `losses` of the epochs finished in it, `status` "finished", "stopped" (by `report`),
            "interrupted" (by Ctrl-C) or "diverged", with the `culprit`; `state` has parameters and optimizer state
            together. After a divergence the session has gone back to where the epoch of the least loss began.

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
        """The outcome of a run that one call made whole: diverged, too, where its loss grew beyond any scale."""
        if outcome.status not in ("finished", "stopped"):
            return outcome
        return self._gone_back(outcome) if self.exploded(outcome.losses) else outcome

    def exploded(self, losses: NDArray[np.float64]) -> bool:
        """Whether a run that had these losses in its epochs ended far above where it began."""
        return exploded(losses, lambda: first_loss(self.run))

    def retreat(self) -> Position:
        """Go back to where the epoch of the least loss began, of those since the session began or was restored."""
        return self._session.retreat()

    def _gone_back(self, outcome: Outcome) -> Outcome:
        return replace(outcome, status="diverged", position=self.retreat(), state=self.state)

    def restore(
        self, params: Mapping[str, Any], optimizer_state: Mapping[str, Any], position: Sequence[float] | None = None
    ) -> None:
        """Go back to where the run was before, at the `position` that belongs to it; None leaves the position.

        Raises TrainingError for what is not of this run.
        """
        there = None if position is None else checked_start(position, self.steps_per_epoch)
        try:
            self._session.restore({**params, **optimizer_state}, there)
        except (ProgramError, ShapeError) as error:
            raise TrainingError(str(error)) from None

    def set_hyperparameter(self, name: str, value: float) -> None:
        """Another number, from the next step on, for a hyperparameter of the optimizer, as for `rate`.

        A number within a schedule is named after both, as in `rate steps`. Nothing is compiled anew. Raises
        TrainingError for one that the optimizer has not as a number.
        """
        key = f"{type(self.optimizer).__name__} {name}"
        if key not in self._numbers:
            known = [each.partition(" ")[2] for each in self._numbers]
            raise TrainingError(
                f"{type(self.optimizer).__name__} has no number {name!r}; it has {', '.join(known)}"
                f"{suggestion(name, known)}"
            )
        self._session.set(key, finite_number(name, value))

    def set_constant(self, name: str, value: Any) -> None:
        """Another value, of the same shape, for one of the `constants` of the loss, from the next step on.

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
    """`start` as a Position within a run of so many steps in an epoch."""
    try:
        epoch, step, loss = start
        whole = epoch == int(epoch) and step == int(step)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or epoch < 0 or step < 0 or not math.isfinite(loss):
        raise TrainingError(f"start is {start!r}; give the position of an earlier result")
    if step >= steps_per_epoch:
        raise TrainingError(
            f"start is in step {step} of an epoch, which has only {steps_per_epoch} here; go on with the same data and "
            "batch_size"
        )
    return Position(int(epoch), int(step), float(loss))
