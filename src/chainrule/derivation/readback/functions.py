"""Definitions of the functions in the notation of derivations."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from chainrule.derivation.readback.values import (
    Array,
    Meaning,
    Open,
    ReadingError,
    UnknownNotationError,
    Value,
    as_matrix,
    elementwise,
    known,
)

_LARGEST = 1_000_000
"""The number of elements up to which a Kronecker product is formed, where its size is not determined."""
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


ELEMENTWISE |= {name: partial(_special, *function) for name, function in SPECIAL.items()}

BINARY: dict[str, Callable[..., Any]] = {
    "max": np.maximum,
    "min": np.minimum,
    "mod": np.mod,
    "fmod": np.fmod,
    "logaddexp": np.logaddexp,
    "arctan2": np.arctan2,
    **{name: partial(_of_two, name) for name in ("gammainc", "gammaincc")},
    "bitand": np.bitwise_and,
    "bitor": np.bitwise_or,
    "bitxor": np.bitwise_xor,
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


def taken_along(x: Meaning, places: Meaning, axis: int) -> Meaning:
    """Return the elements at places along an axis."""
    value, index = known(x), known(places)
    if value.letters or index.letters:
        raise UnknownNotationError("take_along at an index")
    if value.ndim != index.ndim or value.free or index.free:
        raise ReadingError(f"places of shape {index.shape} along an axis of shape {value.shape}")
    return Value(np.take_along_axis(value.data, index.data.astype(int), axis))


def flipped(x: Meaning, axes: Sequence[int]) -> Meaning:
    """Reverse the elements along `axes`."""
    if isinstance(x, Open):
        return x.then(lambda value: known(flipped(value, axes)))
    value = known(x)
    return Value(np.flip(value.data, tuple(axis + value.letters for axis in axes)), value.letters, value.free)


def permuted(x: Meaning, order: Sequence[int]) -> Meaning:
    """Permute the axes."""
    if isinstance(x, Open):
        return x.then(lambda value: known(permuted(value, order)))
    value = x
    if sorted(order) != list(range(value.ndim)):
        raise ReadingError(f"not a permutation of {value.ndim} axes: {order}")
    front = tuple(range(value.letters))
    data = np.transpose(value.data, front + tuple(axis + value.letters for axis in order))
    return Value(data, value.letters, frozenset(k for k, axis in enumerate(order) if axis in value.free))


def reshaped(x: Meaning, sizes: Sequence[int]) -> Meaning:
    """Reshape in row-major order."""
    if isinstance(x, Open):
        return reshaped(x.fitted(lambda value: math.prod(value.shape) == math.prod(sizes), [math.prod(sizes)]), sizes)
    value = x
    if value.free == {0} and value.ndim == 1:
        value = _along(value, 0, (math.prod(sizes),))
    if value.free or math.prod(sizes) != math.prod(value.shape):
        raise ReadingError(f"shape {value.shape} reshaped to {tuple(sizes)}")
    return Value(value.data.reshape(value.data.shape[: value.letters] + tuple(sizes)), value.letters)


def padded(x: Meaning, ranges: Sequence[slice]) -> Meaning:
    """Return zeros with `x` at `ranges`; a closed range does not determine the number of zeros after it."""
    if x.ndim != len(ranges):
        raise ReadingError(f"{x.ndim} axes are padded along {len(ranges)}")
    inner = x.unknown if isinstance(x, Open) else 0
    ended = [axis for axis, each in enumerate(ranges) if each.stop is not None or each.step is not None]

    def make(*sizes: int) -> Value:
        value = x.make(*sizes[:inner]) if isinstance(x, Open) else x
        whole = [(each.start or 0) + size for each, size in zip(ranges, value.shape, strict=True)]
        for axis, size in zip(ended, sizes[inner:], strict=True):
            whole[axis] = size
        return _placed(value, ranges, whole)

    if not inner and not ended:
        return make()
    return Open(make, inner + len(ended), x.ndim, x.inside if isinstance(x, Open) else frozenset(x.shape))


def _placed(value: Value, ranges: Sequence[slice], shape: Sequence[int]) -> Value:
    if value.free:
        raise ReadingError("an array of any length is padded")
    taken = tuple(len(range(*each.indices(size))) for each, size in zip(ranges, shape, strict=True))
    if taken != value.shape:
        raise ReadingError(f"shape {value.shape} padded to {tuple(shape)}")
    result = np.zeros(value.data.shape[: value.letters] + tuple(shape))
    result[(slice(None),) * value.letters + tuple(ranges)] = value.data
    return Value(result, value.letters)


def bordered(x: Meaning, widths: Sequence[int], axes: Sequence[int]) -> Meaning:
    """Pad `axes`, by default all, with zeros on both sides: one width for all, or one for each."""
    if isinstance(x, Open):
        return x.then(lambda value: known(bordered(value, widths, axes)))
    over = tuple(axes) or tuple(range(x.ndim))
    if len(widths) == 1:
        widths = [*widths] * len(over)
    if len(widths) != len(over) or any(axis >= x.ndim for axis in over) or x.free:
        raise ReadingError(f"{len(widths)} widths of a border for shape {x.shape}")
    border = [(0, 0)] * x.data.ndim
    for axis, width in zip(over, widths, strict=True):
        border[axis + x.letters] = (width, width)
    return Value(np.pad(x.data, border), x.letters)


def diagonal(x: Meaning) -> Meaning:
    """Return the diagonal of a matrix, or a diagonal matrix of a vector."""
    if isinstance(x, Open):
        raise UnknownNotationError("diag of an open size")
    if x.ndim == 0:
        raise ReadingError("diag of a number")
    if x.ndim >= 2 and {x.ndim - 1, x.ndim - 2} <= x.free:
        return Value(x.data[..., 0], x.letters, x.free - {x.ndim - 1})
    if x.ndim >= 2 and x.shape[-1] == x.shape[-2]:
        return Value(np.diagonal(x.data, axis1=-2, axis2=-1), x.letters)
    if x.free:
        return Open(lambda size: Value(x.data[..., None] * np.eye(size), x.letters), 1, x.ndim + 1)
    return Value(x.data[..., None] * np.eye(x.shape[-1]), x.letters)


def trace(x: Meaning) -> Meaning:
    """Return the sum of the diagonal."""
    if isinstance(x, Open):
        return _lifted(lambda values: trace(values[0]), [x], x.ndim - 2)
    value = x
    if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
        raise ReadingError("the trace of an array that is not square")
    return Value(np.trace(value.data, axis1=-2, axis2=-1), value.letters)


def triangle(x: Meaning, offset: Sequence[int], below: bool) -> Meaning:
    """Return the entries on one side of a diagonal, by default the main one, and zeros on the other."""
    if isinstance(x, Open):
        return _lifted(lambda values: triangle(values[0], offset, below), [x], x.ndim)
    if x.ndim < 2 or x.free:
        raise ReadingError("a triangle of what is not a matrix")
    rows, columns = np.indices(x.shape[-2:])
    distance = columns - rows - (offset[0] if offset else 0)
    return Value(np.where(distance <= 0 if below else distance >= 0, x.data, 0.0), x.letters)


def vec(x: Meaning) -> Meaning:
    """Return the columns of a matrix, one below the other."""
    if isinstance(x, Open):
        return _lifted(lambda values: vec(values[0]), [x], 1)
    if x.ndim != 2 or x.free:
        raise ReadingError("vec of what is not a matrix")
    columns = np.swapaxes(x.data, -1, -2)
    return Value(columns.reshape((*x.data.shape[: x.letters], -1)), x.letters)


def kronecker(x: Meaning, y: Meaning) -> Meaning:
    """Return the blocks x[i, j] y; a vector is a column, or a row if it is transposed."""
    x, y = (_of_any_length(each) for each in (x, y))
    if isinstance(x, Open) or isinstance(y, Open):
        return _lifted(lambda values: kronecker(*values), [x, y], 2)
    first, second = (as_matrix(replace(each, is_row=each.is_row or each.side == "row")) for each in (x, y))
    if first.ndim != 2 or second.ndim != 2 or first.free or second.free:
        raise ReadingError(f"⊗ of shapes {x.shape} and {y.shape}")
    if first.data.size * second.data.size > _LARGEST:
        raise ReadingError("a Kronecker product of arrays that are too large")
    blocks = first.data[..., :, None, :, None] * second.data[..., None, :, None, :]
    shape = tuple(m * n for m, n in zip(first.shape, second.shape, strict=True))
    return Value(blocks.reshape((*blocks.shape[: first.letters], *shape)), first.letters)


def _of_any_length(x: Meaning) -> Meaning:
    """Return a vector of any length, such as 1, as a value whose size the context determines."""
    if isinstance(x, Open) or not x.free or x.ndim != 1:
        return x
    row = x.is_row
    return Open(lambda size: Value(np.repeat(x.data, size, axis=x.letters), x.letters, is_row=row), 1, 1)


def determinant(x: Meaning) -> Meaning:
    """Return the determinant of a square matrix."""
    value = known(x)
    if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
        raise ReadingError("the determinant of an array that is not square")
    return Value(np.linalg.det(value.data), value.letters)


def cholesky(x: Meaning) -> Meaning:
    """Return the lower factor of a positive definite matrix, of which the lower triangle is read."""
    value = known(x)
    if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
        raise ReadingError("the Cholesky factor of an array that is not square")
    try:
        return Value(np.linalg.cholesky(value.data), value.letters)
    except np.linalg.LinAlgError:
        raise ReadingError("the Cholesky factor of a matrix that is not positive definite") from None


def pseudoinverse(x: Meaning) -> Meaning:
    """Return the Moore–Penrose inverse."""
    value = known(x)
    if value.ndim < 2:
        raise ReadingError("the pseudoinverse of an array that is not a matrix")
    return Value(np.linalg.pinv(value.data), value.letters)


def adjugate(x: Meaning) -> Meaning:
    """Return the transposed cofactors of a square matrix, by its inverse, which exists at random points."""
    value = known(x)
    if value.ndim < 2 or value.shape[-1] != value.shape[-2]:
        raise ReadingError("the adjugate of an array that is not square")
    return Value(np.linalg.det(value.data)[..., None, None] * np.linalg.inv(value.data), value.letters)


def one_hot(labels: Meaning) -> Meaning:
    """Return a row for each label, with a column for each class."""
    value = known(labels)

    def make(size: int) -> Value:
        if np.any(value.data >= size) or np.any(value.data < -size):
            raise ReadingError("a label beyond the classes")
        return Value(np.asarray(np.arange(size) == value.data[..., None] % size, float), value.letters)

    return Open(make, 1, value.ndim + 1, frozenset({int(np.max(np.abs(value.data), initial=0)) + 1}))


def scatter_add(x: Meaning, places: Sequence[Meaning], axis: int) -> Meaning:
    """Add the slices of `x` to zeros, where `places` has the place along each of several axes, from `axis` on."""
    indices = [known(place) for place in places]
    index = indices[0]
    if any(each.shape != index.shape for each in indices):
        raise ReadingError("scatter_add to places of different shapes")
    if isinstance(x, Open):  # the indices determine its sizes along these axes
        x = x.fitted(lambda value: value.shape[axis : axis + index.ndim] == index.shape, index.shape)
    value = x
    if value.letters:
        raise UnknownNotationError("scatter_add at an index")
    indexed = [each.data.astype(int) for each in indices]
    if value.ndim == 0:
        value = Value(np.broadcast_to(value.data, index.shape))
    value = _along(value, axis, index.shape)
    if value.shape[axis : axis + index.ndim] != index.shape:
        raise ReadingError(f"scatter_add of shape {value.shape} to places of shape {index.shape}")

    more = len(indices) - index.ndim

    def make(*sizes: int) -> Value:
        if any(np.any(place >= size) for place, size in zip(indexed, sizes, strict=True)):
            raise ReadingError("a place beyond the end")
        result = np.zeros((*value.shape[:axis], *sizes, *value.shape[axis + index.ndim :]))
        for place in itertools.product(*map(range, index.shape)):
            target = tuple(int(each[place]) for each in indexed)
            result[(slice(None),) * axis + target] += value.data[(slice(None),) * axis + place]
        return Value(result, free=frozenset(k if k < axis else k + more for k in value.free))

    total = None if value.free else Value(np.asarray(np.sum(value.data)))
    return Open(make, len(indices), value.ndim + more, frozenset(value.shape), total)


def _along(value: Value, axis: int, shape: tuple[int, ...]) -> Value:
    """Give the free axes of a value, from `axis` on, the sizes in `shape`."""
    data = value.data
    for k, size in enumerate(shape, axis):
        if k in value.free:
            data = np.repeat(data, size, axis=k)
    return Value(data, value.letters, value.free - set(range(axis, axis + len(shape))))


def concatenated(parts: Sequence[Meaning], axes: Sequence[int]) -> Meaning:
    """Concatenate arrays along an axis."""
    if any(isinstance(part, Open) for part in parts):
        return _lifted(lambda values: concatenated(values, axes), parts, parts[0].ndim)
    values = [known(part) for part in parts]
    axis = axes[0] if axes else 0
    if not axes and any(value.ndim != 1 for value in values):
        raise ReadingError("joined along which axis?")
    shapes = {tuple(n for k, n in enumerate(value.shape) if k != axis) for value in values}
    if len(shapes) > 1 or any(value.free for value in values):
        raise ReadingError("parts that do not fit are joined")
    letters = values[0].letters
    front = np.broadcast_shapes(*(value.data.shape[:letters] for value in values))
    data = [np.broadcast_to(value.data, front + value.shape) for value in values]
    return Value(np.concatenate(data, axis + letters), letters)


def stacked(parts: Sequence[Meaning], axes: Sequence[int]) -> Meaning:
    """Join arrays along a new axis."""
    if not axes and parts[0].ndim == 0:
        axes = (0,)
    if len(axes) != 1 or axes[0] > parts[0].ndim:
        raise ReadingError("stacked along which axis?")
    if any(isinstance(part, Open) for part in parts):
        return _lifted(lambda values: stacked(values, axes), parts, parts[0].ndim + 1)
    values = [known(part) for part in parts]
    if any(value.free for value in values):
        raise ReadingError("parts of any length are stacked")
    wider = [Value(np.expand_dims(value.data, axes[0] + value.letters), value.letters) for value in values]
    return concatenated(wider, axes)


def einsum(spec: str, operands: Sequence[Meaning]) -> Meaning:
    """Contract by letters, which determine some unknown sizes."""
    if any(isinstance(operand, Open) for operand in operands):
        return _lifted(lambda values: einsum(spec, values), operands, len(spec.partition("→")[2]))
    values = [known(operand) for operand in operands]
    inputs, _, output = spec.partition("→")
    if any(value.free for value in values) or [len(x) for x in inputs.split(",")] != [v.ndim for v in values]:
        raise ReadingError(f"einsum({spec}) of shapes {[value.shape for value in values]}")
    sizes: dict[str, int] = {}
    for labels, value in zip(inputs.split(","), values, strict=True):
        for label, size in zip(labels, value.shape, strict=True):
            if sizes.setdefault(label, size) != size:
                raise ReadingError(f"einsum({spec}): {label} has two sizes")
    subscripts = ",".join("..." + labels for labels in inputs.split(",")) + "->..." + output
    return Value(np.einsum(subscripts, *(value.data.astype(float) for value in values)), values[0].letters)


def _lifted(operation: Callable[[Sequence[Value]], Meaning], operands: Sequence[Meaning], ndim: int) -> Open:
    """Apply `operation` to operands of which some have unknown sizes; its result has `ndim` axes."""
    unknown = [operand.unknown if isinstance(operand, Open) else 0 for operand in operands]
    sizes = [each.inside if isinstance(each, Open) else each.shape for each in operands]

    def make(*chosen: int) -> Value:
        left = iter(chosen)
        values = [
            operand.make(*itertools.islice(left, count)) if isinstance(operand, Open) else operand
            for operand, count in zip(operands, unknown, strict=True)
        ]
        return known(operation(values))

    return Open(make, sum(unknown), ndim, frozenset(itertools.chain(*sizes)))


def inverse(x: Meaning) -> Meaning:
    """Return the inverse of a square matrix, or the reciprocal of a number."""
    value = known(x)
    if value.ndim == 0:
        return elementwise(np.reciprocal, Value(value.data.astype(float), value.letters))
    if value.ndim == 1 or value.shape[-1] != value.shape[-2] or value.free:
        raise ReadingError(f"the inverse of shape {value.shape}")
    return Value(np.linalg.inv(value.data), value.letters)


def repeated(x: Meaning, sizes: Sequence[int]) -> Meaning:
    """Broadcast a number, or a value of any length along its other axes, to the given sizes."""
    if isinstance(x, Open):
        return repeated(x.fitted(lambda value: _takes(value, sizes), sizes), sizes)
    value = x
    shape = value.data.shape[: value.letters] + tuple(sizes)
    if not value.free and set(value.shape) <= {1}:
        number = Value(value.data.reshape(value.data.shape[: value.letters]), value.letters)
        return Value(np.broadcast_to(number.with_axes((), len(sizes)), shape), value.letters)
    if not _takes(value, sizes):
        raise ReadingError(f"shape {value.shape} repeated to {tuple(sizes)}")
    return Value(np.broadcast_to(value.data, shape), value.letters)


def _takes(value: Value, sizes: Sequence[int]) -> bool:
    """Whether a value has these sizes, or any, along each of its axes."""
    fits = [m == n or axis in value.free for axis, (m, n) in enumerate(zip(value.shape, sizes, strict=False))]
    return value.ndim == len(sizes) and all(fits)
