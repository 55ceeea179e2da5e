"""NumPy functions of sequences: differences, cumulative sums, convolutions, polynomials, covariances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.ir import DType, Node, ShapeError, SymbolicDim, shape_text
from chainrule.primitives import (
    add,
    as_floats,
    bitwise_xor,
    broadcast_to,
    cast,
    concatenate,
    cumsum,
    diagonal,
    divide,
    equal,
    expand_dims,
    matmul,
    mean,
    multiply,
    normalize_axes,
    pad,
    permute,
    power,
    reshape,
    reverse,
    sliding_windows,
    sqrt,
    stack,
    subtract,
    sum_,
    take_slices,
    where,
)
from chainrule.trace.literals import as_node, as_operand
from chainrule.trace.options import in_dtype, refuse_options
from chainrule.trace.source import refusal

_ALL = slice(None)


def _part(x: Node, axis: int, start: int | None, stop: int | None, step: int | None = None) -> Node:
    """Return a slice along `axis`."""
    return take_slices(x, (*(_ALL,) * axis, slice(start, stop, step)))


def _diff(a: object, n: int = 1, axis: int = -1, prepend: object = None, append: object = None) -> Node:
    x = as_node(a)
    (place,) = normalize_axes(axis, x.type.ndim)
    ends = [as_node(end) for end in (prepend, append) if end is not None]
    for end in ends:
        one = (*x.type.shape[:place], 1, *x.type.shape[place + 1 :])
        whole = broadcast_to(end, one) if end.type.ndim == 0 else end
        whole = cast(whole, x.type.dtype) if x.type.dtype.is_float else whole
        x = concatenate([whole, x] if prepend is not None and end is ends[0] else [x, whole], place)
    for _ in range(n):
        later, earlier = _part(x, place, 1, None), _part(x, place, None, -1)
        x = bitwise_xor(later, earlier) if x.type.dtype is DType.BOOL else subtract(later, earlier)
    return x


def _ediff1d(ary: object, to_end: object = None, to_begin: object = None) -> Node:
    x = as_node(ary)
    found = _diff(reshape(x, (x.type.size,)))
    parts = [to_begin, found, to_end]
    return concatenate([reshape(cast(as_node(p), found.type.dtype), (-1,)) for p in parts if p is not None])


def _trapezoid(y: object, x: object = None, dx: object = 1.0, axis: int = -1) -> Node:
    values = as_floats(as_node(y))
    (place,) = normalize_axes(axis, values.type.ndim)
    total = _part(values, place, 1, None) + _part(values, place, None, -1)
    if x is None:
        return sum_(multiply(divide(as_operand(dx), 2.0), total), place)
    points = as_floats(as_node(x))
    if points.type.ndim == 1:
        widths = (
            expand_dims(_diff(points), range(1, values.type.ndim - place))
            if values.type.ndim - place > 1
            else _diff(points)
        )
    else:
        widths = _diff(points, axis=place)
    return sum_(multiply(widths, total) / 2, place)


def _behind(widths: Node, x: Node, axis: int) -> Node:
    """Return a vector along `axis` of `x`, with axes of size 1 behind it."""
    behind = x.type.ndim - axis - 1
    return expand_dims(widths, range(1, 1 + behind)) if behind else widths


def _gradient(
    f: object, *varargs: object, axis: int | Sequence[int] | None = None, edge_order: int = 1
) -> Node | list[Node]:
    x = as_floats(as_node(f))
    axes = [k % x.type.ndim for k in ([axis] if isinstance(axis, int) else axis or range(x.type.ndim))]
    spacings = list(varargs) or [1.0]
    if len(spacings) == 1:
        spacings *= len(axes)
    if len(spacings) != len(axes):
        raise ShapeError(f"np.gradient along {len(axes)} axes takes as many spacings, or one, not {len(spacings)}")
    if edge_order not in (1, 2):
        raise refusal(f"edge_order={edge_order!r} of np.gradient is neither 1 nor 2")
    found = [_slope(x, k, as_node(spacing), edge_order) for k, spacing in zip(axes, spacings, strict=True)]
    return found[0] if len(found) == 1 else found


def _end(x: Node, axis: int, spacing: Node, last: bool) -> Node:
    """The slope at an end of the parabola through three points."""
    places = (-1, -2, -3) if last else (0, 1, 2)
    a, b, c = (_part(x, axis, k, k + 1 or None) for k in places)
    if spacing.type.ndim == 0:
        step = as_floats(spacing)
        return (1.5 * a - 2 * b + 0.5 * c) / (step if last else -step)
    widths = _behind(_diff(as_floats(spacing)), x, axis)
    near, far = (_part(widths, 0, k, k + 1 or None) for k in ((-1, -2) if last else (0, 1)))
    total = near + far
    slope = divide(near + total, near * total) * a - divide(total, near * far) * b + divide(near, far * total) * c
    return slope if last else -slope


def _slope(x: Node, axis: int, spacing: Node, edge_order: int) -> Node:
    """Central differences, and one-sided ones at the ends."""
    first = _part(x, axis, 1, 2) - _part(x, axis, None, 1)
    last = _part(x, axis, -1, None) - _part(x, axis, -2, -1)
    if spacing.type.ndim == 0:
        step = as_floats(spacing)
        inner = (_part(x, axis, 2, None) - _part(x, axis, None, -2)) / (2 * step)
        ends = [first / step, last / step]
        if edge_order == 2:
            ends = [_end(x, axis, spacing, False), _end(x, axis, spacing, True)]
        return concatenate([ends[0], inner, ends[1]], axis)
    widths = _behind(_diff(as_floats(spacing)), x, axis)
    left, right = _part(widths, 0, None, -1), _part(widths, 0, 1, None)
    a, b, c = (_part(x, axis, start, stop) for start, stop in ((None, -2), (1, -1), (2, None)))
    inner = divide(left, right * (left + right)) * c
    inner = inner + divide(right - left, left * right) * b - divide(right, left * (left + right)) * a
    ends = [first / _part(widths, 0, None, 1), last / _part(widths, 0, -1, None)]
    if edge_order == 2:
        ends = [_end(x, axis, spacing, False), _end(x, axis, spacing, True)]
    return concatenate([ends[0], inner, ends[1]], axis)


def _cumulative_sum(
    x: object, /, *, axis: int | None = None, dtype: Any = None, out: None = None, include_initial: bool = False
) -> Node:
    refuse_options("np.cumulative_sum", out=out)
    node = in_dtype("np.cumulative_sum", as_node(x), dtype)
    if axis is None and node.type.ndim > 1:
        raise ShapeError("np.cumulative_sum of an array with several axes needs one, as in axis=0")
    (place,) = normalize_axes(0 if axis is None else axis, node.type.ndim)
    total = cumsum(node, place)
    if not include_initial:
        return total
    return pad(total, [(1, 0) if k == place else (0, 0) for k in range(total.type.ndim)], 0.0)


def _nancumsum(a: object, axis: int | None = None, dtype: Any = None, out: None = None) -> Node:
    refuse_options("np.nancumsum", out=out)
    x = as_floats(in_dtype("np.nancumsum", as_node(a), dtype))
    return cumsum(where(equal(x, x), x, 0), axis)


def _vector(name: str, x: object) -> tuple[Node, int]:
    """Return a vector of floats and its length, which must be a number."""
    node = as_floats(as_node(x))
    if node.type.ndim == 0:
        node = reshape(node, (1,))
    if node.type.ndim != 1:
        raise ShapeError(f"{name} takes vectors, not an array of shape {shape_text(node.type.shape)}")
    (length,) = node.type.shape
    if isinstance(length, SymbolicDim):
        raise refusal(f"{name} needs the number of elements, and {length} has none; give it, as in x=(100,) for x='n'")
    return node, length


def _correlated(name: str, a: object, v: object, mode: str) -> Node:
    """Sums of products of `a` with `v` moved along it, by NumPy's modes."""
    (x, n), (w, m) = _vector(name, a), _vector(name, v)
    if mode not in ("full", "same", "valid"):
        raise refusal(f"mode={mode!r} of {name} is not one of 'full', 'same', 'valid'")
    if m > n:
        return reverse(_correlated(name, w, x, mode), (0,))
    before, behind = {"full": (m - 1, m - 1), "same": (m // 2, m - 1 - m // 2), "valid": (0, 0)}[mode]
    return matmul(sliding_windows(pad(x, [(before, behind)], 0.0), (m,), (0,)), w)


def _correlate(a: object, v: object, mode: str = "valid") -> Node:
    return _correlated("np.correlate", a, v, mode)


def _convolve(a: object, v: object, mode: str = "full") -> Node:
    (x, n), (w, m) = _vector("np.convolve", a), _vector("np.convolve", v)
    if m > n:
        x, w = w, x
    return _correlated("np.convolve", x, reverse(w, (0,)), mode)


def _polyval(p: object, x: object) -> Node:
    """Horner's rule."""
    coefficients, _ = _vector("np.polyval", p)
    at = as_floats(as_node(x))
    value = broadcast_to(as_node(0.0), at.type.shape)
    for k in range(_vector("np.polyval", p)[1]):
        value = value * at + take_slices(coefficients, k)
    return value


def _with_length(coefficients: Node, count: int, length: int) -> Node:
    return pad(coefficients, [(length - count, 0)], 0.0)


def _polynomial_sum(name: str, combine: Callable[[Node, Node], Node]) -> Callable[..., Node]:
    def handler(a1: object, a2: object) -> Node:
        (x, n), (y, m) = _vector(name, a1), _vector(name, a2)
        return combine(_with_length(x, n, max(n, m)), _with_length(y, m, max(n, m)))

    return handler


def _polymul(a1: object, a2: object) -> Node:
    return _convolve(a1, a2)


def _polyder(p: object, m: int = 1) -> Node:
    coefficients, count = _vector("np.polyder", p)
    for _ in range(m):
        count = max(count - 1, 0)
        powers = np.arange(count, 0, -1, dtype=np.float64)
        coefficients = take_slices(coefficients, slice(0, count)) * as_node(powers)
    return coefficients


def _polyint(p: object, m: int = 1, k: object = None) -> Node:
    refuse_options("np.polyint", k=k)
    coefficients, count = _vector("np.polyint", p)
    for _ in range(m):
        coefficients = pad(coefficients / as_node(np.arange(count, 0, -1, dtype=np.float64)), [(0, 1)], 0.0)
        count += 1
    return coefficients


def _vander(x: object, N: int | None = None, increasing: bool = False) -> Node:
    points, count = _vector("np.vander", x)
    exponents = range(count if N is None else N)
    columns = [power(points, float(k)) for k in (exponents if increasing else reversed(exponents))]
    return stack(columns, 1)


def _cov(
    m: object,
    y: object = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: object = None,
    aweights: object = None,
    *,
    dtype: None = None,
) -> Node:
    refuse_options("np.cov", dtype=dtype)
    if not isinstance(ddof, int | None):
        raise refusal("the ddof of a covariance is an integer in NumPy")
    parts = [_variables(part, rowvar) for part in (m, y) if part is not None]
    x = concatenate(parts, 0) if len(parts) > 1 else parts[0]
    lost = (0 if bias else 1) if ddof is None else ddof
    if fweights is None and aweights is None:
        centred = x - mean(x, 1, keepdims=True)
        found = divide(matmul(centred, permute(centred)), x.type.shape[1] - lost)
    else:
        found = _weighted_cov(x, fweights, aweights, lost)
    return reshape(found, ()) if found.type.shape == (1, 1) else found


def _weighted_cov(x: Node, fweights: object, aweights: object, lost: int) -> Node:
    """Columns counted `fweights` times, and weighted by `aweights`; Σw − lost Σ w a / Σw of them are free."""
    importance = as_node(1.0) if aweights is None else as_floats(as_node(aweights))
    weights = multiply(as_node(1.0) if fweights is None else as_floats(as_node(fweights)), importance)
    count = x.type.shape[1]
    if weights.type.shape != (count,):
        raise ShapeError(
            f"the weights of np.cov are a vector with a number for each of the {count} observations, and not of shape "
            f"{shape_text(weights.type.shape)}"
        )
    total = sum_(weights, 0)
    share = lost if aweights is None else divide(multiply(lost, sum_(multiply(weights, importance), 0)), total)
    centred = x - expand_dims(divide(matmul(x, weights), total), 1)
    return divide(matmul(multiply(centred, weights), permute(centred)), subtract(total, share))


def _variables(m: object, rowvar: bool) -> Node:
    """Return a matrix with a row for each variable."""
    x = as_floats(as_node(m))
    if x.type.ndim > 2:
        raise ShapeError(f"a covariance is that of the rows of a matrix, not of shape {shape_text(x.type.shape)}")
    if x.type.ndim < 2:
        return reshape(x, (1, -1))
    return x if rowvar or x.type.shape[0] == 1 else permute(x)


def _polyfit(
    x: object,
    y: object,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: Any = None,
    cov: object = False,
) -> Node:
    """The coefficients are linear in y, by a matrix that is that of NumPy's for unit vectors."""
    values = as_floats(as_node(y))
    if full or cov:
        raise refusal("np.polyfit is recorded without full= and cov=; leave them out")
    if isinstance(x, Node) or isinstance(w, Node):
        raise refusal(
            "np.polyfit is recorded for points and weights that are numbers; write "
            "np.linalg.lstsq(np.vander(x, deg + 1), y)[0] for others"
        )
    points = np.asarray(x)
    count = points.size
    if values.type.shape[:1] != (count,):
        raise ShapeError(f"np.polyfit of {count} points takes as many values, not {shape_text(values.type.shape)}")
    return matmul(as_node(np.polyfit(points, np.eye(count), deg, rcond, w=w)), values)


def _corrcoef(x: object, y: object = None, rowvar: bool = True, *, dtype: None = None) -> Node:
    refuse_options("np.corrcoef", dtype=dtype)
    found = _cov(x, y, rowvar)
    if found.type.ndim == 0:
        return found / found
    size = found.type.shape[0]
    spread = sqrt(diagonal(found))
    across, down = (broadcast_to(expand_dims(spread, k), (size, size)) for k in (0, 1))
    return found / down / across


def _named(handlers: dict[str, Callable[..., Any]]) -> dict[Callable[..., Any], Callable[..., Any]]:
    """Handlers of functions that not every version of NumPy has under these names."""
    return {getattr(np, name): handler for name, handler in handlers.items() if hasattr(np, name)}


SERIES: dict[Callable[..., Any], Callable[..., Any]] = {
    np.convolve: _convolve,
    np.corrcoef: _corrcoef,
    np.correlate: _correlate,
    np.polyfit: _polyfit,
    np.cov: _cov,
    np.diff: _diff,
    np.ediff1d: _ediff1d,
    np.gradient: _gradient,
    np.nancumsum: _nancumsum,
    np.polyadd: _polynomial_sum("np.polyadd", add),
    np.polyder: _polyder,
    np.polyint: _polyint,
    np.polymul: _polymul,
    np.polysub: _polynomial_sum("np.polysub", subtract),
    np.polyval: _polyval,
    np.vander: _vander,
    **_named({"cumulative_sum": _cumulative_sum, "trapezoid": _trapezoid, "trapz": _trapezoid}),
}
