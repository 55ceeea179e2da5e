"""A header in C99: static sizes, no allocation, no library but the mathematical one."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.derivation import Record, is_upstream, output_name
from chainrule.emit.c_composing import Composer, written_out_in_parts
from chainrule.emit.c_file import CFile, Member, render
from chainrule.emit.c_loops import Place
from chainrule.emit.c_storage import stored_values
from chainrule.emit.errors import EmitError
from chainrule.emit.names import ascii_identifier, member_names
from chainrule.emit.passes import refuse_random
from chainrule.ir import (
    Apply,
    DType,
    Input,
    Node,
    Program,
    substitute,
    topological_order,
)

_DATA = frozenset({"x", "data", "inputs"})
"""Arguments of these names, in either case, are data although there is a gradient by them: no step changes them."""


def c_source(record: Record, name: str, sizes: Mapping[str, int], dtype: str) -> str:
    """The header; every named size has a number in `sizes`."""
    return render(_Header(record, ascii_identifier(name), sizes, DType(dtype)).file())


class _Header(Composer):
    def __init__(self, record: Record, name: str, sizes: Mapping[str, int], dtype: DType) -> None:
        self.back = record.backward
        self.name = name
        self.dtype = dtype
        self.sizes = dict(sizes)
        refuse_random(record.program.nodes, self.back.stages)
        self._check_sizes(record.program)
        outputs, gradients, names = self._composed(record)
        complete = Program(record.program.inputs, (*outputs, *gradients), names).bind({}, dtype)
        complete = written_out_in_parts(complete, self.sizes)
        self.inputs = list(complete.inputs)
        self.outputs = list(complete.outputs[: len(outputs)])
        self.gradients = dict(zip((node.name for node in self.back.wrt), complete.outputs[len(outputs) :], strict=True))
        self.is_layer = any(is_upstream(node) for node in self.inputs)
        upper = self.name.upper()
        used = {part for node in self.inputs for dim in node.type.shape for part in getattr(dim, "names", ())}
        size_names = {size: f"{upper}_{ascii_identifier(size).upper()}" for size in used}
        if len(set(size_names.values())) < len(size_names):
            size_names = {size: f"{upper}_{member}" for size, member in member_names(sorted(used)).items()}
        self.member_names = member_names([node.name for node in self.inputs])
        super().__init__(self.name, size_names)
        self.name_values(complete)

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
        """Outputs and gradients over the inputs, and names for what lies between."""
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

    def file(self) -> CFile:
        everything = [*self.outputs, *self.gradients.values()]
        applied = [node for node in dict.fromkeys(everything) if isinstance(node, Apply)]
        stored = stored_values(applied, self.reduces, self.outputs if self.is_layer else ())
        params, data, seeds = self._arguments()
        places: dict[Node, Place] = {}
        for given in params:
            places[given] = Place(f"params->{self.names[given]}", given.type)
        for given in (*data, *seeds):
            places[given] = Place(self.names[given], given.type, is_flat=given.type.ndim > 0)
        owners: dict[Node, str] = {}
        for label, node in self.gradients.items():
            owners.setdefault(node, label)
        workspace: list[Member] = []
        local_scalars: set[Node] = set()
        early = set(topological_order(self.outputs)) if self.is_layer else set(stored)
        for node in stored:
            assert isinstance(node, Apply)
            if node in owners and not (self.is_layer and node in early):
                places[node] = Place(f"grads->{self._member(owners[node])}", node.type)
            elif node.type.ndim == 0 and not self.is_layer:
                label = self.locals.local(self.label(node, "value"))
                places[node] = Place(label, node.type)
                local_scalars.add(node)
            else:
                label = self.members.local(self.label(node, "part"))
                places[node] = Place(f"work->{label}", node.type)
                workspace.append(Member(label, node.type))
        forward = [node for node in stored if node in early]
        backward = [node for node in stored if node not in early]
        nests = self.nests(places, stored)
        text = {
            "forward": self.body(nests, forward, local_scalars, {}),
            "backward": self.body(nests, backward if self.is_layer else [], local_scalars, self._copies(places)),
        }
        results = [self._result(places, node) for node in self.outputs]
        return CFile(
            self.name,
            self.dtype,
            {self.size_names[size]: number for size, number in self.sizes.items() if size in self.size_names},
            self.sizes,
            [Member(self.names[node], node.type) for node in params],
            [Member(self._member(label), node.type) for label, node in self.gradients.items()],
            workspace,
            [(self.names[node], node.type) for node in data],
            [(self.names[node], node.type) for node in seeds],
            text["forward"],
            text["backward"],
            results,
            self.is_layer,
            list(self.writer.helpers),
            self.table_rows(),
            self.size_names,
        )

    def _member(self, label: str) -> str:
        return self.member_names[label]

    def _arguments(self) -> tuple[list[Input], list[Input], list[Input]]:
        """Parameters, data, and the gradients that are given; each gets its name."""
        used = set(topological_order([*self.outputs, *self.gradients.values()]))
        params: list[Input] = []
        data: list[Input] = []
        seeds: list[Input] = []
        for word in ("params", "grads", "work", "rate"):
            self.locals.take(word)
        for node in self.inputs:
            if is_upstream(node):
                seeds.append(node)
                self.names[node] = self.locals.local(ascii_identifier(self.prefix + output_name(node)))
            elif node.name in self.gradients and not (self.is_layer and node.name.lower() in _DATA):
                params.append(node)
                self.names[node] = self.member_names[node.name]
            elif node in used:
                data.append(node)
                self.names[node] = self.locals.local(ascii_identifier(node.name))
        return params, data, seeds

    def _copies(self, places: Mapping[Node, Place]) -> dict[Node, list[Place]]:
        """Gradients that are what something else is."""
        copies: dict[Node, list[Place]] = {}
        for label, node in self.gradients.items():
            target = Place(f"grads->{self._member(label)}", node.type)
            if node not in places or places[node].text != target.text:
                copies.setdefault(node, []).append(target)
        return copies

    def _result(self, places: Mapping[Node, Place], node: Node) -> str:
        return places[node].text
