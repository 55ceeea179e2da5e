"""Attention, and the transformer block."""

from typing import Annotated as Float

import numpy as np

import chainrule as cr
from chainrule.gallery.entries import Array, entry


@entry("Embedding lookup", "嵌入查表")
def embedding(
    tokens: Float[Array, "n:int"],
    E: Float[Array, "v d"],
) -> Array:
    """The rows of the embedding table for the tokens."""
    Y = E[tokens]
    return Y


@entry("Scaled dot-product attention with a mask", "缩放点积注意力（带掩码）")
def attention(
    Q: Float[Array, "n d"],
    K: Float[Array, "m d"],
    V: Float[Array, "m e"],
    mask: Float[Array, "n m"],
) -> Array:
    """softmax(Q Kᵀ/√d + mask) V, the mask 0 where a key may be seen, else −∞ (Vaswani et al. 2017, equation 1)."""
    S = Q @ K.T / np.sqrt(Q.shape[1]) + mask
    P = cr.softmax(S)
    O = P @ V
    return O


@entry("Multi-head attention with a mask", "多头注意力（带掩码）")
def multi_head_attention(
    X: Float[Array, "n e"],
    WQ: Float[Array, "h e d"],
    WK: Float[Array, "h e d"],
    WV: Float[Array, "h e d"],
    WO: Float[Array, "h d e"],
    mask: Float[Array, "n n"],
) -> Array:
    """The sum of several attention heads over the rows of X, each projected back (Vaswani et al. 2017, 3.2.2)."""
    Q = X @ WQ
    K = X @ WK
    V = X @ WV
    S = Q @ np.swapaxes(K, 1, 2) / np.sqrt(WQ.shape[2]) + mask
    P = cr.softmax(S)
    O = P @ V
    Y = np.sum(O @ WO, axis=0)
    return Y


@entry("Pre-norm transformer block", "Transformer 块（前置归一化）")
def transformer_block(
    X: Float[Array, "n e"],
    gamma1: Float[Array, "e"],
    beta1: Float[Array, "e"],
    WQ: Float[Array, "h e d"],
    WK: Float[Array, "h e d"],
    WV: Float[Array, "h e d"],
    WO: Float[Array, "h d e"],
    gamma2: Float[Array, "e"],
    beta2: Float[Array, "e"],
    W1: Float[Array, "e f"],
    b1: Float[Array, "f"],
    W2: Float[Array, "f e"],
    b2: Float[Array, "e"],
    mask: Float[Array, "n n"],
) -> Array:
    """Layer norm, multi-head attention, residual; layer norm, GELU feed-forward, residual (Xiong et al. 2020)."""
    mu1 = np.mean(X, axis=1, keepdims=True)
    sigma1 = np.sqrt(np.mean((X - mu1) ** 2, axis=1, keepdims=True) + 1e-5)
    X_hat = (X - mu1) / sigma1
    N = gamma1 * X_hat + beta1
    Q = N @ WQ
    K = N @ WK
    V = N @ WV
    S = Q @ np.swapaxes(K, 1, 2) / np.sqrt(WQ.shape[2]) + mask
    P = cr.softmax(S)
    O = P @ V
    R = X + np.sum(O @ WO, axis=0)
    mu2 = np.mean(R, axis=1, keepdims=True)
    sigma2 = np.sqrt(np.mean((R - mu2) ** 2, axis=1, keepdims=True) + 1e-5)
    R_hat = (R - mu2) / sigma2
    M = gamma2 * R_hat + beta2
    z = M @ W1 + b1
    a = cr.gelu(z)
    Y = R + a @ W2 + b2
    return Y


@entry("LoRA layer", "LoRA 层（低秩适配）", wrt=("A", "B"))
def lora(
    x: Float[Array, "k n"],
    W0: Float[Array, "d k"],
    A: Float[Array, "r k"],
    B: Float[Array, "d r"],
    alpha: Float[Array, ""],
) -> Array:
    """W0 x + (α/r) B A x with W0 frozen; samples are the columns of x (Hu et al. 2021, equation 3)."""
    u = A @ x
    h = W0 @ x + alpha / A.shape[0] * (B @ u)
    return h


@entry("Mixture of experts with a softmax gate", "混合专家（softmax 门控）")
def mixture_of_experts(
    x: Float[Array, "d"],
    Wg: Float[Array, "k d"],
    W: Float[Array, "k e d"],
    mask: Float[Array, "k"],
) -> Array:
    """Σ g_i E_i(x) over linear experts E_i; the mask is −∞ beyond the top few, else 0 (Shazeer et al. 2017)."""
    h = Wg @ x + mask
    g = cr.softmax(h)
    E = W @ x
    y = g @ E
    return y
