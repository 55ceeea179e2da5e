"""The whole run as one function: epochs, batches, the order of rows, losses, snapshots, and when to stop.

What a step computes, and where it keeps its state, is the business of a `StepWriter`; the frame around it is the same
whether the state lives in registers or in memory. The function takes a block of control words, a workspace and the
caller's arrays:

    void run(ptr control, ptr workspace, ptr losses, ptr data)      data: pointers to rows and fixed arrays, in order
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from chainrule.engines.loop import Loop
from chainrule.engines.native.text import INTEGER, POINTER, Function, Module, Value, constant, integer
from chainrule.engines.shuffle import PARITY, ROTATIONS, ROUNDS, STREAM
from chainrule.ir import ArrayType


class Control(enum.IntEnum):
    """The words that the caller and the generated code share, all int64."""

    STOP = 0
    EPOCHS_DONE = 1
    STEPS_DONE = 2
    STATUS = 3
    FIRST_EPOCH = 4
    LAST_EPOCH = 5
    STEP_LIMIT = 6
    SEED = 7


class Ending(enum.IntEnum):
    """Why generated code returned, or that it was never called."""

    NOT_STARTED = -1
    FINISHED = 0
    STOPPED = 1
    LOSS_NOT_FINITE = 2
    STATE_NOT_FINITE = 3


ALIGNMENT = 64


def aligned(size: int) -> int:
    """`size` rounded up to whole cache lines."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class Layout:
    """Where things lie in the workspace, in bytes: five packed copies of the state, the order of rows, the arena.

    The state that a run starts from is put into copy 0; copy 1 is for steps that write theirs to memory; 2 and 3 take
    turns as the snapshot of an epoch's beginning; the result is left in copy 4.
    """

    types: tuple[ArrayType, ...]
    order_size: int
    arena_size: int

    @cached_property
    def offsets(self) -> list[int]:
        """Of each state within a copy."""
        sizes = [aligned(_bytes(type)) for type in self.types]
        return [sum(sizes[:k]) for k in range(len(sizes))]

    @cached_property
    def copy_size(self) -> int:
        """The bytes of one copy of the whole state."""
        return sum(aligned(_bytes(type)) for type in self.types)

    def copy(self, number: int) -> int:
        return number * self.copy_size

    @property
    def order(self) -> int:
        return 5 * self.copy_size

    @property
    def arena(self) -> int:
        return self.order + aligned(8 * self.order_size)

    @property
    def size(self) -> int:
        return self.arena + self.arena_size


def _bytes(type: ArrayType) -> int:
    size = type.dtype.numpy.itemsize
    for dim in type.concrete_shape:
        size *= dim
    return size


class StepWriter(ABC):
    """How one step is computed. `carried` are the registers that hold the state, or tell where it is."""

    @abstractmethod
    def begin(self, function: Function, workspace: Value, data: Sequence[Value]) -> list[Value]:
        """Instructions before the first epoch; gives what is carried into it."""

    @abstractmethod
    def step(
        self, function: Function, size: int, start: Value, order: Value | None, carried: Sequence[Value]
    ) -> tuple[Value, list[Value]]:
        """One step on the rows `start, …, start + size − 1`, or on those that `order` has at these places.

        Gives the loss (of the program's dtype) and what is carried on.
        """

    @abstractmethod
    def snapshot(self, function: Function, carried: Sequence[Value], target: Value) -> Value:
        """Copy the state to `target`; gives whether all of it is finite."""

    @abstractmethod
    def finish(self, function: Function, carried: Sequence[Value], target: Value) -> None:
        """Copy the state to `target`."""


@dataclass
class _Exit:
    block: str
    ending: Ending
    steps: Value
    carried: list[Value]


class RunWriter:
    """Writes `run` for one loop."""

    def __init__(self, module: Module, loop: Loop, layout: Layout, writer: StepWriter) -> None:
        self.module, self.loop, self.layout, self.writer = module, loop, layout, writer
        # Another thread writes to the control words, so that nothing may be assumed of them.
        parameters = [("control", "ptr"), *((name, "ptr noalias") for name in ("workspace", "losses", "data"))]
        self.function = Function(module, "run", "void", parameters)
        self.control, self.workspace, self.losses, self.data = (
            Value(f"%{name}", POINTER) for name in ("control", "workspace", "losses", "data")
        )
        self.exits: list[_Exit] = []

    def word(self, which: Control) -> Value:
        return self.function.offset(self.control, int(which), INTEGER)

    def read(self, which: Control) -> Value:
        return self.function.load(INTEGER, self.word(which))

    def write(self) -> None:
        """The function, and the shuffling that it needs."""
        f, loop = self.function, self.loop
        if loop.shuffles:
            write_shuffle(self.module)
        count = len(loop.rows) + len(loop.fixed)
        arrays = [f.load(POINTER, f.offset(self.data, k, POINTER)) for k in range(count)]
        state = self.writer.begin(f, self.workspace, arrays)
        first, last = self.read(Control.FIRST_EPOCH), self.read(Control.LAST_EPOCH)
        limit, seed = self.read(Control.STEP_LIMIT), self.read(Control.SEED)
        stop = self.word(Control.STOP)
        order = f.offset(self.workspace, self.layout.order, "i8") if loop.shuffles else None
        entry = f.block
        head = f.fresh_label("epoch")
        f.jump(head)
        f.label(head)
        line, phis = f.open_phis([INTEGER, INTEGER, *(value.type for value in state)])
        epoch, steps, *carried = phis
        self._snapshot(epoch, last, steps, carried)
        if order is not None:
            f.do(f"call void @shuffle({order}, i64 {loop.row_count}, {seed}, {epoch})")
        total, done, following = self._batches(steps, limit, stop, order, carried)
        f.store(total, f.offset(self.losses, epoch, "double"))
        next_epoch = f.integer_operation("add nuw nsw", epoch, 1)
        f.do(f"store atomic {next_epoch}, {self.word(Control.EPOCHS_DONE)} release, align 8")
        f.close_phis(line, phis, ([first, integer(0), *state], entry), ([next_epoch, done, *following], f.block))
        f.jump(head)
        self._leave()

    def _snapshot(self, epoch: Value, last: Value, steps: Value, carried: list[Value]) -> None:
        """Copy the state at the start of each epoch, and after the last, to where the one before is not overwritten."""
        f = self.function
        parity = f.integer_operation("and", epoch, 1)
        place = f.integer_operation("mul", parity, self.layout.copy_size)
        place = f.integer_operation("add", place, self.layout.copy(2))
        target = f.let(POINTER, f"getelementptr inbounds i8, {self.workspace}, {place}")
        finite = self.writer.snapshot(f, carried, target)
        self._exit_unless(finite, Ending.STATE_NOT_FINITE, steps, carried)
        more = f.let("i1", f"icmp ult {epoch}, {last.text}")
        self._exit_unless(more, Ending.FINISHED, steps, carried)

    def _exit_unless(self, condition: Value, ending: Ending, steps: Value, carried: Sequence[Value]) -> None:
        f = self.function
        self.exits.append(_Exit(f.block, ending, steps, list(carried)))
        onward = f.fresh_label("on")
        f.branch(condition, onward, "leave")
        f.label(onward)

    def _batches(
        self, steps: Value, limit: Value, stop: Value, order: Value | None, carried: list[Value]
    ) -> tuple[Value, Value, list[Value]]:
        """All the batches of an epoch: the mean loss, the steps done by then, and what is carried on."""
        f, loop = self.function, self.loop
        sizes = loop.batch_sizes
        whole = loop.row_count // sizes[0]
        total = constant(0, "double")
        if whole == 1:
            total, steps, carried = self._batch(sizes[0], integer(0), steps, limit, stop, order, carried, total)
        else:
            turn = f.open_loop(whole * sizes[0], [total, steps, *carried], step=sizes[0])
            total, steps, *carried = turn.carried
            total, steps, carried = self._batch(sizes[0], turn.index, steps, limit, stop, order, carried, total)
            f.close_loop(turn, [total, steps, *carried])
        if len(sizes) == 2:
            start = integer(whole * sizes[0])
            total, steps, carried = self._batch(sizes[1], start, steps, limit, stop, order, carried, total)
        return total, steps, carried

    def _batch(
        self,
        size: int,
        start: Value,
        steps: Value,
        limit: Value,
        stop: Value,
        order: Value | None,
        carried: list[Value],
        total: Value,
    ) -> tuple[Value, Value, list[Value]]:
        f = self.function
        flag = f.let(INTEGER, f"load atomic i64, {stop} monotonic, align 8")
        going = f.let("i1", f"icmp eq {flag}, 0")
        below = f.let("i1", f"icmp ult {steps}, {limit.text}")
        self._exit_unless(f.let("i1", f"and {going}, {below.text}"), Ending.STOPPED, steps, carried)
        loss, following = self.writer.step(f, size, start, order, carried)
        if loss.type == "float":
            loss = f.let("double", f"fpext {loss} to double")
        magnitude = f.call("double", "llvm.fabs.f64", loss)
        finite = f.let("i1", f"fcmp olt {magnitude}, {constant(float('inf'), 'double').text}")
        self._exit_unless(finite, Ending.LOSS_NOT_FINITE, steps, carried)
        share = constant(size / self.loop.row_count, "double")
        weighted = f.let("double", f"fmul {loss}, {share.text}")
        total = f.let("double", f"fadd {total}, {weighted.text}")
        return total, f.integer_operation("add nuw nsw", steps, 1), following

    def _leave(self) -> None:
        f = self.function
        f.label("leave")
        status = f.phi(INTEGER, [(integer(int(exit.ending)), exit.block) for exit in self.exits])
        steps = f.phi(INTEGER, [(exit.steps, exit.block) for exit in self.exits])
        carried = [
            f.phi(value.type, [(exit.carried[k], exit.block) for exit in self.exits])
            for k, value in enumerate(self.exits[0].carried)
        ]
        self.writer.finish(f, carried, f.offset(self.workspace, self.layout.copy(4), "i8"))
        f.store(steps, self.word(Control.STEPS_DONE))
        f.store(status, self.word(Control.STATUS))
        f.do("ret void")
        f.finish()


def write_shuffle(module: Module) -> None:
    """`shuffle(order, n, seed, epoch)`: the same permutation as `engines.shuffle.permutation`."""
    f = Function(
        module,
        "shuffle",
        "void",
        [("order", "ptr noalias"), ("n", INTEGER), ("seed", INTEGER), ("epoch", INTEGER)],
        attributes="nounwind noinline",
        linkage="internal",
    )
    order, n, seed, epoch = Value("%order", POINTER), *(Value(f"%{name}", INTEGER) for name in ("n", "seed", "epoch"))
    with f.loop(n) as i:
        f.store(i, f.offset(order, i, INTEGER))
    last = f.integer_operation("sub", n, 1)
    several = f.let("i1", f"icmp ugt {n}, 1")
    f.branch(several, "exchange", "return")
    f.label("exchange")
    with f.loop(last) as k:
        i = f.integer_operation("sub", last, k)
        draw = _threefry(f, (seed, integer(STREAM)), (epoch, i))
        bound = f.integer_operation("add", i, 1)
        wide = [f.let("i128", f"zext {value} to i128") for value in (draw, bound)]
        product = f.let("i128", f"mul nuw {wide[0]}, {wide[1].text}")
        high = f.let("i128", f"lshr {product}, 64")
        j = f.let(INTEGER, f"trunc {high} to i64")
        places = [f.offset(order, index, INTEGER) for index in (i, j)]
        entries = [f.load(INTEGER, place) for place in places]
        f.store(entries[1], places[0])
        f.store(entries[0], places[1])
    f.jump("return")
    f.label("return")
    f.do("ret void")
    f.finish()


def _threefry(f: Function, key: tuple[Value, Value], counter: tuple[Value, Value]) -> Value:
    """The first word of Threefry-2x64-20."""

    def op(name: str, i: Value, j: Value | int) -> Value:
        return f.integer_operation(name, i, j)

    third = op("xor", op("xor", key[0], key[1]), PARITY)
    words = [*key, third]
    x, y = op("add", counter[0], words[0]), op("add", counter[1], words[1])
    for round in range(ROUNDS):
        rotation = ROTATIONS[round % len(ROTATIONS)]
        x = op("add", x, y)
        y = op("xor", f.call(INTEGER, "llvm.fshl.i64", y, y, integer(rotation)), x)
        if round % 4 == 3:
            injection = round // 4 + 1
            x = op("add", x, words[injection % 3])
            y = op("add", op("add", y, words[(injection + 1) % 3]), injection)
    return x
