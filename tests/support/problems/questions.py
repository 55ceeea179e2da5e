"""Questions as people ask them in forums: determinants, traces, norms, quotients, softmax, Kronecker products."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr
from support.problems.problem import Chapter

CHAPTER = Chapter()
formula = CHAPTER.formula

VALUE = "the value of the function has the name L"
NAMED = "a value that the derivation has named is written by its name"
TRACE = "the squared norm of a factor that does not vary is written as a trace"
DOT = "a dot tells a product from a function"
TOLD = "the sum of all entries is repeated by 1 1ᵀ"

formula(
    "determinant of a product",
    "forum: derivative of det(AXB)",
    "det(A @ X @ B)",
    "A: n n; X: n n; B: n n",
    "the adjugate is det(A X B) (A X B)⁻¹, and is there where the inverse is not",
    X=("Aᵀ adj(A X B)ᵀ Bᵀ", "det(A) · det(B) · adj(X)ᵀ"),
)
formula(
    "trace with the matrix twice",
    "forum: derivative of tr(AX'BXC)",
    "tr(A @ X' @ B @ X @ C)",
    "A: k n; X: m n; B: m m; C: n k",
    X="B X C A + Bᵀ X Aᵀ Cᵀ",
)
formula(
    "bilinear in an inverse",
    "forum: derivative of a'inv(X)b",
    "a' @ inv(X) @ b",
    "a: n; X: n n; b: n",
    X="−X⁻ᵀ a bᵀ X⁻ᵀ",
)
formula("logarithm of a norm", "forum: gradient of ln of the norm", "log(norm(x))", "x: n", x="x / ‖x‖²")
formula("inverse of a norm", "forum: gradient of 1/|x|, Coulomb's potential", "1/norm(x)", "x: n", VALUE, x="−L³ x")
formula(
    "inverse of a distance",
    "forum: gradient of 1/|Ax − b|",
    "1/norm(A @ x - b)",
    "A: m n; x: n; b: m",
    VALUE,
    x="L³ Aᵀ (b − A x)",
)
formula(
    "exponential of a form",
    "forum: gradient of exp(x'Ax)",
    "exp(x' @ A @ x)",
    "x: n; A: n n",
    VALUE,
    x="L (A + Aᵀ) x",
    A="L x xᵀ",
)
formula(
    "norm of a Kronecker product",
    "forum: derivative of the squared Frobenius norm of A ⊗ B",
    "norm(kron(A, B))^2",
    "A: m n; B: k d",
    TRACE,
    A=("2 tr(Bᵀ B) A", "2 ‖B‖_F² A"),
    B=("2 tr(Aᵀ A) B", "2 ‖A‖_F² B"),
)
formula(
    "sum of a Kronecker product",
    "forum: derivative of 1'(A ⊗ B)1",
    "sum(kron(A, B))",
    "A: m n; B: k d",
    TOLD,
    A="(Σ B) 1 1ᵀ",
    B="(Σ A) 1 1ᵀ",
)
formula(
    "difference of logarithms",
    "forum: gradient of ln(a'x) − ln(b'x)",
    "log(a' @ x) - log(b' @ x)",
    "a: n; b: n; x: n",
    x="a / (aᵀ x) − b / (bᵀ x)",
)
formula(
    "squared trace over a norm",
    "forum: derivative of tr(X)²/tr(X'X)",
    "tr(X)^2 / tr(X' @ X)",
    "X: n n",
    VALUE,
    X="2 (tr(X) I − L X) / tr(Xᵀ X)",
)
formula(
    "distance of a Gram matrix",
    "forum: derivative of the norm of XX' − A",
    "norm(X @ X' - A)^2",
    "X: m n; A: m m",
    DOT,
    X="2 (2 X Xᵀ − A − Aᵀ) X",
)
formula(
    "norm of a Gram matrix",
    "forum: derivative of the Frobenius norm of XX' − A",
    "norm(X @ X' - A)",
    "X: m n; A: m m",
    VALUE,
    X="(2 X Xᵀ − A − Aᵀ) X / L",
)
formula(
    "likelihood of a proportion",
    "a textbook's maximum likelihood of the binomial distribution",
    "-log(p^k * (1-p)^(n-k))",
    "p: ; k: ; n: ",
    "",
    p="(n − k)/(1 − p) − k/p",
)
formula(
    "two factors",
    "forum: gradient of matrix factorization",
    "norm(A - U @ V')^2",
    "A: m n; U: m k; V: n k",
    U="2 (U Vᵀ − A) V",
    V="2 (U Vᵀ − A)ᵀ U",
)
formula(
    "norms of two maps",
    "forum: gradient of |Ax||Bx|",
    "norm(A @ x)*norm(B @ x)",
    "A: m n; B: k n; x: n",
    NAMED,
    x=("‖B x‖ Aᵀ (A x / ‖A x‖) + ‖A x‖ Bᵀ (B x / ‖B x‖)", "v · Aᵀ (A x / u) + u · Bᵀ (B x / v)"),
)
formula(
    "logarithms of a map",
    "forum: gradient of the sum of ln(Ax)",
    "sum(log(A @ x))",
    "A: m n; x: n",
    NAMED,
    x=("Aᵀ (1 / (A x))", "Aᵀ (1/u)"),
    A=("(1 / (A x)) xᵀ", "(1/u) xᵀ"),
)
formula(
    "form with a diagonal twice",
    "forum: derivative of y'DADy by the diagonal",
    "y' @ diag(x) @ A @ diag(x) @ y",
    "y: n; x: n; A: n n",
    NAMED,
    x=("y ⊙ (Aᵀ (x ⊙ y)) + y ⊙ (A (x ⊙ y))", "y ⊙ ((A + Aᵀ) (x ⊙ y))"),
)
formula(
    "form of a Gram matrix and a trace",
    "forum: derivative of x'X'Xx + tr(X)",
    "x' @ X' @ X @ x + tr(X)",
    "x: n; X: n n",
    X="2 X x xᵀ + I",
)
formula("logarithm of a squared determinant", "forum: derivative of ln det(X)²", "log(det(X)^2)", "X: n n", X="2 X⁻ᵀ")
formula(
    "weighted norm of a matrix",
    "forum: derivative of sqrt(tr(X'AX))",
    "sqrt(tr(X' @ A @ X))",
    "X: m n; A: m m",
    VALUE,
    X=("(A + Aᵀ) X / (2 L)", "(½/L) (A + Aᵀ) X"),
)
formula("weighted distance", "forum: gradient of c|x − b|²", "c*norm(x - b)^2", "c: ; x: n; b: n", DOT, x="2 c (x − b)")
formula(
    "bounded form",
    "forum: gradient of x'Ax/(1 + x'x)",
    "x' @ A @ x / (1 + x' @ x)",
    "x: n; A: n n",
    VALUE,
    x="((A + Aᵀ) x − 2 L x) / (1 + xᵀ x)",
)
formula(
    "squared ratio",
    "forum: gradient of (a'x)²/x'Bx",
    "(a' @ x)^2 / (x' @ B @ x)",
    "a: n; x: n; B: n n",
    VALUE,
    x="(2 a aᵀ x − L (B + Bᵀ) x) / (xᵀ B x)",
)
formula(
    "smooth maximum of a map",
    "forum: gradient of a tempered log-sum-exp",
    "logsumexp(A @ x + b)/t",
    "A: m n; x: n; b: m; t: ",
    VALUE,
    t="−L / t",
)
formula("logarithm of a cosine", "a textbook's table of derivatives", "log(cos(x))", "x: ", "", x="−tan(x)")
formula("tangent", "a textbook's table of derivatives", "-tan(x)", "x: ", "", x="−(1 + tan(x)²)")
formula(
    "negative binomial",
    "regression on counts: derivative by the mean",
    "-y*log(mu/(r + mu)) - r*log(r/(r + mu))",
    "y: ; r: ; mu: ",
    "",
    mu="(y + r)/(r + mu) − y/mu",
)


@CHAPTER.code(
    "forum: gradient of |[A; B]x|²",
    "A: m n; B: k n; x: n",
    "the matrix of blocks is named",
    x=("2 (Aᵀ A + Bᵀ B) x", "2 Uᵀ U x"),
    A="2 A x xᵀ",
    B="2 B x xᵀ",
)
def stacked_least_squares(A: Any, B: Any, x: Any) -> Any:
    return np.linalg.norm(np.concatenate([A, B]) @ x) ** 2


formula(
    "minus the sum of a matrix", "forum: derivative of the sum of all entries", "-sum(X)", "X: m n", TOLD, X="−1 1ᵀ"
)
formula("minus the sum of a vector", "forum: derivative of minus the sum", "-sum(x)", "x: n", x="−1")
formula(
    "kernel ridge regression",
    "forum: gradient of the loss with a kernel matrix",
    "norm(f - K @ c)^2 + a*(c' @ K @ c)",
    "f: n; K: n n sym; c: n; a: ",
    "u = K c is named, and the orientation of the residual is free",
    c=("2 K (K c − f + a c)", "2 K (u − f + a · c)"),
)
formula(
    "squared exponential kernel",
    "forum: derivative by the length scale",
    "s^2*exp(-(x-z)' @ (x-z)/(2*l^2))",
    "s: ; x: n; z: n; l: ",
    "u is the exponential and v the squared distance, and the sign is taken into the difference",
    s=("2 L / s", "2 s · u"),
    l=("L · ((x − z)ᵀ (x − z)) / l³", "L · v / l³"),
    x=("−L (x − z) / l²", "L · (z − x) / l²"),
)

formula(
    "power of itself",
    "calculus text: derivative of x^x",
    "x^x",
    "x: ",
    VALUE,
    x="L · (1 + ln(x))",
)
formula("a number times its root", "calculus text: derivative of x √x", "x*sqrt(x)", "x: ", x="1.5 √x")
formula(
    "bilinear in a regularized inverse",
    "forum: derivative of a'(X'X + λI)⁻¹b",
    "a' @ inv(X' @ X + lam * eye(d)) @ b",
    "a: d; X: n d; b: d; lam: ",
    X="−X U (a bᵀ + b aᵀ) U",
    lam="−aᵀ U U b",
)


@CHAPTER.code("forum: gradient of the sum of squared differences of all pairs", "z: n", z="4 (n · z − 1 (Σ z))")
def squared_differences_of_all_pairs(z: Any) -> Any:
    return np.sum((z[:, None] - z[None]) ** 2)


@CHAPTER.code(
    "forum: gradient of the Kullback-Leibler divergence of a softmax",
    "z: n; q: n",
    NAMED,
    z="p ⊙ (u − uᵀ p)",
    q="−p / q",
)
def divergence_of_a_softmax(z: Any, q: Any) -> Any:
    return np.sum(cr.softmax(z) * (np.log(cr.softmax(z)) - np.log(q)))


formula(
    "negative binomial regression",
    "forum: gradient of negative binomial regression",
    "sum((y + r) * log(1 + exp(X @ w)/r) - y * (X @ w))",
    "X: n d; y: n; w: d; r: ",
    w="r · Xᵀ ((u − y) / (r + u))",
)


@CHAPTER.code(
    "forum: gradient of Huber's loss by its threshold",
    "r: n; d: ",
    r="r if u ≤ d, else d · sign(r)",
    d="Σ (0 if u ≤ d, else u − d)",
)
def huber_with_its_threshold(r: Any, d: Any) -> Any:
    return np.sum(np.where(np.abs(r) <= d, 0.5 * r**2, d * (np.abs(r) - 0.5 * d)))


formula(
    "trace with two inverses",
    "forum: derivative of tr(X⁻¹AX⁻¹B)",
    "tr(inv(X) @ A @ inv(X) @ B)",
    "X: n n; A: n n; B: n n",
    "U = X⁻¹ A is named",
    X=("−X⁻ᵀ (Aᵀ X⁻ᵀ Bᵀ + Bᵀ X⁻ᵀ Aᵀ) X⁻ᵀ", "−X⁻ᵀ (Bᵀ X⁻ᵀ Aᵀ + Uᵀ Bᵀ) X⁻ᵀ"),
    B=("X⁻ᵀ Aᵀ X⁻ᵀ", "X⁻ᵀ Uᵀ"),
)
formula(
    "ratio of return and risk",
    "forum: gradient of the Sharpe ratio",
    "(w' @ mu) / sqrt(w' @ S @ w)",
    "w: n; mu: n; S: n n sym",
    "u is the variance",
    w="μ / √u − L · S w / u",
    mu="w / √u",
)
