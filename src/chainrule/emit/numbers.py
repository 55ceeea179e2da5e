"""Numbers as Python source: constants by name, others by the digits that identify them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from chainrule.emit.code import Code, atom, attribute, call, negative, product, quotient
from chainrule.ir import DType

_NAMED = {
    math.sqrt(2): call("math.sqrt", "2"),
    math.sqrt(2 * math.pi): call("math.sqrt", "2 * math.pi"),
    math.sqrt(2 / math.pi): call("math.sqrt", "2 / math.pi"),
    2 * math.sqrt(2 / math.pi): product(atom("2"), call("math.sqrt", "2 / math.pi")),
    2 / math.sqrt(math.pi): quotient(atom("2"), call("math.sqrt", "math.pi")),
    math.sqrt(math.pi): call("math.sqrt", "math.pi"),
    1 / math.sqrt(2): call("math.sqrt", "0.5"),
    1 / math.sqrt(2 * math.pi): quotient(atom("1"), call("math.sqrt", "2 * math.pi")),
    math.pi: atom("math.pi"),
    math.log(2): call("math.log", "2"),
}
"""Constants that are written by name."""
_CONSTANTS = {
    DType.FLOAT32: {float(np.float32(number)): code for number, code in _NAMED.items()},
    **dict.fromkeys((DType.FLOAT64, DType.INT64, DType.BOOL), _NAMED),
}


def written_number(value: float | bool, dtype: DType, use: Callable[[str], str]) -> Code:
    """Write a number; `use` is told of a module that is needed."""
    if isinstance(value, bool):
        return atom(str(value))
    if math.isnan(value):
        return attribute(atom(use("math")), "nan")
    if value < 0:
        return negative(written_number(-value, dtype, use))
    if math.isinf(value):
        return attribute(atom(use("math")), "inf")
    known = _CONSTANTS[dtype].get(value)
    if known is not None:
        use("math")
        return known
    return atom(_digits(value if dtype is not DType.FLOAT32 else float(str(np.float32(value)))))


def _digits(value: float) -> str:
    """Write a number ≥ 0 as Python does, without leading zeros of the exponent."""
    if value == int(value) and value < 1e15:
        return str(int(value))
    digits, mark, exponent = repr(float(value)).partition("e")
    return f"{digits}{mark}{int(exponent)}" if mark else digits
