"""PyTorch, eager and compiled, each in the form that is fastest in a short trial.

Eager is `nn.Sequential` with an optimizer of `torch.optim`, its update a loop over tensors, "foreach" or fused; or, for
plain gradient descent, a handwritten update. Compiled is one function of `torch.compile` for a whole step, gradient and
update together, which is faster than compiling only the module. Each runs with all threads or with one.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from itertools import pairwise
from typing import Any

from benchmarks.jobs import Job
from benchmarks.measure import Contender
from benchmarks.peers.absent import AbsentError, optional

EAGER, COMPILED = "PyTorch, eager", "PyTorch, compiled"
TRIAL_STEPS, TRIALS = 50, 3
UPDATES = {"loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}

Train = Callable[[int], list[Any]]
"""Trains for a number of epochs; returns the parameters."""


def eager(job: Job) -> list[Contender]:
    """Return the contender with the fastest kind of update."""
    torch = optional("torch", "torch")
    forms = {f"{EAGER}, {name} update": _eager(torch, job, options) for name, options in UPDATES.items()}
    if job.optimizer == "sgd":
        forms[f"{EAGER}, update by hand"] = _by_hand(torch, job)
    return [_fastest(torch, job, forms)]


def compiled(job: Job) -> list[Contender]:
    """Return one compiled step; raise AbsentError without a C++ compiler, which `torch.compile` needs."""
    torch = optional("torch", "torch")
    if not any(shutil.which(name) for name in (os.environ.get("CXX", "g++"), "clang++")):
        raise AbsentError("it needs a C++ compiler (g++, or the one that CXX names)")
    return [_fastest(torch, job, {COMPILED: _compiled(torch, job)})]


@cache
def _all_threads() -> int:
    """Return PyTorch's default number of threads, read before it is changed."""
    threads: int = optional("torch", "torch").get_num_threads()
    return threads


def _fastest(torch: Any, job: Job, forms: Mapping[str, Train]) -> Contender:
    """Return the contender with the form and number of threads that are fastest in a short trial."""

    def train(form: str, threads: int, epochs: int) -> list[Any]:
        torch.set_num_threads(threads)
        return forms[form](epochs)

    epochs = min(job.epochs, -(-TRIAL_STEPS // job.steps_per_epoch))
    choices = [(form, threads) for form in forms for threads in sorted({1, _all_threads()})]
    took: dict[tuple[str, int], float] = {}
    for choice in choices:
        train(*choice, epochs)
        seconds = []
        for _ in range(TRIALS):
            start = time.perf_counter()
            train(*choice, epochs)
            seconds.append(time.perf_counter() - start)
        took[choice] = min(seconds)
    form, threads = min(took, key=lambda choice: took[choice])
    return Contender(f"{form}, {threads} thread{'s' * (threads > 1)}", partial(train, form, threads, job.epochs))


def _batches(torch: Any, job: Job) -> list[tuple[Any, Any]]:
    X, y = (torch.from_numpy(a.copy()) for a in job.data())
    return list(zip(X.split(job.batch), y.split(job.batch), strict=True))


def _loss(torch: Any, job: Job) -> Any:
    if job.loss == "squared_error":
        return lambda a, y: 0.5 * ((a - y) ** 2).sum()
    return torch.nn.functional.cross_entropy


def _initial(torch: Any, job: Job) -> list[Any]:
    """Return the parameters with weights of shape (outputs, inputs), as PyTorch's linear layers hold them."""
    return [torch.from_numpy(p).t().contiguous() for p in job.initial()]


def _network(torch: Any, job: Job) -> Any:
    layers: list[Any] = []
    for inputs, outputs in pairwise(job.sizes):
        layers.append(torch.nn.utils.skip_init(torch.nn.Linear, inputs, outputs))
        layers.append(torch.nn.Sigmoid() if job.loss == "squared_error" else torch.nn.ReLU())
    made = torch.nn.Sequential(*(layers if job.loss == "squared_error" else layers[:-1]))
    for held, given in zip(made.parameters(), _initial(torch, job), strict=True):
        held.data = given
    return made


def _by_hand(torch: Any, job: Job) -> Train:
    batches, loss = _batches(torch, job), _loss(torch, job)

    def train(epochs: int) -> list[Any]:
        model = _network(torch, job)
        parameters = list(model.parameters())
        for _ in range(epochs):
            for X, y in batches:
                gradients = torch.autograd.grad(loss(model(X), y), parameters)
                with torch.no_grad():
                    for parameter, gradient in zip(parameters, gradients, strict=True):
                        parameter.sub_(gradient, alpha=job.learning_rate)
        return [p.detach().t() for p in parameters]

    return train


def _eager(torch: Any, job: Job, options: Mapping[str, bool]) -> Train:
    batches, loss = _batches(torch, job), _loss(torch, job)
    make = torch.optim.Adam if job.optimizer == "adam" else torch.optim.SGD

    def train(epochs: int) -> list[Any]:
        model = _network(torch, job)
        optimizer = make(model.parameters(), lr=job.learning_rate, **options)
        for _ in range(epochs):
            for X, y in batches:
                optimizer.zero_grad()
                loss(model(X), y).backward()
                optimizer.step()
        return [p.detach().t() for p in model.parameters()]

    return train


def _compiled(torch: Any, job: Job) -> Train:
    batches, loss = _batches(torch, job), _loss(torch, job)
    functional = torch.nn.functional

    def forward(parameters: list[Any], X: Any, y: Any) -> Any:
        a = X
        for k in range(0, len(parameters), 2):
            a = functional.linear(a, parameters[k], parameters[k + 1])
            if job.loss == "squared_error":
                a = torch.sigmoid(a)
            elif k + 2 < len(parameters):
                a = torch.relu(a)
        return loss(a, y)

    def descend(parameters: list[Any], X: Any, y: Any) -> None:
        for p, g in zip(parameters, torch.func.grad(forward)(parameters, X, y), strict=True):
            p.sub_(g, alpha=job.learning_rate)

    def adam(parameters: list[Any], X: Any, y: Any, means: list[Any], squares: list[Any], count: Any) -> None:
        """Kingma and Ba 2014, algorithm 1; `count` is a tensor, since a number would be compiled in."""
        count.add_(1)
        gradients = torch.func.grad(forward)(parameters, X, y)
        for p, g, m, v in zip(parameters, gradients, means, squares, strict=True):
            m.lerp_(g, 0.1)
            v.mul_(0.999).addcmul_(g, g, value=0.001)
            step = job.learning_rate / (1 - 0.9**count)
            p.sub_(step * m / ((v / (1 - 0.999**count)).sqrt() + 1e-8))

    step = torch.compile(adam if job.optimizer == "adam" else descend)

    def train(epochs: int) -> list[Any]:
        parameters = _initial(torch, job)
        memory: list[Any] = []
        if job.optimizer == "adam":
            memory = [[torch.zeros_like(p) for p in parameters] for _ in range(2)]
            memory.append(torch.zeros((), dtype=parameters[0].dtype))
        with torch.no_grad():
            for _ in range(epochs):
                for X, y in batches:
                    step(parameters, X, y, *memory)
        return [p.t() for p in parameters]

    return train
