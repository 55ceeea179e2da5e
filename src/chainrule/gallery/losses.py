"""Losses of predictions, logits or embeddings."""

from typing import Annotated as Float

import numpy as np

import chainrule as cr
from chainrule.gallery.entries import Array, entry


@entry(
    "Variational autoencoder, negative ELBO",
    "变分自编码器（负 ELBO）",
    wrt=("Wmu", "bmu", "Wv", "bv", "Wx", "bx"),
)
def vae(
    x: Float[Array, "n d"],
    eps: Float[Array, "n k"],
    Wmu: Float[Array, "d k"],
    bmu: Float[Array, "k"],
    Wv: Float[Array, "d k"],
    bv: Float[Array, "k"],
    Wx: Float[Array, "k d"],
    bx: Float[Array, "d"],
) -> Array:
    """Reconstruction error plus divergence from N(0, I), with z = μ + exp(½ ln σ²) ⊙ ε (Kingma and Welling 2014)."""
    mu = x @ Wmu + bmu
    logvar = x @ Wv + bv
    std = np.exp(0.5 * logvar)
    z = mu + std * eps
    x_hat = z @ Wx + bx
    reconstruction = 0.5 * np.sum((x_hat - x) ** 2)
    KL = -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))
    return reconstruction + KL


@entry("Knowledge distillation (KL divergence)", "知识蒸馏（KL 散度）", wrt=("z",))
def distillation(
    z: Float[Array, "n k"],
    v: Float[Array, "n k"],
    T: Float[Array, ""],
) -> Array:
    """T² KL(p ‖ q) of student logits z from teacher logits v, both at temperature T (Hinton et al. 2015)."""
    p = cr.softmax(v / T)
    q = cr.softmax(z / T)
    return T**2 * np.sum(p * (np.log(p) - np.log(q))) / z.shape[0]


@entry("Focal loss", "Focal loss（焦点损失）", wrt=("x",))
def focal_loss(
    x: Float[Array, "n"],
    y: Float[Array, "n"],
    gamma: Float[Array, ""],
) -> Array:
    """−(1 − p_t)^γ ln p_t with p_t = σ(y x) for labels y = ±1 (Lin et al. 2017, equation 4 and appendix B)."""
    p_t = cr.sigmoid(y * x)
    return -np.mean((1 - p_t) ** gamma * np.log(p_t))


@entry("Huber loss", "Huber 损失", wrt=("y_hat",))
def huber(
    y_hat: Float[Array, "n"],
    y: Float[Array, "n"],
    delta: Float[Array, ""],
) -> Array:
    """½ r² for |r| ≤ δ, else δ (|r| − ½ δ) (Huber 1964)."""
    r = y_hat - y
    return np.mean(np.where(np.abs(r) <= delta, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta)))


@entry("Cross-entropy with label smoothing", "标签平滑交叉熵", wrt=("Z",))
def label_smoothing(
    Z: Float[Array, "n k"],
    labels: Float[Array, "n:int"],
    eps: Float[Array, ""],
) -> Array:
    """Cross-entropy against one-hot labels mixed with the uniform distribution (Szegedy et al. 2016, section 7)."""
    Q = (1 - eps) * cr.one_hot(labels, Z.shape[1]) + eps / Z.shape[1]
    P = cr.softmax(Z)
    return -np.sum(Q * np.log(P)) / Z.shape[0]


@entry("InfoNCE contrastive loss", "InfoNCE 对比损失", wrt=("Q", "K"))
def info_nce(
    Q: Float[Array, "n d"],
    K: Float[Array, "n d"],
    tau: Float[Array, ""],
) -> Array:
    """Cross-entropy of each query over all keys, its own being positive (van den Oord et al. 2018; He et al. 2020)."""
    S = Q @ K.T / tau
    s = np.sum(Q * K, axis=1) / tau
    return np.mean(cr.logsumexp(S, axis=1) - s)


@entry("Triplet loss", "三元组损失", wrt=("a", "p", "n"))
def triplet(
    a: Float[Array, "b d"],
    p: Float[Array, "b d"],
    n: Float[Array, "b d"],
    margin: Float[Array, ""],
) -> Array:
    """Σ max(‖a − p‖² − ‖a − n‖² + margin, 0) of anchor, positive and negative (Schroff et al. 2015, equation 3)."""
    d_p = np.sum((a - p) ** 2, axis=1)
    d_n = np.sum((a - n) ** 2, axis=1)
    u = d_p - d_n + margin
    return np.sum(np.maximum(u, 0))
