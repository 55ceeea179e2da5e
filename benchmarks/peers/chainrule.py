"""This project, with `cr.fit`."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

import chainrule as cr
from benchmarks.jobs import Array, Job
from benchmarks.measure import Contender
from benchmarks.peers.absent import optional

NAME = "chainrule"
XLA = 'chainrule, engine="xla"'


def squared_error(X: Any, y: Any, **parameters: Any) -> Any:
    """Return ½ Σ (a − y)² of a network of logistic layers."""
    a = X
    for k in range(1, len(parameters) // 2 + 1):
        a = cr.sigmoid(a @ parameters[f"W{k}"] + parameters[f"b{k}"])
    return 0.5 * np.sum((a - y) ** 2)


def cross_entropy(X: Any, y: Any, **parameters: Any) -> Any:
    """Return the mean of −log softmax of a network with relu between its layers."""
    depth = len(parameters) // 2
    z = X @ parameters["W1"] + parameters["b1"]
    for k in range(2, depth + 1):
        z = np.maximum(z, 0) @ parameters[f"W{k}"] + parameters[f"b{k}"]
    return cr.cross_entropy(z, y)


@cache
def traced(job: Job) -> cr.Program:
    """Return the traced loss; passing a Program to `fit` avoids tracing in every call."""
    targets = "n o" if job.loss == "squared_error" else "n:int"
    loss = squared_error if job.loss == "squared_error" else cross_entropy
    return cr.trace(loss, X=("n", job.sizes[0]), y=targets, **{k: v.shape for k, v in named(job.initial()).items()})


def named(parameters: list[Array]) -> dict[str, Array]:
    """Return the parameters by their names in the losses."""
    return {f"{'Wb'[k % 2]}{k // 2 + 1}": parameter for k, parameter in enumerate(parameters)}


@cache
def arguments(job: Job) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the parameters and the data, which `fit` does not modify."""
    X, y = job.data()
    return named(job.initial()), {"X": X, "y": y}


def train(job: Job, threads: int | None = None, engine: str = "native") -> list[Array]:
    """Return the trained parameters."""
    parameters, data = arguments(job)
    result = cr.fit(
        traced(job),
        params=parameters,
        data=data,
        optimizer=cr.SGD(job.learning_rate) if job.optimizer == "sgd" else cr.Adam(job.learning_rate),
        epochs=job.epochs,
        batch_size=job.batch,
        shuffle=False,
        threads=threads,
        engine=engine,
    )
    return list(result.params.values())


def contenders(job: Job) -> list[Contender]:
    """Return contenders that train in one call."""
    return [Contender(NAME, lambda: train(job))]


def on_xla(job: Job) -> list[Contender]:
    """Return a contender that trains in one call of the XLA engine, which is no faster on a CPU."""
    optional("jax", "jax")
    return [Contender(XLA, lambda: train(job, engine="xla"))]


def one_epoch(job: Job) -> Contender:
    """Train a single epoch: its time beyond its share of the whole run is the cost of a call before its first step."""
    short = replace(job, epochs=1)
    return Contender("chainrule, one epoch", lambda: train(short))
