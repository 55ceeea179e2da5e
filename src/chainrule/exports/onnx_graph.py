"""An ONNX graph as plain data: nodes, constants and names. The library is needed only to write the file."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Value: TypeAlias = str
"""The name of a value in a graph."""

OPSET = 20
"""The operator set version: the first in which all reductions take axes in the same way."""
ML_OPSET = 3
ML = "ai.onnx.ml"


@dataclass(frozen=True)
class Operation:
    """One node: `operator` of `domain` applied to values, with one result."""

    operator: str
    inputs: tuple[Value, ...]
    output: Value
    domain: str
    attributes: tuple[tuple[str, Any], ...]


class Graph:
    """Collects operations; equal operations are shared, and so are equal constants."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self.operations: list[Operation] = []
        self.constants: dict[Value, NDArray[Any]] = {}
        self._taken = set(reserved)
        self._found: dict[object, Value] = {}

    def name(self, wanted: str) -> Value:
        """Return `wanted`, with a number appended if it is taken."""
        numbered = itertools.chain([wanted], (f"{wanted}_{k}" for k in itertools.count(2)))
        name = next(name for name in numbered if name not in self._taken)
        self._taken.add(name)
        return name

    def add(self, operator: str, *inputs: Value, named: str = "", domain: str = "", **attributes: Any) -> Value:
        """Return the result of `operator`; its name is `named`, or derived from the operator."""
        settings = tuple(sorted(attributes.items()))
        key = (operator, inputs, domain, repr(settings))
        if key in self._found and not named:
            return self._found[key]
        output = self.name(named or operator.lower())
        self._found.setdefault(key, output)
        self.operations.append(Operation(operator, inputs, output, domain, settings))
        return output

    def constant(self, array: NDArray[Any], named: str = "constant") -> Value:
        """Return a constant; equal ones are shared."""
        key = (array.dtype.str, array.shape, array.tobytes() if array.dtype.kind != "O" else tuple(array.ravel()))
        if key not in self._found:
            self._found[key] = self.name(named)
            self.constants[self._found[key]] = array
        return self._found[key]

    def whole_numbers(self, numbers: Sequence[int]) -> Value:
        """Return whole numbers, such as axes, as a constant."""
        return self.constant(np.array(numbers, np.int64))

    def rename(self, value: Value, wanted: str) -> Value:
        """Return `value` under a free name close to `wanted`, for an output of the graph."""
        return self.add("Identity", value, named=wanted)
