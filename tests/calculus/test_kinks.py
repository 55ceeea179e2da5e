"""The derivative at a kink: that of the whole function if it has one, and the same by all interfaces."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.kink_functions import AGREE, crossings, derivatives, kink_function, ordered, points
from support.kink_gradients import TARGETS, gradients, is_installed

import chainrule as cr
from chainrule.calculus import SHARED, SIDED, recognize
from chainrule.derivation.ties import Ties
from chainrule.primitives import Abs, Elementwise, Maximum, Relu, equal, evaluate_nodes, greater, indicator, less, sign

COUNT = int(os.environ.get("CHAINRULE_FUZZ_COUNT", "12"))
SEED = int(os.environ.get("CHAINRULE_FUZZ_SEED", "7"))
ALL = os.environ.get("CHAINRULE_FUZZ_COUNT") is not None
DIFFERENCES = COUNT if ALL else 24
SOURCES = COUNT if ALL else 4


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def named_parts_with_a_sign(x: Any) -> Any:
    s = np.sign(x)
    f = np.log1p(np.abs(x))
    u = s * f
    return 2 * u + u * f


def softplus_by_choice(x: Any) -> Any:
    return np.where(x > 0, x + np.log1p(np.exp(-x)), np.log1p(np.exp(x)))


def sigmoid_by_choice(x: Any) -> Any:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e) / (1 + e)


AT_ZERO: dict[str, tuple[Callable[[Any], Any], float]] = {
    "a maximum alone is relu": (lambda x: np.maximum(x, 0), 0),
    "relu by name": (cr.relu, 0),
    "|x|": (np.abs, 0),
    "max + min": (lambda x: np.maximum(x, 0) + np.minimum(x, 0), 1),
    "max + max": (lambda x: np.maximum(x, 0) + np.maximum(-x, 0), 0),
    "relu − relu": (lambda x: cr.relu(x) - cr.relu(-x), 1),
    "|x| − 2 relu": (lambda x: np.abs(x) - 2 * cr.relu(x), -1),
    "max + min of another function": (lambda x: np.maximum(x, 0) + np.minimum(np.expm1(x), 0), 1),
    "min(|x|, x)": (lambda x: np.minimum(np.abs(x), x), 1),
    "min(relu, x)": (lambda x: np.minimum(cr.relu(x), x), 1),
    "max(x, min(x, 0))": (lambda x: np.maximum(x, np.minimum(x, 0)), 1),
    "min(ln(1 + relu), x)": (lambda x: np.minimum(np.log1p(cr.relu(x)), x), 1),
    "min of exponentials": (lambda x: np.minimum(np.exp(cr.relu(x)), np.exp(x)), 1),
    "where with relu": (lambda x: np.where(x >= 0, cr.relu(x), x), 1),
    "where with min": (lambda x: np.where(x > 0, x, np.minimum(x, 0)), 1),
    "where with exp relu": (lambda x: np.where(x >= 0, np.exp(cr.relu(x)), 1 + x), 1),
    "two choices": (lambda x: np.where(x > 0, x, 0) + np.where(x < 0, x, 0), 1),
    "leaky relu in parts": (lambda x: cr.leaky_relu(x, 0.1) - 0.1 * np.minimum(x, 0) - np.maximum(x, 0), 0),
    "softplus": (lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), 0.5),
    "softplus, other order": (lambda x: np.log(np.exp(-np.abs(x)) + 1) + cr.relu(x), 0.5),
    "softplus of −x": (lambda x: np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x))), -0.5),
    "softplus by choice": (softplus_by_choice, 0.5),
    "log sigmoid": (lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))), 0.5),
    "cross-entropy": (lambda x: np.maximum(x, 0) - x * 0.25 + np.log1p(np.exp(-np.abs(x))), 0.25),
    "logaddexp": (lambda x: np.logaddexp(0, -x), -0.5),
    "logaddexp by hand": (lambda x: np.maximum(x, 2 * x) + np.log1p(np.exp(-np.abs(x - 2 * x))), 1.5),
    "sigmoid by choice": (sigmoid_by_choice, 0.25),
    "max of a stack with a min": (lambda x: np.max(np.stack([x, np.minimum(x, 0)]), axis=0), 1),
    "min of columns": (lambda x: np.min(np.stack([np.abs(x), x], axis=1), axis=1), 1),
    "max of a stack with a number": (lambda x: np.min(np.stack([np.abs(x), x, x, x - x]), axis=0) + cr.relu(x), 1),
    "a stack within": (lambda x: np.minimum(np.log1p(np.abs(x)), np.max(np.stack([x, x]), axis=0)), 1),
    "a sorted sum": (lambda x: sum(ordered(x, 2 * x, 0 * x)), 3),
    "the middle of three": (lambda x: ordered(x, 2 * x, np.log1p(np.abs(x)))[1] + np.minimum(x, 0), 1),
    "elu with a min": (lambda x: cr.elu(x, 0.5) + 0.5 * np.minimum(x, 0), 1),
    "elu in a min": (lambda x: np.minimum(cr.elu(x, 0.5), x), 1),
    "elu by choice": (lambda x: np.where(x > 0, cr.elu(x, 0.5), x), 1),
    "sign(x) ln(1 + |x|)": (lambda x: np.sign(x) * np.log1p(np.abs(x)), 1),
    "a sign among factors": (lambda x: 3 * np.log1p(np.maximum(x, -x)) * -np.sign(x) / 2, -1.5),
    "sign and a root": (lambda x: np.sign(x) * (np.sqrt(np.abs(x) + 1) - 1) + 0.25 * x, 0.75),
    "tanh with a sign": (lambda x: np.sign(x) * (1 - np.exp(-2 * np.abs(x))) / (1 + np.exp(-2 * np.abs(x))), 1),
    "named parts with a sign": (named_parts_with_a_sign, 2),
    "x sign(x)": (lambda x: x * np.sign(x), 0),
    "a soft threshold": (lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), 0),
    "parts apart": (lambda x: np.sum(np.maximum(x, 0)) + np.sum(np.log1p(np.exp(-np.abs(x)))), 0.5),
}


@pytest.mark.parametrize("name", AT_ZERO)
def test_the_derivative_at_zero(name: str) -> None:
    function, expected = AT_ZERO[name]

    def loss(x: Any) -> Any:
        return np.sum(function(x))

    x = np.array([0.0, -0.0])
    np.testing.assert_allclose(cr.grad(loss)(x), expected, atol=1e-12)
    derivation = cr.derive(loss, x="n")
    assert derivation.verify().ok
    namespace: dict[str, Any] = {}
    exec(derivation.source("numpy"), namespace)
    np.testing.assert_allclose(namespace["backward"](namespace["forward"](x)[1]), expected, atol=1e-12)
    fitted = cr.fit(loss, {"x": x}, {}, cr.SGD(1.0), epochs=1, engine="reference").params["x"]
    np.testing.assert_allclose(fitted, np.full(2, -expected), atol=1e-12)
    np.testing.assert_allclose(cr.jvp(loss, (x,), (np.ones(2),))[1], 2 * expected, atol=1e-12)


def ppo(r: Any, A: Any, low: Any, high: Any) -> Any:
    return np.minimum(r * A, np.clip(r, low, high) * A)


def ppo_the_other_way(r: Any, A: Any, low: Any, high: Any) -> Any:
    return -np.maximum(-A * np.maximum(low, np.minimum(high, r)), -A * r)


@pytest.mark.parametrize("function", [ppo, ppo_the_other_way])
def test_a_clipped_product_at_its_bounds(function: Callable[..., Any]) -> None:
    """min(r A, clip(r) A) equals r A on either side of the bound at which it is not clipped."""

    def loss(r: Any, A: Any, low: Any, high: Any) -> Any:
        return np.sum(function(r, A, low, high))

    r = np.array([0.5, 0.5, 2.0, 2.0, 1.0, 1.0, 3.0, 3.0, 0.25, 0.25])
    A = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    expected = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 0.0, -1.0, 1.0, 0.0])
    np.testing.assert_array_equal(cr.grad(loss)(r, A, 0.5, 2.0), expected)
    by_high = cr.grad(loss, 3)(np.array([3.0, 3.0]), np.array([1.0, -1.0]), 0.5, 2.0)
    assert by_high == 1
    derivation = cr.derive(loss, wrt="r", r="n", A="n", low="", high="")
    assert derivation.verify().ok
    assert "½" not in derivation.text()
    namespace: dict[str, Any] = {}
    exec(derivation.source("numpy"), namespace)
    np.testing.assert_array_equal(namespace["backward"](namespace["forward"](r, A, 0.5, 2.0)[1]), expected)


def test_a_clipped_product_with_bounds_the_wrong_way_round() -> None:
    gradient = cr.grad(lambda r: np.sum(ppo(r, np.ones(3), 2.0, 0.5)))(np.array([0.25, 1.0, 3.0]))
    np.testing.assert_array_equal(gradient, [1, 0, 0])


def test_the_larger_error_of_a_clipped_value() -> None:
    def loss(v: Any, old: Any, R: Any, eps: Any) -> Any:
        return np.sum(np.maximum((v - R) ** 2, (old + np.clip(v - old, -eps, eps) - R) ** 2))

    v, old, R = np.array([1.5, 1.5, 2.0, 0.5]), np.ones(4), np.array([2.0, 1.0, 4.0, -1.0])
    np.testing.assert_allclose(cr.grad(loss)(v, old, R, 0.5)[[1]], 1.0)
    derivation = cr.derive(loss, wrt="v", v="n", old="n", R="n", eps="")
    assert derivation.verify().ok
    assert "∧" not in derivation.text()


def test_names_between_do_not_matter() -> None:
    def loss(z: Any, y: Any) -> Any:
        e = np.exp(-np.abs(z))
        positive = np.maximum(z, 0)
        return np.sum(positive - z * y + np.log1p(e))

    derivation = cr.derive(loss, wrt="z", z="n", y="n")
    assert "∂L/∂z = σ(z) − y" in derivation.text()
    np.testing.assert_allclose(cr.grad(loss)(np.zeros(2), np.array([0.0, 1.0])), [0.5, -0.5])


def test_shifted_logsumexp_is_recognised() -> None:
    def kept(x: Any) -> Any:
        m = np.max(x, axis=1, keepdims=True)
        return np.sum(m + np.log(np.sum(np.exp(x - m), axis=1, keepdims=True)))

    def dropped(x: Any) -> Any:
        m = np.max(x, axis=1)
        return np.sum(m + np.log(np.sum(np.exp(x - m[:, None]), axis=1)))

    for loss in (kept, dropped):
        assert "logsumexp" in cr.derive(loss, x="n m").text()
        np.testing.assert_allclose(cr.grad(loss)(np.zeros((2, 4))), 0.25)


def test_layers_of_relu_stay_relu() -> None:
    """Kinks of a network do not coincide, even with shared values."""

    def loss(X: Any, W: Any, V: Any, b: Any) -> Any:
        h = np.maximum(X @ W + b, 0)
        u = np.maximum(h + np.maximum(h @ V, 0) @ V + b, 0)
        return np.sum(u**2) + np.sum(np.abs(W))

    program, rewrites = recognize(cr.trace(loss, X="n d", W="d h", V="h h", b="h"))
    assert sum(isinstance(node.primitive, Relu) for node in program.nodes if hasattr(node, "primitive")) == 3
    assert {rewrite.rule for rewrite in rewrites}.isdisjoint({SHARED, SIDED})


def test_no_value_changes() -> None:
    for seed in range(SEED, SEED + COUNT):
        found = kink_function(seed)
        program = cr.trace(found.function, x="n", y="n").bind({"n": 44})
        x, y = points(seed)
        before, after = (evaluate_nodes(p.outputs, dict(zip(p.inputs, (x, y), strict=True)))[p.outputs[0]]
                         for p in (program, recognize(program)[0]))  # fmt: skip
        np.testing.assert_allclose(after, before, rtol=1e-12)


@pytest.mark.parametrize("seed", range(SEED, SEED + COUNT))
def test_random_functions_at_their_kinks(seed: int) -> None:
    """`grad` and `fit` agree; a derivation short enough to be verified within a second is not refuted."""
    found = kink_function(seed)
    x, y = points(seed)
    gradient = np.array(cr.grad(found.function, (0, 1))(x, y))
    known = np.isfinite(gradient).all(axis=0)
    start = {"x": x[known], "y": y[known]}
    for engine in ("reference", "native") if ALL else ("reference",):
        result = cr.fit(found.function, start, {}, cr.SGD(1.0), epochs=1, engine=engine)
        if result.status == "finished":
            step = np.array([start[name] - result.params[name] for name in "xy"])
            scale = 1e-12 * max(1.0, float(np.max(np.abs(gradient[:, known]), initial=0)))
            np.testing.assert_allclose(step, gradient[:, known], rtol=1e-9, atol=scale, err_msg=found.source)
    if len(found.source) < 150:
        verification = cr.derive(found.function, wrt=["x", "y"], x="n", y="n").verify()
        assert not verification.failures, f"{found.source}\n{verification}"


def test_the_derivative_is_that_of_the_whole_function(record_property: Callable[[str, object], None]) -> None:
    """Where it has one; points at which kinks meet that do not coincide are counted separately."""
    compared = 0
    wrong: list[str] = []
    wrong_at_crossings: list[str] = []
    for seed in range(SEED, SEED + DIFFERENCES):
        found = kink_function(seed)
        x, y = points(seed)
        gradient = np.array(cr.grad(found.function, (0, 1))(x, y))
        expected = derivatives(found.elements, x, y)
        there = np.isfinite(expected).all(axis=0)
        compared += int(there.sum())
        close = np.isclose(gradient, expected, rtol=20 * AGREE, atol=20 * AGREE).all(axis=0)
        if np.all(close | ~there):
            continue
        crossing = crossings(found.function, x, y)
        for k in np.flatnonzero(there & ~close):
            line = f"{seed} at ({x[k]}, {y[k]}): {gradient[:, k]}, not {expected[:, k]}"
            (wrong_at_crossings if crossing[k] else wrong).append(line)
    record_property("points compared", compared)
    record_property("wrong where kinks cross", len(wrong_at_crossings))
    assert compared > 30 * DIFFERENCES
    assert not wrong, "\n".join(wrong)
    assert len(wrong_at_crossings) <= compared / 10_000 + 1, "\n".join(wrong_at_crossings)


def test_which_kinks_cross() -> None:
    """Those of max(x y, −|x − y|) by choice, only at 0; those of min(|x|, x) coincide."""
    x, y = np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0])

    def touching(x: Any, y: Any) -> Any:
        return np.sum(np.maximum(x * y, np.where(x < y, x - y, y - x)))

    np.testing.assert_array_equal(crossings(touching, x, y), [True, False, False, False])
    np.testing.assert_array_equal(crossings(lambda x, y: np.sum(np.minimum(np.abs(x), x) + y), x, y), False)


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_at_kinks(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Native code, and source for NumPy, PyTorch, JAX and C, return the gradient of `grad`."""
    if not is_installed(target):
        pytest.skip(f"{target} is not installed")
    # This compares the values of the source at kinks; verification of the derivation would take most of the time.
    for check in ("check_lines", "check_numpy"):
        monkeypatch.setattr(sys.modules["chainrule.emit.source"], check, lambda *_: None)
    for seed in range(SEED, SEED + SOURCES):
        found = kink_function(seed)
        x, y = points(seed)
        gradient = np.array(cr.grad(found.function, (0, 1))(x, y))
        known = np.isfinite(gradient).all(axis=0)
        folder = tmp_path / str(seed)
        folder.mkdir()
        derivation = cr.derive(found.function, wrt=["x", "y"], x="n", y="n")
        computed = gradients(target, derivation, x, y, folder)
        scale = 1e-11 * max(1.0, float(np.max(np.abs(gradient[:, known]), initial=0)))
        np.testing.assert_allclose(
            computed[:, known], gradient[:, known], rtol=1e-9, atol=scale, err_msg=f"{seed}: {found.source}"
        )


def _with(monkeypatch: pytest.MonkeyPatch, kind: type[Elementwise], rule: Callable[..., Any]) -> None:
    monkeypatch.setattr(kind, "partials", rule)


def test_a_wrong_derivative_at_a_tie_is_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    def shares(number: float) -> Callable[..., Any]:
        def partials(self: Any, operands: Any, result: Any) -> Any:
            x, y = operands
            tie = number * indicator(equal(x, y), x)
            return indicator(greater(x, y), x) + tie, indicator(less(x, y), x) + tie

        return partials

    def both(x: Any, y: Any) -> Any:
        return np.sum(np.maximum(x, y))

    def whole(x: Any) -> Any:
        return np.sum(np.maximum(x, 0) + np.minimum(x, 0))

    for number, right in ((0.5, True), (0.9, False), (0.0, False)):
        _with(monkeypatch, Maximum, shares(number))
        assert cr.derive(both, x="n", y="n").verify().ok is right
        assert cr.derive(whole, x="n").verify().ok is right
    _with(monkeypatch, Abs, lambda self, operands, result: (sign(operands[0]) + 2 * (1 - sign(operands[0]) ** 2),))
    assert not cr.derive(lambda x: np.sum(np.abs(x)), x="n").verify().ok


def test_any_slope_between_the_sides_is_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    def loss(X: Any, W: Any, b: Any, v: Any) -> Any:
        return np.sum(np.maximum(X @ W + b, 0) @ v)

    for value, right in ((0.0, True), (1.0, True), (0.3, True), (1.5, False), (-0.5, False)):
        _with(
            monkeypatch,
            Relu,
            lambda self, o, r, value=value: (indicator(greater(o[0], 0), r) + value * indicator(equal(o[0], 0), r),),
        )
        assert cr.derive(loss, X="n d", W="d h", b="h", v="h").verify().ok is right


def test_equal_sides_along_every_line_are_no_derivative(monkeypatch: pytest.MonkeyPatch) -> None:
    def extremes(x: Any) -> Any:
        weights = np.array([1.0, 2.0, 3.0, 4.0])
        return np.sum(weights * (np.maximum.accumulate(x) + np.minimum.accumulate(x)))

    assert cr.derive(extremes, x="4").verify().ok
    monkeypatch.setattr(Ties, "_is_additive", lambda *_: True)
    assert not cr.derive(extremes, x="4").verify().ok
