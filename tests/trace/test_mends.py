"""The alternative in an error message can be recorded, and has the meaning of the rejected code on arrays."""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.primitives import evaluate_nodes
from chainrule.trace import trace
from chainrule.trace.vocabulary import MENDS
from chainrule.words import ChainruleError

_draw = np.random.default_rng(0)
ARRAYS: dict[str, Any] = {
    "x": np.abs(_draw.normal(size=(3, 3))) * 0.3 + 1.1,
    "y": _draw.normal(size=(3, 3)) + 3,
    "A": _draw.normal(size=(3, 3)) + 3 * np.eye(3),
    "b": _draw.normal(size=3),
}

MENDED = {
    "np.all(x > 1.2)": "np.min(x > 1.2) > 0",
    "np.any(x > 1.2)": "np.max(x > 1.2) > 0",
    "np.arccosh(x)": "np.log(x + np.sqrt(x**2 - 1))",
    "np.arcsinh(x)": "np.log(x + np.sqrt(x**2 + 1))",
    "np.arctanh(x - 1)": "0.5 * np.log((1 + (x - 1)) / (1 - (x - 1)))",
    "np.cbrt(y)": "np.sign(y) * np.abs(y) ** (1 / 3)",
    "np.ceil(5 * y)": "-np.floor(-5 * y)",
    "np.trunc(5 * (y - 3))": "np.sign(5 * (y - 3)) * np.floor(np.abs(5 * (y - 3)))",
    "np.floor_divide(np.floor(9 * (y - 3)), 2)": "np.floor(np.floor(9 * (y - 3)) / 2)",
    "np.remainder(np.floor(9 * (y - 3)), 7)": "np.floor(9 * (y - 3)) - 7 * np.floor(np.floor(9 * (y - 3)) / 7)",
    "np.cumprod(x)": "np.exp(np.cumsum(np.log(x)))",
    "np.deg2rad(x)": "x * (np.pi / 180)",
    "np.degrees(x)": "x * (180 / np.pi)",
    "np.diff(x, axis=0)": "x[1:] - x[:-1]",
    "np.exp2(x)": "np.exp(np.log(2.0) * x)",
    "np.fliplr(x)": "np.flip(x, 1)",
    "np.flipud(x)": "np.flip(x, 0)",
    "np.hypot(x, y)": "np.sqrt(x**2 + y**2)",
    "np.isfinite(x / (x - x[0]))": "np.abs(x / (x - x[0])) < np.inf",
    "np.isinf(x / (x - x[0]))": "np.abs(x / (x - x[0])) == np.inf",
    "np.isnan((x - x[0]) / (x - x[0]))": "((x - x[0]) / (x - x[0])) != ((x - x[0]) / (x - x[0]))",
    "np.linalg.lstsq(A, b)[0]": "np.linalg.solve(A.T @ A, A.T @ b)",
    "np.linalg.matrix_power(A, 2)": "A @ A",
    "np.linalg.pinv(A)": "np.linalg.inv(A.T @ A) @ A.T",
    "np.nan_to_num(x)": "np.where(x == x, x, 0)",
    "np.nansum(x)": "np.sum(np.where(x == x, x, 0))",
    "np.prod(x)": "np.exp(np.sum(np.log(x)))",
    "np.ptp(x)": "np.max(x) - np.min(x)",
    "np.rad2deg(x)": "x * (180 / np.pi)",
    "np.radians(x)": "x * (np.pi / 180)",
    "np.roll(x, 2, axis=0)": "np.concatenate([x[-2:], x[:-2]])",
    "np.tile(x, (2, 1))": "np.concatenate([x, x])",
    "np.tril(x)": "x * np.tril(np.ones((3, 3)))",
    "np.triu(x)": "x * np.triu(np.ones((3, 3)))",
    "np.repeat(b, 2)": "np.broadcast_to(b[:, None], (3, 2)).reshape(-1)",
    "np.sum(x, where=x > 1.2)": "np.sum(np.where(x > 1.2, x, 0))",
    "np.max(x, initial=1.5)": "np.maximum(np.max(x), 1.5)",
    "np.var(x, correction=1)": "np.var(x, ddof=1)",
}
"""Refused code, or code in a refusal's words, and what takes its place."""


def _value(code: str, arrays: dict[str, Any]) -> Any:
    return eval(f"lambda x, y, A, b: {code}", {"np": np, "cr": cr})(**arrays)


@pytest.mark.parametrize("code", MENDED)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_mend_can_be_recorded_and_means_the_same(code: str) -> None:
    program = trace(lambda x, y, A, b: _value(MENDED[code], {"x": x, "y": y, "A": A, "b": b}), **ARRAYS)
    known = evaluate_nodes(program.outputs, {node: ARRAYS[node.name] for node in program.inputs})
    wanted = _value(code, ARRAYS)
    np.testing.assert_allclose(known[program.outputs[0]], wanted, rtol=1e-9)
    np.testing.assert_allclose(_value(MENDED[code], ARRAYS), wanted, rtol=1e-9)


def test_each_mend_in_code_is_tried() -> None:
    tried = {code.partition("(")[0].removeprefix("np.") for code in MENDED}
    in_code = {name for name, mend in MENDS.items() if "write " in mend and "np." in mend}
    assert in_code - tried <= {"fill", "linalg.cholesky", "matvec"}


REPLACED = {
    "np.round(x)": "compute it outside",
    "np.rint(x) - x": "compute it outside",
    "x // 2": "for whole numbers write np.floor(x / y)",
    "x % 2": "for whole numbers write x - y * np.floor(x / y)",
    "np.sort(b)": "order depends on values",
    "np.argmax(b)": "no derivative",
    "np.copysign(x, y)": "there are",
    "np.eye(3)[x[0].astype(bool)]": "compare, as in",
    "ARRAY[x[0]]": "must be an integer",
    "[1.0, 2.0][k]": "takes one integer as index",
}


@pytest.mark.parametrize("code", REPLACED)
def test_a_mend_promises_nothing_else(code: str) -> None:
    source = f"function = lambda x, y, b, k: {code}"
    linecache.cache["mended.py"] = (len(source), None, [source], "mended.py")
    scope: dict[str, Any] = {"np": np, "ARRAY": np.arange(3.0)}
    exec(compile(source, "mended.py", "exec"), scope)
    function = scope["function"]
    with pytest.raises(ChainruleError) as raised:
        trace(function, x="3 3", y="3 3", b="3", k="2:int")
    assert REPLACED[code] in str(raised.value)
    assert "leave it out" not in str(raised.value)
