"""Regression and classification with linear models."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from support.problems.problem import Chapter

CHAPTER = Chapter()
formula, code = CHAPTER.formula, CHAPTER.code

NAMED = "a value that the derivation has named is written by its name"
STEPS = "the chain rule is written with a line for each named value"

formula(
    "ridge",
    "Hastie et al. (2009), 3.41",
    "sum((y - X @ w)^2) + lam*sum(w^2)",
    "y: n; X: n d; w: d; lam: ",
    "the residual is y − X w or X w − y",
    w=("2 Xᵀ (X w − y) + 2 lam · w", "2 (Xᵀ (X w − y) + lam · w)", "2 lam · w − 2 Xᵀ (y − X w)"),
    lam=("wᵀ w", "Σ w²"),
)
formula(
    "ridge by norms",
    "Hastie et al. (2009), 3.41",
    "norm(X @ w - y)^2 + lam*norm(w)^2",
    "y: n; X: n d; w: d; lam: ",
    "the factor 2 is taken out",
    w=("2 Xᵀ (X w − y) + 2 lam · w", "2 (Xᵀ (X w − y) + lam · w)"),
    lam="‖w‖²",
)
formula(
    "Tikhonov regularization",
    "Tikhonov (1963)",
    "norm(A @ x - b)^2 + lam*norm(G @ x)^2",
    "A: m n; x: n; b: m; lam: ; G: k n",
    "the factor 2 is taken out",
    x=("2 Aᵀ (A x − b) + 2 lam · Gᵀ G x", "2 (Aᵀ (A x − b) + lam · Gᵀ G x)"),
)
formula(
    "weighted least squares",
    "Aitken (1936)",
    "0.5*sum(c .* (X @ w - y)^2)",
    "c: n; X: n d; w: d; y: n",
    NAMED,
    w=("Xᵀ (c ⊙ (X w − y))", "Xᵀ (c ⊙ u)"),
    c=("½ (X w − y)²", "½ u²"),
)
formula(
    "multiple outputs",
    "Hastie et al. (2009), 3.38",
    "norm(X @ W - Y)^2",
    "X: n d; W: d k; Y: n k",
    "",
    W="2 Xᵀ (X W − Y)",
)
formula(
    "logistic loss of labels ±1",
    "Bishop (2006), 4.3.2",
    "sum(log(1 + exp(-y .* (X @ w))))",
    "y: n; X: n d; w: d",
    STEPS,
    z1=("σ(z1)", "∂L/∂a1 ⊙ σ(z1)"),
    a1="1",
    w=("−Xᵀ (y ⊙ σ(−y ⊙ (X w)))", "−Xᵀ (y ⊙ δ1)"),
)
formula(
    "regularized logistic loss",
    "Fan et al. (2008), LIBLINEAR",
    "C*sum(log(1 + exp(-y .* (X @ w)))) + 0.5*w' @ w",
    "C: ; y: n; X: n d; w: d",
    STEPS,
    a1="C · 1",
    z1=("C · σ(z1)", "∂L/∂a1 ⊙ σ(z1)"),
    w=("w − C · Xᵀ (y ⊙ σ(−y ⊙ (X w)))", "w − Xᵀ (y ⊙ δ1)"),
)
formula(
    "Poisson regression",
    "McCullagh and Nelder (1989), chapter 6",
    "sum(exp(X @ w) - y .* (X @ w))",
    "y: n; X: n d; w: d",
    NAMED,
    w=("Xᵀ (exp(X w) − y)", "Xᵀ (exp(u) − y)"),
)
formula(
    "hinge loss",
    "Shalev-Shwartz et al. (2007), Pegasos",
    "0.5*lam*norm(w)^2 + mean(max(0, 1 - y .* (X @ w)))",
    "lam: ; y: n; X: n d; w: d",
    STEPS,
    a1="(1/n) · 1",
    z1="∂L/∂a1 ⊙ 1[z1 > 0]",
    w=("lam · w − (1/n) Xᵀ (1[y ⊙ (X w) < 1] ⊙ y)", "lam · w − Xᵀ (δ1 ⊙ y)"),
)
formula(
    "squared hinge loss",
    "Fan et al. (2008), LIBLINEAR",
    "sum(max(0, 1 - y .* (X @ w))^2)",
    "y: n; X: n d; w: d",
    STEPS,
    z1=("2 a1", "∂L/∂a1"),
    w=("−2 Xᵀ (max(0, 1 − y ⊙ (X w)) ⊙ y)", "−Xᵀ (δ1 ⊙ y)", "−2 Xᵀ (a1 ⊙ y)"),
)
formula(
    "elastic net",
    "Zou and Hastie (2005)",
    "sum((X @ w - y)^2) + a*sum(abs(w)) + b*sum(w^2)",
    "X: n d; w: d; y: n; a: ; b: ",
    "",
    w="2 Xᵀ (X w − y) + a · sign(w) + 2 b · w",
)
formula(
    "log-cosh loss",
    "Bishop (2006), exercise of robust regression",
    "sum(log(cosh(X @ w - y)))",
    "X: n d; w: d; y: n",
    NAMED,
    w=("Xᵀ tanh(X w − y)",),
)
formula(
    "kernel ridge",
    "Shawe-Taylor and Cristianini (2004), 2.2",
    "0.5*norm(K @ a - y)^2 + 0.5*lam*a' @ K @ a",
    "K: n n; a: n; y: n; lam: ",
    "K is not said to be symmetric, and u = K a is named",
    a=("Kᵀ (K a − y) + ½ lam · (K + Kᵀ) a", "½ lam · u + Kᵀ (½ lam · a + u − y)"),
)
formula(
    "exponential loss",
    "Freund and Schapire (1997), AdaBoost",
    "sum(exp(-y .* (H @ a)))",
    "y: n; H: n k; a: k",
    NAMED,
    a=("−Hᵀ (y ⊙ exp(−y ⊙ (H a)))", "−Hᵀ (y ⊙ u)"),
)
formula(
    "cubic regularization",
    "Nesterov and Polyak (2006)",
    "g' @ s + 0.5*s' @ H @ s + (M/6)*norm(s)^3",
    "g: n; s: n; H: n n; M: ",
    "the factor ½ is taken out",
    s=("g + ½ (H + Hᵀ) s + ½ M · ‖s‖ · s", "g + ½ ((H + Hᵀ) s + M · ‖s‖ · s)"),
)


@code("Bishop (2006), 4.91", "X: n d; t: n; w: d", STEPS, z1="y − t", w=("Xᵀ (y − t)", "Xᵀ δ1"))
def logistic_regression_by_its_probabilities(X: Any, t: Any, w: Any) -> Any:
    y = 1 / (1 + np.exp(-X @ w))
    return -np.sum(t * np.log(y) + (1 - t) * np.log(1 - y))


@code(
    "Bishop (2006), 4.109",
    "X: n d; T: n k; W: d k",
    "where the rows of T sum to one, this is Y − T",
    A="Y ⊙ (T 1 1ᵀ) − T",
    W="Xᵀ δ_A",
)
def softmax_regression_with_rows_of_targets(X: Any, T: Any, W: Any) -> Any:
    A = X @ W
    Y = np.exp(A) / np.sum(np.exp(A), axis=1, keepdims=True)
    return -np.sum(T * np.log(Y))


@code(
    "np.logaddexp in the documentation of NumPy",
    "X: n d; y: n; w: d",
    STEPS,
    z1=("σ(z1)", "∂L/∂a1 ⊙ σ(z1)"),
    w=("−Xᵀ (y ⊙ σ(−y ⊙ (X w)))", "−Xᵀ (y ⊙ δ1)"),
)
def logistic_loss_by_logaddexp(X: Any, y: Any, w: Any) -> Any:
    return np.sum(np.logaddexp(0, -y * (X @ w)))


@code("TensorFlow, sigmoid_cross_entropy_with_logits", "z: n; y: n", "", z="σ(z) − y")
def stable_binary_cross_entropy(z: Any, y: Any) -> Any:
    return np.sum(np.maximum(z, 0) - z * y + np.log1p(np.exp(-np.abs(z))))


@code("Goodfellow et al. (2016), 6.2.2.2", "z: n; y: n", "", z="σ(z) − y")
def binary_cross_entropy_by_softplus(z: Any, y: Any) -> Any:
    return np.sum(cr.softplus(z) - y * z)


@code("Bishop (2006), 4.89", "p: n; y: n", "", p=("(p − y) / (p ⊙ (1 − p))", "(1 − y) / (1 − p) − y / p"))
def Bernoulli_likelihood(p: Any, y: Any) -> Any:
    return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p))


@code(
    "Koenker and Bassett (1978)",
    "X: n d; y: n; w: d; tau: ",
    STEPS,
    r="tau − 1[r < 0]",
    w=("Xᵀ (1[r < 0] − tau)", "−Xᵀ (∂L/∂r)"),
)
def quantile_regression(X: Any, y: Any, w: Any, tau: Any) -> Any:
    r = y - X @ w
    return np.sum(r * (tau - (r < 0)))


@code(
    "Huber (1964)",
    "X: n d; y: n; w: d; delta: ",
    STEPS,
    r=("r if |r| ≤ delta, else delta · sign(r)", "r if u ≤ delta, else delta · sign(r)"),
    w=("Xᵀ (r if |r| ≤ delta, else delta · sign(r))", "Xᵀ (∂L/∂r)"),
)
def Huber_regression(X: Any, y: Any, w: Any, delta: Any) -> Any:
    r = X @ w - y
    return np.sum(np.where(np.abs(r) <= delta, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta)))


@code(
    "Barron (2019), Cauchy loss",
    "r: n; c: ",
    r="2 r / (r² + c²)",
)
def Cauchy_loss(r: Any, c: Any) -> Any:
    return np.sum(np.log(1 + (r / c) ** 2))


@code(
    "Geman and McClure (1985)",
    "r: n; c: ",
    r="2 c · r / (c + r²)²",
)
def Geman_McClure_loss(r: Any, c: Any) -> Any:
    return np.sum(r**2 / (c + r**2))


@code("Yuan and Lin (2006), group lasso", "W: d k", "", W="W / (r 1ᵀ)")
def group_lasso(W: Any) -> Any:
    r = np.sqrt(np.sum(W**2, axis=1))
    return np.sum(r)


@code(
    "Bradley and Terry (1952)",
    "s: n; W: n n",
    STEPS,
    D="W ⊙ σ(D)",
    s=(
        "(W ⊙ σ(D)) 1 − (W ⊙ σ(D))ᵀ 1",
        "δ_D 1 − δ_Dᵀ 1",
        "(∂L/∂D) 1 − (∂L/∂D)ᵀ 1",
        "(δ_D − δ_Dᵀ) 1",
        "(∂L/∂D − (∂L/∂D)ᵀ) 1",
    ),
)
def Bradley_Terry(s: Any, W: Any) -> Any:
    D = s[:, None] - s[None, :]
    return np.sum(W * cr.softplus(D))


@code(
    "Koren et al. (2009), equation 2",
    "M: n m; R: n m; P: n k; Q: m k; lam: ",
    STEPS,
    E="M ⊙ E",
    P=("(M ⊙ E) Q + lam · P", "(∂L/∂E) Q + lam · P"),
    Q=("(M ⊙ E)ᵀ P + lam · Q", "(∂L/∂E)ᵀ P + lam · Q"),
)
def matrix_factorization(M: Any, R: Any, P: Any, Q: Any, lam: Any) -> Any:
    E = P @ Q.T - R
    return 0.5 * np.sum(M * E**2) + 0.5 * lam * (np.sum(P**2) + np.sum(Q**2))


@code(
    "Rendle (2010), equation 5",
    "x: d; w: d; V: d k",
    STEPS,
    s="s",
    w="x",
    V=("x sᵀ − (x² 1ᵀ) ⊙ V", "x (∂L/∂s)ᵀ − (x² 1ᵀ) ⊙ V"),
)
def factorization_machine(x: Any, w: Any, V: Any) -> Any:
    s = V.T @ x
    return w @ x + 0.5 * (np.sum(s**2) - np.sum((V**2).T @ x**2))


formula(
    "nonnegative factors",
    "Lee and Seung (2001), Euclidean",
    "0.5*norm(W @ H - V)^2",
    "V: n m; W: n k; H: k m",
    "the residual has the name u",
    W=("(W H − V) Hᵀ", "U Hᵀ"),
    H=("Wᵀ (W H − V)", "Wᵀ U"),
)
formula(
    "nonnegative factors by divergence",
    "Lee and Seung (2001), divergence",
    "sum(W @ H - V .* log(W @ H))",
    "V: n m; W: n k; H: k m",
    NAMED,
    W=("(1 − V / (W H)) Hᵀ", "(1 − V / U) Hᵀ"),
    H=("Wᵀ (1 − V / (W H))", "Wᵀ (1 − V / U)"),
)
formula(
    "low-rank fit",
    "math.stackexchange 4276459",
    "norm(Y - X @ U @ V')^2 + c*norm(U @ V')^2",
    "Y: n m; X: n d; U: d k; V: m k; c: ",
    "the orientation of the residual is free, and u = X U is named",
    V=(
        "2 ((X U Vᵀ − Y)ᵀ X U + c · V Uᵀ U)",
        "2 (X U Vᵀ − Y)ᵀ X U + 2 c · V Uᵀ U",
        "2 c · V Uᵀ U − 2 (Y − X U Vᵀ)ᵀ X U",
        "2 ((W Vᵀ − Y)ᵀ W + c · V Uᵀ U)",
    ),
    U=(
        "2 Xᵀ (X U Vᵀ − Y) V + 2 c · U Vᵀ V",
        "2 (Xᵀ (X U Vᵀ − Y) V + c · U Vᵀ V)",
        "2 c · U Vᵀ V − 2 Xᵀ (Y − X U Vᵀ) V",
        "2 (Xᵀ (W Vᵀ − Y) V + c · U Vᵀ V)",
    ),
)


@code(
    "Hastie et al. (2009), 3.47; differentiated",
    "X: n d; y: n; lam: ",
    STEPS,
    w="2 Xᵀ (X w − y)",
    A=("−A⁻ᵀ (∂L/∂w) wᵀ", "−A⁻¹ (∂L/∂w) wᵀ"),
    lam=("−(∂L/∂w)ᵀ A⁻¹ w", "tr(∂L/∂A)"),
)
def ridge_solution(X: Any, y: Any, lam: Any) -> Any:
    A = X.T @ X + lam * np.eye(X.shape[1])
    w = np.linalg.solve(A, X.T @ y)
    return np.sum((X @ w - y) ** 2)
