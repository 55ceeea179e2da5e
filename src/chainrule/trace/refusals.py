"""Error messages for operations that need a concrete value: the line, and what to write instead."""

from __future__ import annotations

import re
import sys
from pathlib import PurePath
from types import FrameType

from chainrule.ir import MASKED, MATRIX, SymbolicDim
from chainrule.primitives import UFUNCS
from chainrule.trace.source import (
    TraceError,
    current_expression,
    current_instruction,
    is_subscript,
    refusal,
    source_line,
    table_indexed,
    user_frame,
)

_ARANGE = (
    "np.arange needs a number, and this has none yet; to pick one element of each row write "
    "np.take_along_axis(x, labels[:, None], axis=1), or give the size as a number, as in X=(4, 2)"
)

_NUMBERS = (
    "this array of plain numbers cannot hold a traced value; make it in the function, with np.zeros, np.empty, np.full "
    "or np.zeros_like by these names, as in buffer = np.zeros_like(b) + b for a b from outside"
)


def _place() -> tuple[str, str]:
    """Return the user's line and its current bytecode instruction; empty if unknown."""
    frame = user_frame()
    return ("", "") if frame is None else (source_line(frame), current_instruction(frame))


def _expression() -> str:
    """Return the expression that the user's code is evaluating, such as one call within its line; empty if unknown."""
    frame = user_frame()
    return "" if frame is None else current_expression(frame)


_MATHEMATICAL = {
    **{name: f"np.{name}" for name in ("log10", "log2", *UFUNCS)},
    **{"fabs": "np.abs", "pow": "np.power", "fsum": "np.sum", "erf": "cr.erf"},
    **{f"a{name}": f"np.arc{name}" for name in ("cos", "cosh", "sin", "sinh", "tan", "tan2", "tanh")},
    **{
        name: f"np.{name}" for name in ("copysign", "degrees", "exp2", "isfinite", "isinf", "isnan", "ldexp", "radians")
    },
}


def _mathematical(line: str) -> str | None:
    """Return the mend for the `math` function that `line` calls."""
    found = re.search(r"(?<![\w.])math\.(\w+)\(", line)
    if found is None:
        return None
    written = _MATHEMATICAL.get(found[1])
    return f"write {written}" if written else "compute it outside of the function and pass it as an argument"


def as_branch() -> TraceError:
    """The error for a truth value: `if`, `while`, `and`, `or`, `not`, `max(x, y)`, `assert`, …"""
    line, instruction = _place()
    builtin = re.search(r"(?<![\w.])(max|min|sorted|any|all|sum|bool)\(", line)
    if re.search(r"[!=]= *None\b", line):
        mend = "write x is None for x == None"
    elif line.startswith("while"):
        mend = "write a for loop with a fixed number of rounds"
    elif line.startswith("assert"):
        mend = "leave the assertion out, or check the arrays before they are passed in"
    elif instruction.startswith("CALL") and builtin and builtin[1] in ("max", "min"):
        mend = f"write np.{builtin[1]}imum(x, y) instead of {builtin[1]}(x, y)"
    elif re.search(r"[<>]=?[^<>=]+[<>]", line) and " and " not in line:
        mend = "write (a < x) & (x < b) for a < x < b, and np.where(condition, …, …) for a branch"
    elif re.search(r"\b(and|or|not)\b", line):
        mend = "write a & b, a | b or ~a between conditions, and np.where(condition, …, …) for a branch"
    else:
        mend = "write np.where(condition, value if true, value if false) instead of a branch"
    return refusal(f"this branches on a value, and one program has to serve for all values; {mend}")


def as_number(kind: str, caller: FrameType | None = None) -> TraceError:
    """The error for a Python number: `float(x)`, `math.exp(x)`, `.item()`, `buffer[0] = x`."""
    if (frame := _indexing(caller)) is not None:
        return table_indexed(frame)
    line, instruction = _place()
    if instruction == "STORE_SUBSCR":
        return as_element("buffer[…] = …")
    if kind == "float" and (mathematical := _mathematical(_expression()) or _mathematical(line)):
        return refusal(f"a function of math takes a number, and this value has none yet; {mathematical}")
    if kind == "complex":
        return refusal("complex numbers cannot be recorded; keep real and imaginary parts in arrays of their own")
    if kind == "format":
        return refusal("this value is not a number yet and cannot be formatted; print results outside of the function")
    if kind == "item":
        return refusal("this value is not a number yet; leave .item() out, a sum is a scalar as it is")
    if kind == "int":
        return refusal("this value is not a number yet, so it cannot be an index or a count; pass it as a Python int")
    return refusal(f"this value is not a number yet; leave {kind}() out, a sum is a scalar as it is")


_CLASSES = {"ma": MASKED, "matrixlib": MATRIX}
"""The packages of NumPy with array classes of their own, and why these are refused."""


def as_operand_of_class() -> TraceError | None:
    """The error for an operation that another array class does: `masked * x`, `matrix @ x`; None if none does."""
    frame: FrameType | None = sys._getframe(1)
    outer = user_frame()
    while frame is not None and frame is not outer:
        folder = PurePath(frame.f_code.co_filename).parent
        if folder.parent.name == "numpy" and folder.name in _CLASSES:
            return refusal(f"an array that is not an argument cannot take part: {_CLASSES[folder.name]}")
        frame = frame.f_back
    return None


def _indexing(caller: FrameType | None) -> FrameType | None:
    """Return the frame of user code that has indexed an object that is not traced, and so called `caller` itself."""
    return caller if caller is not None and caller is user_frame() and is_subscript(caller) else None


def as_array(caller: FrameType | None = None) -> TraceError:
    """The error for a concrete array: `np.array(x)`, `np.array([x, y])`, `buffer[0] = x`, `table[x]`."""
    if (frame := _indexing(caller)) is not None:
        return table_indexed(frame)
    refused = as_operand_of_class()
    if refused is not None:
        return refused
    _, instruction = _place()
    line = _expression()
    if instruction == "STORE_SUBSCR":
        return as_element("buffer[…] = …")
    if re.match(r"np\.(sum|mean|max|min)\(\s*[\[(]", line):
        return refusal("a list of traced values is not an array; write np.stack([x, y]) to make one of them")
    if re.search(r"\barange\(", line):
        return refusal(_ARANGE)
    if re.search(r"array\(\s*[\[(]", line):
        return refusal(
            "np.array cannot hold traced values; write np.stack([x, y]), or np.concatenate for longer pieces"
        )
    if re.search(r"array\(", line):
        return refusal(
            "leave np.array or np.asarray out of what is an array already; write np.stack(values) for a list"
        )
    return refusal("this asks for the numbers in an array that has none yet; use NumPy functions on the value itself")


def as_element(what: str) -> TraceError:
    """The error for writing to an array of plain numbers: `b[0] = x`, `b += x`, `np.add(…, out=b)`."""
    _, instruction = _place()
    if instruction in ("STORE_SUBSCR", "STORE_SLICE", "BINARY_OP"):
        return refusal(_NUMBERS)
    return refusal(f"{what} writes here, and {_NUMBERS}")


def as_size(dim: SymbolicDim, use: str) -> TraceError:
    """The error for a symbolic size where a number is required: `range(n)`, `np.zeros(n)`, `n // 2`."""
    line, _ = _place()
    if re.search(r"\barange\(", line):
        return refusal(_ARANGE)
    if use == "float()" and (mathematical := _mathematical(line)):
        mend = mathematical
    elif re.search(r"np\.(ones|zeros|full)\(", line):
        mend = "write np.ones_like, np.zeros_like or np.full_like of a traced value"
    else:
        mend = "write operations on whole arrays"
    return refusal(
        f"the size {dim} has a name but no number yet, and {use} needs one; {mend}, or give "
        "the size as a number, as in X=(4, 2)"
    )
