"""Norms, ratios, entropies and barriers of a vector, as in the exercises of convex optimization."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from support.problems.problem import Chapter

CHAPTER = Chapter()
formula, code = CHAPTER.formula, CHAPTER.code

REPEATED = "a scalar that is subtracted from each element is repeated by 1"
VALUE = "the value of the function has the name L"
NAMED = "a value that the derivation has named is written by its name"

formula("norm", "Boyd and Vandenberghe, A.4", "norm(x)", "x: n", VALUE, x="x / L")
formula(
    "norm of a residual",
    "Boyd and Vandenberghe, A.4",
    "norm(A @ x - b)",
    "A: m n; x: n; b: m",
    VALUE,
    x="Aᵀ (A x − b) / L",
)
formula(
    "least squares",
    "Boyd and Vandenberghe, 1.2.1",
    "norm(A @ x - b)^2",
    "A: m n; x: n; b: m",
    "the residual has the name u",
    x=("2 Aᵀ (A x − b)", "2 Aᵀ u"),
    A=("2 (A x − b) xᵀ", "2 u xᵀ"),
    b=("−2 (A x − b)", "−2 u", "2 (b − A x)"),
)
formula(
    "halved least squares",
    "Trefethen and Bau, lecture 11",
    "0.5*sum((A @ x - b)^2)",
    "A: m n; x: n; b: m",
    NAMED,
    x=("Aᵀ (A x − b)", "Aᵀ u"),
    A=("(A x − b) xᵀ", "u xᵀ"),
)
formula(
    "sum of absolute residuals",
    "Boyd and Vandenberghe, 6.1",
    "sum(abs(A @ x - b))",
    "A: m n; x: n; b: m",
    "",
    x="Aᵀ sign(A x − b)",
)
formula(
    "log-sum-exp of an affine map",
    "Boyd and Vandenberghe, A.4.2",
    "logsumexp(A @ x + b)",
    "A: m n; x: n; b: m",
    NAMED,
    z="softmax(z)",
    x=("Aᵀ softmax(A x + b)", "Aᵀ δ_z"),
    A=("softmax(A x + b) xᵀ", "δ_z xᵀ"),
    b=("softmax(A x + b)", "δ_z"),
)
formula(
    "log of a sum of exponentials",
    "Boyd and Vandenberghe, A.4.2",
    "log(sum(exp(A @ x + b)))",
    "A: m n; x: n; b: m",
    NAMED,
    z="softmax(z)",
    x=("Aᵀ softmax(A x + b)", "Aᵀ δ_z"),
)
formula(
    "logarithmic barrier",
    "Boyd and Vandenberghe, 11.2.1",
    "-sum(log(b - A @ x))",
    "A: m n; x: n; b: m",
    "",
    x="Aᵀ (1 / (b − A x))",
)
formula(
    "analytic center",
    "Boyd and Vandenberghe, 9.3",
    "-sum(log(1 - x^2))",
    "x: n",
    "the number stands in front of the quotient",
    x=("2 x / (1 − x²)", "2 (x / (1 − x²))"),
)
formula("matrix barrier", "Boyd and Vandenberghe, A.4.1", "-logdet(X)", "X: n n", "", X="−X⁻ᵀ")
formula(
    "matrix fractional function",
    "Boyd and Vandenberghe, 3.1.7",
    "x' @ inv(P) @ x",
    "x: n; P: n n",
    "",
    x="(P⁻¹ + P⁻ᵀ) x",
    P="−P⁻ᵀ x xᵀ P⁻ᵀ",
)
formula(
    "quadratic over linear",
    "Boyd and Vandenberghe, 3.1.5",
    "sum(x^2)/y",
    "x: n; y: ",
    VALUE,
    x=("2 x / y", "(2 / y) x"),
    y=("−(xᵀ x) / y²", "−(Σ x²) / y²", "−L / y"),
)
formula("negative entropy", "Boyd and Vandenberghe, 3.1.5", "sum(x .* log(x))", "x: n", "", x=("ln(x) + 1",))
formula(
    "relative entropy",
    "Boyd and Vandenberghe, 3.2.6",
    "sum(p .* log(p ./ q))",
    "p: n; q: n",
    "",
    p="ln(p / q) + 1",
    q="−p / q",
)
formula(
    "quadratic function",
    "Shewchuk (1994), equation 6",
    "0.5*x' @ A @ x - b' @ x",
    "x: n; A: n n; b: n",
    "",
    x="½ (Aᵀ + A) x − b",
)
formula(
    "exponential of a linear form",
    "Boyd and Vandenberghe, A.4.2",
    "exp(a' @ x)",
    "a: n; x: n",
    VALUE,
    x=("exp(aᵀ x) · a", "L · a"),
)
formula(
    "radial basis function",
    "Bishop (2006), 6.23",
    "exp(-norm(x - c)^2/(2*s^2))",
    "x: n; c: n; s: ",
    "the sign is taken into the difference, and u = ‖x − c‖² is named",
    x=("−L · (x − c) / s²", "(L / s²) (c − x)"),
    c="L · (x − c) / s²",
    s="L · u / s³",
)
formula(
    "Rayleigh quotient",
    "Magnus and Neudecker (2019), chapter 10",
    "(x' @ A @ x)/(x' @ x)",
    "x: n; A: n n",
    VALUE,
    x="((A + Aᵀ) x − 2 L · x) / (xᵀ x)",
    A="x xᵀ / (xᵀ x)",
)
formula(
    "Fisher's criterion",
    "Bishop (2006), 4.26 and 4.29",
    "(w' @ B @ w)/(w' @ S @ w)",
    "w: n; B: n n; S: n n",
    "the denominator has the name u",
    w=("((B + Bᵀ) w − L · (S + Sᵀ) w) / (wᵀ S w)",),
)
formula(
    "power of a scalar",
    "matrixcalculus.org",
    "a^b",
    "a: ; b: ",
    VALUE,
    a="b · a^(b − 1)",
    b=("a^b · ln(a)", "L · ln(a)"),
)
formula("elementwise powers", "Abramowitz and Stegun 4.2", "sum(x^p)", "x: n; p: ", "", x="p · x^(p − 1)")
formula(
    "p-norm",
    "Boyd and Vandenberghe, A.1.2",
    "sum(abs(x)^p)^(1/p)",
    "x: n; p: ",
    VALUE,
    x=("sign(x) ⊙ |x|^(p − 1) · L^(1 − p)", "sign(x) ⊙ (|x| / L)^(p − 1)", "sign(x) ⊙ |x|^(p − 1) · u^(1/p − 1)"),
)
formula("cube of a norm", "Boyd and Vandenberghe, A.4.2", "norm(x)^3/3", "x: n", "", x="‖x‖ · x")
formula(
    "geometric mean",
    "Boyd and Vandenberghe, 3.1.5",
    "exp(mean(log(x)))",
    "x: n",
    VALUE,
    x=("(L / n) (1 / x)", "L / (n · x)"),
)
formula(
    "harmonic mean",
    "Boyd and Vandenberghe, exercise 3.17",
    "1/sum(1 ./ x)",
    "x: n",
    VALUE,
    x=("L² / x²", "L² · (1 / x²)"),
)
formula(
    "softmax written out",
    "Goodfellow et al. (2016), 6.29",
    "v' @ (exp(x)/sum(exp(x)))",
    "v: n; x: n",
    "the scalar is repeated by 1; the softmax has the name p",
    x=("softmax(x) ⊙ (v − L)", "p ⊙ (v − L)", "p ⊙ (v − 1 L)", "p ⊙ (∂L/∂p − 1 (∂L/∂p)ᵀ p)"),
)
formula(
    "Gaussian potential",
    "Bishop (2006), 2.43",
    "exp(-0.5*(x - m)' @ P @ (x - m))",
    "x: n; m: n; P: n n",
    VALUE,
    x=("−½ L · (P + Pᵀ) (x − m)", "½ L · (P + Pᵀ) (m − x)"),
    P="−½ L · (x − m) (x − m)ᵀ",
)
formula(
    "Mahalanobis distance",
    "Mahalanobis (1936)",
    "sqrt((x - m)' @ P @ (x - m))",
    "x: n; m: n; P: n n",
    VALUE,
    x="(P + Pᵀ) (x − m) / (2 L)",
    P="(x − m) (x − m)ᵀ / (2 L)",
)
formula(
    "log of a linear form",
    "Cover and Thomas (2006), 16.2",
    "p' @ log(A @ x)",
    "p: m; A: m n; x: n",
    "",
    x="Aᵀ (p / (A x))",
)
formula(
    "sigmoid of a linear form",
    "Bishop (2006), 4.88",
    "sigmoid(w' @ x + b)",
    "w: n; x: n; b: ",
    VALUE,
    w="L · (1 − L) · x",
    x="L · (1 − L) · w",
    b="L · (1 − L)",
)
formula("sine of a square", "Thomas's Calculus, chain rule", "sin(x^2)", "x: ", "", x="2 x · cos(x²)")
formula(
    "Rosenbrock's function",
    "Rosenbrock (1960)",
    "(1 - x)^2 + 100*(y - x^2)^2",
    "x: ; y: ",
    "the signs are taken into the differences",
    x=("−2 (1 − x) − 400 x · (y − x²)", "400 x · (x² − y) + 2 (x − 1)"),
    y="200 (y − x²)",
)
formula(
    "Himmelblau's function",
    "Himmelblau (1972)",
    "(x^2 + y - 11)^2 + (x + y^2 - 7)^2",
    "x: ; y: ",
    NAMED,
    x=("4 x · (x² + y − 11) + 2 (x + y² − 7)", "4 x · u + 2 v"),
    y=("2 (x² + y − 11) + 4 y · (x + y² − 7)", "2 u + 4 y · v"),
)
formula("variance", "Casella and Berger (2002), 5.2", "mean((x - mean(x))^2)", "x: n", "", x="(2/n) (x − mean(x))")
formula(
    "Euclidean distance matrix entry",
    "Boyd and Vandenberghe, 8.3",
    "norm(A @ (x - y))^2",
    "A: m n; x: n; y: n",
    NAMED,
    x=("2 Aᵀ A (x − y)", "2 Aᵀ u"),
    A=("2 A (x − y) (x − y)ᵀ", "2 u (x − y)ᵀ"),
)


@code(
    "Salton (1975), differentiated",
    "a: n; b: n",
    "the common denominator is taken out",
    a=("b / (‖a‖ · ‖b‖) − L · a / ‖a‖²", "(b / ‖b‖ − L · a / ‖a‖) / ‖a‖"),
    b=("a / (‖a‖ · ‖b‖) − L · b / ‖b‖²", "(a / ‖a‖ − L · b / ‖b‖) / ‖b‖"),
)
def cosine_similarity(a: Any, b: Any) -> Any:
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


@code("Ioffe and Szegedy; Wang et al. (2017), NormFace, appendix", "x: n", "", x="(∂L/∂y − y yᵀ (∂L/∂y)) / r")
def unit_vector(x: Any) -> Any:
    r = np.linalg.norm(x)
    y = x / r
    return y


@code(
    "Duchi et al. (2008), differentiated",
    "x: n",
    REPEATED,
    x=("(∂L/∂y − yᵀ (∂L/∂y)) / s", "(∂L/∂y − 1 yᵀ (∂L/∂y)) / s"),
)
def normalized_by_its_sum(x: Any) -> Any:
    s = np.sum(x)
    y = x / s
    return y


@code("Bridle (1990)", "x: n", REPEATED, x=("y ⊙ (∂L/∂y − yᵀ (∂L/∂y))", "y ⊙ (∂L/∂y − 1 yᵀ (∂L/∂y))"))
def softmax_layer(x: Any) -> Any:
    y = cr.softmax(x)
    return y


@code(
    "PyTorch, log_softmax_backward", "x: n", "", x=("∂L/∂y − softmax(x) · (Σ (∂L/∂y))", "∂L/∂y − exp(y) · (Σ (∂L/∂y))")
)
def log_softmax_layer(x: Any) -> Any:
    y = cr.log_softmax(x)
    return y


@code(
    "Boyd and Vandenberghe, 3.1.5",
    "x: n",
    "several largest elements share the derivative; max(x) has the name L",
    x=("1[x = max(x)]", "1[x = L] / (Σ 1[x = L])"),
)
def pointwise_maximum(x: Any) -> Any:
    return np.max(x)
