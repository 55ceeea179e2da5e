"""Losses of papers, densities and curves, each with the derivative by what it is fitted by."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from support.problems.problem import Chapter

CHAPTER = Chapter()
formula, code = CHAPTER.formula, CHAPTER.code

VALUE = "the value of the function has the name L"
NAMED = "a value that the derivation has named is written by its name"
COLLECTED = "the common factor is taken out"

# Densities and curves

formula(
    "density of a normal distribution",
    "Bishop (2006), (1.46)",
    "exp(-(x - mu)^2/(2*s^2))/(s*sqrt(2*pi))",
    "x: ; mu: ; s: ",
    VALUE,
    x="L · (μ − x) / s²",
    mu="L · (x − μ) / s²",
    s="L · ((x − μ)² / s² − 1) / s",
)
formula("density of a standard normal", "Bishop (2006), (1.46)", "exp(-x^2/2)/sqrt(2*pi)", "x: ", VALUE, x="−x · L")
formula("swish of a number", "Ramachandran et al. (2017)", "x*sigmoid(x)", "x: ", "", x="L + σ(x) · (1 − L)")
formula(
    "exponential decay",
    "the chain rule",
    "w*exp(-b*x)",
    "w: ; b: ; x: ",
    VALUE,
    w="exp(−b · x)",
    b="−L · x",
    x="−L · b",
)
formula(
    "logistic growth",
    "Verhulst (1845)",
    "k/(1 + exp(-r*(t - m)))",
    "k: ; r: ; t: ; m: ",
    NAMED,
    k=("σ(r · (t − m))", "a1"),
    r=("L · (1 − σ(r · (t − m))) · (t − m)", "δ1 · (t − m)"),
)
formula(
    "rate of Michaelis and Menten",
    "Michaelis and Menten (1913)",
    "v*s/(k + s)",
    "v: ; s: ; k: ",
    VALUE,
    v="s / (k + s)",
    k=("−v · s / (k + s)²", "−L / (k + s)"),
    s=("v · k / (k + s)²", "(v − L) / (k + s)"),
)
formula(
    "inverse hyperbolic sine",
    "Abramowitz and Stegun, 4.6.37",
    "log(x + sqrt(x^2 + 1))",
    "x: ",
    "",
    x=("1 / √(x² + 1)", "1 / s"),
)
formula(
    "standard deviation",
    "the quotient rule",
    "std(x)",
    "x: n",
    "a size that is known stands in front",
    x=("(x − mean(x)) / (n · L)", "(1/n) (x − mean(x)) / L"),
)
formula(
    "log-sum-exp of a temperature", "Hinton et al. (2015)", "logsumexp(z/T)", "z: n; T: ", "", z="softmax(z / T) / T"
)
formula("norm of order four", "Boyd and Vandenberghe, A.1.2", "sum(x^4)^(1/4)", "x: n", VALUE, x="x³ / L³")
formula(
    "ratio of two norms",
    "Boyd and Vandenberghe, A.4",
    "norm(x)/norm(y)",
    "x: n; y: n",
    VALUE,
    x="x / (‖x‖ · ‖y‖)",
    y="−L · y / ‖y‖²",
)
formula(
    "cosine distance",
    "the quotient rule",
    "1 - x' @ y/(norm(x)*norm(y))",
    "x: n; y: n",
    NAMED,
    x=("(x xᵀ y / ‖x‖² − y) / (‖x‖ · ‖y‖)", "(x xᵀ y / ‖x‖² − y) / u"),
)

# Losses of papers


@code(
    "Mikolov et al. (2013), equation 2",
    "U: n d; v: d; o: :int",
    "",
    U=("(softmax(z) − onehot(o)) vᵀ", "(δ_z − onehot(o)) vᵀ"),
    v=("Uᵀ softmax(z) − U[o]", "Uᵀ δ_z − U[o]"),
)
def skip_gram(U: Any, v: Any, o: Any) -> Any:
    z = U @ v
    return np.log(np.sum(np.exp(z))) - U[o] @ v


formula(
    "skip-gram with logarithms of sigmoids",
    "Mikolov et al. (2013), equation 4",
    "-log_sigmoid(u' @ v) - sum(log_sigmoid(-N @ v))",
    "u: d; v: d; N: k d",
    NAMED,
    u=("(σ(uᵀ v) − 1) · v", "−δ1 · v"),
    v=("Nᵀ σ(N v) − σ(−uᵀ v) · u", "Nᵀ δ2 − δ1 · u"),
    N=("σ(N v) vᵀ", "δ2 vᵀ"),
)


@code(
    "van den Oord et al. (2018), with a temperature",
    "A: n d; B: n d; tau: ",
    NAMED,
    S="(1/n) (softmax(S) − I)",
    A=("(1 / (n · τ)) (softmax(S) − I) B", "δ_S B / τ"),
    B=("(1 / (n · τ)) (softmax(S) − I)ᵀ A", "δ_Sᵀ A / τ"),
)
def contrastive_of_a_temperature(A: Any, B: Any, tau: Any) -> Any:
    S = A @ B.T / tau
    return -np.mean(np.diag(S) - cr.logsumexp(S, axis=1))


@code(
    "Hadsell et al. (2006), equation 4",
    "x: d; y: d; m: ",
    NAMED,
    d="−relu(m − d)",
    x=("−relu(m − d) · (x − y) / d", "∂L/∂d · (x − y) / d"),
)
def contrastive_margin(x: Any, y: Any, m: Any) -> Any:
    d = np.sqrt(np.sum((x - y) ** 2))
    return 0.5 * np.maximum(m - d, 0) ** 2


@code("Kingma and Welling (2014), appendix B", "mu: n; s: n", "", mu="μ", s="s − 1/s")
def divergence_of_a_deviation(mu: Any, s: Any) -> Any:
    return 0.5 * np.sum(mu**2 + s**2 - 2 * np.log(s) - 1)


@code("Kingma and Welling (2014), appendix B", "mu: n; v: n", "", mu="μ", v="½ (exp(v) − 1)")
def divergence_of_a_log_variance(mu: Any, v: Any) -> Any:
    return -0.5 * np.sum(1 + v - mu**2 - np.exp(v))


@code(
    "Rafailov et al. (2023), equation 7",
    "a: ; b: ; beta: ",
    "p is the probability of the preference",
    a=("−β · (1 − p)", "(p − 1) · β"),
    b="β · (1 − p)",
    beta=("−(1 − p) · (a − b)", "(p − 1) · (a − b)"),
)
def direct_preference(a: Any, b: Any, beta: Any) -> Any:
    p = cr.sigmoid(beta * (a - b))
    return -np.log(p)


@code("Schulman et al. (2017), equation 6", "logp: n; old: n; A: n", "", logp=("−(1/n) A ⊙ r", "∂L/∂r ⊙ r"))
def policy_ratio(logp: Any, old: Any, A: Any) -> Any:
    r = np.exp(logp - old)
    return -np.mean(r * A)


@code(
    "Milletari et al. (2016)",
    "p: n; t: n",
    NAMED,
    p=("2 (pᵀ t / (Σ p + Σ t) − t) / (Σ p + Σ t)", "2 (pᵀ t / u − t) / u"),
)
def dice(p: Any, t: Any) -> Any:
    return 1 - 2 * np.sum(p * t) / (np.sum(p) + np.sum(t))


@code("McCullagh and Nelder (1989), section 8.3", "X: n d; w: d; y: n", NAMED, w=("Xᵀ (1 − y ⊙ exp(−z))", "Xᵀ (∂L/∂z)"))
def gamma_regression(X: Any, w: Any, y: Any) -> Any:
    z = X @ w
    return np.sum(y * np.exp(-z) + z)


@code("Huber (1964)", "r: n; d: ", "", r=("r if |r| ≤ d, else d · sign(r)", "r if u ≤ d, else d · sign(r)"))
def huber_of_residuals(r: Any, d: Any) -> Any:
    return np.sum(np.where(np.abs(r) <= d, r**2 / 2, d * (np.abs(r) - d / 2)))


@code(
    "Zbontar et al. (2021), without weights",
    "A: n d; B: n d",
    NAMED,
    C="2 (C − I)",
    A=("(2/n) B (C − I)ᵀ", "(1/n) B (∂L/∂C)ᵀ"),
)
def redundancy_reduction(A: Any, B: Any) -> Any:
    C = A.T @ B / A.shape[0]
    return np.sum((C - np.eye(A.shape[1])) ** 2)


@code(
    "Ba et al. (2016), of one row",
    "x: d; g: d; b: d",
    NAMED,
    x_hat="∂L/∂y ⊙ g",
    x="(∂L/∂x_hat − 1 mean(∂L/∂x_hat) − mean(∂L/∂x_hat ⊙ x_hat) · x_hat) / s",
    g="∂L/∂y ⊙ x_hat",
)
def layer_norm_of_a_row(x: Any, g: Any, b: Any) -> Any:
    mu = np.mean(x)
    s = np.sqrt(np.mean((x - mu) ** 2) + 1e-5)
    x_hat = (x - mu) / s
    y = g * x_hat + b
    return y


formula(
    "Kullback-Leibler divergence of measures",
    "Boyd and Vandenberghe, (3.19)",
    "sum(x .* log(x ./ y) - x + y)",
    "x: n; y: n",
    "",
    x="ln(x / y)",
    y="1 − x / y",
)
formula(
    "log-cosh regression", "the chain rule", "sum(log(cosh(X @ w - y)))", "X: n d; w: d; y: n", "", w="Xᵀ tanh(X w − y)"
)
formula(
    "Cauchy regression",
    "Black and Anandan (1996)",
    "sum(log(1 + (X @ w - y)^2))",
    "X: n d; w: d; y: n",
    NAMED,
    w=("2 Xᵀ ((X w − y) / (1 + (X w − y)²))", "2 Xᵀ (u / (1 + u²))"),
)
formula(
    "lasso",
    "Tibshirani (1996)",
    "norm(y - X @ w)^2/(2*n) + l*sum(abs(w))",
    "X: n d; w: d; y: n; l: ",
    "",
    w="(1/n) Xᵀ (X w − y) + l · sign(w)",
)

# Matrices

formula(
    "cube of a determinant",
    "Matrix Cookbook (49) and the chain rule",
    "det(X)^3",
    "X: n n",
    "the adjugate, det(X) X⁻¹, also exists for a singular X",
    X=("3 L · X⁻ᵀ", "3 det(X)² · adj(X)ᵀ"),
)
formula(
    "square of a log determinant",
    "Matrix Cookbook (57) and the chain rule",
    "logdet(X)^2",
    "X: n n",
    "",
    X="2 ln(|det(X)|) · X⁻ᵀ",
)
formula("norm of an inverse", "Matrix Cookbook (59) and (132)", "norm(inv(X))^2", "X: n n", "", X="−2 X⁻ᵀ X⁻¹ X⁻ᵀ")
formula(
    "form of a regularised inverse",
    "Matrix Cookbook (59)",
    "a' @ inv(X' @ X + l*eye(3)) @ a",
    "a: 3; X: 5 3; l: ",
    NAMED,
    a=("2 (Xᵀ X + l · I)⁻¹ a", "2 u"),
    X="−2 X u uᵀ",
    l="−uᵀ u",
)
formula(
    "log determinant of a rank-one update",
    "Matrix Cookbook (57)",
    "logdet(A + outer(x, y))",
    "A: n n; x: n; y: n",
    NAMED,
    A=("(A + x yᵀ)⁻ᵀ", "U⁻ᵀ"),
    x=("(A + x yᵀ)⁻ᵀ y", "U⁻ᵀ y"),
    y=("(A + x yᵀ)⁻¹ x", "U⁻¹ x"),
)
formula(
    "trace of a fourth power", "Matrix Cookbook (123), B and C are I", "tr(X' @ X @ X' @ X)", "X: n m", "", X="4 X Xᵀ X"
)
formula("penalty of orthogonality", "Brock et al. (2017)", "norm(X' @ X - eye(3))^2", "X: 5 3", "", X="4 X (Xᵀ X − I)")
formula(
    "residual of Sylvester's equation",
    "Matrix Cookbook (132) and the chain rule",
    "norm(A @ X + X @ B - C)^2",
    "A: n n; X: n m; B: m m; C: n m",
    NAMED,
    X=("2 (Aᵀ (A X + X B − C) + (A X + X B − C) Bᵀ)", "2 (Aᵀ U + U Bᵀ)"),
)
formula("form of a diagonal matrix", "Matrix Cookbook (81)", "x' @ diag(d) @ x", "x: n; d: n", "", x="2 d ⊙ x", d="x²")
formula(
    "diagonal of a product",
    "Matrix Cookbook (101)",
    "c' @ diag(A' @ B')",
    "A: n m; B: m n; c: m",
    "",
    c="diag(Aᵀ Bᵀ)",
    A="Bᵀ diag(c)",
    B="diag(c) Aᵀ",
)
