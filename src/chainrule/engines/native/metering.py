"""Profiling: processor cycles of every nest and every barrier, for each thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from chainrule.engines.native.schedule import Arena, Item
from chainrule.engines.native.text import INTEGER, POINTER, Function, Value


@dataclass(eq=False)
class Meter:
    """Counters in each thread's private memory, one per label, starting at `place`.

    They use LLVM's `readcyclecounter`: on x86 the time stamp counter, which runs at a constant rate.
    """

    place: int
    labels: list[str] = field(default_factory=list)
    base: Value = field(default_factory=lambda: Value("null", POINTER))

    @classmethod
    def reserve(cls, private: Arena, most: int) -> Meter:
        """Return a meter for up to `most` labels."""
        return cls(private.take(8 * most))

    def begin(self, function: Function, private: Value) -> None:
        """Set the address of this thread's counters."""
        self.base = function.offset(private, self.place, "i8")

    @contextmanager
    def counting(self, f: Function, label: str) -> Iterator[None]:
        """Add the cycles of the instructions inside to the counter of `label`."""
        counter = f.offset(self.base, len(self.labels), INTEGER)
        self.labels.append(label)
        f.module.declare("llvm.readcyclecounter", "declare i64 @llvm.readcyclecounter()")
        before = f.let(INTEGER, "call i64 @llvm.readcyclecounter()")
        yield
        after = f.let(INTEGER, "call i64 @llvm.readcyclecounter()")
        passed = f.integer_operation("sub", after, before)
        f.store(f.integer_operation("add", f.load(INTEGER, counter), passed), counter)


def described(item: Item) -> str:
    """Describe a nest: the extents of its loops and sums, and the number of arrays it writes."""
    nest = item.nest
    if nest.called is not None:
        return type(nest.called.node.primitive).__name__
    loops = " × ".join(str(variable.extent) for variable in nest.variables) or "one number"
    sums = [" × ".join(str(variable.extent) for variable in each.payload[1]) for each in nest.reductions]
    over = f", sums over {' and '.join(sums)}" if sums else ""
    results = f", {len(nest.results)} results" if len(nest.results) > 1 else ""
    return f"{loops}{over}{results}"
