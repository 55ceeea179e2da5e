"""Training: optimizers as programs, the step that an engine repeats, and `fit`, which puts them together."""

from chainrule.training.errors import (
    BroadcastWarning,
    DivergenceWarning,
    TrainingError,
    nearest,
    positive_integer,
    positive_number,
)
from chainrule.training.fitting import FitResult, fit
from chainrule.training.optimizers import SGD, Optimizer
from chainrule.training.step import Step, step_program

__all__ = [
    "SGD",
    "BroadcastWarning",
    "DivergenceWarning",
    "FitResult",
    "Optimizer",
    "Step",
    "TrainingError",
    "fit",
    "nearest",
    "positive_integer",
    "positive_number",
    "step_program",
]
