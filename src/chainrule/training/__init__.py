"""Training: optimizers as programs, the training step, and `fit`."""

from chainrule.engines import START, Position
from chainrule.training import schedules
from chainrule.training.crossings import rows_that_cross
from chainrule.training.curve import Curve
from chainrule.training.errors import (
    BroadcastWarning,
    DivergenceWarning,
    TrainingError,
    UndividedWarning,
    carrying,
    is_false,
)
from chainrule.training.fitting import begin_training, fit
from chainrule.training.lbfgs import LBFGS, LBFGSSession
from chainrule.training.optimizers import SGD, Adam, AdamW, MomentumSGD, NAdam, Optimizer, RMSprop, UncorrectedAdam
from chainrule.training.orders import BlockOrder, DividedOrder, OwnRows
from chainrule.training.result import FitResult
from chainrule.training.runs import open_session, step_program, traced_loss
from chainrule.training.session import TrainingSession
from chainrule.training.stopping import Watch
from chainrule.training.structure import named_loss
from chainrule.training.updates import Update, first_memory, hyperparameter_values, update_program

__all__ = [
    "LBFGS",
    "SGD",
    "START",
    "Adam",
    "AdamW",
    "BlockOrder",
    "BroadcastWarning",
    "Curve",
    "DivergenceWarning",
    "DividedOrder",
    "FitResult",
    "LBFGSSession",
    "MomentumSGD",
    "NAdam",
    "Optimizer",
    "OwnRows",
    "Position",
    "RMSprop",
    "TrainingError",
    "TrainingSession",
    "UncorrectedAdam",
    "UndividedWarning",
    "Update",
    "Watch",
    "begin_training",
    "carrying",
    "first_memory",
    "fit",
    "hyperparameter_values",
    "is_false",
    "named_loss",
    "open_session",
    "rows_that_cross",
    "schedules",
    "step_program",
    "traced_loss",
    "update_program",
]
