"""JAX in its fastest form: the whole run in one jitted scan, data on the device beforehand, parameters donated."""

from __future__ import annotations

from typing import Any

from benchmarks.jobs import Job
from benchmarks.measure import Contender
from benchmarks.peers.absent import optional

NAME = "JAX"


def contenders(job: Job) -> list[Contender]:
    """Train in one call. Unrolling the scan was tried: it makes small steps slower."""
    jax = optional("jax", "jax")
    jax.config.update("jax_enable_x64", True)  # float32 jobs stay float32, since all their arrays have that dtype
    jnp = jax.numpy
    X, y = job.data()
    if job.loss == "cross_entropy":
        y = y.astype("int32")
    batches = tuple(
        jax.block_until_ready(jnp.asarray(a.reshape(job.steps_per_epoch, job.batch, *a.shape[1:]))) for a in (X, y)
    )
    gradient = jax.grad(_loss(jax, job))
    update = _adam(jnp, job.learning_rate) if job.optimizer == "adam" else _descent(job.learning_rate)

    def step(state: Any, batch: Any) -> tuple[Any, None]:
        parameters, *memory = state
        return update(parameters, gradient(parameters, *batch), *memory), None

    def epoch(state: Any, batches: Any) -> Any:
        return jax.lax.scan(step, state, batches)[0]

    def whole(state: Any, batches: Any) -> Any:
        if job.steps_per_epoch == 1:
            only = jax.tree.map(lambda a: a[0], batches)
            repeat = jax.lax.scan(lambda s, _: step(s, only), state, None, length=job.epochs)
        else:
            repeat = jax.lax.scan(lambda s, _: (epoch(s, batches), None), state, None, length=job.epochs)
        return repeat[0]

    compiled = jax.jit(whole, donate_argnums=0)

    def run() -> Any:
        parameters = [jnp.asarray(p) for p in job.initial()]
        memory = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)] if job.optimizer == "adam" else []
        counter = [jnp.zeros((), "int32")] if job.optimizer == "adam" else []
        return jax.block_until_ready(compiled((parameters, *memory, *counter), batches))[0]

    return [Contender("JAX, jitted scan", run)]


def _loss(jax: Any, job: Job) -> Any:
    jnp = jax.numpy

    def squared_error(parameters: Any, X: Any, y: Any) -> Any:
        a = X
        for W, b in zip(parameters[::2], parameters[1::2], strict=True):
            a = jax.nn.sigmoid(a @ W + b)
        return 0.5 * jnp.sum((a - y) ** 2)

    def cross_entropy(parameters: Any, X: Any, y: Any) -> Any:
        z = X @ parameters[0] + parameters[1]
        for W, b in zip(parameters[2::2], parameters[3::2], strict=True):
            z = jax.nn.relu(z) @ W + b
        # Selection by one-hot rows is fused with adjacent operations; indexing has a slow scatter as its derivative.
        return -jnp.mean(jnp.sum(jax.nn.one_hot(y, job.sizes[-1], dtype=z.dtype) * jax.nn.log_softmax(z), axis=1))

    return squared_error if job.loss == "squared_error" else cross_entropy


def _descent(learning_rate: float) -> Any:
    def update(parameters: Any, gradients: Any) -> Any:
        return ([p - learning_rate * g for p, g in zip(parameters, gradients, strict=True)],)

    return update


def _adam(jnp: Any, learning_rate: float) -> Any:
    """Kingma and Ba 2014, algorithm 1."""
    first, second, small = 0.9, 0.999, 1e-8

    def update(parameters: Any, gradients: Any, means: Any, squares: Any, count: Any) -> Any:
        count = count + 1
        steps = count.astype(parameters[0].dtype)
        means = [first * m + (1 - first) * g for m, g in zip(means, gradients, strict=True)]
        squares = [second * v + (1 - second) * g * g for v, g in zip(squares, gradients, strict=True)]
        step, spread = learning_rate / (1 - first**steps), 1 / jnp.sqrt(1 - second**steps)
        moved = [
            p - step * m / (spread * jnp.sqrt(v) + small) for p, m, v in zip(parameters, means, squares, strict=True)
        ]
        return moved, means, squares, count

    return update
