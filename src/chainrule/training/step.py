"""One step of training as a Program: the loss, its gradients, and the next value of everything that is learnt."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.calculus import backward
from chainrule.ir import DType, Input, Node, Program, rebuild_all, shape_text, topological_order
from chainrule.primitives import cast
from chainrule.training.errors import TrainingError
from chainrule.training.implicit import IMPLICIT, SEED, STEP
from chainrule.training.updates import Update


@dataclass(frozen=True, eq=False)
class Step:
    """`program` takes the inputs of the loss, what the optimizer remembers, and its hyperparameters.

    Its outputs are the loss and the next value of each name in `state`: the parameters first, then what the optimizer
    remembers, then the number of steps made, where something depends on it. `fixed` names the inputs that a run leaves
    as they are and that are not the loss's own: hyperparameters, and the seed where it is used.
    """

    program: Program
    state: tuple[str, ...]
    fixed: tuple[str, ...]


def step_program(loss: Program, update: Update) -> Step:
    """The step that minimizes `loss`, a program with one scalar output, over the parameters of `update`.

    Raises TrainingError for a program that does not give one scalar float.
    """
    check_scalar(loss)
    wrt = [loss.input(parameter.name) for parameter in update.parameters]
    gradients = backward(loss, wrt).gradients
    made: dict[Node, Node] = dict(zip(update.gradients, gradients, strict=True))
    rebuilt = rebuild_all(update.program.outputs, made.get)
    following = [rebuilt[output] for output in update.program.outputs]
    outputs = [*loss.outputs, *following]
    own = [node for node in loss.inputs if node.name not in IMPLICIT]
    state = [parameter.name for parameter in update.parameters]
    state += [node.name for node in update.remembered]
    fixed: list[Input] = list(update.hyperparameters)
    inputs: list[Input] = [*own, *update.remembered]
    used = set(topological_order(outputs)) | set(loss.inputs)
    if STEP in used:
        inputs.append(STEP)
        state.append(STEP.name)
        outputs.append(_counted_up(STEP))
    if SEED in used:
        fixed.append(SEED)
    names = {rebuilt[node]: name for node, name in update.program.names.items() if node in rebuilt}
    names.update({gradient: f"∂L/∂{p.name}" for p, gradient in zip(wrt, gradients, strict=True)})
    program = Program((*inputs, *fixed), tuple(outputs), {**names, **loss.names})
    return Step(program, tuple(state), tuple(node.name for node in fixed))


def _counted_up(step: Node) -> Node:
    """`step + 1`; through float64, which is exact up to 2⁵³ steps, since integers are not added."""
    return cast(cast(step, DType.FLOAT64) + 1, DType.INT64)


def check_scalar(loss: Program) -> None:
    """Raise TrainingError for a program that does not give one scalar float."""
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
