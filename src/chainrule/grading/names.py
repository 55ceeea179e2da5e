"""Meanings of variable names in answers: `dW2`, `grad_W2` and `∂W2` are gradients, `delta2` is that of z2."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from chainrule.cage import called

_PREFIXES = re.compile(
    r"(?:∂L/∂|∂L_∂|dL/d|dL_d|dLd|dloss_d|dJ_d|dE_d|dC_d|grads?_?|gradient_(?:of_)?|g_|nabla_?|∇|∂|delta_?|δ_?|del_?|d_|d)(?=.)"
)
_SUFFIXES = re.compile(r"(?<=.)(?:_?grads?|_?gradient|_?bar|_?delta|_?δ|_d)$")
TARGETS = frozenset({"y", "t", "target", "targets", "labels", "label", "y_true", "ytrue"})
_MASKS = frozenset({"mask", "q", "p"})
OUTPUTS = frozenset(
    {"output", "outputs", "out", "y_hat", "yhat", "y_pred", "ypred", "pred", "prediction", "predictions"}
)
UPSTREAM = frozenset(
    {"dout", "upstream", "grad_output", "grad_out", "g", "dy", "delta", "grad", "d_out", "doutput", "gy"}
)
CONTAINERS = frozenset(
    {"cache", "params", "parameters", "p", "weights", "memory", "ctx", "state", "model", "data", "saved"}
)
COUNTS = frozenset({"n", "m", "b", "N", "batch", "batch_size", "B", "num_samples", "samples", "bs"})


def gradient_of(name: str, known: Collection[str]) -> str | None:
    """Return the variable of a gradient's name: W2 for `dW2`, z2 for `delta2` and `d2`; None if there is none."""
    for rest in _rests(name):
        found = called(rest, known)
        if found is not None:
            return found
        if re.fullmatch(r"_?\d+", rest):
            found = called("z" + rest.strip("_"), known)
            if found is not None:
                return found
    return None


def is_target(name: str) -> bool:
    """Whether an input's name may be that of labels or class weights: `y`, `t2`, `target_1`, `y_onehot`, `mask`."""
    plain = re.sub(r"(_?(one_?hot|train|batch))?_?\d*$", "", name.casefold())
    return plain in TARGETS or plain in _MASKS


def is_numbered_gradient(name: str) -> bool:
    """Whether `name` is that of the gradient of a layer, such as `d3` and `delta3`."""
    return any(re.fullmatch(r"_?\d+", rest) for rest in _rests(name))


def _rests(name: str) -> Iterable[str]:
    """Yield the rest of `name` without its prefix or suffix of a gradient, longest first."""
    seen: dict[str, None] = {}
    for pattern in _PREFIXES.pattern.removeprefix("(?:").removesuffix(")(?=.)").split("|"):
        match = re.match(f"(?:{pattern})(?=.)", name)
        if match:
            seen[name[match.end() :]] = None
    suffix = _SUFFIXES.search(name)
    if suffix:
        seen[name[: suffix.start()]] = None
    return sorted(seen, key=len)
