"""Code that writes into arrays gives what NumPy gives, for every name and view of the memory that is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.ir import Apply, DTypeError, ShapeError
from chainrule.primitives import Concatenate, Tanh, evaluate_nodes
from chainrule.trace import trace
from chainrule.trace.views import SHARING, Sharing
from chainrule.trace.vocabulary import FUNCTIONS

Load = Callable[[str], Any]
LABELS = np.array([1, 0, 2])
OUTSIDE = np.zeros(3)


@pytest.fixture
def load(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Load:
    """The function `f(x, y)` of a file with the given body."""
    monkeypatch.chdir(tmp_path)

    def loaded(body: str) -> Any:
        lines = [
            "import numpy as np",
            "import chainrule as cr",
            "def f(x, y):",
            *("    " + line for line in body.split("\n")),
        ]
        path = tmp_path / "model.py"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        namespace: dict[str, Any] = {"OUTSIDE": OUTSIDE}
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), namespace)
        return namespace["f"]

    return loaded


def evaluated(function: Callable[..., Any], *shapes: Any) -> list[Any]:
    program = trace(function, *shapes).bind({"n": 3, "d": 4})
    known = evaluate_nodes(program.outputs, dict(zip(program.inputs, (numbers(), LABELS), strict=False)))
    return [known[node] for node in program.outputs]


def numbers() -> Any:
    return np.random.default_rng(5).standard_normal((3, 4))


WRITES = {
    "operator": "x += 1; x *= 2; x -= x[0]; x /= 3; x **= 2; return x",
    "matrix product": "a = x @ x.T; a @= a; return a",
    "same array": "b = x; b += 1; return x, b",
    "row": "b = x[0]; b += 1; return x, b",
    "row of a row": "b = x[1:][0]; b[2] = 7; return x, b",
    "column": "b = x[:, 1]; x[0] = 5; return b",
    "slice": "x[1:, :2] = 0; x[::2] = x[1]; x[::-1][0] = 9; x[:, ::-2] += 1; return x",
    "transposed": "b = x.T; b[0] *= 2; x[1] = 0; return x, b",
    "reshaped": "b = x.reshape(2, 6); b[0] = 0; x[2, 2] = 5; return x, b",
    "raveled": "b = x.ravel(); b[5] = 0; c = x.flatten(); c += 1; return x, b, c",
    "copies": "b = x.copy(); c = +x; d = x[[0, 1]]; x += 1; b *= 2; return b, c, d, x",
    "copied by copy": "import copy; b = copy.copy(x); c = copy.deepcopy(x); x += 1; return b, c, x",
    "split": "a, b = np.split(x, 2, axis=1); a += b; x[0] = 1; return a, b, x",
    "axes": "b = np.swapaxes(x, 0, 1)[None]; b[0, 0] = 3; np.squeeze(b)[1] = 4; return x",
    "flipped": "b = np.flip(x, 0); b[0] = 1; x[0, 1] = 2; return x, b",
    "iteration": "for k, row in enumerate(x): row *= k; return x",
    "number": "b = x[0, 0]; b += 1; return x, b",
    "array without axes": "b = x[0, 0, ...]; b += 1; return x, b",
    "mask": "x[x < 0] = 0; return x",
    "mask of rows": "x[x[:, 0] > 0] = np.arange(4.0); return x",
    "known mask": "x[np.array([True, False, True])] = x[1]; x[[False, True, True]] = 1; return x",
    "known mask, dealt out": "x[np.array([True, False, True])] = np.arange(8.0).reshape(2, 4); return x",
    "one of each row": "x[np.arange(3), y] -= 1; x[range(3), y] *= 2; return x",
    "set in each row": "x[np.arange(3), y] = x[:, 3]; return x",
    "one number in each row": "x[np.arange(3), y] = 4; return x",
    "column by a label": "x[:, y[0]] = x[:, 1]; x[y[1]] += 1; return x",
    "known places": "x[[2, 0]] = x[:2] + 1; x[1, [0, 1]] = 3; x[:, [1, 1]] = np.arange(6.0).reshape(3, 2); return x",
    "computed places, one number": "x[y] = 4; return x",
    "ufunc.at": (
        "np.add.at(x, [0, 0, 1], x[1]); np.subtract.at(x, y, 2.0); np.add.at(x, (0, slice(1, 3)), 1.0); return x"
    ),
    "out": "np.maximum(x, 0, out=x); np.exp(x, x); b = np.add(x, 1, out=x); b += 1; return x",
    "out and where": "np.log(x, out=x, where=x > 0.5); return x",
    "out of a sum": "s = np.zeros(4); np.sum(x, axis=0, out=s); np.dot(x.T, x[:, 0], out=s); return s",
    "fill": "x[0].fill(2); np.copyto(x[1], x[2]); np.copyto(x, 0, where=x < 0); np.fill_diagonal(x, 3); return x",
    "put": "np.putmask(x, x > 1, 1); np.put_along_axis(x, y[:, None], 0, axis=1); return x",
    "list": "x[0] = [x[1, 1], 2, x.sum(), 0]; return x",
    "leading axes of size 1": "x[0] = x[None, 1]; x[:2, 1:2] = x[None, :2, :1]; return x",
    "filled": (
        "out = np.zeros((3, 4))\nfor t in range(3): out[t] = np.tanh(x[t]) + (out[t - 1] if t else 0)\nreturn out"
    ),
    "filled, elements": (
        "out = np.empty((3, 4))\nfor t in range(3):\n  for k in range(4): out[t, k] = x[t, k] ** 2\nreturn out"
    ),
    "filled from behind": "out = np.zeros((5, 4)); out[3:] = x[:2]; out[-1, 1:3] += x[0, :2]; out[0] = 1; return out",
    "filled, pinwheel": (
        "o = np.zeros((3, 3)); o[0, :2] = x[0, :2]; o[:2, 2] = x[:2, 0]; o[2, 1:] = x[2, 1:3]; "
        "o[1:, 0] = x[1:, 1]; return o"
    ),
    "filled, overlapping": (
        "o = np.zeros((3, 4)); o[:2] = x[:2]; o[1:] = x[1:] * 2; o[1, 1] = x[0, 0]; o[:] += 1; return o"
    ),
    "filled, views": (
        "o = np.zeros((2, 3)); v = o.T; w = o.reshape(-1); z = o[0]; o[0, 0] = x.sum(); "
        "v[1, 1] = x[0, 0]\nw[5] = 3; z[1] += x[0, 1]; return o, v, w, z"
    ),
    "filled through a view": "o = np.zeros((2, 3)); v = o[0]; v[1] = x[0, 0]; v[0] = 2; return o, v",
    "filled with numbers first": (
        "o = np.zeros(4); o[1] = 3; o[o > 2] = 5; o += np.ones(4); p = o * 2; p[0] = x[0, 0]; return o * x, p"
    ),
    "filled, of labels": "o = np.zeros((3, 4)); o[np.arange(3), y] = 1; o[:, y[0]] += 2; return o - x",
    "filled by functions": (
        "o = np.ones(4); np.add.at(o, [0, 0], x[0, 0]); np.add(o, x[0], out=o); "
        "np.copyto(o[:2], x[0, :2]); o.fill(x[0, 0]) ; return o"
    ),
    "like": (
        "o = np.zeros_like(x); o[1] = x[0]; p = np.empty_like(x[0]); p[:] = x[1]; "
        "q = np.full((2,), x[0, 0]); return o, p, q"
    ),
    "table": "return np.eye(4)[y] * x",
    "as it is": "b = np.asarray(x); b += 1; o = np.zeros(4); v = np.asanyarray(o); o[1:] = x[0, 0]; return x, b, v",
    "plain": (
        "o = np.zeros(3); o[1] = 2; m = o > 1; k = int(o[1]); "
        "return x[k] * float(o.sum()) + len(o) + m.sum() + np.asarray(o).max()"
    ),
    "mutable default of a branch": "o = np.zeros(3)\nif o.any(): x += 1\nif not o[0]: x += 2\nreturn x",
    "in a dict": "c = {'h': np.zeros(4)}; c['h'] += x[0]; c['h'][1:] = 0; return c['h']",
    "in a function": "def g(a): a *= 2; return a.sum()\nb = x + 1; s = g(b); return b, s",
    "named functions": "o = np.zeros(4); o[0] = x[0, 0]; return cr.sigmoid(o), cr.softmax(np.ones(4)) * x",
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_what_is_written_is_what_numpy_writes(load: Load, name: str) -> None:
    function = load(WRITES[name])
    expected = function(numbers(), LABELS)
    found = evaluated(function, "3 4", "3:int")
    for got, wanted in zip(found, expected if isinstance(expected, tuple) else (expected,), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-13)


NAMED = [
    *("operator", "same array", "row", "column", "transposed", "copies", "mask", "mask of rows", "one of each row"),
    *("set in each row", "one number in each row", "column by a label", "computed places, one number", "out", "fill"),
]


@pytest.mark.parametrize("name", NAMED)
def test_named_sizes_are_written_too(load: Load, name: str) -> None:
    body = WRITES[name].replace("np.arange(3)", "np.arange(x.shape[0])").replace("range(3)", "range(x.shape[0])")
    body = body.replace("np.arange(4.0)", "x[0]").replace("x[:, 3]", "x[:, 1]").replace("np.fill_diagonal(x, 3); ", "")
    function = load(body)
    expected = function(numbers(), LABELS)
    for got, wanted in zip(
        evaluated(function, "n d", "n:int"), expected if isinstance(expected, tuple) else (expected,), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-13)


REFUSED = {
    "OUTSIDE[0] = x[0, 0]; return x": "make it in the function, with np.zeros",
    "b = OUTSIDE.copy(); b += x[0, :3]; return b": "make it in the function, with np.zeros",
    "np.add(x[0, :3], 1, out=OUTSIDE); return x": "np.add writes here",
    "np.broadcast_to(x[0], (3, 4))[0] = 1; return x": "read-only",
    "np.diagonal(x[:, :3])[0] = 1; return x": "read-only",
    "b = x.T.reshape(-1); x[0] = 1; return b": "whether this array has memory of its own",
    "b = x.T.reshape(-1); b[0] = 1; return x": "it is written later",
    "b = np.einsum('ij->ji', x); x += 1; return b": "whether this array has memory of its own",
    "b = (x.T * 2).reshape(-1); b += 1; return b": "it is written later",
    "x[y] = x; return x": "places that are computed may repeat",
    "x[x > 0] = x[0, :2]; return x": "dealt out to them in order",
    "y += 0.5; return y * x[0, 0]": "does not write into an array of int64",
    "y[0] = x[0, 0]; return y * x[0, 0]": "would round the float64",
    "s = x.sum(); s[0] = 1; return s": "a number has no elements",
    "s = x.sum(); np.add(s, 1, out=s); return s": "and this is a number",
    "def g(w): x[0] = w; return w.sum()\ncr.grad(g)(x[1]); return x": "writes to an array of the function around it",
    "o = np.zeros(3); v = np.asarray_chkfinite(o); o[0] = x[0, 0]; return o + v": "shares its memory",
}


@pytest.mark.parametrize("body", REFUSED)
def test_what_could_be_wrong_is_refused(load: Load, body: str) -> None:
    with pytest.raises(cr.ChainruleError) as raised:
        trace(load(body), "3 4", "3:int")
    assert REFUSED[body] in str(raised.value)
    assert str(raised.value).startswith("model.py:")


def test_shapes_are_those_of_numpy(load: Load) -> None:
    for body in ("x[0] = x[:, 0]", "x += x[None]", "x[:, 0] += x[0]", "np.add(x, 1, out=x[0])", "x[0] = [1, 2]"):
        function = load(body + "\nreturn x")
        with pytest.raises((ValueError, TypeError)):  # of NumPy, in its words
            function(numbers(), LABELS)
        with pytest.raises(ShapeError):
            trace(function, "3 4", "3:int")
    with pytest.raises(DTypeError, match="does not write"):
        trace(load("k = y; k /= 2; return k * x[0, 0]"), "3 4", "3:int")


def test_the_callers_array_is_left_alone_and_the_derivative_is_that_of_the_result() -> None:
    def f(x: Any) -> Any:
        x *= 2
        x[0] = 3 * x[1]
        return np.sum(x**2)

    x = np.array([1.0, 2.0, -1.0])
    np.testing.assert_allclose(cr.grad(f)(x), [0.0, 160.0, -8.0])
    np.testing.assert_array_equal(x, [1.0, 2.0, -1.0])
    cr.check_grads(f, [x])


def test_what_fills_an_array_in_a_loop_is_stacked_once() -> None:
    def f(x: Any) -> Any:
        h = np.zeros((4, 2))
        for t in range(3):
            h[t + 1] = np.tanh(x[t] + h[t])
        return h[1:]

    kinds = [node.primitive for node in trace(f, x="3 2").nodes if isinstance(node, Apply)]
    assert sum(isinstance(kind, Concatenate) for kind in kinds) == 1
    assert sum(isinstance(kind, Tanh) for kind in kinds) == 3


def test_writes_have_the_names_of_the_arrays_written() -> None:
    def f(x: Any, W: Any) -> Any:
        z = x @ W
        z[z < 0] = 0
        z += 1
        return z.sum()

    assert cr.equations(trace(f, x="n d", W="d h")).splitlines()[:3] == [
        "z1 = x W",
        "z2 = 0 if z1 < 0, else z1",
        "z3 = z2 + 1",
    ]


def test_a_loss_that_writes_is_derived_verified_and_trained() -> None:
    def loss(X: Any, y: Any, W: Any) -> Any:
        scores = X @ W
        n = X.shape[0]
        correct = scores[np.arange(n), y]
        margins = np.maximum(0, scores - correct[:, np.newaxis] + 1.0)
        margins[np.arange(n), y] = 0
        scores[scores < 0] = 0
        return np.sum(margins) / n + np.mean(scores)

    derivation = cr.derive(loss, wrt=["W"], X="n d", y="n:int", W="d c")
    assert derivation.verify().ok
    generator = np.random.default_rng(0)
    data = {"X": generator.standard_normal((20, 3)), "y": generator.integers(0, 4, 20)}
    start = {"W": generator.standard_normal((3, 4)) * 0.1}
    found = [
        cr.fit(loss, start, data, optimizer=cr.SGD(0.1), epochs=3, batch_size=5, seed=0, engine=engine).params["W"]
        for engine in ("native", "reference")
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-10)
    assert not np.allclose(found[0], start["W"])


SAMPLES: dict[str, Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "swapaxes": lambda a: ((a, 0, 1), {}),
    "moveaxis": lambda a: ((a, 0, 1), {}),
    "rollaxis": lambda a: ((a, 1), {}),
    "expand_dims": lambda a: ((a, 0), {}),
    "split": lambda a: ((a, 2), {}),
    "array_split": lambda a: ((a, 2), {}),
    "hsplit": lambda a: ((a, 2), {}),
    "vsplit": lambda a: ((a, 2), {}),
    "dsplit": lambda a: ((a[:, :, None][:, :, [0, 0]], 2), {}),
    "reshape": lambda a: ((a, (8, 2)), {}),
    "broadcast_to": lambda a: ((a, (2, 4, 4)), {}),
    "sliding_window_view": lambda a: ((a, (2, 2)), {}),
    "einsum": lambda a: (("ij->ji", a), {}),
    "take": lambda a: ((a, [0, 1]), {"axis": 0}),
    "take_along_axis": lambda a: ((a, np.zeros((4, 1), int), 1), {}),
    "where": lambda a: ((a > 0, a, 1.0), {}),
    "clip": lambda a: ((a, -1, 1), {}),
    "full_like": lambda a: ((a, 1.0), {}),
    "pad": lambda a: ((a, 1), {}),
    "tile": lambda a: ((a, 1), {}),
    "repeat": lambda a: ((a, 1), {}),
    "roll": lambda a: ((a, 0), {}),
    "trim_zeros": lambda a: ((a[0],), {}),
    "real_if_close": lambda a: ((a,), {}),
    "nan_to_num": lambda a: ((a,), {"copy": False}),
    "meshgrid": lambda a: ((a[0], a[1]), {"copy": False}),
}


@pytest.mark.parametrize("function", [*dict.fromkeys((*FUNCTIONS, *SHARING))], ids=lambda function: function.__name__)
@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")
def test_what_shares_memory_is_known(function: Callable[..., Any]) -> None:
    """NumPy's own answer, for the functions that take one array and give one."""
    array = np.arange(1.0, 17.0).reshape(4, 4)
    args, options = SAMPLES.get(function.__name__, lambda a: ((a,), {}))(array)
    base = next(entry for entry in args if isinstance(entry, np.ndarray))
    try:
        result = function(*args, **options)
    except (TypeError, ValueError, IndexError, np.linalg.LinAlgError):
        assert function not in SHARING or function is np.ix_
        return
    results = [
        entry for entry in (result if isinstance(result, list | tuple) else [result]) if isinstance(entry, np.ndarray)
    ]
    shared = any(np.may_share_memory(entry, base) for entry in results)
    assert shared == (SHARING.get(function) is not None), f"{function.__name__} {'shares' if shared else 'copies'}"
    if SHARING.get(function) is Sharing.READ_ONLY:
        assert function is np.broadcast_arrays or not any(entry.flags.writeable for entry in results)
    if SHARING.get(function) in (Sharing.VIEW, Sharing.IN_ORDER):
        assert all(entry.flags.writeable for entry in results)
    if SHARING.get(function) is Sharing.IN_ORDER:
        assert all(entry.flags.c_contiguous for entry in results)
