"""One step of training as a Program: the loss, its gradients, and the next value of everything that is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from chainrule.calculus import backward
from chainrule.ir import ArrayType, DType, Input, Node, Program, shape_text
from chainrule.training.errors import TrainingError
from chainrule.training.optimizers import Optimizer


@dataclass(frozen=True, eq=False)
class Step:
    """`program` takes the inputs of the loss, what the optimizer remembers, and its hyperparameters.

    Its outputs are the loss and the next value of each name in `state`: the parameters first, then what the optimizer
    remembers of them. `hyperparameters` has the input's name for each hyperparameter.
    """

    program: Program
    state: tuple[str, ...]
    initial: dict[str, NDArray[Any]]
    hyperparameters: dict[str, str]


def step_program(loss: Program, parameters: Sequence[str], optimizer: Optimizer) -> Step:
    """The step that minimizes `loss`, a program with one scalar output, over its inputs named in `parameters`.

    Raises TrainingError for a program that does not give one scalar float.
    """
    _check_scalar(loss)
    wrt = [loss.input(name) for name in parameters]
    gradients = backward(loss, wrt).gradients
    dtype = wrt[0].type.dtype if wrt else DType.FLOAT64
    taken = {node.name for node in loss.inputs}
    hyperparameters = {name: Input(_fresh(name, taken), ArrayType((), dtype)) for name in optimizer.hyperparameters}
    following: list[Node] = []
    remembered: dict[Input, tuple[NDArray[Any], Node]] = {}
    for parameter, gradient in zip(wrt, gradients, strict=True):
        memory = optimizer.state(parameter.type)
        slots = {
            key: Input(f"{parameter.name} {key}", ArrayType(array.shape, parameter.type.dtype))
            for key, array in memory.items()
        }
        next_parameter, next_state = optimizer.update(parameter, gradient, slots, hyperparameters)
        following.append(next_parameter)
        remembered.update({slots[key]: (memory[key], next_state[key]) for key in slots})
    inputs = (*loss.inputs, *remembered, *hyperparameters.values())
    outputs = (*loss.outputs, *following, *(after for _, after in remembered.values()))
    names = {**{gradient: f"∂L/∂{p.name}" for p, gradient in zip(wrt, gradients, strict=True)}, **loss.names}
    program = Program(inputs, outputs, names)
    return Step(
        program,
        (*parameters, *(slot.name for slot in remembered)),
        {slot.name: initial for slot, (initial, _) in remembered.items()},
        {key: node.name for key, node in hyperparameters.items()},
    )


def _check_scalar(loss: Program) -> None:
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


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
