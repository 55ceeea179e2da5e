"""The update of all parameters in one step, as a Program with the gradients as inputs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.ir import Apply, ArrayType, Const, DType, Input, Node, Program, rebuild_all
from chainrule.primitives import cast, minimum, sqrt, square, sum_
from chainrule.trace import Traced, unwrap, wrap
from chainrule.training.errors import TrainingError
from chainrule.training.implicit import STEP
from chainrule.training.rule import Array, UpdateRule
from chainrule.training.schedules import numbers_of, value_at

Slot: TypeAlias = tuple[str, str]
"""An entry of the state: its owner (a parameter or the optimizer) and its name, which together name the input."""

_SCALAR = ArrayType(())
_NORM_EPS = 1e-6
"""Added to a norm before dividing by it, as in `torch.nn.utils.clip_grad_norm_`."""


@dataclass(frozen=True, eq=False)
class Update:
    """The update of all parameters in one step.

    The inputs of `program` are `parameters`, `gradients`, the state (`remembered`), `hyperparameters` and the step. Its
    outputs are the next values of `parameters`, then of the state.
    """

    program: Program
    parameters: tuple[Input, ...]
    gradients: tuple[Input, ...]
    remembered: tuple[Input, ...]
    hyperparameters: tuple[Input, ...]


def hyperparameter_values(optimizer: UpdateRule) -> dict[str, float]:
    """Return the value of each input in `Update.hyperparameters`, by name."""
    return {
        key: number
        for name, value in _settings(optimizer).items()
        for key, number in numbers_of(f"{type(optimizer).__name__} {name}", value).items()
    }


def first_memory(optimizer: UpdateRule, parameters: Mapping[str, Array]) -> dict[Slot, Array]:
    """Return the initial state of an optimizer, except for the step.

    The state of a parameter has that parameter's dtype; that of the run is float64.
    """
    memory = {
        (name, key): np.asarray(value, parameter.dtype)
        for name, parameter in parameters.items()
        for key, value in optimizer.state(parameter).items()
    }
    running = {(type(optimizer).__name__, key): np.asarray(value, float) for key, value in optimizer.running.items()}
    return {**memory, **running}


def starting_memory(
    optimizer: UpdateRule, parameters: Mapping[str, Array], counts: bool, given: Mapping[str, Any] | None
) -> dict[str, Array]:
    """Return the initial state of a run: `first_memory`, or `given`, the final state of an earlier run.

    `counts` tells whether the step count is part of it. Raises TrainingError for a `given` state of another optimizer
    or of other parameters.
    """
    memory = {" ".join(slot): array for slot, array in first_memory(optimizer, parameters).items()}
    if counts:
        memory[STEP.name] = np.asarray(0)
    if given is None:
        return memory
    if not isinstance(given, Mapping) or set(given) != set(memory):
        named = sorted(map(str, given)) if isinstance(given, Mapping) else type(given).__name__
        raise TrainingError(
            f"optimizer_state has {named}; this run remembers {sorted(memory)}, as its result will have"
        )
    for name, array in memory.items():
        kept = np.asarray(given[name])
        if kept.shape != array.shape or kept.dtype.kind != array.dtype.kind or not np.isfinite(kept).all():
            raise TrainingError(
                f"{name!r} in optimizer_state has the shape {kept.shape} and holds {kept.dtype}; it should be finite, "
                f"{array.dtype} and of shape {array.shape}"
            )
        memory[name] = kept.astype(array.dtype)
    return memory


def update_program(
    optimizer: UpdateRule, parameters: Mapping[str, ArrayType], memory: Mapping[Slot, ArrayType]
) -> Update:
    """Build the update of `parameters`, given the types of the state.

    Raises TrainingError if the optimizer's array code returns another shape or dtype.
    """
    if _is_plain(optimizer):
        return _plain_update(optimizer, tuple(parameters.items()), tuple(memory.items()))
    return _Builder(optimizer, parameters, memory).update()


def _is_plain(optimizer: UpdateRule) -> bool:
    """Whether its array code depends only on its settings: an optimizer of this package, with numbers only."""
    fields = getattr(type(optimizer), "__dataclass_fields__", {})
    values = [getattr(optimizer, name) for name in fields]
    numbers = [each for value in values for each in (value if isinstance(value, tuple) else [value])]
    return type(optimizer).__module__.startswith(f"{__package__}.") and all(
        number is None or isinstance(number, float | int) for number in numbers
    )


@functools.lru_cache(maxsize=64)
def _plain_update(
    optimizer: UpdateRule,
    parameters: tuple[tuple[str, ArrayType], ...],
    memory: tuple[tuple[Slot, ArrayType], ...],
) -> Update:
    return _Builder(optimizer, dict(parameters), dict(memory)).update()


def shown_program(optimizer: UpdateRule, parameter: Array) -> Program:
    """Build the update of one parameter W, with readable names for its inputs."""
    memory = {slot: ArrayType(array.shape) for slot, array in first_memory(optimizer, {"W": parameter}).items()}
    update = update_program(optimizer, {"W": ArrayType(parameter.shape)}, memory)
    own = f"{type(optimizer).__name__} "
    plain: dict[Node, Input] = {
        node: Input("step" if node is STEP else node.name.removeprefix(own), node.type)
        for node in update.program.inputs
    }
    made = rebuild_all(update.program.outputs, plain.get)
    names = {made[node]: name.replace(own, "") for node, name in update.program.names.items() if node in made}
    return Program(tuple(plain.values()), tuple(made[node] for node in update.program.outputs), names)


def _settings(optimizer: UpdateRule) -> dict[str, Any]:
    clipping = {} if optimizer.clip_norm is None else {"clip_norm": optimizer.clip_norm}
    return {**optimizer.hyperparameters, **clipping}


class _Scalars(dict[str, Any]):
    """The scalars passed to `update`; an unknown name raises an error that lists the known ones."""

    def __init__(self, title: str, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        self.title = title

    def __missing__(self, name: str) -> Any:
        raise TrainingError(
            f"{self.title}.update asks for scalars[{name!r}]; it is given {', '.join(sorted(self)) or 'none'} (what "
            "follows from the step is computed in `scalars`)"
        )


class _Builder:
    """Calls an optimizer's array code on traced values, and checks the results."""

    def __init__(
        self, optimizer: UpdateRule, parameters: Mapping[str, ArrayType], memory: Mapping[Slot, ArrayType]
    ) -> None:
        self.optimizer = optimizer
        self.title = type(optimizer).__name__
        self.parameters = tuple(Input(name, type_) for name, type_ in parameters.items())
        self.gradients = tuple(Input(f"∂L/∂{name}", type_) for name, type_ in parameters.items())
        self.memory = {slot: Input(" ".join(slot), type_) for slot, type_ in memory.items()}
        self.numbers = {name: Input(name, _SCALAR) for name in hyperparameter_values(optimizer)}
        self.names: dict[Node, str] = {}

    def update(self) -> Update:
        """Build the whole update."""
        scalars, memory_after = self._scalars()
        clip_norm = scalars.pop("clip_norm", None)
        gradients: tuple[Node, ...] = self.gradients
        if clip_norm is not None:
            factor = self._clip_factor(clip_norm)
            gradients = tuple(gradient * cast(factor, gradient.type.dtype) for gradient in gradients)
        following = []
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            after, kept = self._updated(parameter, gradient, scalars)
            following.append(after)
            memory_after.update(kept)
        for before, node in [*zip(self.parameters, following, strict=True), *memory_after.items()]:
            if isinstance(node, Apply):
                self.names[node] = f"next {before.name}"
        outputs = (*following, *(memory_after[node] for node in self.memory.values()))
        inputs = (*self.parameters, *self.gradients, *self.memory.values(), *self.numbers.values())
        remembered = tuple(self.memory.values())
        return Update(
            Program((*inputs, STEP), outputs, self.names),
            self.parameters,
            self.gradients,
            remembered,
            tuple(self.numbers.values()),
        )

    def _scalars(self) -> tuple[dict[str, Node], dict[Input, Node]]:
        """Return the numbers shared by all parameters, in float64, and the next values of the running ones."""
        step = wrap(cast(STEP, DType.FLOAT64))
        numbers = {name: wrap(node) for name, node in self.numbers.items()}
        running = {name: self.memory[self.title, name] for name in self.optimizer.running}
        at_step = {
            name: self._number(name, value_at(f"{self.title} {name}", value, step, numbers))
            for name, value in _settings(self.optimizer).items()
        }
        given = {**at_step, **running}
        shown = {name: wrap(node) for name, node in given.items() if name != "clip_norm"}
        further = {name: self._number(name, value) for name, value in self.optimizer.scalars(step, shown).items()}
        for name in running:
            if name not in further:
                raise TrainingError(f"{self.title}.scalars gives no {name!r}, which is in running; give its next value")
        return {**given, **further}, {node: further[name] for name, node in running.items()}

    def _number(self, name: str, value: Any) -> Node:
        node = unwrap(value)
        if not isinstance(node, Node):
            node = Const(float(node), _SCALAR)
        if node.type.shape != ():
            raise TrainingError(f"{name} of {self.title} has the shape {node.type.shape}; it should be one number")
        node = cast(node, DType.FLOAT64)
        if isinstance(node, Apply):
            self.names.setdefault(node, name)
        return node

    def _clip_factor(self, clip_norm: Node) -> Node:
        total: Node | None = None
        for gradient in self.gradients:
            squares = sum_(square(cast(gradient, DType.FLOAT64)))  # the square of a large float32 would overflow
            total = squares if total is None else total + squares
        assert total is not None
        norm = sqrt(total)
        factor = minimum(clip_norm / (norm + _NORM_EPS), 1.0)
        self.names.update({norm: "gradient norm", factor: "clip factor"})
        return factor

    def _updated(self, parameter: Input, gradient: Node, scalars: Mapping[str, Node]) -> tuple[Node, dict[Input, Node]]:
        dtype = parameter.type.dtype
        slots = {key: node for (owner, key), node in self.memory.items() if owner == parameter.name}
        given = self.optimizer.update(
            wrap(parameter),
            wrap(gradient),
            {name: wrap(node) for name, node in slots.items()},
            _Scalars(self.title, {name: wrap(cast(node, dtype)) for name, node in scalars.items()}),
        )
        if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[1], Mapping):
            raise TrainingError(
                f"{self.title}.update gives a {'single array' if isinstance(given, Traced) else type(given).__name__}; "
                "it should return two things, the next parameter "
                "and a dict with its next state, which is {} where nothing is remembered"
            )
        after, kept = given
        if set(kept) != set(slots):
            raise TrainingError(
                f"{self.title}.update gives the state {sorted(kept)} of {parameter.name}; it began as {sorted(slots)}"
            )
        state = {slots[name]: self._like(slots[name], value) for name, value in kept.items()}
        return self._like(parameter, after), state

    def _literal(self, type_: ArrayType, value: Any) -> Node:
        array = np.asarray(value, type_.dtype.numpy)
        return Const(np.broadcast_to(array, type_.concrete_shape).copy(), type_)

    def _like(self, before: Input, value: Any) -> Node:
        given = unwrap(value)
        node: Node = given if isinstance(given, Node) else self._literal(before.type, given)
        if node.type != before.type:
            raise TrainingError(
                f"{self.title}.update gives {before.name} as {node.type}; its next value should be {before.type}"
            )
        return node
