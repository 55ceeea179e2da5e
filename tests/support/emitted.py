"""Running of emitted source, on inputs drawn for a derivation, for comparison with the native engine."""

from __future__ import annotations

import ctypes
import subprocess
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.derivation import Recurrent, is_upstream, output_name, small_sizes
from chainrule.deriving import Derivation
from chainrule.emit import ascii_identifier
from chainrule.emit.js_source import JsSource
from chainrule.emit.node import find_node, run_in_node
from chainrule.engines import get_engine
from chainrule.ir import Dim, DType, Input, Program, bind_dim
from chainrule.primitives import index_bounds
from support.gallery_samples import derived

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A derivation with concrete values: its arguments, the given gradients, and the results of an engine."""

    derivation: Derivation
    arguments: dict[str, Array]
    seeds: list[Array]
    outputs: list[Array]
    gradients: dict[str, Array]
    sizes: dict[str, int]


@cache
def case_of(name: str, dtype: DType = DType.FLOAT64, engine: str = "native") -> Case:
    """Return the case of a gallery entry."""
    return case(derived(name), dtype, engine=engine)


def case(
    derivation: Derivation,
    dtype: DType = DType.FLOAT64,
    sizes: Mapping[str, int] | None = None,
    engine: str = "native",
) -> Case:
    """Draw inputs of `dtype` for `derivation`, and evaluate it, by default natively."""
    program = derivation.program
    given = dict(sizes or {})
    numbers: dict[str, Dim] = {**small_sizes(program), **given}
    random = np.random.default_rng(7)
    bounds = index_bounds(program.outputs)
    values = {node: _drawn(node, numbers, random, bounds, dtype) for node in program.inputs}
    upstream = [node for node in program.inputs if is_upstream(node)]
    wanted = derivation.record.backward
    names = [output_name(node) for node in upstream]
    stages = {stage.name: stage.node for stage in wanted.stages}
    outputs = [stages[name] for name in names] if upstream else list(program.outputs)
    complete = Program(program.inputs, (*outputs, *wanted.gradients)).bind(numbers, dtype)
    found = get_engine(engine).compile(complete)({node.name: value for node, value in values.items()})
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
    """Assert that two arrays have the same shape and are equal to `tolerance`, relative to the largest element."""
    array = np.asarray(found)
    assert array.shape == expected.shape, f"{name} has the shape {array.shape}, not {expected.shape}"
    scale = max(float(np.max(np.abs(expected), initial=0.0)), 1e-3)
    assert np.max(np.abs(array - expected), initial=0.0) <= tolerance * scale, name


def module(source: str) -> Any:
    """Return the module with the text `source`."""
    made = types.ModuleType("emitted")
    exec(compile(source, "<emitted>", "exec"), made.__dict__)
    return made


def run_numpy(source: str, case: Case) -> tuple[list[Any], dict[str, Any]]:
    """Return the outputs and gradients of the two NumPy functions."""
    emitted = module(source)
    *outputs, saved = emitted.forward(*case.arguments.values())
    gradients = emitted.backward(saved, *case.seeds)
    names = [name for name in case.arguments if name in case.gradients]
    return outputs, dict(zip(names, [gradients] if len(names) == 1 else gradients, strict=True))


def run_torch(source: str, case: Case, name: str) -> tuple[list[Any], dict[str, Any]]:
    """Return the outputs, and the gradients of the function by PyTorch."""
    import torch

    tensors = {key: torch.tensor(value, requires_grad=key in case.gradients) for key, value in case.arguments.items()}
    results = getattr(module(source), name)(*tensors.values())
    outputs = list(results) if isinstance(results, tuple) else [results]
    seeds = [torch.tensor(seed) for seed in case.seeds] or [torch.tensor(1.0, dtype=outputs[0].dtype)]
    torch.autograd.backward(outputs, seeds)
    gradients = {key: np.asarray(tensors[key].grad) for key in case.gradients}
    return [output.detach().numpy() for output in outputs], gradients


def run_jax(source: str, case: Case, name: str, *, jit: bool = True) -> tuple[list[Any], dict[str, Any]]:
    """Return the outputs, and the gradients of the function by JAX, with or without jit."""
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
        gradient = jax.grad(scalar, argnums=places, has_aux=True)
        gradients, outputs = (jax.jit(gradient) if jit else gradient)(*arguments)
        return [np.asarray(x) for x in outputs], {
            key: np.asarray(x) for key, x in zip([list(case.arguments)[k] for k in places], gradients, strict=True)
        }


C_FLAGS = [
    *("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"),
    *("-Wconversion", "-Wshadow", "-Wdouble-promotion", "-Wstrict-prototypes"),
]


def signature(source: str, function: str) -> list[str]:
    """Return the names of the parameters of a function of the header."""
    code = source.partition("*/")[2]  # the usage in the first comment also calls it
    text = code.partition(f" {function}(")[2].partition(") {")[0]
    return [part.replace("*", " ").split()[-1] for part in text.split(",")]


def exported(source: str, case: Case, name: str, real: str) -> str:
    """Return a C file that includes the header and defines functions with plain pointers, for `ctypes`."""
    values = pointed_to(case)
    taken = {key: f"*{key}" if value.ndim == 0 else key for key, value in values.items()}
    has_work = f"}} {name}_work;" in source
    functions = [f"{name}_forward", f"{name}_backward"] if case.seeds else [f"{name}_forward_backward"]
    calls = [f"{f}({', '.join(taken.get(word, word) for word in signature(source, f))})" for f in functions]
    body = "; ".join([*calls, "return 0;"]) if case.seeds else f"return {calls[0]};"
    given = [f"const {'int' if value.dtype == np.int64 else real} *{key}" for key, value in values.items()]
    parameters = ", ".join(["const void *params", *given, "void *grads", "void *work"])
    unused = " ".join(f"(void){word};" for word in ("params", *values, "grads", "work"))
    lines = [
        f'#include "{name}.h"',
        f'#include "{name}.h"',
        "#include <stddef.h>",
        "size_t size_of_work(void);",
        f"size_t size_of_work(void) {{ return {f'sizeof({name}_work)' if has_work else '1'}; }}",
        f"{real} run({parameters});",
        f"{real} run({parameters}) {{ {unused} {body} }}",
    ]
    if f"{name}_sgd_step(" in source:
        lines.append(f"void step(void *params, const void *grads, {real} learning_rate);")
        body = f"{name}_sgd_step(params, grads, learning_rate);"
        lines.append(f"void step(void *params, const void *grads, {real} learning_rate) {{ {body} }}")
    return "\n".join(lines) + "\n"


def pointed_to(case: Case) -> dict[str, Array]:
    """Return every argument, and every given gradient, by its name in C."""
    values = {ascii_identifier(key): value for key, value in case.arguments.items()}
    upstream = [node for node in case.derivation.program.inputs if is_upstream(node)]
    seeds = zip((ascii_identifier("d" + output_name(node)) for node in upstream), case.seeds, strict=True)
    return {**values, **dict(seeds)}


def members(source: str, name: str, label: str) -> list[str]:
    """Return the members of a structure of the header."""
    text, end, _ = source.partition(f"}} {name}_{label};")
    body = text.rpartition("typedef struct {")[2] if end else ""
    return [line.split()[1].partition("[")[0].rstrip(";") for line in body.strip().splitlines()]


def run_c(
    source: str, case: Case, name: str, folder: Path, flags: Sequence[str] = ("-O1",), compiler: str = "cc"
) -> tuple[float, dict[str, Array]]:
    """Return the loss (0 for a layer) and the gradients from the header, after a check of a descent step."""
    dtype = next(iter(case.gradients.values())).dtype
    real = "float" if dtype == np.float32 else "double"
    (folder / f"{name}.h").write_text(source)
    (folder / "caller.c").write_text(exported(source, case, name, real))
    library = folder / "caller.so"
    subprocess.run(
        [compiler, *C_FLAGS, *flags, "-shared", "-fPIC", "-o", library, folder / "caller.c", "-lm"],
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = ctypes.CDLL(str(library))
    number = ctypes.c_float if real == "float" else ctypes.c_double
    loaded.size_of_work.restype = ctypes.c_size_t
    values = pointed_to(case)
    data = [np.ascontiguousarray(x.astype(np.int32 if x.dtype == np.int64 else dtype)) for x in values.values()]
    names = members(source, name, "params")
    values |= {ascii_identifier(key, is_member=True): value for key, value in case.arguments.items()}
    params = np.concatenate([values[key].astype(dtype).ravel() for key in names] or [np.zeros(1, dtype)])
    grads = np.full(sum(value.size for value in case.gradients.values()), np.nan, dtype)
    work = np.full(loaded.size_of_work() // dtype.itemsize + 1, np.nan, dtype)
    arrays = [params, *data, grads, work]
    loaded.run.restype, loaded.run.argtypes = number, [ctypes.c_void_p] * len(arrays)
    loss = loaded.run(*(array.ctypes.data for array in arrays))
    by_name = {ascii_identifier(key, is_member=True): key for key in case.gradients}
    found, place = {}, 0
    for member in members(source, name, "grads"):
        expected = case.gradients[by_name[member]]
        found[by_name[member]] = grads[place : place + expected.size].reshape(expected.shape)
        place += expected.size
    if names:
        loaded.step.restype, loaded.step.argtypes = None, [ctypes.c_void_p, ctypes.c_void_p, number]
        loaded.step(params.ctypes.data, grads.ctypes.data, 0.5)
        moved = np.concatenate([values[key].ravel() - 0.5 * found[by_name[key]].ravel() for key in names])
        assert_close(params, moved.astype(dtype), "a step of gradient descent", 1e-6)
    return loss, found


def run_js(
    case: Case, sizes: Mapping[str, int] | None = None, name: str = "f", subject: Recurrent | None = None
) -> tuple[list[Array], dict[str, Array]]:
    """Return the outputs and gradients of the JavaScript module under node, with constants for `sizes`.

    It is written from the record of the case, or from `subject`, with loops for recurrences.
    """
    node = find_node()
    assert node is not None
    source = JsSource(subject or case.derivation.record, name, sizes or {})
    text = source.text()
    upstream = [each.name for each in case.derivation.program.inputs if is_upstream(each)]
    given = {**case.arguments, **dict(zip(upstream, case.seeds, strict=True))}
    found = run_in_node(node, text, source.trial(case.sizes), given)
    for key in case.gradients:
        if f"step {key}" in found:
            moved = case.arguments[key].ravel() - 0.1 * found[f"gradient {key}"]
            assert_close(found[f"step {key}"], moved, "a step of gradient descent", 1e-15)
    outputs = [found[f"output {k}"].reshape(output.shape) for k, output in enumerate(case.outputs)]
    return outputs, {key: found[f"gradient {key}"].reshape(value.shape) for key, value in case.gradients.items()}
