"""Reference implementations of published update rules, in NumPy float64, and in PyTorch if it is installed."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rule = Callable[[Array, Array, dict[str, Any], int, dict[str, Any]], Any]


def sgd(w: Array, g: Array, memory: dict[str, Any], t: int, s: dict[str, Any]) -> Any:
    g = g + s.get("weight_decay", 0) * w
    momentum = s.get("momentum", 0)
    if momentum:
        fresh = g if t == 1 else momentum * memory["v"] + (1 - s.get("dampening", 0)) * g
        memory["v"] = fresh
        g = g + momentum * fresh if s.get("nesterov") else fresh
    return w - s["learning_rate"] * g


def _moments(g: Array, memory: dict[str, Any], t: int, betas: tuple[float, float]) -> tuple[Array, Array]:
    """Return m and v / (1 − β₂ᵗ)."""
    memory["m"] = betas[0] * memory.get("m", 0) + (1 - betas[0]) * g
    memory["v"] = betas[1] * memory.get("v", 0) + (1 - betas[1]) * g * g
    return memory["m"], memory["v"] / (1 - betas[1] ** t)


def adam(w: Array, g: Array, memory: dict[str, Any], t: int, s: dict[str, Any]) -> Any:
    betas = s.get("betas", (0.9, 0.999))
    m, v = _moments(g + s.get("weight_decay", 0) * w, memory, t, betas)
    if s.get("amsgrad"):
        memory["top"] = np.maximum(memory.get("top", 0), memory["v"])
        v = memory["top"] / (1 - betas[1] ** t)
    return w - s.get("learning_rate", 1e-3) * (m / (1 - betas[0] ** t)) / (np.sqrt(v) + s.get("eps", 1e-8))


def adamw(w: Array, g: Array, memory: dict[str, Any], t: int, s: dict[str, Any]) -> Any:
    kept = w - s.get("learning_rate", 1e-3) * s.get("weight_decay", 1e-2) * w
    return adam(kept, g, memory, t, {**s, "weight_decay": 0})


def nadam(w: Array, g: Array, memory: dict[str, Any], t: int, s: dict[str, Any]) -> Any:
    betas, rate = s.get("betas", (0.9, 0.999)), s.get("learning_rate", 2e-3)
    decay, psi = s.get("weight_decay", 0), s.get("momentum_decay", 4e-3)
    if s.get("decoupled_weight_decay"):
        w = w - rate * decay * w
    else:
        g = g + decay * w
    m, v = _moments(g, memory, t, betas)
    mu, following = (betas[0] * (1 - 0.5 * 0.96 ** (k * psi)) for k in (t, t + 1))
    product = memory["product"] = memory.get("product", 1.0) * mu
    ahead = (1 - mu) / (1 - product) * g + following / (1 - product * following) * m
    return w - rate * ahead / (np.sqrt(v) + s.get("eps", 1e-8))


def rmsprop(w: Array, g: Array, memory: dict[str, Any], t: int, s: dict[str, Any]) -> Any:
    alpha = s.get("alpha", 0.99)
    g = g + s.get("weight_decay", 0) * w
    memory["v"] = alpha * memory.get("v", 0) + (1 - alpha) * g * g
    v = memory["v"]
    if s.get("centered"):
        memory["m"] = alpha * memory.get("m", 0) + (1 - alpha) * g
        v = v - memory["m"] ** 2
    step = g / (np.sqrt(v) + s.get("eps", 1e-8))
    if s.get("momentum"):
        step = memory["u"] = s["momentum"] * memory.get("u", 0) + step
    return w - s.get("learning_rate", 1e-2) * step


RULES: dict[str, Rule] = {"SGD": sgd, "Adam": adam, "AdamW": adamw, "NAdam": nadam, "RMSprop": rmsprop}


def predicted(X: Array, W: Array, b: Array) -> Array:
    result: Array = np.tanh(X @ W + b)
    return result


def gradients(X: Array, y: Array, W: Array, b: Array) -> dict[str, Array]:
    """Return the gradients of the mean of (tanh(X W + b) − y)²."""
    p = predicted(X, W, b)
    delta = 2 * (p - y) / y.size * (1 - p**2)
    return {"W": X.T @ delta, "b": delta.sum(axis=0)}


def by_hand(
    name: str, settings: Mapping[str, Any], data: Mapping[str, Array], start: Mapping[str, Array], steps: int, size: int
) -> dict[str, Array]:
    """Return the parameters after `steps` updates on batches of `size` rows, taken in order."""
    w = dict(start)
    memory: dict[str, dict[str, Any]] = {key: {} for key in w}
    batches = len(data["X"]) // size
    for t in range(1, steps + 1):
        rows = slice((t - 1) % batches * size, ((t - 1) % batches + 1) * size)
        g = gradients(data["X"][rows], data["y"][rows], w["W"], w["b"])
        now = {key: value(t - 1) if callable(value) else value for key, value in settings.items()}
        clip_norm = now.pop("clip_norm", None)
        if clip_norm is not None:
            norm = np.sqrt(sum(float((part**2).sum()) for part in g.values()))
            g = {key: part * min(1.0, clip_norm / (norm + 1e-6)) for key, part in g.items()}
        w = {key: RULES[name](w[key], g[key], memory[key], t, now) for key in w}
    return w


def by_torch(
    name: str, settings: Mapping[str, Any], data: Mapping[str, Array], start: Mapping[str, Array], steps: int, size: int
) -> dict[str, Array]:
    """Return the same parameters from PyTorch's optimizers."""
    torch = importlib.import_module("torch")
    known = dict(settings)
    rate, clip_norm = known.pop("learning_rate", None), known.pop("clip_norm", None)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # NAdam stores a number in this dtype
    try:
        w = {key: torch.tensor(value, requires_grad=True) for key, value in start.items()}
        if rate is not None:
            known["lr"] = rate(0) if callable(rate) else rate
        optimizer = getattr(torch.optim, name)(list(w.values()), **known)
        X, y = torch.tensor(data["X"]), torch.tensor(data["y"])
        batches = len(X) // size
        for t in range(steps):
            rows = slice(t % batches * size, (t % batches + 1) * size)
            if callable(rate):
                optimizer.param_groups[0]["lr"] = rate(t)
            optimizer.zero_grad()
            ((torch.tanh(X[rows] @ w["W"] + w["b"]) - y[rows]) ** 2).mean().backward()
            if clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(list(w.values()), clip_norm)
            optimizer.step()
    finally:
        torch.set_default_dtype(default)
    return {key: value.detach().numpy() for key, value in w.items()}


PEERS = {"by hand": by_hand}
if importlib.util.find_spec("torch") is not None:  # optional: a second reference if it is installed
    PEERS["torch"] = by_torch
