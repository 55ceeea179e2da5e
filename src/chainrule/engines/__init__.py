"""Engines that execute programs: `reference` (NumPy, the definition), `native` (machine code) and `xla` (JAX)."""

from __future__ import annotations

import importlib
import importlib.util
import os
from functools import cache

from chainrule.engines.divergence import GROWTH, exploded, first_loss, first_non_finite
from chainrule.engines.launching import is_one_of_several
from chainrule.engines.loop import START, EngineError, Loop, Outcome, Position, Run
from chainrule.engines.parts import check_divided, joint_order, part_bounds, undivided
from chainrule.engines.processes import ALONE, ProcessError, Processes
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

    "auto" is what `engine_name` says.

    Raises EngineError, a ValueError, for a name other than "auto", "reference", "native" or "xla",
    MissingDependencyError for "xla" without JAX.
    """
    if name == "auto":
        return get_engine(engine_name(name))
    if name not in _ENGINES:
        raise EngineError(f"there is no engine {name!r}; use 'native', 'xla', 'auto' or 'reference'")
    module, attribute = _ENGINES[name]
    engine: Engine = getattr(importlib.import_module(module), attribute)()
    return engine


def engine_name(name: str) -> str:
    """Return the name of an engine, which of "auto" is that of the engine that suits this machine.

    It is "xla" where JAX is installed and finds a GPU or TPU, or several processes were launched, else "native".
    """
    if name != "auto":
        return name
    if importlib.util.find_spec("jax") is None:
        return "native"
    return "xla" if importlib.import_module("chainrule.engines.xla").has_accelerators() else "native"


def join_processes(address: str, count: int, number: int) -> Processes:
    """Make this process number `number` of `count` that train together with engine="xla"; return them.

    It is for processes that no launcher has told their place, such as the workers of Dask and Ray. `address` is
    HOST:PORT, a free port of the host of process 0, and the same in all of them. This sets JAX_COORDINATOR_ADDRESS,
    JAX_NUM_PROCESSES and JAX_PROCESS_ID in the environment of this process. Used as a context, the processes part at
    the end of the block, when all are as far.

    Raises EngineError if JAX has been used in this process before, or for a number that is not below the count,
    MissingDependencyError without JAX.

    >>> import chainrule as cr
    >>> with cr.join_processes("127.0.0.1:29400", count=1, number=0) as processes:
    ...     processes.leads
    True
    """
    if not 0 <= number < count:
        raise EngineError(f"number is {number} and count is {count}; processes are numbered from 0, below their count")
    os.environ["JAX_COORDINATOR_ADDRESS"] = address
    os.environ.update(JAX_NUM_PROCESSES=str(count), JAX_PROCESS_ID=str(number))
    processes = get_engine("xla").processes
    if processes.count != count:
        raise EngineError(
            f'engine="xla" has been used in this process, as one of {processes.count}, before it joins as one of '
            f"{count}; join first, and once"
        )
    return processes


def available_threads() -> int:
    """Return the maximum number of threads of a run: the available processors, limited by CHAINRULE_NUM_THREADS."""
    count: int = importlib.import_module("chainrule.engines.native").available()
    return count


def wasm_module(loop: Loop) -> str:
    """Return the text of a JavaScript module that runs `loop` in WebAssembly; see `chainrule.engines.native.wasm`."""
    text: str = importlib.import_module("chainrule.engines.native").wasm_module(loop)
    return text


__all__ = [
    "ALONE",
    "GROWTH",
    "START",
    "Engine",
    "EngineError",
    "Loop",
    "Outcome",
    "Position",
    "ProcessError",
    "Processes",
    "Run",
    "Session",
    "available_threads",
    "bind_sizes",
    "check_divided",
    "evaluate",
    "evaluate_nodes",
    "exploded",
    "first_loss",
    "first_non_finite",
    "get_engine",
    "is_one_of_several",
    "join_processes",
    "joint_order",
    "part_bounds",
    "permutation",
    "undivided",
    "wasm_module",
]
