"""Training by L-BFGS on all rows at once; an epoch is an iteration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from numpy.typing import NDArray

from chainrule.networks.progress import Progress
from chainrule.networks.state import TrainingState
from chainrule.training import LBFGSSession

Array: TypeAlias = NDArray[Any]

_START = " at the start"
"""Suffix of a parameter's name in the optimizer state, for its initial value."""


def first_point(state: TrainingState, names: Mapping[str, object]) -> dict[str, Array]:
    """Return the initial parameters of the minimization, also for a resumed run."""
    return {name: state.optimizer_state.get(name + _START, state.params[name]) for name in names}


def minimize(progress: Progress, session: LBFGSSession) -> None:
    """Minimize to the end, or until stopped.

    The state of L-BFGS is internal to SciPy, so a resumed run is repeated from its start; the results are bitwise
    equal, and iterations that were already recorded are not recorded again.
    """
    state = progress.state
    if not progress.running:
        return
    state.optimizer_state = {name + _START: array for name, array in session.params.items()}
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

    outcome = session.advance(progress.settings.epochs, on_iteration=on_iteration)
    if outcome.status == "diverged":
        state.culprit = outcome.culprit
        progress.end("diverged", f"{outcome.culprit or 'a value'} is not finite in iteration {state.epoch + 1}")
    elif outcome.status == "interrupted":
        progress.interrupted("iterations")
    else:
        progress.end("converged" if session.message.startswith("converge") else "finished", session.message)
    if count >= past:  # else it was interrupted during the repetition
        progress.take(outcome.state)
