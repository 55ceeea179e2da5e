"""The watch of a network's training, from its settings and state."""

from __future__ import annotations

import math

from chainrule.networks.settings import TrainingSettings
from chainrule.networks.state import TrainingState
from chainrule.training import Watch


def watch_of(settings: TrainingSettings, state: TrainingState) -> Watch:
    """Return the watch of a run in its current state."""
    sign = -1.0 if settings.monitor == "validation_score" else 1.0
    patience = math.inf if settings.patience is None else settings.patience
    best = math.inf if state.best is None else sign * state.best
    return Watch(patience, sign, settings.tolerance, best, state.waiting)
