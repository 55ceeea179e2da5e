"""Forward and backward pass as source of their own, for NumPy, PyTorch, JAX and C.

python examples/take_the_code.py
"""

from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr


def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
    """Normalize each row."""
    mu = x.mean(axis=-1, keepdims=True)
    xhat = (x - mu) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    return xhat * gain + bias


derivation = cr.derive(layer_norm, x="n d", gain="d", bias="d")
for target, path in {
    "numpy": "layer_norm_numpy.py",
    "torch": "layer_norm_torch.py",
    "jax": "layer_norm_jax.py",
}.items():
    Path(path).write_text(derivation.source(target), encoding="utf-8")
Path("layer_norm.h").write_text(derivation.source("c", sizes={"n": 8, "d": 16}), encoding="utf-8")

namespace: dict[str, Any] = {}
exec(derivation.source("numpy"), namespace)  # as a file of its own would be imported
rng = np.random.default_rng(0)
x, gain, bias = rng.normal(size=(4, 6)), rng.normal(size=6), rng.normal(size=6)
output, saved = namespace["forward"](x, gain, bias)
upstream = rng.normal(size=(4, 6))
dx, dgain, dbias = namespace["backward"](saved, upstream)
print("rows of ∂L/∂x sum to", f"{np.abs(dx.sum(axis=1)).max():.0e}" if np.abs(dx.sum(axis=1)).max() > 1e-12 else 0)
print("lines of NumPy:", len(derivation.source("numpy").splitlines()))
