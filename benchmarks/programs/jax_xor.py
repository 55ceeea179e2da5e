"""Trains XOR and saves the weights."""

import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)
if len(sys.argv) > 2:
    jax.config.update("jax_compilation_cache_dir", sys.argv[2])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([[0.0], [1.0], [1.0], [0.0]])


def loss(parameters: Any) -> Any:
    """The loss of the network, ½ Σ (a2 − y)²."""
    W1, b1, W2, b2 = parameters
    return 0.5 * jnp.sum((jax.nn.sigmoid(jax.nn.sigmoid(X @ W1 + b1) @ W2 + b2) - y) ** 2)


def step(parameters: Any, _: Any) -> Any:
    """One step of gradient descent."""
    return [p - 0.1 * g for p, g in zip(parameters, jax.grad(loss)(parameters), strict=True)], None


train = jax.jit(lambda parameters: jax.lax.scan(step, parameters, length=10_000)[0])
random = np.random.RandomState(0)
W1, W2 = random.randn(2, 4), random.randn(4, 1)
W1, b1, W2, b2 = map(np.asarray, train([W1, np.zeros((1, 4)), W2, np.zeros((1, 1))]))
np.savez(sys.argv[1], W1=W1, b1=b1, W2=W2, b2=b2)
