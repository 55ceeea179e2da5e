"""Options shared by many NumPy functions: supported or rejected."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ir import DType, Node
from chainrule.primitives import cast
from chainrule.trace.source import refusal


def in_dtype(name: str, x: Node, dtype: Any) -> Node:
    """Convert `x` to the float dtype of a reduction; other dtypes are rejected, since results are floats."""
    if dtype is None:
        return x
    wanted = DType.of(np.dtype(dtype))
    if not wanted.is_float:
        raise refusal(
            f"{name}(…, dtype={np.dtype(dtype)}) cannot be recorded, since it is computed in floats; leave it out"
        )
    return cast(x, wanted)


def refuse_options(name: str, **options: object) -> None:
    """Raise TraceError if any option has a value other than None."""
    for option, value in options.items():
        if value is not None:
            raise refusal(f"{name}(…, {option}=…) cannot be recorded; leave {option}= out")
