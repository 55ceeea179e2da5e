"""Unsupported code is rejected in one message: the place, the line, the error, the alternative."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.ir import ShapeError
from chainrule.trace import TraceError, trace
from chainrule.words import ChainruleError

Load = Callable[[str], Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """The function `f` of a file `model.py` with the given body, whose last line is line 5 or later."""
    monkeypatch.chdir(tmp_path)

    def loaded(body: str) -> Any:
        lines = ["import math", "import numpy as np", "", "def f(x):", *("    " + line for line in body.splitlines())]
        path = tmp_path / "model.py"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        namespace: dict[str, Any] = {}
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
        return namespace["f"]

    return loaded


REFUSED = {
    "if x.sum() > 0: x = -x": "np.where(condition",
    "x = x if x.sum() > 0 else -x": "np.where(condition",
    "while x.mean() > 1: x = x / 2": "for loop",
    "x = np.where(x > 0 and x < 1, x, 0)": "a & b",
    "x = not x": "~a",
    "x = 0 < x < 1": "(a < x) & (x < b)",
    "x = max(x.sum(), 0)": "np.maximum",
    "x = min(0, x.sum())": "np.minimum",
    "assert x.sum() > 0": "assertion",
    "x = float(x.sum())": "leave float() out",
    "x = int(x.sum())": "Python int",
    "x = math.exp(x.sum())": "write np.exp",
    "x = x / math.sqrt(x.shape[1])": "write np.sqrt",
    "x = x.sum().item()": "leave .item() out",
    "x = f'{x.sum():.3f}'": "print results outside",
    "b = np.array([0.0, 0.0]); b[0] = x.sum()": "make it in the function, with np.zeros",
    "b = np.array([0.0, 0.0]); b += x.sum()": "as in buffer = np.zeros_like(b) + b",
    "x[x > 0] = x[0]": "dealt out to them in order",
    "x @= x.T": "np.matmul gives the shape (n, n)",
    "x.shape = (-1,)": "x.reshape",
    "x = x * (x.shape[0] % 2)": "% needs one",
    "x = x * divmod(x.shape[0], 2)[0]": "divmod() needs one",
    "x = x * (x.shape[0] & 1)": "& needs one",
    "x = x * (x.shape[0] << 1)": "<< needs one",
    "x = x * abs(x.shape[0])": "abs() needs one",
    "x = x * round(x.shape[0])": "round() needs one",
    "x = f'{x.shape[0]:d}'": "a format needs one",
    "x = np.average(x, weights=x[0])": "needs one axis",
    "x = np.add(x, 1, out=np.array([1.0, 2.0]))": "np.add writes here",
    "x = np.sum(x, out=np.zeros(3))": "np.sum gives the shape () here, and writes to an array of shape (3,)",
    "x = np.sum(x, dtype='int64')": "computed in floats; leave it out",
    "x = np.cumprod(x)": "needs its number; give it",
    "x = np.prod(x)": "needs its number; give it",
    "x = x.ravel('K')": "write order='C' or 'F'",
    "x = x.astype('int32')": "convert before the array is passed in",
    "x = complex(x.sum())": "complex numbers",
    "x = math.floor(x.sum())": "write np.floor",
    "x = math.ceil(x.sum())": "write np.ceil",
    "x = math.asin(x.sum())": "write np.arcsin",
    "x = math.gamma(x.sum())": "compute it outside",
    "x = x + np.ma.array([1.0, 2.0], mask=[0, 1])": "x.filled(0)",
    "x = x + np.array(['a', 'b'])": "<U1",
    "x = x + np.array([1, None])": "object",
    "x = x & 1": "takes integers, not float64",
    "x = np.left_shift(x, 1)": "np.left_shift",
    "x = np.clip(x, 0, max=1)": "not some of both",
    "x = np.fft.fft(x)": "needs its number",
    "x = x.nonzero()": "no derivative",
    "x = np.sum([x.sum(), x.mean()])": "np.stack",
    "x = [row for row in x]": "give the size as a number",
    "x = next(map(len, [x])) * x": ".shape[0]",
    "x = x @ np.kaiser(x.shape[0], 2.0)": "has none yet",
    "x = x @ np.eye(x.shape[1], x.shape[0])": "square matrices, not (d, n)",
    "x = x + np.arange(0, x.shape[0], 0.5)": "from integer to integer",
    "x = x + np.arange(0, x.shape[0], 2)": "no whole number for every n",
    "x = x[range(x.shape[0])[-1]]": "this place needs one",
    "x = x[: min(x.shape)]": "this comparison needs one",
    "x = 2 * x if x.shape[0] > 3 else x": "this comparison needs one",
    "x = sum(x[i] for i in range(x.shape[0]))": "give the size as a number",
    "x = x[range(0, x.shape[0], 2), 0]": "write np.arange(n)",
    "x = [x for _ in range(x.shape[0])]": "give the size as a number",
    "x = x.reshape(x.shape[0] // 2, -1)": "// 2",
    "x = x[x > 0]": "np.where(mask, x, 0)",
    "x = x[x]": "must be an integer",
    "x = x.astype(int)": "no derivative",
    "x = x + {}": "dict",
    "x = np.where(x > 0)": "np.where(condition, x, y)",
    "x = np.pad(x, 1, mode='other')": "constant",
    "x = np.linalg.svd(x)": "which is not known; give numbers",
    "np.add.at(np.array([1.0, 2.0]), [0], x)": "np.add.at writes here",
    "np.maximum.at(x, [0], 1)": "np.maximum.at",
}


@pytest.mark.parametrize("line", REFUSED)
def test_a_refusal_shows_the_line_and_the_mend(load: Load, line: str) -> None:
    function = load(f"{line}\nreturn x")
    with pytest.raises(ChainruleError) as raised:
        trace(function, x="n d")
    place, _, message = str(raised.value).partition("\n")
    assert place == f"model.py:5: {line}"
    assert REFUSED[line] in message
    assert raised.value.__cause__ is None


SHAPES = {
    "z1 = x @ x": "shapes (n, d) and (n, d) do not fit in a matrix product: the summed sizes d and n differ",
    "z1 = x + x.T": "shapes (n, d) and (d, n) do not broadcast",
    "z1 = np.concatenate([x, x.T])": "shapes (n, d) and (d, n)",
    "z1 = x.sum(axis=2)": "axis 2 does not exist",
    "z1 = np.average(x, axis=0, weights=x[0])": "have shape (d,); along axis 0 of shape (n, d) they need (n,)",
    "z1 = x[1, 2, 3]": "shape (n, d)",
    "z1 = x.reshape(7, 3)": "(n, d) has no shape (7, 3)",
    "z1 = np.einsum('ij,jk', x, x)": "(n, d)",
    "z1 = np.einsum('ii->i', x)": "i has the sizes n and d in one operand",
}


@pytest.mark.parametrize("line", SHAPES)
def test_a_shape_error_shows_the_line_and_the_shapes(load: Load, line: str) -> None:
    with pytest.raises(ShapeError) as raised:
        trace(load(f"\n{line}\nreturn z1"), x="n d")
    place, _, message = str(raised.value).partition("\n")
    assert place == f"model.py:6: {line}"
    assert SHAPES[line] in message


def test_what_only_looks_like_an_array_is_refused() -> None:
    with pytest.raises(TraceError, match="makes no arrays"):
        trace(lambda x: type(x)(np.ones(3)), x="n")
    with pytest.raises(TraceError, match="attributes cannot be set"):
        trace(lambda x: setattr(x, "node", 3), x="n")
    with pytest.raises(TraceError, match="1,000,000 elements would record"):
        trace(lambda x: sum(x), x="1000000")
    with pytest.raises(TraceError, match="more than 10,000 values"):
        trace(lambda x: [x] * 20_000, x="n")

    def endless(x: object) -> object:
        return endless(x)

    with pytest.raises(TraceError, match="calls itself"):
        trace(endless, x="n")


def test_the_line_is_that_of_the_inner_function(load: Load) -> None:
    function = load("def g(u):\n    return u @ u\nreturn g(x)")
    with pytest.raises(ShapeError, match=r"^model\.py:6: return u @ u\n"):
        trace(function, x="n d")


def test_code_without_a_source_file_is_located_by_its_line_number() -> None:
    namespace: dict[str, Any] = {}
    exec("def f(x):\n    return x @ x", namespace)
    with pytest.raises(ShapeError, match=r"^<string>:2:\n  shapes \(n, d\)"):
        trace(namespace["f"], x="n d")


@pytest.mark.parametrize(
    ("result", "named"), [("'text'", "a str"), ("None", "returns nothing"), ("[x, object()]", "a object")]
)
def test_a_result_that_is_no_array_is_refused(load: Load, result: str, named: str) -> None:
    with pytest.raises(TraceError, match=named) as raised:
        trace(load(f"return {result}"), x="n d")
    assert "model.py:4" in str(raised.value)


def test_errors_of_user_code_pass_through_unchanged(load: Load) -> None:
    with pytest.raises(NameError, match=r"^name 'nothing' is not defined"):
        trace(load("return nothing"), x="n d")
    with pytest.raises(ValueError, match=r"^mine$"):
        trace(load("raise ValueError('mine')"), x="n d")


@pytest.mark.parametrize("body", ["return x", "return x[0 > x]", "raise ValueError('mine')"])
def test_the_trace_function_that_was_there_is_put_back(load: Load, body: str) -> None:
    function = load(body)

    def mine(*event: Any) -> None:
        return None

    before = sys.gettrace()
    sys.settrace(mine)
    try:
        trace(function, x="n d")
    except (ChainruleError, ValueError):
        pass
    finally:
        after = sys.gettrace()
        sys.settrace(before)
    assert after is mine


def test_a_traced_value_of_another_trace_is_refused() -> None:
    kept: list[Any] = []

    def keeping(x: Any) -> Any:
        kept.append(x)
        return x

    trace(keeping, x="n")
    with pytest.raises(TraceError, match=r"kept from another call of .*keeping"):
        trace(lambda y: y + kept[0], y="n")


def test_a_missing_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'foo'"):
        trace(lambda x: x.foo, x="n")


def test_a_number_can_be_added_to_in_place() -> None:
    def total(x: Any) -> Any:
        result = x[0]
        result += x[1]
        result *= 2
        return result

    (output,) = trace(total, x="3").outputs
    assert output.type.shape == ()


@pytest.mark.parametrize("shape", ["99999999999999999999", f"{2**40} {2**40}", (2**60,)])
def test_a_shape_beyond_any_memory_is_refused(shape: Any) -> None:
    with pytest.raises(ShapeError, match="too large for any memory"):
        trace(lambda x: x, x=shape)
