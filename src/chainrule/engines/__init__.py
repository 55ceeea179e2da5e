"""Run a Program: `reference` in NumPy, which defines what is right, and `native`, generated machine code."""

from __future__ import annotations

import importlib
from functools import cache

from chainrule.engines.divergence import GROWTH, exploded, first_loss, first_non_finite
from chainrule.engines.loop import START, EngineError, Loop, Outcome, Position, Run
from chainrule.engines.reference import bind_sizes, evaluate
from chainrule.engines.session import Engine, Session
from chainrule.engines.shuffle import permutation
from chainrule.primitives import evaluate_nodes

_ENGINES = {
    "reference": ("chainrule.engines.reference", "ReferenceEngine"),
    "native": ("chainrule.engines.native", "NativeEngine"),
}


@cache
def get_engine(name: str) -> Engine:
    """The engine called `name`, one object per name, loaded when it is first asked for (LLVM takes its time).

    Raises EngineError, a ValueError, for a name that is not "reference" or "native".
    """
    if name not in _ENGINES:
        raise EngineError(f"there is no engine {name!r}; use 'native' or 'reference'")
    module, attribute = _ENGINES[name]
    engine: Engine = getattr(importlib.import_module(module), attribute)()
    return engine


def available_threads() -> int:
    """The most threads that a run gets: processors of this process, or fewer by CHAINRULE_NUM_THREADS."""
    count: int = importlib.import_module("chainrule.engines.native").available()
    return count


__all__ = [
    "GROWTH",
    "START",
    "Engine",
    "EngineError",
    "Loop",
    "Outcome",
    "Position",
    "Run",
    "Session",
    "available_threads",
    "bind_sizes",
    "evaluate",
    "evaluate_nodes",
    "exploded",
    "first_loss",
    "first_non_finite",
    "get_engine",
    "permutation",
]
