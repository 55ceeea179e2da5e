"""Optimizers: each writes the next value of a parameter in array code."""

from chainrule.training.optimizers.adam import Adam, AdamW, NAdam
from chainrule.training.optimizers.base import Optimizer
from chainrule.training.optimizers.other_forms import MomentumSGD, UncorrectedAdam
from chainrule.training.optimizers.rmsprop import RMSprop
from chainrule.training.optimizers.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "MomentumSGD", "NAdam", "Optimizer", "RMSprop", "UncorrectedAdam"]
