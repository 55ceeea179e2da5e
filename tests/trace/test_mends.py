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
    "np.diff(x, axis=0)": "x[1:] - x[:-1]",
    "np.fliplr(x)": "np.flip(x, 1)",
    "np.flipud(x)": "np.flip(x, 0)",
    "np.linalg.lstsq(A, b)[0]": "np.linalg.pinv(A) @ b",
    "np.linalg.matrix_power(A, 2)": "A @ A",
    "np.linalg.pinv(A)": "np.linalg.inv(A.T @ A) @ A.T",
    "np.maximum.at(z := b.copy(), [1, 0, 1], x[0]) or z": (
        "np.maximum(b, np.max(np.where(np.array([1, 0, 1])[:, None] == np.arange(len(b)), "
        "x[0][:, None], -np.inf), axis=0))"
    ),
    "np.minimum.at(z := b.copy(), [1, 0, 1], x[0]) or z": (
        "np.minimum(b, np.min(np.where(np.array([1, 0, 1])[:, None] == np.arange(len(b)), "
        "x[0][:, None], np.inf), axis=0))"
    ),
    "np.multiply.at(z := b.copy(), [1, 0, 1], x[0]) or z": (
        "b * np.prod(np.where(np.array([1, 0, 1])[:, None] == np.arange(len(b)), x[0][:, None], 1), axis=0)"
    ),
    "np.nansum(x)": "np.sum(np.where(x == x, x, 0))",
    "np.ptp(x)": "np.max(x) - np.min(x)",
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
    assert in_code - tried <= {"fill"}


REPLACED = {
    "np.nextafter(x, y)": "result has no derivative",
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
