"""A graph of ONNX as plain data: nodes, constants and names. Only the last step needs the library."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Value: TypeAlias = str
"""The name of a value in a graph."""

OPSET = 18
"""The version of the operators: the first whose reductions take axes alike."""
ML_OPSET = 3
ML = "ai.onnx.ml"


@dataclass(frozen=True)
class Operation:
    """One node: `operator` of `domain` on values, with one result."""

    operator: str
    inputs: tuple[Value, ...]
    output: Value
    domain: str
    attributes: tuple[tuple[str, Any], ...]


class Graph:
    """Collects operations; equal ones are one, and so are equal constants."""

    def __init__(self, reserved: Iterable[str] = ()) -> None:
        self.operations: list[Operation] = []
        self.constants: dict[Value, NDArray[Any]] = {}
        self._taken = set(reserved)
        self._found: dict[object, Value] = {}

    def name(self, wanted: str) -> Value:
        """`wanted`, numbered where it is taken."""
        numbered = itertools.chain([wanted], (f"{wanted}_{k}" for k in itertools.count(2)))
        name = next(name for name in numbered if name not in self._taken)
        self._taken.add(name)
        return name

    def add(self, operator: str, *inputs: Value, named: str = "", domain: str = "", **attributes: Any) -> Value:
        """The result of `operator`; its name is `named`, or follows from the operator."""
        settings = tuple(sorted(attributes.items()))
        key = (operator, inputs, domain, repr(settings))
        if key in self._found and not named:
            return self._found[key]
        output = self.name(named or operator.lower())
        self._found.setdefault(key, output)
        self.operations.append(Operation(operator, inputs, output, domain, settings))
        return output

    def constant(self, array: NDArray[Any], named: str = "constant") -> Value:
        """A constant; an equal one is used again."""
        key = (array.dtype.str, array.shape, array.tobytes() if array.dtype.kind != "O" else tuple(array.ravel()))
        if key not in self._found:
            self._found[key] = self.name(named)
            self.constants[self._found[key]] = array
        return self._found[key]

    def whole_numbers(self, numbers: Sequence[int]) -> Value:
        """Whole numbers, such as axes, as a constant."""
        return self.constant(np.array(numbers, np.int64))

    def rename(self, value: Value, wanted: str) -> Value:
        """`value` under the free name nearest to `wanted`, as an output of the graph has one."""
        return self.add("Identity", value, named=wanted)
