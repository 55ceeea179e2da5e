"""Random programs out of all primitives, with their gradients: generated code against the NumPy definition.

What rounding may do to a program is measured, not guessed: the definition is run again with noise of a few units in
the last place on every rounded value. Programs in which such noise turns a comparison, or makes a value infinite, say
nothing about either engine and are passed over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from chainrule import primitives as p
from chainrule.calculus import backward
from chainrule.engines import get_engine
from chainrule.engines.native import NotUnrollableError
from chainrule.engines.native.compilation import CompiledProgram
from chainrule.ir import Apply, ArrayType, Const, DType, Input, Node, Program
from chainrule.primitives import REGISTRY, Primitive, evaluate_nodes

Array = NDArray[Any]
SIZES = (0, 1, 1, 2, 2, 3, 3, 4, 5, 7)
LARGEST = 700
"""The most elements of a value: beyond what unrolled code holds, and quick to evaluate."""

SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, 1e30, -1e-30]
EXACT = {
    *(p.Permute, p.Reshape, p.Broadcast, p.Negate, p.Compare, p.LogicalAnd, p.LogicalOr, p.LogicalNot, p.Where),
    *(p.Abs, p.Sign, p.Maximum, p.Minimum, p.Relu, p.Slice, p.Pad, p.Concatenate, p.Gather, p.OneHot, p.Max, p.Min),
    *(p.RandomUniform, p.Diagonal, p.DiagonalMatrix, p.Windows, p.Floor),
}
"""Primitives that choose, rename or draw: their results are not rounded."""

ADDITIVE = {p.Sum, p.Mean, p.Contract, p.ScatterAdd, p.CumulativeSum, p.Trace, p.OverlapAdd}
SHIFTED = {p.Gelu, p.GeluTanh, p.LogSoftmax, p.LogSumExp, p.Softmax, p.Elu, p.Sin, p.Cos}
"""Primitives whose error is in proportion to the operand, not to the result alone."""


class Builder:
    """Grows a program node by node."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.dtype = DType.FLOAT32 if self.rng.random() < 0.35 else DType.FLOAT64
        self.inputs: list[Input] = []
        self.values: dict[str, Array] = {}
        self.pool: list[Node] = []
        self.special = self.rng.random() < 0.15

    def choice(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def axes(self, ndim: int) -> tuple[int, ...]:
        return tuple(axis for axis in range(ndim) if self.rng.random() < 0.5)

    def shape(self, most: int = 3) -> tuple[int, ...]:
        return tuple(int(self.choice(SIZES)) for _ in range(int(self.rng.integers(most + 1))))

    def add_input(self, shape: tuple[int, ...], dtype: DType | None = None, bound: int = 3) -> Input:
        """A new input with values."""
        dtype = dtype or self.dtype
        node = Input(f"x{len(self.inputs)}", ArrayType(shape, dtype))
        value: Array
        if dtype is DType.BOOL:
            value = self.rng.random(shape) < 0.5
        elif dtype is DType.INT64:
            value = self.rng.integers(-bound, bound, shape)
        elif self.special:
            value = np.where(self.rng.random(shape) < 0.2, self.rng.choice(SPECIAL, shape), self.rng.normal(size=shape))
        else:
            value = self.rng.normal(size=shape)
        self.values[node.name] = np.asarray(value).astype(dtype.numpy)
        self.inputs.append(node)
        self.pool.append(node)
        return node

    def constant(self, shape: tuple[int, ...]) -> Const:
        """A literal: filled, or an array."""
        type = ArrayType(shape, self.dtype)
        if self.rng.random() < 0.5:
            return Const(float(self.choice([0.0, 1.0, -1.0, 0.5, 2.0, 1e-3])), type)
        return Const(self.rng.normal(size=shape).astype(self.dtype.numpy), type)

    def of(self, dtype: DType, least: int = 0) -> Node:
        """A value at hand, of that dtype and at least that many axes; a new input where there is none."""
        found = [node for node in self.pool if node.type.dtype is dtype and node.type.ndim >= least]
        if found and self.rng.random() < 0.95:
            recent = found[-6:]
            node: Node = self.choice(recent if self.rng.random() < 0.7 else found)
            return node
        shape = self.shape()
        while len(shape) < least:
            shape = (*shape, int(self.choice(SIZES)))
        return self.add_input(shape, dtype)

    def real(self, least: int = 0) -> Node:
        return self.of(self.dtype, least)

    def like(self, node: Node, dtype: DType | None = None) -> Node:
        """A value of the same shape."""
        dtype = dtype or self.dtype
        found = [other for other in self.pool if other.type == node.type.with_dtype(dtype)]
        if found and self.rng.random() < 0.7:
            chosen: Node = self.choice(found)
            return chosen
        shape = node.type.concrete_shape
        if dtype.is_float and self.rng.random() < 0.4:
            return self.constant(shape)
        return self.add_input(shape, dtype)

    def grow(self) -> None:
        """One more node, if what was drawn is not too large."""
        node = RECIPES[self.choice(REGISTRY)](self)
        if node is not None and np.prod(node.type.concrete_shape) <= LARGEST:
            self.pool.append(node)

    def result(self) -> Program:
        """All that the last values need: a scalar, its gradients, and some values on the way."""
        reals: list[Node] = [node for node in self.pool if isinstance(node, Apply) and node.type.dtype is self.dtype]
        ends = reals[-2:] or [self.real()]
        loss: Node = Const(0, ArrayType((), self.dtype))
        for end in ends:
            loss = loss + p.sum_(end * self.like(end))
        names = {node: f"n{k}" for k, node in enumerate(reals) if self.rng.random() < 0.4 and node is not loss}
        program = Program(tuple(self.inputs), (loss,), names)
        wrt = [node for node in self.inputs if node.type.dtype is self.dtype]
        gradients = backward(program, wrt).gradients if wrt else ()
        others = [node for node in self.pool[-4:] if isinstance(node, Apply) and self.rng.random() < 0.5]
        return Program(tuple(self.inputs), (loss, *gradients, *others, *others[:1]))


def elementwise(kind: Callable[[], p.Elementwise], dtype: DType | None = None) -> Callable[[Builder], Node]:
    def build(b: Builder) -> Node:
        first = b.of(dtype or b.dtype)
        primitive = kind()
        return primitive(first, *(b.like(first, dtype) for _ in range(primitive.arity - 1)))

    return build


def binary(kind: Callable[[], Primitive]) -> Callable[[Builder], Node]:
    def build(b: Builder) -> Node:
        first = b.real()
        return kind()(first, b.like(first))

    return build


def reduction(kind: Callable[[tuple[int, ...]], Primitive], empty: bool = False) -> Callable[[Builder], Node | None]:
    def build(b: Builder) -> Node | None:
        x = b.real(1)
        axes = b.axes(x.type.ndim)
        if not empty and any(x.type.shape[axis] == 0 for axis in axes):
            return None
        return kind(axes)(x) if axes else None

    return build


def make_abstract_map(b: Builder) -> Node:
    x = b.real()
    vector = p.Reshape((int(np.prod(x.type.concrete_shape)),))(x)
    return p.AbstractMap("g", (), (0,))(vector) if b.rng.random() < 0.5 else p.AbstractMap("f", (3,))(vector)


def make_reshape(b: Builder) -> Node:
    x = b.real()
    size, shape = int(np.prod(x.type.concrete_shape)), [1] * int(b.rng.integers(2))
    if size == 0:
        return p.Reshape((int(b.choice(SIZES)), 0, 2))(x)
    while size > 1:
        factor = int(b.choice([f for f in range(2, size + 1) if size % f == 0]))
        shape.insert(int(b.rng.integers(len(shape) + 1)), factor)
        size //= factor
    return p.Reshape(tuple(shape))(x)


def make_cast(b: Builder) -> Node:
    dtype = b.choice([DType.INT64, DType.BOOL, DType.FLOAT32, DType.FLOAT64, b.dtype, b.dtype])
    source = b.of(b.choice([DType.INT64, DType.BOOL, b.dtype, b.dtype]))
    return p.Cast(dtype)(source)


def make_broadcast(b: Builder) -> Node:
    x = b.real()
    shape, axes = list(x.type.concrete_shape), list(range(x.type.ndim))
    for _ in range(int(b.rng.integers(1, 3))):
        place = int(b.rng.integers(len(shape) + 1))
        shape.insert(place, int(b.choice(SIZES)))
        axes = [axis + (axis >= place) for axis in axes]
    return p.Broadcast(tuple(shape), tuple(axes))(x)


def make_contract(b: Builder) -> Node | None:
    operands = [b.real(1)]
    labels = [list(range(operands[0].type.ndim))]
    sizes = dict(enumerate(operands[0].type.concrete_shape))
    for _ in range(int(b.choice([1, 1, 1, 2]))):
        shape = b.shape()
        taken = []
        for k, _size in enumerate(shape):
            free = [label for label in sizes if label not in taken]
            if free and b.rng.random() < 0.6:
                taken.append(int(b.choice(free)))
            else:
                sizes[len(sizes)] = shape[k]
                taken.append(len(sizes) - 1)
        labels.append(taken)
        wanted = tuple(sizes[label] for label in taken)
        found = [node for node in b.pool if node.type == ArrayType(wanted, b.dtype)]
        operands.append(b.choice(found) if found else b.add_input(wanted))
    output = [label for label in sizes if b.rng.random() < 0.6]
    b.rng.shuffle(output)
    if np.prod([sizes[label] for label in sizes]) > 20_000:
        return None
    return p.Contract(tuple(map(tuple, labels)), tuple(output))(*operands)


def make_compare(b: Builder) -> Node:
    x = b.of(b.choice([DType.INT64, b.dtype, b.dtype]))
    return p.Compare(b.choice(["<", "<=", ">", ">=", "==", "!="]))(x, b.like(x, x.type.dtype))


def make_integer_arithmetic(b: Builder) -> Node:
    x = b.of(DType.INT64)
    return p.IntegerArithmetic(b.choice([*get_args(p.IntegerOperation)]))(x, b.like(x, DType.INT64))


def make_norm(b: Builder) -> Node | None:
    return reduction(lambda axes: p.Norm(axes, mean=bool(b.rng.integers(2))))(b)


def make_where(b: Builder) -> Node:
    x = b.real()
    return p.Where()(b.like(x, DType.BOOL), x, b.like(x))


def make_slice(b: Builder) -> Node:
    x = b.real(1)
    starts, sizes, strides = [], [], []
    for whole in x.type.concrete_shape:
        stride = int(b.choice([1, 1, 2, 3, -1, -2]))
        positions = list(range(whole))[:: abs(stride)][: int(b.rng.integers(whole + 2))]
        if stride < 0:
            positions = positions[::-1]
        starts.append(positions[0] if positions else 0)
        sizes.append(len(positions))
        strides.append(stride)
    return p.Slice(tuple(starts), tuple(sizes), tuple(strides))(x)


def make_pad(b: Builder) -> Node:
    x = b.real(1)
    low, high, inner = ([int(n) for n in b.rng.integers(0, 3, x.type.ndim)] for _ in range(3))
    return p.Pad(tuple(low), tuple(high), tuple(inner))(x)


def make_concatenate(b: Builder) -> Node:
    x = b.real(1)
    axis = int(b.rng.integers(x.type.ndim))
    parts = [x]
    for _ in range(int(b.rng.integers(3))):
        shape = list(x.type.concrete_shape)
        shape[axis] = int(b.choice(SIZES))
        parts.append(b.add_input(tuple(shape)))
    return p.concatenate([*parts, b.choice(parts)], axis)


def indices(b: Builder, shape: tuple[int, ...], size: int) -> Node:
    """Integers that name places on an axis: an input, a literal, or computed from floats."""
    if b.rng.random() < 0.3:
        return Const(b.rng.integers(-size, size, shape), ArrayType(shape, DType.INT64))
    if not b.special and b.rng.random() < 0.3:
        bounded = (size - 0.01) * p.tanh(b.add_input(shape))
        return p.Cast(DType.INT64)(bounded)
    return b.add_input(shape, DType.INT64, size)


def make_gather(b: Builder) -> Node | None:
    x = b.real(1)
    axis = int(b.rng.integers(x.type.ndim))
    size = x.type.concrete_shape[axis]
    return p.Gather(axis)(x, indices(b, b.shape(2), size)) if size else None


def make_scatter(b: Builder) -> Node:
    x = b.real()
    axis = int(b.rng.integers(x.type.ndim + 1))
    count = int(b.rng.integers(x.type.ndim - axis + 1))
    size = int(b.rng.integers(1, 6))
    return p.ScatterAdd(axis, size)(x, indices(b, x.type.concrete_shape[axis : axis + count], size))


def make_one_hot(b: Builder) -> Node:
    size = int(b.rng.integers(1, 6))
    return p.OneHot(size, b.dtype)(indices(b, b.shape(2), size))


def make_random_uniform(b: Builder) -> Node:
    scalar = ArrayType((), DType.INT64)
    zero = Const(0, scalar)
    seed, step = b.like(zero, DType.INT64), b.choice([b.like(zero, DType.INT64), Const(77, scalar)])
    return p.RandomUniform(b.shape(), int(b.rng.integers(5)), b.dtype)(seed, step)


def positive(kind: Callable[[], p.Elementwise], shift: float) -> Callable[[Builder], Node]:
    """A function that is not defined everywhere, mostly where it is."""

    def build(b: Builder) -> Node:
        x = b.real()
        if b.rng.random() < 0.1:
            return kind()(x)
        return kind()(p.square(x) + shift)

    return build


def make_power(b: Builder) -> Node:
    x = b.real()
    exponent = Const(float(b.choice([0.5, 2.0, 3.0, -1.0, 1.7, 0.0])), x.type) if b.rng.random() < 0.6 else b.like(x)
    # NumPy takes the square root for a literal exponent of 0.5, which is not what C makes of (-inf) ** 0.5.
    return p.Power()(p.square(x) + 0.1 if b.special or b.rng.random() < 0.8 else x, exponent)


def make_divide(b: Builder) -> Node:
    x = b.real()
    return p.Divide()(x, p.square(b.like(x)) + 0.2 if b.rng.random() < 0.8 else b.like(x))


def make_cumulative_sum(b: Builder) -> Node:
    x = b.real(1)
    return p.CumulativeSum(int(b.rng.integers(x.type.ndim)), bool(b.rng.random() < 0.5))(x)


def window_steps(b: Builder, count: int) -> tuple[tuple[int, ...], ...]:
    strides, dilations = (tuple(int(b.choice([1, 1, 2, 3])) for _ in range(count)) for _ in range(2))
    return strides, dilations


def make_windows(b: Builder) -> Node | None:
    x = b.real(1)
    axes = tuple(int(axis) for axis in b.rng.permutation(x.type.ndim)[: int(b.rng.integers(1, 3))])
    strides, dilations = window_steps(b, len(axes))
    counts, sizes = [], []
    for axis, stride, dilation in zip(axes, strides, dilations, strict=True):
        whole = x.type.concrete_shape[axis]
        if whole == 0:
            return None
        sizes.append(int(b.rng.integers(1, (whole - 1) // dilation + 2)))
        counts.append(int(b.rng.integers(0, (whole - 1 - (sizes[-1] - 1) * dilation) // stride + 2)))
    return p.Windows(axes, tuple(counts), tuple(sizes), strides, dilations)(x)


def make_overlap_add(b: Builder) -> Node | None:
    g = b.real(2)
    count = int(b.rng.integers(1, g.type.ndim // 2 + 1))
    ndim = g.type.ndim - count
    axes = tuple(int(axis) for axis in b.rng.permutation(ndim)[:count])
    strides, dilations = window_steps(b, count)
    wholes = []
    if 0 in g.type.concrete_shape[ndim:]:
        return None
    for axis, size, stride, dilation in zip(axes, g.type.concrete_shape[ndim:], strides, dilations, strict=True):
        windows = g.type.concrete_shape[axis]
        used = (windows - 1) * stride + (size - 1) * dilation + 1 if windows else 0
        wholes.append(used + int(b.rng.integers(0, 3)))
    return p.OverlapAdd(axes, tuple(wholes), strides, dilations)(g)


def square_matrix(b: Builder) -> Node:
    """Products of the rows of a matrix with each other."""
    x = b.real(2)
    batch = tuple(range(x.type.ndim - 2))
    row, other, summed = (x.type.ndim + k for k in range(3))
    return p.Contract(((*batch, row, summed), (*batch, other, summed)), (*batch, row, other))(x, x)


def of_a_matrix(kind: Callable[[], Primitive]) -> Callable[[Builder], Node]:
    return lambda b: kind()(square_matrix(b))


DECOMPOSITIONS = (
    *(p.Eigenvalues, p.Eigenvectors, p.SingularValues, p.LeftVectors, p.RightVectors, p.LeftVector, p.RightVector),
    *(p.NuclearNorm, p.SpectralNorm, p.PolarFactor, p.OrthogonalFactor, p.TriangularFactor),
)


def of_a_regular_matrix(
    kind: Callable[[], Callable[[Node], Node]], graded: bool = False
) -> Callable[[Builder], Node | None]:
    """Of a matrix whose diagonal outweighs the rest of each row; elimination is written out, so it is small.

    If it is `graded`, the diagonal ascends, so that eigenvalues and singular values are far apart.
    """

    def build(b: Builder) -> Node | None:
        x = p.tanh(square_matrix(b))
        size = x.type.shape[-1]
        assert isinstance(size, int)
        diagonal: Node = (size + 1) * p.identity(size, b.dtype)
        if graded:
            steps = (2 * size + 1) * np.diag(1 + np.arange(size)).astype(b.dtype.numpy)
            diagonal = Const(steps, ArrayType((size, size), b.dtype))
        return kind()(x + diagonal) if size <= 4 else None

    return build


def make_kronecker(b: Builder) -> Node:
    return p.Kronecker()(matrix_of(b), matrix_of(b))


def make_commutation(b: Builder) -> Node:
    rows, columns = (int(b.choice(SIZES)) for _ in range(2))
    return p.Commutation(rows, columns)(b.add_input((rows * columns, int(b.choice(SIZES)))))


def matrix_of(b: Builder) -> Node:
    """All axes but the last as one."""
    x = b.real(1)
    *batch, last = x.type.concrete_shape
    return p.Reshape((int(np.prod(batch)), last))(x)


def make_take_along(b: Builder) -> Node | None:
    x = b.real(1)
    axis = int(b.rng.integers(x.type.ndim))
    shape = list(x.type.concrete_shape)
    size, shape[axis] = shape[axis], int(b.choice(SIZES))
    return p.TakeAlong(axis)(x, indices(b, tuple(shape), size)) if size else None


def make_add_along(b: Builder) -> Node:
    x = b.real(1)
    axis, size = int(b.rng.integers(x.type.ndim)), int(b.choice(SIZES)) + 1
    return p.AddAlong(axis, size)(x, indices(b, x.type.concrete_shape, size))


def ordered(kind: Callable[[int], Primitive]) -> Callable[[Builder], Node | None]:
    def make(b: Builder) -> Node | None:
        x = b.real(1)
        axis = int(b.rng.integers(x.type.ndim))
        return kind(axis)(x) if x.type.concrete_shape[axis] else None

    return make


def make_quantile(b: Builder) -> Node | None:
    x = b.real(1)
    axis = int(b.rng.integers(x.type.ndim))
    size = x.type.concrete_shape[axis]
    low = int(b.rng.integers(max(size, 1)))
    return p.Quantile(axis, low, 0.5 if low + 1 < size else 0.0)(x) if size else None


def make_nan_quantile(b: Builder) -> Node | None:
    x = b.real(1)
    axis = int(b.rng.integers(x.type.ndim))
    return p.NanQuantile(axis, float(b.rng.choice([0.3, 0.5, 1.0])))(x) if x.type.concrete_shape[axis] else None


RECIPES: dict[type[Primitive], Callable[[Builder], Node | None]] = {
    **{kind: elementwise(kind) for kind in REGISTRY if issubclass(kind, p.Elementwise)},
    p.Abstract: elementwise(lambda: p.Abstract("f", (1,))),
    p.AbstractMap: make_abstract_map,
    **{kind: elementwise(kind, DType.BOOL) for kind in (p.LogicalAnd, p.LogicalOr, p.LogicalNot)},
    **{kind: binary(kind) for kind in (p.Add, p.Subtract, p.Multiply)},
    **{kind: reduction(kind, True) for kind in (p.Sum,)},
    **{kind: reduction(kind) for kind in (p.Mean, p.Max, p.Min, p.LogSumExp, p.Softmax, p.LogSoftmax)},
    p.Norm: make_norm,
    p.IntegerArithmetic: make_integer_arithmetic,
    p.TakeAlong: make_take_along,
    p.AddAlong: make_add_along,
    **{kind: ordered(kind) for kind in (p.Ranks, p.ArgSort, p.ArgMax, p.ArgMin)},
    p.Quantile: make_quantile,
    p.NanQuantile: make_nan_quantile,
    p.SincDerivative: elementwise(lambda: p.SincDerivative(2)),
    p.Negate: lambda b: p.Negate()(b.real()),
    p.Permute: lambda b: (lambda x: p.Permute(tuple(b.rng.permutation(x.type.ndim).tolist()))(x))(b.real()),
    p.Reshape: make_reshape,
    p.Cast: make_cast,
    p.Broadcast: make_broadcast,
    p.Contract: make_contract,
    p.Compare: make_compare,
    p.Where: make_where,
    p.Slice: make_slice,
    p.Pad: make_pad,
    p.Concatenate: make_concatenate,
    p.Gather: make_gather,
    p.ScatterAdd: make_scatter,
    p.OneHot: make_one_hot,
    p.RandomUniform: make_random_uniform,
    p.CumulativeSum: make_cumulative_sum,
    p.RealFourier: lambda b: p.real_fourier(b.real(1)),
    p.ImaginaryFourier: lambda b: p.imaginary_fourier(b.real(1)),
    p.Windows: make_windows,
    p.OverlapAdd: make_overlap_add,
    p.DiagonalMatrix: lambda b: p.DiagonalMatrix()(b.real(1)),
    **{kind: of_a_matrix(kind) for kind in (p.Diagonal, p.Trace)},
    p.Adjugate: of_a_regular_matrix(lambda: lambda x: p.Adjugate()(x, p.Determinant()(x))),
    **{kind: of_a_regular_matrix(kind) for kind in (p.Inverse, p.Determinant, p.LogDeterminant, p.SignDeterminant)},
    **{kind: of_a_regular_matrix(kind) for kind in (p.Cholesky, p.Pseudoinverse)},
    **{kind: of_a_regular_matrix(kind, graded=True) for kind in DECOMPOSITIONS},
    p.ExponentialDerivative: of_a_regular_matrix(lambda: lambda x: p.ExponentialDerivative()(0.1 * x, x)),
    p.MatrixExponential: of_a_regular_matrix(lambda: lambda x: p.MatrixExponential()(0.1 * x)),
    p.SpecialFunction: lambda b: p.SpecialFunction("iv", 1)(b.real()),
    p.TriangularSolve: of_a_regular_matrix(lambda: lambda x: p.TriangularSolve(True)(x, x)),
    p.Triangle: lambda b: p.Triangle(bool(b.rng.random() < 0.5), int(b.rng.integers(-2, 3)))(b.real(2)),
    p.Vec: lambda b: p.Vec()(matrix_of(b)),
    p.Kronecker: make_kronecker,
    p.Commutation: make_commutation,
    p.Power: make_power,
    p.Divide: make_divide,
    p.Log: positive(p.Log, 0.3),
    p.Sqrt: positive(p.Sqrt, 0.3),
    p.Log1p: positive(p.Log1p, 0.0),
    p.LeakyRelu: elementwise(lambda: p.LeakyRelu(0.2)),
    p.Elu: elementwise(lambda: p.Elu(0.7)),
}


def test_every_primitive_has_a_recipe() -> None:
    assert set(RECIPES) == set(REGISTRY)


def with_noise(program: Program, values: dict[str, Array], rng: np.random.Generator) -> dict[Node, Array]:
    """Every node's value, with an error of a few units in the last place made wherever something is rounded."""
    known: dict[Node, Array] = {node: values[node.name] for node in program.inputs}
    for node in program.nodes:
        if node in known:
            continue
        if not isinstance(node, Apply):
            known.update(evaluate_nodes([node], {}))
            continue
        operands = [known[operand] for operand in node.operands]
        result = np.asarray(node.primitive.value(*operands))
        kind = type(node.primitive)
        if node.type.dtype.is_float and kind not in EXACT:
            size = np.abs(result)
            if kind in ADDITIVE:
                size = node.primitive.value(*(np.abs(o) if o.dtype.kind == "f" else o for o in operands))
            elif kind in SHIFTED and operands[0].size:
                size = size + np.max(np.abs(operands[0]))
            error = 4 * np.finfo(result.dtype).eps * rng.uniform(-1, 1, result.shape)
            noise = np.where(np.isfinite(size), size, 0) * error + np.finfo(result.dtype).smallest_subnormal
            result = np.asarray(np.where(np.isfinite(result), result + noise, result), result.dtype)
        known[node] = result
    return known


def is_at_a_step(node: Node, exact: dict[Node, Array]) -> bool:
    """Whether a number is rounded that may as well lie just beyond the step, or elements are ordered that are close."""
    if not isinstance(node, Apply):
        return False
    x = exact[node.operands[0]]
    if isinstance(node.primitive, p.Ranks | p.ArgSort | p.ArgMax | p.ArgMin | p.Quantile | p.NanQuantile):
        ordered = np.sort(x, axis=node.primitive.axis)
        apart = np.diff(ordered, axis=node.primitive.axis)
        return bool(np.any(np.abs(apart) <= 1e-4 * np.maximum(np.abs(x).max(initial=1), 1)))
    if isinstance(node.primitive, p.FloorDivide | p.Remainder | p.Fmod):
        x = x / exact[node.operands[1]]
    elif isinstance(node.primitive, p.Rint):
        x = x + 0.5
    elif not isinstance(node.primitive, p.Floor | p.Ceil | p.Trunc):
        return False
    near = np.abs(x - np.rint(x)) <= 1e-4 * np.maximum(np.abs(x), 1)
    return bool(np.any(near & np.isfinite(x)))


def pattern(value: Array) -> Array:
    """What must not differ at all: integers and booleans, and where floats are infinite or NaN."""
    if value.dtype.kind != "f":
        return value
    return np.where(np.isnan(value), 2, np.where(np.isinf(value), np.sign(value) * 3, 0))


def expectation(program: Program, values: dict[str, Array], seed: int) -> tuple[list[Array], list[Array]] | None:
    """The outputs and how far each may be off; None where rounding decides what happens."""
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        inputs: dict[Node, Array] = {node: values[node.name] for node in program.inputs}
        exact = evaluate_nodes(program.outputs, inputs)
        if any(is_at_a_step(node, exact) for node in program.nodes):
            return None
        runs = [with_noise(program, values, rng) for _ in range(3)]
    for run in runs:
        for node in program.nodes:
            if not np.array_equal(pattern(np.asarray(exact[node])), pattern(np.asarray(run[node]))):
                return None
    expected = [np.asarray(exact[output]) for output in program.outputs]
    allowed = []
    for output, value in zip(program.outputs, expected, strict=True):
        with np.errstate(all="ignore"):
            spread = np.max([np.abs(run[output].astype(float) - value) for run in runs], axis=0)
        scale = np.max(spread, initial=0, where=np.isfinite(spread))
        eps = float(np.finfo(value.dtype).eps) if value.dtype.kind == "f" else 0.0
        allowed.append(20 * scale + 64 * eps * np.abs(np.nan_to_num(value.astype(float), posinf=0, neginf=0)))
    return expected, allowed


def random_program(seed: int) -> Builder:
    builder = Builder(seed)
    for _ in range(int(builder.rng.integers(1, 4))):
        builder.add_input(builder.shape())
    for _ in range(int(builder.rng.integers(1, 16))):
        with np.errstate(all="ignore"):
            builder.grow()
    return builder


def check(seed: int) -> bool:
    """Compare one random program in every mode; False where it says nothing."""
    builder = random_program(seed)
    program, values = builder.result(), builder.values
    expectations = expectation(program, values, seed)
    if expectations is None:
        return False
    default = CompiledProgram(program)
    compiled = {f"default ({default.mode})": default}
    if default.mode == "unrolled":
        compiled["loops"] = CompiledProgram(program, "loops")
    else:
        with pytest.raises(NotUnrollableError):
            CompiledProgram(program, "unrolled")
    for mode, code in compiled.items():
        compare(f"seed {seed}, {mode}", code(values), expectations)
    return True


def compare(what: str, results: list[Array], expectations: tuple[list[Array], list[Array]]) -> None:
    for k, (result, expected, allowed) in enumerate(zip(results, *expectations, strict=True)):
        where = f"{what}, output {k}"
        assert (result.shape, result.dtype) == (expected.shape, expected.dtype), where
        np.testing.assert_array_equal(pattern(result), pattern(expected), where)
        with np.errstate(all="ignore"):
            near = (np.abs(result.astype(float) - expected) <= allowed) | (pattern(expected) != 0)
        assert np.all(near), f"{where}: {result} is not {expected}, allowed {allowed}"


@pytest.mark.parametrize("first", range(0, 30, 10))
def test_random_programs(first: int) -> None:
    assert sum(check(seed) for seed in range(first, first + 10)) >= 5


def without_abstract_maps(program: Program) -> bool:
    """Whether XLA accepts a program: functions of vectors without a definition have values to be verified alone."""
    return not any(isinstance(node, Apply) and isinstance(node.primitive, p.AbstractMap) for node in program.nodes)


def without_masked_nans(program: Program, values: dict[str, Array]) -> bool:
    """Whether no NaN or infinity is multiplied by 1[…]: XLA makes that a choice, in which NaN · 0 is 0."""
    inputs: dict[Node, Array] = {node: values[node.name] for node in program.inputs}
    with np.errstate(all="ignore"):
        known = evaluate_nodes(program.nodes, inputs)
    for node in program.nodes:
        match node:
            case Apply(p.Multiply(), (x, y)):
                for mask, other in ((x, y), (y, x)):
                    match mask:
                        case Apply(p.Cast(), (source,)) if source.type.dtype is DType.BOOL:
                            if not np.all(np.isfinite(known[other])):
                                return False
    return True


@pytest.mark.parametrize("seed", range(12))
def test_random_programs_in_xla(seed: int) -> None:
    builder = random_program(seed)
    program, values = builder.result(), builder.values
    expectations = expectation(program, values, seed)
    if expectations is not None and without_abstract_maps(program) and without_masked_nans(program, values):
        compare(f"seed {seed}, xla", get_engine("xla").compile(program)(values), expectations)
