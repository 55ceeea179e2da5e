"""Memory in which every array lies between pages that nobody may touch, and generated code run in it.

Run as a script, it goes through the named programs and runs; each name is printed before its turn, so that a process
that dies tells which one it was. Where pages cannot be closed off, their bytes are looked at afterwards instead.
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
    """Bytes of the whole pages that hold `size` bytes."""
    return -(-size // PAGE) * PAGE


def within(size: int, side: Side) -> int:
    """Where `size` bytes begin in their pages, at the start of the first or to the end of the last."""
    return 0 if side == "start" else pages(size) - size


class Pages:
    """Whole pages of memory, some of them closed."""

    def __init__(self, size: int) -> None:
        self.bytes = np.frombuffer(mmap.mmap(-1, size), np.uint8)
        self.closed: list[int] = []

    def close(self, start: int) -> None:
        """Let nobody read or write the page that begins at `start`."""
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
        """Raise where a page that could not be closed was written to."""
        for start in self.closed:
            if not CLOSES and (self.bytes[start : start + PAGE] != CANARY).any():
                raise AssertionError("something was written beside an array")


_mapped: list[Pages] = []


def between_pages(size: int, side: Side) -> NDArray[np.uint8]:
    """So many bytes with a closed page before and one after."""
    block = Pages(pages(size) + 2 * PAGE)
    block.close(0)
    block.close(PAGE + pages(size))
    _mapped.append(block)
    start = PAGE + within(size, side)
    return block.bytes[start : start + size]


def placed(array: Array, side: Side, order: Order = "C") -> Array:
    """A copy between closed pages; with gaps, only every other element of the last axis is the array's."""
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
    """An arena of which every place has pages of its own, and a closed one before and after."""

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
        """Nothing is used twice."""


class GuardedLayout(Layout):
    """A workspace of which every state has pages of its own in each copy, and a closed one after."""

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
        """Where closed pages begin, but for those of the arena."""
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
    """Inside, what is compiled keeps its arrays between closed pages."""
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
    """The outputs, computed with every array between closed pages."""
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
    """Compare a run, its data laid out as told, with the definition."""
    state, data = training.values(0)
    expected = get_engine("reference").run(Run(training.loop, state, data, 0), 2)
    laid = {name: placed(array, side, order) for name, array in data.items()}
    with guarded(side):
        found = NativeEngine("loops", team=team).run(Run(training.loop, state, laid, 0), 2)
    for name, value in expected.state.items():
        np.testing.assert_allclose(found.state[name], value, rtol=1e-2, atol=1e-3, err_msg=name)


def read_beside(side: Side) -> None:
    """A call with an array that is shorter than the program says."""
    x = Input("x", ArrayType((2 * PAGE + 1,)))
    call(Program((x,), (exp(x),)), {"x": np.ones(2 * PAGE)}, side)


WRONG = "a read beside an array"
ODD = (Sizes(1, 1, 1, 1), Sizes(5, 3, 7, 2), Sizes(17, 33, 9, 5), Sizes(31, 7, 49, 3), Sizes(23, 70, 25, 15))
AFTER = ("bias and activation", "sums", "update", "softmax", "other places")
ORDERS: tuple[Order, ...] = ("C", "F", "gaps")


def cases() -> dict[str, Callable[[Side], None]]:
    """What the script can be asked to do, by name; the first goes wrong on purpose."""
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
    """Go through the named cases, or through all that should go right."""
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
