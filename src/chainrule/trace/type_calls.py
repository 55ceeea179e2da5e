"""Detection of `type(x)` of a traced value: `isinstance` can be emulated, `type` cannot.

A branch on the type would differ from that for arrays. The calls are found in the bytecode of the user's functions.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from types import CodeType, FrameType
from typing import Any, TypeAlias

from chainrule.trace.source import is_installed_file, refusal

_NAMES = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR")
_TYPE_ITSELF = ("shape", "dtype", "ndim", "size")
"""Attributes whose types are the same as those of arrays."""


Asked: TypeAlias = frozenset[tuple[str, bool]]
"""The names in the argument of `type`, and whether the argument is a single name."""


@lru_cache(maxsize=1024)
def type_calls(code: CodeType) -> dict[int, Asked]:
    """Return the lines of `code` that call `type`, other than for display, and its arguments."""
    if "type" not in code.co_names or is_installed_file(code.co_filename):
        return {}
    found: dict[int, Asked] = {}
    instructions = list(dis.get_instructions(code))
    for place, instruction in enumerate(instructions):
        line = instruction.positions.lineno if instruction.positions else None
        if line is not None and instruction.opname == "LOAD_GLOBAL" and instruction.argval == "type":
            found[line] = found.get(line, frozenset()) | _asked(instructions, place)
    return {line: asked for line, asked in found.items() if asked}


def _asked(instructions: list[dis.Instruction], place: int) -> Asked:
    """Return the argument of the call of `type` that begins at `place`, or nothing if its result is only displayed."""
    names: list[str] = []
    loaded = 0
    start = _start(instructions[place])
    for later, instruction in enumerate(islice(instructions, place + 1, None), place + 1):
        if instruction.opname == "CALL" and _start(instruction) == start:
            if instruction.arg != 1 or _is_shown(instructions, start, later):
                break
            return frozenset((name, loaded == 1) for name in names)
        loaded += instruction.opname not in ("PRECALL", "PUSH_NULL", "CACHE")
        if instruction.opname.startswith(_NAMES):
            names += instruction.argval if isinstance(instruction.argval, tuple) else [instruction.argval]
        if instruction.argval in _TYPE_ITSELF:
            break
    return frozenset()


def _start(instruction: dis.Instruction) -> tuple[int | None, int | None]:
    positions = instruction.positions
    return (None, None) if positions is None else (positions.lineno, positions.col_offset)


def _is_shown(instructions: list[dis.Instruction], start: tuple[int | None, int | None], call: int) -> bool:
    """Whether the result of the instruction `call` is printed, formatted or called."""
    following = [each for each in instructions[call + 1 :] if each.argval != "__name__"]
    if following and following[0].opname.startswith("FORMAT"):
        return True
    if any(each.opname == "CALL" and _start(each) == start for each in following):
        return True  # type(x)(…), which has its own error message
    return any(each.argval == "print" and _start(each)[0] == start[0] for each in instructions[:call])


def check_types_asked(frame: FrameType, calls: dict[int, Asked], is_traced: Callable[[Any], bool]) -> None:
    """Raise TraceError if the line that `frame` has reached asks for the type of a traced value."""
    for name, whole in calls.get(frame.f_lineno, ()):
        value = frame.f_locals.get(name, frame.f_globals.get(name))
        if is_traced(value) or (not whole and any(map(is_traced, _entries(value)))):
            raise refusal(
                f"type() does not give the type of an array while the function is recorded, and {name!r} is one that "
                "would be taken for something else; write isinstance(x, np.ndarray), or isinstance(x, float)"
            )


def _entries(value: Any) -> Iterator[Any]:
    if type(value) in (list, tuple):
        yield from value
    elif type(value) is dict:
        yield from value.values()
