"""Engines that execute programs: `reference` (NumPy, the definition), `native` (machine code) and `xla` (JAX)."""

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
    "xla": ("chainrule.engines.xla", "XlaEngine"),
}


@cache
def get_engine(name: str) -> Engine:
    """Return the engine called `name`, one object per name, imported on first use because loading LLVM is slow.

    Raises EngineError, a ValueError, for a name other than "reference", "native" or "xla", MissingDependencyError for
    "xla" without JAX.
    """
    if name not in _ENGINES:
        raise EngineError(f"there is no engine {name!r}; use 'native', 'reference' or 'xla'")
    module, attribute = _ENGINES[name]
    engine: Engine = getattr(importlib.import_module(module), attribute)()
    return engine


def available_threads() -> int:
    """Return the maximum number of threads of a run: the available processors, limited by CHAINRULE_NUM_THREADS."""
    count: int = importlib.import_module("chainrule.engines.native").available()
    return count


def wasm_module(loop: Loop) -> str:
    """Return the text of a JavaScript module that runs `loop` in WebAssembly; see `chainrule.engines.native.wasm`."""
    text: str = importlib.import_module("chainrule.engines.native").wasm_module(loop)
    return text


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
    "wasm_module",
]
