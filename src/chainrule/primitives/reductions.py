"""Means, variances, norms and extrema over axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeVar, final

import numpy as np

from chainrule.ir import ArrayType, Const, Dim, DTypeError, Node, ShapeError, dim_product, named_dim, shape_text
from chainrule.primitives.arithmetic import Divide, DivideNoNan, Multiply, Square, divide, square, subtract
from chainrule.primitives.base import Array, Composite, Example, Linear, Nonlinear, Primitive
from chainrule.primitives.comparison import equal, indicator
from chainrule.primitives.emitter import Accessor, Emitter, ReductionKind
from chainrule.primitives.exponentials import sqrt
from chainrule.primitives.notation import Call, Mark, Notation, Number
from chainrule.primitives.piecewise import abs_
from chainrule.primitives.replication import Broadcast, Sum, as_floats, as_node, keep_axes, normalize_axes, sum_

S = TypeVar("S")
I = TypeVar("I")
Axis = int | Sequence[int] | None


def reduced_type(name: str, operand: ArrayType, axes: tuple[int, ...]) -> ArrayType:
    """Return the type of a reduction over `axes`, which are removed."""
    if not operand.dtype.is_float:
        raise DTypeError(f"{name} takes floats, not {operand.dtype.value}; convert with astype(float)")
    if axes and not (0 <= min(axes) <= max(axes) < operand.ndim and len(set(axes)) == len(axes)):
        raise ShapeError(f"{name} over axes {axes} does not fit an array of shape {shape_text(operand.shape)}")
    return operand.with_shape(dim for axis, dim in enumerate(operand.shape) if axis not in axes)


def repeat_along(x: Node, like: Node, axes: tuple[int, ...]) -> Node:
    """Broadcast a reduction over `axes` of an array shaped like `like` back to that shape."""
    shape = like.type.shape
    return Broadcast(shape, tuple(axis for axis in range(len(shape)) if axis not in axes))(x)


def axes_examples(make: Callable[[tuple[int, ...]], Primitive]) -> Sequence[Example]:
    """Example reductions over each choice of axes of a matrix, and over inner axes of a three-dimensional array."""
    n, m = named_dim("n"), named_dim("m")
    matrix, cube = ArrayType((n, m)), ArrayType((n, 3, m))
    return [
        *(Example(make(axes), (matrix,)) for axes in ((0,), (1,), (0, 1))),
        *(Example(make(axes), (cube,)) for axes in ((1,), (0, 2))),
    ]


def reduce_elements(
    emit: Emitter[S, I],
    kind: ReductionKind,
    read: Accessor[I, S],
    shape: Sequence[Dim],
    axes: tuple[int, ...],
    index: Sequence[I],
) -> S:
    """Return the reduction over `axes` at `index`, which has one entry per remaining axis."""

    def element(inner: Sequence[I]) -> S:
        reduced, kept = iter(inner), iter(index)
        return read([next(reduced) if axis in axes else next(kept) for axis in range(len(shape))])

    return emit.reduce(kind, [shape[axis] for axis in axes], element)


def reduction_notation(
    operator: str, axes: tuple[int, ...], x: Notation, operand: ArrayType, default: int | None = None
) -> Notation:
    """Write `operator(x)`, with the axes as a subscript unless they are the last `default`; None stands for all."""
    count = operand.ndim if default is None else default
    is_default = axes == tuple(range(operand.ndim - count, operand.ndim))
    return Call(operator, (x,), subscript=() if is_default else tuple(Number(axis) for axis in axes))


@final
@dataclass(frozen=True)
class Mean(Linear):
    """The mean over `axes` (sorted, non-negative), which are removed. The transpose broadcasts and divides."""

    axes: tuple[int, ...]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return axes_examples(cls)

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        return reduced_type("mean", operand, self.axes)

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        count = np.prod([x.shape[axis] for axis in self.axes], dtype=x.dtype)
        with np.errstate(all="ignore"):
            return np.asarray(np.sum(x, axis=self.axes) / count, dtype=x.dtype)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return reduction_notation("mean", self.axes, operands[0], types[0])

    def transpose(self, operands: Sequence[Node], cotangent: Node, operand: int) -> Node:
        (x,) = operands
        count = dim_product(x.type.shape[axis] for axis in self.axes)
        share = Divide()(Const(1, cotangent.type), Const(count, cotangent.type))
        return repeat_along(Multiply()(share, cotangent), x, self.axes)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        (operand,) = types
        count = emit.scalar_of(emit.index(dim_product(operand.shape[axis] for axis in self.axes)))
        total = reduce_elements(emit, "sum", operands[0], operand.shape, self.axes, index)
        return emit.divide(total, emit.convert(count, operand.dtype))


@dataclass(frozen=True)
class _Extremum(Nonlinear, abstract=True):
    """The maximum or minimum over axes; ties share the derivative equally."""

    kind: ClassVar[Literal["max", "min"]]

    axes: tuple[int, ...]

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return axes_examples(cls)

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        return reduced_type(self.kind, operand, self.axes)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        return reduction_notation(self.kind, self.axes, operands[0], types[0])

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        if tangent is None:
            return None
        # ∂result/∂x: 1 at the extreme element, 1/k at each of k ties, 0 elsewhere
        ties = indicator(equal(x, repeat_along(result, x, self.axes)), x)
        return Sum(self.axes)(divide(ties, repeat_along(Sum(self.axes)(ties), x, self.axes)) * tangent)

    def lower(
        self, emit: Emitter[S, I], operands: Sequence[Accessor[I, S]], types: Sequence[ArrayType], index: Sequence[I]
    ) -> S:
        return reduce_elements(emit, self.kind, operands[0], types[0].shape, self.axes, index)


@final
@dataclass(frozen=True)
class Max(_Extremum):
    """The maximum over `axes` (sorted, non-negative), which are removed; NaN propagates."""

    kind: ClassVar[Literal["max", "min"]] = "max"

    def value(self, *operands: Array) -> Array:
        return np.asarray(np.max(operands[0], axis=self.axes))


@final
@dataclass(frozen=True)
class Min(_Extremum):
    """The minimum over `axes` (sorted, non-negative), which are removed; NaN propagates."""

    kind: ClassVar[Literal["max", "min"]] = "min"

    def value(self, *operands: Array) -> Array:
        return np.asarray(np.min(operands[0], axis=self.axes))


@final
@dataclass(frozen=True)
class Norm(Composite):
    """√Σx² over `axes`, or √mean(x²) with `mean`: the 2-norm, and the standard deviation of centred x.

    Its derivative is x / norm, divided by the count with `mean`; where the norm is 0, the subgradient 0, as in PyTorch.
    """

    axes: tuple[int, ...]
    mean: bool = False

    @classmethod
    def examples(cls) -> Sequence[Example]:
        return [*axes_examples(cls), *axes_examples(lambda axes: cls(axes, mean=True))]

    def type(self, *operands: ArrayType) -> ArrayType:
        (operand,) = operands
        return reduced_type("norm", operand, self.axes)

    def value(self, *operands: Array) -> Array:
        (x,) = operands
        with np.errstate(all="ignore"):
            return np.asarray(np.sqrt(self._reduction.value(np.square(x))), dtype=x.dtype)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        if not self.mean and types[0].ndim == len(self.axes) < 3:
            frobenius = (Mark("F"),) if types[0].ndim == 2 else ()
            return Call("norm", tuple(operands), subscript=frobenius)
        return Call("sqrt", (self._reduction.notation([Square().notation(operands, types)], types),))

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        if tangent is None:
            return None
        return self._reduction(DivideNoNan()(x, repeat_along(result, x, self.axes)) * tangent)

    def expand(self, *operands: Node) -> Node:
        return sqrt(self.squared(operands[0]))

    def squared(self, x: Node) -> Node:
        """The sum or mean of squares, whose square root is the norm."""
        return self._reduction(square(x))

    @property
    def _reduction(self) -> Mean | Sum:
        return Mean(self.axes) if self.mean else Sum(self.axes)


def reduced_over(make: Callable[[tuple[int, ...]], Primitive], x: Node, axis: Axis, keepdims: bool) -> Node:
    """Return the reduction `make(axes)` of `x`, as floats; over no axes, `x` itself."""
    x = as_floats(x)
    axes = normalize_axes(axis, x.type.ndim)
    return keep_axes(make(axes)(x) if axes else x, axes, keepdims)


def mean(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """`np.mean`."""
    return reduced_over(Mean, x, axis, keepdims)


def max_(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """`np.max`, as floats."""
    return reduced_over(Max, x, axis, keepdims)


def min_(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """`np.min`, as floats."""
    return reduced_over(Min, x, axis, keepdims)


def var(x: Node, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Node:
    """`np.var`: the mean squared deviation, with divisor count − `ddof`."""
    x = as_floats(x)
    squares = square(subtract(x, mean(x, axis, keepdims=True)))
    if ddof == 0:
        return mean(squares, axis, keepdims)
    count = dim_product(x.type.shape[k] for k in normalize_axes(axis, x.type.ndim))
    return divide(sum_(squares, axis, keepdims), count - ddof)


def std(x: Node, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Node:
    """`np.std`."""
    x = as_floats(x)
    centred = subtract(x, mean(x, axis, keepdims=True))
    axes = normalize_axes(axis, x.type.ndim)
    if ddof == 0:
        return keep_axes(Norm(axes, mean=True)(centred) if axes else abs_(centred), axes, keepdims)
    count = dim_product(x.type.shape[k] for k in axes)
    return divide(norm(centred, axis, keepdims), sqrt(as_node(count - ddof, x.type.dtype)))


def norm(x: Node, axis: Axis = None, keepdims: bool = False) -> Node:
    """The 2-norm of vectors or the Frobenius norm of matrices."""
    x = as_floats(x)
    axes = normalize_axes(axis, x.type.ndim)
    return keep_axes(Norm(axes)(x) if axes else abs_(x), axes, keepdims)
