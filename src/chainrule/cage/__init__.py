"""Sandboxed execution of untrusted answers: a separate process, resource limits, and values as plain data."""

from chainrule.cage.execution import (
    GIVEN,
    OUT,
    RETURN,
    SEEN,
    TICK,
    TRANSPOSE,
    Place,
    Setup,
    Trial,
    Variant,
    transposed,
)
from chainrule.cage.finding import Refusal, function_of
from chainrule.cage.limits import Limits
from chainrule.cage.objects import RATES, Given, called, folded
from chainrule.cage.process import FORKS, Caged, Caller, Inside, Stopped, caged, warm_up
from chainrule.cage.wire import Opaque

__all__ = [
    "FORKS",
    "GIVEN",
    "OUT",
    "RATES",
    "RETURN",
    "SEEN",
    "TICK",
    "TRANSPOSE",
    "Caged",
    "Caller",
    "Given",
    "Inside",
    "Limits",
    "Opaque",
    "Place",
    "Refusal",
    "Setup",
    "Stopped",
    "Trial",
    "Variant",
    "caged",
    "called",
    "folded",
    "function_of",
    "transposed",
    "warm_up",
]
