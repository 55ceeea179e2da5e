"""A training run that its caller makes piece by piece, with a look at it, or a change, in between."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import START, EngineError, Outcome, Position, Session, exploded, first_loss, get_engine
from chainrule.ir import Program, ProgramError, ShapeError
from chainrule.training.errors import TrainingError, finite_number, positive_integer, warn_of_crossing
from chainrule.training.implicit import SEED
from chainrule.training.lbfgs import LBFGS
from chainrule.training.optimizers import SGD, Optimizer
from chainrule.training.runs import Run, prepare_run
from chainrule.training.updates import hyperparameter_values
from chainrule.words import suggestion

Array = NDArray[Any]
Report = Callable[[int, NDArray[np.float64]], object]


class TrainingSession:
    """A run of training that goes on from call to call; `begin_training` makes it.

    Cut into calls of `advance` in whatever way, it comes to the same bits as `fit` in one go.
    """

    def __init__(self, run: Run, optimizer: Optimizer, session: Session) -> None:
        self.optimizer = optimizer
        self.steps_per_epoch = run.loop.steps_per_epoch
        """The updates in an epoch: its batches."""
        self._names, self._session, self._run = run.params, session, run
        self._numbers = tuple(hyperparameter_values(optimizer))
        self._constants = tuple(name for name in run.loop.fixed if name not in {*self._numbers, SEED.name})

    @property
    def position(self) -> Position:
        """The epochs finished since the very beginning, and what is done of the next: what `start` is to go on from."""
        return self._session.position

    @property
    def params(self) -> dict[str, Array]:
        """Copies of the parameters, as they are now."""
        return {name: value for name, value in self._session.state.items() if name in self._names}

    @property
    def optimizer_state(self) -> dict[str, Array]:
        """Copies of what the optimizer remembers, with the number of steps made where something depends on it."""
        return {name: value for name, value in self._session.state.items() if name not in self._names}

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
        run = self._run
        if not exploded(outcome.losses, lambda: first_loss(run.loop, run.state, run.data)):
            return outcome
        return self._gone_back(replace(outcome, status="diverged"))

    def _gone_back(self, outcome: Outcome) -> Outcome:
        position = self._session.retreat()
        return replace(outcome, state=self._session.state, position=position)

    def restore(
        self, params: Mapping[str, Any], optimizer_state: Mapping[str, Any], position: Sequence[float] | None = None
    ) -> None:
        """Go back to where the run was before, at the `position` that belongs to it; None leaves the position.

        Raises TrainingError for what is not of this run.
        """
        there = None if position is None else _checked_start(position, self.steps_per_epoch)
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
        if name not in self._constants:
            raise TrainingError(f"{name!r} is not in constants{suggestion(name, self._constants)}")
        try:
            self._session.set(name, value)
        except (ProgramError, ShapeError) as error:
            raise TrainingError(str(error)) from None


def begin_training(
    loss: Callable[..., Any] | Program | str,
    params: Mapping[str, Any],
    data: Mapping[str, Any],
    optimizer: Optimizer | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    shuffle: bool = True,
    threads: int | None = None,
    engine: str = "native",
    constants: Mapping[str, Any] | None = None,
    optimizer_state: Mapping[str, Any] | None = None,
    start: Sequence[float] = START,
) -> TrainingSession:
    """A run of training before its first step, for a caller who wants to look at it, or to change it, as it goes on.

    The parameters are those of `fit`, which is this and one `advance`; `epochs` is given to `advance`. `LBFGS`, which
    has no steps of its own, is refused. While the session is in use the arrays of `data` should not be changed.

    Raises and warns as `fit` does.

    Examples
    --------
    >>> import numpy as np
    >>> def loss(x, y, slope):
    ...     return np.mean((slope * x - y) ** 2)
    >>> x = np.arange(4.0)
    >>> training = begin_training(loss, {"slope": 0.0}, {"x": x, "y": 3 * x}, SGD(0.1))
    >>> while training.advance(1).losses[-1] > 1e-6:
    ...     pass
    >>> training.position.epoch, f"{training.params['slope']:.3f}"
    (9, '3.000')
    >>> training.set_hyperparameter("rate", 0.01)

    """
    session, doubt = open_session(
        loss, params, data, SGD(0.1) if optimizer is None else optimizer,
        batch_size=batch_size, seed=seed, shuffle=shuffle, threads=threads, engine=engine, constants=constants,
        optimizer_state=optimizer_state, start=start,
    )  # fmt: skip
    warn_of_crossing(doubt)
    return session


def open_session(
    loss: Callable[..., Any] | Program | str,
    params: Mapping[str, Any],
    data: Mapping[str, Any],
    optimizer: Optimizer,
    *,
    batch_size: int | None,
    seed: int,
    shuffle: bool,
    threads: int | None,
    engine: str,
    constants: Mapping[str, Any] | None,
    optimizer_state: Mapping[str, Any] | None,
    start: Sequence[float],
) -> tuple[TrainingSession, str | None]:
    """The session, and what a caller should be told."""
    check_optimizer(optimizer)
    if isinstance(optimizer, LBFGS):
        raise TrainingError("LBFGS uses all rows at once and has no steps to go on from; train by `fit`")
    batch_size, threads, seed = checked_settings(batch_size, threads, seed)
    runner = get_engine(engine)
    run = prepare_run(loss, params, data, optimizer, batch_size, seed, bool(shuffle), constants, optimizer_state)
    there = _checked_start(start, run.loop.steps_per_epoch)
    remembered = sorted(set(run.state) - set(run.params))
    if optimizer_state is None and remembered and there != START:
        raise TrainingError(
            f"a run that goes on in epoch {there.epoch} needs the optimizer_state that it stopped with, which holds "
            f"{remembered}"
        )
    session = runner.begin(run.loop, run.state, run.data, seed, threads, *there)
    return TrainingSession(run, optimizer, session), run.doubt


def check_optimizer(optimizer: object) -> None:
    """Raise TrainingError for what is no optimizer."""
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer | LBFGS):
        raise TrainingError(f"optimizer is the class {optimizer.__name__}; give an instance, as in SGD(0.1)")
    if not isinstance(optimizer, Optimizer | LBFGS):
        raise TrainingError(f"optimizer is a {type(optimizer).__name__}; give one such as SGD(0.1)")


def checked_settings(batch_size: int | None, threads: int | None, seed: int) -> tuple[int | None, int | None, int]:
    """`batch_size`, `threads` and `seed` as plain integers; raises TrainingError for what is no such setting."""
    if batch_size is not None:
        batch_size = positive_integer("batch_size", batch_size)
    if threads is not None:
        threads = positive_integer("threads", threads)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise TrainingError(f"seed is {seed!r}; it should be a whole number, 0 or more")
    return batch_size, threads, int(seed)


def _checked_start(start: Sequence[float], steps_per_epoch: int) -> Position:
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
