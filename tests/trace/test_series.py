"""Reductions with all of their options, and functions of sequences: NumPy's values, and derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

import chainrule as cr
from chainrule.engines import get_engine
from chainrule.trace import trace

_draw = np.random.default_rng(5)
V = _draw.normal(size=6)
X = _draw.normal(size=(4, 5))
W = np.array([0.5, -1.0, 2.0])
MODE: Any = "some"
MASK = X > -1.2
HOLES = np.where(X > 0.8, np.nan, X)
EMPTY = np.full((2, 3), np.nan)
AT = np.array([0.0, 0.5, 1.5, 2.0, 4.0, 4.5])

REDUCTIONS: dict[str, tuple[Callable[..., Any], Any]] = {
    "sum": (lambda x: np.sum(x, axis=0, where=MASK, initial=2.0) + x.sum(where=x > 0) + np.sum(x, initial=1.0), X),
    "mean": (lambda x: np.mean(x, axis=0, where=MASK) + x.mean(where=x > 0), X),
    "extrema": (lambda x: np.max(x, axis=0, initial=0.1) - np.min(x, initial=0.25, axis=0), X),
    "extrema of some": (lambda x: np.max(x, 0, where=MASK, initial=-9.0) + np.min(x, where=x > 0, initial=9.0), X),
    "variance": (lambda x: np.var(x, 0, where=MASK) + np.std(x, axis=0, where=MASK, ddof=1, keepdims=True), X),
    "correction": (lambda x: np.var(x, axis=1, correction=1) + np.std(x, axis=1, correction=1), X),
    "given mean": (lambda x: np.var(x, axis=1, mean=np.mean(x, axis=1, keepdims=True)) + np.std(x, mean=0.5), X),
    "ptp": (lambda x: np.ptp(x, axis=0) + np.ptp(x), X),
    "sum without nan": (lambda x: np.nansum(x, axis=0) + np.nansum(x) + np.nanmean(x, axis=0, keepdims=True), HOLES),
    "spread without nan": (lambda x: np.nanvar(x, axis=1) + np.nanstd(x, axis=1, ddof=1), HOLES),
    "extrema without nan": (lambda x: np.nanmax(x, axis=1) - np.nanmin(x, 1) + np.nanmax(x), HOLES),
    "cumulative without nan": (lambda x: np.nancumsum(x) * 0.1, HOLES),
}
TRUTH: dict[str, tuple[Callable[..., Any], Any]] = {
    "any": (lambda x: np.any(x > 1) | np.any(x > 0.5, axis=0), X),
    "all": (lambda x: np.all(x > -9, axis=1, keepdims=True) & np.all(x, axis=1)[:, None], X),
    "any and all of some": (lambda x: np.any(x > 0, axis=0, where=MASK) ^ np.all(x < 1, axis=0, where=MASK), X),
    "methods": (lambda x: (x > 0).any(axis=0) & (x < 9).all(axis=0), X),
    "count_nonzero": (lambda x: np.count_nonzero(x > 0, axis=1) + np.count_nonzero(x), X),
    "reduce": (lambda x: np.logical_and.reduce(x > 0, axis=1) | np.logical_or.reduce(x > 1, axis=1), X),
    "extrema of nothing": (lambda x: np.isnan(np.nanmax(x, axis=1)) & np.isnan(np.nanmin(x, axis=1)), EMPTY),
}
SERIES: dict[str, tuple[Callable[..., Any], Any]] = {
    "gradient of parabolas": (lambda x: np.gradient(x, 0.5, edge_order=2, axis=1) + np.gradient(x, edge_order=2)[0], X),
    "gradient at points": (lambda v: np.gradient(v, AT, edge_order=2), V),
    "polyadd": (lambda v: np.polyadd(v, W) * np.polysub(v[:2], v), V),
    "polymul": (lambda v: np.polymul(v, v[:3] * W), V),
    "polyder": (lambda v: np.polyder(v) + np.polyder(v**2, 1), V),
    "polyder to nothing": (lambda v: np.polyder(v[:2], 2).sum() * v, V),
    "polyint": (lambda v: np.polyint(v, 2) * np.polyint(v**2, m=2), V),
    "unwrap": (lambda v: np.unwrap(4 * v) + np.unwrap(9 * v, period=3.0), V),
    "unwrap along": (lambda x: np.unwrap(5 * x, axis=0), X),
    "diff": (lambda v: np.diff(v) ** 2, V),
    "diff of diff": (lambda x: np.diff(x, n=2, axis=0) + np.diff(x, axis=1)[:2, :1], X),
    "diff with ends": (lambda v: np.diff(v, prepend=0.0) + np.diff(v, append=[1.5]), V),
    "ediff1d": (lambda v: np.ediff1d(v, to_begin=0.5, to_end=v[:2]), V),
    "trapezoid": (lambda v: np.trapezoid(v) + np.trapezoid(v, dx=0.5) + np.trapezoid(v, AT), V),
    "trapezoid along axes": (lambda x: np.trapezoid(x, axis=0) + np.trapezoid(x, np.arange(4.0) ** 2, axis=0), X),
    "gradient": (lambda v: np.gradient(v) + np.gradient(v, 0.5) + np.gradient(v, AT), V),
    "gradient along axes": (lambda x: np.gradient(x, axis=1) * np.gradient(x)[0] + np.gradient(x, AT[:4], axis=0), X),
    "cumulative sum": (lambda v: np.cumulative_sum(v, include_initial=True)[1:] * np.cumulative_sum(v), V),
    **{
        f"convolve {mode}": (lambda v, mode=mode: np.convolve(v, W, mode) + np.convolve(W, v, mode), V)
        for mode in ("full", "same", "valid")
    },
    **{
        f"correlate {mode}": (lambda v, mode=mode: np.correlate(v, W, mode) * np.correlate(W, v, mode), V)
        for mode in ("full", "same", "valid")
    },
    "even filters": (lambda v: np.convolve(v, W[:2], "same") + np.correlate(v, W[:2], "same"), V),
    "polyval": (lambda v: np.polyval(v[:3], v) + np.polyval(W, v) + np.polyval(v, 0.5), V),
    "vander": (lambda v: np.vander(v) @ np.vander(v, 6, increasing=True), V),
    "cov": (lambda x: np.cov(x) + np.cov(x, ddof=0) + np.cov(x, bias=True), X),
    "cov of columns": (lambda x: np.cov(x, rowvar=False), X),
    "cov of two": (lambda x: np.cov(x[0], x[1]) + np.cov(x[0]), X),
    "corrcoef": (lambda x: np.corrcoef(x) + np.corrcoef(x[:, :4], rowvar=False), X),
}


@pytest.mark.parametrize("engine", ["reference", "native"])
@pytest.mark.parametrize("name", [*REDUCTIONS, *TRUTH, *SERIES])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_values_are_numpys(name: str, engine: str) -> None:
    function, x = {**REDUCTIONS, **TRUTH, **SERIES}[name]
    program = trace(lambda x: function(x), x=x)
    (found,) = get_engine(engine).compile(program)({"x": x})
    expected = function(x)
    assert np.shape(found) == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    if name in TRUTH:
        assert found.dtype == np.asarray(expected).dtype


@pytest.mark.parametrize("name", [name for name in (*REDUCTIONS, *SERIES) if name != "cumulative without nan"])
def test_derivatives_agree_with_differences(name: str) -> None:
    function, x = {**REDUCTIONS, **SERIES}[name]
    known = np.isfinite(x)

    def loss(x: Any) -> Any:
        return np.sum(np.sin(function(np.where(known, x, np.nan))))

    cr.check_grads(loss, (np.where(known, x, 0.0),), order=2, rtol=1e-4)


@pytest.mark.parametrize(
    ("function", "gradient"),
    [
        (lambda x: np.sum(np.diff(x) ** 2), "pad(2 (x[1:] − x[:n-1]), [1:])"),
        (lambda x: np.ptp(x), "1[x = max(x)]"),
        (lambda x: np.sum(x, where=x > 0), "1 if x > 0, else 0"),
    ],
)
def test_gradients_are_printed_and_verified(function: Any, gradient: str) -> None:
    derivation = cr.derive(function, ["x"], x="n")
    assert derivation.verify().holds
    assert gradient in derivation.text()
    assert derivation.text(lang="zh")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda x: np.max(x, where=x > 0), "needs initial="),
        (lambda x: np.var(x, ddof=1, correction=1), "not both"),
        (lambda x: np.sum(x[0], where=x > 0), "does not broadcast"),
        (lambda x: np.gradient(x, edge_order=cast(Any, 3)), "neither 1 nor 2"),
        (lambda x: np.isin(x, x[0]), "np.isin is recorded for numbers"),
        (lambda x: np.gradient(x, 1.0, 2.0, 3.0), "takes as many spacings"),
        (lambda x: np.convolve(x, W), "takes vectors"),
        (lambda x: np.convolve(x[0], W, MODE), "is not one of"),
        (lambda x: np.cov(x[None]), "rows of a matrix"),
    ],
)
def test_what_cannot_be_recorded_is_refused(function: Any, said: str) -> None:
    with pytest.raises(cr.ChainruleError, match=said):
        trace(function, x="4 5")


def test_a_named_number_of_elements_is_refused_where_it_matters() -> None:
    with pytest.raises(cr.TraceError, match="needs the number of elements"):
        trace(lambda x: np.convolve(x, W), x="n")
