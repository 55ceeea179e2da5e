"""Thread teams: how threads that run the same generated code divide rows and wait at barriers."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chainrule.engines.loop import EngineError
from chainrule.engines.native.choices import grain
from chainrule.engines.native.target import Target
from chainrule.engines.native.text import INTEGER, Function, Module, Value, integer

SPINS: Final = 100
"""Number of spins at a barrier before a thread yields the processor: a few microseconds.

On idle processors more was measured to gain nothing; on busy ones, 2,000 were five times as slow.
"""

SECONDS_PER_OPERATION: Final = 1.5e-11
"""Measured for one operation of a product in vectors of eight, which dominate a step."""

SECONDS_PER_PHASE: Final = 1e-5
"""Minimum work in seconds between two barriers for a thread to be worth waking.

A barrier takes a tenth of it, but a thread that is preempted delays all others.
"""


def seconds_for(work: float, target: Target) -> float:
    """Estimate the time that one thread takes for `work` operations."""
    return work * SECONDS_PER_OPERATION * max(32 / target.vector_bytes, 1)


def threads_for(work: float, phases: int, limit: int) -> int:
    """Return the number of threads, at most `limit`, for a step of `work` operations.

    >>> threads_for(10_000, 2, 8), threads_for(50_000_000, 2, 8)
    (1, 8)
    """
    worthwhile = work * SECONDS_PER_OPERATION / (max(phases, 1) * SECONDS_PER_PHASE)
    return max(1, min(limit, int(worthwhile)))


def available() -> int:
    """Return the number of processors available to this process: its affinity mask, limited by CHAINRULE_NUM_THREADS.

    Raises EngineError if that variable is not a whole number of at least 1.
    """
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("CHAINRULE_NUM_THREADS", "").strip()
    if not wanted:
        return processors
    if not wanted.isdecimal() or int(wanted) < 1:
        raise EngineError(f"CHAINRULE_NUM_THREADS is {wanted!r}; it should be a whole number of at least 1")
    return min(int(wanted), processors)


@functools.cache
def yielding() -> int:
    """The address of the operating system's function that yields to another thread; 0 if there is none."""
    library, name = ("kernel32", "SwitchToThread") if sys.platform == "win32" else (None, "sched_yield")
    try:
        return ctypes.cast(getattr(ctypes.CDLL(library), name), ctypes.c_void_p).value or 0
    except (AttributeError, OSError):
        return 0


def pause(target: Target) -> str:
    """The instruction that marks a spin loop; "" if unknown."""
    if target.is_x86:
        return "call void @llvm.x86.sse2.pause()"
    return "call void @llvm.aarch64.hint(i32 1)" if target.architecture == "arm" else ""


class TeamWriter:
    """Writes the code of one thread in a team. Code with `alone` runs in a single thread and has no barriers."""

    def __init__(
        self,
        function: Function,
        thread: Value,
        threads: Value,
        control: Value,
        *,
        arrivals: int,
        awaited: int,
        yields: int,
        alone: bool,
        pause: str,
    ) -> None:
        self.function, self.thread, self.threads, self.control = function, thread, threads, control
        self.alone = alone
        self.last = function.integer_operation("sub", threads, 1)
        self._ranges: dict[int, tuple[Value, Value]] = {}
        if not alone:
            _write_barrier(function.module, arrivals, awaited, yields, pause)

    @contextmanager
    def only(self, thread: Value) -> Iterator[None]:
        """Write instructions for one thread only."""
        f = self.function
        if self.alone:
            yield
            return
        names = f.fresh_label("mine"), f.fresh_label("after")
        f.branch(f.let("i1", f"icmp eq {self.thread}, {thread.text}"), *names)
        f.label(names[0])
        yield
        f.jump(names[1])
        f.label(names[1])

    def wait(self) -> None:
        """Write a barrier."""
        if not self.alone:
            self.function.do(f"call void @barrier({self.control}, {self.thread}, {self.threads})")

    def divide(self, extents: Iterator[int] | set[int]) -> None:
        """Compute this thread's share of axes with these extents, once for the whole run."""
        f = self.function
        following = f.integer_operation("add", self.thread, 1)
        for extent in sorted(extents):
            if self.alone:
                self._ranges[extent] = integer(0), integer(extent)
                continue
            blocks = -(-extent // grain(extent))
            bounds = []
            for number in (self.thread, following):
                block = f.let(INTEGER, f"udiv {f.integer_operation('mul', number, blocks)}, {self.threads.text}")
                row = f.integer_operation("mul", block, grain(extent))
                inside = f.let("i1", f"icmp ult {row}, {extent}")
                bounds.append(f.let(INTEGER, f"select {inside}, {row}, i64 {extent}"))
            self._ranges[extent] = bounds[0], bounds[1]

    def share(self, extent: int) -> tuple[Value, Value]:
        """Return the first row of this thread, and the first row after its share."""
        return self._ranges[extent]


def _write_barrier(module: Module, arrivals: int, awaited: int, yields: int, pause: str) -> None:
    """Write `barrier(control, thread, threads)`. Arrivals only count up, so nothing needs to be reset.

    `pause` is the instruction that marks a spin loop.
    """
    f = Function(
        module,
        "barrier",
        "void",
        [("control", "ptr"), ("thread", INTEGER), ("threads", INTEGER)],
        attributes="nounwind noinline",
        linkage="internal",
    )
    control, thread, threads = Value("%control", "ptr"), Value("%thread", INTEGER), Value("%threads", INTEGER)
    f.branch(f.let("i1", f"icmp eq {threads}, 1"), "return", "several")
    f.label("several")
    line = f.integer_operation("mul", thread, 8)
    own = f.offset(f.offset(control, awaited, INTEGER), line, INTEGER)
    target = f.integer_operation("add", f.load(INTEGER, own), threads)
    f.store(target, own)
    counter = f.offset(control, arrivals, INTEGER)
    before = f.let(INTEGER, f"atomicrmw add {counter}, i64 1 acq_rel, align 8")
    now = f.integer_operation("add", before, 1)
    f.branch(f.let("i1", f"icmp uge {now}, {target.text}"), "return", "look")
    f.label("look")
    line_number, (count,) = f.open_phis([INTEGER])
    seen = f.let(INTEGER, f"load atomic i64, {counter} acquire, align 8")
    f.branch(f.let("i1", f"icmp uge {seen}, {target.text}"), "return", "spin")
    f.label("spin")
    if pause:
        name = pause.split("(")[0].removeprefix("call void @")
        module.declare(name, f"declare void @{name}({'i32' if 'i32' in pause else ''})")
        f.do(pause)
    more = f.integer_operation("add", count, 1)
    f.branch(f.let("i1", f"icmp ult {more}, {SPINS}"), "again", "give")
    f.label("give")
    function = f.load("ptr", f.offset(control, yields, INTEGER))
    f.branch(f.let("i1", f"icmp eq {function}, null"), "again", "call")
    f.label("call")
    f.let("i32", f"call i32 {function.text}()")
    f.jump("again")
    f.label("again")
    f.close_phis(line_number, [count], ([integer(0)], "several"), ([more], "again"))
    f.jump("look")
    f.label("return")
    f.do("ret void")
    f.finish()
