"""Definitions of the functions in the notation of derivations."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.derivation.readback.values import (
    Array,
    Meaning,
    Open,
    ReadingError,
    Value,
    elementwise,
    known,
)

_ERF = np.vectorize(math.erf, otypes=[float])
_ERFC = np.vectorize(math.erfc, otypes=[float])


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def _gelu_tanh(x: Array) -> Array:
    return np.asarray(0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "σ": _sigmoid,
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tan": np.tan,
    "arctan": np.arctan,
    "softplus": lambda x: np.logaddexp(0, x),
    "relu": lambda x: np.where(x > 0, x, 0 * x),
    "leaky_relu": lambda x, slope: np.where(x > 0, x, slope * x),
    "elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "silu": lambda x: x * _sigmoid(x),
    "gelu": lambda x: 0.5 * x * _ERFC(-x / math.sqrt(2)),
    "gelu_tanh": _gelu_tanh,
    "exp": np.exp,
    "ln": np.log,
    "sin": np.sin,
    "cos": np.cos,
    "sqrt": np.sqrt,
    "√": np.sqrt,
    "erf": _ERF,
    "erfc": _ERFC,
    "abs": np.abs,
    "sign": np.sign,
    "trunc": np.trunc,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arcsinh": np.arcsinh,
    "arccosh": np.arccosh,
    "arctanh": np.arctanh,
    "cbrt": np.cbrt,
    "sinc": np.sinc,
}
"""Elementwise functions of one array; parameters are subscripts of the name."""

SPECIAL = {
    **{name: (name, 0) for name in ("gammaln", "digamma", "erfinv", "erfcinv", "ndtri", "log_ndtr")},
    **{name: (name, 0) for name in ("exp1", "expi", "spence", "dawsn", "erfcx")},
    "Gamma": ("gamma", 0),
    "polygamma": ("polygamma", 1),
    "besselJ": ("jv", 1),
    "besselY": ("yv", 1),
    "besselI": ("iv", 1),
    "besselIe": ("ive", 1),
    "besselK": ("kv", 1),
    "besselKe": ("kve", 1),
}
"""Functions that SciPy computes, by their names in notation, and the number of their orders."""


def _special(name: str, count: int, x: Array, *orders: float) -> Array:
    from scipy import special

    if len(orders) != count:
        raise ReadingError(f"{name} of {len(orders)} orders")
    return np.asarray(getattr(special, name)(*map(int, orders), x))


def _of_two(name: str, x: Array, y: Array) -> Array:
    from scipy import special

    return np.asarray(getattr(special, name)(x, y))


def _of_whole(function: Callable[..., Any], x: Array, y: Array) -> Array:
    """Apply a function of integers, which numbers on the page are as floats."""
    if np.any(x != np.rint(x)) or np.any(y != np.rint(y)):
        raise ReadingError("bits of numbers that are not whole")
    return np.asarray(function(np.asarray(x, int), np.asarray(y, int)))


ELEMENTWISE |= {name: partial(_special, *function) for name, function in SPECIAL.items()}

BINARY: dict[str, Callable[..., Any]] = {
    "max": np.maximum,
    "min": np.minimum,
    "mod": np.mod,
    "fmod": np.fmod,
    "logaddexp": np.logaddexp,
    "arctan2": np.arctan2,
    **{name: partial(_of_two, name) for name in ("gammainc", "gammaincc")},
    "bitand": partial(_of_whole, np.bitwise_and),
    "bitor": partial(_of_whole, np.bitwise_or),
    "bitxor": partial(_of_whole, np.bitwise_xor),
}


def _logsumexp(x: Array, axis: tuple[int, ...]) -> Array:
    top = np.max(x, axis=axis, keepdims=True)
    return np.asarray(np.squeeze(top, axis) + np.log(np.sum(np.exp(x - top), axis=axis)))


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "Σ": np.sum,
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "logsumexp": _logsumexp,
}


_PIECEWISE: dict[str, Callable[..., Any]] = {
    "relu": lambda x: np.where(x > 0, 1.0, 0.0),
    "leaky_relu": lambda x, slope: np.where(x > 0, 1.0, slope),
    "elu": lambda x, alpha=1.0: np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))),
    "abs": np.sign,
}


def derivative(name: str, x: Array, parameters: Sequence[float], order: int = 1) -> Array:
    """Return a derivative of a function of one number; for smooth ones by central differences of sixth order."""
    if name in _PIECEWISE:
        return np.asarray(_PIECEWISE[name](x, *parameters))
    if order > 1:
        return central_difference(lambda at: derivative(name, at, parameters, order - 1), x)
    return central_difference(lambda at: ELEMENTWISE[name](at, *parameters), x)


def gammainc_by_first(a: Array, x: Array, order: int) -> Array:
    """Return a derivative of the incomplete gamma function by its first argument, by central differences."""
    if order:
        return central_difference(lambda at: gammainc_by_first(at, x, order - 1), a)
    return _of_two("gammainc", a, x)


def central_difference(function: Callable[[Array], Array], x: Array) -> Array:
    """Return the derivative of a smooth function, to sixth order."""
    step = 2.0**-7
    weights = ((1, 45.0), (2, -9.0), (3, 1.0))
    total = sum(w * (function(x + k * step) - function(x - k * step)) for k, w in weights)
    return np.asarray(total / (60 * step))


def reduction(name: str, x: Meaning, axes: Sequence[int]) -> Meaning:
    """Reduce `x` over `axes`, which are removed; over all axes by default."""
    if isinstance(x, Open):
        return _opened_reduction(name, x, axes)
    over = tuple(axes) or tuple(range(x.ndim))
    if x.free & set(over) and name in ("Σ", "sum", "logsumexp"):
        raise ReadingError("the number of terms is not determined")
    if any(axis >= x.ndim for axis in over):
        raise ReadingError(f"{name} over an axis that does not exist")
    data = REDUCTIONS[name](x.data, axis=tuple(axis + x.letters for axis in over)) if over else x.data
    kept = [axis for axis in range(x.ndim) if axis not in over]
    return Value(np.asarray(data), x.letters, frozenset(kept.index(axis) for axis in x.free if axis in kept))


def _opened_reduction(name: str, x: Open, axes: Sequence[int]) -> Meaning:
    """Reduce a value of unknown sizes; a sum may be independent of the size, such as that of a padded array."""
    if name in ("Σ", "sum"):
        if x.total is not None and not axes:
            return x.total
        with contextlib.suppress(ReadingError):
            one, other = (known(reduction(name, x.make(*[size] * x.unknown), axes)) for size in (61, 67))
            if one.shape == other.shape and np.allclose(one.data, other.data):
                return one
    ndim = x.ndim - len(axes) if axes else 0
    return Open(lambda *sizes: known(reduction(name, x.make(*sizes), axes)), x.unknown, ndim, x.inside)


def norm(x: Meaning, frobenius: bool) -> Meaning:
    """Return ‖x‖ of a vector, or ‖A‖_F of a matrix."""
    if x.ndim != (2 if frobenius else 1):
        raise ReadingError("the norm of a matrix has the subscript F, that of a vector has none")
    return elementwise(np.sqrt, reduction("Σ", elementwise(np.square, x), ()))


def softmax(name: str, x: Meaning, axes: Sequence[int]) -> Meaning:
    """Apply `softmax` or `log_softmax` over `axes`, by default the last."""
    value = known(x)
    over = tuple(axis + value.letters for axis in (axes or (value.ndim - 1,)))
    if value.free:
        raise ReadingError("softmax of a vector of any length")
    exponent = value.data - np.max(value.data, axis=over, keepdims=True)
    log = exponent - np.log(np.sum(np.exp(exponent), axis=over, keepdims=True))
    return Value(np.exp(log) if name == "softmax" else log, value.letters)


def cumulative(name: str, x: Meaning, axes: Sequence[int]) -> Meaning:
    """Return the sums of all elements up to each one, or from each one on."""
    if isinstance(x, Open):
        return x.then(lambda each: known(cumulative(name, each, axes)))
    value = x
    axis = (axes[0] if axes else 0) + value.letters
    if not axes and value.ndim != 1:
        raise ReadingError(f"{name} along which axis?")
    if value.free:
        raise ReadingError("a sum of any length")
    data = value.data
    if name == "cumsum":
        return Value(np.cumsum(data, axis), value.letters)
    return Value(np.flip(np.cumsum(np.flip(data, axis), axis), axis), value.letters)


def transformed(name: str, x: Meaning, axes: Sequence[int]) -> Meaning:
    """Return the real or the imaginary part of the discrete Fourier transform, by its sum."""
    if isinstance(x, Open):
        return x.then(lambda each: known(transformed(name, each, axes)))
    if not axes and x.ndim != 1:
        raise ReadingError(f"{name} along which axis?")
    axis = (axes[0] if axes else 0) + x.letters
    places = np.arange(x.data.shape[axis])
    angles = 2 * np.pi * np.outer(places, places) / max(len(places), 1)
    matrix = np.cos(angles) if name == "refft" else -np.sin(angles)
    return Value(np.moveaxis(np.tensordot(x.data, matrix, (axis, 0)), -1, axis), x.letters)


ORDERS: dict[str, Callable[..., Any]] = {
    "argmax": np.argmax,
    "argmin": np.argmin,
    "argsort": lambda data, axis: np.argsort(data, axis, kind="stable"),
    "sort": np.sort,
    "ranks": lambda data, axis: np.argsort(np.argsort(data, axis, kind="stable"), axis, kind="stable"),
}
"""Functions of the order of elements along an axis."""


def order(name: str, x: Meaning, axes: Sequence[int]) -> Meaning:
    """Return places, along the only axis by default."""
    value = known(x)
    if value.free or (not axes and value.ndim != 1):
        raise ReadingError(f"{name} of what is not a vector of known length")
    return Value(np.asarray(ORDERS[name](value.data, (axes[0] if axes else 0) + value.letters)), value.letters)


def quantile(x: Meaning, q: float, axes: Sequence[int], function: Callable[..., Any] = np.quantile) -> Meaning:
    """Return the value at a share `q` of the way in ascending order."""
    value = known(x)
    if value.free or (not axes and value.ndim != 1):
        raise ReadingError("a quantile of what is not a vector of known length")
    return Value(np.asarray(function(value.data, q, axis=(axes[0] if axes else 0) + value.letters)), value.letters)
