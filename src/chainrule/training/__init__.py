"""Training: optimizers as programs, the step that an engine repeats, and `fit`, which puts them together."""

from chainrule.engines import START, Position
from chainrule.training import schedules
from chainrule.training.crossings import rows_that_cross
from chainrule.training.errors import (
    BroadcastWarning,
    DivergenceWarning,
    TrainingError,
    carrying,
    is_false,
    positive_integer,
    positive_number,
)
from chainrule.training.fitting import FitResult, fit
from chainrule.training.lbfgs import LBFGS
from chainrule.training.optimizers import SGD, Adam, AdamW, MomentumSGD, NAdam, Optimizer, RMSprop, UncorrectedAdam
from chainrule.training.orders import BlockOrder
from chainrule.training.plans import traced_loss
from chainrule.training.runs import Run, prepare_run, search_minimum
from chainrule.training.session import TrainingSession, begin_training
from chainrule.training.step import Step, step_program
from chainrule.training.updates import Update, first_memory, hyperparameter_values, update_program

__all__ = [
    "LBFGS",
    "SGD",
    "START",
    "Adam",
    "AdamW",
    "BlockOrder",
    "BroadcastWarning",
    "DivergenceWarning",
    "FitResult",
    "MomentumSGD",
    "NAdam",
    "Optimizer",
    "Position",
    "RMSprop",
    "Run",
    "Step",
    "TrainingError",
    "TrainingSession",
    "UncorrectedAdam",
    "Update",
    "begin_training",
    "carrying",
    "first_memory",
    "fit",
    "hyperparameter_values",
    "is_false",
    "positive_integer",
    "positive_number",
    "prepare_run",
    "rows_that_cross",
    "schedules",
    "search_minimum",
    "step_program",
    "traced_loss",
    "update_program",
]
