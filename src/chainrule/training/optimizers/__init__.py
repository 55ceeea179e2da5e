"""Optimizers: each computes the next value of a parameter in array code."""

from chainrule.training.optimizers.adam import Adam, AdamW, NAdam
from chainrule.training.optimizers.base import Optimizer
from chainrule.training.optimizers.rmsprop import RMSprop
from chainrule.training.optimizers.sgd import SGD
from chainrule.training.optimizers.sklearn_forms import MomentumSGD, UncorrectedAdam

__all__ = ["SGD", "Adam", "AdamW", "MomentumSGD", "NAdam", "Optimizer", "RMSprop", "UncorrectedAdam"]
