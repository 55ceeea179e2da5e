"""The passes of a derivation as functions with loops: what the files in C and JavaScript have in common.

Arguments, results and stored values are members of structures, `params`, `grads` and `work`, or arrays of the caller.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chainrule.derivation import Derivatives, Record, Recurrent, is_upstream, output_name
from chainrule.emit.composed import composed
from chainrule.emit.composing import written_out_in_parts
from chainrule.emit.errors import EmitError
from chainrule.emit.names import Names, member_names
from chainrule.emit.nests import Place
from chainrule.emit.tasks import Task, further_tasks, result_names, task_program
from chainrule.emit.unit import Location, Member, Unit
from chainrule.ir import ArrayType, DType, Input, Program, topological_order
from chainrule.primitives import broadcast_to

_DATA = frozenset({"x", "data", "inputs"})
"""Arguments of these names, in either case, are data even if differentiated: no step modifies them."""


@dataclass(frozen=True)
class PassFunction:
    """A function of the file: its parameters, what a caller passes for each in an example, and its statements."""

    title: str
    comment: str
    parameters: Sequence[tuple[str, str]]
    statements: Sequence[str]
    returns_loss: bool = False

    @property
    def call(self) -> str:
        return f"{self.title}({', '.join(argument for _, argument in self.parameters)})"


@dataclass(frozen=True)
class Structure:
    """A structure of the file."""

    label: str
    comment: str
    members: Sequence[Member]


class Further:
    """A function of a Hessian, of Jacobians or of their product with a vector, as the files have it.

    Attributes
    ----------
    title, says : str
        Its name behind that of the file, and what it computes.
    structure : str
        The structure of its results; what is between has its own, called `work`.
    program : Program
        The results, of the inputs and of the directions.
    members : list of Member
        The result of each output.
    directions : dict of Input to str
        The parameter that each direction belongs to.

    """

    def __init__(self, task: Task, derivatives: Derivatives, program: Program) -> None:
        self.title, self.says = task.name, task.says
        self.structure = "changes" if task.directions else "blocks"
        self.work = f"{self.structure}_work"
        self.program = program
        names = result_names(task, derivatives)
        labels = member_names(names)
        self.members = [Member(labels[name], node.type) for name, node in zip(names, program.outputs, strict=True)]
        inputs = {node.name: node for node in program.inputs}
        along = {symbol.name: v for symbol, v in derivatives.directions.items() if v in task.directions}
        self.directions = {inputs[v.name]: by for by, v in along.items()}


class LoopSource(ABC):
    """Writes the file; `sizes` are numbers for symbolic sizes.

    With `derivatives` it has functions of the Hessian or of the Jacobians too.
    """

    unit_type: ClassVar[type[Unit]]
    reserved: ClassVar[tuple[str, ...]] = (
        *("params", "grads", "work", "learning_rate"),
        *("blocks", "blocks_work", "directions", "changes", "changes_work"),
    )
    """Names of parameters, which no value of the user gets."""

    def __init__(
        self,
        subject: Record | Recurrent,
        name: str,
        sizes: Mapping[str, int],
        dtype: DType,
        derivatives: Derivatives | None = None,
    ) -> None:
        made = composed(subject)
        self.name, self.dtype = name, dtype
        self.sizes = dict(sizes)
        check_sizes(self.unit_type.language, made.program, self.sizes)
        self.program = written_out_in_parts(made.whole.bind({}, dtype), self.sizes, self.unit_type.language)
        self.outputs = list(self.program.outputs[: len(made.outputs)])
        self.by, self.prefix = [node.name for node in made.wrt], made.prefix
        self.assumed = ", ".join(map(str, made.program.declared))
        self.is_layer = any(is_upstream(node) for node in self.program.inputs)
        present = {
            name for node in self.program.inputs for dim in node.type.shape for name in getattr(dim, "names", ())
        }
        used = [size for size in made.program.dim_names if size in present]
        self.members = member_names([node.name for node in self.program.inputs])
        self.params: list[Member] = []
        self.data: list[tuple[str, ArrayType]] = []
        self.seeds: list[tuple[str, ArrayType]] = []
        self.size_names = self.name_sizes(used)
        self.inputs = self._locations()
        self.unit = self.unit_type(self.name, dtype, self.size_names, self.sizes)
        self.further: list[Further] = []
        if derivatives is not None:
            self.further = [self._function_of(task, derivatives) for task in further_tasks(derivatives)]

    def _function_of(self, task: Task, derivatives: Derivatives) -> Further:
        numbers = {size: k for size, k in self.sizes.items() if size not in self.size_names}
        program = task_program(task, derivatives).bind(numbers, self.dtype)
        return Further(task, derivatives, written_out_in_parts(program, self.sizes, self.unit_type.language))

    def _locations(self) -> dict[str, Location]:
        """Return the location of each input: parameters in a structure, data and upstream gradients by pointers."""
        used = set(topological_order(self.program.outputs))
        locals_ = Names((*self.reserved, *self.size_names.values()))
        found: dict[str, Location] = {}
        for node in self.program.inputs:
            if is_upstream(node):
                found[node.name] = self._given(node, self.prefix + output_name(node), locals_, self.seeds)
            elif node.name in self.by and not (self.is_layer and node.name.lower() in _DATA):
                self.params.append(Member(self.members[node.name], node.type))
                found[node.name] = self._member(self.params[-1], "params")
            elif node in used:
                found[node.name] = self._given(node, node.name, locals_, self.data)
        return found

    def _given(self, node: Input, name: str, names: Names, group: list[tuple[str, ArrayType]]) -> Location:
        label = names.local(self.unit_type.writer.identifier(name))
        group.append((label, node.type))
        return Location(label, is_flat=node.type.ndim > 0)

    def text(self) -> str:
        """Return the whole file."""
        unit = self.unit
        gradients = [self._member(Member(self.members[node.name], node.type), "grads") for node in self._by_nodes()]
        outputs = [*(Location("") for _ in self.outputs), *gradients]
        ahead = len(self.outputs) if self.is_layer else 0
        reserved = (*self.reserved, *self.size_names.values())
        found = unit.statements(self.program, self.inputs, outputs, "work", reserved, ahead=ahead, keeps_named=False)
        results = found.results[: len(self.outputs)]
        if self.is_layer:
            given = " and ".join(name for name, _ in self.seeds)
            comment = f"The gradients, given {given}; `work` as the forward pass has left it."
            functions = [
                self._pass("forward", f"The result, in {listed(results)}.", found.ahead, found.uses_ahead),
                self._pass("backward", comment, found.lines, found.uses, self.seeds),
            ]
        else:
            lines = [*found.lines, f"    return {results[0].name};"]
            comment = "The gradients of the loss, which is returned."
            functions = [self._pass("forward_backward", comment, lines, found.uses, returns_loss=True)]
        structures = [
            Structure("params", "The parameters.", self.params),
            Structure("grads", "The gradients.", [Member(self.members[n.name], n.type) for n in self._by_nodes()]),
            Structure("work", "Intermediate values; they need not be kept.", found.stored),
        ]
        for each in self.further:
            function, ahead_of_it = self._further(each)
            functions.append(function)
            structures += ahead_of_it
        if self.params:
            functions.append(self._step())
        return self.file([each for each in structures if each.members], functions, results)

    def _by_nodes(self) -> list[Input]:
        nodes = {node.name: node for node in self.program.inputs}
        return [nodes[name] for name in self.by]

    def _further(self, each: Further) -> tuple[PassFunction, list[Structure]]:
        """Return a function of a Hessian, of Jacobians or of their product, and the structures that it has."""
        along = {v: Member(self.members[name], v.type) for v, name in each.directions.items()}
        inputs = {**self.inputs, **{v.name: self._member(member, "directions") for v, member in along.items()}}
        results = [self._member(member, each.structure) for member in each.members]
        found = self.unit.statements(
            each.program,
            inputs,
            results,
            each.work,
            (*self.reserved, *self.size_names.values()),
            keeps_named=False,
        )
        structures = [
            Structure("directions", "The direction of each parameter.", list(along.values())),
            Structure(each.structure, each.says, each.members),
            Structure(each.work, f"Intermediate values of {self.name}_{each.title}.", found.stored),
        ]
        written = (each.structure, each.work)
        function = self._pass(each.title, each.says, found.lines, found.uses, read=["directions"], written=written)
        return function, structures

    def _pass(
        self,
        title: str,
        comment: str,
        statements: Sequence[str],
        uses: frozenset[str],
        seeds: Sequence[tuple[str, ArrayType]] = (),
        returns_loss: bool = False,
        read: Sequence[str] = (),
        written: Sequence[str] = ("grads", "work"),
    ) -> PassFunction:
        """Return a pass as a function, with the parameters that its statements use.

        `read` are the structures that it reads besides `params`, and `written` those to which it writes.
        """
        given = {
            "params": self.structure_parameter("params", is_read=True),
            **{name: self.array_parameter(name, type_) for name, type_ in (*self.data, *seeds)},
            **{name: self.structure_parameter(name, is_read=True) for name in read},
            **{name: self.structure_parameter(name) for name in written},
        }
        parameters = [parameter for name, parameter in given.items() if name in uses]
        return self.function(f"{self.name}_{title}", comment, parameters, statements, uses, returns_loss)

    def _step(self) -> PassFunction:
        """Return a gradient descent step, as by the optimizer SGD."""
        learning_rate = Input("learning_rate", ArrayType((), self.dtype))
        learnt = [(member, Input(member.name, member.type)) for member in self.params]
        slopes = [Input(self.prefix + member.name, member.type) for member, _ in learnt]
        following = [
            node - broadcast_to(learning_rate, node.type.shape) * slope
            for (_, node), slope in zip(learnt, slopes, strict=True)
        ]
        places = [self._member(member, "params") for member, _ in learnt]
        inputs = {
            "learning_rate": Location("learning_rate"),
            **{node.name: place for (_, node), place in zip(learnt, places, strict=True)},
            **{slope.name: self._member(member, "grads") for (member, _), slope in zip(learnt, slopes, strict=True)},
        }
        program = Program((learning_rate, *(node for _, node in learnt), *slopes), tuple(following), {})
        reserved = tuple(self.size_names.values())
        found = self.unit.statements(program, inputs, places, "", reserved, has_comments=False)
        parameters = [
            self.structure_parameter("params"),
            self.structure_parameter("grads", is_read=True),
            self.number_parameter("learning_rate", str(self.unit.number(0.1))),
        ]
        return self.function(
            f"{self.name}_sgd_step", "One step of gradient descent.", parameters, found.lines, found.uses
        )

    def _member(self, member: Member, structure: str) -> Location:
        is_flat = member.type.ndim > 0 and not self.unit_type.writer.has_nested_arrays
        return Location(member.name, structure, is_flat)

    def function(
        self,
        title: str,
        comment: str,
        parameters: Sequence[tuple[str, str]],
        statements: Sequence[str],
        uses: frozenset[str],
        returns_loss: bool = False,
    ) -> PassFunction:
        """Return a function; `uses` are the variables that its statements use."""
        return PassFunction(title, comment, parameters, statements, returns_loss)

    # What a language spells

    @abstractmethod
    def name_sizes(self, sizes: Sequence[str]) -> dict[str, str]:
        """Return the name of each symbolic size of the inputs in the file."""

    @abstractmethod
    def structure_parameter(self, name: str, is_read: bool = False) -> tuple[str, str]:
        """Return the parameter for a structure, which the function only reads or also writes, and an example of it."""

    @abstractmethod
    def array_parameter(self, name: str, type_: ArrayType) -> tuple[str, str]:
        """Return the parameter for an array that the function reads, and an example of it."""

    @abstractmethod
    def number_parameter(self, name: str, example: str) -> tuple[str, str]:
        """Return the parameter for a number, and an example of it."""

    @abstractmethod
    def file(self, structures: Sequence[Structure], functions: Sequence[PassFunction], results: Sequence[Place]) -> str:
        """Return the file; `results` are the places of the results of the forward pass."""


def listed(results: Sequence[Place]) -> str:
    """List results as members of the caller's structures."""
    return " and ".join(f"{place.within}.{place.name}" if place.within else place.name for place in results)


def check_sizes(language: str, program: Program, sizes: Mapping[str, int]) -> None:
    """Raise EmitError for a size that there is not, or that an array cannot have."""
    for size, number in sizes.items():
        if size not in program.dim_names:
            raise EmitError(f"there is no size named {size}; there are {', '.join(program.dim_names) or 'none'}")
        if number < 1:
            raise EmitError(f"the size {size} is {number}; an array in {language} has one element at least")
    empty = next((node.name for node in program.inputs if 0 in node.type.shape), None)
    if empty is not None:
        raise EmitError(f"{empty} has no elements; an array in {language} has one element at least")


def check_all_sizes(language: str, program: Program, sizes: Mapping[str, int]) -> None:
    """Raise EmitError for a symbolic size without a number."""
    missing = [size for size in program.dim_names if size not in sizes]
    if missing:
        given = ", ".join(f"{size}={k}" for size, k in zip(missing, (32, 8, 4, 2, 16, 3), strict=False))
        raise EmitError(
            f"{language} has static sizes: give {', '.join(missing)} {'a number' if len(missing) == 1 else 'numbers'}, "
            f'as in --size "{given}" or sizes={{"{missing[0]}": 32}}'
        )
