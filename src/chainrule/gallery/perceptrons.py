"""Fully connected networks and the blocks of modern networks."""

from typing import Annotated as Float

import numpy as np

import chainrule as cr
from chainrule.gallery.entries import Array, entry


@entry("Two-layer sigmoid network, one sample as a column", "两层 sigmoid 网络（单样本，列向量）")
def two_layer_columns(
    x: Float[Array, "d 1"],
    y: Float[Array, "o 1"],
    W1: Float[Array, "h d"],
    b1: Float[Array, "h 1"],
    W2: Float[Array, "o h"],
    b2: Float[Array, "o 1"],
) -> Array:
    """Half the squared error of two logistic layers for one sample."""
    z1 = W1 @ x + b1
    a1 = cr.sigmoid(z1)
    z2 = W2 @ a1 + b2
    a2 = cr.sigmoid(z2)
    return 0.5 * np.sum((a2 - y) ** 2)


@entry("Two-layer sigmoid network, a batch of rows", "两层 sigmoid 网络（批量，按行）")
def two_layer_rows(
    X: Float[Array, "n d"],
    y: Float[Array, "n o"],
    W1: Float[Array, "d h"],
    b1: Float[Array, "h"],
    W2: Float[Array, "h o"],
    b2: Float[Array, "o"],
) -> Array:
    """Half the squared error of two logistic layers over a batch."""
    z1 = X @ W1 + b1
    a1 = cr.sigmoid(z1)
    z2 = a1 @ W2 + b2
    a2 = cr.sigmoid(z2)
    return 0.5 * np.sum((a2 - y) ** 2)


@entry("Deep ReLU network (MLP)", "深层 ReLU 网络（多层感知机）")
def relu_mlp(
    X: Float[Array, "n d"],
    y: Float[Array, "n o"],
    W1: Float[Array, "d h"],
    b1: Float[Array, "h"],
    W2: Float[Array, "h k"],
    b2: Float[Array, "k"],
    W3: Float[Array, "k o"],
    b3: Float[Array, "o"],
) -> Array:
    """Half the squared error per sample of two hidden ReLU layers and a linear output layer."""
    z1 = X @ W1 + b1
    a1 = cr.relu(z1)
    z2 = a1 @ W2 + b2
    a2 = cr.relu(z2)
    y_hat = a2 @ W3 + b3
    return 0.5 * np.sum((y_hat - y) ** 2) / X.shape[0]


@entry("GELU feed-forward block (transformer MLP)", "GELU 前馈块（Transformer 的 MLP）")
def gelu_block(
    X: Float[Array, "n d"],
    W1: Float[Array, "d h"],
    b1: Float[Array, "h"],
    W2: Float[Array, "h d"],
    b2: Float[Array, "d"],
) -> Array:
    """Two linear layers with a GELU between them (Hendrycks and Gimpel 2016)."""
    z = X @ W1 + b1
    a = cr.gelu(z)
    Y = a @ W2 + b2
    return Y


@entry("SiLU (Swish) feed-forward block", "SiLU（Swish）前馈块")
def silu_block(
    X: Float[Array, "n d"],
    W1: Float[Array, "d h"],
    b1: Float[Array, "h"],
    W2: Float[Array, "h d"],
    b2: Float[Array, "d"],
) -> Array:
    """Two linear layers with SiLU, z σ(z), between them (Elfwing et al. 2017; Ramachandran et al. 2017)."""
    z = X @ W1 + b1
    a = cr.silu(z)
    Y = a @ W2 + b2
    return Y


@entry("SwiGLU feed-forward block", "SwiGLU 前馈块")
def swiglu_block(
    X: Float[Array, "n d"],
    W: Float[Array, "d h"],
    V: Float[Array, "d h"],
    W2: Float[Array, "h d"],
) -> Array:
    """(Swish(X W) ⊙ X V) W2: a linear unit whose gate is a SiLU (Shazeer 2020, equation 6)."""
    z = X @ W
    a = cr.silu(z)
    U = X @ V
    H = a * U
    Y = H @ W2
    return Y


@entry("Residual block", "残差块")
def residual_block(
    X: Float[Array, "n d"],
    W1: Float[Array, "d h"],
    b1: Float[Array, "h"],
    W2: Float[Array, "h d"],
    b2: Float[Array, "d"],
) -> Array:
    """The identity plus a two-layer branch: Y = X + F(X) (He et al. 2016)."""
    z = X @ W1 + b1
    a = cr.relu(z)
    F = a @ W2 + b2
    Y = X + F
    return Y
