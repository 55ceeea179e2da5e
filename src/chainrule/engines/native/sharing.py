"""Nests that differ only in the arrays that they read and write share one kernel, as in the rounds of a recurrence.

A kernel receives pointers to the first element that it touches of each array, so the position of a slice is no part of
its code; two nests of the same form have the same code, which is written once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from chainrule.engines.native.nests import Nest, Result
from chainrule.engines.native.symbolic import Affine, Expression, Index, Variable, add, affines


def anchored(nest: Nest, parts: Mapping[object, object]) -> tuple[Nest, dict[object, int]]:
    """Return the nest with offsets from the first element that it touches of each buffer, and the offsets of those.

    `parts` maps each source or target to its buffer. A buffer that is read at computed places keeps its
    beginning, and is left out.
    """
    first: dict[object, float] = {}
    for thing, offset in _offsets(nest):
        low = offset.bounds()[0] if isinstance(offset, Affine) else offset
        buffer = parts[thing]
        first[buffer] = min(first.get(buffer, low), low)
    starts = {buffer: int(low) for buffer, low in first.items() if 0 < low < float("inf")}
    moves = {thing: -starts.get(buffer, 0) for thing, buffer in parts.items()}
    return (_Moved(nest, moves).nest if starts else nest), starts


def _offsets(nest: Nest) -> list[tuple[object, Index]]:
    loads = [one.payload for one in _expressions(nest) if one.kind == "load"]
    return [*((result.target, result.place) for result in nest.results), *loads]


def _expressions(nest: Nest) -> list[Expression]:
    """Return every expression of a nest, also those in indices."""
    found: dict[Expression, None] = {}
    pending = [*nest.roots, *nest.members]
    while pending:
        expression = pending.pop()
        if expression not in found:
            found[expression] = None
            pending.extend(expression.arguments)
            for index in affines(expression):
                pending.extend(atom for atom, _ in index.terms if isinstance(atom, Expression))
    return list(found)


class _Moved:
    """A nest with the offsets of some arrays moved."""

    def __init__(self, nest: Nest, moves: Mapping[object, int]) -> None:
        self._emit, self._moves = nest.emit, moves
        self._done: dict[Expression, Expression] = {}
        results = tuple(
            Result(each.target, add(self._index(each.place), moves[each.target]), self._put(each.root))
            for each in nest.results
        )
        self.nest = replace(nest, results=results, members=tuple(self._put(member) for member in nest.members))

    def _put(self, root: Expression) -> Expression:
        if root not in self._done:
            arguments = tuple(self._put(argument) for argument in root.arguments)
            payload = root.payload
            if root.kind == "load":
                payload = payload[0], add(self._index(payload[1]), self._moves[payload[0]])
            elif root.kind == "index":
                payload = self._index(payload)
            elif root.kind in ("quotient", "remainder"):
                payload = self._index(payload[0]), payload[1]
            self._done[root] = self._emit.make(root.kind, root.dtype, *arguments, payload=payload)
        return self._done[root]

    def _index(self, index: Index) -> Index:
        if not isinstance(index, Affine) or all(isinstance(atom, Variable) for atom, _ in index.terms):
            return index
        terms = tuple((self._put(atom) if isinstance(atom, Expression) else atom, c) for atom, c in index.terms)
        return Affine(tuple(sorted(terms, key=lambda term: term[0].serial)), index.constant)


def form_of(
    nest: Nest,
    lane: Variable | None,
    buffers: Sequence[object],
    parts: Mapping[object, object],
    sizes: Mapping[object, int],
) -> Hashable:
    """Return what the code of a kernel depends on: nests of equal forms have the same code."""
    things = {thing: k for k, thing in enumerate(parts)}
    places = {buffer: k for k, buffer in enumerate(buffers)}
    variables: dict[Variable, int] = {}
    numbers: dict[Expression, int] = {}

    def variable(one: Variable) -> tuple[int, int]:
        return variables.setdefault(one, len(variables)), one.extent

    def index(one: Index) -> Hashable:
        if not isinstance(one, Affine):
            return one
        atoms = [variable(atom) if isinstance(atom, Variable) else numbers[atom] for atom, _ in one.terms]
        return tuple(zip(atoms, (c for _, c in one.terms), strict=True)), one.constant

    def payload(one: Expression) -> Hashable:
        match one.kind:
            case "load":
                return things[one.payload[0]], index(one.payload[1])
            case "index":
                return index(one.payload)
            case "quotient" | "remainder":
                return index(one.payload[0]), one.payload[1]
            case "reduce":
                return one.payload[0], tuple(map(variable, one.payload[1]))
        return repr(one.payload) if isinstance(one.payload, float) else one.payload

    loops = tuple(map(variable, nest.variables))
    order = sorted(_expressions(nest), key=lambda one: one.serial)
    # An expression is made after its arguments and the atoms of its indices.
    numbers.update((one, k) for k, one in enumerate(order))
    written = tuple((one.kind, one.dtype, tuple(numbers[a] for a in one.arguments), payload(one)) for one in order)
    results = tuple((things[each.target], index(each.place), numbers[each.root]) for each in nest.results)
    members = tuple(numbers[member] for member in nest.members)
    rows = None if nest.rows is None else (variable(nest.rows.variable), nest.rows.extent, nest.rows.factor)
    guarded = any(one.kind == "select" and any(one.payload) for one in order)
    known = tuple(sizes.get(thing) for thing in parts) if guarded else ()
    layout = tuple(places[buffer] for buffer in parts.values())
    return loops, written, results, members, rows, None if lane is None else variable(lane), layout, known
