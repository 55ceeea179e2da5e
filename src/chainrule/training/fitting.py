"""The public training functions: `fit`, a whole run, and `begin_training`, a run in steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import GROWTH, START, Outcome, ProcessError, get_engine
from chainrule.ir import Program
from chainrule.schema import COUNT, NOT_BELOW_0, checked
from chainrule.training.choosing import optimizer_of
from chainrule.training.errors import DivergenceWarning, TrainingError, carrying, is_false
from chainrule.training.lbfgs import LBFGS
from chainrule.training.monitoring import Monitor, monitored, validation_loss
from chainrule.training.optimizers import Optimizer
from chainrule.training.progress import is_shown, showing
from chainrule.training.result import FitResult
from chainrule.training.runs import open_session
from chainrule.training.session import TrainingSession
from chainrule.words import at_callers_line, warn_caller

Callback = Callable[[int, NDArray[np.float64]], object]

MOST_EPOCHS = 10**12


@at_callers_line
def fit(
    loss: Callable[..., Any] | Program | str,
    params: Any,
    data: Any,
    optimizer: Optimizer | LBFGS | str | None = None,
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
    *,
    validation: Any = None,
    patience: int | None = None,
    progress: bool | None = None,
) -> FitResult:
    """Minimize `loss` over `params`.

    Parameters
    ----------
    loss
        NumPy code that returns one number. Its parameters are named as the keys of `params`, `data` and `constants`, in
        any order; one with a default value may be omitted. Or a function such as `loss(params, X, y)`, which takes all
        parameters as its first argument. Alternatively, the Program returned by `trace`, which avoids tracing in every
        call, or a formula such as "mean((X @ w + b - y)^2)".
    params
        The initial value of each parameter: floats, of any shape. For a function, values may be nested dicts, lists,
        tuples and dataclasses of arrays; the trained ones are arranged in the same way.
    data
        Arrays by name with a common leading axis, the rows, which are divided into batches; or a tuple of them in the
        order of the function's other parameters. May be empty, for a loss that uses no data.
    optimizer
        `SGD(0.1)` by default; or `Adam`, `AdamW`, `NAdam`, `RMSprop`, `LBFGS`, or a custom `Optimizer`; or the name of
        one with its default settings, such as `"adam"`.
    epochs
        Number of passes over the rows.
    batch_size
        Rows per batch; None for all rows. The last batch of an epoch contains the remainder.
    seed, shuffle
        The seed determines the order of the rows in each epoch, and random numbers drawn in the loss. With
        `shuffle=False` the rows keep their order.
    threads
        Maximum number of threads, further limited by the processors available to the process (its affinity mask) and by
        the environment variable CHAINRULE_NUM_THREADS; a small network uses fewer. The result does not depend on it.
    engine
        `"native"`; `"xla"`, which runs through JAX on its devices (GPUs, TPUs or CPUs), agrees up to rounding and takes
        no `threads`; `"auto"`, which is `"xla"` where JAX finds a GPU or TPU or several processes were launched, and
        else `"native"`; or `"reference"`, which is NumPy and slow.
    callback
        Called as `callback(epochs_done, losses)` after 1, 2, 4, … epochs, later at most ten times a second, and at the
        end. If it returns False or raises StopIteration, training stops after the current step. Any other exception
        also stops training and is propagated, with the partial FitResult as its attribute `result`. The callback must
        not modify the arrays of `data`, which are validated once, at the start.
    constants
        Further arguments of the loss, the same for every batch.
    validation
        Held-out rows, in the form of `data`. Their loss is computed after each epoch, over batches of `batch_size`
        rows, without dropout, and recorded in `history["validation_loss"]`.
    patience
        Training ends after more than this number of consecutive epochs without a new lowest validation loss (training
        loss without `validation`). With `validation`, the parameters after the best epoch are returned.
    progress
        Whether to show a progress bar once training takes longer than a second; None shows it in terminals and
        notebooks.
    optimizer_state, start
        `optimizer_state` and `position` of an earlier result, to resume that run with its `params` as `params` and all
        other arguments unchanged; the result is bitwise equal to that of an uninterrupted run. An unfinished epoch is
        finished and counts as one of `epochs`. Without `start`, shuffling and random numbers begin as in a first epoch.
        `LBFGS` cannot be resumed: each call starts anew from `params`.

    Returns
    -------
    FitResult
        Also after Ctrl-C, after a divergence, and if the callback stops training: the result up to that point.

    Raises
    ------
    TrainingError
        For inconsistent names, shapes or settings, non-finite data, or a loss that is not one number.
    MissingDependencyError
        For `LBFGS` without SciPy.
    TraceError, ShapeError
        For a loss that cannot be traced, with the line. A loss that draws NumPy's random numbers would repeat them in
        every step and is rejected: use `random_normal`, `random_uniform` and `dropout`.
    ProgramError
        For labels and targets out of the range required by `cross_entropy`, `one_hot` or `binary_cross_entropy`.
    EngineError
        For an unknown `engine`, or an environment variable with an invalid number of threads or processor.

    Warns
    -----
    DivergenceWarning
        If a value becomes non-finite, which stops training, or if the final loss is more than a million times the
        initial one.
    BroadcastWarning
        If the loss broadcasts predictions against data such that every row is combined with every other.

    Notes
    -----
    The computation uses float32 if all parameters are float32, otherwise float64. Floats in `data` and `constants` are
    converted to that dtype, integers to int64. Arrays that already have it are used in place, with any strides,
    including read-only and memory-mapped ones, so a table may be larger than memory; others are copied, except that
    float arrays of more than 256 MB are converted batch by batch. `LBFGS`, which uses all rows at once, also copies
    arrays that are not in row-major order. The caller's arrays are never modified.

    Examples
    --------
    >>> import numpy as np
    >>> def loss(x, y, slope):
    ...     return np.mean((slope * x - y) ** 2)
    >>> x = np.arange(4.0)
    >>> result = fit(loss, params={"slope": 0.0}, data={"x": x, "y": 3 * x}, epochs=50)
    >>> print(f"{result.params['slope']:.3f}")
    3.000

    The same in two parts, of which the second resumes the first:

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
    epochs = checked("epochs", epochs, COUNT, TrainingError)
    if epochs > MOST_EPOCHS:
        raise TrainingError(f"epochs is {epochs}; it should be at most {MOST_EPOCHS:,}, whose losses fill 8 TB")
    if patience is not None:
        patience = checked("patience", patience, NOT_BELOW_0, TrainingError)
    optimizer = optimizer_of(optimizer)
    session = open_session(
        loss, params, data, optimizer,
        batch_size=batch_size, seed=seed, shuffle=shuffle, threads=threads, engine=engine, constants=constants,
        optimizer_state=optimizer_state, start=start,
    )  # fmt: skip
    processes = get_engine(engine).processes
    progress = progress if processes.leads else False
    with processes.together(), showing(progress, epochs) as show:
        held_out = None
        if validation is not None:
            held_out = validation_loss(loss, params, validation, constants, batch_size, engine)
        monitor = None if held_out is None and patience is None else Monitor(held_out, patience)
        listener = _Listener(callback, lambda done, losses: show(done, lambda: _said(losses, monitor)))
        report = listener if callback is not None or is_shown(progress) else None
        if monitor is None:
            outcome, exhausted = session.advance(epochs, report), False
        else:
            outcome, exhausted = monitored(session, epochs, monitor, report)
        if isinstance(session, TrainingSession):
            outcome = session.judged(outcome)
        failed = processes.each("whether the callback has failed", listener.error is not None)
    if outcome.status == "diverged" and processes.leads:
        warn_caller(_divergence(outcome, start, optimizer), DivergenceWarning)
    state = outcome.state if monitor is None or outcome.status == "diverged" else monitor.kept(outcome.state)
    names = session.parameter_names
    history = {"loss": outcome.losses}
    if held_out is not None and monitor is not None:
        history["validation_loss"] = np.array(monitor.losses)
    result = FitResult(
        session.tree.arranged({name: state[name] for name in names}),
        history,
        outcome.epochs_done,
        outcome.steps_done,
        "converged" if exhausted and outcome.status in ("finished", "stopped") else outcome.status,
        time.perf_counter() - started,
        outcome.culprit,
        {name: array for name, array in outcome.state.items() if name not in names},
        outcome.threads,
        outcome.workspace_bytes,
        outcome.position,
        None if monitor is None else monitor.best_epoch,
    )
    if listener.error is not None:
        raise listener.with_result(result)
    if any(failed):
        raise carrying(
            ProcessError(
                f"the callback of process {failed.index(True)} of {processes.count} has ended the run by an error, "
                "which it shows itself"
            ),
            result,
        )
    return result


def _said(losses: NDArray[np.float64], monitor: Monitor | None) -> str:
    """Return the latest losses, for a progress bar."""
    said = f"loss {losses[-1]:.4g}" if len(losses) else ""
    return f"{said}  validation {monitor.losses[-1]:.4g}" if monitor is not None and monitor.losses else said


@at_callers_line
def begin_training(
    loss: Callable[..., Any] | Program | str,
    params: Any,
    data: Any,
    optimizer: Optimizer | str | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    shuffle: bool = True,
    threads: int | None = None,
    engine: str = "native",
    constants: Mapping[str, Any] | None = None,
    optimizer_state: Mapping[str, Any] | None = None,
    start: Sequence[float] = START,
) -> TrainingSession:
    """Return a training run before its first step, for a caller who wants to observe or modify it as it proceeds.

    The parameters are those of `fit`, which is equivalent to this and one `advance`; `epochs` is passed to `advance`.
    `LBFGS`, which has no individual steps, is rejected. The arrays of `data` must not be modified while the session is
    in use.

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
    >>> training.set_hyperparameter("learning_rate", 0.01)

    """
    rule = optimizer_of(optimizer)
    if isinstance(rule, LBFGS):
        raise TrainingError("LBFGS uses all rows at once and has no steps; train by `fit`")
    session = open_session(
        loss, params, data, rule,
        batch_size=batch_size, seed=seed, shuffle=shuffle, threads=threads, engine=engine, constants=constants,
        optimizer_state=optimizer_state, start=start,
    )  # fmt: skip
    assert isinstance(session, TrainingSession)
    return session


class _Listener:
    """Shows progress and calls the callback with read-only losses; records how the callback ended."""

    def __init__(self, callback: Callback | None, show: Callable[[int, NDArray[np.float64]], None]) -> None:
        self.callback, self.show = callback, show
        self.error: BaseException | None = None

    def __call__(self, epochs_done: int, losses: NDArray[np.float64]) -> bool:
        """Show and call; return whether to continue."""
        self.show(epochs_done, losses)
        if self.callback is None:
            return True
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
        """Return the callback's exception, with the partial result attached."""
        assert self.error is not None
        return carrying(self.error, result)


def _divergence(outcome: Outcome, start: Sequence[float], optimizer: object) -> str:
    """Describe the divergence of a run from `start`, with advice."""
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
