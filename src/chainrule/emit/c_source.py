"""A header in C99: static sizes, no allocation, no library but the mathematical one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from chainrule.derivation import Derivation, is_upstream, output_name
from chainrule.emit.c_file import CFile, Member, render
from chainrule.emit.c_loops import Nests, Place
from chainrule.emit.c_storage import stored_values
from chainrule.emit.c_values import C_TYPES, CWriter, Index, Value
from chainrule.emit.code import atom
from chainrule.emit.errors import EmitError
from chainrule.emit.names import Names, ascii_identifier
from chainrule.emit.passes import refuse_random
from chainrule.ir import (
    Apply,
    Const,
    DType,
    Input,
    Node,
    Program,
    ShapeError,
    dim_product,
    rebuild_all,
    substitute,
    topological_order,
)
from chainrule.primitives import (
    Broadcast,
    Composite,
    Contract,
    Divide,
    Elementwise,
    Exp,
    Linear,
    Max,
    Mean,
    NotExpandableError,
    Reshape,
    Sum,
)

_DATA = frozenset({"x", "data", "inputs"})
"""Arguments of these names, in either case, are data although there is a gradient by them: no step changes them."""

_STEMS: dict[type, str] = {Max: "largest", Sum: "sums", Contract: "products", Exp: "powers"}
"""What a value without a name is called, by what it is."""


def c_source(derivation: Derivation, name: str, sizes: Mapping[str, int], dtype: str) -> str:
    """The header; every named size has a number in `sizes`."""
    return render(_Header(derivation, ascii_identifier(name), sizes, DType(dtype)).file())


class _Header:
    def __init__(self, derivation: Derivation, name: str, sizes: Mapping[str, int], dtype: DType) -> None:
        self.back = derivation.record.backward
        self.name = name
        self.dtype = dtype
        self.sizes = dict(sizes)
        refuse_random(derivation.program.nodes, self.back.stages)
        self._check_sizes(derivation.program)
        outputs, gradients, names = self._composed(derivation)
        complete = Program(derivation.program.inputs, (*outputs, *gradients), names).bind({}, dtype)
        complete = _expanded(complete, self.sizes)
        self.inputs = list(complete.inputs)
        self.outputs = list(complete.outputs[: len(outputs)])
        self.gradients = dict(zip((node.name for node in self.back.wrt), complete.outputs[len(outputs) :], strict=True))
        self.is_layer = any(is_upstream(node) for node in self.inputs)
        self.locals = Names()
        self.members = Names()
        upper = name.upper()
        used = {part for node in self.inputs for dim in node.type.shape for part in getattr(dim, "names", ())}
        self.size_names = {size: f"{upper}_{ascii_identifier(size).upper()}" for size in used}
        if len(set(self.size_names.values())) < len(self.size_names):
            self.size_names = {size: f"{upper}_{ascii_identifier(size)}" for size in used}
        self.inner: list[str] = []
        self.writer = CWriter(name, self.size_names, self._fresh, self.locals)
        self.tables: dict[str, Const] = {}
        self.names = {node: ascii_identifier(label) for node, label in complete.names.items()}
        for node, label in list(self.names.items()):
            # What is kept is the mean, not the mean with an axis put back; it has the name all the same.
            size = node.type.size
            while isinstance(node, Apply) and isinstance(node.primitive, Broadcast | Reshape):
                (node,) = node.operands
                if node.type.size != size:
                    break
                self.names.setdefault(node, label)

    def _fresh(self, stem: str) -> str:
        """A name for a local variable; of one within a loop only until the nest ends."""
        name = self.locals.local(stem)
        if self.writer.block.depth > 1:
            self.inner.append(name)
        return name

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

    def _composed(self, derivation: Derivation) -> tuple[list[Node], list[Node], dict[Node, str]]:
        """Outputs and gradients over the inputs, and names for what lies between."""
        names: dict[Node, str] = {}
        known: dict[Node, Node] = {}
        for stage in self.back.stages:
            names[stage.node] = stage.name
            known[stage.symbol] = stage.node
        taken = {node.name for node in derivation.program.inputs} | set(names.values())
        prefix = next(p for p in ("d", "d_", "grad_", "grad__") if not any(p + name in taken for name in taken))
        for entry in self.back.accumulations:
            (known[entry.cotangent],) = substitute([entry.result], known)
            names.setdefault(known[entry.cotangent], prefix + entry.symbol.name)
        self.prefix = prefix
        upstream = [node for node in derivation.program.inputs if is_upstream(node)]
        by_name = {stage.name: stage.node for stage in self.back.stages}
        outputs = [by_name[output_name(node)] for node in upstream] or list(derivation.program.outputs)
        names = {node: label for node, label in names.items() if isinstance(node, Apply)}
        alive = set(topological_order([*outputs, *self.back.gradients]))
        return outputs, list(self.back.gradients), {node: label for node, label in names.items() if node in alive}

    def file(self) -> CFile:
        everything = [*self.outputs, *self.gradients.values()]
        applied = [node for node in dict.fromkeys(everything) if isinstance(node, Apply)]
        stored = stored_values(applied, self._reduces, self.outputs if self.is_layer else ())
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
                label = self.locals.local(self.names.get(node, _STEMS.get(type(node.primitive), "value")))
                places[node] = Place(label, node.type)
                local_scalars.add(node)
            else:
                label = self.members.local(self.names.get(node, _STEMS.get(type(node.primitive), "part")))
                places[node] = Place(f"work->{label}", node.type)
                workspace.append(Member(label, node.type))
        forward = [node for node in stored if node in early]
        backward = [node for node in stored if node not in early]
        nests = self._nests(places, stored)
        text = {
            "forward": self._body(nests, forward, local_scalars, {}),
            "backward": self._body(nests, backward if self.is_layer else [], local_scalars, self._copies(places)),
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
            {label: _literal_rows(node, self.writer) for label, node in self.tables.items()},
            self.size_names,
        )

    def _member(self, label: str) -> str:
        return next(ascii_identifier(label, is_member=True) for node in self.inputs if node.name == label)

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
                self.names[node] = ascii_identifier(node.name, is_member=True)
            elif node in used:
                data.append(node)
                self.names[node] = self.locals.local(ascii_identifier(node.name))
        return params, data, seeds

    def _reduces(self, node: Apply) -> bool:
        """Whether one element takes a loop: found by writing one."""
        if isinstance(node.primitive, Elementwise):
            return False
        probe = CWriter("", self.size_names, Names().local, ())
        index = [Index() for _ in node.type.shape]

        def accessor(operand: Node) -> Callable[[Sequence[Index]], Value]:
            return lambda place: Value(atom("x"), operand.type.dtype)

        types = [operand.type for operand in node.operands]
        node.primitive.lower(probe, [accessor(o) for o in node.operands], types, index)
        return probe.reductions > 0

    def _nests(self, places: Mapping[Node, Place], stored: Mapping[Node, None]) -> Nests:
        uses: dict[Node, int] = {}
        for node in topological_order([*stored]):
            if isinstance(node, Apply):
                for operand in node.operands:
                    uses[operand] = uses.get(operand, 0) + 1

        def table(node: Const) -> str:
            found = next((label for label, other in self.tables.items() if other is node), None)
            if found is None:
                found = f"{self.name}_table{len(self.tables) + 1}"
                self.tables[found] = node
            return found

        return Nests(self.writer, places, self.names, uses, table)

    def _body(
        self, nests: Nests, nodes: Sequence[Node], local: set[Node], copies: Mapping[Node, list[Place]]
    ) -> list[str]:
        lines: list[str] = []
        for node in nodes:
            assert isinstance(node, Apply)
            place = nests.places[node]
            self.writer.block.lines = []
            self.writer.block.known = {}
            nests.write(node, place)
            written = self.writer.block.lines
            while self.inner:
                self.locals.release(self.inner.pop())
            if node in local:
                last = written[-1].strip()
                head = f"{place.text} = "
                assert last.startswith(head)
                written[-1] = f"    const {C_TYPES[node.type.dtype]} {last}"
            lines += [self._comment(node), *written]
        for node, targets in copies.items():
            for place in targets:
                self.writer.block.lines = []
                nests.copy(node, place)
                lines += [f"    /* {place.text.partition('->')[2]} */", *self.writer.block.lines]
        self.writer.block.lines = []
        return lines

    def _comment(self, node: Node) -> str:
        shape = " x ".join(map(str, node.type.shape)).replace("·", "*") or "scalar"
        label = self.names.get(node)
        return f"    /* {label}: {shape} */" if label else f"    /* {shape} */"

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


def _expanded(program: Program, sizes: Mapping[str, int]) -> Program:
    """`program` with composite primitives written out, and means as sums."""

    def expansion(node: Node) -> Node | None:
        if not isinstance(node, Apply):
            return None
        if isinstance(node.primitive, Mean):
            (x,) = node.operands
            count = dim_product(x.type.shape[axis] for axis in node.primitive.axes)
            return Divide()(Sum(node.primitive.axes)(x), Const(count, node.type))
        if isinstance(node.primitive, Composite | Linear):
            try:
                return node.primitive.expand(*node.operands)
            except NotExpandableError as error:
                raise EmitError(f"{error}; for C, write it in other terms, or give a smaller matrix") from None
        return None

    try:
        return _rebuilt(program, expansion)
    except ShapeError:
        return _rebuilt(program.bind(dict(sizes)), expansion)


def _rebuilt(program: Program, expansion: Callable[[Node], Node | None]) -> Program:
    while True:
        made = rebuild_all(program.outputs, expansion)
        outputs = tuple(made[node] for node in program.outputs)
        if outputs == program.outputs:
            return program
        names = {made[node]: label for node, label in program.names.items() if node in made}
        program = Program(program.inputs, outputs, names)


def _literal_rows(node: Const, writer: CWriter) -> tuple[str, DType, int]:
    values = np.asarray(node.value).ravel()
    return ", ".join(str(writer.constant(v, node.type.dtype).code) for v in values), node.type.dtype, values.size
