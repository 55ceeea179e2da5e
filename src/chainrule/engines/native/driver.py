"""The generated function of a whole run: epochs, batches, row order, losses, snapshots and stopping.

A `StepWriter` defines what a step computes and where it keeps the state; the code around it is the same for registers
and for memory. Every thread of a team calls the function with its own number. All threads execute the same epochs and
batches, take the same decisions, and wait for each other at barriers.

void run(ptr control, ptr workspace, ptr losses, ptr data, i64 thread)

`data` holds pointers to rows, constants and literals, in this order.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.engines.loop import Loop
from chainrule.engines.native.schedule import aligned
from chainrule.engines.native.shuffling import write_shuffle
from chainrule.engines.native.storage import Storage
from chainrule.engines.native.team import TeamWriter
from chainrule.engines.native.text import INTEGER, POINTER, Function, Module, Value, constant, integer
from chainrule.ir import cached_property


class Control(enum.IntEnum):
    """The words shared by the caller and the generated code, all int64; one cache line per writer."""

    STOP = 0
    """Set by the caller to end the run."""
    FIRST_EPOCH = 8
    LAST_EPOCH = 9
    STEP_LIMIT = 10
    SEED = 11
    THREADS = 12
    YIELD = 13
    """The address of a function that yields the processor to another thread."""
    FIRST_ROW = 14
    """The first row of the first batch in the first epoch."""
    ORDER = 15
    """The address of the orders of rows, one epoch after another; 0 if they are to be drawn."""
    EPOCHS_DONE = 16
    """The number of finished epochs, counted from the beginning of the run."""
    STEPS_DONE = 17
    """Steps of this call."""
    STATUS = 18
    SNAPSHOTS = 19
    """1 + the number of the last complete snapshot, 0 before the first; all snapshots are finite."""
    TOTAL = 20
    """A double: the weighted losses of the finished steps of the current epoch, at the start and at the end."""
    KEPT = 21
    """Two doubles, used alternately: `TOTAL` at the time of each snapshot."""
    SEEN = 24
    """Two words, used alternately: `STOP` as read by the first thread at the end of a step, for all to use."""
    SPOILT = 32
    """Nonzero once a non-finite state was found."""
    ARRIVALS = 40
    """The number of arrivals of threads at barriers."""
    AWAITED = 48
    """For each thread, in its own cache line, the number of arrivals that it waits for."""


def control_words(threads: int) -> int:
    """The length of the control block of a team."""
    return Control.AWAITED + 8 * threads


class Ending(enum.IntEnum):
    """Why generated code returned, or that it was never called."""

    NOT_STARTED = -1
    FINISHED = 0
    STOPPED = 1
    LOSS_NOT_FINITE = 2
    STATE_NOT_FINITE = 3


@dataclass(frozen=True)
class Layout:
    """The layout of the workspace, in bytes.

    It contains three copies of the state, the order of rows, the arena, and private memory for each thread. Copy 0 is
    the state: a run starts from it and leaves its result there. The other two alternate as snapshots; snapshot k is in
    copy 1 + k mod 2.
    """

    states: tuple[Storage, ...]
    order_size: int
    arena_size: int
    private_size: int = 0

    @cached_property
    def offsets(self) -> list[int]:
        """The offset of each state within a copy."""
        sizes = [aligned(storage.nbytes) for storage in self.states]
        return [sum(sizes[:k]) for k in range(len(sizes))]

    @cached_property
    def copy_size(self) -> int:
        """The size of one copy of the state in bytes."""
        return sum(aligned(storage.nbytes) for storage in self.states)

    def copy(self, number: int) -> int:
        return number * self.copy_size

    @property
    def order(self) -> int:
        return 3 * self.copy_size

    @property
    def arena(self) -> int:
        return self.order + aligned(8 * self.order_size)

    @property
    def private(self) -> int:
        """The offset of the first thread's private memory; those of the others follow."""
        return self.arena + self.arena_size

    def size(self, threads: int) -> int:
        """The size of the workspace of a team."""
        return self.private + threads * self.private_size


class StepWriter(ABC):
    """Writes the computation of one step. `carried` are the registers that hold the state, if registers do.

    `alone` means that a single thread runs it; `literals` is the number of literal arrays in `data`.
    """

    alone = False
    literals = 0

    @abstractmethod
    def begin(self, function: Function, workspace: Value, data: Sequence[Value], team: TeamWriter) -> list[Value]:
        """Write the instructions before the first epoch; return the values carried into it."""

    @abstractmethod
    def step(
        self,
        function: Function,
        size: int,
        start: Value,
        order: Value | None,
        parity: Value,
        carried: Sequence[Value],
        team: TeamWriter,
    ) -> tuple[Value, list[Value]]:
        """Write one step on the rows `start, …, start + size − 1`, or on those listed at these places of `order`.

        Every thread of the team must have finished when it ends. Returns the loss, in the program's dtype, and the
        carried values. `parity` alternates between 0 and 1.
        """

    @abstractmethod
    def snapshot(self, function: Function, carried: Sequence[Value], target: Value, team: TeamWriter) -> Value:
        """Copy this thread's share of the state to `target`; return whether the share is finite."""

    @abstractmethod
    def finish(self, function: Function, carried: Sequence[Value]) -> None:
        """Write the state to copy 0 of the workspace, if it is not there already."""


@dataclass(frozen=True)
class _Progress:
    """The loop-carried values: the steps of this call, the weighted losses of this epoch, and the step's own."""

    steps: Value
    total: Value
    carried: Sequence[Value]

    @classmethod
    def of(cls, values: Sequence[Value]) -> _Progress:
        """The inverse of `values`."""
        return cls(values[0], values[1], values[2:])

    @property
    def values(self) -> list[Value]:
        """All values as one list."""
        return [self.steps, self.total, *self.carried]


@dataclass(frozen=True)
class _Exit:
    block: str
    ending: Ending
    progress: _Progress


class RunWriter:
    """Writes `run` for one loop.

    Snapshot k is taken and checked before epoch k or, if `every_step`, after k steps of this call.
    """

    def __init__(
        self, module: Module, loop: Loop, layout: Layout, writer: StepWriter, pause: str, every_step: bool = False
    ) -> None:
        self.module, self.loop, self.layout, self.writer, self.pause = module, loop, layout, writer, pause
        self.every_step = every_step
        # Another thread writes to the control words, so the pointer must not be noalias.
        parameters = [("control", "ptr"), *((name, "ptr noalias") for name in ("workspace", "losses", "data"))]
        self.function = Function(module, "run", "void", [*parameters, ("thread", INTEGER)])
        self.control, self.workspace, self.losses, self.data = (
            Value(f"%{name}", POINTER) for name in ("control", "workspace", "losses", "data")
        )
        self.exits: list[_Exit] = []

    def word(self, which: Control) -> Value:
        return self.function.offset(self.control, int(which), INTEGER)

    def read(self, which: Control) -> Value:
        return self.function.load(INTEGER, self.word(which))

    def write(self) -> None:
        """Write the function, and the shuffling if needed."""
        f, loop = self.function, self.loop
        if loop.shuffles:
            write_shuffle(self.module)
        self.team = TeamWriter(
            f, Value("%thread", INTEGER), self.read(Control.THREADS), self.control,
            arrivals=Control.ARRIVALS, awaited=Control.AWAITED, yields=Control.YIELD,
            alone=self.writer.alone, pause=self.pause,
        )  # fmt: skip
        arrays = [
            f.load(POINTER, f.offset(self.data, k, POINTER))
            for k in range(len(loop.rows) + len(loop.constants) + self.writer.literals)
        ]
        state = self.writer.begin(f, self.workspace, arrays, self.team)
        first, last = self.read(Control.FIRST_EPOCH), self.read(Control.LAST_EPOCH)
        limit, seed = self.read(Control.STEP_LIMIT), self.read(Control.SEED)
        row, total = self.read(Control.FIRST_ROW), f.load("double", self.word(Control.TOTAL))
        given = f.load(POINTER, self.word(Control.ORDER)) if loop.shuffles else None
        begun = _Progress(integer(0), total, state)
        if self.every_step:
            self._accept(integer(0), self._copy(integer(0), state), begun)
        entry = f.block
        head = f.fresh_label("epoch")
        f.jump(head)
        f.label(head)
        line, phis = f.open_phis([INTEGER, INTEGER, INTEGER, "double", *(value.type for value in state)])
        epoch, start, steps, total, *carried = phis
        progress = _Progress(steps, total, carried)
        past = f.integer_operation("sub", epoch, first)
        order = self._begin_epoch(epoch, past, last, progress, given, seed)
        progress = self._batches(start, limit, order, progress)
        next_epoch = f.integer_operation("add nuw nsw", epoch, 1)
        with self.team.only(integer(0)):
            f.store(progress.total, f.offset(self.losses, past, "double"))
            f.do(f"store atomic {next_epoch}, {self.word(Control.EPOCHS_DONE)} release, align 8")
        following = [next_epoch, integer(0), progress.steps, constant(0, "double"), *progress.carried]
        f.close_phis(line, phis, ([first, row, integer(0), begun.total, *state], entry), (following, f.block))
        f.jump(head)
        self._leave()

    def _begin_epoch(
        self, epoch: Value, past: Value, last: Value, progress: _Progress, given: Value | None, seed: Value
    ) -> Value | None:
        """Write the snapshot, the end test and the row order; return the address of this epoch's order."""
        f = self.function
        finite = None if self.every_step else self._copy(epoch, progress.carried)
        order = None
        if given is not None:
            own = f.offset(self.workspace, self.layout.order, "i8")
            drawn = f.let("i1", f"icmp eq {given}, null")
            with self.team.only(self.team.last):
                names = f.fresh_label("draw"), f.fresh_label("ordered")
                f.branch(drawn, *names)
                f.label(names[0])
                f.do(f"call void @shuffle({own}, i64 {self.loop.row_count}, {seed}, {epoch})")
                f.jump(names[1])
                f.label(names[1])
            place = f.integer_operation("mul", past, self.loop.row_count)
            theirs = f.let(POINTER, f"getelementptr {INTEGER}, {given}, {place}")
            order = f.let(POINTER, f"select {drawn}, {own}, {theirs}")
        if finite is not None:
            self._accept(epoch, finite, progress)
        elif order is not None:
            self.team.wait()
        more = f.let("i1", f"icmp ult {epoch}, {last.text}")
        self._exit_unless(more, Ending.FINISHED, progress)
        return order

    def _copy(self, number: Value, carried: Sequence[Value]) -> Value:
        """Write this thread's share of snapshot `number`, preserving the previous one; return whether it is finite."""
        f = self.function
        parity = f.integer_operation("and", number, 1)
        place = f.integer_operation("mul", parity, self.layout.copy_size)
        place = f.integer_operation("add", place, self.layout.copy(1))
        target = f.let(POINTER, f"getelementptr inbounds i8, {self.workspace}, {place}")
        return self.writer.snapshot(f, carried, target, self.team)

    def _accept(self, number: Value, finite: Value, progress: _Progress) -> None:
        """Continue once all shares of snapshot `number` are written, if all are finite."""
        f = self.function
        if not self.team.alone:
            word = self.word(Control.SPOILT)
            names = f.fresh_label("spoilt"), f.fresh_label("sound")
            f.branch(finite, names[1], names[0])
            f.label(names[0])
            f.do(f"store atomic i64 1, {word} monotonic, align 8")
            f.jump(names[1])
            f.label(names[1])
            self.team.wait()
            spoilt = f.let(INTEGER, f"load atomic i64, {word} monotonic, align 8")
            finite = f.let("i1", f"icmp eq {spoilt}, 0")
        self._exit_unless(finite, Ending.STATE_NOT_FINITE, progress)
        with self.team.only(integer(0)):
            kept = f.offset(self.word(Control.KEPT), f.integer_operation("and", number, 1), "double")
            f.do(f"store atomic {progress.total}, {kept} monotonic, align 8")
            count = f.integer_operation("add nuw nsw", number, 1)
            f.do(f"store atomic {count}, {self.word(Control.SNAPSHOTS)} release, align 8")

    def _exit_unless(self, condition: Value, ending: Ending, progress: _Progress) -> None:
        f = self.function
        self.exits.append(_Exit(f.block, ending, progress))
        onward = f.fresh_label("on")
        f.branch(condition, onward, "leave")
        f.label(onward)

    def _batches(self, start: Value, limit: Value, order: Value | None, progress: _Progress) -> _Progress:
        """Write the loop over the batches of an epoch, starting at row `start`."""
        f, loop = self.function, self.loop
        sizes = loop.batch_sizes
        rows = loop.row_count // sizes[0] * sizes[0]
        if len(sizes) == 1:
            return self._whole_batches(start, rows, limit, order, progress)
        before, names = f.block, (f.fresh_label("whole"), f.fresh_label("rest"))
        f.branch(f.let("i1", f"icmp ult {start}, {rows}"), *names)
        f.label(names[0])
        after = self._whole_batches(start, rows, limit, order, progress)
        inside = f.block
        f.jump(names[1])
        f.label(names[1])
        pairs = zip(progress.values, after.values, strict=True)
        met = [f.phi(value.type, [(value, before), (other, inside)]) for value, other in pairs]
        return self._batch(sizes[1], integer(rows), limit, order, _Progress.of(met))

    def _whole_batches(
        self, start: Value, rows: int, limit: Value, order: Value | None, progress: _Progress
    ) -> _Progress:
        """Write the loop over the full batches that begin before row `rows`; there is at least one."""
        f, size = self.function, self.loop.batch_sizes[0]
        if rows == size:
            return self._batch(size, integer(0), limit, order, progress)
        turn = f.open_loop(rows, progress.values, start=start, step=size)
        after = self._batch(size, turn.index, limit, order, _Progress.of(turn.carried))
        f.close_loop(turn, after.values)
        return after

    def _batch(self, size: int, start: Value, limit: Value, order: Value | None, progress: _Progress) -> _Progress:
        f, steps = self.function, progress.steps
        parity = f.integer_operation("and", steps, 1)
        before = f.integer_operation("xor", parity, 1)
        word = self.word(Control.STOP) if self.team.alone else self._seen(before)
        flag = f.let(INTEGER, f"load atomic i64, {word} monotonic, align 8")
        going = f.let("i1", f"icmp eq {flag}, 0")
        below = f.let("i1", f"icmp ult {steps}, {limit.text}")
        self._exit_unless(f.let("i1", f"and {going}, {below.text}"), Ending.STOPPED, progress)
        if not self.team.alone:
            with self.team.only(integer(0)):
                # Written before the last barrier of the step and read after it, so all threads read the same value.
                stop = f.let(INTEGER, f"load atomic i64, {self.word(Control.STOP)} monotonic, align 8")
                f.do(f"store atomic {stop}, {self._seen(parity)} monotonic, align 8")
        loss, following = self.writer.step(f, size, start, order, parity, progress.carried, self.team)
        if loss.type == "float":
            loss = f.let("double", f"fpext {loss} to double")
        magnitude = f.call("double", "llvm.fabs.f64", loss)
        finite = f.let("i1", f"fcmp olt {magnitude}, {constant(float('inf'), 'double').text}")
        self._exit_unless(finite, Ending.LOSS_NOT_FINITE, progress)
        share = constant(size / self.loop.row_count, "double")
        weighted = f.let("double", f"fmul {loss}, {share.text}")
        total = f.let("double", f"fadd {progress.total}, {weighted.text}")
        after = _Progress(f.integer_operation("add nuw nsw", steps, 1), total, following)
        if self.every_step:
            self._accept(after.steps, self._copy(after.steps, following), after)
        return after

    def _seen(self, parity: Value) -> Value:
        return self.function.offset(self.word(Control.SEEN), parity, INTEGER)

    def _leave(self) -> None:
        f = self.function
        f.label("leave")
        status = f.phi(INTEGER, [(integer(int(exit.ending)), exit.block) for exit in self.exits])
        values = [
            f.phi(value.type, [(exit.progress.values[k], exit.block) for exit in self.exits])
            for k, value in enumerate(self.exits[0].progress.values)
        ]
        left = _Progress.of(values)
        self.writer.finish(f, left.carried)
        with self.team.only(integer(0)):
            f.store(left.steps, self.word(Control.STEPS_DONE))
            f.store(left.total, self.word(Control.TOTAL))
            f.do(f"store atomic {status}, {self.word(Control.STATUS)} release, align 8")
        f.do("ret void")
        f.finish()
