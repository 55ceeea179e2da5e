"""Training steps per second in JavaScript and in WebAssembly, under node.

A second is one of processor time, so that other processes on the machine matter little. JavaScript computes in float64,
WebAssembly in the dtype of the job, and takes consecutive batches.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import chainrule as cr
from benchmarks.jobs import JOBS, Job
from benchmarks.measure import BenchmarkError
from benchmarks.settings import Settings, say
from chainrule.emit.node import find_node, run_in_node
from chainrule.engines import wasm_module
from chainrule.training import TrainingSession, open_session

NAMES = ("xor", "mlp")
_ROWS = 1280
_SECONDS = """
const seconds = (steps, act) => {
    act();
    const start = process.cpuUsage();
    act();
    return process.cpuUsage(start).user / 1e6 / steps;
};
"""
_JAVASCRIPT = """
const params = net_params(), grads = net_grads(), work = net_work();
for (const name of Object.keys(params)) params[name].set(given[name]);
results.seconds = seconds(STEPS, () => {
    for (let step = 0; step < STEPS; ++step) {
        net_forward_backward(params, given.X, given.y, grads, work);
        net_sgd_step(params, grads, RATE);
    }
});
"""
_WASM = """
const run = await open();
run.set(given);
results.seconds = seconds(EPOCHS * STEPS, () => run.advance(EPOCHS));
"""


def xor(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """The loss of the job xor."""
    a1 = cr.sigmoid(X @ W1 + b1)
    a2 = cr.sigmoid(a1 @ W2 + b2)
    return 0.5 * np.sum((a2 - y) ** 2)


def mlp(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """The loss of the job mlp."""
    a1 = cr.relu(X @ W1 + b1)
    return cr.cross_entropy(a1 @ W2 + b2, y)


def run(settings: Settings) -> dict[str, Any]:
    """Measure both jobs; raise BenchmarkError without node."""
    node = find_node()
    if node is None:
        raise BenchmarkError("javascript: node is not installed; install Node.js, from 18 on")
    rows = []
    for name, loss in zip(NAMES, (xor, mlp), strict=True):
        say(f"javascript: measuring {name}")
        job = replace(JOBS[name], rows=min(JOBS[name].rows, _ROWS))  # node reads them as text
        each = [_rates(node, job, loss, 0.05 if settings.quick else 1.0) for _ in range(settings.rounds)]
        medians = [float(np.median(rates)) for rates in zip(*each, strict=True)]
        rows.append({"name": name, "title": job.title, "javascript": medians[0], "webassembly": medians[1]})
    return {"title": "training steps per second of processor time, under node", "jobs": rows}


def _rates(node: str, job: Job, loss: Any, share: float) -> tuple[float, float]:
    """Return the steps per second of both."""
    params = dict(zip(("W1", "b1", "W2", "b2"), job.initial(), strict=True))
    X, y = job.data()
    steps = max(1, int(share * (500_000 if job.name == "xor" else 20)))
    n, (d, h, o) = min(job.batch, len(X)), job.sizes
    sizes = {"n": n, "d": d, "h": h, "o": o}
    shapes = {"X": "n d", "W1": "d h", "b1": "h", "W2": "h o", "b2": "o"}
    target = {"y": "n o" if y.ndim == 2 else "n:int"}
    text = cr.derive(loss, list(params), **shapes, **target).source("js", "net", sizes)
    statements = _JAVASCRIPT.replace("STEPS", str(steps)).replace("RATE", repr(job.learning_rate))
    given = {**params, "X": X[:n], "y": y[:n]}
    given = {name: array.astype(float) if array.dtype.kind == "f" else array for name, array in given.items()}
    javascript = run_in_node(node, text, _SECONDS + statements, given)["seconds"]
    session = open_session(
        loss, params, {"X": X, "y": y}, cr.SGD(job.learning_rate), batch_size=job.batch, shuffle=False
    )
    assert isinstance(session, TrainingSession)
    loop, known = session.run.loop, {**session.run.state, **session.run.data}
    arrays = {name: np.asarray(known[name]) for name in (*loop.state, *loop.rows, *loop.constants)}
    arrays = {name: array.astype(float) if array.dtype.kind == "f" else array for name, array in arrays.items()}
    epochs = max(1, steps // loop.steps_per_epoch)
    statements = _WASM.replace("EPOCHS", str(epochs)).replace("STEPS", str(loop.steps_per_epoch))
    webassembly = run_in_node(node, wasm_module(loop), _SECONDS + statements, arrays)["seconds"]
    return 1 / float(javascript[0]), 1 / float(webassembly[0])


def text(report: dict[str, Any]) -> str:
    """Return the report as a table."""
    lines = [f"{'':72}{'JavaScript':>14}{'WebAssembly':>14}"]
    lines += [f"{row['title']:72}{row['javascript']:14,.0f}{row['webassembly']:14,.0f}" for row in report["jobs"]]
    return "\n".join(lines)
