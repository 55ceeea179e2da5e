"""Losses of papers."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from support.problems.problem import Chapter

CHAPTER = Chapter()
formula, code = CHAPTER.formula, CHAPTER.code

STEPS = "the chain rule is written with a line for each named value"
REPEATED = "a scalar that is subtracted from each element is repeated by 1"
FACTOR = "scalar factors come first"


@code(
    "Hadsell et al. (2006), equation 4",
    "a: d; b: d; y: ; m: ",
    STEPS,
    D="−y · relu(m − D)",
    r=("(1 − y) · r − y · relu(m − D) · r / D", "(1 − y) · r + ∂L/∂D · r / D"),
    a=("(1 − y) · r − y · relu(m − D) · r / D", "∂L/∂r"),
)
def contrastive_loss(a: Any, b: Any, y: Any, m: Any) -> Any:
    r = a - b
    D = np.linalg.norm(r)
    return (1 - y) * 0.5 * np.sum(r**2) + y * 0.5 * np.maximum(0, m - D) ** 2


@code(
    "Schroff et al. (2015), equation 3, one triplet",
    "a: d; p: d; n: d; m: ",
    STEPS,
    u="1[u > 0]",
    a=("2 1[u > 0] · (n − p)", "2 δ_u · (n − p)"),
    p=("2 1[u > 0] · (p − a)", "2 δ_u · (p − a)"),
    n=("2 1[u > 0] · (a − n)", "2 δ_u · (a − n)"),
)
def triplet_loss(a: Any, p: Any, n: Any, m: Any) -> Any:
    u = np.sum((a - p) ** 2) - np.sum((a - n) ** 2) + m
    return np.maximum(u, 0)


@code(
    "Oord et al. (2018); He et al. (2020), MoCo, one query",
    "q: d; K: n d; y: :int; tau: ",
    STEPS,
    z="softmax(z) − onehot(y)",
    q=("Kᵀ (softmax(z) − onehot(y)) / tau", "Kᵀ δ_z / tau"),
    K=("(softmax(z) − onehot(y)) qᵀ / tau", "δ_z qᵀ / tau"),
)
def info_nce_of_one_query(q: Any, K: Any, y: Any, tau: Any) -> Any:
    z = K @ q / tau
    return cr.logsumexp(z) - z[y]


@code(
    "Radford et al. (2021), CLIP",
    "I: n d; T: n d; t: ; y: n:int",
    "u = onehot(y) is named, and brackets show where the factor ends",
    S=(
        "(1/(2 n)) (softmax(S) − onehot(y) + (softmax(Sᵀ) − onehot(y))ᵀ)",
        "(1/(2 n)) (softmax(S) − u + (softmax(Sᵀ) − u)ᵀ)",
    ),
    I=("exp(t) · δ_S T", "exp(t) · (∂L/∂S) T"),
    T=("exp(t) · δ_Sᵀ I", "exp(t) · (∂L/∂S)ᵀ I"),
)
def CLIP(I: Any, T: Any, t: Any, y: Any) -> Any:
    S = I @ T.T * np.exp(t)
    return 0.5 * (cr.cross_entropy(S, y) + cr.cross_entropy(S.T, y))


@code(
    "Chen et al. (2020), NT-Xent",
    "Z: n d; y: n:int; tau: ",
    STEPS,
    S="(1/n) (softmax(S) − onehot(y))",
    U="(δ_S + δ_Sᵀ) U / tau",
    Z=("(∂L/∂U − ((U ⊙ ∂L/∂U) 1 1ᵀ) ⊙ U) / (r 1ᵀ)", "(∂L/∂U − ((U ⊙ ∂L/∂U) 1 1ᵀ) ⊙ U) / r"),
)
def NT_Xent(Z: Any, y: Any, tau: Any) -> Any:
    r = np.linalg.norm(Z, axis=1, keepdims=True)
    U = Z / r
    S = U @ U.T / tau - 1e9 * np.eye(Z.shape[0])
    return cr.cross_entropy(S, y)


@code(
    "Zbontar et al. (2021), Barlow Twins, algorithm 1",
    "A: n d; B: n d; lam: ",
    "the matrix of ones off the diagonal is written 1 1ᵀ − I",
    off="2 lam · off",
    C=("2 diag(diag(C) − 1) + 2 lam · (1 − I) ⊙ C", "2 diag(diag(C) − 1) + ∂L/∂off ⊙ (1 − I)"),
    A=("B (∂L/∂C)ᵀ / n", "(1/n) B (∂L/∂C)ᵀ"),
    B=("A (∂L/∂C) / n", "(1/n) A (∂L/∂C)"),
)
def Barlow_Twins(A: Any, B: Any, lam: Any) -> Any:
    C = A.T @ B / A.shape[0]
    off = (1 - np.eye(A.shape[1])) * C
    return np.sum((np.diag(C) - 1) ** 2) + lam * np.sum(off**2)


@code(
    "van der Maaten and Hinton (2008), equation 5, with exp",
    "Y: n d",
    "K is symmetric, so that the sums are equal, which the derivation does not see",
    form="index",
    D="−K[i,k]",
    Y=(
        "−4 Σₖ K[i,k] (Y[i,j] − Y[k,j])",
        "2 (Σₖ K[k,i] (Y[k,j] − Y[i,j]) + Σₖ K[i,k] (Y[k,j] − Y[i,j]))",
    ),
)
def neighbours(Y: Any) -> Any:
    D = np.sum((Y[:, None, :] - Y[None, :, :]) ** 2, axis=2)
    K = np.exp(-D)
    return np.sum(K)


@code(
    "Wen et al. (2016), center loss",
    "X: n d; C: k d; y: n:int",
    STEPS,
    R="R",
    X=("R", "∂L/∂R"),
    C=("−onehot(y)ᵀ R", "scatter_add(−∂L/∂R, y)", "−onehot(y)ᵀ (∂L/∂R)"),
)
def center_loss(X: Any, C: Any, y: Any) -> Any:
    R = X - C[y]
    return 0.5 * np.sum(R**2)


@code(
    "Lin et al. (2017), focal loss, appendix B",
    "x: n; y: n; gamma: ",
    STEPS,
    p="gamma · ln(p) ⊙ (1 − p)^(gamma − 1) − (1 − p)^gamma / p",
    x=("y ⊙ (1 − p)^gamma ⊙ (gamma · p ⊙ ln(p) + p − 1)", "∂L/∂p ⊙ p ⊙ (1 − p) ⊙ y"),
)
def focal_loss(x: Any, y: Any, gamma: Any) -> Any:
    p = cr.sigmoid(y * x)
    return -np.sum((1 - p) ** gamma * np.log(p))


@code(
    "Milletari et al. (2016), Dice loss, equation 2",
    "p: n; g: n",
    "2 N / D is −L",
    p=("−2 (g · D − 2 N · p) / D²", "2 (−g − L · p) / D", "−2 (g + L · p) / D"),
)
def Dice_loss(p: Any, g: Any) -> Any:
    N = np.sum(p * g)
    D = np.sum(p**2) + np.sum(g**2)
    return -2 * N / D


@code(
    "Szegedy et al. (2016), label smoothing",
    "z: n k; q: n k",
    "where the rows of q sum to one, this is p − q",
    z="(q 1 1ᵀ) ⊙ p − q",
)
def soft_targets(z: Any, q: Any) -> Any:
    p = cr.softmax(z)
    return -np.sum(q * np.log(p))


@code(
    "Hinton et al. (2015), equation 2, of the logits",
    "z: k; v: k; T: ",
    FACTOR,
    z="(q − p) / T",
)
def distillation_of_one_sample(z: Any, v: Any, T: Any) -> Any:
    p = cr.softmax(v / T)
    q = cr.softmax(z / T)
    return -np.sum(p * np.log(q))


@code("Goodfellow et al. (2014), discriminator", "r: n; f: m", "", r=("σ(r) − 1", "−σ(−r)", "−(1 − σ(r))"), f="σ(f)")
def discriminator_loss(r: Any, f: Any) -> Any:
    return -np.sum(np.log(cr.sigmoid(r))) - np.sum(np.log(1 - cr.sigmoid(f)))


@code(
    "Burges et al. (2005), RankNet",
    "s: ; t: ; sigma: ",
    "u is the logistic function of sigma (t − s)",
    s=("−sigma · sigmoid(sigma · (t − s))", "−sigma · u"),
    t=("sigma · sigmoid(sigma · (t − s))", "sigma · u"),
)
def RankNet(s: Any, t: Any, sigma: Any) -> Any:
    return np.log(1 + np.exp(-sigma * (s - t)))


@code("Cao et al. (2007), ListNet", "z: n; y: n", "", z=("softmax(z) − softmax(y)",))
def ListNet(z: Any, y: Any) -> Any:
    return -np.sum(cr.softmax(y) * np.log(cr.softmax(z)))


@code(
    "Rendle et al. (2009), Bayesian personalized ranking",
    "w: d; h: d; j: d",
    STEPS,
    x=("σ(x) − 1", "−σ(−x)"),
    w=("−σ(−x) · (h − j)", "δ_x · (h − j)"),
    h=("−σ(−x) · w", "δ_x · w"),
    j=("σ(−x) · w", "−δ_x · w"),
)
def personalized_ranking(w: Any, h: Any, j: Any) -> Any:
    x = w @ h - w @ j
    return -np.log(cr.sigmoid(x))


@code(
    "Williams (1992), REINFORCE with softmax actions",
    "z: n k; a: n:int; A: n",
    STEPS,
    picked="−A",
    z=("(A 1ᵀ) ⊙ (softmax(z) − onehot(a))", "((∂L/∂picked) 1ᵀ) ⊙ (onehot(a) − softmax(z))"),
)
def policy_gradient(z: Any, a: Any, A: Any) -> Any:
    logp = cr.log_softmax(z)
    picked = np.take_along_axis(logp, a[:, None], axis=1)[:, 0]
    return -np.sum(A * picked)


@code(
    "Schulman et al. (2017), the ratio without clipping",
    "logp: n; old: n; A: n",
    STEPS,
    r="−(1/n) A",
    logp=("−(1/n) r ⊙ A", "∂L/∂r ⊙ r"),
)
def surrogate_objective(logp: Any, old: Any, A: Any) -> Any:
    r = np.exp(logp - old)
    return -np.mean(r * A)


@code(
    "Mnih et al. (2015), squared temporal difference",
    "W: k d; s: d; a: :int; t: ",
    STEPS,
    q="q − t",
    Q=("∂L/∂q · onehot(a)", "scatter_add(∂L/∂q, a)"),
    W=("−(t − q) · onehot(a) sᵀ", "(q − t) · onehot(a) sᵀ", "(∂L/∂Q) sᵀ"),
)
def temporal_difference(W: Any, s: Any, a: Any, t: Any) -> Any:
    Q = W @ s
    q = Q[a]
    return 0.5 * (t - q) ** 2


@code(
    "Haarnoja et al. (2018), entropy of a softmax policy",
    "z: k",
    STEPS + "; " + REPEATED,
    p=("−(ln(p) + 1)", "−1 − ln(p)"),
    z=("−p ⊙ (ln(p) + 1 H)", "p ⊙ (∂H/∂p − 1 pᵀ (∂H/∂p))"),
)
def entropy_of_a_softmax(z: Any) -> Any:
    p = cr.softmax(z)
    H = -np.sum(p * np.log(p))
    return H


@code(
    "Rafailov et al. (2023), equation 7, one pair",
    "w: ; l: ; beta: ",
    "u is the logistic function of beta (l − w)",
    w=("−beta · σ(beta · (l − w))", "−beta · u"),
    l=("beta · σ(beta · (l − w))", "beta · u"),
)
def preference_loss(w: Any, l: Any, beta: Any) -> Any:
    return -cr.log_sigmoid(beta * (w - l))


@code(
    "Gneiting and Raftery (2007), Brier score of a softmax",
    "z: k; y: k",
    STEPS,
    p="2 (p − y)",
    z=("2 p ⊙ (p − y − pᵀ (p − y))", "p ⊙ (∂L/∂p − 1 pᵀ (∂L/∂p))"),
)
def Brier_score(z: Any, y: Any) -> Any:
    p = cr.softmax(z)
    return np.sum((p - y) ** 2)


@code(
    "Gretton et al. (2012), linear kernel",
    "X: n d; Y: m d",
    "a dot keeps the factor apart from the column of ones",
    X="(2/n) 1 uᵀ",
    Y="−(2/m) 1 uᵀ",
)
def mean_discrepancy(X: Any, Y: Any) -> Any:
    u = np.mean(X, axis=0) - np.mean(Y, axis=0)
    return np.sum(u**2)


@code(
    "Gatys et al. (2016), style loss",
    "F: n d; A: d d",
    "A is not said to be symmetric; the chain rule is written with a line for each named value",
    G=("2 E", "∂L/∂E"),
    F=("2 F (E + Eᵀ)", "F (∂L/∂G + (∂L/∂G)ᵀ)", "F (∂L/∂E + (∂L/∂E)ᵀ)"),
)
def style_loss(F: Any, A: Any) -> Any:
    G = F.T @ F
    E = G - A
    return np.sum(E**2)


@code(
    "Rudin et al. (1992), total variation of a signal, squared",
    "x: n; D: m n; y: n; lam: ",
    "the residuals may be named",
    x=("x − y + lam · Dᵀ D x",),
)
def smoothed_signal(x: Any, D: Any, y: Any, lam: Any) -> Any:
    return 0.5 * np.sum((x - y) ** 2) + 0.5 * lam * np.sum((D @ x) ** 2)


@code(
    "Olshausen and Field (1996), sparse coding",
    "x: n; D: n k; a: k; lam: ",
    "the orientation of the residual is free, and u = D a is named",
    a=("lam · sign(a) − Dᵀ (x − D a)", "Dᵀ (D a − x) + lam · sign(a)", "Dᵀ (u − x) + lam · sign(a)"),
    D=("−(x − D a) aᵀ", "(D a − x) aᵀ", "(u − x) aᵀ"),
)
def sparse_coding(x: Any, D: Any, a: Any, lam: Any) -> Any:
    return 0.5 * np.sum((x - D @ a) ** 2) + lam * np.sum(np.abs(a))


@code(
    "Jacot et al. (2018), kernel of two scalars; Neal (1996)",
    "x: n; y: n; s: ",
    "the sign is taken into the difference, and u = ‖x − y‖² is named",
    x=("−L · (x − y) / s²", "(L / s²) (y − x)"),
    s="L · u / s³",
)
def Gaussian_kernel(x: Any, y: Any, s: Any) -> Any:
    return np.exp(-np.sum((x - y) ** 2) / (2 * s**2))
