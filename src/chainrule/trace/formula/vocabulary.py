"""The functions of formulas: their number of arrays, options, result shape, and builder.

They build the same nodes as the NumPy function of the same name in a traced function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule import functions, primitives
from chainrule.ir import ArrayType, Const, Dim, DType, Node, Operand, dim_product
from chainrule.primitives import (
    Kronecker,
    Vec,
    as_floats,
    broadcast_to,
    cast,
    identity,
    logical_and,
    logical_not,
    logical_or,
    matmul,
    where,
)
from chainrule.trace.formula.errors import Span
from chainrule.trace.formula.products import MisfitError, elementwise, kronecker, outer, square, transpose
from chainrule.trace.formula.products import matmul as matmul_kind
from chainrule.trace.formula.sizes import Kind, Size, Unknown, found, unify
from chainrule.trace.formula.syntax import Option
from chainrule.trace.literals import as_node
from chainrule.trace.ufuncs import UFUNC_CALLS
from chainrule.trace.vocabulary import FUNCTIONS

MOST_ARGUMENTS = 8
"""The maximum number of arguments of a function without a definition."""

Options: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[Sequence[Kind], Options, Span], Kind]
Build: TypeAlias = Callable[..., Node]


@dataclass(frozen=True)
class Function:
    """A function of `least` to `most` arrays; `options` are in positional order."""

    least: int
    most: int
    options: tuple[str, ...]
    rule: Rule
    build: Build
    known: Kind | None = None
    """The kind of the result if it depends neither on the arguments nor on the options."""


def call_numpy(function: Callable[..., Any], *args: Any, **options: Any) -> Node:
    """Build the nodes of a NumPy function."""
    node: Node = FUNCTIONS[function](*args, **options)
    return node


# Shapes


def _pointwise(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    return elementwise(kinds, span)


def _filled(rank: int) -> Rule:
    """Return the rule of an array that repeats a number, in the shape that fits."""

    def rule(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
        (kind,) = kinds
        if kind.rank:
            raise MisfitError(f"this repeats a number, not {kind.text}", span)
        return Kind(tuple(Unknown("1", axis) for axis in range(rank)), open=True)

    return rule


def _condition(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    kind = elementwise(kinds, span)
    return Kind(kind.sizes, kind.row, DType.BOOL, kind.open)


def _where(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
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


def _reduced(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
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


def _norm(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
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
    return _reduced(kinds, options, span)


def _along(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    """Return the kind of the argument, which must have the axis."""
    kind = kinds[0]
    if kind.rank == 0:
        raise MisfitError("this takes a vector or a matrix, not a number", span)
    _axes(kind, options, span)
    for other in kinds[1:]:
        if elementwise([kind, other], span).rank != kind.rank:
            raise MisfitError(f"{other.text} does not broadcast to {kind.text}", span)
    return Kind(kind.sizes, kind.row, open=kind.open)


def _square_to_number(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    square(kinds[0], "this", span)
    return Kind(())


def _square_to_square(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    kind = square(kinds[0], "the inverse", span)
    return Kind(kind.sizes, open=kind.open)


def _diag(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    (kind,) = kinds
    if kind.rank == 1:
        return Kind((*kind.sizes, *kind.sizes), open=kind.open)
    return Kind(square(kind, "diag", span).sizes[:1], open=kind.open)


def _solve(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    matrix, right = square(kinds[0], "solve", span), kinds[1]
    return matmul_kind(matrix, right, span)


def _eye(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    size = options["sizes"]
    return Kind((size[0], size[0]))


def _ones(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    return Kind(options["sizes"])


def _dot(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    a, b = (Kind(kind.sizes, False, kind.dtype, kind.open) if kind.rank == 1 else kind for kind in kinds)
    if not a.rank or not b.rank:
        return elementwise([a, b], span)
    if a.rank > 2 or b.rank > 2:
        raise MisfitError("dot takes vectors and matrices; write A @ B for batches of matrices", span)
    return matmul_kind(a, b, span)


def _inner(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    if any(kind.rank != 1 for kind in kinds):
        raise MisfitError(f"inner takes two vectors, not {' and '.join(kind.text for kind in kinds)}", span)
    return _dot(kinds, options, span)


def _outer(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    if any(kind.rank != 1 for kind in kinds):
        raise MisfitError(f"outer takes two vectors, not {' and '.join(kind.text for kind in kinds)}", span)
    left, right = kinds
    return outer(left, right)


def _kronecker(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    left, right = kinds
    return kronecker(left, right, span)


def _vec(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    (kind,) = kinds
    sizes = [size for size in map(found, kind.sizes) if not isinstance(size, Unknown)]
    if kind.rank != 2 or len(sizes) < 2:
        raise MisfitError(f'vec takes a matrix of stated shape, as in --shape "A: n m", not {kind.text}', span)
    return Kind((dim_product(sizes),))


def _length(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    (kind,) = kinds
    if kind.rank != 1:
        raise MisfitError(f"length takes a vector, not {kind.text}; write size(X, 1) or numel(X)", span)
    return Kind(())


def _counted(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    return Kind(())


def _size(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    (kind,) = kinds
    place = options.get("dim")
    if not isinstance(place, int) or not 1 <= place <= kind.rank:
        raise MisfitError(
            f"size takes an axis, counted from 1, of an array, as in size(X, 1), not of {kind.text}", span
        )
    return Kind(())


def _number(size: Dim) -> Node:
    return Const(float(size) if isinstance(size, int) else size, ArrayType(()))


def _matmul(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    left, right = kinds
    return matmul_kind(left, right, span)


def _transpose(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    return transpose(kinds[0])


def _same_shapes(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
    a, b = kinds
    if a.rank != b.rank or not all(unify(x, y) for x, y in zip(a.sizes, b.sizes, strict=True)):
        raise MisfitError(f"this takes two arrays of one shape, not {a.text} and {b.text}", span)
    return Kind(())


def _cross_entropy(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
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


# Builders


def _ufunc(name: str) -> Build:
    return lambda *args: UFUNC_CALLS[name](*args)


def _named(function: Callable[..., Any]) -> Build:
    return lambda *args, **options: function(*map(_floats, args), **options)


def _floats(x: Operand) -> Node:
    node = as_node(x)
    return node if node.type.dtype.is_float else as_floats(node)


def _numpy(function: Callable[..., Any]) -> Build:
    return lambda *args, **options: call_numpy(function, *map(as_node, args), **options)


def _built_norm(x: Operand, ord: Option = None, axis: Option = None, keepdims: bool = False) -> Node:
    order = {"inf": math.inf, 2: None, "fro": None}.get(ord, ord)
    return call_numpy(np.linalg.norm, as_node(x), ord=order, axis=axis, keepdims=keepdims)


def _built_diag(x: Operand) -> Node:
    node = _floats(x)
    return call_numpy(np.diag, node) if node.type.ndim == 1 else call_numpy(np.diagonal, node)


def _built_eye(sizes: tuple[Dim, ...]) -> Node:
    return identity(sizes[0])


def _built_ones(sizes: tuple[Dim, ...]) -> Node:
    return Const(1.0, ArrayType(sizes))


def repeated(value: Operand, shape: Sequence[Dim], dtype: DType) -> Node:
    """Return an array that repeats a number."""
    if isinstance(value, Node):
        return broadcast_to(value, tuple(shape))
    return Const(value, ArrayType(tuple(shape), dtype))


def _built_outer(x: Operand, y: Operand) -> Node:
    return call_numpy(np.outer, as_node(x), as_node(y))


def _built_where(condition: Operand, x: Operand, y: Operand) -> Node:
    return as_floats(where(condition, x, y))


def _cross_entropy_node(logits: Operand, labels: Operand) -> Node:
    of_nodes: Callable[..., Any] = functions.cross_entropy
    node: Node = of_nodes(as_node(logits), as_node(labels))
    return node


def _indicator(x: Operand) -> Node:
    node = as_node(x)
    condition = node if node.type.dtype is DType.BOOL else node_above_zero(node)
    return cast(condition, DType.FLOAT64)


def node_above_zero(node: Node) -> Node:
    """`node > 0`."""
    result: Node = UFUNC_CALLS["greater"](node, 0)
    return result


def _elementwise(build: Build, count: int = 1, *options: str) -> Function:
    return Function(count, count, options, _pointwise, build)


def _reduction(function: Callable[..., Any], *options: str) -> Function:
    return Function(1, 1, ("axis", "keepdims", *options), _reduced, _numpy(function), Kind(()))


def abstract_function(name: str, sizes: str | None) -> Function:
    """Return a function without a definition: elementwise, or of a vector if `sizes` are given."""
    build = functions.function(name, sizes)
    if sizes is None:
        return Function(1, MOST_ARGUMENTS, (), _pointwise, lambda *args: build(*map(_floats, args)))
    given, outputs = functions.sizes_of(name, sizes)

    def rule(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
        (kind,) = kinds
        if kind.rank != 1:
            raise MisfitError(f"{name} takes a vector, not {kind.text}", span)
        if not unify(kind.sizes[0], given):
            raise MisfitError(f"{name} takes a vector of {given} numbers, not {kind.text}", span)
        return Kind(outputs, open=kind.open)

    return Function(1, 1, (), rule, lambda x: build(_floats(x)))


_ACTIVATIONS = (
    functions.sigmoid, functions.log_sigmoid, functions.softplus, functions.relu, functions.silu, functions.gelu,
    functions.erf,
)  # fmt: skip

VOCABULARY: dict[str, Function] = {
    **{name: _elementwise(_ufunc(name), kind.arity) for name, kind in primitives.UFUNCS.items() if name != "absolute"},
    **{name: _elementwise(_ufunc(name)) for name in ("log2", "log10", "square", "tan", "reciprocal")},
    **{function.__name__: _elementwise(_named(function)) for function in _ACTIVATIONS},
    "gelu": _elementwise(_named(functions.gelu), 1, "approximate"),
    "leaky_relu": _elementwise(_named(functions.leaky_relu), 1, "negative_slope"),
    "elu": _elementwise(_named(functions.elu), 1, "alpha"),
    "abs": _elementwise(_ufunc("absolute")),
    "indicator": _elementwise(_indicator),
    "multiply": _elementwise(_ufunc("multiply"), 2),
    "clip": _elementwise(_numpy(np.clip), 3),
    "where": Function(3, 3, (), _where, _built_where),
    "logical_and": Function(2, 2, (), _condition, lambda x, y: logical_and(x, y)),
    "logical_or": Function(2, 2, (), _condition, lambda x, y: logical_or(x, y)),
    "logical_not": Function(1, 1, (), _condition, lambda x: logical_not(x)),
    "sum": _reduction(np.sum),
    "mean": _reduction(np.mean),
    "max": _reduction(np.max),
    "min": _reduction(np.min),
    "var": _reduction(np.var, "ddof"),
    "std": _reduction(np.std, "ddof"),
    "logsumexp": Function(1, 1, ("axis", "keepdims"), _reduced, _named(functions.logsumexp), Kind(())),
    "norm": Function(1, 1, ("ord", "axis", "keepdims"), _norm, _built_norm, Kind(())),
    "softmax": Function(1, 1, ("axis",), _along, _named(functions.softmax)),
    "log_softmax": Function(1, 1, ("axis",), _along, _named(functions.log_softmax)),
    "layer_norm": Function(1, 3, ("eps",), _along, _named(functions.layer_norm)),
    "rms_norm": Function(1, 2, ("eps",), _along, _named(functions.rms_norm)),
    "matmul": Function(2, 2, (), _matmul, lambda x, y: matmul(as_node(x), as_node(y))),
    "tr": Function(1, 1, (), _square_to_number, _numpy(np.trace), Kind(())),
    "det": Function(1, 1, (), _square_to_number, _numpy(np.linalg.det), Kind(())),
    "logdet": Function(1, 1, (), _square_to_number, _named(functions.logdet), Kind(())),
    "inv": Function(1, 1, (), _square_to_square, _numpy(np.linalg.inv)),
    "solve": Function(2, 2, (), _solve, _numpy(np.linalg.solve)),
    "diag": Function(1, 1, (), _diag, _built_diag),
    "eye": Function(1, 1, (), _eye, _built_eye),
    "ones": Function(1, 2, (), _ones, _built_ones),
    "vector": Function(1, 1, (), _filled(1), repeated),
    "matrix": Function(1, 1, (), _filled(2), repeated),
    "dot": Function(2, 2, (), _dot, _numpy(np.dot)),
    "inner": Function(2, 2, (), _inner, _numpy(np.dot)),
    "outer": Function(2, 2, (), _outer, _built_outer),
    "length": Function(1, 1, (), _length, lambda x: _number(as_node(x).type.size), Kind(())),
    "numel": Function(1, 1, (), _counted, lambda x: _number(as_node(x).type.size), Kind(())),
    "size": Function(1, 1, ("dim",), _size, lambda x, dim: _number(as_node(x).type.shape[dim - 1])),
    "kron": Function(2, 2, (), _kronecker, lambda x, y: Kronecker()(_floats(x), _floats(y))),
    "vec": Function(1, 1, (), _vec, lambda x: Vec()(_floats(x))),
    "transpose": Function(1, 1, (), _transpose, _numpy(np.transpose)),
    "mean_squared_error": Function(2, 2, (), _same_shapes, _named(functions.mean_squared_error), Kind(())),
    "binary_cross_entropy": Function(2, 2, (), _same_shapes, _named(functions.binary_cross_entropy), Kind(())),
    "cross_entropy": Function(2, 2, (), _cross_entropy, _cross_entropy_node, Kind(())),
}
