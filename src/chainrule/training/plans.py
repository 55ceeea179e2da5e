"""Runs without their numbers: the loss traced and differentiated for each size of batch, and remembered."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import recognize
from chainrule.engines import Loop, bind_sizes
from chainrule.ir import ArrayType, DType, Input, Memo, Node, Program, rebuild_all, topological_order
from chainrule.primitives import cast, evaluate_nodes
from chainrule.trace import trace
from chainrule.training.arguments import Arguments, read_arguments
from chainrule.training.crossings import crossed_rows
from chainrule.training.errors import TrainingError
from chainrule.training.implicit import IMPLICIT
from chainrule.training.optimizers import Optimizer
from chainrule.training.step import Step, check_scalar, step_program
from chainrule.training.updates import first_memory, update_program

_plans: Memo[Hashable, Plan] = Memo(32)


@dataclass(frozen=True, eq=False)
class Plan:
    """A run without its numbers; the same object for the same programs. `doubt` is what a caller should be told."""

    loop: Loop
    step: Step
    doubt: str | None = None


def plan_for(
    loss: Callable[..., Any] | Program | str,
    arguments: Arguments,
    optimizer: Optimizer,
    batch_size: int | None,
    shuffle: bool,
) -> Plan:
    """The loop for these arguments.

    A function is traced anew each time, since it may read variables that have changed, and so is the optimizer's array
    code. Nodes are interned: what has not changed gives the same nodes, and by these the plan made before is found
    again. A Program cannot change, and is found at once.
    """
    memory = {slot: _type_of(array) for slot, array in first_memory(optimizer, arguments.params).items()}
    types = {name: _type_of(array) for name, array in arguments.params.items()}
    update = update_program(optimizer, types, memory)
    batch_size = min(batch_size or arguments.row_count, arguments.row_count)
    remainder = arguments.row_count % batch_size
    sizes = [batch_size, remainder] if remainder else [batch_size]
    traced: dict[int, Program] = {}
    stated: tuple[Hashable, ...]
    if isinstance(loss, Program):
        if loss.demands:
            _check_demands(loss, arguments, _called(loss, arguments, batch_size))
        arrays = {**arguments.params, **arguments.rows, **arguments.constants}
        types_held = tuple(map(_type_of, arrays.values()))
        stated = (loss.inputs, loss.outputs, tuple(loss.names.items()), types_held, arguments.dtype)
    else:
        called = {size: _called(loss, arguments, size) for size in sizes}
        _check_demands(loss, arguments, called[batch_size])
        traced = {size: _prepared(program, arguments, size) for size, program in called.items()}
        stated = tuple((size, program.inputs, program.outputs) for size, program in traced.items())
    key = (
        update.program.inputs,
        update.program.outputs,
        arguments.row_count,
        batch_size,
        shuffle,
        tuple(arguments.params),
        tuple(arguments.rows),
        tuple(arguments.constants),
        stated,
    )
    plan = _plans.get(key)
    if plan is not None:
        return plan
    traced = traced or {size: _loss_program(loss, arguments, size) for size in sizes}
    steps = {size: step_program(program, update) for size, program in traced.items()}
    step = steps[batch_size]
    loop = Loop(
        step.state,
        tuple(arguments.rows),
        (*arguments.constants, *step.fixed),
        {size: each.program for size, each in steps.items()},
        arguments.row_count,
        batch_size,
        shuffle,
    )
    return _plans.keep(key, Plan(loop, step, None if isinstance(loss, Program) else crossed_rows(loss, arguments)))


def whole_program(loss: Callable[..., Any] | Program | str, arguments: Arguments) -> tuple[Program, str | None]:
    """The loss on all rows at once, and what a caller should be told."""
    called = _called(loss, arguments, arguments.row_count)
    _check_demands(loss, arguments, called)
    program = _prepared(called, arguments, arguments.row_count)
    check_scalar(program)
    return program, None if isinstance(loss, Program) else crossed_rows(loss, arguments)


def traced_loss(
    loss: Callable[..., Any] | Program | str,
    params: Mapping[str, Any],
    data: Mapping[str, Any],
    constants: Mapping[str, Any],
) -> tuple[Program, dict[str, NDArray[Any]]]:
    """The loss on all rows as a program, and the values of its inputs: a run's first step, for those who look at it.

    The arguments are those of `fit`; raises what `fit` raises for ones that do not fit.
    """
    arguments = read_arguments(loss, params, data, constants)
    program, _ = whole_program(loss, arguments)
    implicit = {name: np.asarray(0) for name in IMPLICIT}
    return program, {**implicit, **arguments.params, **arguments.rows, **arguments.constants}


def _loss_program(loss: Callable[..., Any] | Program | str, arguments: Arguments, size: int) -> Program:
    """The loss on a batch of `size` rows, with every float of the dtype of the run."""
    return _prepared(_called(loss, arguments, size), arguments, size)


def _check_demands(loss: Callable[..., Any] | Program | str, arguments: Arguments, program: Program) -> None:
    """Raise ProgramError where data or constants do not meet what `program`, the loss on a batch, demands of them."""
    given: dict[str, NDArray[Any]] = {**arguments.rows, **arguments.constants}
    computed = False
    for demand in program.demands:
        if demand.source is None or demand.source.name not in given:
            computed = True
        elif isinstance(demand.most, int):
            demand.check(given[demand.source.name], demand.source.name)
    if not computed:
        return
    whole = _called(loss, arguments, arguments.row_count).bind({}, arguments.dtype)
    known = {node: np.asarray(given[node.name], node.type.dtype.numpy) for node in whole.inputs if node.name in given}
    for demand in whole.demands:
        inputs = {node for node in topological_order([demand.node]) if isinstance(node, Input)}
        if demand.source is None and inputs <= known.keys():
            demand.check(evaluate_nodes([demand.node], known)[demand.node])


def _called(loss: Callable[..., Any] | Program | str, arguments: Arguments, size: int) -> Program:
    """The loss on a batch of `size` rows, as it is written."""
    held = _held(arguments, size)
    shapes = {
        name: type_.with_dtype(arguments.dtype) if type_.dtype.is_float else type_ for name, type_ in held.items()
    }
    if isinstance(loss, Program):
        given = {node.name: node.type for node in loss.inputs if node.name in IMPLICIT} | shapes
        program = bind_sizes(loss, {name: _stand_in(type_) for name, type_ in given.items()})
    else:
        program = trace(loss, **shapes)
    unnamed = [node.name for node in program.inputs if node.name not in shapes and node.name not in IMPLICIT]
    if unnamed:
        raise TrainingError(f"the loss uses {unnamed[0]!r}; name it in params, data or constants")
    return program


def _held(arguments: Arguments, size: int) -> dict[str, ArrayType]:
    """The types of the arguments as they are held, for a batch of `size` rows."""
    held = {name: _type_of(array) for name, array in {**arguments.params, **arguments.constants}.items()}
    for name, array in arguments.rows.items():
        held[name] = ArrayType((size, *array.shape[1:]), DType.of(array.dtype))
    return held


def _prepared(program: Program, arguments: Arguments, size: int) -> Program:
    """`program` with every float of the dtype of the run, and functions written out by hand recognized."""
    recognized, _ = recognize(program.bind({}, arguments.dtype))  # a sigmoid written by hand would overflow
    return _reading(recognized, _held(arguments, size))


def _reading(program: Program, held: Mapping[str, ArrayType]) -> Program:
    """`program` on arrays of the types `held`, each converted to the dtype that the program computes in."""
    made: dict[Node, Node] = {}
    for node in program.inputs:
        type_ = held.get(node.name, node.type)
        if type_ != node.type:
            made[node] = cast(Input(node.name, type_), node.type.dtype)
    if not made:
        return program
    rebuilt = rebuild_all([*program.outputs, *program.names], made.get)
    inputs = tuple(Input(node.name, held.get(node.name, node.type)) for node in program.inputs)
    names = {rebuilt[node]: name for node, name in program.names.items()}
    return Program(inputs, tuple(rebuilt[output] for output in program.outputs), names)


def _stand_in(type_: ArrayType) -> NDArray[Any]:
    """An array of the given shape that takes no memory."""
    return np.broadcast_to(np.zeros((), type_.dtype.numpy), type_.concrete_shape)


def _type_of(array: NDArray[Any]) -> ArrayType:
    return ArrayType(array.shape, DType.of(array.dtype))
