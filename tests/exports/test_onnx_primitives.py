"""Every primitive as ONNX says it, run by onnxruntime beside its definition in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

from chainrule.exports.errors import ExportError
from chainrule.exports.onnx_expressions import ExpressionWriter
from chainrule.exports.onnx_file import Port, onnx_bytes
from chainrule.exports.onnx_graph import Graph
from chainrule.exports.onnx_primitives import RULES
from chainrule.ir import Apply, ArrayType, Dim, DType, Input, Program, SymbolicDim, named_dim
from chainrule.primitives import REGISTRY, Broadcast, Erf, Expm1, Gelu, Log1p, Primitive, Softplus
from chainrule.primitives.base import Example

LACKING = {"Inverse", "Determinant", "LogDeterminant", "OverlapAdd", "RandomUniform"}
"""What ONNX, or onnxruntime, has nothing for; none of them is part of a network's prediction."""

SIZES = {"n": 3, "m": 4, "k": 2, "h": 5, "d": 2, "o": 3}
EXAMPLES = [
    (f"{kind.__name__}-{k}", example)
    for kind in REGISTRY
    for k, example in enumerate(kind.examples())
    if kind.__name__ not in LACKING
]


def run(program: Program, values: dict[str, Any], sizes: dict[str, int]) -> np.ndarray[Any, Any]:
    """The one output of `program` that onnxruntime finds."""
    named = dict.fromkeys(node.name for node in program.inputs)
    graph = Graph(named)
    (output,) = ExpressionWriter(graph, RULES).program(program, {name: name for name in named})
    result = graph.rename(output, "result")
    ports = [Port(node.name, node.type.dtype.numpy, tuple(_size(dim) for dim in node.type.shape)) for node in program.inputs]
    (node,) = program.outputs
    out = Port(result, node.type.dtype.numpy, tuple(_size(dim) for dim in node.type.shape))
    content = onnx_bytes(graph, ports, [out], "test", "", "0", {})
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, values)
    return np.asarray(found)


def _size(dim: Dim) -> int | None:
    return None if isinstance(dim, SymbolicDim) else dim


def _drawn(example: Example, dtype: DType) -> tuple[Program, dict[str, Any]]:
    sizes: dict[str, Dim] = dict(SIZES)
    random = np.random.default_rng(5)
    kept = Example(example.primitive.bind({}, dtype), example.operands)
    inputs, values = [], {}
    for k, given in enumerate(kept.operands):
        low, high = example.domain[k] if k < len(example.domain) else (-3.0, 3.0)
        type_ = given.with_dtype(dtype) if given.dtype.is_float else given
        shape = type_.bind(sizes).concrete_shape
        if type_.dtype.is_float:
            value: Any = random.uniform(low, high, shape).astype(dtype.numpy)
        elif type_.dtype is DType.INT64:
            value = random.integers(int(low), int(high), shape)
        else:
            value = random.random(shape) < 0.5
        inputs.append(Input(f"x{k}", type_))
        values[f"x{k}"] = np.asarray(value)
    for name in SIZES:  # each is that of an input, so that it can be read off
        inputs.append(Input(f"size {name}", ArrayType((named_dim(name),), dtype)))
        values[f"size {name}"] = np.zeros(SIZES[name], dtype.numpy)
    program = Program(tuple(inputs), (Apply(kept.primitive, tuple(inputs[: len(kept.operands)])),))
    return program, values


@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32], ids=["double", "float"])
@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_each_primitive_is_computed_as_it_is_defined(name: str, example: Example, dtype: DType) -> None:
    program, values = _drawn(example, dtype)
    primitive: Primitive = program.outputs[0].primitive  # type: ignore[attr-defined]
    bound = primitive.bind(SIZES, dtype)
    operands = [values[f"x{k}"] for k in range(len(example.operands))]
    expected = bound.value(*operands)
    found = run(program, values, SIZES)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12 if dtype is DType.FLOAT64 else 1e-5, atol=1e-6 if dtype is DType.FLOAT32 else 1e-14)
