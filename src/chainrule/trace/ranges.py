"""`range(n)` of a size that has a name but no number, as an index: `p[range(n), y]`; Python's `sum` along such an axis.

Python asks a size for an integer before it makes the range. If the bytecode shows that the range is only an index, the
size gives a very large integer that stands for it, which `size_of` recognizes.
"""

from __future__ import annotations

import builtins
import dis
from types import CodeType
from typing import Final

from chainrule.ir import Dim, SymbolicDim, fork_safe_lock
from chainrule.trace.source import user_frame

_FIRST: Final = 1 << 100
"""Larger than any length, so that no other use of such a range succeeds."""

_sizes: list[SymbolicDim] = []
_lock = fork_safe_lock()


def stand_in(dim: SymbolicDim) -> int | None:
    """Return the integer that stands for `dim` if user code is making a range that is only an index, else None."""
    frame = user_frame()
    if frame is None or not _makes_index(frame.f_code, frame.f_lasti):
        return None
    with _lock:
        if dim not in _sizes:
            _sizes.append(dim)
        return _FIRST + _sizes.index(dim)


def size_of(number: int) -> Dim:
    """Return the size for which `number` stands; other numbers are sizes themselves."""
    place = number - _FIRST
    return _sizes[place] if 0 <= place < len(_sizes) else number


def is_summed() -> bool:
    """Whether user code is calling Python's `sum` with one argument, so that an iterator is summed and nothing else."""
    frame = user_frame()
    if frame is None or frame.f_globals.get("sum", builtins.sum) is not builtins.sum:
        return False
    instructions = [each for each in dis.get_instructions(frame.f_code) if each.opname not in ("CACHE", "PRECALL")]
    place = next((k for k, each in enumerate(instructions) if each.offset == frame.f_lasti), None)
    if place is None or instructions[place].opname != "CALL" or instructions[place].arg != 1:
        return False
    return _calls("sum", instructions, place)


def _makes_index(code: CodeType, offset: int) -> bool:
    """Whether the instruction at `offset` calls `range`, and its result is used in square brackets alone."""
    instructions = [each for each in dis.get_instructions(code) if each.opname not in ("CACHE", "PRECALL")]
    place = next((k for k, each in enumerate(instructions) if each.offset == offset), None)
    if place is None or not instructions[place].opname.startswith("CALL") or not _calls("range", instructions, place):
        return False
    depth = 1  # the number of items on the stack from the range up
    for instruction in instructions[place + 1 :]:
        taken = _taken(instruction)
        if taken is None:
            return False
        if taken < depth:  # the range is not touched
            depth += dis.stack_effect(instruction.opcode, instruction.arg)
        elif instruction.opname == "BUILD_TUPLE":
            depth = 1
        elif instruction.opname != "COPY":  # of the index, in x[range(n), y] += 1
            return _is_subscript(instruction) and depth == 1
    return False


def _taken(instruction: dis.Instruction) -> int | None:
    """Return the number of items that an instruction takes from the stack; None if it is not part of an index."""
    name, argument = instruction.opname, instruction.arg or 0
    if name.startswith(("LOAD_ATTR", "LOAD_METHOD", "UNARY_")):
        return 1
    if name.startswith(("LOAD_", "PUSH_NULL")):
        return 0
    if name.startswith("BINARY_"):
        return 2
    if name in ("BUILD_SLICE", "BUILD_TUPLE"):
        return argument
    if name == "CALL":
        return argument + 2
    return {"COPY": 1, "STORE_SUBSCR": 3}.get(name)


def _calls(name: str, instructions: list[dis.Instruction], place: int) -> bool:
    """Whether the callee of the call at `place` is this name, at the beginning of its expression."""
    start = instructions[place].positions
    if start is None:
        return False
    for instruction in reversed(instructions[:place]):
        at = instruction.positions
        is_first = at is not None and (at.lineno, at.col_offset) == (start.lineno, start.col_offset)
        if is_first and instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            return bool(instruction.argval == name)
    return False


def _is_subscript(instruction: dis.Instruction) -> bool:
    return instruction.opname in ("BINARY_SUBSCR", "STORE_SUBSCR") or instruction.argrepr == "[]"
