"""Run source that was emitted, on inputs drawn for a derivation, beside the native engine."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.derivation import Derivation, is_upstream, output_name
from chainrule.engines import get_engine
from chainrule.ir import Dim, DType, Input, Program, bind_dim
from chainrule.primitives import index_bounds

Array = NDArray[Any]
NUMBERS = (5, 3, 4, 2, 6, 7, 8, 9)
"""Sizes, given to the names of a program in order of appearance; all differ, so that no transpose goes unnoticed."""


@dataclass(frozen=True)
class Case:
    """A derivation at numbers: its arguments, the gradients given, and what the native engine makes of them."""

    derivation: Derivation
    arguments: dict[str, Array]
    seeds: list[Array]
    outputs: list[Array]
    gradients: dict[str, Array]
    sizes: dict[str, int]


def case(derivation: Derivation, dtype: DType = DType.FLOAT64, sizes: Mapping[str, int] | None = None) -> Case:
    """Draw inputs of `dtype` for `derivation`, and evaluate it natively."""
    program = derivation.program
    given = dict(sizes or {})
    numbers: dict[str, Dim] = {}
    spare = iter(NUMBERS)
    for name in program.dim_names:
        numbers[name] = given[name] if name in given else next(spare)
    random = np.random.default_rng(7)
    bounds = index_bounds(program.outputs)
    values = {node: _drawn(node, numbers, random, bounds, dtype) for node in program.inputs}
    upstream = [node for node in program.inputs if is_upstream(node)]
    wanted = derivation.record.backward
    names = [output_name(node) for node in upstream]
    stages = {stage.name: stage.node for stage in wanted.stages}
    outputs = [stages[name] for name in names] if upstream else list(program.outputs)
    complete = Program(program.inputs, (*outputs, *wanted.gradients)).bind(numbers, dtype)
    found = get_engine("native").compile(complete)({node.name: value for node, value in values.items()})
    return Case(
        derivation,
        {node.name: value for node, value in values.items() if node not in upstream},
        [values[node] for node in upstream],
        found[: len(outputs)],
        dict(zip((node.name for node in wanted.wrt), found[len(outputs) :], strict=True)),
        {name: int(str(size)) for name, size in numbers.items()},
    )


def _drawn(
    node: Input,
    sizes: Mapping[str, Dim],
    random: np.random.Generator,
    bounds: Mapping[Input, Dim],
    dtype: DType,
) -> Array:
    shape = tuple(int(str(bind_dim(dim, sizes))) for dim in node.type.shape)
    if node.type.dtype is DType.INT64:
        return random.integers(0, int(str(bind_dim(bounds.get(node, 2), sizes))), shape)
    if node.type.dtype is DType.BOOL:
        return random.random(shape) < 0.5
    if not shape:
        return np.asarray(random.uniform(0.3, 0.9), dtype.numpy)
    return random.normal(size=shape).astype(dtype.numpy)


def assert_close(found: object, expected: Array, name: str, tolerance: float) -> None:
    """That two arrays have one shape and are equal to `tolerance`, relative to the largest element."""
    array = np.asarray(found)
    assert array.shape == expected.shape, f"{name} has the shape {array.shape}, not {expected.shape}"
    scale = max(float(np.max(np.abs(expected), initial=0.0)), 1e-3)
    assert np.max(np.abs(array - expected), initial=0.0) <= tolerance * scale, name


def module(source: str) -> Any:
    """The module that `source` is the text of."""
    made = types.ModuleType("emitted")
    exec(compile(source, "<emitted>", "exec"), made.__dict__)
    return made


def run_numpy(source: str, case: Case) -> tuple[list[Any], dict[str, Any]]:
    """The outputs and gradients that two functions in NumPy give."""
    emitted = module(source)
    *outputs, saved = emitted.forward(*case.arguments.values())
    gradients = emitted.backward(saved, *case.seeds)
    names = [name for name in case.arguments if name in case.gradients]
    return outputs, dict(zip(names, [gradients] if len(names) == 1 else gradients, strict=True))


def run_torch(source: str, case: Case, name: str) -> tuple[list[Any], dict[str, Any]]:
    """The outputs and gradients that PyTorch finds through the function."""
    import torch

    tensors = {key: torch.tensor(value, requires_grad=key in case.gradients) for key, value in case.arguments.items()}
    results = getattr(module(source), name)(*tensors.values())
    outputs = list(results) if isinstance(results, tuple) else [results]
    seeds = [torch.tensor(seed) for seed in case.seeds] or [torch.tensor(1.0, dtype=outputs[0].dtype)]
    torch.autograd.backward(outputs, seeds)
    gradients = {key: np.asarray(tensors[key].grad) for key in case.gradients}
    return [output.detach().numpy() for output in outputs], gradients


def run_jax(source: str, case: Case, name: str) -> tuple[list[Any], dict[str, Any]]:
    """The outputs and gradients that JAX finds through the function, under jit."""
    import jax
    import jax.numpy as jnp

    function = getattr(module(source), name)
    places = tuple(k for k, key in enumerate(case.arguments) if key in case.gradients)

    def scalar(*arguments: Any) -> Any:
        results = function(*arguments)
        outputs = list(results) if isinstance(results, tuple) else [results]
        seeds = case.seeds or [np.ones(())]
        return sum(jnp.sum(output * seed) for output, seed in zip(outputs, seeds, strict=True)), outputs

    with jax.enable_x64(True):
        arguments = [jnp.asarray(value) for value in case.arguments.values()]
        gradients, outputs = jax.jit(jax.grad(scalar, argnums=places, has_aux=True))(*arguments)
        return [np.asarray(x) for x in outputs], {
            key: np.asarray(x) for key, x in zip([list(case.arguments)[k] for k in places], gradients, strict=True)
        }
