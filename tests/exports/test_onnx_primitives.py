"""Every primitive as ONNX, run by onnxruntime and compared with its definition in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

from chainrule.emit import EmitError
from chainrule.exports.errors import ExportError
from chainrule.exports.onnx_expressions import ExpressionWriter
from chainrule.exports.onnx_file import Port, onnx_bytes
from chainrule.exports.onnx_graph import Graph
from chainrule.exports.onnx_primitives import RULES
from chainrule.ir import Apply, ArrayType, Dim, DType, Input, Program, SymbolicDim, named_dim
from chainrule.primitives import (
    REGISTRY,
    Elementwise,
    Elu,
    Erf,
    Erfc,
    Example,
    Expm1,
    Gelu,
    GeluTanh,
    LeakyRelu,
    Log1p,
    Primitive,
    Sigmoid,
    Silu,
    Softplus,
    Tanh,
)

LACKING = {
    "AbstractMap",
    "Adjugate",
    "Cholesky",
    "Eigenvalues",
    "Eigenvectors",
    "ExponentialDerivative",
    "ImaginaryFourier",
    "Inverse",
    "LeftVector",
    "LeftVectors",
    "MatrixExponential",
    "NuclearNorm",
    "OrthogonalFactor",
    "PolarFactor",
    "RightVector",
    "RightVectors",
    "SingularValues",
    "SpecialFunction",
    "SpectralNorm",
    "TriangularFactor",
    "TriangularSolve",
    "Determinant",
    "LogDeterminant",
    "SignDeterminant",
    "OverlapAdd",
    "Pseudoinverse",
    "RandomUniform",
    "RealFourier",
}
"""Primitives without a counterpart in ONNX or onnxruntime; none is part of a network's prediction."""

SIZES = {"n": 3, "m": 4, "k": 2, "h": 5, "d": 2, "o": 3}
EXAMPLES = [
    (f"{kind.__name__}-{k}", example)
    for kind in REGISTRY
    for k, example in enumerate(kind.examples())
    if kind.__name__ not in LACKING
]


def run(program: Program, values: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The one output of `program` that onnxruntime finds."""
    named = dict.fromkeys(node.name for node in program.inputs)
    graph = Graph(named)
    (output,) = ExpressionWriter(graph, RULES).program(program, {name: name for name in named})
    result = graph.rename(output, "result")
    ports = [
        Port(node.name, node.type.dtype.numpy, tuple(_size(dim) for dim in node.type.shape)) for node in program.inputs
    ]
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
    operands = [values[f"x{k}"] for k in range(len(example.operands))]
    expected = example.primitive.bind(SIZES, dtype).value(*operands)
    found = run(program, values)
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    relative, absolute = (1e-12, 1e-14) if dtype is DType.FLOAT64 else (1e-5, 1e-6)
    np.testing.assert_allclose(found, expected, rtol=relative, atol=absolute)


@pytest.mark.parametrize(
    "kind", [kind for kind in REGISTRY if kind.__name__ in LACKING], ids=lambda kind: kind.__name__
)
def test_what_onnx_lacks_is_named(kind: type[Primitive]) -> None:
    program, values = _drawn(kind.examples()[0], DType.FLOAT64)
    named = {"ExponentialDerivative": "MatrixExponential"}.get(kind.__name__, kind.__name__)  # of which it is a part
    with pytest.raises((ExportError, EmitError), match=rf"{named}|random"):
        run(program, values)


POINTS = [0.0, -0.0, 1e-300, -1e-12, 1e-5, -0.3, 0.7, 1.0, 2.5, -4.0, 6.5, -30.0, 700.0, -800.0, 1e300, -np.inf, np.inf]


@pytest.mark.parametrize(
    "kind", [Elu, Erf, Erfc, Expm1, Gelu, GeluTanh, LeakyRelu, Log1p, Silu, Softplus, Sigmoid, Tanh]
)
def test_far_and_near_in_float64(kind: type[Elementwise]) -> None:
    """Composed functions are correct where their parts overflow, cancel or vanish; NaN is preserved."""
    x = np.array([*POINTS, np.nan])
    if kind is Log1p:
        x = np.array([0.0, -0.0, 1e-300, -1e-12, 1e-5, -0.3, 0.7, 1e10, 1e300, np.inf, np.nan])
    node = Input("x", ArrayType((len(x),)))
    found = run(Program((node,), (kind()(node),)), {"x": x})
    with np.errstate(all="ignore"):
        expected = kind().value(x)
    known = ~np.isnan(expected)
    # The operator for σ in onnxruntime is right to 1e-16, and no further where σ is smaller than that.
    np.testing.assert_allclose(
        found[known], expected[known], rtol=1e-12, atol=3e-15 if kind in (Sigmoid, Silu) else 1e-300
    )
    assert np.isnan(found[-1])
