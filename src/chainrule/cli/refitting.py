"""The saved network: the best one, trained anew on all rows for the epochs found."""

from __future__ import annotations

import warnings

from chainrule.cli.live import Live
from chainrule.cli.trials import LOOKS, Keep, Standing
from chainrule.interrupts import deferred
from chainrule.learners import Data, Learner, whole_learner
from chainrule.networks import TrainingState, train
from chainrule.training import DivergenceWarning


def refit(
    standing: Standing, learners: list[Learner], data: Data, live: Live, threads: int | None, keep: Keep | None
) -> None:
    """Train the best network on all rows, and record its state; if it diverges, the network before it remains.

    The file is a checkpoint of the finished search until then, from which a resumed run begins here again.
    """
    best = standing.best_state
    assert best is not None
    assert standing.best is not None
    standing.pending = True
    if keep is not None:
        keep(standing)
    X, y, weights = data.everything()
    learner = whole_learner(learners[standing.best], data.whole_count, best.best_epoch or best.epoch)
    live.begin(1, 1, learner.settings.epochs)

    @deferred()
    def look(state: TrainingState) -> None:
        live.epoch(state)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        state = train(
            learner.architecture,
            learner.initial(),
            X,
            y,
            weights,
            learner.settings,
            on_epoch=look,
            threads=threads,
            seconds=LOOKS,
        )
    if state.status == "interrupted":
        standing.refit_interrupted = True
        return
    standing.pending = False
    if state.status != "diverged":
        standing.refit, standing.refit_rows = state, data.whole_count
