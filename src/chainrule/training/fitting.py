"""The public doors to training: `fit`, a run made whole, and `begin_training`, one that is made piece by piece."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import GROWTH, START, Outcome, Position
from chainrule.ir import Program
from chainrule.training.errors import DivergenceWarning, TrainingError, carrying, is_false, positive_integer
from chainrule.training.lbfgs import LBFGS
from chainrule.training.optimizers import Optimizer
from chainrule.training.runs import open_session
from chainrule.training.session import TrainingSession

Array = NDArray[Any]
Callback = Callable[[int, NDArray[np.float64]], object]

MOST_EPOCHS = 10**12


@dataclass(frozen=True, eq=False)
class FitResult:
    """What a run has learnt.

    Attributes
    ----------
    params : dict
        The trained parameters by name. After a divergence, those with which the epoch of the least loss began, whose
        loss is the one recorded for it where the batch is all rows.
    history : dict
        `"loss"`: for each finished epoch the mean of the batch losses, each taken before its update and weighted by
        the rows of its batch.
    epochs : int
        Epochs finished.
    steps : int
        Updates made.
    status : str
        `"finished"`, `"stopped"` (by the callback), `"interrupted"` (by Ctrl-C) or `"diverged"`: a value was no longer
        finite, or the loss ended at more than a million times what it began with, or than 1.
    seconds : float
        The time that tracing, differentiating, compiling and training took, all together.
    culprit : str or None
        After a divergence, the first value that was not finite; None where only the loss grew.
    threads : int
        How many ran the steps.
    workspace_bytes : int
        The memory that training took apart from the data and this result: parameters, optimizer state and two copies
        of both, the order of the rows, intermediate values. All of it is reserved before the first step. Up to four
        further copies of parameters and optimizer state, from which a run finds back to its best epoch, are not
        counted. 0 where it is not known, as with the reference engine and `LBFGS`.
    optimizer_state : dict
        What the optimizer remembers, such as a velocity, and the number of steps made where something depends on it;
        for `fit` to go on from. Empty for plain gradient descent.
    position : Position
        The epochs finished since the very beginning, and where in the next one the run stopped, for `fit` to go on from
        as its `start`: a named tuple of two whole numbers and a float. After a divergence, it is where the epoch began
        whose parameters these are, as is `optimizer_state`.

    """

    params: dict[str, Array]
    history: dict[str, NDArray[np.float64]]
    epochs: int
    steps: int
    status: str
    seconds: float
    culprit: str | None = None
    optimizer_state: dict[str, Array] = field(default_factory=dict)
    threads: int = 1
    workspace_bytes: int = 0
    position: Position = START


def fit(
    loss: Callable[..., Any] | Program | str,
    params: Mapping[str, Any],
    data: Mapping[str, Any],
    optimizer: Optimizer | LBFGS | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    seed: int = 0,
    shuffle: bool = True,
    threads: int | None = None,
    engine: str = "native",
    callback: Callback | None = None,
    constants: Mapping[str, Any] | None = None,
    optimizer_state: Mapping[str, Any] | None = None,
    start: Sequence[float] = START,
) -> FitResult:
    """Minimize `loss` over `params`.

    Parameters
    ----------
    loss
        Plain NumPy code that returns one number. Its parameters are named as the keys of `params`, `data` and
        `constants`, in any order; one with a default value may be left out. Or the Program that `trace` makes of it,
        which saves tracing it again in every call. Or the text of a formula, such as "mean((X @ w + b - y)^2)".
    params
        The initial value of each parameter: floats, of any shape.
    data
        Arrays with one leading axis, the rows, in common; batches are made of them. May be empty, for a loss that
        uses no data.
    optimizer
        `SGD(0.1)` where it is None; or `Adam`, `AdamW`, `NAdam`, `RMSprop`, `LBFGS`, or an `Optimizer` of one's own.
    epochs
        How often every row is used.
    batch_size
        Rows in a batch; all of them where it is None. The last batch of an epoch has the remainder.
    seed, shuffle
        The order of the rows in each epoch follows from the seed, as do random numbers drawn in the loss. With
        `shuffle=False` the rows stay as they are.
    threads
        The most threads that may be used, of the processors that the process may run on (its affinity mask) and that
        the environment variable CHAINRULE_NUM_THREADS allows; a small network gets fewer. The result does not depend
        on it.
    engine
        `"native"`, or `"reference"`, which is NumPy and slow.
    callback
        Called as `callback(epochs_done, losses)` after 1, 2, 4, … epochs, later about ten times in a second, and at
        the end. Training stops where it returns False or raises StopIteration, after the step in work; what else it
        raises stops training too, and is raised with what was learnt until then, a FitResult, as its attribute
        `result`. It must not change the arrays of `data`, which are checked once, at the start.
    constants
        Further arguments of the loss, the same for every batch.
    optimizer_state, start
        `optimizer_state` and `position` of an earlier result, to go on where that run stopped, with its `params` for
        `params`, and everything else as it was: to the same bits as if it had not stopped. An epoch that it left in
        its middle is finished, and counts as one of `epochs`. Without `start`, rows are shuffled and random numbers
        drawn as in a first epoch. `LBFGS` does not go on: each call searches anew from `params`.

    Everything is computed in float32 if all parameters are float32, else in float64; floats in `data` and `constants`
    are converted to that, integers become int64. Arrays that have that dtype are used where they lie, whatever their
    order, read-only and memory-mapped ones too, so that a table may be larger than memory; of others a converted copy
    is made, but for floats of more than 256 MB, which are converted batch by batch. `LBFGS`, which uses all rows at
    once, also copies what is not in row-major order. The caller's arrays are never modified.

    Returns
    -------
    FitResult
        Also after Ctrl-C, with what was learnt until then, after a divergence, and where the callback stops training.

    Raises
    ------
    TrainingError
        For names, shapes or settings that do not fit, data that are not finite, a loss that is not one number.
    MissingDependencyError
        For `LBFGS` without SciPy.
    TraceError, ShapeError
        For a loss that cannot be traced, with the line. One that draws NumPy's random numbers would repeat them in
        every step, and is refused: `random_normal`, `random_uniform` and `dropout` draw anew.
    ProgramError
        For labels and targets outside of the range that `cross_entropy`, `one_hot` or `binary_cross_entropy` state.
    EngineError
        For another `engine`, or an environment variable that is no number of threads or no processor.

    Warns
    -----
    DivergenceWarning
        When a value stops being finite, where training stops; or where it ends with a loss of more than a million
        times what it began with.
    BroadcastWarning
        When the loss broadcasts predictions against data so that every row meets every other.

    Examples
    --------
    >>> import numpy as np
    >>> def loss(x, y, slope):
    ...     return np.mean((slope * x - y) ** 2)
    >>> x = np.arange(4.0)
    >>> result = fit(loss, params={"slope": 0.0}, data={"x": x, "y": 3 * x}, epochs=50)
    >>> print(f"{result.params['slope']:.3f}")
    3.000

    The same in two parts, of which the second goes on where the first stopped:

    >>> part = fit(loss, params={"slope": 0.0}, data={"x": x, "y": 3 * x}, epochs=20)
    >>> rest = fit(
    ...     loss,
    ...     params=part.params,
    ...     data={"x": x, "y": 3 * x},
    ...     epochs=30,
    ...     optimizer_state=part.optimizer_state,
    ...     start=part.position,
    ... )
    >>> bool(rest.params["slope"] == result.params["slope"]), rest.position.epoch
    (True, 50)

    """
    started = time.perf_counter()
    epochs = positive_integer("epochs", epochs)
    if epochs > MOST_EPOCHS:
        raise TrainingError(f"epochs is {epochs}; it should be at most {MOST_EPOCHS:,}, whose losses fill 8 TB")
    report = None if callback is None else _Listener(callback)
    session = open_session(
        loss, params, data, optimizer,
        batch_size=batch_size, seed=seed, shuffle=shuffle, threads=threads, engine=engine, constants=constants,
        optimizer_state=optimizer_state, start=start,
    )  # fmt: skip
    outcome = session.advance(epochs, report)
    if isinstance(session, TrainingSession):
        outcome = session.judged(outcome)
    if outcome.status == "diverged":
        warnings.warn(_divergence(outcome, start, optimizer), DivergenceWarning, stacklevel=2)
    result = FitResult(
        {name: outcome.state[name] for name in params},
        {"loss": outcome.losses},
        outcome.epochs_done,
        outcome.steps_done,
        outcome.status,
        time.perf_counter() - started,
        outcome.culprit,
        {name: array for name, array in outcome.state.items() if name not in params},
        outcome.threads,
        outcome.workspace_bytes,
        outcome.position,
    )
    if report is not None and report.error is not None:
        raise report.with_result(result)
    return result


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
    >>> from chainrule.training import SGD
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
    if isinstance(optimizer, LBFGS):
        raise TrainingError("LBFGS uses all rows at once and has no steps to go on from; train by `fit`")
    session = open_session(
        loss, params, data, optimizer,
        batch_size=batch_size, seed=seed, shuffle=shuffle, threads=threads, engine=engine, constants=constants,
        optimizer_state=optimizer_state, start=start,
    )  # fmt: skip
    assert isinstance(session, TrainingSession)
    return session


class _Listener:
    """A callback, given losses that it cannot change, and what came of calling it."""

    def __init__(self, callback: Callback) -> None:
        self.callback = callback
        self.error: BaseException | None = None

    def __call__(self, epochs_done: int, losses: NDArray[np.float64]) -> bool:
        """Whether to go on."""
        shown = losses.view()
        shown.flags.writeable = False
        try:
            answer = self.callback(epochs_done, shown)
        except StopIteration:
            return False
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self.error = error
            return False
        return not is_false(answer)

    def with_result(self, result: FitResult) -> BaseException:
        """What the callback raised, with what was learnt until then."""
        assert self.error is not None
        return carrying(self.error, result)


def _divergence(outcome: Outcome, start: Sequence[float], optimizer: object) -> str:
    """A sentence on a run from `start` that diverged, and what to do about it."""
    advice = "scale the data" if isinstance(optimizer, LBFGS) else "try a smaller learning rate"
    if outcome.steps_done == 0:
        return (
            f"nothing was learnt: {outcome.culprit or 'a value'} is not finite in the very first step; "
            "check the loss and its gradient at the initial parameters, and the scale of the data"
        )
    if outcome.culprit is None and outcome.culprit_step is None:
        first, last = outcome.losses[0], outcome.losses[-1]
        what = f"the loss grew{f' from {first:.4g}' if first <= last / GROWTH else ''} to {last:.4g}"
    else:
        what = f"{outcome.culprit or 'a value'} is no longer finite"
    what += f" after {outcome.steps_done} steps ({outcome.epochs_done} whole epochs)"
    if isinstance(optimizer, LBFGS):
        kept = "those of the last iteration, whose loss is the least"
    elif outcome.position.epoch > start[0]:
        least = f", {outcome.losses.min():.4g}" if outcome.losses.size else ""
        kept = f"those with which epoch {outcome.position.epoch + 1}, that of the least loss{least}, began"
    else:
        kept = "those that it began with"
    return f"training diverged: {what}; the parameters are {kept}; {advice}"
