"""Runs without their numbers: the loss traced and differentiated for each size of batch, and remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import recognize
from chainrule.engines import Loop, bind_sizes
from chainrule.ir import ArrayType, DType, Program
from chainrule.trace import trace
from chainrule.training.arguments import Arguments
from chainrule.training.crossings import crossed_rows
from chainrule.training.errors import TrainingError
from chainrule.training.optimizers import Optimizer
from chainrule.training.step import Step, step_program

_REMEMBERED = 32
_plans: OrderedDict[Hashable, Plan] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Plan:
    """A run without its numbers; the same object for the same programs. `doubt` is what a caller should be told."""

    loop: Loop
    step: Step
    doubt: str | None = None


def plan_for(
    loss: Callable[..., Any] | Program,
    arguments: Arguments,
    optimizer: Optimizer,
    batch_size: int | None,
    shuffle: bool,
) -> Plan:
    """The loop for these arguments.

    A function is traced anew each time, since it may read variables that have changed. Nodes are interned: a loss that
    has not changed gives the same nodes, and by these the plan made before is found again. A Program cannot change,
    and is found at once.
    """
    batch_size = min(batch_size or arguments.row_count, arguments.row_count)
    remainder = arguments.row_count % batch_size
    sizes = [batch_size, remainder] if remainder else [batch_size]
    traced: dict[int, Program] = {}
    stated: tuple[Hashable, ...]
    if isinstance(loss, Program):
        arrays = {**arguments.params, **arguments.rows, **arguments.constants}
        shapes = tuple(array.shape for array in arrays.values())
        stated = (loss.inputs, loss.outputs, tuple(loss.names.items()), shapes, arguments.dtype)
    else:
        traced = {size: _loss_program(loss, arguments, size) for size in sizes}
        stated = tuple((size, program.inputs, program.outputs) for size, program in traced.items())
    key = (
        type(optimizer),
        arguments.row_count,
        batch_size,
        shuffle,
        tuple(arguments.params),
        tuple(arguments.rows),
        tuple(arguments.constants),
        stated,
    )
    with _lock:
        plan = _plans.get(key)
        if plan is not None:
            _plans.move_to_end(key)
            return plan
    traced = traced or {size: _loss_program(loss, arguments, size) for size in sizes}
    steps = {size: step_program(program, list(arguments.params), optimizer) for size, program in traced.items()}
    step = steps[batch_size]
    loop = Loop(
        step.state,
        tuple(arguments.rows),
        (*arguments.constants, *step.hyperparameters.values()),
        {size: each.program for size, each in steps.items()},
        arguments.row_count,
        batch_size,
        shuffle,
    )
    made = Plan(loop, step, None if isinstance(loss, Program) else crossed_rows(loss, arguments))
    with _lock:
        plan = _plans.setdefault(key, made)
        _plans.move_to_end(key)
        while len(_plans) > _REMEMBERED:
            _plans.popitem(last=False)
    return plan


def _loss_program(loss: Callable[..., Any] | Program, arguments: Arguments, size: int) -> Program:
    """The loss on a batch of `size` rows, with every float of the dtype of the run."""
    shapes = {name: _type_of(array) for name, array in {**arguments.params, **arguments.constants}.items()}
    shapes.update(
        {name: ArrayType((size, *array.shape[1:]), DType.of(array.dtype)) for name, array in arguments.rows.items()}
    )
    if isinstance(loss, Program):
        program = bind_sizes(loss, {name: _stand_in(type_) for name, type_ in shapes.items()})
    else:
        program = trace(loss, **shapes)
    unnamed = [node.name for node in program.inputs if node.name not in shapes]
    if unnamed:
        raise TrainingError(f"the loss uses {unnamed[0]!r}; name it in params, data or constants")
    recognized, _ = recognize(program.bind({}, arguments.dtype))  # a sigmoid written by hand would overflow
    return recognized


def _stand_in(type_: ArrayType) -> NDArray[Any]:
    """An array of the given shape that takes no memory."""
    return np.broadcast_to(np.zeros((), type_.dtype.numpy), type_.concrete_shape)


def _type_of(array: NDArray[Any]) -> ArrayType:
    return ArrayType(array.shape, DType.of(array.dtype))
