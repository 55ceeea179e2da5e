"""What an engine needs for a run: `fit` makes it and runs it at once, others go on from it piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Loop, get_engine
from chainrule.ir import Program
from chainrule.training.arguments import read_arguments
from chainrule.training.implicit import SEED, STEP, seed_value
from chainrule.training.lbfgs import LBFGS, OnIteration, Search, minimize
from chainrule.training.optimizers import Optimizer
from chainrule.training.plans import plan_for, whole_program
from chainrule.training.updates import hyperparameter_values, starting_memory

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Run:
    """A loop with its numbers: `state`, of which `params` are the names that are learnt, and `data`, with settings.

    `doubt` is what a caller should be told of the loss.
    """

    loop: Loop
    state: dict[str, Array]
    data: dict[str, Array]
    params: tuple[str, ...]
    doubt: str | None


def prepare_run(
    loss: Callable[..., Any] | Program | str,
    params: Mapping[str, Any],
    data: Mapping[str, Any],
    optimizer: Optimizer,
    batch_size: int | None,
    seed: int,
    shuffle: bool = True,
    constants: Mapping[str, Any] | None = None,
    optimizer_state: Mapping[str, Any] | None = None,
) -> Run:
    """The run that `fit` makes of the same arguments; raises what `fit` does."""
    arguments = read_arguments(loss, params, data, constants or {})
    plan = plan_for(loss, arguments, optimizer, batch_size, shuffle)
    memory = starting_memory(optimizer, arguments.params, STEP.name in plan.step.state, optimizer_state)
    numbers = {name: np.asarray(value) for name, value in hyperparameter_values(optimizer).items()}
    fixed = {**arguments.rows, **arguments.constants, **numbers, SEED.name: seed_value(seed)}
    state = {**arguments.params, **memory}
    return Run(plan.loop, state, fixed, tuple(arguments.params), plan.doubt)


def search_minimum(
    loss: Callable[..., Any] | Program | str,
    params: Mapping[str, Any],
    data: Mapping[str, Any],
    optimizer: LBFGS,
    iterations: int,
    seed: int,
    constants: Mapping[str, Any] | None = None,
    engine: str = "native",
    on_iteration: OnIteration | None = None,
) -> Search:
    """What `fit` does with `LBFGS`, watched after each iteration; raises what `fit` does."""
    arguments = read_arguments(loss, params, data, constants or {})
    program, _ = whole_program(loss, arguments)
    others = {**arguments.rows, **arguments.constants}
    runner = get_engine(engine)
    return minimize(program, optimizer, arguments.params, others, iterations, seed, runner, None, on_iteration)
