"""Guarded memory, in which every array lies between inaccessible pages, for running generated code.

As a script it runs the named cases; each name is printed before its case, so that a crash of the process is
attributable. Where pages cannot be protected, their contents are checked afterwards instead.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any, Literal
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Run, evaluate, get_engine
from chainrule.engines.native import NativeEngine, compilation, engine, memory, session
from chainrule.engines.native.driver import Layout
from chainrule.engines.native.schedule import Arena, aligned
from chainrule.ir import ArrayType, Input, Program
from chainrule.primitives import exp
from support.sized_programs import (
    FLOATS,
    LOSSES,
    OPTIMIZERS,
    PRODUCTS,
    Sizes,
    Training,
    moving_program,
    product_program,
    random_values,
)

Array = NDArray[Any]
Side = Literal["start", "end"]
Order = Literal["C", "F", "gaps"]
PAGE = mmap.PAGESIZE
CLOSES = sys.platform == "linux"
CANARY = 0xA5
PROT_NONE = 0


def pages(size: int) -> int:
    """Return the bytes of the whole pages that hold `size` bytes."""
    return -(-size // PAGE) * PAGE


def within(size: int, side: Side) -> int:
    """Return the offset of `size` bytes in their pages, at the start of the first or the end of the last."""
    return 0 if side == "start" else pages(size) - size


class Pages:
    """Whole pages of memory, some of them protected."""

    def __init__(self, size: int) -> None:
        self.bytes = np.frombuffer(mmap.mmap(-1, size), np.uint8)
        self.closed: list[int] = []

    def close(self, start: int) -> None:
        """Make the page that begins at `start` inaccessible."""
        assert start % PAGE == 0
        self.closed.append(start)
        if not CLOSES:
            self.bytes[start : start + PAGE] = CANARY
            return
        address = ctypes.c_void_p(self.bytes.ctypes.data + start)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mprotect(address, ctypes.c_size_t(PAGE), ctypes.c_int(PROT_NONE)):
            raise OSError(ctypes.get_errno(), "mprotect failed")

    def check(self) -> None:
        """Raise an error if an unprotected guard page was written to."""
        for start in self.closed:
            if not CLOSES and (self.bytes[start : start + PAGE] != CANARY).any():
                raise AssertionError("something was written beside an array")


_mapped: list[Pages] = []


def between_pages(size: int, side: Side) -> NDArray[np.uint8]:
    """Return `size` bytes with a guard page before and after."""
    block = Pages(pages(size) + 2 * PAGE)
    block.close(0)
    block.close(PAGE + pages(size))
    _mapped.append(block)
    start = PAGE + within(size, side)
    return block.bytes[start : start + size]


def placed(array: Array, side: Side, order: Order = "C") -> Array:
    """Return a copy between guard pages; with gaps, only every other element of the last axis is used."""
    if not array.size:
        return array
    shape = array.shape
    if order == "gaps" and array.ndim:
        shape = (*shape[:-1], 2 * shape[-1] - 1)
    size = int(np.prod(shape)) * array.itemsize
    buffer = between_pages(size, side)
    result: Array = np.ndarray(shape, array.dtype, buffer, order="F" if order == "F" else "C")
    result = result[..., ::2] if order == "gaps" and array.ndim else result
    result[...] = array
    return result


class GuardedArena(Arena):
    """An arena in which every allocation has pages of its own, with a guard page before and after."""

    side: Side = "end"

    def __init__(self) -> None:
        super().__init__()
        self.size = PAGE
        self.closed = [0]

    def take(self, count: int) -> int:
        start = self.size + within(count, self.side)
        self.closed.append(self.size + pages(count))
        self.size = self.closed[-1] + PAGE
        return start

    def give_back(self, start: int, count: int) -> None:
        """Do nothing: memory is not reused."""


class GuardedLayout(Layout):
    """A workspace in which every state has pages of its own in each copy, with a guard page after it."""

    side: Side = "end"

    @cached_property
    def offsets(self) -> list[int]:
        starts = list(itertools.accumulate((pages(self._size(k)) + PAGE for k in self._numbers), initial=0))
        return [start + within(self._size(k), self.side) for k, start in zip(self._numbers, starts, strict=False)]

    @cached_property
    def copy_size(self) -> int:
        return sum(pages(self._size(k)) + PAGE for k in self._numbers)

    @property
    def arena(self) -> int:
        return self.order + pages(8 * self.order_size) + PAGE

    @property
    def closed(self) -> Iterator[int]:
        """Yield the starts of guard pages, except those of the arena."""
        for copy, k in itertools.product(range(3), self._numbers):
            end = self.offsets[k] + self._size(k)
            yield self.copy(copy) + pages(end)
        yield self.arena - PAGE

    @property
    def _numbers(self) -> range:
        return range(len(self.states))

    def _size(self, k: int) -> int:
        return aligned(self.states[k].nbytes)


@contextmanager
def guarded(side: Side) -> Iterator[list[GuardedArena]]:
    """Within the block, compiled code keeps its arrays between guard pages."""
    arenas: list[GuardedArena] = []
    layouts: list[GuardedLayout] = []

    def arena() -> GuardedArena:
        arenas.append(GuardedArena())
        arenas[-1].side = side
        return arenas[-1]

    def layout(*arguments: Any) -> GuardedLayout:
        layouts.append(type("Placed", (GuardedLayout,), {"side": side})(*arguments))
        return layouts[-1]

    def workspace(size: int) -> Array:
        teams = [team for team in range(1, 9) if layouts and size == layouts[-1].size(team)]
        if not teams:
            return between_pages(aligned(size), side)[:size]
        block = Pages(size + PAGE)
        _mapped.append(block)
        shared, private = arenas[-2:]
        for start in (*layouts[-1].closed, *(layouts[-1].arena + start for start in shared.closed)):
            block.close(start)
        for thread, start in itertools.product(range(teams[0]), private.closed):
            block.close(layouts[-1].private + thread * private.size + start)
        block.close(size)
        return block.bytes[:size]

    with (
        mock.patch.object(memory, "Arena", arena),
        mock.patch.object(memory, "Layout", layout),
        mock.patch.object(session, "workspace", workspace),
        mock.patch.object(engine, "SMALL", 0),
    ):
        yield arenas


def call(program: Program, values: Mapping[str, Array], side: Side) -> list[Array]:
    """Return the outputs, computed with every array between guard pages."""
    with guarded(side) as arenas:
        code = compilation.CompiledProgram(program, "loops")
    workspace = Pages(arenas[0].size + PAGE)
    _mapped.append(workspace)
    for start in (*arenas[0].closed, arenas[0].size):
        workspace.close(start)
    types = [output.type for output in program.outputs]
    results = [placed(np.zeros(type.concrete_shape, type.dtype.numpy), side) for type in types]
    arrays = [*(values[node.name] for node in program.inputs), *code._literals]
    everything = [*(placed(np.asarray(array), side) for array in arrays), *results]
    addresses = np.array([array.ctypes.data for array in everything], np.int64)
    code._function(workspace.bytes.ctypes.data, addresses.ctypes.data)
    return results


def check_call(program: Program, side: Side) -> None:
    """Compare a call with the definition."""
    values = random_values(program, 0)
    for found, expected in zip(call(program, values, side), evaluate(program, values), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def check_run(training: Training, order: Order, team: int, side: Side) -> None:
    """Compare a run, with its data in the given layout, with the definition."""
    state, data = training.values(0)
    expected = get_engine("reference").run(Run(training.loop, state, data, 0), 2)
    laid = {name: placed(array, side, order) for name, array in data.items()}
    with guarded(side):
        found = NativeEngine("loops", team=team).run(Run(training.loop, state, laid, 0), 2)
    for name, value in expected.state.items():
        np.testing.assert_allclose(found.state[name], value, rtol=1e-2, atol=1e-3, err_msg=name)


def read_beside(side: Side) -> None:
    """Call a program with an array that is shorter than its type."""
    x = Input("x", ArrayType((2 * PAGE + 1,)))
    call(Program((x,), (exp(x),)), {"x": np.ones(2 * PAGE)}, side)


WRONG = "a read beside an array"
ODD = (Sizes(1, 1, 1, 1), Sizes(5, 3, 7, 2), Sizes(17, 33, 9, 5), Sizes(31, 7, 49, 3), Sizes(23, 70, 25, 15))
AFTER = ("bias and activation", "sums", "update", "softmax", "other places")
ORDERS: tuple[Order, ...] = ("C", "F", "gaps")


def cases() -> dict[str, Callable[[Side], None]]:
    """Return the cases of the script by name; the first fails on purpose."""
    found: dict[str, Callable[[Side], None]] = {WRONG: read_beside}
    for number, product in enumerate(PRODUCTS):
        size = ODD[2 + number % 3]
        program = product_program(size, product, [AFTER[number % 5]], FLOATS[number % 2])
        found[f"{product}, {size}"] = partial(check_call, program)
    for number, size in enumerate(ODD):
        dtype = FLOATS[number % 2]
        found[f"moving, {size}"] = partial(check_call, moving_program(size, dtype))
        training = Training(size, 41, LOSSES[number % 4], OPTIMIZERS[number % 3], dtype, number % 3 != 2)
        for order in ORDERS if number == 2 else ORDERS[number % 3 :][:1]:
            found[f"{training}, {order}"] = partial(check_run, training, order, 1 + number % 3)
    return found


def main(side: Side, names: list[str]) -> None:
    """Run the named cases, or all that should succeed."""
    known = cases()
    for name in names or list(known)[1:]:
        sys.stdout.write(f"{name}\n")
        sys.stdout.flush()
        known[name](side)
        for block in _mapped:
            block.check()
        _mapped.clear()


if __name__ == "__main__":
    main("end" if sys.argv[1] == "end" else "start", sys.argv[2:])
