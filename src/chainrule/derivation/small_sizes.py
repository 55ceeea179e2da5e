"""Small numbers for named sizes, at which a function is verified."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from chainrule.derivation.points import bind_nodes
from chainrule.ir import Input, Node, Program, SymbolicDim, applies, bind_dim, concrete
from chainrule.primitives import (
    Adjugate,
    Cholesky,
    Determinant,
    Inverse,
    LogDeterminant,
    Pseudoinverse,
    SignDeterminant,
    TriangularSolve,
    evaluate_nodes,
)

_OF_FULL_RANK = (
    Adjugate,
    Cholesky,
    Determinant,
    Inverse,
    LogDeterminant,
    Pseudoinverse,
    SignDeterminant,
    TriangularSolve,
)
"""Functions of matrices that are verified at matrices of full column rank."""

_ORDERS = 24
"""The number of assignments that are tried."""


def small_sizes(program: Program) -> dict[str, int]:
    """Return distinct small numbers for the named sizes of a program.

    If it inverts matrices or takes determinants, they are chosen such that these matrices have full rank where the
    inputs do: for X of n×d, XᵀX has an inverse only if n ≥ d.
    """
    sizes = _distinct(program)
    inverted = [node.operands[0] for node in program.nodes if applies(node, *_OF_FULL_RANK)]
    if not inverted or len(sizes) < 2:
        return sizes
    return next((found for found in _assignments(sizes) if _have_full_rank(inverted, found)), sizes)


def _assignments(sizes: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Yield the same numbers for the names in several orders, beginning with the given one."""
    for numbers in itertools.islice(itertools.permutations(sizes.values()), _ORDERS):
        yield dict(zip(sizes, numbers, strict=True))


def _have_full_rank(matrices: Sequence[Node], sizes: Mapping[str, int]) -> bool:
    """Whether the matrices have full rank at a random point; one that is not finite there is not judged."""
    random = np.random.default_rng(0)
    bound = bind_nodes(matrices, sizes)
    inputs = {node for node in bound.values() if isinstance(node, Input)}
    values: dict[Node, np.ndarray] = {
        node: np.asarray(random.standard_normal(node.type.concrete_shape)).astype(node.type.dtype.numpy)
        if node.type.dtype.is_float
        else np.zeros(node.type.concrete_shape, node.type.dtype.numpy)
        for node in sorted(inputs, key=lambda node: node.name)
    }
    with np.errstate(all="ignore"):
        found = evaluate_nodes([bound[node] for node in matrices], values)
    for node in matrices:
        matrix = found[bound[node]]
        if np.isfinite(matrix).all() and np.min(np.linalg.matrix_rank(matrix)) < matrix.shape[-1]:
            return False
    return True


def _distinct(program: Program) -> dict[str, int]:
    """Return distinct small numbers for the named sizes, distinct also from other axes, so that swaps are detected.

    A size that is subtracted from another, such as that of a window, gets one of the smallest; the other is increased
    until at least two positions remain.
    """
    names = program.dim_names
    fixed = {dim for node in program.nodes for dim in node.type.shape if isinstance(dim, int)}
    shortened = {dim for node in program.nodes for dim in node.type.shape if isinstance(dim, SymbolicDim)}
    shortened = {dim for dim in shortened if any(number < 0 for _, number in dim.terms)}
    taken_off = {name for dim in shortened for monomial, number in dim.terms if number < 0 for name in monomial}
    if not taken_off:
        numbers = itertools.chain((3, 4, 5, 2), itertools.count(6))
        return dict(zip(names, (number for number in numbers if number not in fixed), strict=False))
    numbers = itertools.chain((3, 2), itertools.count(4))
    sizes = dict(
        zip([*(n for n in names if n in taken_off), *(n for n in names if n not in taken_off)], numbers, strict=False)
    )
    for _ in range(len(shortened) * len(names)):
        tight = next((dim for dim in shortened if concrete(bind_dim(dim, sizes)) < 2), None)
        if tight is None:
            break
        longest = [name for monomial, number in tight.terms if number > 0 for name in monomial]
        if not longest:
            break
        sizes[longest[-1]] = max(sizes.values()) + 1
    return sizes
