"""Recurrences: the primitive, its recognition in a program of rounds, and its improvement before it runs."""

from chainrule.calculus.recurrence.improving import improved
from chainrule.calculus.recurrence.rolling import rolled
from chainrule.calculus.recurrence.scan import Carried, Constant, Recurrence, Scan, Sequenced, entry, written_nodes

__all__ = ["Carried", "Constant", "Recurrence", "Scan", "Sequenced", "entry", "improved", "rolled", "written_nodes"]
