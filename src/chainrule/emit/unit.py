"""Functions whose arguments and results have caller-defined locations, for files in languages with loops."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from chainrule.emit.code import Code
from chainrule.emit.composing import Composer, written_out_in_parts
from chainrule.emit.errors import EmitError
from chainrule.emit.nests import Nests, Place
from chainrule.emit.rounds import Loops
from chainrule.emit.scalars import ScalarWriter
from chainrule.emit.storage import stored_values
from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    DType,
    Input,
    Node,
    Program,
    refuses_deep_nesting,
    topological_order,
)


@dataclass(frozen=True)
class Member:
    """A member of a structure."""

    name: str
    type: ArrayType


@dataclass(frozen=True)
class Location:
    """The location of a value: a scalar, an array of its shape or, if `is_flat`, its elements in row-major order.

    `within` refers to the structure that contains it. A result at "" is placed by the function.
    """

    name: str
    within: str = ""
    is_flat: bool = False

    def of(self, node: Node) -> Place:
        """Return the place of a value."""
        return Place(self.name, node.type, self.is_flat, self.within)


@dataclass(frozen=True)
class Statements:
    """The statements of a function, the storage that it needs, and the locations of its results.

    `ahead` are the statements of a separate preceding function for the first results. `uses` and `uses_ahead` are the
    variables that the statements use.
    """

    lines: tuple[str, ...]
    stored: tuple[Member, ...]
    results: tuple[Place, ...]
    uses: frozenset[str]
    ahead: tuple[str, ...] = ()
    uses_ahead: frozenset[str] = frozenset()


class Unit(ABC):
    """A file of a language with loops: functions of programs, and the helpers and tables that they need.

    `name` is the prefix of helpers, `size_names` are the file's names for the symbolic sizes of programs, `sizes` are
    the numbers of those that have one.
    """

    language: ClassVar[str]
    """Its name in messages."""
    writer: ClassVar[type[ScalarWriter]]

    def __init__(
        self,
        name: str,
        dtype: DType,
        size_names: Mapping[str, str] | None = None,
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        self.name = name
        self.dtype = dtype
        self._size_names = dict(size_names or {})
        self._sizes = dict(sizes or {})
        self._numbers = self._composer().writer
        self.helpers: dict[str, None] = {}
        self._tables: dict[str, Const] = {}

    def _composer(self) -> Composer:
        composer = Composer(self.name, self._size_names, self.writer)
        composer.writer.sizes = self._sizes
        return composer

    @refuses_deep_nesting
    def statements(
        self,
        program: Program,
        inputs: Mapping[str, Location],
        outputs: Sequence[Location],
        stored: str = "",
        reserved: Sequence[str] = (),
        members: Sequence[str] = (),
        ahead: int = 0,
        has_comments: bool = True,
        keeps_named: bool = True,
    ) -> Statements:
        """Return the statements that compute `outputs` of `program` from `inputs`, by name.

        Stored values are local arrays, or members of the structure that `stored` points to, such as "work". A result in
        the location of an input overwrites it only after its last use. No local has a name in `reserved`, and no member
        one in `members`. The first `ahead` outputs are computed by a separate function that runs before. With
        `keeps_named`, a named array that is used again is stored.

        Raises EmitError for operations that the language does not support.
        """
        made = written_out_in_parts(program, {}, self.language)
        composer = self._composer()
        composer.name_values(made)
        composer.tables = self._tables
        for word in (*reserved, *(place.within or place.name for place in (*inputs.values(), *outputs))):
            composer.locals.take(word or "_")
        for word in members:
            composer.members.take(word)
        return _Function(composer, made, inputs, outputs, stored, self, ahead).statements(has_comments, keeps_named)

    def number(self, value: float, dtype: DType | None = None) -> Code:
        """Write a number."""
        return self._numbers.constant(value, dtype or self.dtype).code

    @property
    @abstractmethod
    def preamble(self) -> list[str]:
        """Return tables and helpers, to be placed before the functions."""

    def _table_rows(self) -> dict[str, tuple[str, DType, int]]:
        """Return the literal arrays by name: their numbers, dtype, and count."""
        composer = self._composer()
        composer.tables = self._tables
        return composer.table_rows()


class _Function:
    def __init__(
        self,
        composer: Composer,
        program: Program,
        inputs: Mapping[str, Location],
        outputs: Sequence[Location],
        stored: str,
        unit: Unit,
        ahead: int,
    ) -> None:
        self.composer, self.program, self.unit, self.within = composer, program, unit, stored
        self.ahead = program.outputs[:ahead]
        self.early = set(topological_order(self.ahead))
        self.loops = Loops(composer, self._stored_at)
        self.places: dict[Node, Place] = {
            node: inputs[node.name].of(node) for node in program.inputs if node.name in inputs
        }
        self.outputs = list(zip(program.outputs, outputs, strict=True))
        self.members: list[Member] = []
        self.locals: dict[tuple[str, str], str] = {}
        # Inputs that are also results are copied at the end, so nothing may overwrite them before.
        self.kept = {
            node for node, place in self.outputs if node in self.places and self.places[node] != place.of(node)
        }

    def statements(self, has_comments: bool, keeps_named: bool) -> Statements:
        applied = [node for node in dict.fromkeys(self.program.outputs) if isinstance(node, Apply)]
        wanted = [*applied, *(self._used_again() if keeps_named else ())]
        further = self.loops.found(wanted, self.early)
        self.early.update(further)
        stored = list(stored_values([*wanted, *further], self.composer.reduces, [*self.ahead, *further]))
        copies: dict[Node, list[Place]] = {}
        for node, location in self.outputs:
            target = location.of(node)
            if not location.name or self.places.get(node) == target:
                continue
            if node in self.places or node in self.early or not self._may_lie(node, target, stored):
                copies.setdefault(node, []).append(target)
            else:
                self.places[node] = target
        for node in stored:
            if node not in self.places:
                assert isinstance(node, Apply)
                self.places[node] = self._member(node)
        copies = {node: copies[node] for node in sorted(copies, key=lambda node: not isinstance(node, Input))}
        self._check_copies(copies)
        if self.composer.writer.takes_apart:
            self.places = {node: self._with_local(node, place) for node, place in self.places.items()}
            copies = {node: [self._with_local(node, place) for place in places] for node, places in copies.items()}
        nests, writer = self.composer.nests(self.places, dict.fromkeys(stored)), self.composer.writer
        writer.used = {}

        def loop(node: Apply) -> list[str]:
            return self.loops.written(node, nests, has_comments)

        ahead = self.composer.body(nests, [node for node in stored if node in self.early], {}, has_comments, loop)
        ahead, uses_ahead = self._opened(ahead)
        writer.used = {}
        later = [node for node in stored if node not in self.early]
        lines = self.composer.body(nests, later, copies, has_comments, loop)
        results = tuple(self._result(nests, node, location) for node, location in self.outputs)
        lines, uses = self._opened(lines)
        self.unit.helpers.update(writer.helpers)
        return Statements(tuple(lines), tuple(self.members), results, uses, tuple(ahead), uses_ahead)

    def _with_local(self, node: Node, place: Place) -> Place:
        """Return the location with a variable for an array in a structure."""
        if not place.within or not place.type.ndim:
            return place
        if place.key not in self.locals:
            names = self.composer.locals
            own = node.name if isinstance(node, Input) else self.composer.names.get(node, place.name)
            wanted = map(self.composer.writer.identifier, (place.name, own))
            stem = next((name for name in wanted if name not in names), f"{place.within}_{place.name}")
            self.locals[place.key] = names.local(stem)
        return replace(place, local=self.locals[place.key])

    def _opened(self, lines: Sequence[str]) -> tuple[list[str], frozenset[str]]:
        """Return the statements behind the declarations of the variables that they use, and the parameters they use."""
        writer = self.composer.writer
        uses = dict.fromkeys(writer.used)
        structures: dict[str, dict[str, str]] = {}
        for (structure, name), local in self.locals.items():
            if local in uses:
                del uses[local]
                structures.setdefault(structure, {})[name] = local
        heads = [f"    {writer.taken_apart(structure, members)}" for structure, members in structures.items()]
        return [*heads, *lines], frozenset({**uses, **dict.fromkeys(structures)})

    def _result(self, nests: Nests, node: Node, location: Location) -> Place:
        if location.name:
            return location.of(node)
        return self.places[node] if self.ahead else Place(str(nests.element(node, ()).code), node.type)

    def _stored_at(self, node: Apply) -> Place:
        """Return the location of a value in a loop over the steps of a recurrence."""
        place = self._member(node)
        return self._with_local(node, place) if self.composer.writer.takes_apart else place

    def _member(self, node: Apply) -> Place:
        """Return the location of a value that the caller does not request; a scalar is usually a variable."""
        if node.type.ndim == 0 and not self.ahead:
            return Place(self.composer.locals.local(self.composer.label(node, "value")), node.type, is_new=True)
        names = self.composer.members if self.within else self.composer.locals
        label = names.local(self.composer.label(node, "part"))
        self.members.append(Member(label, node.type))
        is_flat = node.type.ndim > 0 and not self.composer.writer.has_nested_arrays
        return Place(label, node.type, is_flat, self.within)

    def _check_copies(self, copies: Mapping[Node, Sequence[Place]]) -> None:
        """Raise EmitError if an input is overwritten before it is copied."""
        written: set[tuple[str, str]] = set()
        for node, targets in copies.items():
            if isinstance(node, Input) and self.places[node].key in written:
                raise EmitError(
                    f"{node.name} and another input change places, which {self.unit.language} is not written for"
                )
            written.update(target.key for target in targets)

    def _used_again(self) -> list[Node]:
        """Return named arrays that are used more than once; they are stored instead of their operands."""
        uses: dict[Node, int] = {}
        for node in self.program.nodes:
            for operand in dict.fromkeys(node.operands) if isinstance(node, Apply) else ():
                uses[operand] = uses.get(operand, 0) + 1
        names = self.program.names
        return [node for node in names if isinstance(node, Apply) and node.type.ndim and uses.get(node, 0) > 1]

    def _may_lie(self, node: Node, target: Place, stored: Sequence[Node]) -> bool:
        """Whether `node` can be stored at `target` directly: no input there is needed elsewhere or later."""
        there = [given for given, place in self.places.items() if place.key == target.key]
        if not there or node not in stored:
            return node in stored
        (given,) = there
        if given in self.kept:
            return False
        later = stored[stored.index(node) + 1 :]
        cut = set(stored) - {node}
        if any(given in topological_order([other], stop=set(stored) - {other}) for other in later):
            return False
        return all(
            isinstance(part, Input) or part in cut or not isinstance(part, Apply) or part.primitive.is_pointwise
            for part in topological_order([node], stop=cut)
            if given in topological_order([part], stop=cut)
        )
