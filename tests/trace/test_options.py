"""Each parameter of each NumPy function that can be recorded is obeyed or refused, never accepted and ignored."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.primitives import evaluate_nodes
from chainrule.trace import trace
from chainrule.trace.ufuncs import UFUNC_CALLS, UFUNC_METHODS
from chainrule.trace.vocabulary import FUNCTIONS, name_of
from chainrule.words import ChainruleError

_draw = np.random.default_rng(3)
X = _draw.normal(size=(3, 3)) + 2 * np.eye(3)
K = np.array([[5], [2], [7]]) % 3

CALLS: dict[str, tuple[Any, ...]] = {
    "average": (X,), "broadcast_to": (X, (2, 3, 3)), "clip": (X, -0.5, 0.5), "concatenate": ((X, X),), "copy": (X,),
    "column_stack": ((X, X),), "dot": (X, X), "einsum": ("ij,jk->ik", X, X), "expand_dims": (X, 0), "flip": (X,),
    "full_like": (X, 2.0), "hstack": ((X, X),), "inner": (X, X), "linalg.solve": (X, X[0]), "moveaxis": (X, 0, 1),
    "outer": (X[0], X[1]), "pad": (X, 1), "reshape": (X, (9,)), "split": (X, 3), "squeeze": (X[None],),
    "stack": ((X, X),), "swapaxes": (X, 0, 1), "take": (X, np.array([0, 2])), "take_along_axis": (X, K, 1),
    "tensordot": (X, X), "vdot": (X, X), "vstack": ((X, X),), "where": (X > 0, X, -X),
    "bincount": (K[:, 0], X[0], 4), "digitize": (X, X[0]), "interp": (X, np.arange(3.0), X[0]), "isclose": (X, X),
    "convolve": (X[0], X[1]), "correlate": (X[0], X[1]), "polyval": (X[0], X), "vander": (X[0],),
    "partition": (X, 1), "argpartition": (X, 1), "percentile": (X, 30), "quantile": (X, 0.3), "searchsorted": (X[0], X),
    "lib.stride_tricks.sliding_window_view": (X, (2, 2)),
    "append": (X, X), "array_split": (X, 2), "block": ((X,),), "choose": (K % 2, (X, -X)),
    "compress": ([True, False], X),
    "cross": (X, X), "delete": (X, 1), "dstack": ((X, X),), "extract": (X > 0, X), "geomspace": (X * X, 2.0, 4),
    "hsplit": (X, 3), "insert": (X, 1, 2.0), "kron": (X, X), "linalg.multi_dot": ((X, X, X),),
    "linalg.outer": (X[0], X[1]),
    "linalg.vecdot": (X, X), "linspace": (X, 2.0, 4), "logspace": (X, 2.0, 4), "meshgrid": (X[0], X[1]),
    "repeat": (X, 2), "roll": (X, 1), "rollaxis": (X, 1), "select": ((X > 0,), (X,)), "tile": (X, 2), "vsplit": (X, 3),
}  # fmt: skip
"""Arguments for the functions that one matrix does not do for."""

VALUES: dict[str, tuple[Any, ...]] = {
    "axes": (1, (1, 0)), "axis": (0, 1, -1, (0, 1), None), "axis1": (1,), "axis2": (0,), "casting": ("no", "unsafe"),
    "constant_values": (2.0, ((1, 2), (3, 4))), "copy": (True, False), "correction": (1,), "ddof": (1, 0.5),
    "device": ("cpu",), "dtype": (np.float32, np.float64, np.int64), "initial": (0.25,), "keepdims": (True,), "k": (1,),
    "like": (np.ones(1),), "max": (0.25,), "mean": (np.ones((1, 1)),), "min": (-0.25,), "mode": ("clip", "edge"),
    "offset": (1,), "optimize": (True, "greedy"), "ord": (1, 2, "fro", np.inf, -np.inf, 0, "nuc"),
    "order": ("C", "F", "A", "K"), "out": (np.empty((3, 3)),), "returned": (True,), "shape": ((9,), (3, 3)),
    "subok": (True, False), "where": (X > 0, True), "weights": (np.array([1.0, 2.0, 3.0]), X), "writeable": (True,),
    "stat_length": (1,), "end_values": (1.0,), "reflect_type": ("odd",), "a_min": (0.1,), "a_max": (0.1,),
    "ddim": (), "signature": ((None,),),
}  # fmt: skip
"""What is tried for each parameter."""


def _parameters(function: Callable[..., Any]) -> list[str]:
    try:
        signature = inspect.signature(function)
    except ValueError:  # of functions in C, such as np.concatenate
        return ["axis", "out", "dtype", "casting", "order", "subok", "where"]
    return [name for name in signature.parameters if name in VALUES]


def _outcome(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> tuple[str, Any]:
    try:
        return "value", function(*args, **options)
    except ChainruleError as error:
        return "refused", error
    except Exception as error:
        return "error", error


def _recorded(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """The value of the call with its first array traced, by way of a program."""
    place = next(k for k, arg in enumerate(args) if not isinstance(arg, str))
    several = isinstance(args[place], tuple)
    array = args[place][0] if several else args[place]

    def call(x: Any) -> Any:
        first = (x, *args[place][1:]) if several else x
        return function(*args[:place], first, *args[place + 1 :], **options)

    program = trace(call, array)
    known = evaluate_nodes(program.outputs, {program.inputs[0]: array} if program.inputs else {})
    return [known[output] for output in program.outputs]


def _equal(found: Any, wanted: Any) -> bool:
    values = list(wanted) if isinstance(wanted, tuple | list) else [wanted]
    return len(found) == len(values) and all(
        np.shape(a) == np.shape(b) and np.allclose(a, b, rtol=1e-5) for a, b in zip(found, values, strict=True)
    )


def _check(function: Callable[..., Any], args: tuple[Any, ...], option: str, value: Any) -> None:
    options = {option: value}
    ending, found = _outcome(lambda *args, **options: _recorded(function, args, options), args, options)
    with np.errstate(all="ignore"):
        wanted, result = _outcome(function, args, options)
    if ending == "refused":
        assert str(found).strip()
        return
    if ending == "error" and wanted == "error":  # such as an argument that is given twice
        assert type(found) is type(result)
        return
    assert ending == "value", f"{option}={value!r}: {found!r}"
    assert wanted == "value", f"{option}={value!r} is accepted, and NumPy says {result!r}"
    assert _equal(found, result), f"{option}={value!r}: {found} instead of {result}"


CASES = [
    pytest.param(function, CALLS.get(name_of(function), (X,)), option, id=f"{name_of(function)} {option}")
    for function in FUNCTIONS
    if function is not np.empty_like  # whose values may be any
    for option in _parameters(function)
    if function is not np.empty_like  # whose elements are not determined
]


@pytest.mark.parametrize(("function", "args", "option"), CASES)
def test_a_parameter_of_a_function(function: Callable[..., Any], args: tuple[Any, ...], option: str) -> None:
    for value in VALUES[option]:
        _check(function, args, option, value)


@pytest.mark.parametrize("name", sorted(UFUNC_CALLS))
def test_a_parameter_of_a_ufunc(name: str) -> None:
    ufunc = getattr(np, name)
    bits = name in ("invert", "bitwise_and", "bitwise_or", "bitwise_xor")
    array = K if bits else np.abs(X)
    for option in ("where", "dtype", "casting", "order", "subok", "out", "axis", "keepdims"):
        for value in VALUES[option]:
            if option == "where" and value is not True:
                continue  # NumPy leaves the other elements as they are in memory
            _check(ufunc, (array,) * ufunc.nin, option, value)
    if ufunc.signature is not None:
        return
    with pytest.raises(ChainruleError, match=r"np\.where"):
        trace(lambda x: ufunc(*(x,) * ufunc.nin, where=X > 0), array)


@pytest.mark.parametrize(
    ("method", "name"), [(method, name) for method, table in UFUNC_METHODS.items() for name in table]
)
def test_a_parameter_of_a_method_of_a_ufunc(method: str, name: str) -> None:
    call = getattr(getattr(np, name), method)
    args = (X[0], X[1]) if method == "outer" else (X,)
    for option in ("axis", "dtype", "keepdims", "initial", "where", "out"):
        for value in VALUES[option]:
            if method == "outer" and option in ("out", "where"):
                continue
            _check(call, args, option, value)


METHODS: dict[str, tuple[Any, ...]] = {
    "astype": (np.float32,), "clip": (-0.5, 0.5), "copy": (), "cumsum": (), "diagonal": (), "dot": (X,), "flatten": (),
    "max": (), "mean": (), "min": (), "ravel": (), "reshape": ((9,),), "squeeze": (), "std": (), "sum": (),
    "swapaxes": (0, 1), "take": (np.array([1, 0]),), "trace": (), "transpose": (), "var": (),
}  # fmt: skip


@pytest.mark.parametrize("name", METHODS)
def test_a_parameter_of_a_method(name: str) -> None:
    def call(x: Any, *args: Any, **options: Any) -> Any:
        return getattr(x, name)(*args, **options)

    for option, values in VALUES.items():
        for value in values:
            try:
                wanted, _ = _outcome(call, (X, *METHODS[name]), {option: value})
            except TypeError:
                continue
            if wanted == "value":
                _check(call, (X, *METHODS[name]), option, value)


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_order_is_obeyed(order: Any) -> None:
    def function(x: Any) -> Any:
        return [
            x.flatten(order),
            x.flatten(order=order),
            x.ravel(order),
            x.T.ravel(order=order),
            np.ravel(x, order),
            x.reshape(2, -1, order=order),
            x.reshape((6, 2), order=order),
            np.reshape(x, (4, 3), order),
            x.copy(order),
            x.astype(float, order=order),
        ]

    array = np.arange(12.0).reshape(2, 3, 2)
    assert _equal(_recorded(function, (array,), {}), function(array))
