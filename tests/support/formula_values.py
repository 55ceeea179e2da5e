"""Values of formulas at random inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from chainrule.ir import Program, concrete
from chainrule.primitives import evaluate_nodes

Array = NDArray[Any]

SIZES = {"n": 4, "m": 3, "d": 3, "k": 2, "h": 5, "o": 2}


def values(program: Program, seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    drawn: dict[str, Array] = {}
    for node in program.inputs:
        shape = tuple(concrete(dim) for dim in node.type.shape)
        if node.type.dtype.is_float:
            drawn[node.name] = random.normal(size=shape)
        else:
            drawn[node.name] = random.integers(0, 2, shape).astype(node.type.dtype.numpy)
    return drawn


def evaluated(text: str, **shapes: Any) -> tuple[Array, dict[str, Array]]:
    program = cr.trace(text, **shapes)
    program = program.bind({name: SIZES.get(name, 6) for name in program.dim_names})
    held = values(program)
    (output,) = program.outputs
    return np.asarray(evaluate_nodes([output], {node: held[node.name] for node in program.inputs})[output]), held
