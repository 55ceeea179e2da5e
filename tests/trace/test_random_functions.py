"""Random functions: each is rejected with its line, or gives a Program with NumPy's results."""

from __future__ import annotations

import linecache
import random
import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.primitives import evaluate_nodes
from chainrule.trace import trace
from chainrule.words import ChainruleError

SHAPES = {"A": "n d", "B": "n d", "C": "d n", "v": "d", "w": "n", "s": ""}
SIZES: dict[str, Any] = {"n": 2, "d": 3}

VALUES = """
np.exp({a} * 0.1); np.tanh({a}); -{a}; {a} ** 2; np.maximum({a}, 0); np.sqrt(np.abs({a}) + 1); {a}.T; {a}[0]; {a}[-1]
{a}[1:]; {a}[::-1]; {a}[..., 0]; {a}[:, None]; {a}[[0, 1]]; {a}[0, 1]; np.sum({a}, axis={ax}); {a}.mean(keepdims=True)
np.max({a}, axis={ax}); np.var({a}, axis={ax}); np.reshape({a}, -1); np.reshape({a}, (3, -1)); np.expand_dims({a}, {ax})
np.swapaxes({a}, 0, -1); np.flip({a}, {ax}); np.clip({a}, -1, 0.5); np.where({a} > 0, {a}, 0.1 * {a}); np.pad({a}, 1)
np.linalg.norm({a}, axis={ax}); np.split({a}, 2)[0]; np.full_like({a}, 2.5); {a} * {a}.shape[0]; np.size({a}) / {a}
np.cumsum({a}); np.sort({a}); float({a}); {a}.item(); np.asarray({a}); np.array([{a}, {a}]); len({a}) * {a}; max({a})
{a} // 2; {a} % 2; not {a}; {a}[{a} > 0]; ({a} > 0) & ({a} < 1); {a} + [1.0, 2.0, 3.0]; {a} * np.eye(3); {a} + 1j
np.einsum("ij->ji", {a}); np.einsum("ii->i", {a}); cr.softmax({a}); cr.sigmoid({a}); np.take({a}, [0, 1], axis={ax})
{a} + {b}; {a} * {b}; {a} / ({b} ** 2 + 1); {a} @ {b}; np.dot({a}, {b}); np.outer({a}, {b}); np.tensordot({a}, {b}, 1)
np.concatenate([{a}, {b}], axis={ax}); np.stack([{a}, {b}], {ax}); np.vstack([{a}, {b}]); np.hstack([{a}, {b}])
np.column_stack([{a}, {b}]); np.where({a} > {b}, {a}, {b}); np.subtract.outer({a}, {b}); np.logaddexp({a}, {b})
{a} == {b}; np.average({a}, axis={ax}, weights={b}); np.add({a}, {b}, out={a}); max({a}, {b}); {a} and {b}; {a}[{b}]
cr.mean_squared_error({a}, {b}); np.einsum("ij,jk->ik", {a}, {b}); np.inner({a}, {b}); np.minimum({a}, {b})
"""
STATEMENTS = """
{a}[0] = 1.0|{a} += 1|{a} -= {b}|{a} *= 2|q = {a}; q *= 3|q = {a}.T; q *= 2|q = {a}[0]; q += 1|{a} @= {b}|{a} **= 2
for i in range(3): {a} = {a} * 1.1|for row in {a}: {b} = row|if {a}.sum() > 0: {a} = -{a}
if {a}.ndim == 2: {a} = {a} * 2
assert {a}.shape[0] > 0|{a}, {b} = {b}, {a}|{a}.shape = (-1,)|{a} = sum(t * 2 for t in {a})|{a}.sort()|{a} = [{a}, {b}]
z = np.zeros((2, 3)); z += {a}|z = np.zeros((2, 3)); z[:] = {a}|n = {a}.shape[0]; {a} = {a}.sum() / (n - 1)
n = {a}.shape[0]; {a} = {a} * (n % 2)|n = {a}.shape[0]; {a} = {a}[:n - 1]|n, m = {a}.shape; {a} = {a}.reshape(n * m)
n = {a}.shape[0]; {a} = np.sqrt(n) * {a}|n = {a}.shape[0]; {a} = np.eye(n) @ {a}
if {a}.shape != {b}.shape: {a} = {a} * 7
"""
DRAWN = {"value": re.split(r"; |\n", VALUES.strip()), "statement": re.split(r"[|\n]", STATEMENTS.strip())}
RESULTS = ["np.sum({a})", "{a}", "{a}.sum()", "({a}, 1.0)", "{a} * 1"]


def drawn(source: random.Random) -> str:
    names, lines = list(SHAPES), []
    for k in range(source.randint(1, 3)):
        kind = source.choices(["value", "statement"], [3, 1])[0]
        a, b, axis = source.choice(names), source.choice(names), source.choice([0, 1, -1, None])
        text = source.choice(DRAWN[kind]).format(a=a, b=b, ax=axis)
        lines.append(f"t{k} = {text}" if kind == "value" else text)
        names += [f"t{k}"] if kind == "value" else []
    lines.append("return " + source.choice(RESULTS).format(a=names[-1]))
    return "def f(A, B, C, v, w, s):\n" + "".join(f"    {line}\n" for line in lines)


def parts(result: Any) -> list[Any]:
    return [part for entry in result for part in parts(entry)] if isinstance(result, list | tuple) else [result]


def check(code: str, name: str, named: bool) -> str:
    """How tracing `code` ended: `refused`, `equal`, or `error` where NumPy fails in the same way."""
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    namespace: dict[str, Any] = {"np": np, "cr": cr}
    exec(compile(code, name, "exec"), namespace)
    random_values = np.random.default_rng(len(code))
    values = {key: random_values.standard_normal([SIZES[size] for size in SHAPES[key].split()]) for key in SHAPES}
    shapes: dict[str, Any] = SHAPES if named else {key: value.shape for key, value in values.items()}
    expected: Any = None
    failure: Exception | None = None
    with np.errstate(all="ignore"):
        try:
            expected = namespace["f"](**{key: value.copy()[()] for key, value in values.items()})
        except Exception as error:  # what NumPy or Python says of the function drawn
            failure = error
    raised: Exception | None = None
    try:
        program = trace(namespace["f"], **shapes)
    except Exception as error:  # whatever it is, it is looked at below
        raised = error
    if isinstance(raised, ChainruleError):
        assert re.match(rf"{re.escape(name)}:\d+:", str(raised)), f"{code}\n{raised}"
        return "refused"
    if raised is not None:  # allowed where the function drawn is wrong by itself
        assert type(raised) in type(failure).__mro__, f"{code}\n{raised!r} instead of {failure!r}"
        return "error"
    if failure is not None:
        assert named or "has no attribute" in str(failure), f"{code}\nNumPy refuses: {failure!r}"
        return "error"
    bound = program.bind(SIZES)
    known = evaluate_nodes(bound.outputs, {node: values[node.name] for node in bound.inputs})
    for got, wanted in zip((known[node] for node in bound.outputs), parts(expected), strict=True):
        assert got.shape == np.shape(wanted), code
        np.testing.assert_allclose(got, np.asarray(wanted, got.dtype), rtol=1e-13, atol=1e-14, err_msg=code)
    return "equal"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_random_function_is_refused_with_its_line_or_equals_numpy(seed: int) -> None:
    source = random.Random(seed)
    ends = [check(drawn(source), f"drawn{seed}_{k}.py", named=k % 2 == 0) for k in range(300)]
    assert ends.count("equal") > 40
    assert ends.count("refused") > 40
