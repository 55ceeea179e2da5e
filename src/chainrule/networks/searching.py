"""Training by L-BFGS, which looks at all rows at once; an epoch is an iteration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.networks.objectives import objective
from chainrule.networks.progress import Progress
from chainrule.training import LBFGS, search_minimum

Array: TypeAlias = NDArray[Any]

_START = " at the start"
"""After a parameter's name in the optimizer's state: what the search began with."""


def search(progress: Progress, data: Mapping[str, Array]) -> None:
    """Search to the end, or until somebody ends it.

    What L-BFGS remembers is SciPy's own, so that a search that goes on is made again from its start; that gives the
    same bits, and iterations that were noted before are not noted again.
    """
    architecture, settings, state = progress.architecture, progress.settings, progress.state
    assert isinstance(settings.solver, LBFGS)
    if not progress.running:
        return
    names = tuple(architecture.parameters)
    start = {name: state.optimizer_state.get(name + _START, state.params[name]) for name in names}
    state.optimizer_state = {name + _START: array for name, array in start.items()}
    past, count = state.epoch, 0

    def on_iteration(params: dict[str, Array], loss: float) -> bool:
        nonlocal count
        count += 1
        if count <= past:
            return True
        if progress.epoch(loss, len(progress.X), params):
            progress.end_of_patience()
        progress.clock()
        if progress.due():
            progress.take(params)
            progress.tell()
        return progress.running

    found = search_minimum(
        objective(architecture, "weights" in data, np.ndim(data["y"]) == 1),
        start,
        data,
        settings.solver,
        settings.epochs,
        state.seed,
        {"alpha": architecture.alpha} if architecture.alpha else None,
        settings.engine,
        on_iteration,
    )
    if found.outcome.status == "diverged":
        state.culprit = found.outcome.culprit
        what = found.outcome.culprit or "a value"
        progress.end("diverged", f"{what} is not finite in iteration {state.epoch + 1}")
    elif found.outcome.status == "interrupted":
        progress.interrupted("iterations")
    elif found.message.startswith("converge"):
        progress.end("converged", found.message)
    else:
        progress.end("finished", found.message)
    if count >= past:  # else it was interrupted while it was made again
        progress.take({name: found.outcome.state[name] for name in names})
