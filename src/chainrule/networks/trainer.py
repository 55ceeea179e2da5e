"""`train`: epochs in the engine, with validation, early stopping, learning rate changes and callbacks in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from numpy.typing import NDArray

from chainrule.engines import Processes, get_engine
from chainrule.ir import fork_safe_lock
from chainrule.networks.architecture import Architecture
from chainrule.networks.descent import Descent
from chainrule.networks.errors import NetworkError
from chainrule.networks.evaluation import checked_weights
from chainrule.networks.lbfgs import first_point, minimize
from chainrule.networks.objectives import objective
from chainrule.networks.progress import OnEpoch, Progress, copied, initial_state
from chainrule.networks.settings import TrainingSettings, Validation
from chainrule.networks.state import TrainingState
from chainrule.schema import COUNT, checked
from chainrule.training import LBFGS, LBFGSSession, OwnRows, TrainingError, open_session

Array: TypeAlias = NDArray[Any]

_opening = fork_safe_lock()
"""One thread traces and compiles at a time, so that others with a network of the same shape find its code."""


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
    """Train a network on `X` (rows, inputs) and `y`, from `params` or from the state `resume`.

    Parameters
    ----------
    architecture
        The network and its loss.
    params
        The initial parameters, as from `architecture.initial`; None draws them from the seed of the settings. Not used
        with `resume`.
    X, y, weights
        The rows, their targets in the form of `architecture.checked_target`, and a weight for each row or None.
        Memory-mapped arrays of the architecture's dtype are read in place.
    settings
        See `TrainingSettings`.
    validation
        Held-out rows, whose loss and score are computed after each epoch.
    resume
        A state from an earlier call, possibly interrupted within an epoch. The result is bitwise equal to that of an
        uninterrupted run, if settings and rows are those of that call. If its `optimizer_state` is empty, the optimizer
        is reset, and if its `learning_rate` is None, the learning rate is reset.
    on_epoch
        Called with a copy of the state after every `every`-th epoch, or, if `seconds` is given, when this time has
        passed since the last call, and after the last epoch. If it returns False or raises StopIteration, training
        stops; any other exception is propagated, with the current state as its attribute `result`.
    threads
        Maximum number of threads; the result does not depend on it.
    every, seconds
        How often `on_epoch` is called.

    Returns
    -------
    TrainingState
        Also after Ctrl-C (status "interrupted") and after a divergence (status "diverged"), with the result so far.

    Raises NetworkError, ShapeError and TrainingError for inconsistent arguments, MissingDependencyError for `LBFGS`
    without SciPy, and any exception of `on_epoch`.

    Examples
    --------
    >>> import numpy as np
    >>> from chainrule.training import Adam
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> network = Architecture(1, (16,), 1, activations="tanh")
    >>> settings = TrainingSettings(Adam(0.01), epochs=200, batch_size=16)
    >>> state = train(network, network.initial(0), X, X**2, settings=settings)
    >>> print(state.status, len(state.loss_curve), state.loss_curve[-1] < 0.1 * state.loss_curve[0])
    finished 200 True

    """
    settings = TrainingSettings() if settings is None else settings
    processes = get_engine(settings.engine).processes
    with processes.together():
        return _trained(
            architecture,
            params,
            X,
            y,
            weights,
            settings,
            validation,
            resume,
            on_epoch,
            threads,
            every,
            seconds,
            processes,
        )


def _trained(
    architecture: Architecture,
    params: Mapping[str, Array] | None,
    X: Any,
    y: Any,
    weights: Any,
    settings: TrainingSettings,
    validation: Validation | None,
    resume: TrainingState | None,
    on_epoch: OnEpoch | None,
    threads: int | None,
    every: int,
    seconds: float | None,
    processes: Processes,
) -> TrainingState:
    if settings.weight_decay and architecture.members > 1:
        raise NetworkError("weight_decay is for a single network; give the architecture an alpha, or members=1")
    rows = architecture.checked_input(X)
    data = {"X": rows, "y": architecture.checked_target(y, len(rows))}
    if weights is not None:
        if not architecture.takes_weights:
            raise NetworkError(
                "the loss gives one number for a whole batch, whose rows cannot be weighted; let it give one for each "
                "row, without mean or sum over rows"
            )
        data["weights"] = checked_weights(weights, len(rows), architecture.dtype)
    state = initial_state(architecture, params, settings) if resume is None else copied(resume)
    every = checked("every", every, COUNT, TrainingError)
    progress = Progress(architecture, rows, settings, validation, state, on_epoch, every, seconds, processes)
    whole = isinstance(settings.solver, LBFGS)
    names = architecture.params
    with _opening:
        session = open_session(
            objective(architecture, weights is not None, data["y"].ndim == 1),
            first_point(state, names) if whole else {name: state.params[name] for name in names},
            OwnRows(data) if settings.own_rows else data,
            settings.decaying,
            batch_size=None if whole else settings.batch_size,
            seed=state.seed,
            shuffle=settings.shuffle,
            threads=threads,
            engine=settings.engine,
            constants={"alpha": architecture.alpha} if architecture.alpha else None,
            optimizer_state=None if whole else state.optimizer_state or None,
        )
    if isinstance(session, LBFGSSession):
        minimize(progress, session)
    else:
        Descent(progress, session).run()
    progress.clock()
    return state
