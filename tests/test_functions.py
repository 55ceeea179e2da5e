"""The named functions on plain arrays, on nodes, and on traced values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule import functions
from chainrule.calculus import linearize, transpose
from chainrule.ir import ArrayType, Const, DType, DTypeError, Input, Node, ProgramError, ShapeError, parse_shape
from chainrule.primitives import evaluate_nodes

f: Any = functions  # called with nodes too

EPS = float(np.finfo(np.float64).eps)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))
LABELS = np.asarray([0, 2, 1, 2])
ELEMENTWISE: list[Callable[[Any], Any]] = [
    f.sigmoid,
    f.log_sigmoid,
    f.softplus,
    f.relu,
    f.leaky_relu,
    f.elu,
    f.silu,
    f.gelu,
    f.erf,
]
ALL: list[Callable[[Any], Any]] = [*ELEMENTWISE, f.softmax, f.log_softmax, f.logsumexp, f.layer_norm, f.rms_norm]


def close(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=32 * EPS, atol=32 * EPS)


def test_formulas() -> None:
    powers = np.exp(X)
    close(f.sigmoid(X), 1 / (1 + np.exp(-X)))
    close(f.log_sigmoid(X), -np.log(1 + np.exp(-X)))
    close(f.softplus(X), np.log(1 + powers))
    close(f.relu(X), X * (X > 0))
    close(f.leaky_relu(X, 0.2), np.where(X > 0, X, 0.2 * X))
    close(f.elu(X, 0.7), np.where(X > 0, X, 0.7 * (powers - 1)))
    close(f.silu(X), X / (1 + np.exp(-X)))
    close(f.erf(X), [[math.erf(x) for x in row] for row in X])
    close(f.gelu(X), [[x * 0.5 * math.erfc(-x / math.sqrt(2)) for x in row] for row in X])
    close(f.gelu(X, approximate=True), 0.5 * X * (1 + np.tanh(math.sqrt(2 / math.pi) * (X + 0.044715 * X**3))))
    close(f.softmax(X), powers / powers.sum(axis=1, keepdims=True))
    close(f.softmax(X, axis=0), powers / powers.sum(axis=0))
    close(f.softmax(X, axis=None), powers / powers.sum())
    close(f.log_softmax(X, axis=(0, 1)), np.log(powers / powers.sum()))
    close(f.logsumexp(X), np.log(powers.sum()))
    close(f.logsumexp(X, axis=1, keepdims=True), np.log(powers.sum(axis=1, keepdims=True)))
    close(f.one_hot(LABELS, 3), np.eye(3)[LABELS])
    close(f.take(X, [2, 0], axis=1), X[:, [2, 0]])
    close(f.take(X, 5), X.ravel()[5])


def test_losses() -> None:
    p = np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)
    close(f.cross_entropy(X, LABELS), -np.mean(np.log(p[np.arange(4), LABELS])))
    close(f.cross_entropy(X.reshape(2, 2, 3), LABELS.reshape(2, 2)), f.cross_entropy(X, LABELS))
    close(f.cross_entropy(X[0], 2), -np.log(p[0, 2]))
    y = (X > 0.3).astype(float)
    s = 1 / (1 + np.exp(-X))
    close(f.binary_cross_entropy(X, y), -np.mean(y * np.log(s) + (1 - y) * np.log(1 - s)))
    close(f.binary_cross_entropy(X, X > 0.3), f.binary_cross_entropy(X, y))
    close(f.mean_squared_error(X, y), np.mean((X - y) ** 2))


def test_normalizations() -> None:
    gain, bias = np.asarray([1.0, 2.0, -1.0]), np.asarray([0.5, 0.0, 1.0])
    normal = (X - X.mean(axis=1, keepdims=True)) / np.sqrt(X.var(axis=1, keepdims=True) + 1e-5)
    close(f.layer_norm(X), normal)
    close(f.layer_norm(X, gain, bias), normal * gain + bias)
    close(f.layer_norm(X, bias=bias), normal + bias)
    close(f.rms_norm(X, gain), X / np.sqrt(np.mean(X**2, axis=1, keepdims=True) + 1e-6) * gain)


@pytest.mark.parametrize("function", ALL)
def test_dtypes(function: Callable[[Any], Any]) -> None:
    assert function(X).dtype == np.float64
    assert function(X.astype(np.float32)).dtype == np.float32
    assert function(np.arange(3)).dtype == np.float64
    assert isinstance(function([0.5, 1.0]), np.ndarray | np.float64)


@pytest.mark.parametrize("function", ELEMENTWISE)
def test_a_scalar_in_gives_a_scalar_out(function: Callable[[Any], Any]) -> None:
    for number in (0.5, 1, np.float64(0.5), np.asarray(0.5)):
        assert isinstance(function(number), np.float64)
    assert isinstance(function(np.float32(0.5)), np.float32)


@pytest.mark.parametrize("function", ALL)
def test_results_are_the_callers_own(function: Callable[[Any], Any]) -> None:
    x = X.copy()
    result = np.atleast_1d(function(x))
    assert not np.shares_memory(result, x)
    result += 1
    np.testing.assert_array_equal(x, X)


def test_repeated_results_can_be_written_to() -> None:
    f.logsumexp(X, axis=1, keepdims=True)[0] = 0.0


@pytest.mark.parametrize("function", ALL)
def test_nodes_in_give_a_node_out(function: Callable[[Any], Any]) -> None:
    x = Input("x", ArrayType(X.shape))
    node = function(x)
    assert isinstance(node, Node)
    close(evaluate_nodes([node], {x: X})[node], function(X))


def test_nodes_mix_with_plain_arrays_and_named_sizes() -> None:
    x = Input("x", ArrayType(parse_shape("n k")))
    labels = Input("labels", ArrayType(parse_shape("n"), DType.INT64))
    assert f.cross_entropy(x, labels).type.shape == ()
    z = Input("z", ArrayType((4, 3)))
    node = f.cross_entropy(z, LABELS)
    close(evaluate_nodes([node], {z: X})[node], f.cross_entropy(X, LABELS))
    node = f.mean_squared_error(X.astype(np.float32), z)
    assert node.type.dtype is DType.FLOAT32


class Wrapped:
    """A stand-in for a traced value."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __chainrule_call__(self, builder: Callable[..., Node], arguments: tuple[Any, ...], options: Any) -> Wrapped:
        return Wrapped(builder(*(a.node if isinstance(a, Wrapped) else a for a in arguments), **options))


def test_a_value_can_take_the_call_over() -> None:
    x = Wrapped(Input("x", ArrayType((4, 3))))
    gain = Wrapped(Input("g", ArrayType((3,))))
    assert f.softmax(x, axis=0).node is f.softmax(x.node, axis=0)
    assert f.layer_norm(x, gain).node is f.layer_norm(x.node, gain.node)
    assert f.layer_norm(x, bias=gain).node is f.layer_norm(x.node, bias=gain.node)


def gradient(loss: Node, x: Node) -> Node:
    tangent = Input("d", x.type)
    (forward,) = linearize([loss], {x: tangent})
    assert forward is not None
    (adjoint,) = transpose([forward], [tangent], [Const(1, loss.type)])
    assert adjoint is not None
    return adjoint


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_gradients_of_the_losses_are_prediction_minus_target(scale: float) -> None:
    z = Input("z", ArrayType(X.shape))
    values = scale * X
    by_cross_entropy = gradient(f.cross_entropy(z, LABELS), z)
    close(
        evaluate_nodes([by_cross_entropy], {z: values})[by_cross_entropy], (f.softmax(values) - np.eye(3)[LABELS]) / 4
    )
    y = (X > 0).astype(float)
    by_binary = gradient(f.binary_cross_entropy(z, y), z)
    close(evaluate_nodes([by_binary], {z: values})[by_binary], (f.sigmoid(values) - y) / 12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: f.cross_entropy(X, LABELS.astype(float)), DTypeError, "integer labels"),
        (lambda: f.cross_entropy(X, LABELS[:2]), ShapeError, r"logits of shape \(…, k\)"),
        (lambda: f.cross_entropy(1.0, 0), ShapeError, r"logits of shape \(…, k\)"),
        (lambda: f.binary_cross_entropy(X, X[:, :1]), ShapeError, "one shape"),
        (lambda: f.mean_squared_error(X, X[0]), ShapeError, "one shape"),
        (lambda: f.layer_norm(X, np.ones(4)), ShapeError, "do not broadcast"),
        (lambda: f.layer_norm(X, np.ones((2, 1, 1))), ShapeError, "must broadcast to the shape"),
        (lambda: f.softmax(X, axis=2), ShapeError, "axis 2 does not exist"),
        (lambda: f.softmax(1.0), ShapeError, "axis -1 does not exist"),
        (lambda: f.one_hot(X, 3), DTypeError, "integer labels"),
        (lambda: f.one_hot(LABELS, 2), ProgramError, r"labels from 0 to 1, but labels\[1\] is 2"),
        (lambda: f.relu("text"), DTypeError, "not supported"),
        (lambda: f.relu(1j), DTypeError, "not supported"),
        (lambda: f.relu([[1.0], [1.0, 2.0]]), ShapeError, "differ in length"),
        (lambda: f.take(X, [0.5], axis=0), DTypeError, "integer array"),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_dropout_of_plain_arrays_is_the_array() -> None:
    np.testing.assert_array_equal(f.dropout(X, 0.5), X)
    assert f.dropout(X, 0.5) is not X
    assert f.dropout([1, 2], 0.5).dtype == np.float64
    assert f.dropout(X.astype(np.float32), 0.5).dtype == np.float32
    wrong: list[Any] = [1, 1.5, -0.1, "half", None]
    for rate in wrong:
        with pytest.raises(ProgramError, match=rf"the rate of dropout is {rate}; .* from 0 to below 1"):
            f.dropout(X, rate)


def test_random_draws_make_plain_arrays_random() -> None:
    with f.random_draws(seed=3, step=4):
        dropped, noise = f.dropout(np.ones((50, 40)), 0.25), f.random_normal((2, 3))
        np.testing.assert_array_equal(f.dropout(X, 0.5, training=False), X)
        narrow = f.dropout(np.ones(9, np.float32), 0.25)
    assert set(np.unique(dropped)) == {0, 1 / 0.75}
    assert abs(np.mean(dropped == 0) - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 2000)
    assert narrow.dtype == np.float32
    for seed, step, same in ((3, 4, True), (3 + 2**64, 4 - 2**64, True), (4, 4, False), (3, 5, False)):
        with f.random_draws(seed, step):
            again = f.dropout(np.ones((50, 40)), 0.25)
            assert np.array_equal(again, dropped) == same
            assert np.array_equal(f.random_normal((2, 3)), noise) == same
    with f.random_draws():
        assert not np.array_equal(f.random_uniform(5), f.random_uniform(5))


def test_noise_needs_a_source() -> None:
    for draw in (f.random_normal, f.random_uniform):
        with pytest.raises(ProgramError, match=rf"{draw.__name__} draws .* with cr.random_draws\(seed=0\): …"):
            draw(3)
    half: Any = 0.5
    with pytest.raises(ProgramError, match=r"the seed of random numbers is an integer, not 0\.5"), f.random_draws(half):
        pass


def test_dropout_of_nodes_is_the_node_outside_of_a_trace() -> None:
    node = Input("x", ArrayType((3,)))
    assert f.dropout(node, 0.5) is node
    with f.random_draws(1):
        mask = f.dropout(node, 0.5)
        again = f.dropout(np.ones(3), 0.5)
    with f.random_draws(1):
        np.testing.assert_array_equal(f.dropout(np.ones(3), 0.5), evaluate_nodes([mask], {node: np.ones(3)})[mask])
        np.testing.assert_array_equal(f.dropout(np.ones(3), 0.5), again)
