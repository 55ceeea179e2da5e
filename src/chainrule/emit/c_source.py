"""Export as a C99 header: static sizes, no allocation, no library except libm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.derivation import Record, is_upstream, output_name
from chainrule.emit.c_composing import written_out_in_parts
from chainrule.emit.c_file import Member, function, header_text, structure
from chainrule.emit.c_loops import Place
from chainrule.emit.c_unit import CUnit, Location, declarations
from chainrule.emit.c_values import C_TYPES
from chainrule.emit.errors import EmitError
from chainrule.emit.names import Names, ascii_identifier, member_names
from chainrule.emit.passes import refuse_random
from chainrule.ir import (
    Apply,
    ArrayType,
    DType,
    Input,
    Node,
    Program,
    bind_dim,
    concrete,
    substitute,
    topological_order,
)
from chainrule.primitives import broadcast_to

_DATA = frozenset({"x", "data", "inputs"})
"""Arguments of these names, in either case, are data even if differentiated: no step modifies them."""

_RESTRICT = "CHAINRULE_RESTRICT"
_BYTES = {DType.FLOAT32: 4, DType.FLOAT64: 8, DType.INT64: 4, DType.BOOL: 1}


def c_source(record: Record, name: str, sizes: Mapping[str, int], dtype: str) -> str:
    """Return the header; `sizes` has a number for each symbolic size."""
    return _Source(record, ascii_identifier(name), sizes, DType(dtype)).text()


@dataclass(frozen=True)
class _Function:
    """A function of the header: its parameters and arguments, and its statements."""

    title: str
    comment: str
    result: str
    parameters: Sequence[tuple[str, str]]
    statements: Sequence[str]

    @property
    def call(self) -> str:
        return f"{self.title}({', '.join(argument for _, argument in self.parameters)})"

    @property
    def lines(self) -> list[str]:
        parameters = [parameter for parameter, _ in self.parameters]
        return function(self.comment, f"{self.result} {self.title}", parameters, self.statements)


class _Source:
    def __init__(self, record: Record, name: str, sizes: Mapping[str, int], dtype: DType) -> None:
        self.back = record.backward
        self.name, self.dtype, self.real = name, dtype, C_TYPES[dtype]
        self.sizes = dict(sizes)
        refuse_random(record.program.nodes, self.back.stages)
        self._check_sizes(record.program)
        outputs, gradients, names = self._composed(record)
        complete = Program(record.program.inputs, (*outputs, *gradients), names).bind({}, dtype)
        self.program = written_out_in_parts(complete, self.sizes)
        self.outputs = list(self.program.outputs[: len(outputs)])
        self.by = [node.name for node in self.back.wrt]
        self.assumed = ", ".join(map(str, record.program.declared))
        self.is_layer = any(is_upstream(node) for node in self.program.inputs)
        upper = self.name.upper()
        used = {part for node in self.program.inputs for dim in node.type.shape for part in getattr(dim, "names", ())}
        size_names = {size: f"{upper}_{ascii_identifier(size).upper()}" for size in used}
        if len(set(size_names.values())) < len(size_names):
            size_names = {size: f"{upper}_{member}" for size, member in member_names(sorted(used)).items()}
        self.size_names = size_names
        self.members = member_names([node.name for node in self.program.inputs])
        self.unit = CUnit(self.name, dtype, size_names)
        self.params: list[Member] = []
        self.data: list[tuple[str, ArrayType]] = []
        self.seeds: list[tuple[str, ArrayType]] = []

    def _check_sizes(self, program: Program) -> None:
        missing = [size for size in program.dim_names if size not in self.sizes]
        if missing:
            given = ", ".join(f"{size}={k}" for size, k in zip(missing, (32, 8, 4, 2, 16, 3), strict=False))
            raise EmitError(
                f"C has static sizes: give {', '.join(missing)} {'a number' if len(missing) == 1 else 'numbers'}, "
                f'as in --size "{given}" or sizes={{"{missing[0]}": 32}}'
            )
        for size, number in self.sizes.items():
            if size not in program.dim_names:
                raise EmitError(f"there is no size named {size}; there are {', '.join(program.dim_names) or 'none'}")
            if number < 1:
                raise EmitError(f"the size {size} is {number}; an array in C has one element at least")

        empty = next((node.name for node in program.inputs if 0 in node.type.shape), None)
        if empty is not None:
            raise EmitError(f"{empty} has no elements; an array in C has one element at least")

    def _composed(self, record: Record) -> tuple[list[Node], list[Node], dict[Node, str]]:
        """Return outputs and gradients as functions of the inputs, and names for intermediates."""
        names: dict[Node, str] = {}
        known: dict[Node, Node] = {}
        for stage in self.back.stages:
            names[stage.node] = stage.name
            known[stage.symbol] = stage.node
        taken = {node.name for node in record.program.inputs} | set(names.values())
        prefix = next(p for p in ("d", "d_", "grad_", "grad__") if not any(p + name in taken for name in taken))
        for entry in self.back.accumulations:
            (known[entry.cotangent],) = substitute([entry.result], known)
            names.setdefault(known[entry.cotangent], prefix + entry.symbol.name)
        self.prefix = prefix
        upstream = [node for node in record.program.inputs if is_upstream(node)]
        by_name = {stage.name: stage.node for stage in self.back.stages}
        outputs = [by_name[output_name(node)] for node in upstream] or list(record.program.outputs)
        names = {node: label for node, label in names.items() if isinstance(node, Apply)}
        alive = set(topological_order([*outputs, *self.back.gradients]))
        return outputs, list(self.back.gradients), {node: label for node, label in names.items() if node in alive}

    def _locations(self) -> dict[str, Location]:
        """Return the location of each input: parameters in a structure, data and upstream gradients by pointers."""
        used = set(topological_order(self.program.outputs))
        locals_ = Names(("params", "grads", "work", "learning_rate"))
        found: dict[str, Location] = {}
        for node in self.program.inputs:
            if is_upstream(node):
                found[node.name] = self._given(node, self.prefix + output_name(node), locals_, self.seeds)
            elif node.name in self.by and not (self.is_layer and node.name.lower() in _DATA):
                self.params.append(Member(self.members[node.name], node.type))
                found[node.name] = Location(self.members[node.name], "params")
            elif node in used:
                found[node.name] = self._given(node, node.name, locals_, self.data)
        return found

    def _given(self, node: Input, name: str, names: Names, group: list[tuple[str, ArrayType]]) -> Location:
        label = names.local(ascii_identifier(name))
        group.append((label, node.type))
        return Location(label, is_flat=node.type.ndim > 0)

    def text(self) -> str:
        """Return the whole file."""
        inputs = self._locations()
        gradients = [Location(self.members[name], "grads") for name in self.by]
        outputs = [*(Location("") for _ in self.outputs), *gradients]
        ahead = len(self.outputs) if self.is_layer else 0
        found = self.unit.statements(
            self.program, inputs, outputs, "work", ("grads", "work", "learning_rate"), ahead=ahead, keeps_named=False
        )
        results = found.results[: len(self.outputs)]
        if self.is_layer:
            given = " and ".join(name for name, _ in self.seeds)
            passes = [
                self._pass(
                    "forward", f"The result, in {_listed(results)}.", found.ahead, found.uses_ahead, found.stored
                ),
                self._pass(
                    "backward",
                    f"The gradients, given {given}; `work` as the forward pass has left it.",
                    found.lines,
                    found.uses,
                    found.stored,
                ),
            ]
        else:
            lines = [*found.lines, f"    return {results[0].text};"]
            comment = "The gradients of the loss, which is returned."
            passes = [self._pass("forward_backward", comment, lines, found.uses, found.stored, self.real)]
        steps = [self._step()] if self.params else []
        typed = {node.name: node.type for node in self.program.inputs}
        groups = [
            ("params", "The parameters.", self.params),
            ("grads", "The gradients.", [Member(self.members[name], typed[name]) for name in self.by]),
            ("work", "Intermediate values; they need not be kept.", found.stored),
        ]
        lines = [
            *self._enumeration(),
            *(line for label, comment, group in groups if group for line in self._structure(label, comment, group)),
            *self.unit.preamble,
            *(line for each in (*passes, *steps) for line in each.lines),
        ]
        present = [(label, group) for label, _, group in groups if group]
        heading = self._heading(present, [*passes, *steps], results)
        return header_text(self.name, heading, ["math"], lines, _RESTRICT)

    def _enumeration(self) -> list[str]:
        """Return the symbolic sizes as constants."""
        entries = [f"    {self.size_names[size]} = {k}" for size, k in self.sizes.items() if size in self.size_names]
        return ["enum {", *(f"{each}," for each in entries[:-1]), entries[-1], "};", ""] if entries else []

    def _structure(self, label: str, comment: str, members: Sequence[Member]) -> list[str]:
        return structure(f"{self.name}_{label}", comment, declarations(members, self.size_names))

    def _heading(
        self, groups: Sequence[tuple[str, Sequence[Member]]], functions: Sequence[_Function], results: Sequence[Place]
    ) -> list[str]:
        sizes = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        memory = ", ".join(f"{label} {sum(map(self._bytes, members)):,}" for label, members in groups)
        calls = [f"{each.result} loss = {each.call}" if each.result != "void" else each.call for each in functions]
        return [
            f"{self.name}: forward and backward pass in C99, derived by chainrule.",
            "",
            f"Sizes: {sizes or 'none are named'}. Memory in bytes, all of it the caller's: {memory}.",
            "Arrays are given in row-major order. Nothing is allocated; link with -lm.",
            *([f"The gradients assume {self.assumed}."] if self.assumed else []),
            *([f"The forward pass leaves {_listed(results)}."] if self.is_layer else []),
            "",
            *(f"    static {self.name}_{label} {label};" for label, _ in groups),
            *(f"    {call};" for call in calls),
        ]

    def _bytes(self, member: Member) -> int:
        return math.prod(concrete(bind_dim(dim, self.sizes)) for dim in member.type.shape) * _BYTES[member.type.dtype]

    def _pass(
        self,
        title: str,
        comment: str,
        statements: Sequence[str],
        uses: frozenset[str],
        stored: Sequence[Member],
        result: str = "void",
    ) -> _Function:
        """Return a pass as a function, with the parameters that its statements use."""
        seeds = self.seeds if title == "backward" else []
        given = [
            ("params", self._pointer("params", "const ")),
            *((name, self._parameter(name, type_)) for name, type_ in (*self.data, *seeds)),
            ("grads", self._pointer("grads")),
            ("work", self._pointer("work")),
        ]
        parameters = [
            (text, f"&{name}" if name in ("params", "grads", "work") else name) for name, text in given if name in uses
        ]
        return _Function(f"{self.name}_{title}", comment, result, parameters, statements)

    def _step(self) -> _Function:
        """Return a gradient descent step, as by the optimizer SGD."""
        learning_rate = Input("learning_rate", ArrayType((), self.dtype))
        learnt = [(member, Input(member.name, member.type)) for member in self.params]
        slopes = [Input(f"d {member.name}", member.type) for member, _ in learnt]
        following = [
            node - broadcast_to(learning_rate, node.type.shape) * slope
            for (_, node), slope in zip(learnt, slopes, strict=True)
        ]
        places = [Location(member.name, "params") for member, _ in learnt]
        inputs = {
            "learning_rate": Location("learning_rate"),
            **{node.name: place for (_, node), place in zip(learnt, places, strict=True)},
            **{slope.name: Location(member.name, "grads") for (member, _), slope in zip(learnt, slopes, strict=True)},
        }
        program = Program((learning_rate, *(node for _, node in learnt), *slopes), tuple(following), {})
        found = self.unit.statements(program, inputs, places, has_comments=False)
        parameters = [
            (self._pointer("params"), "&params"),
            (self._pointer("grads", "const "), "&grads"),
            (f"{self.real} learning_rate", str(self.unit.number(0.1))),
        ]
        return _Function(f"{self.name}_sgd_step", "One step of gradient descent.", "void", parameters, found.lines)

    def _pointer(self, label: str, const: str = "") -> str:
        return f"{const}{self.name}_{label} *{_RESTRICT} {label}"

    def _parameter(self, name: str, type_: ArrayType) -> str:
        if type_.ndim == 0:
            return f"{C_TYPES[type_.dtype]} {name}"
        return f"const {C_TYPES[type_.dtype]} *{_RESTRICT} {name}"


def _listed(results: Sequence[Place]) -> str:
    """List results as members of the caller's structures."""
    return " and ".join(f"{place.within}.{place.name}" if place.within else place.name for place in results)
