"""What each primitive is in JAX.

A primitive without an entry here is lowered by its `expand()`, or, if it is elementwise, by its rule for scalars,
applied to whole arrays.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from chainrule import primitives as p
from chainrule.calculus import Scan
from chainrule.engines.loop import EngineError
from chainrule.engines.xla.dependency import jax, jnp, lax
from chainrule.engines.xla.draws import uniform
from chainrule.ir import Apply, Const, Input, Node, ProgramError, concrete, topological_order
from chainrule.primitives import Comparison, Elementwise, IntegerOperation, MathFunction, NotExpandableError, Primitive

Lowering: TypeAlias = Callable[..., Any]
"""A function of the primitive, all of whose sizes are numbers, and its operands."""

L = TypeVar("L", bound=Lowering)

EXACT = lax.Precision.HIGHEST
"""Without it, float32 products are computed in TF32 on GPUs and in bfloat16 on TPUs."""

MATH: dict[MathFunction, Callable[..., Any]] = {
    "exp": lax.exp,
    "expm1": lax.expm1,
    "log": lax.log,
    "log1p": lax.log1p,
    "sqrt": lax.sqrt,
    "sin": lax.sin,
    "cos": lax.cos,
    "tanh": lax.tanh,
    "sigmoid": lax.logistic,
    "softplus": lambda x: jnp.maximum(x, 0) + lax.log1p(lax.exp(-jnp.abs(x))),
    "erf": lax.erf,
    "erfc": lax.erfc,
    "abs": jnp.abs,
    "floor": jnp.floor,
    "fmod": lax.rem,
    "power": jnp.power,
}

COMPARISONS: dict[Comparison, Callable[[Any, Any], Any]] = {
    "<": jnp.less,
    "<=": jnp.less_equal,
    ">": jnp.greater,
    ">=": jnp.greater_equal,
    "==": jnp.equal,
    "!=": jnp.not_equal,
}

INTEGERS: dict[IntegerOperation, Callable[[Any, Any], Any]] = {
    "add": jnp.add,
    "subtract": jnp.subtract,
    "multiply": jnp.multiply,
    "floor_divide": lambda x, y: jnp.where(y == 0, 0, jnp.floor_divide(x, jnp.where(y == 0, 1, y))),
    "remainder": lambda x, y: jnp.where(y == 0, 0, jnp.remainder(x, jnp.where(y == 0, 1, y))),
    "maximum": jnp.maximum,
    "minimum": jnp.minimum,
    "and": jnp.bitwise_and,
    "or": jnp.bitwise_or,
    "xor": jnp.bitwise_xor,
}


class Elements:
    """The `Scalars` of this back end: arrays, to which an operation on scalars applies element by element."""

    def constant_like(self, value: float, x: Any) -> Any:
        return jnp.asarray(value, x.dtype)

    def add(self, x: Any, y: Any) -> Any:
        return x + y

    def subtract(self, x: Any, y: Any) -> Any:
        return x - y

    def multiply(self, x: Any, y: Any) -> Any:
        return x * y

    def divide(self, x: Any, y: Any) -> Any:
        return x / y

    def negate(self, x: Any) -> Any:
        return -x

    def math(self, function: MathFunction, *x: Any) -> Any:
        return MATH[function](*x)

    def compare(self, comparison: Comparison, x: Any, y: Any) -> Any:
        return COMPARISONS[comparison](x, y)

    def logical_and(self, x: Any, y: Any) -> Any:
        return x & y

    def logical_or(self, x: Any, y: Any) -> Any:
        return x | y

    def logical_not(self, x: Any) -> Any:
        return ~x

    def integer(self, operation: IntegerOperation, x: Any, y: Any) -> Any:
        return INTEGERS[operation](x, y)

    def select(self, condition: Any, x: Any, y: Any) -> Any:
        values = [value() if callable(value) else value for value in (x, y)]
        return jnp.where(condition, *values)


LOWERINGS: dict[type[Primitive], Lowering] = {
    p.Add: lambda q, x, y: x + y,
    p.Subtract: lambda q, x, y: x - y,
    p.Negate: lambda q, x: -x,
    p.Multiply: lambda q, x, y: x * y,
    p.Permute: lambda q, x: lax.transpose(x, q.order),
    p.Reshape: lambda q, x: lax.reshape(x, q.shape),
    p.Cast: lambda q, x: _converted(x, q.dtype.numpy),
    p.Broadcast: lambda q, x: lax.broadcast_in_dim(x, q.shape, q.axes),
    p.Concatenate: lambda q, *x: lax.concatenate(x, q.axis),
    p.Pad: lambda q, x: lax.pad(x, jnp.zeros((), x.dtype), list(zip(q.low, q.high, q.interior, strict=True))),
    p.Where: lambda q, condition, x, y: lax.select(condition, x, y),
    p.Diagonal: lambda q, x: jnp.diagonal(x, axis1=-2, axis2=-1),
    p.DiagonalMatrix: lambda q, x: jnp.where(jnp.eye(x.shape[-1], dtype=bool), x[..., None], jnp.zeros((), x.dtype)),
    p.Trace: lambda q, x: jnp.trace(x, axis1=-2, axis2=-1),
    p.Sum: lambda q, x: jnp.sum(x, axis=q.axes, dtype=x.dtype),
    p.Mean: lambda q, x: jnp.sum(x, axis=q.axes, dtype=x.dtype) / math.prod(x.shape[axis] for axis in q.axes),
    p.Max: lambda q, x: jnp.max(x, axis=q.axes),
    p.Min: lambda q, x: jnp.min(x, axis=q.axes),
    p.RealFourier: lambda q, x: _told(jnp.fft.fft(x, axis=q.axis).real, x, q.axis),
    p.ImaginaryFourier: lambda q, x: _told(jnp.fft.fft(x, axis=q.axis).imag, x, q.axis),
    p.CumulativeSum: lambda q, x: lax.cumsum(x, q.axis, q.reverse),
    p.TakeAlong: lambda q, x, places: jnp.take_along_axis(x, _places(places, x.shape[q.axis]), q.axis, mode="clip"),
    p.RandomUniform: lambda q, seed, step: uniform(seed, q.stream, step, q.shape, q.dtype),
}


def lowering(kind: type[Primitive]) -> Callable[[L], L]:
    """Enter a function in the table."""

    def enter(function: L) -> L:
        LOWERINGS[kind] = function
        return function

    return enter


def lowered(node: Apply, operands: Sequence[Any]) -> Any:
    """Return the value of `node`, given those of its operands."""
    primitive, shape = node.primitive, node.type.concrete_shape
    known = LOWERINGS.get(type(primitive))
    if known is not None:
        value = known(primitive, *operands)
    elif isinstance(primitive, Elementwise):
        value = jnp.broadcast_to(primitive.lower(Elements(), *operands), shape)
    else:
        value = _expanded(node, operands)
    if value.shape != shape or value.dtype != node.type.dtype.numpy:
        raise ProgramError(f"{primitive} of type {node.type} is lowered to {value.dtype} of the shape {value.shape}")
    return value


def _converted(x: Any, dtype: Any) -> Any:
    """Convert; a single number apart from what uses it, since XLA would convert it anew for every element."""
    found = lax.convert_element_type(x, dtype)
    return lax.optimization_barrier(found) if found.shape == () else found


def evaluated(outputs: Sequence[Node], inputs: Mapping[Node, Any]) -> list[Any]:
    """Return the values of `outputs`, given those of the inputs."""
    known = dict(inputs)
    loops: dict[Hashable, list[Any]] = {}
    for node in topological_order(outputs, stop=inputs):
        match node:
            case _ if node in known:
                continue
            case Const():
                value = np.asarray(node.value, node.type.dtype.numpy)
                known[node] = jnp.full(node.type.concrete_shape, value) if node.is_filled else jnp.asarray(value)
            case Apply(Scan() as scan, operands):
                key = scan.together, operands
                if key not in loops:
                    loops[key] = _looped(scan, [known[operand] for operand in operands])
                known[node] = loops[key][scan.output]
            case Apply():
                known[node] = lowered(node, [known[operand] for operand in node.operands])
            case _:
                raise ProgramError(f"{node} has no value")
    return [known[output] for output in outputs]


def _looped(scan: Scan, operands: Sequence[Any]) -> list[Any]:
    """Return all results of a recurrence."""
    carries, sequences, constants = scan.split(operands)
    ends = len(scan.outputs) - scan.terms
    elements = [jnp.moveaxis(x, axis, 0) for x, axis in zip(sequences, scan.axes, strict=True)]
    zeros = [jnp.zeros(term.type.concrete_shape, term.type.dtype.numpy) for term in scan.outputs[ends:]]

    def step(carry: Any, xs: Any) -> Any:
        states, totals = carry
        found = evaluated(scan.outputs, dict(zip(scan.inputs, [*states, *xs, *constants], strict=True)))
        following = found[: scan.carries]
        totals = [total + term for total, term in zip(totals, found[ends:], strict=True)]
        return (following, totals), found[:ends]

    (_, totals), ys = lax.scan(step, (carries, zeros), elements, length=concrete(scan.length), reverse=scan.reverse)
    states = [
        jnp.concatenate([line, first[None]] if scan.reverse else [first[None], line])
        for line, first in zip(ys, carries, strict=False)
    ]
    return [*states, *ys[scan.carries :], *totals]


def _expanded(node: Apply, operands: Sequence[Any]) -> Any:
    names = [Input(f"operand {k}", operand.type) for k, operand in enumerate(node.operands)]
    expand = cast("Callable[..., Node | None]", getattr(node.primitive, "expand", lambda *_: None))
    try:
        expanded = expand(*names)
    except NotExpandableError as error:
        raise EngineError(f'{error}; use engine="reference"') from None
    if expanded is None:
        raise EngineError(f'engine="xla" has no {type(node.primitive).__name__}; use engine="native"')
    return evaluated([expanded], dict(zip(names, operands, strict=True)))[0]


@lowering(p.Slice)
def _slice(q: Any, x: Any) -> Any:
    starts, limits, strides, reversed_axes = [], [], [], []
    for axis, (start, size, stride) in enumerate(zip(q.starts, q.sizes, q.strides, strict=True)):
        first, count = start, size
        step = abs(stride) if count else 1
        if count and stride < 0:
            first -= (count - 1) * step
            reversed_axes.append(axis)
        starts.append(first if count else 0)
        limits.append(starts[-1] + (count - 1) * step + 1 if count else 0)
        strides.append(step)
    taken = lax.slice(x, starts, limits, strides)
    return lax.rev(taken, reversed_axes) if reversed_axes else taken


@lowering(p.Windows)
def _windows(q: Any, x: Any) -> Any:
    for axis, count, size, stride, dilation in zip(q.axes, q.counts, q.sizes, q.strides, q.dilations, strict=True):
        reach = (count - 1) * stride + 1 if count else 0
        parts = [lax.slice_in_dim(x, k * dilation, k * dilation + reach, stride, axis) for k in range(size)]
        x = jnp.stack(parts, -1)
    return x


@lowering(p.OverlapAdd)
def _overlap_add(q: Any, windows: Any) -> Any:
    """One axis of windows at a time, the last first: the padded entries are added in order, without a scatter."""
    for axis, whole, stride, dilation in reversed(list(zip(q.axes, q.wholes, q.strides, q.dilations, strict=True))):
        count = windows.shape[axis]
        covered = (count - 1) * stride + 1 if count else 0
        shape = (*windows.shape[:axis], whole, *windows.shape[axis + 1 : -1])
        total = jnp.zeros(shape, windows.dtype)
        for k in range(windows.shape[-1]):
            low = k * dilation if count else 0
            widths: list[tuple[int, int, int]] = [(0, 0, 0)] * (windows.ndim - 1)
            widths[axis] = (low, whole - low - covered, stride - 1 if count > 1 else 0)
            total = total + lax.pad(windows[..., k], jnp.zeros((), windows.dtype), widths)
        windows = total
    return windows


@lowering(p.Contract)
def _contract(q: p.Contract, *operands: Any) -> Any:
    labelled = [part for pair in zip(operands, map(list, q.inputs), strict=True) for part in pair]
    return jnp.einsum(*labelled, list(q.output), precision=EXACT)


def _told(transform: Any, x: Any, axis: int) -> Any:
    """Part of a transform, NaN where an element of `x` is not finite: what is infinite differs by algorithm."""
    return jnp.where(jnp.isfinite(x).all(axis, keepdims=True), transform, jnp.nan).astype(x.dtype)


def _places(indices: Any, size: Any) -> Any:
    """Return indices as counted from the front."""
    return jnp.where(indices < 0, indices + size, indices)


@lowering(p.OneHot)
def _one_hot(q: p.OneHot, labels: Any) -> Any:
    places = lax.broadcasted_iota(labels.dtype, (*labels.shape, q.size), labels.ndim)
    return (places == _places(labels, q.size)[..., None]).astype(q.dtype.numpy)


def _numbered(indices: Sequence[Any], sizes: Sequence[int]) -> Any:
    """Return the number, in row-major order, of the element at each place given by one index array for each axis."""
    number = jnp.zeros_like(indices[0])
    for each, size in zip(indices, sizes, strict=True):
        number = number * size + _places(each, size)
    return number


@lowering(p.Gather)
def _gather(q: p.Gather, x: Any, *indices: Any) -> Any:
    behind = q.axis + len(indices)
    sizes = x.shape[q.axis : behind]
    flat = x.reshape((*x.shape[: q.axis], math.prod(sizes), *x.shape[behind:]))
    return jnp.take(flat, _numbered(indices, sizes), axis=q.axis, mode="clip")


@lowering(p.ScatterAdd)
def _scatter_add(q: Any, x: Any, *indices: Any) -> Any:
    """On a CPU, entries are added one after another; on other devices, by `_added_in_order`."""
    size, behind = math.prod(q.sizes), q.axis + indices[0].ndim
    places = _numbered(indices, q.sizes).reshape(-1)
    flat = jnp.moveaxis(x.reshape((*x.shape[: q.axis], places.size, *x.shape[behind:])), q.axis, 0)

    def in_any_order(entries: Any, places: Any) -> Any:
        return jnp.zeros((size, *entries.shape[1:]), entries.dtype).at[places].add(entries, mode="drop")

    if not places.size:
        added = jnp.zeros((size, *flat.shape[1:]), x.dtype)
    else:
        added = lax.platform_dependent(
            flat, places, cpu=in_any_order, default=lambda entries, places: _added_in_order(entries, places, size)
        )
    added = jnp.moveaxis(added, 0, q.axis)
    return added.reshape((*added.shape[: q.axis], *q.sizes, *added.shape[q.axis + 1 :]))


def _added_in_order(entries: Any, places: Any, size: Any) -> Any:
    """Add entries by place in a fixed order: sorted by place, then summed by a segmented scan.

    Atomic additions, which is what a scatter is on a GPU, would make the last bits differ from run to run.
    """
    order = jnp.argsort(places, stable=True)
    sorted_places, values = places[order], entries[order]
    begins = jnp.concatenate([jnp.ones(1, bool), sorted_places[1:] != sorted_places[:-1]])
    begins = begins.reshape((-1, *[1] * (values.ndim - 1)))

    def combined(left: tuple[Any, Any], right: tuple[Any, Any]) -> tuple[Any, Any]:
        return left[0] | right[0], jnp.where(right[0], right[1], left[1] + right[1])

    _, sums = lax.associative_scan(combined, (begins, values))
    ends = jnp.concatenate([sorted_places[1:] != sorted_places[:-1], jnp.ones(1, bool)])
    kept = jnp.where(ends, sorted_places, size)  # all others are dropped
    return jnp.zeros((size, *entries.shape[1:]), entries.dtype).at[kept].set(sums, mode="drop")


def _finite(x: Any) -> Any:
    return jnp.isfinite(x).all(axis=(-2, -1))


@lowering(p.Triangle)
def _triangle(q: p.Triangle, x: Any) -> Any:
    return (jnp.triu if q.upper else jnp.tril)(x, q.offset)


def _symmetric(x: Any) -> Any:
    """The symmetric matrix of which `x` has the lower triangle; the other is not read."""
    return jnp.tril(x) + jnp.swapaxes(jnp.tril(x, -1), -2, -1)


@lowering(p.Cholesky)
def _cholesky(q: p.Cholesky, x: Any) -> Any:
    factor = jnp.linalg.cholesky(_symmetric(x))
    regular = _finite(jnp.tril(x)) & jnp.all(jnp.isfinite(factor), axis=(-2, -1))
    return jnp.where(regular[..., None, None], factor, math.nan)


@lowering(p.Pseudoinverse)
def _pseudoinverse(q: p.Pseudoinverse, x: Any) -> Any:
    finite = _finite(x)[..., None, None]
    return jnp.where(finite, jnp.linalg.pinv(jnp.where(finite, x, 0)), math.nan)


def _kept(x: Any, value: Any) -> Any:
    """NaN for a matrix that is not finite."""
    finite = _finite(x)
    return jnp.where(finite.reshape((*finite.shape, *[1] * (value.ndim - finite.ndim))), value, math.nan)


def _decomposed(function: Callable[[Any], Any]) -> Lowering:
    """Return the lowering to a function of matrices, which need not be defined where one is not finite."""
    return lambda q, x: _kept(x, function(jnp.where(_finite(x)[..., None, None], x, 0)))


def _of_symmetric(function: Callable[[Any], Any]) -> Lowering:
    decomposed = _decomposed(function)
    return lambda q, x: decomposed(q, _symmetric(x))


def _svd(x: Any) -> Any:
    return jnp.linalg.svd(x, full_matrices=False)


def _first(rows: Any) -> Any:
    """The first row of each matrix, NaN where there is none."""
    return rows[..., 0, :] if rows.shape[-2] else jnp.full((*rows.shape[:-2], rows.shape[-1]), math.nan, rows.dtype)


LOWERINGS |= {
    p.Eigenvalues: _of_symmetric(lambda x: jnp.linalg.eigvalsh(x, symmetrize_input=False)),
    p.Eigenvectors: _of_symmetric(lambda x: jnp.linalg.eigh(x, symmetrize_input=False)[1]),
    p.SingularValues: _decomposed(lambda x: _svd(x)[1]),
    p.LeftVectors: _decomposed(lambda x: _svd(x)[0]),
    p.RightVectors: _decomposed(lambda x: _svd(x)[2]),
    p.LeftVector: _decomposed(lambda x: _first(_svd(x)[0].mT)),
    p.RightVector: _decomposed(lambda x: _first(_svd(x)[2])),
    p.NuclearNorm: _decomposed(lambda x: _svd(x)[1].sum(-1)),
    p.SpectralNorm: _decomposed(lambda x: _first(_svd(x)[1][..., None])[..., 0]),
    p.PolarFactor: _decomposed(lambda x: jnp.matmul(*_svd(x)[::2], precision=EXACT)),
    p.OrthogonalFactor: _decomposed(lambda x: jnp.linalg.qr(x)[0]),
    p.TriangularFactor: _decomposed(lambda x: jnp.linalg.qr(x)[1]),
    p.MatrixExponential: _decomposed(jax.scipy.linalg.expm),
}


@lowering(p.SpecialFunction)
def _special_function(q: p.SpecialFunction, *operands: Any) -> Any:
    """By SciPy itself, since JAX has few of them."""
    result = jax.ShapeDtypeStruct(operands[0].shape, operands[0].dtype)
    return jax.pure_callback(lambda *arrays: q.value(*map(np.asarray, arrays)), result, *operands)


@lowering(p.ArgSort)
def _argsort(q: p.ArgSort, x: Any) -> Any:
    return jnp.argsort(x, axis=q.axis, stable=True)


@lowering(p.Ranks)
def _ranks(q: p.Ranks, x: Any) -> Any:
    return jnp.argsort(jnp.argsort(x, axis=q.axis, stable=True), axis=q.axis, stable=True)


@lowering(p.TriangularSolve)
def _triangular_solve(q: p.TriangularSolve, x: Any, y: Any) -> Any:
    triangle = (jnp.triu if q.upper else jnp.tril)(x)
    regular = (jnp.diagonal(triangle, axis1=-2, axis2=-1) != 0).all(-1) & _finite(triangle)
    found = lax.linalg.triangular_solve(x, y, left_side=True, lower=not q.upper)
    return jnp.where(regular[..., None, None], found, math.nan)


@lowering(p.Inverse)
def _inverse(q: p.Inverse, x: Any) -> Any:
    triangular, _, _ = lax.linalg.lu(x)
    regular = (jnp.diagonal(triangular, axis1=-2, axis2=-1) != 0).all(-1) & _finite(x)
    return jnp.where(regular[..., None, None], jnp.linalg.inv(x), math.nan)


@lowering(p.Determinant)
def _determinant(q: p.Determinant, x: Any) -> Any:
    return jnp.where(_finite(x), jnp.linalg.det(x), math.nan)


@lowering(p.SignDeterminant)
def _sign_determinant(q: p.SignDeterminant, x: Any) -> Any:
    return jnp.where(_finite(x), jnp.linalg.slogdet(x)[0], math.nan)


@lowering(p.LogDeterminant)
def _log_determinant(q: p.LogDeterminant, x: Any) -> Any:
    return jnp.where(_finite(x), jnp.linalg.slogdet(x)[1], math.nan)
