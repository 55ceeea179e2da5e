"""Functions that NumPy has under one name: what it gives is the reference, in every way in which they are computed."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.engines import get_engine
from chainrule.ir import ArrayType, DType, Input, Node, Program
from chainrule.primitives import UFUNCS, Elementwise, Ufunc, evaluate_nodes, expanded

Array = NDArray[Any]
KINDS = pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for name, kind in UFUNCS.items()])
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
ODD = (
    *("sin", "tan", "sinh", "tanh", "arcsin", "arctan", "arctan2", "arcsinh", "arctanh", "expm1", "log1p", "sqrt"),
    *("cbrt", "floor", "ceil", "trunc", "rint", "floor_divide", "remainder", "fmod"),
)
"""Those whose value at a zero has its sign."""
ULPS = 4


def arguments(kind: type[Ufunc], dtype: type[Any]) -> list[Array]:
    """Zeros of both signs, infinities, NaN, numbers tiny, huge and between, in every pairing where there are two."""
    limits = np.finfo(dtype)
    sizes = [0.0, math.inf, limits.smallest_subnormal, limits.tiny, limits.max, 1e-8, 0.3, 1.0, 2.5, 60.0, 1000.0]
    numbers = [sign * float(size) for size in sizes for sign in (1, -1)] + [math.nan]
    return [np.array(column, dtype) for column in zip(*itertools.product(numbers, repeat=kind.arity), strict=True)]


def inputs(kind: type[Ufunc], values: list[Array]) -> list[Input]:
    return [Input(f"x{k}", ArrayType(x.shape, DType.of(x.dtype))) for k, x in enumerate(values)]


def assert_is_numpys(kind: type[Ufunc], found: Array, values: list[Array]) -> None:
    with np.errstate(all="ignore"):
        expected = getattr(np, kind.name)(*values)
    assert found.dtype == expected.dtype
    with np.errstate(all="ignore"):
        near = np.abs(found - expected) <= ULPS * np.spacing(np.abs(expected))
    right = near | (found == expected) | (np.isnan(found) & np.isnan(expected))
    if kind.name in ODD:
        right &= (np.signbit(found) == np.signbit(expected)) | np.isnan(expected)
    at = [x[~right] for x in values]
    assert right.all(), f"at {at}: {found[~right]}, not {expected[~right]}"


@KINDS
@DTYPES
def test_the_value_is_numpys(kind: type[Ufunc], dtype: type[Any]) -> None:
    values = arguments(kind, dtype)
    assert_is_numpys(kind, kind().value(*values), values)


@KINDS
@DTYPES
def test_the_native_value_is_numpys(kind: type[Ufunc], dtype: type[Any]) -> None:
    values = arguments(kind, dtype)
    symbols = inputs(kind, values)
    program = Program(tuple(symbols), (kind()(*symbols),))
    (found,) = get_engine("native").compile(program)({x.name: v for x, v in zip(symbols, values, strict=True)})
    assert_is_numpys(kind, found, values)


@KINDS
@DTYPES
def test_what_it_is_written_out_in_gives_numpys_value(kind: type[Ufunc], dtype: type[Any]) -> None:
    values = arguments(kind, dtype)
    symbols: list[Node] = [*inputs(kind, values)]
    parts = expanded(kind()(*symbols))
    if parts is None:
        assert kind.lower is Ufunc.lower or kind.name == "absolute"  # it is computed by itself
        return
    with np.errstate(all="ignore"):
        found = evaluate_nodes([parts], dict(zip(symbols, values, strict=True)))[parts]
    assert_is_numpys(kind, found, values)


@KINDS
def test_traced_code_and_formulas_know_it(kind: type[Ufunc]) -> None:
    names = ("x", "y")[: kind.arity]
    shapes = dict.fromkeys(names, "n")
    text = f"{kind.name}({', '.join(names)})"
    space: dict[str, Any] = {"np": np}
    traced = cr.trace(eval(f"lambda {', '.join(names)}: np.{text}", space), **shapes)
    assert traced.outputs[0] == cr.trace(text, **shapes).outputs[0]
    assert getattr(traced.outputs[0], "primitive", None) == kind()


def test_a_ufunc_that_lacks_its_name_or_lowering_cannot_be_defined() -> None:
    rules = {"partials": lambda self, operands, result: [None]}
    with pytest.raises(TypeError, match="lacks name"):
        type("Nameless", (Ufunc,), rules)
    with pytest.raises(TypeError, match="lacks lower"):
        type("Tangent", (Ufunc,), {**rules, "name": "tan"})
    with pytest.raises(TypeError, match="lacks partials"):
        type("Sine", (Ufunc,), {"name": "sin"})
    assert UFUNCS["sin"].__name__ == "Sin"
    assert issubclass(Ufunc, Elementwise)


@pytest.mark.parametrize(
    ("formula", "by", "gradient"),
    [
        ("arctan(x)", "x", "1 / (1 + x²)"),
        ("tan(x)", "x", "1 + tan(x)²"),
        ("sin(x) / cos(x)", "x", "1 + tan(x)²"),
        ("sinh(x)", "x", "cosh(x)"),
        ("cosh(x)", "x", "sinh(x)"),
        ("arctan2(y, x)", "y", "x / (x² + y²)"),
        ("arctan2(y, x)", "x", "−y / (x² + y²)"),
    ],
)
def test_derivatives_are_printed_as_on_paper(formula: str, by: str, gradient: str) -> None:
    shapes = {name: "n" for name in ("x", "y") if name in formula}
    derivation = cr.derive(f"L = sum({formula})", [by], **shapes)
    for language in ("en", "zh"):
        assert f"∂L/∂{by} = {gradient} " in derivation.text(lang=language)
    assert derivation.verify().holds
