"""Plain NumPy: the backward pass as written on paper."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np

from benchmarks.jobs import Array, Job
from benchmarks.measure import Contender

NAME = "NumPy"

Update = Callable[[list[Array], list[Array]], None]


def contenders(job: Job) -> list[Contender]:
    """Return one loop over epochs and batches."""
    return [Contender("NumPy, straightforward", lambda: train(job))]


def train(job: Job) -> list[Array]:
    """Return the trained parameters."""
    X, y = job.data()
    gradients = _logistic_gradients if job.loss == "squared_error" else _relu_gradients
    parameters = job.initial()
    update = _adam(job.learning_rate) if job.optimizer == "adam" else _descent(job.learning_rate)
    for _ in range(job.epochs):
        for start in range(0, job.rows, job.batch):
            rows = slice(start, start + job.batch)
            update(parameters, gradients(parameters, X[rows], y[rows]))
    return parameters


def _logistic_gradients(parameters: list[Array], X: Array, y: Array) -> list[Array]:
    activations = [X]
    for W, b in zip(parameters[::2], parameters[1::2], strict=True):
        activations.append(1 / (1 + np.exp(-(activations[-1] @ W + b))))
    delta = (activations[-1] - y) * activations[-1] * (1 - activations[-1])
    gradients: list[Array] = []
    for k in range(len(parameters) // 2 - 1, -1, -1):
        gradients[:0] = [activations[k].T @ delta, delta.sum(axis=0)]
        if k:
            delta = (delta @ parameters[2 * k].T) * activations[k] * (1 - activations[k])
    return gradients


def _relu_gradients(parameters: list[Array], X: Array, y: Array) -> list[Array]:
    activations = [X]
    for W, b in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        activations.append(np.maximum(activations[-1] @ W + b, 0))
    z = activations[-1] @ parameters[-2] + parameters[-1]
    delta = np.exp(z - z.max(axis=1, keepdims=True))
    delta /= delta.sum(axis=1, keepdims=True)
    delta[np.arange(len(y)), y] -= 1
    delta /= len(y)
    gradients: list[Array] = []
    for k in range(len(parameters) // 2 - 1, -1, -1):
        gradients[:0] = [activations[k].T @ delta, delta.sum(axis=0)]
        if k:
            delta = (delta @ parameters[2 * k].T) * (activations[k] > 0)
    return gradients


def _descent(learning_rate: float) -> Update:
    def update(parameters: list[Array], gradients: list[Array]) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter -= learning_rate * gradient

    return update


def _adam(learning_rate: float) -> Update:
    """Kingma and Ba 2014, algorithm 1."""
    first, second, small = 0.9, 0.999, 1e-8
    steps = count(1)
    memory: list[tuple[Array, Array]] = []

    def update(parameters: list[Array], gradients: list[Array]) -> None:
        if not memory:
            memory.extend((np.zeros_like(p), np.zeros_like(p)) for p in parameters)
        step = next(steps)
        for p, g, (m, v) in zip(parameters, gradients, memory, strict=True):
            m *= first
            m += (1 - first) * g
            v *= second
            v += (1 - second) * g * g
            p -= learning_rate / (1 - first**step) * m / (np.sqrt(v / (1 - second**step)) + small)

    return update
