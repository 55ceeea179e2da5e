"""Loops that cover an axis: one thread's share, in strips of vectors or tiles of rows, and the remainder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from chainrule.engines.native.costs import groups_of_vectors
from chainrule.engines.native.nests import Rows
from chainrule.engines.native.symbolic import Variable
from chainrule.engines.native.text import Function, Value, integer


class At(Protocol):
    """Writes the code for vectors of the given widths, starting at a place along the lane."""

    def __call__(self, start: Value, widths: Sequence[int]) -> None: ...


class AtRow(Protocol):
    """Writes the code for a number of rows, starting at a row."""

    def __call__(self, index: Value, rows: int) -> None: ...


class Axes:
    """Writes the loops of one nest; `rows` is the axis divided among threads, `width` the lanes of a vector."""

    def __init__(self, function: Function, rows: Rows | None, width: int) -> None:
        self.function, self.rows, self.width = function, rows, width
        self.begin, self.end = Value("%begin", "i64"), Value("%end", "i64")

    def bounds(self, variable: Variable) -> tuple[Value, Value] | None:
        """Return the bounds of a loop that is divided among threads."""
        rows = self.rows
        if rows is None or variable is not rows.variable:
            return None
        f = self.function
        return f.integer_operation("mul", self.begin, rows.factor), f.integer_operation("mul", self.end, rows.factor)

    def strips(self, lane: Variable, most: int, at: At) -> None:
        """Call `at` for strips of up to `most` vectors that cover the lane; the last strip may be shorter."""
        f, width = self.function, self.width
        divided = self.bounds(lane)
        if divided is not None:
            start, stop = divided
            count = f.integer_operation("sub", stop, start)
            for vectors in sorted({most, 1}, reverse=True):
                rest = f.let("i64", f"urem {count}, {vectors * width}")
                whole = f.integer_operation("sub", count, rest)
                last = f.integer_operation("add", start, whole)
                self.if_any(start, last, partial(at, widths=[width] * vectors), vectors * width)
                start, count = last, rest
            tail = lane.extent % width
            if tail:
                self.at_the_end(stop, lane, lambda: at(integer(lane.extent - tail), [tail]))
            return
        vectors = -(-lane.extent // width)
        start_at, tail = 0, lane.extent % width
        groups = groups_of_vectors(vectors, most)
        last_group = groups.pop() if tail else 0
        for size in sorted(set(groups), reverse=True):
            stop_at = start_at + groups.count(size) * size * width
            if groups.count(size) == 1:
                at(integer(start_at), [width] * size)
            else:
                loop = f.open_loop(stop_at, start=start_at, step=size * width)
                at(loop.index, [width] * size)
                f.close_loop(loop)
            start_at = stop_at
        if last_group:
            at(integer(start_at), [width] * (last_group - 1) + [tail])

    def if_any(self, start: Value, stop: Value, inside: Callable[[Value], None], step: int) -> None:
        """Write a loop that may have no iterations."""
        f = self.function
        names = f.fresh_label("whole"), f.fresh_label("after")
        f.branch(f.let("i1", f"icmp ult {start}, {stop.text}"), *names)
        f.label(names[0])
        loop = f.open_loop(stop, start=start, step=step)
        inside(loop.index)
        f.close_loop(loop)
        f.jump(names[1])
        f.label(names[1])

    def at_the_end(self, stop: Value, variable: Variable, inside: Callable[[], None]) -> None:
        """Write code that runs if `stop` is the end of the axis."""
        f = self.function
        names = f.fresh_label("tail"), f.fresh_label("after")
        f.branch(f.let("i1", f"icmp eq {stop}, {variable.extent}"), *names)
        f.label(names[0])
        inside()
        f.jump(names[1])
        f.label(names[1])

    def row_tiles(self, row: Variable, bounds: tuple[Value, Value] | None, height: int, at_row: AtRow) -> None:
        """Call `at_row` for every `height` rows within `bounds`, and for the remaining rows at the end of the axis."""
        f, tail = self.function, row.extent % height
        if bounds is None:
            if row.extent >= height:
                loop = f.open_loop(row.extent - tail, step=height)
                at_row(loop.index, height)
                f.close_loop(loop)
            if tail:
                at_row(integer(row.extent - tail), tail)
            return
        start, stop = bounds
        if row.extent >= height:
            count = f.integer_operation("sub", stop, start)
            rest = f.let("i64", f"urem {count}, {height}")
            last = f.integer_operation("sub", stop, rest)
            self.if_any(start, last, partial(at_row, rows=height), height)
        if tail:
            self.at_the_end(stop, row, lambda: at_row(integer(row.extent - tail), tail))

    def least(self, i: Value, j: Value) -> Value:
        """The minimum of two places."""
        f = self.function
        return f.let("i64", f"select {f.let('i1', f'icmp ult {i}, {j.text}')}, {i}, {j}")
