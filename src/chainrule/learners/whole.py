"""The network to keep: trained anew on all rows, for the epochs found."""

from __future__ import annotations

from dataclasses import replace

from chainrule.learners.learning import Data, Learner, order_for
from chainrule.learners.plan import Plan


def refits(plan: Plan, data: Data) -> bool:
    """Whether the saved network is trained anew: if rows were held out, and unless they are many."""
    wanted = not data.prepared.spooled if plan.refit is None else plan.refit
    return wanted and data.whole_count > data.row_count


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
