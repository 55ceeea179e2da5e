"""Schedules of programs and of training steps, and the memory accesses of their nests at every index."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Loop
from chainrule.engines.native.choices import grain
from chainrule.engines.native.compilation import default_strides
from chainrule.engines.native.memory import Literals, MemoryStepWriter
from chainrule.engines.native.nests import Nest
from chainrule.engines.native.prepare import prepare
from chainrule.engines.native.schedule import Arena, Home, Item, Schedule
from chainrule.engines.native.storage import Storage, row_major
from chainrule.engines.native.symbolic import Expression, Index, Variable
from chainrule.engines.native.target import Target, parse_target
from chainrule.engines.native.text import Module
from chainrule.ir import Node, Program

TARGET = parse_target("x86-64-v3")
"""A fixed target, so that decisions do not depend on the machine that runs the tests."""

Offsets = NDArray[np.int64]


def writer_of(loop: Loop, target: Target = TARGET) -> MemoryStepWriter:
    """Return the writer of a run's step."""
    programs = {size: prepare(loop.steps[size]) for size in loop.batch_sizes}
    return MemoryStepWriter(Module(), loop, programs, default_strides(loop), target)


def schedules_of(loop: Loop) -> list[Schedule]:
    """Return the schedules of each batch size."""
    return [schedule for composition in writer_of(loop).sequencers.values() for schedule in composition.schedules]


def schedule_of(program: Program, arena: Arena | None = None) -> Schedule:
    """Return the schedule of a program on contiguous arrays."""
    prepared = prepare(program)
    given: dict[Node, Storage] = {
        **Literals([prepared]).storages,
        **{node: row_major(node.type) for node in prepared.inputs},
    }
    homes = [Home(row_major(output.type)) for output in prepared.outputs]
    arena = arena or Arena()
    return Schedule(prepared, given, homes, TARGET, arena, arena)


@dataclass(frozen=True)
class Touch:
    """A load or a store: the array, and its offsets at every index, with the thread share of each."""

    thing: object
    written: bool
    offsets: Offsets
    shares: Offsets


EVERYWHERE = -1
"""The share of work done only by the last thread."""

ANYWHERE = -2
"""A second share of work repeated by every thread, since it is in the share of each."""


def touches(item: Item, schedule: Schedule) -> Iterator[Touch]:
    """Yield the accesses of an item; a loaded index may have any value, and accesses out of bounds are guarded."""
    nest = item.nest
    for result in nest.results:
        yield _touch(item, result.target, True, result.place, (), 0)
    for use, variables in loads(nest):
        source, offset = use.payload
        yield _touch(item, source, False, offset, variables, schedule.size(source))


def loads(nest: Nest) -> list[tuple[Expression, tuple[Variable, ...]]]:
    """Return every load, with the variables of the enclosing reductions."""
    found: dict[tuple[Expression, tuple[Variable, ...]], None] = {}
    pending: list[tuple[Expression, tuple[Variable, ...]]] = [(root, ()) for root in nest.roots]
    seen = set(pending)
    while pending:
        node, around = pending.pop()
        if node.kind == "load":
            found[node, around] = None
        inside = (*around, *node.payload[1]) if node.kind == "reduce" else around
        new = {(below, inside) for below in (*node.arguments, *_looked_up(node))} - seen
        seen |= new
        pending.extend(new)
    return list(found)


def _looked_up(node: Expression) -> list[Expression]:
    index = node.payload[1] if node.kind == "load" else node.payload if node.kind == "index" else None
    if node.kind in ("quotient", "remainder"):
        index = node.payload[0]
    if index is None or isinstance(index, int):
        return []
    return [atom for atom, _ in index.terms if isinstance(atom, Expression)]


def _touch(item: Item, thing: object, written: bool, index: Index, around: tuple[Variable, ...], size: int) -> Touch:
    rows = item.nest.rows
    places = _places((*item.nest.variables, *around))
    offsets = _value(index, places)
    count = next(iter(places.values())).size if places else 1
    shares = np.full(count, EVERYWHERE)
    if item.divided and rows is not None:
        # The share is that of the row, and two divisions of rows agree only for the same number of rows.
        shares = places[rows.variable] // rows.factor // grain(rows.extent) + rows.extent * 10**6
    if offsets is None:
        offsets, shares = np.tile(np.arange(size), count), np.repeat(shares, size)
    offsets = np.broadcast_to(offsets, shares.shape)
    if item.repeated:
        offsets, shares = np.tile(offsets, 2), np.concatenate([shares, np.full_like(shares, ANYWHERE)])
    inside = (offsets >= 0) & ((offsets < size) | written)
    return Touch(thing, written, offsets[inside], shares[inside])


def _places(variables: tuple[Variable, ...]) -> dict[Variable, Offsets]:
    grids = np.meshgrid(*(np.arange(variable.extent) for variable in variables), indexing="ij")
    return {variable: grid.ravel() for variable, grid in zip(variables, grids, strict=True)}


def _value(index: Index, places: dict[Variable, Offsets]) -> Offsets | None:
    """Return the index at every iteration; None if it depends on memory."""
    if isinstance(index, int):
        return np.asarray(index)
    total: Offsets = np.asarray(index.constant)
    for atom, c in index.terms:
        if isinstance(atom, Variable):
            total = total + c * places[atom]
        elif atom.kind in ("quotient", "remainder"):
            inner = _value(atom.payload[0], places)
            if inner is None:
                return None
            total = total + c * (inner // atom.payload[1] if atom.kind == "quotient" else inner % atom.payload[1])
        else:
            return None
    return total


def races(schedule: Schedule) -> list[str]:
    """Return pairs of accesses in one phase by which a thread may meet another's unfinished work."""
    found = []
    for number, phase in enumerate(schedule.phases):
        touched = [touch for item in phase for touch in touches(item, schedule)]
        buffers: dict[object, list[Touch]] = {}
        for touch in touched:
            buffers.setdefault(schedule.part(touch.thing), []).append(touch)
        for buffer, group in buffers.items():
            if buffer in schedule.private:
                continue
            written = [touch for touch in group if touch.written]
            for one, other in itertools.product(written, group):
                if _meet(one, other):
                    found.append(f"phase {number}, {buffer}")
    return found


def _meet(one: Touch, other: Touch) -> bool:
    """Whether an element is accessed in two different shares."""
    pairs = [np.unique(np.stack([touch.offsets, touch.shares], 1), axis=0) for touch in (one, other)]
    together = np.unique(np.concatenate(pairs), axis=0)
    elements, counts = np.unique(together[:, 0], return_counts=True)
    shared = np.intersect1d(one.offsets, other.offsets)
    return bool(np.isin(elements[counts > 1], shared).any())
