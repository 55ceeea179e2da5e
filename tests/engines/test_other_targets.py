"""Whole programs for processors other than this one: run where this one can, and assembled where it cannot."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pytest
from support.handwritten import XOR, initial, network_loop, random_data

from chainrule.engines import Loop, Run, evaluate, get_engine
from chainrule.engines.native import NativeEngine
from chainrule.engines.native.compilation import CompiledProgram, write_loop
from chainrule.engines.native.machine import assemble, object_code
from chainrule.engines.native.target import parse_target
from chainrule.ir import ArrayType, DType, Input, Node, Program
from chainrule.primitives import (
    contract,
    cos,
    erf,
    exp,
    expm1,
    log,
    log1p,
    max_,
    power,
    sigmoid,
    sin,
    softmax,
    softplus,
    sqrt,
    sum_,
    tanh,
)

Mode = Literal["unrolled", "loops"]
RUNNABLE = [name for name in ("x86-64", "sandybridge", "x86-64-v3", "aarch64") if not parse_target(name).obstacle()]
MLP = (20, 19, 6)
Targets = pytest.mark.parametrize("name", RUNNABLE)
Modes = pytest.mark.parametrize("mode", ["unrolled", "loops"])
DTypes = pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])


def test_there_is_a_plainer_target_than_this_machine() -> None:
    assert RUNNABLE


@Targets
@Modes
def test_xor_is_learnt_alike(name: str, mode: Mode) -> None:
    loop = network_loop(4, 4)
    expected = get_engine("reference").run(Run(loop, initial(1), XOR, 0), 300)
    result = NativeEngine(mode, parse_target(name)).run(Run(loop, initial(1), XOR, 0), 300)
    np.testing.assert_allclose(result.losses, expected.losses, rtol=1e-12)
    for key, value in expected.state.items():
        np.testing.assert_allclose(result.state[key], value, rtol=1e-11)


@Targets
@DTypes
def test_a_network_is_trained_alike(name: str, dtype: DType) -> None:
    loop = network_loop(16, 8, shuffle=True, sizes=MLP, dtype=dtype)
    data = {key: value.astype(dtype.numpy) for key, value in random_data(16, MLP).items()}
    data["rate"] = data["rate"] / 100
    start = {key: value.astype(dtype.numpy) for key, value in initial(0, MLP).items()}
    expected = get_engine("reference").run(Run(loop, start, data, 3), 10)
    result = NativeEngine("loops", parse_target(name)).run(Run(loop, start, data, 3), 10)
    tolerance = 1000 * float(np.finfo(dtype.numpy).eps)
    np.testing.assert_allclose(result.losses, expected.losses, rtol=tolerance)
    for key, value in expected.state.items():
        np.testing.assert_allclose(result.state[key], value, rtol=tolerance, atol=tolerance)


@Targets
@Modes
@DTypes
def test_functions_and_reductions_are_as_accurate(name: str, mode: Mode, dtype: DType) -> None:
    shape = (2, 3) if mode == "unrolled" else (5, 7)
    x = Input("x", ArrayType(shape, dtype))
    functions = [exp, expm1, log, log1p, sqrt, tanh, sigmoid, softplus, erf, sin, cos]
    outputs = [function(x) for function in functions]
    outputs += [power(x, x), softmax(x, 1), sum_(x, 0), sum_(exp(x), 1), max_(x, 0)]
    program = Program((x,), tuple(outputs))
    values = {"x": np.random.default_rng(0).uniform(0.1, 3, shape).astype(dtype.numpy)}
    eps = float(np.finfo(dtype.numpy).eps)
    results = CompiledProgram(program, mode, parse_target(name))(values)
    for result, expected in zip(results, evaluate(program, values), strict=True):
        np.testing.assert_allclose(result, expected, rtol=8 * eps, atol=eps)


@Targets
@DTypes
def test_products_of_sizes_off_the_vectors(name: str, dtype: DType) -> None:
    n, k, m = 13, 40, 37
    layouts = [((0, 1), (n, k)), ((1, 0), (k, n))], [((1, 2), (k, m)), ((2, 1), (m, k))]
    inputs: list[Input] = []
    outputs: list[Node] = []
    for left, left_shape in layouts[0]:
        for right, right_shape in layouts[1]:
            a = Input(f"a{len(inputs)}", ArrayType(left_shape, dtype))
            b = Input(f"b{len(inputs)}", ArrayType(right_shape, dtype))
            inputs += [a, b]
            outputs.append(contract([a, b], (left, right), (0, 2)))
    program = Program(tuple(inputs), tuple(outputs))
    rng = np.random.default_rng(1)
    values = {node.name: rng.uniform(-1, 1, node.type.concrete_shape).astype(dtype.numpy) for node in inputs}
    tolerance = 4 * k * float(np.finfo(dtype.numpy).eps)
    results = CompiledProgram(program, "loops", parse_target(name))(values)
    for result, expected in zip(results, evaluate(program, values), strict=True):
        np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


LOOPS: dict[str, tuple[Loop, Mode]] = {
    "xor": (network_loop(4, 4), "unrolled"),
    "mlp": (network_loop(16, 8, sizes=MLP, dtype=DType.FLOAT32), "loops"),
}


@pytest.mark.parametrize(
    ("job", "name", "instruction"),
    [
        ("xor", "x86-64", r"mulpd\t.*%xmm"),
        ("xor", "x86-64-v3", r"vfn?m(add|sub)\d+pd\t.*%ymm"),
        ("xor", "x86-64-v4", r"vfn?m(add|sub)\d+pd\t.*%zmm"),
        ("xor", "aarch64", r"fml[as]\tv\d+\.2d"),
        ("mlp", "x86-64", r"mulps\t.*%xmm"),
        ("mlp", "x86-64-v3", r"vfn?m(add|sub)\d+ps\t.*%ymm"),
        ("mlp", "x86-64-v4", r"vfn?m(add|sub)\d+ps\t.*%zmm"),
        ("mlp", "aarch64", r"fml[as]\tv\d+\.4s"),
    ],
)
def test_training_steps_are_written_for_any_processor(job: str, name: str, instruction: str) -> None:
    loop, mode = LOOPS[job]
    target = parse_target(name)
    written = write_loop(loop, mode, target)
    assert written.mode == mode
    assert "inttoptr" not in written.text, "such a text would not be cached"
    assembly = assemble(written.text, target)
    assert len(re.findall(instruction, assembly)) >= 8
    if mode == "unrolled":
        assert object_code(written.text, target).startswith(b"\x7fELF")
    if name == "x86-64":
        assert not re.search(r"%[yz]mm|\tvf", assembly)
    if name == "x86-64-v3":
        assert "%zmm" not in assembly
