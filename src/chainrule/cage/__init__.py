"""Sandboxed execution of untrusted answers: a separate process, resource limits, and values as plain data."""

from chainrule.cage.execution import Place, Probe, Trial
from chainrule.cage.finding import Refusal, function_of
from chainrule.cage.limits import Limits
from chainrule.cage.objects import RATES, Given, Path, at, called, folded
from chainrule.cage.process import FORKS, Caged, Caller, Inside, Stopped, caged, warm_up
from chainrule.cage.running import (
    BEFORE,
    GIVEN,
    HOLE,
    NOTED,
    OUT,
    PICK,
    RETURN,
    SEEN,
    TICK,
    TRANSPOSE,
    VALUE,
    WHOLE,
    Setup,
    Variant,
    transposed,
)
from chainrule.cage.wire import Opaque

__all__ = [
    "BEFORE",
    "FORKS",
    "GIVEN",
    "HOLE",
    "NOTED",
    "OUT",
    "PICK",
    "RATES",
    "RETURN",
    "SEEN",
    "TICK",
    "TRANSPOSE",
    "VALUE",
    "WHOLE",
    "Caged",
    "Caller",
    "Given",
    "Inside",
    "Limits",
    "Opaque",
    "Path",
    "Place",
    "Probe",
    "Refusal",
    "Setup",
    "Stopped",
    "Trial",
    "Variant",
    "at",
    "caged",
    "called",
    "folded",
    "function_of",
    "transposed",
    "warm_up",
]
