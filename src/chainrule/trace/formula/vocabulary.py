"""The functions of formulas: their number of arrays, options, result shape, and builder.

They build the same nodes as the NumPy function of the same name in a traced function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule import functions, primitives
from chainrule.ir import ArrayType, Const, Dim, DType, Node, Operand
from chainrule.primitives import (
    Kronecker,
    Vec,
    as_floats,
    broadcast_to,
    cast,
    erfc,
    exp,
    identity,
    logical_and,
    logical_not,
    logical_or,
    matmul,
    special_function,
    sqrt,
    square,
    where,
)
from chainrule.trace.formula import rules
from chainrule.trace.formula.errors import Span
from chainrule.trace.formula.products import MisfitError
from chainrule.trace.formula.rules import Options, Rule
from chainrule.trace.formula.sizes import Kind, unify
from chainrule.trace.formula.syntax import Option
from chainrule.trace.literals import as_node
from chainrule.trace.special import huber
from chainrule.trace.ufuncs import UFUNC_CALLS
from chainrule.trace.vocabulary import FUNCTIONS

MOST_ARGUMENTS = 8
"""The maximum number of arguments of a function without a definition."""

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


def _number(size: Dim) -> Node:
    return Const(float(size) if isinstance(size, int) else size, ArrayType(()))


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


def matrix_power(x: Operand, exponent: int) -> Node:
    """Return the power of a square matrix, of which a negative one is that of the inverse."""
    return call_numpy(np.linalg.matrix_power, as_node(x), exponent)


def _built_concatenation(*parts: Operand, axis: int = 0) -> Node:
    return call_numpy(np.concatenate, [_floats(part) for part in parts], axis=axis)


def _built_einsum(*operands: Operand, subscripts: str) -> Node:
    return call_numpy(np.einsum, subscripts.replace(" ", ""), *map(_floats, operands))


def _correlation(x: Operand, y: Operand) -> Node:
    """Return Pearson's correlation coefficient of two vectors."""
    u, v = (node - call_numpy(np.mean, node) for node in map(_floats, (x, y)))
    return matmul(u, v) / (call_numpy(np.linalg.norm, u) * call_numpy(np.linalg.norm, v))


def _normal_density(x: Operand, mean: Operand, spread: Operand) -> Node:
    """Return the density of the normal distribution, with a variance, or with a covariance matrix."""
    away, covariance = _floats(x) - _floats(mean), _floats(spread)
    if covariance.type.ndim < 2:
        squared, volume = square(away) / covariance, 2 * math.pi * covariance
    else:
        size = _number(covariance.type.shape[0])
        squared = matmul(away, call_numpy(np.linalg.solve, covariance, away))
        volume = _ufunc("power")(2 * math.pi, size) * call_numpy(np.linalg.det, covariance)
    return exp(-squared / 2) / sqrt(volume)


def _built_indexed(x: Operand, labels: str, of: str) -> Node:
    node = _floats(x)
    order = sorted(range(len(labels)), key=lambda place: of.index(labels[place]))
    turned = node if order == sorted(order) else call_numpy(np.transpose, node, order)
    missing = [place for place, letter in enumerate(of) if letter not in labels]
    return call_numpy(np.expand_dims, turned, tuple(missing)) if missing else turned


def _built_huber(r: Operand, threshold: Operand = 1.0, delta: float | None = None) -> Node:
    return huber(threshold if delta is None else delta, r)


def _indicator(x: Operand) -> Node:
    node = as_node(x)
    condition = node if node.type.dtype is DType.BOOL else node_above_zero(node)
    return cast(condition, DType.FLOAT64)


def node_above_zero(node: Node) -> Node:
    """`node > 0`."""
    result: Node = UFUNC_CALLS["greater"](node, 0)
    return result


def _elementwise(build: Build, count: int = 1, *options: str) -> Function:
    return Function(count, count, options, rules.pointwise_kind, build)


def _reduction(function: Callable[..., Any], *options: str) -> Function:
    return Function(1, 1, ("axis", "keepdims", *options), rules.reduced_kind, _numpy(function), Kind(()))


def abstract_function(name: str, sizes: str | None) -> Function:
    """Return a function without a definition: elementwise, or of a vector if `sizes` are given."""
    build = functions.function(name, sizes)
    if sizes is None:
        return Function(1, MOST_ARGUMENTS, (), rules.pointwise_kind, lambda *args: build(*map(_floats, args)))
    given, outputs = functions.sizes_of(name, sizes)

    def rule(kinds: Sequence[Kind], options: Options, span: Span) -> Kind:
        for kind, size in zip(kinds, given, strict=True):
            if kind.rank != 1:
                raise MisfitError(f"{name} takes a vector, not {kind.text}", span)
            if not unify(kind.sizes[0], size):
                raise MisfitError(f"{name} takes a vector of {size} numbers, not {kind.text}", span)
        return Kind(outputs, open=any(kind.open for kind in kinds))

    return Function(len(given), len(given), (), rule, lambda *args: build(*map(_floats, args)))


_ACTIVATIONS = (
    functions.sigmoid, functions.log_sigmoid, functions.softplus, functions.relu, functions.silu, functions.gelu,
    functions.erf,
)  # fmt: skip

INDEXED = Function(1, 1, ("labels", "of"), rules.indexed_kind, _built_indexed)
"""What a name with indices stands for below a sum over indices."""

PICKED = Function(
    2, 2, (), rules.picked_kind, lambda x, index: primitives.take(_floats(x), as_node(index), 0), Kind(())
)
"""What z_y stands for beside a sum over the elements of z: the element whose number is y."""

VOCABULARY: dict[str, Function] = {
    **{name: _elementwise(_ufunc(name), kind.arity) for name, kind in primitives.UFUNCS.items() if name != "absolute"},
    "sinc": _elementwise(lambda x: call_numpy(np.sinc, x), 1),  # which NumPy has as a function of arrays
    **{name: _elementwise(_ufunc(name)) for name in ("log2", "log10", "square", "reciprocal")},
    **{function.__name__: _elementwise(_named(function)) for function in _ACTIVATIONS},
    "gelu": _elementwise(_named(functions.gelu), 1, "approximate"),
    "leaky_relu": _elementwise(_named(functions.leaky_relu), 1, "negative_slope"),
    "elu": _elementwise(_named(functions.elu), 1, "alpha"),
    "abs": _elementwise(_ufunc("absolute")),
    "indicator": _elementwise(_indicator),
    "digamma": _elementwise(_named(special_function("digamma"))),
    "erfc": _elementwise(_named(erfc)),
    "gamma_function": _elementwise(_named(special_function("gamma"))),
    "huber": Function(1, 2, ("delta",), rules.pointwise_kind, _built_huber),
    "gammaln": _elementwise(_named(special_function("gammaln"))),
    "trigamma": _elementwise(_named(special_function("polygamma", 1))),
    "multiply": _elementwise(_ufunc("multiply"), 2),
    "concatenate": Function(1, MOST_ARGUMENTS, ("axis",), rules.concatenate_kind, _built_concatenation),
    "corr": Function(2, 2, (), rules.inner_kind, _correlation, Kind(())),
    "cumsum": Function(1, 1, ("axis",), rules.cumulative_kind, _numpy(np.cumsum)),
    "diff": Function(1, 1, (), rules.diff_kind, _numpy(np.diff)),
    "einsum": Function(1, MOST_ARGUMENTS, ("subscripts",), rules.einsum_kind, _built_einsum),
    "matrix_power": Function(1, 1, ("exponent",), rules.square_to_square_kind, matrix_power),
    "normal_density": Function(3, 3, (), rules.normal_density_kind, _normal_density),
    "clip": _elementwise(_numpy(np.clip), 3),
    "where": Function(3, 3, (), rules.where_kind, _built_where),
    "logical_and": Function(2, 2, (), rules.condition_kind, lambda x, y: logical_and(x, y)),
    "logical_or": Function(2, 2, (), rules.condition_kind, lambda x, y: logical_or(x, y)),
    "logical_not": Function(1, 1, (), rules.condition_kind, lambda x: logical_not(x)),
    "sum": _reduction(np.sum),
    "mean": _reduction(np.mean),
    "max": _reduction(np.max),
    "min": _reduction(np.min),
    "var": _reduction(np.var, "ddof"),
    "std": _reduction(np.std, "ddof"),
    "logsumexp": Function(1, 1, ("axis", "keepdims"), rules.reduced_kind, _named(functions.logsumexp), Kind(())),
    "norm": Function(1, 1, ("ord", "axis", "keepdims"), rules.norm_kind, _built_norm, Kind(())),
    "softmax": Function(1, 1, ("axis",), rules.along_kind, _named(functions.softmax)),
    "log_softmax": Function(1, 1, ("axis",), rules.along_kind, _named(functions.log_softmax)),
    "layer_norm": Function(1, 3, ("eps",), rules.along_kind, _named(functions.layer_norm)),
    "rms_norm": Function(1, 2, ("eps",), rules.along_kind, _named(functions.rms_norm)),
    "matmul": Function(2, 2, (), rules.matmul_kind, lambda x, y: matmul(as_node(x), as_node(y))),
    "tr": Function(1, 1, (), rules.square_to_number_kind, _numpy(np.trace), Kind(())),
    "det": Function(1, 1, (), rules.square_to_number_kind, _numpy(np.linalg.det), Kind(())),
    "logdet": Function(1, 1, (), rules.square_to_number_kind, _named(functions.logdet), Kind(())),
    "inv": Function(1, 1, (), rules.square_to_square_kind, _numpy(np.linalg.inv)),
    "solve": Function(2, 2, (), rules.solve_kind, _numpy(np.linalg.solve)),
    "diag": Function(1, 1, (), rules.diag_kind, _built_diag),
    "eye": Function(1, 1, (), rules.eye_kind, _built_eye),
    "ones": Function(1, 2, (), rules.ones_kind, _built_ones),
    "vector": Function(1, 1, (), rules.filled_kind(1), repeated),
    "matrix": Function(1, 1, (), rules.filled_kind(2), repeated),
    "dot": Function(2, 2, (), rules.dot_kind, _numpy(np.dot)),
    "inner": Function(2, 2, (), rules.inner_kind, _numpy(np.dot)),
    "outer": Function(2, 2, (), rules.outer_kind, _built_outer),
    "length": Function(1, 1, (), rules.length_kind, lambda x: _number(as_node(x).type.size), Kind(())),
    "numel": Function(1, 1, (), rules.counted_kind, lambda x: _number(as_node(x).type.size), Kind(())),
    "size": Function(1, 1, ("dim",), rules.size_kind, lambda x, dim: _number(as_node(x).type.shape[dim - 1])),
    "kron": Function(2, 2, (), rules.kronecker_kind, lambda x, y: Kronecker()(_floats(x), _floats(y))),
    "vec": Function(1, 1, (), rules.vec_kind, lambda x: Vec()(_floats(x))),
    "transpose": Function(1, 1, (), rules.transpose_kind, _numpy(np.transpose)),
    "mean_squared_error": Function(2, 2, (), rules.same_shapes_kind, _named(functions.mean_squared_error), Kind(())),
    "binary_cross_entropy": Function(
        2, 2, (), rules.same_shapes_kind, _named(functions.binary_cross_entropy), Kind(())
    ),
    "cross_entropy": Function(2, 2, (), rules.cross_entropy_kind, _cross_entropy_node, Kind(())),
}
