"""Recurrent networks: single cells, or a cell unrolled through time."""

from typing import Annotated as Float

import numpy as np

import chainrule as cr
from chainrule.gallery.entries import Array, entry


@entry("Vanilla RNN through three steps of time", "简单 RNN（沿时间展开三步）")
def rnn(
    x1: Float[Array, "n d"],
    x2: Float[Array, "n d"],
    x3: Float[Array, "n d"],
    h0: Float[Array, "n k"],
    W: Float[Array, "d k"],
    U: Float[Array, "k k"],
    b: Float[Array, "k"],
) -> Array:
    """h_t = tanh(x_t W + h_(t−1) U + b), unrolled; the states are the outputs (Elman 1990)."""
    z1 = x1 @ W + h0 @ U + b
    h1 = np.tanh(z1)
    z2 = x2 @ W + h1 @ U + b
    h2 = np.tanh(z2)
    z3 = x3 @ W + h2 @ U + b
    h3 = np.tanh(z3)
    return h1, h2, h3


@entry("LSTM cell", "LSTM 单元")
def lstm_cell(
    x: Float[Array, "n d"],
    h: Float[Array, "n k"],
    c: Float[Array, "n k"],
    Wi: Float[Array, "d k"],
    Ui: Float[Array, "k k"],
    bi: Float[Array, "k"],
    Wf: Float[Array, "d k"],
    Uf: Float[Array, "k k"],
    bf: Float[Array, "k"],
    Wg: Float[Array, "d k"],
    Ug: Float[Array, "k k"],
    bg: Float[Array, "k"],
    Wo: Float[Array, "d k"],
    Uo: Float[Array, "k k"],
    bo: Float[Array, "k"],
) -> Array:
    """The next hidden and cell state of an LSTM (Hochreiter and Schmidhuber 1997; Gers et al. 2000)."""
    zi = x @ Wi + h @ Ui + bi
    i = cr.sigmoid(zi)
    zf = x @ Wf + h @ Uf + bf
    f = cr.sigmoid(zf)
    zg = x @ Wg + h @ Ug + bg
    g = np.tanh(zg)
    zo = x @ Wo + h @ Uo + bo
    o = cr.sigmoid(zo)
    c_next = f * c + i * g
    h_next = o * np.tanh(c_next)
    return h_next, c_next


@entry("GRU cell", "GRU 单元")
def gru_cell(
    x: Float[Array, "n d"],
    h: Float[Array, "n k"],
    Wr: Float[Array, "d k"],
    Ur: Float[Array, "k k"],
    br: Float[Array, "k"],
    Wz: Float[Array, "d k"],
    Uz: Float[Array, "k k"],
    bz: Float[Array, "k"],
    W: Float[Array, "d k"],
    U: Float[Array, "k k"],
    b: Float[Array, "k"],
) -> Array:
    """The next hidden state of a GRU (Cho et al. 2014, equations 5 to 8)."""
    zr = x @ Wr + h @ Ur + br
    r = cr.sigmoid(zr)
    zz = x @ Wz + h @ Uz + bz
    z = cr.sigmoid(zz)
    s = r * h
    zh = x @ W + s @ U + b
    h_tilde = np.tanh(zh)
    h_next = z * h + (1 - z) * h_tilde
    return h_next
