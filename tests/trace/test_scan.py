"""`cr.scan` repeats a step as a loop does, in both directions and for carries of any structure."""

from __future__ import annotations

import itertools
from collections import deque, namedtuple
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.calculus import Scan, backward
from chainrule.ir import ProgramError, ShapeError, applies
from chainrule.primitives import evaluate_nodes
from chainrule.trace import TraceError, trace, trace_with_recurrences
from chainrule.training import DivergenceWarning

State = namedtuple("State", ["h", "count"])  # as users write it


def sequence(*shape: int) -> Any:
    return np.random.default_rng(3).standard_normal(shape)


def cell(state: State, x: dict[str, Any]) -> tuple[State, Any]:
    h = np.tanh(0.5 * state.h + x["a"] * x["b"])
    return State(h, state.count + 1), (h, {"sum": h.sum()})


@pytest.mark.parametrize("reverse", [False, True])
def test_a_scan_is_a_loop(reverse: bool) -> None:
    xs = {"a": sequence(4, 3), "b": sequence(4)}
    last, (hs, rest) = cr.scan(cell, State(np.zeros(3), 0.0), xs, reverse=reverse)
    h, seen = np.zeros(3), {}
    for k in [3, 2, 1, 0] if reverse else range(4):
        h = np.tanh(0.5 * h + xs["a"][k] * xs["b"][k])
        seen[k] = h
    assert isinstance(last, State)
    assert last.count == 4
    np.testing.assert_array_equal(last.h, h)
    np.testing.assert_array_equal(hs, [seen[k] for k in range(4)])
    np.testing.assert_array_equal(rest["sum"], hs.sum(axis=1))


@pytest.mark.parametrize("reverse", [False, True])
def test_it_is_that_of_jax(reverse: bool) -> None:
    jax = pytest.importorskip("jax")
    xs = sequence(5, 3).astype(np.float32)

    def step(carry: Any, x: Any) -> Any:
        total, product = carry
        return (total + x, product * (1 + 0.1 * x)), {"difference": total - x, "both": (product, total * product)}

    start = (np.zeros(3, np.float32), np.ones(3, np.float32))
    found = jax.tree.leaves(cr.scan(step, start, xs, reverse=reverse))
    expected = jax.tree.leaves(jax.lax.scan(step, start, xs, reverse=reverse))
    assert [each.shape for each in found] == [each.shape for each in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_steps_without_elements_are_counted_and_none_are_taken_of_an_empty_sequence() -> None:
    last, ys = cr.scan(lambda c, x: (c * 2, x), 1.0, length=3)
    assert (last, ys) == (8.0, None)
    rest, ys = cr.scan(lambda c, x: (c + x, x * np.ones((2, 2))), np.zeros(2), np.zeros((0, 2)), length=0)
    np.testing.assert_array_equal(rest, [0, 0])
    assert ys.shape == (0, 2, 2)


def test_a_step_may_write_into_what_it_receives() -> None:
    def step(carry: Any, x: Any) -> Any:
        carry += x
        x *= 0
        return carry, carry

    start, xs = np.zeros(2), sequence(3, 2)
    given = xs.copy()
    last, totals = cr.scan(step, start, xs)
    np.testing.assert_allclose(totals, np.cumsum(given, axis=0))
    np.testing.assert_array_equal(start, [0, 0])
    np.testing.assert_array_equal(xs, given)
    gradient = cr.grad(lambda x: np.sum(cr.scan(step, np.zeros(2), x)[1] ** 2))
    np.testing.assert_allclose(gradient(given), 2 * np.cumsum(totals[::-1], axis=0)[::-1])
    assert last.shape == (2,)


def rnn(X: Any, W: Any, U: Any, h0: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(x @ W + h @ U)
        return h, h

    last, hs = cr.scan(step, h0, X)
    return np.sum(hs**2) + np.sum(last)


def test_it_is_differentiated_twice_verified_and_trained() -> None:
    generator = np.random.default_rng(1)
    X, W, U, h0 = (generator.standard_normal(shape) * 0.5 for shape in ((5, 2, 4), (4, 3), (3, 3), (2, 3)))
    cr.check_grads(rnn, (X, W, U, h0), order=2)
    assert cr.derive(rnn, wrt=["W", "U"], X="5 2 4", W="4 3", U="3 3", h0="2 3").verify().ok
    data = {"X": np.swapaxes(X, 0, 1)}

    def loss(X: Any, W: Any, U: Any) -> Any:
        return rnn(np.swapaxes(X, 0, 1), W, U, np.zeros((X.shape[0], 3)))

    results = [
        cr.fit(loss, {"W": W, "U": U}, data, optimizer=cr.SGD(0.05), epochs=4, engine=engine)
        for engine in ("native", "reference")
    ]
    for name in ("W", "U"):
        np.testing.assert_allclose(results[0].params[name], results[1].params[name], rtol=1e-10)
    assert results[0].history["loss"][-1] < results[0].history["loss"][0]


def test_what_does_not_fit_is_refused_in_a_sentence() -> None:
    scan: Any = cr.scan  # its type refuses some of these too

    def keeps(c: Any, x: Any) -> Any:
        return c, x

    X = sequence(3, 2)
    with pytest.raises(ShapeError, match=r"xs\['a'\] 3, xs\['b'\] 2"):
        scan(keeps, 0.0, {"a": X, "b": X[:2]})
    with pytest.raises(ShapeError, match="length 4, xs 3"):
        scan(keeps, 0.0, X, length=4)
    with pytest.raises(ShapeError, match="this one is a number"):
        scan(keeps, 0.0, 1.0)
    with pytest.raises(ProgramError, match="number of its steps"):
        scan(keeps, 0.0)
    with pytest.raises(ProgramError, match="returns a pair"):
        scan(lambda c, x: c, 0.0, X)
    with pytest.raises(ProgramError, match="another structure"):
        scan(lambda c, x: ((c, c), x), 0.0, X)
    with pytest.raises(ShapeError, match=r"the carry\['h'\] of a scan has the shape \(2,\), and \(2, 2\) after"):
        scan(lambda c, x: ({"h": np.outer(c["h"], x)}, x), {"h": np.zeros(2)}, X)
    with pytest.raises(ProgramError, match="dtype float32, and float64 after"):
        scan(lambda c, x: (c + x, x), np.zeros(2, np.float32), X)
    with pytest.raises(ProgramError, match="different structures"):
        scan(lambda c, x: (c + 1, x if c else None), 0, X)
    with pytest.raises(TraceError, match="axis of the named size n"):
        trace(lambda x: scan(keeps, 0.0, x)[0], x="n d")
    with pytest.raises(TraceError, match="20,000 steps"):
        trace(lambda x: scan(keeps, 0.0, x)[0], x="20000")


def bent(h: Any, x: Any, W: Any) -> Any:
    return np.tanh(x + h @ W)


def kept_outside(X: Any, W: Any, h: Any) -> Any:
    seen = []

    def step(h: Any, x: Any) -> Any:
        seen.append(bent(h, x, W))
        return seen[-1], None

    cr.scan(step, h, X)
    return sum(np.sum(each**2) for each in seen)


def leaked(X: Any, W: Any, h: Any) -> Any:
    box: dict[str, Any] = {"last": h}

    def step(h: Any, x: Any) -> Any:
        box["last"] = bent(h, x, W)
        return box["last"], box["last"]

    _, hs = cr.scan(step, h, X)
    return np.sum(hs) + np.sum(box["last"] ** 2)


def counted(X: Any, W: Any, h: Any) -> Any:
    rounds = 0

    def step(h: Any, x: Any) -> Any:
        nonlocal rounds
        rounds += 1
        return bent(h, x, W) / rounds, h

    return np.sum(cr.scan(step, h, X)[1]) * rounds


def counted_for_later(X: Any, W: Any, h: Any) -> Any:
    rounds = 0

    def step(h: Any, x: Any) -> Any:
        nonlocal rounds
        rounds += 1
        return bent(h, x, W), h

    return np.sum(cr.scan(step, h, X)[1]) * rounds


def numbered(X: Any, W: Any, h: Any) -> Any:
    numbers = itertools.count(1)

    def step(h: Any, x: Any) -> Any:
        return bent(h, x, W) / next(numbers), h

    return np.sum(cr.scan(step, h, X)[1])


def queued(X: Any, W: Any, h: Any) -> Any:
    queue: deque[Any] = deque(maxlen=2)

    def step(h: Any, x: Any) -> Any:
        queue.append(bent(h, x, W))
        return queue[-1], None

    cr.scan(step, h, X)
    return np.sum(queue[0] * queue[1])


def asked(X: Any, W: Any, h: Any) -> Any:
    def step(state: Any, x: Any) -> Any:
        h, k = state
        return (bent(2 * h if k > 2 else h, x, W), k + 1), h

    return np.sum(cr.scan(step, (h, 0), X)[1] ** 2)


def at_places(X: Any, W: Any, h: Any) -> Any:
    def step(h: Any, t: Any) -> Any:
        return bent(h, X[t], W), h

    return np.sum(cr.scan(step, h, np.arange(5))[1] ** 2)


def written(X: Any, W: Any, h: Any) -> Any:
    total = np.zeros(3)

    def step(h: Any, x: Any) -> Any:
        nonlocal total
        total += h
        return bent(h, x, W), None

    cr.scan(step, h, X)
    return np.sum(total**2)


def nested(X: Any, W: Any, h: Any) -> Any:
    def inner(c: Any, x: Any) -> Any:
        return 0.5 * c + x, c

    def step(h: Any, x: Any) -> Any:
        last, before = cr.scan(inner, 0, np.concatenate([x @ W + h, h]))
        return np.tanh(h + last), np.sum(before)

    last, ys = cr.scan(step, h, X)
    return np.sum(ys**2) + np.sum(last)


def backwards(X: Any, W: Any, h: Any) -> Any:
    def step(state: Any, x: Any) -> Any:
        h, k = state
        return (bent(h, x, W) * k, k + 0.5), {"before": h, "element": x, "double": 2 * x}

    (last, k), ys = cr.scan(step, (h, 0), X, reverse=True)
    return np.sum(ys["before"] ** 2 * ys["element"]) + np.sum(last * ys["double"]) * k


def of_gradients(X: Any, W: Any, h: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        return h - 0.1 * cr.grad(lambda h: np.sum(bent(h, x, W) ** 2))(h), h

    return np.sum(cr.scan(step, h, X)[1] ** 2)


@pytest.mark.parametrize("loss", [nested, backwards, of_gradients])
def test_a_step_is_recorded_once_where_its_rounds_are_alike(loss: Any) -> None:
    arguments = sequence(5, 3), 0.5 * sequence(3, 3), sequence(3)
    shapes = dict(zip("XWh", arguments, strict=True))
    assert any(applies(node, Scan) for node in trace_with_recurrences(loss, **shapes).nodes)
    assert not any(applies(node, Scan) for node in trace(loss, **shapes).nodes)
    check_against_the_rounds(loss, arguments)


class Slot:
    """What it holds is not seen from outside."""

    __slots__ = ("held",)
    held: Any


def slotted(X: Any, W: Any, h: Any) -> Any:
    slot = Slot()

    def step(h: Any, x: Any) -> Any:
        slot.held = bent(h, x, W)
        return slot.held, None

    cr.scan(step, h, X)
    return np.sum(slot.held**2)


EFFECTS = [kept_outside, leaked, queued, slotted, counted, counted_for_later, numbered, asked, at_places, written]


@pytest.mark.parametrize("loss", EFFECTS)
def test_a_step_with_effects_or_questions_is_recorded_in_each_round(loss: Any) -> None:
    arguments = sequence(5, 3), 0.5 * sequence(3, 3), sequence(3)
    shapes = dict(zip("XWh", arguments, strict=True))
    assert not any(applies(node, Scan) for node in trace_with_recurrences(loss, **shapes).nodes)
    check_against_the_rounds(loss, arguments)


def check_against_the_rounds(loss: Any, arguments: Any) -> None:
    """The value is that on arrays, the gradients those of the rounds one after another."""
    value, found = cr.value_and_grad(loss, argnums=(0, 1, 2))(*arguments)
    np.testing.assert_allclose(value, loss(*arguments), rtol=1e-12)
    program = trace(loss, **dict(zip("XWh", arguments, strict=True)))
    gradients = backward(program, program.inputs).gradients
    known: Any = dict(zip(program.inputs, arguments, strict=True))
    expected = evaluate_nodes(gradients, known)
    for node, gradient in zip(gradients, found, strict=True):
        np.testing.assert_allclose(gradient, expected[node], rtol=1e-10, atol=1e-12)


def test_the_step_is_called_as_often_for_long_sequences_as_for_short_ones() -> None:
    calls = {}
    for length in (8, 4000):
        counter: Any = itertools.count()

        def loss(X: Any, w: Any, counter: Any = counter) -> Any:
            def step(h: Any, x: Any) -> Any:
                next(counter)
                return np.tanh(w * h + x), None

            return np.mean(cr.scan(step, np.zeros(X.shape[:1]), X.T)[0] ** 2)

        cr.fit(loss, {"w": np.array(0.5)}, {"X": np.ones((2, length))}, optimizer=cr.SGD(0.1), epochs=1)
        calls[length] = next(counter)
    assert calls[8] == calls[4000] < 8


def test_what_diverged_in_a_step_is_named_with_its_round() -> None:
    def loss(X: Any, w: Any) -> Any:
        def step(h: Any, x: Any) -> Any:
            h = np.exp(w * h + x)
            return h, None

        return np.mean(cr.scan(step, np.zeros(X.shape[:1]), X.T)[0])

    with pytest.warns(DivergenceWarning, match="h4 is not finite"):
        cr.fit(loss, {"w": np.array(3.0)}, {"X": np.zeros((2, 6))}, optimizer=cr.SGD(0.1), epochs=1)
