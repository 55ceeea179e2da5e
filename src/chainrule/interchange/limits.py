"""Limits on nodes read from a file, which prevent a malicious one from filling memory."""

from __future__ import annotations

import math

import numpy as np

from chainrule.ir import Apply, ArrayType, Const, Dim, Input, Node, SymbolicDim
from chainrule.primitives import Broadcast, Contract, Gather, Permute, Reshape, Slice
from chainrule.schema import DescriptionError

NODES = 10_000
DEPTH = 4_000
AXES = 16
TERMS = 64
"""The maximum number of terms of the number of elements of a value, as a polynomial in the named sizes."""

ELEMENTS = 2**31
"""The maximum number of elements of a value, with every named size 1."""

WORK = 2**42
"""The maximum number of multiplications of one product, with every named size 1."""


def check_type(type_: ArrayType, place: str) -> None:
    """Raise DescriptionError for a type with too many axes, too complicated sizes, or too many elements."""
    if type_.ndim > AXES:
        raise DescriptionError(f"{place} has {type_.ndim} axes; a value has at most {AXES}")
    terms, elements = 1, 1
    for dim in type_.shape:
        if isinstance(dim, int) and dim < 0:
            raise DescriptionError(f"{place} has an axis of the negative size {dim}")
        terms *= max(1, len(dim.terms)) if isinstance(dim, SymbolicDim) else 1
        elements *= max(1, _magnitude(dim))
    if terms > TERMS:
        raise DescriptionError(f"{place} has sizes of {terms} terms; a value has at most {TERMS}")
    if elements > ELEMENTS:
        raise DescriptionError(f"{place} has more than {ELEMENTS:,} elements")


def check_node(node: Node, place: str) -> None:
    """Raise DescriptionError for a node that takes too much memory or work, or may read out of bounds."""
    check_type(node.type, place)
    if not isinstance(node, Apply):
        return
    if isinstance(node.primitive, Contract):
        sizes = node.primitive.sizes([operand.type for operand in node.operands])
        if math.prod(map(_magnitude, sizes.values())) > WORK:
            raise DescriptionError(f"{place} is a product of more than {WORK:,} multiplications")
    if isinstance(node.primitive, Gather):
        _check_indices(node, place)


def _magnitude(dim: Dim) -> int:
    """Return a bound on the size if every named size is 1."""
    return sum(abs(coefficient) for _, coefficient in dim.terms) if isinstance(dim, SymbolicDim) else dim


def _check_indices(node: Apply, place: str) -> None:
    """Raise DescriptionError for computed indices. Inputs are checked when they are given, and literals here."""
    sizes = node.operands[0].type.shape[node.primitive.axis :]
    for indices, size in zip(node.operands[1:], sizes, strict=False):
        _check_index(indices, size, place)


def _check_index(indices: Node, size: Dim, place: str) -> None:
    while isinstance(indices, Apply) and isinstance(indices.primitive, Permute | Reshape | Broadcast | Slice):
        (indices,) = indices.operands
    if isinstance(indices, Input):
        return
    value = indices.value if isinstance(indices, Const) else None
    if value is None or isinstance(value, SymbolicDim) or isinstance(size, SymbolicDim):
        raise DescriptionError(f"{place} indexes with computed values, which a model in a file may not")
    if np.size(value) and not -size <= np.min(value) <= np.max(value) < size:
        raise DescriptionError(f"{place} has an index outside of an axis of size {size}")
