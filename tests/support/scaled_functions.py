"""Functions whose scale, domain or size of terms is not about 1, with the shapes of their arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr

FUNCTIONS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {}


def function(**shapes: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def enter(entry: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS[entry.__name__] = (entry, shapes)
        return entry

    return enter


@function(wrt="Z", Z="4 3", positive="4:int", tau="")
def masked_diagonal(Z: Any, positive: Any, tau: Any) -> Any:
    U = Z / np.linalg.norm(Z, axis=1, keepdims=True)
    S = U @ U.T / tau - 1e9 * np.eye(4)
    return cr.cross_entropy(S, positive)


@function(wrt=["Q", "K", "V"], Q="n d", K="m d", V="m h", mask="n m:bool")
def masked_attention(Q: Any, K: Any, V: Any, mask: Any) -> Any:
    S = np.where(mask, Q @ K.T, -1e9)
    P = cr.softmax(S)
    return np.sum((P @ V) ** 2)


@function(wrt=["Q", "K", "V"], Q="n d", K="m d", V="m h", mask="n m:bool")
def infinitely_masked_attention(Q: Any, K: Any, V: Any, mask: Any) -> Any:
    S = np.where(mask, Q @ K.T, -np.inf)
    P = cr.softmax(S)
    return np.sum((P @ V) ** 2)


@function(wrt=["Q", "K", "V"], Q="4 3", K="4 3", V="4 2")
def causal_attention(Q: Any, K: Any, V: Any) -> Any:
    S = Q @ K.T / np.sqrt(3.0) + np.triu(np.full((4, 4), -1e30), 1)
    return np.sum(np.tanh(cr.softmax(S) @ V))


@function(x="n", y="n")
def hot_exponentials(x: Any, y: Any) -> Any:
    return np.sum(np.exp(x / 0.01) * y)


@function(x="n")
def hotter_exponentials(x: Any) -> Any:
    return np.sum(np.exp(x / 0.001))


@function(x="n")
def huge_exponentials(x: Any) -> Any:
    return np.sum(np.exp(1e6 * x))


@function(x="n m")
def cold_log_sum_exp(x: Any) -> Any:
    return np.sum(1e3 * cr.logsumexp(x / 1e3, axis=1))


@function(x="n m")
def hot_log_sum_exp(x: Any) -> Any:
    return np.sum(1e-3 * cr.logsumexp(x / 1e-3, axis=1))


@function(wrt="W", X="n d", W="d c", y="n:int")
def hot_softmax_regression(X: Any, W: Any, y: Any) -> Any:
    return cr.cross_entropy(X @ W / 0.001, y)


@function(wrt="W", X="n d", W="d c", Y="n c")
def hot_softmax_by_hand(X: Any, W: Any, Y: Any) -> Any:
    P = cr.softmax(X @ W / 0.01)
    return -np.sum(Y * np.log(P))


@function(wrt=["a", "b"], a="n d", b="n d")
def cosine_similarity(a: Any, b: Any) -> Any:
    return np.mean(np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1) + 1e-8))


@function(wrt="r", r="n")
def huber_of_a_tiny_delta(r: Any) -> Any:
    return np.sum(np.where(np.abs(r) <= 1e-6, 0.5 * r**2, 1e-6 * (np.abs(r) - 0.5e-6)))


@function(wrt="p", p="n", y="n")
def quantile(p: Any, y: Any) -> Any:
    return np.mean(np.maximum(0.999 * (y - p), -0.001 * (y - p)))


@function(x="n", mu="")
def gaussian_of_a_small_sigma(x: Any, mu: Any) -> Any:
    return np.sum((x - mu) ** 2 / (2 * 1e-3**2)) + 5 * np.log(1e-3)


@function(x="n", mu="", sigma="")
def gaussian(x: Any, mu: Any, sigma: Any) -> Any:
    return np.sum((x - mu) ** 2 / (2 * sigma**2) + np.log(sigma))


@function(wrt=["mu", "S"], X="n d", mu="d", S="d d")
def gaussian_of_a_covariance(X: Any, mu: Any, S: Any) -> Any:
    return 0.5 * np.sum((X - mu) @ np.linalg.inv(S) * (X - mu)) + 0.5 * np.log(np.linalg.det(S))


@function(x="n")
def saturated_sigmoids(x: Any) -> Any:
    return np.sum(cr.sigmoid(1000 * x))


@function(wrt="w", X="n d", w="d", y="n")
def saturated_logistic_regression(X: Any, w: Any, y: Any) -> Any:
    p = cr.sigmoid(100 * (X @ w))
    return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))


@function(x="n")
def exponential_of_exponential(x: Any) -> Any:
    return np.sum(np.exp(np.exp(x)))


@function(x="n")
def high_power(x: Any) -> Any:
    return np.sum(x**50)


@function(x="n")
def a_pole_at_three(x: Any) -> Any:
    return np.sum(1 / (x - 3))


@function(x="n")
def root_of_a_circle(x: Any) -> Any:
    return np.sum(np.sqrt(1 - x**2))


@function(x="n")
def domain_above_a_hundred(x: Any) -> Any:
    return np.sum(np.log(x - 100))


@function(x="n")
def domain_below_minus_ten(x: Any) -> Any:
    return np.sum(np.sqrt(-10 - x))


@function(x="5", y="5")
def domain_of_pairs(x: Any, y: Any) -> Any:
    return np.sum(np.sqrt(x - y))


@function(x="n")
def log_of_a_product(x: Any) -> Any:
    return np.log(x[0] * x[1] * x[2] ** 2)


@function(x="n")
def log_near_zero(x: Any) -> Any:
    return np.sum(np.log(x**2 + 1e-12))


@function(x="n")
def root_near_zero(x: Any) -> Any:
    return np.sum(np.sqrt(x**2 + 1e-12))


@function(x="n")
def tiny_factor(x: Any) -> Any:
    return 1e-8 * np.sum(x**2)


@function(x="n")
def huge_factor(x: Any) -> Any:
    return 1e12 * np.sum(np.sin(x))


@function(x="n")
def huge_offset(x: Any) -> Any:
    return np.sum(np.sin(x)) + 1e8


@function(x="n")
def offsets_that_cancel(x: Any) -> Any:
    return np.sum((x + 1e6) ** 2 - 1e12)


@function(x="n")
def polynomial_of_offset_data(x: Any) -> Any:
    t = x * 1e3 + 2000.0
    return np.sum(1e-6 * t**2 - 2e-3 * t + 1.0)


@function(wrt=["w"], X="n d", w="d", y="n")
def poisson_regression(X: Any, w: Any, y: Any) -> Any:
    z = 10 * (X @ w)
    return np.sum(np.exp(z) - y * z)


@function(x="n", g="n", b="n")
def layer_norm_of_a_tiny_eps(x: Any, g: Any, b: Any) -> Any:
    mu = np.mean(x)
    v = np.mean((x - mu) ** 2)
    return np.sum(g * (x - mu) / np.sqrt(v + 1e-12) + b)


@function(x="n")
def entropy(x: Any) -> Any:
    p = cr.softmax(50 * x)
    return -np.sum(p * np.log(p))


@function(x="n", y="n")
def divergence(x: Any, y: Any) -> Any:
    p, q = cr.softmax(x / 0.05), cr.softmax(y / 0.05)
    return np.sum(p * (np.log(p) - np.log(q)))


@function(wrt="eta", event="n", eta="n")
def cox(event: Any, eta: Any) -> Any:
    risk = np.cumsum(np.exp(30 * eta))
    return -np.sum(event * (30 * eta - np.log(risk)))


@function(x="n", k="")
def student(x: Any, k: Any) -> Any:
    return np.sum(np.log(1 + x**2 / k))


@function(x="n")
def deep_tower(x: Any) -> Any:
    for _ in range(6):
        x = np.tanh(8 * x)
    return np.sum(x)


@function(wrt="a", a="n", b="n")
def relative_error(a: Any, b: Any) -> Any:
    return np.max(np.abs(a - b) / (np.abs(b) + 1e-9))


@function(x="", y="")
def rosenbrock(x: Any, y: Any) -> Any:
    return (1 - x) ** 2 + 1e5 * (y - x**2) ** 2


@function(x="n")
def softplus_of_large(x: Any) -> Any:
    return np.sum(np.log(1 + np.exp(500 * x)))


@function(wrt="A", A="n n", b="n")
def nearly_singular(A: Any, b: Any) -> Any:
    return b @ np.linalg.solve(A @ A.T + 1e-9, b)


@function(x="n")
def sigmoid_cross_entropy_of_large(x: Any) -> Any:
    return np.sum(np.maximum(200 * x, 0) - 60 * x + np.log1p(np.exp(-np.abs(200 * x))))
