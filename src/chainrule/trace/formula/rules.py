"""The kind of the result of each function of formulas, for the kinds of its arguments."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from chainrule.ir import DType, dim_product
from chainrule.trace.formula.errors import Span
from chainrule.trace.formula.products import MisfitError, elementwise, kronecker, matmul, outer, square, transpose
from chainrule.trace.formula.sizes import Kind, Size, Unknown, found, unify

Options: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[Sequence[Kind], Options, Span], Kind]


def pointwise_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a function that goes element by element."""
    return elementwise(kinds, span)


def filled_kind(rank: int) -> Rule:
    """Return the rule of an array that repeats a number, in the shape that fits."""

    def rule(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
        (kind,) = kinds
        if kind.rank:
            raise MisfitError(f"this repeats a number, not {kind.text}", span)
        return Kind(tuple(Unknown("1", axis) for axis in range(rank)), open=True)

    return rule


def condition_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a logical operation."""
    kind = elementwise(kinds, span)
    return Kind(kind.sizes, kind.row, DType.BOOL, kind.open)


def where_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a choice between two arrays."""
    return elementwise(kinds, span)


def _axes(kind: Kind, options: Options, span: Span) -> tuple[int, ...]:
    axis = options.get("axis")
    if axis is None:
        return tuple(range(kind.rank))
    axes = axis if isinstance(axis, tuple) else (axis,)
    places: list[int] = []
    for entry in axes:
        assert isinstance(entry, int)
        if not -kind.rank <= entry < kind.rank:
            last = "it has none" if not kind.rank else f"its axes are {', '.join(map(str, range(kind.rank)))}"
            raise MisfitError(f"{kind.text} has no axis {entry}; {last}", span)
        places.append(entry % kind.rank)
    if len(set(places)) < len(places):
        raise MisfitError("an axis is named twice", span)
    return tuple(places)


def reduced_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a reduction along the axes of the options."""
    (kind,) = kinds
    if kind.open and not kind.rank:
        raise MisfitError("this is taken over the elements of an array, not of a number", span)
    axes = _axes(kind, options, span)
    kept: list[Size] = []
    for axis, size in enumerate(kind.sizes):
        if axis not in axes:
            kept.append(size)
        elif options.get("keepdims"):
            kept.append(1)
    return Kind(tuple(kept), kind.row and len(kept) == 1, open=kind.open and bool(kept))


def norm_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a norm, whose order fits the number of axes."""
    (kind,) = kinds
    if kind.rank == 0:
        raise MisfitError("the norm of a number is its absolute value; write abs(x)", span)
    over = len(_axes(kind, options, span))
    order = options.get("ord")
    if over > 1 and order == 2:
        raise MisfitError(
            "the norm of order 2 of a matrix is its largest singular value, which has no formula here; norm(A) is the "
            "Frobenius norm",
            span,
        )
    if over > 1 and order not in (None, "fro"):
        raise MisfitError(
            f"there is no norm of order {order} of a matrix; norm(A) is the Frobenius norm, and "
            f"{'sum(abs(A))' if order == 1 else 'max(abs(A))' if order == 'inf' else 'sum(A**2)'} adds up or looks at "
            "all elements",
            span,
        )
    if over > 2:
        raise MisfitError(f"norm takes a vector or a matrix, not {kind.text}; write sqrt(sum(x**2))", span)
    return reduced_kind(kinds, options, span)


def along_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of the argument, which must have the axis."""
    kind = kinds[0]
    if kind.rank == 0:
        raise MisfitError("this takes a vector or a matrix, not a number", span)
    _axes(kind, options, span)
    for other in kinds[1:]:
        if elementwise([kind, other], span).rank != kind.rank:
            raise MisfitError(f"{other.text} does not broadcast to {kind.text}", span)
    return Kind(kind.sizes, kind.row, open=kind.open)


def square_to_number_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a number that belongs to a square matrix."""
    square(kinds[0], "this", span)
    return Kind(())


def square_to_square_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a square matrix that belongs to another."""
    kind = square(kinds[0], "the inverse", span)
    return Kind(kind.sizes, open=kind.open)


def diag_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a diagonal, or a matrix that has it."""
    (kind,) = kinds
    if kind.rank == 1:
        return Kind((*kind.sizes, *kind.sizes), open=kind.open)
    return Kind(square(kind, "diag", span).sizes[:1], open=kind.open)


def solve_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of the solution of a system."""
    matrix, right = square(kinds[0], "solve", span), kinds[1]
    return matmul(matrix, right, span)


def eye_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of an identity matrix."""
    size = options["sizes"]
    return Kind((size[0], size[0]))


def ones_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of an array of ones."""
    return Kind(options["sizes"])


def dot_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of `dot`, of vectors or matrices."""
    a, b = (Kind(kind.sizes, False, kind.dtype, kind.open) if kind.rank == 1 else kind for kind in kinds)
    if not a.rank or not b.rank:
        return elementwise([a, b], span)
    if a.rank > 2 or b.rank > 2:
        raise MisfitError("dot takes vectors and matrices; write A @ B for batches of matrices", span)
    return matmul(a, b, span)


def inner_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of an inner product of vectors."""
    if any(kind.rank != 1 for kind in kinds):
        raise MisfitError(f"inner takes two vectors, not {' and '.join(kind.text for kind in kinds)}", span)
    return dot_kind(kinds, options, span)


def outer_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of an outer product of vectors."""
    if any(kind.rank != 1 for kind in kinds):
        raise MisfitError(f"outer takes two vectors, not {' and '.join(kind.text for kind in kinds)}", span)
    left, right = kinds
    return outer(left, right)


def kronecker_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a Kronecker product."""
    left, right = kinds
    return kronecker(left, right, span)


def vec_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of the columns of a matrix in one vector."""
    (kind,) = kinds
    sizes = [size for size in map(found, kind.sizes) if not isinstance(size, Unknown)]
    if kind.rank != 2:
        raise MisfitError(f"vec takes a matrix, not {kind.text}", span)
    return Kind((dim_product(sizes) if len(sizes) == 2 else Unknown("vec", 0),), open=kind.open)


def concatenate_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of vectors one below the other, or of matrices along an axis."""
    if len({kind.rank for kind in kinds}) > 1 or not 1 <= kinds[0].rank <= 2:
        raise MisfitError(f"[x; y] is of vectors, or of matrices, not {' and '.join(k.text for k in kinds)}", span)
    axis = options.get("axis", 0)
    if not isinstance(axis, int) or not 0 <= axis < kinds[0].rank:
        raise MisfitError(f"{kinds[0].text} has no axis {axis}", span)
    others = [[size for place, size in enumerate(kind.sizes) if place != axis] for kind in kinds]
    if not all(unify(x, y) for sizes in others[1:] for x, y in zip(others[0], sizes, strict=True)):
        raise MisfitError(f"{' and '.join(k.text for k in kinds)} cannot be joined; their other sizes differ", span)
    joined: Size = Unknown("[", axis)
    known = [size for size in (found(kind.sizes[axis]) for kind in kinds) if not isinstance(size, Unknown)]
    if len(known) == len(kinds):
        joined = functools.reduce(operator.add, known)
    sizes = (*others[0][:axis], joined, *others[0][axis:])
    return Kind(sizes, open=any(kind.open for kind in kinds))


def diff_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of the differences of neighbours in a vector, which are one fewer."""
    (kind,) = kinds
    if kind.rank != 1:
        raise MisfitError(f"diff takes a vector, not {kind.text}", span)
    size = found(kind.sizes[0])
    return Kind((Unknown("diff", 0) if isinstance(size, Unknown) else size - 1,), open=kind.open)


def cumulative_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of the sums of the elements up to each."""
    (kind,) = kinds
    if kind.rank > 1 and options.get("axis") is None:
        raise MisfitError(
            "cumsum of a matrix is along its columns in MATLAB, and of all elements in NumPy; write cumsum(X, axis=0) "
            "for the first",
            span,
        )
    return along_kind(kinds, options, span)


def einsum_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a sum of products over the indices that the result lacks."""
    subscripts = str(options.get("subscripts", "")).replace(" ", "")
    left, arrow, right = subscripts.partition("->")
    terms = left.split(",")
    if not left or len(terms) != len(kinds):
        raise MisfitError(
            "einsum takes its indices in quotes first, one term for each array, as in einsum('ij,jk->ik', A, B)", span
        )
    if not arrow:
        right = "".join(sorted(letter for letter in set(left) - {","} if left.count(letter) == 1))
    sizes: dict[str, Size] = {}
    for term, kind in zip(terms, kinds, strict=True):
        if len(term) != kind.rank:
            raise MisfitError(f"einsum has {len(term)} indices for {kind.text}", span)
        for letter, size in zip(term, kind.sizes, strict=True):
            if not unify(sizes.setdefault(letter, size), size):
                raise MisfitError(f"the index {letter} of einsum has two sizes", span)
    if not set(right) <= sizes.keys() or len(set(right)) < len(right):
        raise MisfitError(f"the result of einsum has the indices {right}, and the arrays have {left}", span)
    kept = tuple(sizes[letter] for letter in right)
    return Kind(kept, open=bool(kept) and any(kind.open for kind in kinds))


def normal_density_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a density: with a covariance matrix it is a number, otherwise one for each element."""
    x, mean, spread = kinds
    if spread.rank < 2:
        return elementwise(kinds, span)
    size = square(spread, "a covariance", span).sizes[0]
    if x.rank != 1 or mean.rank != 1 or not all(unify(each, size) for kind in (x, mean) for each in kind.sizes):
        raise MisfitError(f"a density with a covariance matrix is of a vector of its size, not of {x.text}", span)
    return Kind(())


def indexed_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of an array below a sum: an axis for each index, of size 1 for those that it lacks."""
    (kind,) = kinds
    labels, of = str(options["labels"]), str(options["of"])
    if kind.rank != len(labels):
        raise MisfitError(f"{len(labels)} indices are those of {len(labels)} axes, and this is {kind.text}", span)
    size_of = dict(zip(labels, kind.sizes, strict=True))
    return Kind(tuple(size_of.get(letter, 1) for letter in of), open=kind.open)


def picked_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of one element of a vector."""
    vector, index = kinds
    if vector.rank != 1 or index.rank:
        raise MisfitError("an element has one index, which is a number, and is that of a vector", span)
    return Kind(())


def length_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of the length of a vector."""
    (kind,) = kinds
    if kind.rank != 1:
        raise MisfitError(f"length takes a vector, not {kind.text}; write size(X, 1) or numel(X)", span)
    return Kind(())


def counted_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a number of elements."""
    return Kind(())


def size_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of the size of one axis."""
    (kind,) = kinds
    place = options.get("dim")
    if not isinstance(place, int) or not 1 <= place <= kind.rank:
        raise MisfitError(
            f"size takes an axis, counted from 1, of an array, as in size(X, 1), not of {kind.text}", span
        )
    return Kind(())


def matmul_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a matrix product."""
    left, right = kinds
    return matmul(left, right, span)


def transpose_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a transpose."""
    return transpose(kinds[0])


def same_shapes_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of a number that belongs to two arrays of one shape."""
    a, b = kinds
    if a.rank != b.rank or not all(unify(x, y) for x, y in zip(a.sizes, b.sizes, strict=True)):
        raise MisfitError(f"this takes two arrays of one shape, not {a.text} and {b.text}", span)
    return Kind(())


def cross_entropy_kind(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of the cross-entropy of logits and labels."""
    logits, labels = kinds
    if labels.dtype is not DType.INT64:
        raise MisfitError(
            "cross_entropy takes integer labels; state them as in labels: n:int, or for rows of probabilities y write "
            "-mean(sum(y .* log_softmax(z), axis=-1))",
            span,
        )
    if (
        logits.rank == 0
        or logits.rank != labels.rank + 1
        or not all(unify(x, y) for x, y in zip(logits.sizes[:-1], labels.sizes, strict=True))
    ):
        raise MisfitError(
            f"cross_entropy takes logits (…, k) and labels (…), not {logits.text} and {labels.text}", span
        )
    return Kind(())
