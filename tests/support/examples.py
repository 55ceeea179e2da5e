"""Programs and values for the examples of every primitive."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import ArrayType, DType, Input, Program, SymbolicDim
from chainrule.primitives import Example

Array = NDArray[Any]
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.5]
EXTREME = [*SPECIAL, 1e3, -1e3, 1e30, -1e30, 1e-30, 1e-310, -1e-310, 1e300, 2.0**-54, 88.0, -103.0, 709.5, -744.0, 1e-9]


def names_in(value: object) -> Iterable[str]:
    if isinstance(value, SymbolicDim):
        yield from value.names
    elif isinstance(value, ArrayType):
        yield from names_in(value.shape)
    elif isinstance(value, tuple):
        for entry in value:
            yield from names_in(entry)


def example_program(example: Example, sizes: dict[str, int], dtype: DType) -> Program:
    inputs = tuple(Input(f"x{k}", type) for k, type in enumerate(example.operands))
    return Program(inputs, (example.primitive(*inputs),)).bind(sizes, dtype)


def draw(rng: np.random.Generator, type: ArrayType, domain: tuple[float, float], special: list[float]) -> Array:
    shape = type.concrete_shape
    if type.dtype is DType.BOOL:
        return np.asarray(rng.random(shape) < 0.5)
    if type.dtype is DType.INT64:
        return np.asarray(rng.integers(int(domain[0]), int(domain[1]), shape))
    with np.errstate(over="ignore"):
        numbers = rng.choice(special, shape) if special else rng.uniform(*domain, shape)
        return np.asarray(numbers, type.dtype.numpy)


def values_for(program: Program, example: Example, seed: int, special: list[float]) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    domains = example.domain or ((-3.0, 3.0),) * len(example.operands)
    drawn = {
        node.name: draw(rng, node.type, domain, special) for node, domain in zip(program.inputs, domains, strict=True)
    }
    return drawn if special else {name: example.with_diagonal(value) for name, value in drawn.items()}
