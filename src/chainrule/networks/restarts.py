"""Parallel training runs of one network from different initial parameters."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from numpy.typing import NDArray

from chainrule.interrupts import deferred
from chainrule.networks.architecture import Architecture
from chainrule.networks.errors import NetworkError
from chainrule.networks.jobs import shares, side_by_side
from chainrule.networks.settings import TrainingSettings, Validation
from chainrule.networks.state import TrainingState
from chainrule.networks.trainer import train

Array: TypeAlias = NDArray[Any]
OnRestart: TypeAlias = Callable[[int, TrainingState], object]

_LOOK = 0.05
"""Polling interval in seconds at which a run checks whether all must stop."""


def train_restarts(
    architecture: Architecture,
    initial_params: Sequence[Mapping[str, Array]],
    X: Any,
    y: Any,
    weights: Any = None,
    settings: TrainingSettings | Sequence[TrainingSettings] | None = None,
    validation: Validation | None = None,
    on_epoch: OnRestart | None = None,
    threads: int | None = None,
) -> list[TrainingState]:
    """Run `train` from each of `initial_params`, which are parameters, in parallel threads without the GIL.

    `settings` are shared by all, with seeds counted up from the given one, or one for each; a stateful row order must
    not be shared. Results depend neither on `threads`, the total for all runs, nor on which run ends first.
    `on_epoch(number, state)` is called periodically by the threads of the runs, one at a time; if it returns False,
    that run stops. Ctrl-C ends all; the states hold the results so far.

    >>> import numpy as np
    >>> network = Architecture(2, (4,), 1, activations="tanh")
    >>> X = np.random.default_rng(0).standard_normal((40, 2))
    >>> settings = TrainingSettings(epochs=5)
    >>> states = train_restarts(network, [network.initial(seed) for seed in range(3)], X, X[:, 0], settings=settings)
    >>> best_restart(states) in range(3)
    True
    """
    each = _settings_of(settings, len(initial_params))
    native = all(settings.engine == "native" for settings in each)  # XLA uses all processors in one run
    workers, share = shares(len(initial_params), threads) if native else (1, threads)
    over, turn = threading.Event(), threading.Lock()

    def run(number: int) -> TrainingState:
        def told(state: TrainingState) -> bool:
            with turn:
                return (on_epoch is None or on_epoch(number, state) is not False) and not over.is_set()

        params = initial_params[number]
        try:
            return train(
                architecture, params, X, y, weights, each[number], validation, None, told, share, seconds=_LOOK
            )
        except BaseException:
            over.set()
            raise

    states: list[TrainingState] = []
    with deferred() as interrupt:
        jobs = (partial(run, number) for number in range(len(initial_params)))
        side_by_side(jobs, workers, states.append, "restart")
        interrupt.answer()
    return states


def best_restart(states: Sequence[TrainingState], settings: TrainingSettings | None = None) -> int:
    """Return the index of the best state: by validation score or loss if there is one, else by the last loss.

    The monitored value decides. Ties go to the first; a diverged run is chosen only if all diverged.
    """
    if not states:
        raise NetworkError("there are no states to choose from")

    def badness(state: TrainingState) -> tuple[bool, float]:
        if settings is not None and settings.monitor != "loss" and state.best is not None:
            value = -state.best if settings.monitor == "validation_score" else state.best
        elif state.validation_scores.size:
            value = -float(state.validation_scores[-1])
        else:
            value = float(state.loss_curve[-1]) if state.loss_curve.size else math.inf
        return state.status == "diverged", math.inf if math.isnan(value) else value

    return min(range(len(states)), key=lambda number: badness(states[number]))


def _settings_of(given: TrainingSettings | Sequence[TrainingSettings] | None, count: int) -> list[TrainingSettings]:
    if given is None or isinstance(given, TrainingSettings):
        first = TrainingSettings() if given is None else given
        return [replace(first, seed=first.seed + number) for number in range(count)]
    if len(given) != count:
        raise NetworkError(f"there are {len(given)} settings for {count} runs; give one for each, or one for all")
    return list(given)
