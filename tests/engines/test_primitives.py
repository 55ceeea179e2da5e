"""Generated code against the NumPy definition, for every primitive, both ways of writing code and both floats."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.examples import EXTREME, SPECIAL, example_program, names_in, values_for

from chainrule.engines.native import NotUnrollableError
from chainrule.engines.native.compilation import CompiledProgram
from chainrule.engines.native.definitions import is_called
from chainrule.engines.native.prepare import prepare
from chainrule.ir import DType, Node, Program, applies
from chainrule.primitives import (
    REGISTRY,
    Abstract,
    ArgSort,
    Elementwise,
    Example,
    Inverse,
    Quantile,
    TakeAlong,
    evaluate_nodes,
)

Array = NDArray[Any]
Mode = Literal["unrolled", "loops"]
Examples = pytest.mark.parametrize(
    "example",
    [pytest.param(e, id=f"{cls.__name__}-{k}") for cls in REGISTRY for k, e in enumerate(cls.examples())],
)


def outputs(program: Program, values: dict[str, Array]) -> tuple[Array, dict[Mode, Array]]:
    known: dict[Node, Array] = {node: values[node.name] for node in program.inputs}
    with np.errstate(all="ignore"):
        expected = evaluate_nodes(program.outputs, known)[program.outputs[0]]
    compiled: dict[Mode, Array] = {"loops": CompiledProgram(program, "loops")(values)[0]}
    try:
        compiled["unrolled"] = CompiledProgram(program, "unrolled")(values)[0]
    except NotUnrollableError:
        assert unrolling_may_be_refused(program)
    return expected, compiled


def unrolling_may_be_refused(program: Program) -> bool:
    """Registers hold neither empty arrays nor large ones, and no place is chosen at run time."""
    sizes = [int(np.prod(node.type.concrete_shape)) for node in (*program.inputs, *prepare(program).nodes)]
    is_long = any(
        (applies(node, ArgSort) and node.type.ndim == 2) or (applies(node, Inverse) and node.type.shape[-1] == 5)
        for node in program.nodes
    )  # more instructions than are worth writing without loops
    integers = any(node.type.dtype is DType.INT64 and node.type.ndim < 3 for node in program.inputs)
    chooses = any(applies(node, TakeAlong, Quantile) for node in (*program.nodes, *prepare(program).nodes))
    called = any(map(is_called, prepare(program).nodes))
    return 0 in sizes or max(sizes) > 64 or integers or is_long or chooses or called


@Examples
@settings(max_examples=2, deadline=None, derandomize=True)
@given(data=st.data())
def test_native_agrees_with_the_definition(example: Example, data: st.DataObject) -> None:
    names = sorted({*names_in(example.operands), *names_in(tuple(vars(example.primitive).values()))})
    sizes = {name: data.draw(st.integers(1, 5), label=name) for name in names}
    dtype = data.draw(st.sampled_from([DType.FLOAT64, DType.FLOAT32]))
    program = example_program(example, sizes, dtype)
    expected, compiled = outputs(program, values_for(program, example, sum(sizes.values()), []))
    for result in compiled.values():
        assert result.shape == expected.shape
        assert result.dtype == expected.dtype
        if expected.dtype.kind != "f":
            np.testing.assert_array_equal(result, expected)
        elif expected.size:
            # Sums of up to 125 terms between -3 and 3, in another order.
            tolerance = 64 * np.finfo(expected.dtype).eps
            largest = max(1, np.abs(expected).max())
            np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance * largest)


@Examples
@pytest.mark.parametrize("dtype", [DType.FLOAT64, DType.FLOAT32])
def test_native_agrees_at_special_values(example: Example, dtype: DType) -> None:
    """Bit patterns of special results, and for elementwise primitives a few units in the last place everywhere.

    What stands in for a function without a definition is a sum of waves, and their arguments are rounded.
    """
    names = sorted({*names_in(example.operands), *names_in(tuple(vars(example.primitive).values()))})
    program = example_program(example, dict.fromkeys(names, 3), dtype)
    elementwise = isinstance(example.primitive, Elementwise) and not isinstance(example.primitive, Abstract)
    values = values_for(program, example, 7, EXTREME if elementwise else SPECIAL)
    expected, compiled = outputs(program, values)
    for result in compiled.values():
        if expected.dtype.kind != "f":
            np.testing.assert_array_equal(result, expected)
            continue
        np.testing.assert_array_equal(np.isnan(result), np.isnan(expected))
        np.testing.assert_array_equal(np.isinf(result), np.isinf(expected))
        if elementwise:
            kind = np.finfo(expected.dtype)
            with np.errstate(invalid="ignore", over="ignore"):
                allowed = 8 * kind.eps * np.abs(expected) + 4 * kind.smallest_subnormal
                assert np.all((result == expected) | np.isnan(expected) | (np.abs(result - expected) <= allowed))
