"""`engine="xla"` beside hand-written JAX and PyTorch, on the device that they find: a step, its compilation, its bits.

The networks are a perceptron, a wider one, a convolutional network and a transformer block, in float32, with Adam.
Their losses are written once, for any of the three libraries. Each contender makes the same steps on the same batch,
and keeps the loss of each step.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

import chainrule as cr
from benchmarks.measure import BenchmarkError
from benchmarks.peers import AbsentError, optional
from benchmarks.settings import Settings, say

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = Mapping[str, Array]
Loss: TypeAlias = Callable[..., Any]

RATE = 1e-4
TOLERANCE = 1e-3
"""The relative tolerance of final losses: all compute in float32."""


@dataclass(frozen=True)
class Net:
    """A network: its loss for the functions of a library, its parameters, and a batch."""

    title: str
    loss: Callable[[Any], Loss]
    params: dict[str, Array]
    data: dict[str, Array]
    steps: int


def _weights(rng: np.random.Generator, *shape: int) -> Array:
    fan = math.prod(shape[:-1]) if len(shape) == 2 else math.prod(shape[1:])
    drawn: Array = (rng.normal(size=shape) / np.sqrt(fan)).astype(np.float32)
    return drawn


def _dense(sizes: tuple[int, ...], rows: int, steps: int) -> Net:
    rng = np.random.default_rng(0)
    params: dict[str, Array] = {}
    for k, (m, n) in enumerate(pairwise(sizes), 1):
        params[f"W{k}"], params[f"b{k}"] = _weights(rng, m, n), np.zeros(n, np.float32)

    def loss(ns: Any) -> Loss:
        def mean_loss(X: Any, y: Any, **p: Any) -> Any:
            z = X
            for k in range(1, len(sizes)):
                z = z @ p[f"W{k}"] + p[f"b{k}"]
                z = ns.relu(z) if k < len(sizes) - 1 else z
            return ns.cross_entropy(z, y)

        return mean_loss

    data = {"X": rng.normal(size=(rows, sizes[0])).astype(np.float32), "y": rng.integers(0, sizes[-1], rows)}
    return Net("-".join(map(str, sizes)) + f", {rows} rows", loss, params, data, steps)


def _convolutional(rows: int, steps: int) -> Net:
    rng = np.random.default_rng(0)
    params = {
        "K1": _weights(rng, 8, 1, 3, 3), "c1": np.zeros(8, np.float32),
        "K2": _weights(rng, 16, 8, 3, 3), "c2": np.zeros(16, np.float32),
        "W": _weights(rng, 16 * 49, 10), "b": np.zeros(10, np.float32),
    }  # fmt: skip

    def loss(ns: Any) -> Loss:
        def mean_loss(X: Any, y: Any, K1: Any, c1: Any, K2: Any, c2: Any, W: Any, b: Any) -> Any:
            a = ns.relu(ns.conv2d(X, K1) + c1[:, None, None])
            a = ns.max_pool2d(a)
            a = ns.max_pool2d(ns.relu(ns.conv2d(a, K2) + c2[:, None, None]))
            return ns.cross_entropy(a.reshape(-1, 16 * 49) @ W + b, y)

        return mean_loss

    data = {"X": rng.normal(size=(rows, 1, 28, 28)).astype(np.float32), "y": rng.integers(0, 10, rows)}
    return Net(f"convolutions of 8 and 16 channels on 28 x 28, {rows} rows", loss, params, data, steps)


def _transformer(rows: int, length: int, width: int, steps: int) -> Net:
    rng = np.random.default_rng(0)
    params = {name: _weights(rng, width, width) for name in ("Q", "K", "V", "O")}
    params |= {"W1": _weights(rng, width, 4 * width), "b1": np.zeros(4 * width, np.float32)}
    params |= {"W2": _weights(rng, 4 * width, width), "b2": np.zeros(width, np.float32)}
    params |= {"W": _weights(rng, width, 10), "b": np.zeros(10, np.float32)}
    heads, size = 4, width // 4

    def loss(ns: Any) -> Loss:
        def normalized(x: Any) -> Any:
            centred = x - x.mean(-1)[..., None]
            return centred / ns.sqrt((centred * centred).mean(-1)[..., None] + 1e-5)

        def mean_loss(
            X: Any, y: Any, Q: Any, K: Any, V: Any, O: Any, W1: Any, b1: Any, W2: Any, b2: Any, W: Any, b: Any
        ) -> Any:
            x = normalized(X)
            q, k, v = ((x @ M).reshape(-1, length, heads, size) for M in (Q, K, V))
            a = ns.softmax(ns.einsum("nihd,njhd->nhij", q, k) / math.sqrt(size))
            x = X + ns.einsum("nhij,njhd->nihd", a, v).reshape(-1, length, width) @ O
            x = x + ns.relu(normalized(x) @ W1 + b1) @ W2 + b2
            return ns.cross_entropy(normalized(x).mean(1) @ W + b, y)

        return mean_loss

    data = {"X": rng.normal(size=(rows, length, width)).astype(np.float32), "y": rng.integers(0, 10, rows)}
    return Net(f"a transformer block, {length} x {width}, 4 heads, {rows} rows", loss, params, data, steps)


def nets(quick: bool) -> list[Net]:
    """Return the networks, with fewer steps for a check that they run."""
    few = 2 if quick else 0
    return [
        _dense((2, 2, 2), 4, few or 10_000),
        _dense((784, 128, 10), 128, few or 1000),
        _dense((512, 512, 512, 512, 10), 256, few or 200),
        _convolutional(64, few or 30),
        _transformer(32, 32, 128, few or 30),
    ]


NUMPY = SimpleNamespace(
    relu=lambda x: np.maximum(x, 0), cross_entropy=cr.cross_entropy, softmax=lambda x: cr.softmax(x, axis=-1),
    einsum=np.einsum, sqrt=np.sqrt, conv2d=lambda x, K: cr.conv2d(x, K, padding="same"),
    max_pool2d=lambda x: cr.max_pool2d(x, 2),
)  # fmt: skip


def _ours(net: Net, engine: str) -> Callable[[], dict[str, Array]]:
    shapes = {name: array.shape for name, array in net.params.items()}
    given = {"X": net.data["X"].shape, "y": f"{len(net.data['y'])}:int"}
    program = cr.trace(net.loss(NUMPY), **given, **shapes)

    def run() -> dict[str, Array]:
        result = cr.fit(program, net.params, net.data, cr.Adam(RATE), epochs=net.steps, engine=engine, progress=False)
        return dict(result.params)

    return run


def _jax(net: Net) -> Callable[[], dict[str, Array]]:
    jax = optional("jax", "jax")
    jnp, lax = jax.numpy, jax.lax

    def cross_entropy(z: Any, y: Any) -> Any:
        return -jnp.mean(jnp.sum(jax.nn.one_hot(y, z.shape[-1], dtype=z.dtype) * jax.nn.log_softmax(z), axis=-1))

    functions = SimpleNamespace(
        relu=jax.nn.relu, cross_entropy=cross_entropy, softmax=jax.nn.softmax, einsum=jnp.einsum, sqrt=jnp.sqrt,
        conv2d=lambda x, K: lax.conv_general_dilated(x, K, (1, 1), "SAME"),
        max_pool2d=lambda x: lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"),
    )  # fmt: skip
    loss = net.loss(functions)

    def update(p: Any, g: Any, m: Any, v: Any, count: Any) -> tuple[Any, Any, Any]:
        """Kingma and Ba 2014, algorithm 1."""
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        return p - RATE / (1 - 0.9**count) * m / (jnp.sqrt(v / (1 - 0.999**count)) + 1e-8), m, v

    def step(number: Any, state: Any, X: Any, y: Any) -> Any:
        params, means, squares, losses = state
        found, gradients = jax.value_and_grad(lambda p: loss(X, y, **p))(params)
        count = (number + 1).astype(jnp.float32)
        made = {name: update(params[name], gradients[name], means[name], squares[name], count) for name in params}
        return (*({name: each[k] for name, each in made.items()} for k in range(3)), losses.at[number].set(found))

    def whole(state: Any, X: Any, y: Any) -> Any:
        with jax.default_matmul_precision("highest"):
            params, _, _, losses = lax.fori_loop(0, net.steps, lambda number, each: step(number, each, X, y), state)
        return params, losses

    compiled = jax.jit(whole)
    X, y = jnp.asarray(net.data["X"]), jnp.asarray(net.data["y"].astype(np.int32))

    def run() -> dict[str, Array]:
        params = {name: jnp.asarray(value) for name, value in net.params.items()}
        zeros = {name: jnp.zeros_like(value) for name, value in params.items()}
        found, losses = compiled((params, zeros, zeros, jnp.zeros(net.steps)), X, y)
        losses.block_until_ready()
        return {name: np.asarray(value) for name, value in found.items()}

    return run


def _torch(net: Net) -> Callable[[], dict[str, Array]]:
    torch = optional("torch", "torch")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    F = torch.nn.functional
    functions = SimpleNamespace(
        relu=torch.relu, cross_entropy=F.cross_entropy, softmax=lambda x: torch.softmax(x, -1), einsum=torch.einsum,
        sqrt=torch.sqrt, conv2d=lambda x, K: F.conv2d(x, K, padding="same"), max_pool2d=lambda x: F.max_pool2d(x, 2),
    )  # fmt: skip
    loss = net.loss(functions)
    X, y = (torch.as_tensor(net.data[name], device=device) for name in ("X", "y"))

    def run() -> dict[str, Array]:
        params = {name: torch.tensor(value, device=device, requires_grad=True) for name, value in net.params.items()}
        optimizer = torch.optim.Adam(params.values(), RATE)
        losses = torch.zeros(net.steps, device=device)
        for number in range(net.steps):
            optimizer.zero_grad()
            found = loss(X, y, **params)
            losses[number] = found.detach()
            found.backward()
            optimizer.step()
        return {name: value.detach().cpu().numpy() for name, value in params.items()}

    return run


XLA, NATIVE = 'engine="xla"', 'engine="native"'
CONTENDERS: dict[str, Callable[[Net], Callable[[], dict[str, Array]]]] = {
    XLA: partial(_ours, engine="xla"), NATIVE: partial(_ours, engine="native"), "JAX": _jax, "PyTorch, eager": _torch,
}  # fmt: skip
"""The native engine computes on processors, whatever devices there are."""


def run(settings: Settings) -> dict[str, Any]:
    """Measure each network in turn by all contenders; raise BenchmarkError if their losses differ."""
    title = f"beside hand-written JAX and PyTorch, {_devices()}"
    return {"title": title, "nets": [_net(each, settings) for each in nets(settings.quick)]}


def _devices() -> str:
    try:
        jax = optional("jax", "jax")
    except AbsentError:
        raise BenchmarkError("this benchmark needs JAX: pip install 'chainrule[xla]'") from None
    return ", ".join(sorted({str(getattr(device, "device_kind", device)) for device in jax.devices()}))


def _net(net: Net, settings: Settings) -> dict[str, Any]:
    say(f"{net.title}: compiling")
    runs: dict[str, Callable[[], dict[str, Array]]] = {}
    rows: dict[str, dict[str, Any]] = {}
    absent = {}
    for name, make in CONTENDERS.items():
        try:
            runs[name] = make(net)
        except AbsentError as reason:
            absent[name] = str(reason)
            continue
        begun, spent = time.perf_counter(), time.process_time()
        found = runs[name]()
        row = {"first": time.perf_counter() - begun, "first_cpu": time.process_time() - spent}
        rows[name] = {**row, "loss": _loss(net, found)}
        again = [runs[name]() for _ in range(2)]
        rows[name]["same_bits"] = all(np.array_equal(each[key], found[key]) for each in again for key in found)
    say(f"{net.title}: measuring")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(settings.rounds):
        for name, each in runs.items():
            begun, spent = time.perf_counter(), time.process_time()
            each()
            times[name].append((time.perf_counter() - begun, time.process_time() - spent))
    ours = rows[XLA]["loss"]
    for name, row in rows.items():
        columns = zip(*times[name], strict=True)
        row["step"], row["step_cpu"] = (statistics.median(column) / net.steps for column in columns)
        if not abs(row["loss"] - ours) <= TOLERANCE * abs(ours):
            raise BenchmarkError(f"{net.title}: {name} reached the loss {row['loss']!r}, and {XLA} {ours!r}")
    return {"net": net.title, "steps": net.steps, "contenders": rows, "absent": absent}


def _loss(net: Net, params: Arrays) -> float:
    """Return the loss after training, computed alike for all."""
    return float(net.loss(NUMPY)(**net.data, **params))


def text(report: dict[str, Any]) -> str:
    """Return the report as tables."""
    lines = []
    for net in report["nets"]:
        lines.append(f"{net['net']}")
        lines.append(
            f"  {'':16}{'a step':>12}{'its CPU time':>14}{'times xla':>11}{'first call':>12}{'its CPU time':>14}"
        )
        for name, row in net["contenders"].items():
            bits = "the same" if row["same_bits"] else "differ"
            ratio = row["step_cpu"] / net["contenders"][XLA]["step_cpu"]
            lines.append(
                f"  {name:16}{1e6 * row['step']:>9,.1f} us{1e6 * row['step_cpu']:>11,.1f} us{ratio:>11.2f}"
                f"{row['first']:>10.2f} s{row['first_cpu']:>12.2f} s  {bits} in three runs"
            )
        lines += [f"  {name:16} not measured: {reason}" for name, reason in net["absent"].items()]
    return "\n".join(lines)
