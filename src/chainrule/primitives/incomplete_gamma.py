"""Derivatives of the regularized incomplete gamma functions by their first argument, which SciPy does not compute.

P(a, x) = Σ e^g, g = (a + n) ln x − x − ln Γ(a + n + 1), summed over n ≥ 0, converges quickly unless x is large. There,
1 − P = ∫ e^g ds over s > 0, g = (a − 1) ln(x + s) − x − s − ln Γ(a), which Gauss–Laguerre quadrature gives. In both,
the derivatives by a of any order are those of e^g, i.e. e^g times a polynomial in the derivatives of g.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from chainrule.primitives.base import Array

_LARGE = 12.0
"""The x from which on the quadrature is used, if it also is beyond a + 1."""
_NODES = 48
_BLOCK = 64


def gammainc_by_first(special: Any, order: int, a: Array, x: Array) -> Array:
    """Return ∂ᵏP(a, x)/∂aᵏ of floats of one shape, k = `order`, with SciPy's module `special`."""
    a, x = np.broadcast_arrays(np.asarray(a, np.float64), np.asarray(x, np.float64))
    found = np.full(a.shape, math.nan)
    known = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    found[(a > 0) & ((x == 0) | (x == math.inf)) & (a < math.inf)] = 0
    far = known & (x > _LARGE) & (x > a + 1)
    found[far] = -_above(special, order, a[far], x[far])
    near = known & ~far
    found[near] = _series(special, order, a[near], x[near])
    return found


def _series(special: Any, order: int, a: Array, x: Array) -> Array:
    total = np.zeros_like(a)
    for start in range(0, 100_000, _BLOCK):
        shifted = a[:, None] + np.arange(start, start + _BLOCK) + 1
        power = (shifted - 1) * np.log(x)[:, None] - x[:, None] - special.gammaln(shifted)
        terms = np.exp(power) * _factor(special, order, np.log(x)[:, None], shifted)
        total += terms.sum(1)
        if np.all((np.abs(terms[:, -1]) <= 1e-18 * np.abs(total)) | (shifted[:, -1] > x + 40 * np.sqrt(x) + 200)):
            break
    return total


def _above(special: Any, order: int, a: Array, x: Array) -> Array:
    nodes, weights = _laguerre()
    logarithm = np.log(x[:, None] + nodes)
    power = (a[:, None] - 1) * logarithm - x[:, None] - special.gammaln(a)[:, None]
    return np.asarray((weights * np.exp(power) * _factor(special, order, logarithm, a[:, None])).sum(1))


def _factor(special: Any, order: int, logarithm: Array, argument: Array) -> Array:
    """The derivative of e^g over e^g, where g′ = `logarithm` − ψ(`argument`), by (e^g)⁽ᵏ⁺¹⁾ = (g′ e^g)⁽ᵏ⁾."""
    slopes: list[Callable[[], Array]] = [lambda: logarithm - special.digamma(argument)]
    slopes += [lambda k=k: -special.polygamma(k, argument) for k in range(1, order)]  # type: ignore[misc]
    values = [slope() for slope in slopes]
    found = [np.ones_like(argument * logarithm)]
    for k in range(order):
        found.append(np.asarray(sum(math.comb(k, j) * values[j] * found[k - j] for j in range(k + 1))))
    return found[order]


@cache
def _laguerre() -> tuple[Array, Array]:
    nodes, weights = np.polynomial.laguerre.laggauss(_NODES)
    return nodes, weights
