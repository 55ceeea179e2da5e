"""Derivations of recurrences: printed once for all steps, whatever their number, and verified."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.derivation.document import Document, Equation, Frame, Paragraph
from chainrule.derivation.names import at_step, step_of
from chainrule.derivation.recurrent import lines, proofreading, write_recurrence
from chainrule.derivation.recurrent.loops import Loop
from chainrule.derivation.spelling import changed
from chainrule.deriving.recurrent import RecurrentDerivation
from chainrule.emit import UnverifiedError
from chainrule.primitives import Indexed, Mark, Notation, Partial, Symbol


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


def summed_states(x: Any, w: Any) -> Any:
    h, s = 0.0, 0.0
    for t in range(6):
        h = np.tanh(w * h + x[t])
        s += h
    return s * h


def leapfrog(x0: Any, v0: Any, k: Any) -> Any:
    x, v = x0, v0
    for _ in range(6):
        v = v - 0.05 * k * np.sin(x)
        x = x + 0.1 * v
        v = v - 0.05 * k * np.sin(x)
    return np.sum(x**2) + np.sum(v**2)


def last_and_all(X: Any, W: Any, U: Any, h0: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(x @ W + h @ U)
        return h, h

    return cr.scan(step, h0, X)


def named_like_a_start(X: Any, W: Any, U: Any, h0: Any, c: Any) -> Any:
    z1 = h0 @ U + c
    h = np.tanh(z1 * c)
    for x in X:
        z = x @ W + h @ U + z1
        h = np.tanh(z)
    return np.sum(h**2)


def newton(a: Any, x0: Any) -> Any:
    x = x0
    for _ in range(6):
        x = x - (x**2 - a) / (2 * x)
    return x**2


def losses(X: Any, W: Any, U: Any, V: Any, h0: Any, Y: Any) -> Any:
    def step(h: Any, xy: Any) -> Any:
        x, y = xy
        h = np.tanh(x @ W + h @ U)
        return h, -np.sum(y * cr.log_softmax(h @ V))

    return np.mean(cr.scan(step, h0, (X, Y))[1])


def outputs(X: Any, W: Any, U: Any, V: Any, h0: Any, Y: Any) -> Any:
    h, out = h0, []
    for x in X:
        h = np.tanh(x @ W + h @ U)
        out.append(h @ V)
    return np.mean((np.stack(out) - Y) ** 2)


def leaky(x: Any, w: Any, b: Any) -> Any:
    v, s = 0.0, 0.0
    for t in range(6):
        v = 0.9 * v + w * x[t]
        s = s + cr.sigmoid(v - b)
    return s


def smoothed(x: Any, a: Any) -> Any:
    s = x[0]
    for t in range(1, 8):
        s = a * x[t] + (1 - a) * s
    return s**2


def variances(x: Any, w: Any) -> Any:
    v, s = 1.0, 0.0
    for t in range(7):
        s += np.log(v) + x[t] ** 2 / v
        v = 0.1 + w * x[t] ** 2 + 0.8 * v
    return 0.5 * s


def in_turn(X: Any, V: Any, U: Any, h0: Any, c: Any) -> Any:
    a, b = h0, c
    for x in X:
        a, b = np.tanh(V @ b + x[:2]), np.sin(U @ a)
    return np.sum(a * b)


def backwards_before(X: Any, W: Any, U: Any, h0: Any) -> Any:
    h, before = h0, []
    for t in reversed(range(5)):
        before.append(h)
        h = np.tanh(X[t] @ W + h @ U)
    states = np.stack(before[::-1])
    return np.sum(states[1:] * states[:-1]) + np.sum(h)


def from_zero(X: Any, W: Any, U: Any, V: Any) -> Any:
    h, every = np.zeros(2), [np.zeros(2)]
    for x in X:
        h = np.tanh(x @ W + h @ U)
        every.append(h)
    return np.sum((np.stack(every) @ V) ** 2)


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
    summed_states: {"x": "6", "w": ""},
    leapfrog: {"x0": "2", "v0": "2", "k": ""},
    last_and_all: {},
    named_like_a_start: {},
    newton: {"a": "", "x0": ""},
    losses: {"V": "2 4", "Y": "5 4"},
    outputs: {"V": "2 1", "Y": "5 1"},
    leaky: {"x": "6", "w": "", "b": ""},
    smoothed: {"x": "8", "a": ""},
    variances: {"x": "7", "w": ""},
    in_turn: {},
    backwards_before: {},
    from_zero: {},
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


def _stem(name: str) -> str:
    return at_step(name, "t") if step_of(name) else name


def _atoms(part: Any) -> Iterator[str]:
    """Yield the names and partial derivatives in a notation, all at step t."""
    if isinstance(part, Partial) and isinstance(part.by, Symbol):
        yield f"∂{_stem(part.by.name)}"
    elif isinstance(part, Symbol):
        if not part.prefix and not isinstance(part, Mark):
            yield _stem(part.name)
    elif isinstance(part, tuple):
        for each in part:
            yield from _atoms(each)
    elif is_dataclass(part):
        for field in fields(part):
            yield from _atoms(getattr(part, field.name))


@pytest.mark.parametrize("function", SHAPES, ids=lambda function: function.__name__)
@pytest.mark.parametrize("detail", ["brief", "full"])
def test_every_name_on_the_page_is_defined_there(function: Callable[..., Any], detail: Any) -> None:
    derivation = derived(function)
    assert isinstance(derivation, RecurrentDerivation)
    document = derivation.document(detail=detail)
    blocks = [each for block in document.blocks for each in (block.blocks if isinstance(block, Frame) else (block,))]
    defined = {derivation.recurrent.loss_name, f"∂{derivation.recurrent.loss_name}", "t", "n", "q"}
    for block in blocks:
        if isinstance(block, Paragraph):
            defined.update(_atoms(tuple(word for word in block.words if not isinstance(word, str))))
        elif isinstance(block, Equation):
            defined.update(_atoms(tuple(s.base if isinstance(s, Indexed) else s for s in block.sides[:-1])))
    for loop in derivation.recurrent.loops:  # the gradient by an array is that by its elements
        pairs = [(each.array.name, each.symbol.name) for each in loop.elements]
        pairs += [(each.symbol.name, at_step(each.symbol.name, "t")) for each in loop.results]
        for whole, one in pairs:
            if not defined.isdisjoint((f"∂{whole}", f"∂{one}")):
                defined |= {f"∂{whole}", f"∂{one}"}
    used = {name for block in blocks if isinstance(block, Equation) for name in _atoms(block.sides[-1])}
    assert used <= defined


def test_the_page_of_an_rnn_is_backpropagation_through_time() -> None:
    printed = [line.strip("│ ").partition("   ")[0] for line in derived(rnn).text(detail="brief").splitlines()]
    expected = [
        "zₜ = Wᵀ xₜ + Uᵀ hₜ₋₁ + b",
        "hₜ = tanh(zₜ)",
        "∂L/∂states = 2 states",
        "∂L/∂h₅ = ∂L/∂states₅",
        "∂L/∂hₜ = ∂L/∂statesₜ + U δₜ₊₁",
        "∂L/∂W = Σₜ xₜ δₜᵀ",
        "∂L/∂U = Σₜ hₜ₋₁ δₜᵀ",
        "∂L/∂b = Σₜ δₜ",
        "∂L/∂h0 = U δ₁",
    ]
    assert [line for line in printed if line in expected] == [*expected[:5], expected[-1], *expected[5:]]


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


def test_a_last_state_that_is_used_elsewhere_too_has_a_name_of_its_own() -> None:
    text = derived(summed_states).text(detail="brief")
    assert "h_last = h₆" in text
    assert "∂L/∂h₆ = ∂L/∂h_last + ∂L/∂H₆" in text
    assert "G_h" not in derived(last_and_all).text()


def test_a_state_of_which_the_loss_is_independent_has_no_gradient() -> None:
    def product(x: Any, w: Any) -> Any:
        h, s = 0.0, 0.0
        for t in range(6):
            h = np.tanh(w * h + x[t])
            s += x[t]
        return s * h

    assert "∂L/∂s" not in cr.derive(product, wrt="w", x="6", w="").text()


def test_a_step_keeps_its_index_where_a_name_reads_alike() -> None:
    latex = derived(named_like_a_start).latex(detail="brief")
    assert r"h_{0} &= \tanh(\mathrm{z1} \odot c)" in latex


def test_a_factor_of_minus_one_is_written_in_a_chain() -> None:
    derivation = cr.derive(lambda v, b, w: np.sin(cr.sigmoid(v - b) * w), v="", b="", w="")
    assert derivation.verify(points=1).ok


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


@pytest.mark.parametrize(("step", "other"), [("t-1", "t"), ("1", "2"), ("1", "0"), ("t", "t+1")])
def test_a_wrong_step_in_a_printed_gradient_is_found(step: str, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def moved(notation: Notation) -> Notation:
        if isinstance(notation, Symbol) and step_of(notation.name) == step:
            return replace(notation, name=at_step(notation.name, other))
        return notation

    def written(*arguments: Any) -> Document:
        document = write_recurrence(*arguments)
        blocks = tuple(changed(block, moved) if isinstance(block, Frame) else block for block in document.blocks)
        return replace(document, blocks=blocks)

    monkeypatch.setattr(proofreading, "write_recurrence", written)
    outcome = derived(rnn).verify(points=1)
    assert outcome.holds
    assert outcome.misreadings


def test_a_wrong_gradient_between_the_steps_is_found_at_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loop, "forwards", property(lambda loop: 2))
    derivation = derived(at_the_end)
    outcome = derivation.verify(points=1)
    assert {failure.claim.kind for failure in outcome.failures} == {"recurrence"}
    with pytest.raises(UnverifiedError):
        derivation.source("numpy")


def test_source_with_a_wrong_gradient_is_refused() -> None:
    derivation = derived(at_the_end)
    backward = derivation.record.backward
    entries = [
        replace(entry, chain=2 * entry.result, merged=None) if entry.symbol.name == "U" else entry
        for entry in backward.accumulations
    ]
    derivation.record.backward = replace(backward, accumulations=tuple(entries))
    with pytest.raises(UnverifiedError):
        derivation.source("wasm")  # which has every step
    loops = derived(at_the_end)
    assert isinstance(loops, RecurrentDerivation)
    (step,) = (loop.record for loop in loops.recurrent.loops)
    entries = [
        replace(entry, chain=2 * entry.result, merged=None) if entry.symbol.name == "U" else entry
        for entry in step.backward.accumulations
    ]
    step.backward = replace(step.backward, accumulations=tuple(entries))
    for target in ("numpy", "torch", "jax", "c", "js"):
        with pytest.raises(UnverifiedError):
            loops.source(target)


def test_a_worked_example_has_every_step() -> None:
    derivation = cr.derive(loss_itself, x="", a="")
    assert "s5" in derivation.text(at={"x": 0.5, "a": 1.0})


def _hidden_markov(A: Any, B: Any, v: Any, obs: Any) -> Any:
    T, E, p = cr.log_softmax(A), cr.log_softmax(B), cr.log_softmax(v)
    alpha = p + E[:, obs[0]]
    for t in range(1, len(obs)):
        alpha = cr.logsumexp(alpha[:, None] + T, axis=0) + E[:, obs[t]]
    return -cr.logsumexp(alpha)


def _hidden_markov_scaled(A: Any, B: Any, v: Any, obs: Any) -> Any:
    T, E, p = cr.softmax(A), cr.softmax(B), cr.softmax(v)
    alpha = p * E[:, obs[0]]
    c = np.sum(alpha)
    ll = np.log(c)
    alpha /= c
    for o in obs[1:]:
        alpha = (alpha @ T) * E[:, o]
        c = np.sum(alpha)
        ll += np.log(c)
        alpha = alpha / c
    return -ll


@pytest.mark.parametrize("function", [_hidden_markov, _hidden_markov_scaled])
def test_labels_that_a_recurrence_reads_have_a_line_and_no_name_is_two_things(function: Callable[..., Any]) -> None:
    derivation = cr.derive(function, wrt=["A", "B", "v"], A="3 3", B="3 4", v="3", obs="5:int")
    assert "X = obs[1:]" in derivation.text()
    assert derivation.verify(points=1).ok
    assert "for t in range(4):" in derivation.source("numpy")
    random = np.random.default_rng(0)
    values = [random.normal(size=shape) for shape in ((3, 3), (3, 4), (3,))]
    labels = np.array([0, 2, 3, 1, 2])
    cr.check_grads(lambda A, B, v: function(A, B, v, labels), values)


def _last_total(X: Any, W: Any) -> Any:
    h, c = np.zeros(2), 0.0
    for x in X:
        h = np.tanh(x @ W + h)
        c = 0.5 * c + np.sum(h**2)
    return c


def test_a_last_state_that_is_the_loss_beside_what_is_outside_is_verified() -> None:
    derivation = cr.derive(_last_total, X="5 3", W="3 2")
    assert derivation.verify(points=1).ok
    assert "∂c₄/∂c₄ · " not in derivation.text("path")
    assert "for t in range(4):" in derivation.source("numpy")
