"""Functions in C whose arguments and results lie where the caller says: what a file of one's own is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.emit.c_composing import Composer, written_out_in_parts
from chainrule.emit.c_file import Member, broken, helper_lines, table_lines
from chainrule.emit.c_loops import Place
from chainrule.emit.c_storage import POINTWISE, stored_values
from chainrule.emit.c_values import C_TYPES
from chainrule.emit.code import written_dim
from chainrule.emit.errors import EmitError
from chainrule.ir import Apply, Const, Dim, DType, Input, Node, Program, refuses_deep_nesting, topological_order


@dataclass(frozen=True)
class Location:
    """Where a value lies: `text` is a scalar, an array of the value's shape or, if `is_flat`, a pointer to elements.

    A result at "" becomes a local variable, if it is a scalar.
    """

    text: str
    is_flat: bool = False


@dataclass(frozen=True)
class Statements:
    """The statements of a function, what it needs to store on the way, and where its results are."""

    lines: tuple[str, ...]
    stored: tuple[Member, ...]
    results: tuple[str, ...]


class CUnit:
    """A file in C: functions of programs, and the helpers and tables that they need.

    `name` begins the names of helpers, `size_names` are the constants of the file for the named sizes of programs.
    """

    def __init__(self, name: str, dtype: DType, size_names: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.dtype = dtype
        self._size_names = dict(size_names or {})
        self._numbers = Composer(name, {}).writer
        self._helpers: dict[str, None] = {}
        self._tables: dict[str, Const] = {}

    @refuses_deep_nesting
    def statements(
        self,
        program: Program,
        inputs: Mapping[str, Location],
        outputs: Sequence[Location],
        stored: str = "",
        reserved: Sequence[str] = (),
        members: Sequence[str] = (),
    ) -> Statements:
        """What finds `outputs` of `program` from `inputs`, by name.

        What has to be stored are local arrays, or members of `stored`, such as "work->". A result that lies where an
        input lies takes its place only when nothing needs that any more. No local is named as in `reserved`,
        and no member as in `members`.

        Raises EmitError for what C cannot write.
        """
        made = written_out_in_parts(program, {})
        composer = Composer(self.name, self._size_names)
        composer.name_values(made)
        composer.tables = self._tables
        for word in (*reserved, *(place.text.partition("->")[0] for place in (*inputs.values(), *outputs))):
            composer.locals.take(word or "_")
        for word in members:
            composer.members.take(word)
        return _Function(composer, made, inputs, outputs, stored, self).statements()

    def number(self, value: float, dtype: DType | None = None) -> str:
        """A number as C writes it."""
        return str(self._numbers.constant(value, dtype or self.dtype).code)

    @property
    def preamble(self) -> list[str]:
        """Tables and helpers, to stand before the functions."""
        composer = Composer(self.name, self._size_names)
        composer.tables = self._tables
        lines = [*table_lines(composer.table_rows()), *helper_lines(self.name, self.dtype, self._helpers)]
        return [piece for line in lines for piece in broken(line)]

    def keep(self, composer: Composer) -> None:
        """Take over the helpers that a function needs."""
        self._helpers.update(composer.writer.helpers)


class _Function:
    def __init__(
        self,
        composer: Composer,
        program: Program,
        inputs: Mapping[str, Location],
        outputs: Sequence[Location],
        stored: str,
        unit: CUnit,
    ) -> None:
        self.composer, self.program, self.unit, self.prefix = composer, program, unit, stored
        self.places: dict[Node, Place] = {
            node: Place(inputs[node.name].text, node.type, inputs[node.name].is_flat)
            for node in program.inputs
            if node.name in inputs
        }
        self.outputs = list(zip(program.outputs, outputs, strict=True))
        self.members: list[Member] = []
        # Inputs that are results elsewhere are copied there at the end, so that nothing may take their place before.
        self.kept = {
            node for node, place in self.outputs if node in self.places and self.places[node].text != place.text
        }

    def statements(self) -> Statements:
        applied = [node for node in dict.fromkeys(self.program.outputs) if isinstance(node, Apply)]
        stored = list(stored_values([*applied, *self._used_again()], self.composer.reduces))
        copies: dict[Node, list[Place]] = {}
        local: set[Node] = set()
        results: list[str] = []
        for node, place in self.outputs:
            target = Place(place.text, node.type, place.is_flat)
            if node in self.places and self.places[node].text == place.text:
                continue
            if place.text and (node in self.places or not self._may_lie(node, target, stored)):
                copies.setdefault(node, []).append(target)
            elif place.text:
                self.places[node] = target
        for node in stored:
            if node in self.places:
                continue
            assert isinstance(node, Apply)
            if node.type.ndim == 0:
                label = self.composer.locals.local(self.composer.label(node, "value"))
                local.add(node)
                self.places[node] = Place(label, node.type)
            else:
                names = self.composer.members if self.prefix else self.composer.locals
                label = names.local(self.composer.label(node, "part"))
                self.places[node] = Place(self.prefix + label, node.type)
                self.members.append(Member(label, node.type))
        copies = {node: copies[node] for node in sorted(copies, key=lambda node: not isinstance(node, Input))}
        self._check_copies(copies)
        nests = self.composer.nests(self.places, dict.fromkeys(stored))
        lines = self.composer.body(nests, stored, local, copies)
        for node, place in self.outputs:
            results.append(place.text or str(nests.element(node, ()).code))
        self.unit.keep(self.composer)
        return Statements(tuple(lines), tuple(self.members), tuple(results))

    def _check_copies(self, copies: Mapping[Node, Sequence[Place]]) -> None:
        """Raise EmitError where an input is overwritten before it is copied itself."""
        written: set[str] = set()
        for node, targets in copies.items():
            if isinstance(node, Input) and self.places[node].text in written:
                raise EmitError(f"{node.name} and another input change places, which C is not written for")
            written.update(target.text for target in targets)

    def _used_again(self) -> list[Node]:
        """Arrays with a name that are used more than once: they are stored, and not what they are made of."""
        uses: dict[Node, int] = {}
        for node in self.program.nodes:
            for operand in dict.fromkeys(node.operands) if isinstance(node, Apply) else ():
                uses[operand] = uses.get(operand, 0) + 1
        names = self.program.names
        return [node for node in names if isinstance(node, Apply) and node.type.ndim and uses.get(node, 0) > 1]

    def _may_lie(self, node: Node, target: Place, stored: Sequence[Node]) -> bool:
        """Whether `node` can be stored at `target` at once: no input lies there that is needed elsewhere or later."""
        there = [given for given, place in self.places.items() if place.text == target.text]
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
            isinstance(part, Input)
            or part in cut
            or not isinstance(part, Apply)
            or isinstance(part.primitive, POINTWISE)
            for part in topological_order([node], stop=cut)
            if given in topological_order([part], stop=cut)
        )


def declarations(members: Sequence[Member], size_names: Mapping[str, str], indent: int = 4) -> list[str]:
    """The members as declarations of arrays."""
    return [
        f"{' ' * indent}{C_TYPES[m.type.dtype]} {m.name}{''.join(f'[{_size(d, size_names)}]' for d in m.type.shape)};"
        for m in members
    ]


def _size(dim: Dim, size_names: Mapping[str, str]) -> str:
    return str(written_dim(dim, size_names.__getitem__))
