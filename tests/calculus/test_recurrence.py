"""Rounds of loops as recurrences: found, differentiated, improved and compiled, against the rounds in a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import chainrule as cr
from chainrule.calculus import Recurrence, Scan, backward, improved, linearize, rolled, transpose, written_nodes
from chainrule.calculus.recurrence import Carried, Constant, Sequenced
from chainrule.engines import get_engine
from chainrule.engines.native.compilation import CompiledProgram
from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    DType,
    Input,
    Node,
    Program,
    ProgramError,
    ShapeError,
    applies,
    topological_order,
)
from chainrule.primitives import evaluate_nodes, tanh

Array = NDArray[Any]
TINY = 1e-6


def vanilla(X: Any, W: Any, U: Any, b: Any, h0: Any) -> Any:
    h = h0
    for t in range(6):
        h = np.tanh(X[:, t] @ W + h @ U + b)
    return np.sum(h**2)


def filled(X: Any, W: Any) -> Any:
    out, h, s = np.zeros((6, 2)), np.zeros(2), 0
    for t in range(6):
        h = np.tanh(X[t] @ W + h)
        out[t] = h
        s += np.sum(h)
    return s + np.sum(out**2)


def listed(X: Any, W: Any) -> Any:
    states, h = [], np.zeros(2)
    for x in X:
        h = np.tanh(x @ W + h)
        states.append(h)
    return np.sum(np.array(states) ** 2)


def lstm(X: Any, W: Any, U: Any, b: Any, V: Any) -> Any:
    h, c, states = np.zeros((X.shape[0], 3)), np.zeros((X.shape[0], 3)), []
    for t in range(6):
        z = X[:, t] @ W + h @ U + b
        i, f, o = cr.sigmoid(z[:, :3]), cr.sigmoid(z[:, 3:6]), cr.sigmoid(z[:, 6:9])
        c = f * c + i * np.tanh(z[:, 9:])
        h = o * np.tanh(c)
        states.append(h)
    return np.sum((np.stack(states, axis=1) @ V) ** 2) + np.sum(c)


def gru(X: Any, W: Any, U: Any, V: Any) -> Any:
    h = np.zeros(3)
    for t in range(6):
        a = X[t] @ W + h @ U
        r, z = cr.sigmoid(a[:3]), cr.sigmoid(a[3:])
        h = (1 - z) * h + z * np.tanh(X[t, :3] + (r * h) @ V)
    return np.sum(h)


def runge_kutta(y: Any, k: Any) -> Any:
    def slope(y: Any) -> Any:
        return np.sin(y) - k * y**3

    for _ in range(20):
        k1 = slope(y)
        k2 = slope(y + 0.05 * k1)
        k3 = slope(y + 0.05 * k2)
        y = y + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + slope(y + 0.1 * k3))
    return np.sum(y)


def two_steps_back(x: Any, a: Any, b: Any) -> Any:
    before, now = x[0], x[1]
    for _ in range(10):
        before, now = now, a * np.tanh(now) + b * before
    return now**2


def both_ways(X: Any, W: Any, V: Any) -> Any:
    forwards, h = [], np.zeros(2)
    for t in range(6):
        h = np.tanh(X[t] @ W + h)
        forwards.append(h)
    backwards: list[Any] = [None] * 6
    g = np.zeros(2)
    for t in reversed(range(6)):
        g = np.tanh(X[t] @ V + 0.5 * g)
        backwards[t] = g
    total = 0
    for h, g in zip(forwards, backwards, strict=True):
        total = total + np.sum(h * g)
    return total


def two_layers(X: Any, W: Any, U: Any, V: Any, Q: Any) -> Any:
    h, g, total = np.zeros(2), np.zeros(2), 0
    for t in range(6):
        h = np.tanh(X[t] @ W + h @ U)
        g = np.tanh(np.tanh(h @ V) + g @ Q)
        total += np.sum(g**2)
    return total


def hidden_markov(A: Any, B: Any, start: Any) -> Any:
    a: Any = start**2 * np.exp(B[0])
    total: Any = 0.0
    for t in range(1, 8):
        a = (a @ np.exp(A)) * np.exp(B[t])
        s = np.sum(a)
        a = a / s
        total = total + np.log(s)
    return total


def classified(X: Any, y: Any, W: Any, V: Any) -> Any:
    h = np.zeros(3)
    total: Any = 0.0
    for t in range(6):
        h = np.tanh(X[t] @ W + h)
        total += cr.cross_entropy(h @ V, y[t])
    return total


def timed(x: Any, a: Any) -> Any:
    s = x
    for t in range(8):
        s = s + a * np.sin(s * t) / (t + 1)
    return np.sum(s**2)


def peephole(X: Any, w: Any, c: Any) -> Any:
    h = c * 0
    for t in range(6):
        o = cr.sigmoid(X[t] * w + c)
        c = cr.sigmoid(o) * c + np.tanh(X[t] + h)
        h = o * np.tanh(c)
    return np.sum(h)


def scanned(X: Any, W: Any, U: Any, h: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(x @ W + h @ U)
        return h, h

    last, states = cr.scan(step, h, X, reverse=True)
    return np.sum(states**2) + np.sum(last)


def kalman(y: Any, F: Any, Q: Any, r: Any) -> Any:
    m, P, H = np.zeros(2), np.eye(2), np.array([1.0, 0.0])
    total: Any = 0.0
    for t in range(8):
        m, P = F @ m, F @ P @ F.T + Q @ Q.T
        S = H @ P @ H + r**2 + 1
        K = P @ H / S
        v = y[t] - H @ m
        m, P = m + K * v, P - np.outer(K, H) @ P
        total = total + np.log(S) + v**2 / S
    return total


def strided(x: Any, a: Any) -> Any:
    s = a * 0
    for t in range(5):
        s = np.sin(a * s + x[2 * t + 1])
    return s


def nested(X: Any, a: Any) -> Any:
    s = a * 0
    for t in range(5):
        inner = s
        for k in range(5):
            inner = np.tanh(a * inner + X[t, k])
        s = s + inner
    return s


LABELS = np.array([0, 1, 1, 0, 1, 0])
PROGRAMS: dict[str, tuple[Callable[..., Any], dict[str, Any], int]] = {
    "vanilla": (vanilla, {"X": "5 6 3", "W": "3 2", "U": "2 2", "b": "2", "h0": "5 2"}, 1),
    "filled": (filled, {"X": "6 3", "W": "3 2"}, 2),
    "listed": (listed, {"X": "6 3", "W": "3 2"}, 1),
    "lstm": (lstm, {"X": "4 6 5", "W": "5 12", "U": "3 12", "b": "12", "V": "3"}, 1),
    "gru": (gru, {"X": "6 4", "W": "4 6", "U": "3 6", "V": "3 3"}, 1),
    "runge_kutta": (runge_kutta, {"y": "3", "k": ""}, 1),
    "two_steps_back": (two_steps_back, {"x": "2", "a": "", "b": ""}, 1),
    "both_ways": (both_ways, {"X": "6 3", "W": "3 2", "V": "3 2"}, 2),
    "two_layers": (two_layers, {"X": "6 3", "W": "3 2", "U": "2 2", "V": "2 2", "Q": "2 2"}, 1),
    "hidden_markov": (hidden_markov, {"A": "3 3", "B": "8 3", "start": "3"}, 1),
    "classified": (classified, {"X": "6 3", "y": LABELS, "W": "3 3", "V": "3 2"}, 1),
    "timed": (timed, {"x": "3", "a": ""}, 1),
    "peephole": (peephole, {"X": "6 3", "w": "3", "c": "3"}, 1),
    "scanned": (scanned, {"X": "6 3", "W": "3 2", "U": "2 2", "h": "2"}, 1),
    "kalman": (kalman, {"y": "8", "F": "2 2", "Q": "2 2", "r": ""}, 1),
    "strided": (strided, {"x": "11", "a": ""}, 1),
    "nested": (nested, {"X": "5 5", "a": ""}, 1),
}
Programs = pytest.mark.parametrize("name", list(PROGRAMS))


def traced(name: str) -> Program:
    function, shapes, _ = PROGRAMS[name]
    return cr.trace(function, **shapes)


def values_for(program: Program, seed: int = 0) -> dict[Node, Array]:
    rng = np.random.default_rng(seed)
    return {
        node: rng.normal(size=node.type.concrete_shape) * 0.7
        if node.type.dtype.is_float
        else rng.integers(0, 2, node.type.concrete_shape)
        for node in program.inputs
    }


def variables(program: Program) -> list[Input]:
    return [node for node in program.inputs if node.type.dtype.is_float]


def loops(nodes: list[Node]) -> set[object]:
    return {(node.primitive.together, node.operands) for node in nodes if applies(node, Scan)}


def gradients(program: Program) -> Program:
    """The loss and its gradients, as in a step of training."""
    found = backward(program, variables(program)).gradients
    return Program(program.inputs, improved([*program.outputs, *found]))


@Programs
def test_rounds_are_found_and_mean_the_same(name: str) -> None:
    program = traced(name)
    short = rolled(program)
    assert len(loops(short.nodes)) == PROGRAMS[name][2]
    assert len(short.nodes) < len(program.nodes)
    values = values_for(program)
    expected, found = (evaluate_nodes(each.outputs, values)[each.outputs[0]] for each in (program, short))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    (unrolled,) = cr.trace(PROGRAMS[name][0], **PROGRAMS[name][1]).outputs
    assert unrolled is program.outputs[0]


def along(program: Program, values: dict[Node, Array], direction: dict[Node, Array], step: float) -> Array:
    moved = {node: value + step * direction[node] if node in direction else value for node, value in values.items()}
    return evaluate_nodes(program.outputs, moved)[program.outputs[0]]


@Programs
def test_gradients_are_those_of_differences(name: str) -> None:
    program = traced(name)
    values = values_for(program)
    step = gradients(rolled(program))
    found = evaluate_nodes(step.outputs, values)
    rng = np.random.default_rng(1)
    for node, gradient in zip(variables(program), step.outputs[1:], strict=True):
        direction: dict[Node, Array] = {node: rng.normal(size=node.type.concrete_shape)}
        expected = (along(program, values, direction, TINY) - along(program, values, direction, -TINY)) / (2 * TINY)
        np.testing.assert_allclose(np.sum(found[gradient] * direction[node]), expected, rtol=2e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["vanilla", "lstm", "two_steps_back", "scanned", "hidden_markov", "nested"])
def test_second_derivatives_are_those_of_differences(name: str) -> None:
    program = traced(name)
    values = values_for(program)
    step = gradients(rolled(program))
    wrt = variables(program)
    rng = np.random.default_rng(2)
    directions: dict[Node, Array] = {node: rng.normal(size=node.type.concrete_shape) for node in wrt}
    tangents: dict[Node, Node] = {node: Input(f"d {node.name}", node.type) for node in wrt}
    changes = [each for each in linearize(step.outputs[1:], tangents) if each is not None]
    assert len(changes) == len(wrt)
    given = {**values, **{tangents[node]: directions[node] for node in wrt}}
    found = evaluate_nodes(changes, given)
    ahead, behind = (
        evaluate_nodes(step.outputs, {**values, **{node: values[node] + h * directions[node] for node in wrt}})
        for h in (TINY, -TINY)
    )
    for change, gradient in zip(changes, step.outputs[1:], strict=True):
        expected = (ahead[gradient] - behind[gradient]) / (2 * TINY)
        np.testing.assert_allclose(found[change], expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())
    # The transpose of the second differential: ⟨H d, d⟩ in both orders.
    seeds = [Const(directions[node], node.type) for node in wrt]
    back = transpose(changes, list(tangents.values()), seeds)
    given_back = evaluate_nodes([each for each in back if each is not None], given)
    for each, change in zip(back, changes, strict=True):
        assert each is not None
        np.testing.assert_allclose(given_back[each], found[change], rtol=1e-8, atol=1e-9)


@Programs
def test_native_code_agrees_with_the_definition(name: str) -> None:
    step = gradients(rolled(traced(name)))
    values = values_for(step)
    expected = evaluate_nodes(step.outputs, values)
    found = CompiledProgram(step, "loops")(
        {node.name: value for node, value in values.items() if isinstance(node, Input)}
    )
    for output, result in zip(step.outputs, found, strict=True):
        np.testing.assert_allclose(result, expected[output], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["lstm", "scanned", "nested"])
def test_xla_agrees_with_the_definition(name: str) -> None:
    pytest.importorskip("jax")
    step = gradients(rolled(traced(name)))
    values = values_for(step)
    expected = evaluate_nodes(step.outputs, values)
    named = {node.name: value for node, value in values.items() if isinstance(node, Input)}
    for output, result in zip(step.outputs, get_engine("xla").compile(step)(named), strict=True):
        np.testing.assert_allclose(result, expected[output], rtol=1e-10, atol=1e-12)


@Programs
def test_a_scan_expands_to_its_steps(name: str) -> None:
    step = gradients(rolled(traced(name)))
    values = values_for(step)
    outputs = step.outputs
    while any(applies(node, Scan) for node in topological_order(outputs)):
        outputs = tuple(
            cr.ir.rebuild(outputs, lambda node: node.primitive.expand(*node.operands) if applies(node, Scan) else None)
        )
    found, expected = evaluate_nodes(outputs, values), evaluate_nodes(step.outputs, values)
    for output, other in zip(outputs, step.outputs, strict=True):
        np.testing.assert_allclose(found[output], expected[other], rtol=1e-10, atol=1e-12)


def rounds(count: int) -> Callable[..., Any]:
    def loss(X: Any, W: Any, U: Any) -> Any:
        h = np.zeros(3)
        for t in range(count):
            h = np.tanh(X[t] @ W + h @ U)
        return np.sum(h**2)

    return loss


def test_the_size_of_a_step_does_not_depend_on_the_number_of_rounds() -> None:
    short, long = (gradients(rolled(cr.trace(rounds(count), X=(count, 2), W="2 3", U="3 3"))) for count in (8, 80))
    assert len(written_nodes(short.outputs)) == len(written_nodes(long.outputs)) < 80


def test_the_reverse_loop_reads_what_the_forward_loop_computed() -> None:
    step = gradients(rolled(traced("lstm")))
    (reverse,) = {
        node.primitive.together: node for node in step.nodes if applies(node, Scan) and node.primitive.reverse
    }.values()
    names = {type(node.primitive).__name__ for node in reverse.primitive.step.nodes if isinstance(node, Apply)}
    assert not names & {"Sigmoid", "Tanh"}


def network_loss(X: Any, y: Any, W: Any, U: Any, V: Any) -> Any:
    h, c = np.zeros((X.shape[0], 8)), np.zeros((X.shape[0], 8))
    for t in range(12):
        z = X[:, t] @ W + h @ U
        c = cr.sigmoid(z[:, :8]) * c + np.tanh(z[:, 8:16])
        h = cr.sigmoid(z[:, 16:]) * np.tanh(c)
    return cr.cross_entropy(h @ V, y)


def fitted(**settings: Any) -> Any:
    rng = np.random.default_rng(3)
    data = {"X": rng.normal(size=(50, 12, 4)), "y": rng.integers(0, 3, 50)}
    params = {"W": rng.normal(size=(4, 24)), "U": rng.normal(size=(8, 24)) / 3, "V": rng.normal(size=(8, 3))}
    return cr.fit(network_loss, params, data, cr.Adam(0.01), epochs=3, batch_size=16, seed=1, **settings)


def test_training_gives_the_same_bits_on_any_number_of_threads_and_agrees_with_the_reference() -> None:
    one, three, reference = fitted(threads=1), fitted(threads=3), fitted(engine="reference")
    np.testing.assert_array_equal(one.history["loss"], three.history["loss"])
    for name, value in one.params.items():
        np.testing.assert_array_equal(value, three.params[name])
        np.testing.assert_allclose(value, reference.params[name], rtol=1e-9)


def embedded(labels: Any, E: Any, W: Any) -> Any:
    h = np.zeros((labels.shape[0], 4))
    for t in range(5):
        h = np.tanh(E[labels[:, t]] + h @ W)
    return np.sum(h)


@pytest.mark.parametrize("label", [7, -8])
def test_an_index_out_of_range_in_a_round_is_refused(label: int) -> None:
    params, labels = {"E": np.ones((7, 4)), "W": np.eye(4)}, np.zeros((9, 5), int)
    assert np.isfinite(cr.fit(embedded, params, {"labels": labels - 7 * (labels + 1)}, epochs=1).history["loss"]).all()
    labels[3, 2] = label
    with pytest.raises(ProgramError, match=f"an index is out of range: index {label} .*labels holds"):
        cr.fit(embedded, params, {"labels": labels}, epochs=1)


def test_memory_is_linear_in_the_length() -> None:
    sizes = []
    for count in (100, 200, 400):
        step = gradients(rolled(cr.trace(rounds(count), X=(count, 2), W="2 3", U="3 3")))
        sizes.append(CompiledProgram(step, "loops")._arena_size)
    assert sizes[2] - sizes[1] == pytest.approx(2 * (sizes[1] - sizes[0]), rel=0.05)
    assert sizes[1] - sizes[0] < 100 * 8 * 20


@pytest.mark.parametrize(
    "function",
    [
        lambda x, a: a * np.sin(a * np.cos(a * np.tanh(a * x[0]))),
        lambda x, a: np.tanh(a * np.tanh(a * np.tanh(a + x[0]) + x[2]) + x[1]),
    ],
)
def test_what_is_not_a_loop_is_left_alone(function: Any) -> None:
    program = cr.trace(function, x="4", a="")
    assert rolled(program) is program


def test_a_layer_each_with_weights_of_its_own_is_not_a_round() -> None:
    def deep(x: Any, A: Any, B: Any, C: Any, D: Any, E: Any) -> Any:
        for W in (A, B, C, D, E):
            x = np.tanh(x @ W)
        return np.sum(x)

    program = cr.trace(deep, x="3", A="3 3", B="3 3", C="3 3", D="3 3", E="3 3")
    assert rolled(program) is program


def scan(**changes: Any) -> Recurrence:
    vector = ArrayType((3,))
    c, x, k = Input("c", vector), Input("x", vector), Input("k", vector)
    recurrence = Recurrence(
        (Carried(c, Input("h", vector), tanh(c * k) + x),),
        (Sequenced(x, Input("X", ArrayType((5, 3)))),),
        (Constant(k, Input("w", vector)),),
        (c * x,),
        (k * x,),
        5,
    )
    return replace(recurrence, **changes)


def test_the_types_of_the_results() -> None:
    states, ys, total = scan().results()
    assert (states.type.shape, ys.type.shape, total.type.shape) == ((6, 3), (5, 3), (3,))
    program = Program(
        (Input("h", ArrayType((3,))), Input("X", ArrayType((5, 3))), Input("w", ArrayType((3,)))), (total,)
    )
    assert program.bind({}, DType.FLOAT32).outputs[0].type == ArrayType((3,), DType.FLOAT32)


def test_operands_that_do_not_fit_are_refused() -> None:
    vector, matrix = ArrayType((3,)), ArrayType((5, 3))
    with pytest.raises(ShapeError, match=r"operand 1 of a scan has the type float64\[4, 3\]"):
        scan(sequences=(Sequenced(Input("x", vector), Input("X", ArrayType((4, 3)))),)).results()
    with pytest.raises(ShapeError, match="a carry of a scan has the type"):
        scan(carries=(Carried(Input("c", vector), Input("h", vector), Input("X", matrix)),)).results()
    (first, *_) = scan().results()
    assert isinstance(first, Apply)
    with pytest.raises(ProgramError, match="a scan with 3 inputs is applied to 2 operands"):
        first.primitive.type(vector, matrix)


def test_a_scan_of_no_steps_keeps_the_initial_state() -> None:
    h, X = Input("h", ArrayType((3,))), Input("X", ArrayType((0, 3)))
    states, ys, total = scan(sequences=(Sequenced(Input("x", ArrayType((3,))), X),), length=0).results()
    given: dict[Node, Array] = {h: np.ones(3), X: np.zeros((0, 3)), Input("w", ArrayType((3,))): np.ones(3)}
    found = evaluate_nodes([states, ys, total], given)
    np.testing.assert_array_equal(found[states], np.ones((1, 3)))
    np.testing.assert_array_equal(found[total], np.zeros(3))
    assert found[ys].shape == (0, 3)


def steps_of(seed: int) -> tuple[Callable[..., Any], dict[str, Any]]:
    """A loop with random steps, starts and uses of its states."""
    rng = np.random.default_rng(seed)
    count, size = int(rng.choice([4, 5, 7])), 2
    states = int(rng.integers(1, 4))
    steps = [
        [(int(rng.integers(9)), int(rng.integers(states))) for _ in range(rng.integers(1, 4))] for _ in range(states)
    ]
    at_once, upwards, start, use = (
        int(rng.integers(2)),
        int(rng.integers(2)),
        int(rng.integers(3)),
        int(rng.integers(5)),
    )

    def changed(value: Any, kind: int, other: Any, t: int, X: Any, W: Any, w: Any) -> Any:
        changes = (
            lambda: np.sin(value),
            lambda: value + other,
            lambda: value * other,
            lambda: value @ W,
            lambda: value + X[t],
            lambda: value + X[count - 1 - t],
            lambda: value * w * np.exp(-w * w),
            lambda: value * (0.5 + 0.1 * t),
            lambda: value * X[t, 1],
        )
        return changes[kind]()

    def loss(X: Any, W: Any, w: Any, h: Any) -> Any:
        first = h if start == 0 else np.zeros(size) if start == 1 else X[0] * 1.0
        values = [first] * states
        kept: list[Any] = []
        total: Any = 0
        filled = np.zeros((count, size))
        for t in range(count) if upwards else reversed(range(count)):
            following = list(values)
            for place, changes in enumerate(steps):
                source = values if at_once else following
                value = source[place]
                for kind, other in changes:
                    value = changed(value, kind, source[other], t, X, W, w)
                following[place] = np.tanh(value)
            values = following
            kept = [values[0], *kept] if use == 1 else [*kept, values[0] * values[-1]]
            filled[t] = values[-1]
            total = total + np.sum(values[0] ** 2)
        result: Any = np.sum(values[0])
        return result + (0, np.sum(np.stack(kept) ** 2), np.sum(np.stack(kept, 1)), np.sum(filled @ W), total)[use]

    return loss, {"X": (count, size), "W": (size, size), "w": (size,), "h": (size,)}


@pytest.mark.parametrize("seed", range(12))
def test_random_loops_mean_the_same(seed: int) -> None:
    function, shapes = steps_of(seed)
    program = cr.trace(function, **shapes)
    step = gradients(rolled(program))
    values = values_for(program, seed)
    found = evaluate_nodes(step.outputs, values)
    expected = evaluate_nodes(program.outputs, values)
    np.testing.assert_allclose(found[step.outputs[0]], expected[program.outputs[0]], rtol=1e-9)
    rng = np.random.default_rng(seed)
    direction: dict[Node, Array] = {node: rng.normal(size=node.type.concrete_shape) for node in variables(program)}
    change = (along(program, values, direction, 1e-5) - along(program, values, direction, -1e-5)) / 2e-5
    slope = sum(
        np.sum(found[gradient] * direction[node])
        for node, gradient in zip(variables(program), step.outputs[1:], strict=True)
    )
    np.testing.assert_allclose(slope, change, rtol=1e-5, atol=1e-6)


def test_the_search_for_rounds_ends() -> None:
    """A guess that would leave the program as long as it was is not taken again and again."""

    def loss(X: Any, W: Any, h: Any) -> Any:
        c: Any = np.zeros(3)
        before: list[Any] = [c]
        kept: list[Any] = []
        for t in reversed(range(9)):
            c = np.tanh((np.tanh(c) * X[t, 1] + 0.3 * before[-2 if len(before) > 1 else -1]) @ W)
            before.append(c)
            kept.append(c)
        return np.sum(np.stack(kept) ** 2 * np.cos(h))

    program = cr.trace(loss, X="9 3", W="3 3", h="")
    assert len(loops(rolled(program).nodes)) == 1
