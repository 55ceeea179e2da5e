"""Penalties on the size of parameters."""

from typing import Annotated as Float

import numpy as np

from chainrule.gallery.entries import Array, entry


@entry("Weight decay (L2 regularization, ridge)", "权重衰减（L2 正则化，岭回归）", wrt=("w",))
def weight_decay(
    X: Float[Array, "n d"],
    y: Float[Array, "n"],
    w: Float[Array, "d"],
    lam: Float[Array, ""],
) -> Array:
    """Mean squared error, halved, plus ½ λ ‖w‖²."""
    r = X @ w - y
    return 0.5 * np.mean(r**2) + 0.5 * lam * np.sum(w**2)


@entry("L1 regularization (lasso)", "L1 正则化（lasso）", wrt=("w",))
def l1_regularization(
    X: Float[Array, "n d"],
    y: Float[Array, "n"],
    w: Float[Array, "d"],
    lam: Float[Array, ""],
) -> Array:
    """Mean squared error, halved, plus λ ‖w‖₁."""
    r = X @ w - y
    return 0.5 * np.mean(r**2) + lam * np.sum(np.abs(w))
