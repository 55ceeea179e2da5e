"""`fit`: a loss in plain NumPy, parameters and data in; trained parameters out."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Outcome, get_engine
from chainrule.ir import Program
from chainrule.training.arguments import read_arguments
from chainrule.training.errors import BroadcastWarning, DivergenceWarning, TrainingError, positive_integer
from chainrule.training.optimizers import SGD, Optimizer
from chainrule.training.plans import plan_for

Array = NDArray[Any]
Callback = Callable[[int, NDArray[np.float64]], None]

MOST_EPOCHS = 10**12


@dataclass(frozen=True, eq=False)
class FitResult:
    """What a run has learnt.

    Attributes
    ----------
    params : dict
        The trained parameters by name. After a divergence, the last that were finite.
    history : dict
        `"loss"`: for each finished epoch the mean of the batch losses, each taken before its update and weighted by
        the rows of its batch.
    epochs : int
        Epochs finished.
    steps : int
        Updates made.
    status : str
        `"finished"`, `"interrupted"` (by Ctrl-C) or `"diverged"`.
    seconds : float
        The time that tracing, differentiating, compiling and training took, all together.
    culprit : str or None
        After a divergence, the first value that was not finite.

    """

    params: dict[str, Array]
    history: dict[str, NDArray[np.float64]]
    epochs: int
    steps: int
    status: str
    seconds: float
    culprit: str | None = None


def fit(
    loss: Callable[..., Any] | Program,
    params: Mapping[str, Any],
    data: Mapping[str, Any],
    optimizer: Optimizer | None = None,
    epochs: int = 100,
    batch_size: int | None = None,
    seed: int = 0,
    shuffle: bool = True,
    threads: int | None = None,
    engine: str = "native",
    callback: Callback | None = None,
    constants: Mapping[str, Any] | None = None,
) -> FitResult:
    """Minimize `loss` over `params`.

    Parameters
    ----------
    loss
        Plain NumPy code that returns one number. Its parameters are named as the keys of `params`, `data` and
        `constants`, in any order; one with a default value may be left out. Or the Program that `trace` makes of it,
        which saves tracing it again in every call.
    params
        The initial value of each parameter: floats, of any shape.
    data
        Arrays with one leading axis, the rows, in common; batches are made of them. May be empty, for a loss that
        uses no data.
    optimizer
        `SGD(0.1)` where it is None.
    epochs
        How often every row is used.
    batch_size
        Rows in a batch; all of them where it is None. The last batch of an epoch has the remainder.
    seed, shuffle
        The order of the rows in each epoch follows from the seed. With `shuffle=False` they stay as they are.
    threads
        How many threads may be used; the result does not depend on it.
    engine
        `"native"`, or `"reference"`, which is NumPy and slow.
    callback
        Called now and then as `callback(epochs_done, losses)`.
    constants
        Further arguments of the loss, the same for every batch.

    Everything is computed in float32 if all parameters are float32, else in float64; floats in `data` and `constants`
    are converted to that, integers become int64. The caller's arrays are never modified.

    Returns
    -------
    FitResult
        Also after Ctrl-C, with what was learnt until then, and after a divergence.

    Raises
    ------
    TrainingError
        For names, shapes or settings that do not fit, data that are not finite, a loss that is not one number.
    TraceError, ShapeError
        For a loss that cannot be traced, with the line.

    Warns
    -----
    DivergenceWarning
        When a value stops being finite; training stops there.
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

    """
    started = time.perf_counter()
    optimizer = SGD(0.1) if optimizer is None else optimizer
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        raise TrainingError(f"optimizer is the class {optimizer.__name__}; give an instance, as in SGD(0.1)")
    if not isinstance(optimizer, Optimizer):
        raise TrainingError(f"optimizer is a {type(optimizer).__name__}; give one such as SGD(0.1)")
    epochs = positive_integer("epochs", epochs)
    if epochs > MOST_EPOCHS:
        raise TrainingError(f"epochs is {epochs}; it should be at most {MOST_EPOCHS:,}, whose losses fill 8 TB")
    if batch_size is not None:
        batch_size = positive_integer("batch_size", batch_size)
    if threads is not None:
        positive_integer("threads", threads)
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise TrainingError(f"seed is {seed!r}; it should be a whole number, 0 or more")
    runner = get_engine(engine)
    arguments = read_arguments(loss, params, data, constants or {})
    plan = plan_for(loss, arguments, optimizer, batch_size, bool(shuffle))
    if plan.doubt is not None:
        warnings.warn(plan.doubt, BroadcastWarning, stacklevel=2)
    rates = {plan.step.hyperparameters[key]: np.asarray(value) for key, value in optimizer.hyperparameters.items()}
    outcome = runner.run(
        plan.loop,
        {**arguments.params, **plan.step.initial},
        {**arguments.rows, **arguments.constants, **rates},
        epochs,
        int(seed),
        None if callback is None else partial(_report, callback),
    )
    if outcome.status == "diverged":
        warnings.warn(_divergence(outcome), DivergenceWarning, stacklevel=2)
    return FitResult(
        {name: outcome.state[name] for name in arguments.params},
        {"loss": outcome.losses},
        outcome.epochs_done,
        outcome.steps_done,
        outcome.status,
        time.perf_counter() - started,
        outcome.culprit,
    )


def _report(callback: Callback, epochs_done: int, losses: NDArray[np.float64]) -> None:
    """Call `callback` with losses that it cannot change."""
    shown = losses.view()
    shown.flags.writeable = False
    callback(epochs_done, shown)


def _divergence(outcome: Outcome) -> str:
    if outcome.steps_done == 0:
        return (
            f"nothing was learnt: {outcome.culprit or 'a value'} is not finite in the very first step; "
            "check the loss at the initial parameters, and the scale of the data"
        )
    return (
        f"training diverged in epoch {outcome.epochs_done}: {outcome.culprit or 'a value'} is no longer finite "
        f"at step {outcome.steps_done}; the last finite parameters are kept; try a smaller learning rate"
    )
