"""Where the time of a step goes: processor cycles counted around every nest and every wait, for each thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from chainrule.engines.native.schedule import Arena, Item
from chainrule.engines.native.text import INTEGER, POINTER, Function, Value


@dataclass(eq=False)
class Meter:
    """Counters in each thread's own memory, one for each label, from `place` on.

    What is counted is LLVM's `readcyclecounter`: on x86 the time stamp counter, which runs at a constant rate.
    """

    place: int
    labels: list[str] = field(default_factory=list)
    base: Value = field(default_factory=lambda: Value("null", POINTER))

    @classmethod
    def reserve(cls, private: Arena, most: int) -> Meter:
        """A meter for up to `most` labels."""
        return cls(private.take(8 * most))

    def begin(self, function: Function, private: Value) -> None:
        """Where this thread's counters are."""
        self.base = function.offset(private, self.place, "i8")

    @contextmanager
    def counting(self, f: Function, label: str) -> Iterator[None]:
        """Adds the cycles that the instructions inside take to a counter of their own."""
        counter = f.offset(self.base, len(self.labels), INTEGER)
        self.labels.append(label)
        f.module.declare("llvm.readcyclecounter", "declare i64 @llvm.readcyclecounter()")
        before = f.let(INTEGER, "call i64 @llvm.readcyclecounter()")
        yield
        after = f.let(INTEGER, "call i64 @llvm.readcyclecounter()")
        passed = f.integer_operation("sub", after, before)
        f.store(f.integer_operation("add", f.load(INTEGER, counter), passed), counter)


def described(item: Item) -> str:
    """A nest in a few words: the extents of its loops, those of its sums, and how many arrays it writes."""
    nest = item.nest
    loops = " × ".join(str(variable.extent) for variable in nest.variables) or "one number"
    sums = [" × ".join(str(variable.extent) for variable in each.payload[1]) for each in nest.reductions]
    over = f", sums over {' and '.join(sums)}" if sums else ""
    results = f", {len(nest.results)} results" if len(nest.results) > 1 else ""
    return f"{loops}{over}{results}"
