"""Unsupported and ordinary functions for tests of the tracer, and `python -m support.fuzz`.

`functions(seed)` is infinite. It yields source code of a function `f(x, y, A, b)` and shapes for it. Statements call
NumPy's functions with arbitrary arguments, branch on values, assign in place, recurse, loop, suppress errors, return
objects other than arrays, and use objects whose special methods raise.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

Case = tuple[str, dict[str, Any]]

# Functions that write files, print, run tests, change settings of the process, or read input are excluded.
_LEFT_OUT = (
    "save", "load", "fromfile", "memmap", "genfromtxt", "fromregex", "test", "info", "show", "set", "get_include",
    "printoptions", "errstate", "nditer", "nested_iters", "frompyfunc", "vectorize", "DataSource", "bench", "lookfor",
    "source", "deprecate", "add_newdoc", "get", "broadcast",
)  # fmt: skip


def _numpy_functions() -> list[str]:
    names = []
    for prefix, module in (("np.", np), ("np.linalg.", np.linalg), ("np.fft.", np.fft), ("np.random.", np.random)):
        for name in dir(module):
            if name.startswith("_") or any(name.startswith(word) for word in _LEFT_OUT):
                continue
            if prefix == "np.random." and name not in ("normal", "uniform", "rand", "randn", "randint", "permutation"):
                continue  # some draw until they succeed, which never happens for absurd arguments
            value = getattr(module, name)
            if callable(value) and not (isinstance(value, type) and issubclass(value, BaseException | Warning)):
                names.append(prefix + name)
    return names


NUMPY = _numpy_functions()
METHODS = [name for name in dir(np.ndarray) if name not in ("tofile", "dump", "dumps")]
OURS = (
    "sigmoid", "softmax", "log_softmax", "logsumexp", "relu", "gelu", "cross_entropy", "layer_norm", "one_hot", "take",
    "dropout", "random_normal", "random_uniform", "mean_squared_error", "binary_cross_entropy", "logdet", "erf", "elu",
)  # fmt: skip
OPERATORS = (
    "+",
    "-",
    "*",
    "/",
    "@",
    "**",
    "//",
    "%",
    "&",
    "|",
    "^",
    "<<",
    "<",
    "<=",
    "==",
    "!=",
    "and",
    "or",
    "is",
    "in",
)

PRELUDE = """
import math
import numpy as np
import chainrule as cr

class Evil:
    def __array__(self, *args, **kwargs): raise ValueError("no array")
    def __getattr__(self, name): raise AttributeError(name)
    def __len__(self): return -1
class Liar:
    shape = (2, 3)
    dtype = "float99"
    ndim = "two"
    def __array__(self, *args, **kwargs): return "not an array"
    def __bool__(self): return 3
class Greedy:
    def __getattr__(self, name): return Greedy()
    def __call__(self, *args, **kwargs): return Greedy()
    def __iter__(self): return iter([Greedy()] * 3)
    def __array_ufunc__(self, *args, **kwargs): return self
class Hash:
    def __eq__(self, other): raise RuntimeError("no equality")
    __hash__ = None
class Number(float): pass
class Sub(np.ndarray): pass
memory = {}
state = 0
kept = []
"""

STATEMENTS = (
    "if {e}: v = {e}", "while {e}: break", "assert {e}", "for i in {e}: v = i", "for i in range({e}): v = {e}",
    "{v}[{i}] = {e}", "{v} += {e}", "{v} *= {e}", "{v} @= {e}", "{v}[{i}] -= {e}", "del {v}", "v = float({e})",
    "v = int({e})", "v = bool({e})", "v = str({e})", "v = '%.3f' % {e}", "v = f'{{{e}:.2f}}'", "v = len({e})",
    "v = list({e})", "v = tuple({e})", "v = sorted({e})", "v = max({e}, {e})", "v = sum({e})", "v = {e}.item()",
    "v = {e}.tolist()", "v = hash({e})", "v = {e} if {e} else {e}", "v = [u * 2 for u in {e}]", "v, u = {e}",
    "v = (lambda t: t * 2)({e})", "global state; state = {e}", "memory['x'] = {e}", "kept.append({e})",
    "v = memory.get('x', {e})", "v = kept[-1] if kept else {e}",
    "try:\n        v = {e}\n    except Exception:\n        v = {e}", "v = {e}; v.flags.writeable = True",
    "v = math.exp({e})", "v = np.array([{e}, {e}])", "v = np.asarray({e})", "{v}.shape = (-1,)", "v = {e}.shape[{e}]",
    "v = isinstance({e}, np.ndarray)", "v = {e}.dtype", "v = np.zeros({e})", "v = np.zeros(x.shape); v[0] = {e}",
    "v = np.zeros(3); v[0] = {e}", "v = np.zeros(3); v += {e}", "np.add({e}, {e}, out={v})", "v = eval('x') * 2",
    "v = Evil() * {e}", "v = {e} * Evil()", "v = {e} + Liar()", "v = np.add({e}, Liar())", "v = Greedy() @ {e}",
    "v = {e} == Hash()", "v = {e} * Number(2)", "v = {e} + np.zeros(3).view(Sub)", "v = {e} * 1j", "v = {e} + 'a'",
    "v = {e} + None", "v = {e} + [1, 2, 3]", "v = {e} * np.array(['a'])", "v = {e} + np.datetime64('2020')",
    "v = {e} * 10**400", "v = {e} ** 1e9", "v = np.ones((10**12, 10**12)) * {e}", "v = {e} * np.float128(2)",
    "v = np.broadcast_to({e}, (10**9, 10**9))", "v = {e}.reshape(10**9, -1)", "v = np.random.normal(size={e})",
    "v = cr.grad(lambda t: np.sum(t * {e}))({e})", "v = cr.trace(lambda t: t * {e}, t='n')", "v = {e}.T.T.T",
    "v = cr.random_draws({e})", "raise ValueError('mine')", "v = undefined", "v = {e}.nothing", "v = 1 / 0",
    "v = {e}[{i}]", "v = {e}[{i}, {i}]", "v = np.einsum('{s}', {e}, {e})", "v = np.matmul({e}, {e}, axes=[(0,)])",
    "v = np.where({e})", "v = np.sum({e}, axis={e})", "v = np.sum({e}, where={e})", "v = np.sum({e}, dtype='int8')",
    "v = np.concatenate([{e}, {e}], axis={k})", "v = np.stack({e})", "v = np.split({e}, {k})", "v = np.pad({e}, {k})",
    "v = {e}.astype('{d}')", "v = np.reshape({e}, ({k}, {k}))", "v = np.transpose({e}, ({k}, {k}))", "pass", "v = f",
    "v = np.vectorize(lambda t: t)({e})", "v = np.apply_along_axis(np.sum, 0, {e})", "v = {e}.__class__",
    "v = {e}.__array__()", "v = {e}.__dict__", "{v}.node = 3", "{v}.extra = 3", "v = type({e})({e})",
    "v = np.linalg.norm({e}, ord={k}, axis={k})", "v = {e}.sum(axis=({k}, {k}), keepdims={e})",
    "v = ~{e}", "v = not {e}",
)  # fmt: skip

RETURNS = (
    "return {e}", "return np.sum({e})", "return v", "return {e}, {e}", "return {{'a': {e}}}", "return None",
    "return 'text'",
    "return f", "return (u for u in [{e}])", "yield {e}", "return [{e}, [{e}, None]]", "return object()",
    "return Evil()",
    "return f(x, y, A, b)", "return g(x)", "return 1", "return True", "return np.array([1, 2])", "return Greedy()",
    "return {e}.shape", "return {e} > 0", "pass", "raise KeyError(x)", "return memory", "return kept",
    "return [x] * 1000", "return [x, y] * 10**6", "kept.append(kept); return kept",
    "return x.shape[0]", "return np.array(['a'])", "return 1j",
)  # fmt: skip

SHAPES: tuple[dict[str, Any], ...] = (
    {"x": "n", "y": "n", "A": "n n", "b": ""},
    {"x": "3", "y": "3", "A": "3 3", "b": ""},
    {"x": (3,), "y": np.ones(3), "A": (3, 3), "b": 2.0},
    {"x": "n d", "y": "n", "A": "d k", "b": "k"},
    {"x": "n:float32", "y": "n:int", "A": "n m:bool", "b": ":float32"},
    {"x": "0", "y": "1", "A": "0 3", "b": "1 1 1"},
    {"x": "1000000 1000000", "y": "20000", "A": "1000000 1000000", "b": ""},
    {"x": [(2,), (3,)], "y": {"a": "n", "b": None}, "A": "n n", "b": ""},
)


def _index(rng: random.Random) -> str:
    return rng.choice(
        ("0", "-1", "99", ":", "1:", "::-1", "None", "...", "x", "y", "x > 0", "[0, 1]", "np.array([0])", "1.5", "'a'",
         "True", "y[0]", "slice(None, y)", "0:10**9", "(0,)", "[]", "[[0, 1]]", "y, y", "np.array([True])", "b")
    )  # fmt: skip


def _expression(rng: random.Random, depth: int = 2) -> str:
    if depth <= 0 or rng.random() < 0.25:
        return rng.choice(
            ("x", "y", "A", "b", "x", "y", "A", "v", "2", "0.5", "-1", "None", "np.ones(3)", "np.eye(3)", "[x, y]",
             "(1, 2)",              "x.shape[0]", "len(y)",
             "x.size", "np.pi", "True", "'a'", "np.arange(3)", "state", "x.T", "x.dtype")
        )  # fmt: skip

    def part() -> str:
        return _expression(rng, depth - 1)

    kind = rng.random()
    if kind < 0.3:
        return f"({part()} {rng.choice(OPERATORS)} {part()})"
    if kind < 0.7:
        options = rng.choice(
            ("", "", "", ", axis=0", ", axis=-1", ", keepdims=True", ", axis=(0, 1)", ", dtype=float", ", 1")
        )
        arguments = ", ".join(part() for _ in range(rng.choice((1, 1, 1, 2, 2, 3))))
        return f"{rng.choice(NUMPY)}({arguments}{options})"
    if kind < 0.8:
        return f"cr.{rng.choice(OURS)}({part()}{rng.choice(('', '', ', ' + part()))})"
    if kind < 0.9:
        arguments = rng.choice(("", "", part(), "axis=0", "0", "-1"))
        return f"{part()}.{rng.choice(METHODS)}" + rng.choice(("", f"({arguments})", f"({arguments})"))
    return f"{part()}[{_index(rng)}]"


def functions(seed: int) -> Iterator[Case]:
    """Yield source code that defines `f`, with shapes, without end."""
    rng = random.Random(seed)
    while True:
        lines = []
        for _ in range(rng.choice((0, 1, 1, 2, 3, 5))):
            lines.append(_filled(rng, rng.choice(STATEMENTS)) if rng.random() < 0.6 else f"v = {_expression(rng)}")
        end = rng.choice(RETURNS) if rng.random() < 0.5 else "return {e}"
        if "f(x" in end:
            lines.clear()  # it would do a thousand times the work of the other lines
        lines.append(_filled(rng, end))
        body = "".join(f"    {line}\n" for line in lines)
        source = f"{PRELUDE}\ndef g(t):\n    return g(t + 1)\n\ndef f(x, y, A, b, v=3.0):\n{body}"
        yield source, rng.choice(SHAPES)


def _filled(rng: random.Random, template: str) -> str:
    result = template
    while "{e}" in result:
        result = result.replace("{e}", _expression(rng, rng.choice((0, 1, 2))).replace("{", "(").replace("}", ")"), 1)
    result = result.replace("{v}", rng.choice(("x", "y", "A", "v"))).replace("{i}", _index(rng))
    result = result.replace("{k}", rng.choice(("0", "1", "-1", "2", "3", "None", "(1, 1)", "'x'")))
    result = result.replace("{s}", rng.choice(("ij,jk->ik", "i,i", "ii,i", "...i,i", "ij", "i,j->ijk", "é,é", "->")))
    result = result.replace("{d}", rng.choice(("float32", "int8", "complex", "str", "O", "bool", "float16", "x")))
    return result.replace("{{", "{").replace("}}", "}")
