"""Linear maps as sums of labelled products: dy[out] = Σ number · Π factors · dx[into].

A label is an axis; what is in neither `into` nor `out` is summed over. A label in both says that the two axes run
together, as in a ⊙ dx, whose matrix is diagonal. In this form the coefficients of dx can be read off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chainrule.calculus.rules import is_scale, refilled
from chainrule.ir import Apply, ArrayType, Const, Dim, DType, Node, ProgramError, dim_product, topological_order
from chainrule.primitives import (
    Add,
    Broadcast,
    Cast,
    Contract,
    CumulativeSum,
    Diagonal,
    DiagonalMatrix,
    Divide,
    DivideNoNan,
    Gather,
    Mean,
    Multiply,
    Negate,
    Pad,
    Permute,
    Reshape,
    ScatterAdd,
    Slice,
    Subtract,
    Sum,
    Trace,
    Where,
    identity,
    indicator,
    is_identity,
    logical_not,
)

Labels = tuple[int, ...]
TERM_LIMIT = 48
"""The number of terms above which no closed form is sought."""


class NoClosedFormError(ProgramError):
    """A linear map has an operation whose coefficients are not written as a product."""


@dataclass(frozen=True)
class LinearTerm:
    """One term of a linear map; `factors` are arrays with the labels of their axes, `sizes` those of all labels."""

    number: float
    factors: tuple[tuple[Node, Labels], ...]
    into: Labels
    out: Labels
    sizes: Mapping[int, Dim]

    def renamed(self, old: int, new: int) -> LinearTerm:
        """Return the term with one label for another, which runs together with it."""

        def changed(labels: Labels) -> Labels:
            return tuple(new if label == old else label for label in labels)

        factors = tuple((node, changed(labels)) for node, labels in self.factors)
        return replace(self, factors=factors, into=changed(self.into), out=changed(self.out))


def linear_terms(linear_map: Node, tangent: Node) -> list[LinearTerm]:
    """Return the terms of `linear_map` in `tangent`; terms in other tangents, and constants, are left out.

    Raises NoClosedFormError if an operation on the tangent is not a product, a sum or a selection along its axes.
    """
    reader = _Reader(linear_map, tangent)
    out = reader.fresh(linear_map.type.shape)
    return [_together(term) for term in reader.terms(linear_map, out)]


def _together(term: LinearTerm) -> LinearTerm:
    """Remove identity matrices: their two labels run together."""
    for place, (node, labels) in enumerate(term.factors):
        if is_identity(node):
            rest = replace(term, factors=(*term.factors[:place], *term.factors[place + 1 :]))
            first, second = labels
            return _together(rest.renamed(second, first))
    repeated = next((pair for pair in map(_as_diagonal, term.factors) if pair is not None), None)
    if repeated is None:
        return term
    before, after = repeated
    return _together(replace(term, factors=tuple(after if each == before else each for each in term.factors)))


Factor = tuple[Node, Labels]


def _as_diagonal(factor: Factor) -> tuple[Factor, Factor] | None:
    """Return a matrix both of whose axes have one label, and its diagonal."""
    node, labels = factor
    if node.type.ndim == 2 and labels[0] == labels[1]:
        return factor, (Diagonal()(node), labels[:1])
    return None


class _Reader:
    """Reads one linear map from its result to the tangent."""

    def __init__(self, linear_map: Node, tangent: Node) -> None:
        self._tangent = tangent
        self._sizes: dict[int, Dim] = {}
        self._active: set[Node] = {tangent}
        for part in topological_order([linear_map]):
            if isinstance(part, Apply) and not self._active.isdisjoint(part.operands):
                self._active.add(part)
        self._count = 0

    def fresh(self, shape: Sequence[Dim]) -> Labels:
        """Return new labels for axes."""
        start = len(self._sizes)
        self._sizes.update(enumerate(shape, start))
        return tuple(range(start, start + len(shape)))

    def terms(self, node: Node, out: Labels) -> Iterator[LinearTerm]:
        """Yield the terms of `node`, whose axes have the labels `out`."""
        if node not in self._active:
            return
        if node is self._tangent:
            self._count += 1
            if self._count > TERM_LIMIT:
                raise NoClosedFormError("the linear map has too many terms for a closed form")
            yield LinearTerm(1.0, (), out, out, self._sizes)
            return
        for term in self._applied(node, out):
            yield replace(term, out=out)

    def _applied(self, node: Node, out: Labels) -> Iterator[LinearTerm]:
        match node:
            case Apply(Add(), (x, y)):
                yield from self.terms(x, out)
                yield from self.terms(y, out)
            case Apply(Subtract(), (x, y)):
                yield from self.terms(x, out)
                yield from self._times(y, out, -1.0)
            case Apply(Negate(), (x,)):
                yield from self._times(x, out, -1.0)
            case Apply(Cast(), (x,)):
                yield from self.terms(x, out)
            case Apply(Multiply(), (x, y)) if x not in self._active or y not in self._active:
                moving, fixed = (x, y) if x in self._active else (y, x)
                yield from self._times(moving, out, *self.factors(fixed, out))
            case Apply(Divide() | DivideNoNan(), (x, y)) if y not in self._active:
                yield from self._times(x, out, *self._reciprocal(y, out))
            case Apply(Sum(axes), (x,)):
                inside = self._inserted(x, axes, out)
                yield from self._counted(self.terms(x, inside), inside, out)
            case Apply(Mean(axes), (x,)):
                count = dim_product(x.type.shape[axis] for axis in axes)
                number, factors = self.factors(1 / Const(count, _scalar(node)), ())
                inside = self._inserted(x, axes, out)
                yield from self._counted(self._times(x, inside, number, factors), inside, out)
            case Apply(Broadcast(axes=axes), (x,)):
                yield from self.terms(x, tuple(out[axis] for axis in axes))
            case Apply(Permute(order), (x,)):
                yield from self.terms(x, _unpermuted(order, out))
            case Apply(Reshape(), (x,)) if (labels := self._reshaped(node, x, out)) is not None:
                yield from self.terms(x, labels)
            case Apply(Contract() as contract, operands):
                yield from self._contracted(contract, operands, out)
            case Apply(Trace(), (x,)):
                (label,) = self.fresh(x.type.shape[-1:])
                yield from self._counted(self.terms(x, (*out, label, label)), (label,), out)
            case Apply(Diagonal(), (x,)):
                yield from self.terms(x, (*out, out[-1]))
            case Apply(DiagonalMatrix(), (x,)):
                one = identity(node.type.shape[-1], node.type.dtype)
                yield from self._times(x, out[:-1], 1.0, ((one, out[-2:]),))
            case Apply(Where(), (condition, x, y)) if condition not in self._active:
                chosen, other = indicator(condition, node), indicator(logical_not(condition), node)
                yield from self._times(x, out, *self.factors(chosen, out))
                yield from self._times(y, out, *self.factors(other, out))
            case Apply(Slice() | Pad() | CumulativeSum(), (x,)):
                yield from self._along_axes(node, x, out)
            case Apply(Gather(axis), (x, indices)) if indices not in self._active:
                places = slice(axis, axis + indices.type.ndim)
                (label,) = self.fresh((x.type.shape[axis],))
                rows = Gather(0)(identity(x.type.shape[axis], node.type.dtype), indices)
                labels = (*out[: places.start], label, *out[places.stop :])
                yield from self._times(x, labels, 1.0, ((rows, (*out[places], label)),))
            case Apply(ScatterAdd(axis), (x, indices)) if indices not in self._active:
                labels = self.fresh(indices.type.shape)
                rows = Gather(0)(identity(node.type.shape[axis], node.type.dtype), indices)
                inside = (*out[:axis], *labels, *out[axis + 1 :])
                yield from self._times(x, inside, 1.0, ((rows, (*labels, out[axis])),))
            case Apply(primitive):
                raise NoClosedFormError(f"{type(primitive).__name__} is not written as a product")

    def _times(self, node: Node, out: Labels, number: float, factors: tuple[Factor, ...] = ()) -> Iterator[LinearTerm]:
        for term in self.terms(node, out):
            yield replace(term, number=number * term.number, factors=(*factors, *term.factors))

    def _counted(self, terms: Iterator[LinearTerm], labels: Labels, out: Labels) -> Iterator[LinearTerm]:
        """Multiply terms that do not vary along a summed axis by its size."""
        for term in terms:
            used = {*out, *term.into, *(label for _, each in term.factors for label in each)}
            for label in dict.fromkeys(labels):
                if label not in used:
                    number, factors = self._scale(Const(self._sizes[label], _scalar(self._tangent)))
                    term = replace(term, number=number * term.number, factors=(*factors, *term.factors))
            yield term

    def _inserted(self, x: Node, axes: Sequence[int], out: Labels) -> Labels:
        """Return the labels of the operand of a reduction: new ones for the axes that are removed."""
        kept = iter(out)
        summed = iter(self.fresh([x.type.shape[axis] for axis in axes]))
        return tuple(next(summed) if axis in axes else next(kept) for axis in range(x.type.ndim))

    def _reshaped(self, node: Node, x: Node, out: Labels) -> Labels | None:
        """Return the labels of the operand of a reshape that only inserts or removes axes of size 1."""
        kept = [label for label, dim in zip(out, node.type.shape, strict=True) if dim != 1]
        if [dim for dim in x.type.shape if dim != 1] != [dim for dim in node.type.shape if dim != 1]:
            return None
        remaining = iter(kept)
        return tuple(self.fresh((1,))[0] if dim == 1 else next(remaining) for dim in x.type.shape)

    def _contracted(self, contract: Contract, operands: Sequence[Node], out: Labels) -> Iterator[LinearTerm]:
        names = dict(zip(contract.output, out, strict=True))
        sizes = contract.sizes([operand.type for operand in operands])
        for label, dim in sizes.items():
            if label not in names:
                (names[label],) = self.fresh((dim,))
        number, factors = 1.0, list[Factor]()
        moving = [k for k, operand in enumerate(operands) if operand in self._active]
        if len(moving) != 1:
            raise NoClosedFormError("a product of two tangents is not linear")
        for k, operand in enumerate(operands):
            if k != moving[0]:
                value, more = self.factors(operand, tuple(names[label] for label in contract.inputs[k]))
                number, factors = number * value, [*factors, *more]
        labels = tuple(names[label] for label in contract.inputs[moving[0]])
        terms = self._times(operands[moving[0]], labels, number, tuple(factors))
        yield from self._counted(terms, tuple(names.values()), out)

    def _along_axes(self, node: Apply, x: Node, out: Labels) -> Iterator[LinearTerm]:
        """A selection along each axis is a product with a matrix: the same selection of the rows of the identity."""
        factors, labels = list[Factor](), list[int]()
        for axis, label in enumerate(out):
            matrix = _selection(node.primitive, axis, x.type.shape[axis], node.type.dtype)
            if matrix is None:
                labels.append(label)
                continue
            (inner,) = self.fresh((x.type.shape[axis],))
            factors.append((matrix, (label, inner)))
            labels.append(inner)
        yield from self._times(x, tuple(labels), 1.0, tuple(factors))

    # Factors that do not depend on the tangent

    def factors(self, node: Node, labels: Labels) -> tuple[float, tuple[Factor, ...]]:
        """Return a factor as a number times arrays with the fewest axes."""
        if is_scale(node):
            return self._scale(refilled(node, _scalar(node)))
        match node:
            case Apply(Negate(), (x,)):
                number, found = self.factors(x, labels)
                return -number, found
            case Apply(Broadcast(axes=axes), (x,)):
                return self.factors(x, tuple(labels[axis] for axis in axes))
            case Apply(Permute(order), (x,)):
                return self.factors(x, _unpermuted(order, labels))
            case Apply(Multiply(), (x, y)) if node.type.ndim:
                (a, first), (b, second) = self.factors(x, labels), self.factors(y, labels)
                return a * b, (*first, *second)
            case Apply(DivideNoNan(), (x, y)) | Apply(Divide(), (x, Apply(Broadcast()) as y)):
                (a, first), (b, second) = self.factors(x, labels), self._reciprocal(y, labels)
                return a * b, (*first, *second)
            case Apply(Divide(), (Apply(Broadcast()) as x, y)):
                (a, first), (b, second) = self.factors(x, labels), self._reciprocal(y, labels)
                return a * b, (*first, *second)
            case Apply(Contract(inputs, output) as contract, operands) if self._splits(contract):
                names = dict(zip(output, labels, strict=True))
                for label, dim in contract.sizes([operand.type for operand in operands]).items():
                    if label not in names:
                        (names[label],) = self.fresh((dim,))
                number, found = 1.0, ()
                for operand, each in zip(operands, inputs, strict=True):
                    value, more = self.factors(operand, tuple(names[label] for label in each))
                    number, found = number * value, (*found, *more)
                return number, found
            case Apply(DiagonalMatrix(), (x,)):
                one = identity(node.type.shape[-1], node.type.dtype)
                if node is one:
                    return 1.0, ((one, labels),)
                number, found = self.factors(x, labels[:-1])
                return number, (*found, (one, labels[-2:]))
            case Apply(Reshape(), (x,)) if (inner := self._reshaped(node, x, labels)) is not None:
                return self.factors(x, inner)
        return 1.0, ((node, labels),)

    def _splits(self, contract: Contract) -> bool:
        """Whether a product is read by its factors: one without a sum, or one with more axes than a matrix."""
        labels = {label for each in contract.inputs for label in each}
        return labels == set(contract.output) or len(contract.output) > 2

    def _scale(self, number: Node) -> tuple[float, tuple[Factor, ...]]:
        match number:
            case Const(float() | int() as value) if math.isfinite(value):
                return float(value), ()
            case Apply(Multiply(), (x, y)):
                (a, first), (b, second) = self._scale(x), self._scale(y)
                return a * b, (*first, *second)
            case Apply(Divide(), (Const(float() | int() as value), y)) if value != 1 and math.isfinite(value):
                return float(value), ((1 / y, ()),)
        return 1.0, ((number, ()),)

    def _reciprocal(self, y: Node, labels: Labels) -> tuple[float, tuple[Factor, ...]]:
        """Return 1/y. Where a norm is 0 it has no second derivative, so that 1/y needs no value there."""
        match y:
            case Apply(Broadcast(axes=axes), (x,)):
                return self._reciprocal(x, tuple(labels[axis] for axis in axes))
        if is_scale(y):
            return self._scale(1 / refilled(y, _scalar(y)))
        return 1.0, ((Divide()(Const(1, y.type), y), labels),)


def _scalar(node: Node) -> ArrayType:
    return ArrayType((), node.type.dtype)


def _unpermuted(order: Sequence[int], labels: Labels) -> Labels:
    """Return the labels of the operand of a permutation with the labels of its result."""
    return tuple(labels[order.index(axis)] for axis in range(len(order)))


def _selection(primitive: Slice | Pad | CumulativeSum, axis: int, size: Dim, dtype: DType) -> Node | None:
    """Return the matrix by which a primitive acts along one axis; None where it leaves it as it is."""
    one = identity(size, dtype)
    match primitive:
        case CumulativeSum(along, reverse):
            return CumulativeSum(0, reverse)(one) if along == axis else None
        case Slice(starts, sizes, strides):
            if (starts[axis], sizes[axis], strides[axis]) == (0, size, 1):
                return None
            return Slice((starts[axis], 0), (sizes[axis], size), (strides[axis], 1))(one)
        case Pad(low, high, interior):
            if (low[axis], high[axis], interior[axis]) == (0, 0, 0):
                return None
            return Pad((low[axis], 0), (high[axis], 0), (interior[axis], 0))(one)
