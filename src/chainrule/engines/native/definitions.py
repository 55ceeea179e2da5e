"""Values that generated code has computed by their definition in NumPy, such as the inverse of a large matrix.

Generated code calls a function of Python for each of them, in one thread, so that results are those of the reference
engine for any number of threads. It reads the address of the function from a table among the literals when it runs;
the code itself contains no address, and may be kept on disk.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.engines.loop import Array
from chainrule.engines.native.storage import Storage
from chainrule.ir import Apply, Node
from chainrule.primitives import Composite

CALLING = 20_000
"""The operations that a call of Python costs as much time as."""


def is_called(node: Node) -> bool:
    """Whether a value of a prepared program is computed by its definition."""
    return isinstance(node, Apply) and isinstance(node.primitive, Composite)


@dataclass(frozen=True, eq=False)
class Called:
    """The value of `node`, computed from the arrays in `sources`."""

    node: Apply
    sources: tuple[object, ...]
    storages: tuple[Storage, ...]
    result: Storage

    @property
    def operations(self) -> int:
        """The approximate number of operations: that of a product of matrices, and of the call."""
        largest = max((storage.shape for storage in self.storages), key=math.prod, default=())
        return CALLING + math.prod(largest) * (largest[-1] if largest else 1)


class Definitions:
    """The functions that generated code calls, and the table of their addresses."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.failure: BaseException | None = None
        self._functions: list[Any] = []

    def enter(self, called: Called) -> int:
        """Add a function `void (ptr result, ptr operand, …)`; return its place in the table."""
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (1 + len(called.sources)))
        self._functions.append(signature(self._function(called)))
        self.names.append(type(called.node.primitive).__name__)
        return len(self._functions) - 1

    @property
    def arrays(self) -> list[Array]:
        """The table as a literal array; no array if there is no function."""
        addresses = [ctypes.cast(function, ctypes.c_void_p).value for function in self._functions]
        return [np.array(addresses, np.int64)] if addresses else []

    def check(self) -> None:
        """Raise the exception that ended a call, if there was one, such as MemoryError."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure

    def _function(self, called: Called) -> Callable[..., None]:
        value = called.node.primitive.value

        def function(result: int, *operands: int) -> None:
            try:
                arrays = [_view(at, storage) for at, storage in zip(operands, called.storages, strict=True)]
                with np.errstate(all="ignore"):
                    _view(result, called.result)[...] = value(*arrays)
            except BaseException as error:
                self.failure = error
                if called.result.dtype.is_float:
                    _view(result, called.result)[...] = math.nan

        return function


def _view(address: int, storage: Storage) -> Array:
    """Return the array at an address, in memory that is not ours."""
    dtype = storage.dtype.numpy
    if not storage.size:
        return np.empty(storage.shape, dtype)
    memory = (ctypes.c_char * storage.nbytes).from_address(address)
    strides = tuple(stride * dtype.itemsize for stride in storage.strides)
    return np.ndarray(storage.shape, dtype, memory, 0, strides)
