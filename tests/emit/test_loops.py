"""Source of recurrences: a loop forwards and one backwards, whatever the number of steps."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.emitted import Case, assert_close, run_c, run_jax, run_js, run_numpy, run_torch

import chainrule as cr
from chainrule.derivation import Record, recurrent_gradients
from chainrule.deriving.recurrent import RecurrentDerivation
from chainrule.emit import UnverifiedError, check_gradients, checking
from chainrule.emit.node import find_node


def rnn(X: Any, W: Any, U: Any, b: Any, h0: Any, Y: Any) -> Any:
    h, loss = h0, 0.0
    for t in range(6):
        h = np.tanh(X[t] @ W + h @ U + b)
        loss = loss + np.sum((h - Y[t]) ** 2)
    return loss


def gated(X: Any, W: Any, U: Any, h0: Any, c0: Any) -> Any:
    h, c = h0, c0
    for x in X:
        z = x @ W + h @ U
        c = cr.sigmoid(z) * c + (1 - cr.sigmoid(z)) * np.tanh(z)
        h = z * np.tanh(c)
    return np.mean(h**2)


def both_ways(X: Any, W: Any, U: Any, V: Any, h0: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(x @ W + h @ U)
        return h, h

    def other(g: Any, x: Any) -> Any:
        return np.tanh(x @ W + g @ V), g

    _, forwards = cr.scan(step, h0, X)
    _, backwards = cr.scan(other, h0, X, reverse=True)
    return np.sum(forwards * backwards)


def exchanged(X: Any, U: Any, h0: Any, c0: Any) -> Any:
    a, b = h0, c0
    for x in X:
        a, b = np.tanh(U @ b + x[:2]), np.sin(U @ a)
    return np.sum(a * b)


def before_and_after(X: Any, W: Any, U: Any, h0: Any) -> Any:
    h, before, every = h0, [], []
    for t in reversed(range(6)):
        before.append(h)
        h = np.tanh(X[t] @ W + h @ U)
        every.append(h @ U)
    return np.sum(np.stack(before[::-1]) ** 2) + np.sum(np.stack(every)) + np.sum(h)


def last_state(X: Any, W: Any, U: Any, h0: Any) -> Any:
    h = h0
    for x in X:
        h = np.tanh(x @ W + h @ U)
    return np.sum(h**2)


def layer(X: Any, W: Any, U: Any, h0: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(x @ W + h @ U)
        return h, h

    return cr.scan(step, h0, X)


SIZES = {"X": "6 3", "W": "3 2", "U": "2 2", "V": "2 2", "b": "2", "h0": "2", "c0": "2", "Y": "6 2"}
FUNCTIONS = (rnn, gated, both_ways, exchanged, before_and_after)


def derived(function: Callable[..., Any], sizes: Mapping[str, str] = SIZES) -> cr.Derivation:
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    return cr.derive(function, **{name: sizes[name] for name in names})


of_its_sizes = functools.cache(derived)


def executed(text: str) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(compile(text, "<source>", "exec"), space)
    return space


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_the_source_of_a_recurrence_has_a_loop_in_each_direction(function: Callable[..., Any]) -> None:
    derivation = of_its_sizes(function)
    text = derivation.source("numpy")
    count = 2 if function is both_ways else 1
    assert text.count("for t in range(") == text.count("for t in reversed(range(") == count
    random = np.random.default_rng(3)
    names = [node.name for node in derivation.program.inputs]
    values = [random.standard_normal([int(k) for k in SIZES[name].split()]) for name in names]
    space = executed(text)
    loss, saved = space["forward"](*values)
    first = [np.array(each) for each in space["backward"](saved)]
    again = space["backward"](saved)  # nothing that is saved is changed
    for place, gradient, other in zip(_places(text, names), first, again, strict=True):
        np.testing.assert_array_equal(gradient, other)
        change = random.standard_normal(values[place].shape)
        moved = [[v + s * change if k == place else v for k, v in enumerate(values)] for s in (1e-6, -1e-6)]
        slope = (function(*moved[0]) - function(*moved[1])) / 2e-6
        np.testing.assert_allclose(np.sum(gradient * change), slope, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(loss, function(*values), rtol=1e-12)


def _places(text: str, names: list[str]) -> list[int]:
    returned = text.rpartition("return ")[2].strip().split(", ")
    return [names.index(each.removeprefix("d")) for each in returned]


def test_gradients_of_the_whole_that_are_not_those_of_the_lines_are_refused() -> None:
    derivation = of_its_sizes(rnn)
    assert isinstance(derivation, RecurrentDerivation)
    lines = derivation.verify()
    whole = derivation.recurrent.whole
    check_gradients(Record(whole, derivation.recurrent.wrt), derivation.recurrent, lines)
    wrong = Record(whole, derivation.recurrent.wrt)
    entries = [
        replace(entry, chain=2 * entry.result, merged=None) if entry.symbol.name == "U" else entry
        for entry in wrong.backward.accumulations
    ]
    wrong.backward = replace(wrong.backward, accumulations=tuple(entries))
    with pytest.raises(UnverifiedError):
        check_gradients(wrong, derivation.recurrent, lines)


def test_lines_that_are_not_the_right_gradients_of_the_whole_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    derivation = of_its_sizes(rnn)
    assert isinstance(derivation, RecurrentDerivation)
    lines, recurrent = derivation.verify(), derivation.recurrent
    right = recurrent_gradients
    monkeypatch.setattr(checking, "recurrent_gradients", lambda *given: {n: 2 * g for n, g in right(*given).items()})
    with pytest.raises(UnverifiedError, match="not those of its lines"):
        check_gradients(Record(recurrent.whole, recurrent.wrt), recurrent, lines)


def test_at_a_kink_differences_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    def largest(X: Any, h0: Any) -> Any:
        h = h0
        for x in X:
            h = np.maximum(h, x[:2]) + 0.1 * h
        return np.sum(h)

    derivation = derived(largest)
    assert isinstance(derivation, RecurrentDerivation)
    lines, recurrent = derivation.verify(), derivation.recurrent
    record = Record(recurrent.whole, recurrent.wrt)
    trial = checking._trial(record, record.backward.wrt)
    assert not checking._is_at_a_kink(record, trial)
    (tied,) = [node for node in trial.given if node.name == "h0"]
    (elements,) = [node for node in trial.given if node.name == "X"]
    at_a_kink = replace(trial, given={**trial.given, tied: trial.given[elements][0, :2]})
    assert checking._is_at_a_kink(record, at_a_kink)
    monkeypatch.setattr(checking, "_trial", lambda *_: at_a_kink)
    check_gradients(record, recurrent, lines)


def test_a_layer_is_given_the_gradients_by_its_states_and_by_the_last_one() -> None:
    space = executed(of_its_sizes(layer).source("numpy"))
    random = np.random.default_rng(4)
    values = [random.standard_normal(shape) for shape in ((6, 3), (3, 2), (2, 2), (2,))]
    last, states, saved = space["forward"](*values)
    np.testing.assert_array_equal(last, states[-1])
    seeds = random.standard_normal(2), random.standard_normal((6, 2))
    gradients = space["backward"](saved, *seeds)
    change = [random.standard_normal(value.shape) for value in values]

    def paired(step: float) -> float:
        last, states, _ = space["forward"](*[v + step * c for v, c in zip(values, change, strict=True)])
        return float(np.sum(last * seeds[0]) + np.sum(states * seeds[1]))

    stated = sum(np.sum(g * c) for g, c in zip(gradients, change, strict=True))
    np.testing.assert_allclose(stated, (paired(1e-6) - paired(-1e-6)) / 2e-6, rtol=1e-6)


def test_what_a_first_round_adds_to_zero_or_divides_by_one_is_written_as_it_is() -> None:
    def negative_log_likelihood(x: Any, w: Any) -> Any:
        v, s = 1.0, 0.0
        for t in range(7):
            s += np.log(v) + x[t] ** 2 / v
            v = 0.1 + w * x[t] ** 2 + 0.8 * v
        return s

    layer = cr.derive(lambda x: 1.0 * x, x="3")  # its result is not its argument itself
    assert "forward" in layer.source("js")
    derivation = cr.derive(negative_log_likelihood, x="7", w="")
    for target in ("numpy", "js"):
        text = derivation.source(target)
        assert "= 0 + " not in text
        assert " / 1 " not in text
        assert " / 1;" not in text


@pytest.mark.parametrize("target", ["torch", "jax"])
def test_a_line_named_loss_is_not_the_loss_that_is_returned(target: str) -> None:
    def mean_error(X: Any, W: Any, h0: Any) -> Any:
        h, loss = h0, 0.0
        for x in X:
            h = np.tanh(x @ W + h)
            loss = loss + np.sum(h**2)
        return loss / 8

    def logarithm(x: Any) -> Any:
        loss = np.sum(x**2)
        return np.log(loss) + loss

    of_steps = derived(mean_error).source(target)
    assert of_steps.count("0.125") == 1
    assert "(1 / loss + 1)" in cr.derive(logarithm, x="3").source(target)


@functools.cache
def drawn_for(function: Callable[..., Any]) -> Case:
    """Return random arguments, and what the loops of NumPy give for them."""
    derivation = of_its_sizes(function)
    random = np.random.default_rng(6)
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    arguments = {name: random.standard_normal([int(k) for k in SIZES[name].split()]) for name in names}
    seeds = [random.standard_normal(shape) for shape in ((2,), (6, 2))] if function is layer else []
    wanted = {name: np.zeros(()) for name in names if seeds or name not in ("X", "Y")}  # a layer hands on its own
    outputs, gradients = run_numpy(derivation.source("numpy"), Case(derivation, arguments, seeds, [], wanted, {}))
    return Case(derivation, arguments, seeds, [np.asarray(each) for each in outputs], gradients, {})


LIBRARIES = [name for name in ("torch", "jax") if importlib.util.find_spec(name) is not None]


@pytest.mark.parametrize("function", [*FUNCTIONS, layer], ids=lambda function: function.__name__)
@pytest.mark.parametrize("target", LIBRARIES)  # the libraries are not needed for the tests
def test_the_loops_of_other_libraries_give_the_gradients(function: Callable[..., Any], target: str) -> None:
    drawn = drawn_for(function)
    run = run_torch if target == "torch" else run_jax
    found, own = run(drawn.derivation.source(target), drawn, function.__name__)
    for each, expected in zip(found, drawn.outputs, strict=True):
        assert_close(each, np.asarray(expected), "output", 1e-9)
    for name, expected in drawn.gradients.items():
        assert_close(own[name], expected, name, 1e-9)


@pytest.mark.parametrize("function", [*FUNCTIONS, layer], ids=lambda function: function.__name__)
def test_the_loops_of_c_give_the_gradients(function: Callable[..., Any], tmp_path: Path) -> None:
    """Those of JavaScript are written from the same program, and run in node before they are given."""
    derivation = of_its_sizes(function)
    text = derivation.source("c", name="f", dtype="float64")
    loops = sum(line.strip().startswith("for (int t = ") for line in text.splitlines())
    assert loops == (4 if function is both_ways else 2)
    drawn = drawn_for(function)
    _, gradients = run_c(text, drawn, "f", tmp_path)
    for name, expected in drawn.gradients.items():
        assert_close(gradients[name], expected, name, 1e-12)


@pytest.mark.skipif(find_node() is None, reason="node runs JavaScript")
@pytest.mark.parametrize("function", [*FUNCTIONS, layer], ids=lambda function: function.__name__)
def test_the_loops_of_javascript_give_the_gradients(function: Callable[..., Any]) -> None:
    derivation = of_its_sizes(function)
    assert isinstance(derivation, RecurrentDerivation)
    drawn = drawn_for(function)
    outputs, gradients = run_js(drawn, subject=derivation.recurrent)
    for name, expected in drawn.gradients.items():
        assert_close(gradients[name], expected, name, 1e-12)
    for found, expected in zip(outputs, drawn.outputs, strict=True):
        assert_close(found, expected, "output", 1e-12)


def test_the_text_of_c_and_javascript_does_not_grow_with_the_steps() -> None:
    for target in ("c", "js"):
        short, long = (derived(last_state, {**SIZES, "X": f"{steps} 3"}).source(target) for steps in (6, 60))
        assert long.count("\n") == short.count("\n")
        assert short.count(f"{'grads->W[i][j]' if target == 'c' else 'dW[i * 2 + j]'} += X[t * 3 + i] *") == 1
        assert short.count("/* dW: 3 x 2 */") == 2  # where it is 0, and where a step adds to it


@pytest.mark.skipif("jax" not in LIBRARIES, reason="JAX is not installed")
@pytest.mark.parametrize("low", ["W", "U", "h0"])
def test_a_scan_takes_inputs_of_several_precisions(low: str) -> None:
    import jax
    import jax.numpy as jnp

    space = executed(of_its_sizes(rnn).source("jax"))
    random = np.random.default_rng(5)
    names = list(rnn.__code__.co_varnames[:6])
    exact = [random.standard_normal([int(k) for k in SIZES[name].split()]) for name in names]
    given = [jnp.asarray(v, "bfloat16" if name == low else "float32") for name, v in zip(names, exact, strict=True)]
    found = jax.grad(lambda *v: space["rnn"](*v).astype("float32"), argnums=(1, 2))(*given)
    for gradient, right in zip(found, cr.grad(rnn, argnums=(1, 2))(*exact), strict=True):
        np.testing.assert_allclose(np.asarray(gradient, float), right, rtol=0.1, atol=0.05 * np.max(np.abs(right)))


def test_a_tensor_has_loops_and_jax_has_scans_that_are_traced_once() -> None:
    torch, jax = (of_its_sizes(both_ways).source(target) for target in ("torch", "jax"))
    for text in (torch, jax):
        assert text.count("X[t] @ W") == text.count("dW += ") == 1
    assert torch.count("for t in range(") == torch.count("for t in reversed(range(") == 2
    assert jax.count("carry, _ = jax.lax.scan(step, ") == 4
    assert jax.count(", reverse=True)") == 2
    assert "[t].set(" in jax


def test_the_source_reads_as_backpropagation_through_time_of_any_length() -> None:
    def last(X: Any, W: Any, U: Any, V: Any, h0: Any) -> Any:
        h = h0
        for x in X:
            h = np.tanh(x @ W + h @ U)
        return np.sum((h @ V) ** 2)

    text = derived(last).source("numpy")
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    expected = [
        "h[0] = h0",
        "for t in range(6):",
        "z = X[t] @ W + h[t] @ U",
        "h[t + 1] = np.tanh(z)",
        "for t in reversed(range(6)):",
        "dz = dh * (1 - h[t + 1] ** 2)",
        "dW += np.outer(X[t], dz)",
        "dU += np.outer(h[t], dz)",
        "dh = U @ dz",
        "dh0 = dh",
    ]
    assert [line for line in lines if line in expected] == expected
    longer = derived(last, {**SIZES, "X": "60 3"}).source("numpy")
    assert longer.replace("60", "6").replace("61", "7").count("\n") == text.count("\n")


def test_states_and_sums_are_floats_where_whole_numbers_are_given() -> None:
    """They are in the precision of the floats that are given."""
    space = executed(of_its_sizes(gated).source("numpy"))
    random = np.random.default_rng(5)
    whole = [random.integers(-1, 2, shape) for shape in ((6, 3), (3, 2))]
    others = [random.standard_normal(shape) for shape in ((2, 2), (2,), (2,))]
    loss, saved = space["forward"](*whole, *others)
    expected, expected_saved = space["forward"](*(each.astype(float) for each in whole), *others)
    assert loss == expected
    for found, true in zip(space["backward"](saved), space["backward"](expected_saved), strict=True):
        np.testing.assert_array_equal(found, true)
    single = [each.astype(np.float32) for each in (*whole, *others)]
    loss, saved = space["forward"](*single)
    assert {each.dtype for each in (loss, *space["backward"](saved))} == {np.dtype(np.float32)}
