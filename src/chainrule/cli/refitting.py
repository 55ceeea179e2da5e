"""The saved network: the best one, trained anew on all rows for the epochs found."""

from __future__ import annotations

import warnings
from dataclasses import replace

from chainrule.cli.learning import Data, Learner, order_for
from chainrule.cli.live import Live
from chainrule.cli.plan import Plan
from chainrule.cli.trials import LOOKS, Keep, Standing
from chainrule.interrupts import deferred
from chainrule.networks import TrainingState, train
from chainrule.training import DivergenceWarning


def refits(plan: Plan, data: Data) -> bool:
    """Whether the saved network is trained anew: if rows were held out, and unless they are many."""
    wanted = not data.prepared.spooled if plan.refit is None else plan.refit
    return wanted and len(data.rest) > 0


def whole_learner(learner: Learner, rows: int, epochs: int) -> Learner:
    """Return the same network for all `rows`, trained for a number of epochs without stopping early."""
    architecture = learner.architecture
    if architecture.penalty_rows is not None:
        architecture = replace(architecture, penalty_rows=rows)
    settings = replace(
        learner.settings,
        epochs=epochs,
        order=None if learner.settings.order is None else order_for(rows, learner.settings.seed),
        monitor="loss",
        patience=None,
        restore_best=False,
    )
    return replace(learner, architecture=architecture, settings=settings)


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
    learner = whole_learner(learners[standing.best], len(y), best.best_epoch or best.epoch)
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
        standing.refit, standing.refit_rows = state, len(y)
