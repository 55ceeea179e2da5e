"""Fully connected networks."""

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
    """Half the squared error of two layers, each linear and then logistic, for one sample."""
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
    """Half the squared error of two layers, each linear and then logistic, over a batch."""
    z1 = X @ W1 + b1
    a1 = cr.sigmoid(z1)
    z2 = a1 @ W2 + b2
    a2 = cr.sigmoid(z2)
    return 0.5 * np.sum((a2 - y) ** 2)
