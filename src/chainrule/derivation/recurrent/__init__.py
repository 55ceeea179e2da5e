"""Derivations of recurrences: a step for all rounds, what surrounds it, and the gradients from step to step."""

from chainrule.derivation.recurrent.building import recurrent
from chainrule.derivation.recurrent.loops import Element, Loop, Part, Result, State
from chainrule.derivation.recurrent.page import write_recurrence
from chainrule.derivation.recurrent.parts import Recurrent
from chainrule.derivation.recurrent.verification import recurrent_gradients, verified_recurrence

__all__ = [
    "Element",
    "Loop",
    "Part",
    "Recurrent",
    "Result",
    "State",
    "recurrent",
    "recurrent_gradients",
    "verified_recurrence",
    "write_recurrence",
]
