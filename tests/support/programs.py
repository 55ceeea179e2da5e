"""Composed programs for comparisons: each a function factory, given the array module, and the argument shapes.

The factories take the array module as an argument, so that the same text runs on NumPy, traced, and on HIPS autograd.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Factory = Callable[[Any], Callable[..., Any]]
PROGRAMS: dict[str, tuple[Factory, tuple[tuple[int, ...], ...]]] = {}


def program(*shapes: tuple[int, ...]) -> Callable[[Factory], Factory]:
    def enter(factory: Factory) -> Factory:
        PROGRAMS[factory.__name__] = (factory, shapes)
        return factory

    return enter


def logistic(np: Any, x: Any) -> Any:
    return 0.5 * (np.tanh(0.5 * x) + 1)


def softmax(np: Any, x: Any) -> Any:
    shifted = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return shifted / np.sum(shifted, axis=-1, keepdims=True)


@program((5, 3), (3, 4), (4,), (4, 2), (2,), (5, 2))
def two_layer_rows(np: Any) -> Callable[..., Any]:
    def f(X: Any, W1: Any, b1: Any, W2: Any, b2: Any, y: Any) -> Any:
        a1 = logistic(np, X @ W1 + b1)
        a2 = logistic(np, a1 @ W2 + b2)
        return 0.5 * np.sum((a2 - y) ** 2)

    return f


@program((3, 1), (4, 3), (4, 1), (2, 4), (2, 1), (2, 1))
def two_layer_columns(np: Any) -> Callable[..., Any]:
    def f(x: Any, W1: Any, b1: Any, W2: Any, b2: Any, y: Any) -> Any:
        a1 = logistic(np, np.dot(W1, x) + b1)
        a2 = logistic(np, np.dot(W2, a1) + b2)
        return 0.5 * np.sum((a2 - y) ** 2)

    return f


@program((6, 3), (3,), (), (6,))
def linear_regression(np: Any) -> Callable[..., Any]:
    return lambda X, w, b, y: np.mean((X @ w + b - y) ** 2)


@program((6, 3), (3,), (6,))
def ridge(np: Any) -> Callable[..., Any]:
    return lambda X, w, y: np.sum((np.dot(X, w) - y) ** 2) + 0.1 * np.sum(w**2)


@program((6, 3), (3,), (6,))
def logistic_regression(np: Any) -> Callable[..., Any]:
    def f(X: Any, w: Any, y: Any) -> Any:
        p = logistic(np, X @ w)
        return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))

    return f


@program((5, 3), (3, 4), (5, 4))
def softmax_regression(np: Any) -> Callable[..., Any]:
    return lambda X, W, Y: -np.sum(Y * np.log(softmax(np, X @ W)))


@program((5, 3), (3, 4), (4, 4), (4, 4), (4, 1))
def deep_relu(np: Any) -> Callable[..., Any]:
    def f(X: Any, *weights: Any) -> Any:
        h = X
        for W in weights:
            h = np.maximum(h @ W, 0.0)
        return np.sum(h)

    return f


@program((4, 3), (3, 3), (3, 3))
def residual(np: Any) -> Callable[..., Any]:
    def f(x: Any, W: Any, V: Any) -> Any:
        h = x + np.tanh(x @ W)
        return np.sum((h + np.tanh(h @ V)) ** 2)

    return f


@program((4, 6), (6,), (6,))
def layer_norm(np: Any) -> Callable[..., Any]:
    def f(x: Any, g: Any, b: Any) -> Any:
        mu = np.mean(x, axis=-1, keepdims=True)
        v = np.var(x, axis=-1, keepdims=True)
        return np.sum(np.sin(g * (x - mu) / np.sqrt(v + 1e-5) + b))

    return f


@program((6, 4), (4,), (4,))
def batch_norm(np: Any) -> Callable[..., Any]:
    def f(x: Any, g: Any, b: Any) -> Any:
        centred = x - np.mean(x, axis=0)
        return np.sum(np.tanh(g * centred / np.sqrt(np.mean(centred**2, axis=0) + 1e-5) + b))

    return f


@program((5, 4), (4,))
def rms_norm(np: Any) -> Callable[..., Any]:
    return lambda x, g: np.sum(np.cos(g * x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6)))


@program((4, 3), (5, 3), (5, 2))
def attention(np: Any) -> Callable[..., Any]:
    return lambda Q, K, V: np.sum((softmax(np, Q @ K.T / np.sqrt(3.0)) @ V) ** 2)


@program((2, 4, 3), (2, 5, 3), (2, 5, 2))
def batched_attention(np: Any) -> Callable[..., Any]:
    return lambda Q, K, V: np.sum((softmax(np, np.matmul(Q, np.swapaxes(K, 1, 2))) @ V) ** 3)


@program((2, 3, 4), (4, 5))
def einsum_projection(np: Any) -> Callable[..., Any]:
    return lambda x, W: np.sum(np.einsum("bij,jk->bik", x, W) ** 2)


@program((3, 4), (4, 5), (5, 2))
def einsum_chain(np: Any) -> Callable[..., Any]:
    return lambda a, b, c: np.sum(np.tanh(np.einsum("ij,jk,kl->li", a, b, c)))


@program((3, 4, 2), (4, 2, 5))
def tensordot_two_axes(np: Any) -> Callable[..., Any]:
    return lambda a, b: np.sum(np.tensordot(a, b, axes=([1, 2], [0, 1])) ** 2)


@program((3,), (4,))
def outer_product(np: Any) -> Callable[..., Any]:
    return lambda u, v: np.sum(np.exp(0.3 * np.outer(u, v)))


@program((4, 4), (4,))
def quadratic_form(np: Any) -> Callable[..., Any]:
    return lambda A, x: np.dot(x, np.dot(A, x))


@program((3, 4), (2, 4))
def concatenated(np: Any) -> Callable[..., Any]:
    return lambda a, b: np.sum(np.concatenate([a, b * b], axis=0)[1:4] ** 3)


@program((3, 4), (3, 4))
def stacked(np: Any) -> Callable[..., Any]:
    return lambda a, b: np.sum(np.sin(np.stack([a, b], axis=1)) * np.stack([b, a], axis=1))


@program((4, 6))
def sliced(np: Any) -> Callable[..., Any]:
    return lambda x: np.sum(x[1:, ::2] * x[:-1, 1::2]) + np.sum(x[0] * x[..., -1, :])


@program((2, 6))
def reshaped(np: Any) -> Callable[..., Any]:
    return lambda x: np.sum(np.reshape(x, (3, 4)) @ np.transpose(np.reshape(x**2, (3, 4))))


@program((4, 3))
def recurrent(np: Any) -> Callable[..., Any]:
    def f(W: Any) -> Any:
        h = 0.5 * W[0]
        for _ in range(5):
            h = np.tanh(np.dot(W[1:], h) + 0.1)
        return np.sum(h * h)

    return f


@program((3, 4), (4, 8), (2, 8), (8,))
def lstm_cell(np: Any) -> Callable[..., Any]:
    def f(x: Any, W: Any, U: Any, b: Any) -> Any:
        h = 0.1 * x[:, :2]
        z = x @ W + h @ U + b
        i, f_, o, g = z[:, 0:2], z[:, 2:4], z[:, 4:6], z[:, 6:8]
        c = logistic(np, f_) * 0.2 + logistic(np, i) * np.tanh(g)
        return np.sum(logistic(np, o) * np.tanh(c))

    return f


@program((5, 3))
def log_sum_exp(np: Any) -> Callable[..., Any]:
    return lambda x: np.sum(np.log(np.sum(np.exp(x), axis=1)))


@program((5, 3))
def maxima_and_minima(np: Any) -> Callable[..., Any]:
    return lambda x: np.sum(np.max(x, axis=0) ** 2) - np.min(x) * np.sum(np.minimum(x, 0.3))


@program((5, 3), (5, 3))
def piecewise(np: Any) -> Callable[..., Any]:
    return lambda x, y: np.sum(np.where(x > y, x * y, np.abs(x) - y**2)) + np.sum(np.clip(x, -0.5, 0.5) ** 2)


@program((4, 3))
def powers(np: Any) -> Callable[..., Any]:
    return lambda x: np.sum(np.abs(x) ** 2.7 + (x**2 + 1.0) ** -0.5 + x**3 / 3.0) + np.sum(1 / (1 + x**2))


@program((4, 3), (4, 3))
def variances(np: Any) -> Callable[..., Any]:
    return lambda x, y: np.var(x) * np.std(y, axis=0)[1] + np.sum(np.var(x * y, axis=1))


@program((4,), (4,))
def kl_divergence(np: Any) -> Callable[..., Any]:
    def f(a: Any, b: Any) -> Any:
        p, q = softmax(np, a), softmax(np, b)
        return np.sum(p * (np.log(p) - np.log(q)))

    return f


@program((4, 3), (4, 3))
def reparameterized(np: Any) -> Callable[..., Any]:
    def f(mu: Any, logvar: Any) -> Any:
        z = mu + np.exp(0.5 * logvar) * 0.3
        return np.sum(z**2) - 0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))

    return f


@program((6,), (6,))
def huber(np: Any) -> Callable[..., Any]:
    def f(y: Any, t: Any) -> Any:
        r = np.abs(y - t)
        return np.sum(np.where(r <= 1.0, 0.5 * r**2, r - 0.5))

    return f


@program((3, 2), (2,), (3,))
def one_hidden_swish(np: Any) -> Callable[..., Any]:
    def f(X: Any, w: Any, y: Any) -> Any:
        z = X @ w
        return np.mean(np.log1p((z * logistic(np, z) - y) ** 2)) + np.sum(np.expm1(0.1 * z))

    return f


@program((3, 4, 5))
def several_axes(np: Any) -> Callable[..., Any]:
    return lambda x: np.sum(np.mean(x, axis=(0, 2)) ** 2) + np.sum(np.max(x, axis=(1, 2), keepdims=True) * x)


@program((4, 3), (3,))
def shared_subexpressions(np: Any) -> Callable[..., Any]:
    def f(X: Any, w: Any) -> Any:
        z = X @ w
        s = np.sin(z)
        return np.sum(s * s * np.cos(z) + s / (2.0 + s)) * np.sum(s)

    return f
