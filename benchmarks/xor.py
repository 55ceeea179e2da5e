"""XOR: a 2-4-1 sigmoid network, 10,000 full-batch epochs of gradient descent in float64, by everybody in one run."""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from benchmarks.measure import Contender, Timing, check_same_loss, interleave

Array = NDArray[np.float64]

EPOCHS, RATE, SEED = 10_000, 0.1, 0
INPUTS: Array = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
TARGETS: Array = np.array([[0.0], [1.0], [1.0], [0.0]])


def initial_weights() -> tuple[Array, Array, Array, Array]:
    """The weights that every contender starts from."""
    random = np.random.RandomState(SEED)
    W1, W2 = random.randn(2, 4), random.randn(4, 1)
    return W1, np.zeros((1, 4)), W2, np.zeros((1, 1))


def mean_squared_error(W1: Array, b1: Array, W2: Array, b2: Array) -> float:
    """The loss of a trained network, computed in one place for all."""
    a1 = 1 / (1 + np.exp(-(INPUTS @ W1 + b1)))
    a2 = 1 / (1 + np.exp(-(a1 @ W2 + b2)))
    return float(np.mean((a2 - TARGETS) ** 2))


def run_numpy() -> float:
    """The straightforward loop."""
    W1, b1, W2, b2 = initial_weights()
    for _ in range(EPOCHS):
        a1 = 1 / (1 + np.exp(-(np.dot(INPUTS, W1) + b1)))
        a2 = 1 / (1 + np.exp(-(np.dot(a1, W2) + b2)))
        d2 = (a2 - TARGETS) * a2 * (1 - a2)
        d1 = np.dot(d2, W2.T) * a1 * (1 - a1)
        W2 = W2 - RATE * np.dot(a1.T, d2)
        b2 = b2 - RATE * np.sum(d2, axis=0, keepdims=True)
        W1 = W1 - RATE * np.dot(INPUTS.T, d1)
        b1 = b1 - RATE * np.sum(d1, axis=0, keepdims=True)
    return mean_squared_error(W1, b1, W2, b2)


def run_chainrule() -> float:
    """This project: the class for learners, on the native engine."""
    network = cr.NeuralNetwork(2, 4, 1, seed=SEED)
    network.train(INPUTS, TARGETS, EPOCHS, RATE, report_every=0)
    return mean_squared_error(
        network.weights_input_hidden, network.bias_hidden, network.weights_hidden_output, network.bias_output
    )


def jax_contender() -> Contender:
    """JAX in its best form: the whole run in one jitted scan."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def loss(parameters: Any) -> Any:
        W1, b1, W2, b2 = parameters
        a1 = jax.nn.sigmoid(jnp.asarray(INPUTS) @ W1 + b1)
        a2 = jax.nn.sigmoid(a1 @ W2 + b2)
        return 0.5 * jnp.sum((a2 - TARGETS) ** 2)

    def step(parameters: Any, _: Any) -> Any:
        gradients = jax.grad(loss)(parameters)
        return tuple(p - RATE * g for p, g in zip(parameters, gradients, strict=True)), None

    run = jax.jit(lambda parameters: jax.lax.scan(step, parameters, None, length=EPOCHS)[0])

    def timed() -> float:
        trained = jax.block_until_ready(run(tuple(map(jnp.asarray, initial_weights()))))
        return mean_squared_error(*(np.asarray(p) for p in trained))

    return Contender("JAX, jitted scan", timed)


def torch_contender() -> Contender:
    """PyTorch, eager."""
    import torch

    torch.set_num_threads(1)
    inputs, targets = torch.from_numpy(INPUTS), torch.from_numpy(TARGETS)

    def timed() -> float:
        parameters = [torch.from_numpy(p.copy()).requires_grad_() for p in initial_weights()]
        W1, b1, W2, b2 = parameters
        for _ in range(EPOCHS):
            a2 = torch.sigmoid(torch.sigmoid(inputs @ W1 + b1) @ W2 + b2)
            loss = 0.5 * ((a2 - targets) ** 2).sum()
            gradients = torch.autograd.grad(loss, parameters)
            with torch.no_grad():
                for parameter, gradient in zip(parameters, gradients, strict=True):
                    parameter -= RATE * gradient
        return mean_squared_error(*(p.detach().numpy() for p in parameters))

    return Contender("PyTorch, eager", timed, rounds=1)


PEERS = {"jax": jax_contender, "torch": torch_contender}


def run(rounds: int = 7) -> tuple[list[Timing], list[str], float]:
    """The timings, the peers that are not installed, and the seconds that building and compiling took."""
    start = time.perf_counter()
    cr.NeuralNetwork(2, 4, 1, seed=SEED).train(INPUTS, TARGETS, 1, RATE, report_every=0)
    compile_seconds = time.perf_counter() - start
    missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
    contenders = [Contender("chainrule, native", run_chainrule), Contender("NumPy, straightforward", run_numpy)]
    contenders += [make() for name, make in PEERS.items() if name not in missing]
    timings = interleave(contenders, rounds)
    check_same_loss(timings, 1e-9)
    return timings, missing, compile_seconds
