"""What the names of a learner's variables claim: `dW2`, `grad_W2` and `∂W2` a gradient, `delta2` that of z2."""

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
    """What `name` claims to be the gradient by: `dW2` of W2; `delta2`, `d2` of z2 where there is one."""
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
    """Whether an input of this name may be labels or weights of classes: `y`, `t2`, `target_1`, `y_onehot`, `mask`."""
    plain = re.sub(r"(_?(one_?hot|train|batch))?_?\d*$", "", name.casefold())
    return plain in TARGETS or plain in _MASKS


def is_numbered_gradient(name: str) -> bool:
    """Whether `name` claims to be the gradient of a layer, as `d3` and `delta3` do."""
    return any(re.fullmatch(r"_?\d+", rest) for rest in _rests(name))


def _rests(name: str) -> Iterable[str]:
    """What is left of `name` when the mark of a gradient is taken off, longest first."""
    seen: dict[str, None] = {}
    for pattern in _PREFIXES.pattern.removeprefix("(?:").removesuffix(")(?=.)").split("|"):
        match = re.match(f"(?:{pattern})(?=.)", name)
        if match:
            seen[name[match.end() :]] = None
    suffix = _SUFFIXES.search(name)
    if suffix:
        seen[name[: suffix.start()]] = None
    return sorted(seen, key=len)
