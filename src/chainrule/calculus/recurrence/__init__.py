"""Recurrences: the primitive, its recognition in a program of rounds, and its improvement before it runs."""

from chainrule.calculus.recurrence.fusing import fused
from chainrule.calculus.recurrence.improving import improved
from chainrule.calculus.recurrence.recognizing import recognized
from chainrule.calculus.recurrence.rolling import StepNames, rolled
from chainrule.calculus.recurrence.scan import Carried, Constant, Recurrence, Scan, Sequenced, entry, written_nodes
from chainrule.calculus.recurrence.summing import with_sums

__all__ = [
    "Carried",
    "Constant",
    "Recurrence",
    "Scan",
    "Sequenced",
    "StepNames",
    "entry",
    "fused",
    "improved",
    "recognized",
    "rolled",
    "with_sums",
    "written_nodes",
]
