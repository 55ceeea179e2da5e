"""The statements for values in order, their names, and programs prepared for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from chainrule.calculus import Scan, written_nodes
from chainrule.emit.code import atom
from chainrule.emit.errors import EmitError
from chainrule.emit.names import Names
from chainrule.emit.nests import Nests, Place
from chainrule.emit.neutral import without_neutral
from chainrule.emit.scalars import Index, ScalarWriter, Value
from chainrule.ir import (
    Apply,
    Const,
    DType,
    Node,
    Program,
    ShapeError,
    applies,
    dim_product,
    rebuild_all,
    topological_order,
)
from chainrule.primitives import (
    Broadcast,
    Composite,
    Contract,
    Elementwise,
    Exp,
    Linear,
    Max,
    Mean,
    NeverExpandableError,
    Norm,
    NotExpandableError,
    Reshape,
    Square,
    Sum,
)

_STEMS: dict[type, str] = {Max: "largest", Sum: "sums", Contract: "products", Exp: "powers"}
"""Stems of names for unnamed values, by kind."""


class Composer:
    """Writes values as statements with a `writer`; `size_names` are what stands for symbolic sizes in its language."""

    def __init__(self, name: str, size_names: Mapping[str, str], writer: type[ScalarWriter]) -> None:
        self.name = name
        self.locals = Names()
        self.members = Names()
        self.size_names = dict(size_names)
        self.inner: list[tuple[int, str]] = []
        """The names of nests, with the depths at which they are declared."""
        self.writer = writer(name, self.size_names, self._fresh, self.locals)
        self.tables: dict[str, Const] = {}
        self.names: dict[Node, str] = {}

    def name_values(self, program: Program) -> None:
        """Use the names of `program` for values."""
        self.names = {node: self.writer.identifier(label) for node, label in _names(program).items()}
        for node, label in list(self.names.items()):
            # The mean is stored without the kept axis; it has the same name.
            size = node.type.size
            while applies(node, Broadcast, Reshape):
                (node,) = node.operands
                if node.type.size != size:
                    break
                self.names.setdefault(node, label)

    def label(self, node: Apply, otherwise: str) -> str:
        """Return a name for a value, as close to its own as is free."""
        return self.names.get(node, _STEMS.get(type(node.primitive), otherwise))

    def _fresh(self, stem: str) -> str:
        """Return a new local name; within a loop it is released when the nest ends."""
        name = self.locals.local(stem)
        if self.writer.block.depth > 1:
            self.inner.append((self.writer.block.depth, name))
        return name

    def release(self) -> None:
        """Release the names of nests that have ended, which are those of depths beyond the current one."""
        for depth, name in self.inner:
            if depth > self.writer.block.depth:
                self.locals.release(name)
        self.inner = [(depth, name) for depth, name in self.inner if depth <= self.writer.block.depth]

    def reduces(self, node: Apply) -> bool:
        """Whether one element requires a loop, determined by writing one."""
        if isinstance(node.primitive, Elementwise):
            return False
        if isinstance(node.primitive, Scan):
            return True
        probe = type(self.writer)("", self.size_names, Names().local, ())
        index = [Index() for _ in node.type.shape]

        def accessor(operand: Node) -> Callable[[Sequence[Index]], Value]:
            return lambda place: Value(atom("x"), operand.type.dtype)

        types = [operand.type for operand in node.operands]
        node.primitive.lower(probe, [accessor(o) for o in node.operands], types, index)
        return probe.reductions > 0

    def nests(self, places: dict[Node, Place], stored: Mapping[Node, None], kind: type[Nests] = Nests) -> Nests:
        uses: dict[Node, int] = {}
        for node in written_nodes([*stored]):
            if isinstance(node, Apply):
                for operand in node.operands:
                    uses[operand] = uses.get(operand, 0) + 1

        def table(node: Const) -> str:
            found = next((label for label, other in self.tables.items() if other is node), None)
            if found is None:
                found = f"{self.name}_table{len(self.tables) + 1}"
                self.tables[found] = node
            return found

        return kind(self.writer, places, self.names, uses, table)

    def body(
        self,
        nests: Nests,
        nodes: Sequence[Node],
        copies: Mapping[Node, list[Place]],
        has_comments: bool,
        loop: Callable[[Apply], list[str]],
    ) -> list[str]:
        """Return the statements that store `nodes`, with comments, followed by `copies`.

        `loop` gives those of the recurrence that a value is a result of, unless they are written already.
        """
        lines: list[str] = []
        for node in nodes:
            assert isinstance(node, Apply)
            if isinstance(node.primitive, Scan):
                lines += loop(node)
                continue
            place = nests.places[node]
            written = self.nest(partial(nests.write, node, place))
            lines += [*([self.comment(node)] if has_comments else []), *written]
        for node, targets in copies.items():
            for place in targets:
                self.writer.block.lines = []
                nests.copy(node, place)
                lines += [f"    /* {place.name if place.within else ''} */", *self.writer.block.lines]
        self.writer.block.lines = []
        return lines

    def nest(self, write: Callable[[], None]) -> list[str]:
        """Return the statements that `write` writes, after which their names are free again."""
        block = self.writer.block
        block.lines, block.known = [], {}
        write()
        written, block.lines = block.lines, []
        self.release()
        return written

    def comment(self, node: Node) -> str:
        shape = " x ".join(map(str, node.type.shape)).replace("·", "*") or "scalar"
        label = self.names.get(node)
        margin = "    " * self.writer.block.depth
        return f"{margin}/* {label}: {shape} */" if label else f"{margin}/* {shape} */"

    def table_rows(self) -> dict[str, tuple[str, DType, int]]:
        """Return the literal arrays by name: their numbers in C, dtype, and count."""
        return {label: _literal_rows(node, self.writer) for label, node in self.tables.items()}


def written_out_in_parts(program: Program, sizes: Mapping[str, int], language: str) -> Program:
    """Expand composite primitives, and write means as sums; at `sizes` if it depends on them.

    Raises EmitError for what cannot be expanded, and for a size that is needed and not given.
    """

    def expansion(node: Node) -> Node | None:
        found = without_neutral(node)
        if isinstance(found, Apply):  # a result that is an input would not be computed
            return found
        match node:
            case Apply(Scan() as scan, operands):
                step = _rebuilt(scan.step, expansion)
                made = replace(scan, outputs=step.outputs, names=tuple(step.names.items()))
                return None if made == scan else Apply(made, operands)
            case Apply(Mean(axes), (x,)):
                return Sum(axes)(x) / Const(dim_product(x.type.shape[axis] for axis in axes), node.type)
            case Apply(Square(), (Apply(Norm() as norm, (x,)) as root,)) if root not in program.names:
                return norm.squared(x)  # ‖x‖² without the square root
            case Apply((Composite() | Linear()) as primitive, operands):
                return primitive.expand(*operands)
        return None

    try:
        return _rebuilt(program, expansion)
    except (ShapeError, NotExpandableError):  # whether it does depends on a symbolic size
        bound = program.bind(dict(sizes))
    try:
        return _rebuilt(bound, expansion)
    except (ShapeError, NotExpandableError) as error:
        if bound.dim_names and not isinstance(error, NeverExpandableError):
            names = ", ".join(bound.dim_names)
            raise EmitError(
                f"{error}; {language} needs {'a number' if len(bound.dim_names) == 1 else 'numbers'} for {names} here, "
                f'as in --size "{bound.dim_names[0]}=4" or sizes={{"{bound.dim_names[0]}": 4}}'
            ) from None
        if isinstance(error, ShapeError):
            raise
        if isinstance(error, NeverExpandableError):
            raise EmitError(f"{error}; for {language}, write it in other terms") from None
        raise EmitError(f"{error}; for {language}, write it in other terms, or give a smaller matrix") from None


def _rebuilt(program: Program, expansion: Callable[[Node], Node | None]) -> Program:
    while True:
        made = rebuild_all(program.outputs, expansion)
        outputs = tuple(made[node] for node in program.outputs)
        if outputs == program.outputs:
            return program
        # Nodes below a replaced one were not visited and are unchanged.
        there = set(topological_order(outputs))
        names = {made.get(node, node): label for node, label in program.names.items()}
        names = {node: label for node, label in names.items() if node in there}
        program = Program(program.inputs, outputs, names)


def _names(program: Program) -> dict[Node, str]:
    """Return the names of values, also of those in the steps of recurrences."""
    names = dict(program.names)
    for node in written_nodes(program.outputs):
        if isinstance(node, Apply) and isinstance(node.primitive, Scan):
            for part, name in node.primitive.names:
                names.setdefault(part, name)
    return names


def _literal_rows(node: Const, writer: ScalarWriter) -> tuple[str, DType, int]:
    values = np.asarray(node.value).ravel()
    return ", ".join(str(writer.constant(v, node.type.dtype).code) for v in values), node.type.dtype, values.size
