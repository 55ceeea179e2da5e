"""A writer of LLVM assembly text: values, functions and modules.

Text is several times faster to build than an object tree, and LLVM's parser checks it. This file does not depend on
programs and executes nothing.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from chainrule.ir import DType

POINTER = "ptr"
INTEGER = "i64"

_FOLDED = {"add": "0", "sub": "0", "mul": "1"}
"""Index operations that are folded at once if possible, with their neutral right operand."""

REGISTER_TYPES = {DType.FLOAT64: "double", DType.FLOAT32: "float", DType.INT64: "i64", DType.BOOL: "i1"}
MEMORY_TYPES = {**REGISTER_TYPES, DType.BOOL: "i8"}


@dataclass(frozen=True, slots=True)
class Value:
    """An operand: its text and its type."""

    text: str
    type: str

    def __str__(self) -> str:
        return f"{self.type} {self.text}"


def vector(element: str, width: int) -> str:
    """The type of `width` elements in a register; width 0 means a scalar."""
    return f"<{width} x {element}>" if width else element


@functools.cache
def element_type(type: str) -> str:
    """The element type of a vector type; a scalar type is its own element type."""
    return type[1:-1].split(" x ")[1] if type.startswith("<") else type


@functools.cache
def width_of(type: str) -> int:
    """The number of elements of a vector type; 0 for a scalar type."""
    return int(type[1:-1].split(" x ")[0]) if type.startswith("<") else 0


def with_element(type: str, element: str) -> str:
    """`type` with another element type and the same width."""
    return vector(element, width_of(type))


def literal(number: float, element: str) -> str:
    """Format a number as an exact LLVM literal."""
    if element in ("double", "float"):
        if element == "float":
            number = struct.unpack("<f", struct.pack("<f", number))[0]
        return "0x" + struct.pack(">d", number).hex().upper()
    if element == "i1":
        return "true" if number else "false"
    return str(int(number))


def constant(number: float, type: str) -> Value:
    """Return `number` as a value of `type`, in every lane of a vector."""
    element = element_type(type)
    text = literal(number, element)
    return Value(f"splat ({element} {text})" if width_of(type) else text, type)


def constant_vector(numbers: Sequence[float], element: str) -> Value:
    """Return a vector literal."""
    body = ", ".join(f"{element} {literal(number, element)}" for number in numbers)
    return Value(f"<{body}>", vector(element, len(numbers)))


def integer(number: int) -> Value:
    """Return an `i64` literal."""
    return Value(str(number), INTEGER)


@dataclass
class Loop:
    """An open counting loop: its index and its loop-carried values."""

    index: Value
    carried: list[Value]
    head: str
    latch: str
    exit: str
    phi_line: int
    entry: str
    stop: Value
    step: int
    initial: list[Value]


@dataclass
class Module:
    """Functions and their declarations."""

    functions: list[str] = field(default_factory=list)
    declarations: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    """The names of functions with the same body, which may be called instead."""

    def declare(self, name: str, signature: str) -> None:
        """Declare a function once; `signature` is the whole line."""
        self.declarations.setdefault(name, signature)

    def __str__(self) -> str:
        return "\n".join([*self.declarations.values(), *self.functions, ""])


class Function:
    """A function under construction, block after block.

    `parameters` are (name, type and attributes) pairs; registers are in SSA form, named by a counter.
    """

    def __init__(
        self,
        module: Module,
        name: str,
        result: str,
        parameters: Sequence[tuple[str, str]],
        attributes: str = "nounwind",
        linkage: str = "",
    ) -> None:
        self.module = module
        arguments = ", ".join(f"{type} %{argument}" for argument, type in parameters)
        self.name = name
        self._before, self._after = f"define {linkage} {result} @", f"({arguments}) {attributes} {{"
        self._allocations: list[str] = []
        self._lines: list[str] = []
        self._count = 0
        self.block = "entry"

    def let(self, type: str, instruction: str) -> Value:
        """Write an instruction and return its result, a register of `type`."""
        self._count += 1
        name = f"%v{self._count}"
        self._lines.append(f"  {name} = {instruction}")
        return Value(name, type)

    def do(self, instruction: str) -> None:
        """Write an instruction without a result."""
        self._lines.append(f"  {instruction}")

    def fresh_label(self, hint: str) -> str:
        self._count += 1
        return f"{hint}{self._count}"

    def label(self, name: str) -> None:
        """Begin the block `name`; the previous block must have ended in a branch."""
        self._lines.append(f"{name}:")
        self.block = name

    def jump(self, name: str) -> None:
        self.do(f"br label %{name}")

    def branch(self, condition: Value, then: str, otherwise: str) -> None:
        self.do(f"br {condition}, label %{then}, label %{otherwise}")

    def open_phis(self, types: Sequence[str]) -> tuple[int, list[Value]]:
        """Allocate registers for phis at the head of a loop; `close_phis` defines them once their sources are known."""
        return len(self._lines), [self.let(type, "") for type in types]

    def close_phis(self, line: int, phis: Sequence[Value], *incoming: tuple[Sequence[Value], str]) -> None:
        """Define the registers of `open_phis`: the value for each predecessor block."""
        for k, phi in enumerate(phis):
            pairs = ", ".join(f"[{values[k].text}, %{block}]" for values, block in incoming)
            self._lines[line + k] = f"  {phi.text} = phi {phi.type} {pairs}"

    def phi(self, type: str, incoming: Sequence[tuple[Value, str]]) -> Value:
        return self.let(type, f"phi {type} " + ", ".join(f"[{value.text}, %{block}]" for value, block in incoming))

    def call(self, result: str, name: str, *arguments: Value) -> Value:
        """Call a function, declaring it if it is an intrinsic."""
        if name.startswith("llvm."):
            types = ", ".join(argument.type for argument in arguments)
            self.module.declare(name, f"declare {result} @{name}({types})")
        return self.let(result, f"call {result} @{name}({', '.join(map(str, arguments))})")

    def offset(self, pointer: Value, index: Value | int, element: str) -> Value:
        """The address of element `index`."""
        at = integer(index) if isinstance(index, int) else index
        if at.text == "0":
            return pointer
        return self.let(POINTER, f"getelementptr inbounds {element}, {pointer}, {at}")

    def load(self, type: str, pointer: Value, suffix: str = "") -> Value:
        return self.let(type, f"load {type}, {pointer}{suffix}")

    def store(self, value: Value, pointer: Value, suffix: str = "") -> None:
        self.do(f"store {value}, {pointer}{suffix}")

    def integer_operation(self, operation: str, i: Value, j: Value | int) -> Value:
        right = integer(j) if isinstance(j, int) else j
        name = operation.split()[0]
        if name in _FOLDED:
            if right.text == _FOLDED[name]:
                return i
            if i.text.lstrip("-").isdigit() and right.text.lstrip("-").isdigit():
                x, y = int(i.text), int(right.text)
                return integer(x + y if name == "add" else x * y if name == "mul" else x - y)
        return self.let(INTEGER, f"{operation} {i}, {right.text}")

    def open_loop(
        self, stop: Value | int, carried: Sequence[Value] = (), start: Value | int = 0, step: int = 1
    ) -> Loop:
        """Begin a loop over `start, start + step, … < stop`, which must have at least one iteration."""
        head, latch, exit = (self.fresh_label(hint) for hint in ("loop", "latch", "done"))
        entry = self.block
        self.jump(head)
        self.label(head)
        first = integer(start) if isinstance(start, int) else start
        line, phis = self.open_phis([INTEGER, *(value.type for value in carried)])
        limit = integer(stop) if isinstance(stop, int) else stop
        return Loop(phis[0], phis[1:], head, latch, exit, line, entry, limit, step, [first, *carried])

    def close_loop(self, loop: Loop, carried: Sequence[Value] = ()) -> None:
        """End a loop; `carried` holds the values for the next iteration. Returns the values after the last."""
        self.jump(loop.latch)
        self.label(loop.latch)
        following = self.let(INTEGER, f"add nuw nsw {loop.index}, {loop.step}")
        more = self.let("i1", f"icmp ult {following}, {loop.stop.text}")
        self.branch(more, loop.head, loop.exit)
        self.close_phis(
            loop.phi_line,
            [loop.index, *loop.carried],
            (loop.initial, loop.entry),
            ([following, *carried], loop.latch),
        )
        self.label(loop.exit)

    @contextmanager
    def loop(self, stop: Value | int, start: Value | int = 0, step: int = 1) -> Iterator[Value]:
        """A loop without carried values."""
        frame = self.open_loop(stop, start=start, step=step)
        yield frame.index
        self.close_loop(frame)

    def allocate(self, element: str, count: int) -> Value:
        """Allocate memory on the function's stack, aligned to a cache line."""
        self._count += 1
        name = f"%v{self._count}"
        self._allocations.append(f"  {name} = alloca {element}, i64 {count}, align 64")
        return Value(name, POINTER)

    def finish(self) -> None:
        """Add the function to its module."""
        self.module.functions.append(f"{self._before}{self.name}{self._body()}")

    def finish_once(self) -> str:
        """Add the function unless the module has one with the same body; return the name to call."""
        known = self.module.bodies.setdefault(self._body(), self.name)
        if known == self.name:
            self.finish()
        return known

    def _body(self) -> str:
        """The function's text without its name."""
        return "\n".join([self._after, "entry:", *self._allocations, *self._lines, "}"])
