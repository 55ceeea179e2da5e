"""Convolution and pooling over the windows of a sequence or an image."""

from typing import Annotated as Float

import numpy as np

import chainrule as cr
from chainrule.gallery.entries import Array, entry


@entry("Convolution of sequences", "一维卷积")
def conv1d(x: Float[Array, "n c l"], W: Float[Array, "o c k"], b: Float[Array, "o"]) -> Array:
    """Inner products of o kernels with every window of a sequence of c channels."""
    y = np.einsum("nclk,ock->nol", np.lib.stride_tricks.sliding_window_view(x, W.shape[2], axis=2), W) + b[:, None]
    return y


@entry("Convolution of images", "二维卷积")
def conv2d(x: Float[Array, "n c h w"], W: Float[Array, "o c k l"], b: Float[Array, "o"]) -> Array:
    """Inner products of o kernels with every window of an image of c channels."""
    y = cr.conv2d(x, W, b)
    return y


@entry("Max pooling", "最大池化")
def max_pool(x: Float[Array, "n c 2*h 2*w"]) -> Array:
    """The maximum of each window of 2 by 2."""
    y = cr.max_pool2d(x, 2)
    return y


@entry("Average pooling", "平均池化")
def avg_pool(x: Float[Array, "n c 2*h 2*w"]) -> Array:
    """The mean of each window of 2 by 2."""
    y = cr.avg_pool2d(x, 2)
    return y
