"""Programs of on-device training: the loss with its gradients, and the update of an optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import backward
from chainrule.emit import CUnit, Location, Statements, member_names
from chainrule.exports.errors import ExportError
from chainrule.exports.subject import ROWS, Subject, X
from chainrule.functions import RNG_SEED, RNG_STEP
from chainrule.ir import (
    ArrayType,
    Const,
    DType,
    Input,
    Node,
    Program,
    cached_property,
    named_dim,
    rebuild_all,
    substitute,
)
from chainrule.training import Optimizer, Update, first_memory, hyperparameter_values, update_program

Y = "y"
ALPHA = "alpha"


@dataclass(frozen=True)
class Training:
    """A step of `optimizer` on the loss of `subject`."""

    subject: Subject
    optimizer: Optimizer

    @cached_property
    def loss(self) -> Program:
        """The loss of `X` (n, width), `y` and the parameters; the penalty factor is a constant in it."""
        loss = self.subject.loss
        if loss is None:
            raise ExportError("the model does not say what loss it was trained on; leave train out")
        rows = [dim for dim in loss.input(X).type.shape[:1] if not isinstance(dim, int)]
        if rows:
            loss = loss.bind({str(rows[0]): named_dim(ROWS)})
        given: dict[Node, Node] = {}
        for node in loss.inputs:
            if node.name == ALPHA and node.name not in self.subject.params:
                given[node] = Const(self.subject.alpha, node.type)
            elif node.name not in (X, Y, RNG_SEED, RNG_STEP, *self.subject.params):
                raise ExportError(f"the loss takes {node.name!r}, of which the model has no value; leave train out")
        made = rebuild_all(loss.outputs, given.get)
        names = {made[node]: name for node, name in loss.names.items() if node in made}
        inputs = tuple(node for node in loss.inputs if node not in given)
        return Program(inputs, tuple(made[node] for node in loss.outputs), names)

    @cached_property
    def target_type(self) -> ArrayType:
        """The type of `y`."""
        return self.loss.input(Y).type

    @cached_property
    def gradients(self) -> Program:
        """The loss, and its gradient with respect to each of `subject.learnt`."""
        wrt = [self.loss.input(name) for name in self.subject.learnt]
        found = backward(self.loss, wrt).gradients
        names = {
            node: f"d{symbol.name}" for symbol, node in zip(wrt, found, strict=True) if not isinstance(node, Input)
        }
        return Program(self.loss.inputs, (*self.loss.outputs, *found), {**names, **self.loss.names})

    @cached_property
    def memory(self) -> dict[str, NDArray[Any]]:
        """The initial state of the optimizer, by the names of inputs."""
        arrays = {name: self.subject.params[name] for name in self.subject.learnt}
        return {" ".join(slot): value for slot, value in first_memory(self.optimizer, arrays).items()}

    @cached_property
    def update(self) -> Update:
        """The update as a program."""
        types = {name: ArrayType(self.subject.params[name].shape, self.subject.dtype) for name in self.subject.learnt}
        arrays = {name: self.subject.params[name] for name in self.subject.learnt}
        slots = {
            slot: ArrayType(np.shape(value), DType.of(np.asarray(value).dtype))
            for slot, value in first_memory(self.optimizer, arrays).items()
        }
        return update_program(self.optimizer, types, slots)

    @cached_property
    def members(self) -> dict[str, str]:
        """The members of the structure of the state, by the names of inputs."""
        found = member_names(["seed", "step", *self.memory])
        return {name: found[name] for name in self.memory}

    @property
    def has_learning_rate(self) -> bool:
        """Whether the learning rate is a number, which is an argument of each step."""
        return self._learning_rate in hyperparameter_values(self.optimizer)

    @property
    def learning_rate(self) -> float:
        """The learning rate."""
        return hyperparameter_values(self.optimizer)[self._learning_rate]

    @property
    def _learning_rate(self) -> str:
        return f"{type(self.optimizer).__name__} learning_rate"

    @cached_property
    def counts(self) -> bool:
        """Whether an update depends on the number of earlier updates."""
        return self.draws or any(node is self._step for node in self._update_program.nodes)

    @cached_property
    def draws(self) -> bool:
        """Whether random numbers are drawn, as for dropout."""
        return any(node.name == RNG_SEED for node in self.loss.inputs)

    @property
    def _step(self) -> Input:
        return self.update.program.inputs[-1]

    @cached_property
    def _update_program(self) -> Program:
        """The update, with all hyperparameters except the learning rate as constants."""
        program = self.update.program
        values = hyperparameter_values(self.optimizer)
        given: dict[Node, Node] = {
            node: Const(values[node.name], node.type)
            for node in self.update.hyperparameters
            if node.name != self._learning_rate
        }
        names = {node: name.removeprefix(f"{type(self.optimizer).__name__} ") for node, name in program.names.items()}
        outputs = substitute(program.outputs, given)
        made = rebuild_all(program.outputs, given.get)
        kept = {made[node]: name for node, name in names.items() if node in made}
        return Program(tuple(node for node in program.inputs if node not in given), outputs, kept)

    def gradient_statements(self, unit: CUnit) -> Statements:
        """Return the body of the function that computes the loss and the gradients."""
        inputs = {name: Location(self.subject.members[name], "weights") for name in self.subject.learnt}
        inputs |= {X: Location("x", is_flat=True), Y: Location("y", is_flat=True)}
        inputs |= {RNG_SEED: Location("seed", "memory"), RNG_STEP: Location("step", "memory")}
        outputs = [Location(""), *(Location(self.subject.members[name], "grads") for name in self.subject.learnt)]
        reserved = ("weights", "memory", "grads", "work", "x", "y")
        members = ("grads", "encoded_rows", "encoded_target")
        return unit.statements(self.gradients, inputs, outputs, "work", reserved, members)

    def update_statements(self, unit: CUnit) -> Statements:
        """Return the body of the function that performs an update."""
        places = {node.name: Location(self.subject.members[node.name], "weights") for node in self.update.parameters}
        places |= {name: Location(member, "memory") for name, member in self.members.items()}
        inputs = {
            **places,
            **{
                gradient.name: Location(self.subject.members[parameter.name], "grads")
                for parameter, gradient in zip(self.update.parameters, self.update.gradients, strict=True)
            },
            self._learning_rate: Location("learning_rate"),
            self._step.name: Location("step", "memory"),
        }
        outputs = [places[node.name] for node in (*self.update.parameters, *self.update.remembered)]
        reserved = ("weights", "memory", "grads", "learning_rate", "work")
        return unit.statements(self._update_program, inputs, outputs, "", reserved)
