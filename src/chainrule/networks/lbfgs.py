"""Training by L-BFGS, which looks at all rows at once; an epoch is an iteration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from numpy.typing import NDArray

from chainrule.networks.progress import Progress
from chainrule.networks.state import TrainingState
from chainrule.training import LBFGSSession

Array: TypeAlias = NDArray[Any]

_START = " at the start"
"""After a parameter's name in the optimizer's state: what the search began with."""


def first_point(state: TrainingState, names: Mapping[str, object]) -> dict[str, Array]:
    """The parameters that a search begins with, also one that goes on."""
    return {name: state.optimizer_state.get(name + _START, state.params[name]) for name in names}


def minimize(progress: Progress, session: LBFGSSession) -> None:
    """Search to the end, or until somebody ends it.

    What L-BFGS remembers is SciPy's own, so that a search that goes on is made again from its start; that gives the
    same bits, and iterations that were noted before are not noted again.
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
    if count >= past:  # else it was interrupted while it was made again
        progress.take(outcome.state)
