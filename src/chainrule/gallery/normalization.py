"""Normalizations, whose statistics depend on their input, and dropout."""

from typing import Annotated as Float

import numpy as np

from chainrule.gallery.entries import Array, entry


@entry("Batch normalization (training mode)", "批归一化（训练模式）")
def batch_norm(
    X: Float[Array, "n d"],
    gamma: Float[Array, "d"],
    beta: Float[Array, "d"],
) -> Array:
    """Center each feature and divide it by its standard deviation over the batch (Ioffe and Szegedy 2015)."""
    mu = np.mean(X, axis=0)
    var = np.mean((X - mu) ** 2, axis=0)
    sigma = np.sqrt(var + 1e-5)
    x_hat = (X - mu) / sigma
    Y = gamma * x_hat + beta
    return Y


@entry("Layer normalization", "层归一化")
def layer_norm(
    X: Float[Array, "n d"],
    gamma: Float[Array, "d"],
    beta: Float[Array, "d"],
) -> Array:
    """Center each sample and divide it by the standard deviation of its features (Ba et al. 2016)."""
    mu = np.mean(X, axis=1, keepdims=True)
    var = np.mean((X - mu) ** 2, axis=1, keepdims=True)
    sigma = np.sqrt(var + 1e-5)
    x_hat = (X - mu) / sigma
    Y = gamma * x_hat + beta
    return Y


@entry("RMSNorm", "RMSNorm（均方根归一化）")
def rms_norm(
    X: Float[Array, "n d"],
    gamma: Float[Array, "d"],
) -> Array:
    """Divide each sample by the root mean square of its features (Zhang and Sennrich 2019)."""
    rms = np.sqrt(np.mean(X**2, axis=1, keepdims=True) + 1e-6)
    x_hat = X / rms
    Y = gamma * x_hat
    return Y


@entry("Dropout with a given mask", "Dropout（给定掩码）", wrt=("X",))
def dropout(
    X: Float[Array, "n d"],
    mask: Float[Array, "n d"],
    q: Float[Array, ""],
) -> Array:
    """Drop units where the mask is 0; divide the others by their keep probability q (Srivastava et al. 2014)."""
    Y = X * mask / q
    return Y
