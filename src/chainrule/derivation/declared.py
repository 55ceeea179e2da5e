"""Random values with declared properties."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import Property

FIXED_SCALE = frozenset({Property.ORTHOGONAL, Property.SIMPLEX, Property.UNIT})
"""The properties that a multiple of an array does not have."""
_LEAST = 0.05
_ROUNDING = 1e-6


def with_properties(values: NDArray[Any], declared: Collection[Property]) -> NDArray[Any]:
    """Return an array made of `values` that has the declared properties; matrices are the last two axes."""
    result = np.asarray(values, float)
    if Property.ORTHOGONAL in declared:
        return _orthogonal(result, Property.SYMMETRIC in declared)
    if Property.SKEW in declared:
        return np.asarray(result - _transposed(result))
    if any(each.implies_symmetry for each in declared):
        result = (result + _transposed(result)) / 2
    if not {Property.POSITIVE, Property.NONNEGATIVE, Property.SIMPLEX}.isdisjoint(declared):
        result = np.abs(result) + _LEAST
    if Property.DIAGONAL in declared:
        result = result * np.eye(result.shape[-1])
    if not {Property.DEFINITE, Property.SEMIDEFINITE}.isdisjoint(declared):
        size = result.shape[-1]
        result = result @ result / max(size, 1) + 0.5 * np.eye(size)
    if Property.SIMPLEX in declared:
        result = result / np.sum(result, axis=-1, keepdims=True)
    if Property.UNIT in declared:
        result = result / np.linalg.norm(result, axis=-1, keepdims=True)
    return np.asarray(result)


def has_property(values: NDArray[Any], kind: Property) -> bool:
    """Whether an array has a declared property, up to rounding."""
    value = np.asarray(values, float)
    match kind:
        case Property.POSITIVE:
            return bool(np.all(value > 0))
        case Property.NONNEGATIVE:
            return bool(np.all(value >= 0))
        case Property.SIMPLEX:
            return bool(np.all(value >= 0)) and _same(np.sum(value, axis=-1), 1.0)
        case Property.UNIT:
            return _same(np.sum(value**2, axis=-1), 1.0)
        case Property.ORTHOGONAL:
            return _same(_transposed(value) @ value, np.eye(value.shape[-1]))
        case Property.SKEW:
            return _same(value, -_transposed(value))
        case Property.DIAGONAL:
            return _same(value, value * np.eye(value.shape[-1]))
        case Property.SYMMETRIC:
            return _same(value, _transposed(value))
    if not _same(value, _transposed(value)):
        return False
    least = np.min(np.linalg.eigvalsh(value), initial=np.inf)
    return bool(least > 0 if kind is Property.DEFINITE else least >= -_ROUNDING * np.max(np.abs(value), initial=1.0))


def _same(value: NDArray[Any], other: NDArray[Any] | float) -> bool:
    return bool(np.allclose(value, other, rtol=_ROUNDING, atol=_ROUNDING))


def _transposed(matrix: NDArray[Any]) -> NDArray[Any]:
    return np.swapaxes(matrix, -1, -2)


def _orthogonal(values: NDArray[Any], symmetric: bool) -> NDArray[Any]:
    """Return the orthogonal factor of a matrix, or the reflection along its first row."""
    if symmetric:
        v = values[..., :1, :] / np.linalg.norm(values[..., :1, :], axis=-1, keepdims=True)
        return np.asarray(np.eye(values.shape[-1]) - 2 * _transposed(v) @ v)
    return np.asarray(np.linalg.qr(values)[0])
