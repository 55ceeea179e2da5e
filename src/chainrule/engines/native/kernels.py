"""Loop nests as functions: each nest becomes one function that reads some arrays and writes others.

Vectors run along the loop that the cost model chose. A sum over further axes keeps its accumulators in registers, for a
tile of several rows and vectors of the result, so that a matrix product reuses its loads; elementwise operations on the
sum are computed before the tile is stored. Nests without a lane are computed element by element, but sums over
contiguous memory still use vectors.

A function computes the rows from `begin` to `end` of its leading axis. Both are multiples of the grain, or the end of
the axis, so that the position of a row in a tile, and every bit of the result, are independent of how rows are divided.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from chainrule.engines.native.axes import Axes
from chainrule.engines.native.blocking import ROW_BLOCK, Blocking, ColumnCopy, blocking, column_copy
from chainrule.engines.native.body import UNROLL, Body, Copied, Frame
from chainrule.engines.native.choices import lanes_of
from chainrule.engines.native.costs import (
    groups_of_vectors,
    neighbours,
    tile,
)
from chainrule.engines.native.nests import Nest
from chainrule.engines.native.reductions import (
    LONG,
    LONG_UNROLL,
    SummingFrame,
    is_long,
    reduce_across,
    reduce_block,
    reduce_rest,
    reduce_together,
    rounded,
    with_part,
)
from chainrule.engines.native.symbolic import Affine, Dependence, Expression, Variable
from chainrule.engines.native.target import Target
from chainrule.engines.native.text import (
    POINTER,
    REGISTER_TYPES,
    Function,
    Module,
    Value,
    constant,
    integer,
    vector,
)

SINGLE_VECTOR_ROWS = 8
"""The number of rows of a tile whose lanes fit in one vector."""


class KernelWriter:
    """Writes one nest: `void name(ptr buffer, …, i64 begin, i64 end)`.

    `buffers` names the arrays in the order of the parameters; `parts` maps each source or target to one of them.
    `sizes` counts the elements of the sources.
    """

    def __init__(
        self,
        module: Module,
        name: str,
        nest: Nest,
        lane: Variable | None,
        buffers: Sequence[object],
        parts: Mapping[object, object],
        sizes: Mapping[object, int],
        target: Target,
    ) -> None:
        written = {parts[result.target] for result in nest.results}
        parameters = [
            (f"buffer{k}", "ptr noalias" if buffer in written else "ptr noalias readonly")
            for k, buffer in enumerate(buffers)
        ]
        parameters += [("begin", "i64"), ("end", "i64")]
        self.function = Function(module, name, "void", parameters, "nounwind noinline", "internal")
        places = {buffer: Value(f"%buffer{k}", POINTER) for k, buffer in enumerate(buffers)}
        self.pointers = {part: places[buffer] for part, buffer in parts.items()}
        self.nest, self.lane, self.sizes = nest, lane, sizes
        self.width = lanes_of(nest, target)
        self.is_direct = lane is None or self._direct(lane)
        self.shape, self.unroll = tile(target), _unroll(nest, target)
        if not self.is_direct:
            self.shape, self.unroll = replace(self.shape, vectors=1), 1
        self._scratch: list[Value] = []
        self.axes = Axes(self.function, nest.rows, self.width)

    def _direct(self, lane: Variable) -> bool:
        """Whether all loads and stores are contiguous along the lane; unrolling others would make the code too long."""
        varies = Dependence(lane)
        return all(use.kind != "load" or neighbours(use, varies) for use, _ in self.nest.uses) and all(
            isinstance(result.place, Affine) and result.place.coefficient(lane) == 1 for result in self.nest.results
        )

    def write(self) -> str:
        """Write the function; return the name to call, which may be that of an identical function."""
        f, nest = self.function, self.nest
        if nest.rows is not None:
            f.branch(f.let("i1", f"icmp ult {self.axes.begin}, {self.axes.end.text}"), "some", "none")
            f.label("some")
        if self.lane is None:
            self._over(nest.variables, {}, self._element)
        elif self.lane not in nest.variables:
            self._across(self.lane)
        elif nest.reductions:
            self._tiles(self.lane)
        else:
            outer = [variable for variable in nest.variables if variable is not self.lane]
            self._over(outer, {}, self._vectors)
        if nest.rows is not None:
            f.jump("none")
            f.label("none")
        f.do("ret void")
        return f.finish_once()

    def _over(
        self,
        variables: Sequence[Variable],
        places: dict[Variable, Value],
        inside: Callable[[dict[Variable, Value]], None],
    ) -> None:
        if not variables:
            inside(places)
            return
        start, stop = self.axes.bounds(variables[0]) or (integer(0), integer(variables[0].extent))
        with self.function.loop(stop, start) as index:
            self._over(variables[1:], {**places, variables[0]: index}, inside)

    def _frame(self, places: Mapping[Variable, Value], row: Variable | None = None) -> Frame:
        width = 0 if self.lane is not None else self.width
        unconditional = self.nest.unconditional if row is not None or self.lane is not None else ()
        return SummingFrame(
            self.function, self.pointers, self.sizes, places, self.lane, row, width, unconditional, self.unroll
        )

    def _finish(self, bodies: Sequence[Body]) -> None:
        """Compute the sums of a tile and the values that depend on them, and store the results."""
        nest = self.nest
        for reduction in nest.reductions:
            if reduction in nest.unconditional:
                for body, value in zip(bodies, reduce_together(bodies, reduction), strict=True):
                    body.keep(reduction, value)
        self._store(bodies)

    def _store(self, bodies: Sequence[Body]) -> None:
        nest = self.nest
        for body in bodies:
            for member in nest.members:
                body.value(member)
            for result in nest.results:
                body.store(result.root, self.pointers[result.target], result.place)

    def _element(self, places: dict[Variable, Value]) -> None:
        self._finish(self._frame(places).bodies(1, integer(0), [0]))

    def _vectors(self, places: dict[Variable, Value]) -> None:
        """Cover the lane one vector at a time, with a shorter vector for the remainder."""
        assert self.lane is not None

        def at(start: Value, widths: Sequence[int]) -> None:
            self._finish(self._frame(places).bodies(1, start, widths))

        self.axes.strips(self.lane, 1, at)

    def _tiles(self, lane: Variable) -> None:
        outer = [variable for variable in self.nest.variables if variable is not lane]
        shared = [variable for variable in outer if self._reused_along(variable, lane)]
        row = shared[-1] if shared else None
        others = [variable for variable in outer if variable is not row]

        def columns(places: dict[Variable, Value]) -> None:
            if row is None:
                self.axes.strips(
                    lane, most, lambda start, widths: self._finish(self._frame(places).bodies(1, start, widths))
                )
                return
            copied = self.is_direct and self._blocking(row) is None
            copy = column_copy(self.nest, lane, row, most * self.width) if copied else None
            if copy is None:
                self.axes.strips(lane, most, lambda start, widths: self._strip(row, places, start, widths))
            else:
                self._column_blocks(copy, lane, row, places)

        most = self.shape.vectors
        self._over(others, {}, columns)

    def _strip(
        self,
        row: Variable,
        places: Mapping[Variable, Value],
        start: Value,
        widths: Sequence[int],
        bounds: tuple[Value, Value] | None = None,
        copies: Mapping[Expression, Copied] | None = None,
    ) -> None:
        """Write one strip of columns, tile after tile, for the rows within `bounds`."""
        blocks = self._blocking(row)
        if blocks is not None:
            self._blocked(blocks, row, dict(places), start, widths)
            return

        def at_row(index: Value, rows: int) -> None:
            frame = self._frame({**places, row: index}, row)
            frame.copies = copies or {}
            self._finish(frame.bodies(rows, start, widths))

        self.axes.row_tiles(row, bounds or self.axes.bounds(row), self._height(widths), at_row)

    def _column_blocks(self, copy: ColumnCopy, lane: Variable, row: Variable, places: Mapping[Variable, Value]) -> None:
        """Write all strips for one block of rows at a time, after copying the block of one factor."""
        f = self.function
        size = copy.columns * copy.variable.extent
        pointers = [f.allocate(REGISTER_TYPES[load.dtype], size) for load in copy.loads]
        first_row, last_row = self.axes.bounds(row) or (integer(0), integer(row.extent))
        with f.loop(last_row, first_row, copy.columns) as top:
            bottom = self.axes.least(f.integer_operation("add", top, copy.columns), last_row)
            for load, pointer in zip(copy.loads, pointers, strict=True):
                with f.loop(copy.variable.extent) as term:
                    here = {**places, copy.variable: term}
                    line = f.integer_operation("mul", term, copy.columns)
                    line = f.offset(pointer, line, REGISTER_TYPES[load.dtype])
                    self._copy_line(load, row, here, (top, bottom), line)
            copies = {
                load: Copied(pointer, copy.columns, top) for load, pointer in zip(copy.loads, pointers, strict=True)
            }
            self.axes.strips(
                lane,
                self.shape.vectors,
                lambda start, widths: self._strip(row, places, start, widths, (top, bottom), copies),
            )

    def _copy_line(
        self,
        load: Expression,
        row: Variable,
        places: Mapping[Variable, Value],
        bounds: tuple[Value, Value],
        line: Value,
    ) -> None:
        """Copy the elements that a load reads along `row`, in vectors with a scalar remainder."""
        f, (top, bottom) = self.function, bounds
        rest = f.let("i64", f"urem {f.integer_operation('sub', bottom, top)}, {self.width}")
        whole = f.integer_operation("sub", bottom, rest)
        element, align = REGISTER_TYPES[load.dtype], f", align {load.dtype.numpy.itemsize}"

        def move(index: Value, width: int) -> None:
            (body,) = SummingFrame(f, self.pointers, self.sizes, places, row).bodies(1, index, [width])
            place = f.integer_operation("sub", index, top)
            f.store(body.value(load), f.offset(line, place, element), align)

        self.axes.if_any(top, whole, partial(move, width=self.width), self.width)
        self.axes.if_any(whole, bottom, partial(move, width=1), 1)

    def _across(self, summed: Variable) -> None:
        """Use vectors along the sum, for a tile of adjacent places of the result."""
        *outer, last = self.nest.variables
        row, column = (outer.pop(), last) if outer else (last, None)

        def columns(places: dict[Variable, Value]) -> None:
            if column is None:
                self.axes.row_tiles(
                    row, self.axes.bounds(row), SINGLE_VECTOR_ROWS, partial(self._sums, summed, row, None, places)
                )
                return
            start_at = 0
            for size, run in itertools.groupby(groups_of_vectors(column.extent, self.shape.vectors)):
                stop_at = start_at + size * len(list(run))
                with self.function.loop(stop_at, start_at, size) as start:
                    at_row = partial(self._sums, summed, row, (column, start, size), places)
                    self.axes.row_tiles(row, self.axes.bounds(row), self.shape.rows, at_row)
                start_at = stop_at

        self._over(outer, {}, columns)

    def _sums(
        self,
        summed: Variable,
        row: Variable,
        columns: tuple[Variable, Value, int] | None,
        places: Mapping[Variable, Value],
        index: Value,
        rows: int,
    ) -> None:
        """Compute and reduce the sums of one tile, then the values that depend on them, one by one."""
        column, start, count = columns or (None, None, 1)
        beside = Dependence(column)
        (reduction,) = self.nest.reductions
        frames = [
            SummingFrame(
                self.function, self.pointers, self.sizes, places, lane, row, 0, self.nest.unconditional, UNROLL, beside
            )
            for lane in (summed, None)
        ]
        tail = summed.extent % self.width
        bodies, rest, single = (
            frame.beside(rows, index, start, count, width) if width else []
            for frame, width in ((frames[0], self.width), (frames[0], tail), (frames[1], 1))
        )
        self._end(single, reduce_across(bodies, rest, reduction), reduction)

    def _height(self, widths: Sequence[int]) -> int:
        """The number of rows of a tile with this many vectors per row."""
        return self.shape.rows if len(widths) > 1 else SINGLE_VECTOR_ROWS

    def _blocking(self, row: Variable) -> Blocking | None:
        """How the sum is cut into blocks, if it is; the same for every strip of columns."""
        if self.lane is None or not self.is_direct:
            return None
        return blocking(self.nest, self.lane, row, self.shape.vectors * self.width)

    def _blocked(
        self, blocks: Blocking, row: Variable, places: dict[Variable, Value], start: Value, widths: Sequence[int]
    ) -> None:
        """Write one strip of columns, block after block of the sum."""
        f = self.function
        distance, most = len(widths) * self.width, self.shape.vectors * self.width
        element = REGISTER_TYPES[blocks.reduction.dtype]
        in_parts = is_long(blocks.reduction)
        held = "double" if in_parts else element
        align = f", align {8 if in_parts else blocks.reduction.dtype.numpy.itemsize}"
        if not self._scratch:
            self._scratch = [f.allocate(element, blocks.length * most) for _ in blocks.loads]
            self._scratch.append(f.allocate(held, min(ROW_BLOCK, row.extent) * most))
        *strips, unfinished = self._scratch
        first_row, last_row = self.axes.bounds(row) or (integer(0), integer(row.extent))
        whole = blocks.variable.extent // self.unroll * self.unroll
        with f.loop(last_row, first_row, ROW_BLOCK) as top:
            bottom = self.axes.least(f.integer_operation("add", top, ROW_BLOCK), last_row)
            count = f.integer_operation("mul", f.integer_operation("sub", bottom, top), distance)
            with f.loop(count, step=self.width) as place:
                f.store(constant(0, vector(held, self.width)), f.offset(unfinished, place, held), align)
            with f.loop(integer(whole), step=blocks.length) as first:
                end = self.axes.least(f.integer_operation("add", first, blocks.length), integer(whole))
                terms = f.integer_operation("sub", end, first)
                self._copy_block(blocks, places, start, widths, first, terms, strips)
                at_end = f.let("i1", f"icmp eq {end}, {whole}")

                def at_row(index: Value, rows: int) -> None:
                    frame = self._frame({**places, row: index}, row)
                    bodies = frame.bodies(rows, start, widths)
                    frame.copies = {
                        load: Copied(strip, distance) for load, strip in zip(blocks.loads, strips, strict=True)
                    }
                    inside = f.integer_operation("mul", f.integer_operation("sub", index, top), distance)
                    spots = [
                        f.integer_operation("add", inside, b.row * distance + b.column * self.width) for b in bodies
                    ]
                    memory = [f.offset(unfinished, spot, held) for spot in spots]
                    totals = [
                        f.load(vector(held, b.lanes), spot, align) for b, spot in zip(bodies, memory, strict=True)
                    ]
                    if in_parts:
                        parts = [constant(0, vector(element, b.lanes)) for b in bodies]
                        parts = reduce_block(bodies, blocks.reduction, first, terms, parts)
                        totals = [with_part(frame, total, part) for total, part in zip(totals, parts, strict=True)]
                    else:
                        totals = reduce_block(bodies, blocks.reduction, first, terms, totals)
                    names = f.fresh_label("finish"), f.fresh_label("keep"), f.fresh_label("after")
                    f.branch(at_end, names[0], names[1])
                    f.label(names[1])
                    for total, spot in zip(totals, memory, strict=True):
                        f.store(total, spot, align)
                    f.jump(names[2])
                    f.label(names[0])
                    frame.copies = {}
                    totals = [
                        rounded(frame, total, vector(element, b.lanes)) for b, total in zip(bodies, totals, strict=True)
                    ]
                    with frame.scope():
                        self._end(bodies, reduce_rest(bodies, blocks.reduction, whole, totals), blocks.reduction)
                    f.jump(names[2])
                    f.label(names[2])

                self.axes.row_tiles(row, (top, bottom), self._height(widths), at_row)

    def _copy_block(
        self,
        blocks: Blocking,
        places: dict[Variable, Value],
        start: Value,
        widths: Sequence[int],
        first: Value,
        terms: Value,
        strips: Sequence[Value],
    ) -> None:
        """Copy a strip of `terms` rows into contiguous memory."""
        f, distance = self.function, len(widths) * self.width
        with f.loop(terms) as term:
            frame = self._frame({**places, blocks.variable: f.integer_operation("add", first, term)})
            for body in frame.bodies(1, start, widths):
                for load, strip in zip(blocks.loads, strips, strict=True):
                    place = f.integer_operation("mul", term, distance)
                    place = f.integer_operation("add", place, body.column * self.width)
                    element = REGISTER_TYPES[load.dtype]
                    align = f", align {load.dtype.numpy.itemsize}"
                    f.store(body.value(load), f.offset(strip, place, element), align)

    def _end(self, bodies: Sequence[Body], totals: Sequence[Value], reduction: Expression) -> None:
        """Compute the values that depend on a sum, and store them."""
        for body, total in zip(bodies, totals, strict=True):
            body.keep(reduction, total)
        self._store(bodies)

    def _reused_along(self, row: Variable, lane: Variable) -> bool:
        """Whether some load that is contiguous along `lane` is the same for every `row`."""
        by_lane, by_row = Dependence(lane), Dependence(row)
        return any(use.kind == "load" and by_lane(use) and not by_row(use) for use, _ in self.nest.uses)


def _unroll(nest: Nest, target: Target) -> int:
    """The unroll factor of the innermost loop of a sum.

    LLVM moves the loads of all turns to the front of the code for WebAssembly, and browsers keep that order, so that
    with several turns they run out of registers.
    """
    if target.architecture == "wasm":
        return 1
    longest = max((variable.extent for each in nest.reductions for variable in each.payload[1]), default=0)
    return LONG_UNROLL if longest >= LONG else UNROLL
