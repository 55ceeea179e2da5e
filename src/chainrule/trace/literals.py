"""Conversion of Python numbers and NumPy arrays that are combined with traced values to literals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import ArrayType, Const, DType, DTypeError, Node, Operand, SymbolicDim, plain_array, refuse_subclass
from chainrule.primitives import identity
from chainrule.trace.source import refusal


def as_operand(value: object) -> Operand:
    """Return a node or a size unchanged, a number (or NumPy scalar) as a Python number, an array as a literal.

    Raises TraceError for anything else.
    """
    if isinstance(value, Node | SymbolicDim):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bool | int):
        return value
    if isinstance(value, list | tuple) and any(isinstance(entry, Node) for entry in value):
        raise refusal("a list of traced values is not an array; write np.stack([…]) to make one of them")
    if isinstance(value, np.generic | np.ndarray | list | tuple) or hasattr(value, "__array__"):
        array = _constant(value)
        return array.item() if array.ndim == 0 else literal(array)
    raise refusal(f"a {type(value).__name__} cannot take part in a calculation with traced values")


def _constant(value: object) -> NDArray[Any]:
    if hasattr(type(value), "__dataframe__"):
        raise refusal(
            f"a {type(value).__name__} aligns by labels in arithmetic, which a recorded array does not have; write "
            "df.to_numpy() for df"
        )
    try:
        refuse_subclass(value)
        array = np.asarray(value)
        return array if array.dtype == np.float16 else plain_array(array)
    except DTypeError as error:
        raise refusal(f"an array that is not an argument cannot take part: {error}") from None
    except (ValueError, TypeError, RuntimeError) as error:  # rows of different lengths; raised by another library
        reason = " ".join(str(error).split())
        raise refusal(f"a {type(value).__name__} cannot take part in a calculation as an array: {reason}") from None


def as_node(value: object) -> Node:
    """As `as_operand`, but converts a number to a scalar literal."""
    operand = as_operand(value)
    if isinstance(operand, Node):
        return operand
    dtype = DType.BOOL if isinstance(operand, bool) else DType.INT64 if isinstance(operand, int) else DType.FLOAT64
    return Const(operand, ArrayType((), dtype))


def literal(array: NDArray[Any]) -> Node:
    """Return an array as a literal: the identity matrix as such, equal elements as one number and a shape."""
    dtype = DType.FLOAT32 if array.dtype == np.float16 else DType.of(array.dtype)
    array = np.ascontiguousarray(array, dtype=dtype.numpy)
    if not array.flags.owndata and not array.flags.writeable:
        array = array.copy()  # a read-only view of memory that its owner may still modify
    if array.size and array.tobytes() == array.flat[0].tobytes() * array.size:
        return Const(array.flat[0].item(), ArrayType(array.shape, dtype))
    if dtype.is_float and array.ndim == 2 and _is_identity(array):
        return identity(len(array), dtype)
    return Const(array, ArrayType(array.shape, dtype))


def _is_identity(matrix: NDArray[Any]) -> bool:
    rows, columns = matrix.shape
    return rows == columns == np.count_nonzero(matrix) and bool((matrix.diagonal() == 1).all())
