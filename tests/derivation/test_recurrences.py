"""Derivations of recurrences: printed once for all steps, whatever their number, and verified."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation.recurrent import lines
from chainrule.derivation.recurrent.loops import Loop
from chainrule.deriving.derivations import RecurrentDerivation


def rnn(X: Any, W: Any, U: Any, b: Any, h0: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        z = x @ W + h @ U + b
        h = np.tanh(z)
        return h, h

    _, states = cr.scan(step, h0, X)
    return np.sum(states**2)


def at_the_end(X: Any, W: Any, U: Any, h0: Any) -> Any:
    h = h0
    for x in X:
        h = np.tanh(x @ W + h @ U)
    return np.sum(h**2)


def loss_itself(x: Any, a: Any) -> Any:
    s = x
    for t in range(5):
        s = s + np.sin(a * s) / (t + 1)
    return s


def accumulated(X: Any, W: Any, U: Any, h0: Any, y: Any) -> Any:
    h, s, q = h0, 0.0, np.zeros(2)
    for x in X:
        h = np.tanh(x @ W + h @ U)
        s += np.sum((h - y) ** 2)
        q += h**2
    return s + np.sum(q * y)


def only_accumulated(X: Any, w: Any) -> Any:
    s = 0.0
    for x in X:
        s += np.tanh(x @ w) ** 2
    return s


def running_sum(X: Any, w: Any) -> Any:
    s, out = np.zeros(()), []
    for x in X:
        s = s + np.tanh(x @ w)
        out.append(s)
    return np.sum(np.stack(out) ** 2)


def lstm(X: Any, W: Any, U: Any, b: Any, h0: Any, c0: Any, y: Any) -> Any:
    h, c, s = h0, c0, 0.0
    for x in X:
        z1 = x @ W + h @ U + b
        f, i, o = cr.sigmoid(z1[:2]), cr.sigmoid(z1[2:4]), cr.sigmoid(z1[4:6])
        g = np.tanh(z1[6:])
        c = f * c + i * g
        h = o * np.tanh(c)
        s += np.sum((h - y) ** 2)
    return s


def inside_and_outside(X: Any, W: Any, U: Any, h0: Any) -> Any:
    h = h0
    for x in X:
        h = np.tanh(x @ W + np.exp(U) @ h - U.T @ h)
    return np.sum((np.exp(U) @ h) ** 2) + np.sum(-U.T) + np.sum(W**2)


def both_ways(X: Any, W: Any, U: Any, V: Any, h0: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(x @ W + h @ U)
        return h, h

    def other(g: Any, x: Any) -> Any:
        g = np.tanh(x @ W + g @ V)
        return g, g

    _, forwards = cr.scan(step, h0, X)
    _, backwards = cr.scan(other, h0, X, reverse=True)
    return np.sum(forwards * backwards)


def stacked(X: Any, W: Any, U: Any, V: Any, h0: Any) -> Any:
    lower, upper, out = h0, h0 * 2, []
    for x in X:
        lower = np.tanh(x @ W + lower @ U)
        upper = np.tanh(lower @ V + upper @ U)
        out.append(upper)
    return np.sum(np.stack(out) ** 2)


def in_layers(X: Any, W: Any, U: Any, V: Any, h0: Any) -> Any:
    def layer(W: Any, U: Any, xs: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = np.tanh(x @ W + h @ U)
            return h, h

        return cr.scan(step, h0, xs)[1]

    return np.sum(layer(V, U, layer(W, U, X)) ** 2)


def previous(X: Any, W: Any, U: Any, h0: Any) -> Any:
    h, before = h0, []
    for x in X:
        before.append(h)
        h = np.tanh(x @ W + h @ U)
    return np.sum(np.stack(before) ** 2) + np.sum(h)


def all_states(X: Any, W: Any, U: Any, h0: Any) -> Any:
    h, every = h0, [h0]
    for x in X:
        h = np.tanh(x @ W + h @ U)
        every.append(h)
    return np.sum(np.stack(every) ** 2)


def made_before(X: Any, E: Any, W: Any, U: Any, c: Any) -> Any:
    inputs = np.tanh(X @ E)
    h = np.tanh(c)
    for x in inputs:
        h = np.tanh(x @ W + h @ U)
    return np.sum(h**2) + np.sum(inputs)


def clash(X: Any, z1: Any, U: Any, h0: Any) -> Any:
    h = h0
    for x in X:
        z = x @ z1 + h @ U
        h = np.tanh(z)
    return np.sum((h @ z1.T) ** 2)


def layer(X: Any, W: Any, U: Any, h0: Any) -> Any:
    h, out = h0, []
    for x in X:
        h = np.tanh(x @ W + h @ U)
        out.append(h)
    return np.stack(out)


def hidden_markov(logA: Any, logB: Any, log_pi: Any) -> Any:
    alpha = log_pi + logB[0]
    for t in range(1, 6):
        alpha = cr.logsumexp(alpha[:, None] + logA, axis=0) + logB[t]
    return -cr.logsumexp(alpha)


def kalman(Y: Any, A: Any, C: Any, q: Any, r: Any, m0: Any) -> Any:
    m, P, s = m0, np.eye(2), 0.0
    for y in Y:
        m = A @ m
        P = A @ P @ A.T + q**2 * np.eye(2)
        S = C @ P @ C.T + (r**2 + 1) * np.eye(2)
        K = P @ C.T @ np.linalg.inv(S)
        e = y - C @ m
        m = m + K @ e
        P = P - K @ C @ P
        s += e @ np.linalg.inv(S) @ e + np.log(np.linalg.det(S))
    return s


def batch(X: Any, W: Any, U: Any, b: Any, h0: Any) -> Any:
    h = h0
    for t in range(5):
        h = cr.relu(X[:, t] @ W + h @ U + b)
    return np.mean(h**2)


SIZES = {"X": "5 3", "W": "3 2", "U": "2 2", "V": "2 2", "b": "2", "h0": "2", "y": "2", "c": "2", "q": "", "r": ""}
SHAPES: dict[Callable[..., Any], dict[str, str]] = {
    rnn: {},
    at_the_end: {},
    loss_itself: {"x": "", "a": ""},
    accumulated: {},
    only_accumulated: {"w": "3"},
    running_sum: {"w": "3"},
    lstm: {"W": "3 8", "U": "2 8", "b": "8", "c0": "2"},
    inside_and_outside: {},
    both_ways: {},
    stacked: {},
    in_layers: {},
    previous: {},
    all_states: {},
    made_before: {"E": "3 3"},
    clash: {"z1": "3 2"},
    layer: {},
    hidden_markov: {"logA": "3 3", "logB": "6 3", "log_pi": "3"},
    kalman: {"Y": "5 2", "A": "2 2", "C": "2 2", "m0": "2"},
    batch: {"X": "n 5 3", "h0": "n 2"},
}


def derived(function: Callable[..., Any], **options: Any) -> cr.Derivation:
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    shapes = {**SIZES, **SHAPES[function]}
    return cr.derive(function, **{name: shapes[name] for name in names}, **options)


@pytest.mark.parametrize("function", SHAPES, ids=lambda function: function.__name__)
def test_a_recurrence_is_derived_once_for_all_steps_and_every_line_holds(function: Callable[..., Any]) -> None:
    derivation = derived(function)
    assert isinstance(derivation, RecurrentDerivation)
    outcome = derivation.verify(points=1)
    assert outcome.ok, (str(outcome), outcome.failures, outcome.misreadings, outcome.unchecked)
    assert outcome.lines_read > 10


def test_the_page_of_an_rnn_is_backpropagation_through_time() -> None:
    printed = [line.strip("│ ").partition("   ")[0] for line in derived(rnn).text(detail="brief").splitlines()]
    expected = [
        "zₜ = Wᵀ xₜ + Uᵀ hₜ₋₁ + b",
        "hₜ = tanh(zₜ)",
        "∂L/∂h₅ = ∂L/∂states₅",
        "∂L/∂hₜ = ∂L/∂statesₜ + U δₜ₊₁",
        "∂L/∂W = Σₜ xₜ δₜᵀ",
        "∂L/∂U = Σₜ hₜ₋₁ δₜᵀ",
        "∂L/∂b = Σₜ δₜ",
        "∂L/∂h0 = U δ₁",
    ]
    assert [line for line in printed if line in expected] == [*expected[:4], expected[-1], *expected[4:]]


def test_the_length_of_the_page_does_not_depend_on_that_of_the_recurrence() -> None:
    shapes = {**SIZES, "W": "3 2"}
    pages = []
    for length in ("6 3", "60 3"):
        given = {**shapes, "X": length}
        derivation = cr.derive(rnn, **{name: given[name] for name in ("X", "W", "U", "b", "h0")})
        pages.append([derivation.text(form).count("\n") for form in ("matrix", "path", "index")])
        assert "h_{t-1}" in derivation.latex()
        assert "<mi>t</mi><mo>−</mo><mn>1</mn>" in derivation.html()
        assert json.loads(derivation.json())["parts"]
    assert pages[0] == pages[1]


def test_an_accumulator_is_a_sum() -> None:
    text = derived(only_accumulated).text(detail="brief")
    assert "s = Σ ℓ" in text
    assert "sₜ" not in text


@pytest.mark.parametrize(
    "corrupted",
    [
        ("summed", lambda notation: notation),
        ("step_of", lambda name: ""),
    ],
)
def test_a_wrong_line_between_the_steps_is_found(
    corrupted: tuple[str, Callable[..., Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, *corrupted)
    outcome = derived(at_the_end).verify(points=1)
    assert not outcome.ok
    assert outcome.misreadings


def test_a_wrong_gradient_between_the_steps_is_found_at_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loop, "forwards", property(lambda loop: 2))
    outcome = derived(at_the_end).verify(points=1)
    assert {failure.claim.kind for failure in outcome.failures} == {"recurrence"}


def test_a_worked_example_has_every_step() -> None:
    derivation = cr.derive(loss_itself, x="", a="")
    assert "s5" in derivation.text(at={"x": 0.5, "a": 1.0})
