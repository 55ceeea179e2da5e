"""Construction of a run from the arguments of `fit`: trace, differentiate, compile.

`open_session` is the only entry point, used by `fit`, `begin_training` and the training of networks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import backward, improved, recognized, rolled, written_nodes
from chainrule.engines import START, Engine, Loop, Run, bind_sizes, get_engine, undivided
from chainrule.ir import (
    ArrayType,
    DType,
    Input,
    Memo,
    Node,
    Program,
    rebuild_all,
    shape_text,
    topological_order,
)
from chainrule.primitives import cast, evaluate_nodes, refuse_abstract
from chainrule.schema import COUNT, NOT_BELOW_0, checked
from chainrule.trace import trace_with_recurrences
from chainrule.training.arguments import Arguments, read_arguments
from chainrule.training.choosing import optimizer_of
from chainrule.training.crossings import crossed_rows
from chainrule.training.errors import BroadcastWarning, TrainingError, UndividedWarning
from chainrule.training.implicit import IMPLICIT, SEED, STEP, seed_value
from chainrule.training.lbfgs import LBFGS, LBFGSSession
from chainrule.training.optimizers import Optimizer
from chainrule.training.orders import OwnRows
from chainrule.training.session import TrainingSession, checked_start
from chainrule.training.updates import Update, first_memory, hyperparameter_values, starting_memory, update_program
from chainrule.words import warn_caller

Array: TypeAlias = NDArray[Any]
Loss: TypeAlias = Callable[..., Any] | Program | str

_loops: Memo[Hashable, tuple[Loop, str | None]] = Memo(32)


def open_session(
    loss: Loss,
    params: Any,
    data: Any,
    optimizer: Optimizer | LBFGS | str | None = None,
    *,
    batch_size: int | None = None,
    seed: int = 0,
    shuffle: bool = True,
    threads: int | None = None,
    engine: str = "native",
    constants: Mapping[str, Any] | None = None,
    optimizer_state: Mapping[str, Any] | None = None,
    start: Sequence[float] = START,
) -> TrainingSession | LBFGSSession:
    """Create the run of `fit` for the same arguments; raise and warn as `fit` does, in its caller's line."""
    optimizer = optimizer_of(optimizer)
    if isinstance(optimizer, LBFGS):
        _check_whole(batch_size, optimizer_state, start)
    if batch_size is not None:
        batch_size = checked("batch_size", batch_size, COUNT, TrainingError)
    if threads is not None:
        threads = checked("threads", threads, COUNT, TrainingError)
    seed = checked("seed", seed, NOT_BELOW_0, TrainingError)
    runner = get_engine(engine)
    with runner.processes.together():
        return _opened(
            loss, params, data, optimizer, batch_size, seed, shuffle, threads, runner, constants, optimizer_state, start
        )


def _opened(
    loss: Loss,
    params: Any,
    data: Any,
    optimizer: Optimizer | LBFGS,
    batch_size: int | None,
    seed: int,
    shuffle: bool,
    threads: int | None,
    runner: Engine,
    constants: Mapping[str, Any] | None,
    optimizer_state: Mapping[str, Any] | None,
    start: Sequence[float],
) -> TrainingSession | LBFGSSession:
    """Create the run on an engine."""
    if isinstance(data, OwnRows):
        arguments = read_arguments(loss, params, data.data, constants or {}, processes=runner.processes)
    else:
        arguments = read_arguments(loss, params, data, constants or {})
    loss, parts = arguments.loss, arguments.parts
    session: TrainingSession | LBFGSSession
    if isinstance(optimizer, LBFGS):
        if runner.processes.count > 1:
            raise TrainingError(
                f"LBFGS is not for {runner.processes.count} processes; train in one, or give another optimizer, such "
                "as Adam()"
            )
        program, doubt = whole_program(arguments)
        fixed = {**arguments.rows, **arguments.constants}
        session = LBFGSSession(program, optimizer, arguments.params, fixed, seed, runner, arguments.tree)
    else:
        rows = arguments.row_count if parts is None else sum(parts)
        loop, doubt = loop_for(loss, arguments, optimizer, batch_size, bool(shuffle), rows)
        memory = starting_memory(optimizer, arguments.params, STEP.name in loop.state, optimizer_state)
        there = checked_start(start, loop.steps_per_epoch)
        if optimizer_state is None and memory and there != START:
            raise TrainingError(
                f"a run that resumes in epoch {there.epoch} needs the optimizer_state of the earlier result, which "
                f"holds {sorted(memory)}"
            )
        numbers = {name: np.asarray(value) for name, value in hyperparameter_values(optimizer).items()}
        fixed = {**arguments.rows, **arguments.constants, **numbers, SEED.name: seed_value(seed)}
        run = Run(loop, {**arguments.params, **memory}, fixed, seed, there, parts)
        sentence = undivided(loop.batch_size, runner.processes.devices) if runner.processes.leads else None
        if sentence is not None:
            warn_caller(sentence, UndividedWarning)
        session = TrainingSession(run, tuple(arguments.params), optimizer, runner.begin(run, threads), arguments.tree)
    if doubt is not None:
        warn_caller(doubt, BroadcastWarning)
    return session


def _check_whole(batch_size: int | None, optimizer_state: Mapping[str, Any] | None, start: Sequence[float]) -> None:
    if batch_size is not None:
        raise TrainingError(f"batch_size is {batch_size}; LBFGS uses all rows at once, so leave it out")
    if optimizer_state:
        raise TrainingError("LBFGS cannot resume from an optimizer_state; leave it out")
    if start != START:
        raise TrainingError("LBFGS cannot resume an earlier run; leave start out")


def loop_for(
    loss: Loss,
    arguments: Arguments,
    optimizer: Optimizer,
    batch_size: int | None,
    shuffle: bool,
    rows: int | None = None,
) -> tuple[Loop, str | None]:
    """Return the loop for these arguments (the same object for the same programs), and an optional warning.

    `rows` is their number in all processes, by default that of the arguments.

    A function is traced each time, since it may read variables that have changed, and so is the optimizer's array code.
    Nodes are interned, so unchanged code gives the same nodes, by which the earlier loop is found. A Program is
    immutable and is looked up directly.
    """
    memory = {slot: _type_of(array) for slot, array in first_memory(optimizer, arguments.params).items()}
    update = update_program(optimizer, {name: _type_of(array) for name, array in arguments.params.items()}, memory)
    rows = arguments.row_count if rows is None else rows
    batch_size = min(batch_size or rows, rows)
    remainder = rows % batch_size
    sizes = [batch_size, remainder] if remainder else [batch_size]
    called: dict[int, Program] = {}
    if not isinstance(loss, Program) or loss.demands:
        called = {size: _called(loss, arguments, size) for size in sizes}
        _check_demands(loss, arguments, called[batch_size])
    stated = [loss] if isinstance(loss, Program) else called.values()
    arrays = {**arguments.params, **arguments.rows, **arguments.constants}
    key = (
        update.program.inputs,
        update.program.outputs,
        batch_size,
        shuffle,
        rows,
        arguments.dtype,
        tuple(arguments.params),
        tuple(arguments.rows),
        tuple((name, array.shape, array.dtype) for name, array in arrays.items()),
        tuple((program.inputs, program.outputs, *program.names.items()) for program in stated),
    )

    def make() -> tuple[Loop, str | None]:
        programs = called or {size: _called(loss, arguments, size) for size in sizes}
        steps = {size: step_program(_prepared(each, arguments, size), update) for size, each in programs.items()}
        inputs = [node.name for node in steps[batch_size].inputs]
        state = [node.name for node in (*update.parameters, *update.remembered)]
        state += [STEP.name] if STEP.name in inputs else []
        constants = [*arguments.constants, *(name for name in inputs if name not in {*arrays, *state})]
        loop = Loop(tuple(state), tuple(arguments.rows), tuple(constants), steps, rows, batch_size, shuffle)
        return loop, crossed_rows(loss, arguments, programs[batch_size], batch_size)

    return _loops.made(key, make)


def step_program(loss: Program, update: Update) -> Program:
    """Build one step: the loss, a program with one scalar output, its gradients, and the parameter updates.

    The inputs are those of the loss, the optimizer state and the hyperparameters. The outputs are the loss and the next
    values of the parameters, of the optimizer state, and of the step count if something depends on it. Raises
    TrainingError for a loss that does not return one scalar float.
    """
    check_scalar(loss)
    loss = rolled(loss)
    wrt = [loss.input(parameter.name) for parameter in update.parameters]
    gradients = backward(loss, wrt).gradients
    made: dict[Node, Node] = dict(zip(update.gradients, gradients, strict=True))
    rebuilt = rebuild_all(update.program.outputs, made.get)
    outputs = [*loss.outputs, *(rebuilt[output] for output in update.program.outputs)]
    used = {*topological_order(outputs), *loss.inputs}
    inputs = [*(node for node in loss.inputs if node.name not in IMPLICIT), *update.remembered]
    if STEP in used:
        inputs.append(STEP)
        # Through float64, which is exact up to 2⁵³ steps, since there is no integer addition.
        outputs.append(cast(cast(STEP, DType.FLOAT64) + 1, DType.INT64))
    improvements = improved([*outputs, *gradients])
    outputs, gradients = list(improvements[: len(outputs)]), improvements[len(outputs) :]
    inputs += [*update.hyperparameters, *([SEED] if SEED in used else [])]
    names = {rebuilt[node]: name for node, name in update.program.names.items() if node in rebuilt}
    names.update({gradient: f"∂L/∂{p.name}" for p, gradient in zip(wrt, gradients, strict=True)})
    return Program(tuple(inputs), tuple(outputs), {**names, **loss.names})


def check_scalar(loss: Program) -> None:
    """Raise TrainingError for a program that does not return one scalar float."""
    if len(loss.outputs) != 1:
        raise TrainingError(f"the loss function returns {len(loss.outputs)} values; return one number to minimize")
    (output,) = loss.outputs
    if output.type.shape != ():
        raise TrainingError(
            f"the loss function returns an array of shape {shape_text(output.type.shape)}; "
            "return one number, as np.sum or np.mean gives it"
        )
    if not output.type.dtype.is_float:
        raise TrainingError(f"the loss function returns {output.type.dtype.value}, which has no derivative")


def whole_program(arguments: Arguments) -> tuple[Program, str | None]:
    """Return the loss on all rows at once, and an optional warning."""
    called, program = _traced(arguments, arguments.row_count)
    return program, crossed_rows(arguments.loss, arguments, called, arguments.row_count)


def prepared_loss(arguments: Arguments, size: int) -> Program:
    """Return the loss on `size` rows as an engine computes it."""
    return _traced(arguments, size)[1]


def _traced(arguments: Arguments, size: int) -> tuple[Program, Program]:
    """Return the loss on `size` rows as traced, and as an engine computes it; raise for data that it cannot take."""
    called = _called(arguments.loss, arguments, size)
    _check_demands(arguments.loss, arguments, called)
    program = _prepared(called, arguments, size)
    check_scalar(program)
    return called, program


def traced_loss(
    loss: Loss,
    params: Any,
    data: Any,
    constants: Mapping[str, Any],
) -> tuple[Program, dict[str, NDArray[Any]]]:
    """Return the loss on all rows as a program, with the values of its inputs, to inspect a run's first step.

    The arguments are those of `fit`; raises what `fit` raises for invalid ones.
    """
    arguments = read_arguments(loss, params, data, constants)
    program, _ = whole_program(arguments)
    implicit = {name: np.asarray(0) for name in IMPLICIT}
    return program, {**implicit, **arguments.params, **arguments.rows, **arguments.constants}


def _check_demands(loss: Loss, arguments: Arguments, program: Program) -> None:
    """Raise ProgramError if data or constants violate the demands of `program`, the loss on a batch."""
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


def _called(loss: Loss, arguments: Arguments, size: int) -> Program:
    """Trace the loss on a batch of `size` rows."""
    held = _held(arguments, size)
    shapes = {
        name: type_.with_dtype(arguments.dtype) if type_.dtype.is_float else type_ for name, type_ in held.items()
    }
    if isinstance(loss, Program):
        given = {node.name: node.type for node in loss.inputs if node.name in IMPLICIT} | shapes
        program = bind_sizes(loss, {name: _stand_in(type_) for name, type_ in given.items()})
    else:
        program = trace_with_recurrences(loss, **shapes)
    refuse_abstract(written_nodes(program.outputs))
    unnamed = [node.name for node in program.inputs if node.name not in shapes and node.name not in IMPLICIT]
    if unnamed:
        raise TrainingError(f"the loss uses {unnamed[0]!r}; name it in params, data or constants")
    return program


def _held(arguments: Arguments, size: int) -> dict[str, ArrayType]:
    """Return the stored types of the arguments, for a batch of `size` rows."""
    held = {name: _type_of(array) for name, array in {**arguments.params, **arguments.constants}.items()}
    for name, array in arguments.rows.items():
        held[name] = ArrayType((size, *array.shape[1:]), DType.of(array.dtype))
    return held


def _prepared(program: Program, arguments: Arguments, size: int) -> Program:
    """Convert `program` to the float dtype of the run, and recognize functions written out by hand."""
    known = recognized(program.bind({}, arguments.dtype))  # a sigmoid written by hand would overflow
    return _with_casts(known, _held(arguments, size))


def _with_casts(program: Program, held: Mapping[str, ArrayType]) -> Program:
    """Return `program` on arrays of the types `held`, each converted to the dtype in which the program computes."""
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
    """Return an array of the given type that takes no memory."""
    return np.broadcast_to(np.zeros((), type_.dtype.numpy), type_.concrete_shape)


def _type_of(array: NDArray[Any]) -> ArrayType:
    return ArrayType(array.shape, DType.of(array.dtype))
