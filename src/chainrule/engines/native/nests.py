"""Fusion of stored values into loop nests.

Values of one shape that read each other only at their own place share a nest: the bias, the activation and its mask are
computed while the sum of products is still in registers, and so is the update of a parameter whose gradient is that
product. Values that nothing outside the nest reads are never stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from chainrule.engines.native.definitions import Called, is_called
from chainrule.engines.native.plan import Storages, lower
from chainrule.engines.native.storage import Storage
from chainrule.engines.native.symbolic import (
    Affine,
    Dependence,
    Expression,
    Index,
    SymbolicEmitter,
    Variable,
    add,
    affines,
    scale,
    variable_index,
    walk,
)
from chainrule.ir import Apply, Const, Node, cached_property

MOST_MEMBERS = 8
"""Maximum number of values in one nest; together with inlining it bounds the depth of expressions."""

MOST_REDUCTIONS = 3
"""Maximum number of sums of products in one nest; each keeps a tile of accumulators."""


@dataclass(frozen=True, eq=False)
class Result:
    """One array that a nest writes: `root` is stored at the offset `place`."""

    target: object
    place: Index
    root: Expression


@dataclass(frozen=True, eq=False)
class Rows:
    """The loop over the leading axis of the result, of length `extent`, which may be divided among threads.

    If it was merged with inner loops, `variable` counts `factor` places per row.
    """

    variable: Variable
    extent: int
    factor: int


@dataclass(frozen=True, eq=False)
class Nest:
    """Loops over `variables`, outermost first, that store every result at every place."""

    variables: tuple[Variable, ...]
    results: tuple[Result, ...]
    members: tuple[Expression, ...]
    """The values that share the nest, stored or not. Each may be evaluated at every place."""
    rows: Rows | None
    emit: SymbolicEmitter
    called: Called | None = None
    """A value that is computed by its definition, in place of loops."""

    @property
    def roots(self) -> tuple[Expression, ...]:
        return tuple(result.root for result in self.results)

    @property
    def elements(self) -> int:
        """The number of evaluations of each root."""
        product = 1
        for variable in self.variables:
            product *= variable.extent
        return product

    @cached_property
    def uses(self) -> tuple[tuple[Expression, int], ...]:
        """Every evaluated expression with its number of evaluations; one shared by several roots occurs once."""
        starts = [*(reduction for reduction in self.reductions if reduction in self.unconditional), *self.roots]
        return tuple({use: None for start in starts for use in walk(start, self.elements, self.unconditional)})

    @cached_property
    def reductions(self) -> list[Expression]:
        """The sums and other reductions, in order of dependence."""
        found = {use for root in self.roots for use, _ in walk(root) if use.kind == "reduce"}
        return sorted(found, key=lambda use: use.serial)

    @cached_property
    def unconditional(self) -> frozenset[Expression]:
        """The reductions computed unconditionally at every place, before all else; the rest are inside branches."""
        pending, seen = list(self.members), set()
        while pending:
            node = pending.pop()
            if node not in seen:
                seen.add(node)
                guards = node.kind == "select" and any(node.payload)
                pending.extend(node.arguments[:1] if guards else node.arguments)
        summed = [Dependence(variable) for reduction in self.reductions for variable in reduction.payload[1]]
        return frozenset(
            reduction
            for reduction in self.reductions
            if reduction in seen
            and not any(varies(reduction) for varies in summed if varies.variable not in reduction.payload[1])
        )

    @property
    def sources(self) -> list[object]:
        """The arrays that it reads, in order of first use."""
        return list({use.payload[0]: None for use, _ in self.uses if use.kind == "load"})


def nests(nodes: Sequence[Node], outputs: Sequence[Node], stored: set[Node], storages: Storages) -> list[Nest]:
    """Return the nests for all stored values among `nodes`, which are in topological order."""
    groups = _Groups(storages, stored)
    for node in nodes:
        if isinstance(node, Apply) and node in stored:
            groups.place(node)
    # Unused values, such as the terms of an empty sum, are not computed.
    wanted = ((members, groups.needed(members, outputs)) for members in groups.ordered())
    return [_nest(members, needed, stored, storages) for members, needed in wanted if needed]


@dataclass(eq=False)
class _Group:
    members: list[Apply]
    needs: set[_Group]
    reductions: int


class _Groups:
    """Groups of stored values, built in topological order."""

    def __init__(self, storages: Storages, stored: set[Node]) -> None:
        self.storages, self.stored = storages, stored
        self.groups: list[_Group] = []
        self._of: dict[Node, _Group] = {}
        self._readers: dict[Node, set[Node]] = {}
        self._elsewhere: set[Node] = set()
        """Values that some nest reads at another place than its own."""

    def place(self, node: Apply) -> None:
        """Add a value to a group that it may join, or to a new one."""
        if is_called(node):
            self._place_alone(node)
            return
        nest = _nest([node], [node], self.stored, self.storages)
        reductions = len(nest.reductions)
        here, sources = self._sources(node, nest)
        for source in sources:
            self._readers.setdefault(source, set()).add(node)
        needs = {self._of[source] for source in sources if source in self._of}
        elsewhere = {self._of.get(source) for source in sources if source not in here}
        for source in here:
            group = self._of.get(source)
            if (
                group is not None
                and group not in elsewhere
                and len(group.members) < MOST_MEMBERS
                and group.reductions + reductions <= MOST_REDUCTIONS
                and not any(_reaches(other, group) for other in needs if other is not group)
            ):
                group.members.append(node)
                group.needs |= needs - {group}
                group.reductions += reductions
                self._of[node] = group
                self._elsewhere.update(source for source in sources if source not in here)
                return
        self._of[node] = _Group([node], needs, reductions)
        self.groups.append(self._of[node])
        self._elsewhere.update(sources)

    def _place_alone(self, node: Apply) -> None:
        """Add a value that is computed by its definition, to a group that no other value may join."""
        for source in node.operands:
            self._readers.setdefault(source, set()).add(node)
        needs = {self._of[source] for source in node.operands if source in self._of}
        self._of[node] = _Group([node], needs, MOST_REDUCTIONS + 1)
        self.groups.append(self._of[node])
        self._elsewhere.update(node.operands)

    def _sources(self, node: Apply, nest: Nest) -> tuple[list[Node], list[Node]]:
        """Return the values that are read only at the place of the result, and all values that are read."""
        index = _index(nest.variables)
        here: dict[Node, bool] = {}
        for use, _ in nest.uses:
            source = use.payload[0] if use.kind == "load" else None
            if isinstance(source, Node):
                same = (
                    source.type.shape == node.type.shape
                    and self.storages[source].offset(nest.emit, index) == use.payload[1]
                )
                here[source] = here.get(source, True) and same
        return [source for source, same in here.items() if same], list(here)

    def needed(self, members: Sequence[Apply], outputs: Sequence[Node]) -> list[Apply]:
        """Return the members of a group that must be stored."""
        group, wanted = self._of[members[0]], set(outputs)
        return [
            node
            for node in members
            if node in wanted
            or node in self._elsewhere
            or any(self._of[reader] is not group for reader in self._readers.get(node, ()))
        ]

    def ordered(self) -> list[list[Apply]]:
        """Return the groups in order of dependence."""
        done: dict[_Group, None] = {}
        number = {group: k for k, group in enumerate(self.groups)}

        def visit(group: _Group) -> None:
            if group not in done:
                for other in sorted(group.needs, key=number.__getitem__):
                    visit(other)
                done[group] = None

        for group in self.groups:
            visit(group)
        return [group.members for group in done]


def _reaches(start: _Group, end: _Group) -> bool:
    """Whether `start` depends on `end`, directly or indirectly."""
    pending, seen = [start], {start}
    while pending:
        group = pending.pop()
        if group is end:
            return True
        pending.extend(group.needs - seen)
        seen |= group.needs
    return False


def _index(variables: Iterable[Variable]) -> list[Index]:
    return [variable_index(variable) for variable in variables]


def _nest(members: Sequence[Apply], kept: Sequence[Node], stored: set[Node], storages: Storages) -> Nest:
    """Return the nest of some values of one shape, of which `kept` are stored; its loops are the axes of the shape."""
    if is_called(members[0]):
        node = members[0]
        return calling(Called(node, node.operands, tuple(storages[each] for each in node.operands), storages[node]))
    emit = SymbolicEmitter()
    load = storages.reader(emit)
    variables = tuple(Variable(extent) for extent in members[0].type.concrete_shape)
    here = _index(variables)
    known: dict[tuple[Node, tuple[Index, ...]], Expression] = {}

    def read(operand: Node, index: Sequence[Index]) -> Expression:
        if operand in members and list(index) == here:
            return known[operand, tuple(here)]
        if operand in stored or not isinstance(operand, Apply):
            return load(operand, index)
        # A division of the index would hide that it is out of range.
        within = [emit.clamped(i, extent) for i, extent in zip(index, operand.type.concrete_shape, strict=True)]
        key = (operand, tuple(within))
        if key not in known:
            known[key] = lower(emit, operand, read, within)
        return known[key]

    for node in members:
        known[node, tuple(here)] = lower(emit, node, read, here)
    results = tuple(
        Result(node, storages[node].offset(emit, here), known[node, tuple(here)]) for node in members if node in kept
    )
    rows = Rows(variables[0], variables[0].extent, 1) if variables else None
    return Nest(variables, results, tuple(known[node, tuple(here)] for node in members), rows, emit)


def calling(called: Called) -> Nest:
    """Return the nest of a value that is computed by its definition, which reads its operands from the beginning."""
    emit = SymbolicEmitter()
    loads = [emit.load(source, 0, each.dtype) for source, each in zip(called.sources, called.storages, strict=True)]
    root = emit.make("call", called.result.dtype, *loads)
    return Nest((), (Result(called.node, 0, root),), (root,), None, emit, called)


def copying(target: object, place: Storage, source: object, origin: Storage) -> Nest:
    """Return a nest that copies `source`, with the layout `origin`, to `target`, with the layout `place`."""
    emit = SymbolicEmitter()
    variables = tuple(Variable(extent) for extent in origin.shape)
    index = _index(variables)
    if isinstance(source, Const) and source.is_filled:
        assert isinstance(source.value, float | int)
        root = emit.constant(source.value, origin.dtype)
    else:
        root = emit.load(source, origin.offset(emit, index), origin.dtype)
    rows = Rows(variables[0], variables[0].extent, 1) if variables else None
    return Nest(variables, (Result(target, place.offset(emit, index), root),), (root,), rows, emit)


def merged(nest: Nest) -> Nest:
    """Merge adjacent loops where every offset allows it, as in elementwise operations."""
    variables = [variable for variable in nest.variables if variable.extent != 1]
    if nest.rows is not None and nest.rows.extent == 1:
        nest = replace(nest, rows=Rows(variables[0], variables[0].extent, 1) if variables else None)
    groups = [variables]
    for use in nest.reductions:
        if list(use.payload[1]) not in groups:
            groups.append(list(use.payload[1]))
    for group in groups:
        place = len(group) - 2
        while place >= 0:
            outer, inner = group[place : place + 2]
            if _mergeable(nest, outer, inner):
                one = Variable(outer.extent * inner.extent)
                nest = _Substitution(nest.emit, outer, inner, one).applied(nest)
                group[place : place + 2] = [one]
            place -= 1
    return replace(nest, variables=tuple(variables))


def _mergeable(nest: Nest, outer: Variable, inner: Variable) -> bool:
    indices = [affine for use, _ in nest.uses for affine in affines(use)]
    indices += [result.place for result in nest.results if isinstance(result.place, Affine)]
    return all(index.coefficient(outer) == index.coefficient(inner) * inner.extent for index in indices)


class _Substitution:
    """Replaces two variables by one."""

    def __init__(self, emit: SymbolicEmitter, outer: Variable, inner: Variable, one: Variable) -> None:
        self.emit, self.outer, self.inner, self.one = emit, outer, inner, one
        self._done: dict[Expression, Expression] = {}

    def applied(self, nest: Nest) -> Nest:
        results = tuple(
            Result(result.target, self._index(result.place), self._rewritten(result.root)) for result in nest.results
        )
        rows = nest.rows
        if rows is not None and rows.variable is self.outer:
            rows = Rows(self.one, rows.extent, rows.factor * self.inner.extent)
        members = tuple(self._rewritten(member) for member in nest.members)
        return replace(nest, results=results, members=members, rows=rows)

    def _rewritten(self, root: Expression) -> Expression:
        if root not in self._done:
            arguments = tuple(self._rewritten(argument) for argument in root.arguments)
            self._done[root] = self.emit.make(root.kind, root.dtype, *arguments, payload=self._payload(root))
        return self._done[root]

    def _payload(self, root: Expression) -> object:
        if root.kind == "load":
            return root.payload[0], self._index(root.payload[1])
        if root.kind == "index":
            return self._index(root.payload)
        if root.kind in ("quotient", "remainder"):
            return self._index(root.payload[0]), root.payload[1]
        if root.kind == "reduce" and self.inner in root.payload[1]:
            variables = [v if v is not self.inner else self.one for v in root.payload[1] if v is not self.outer]
            return root.payload[0], tuple(variables)
        return root.payload

    def _index(self, index: Index) -> Index:
        if not isinstance(index, Affine):
            return index
        result: Index = index.constant
        for atom, c in index.terms:
            if isinstance(atom, Expression):
                term: Index = Affine(((self._rewritten(atom), 1),), 0)
            elif atom is self.outer:
                continue
            else:
                term = variable_index(self.one if atom is self.inner else atom)
            result = add(result, scale(term, c))
        return result


def replaced(nest: Nest, mapping: Mapping[Expression, Expression]) -> Nest:
    """Return the nest with some expressions replaced."""
    done = dict(mapping)

    def put(root: Expression) -> Expression:
        if root not in done:
            arguments = tuple(put(argument) for argument in root.arguments)
            done[root] = nest.emit.make(root.kind, root.dtype, *arguments, payload=root.payload)
        return done[root]

    results = tuple(Result(result.target, result.place, put(result.root)) for result in nest.results)
    return replace(nest, results=results, members=tuple(put(member) for member in nest.members))
