"""Linear models with convex losses; each gradient is the residual multiplied by the data."""

from typing import Annotated as Float

import numpy as np

import chainrule as cr
from chainrule.gallery.entries import Array, entry


@entry("Linear regression, mean squared error", "线性回归（均方误差）")
def linear_regression(
    X: Float[Array, "n d"],
    y: Float[Array, "n"],
    w: Float[Array, "d"],
    b: Float[Array, ""],
) -> Array:
    """Mean squared error of a prediction linear in the features."""
    y_hat = X @ w + b
    return np.mean((y_hat - y) ** 2)


@entry("Logistic regression, binary cross-entropy", "逻辑回归（二元交叉熵）")
def logistic_regression(
    X: Float[Array, "n d"],
    y: Float[Array, "n"],
    w: Float[Array, "d"],
    b: Float[Array, ""],
) -> Array:
    """Binary cross-entropy of a logistic prediction p and targets y in [0, 1]."""
    z = X @ w + b
    p = cr.sigmoid(z)
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


@entry("Softmax regression, cross-entropy", "Softmax 回归（交叉熵）")
def softmax_regression(
    X: Float[Array, "n d"],
    labels: Float[Array, "n:int"],
    W: Float[Array, "d k"],
    b: Float[Array, "k"],
) -> Array:
    """Cross-entropy of class probabilities P and labels, written as one-hot rows Y."""
    Y = cr.one_hot(labels, b.shape[0])
    Z = X @ W + b
    P = cr.softmax(Z)
    return -np.sum(Y * np.log(P)) / X.shape[0]
