"""Formulas as they are written on paper, in LaTeX, and for matrixcalculus.org, Julia and MATLAB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special
from support.formula_values import evaluated

import chainrule as cr

VECTORS = {"x": "n", "y": "n"}
SQUARE = {"A": "n n", "B": "n n"}

SPELLINGS: list[tuple[str, dict[str, str], Callable[..., Any]]] = [
    # operands side by side
    ("x' A x", {}, lambda x, A: x @ A @ x),
    ("½ x' A x", {}, lambda x, A: 0.5 * x @ A @ x),
    ("½‖X w − y‖² + λ‖w‖²", {}, lambda X, w, y, λ: 0.5 * np.sum((X @ w - y) ** 2) + λ * w @ w),
    ("2x'y", VECTORS, lambda x, y: 2 * x @ y),
    ("x y'", {}, lambda x, y: np.outer(x, y)),
    ("A B", SQUARE, lambda A, B: A @ B),
    ("A B .* A", SQUARE, lambda A, B: (A @ B) * A),
    ("(A + B)(x)", {**SQUARE, "x": "n"}, lambda A, B, x: (A + B) @ x),
    ("x'(A + B) x", {**SQUARE, "x": "n"}, lambda A, B, x: x @ (A + B) @ x),
    ("a |x| + |x| |y|", {"a": "", "x": "", "y": ""}, lambda a, x, y: a * np.abs(x) + np.abs(x * y)),
    ("-x y^2", {"x": "", "y": ""}, lambda x, y: -x * y**2),
    ("2 sum(x) sum(y)", {}, lambda x, y: 2 * np.sum(x) * np.sum(y)),
    ("W (W' x)", {"W": "n m", "x": "n"}, lambda W, x: W @ (W.T @ x)),
    ("x^T A x", {}, lambda x, A: x @ A @ x),
    ("f(x) = x^T A x", {}, lambda x, A: x @ A @ x),
    ("L(w, b) = sum((X w + b - y)^2); 2 L", {"b": "", "X": "n d", "y": "n"},
     lambda X, w, b, y: 2 * np.sum((X @ w + b - y) ** 2)),
    ("1/2 ||x||^2 + 1/2 (a - b)^2", {"a": "", "b": "", "x": "n"}, lambda x, a, b: 0.5 * x @ x + 0.5 * (a - b) ** 2),
    ("1/n sum(x)", {"n": "", "x": "m"}, lambda n, x: np.sum(x) / n),
    ("W₂ tanh(W₁ x)", {"W₂": "k m", "W₁": "m n", "x": "n"}, lambda W2, W1, x: W2 @ np.tanh(W1 @ x)),
    # inverses
    ("A^-1 b", {}, lambda A, b: np.linalg.solve(A, b)),
    ("A^-T b + A^{-T} b + A^{-1} b", {},
     lambda A, b: 2 * np.linalg.solve(A.T, b) + np.linalg.solve(A, b)),
    ("sum(x^-1) + 2^-1*sum(x)", {}, lambda x: np.sum(1 / x) + np.sum(x) / 2),
    ("A\\b", {}, lambda A, b: np.linalg.solve(A, b)),
    ("(A' A + 2*I)\\(A' b)", {}, lambda A, b: np.linalg.solve(A.T @ A + 2 * np.eye(A.shape[1]), A.T @ b)),
    ("A \\ B", SQUARE, lambda A, B: np.linalg.solve(A, B)),
    # the identity, and vectors of ones
    ("A - lam*I", {}, lambda A, lam: A - lam * np.eye(len(A))),
    ("x'*(A + λ*I)*x", {}, lambda x, A, λ: x @ (A + λ * np.eye(len(x))) @ x),
    ("logdet(I + X'*X)", {}, lambda X: np.linalg.slogdet(np.eye(X.shape[1]) + X.T @ X)[1]),
    ("1' x + 1'*x + 1ᵀ x", {}, lambda x: 3 * np.sum(x)),
    ("X'*1", {}, lambda X: X.sum(axis=0)),
    ("X @ 1", {}, lambda X: X.sum(axis=1)),
    ("1'*X*1", {}, lambda X: np.sum(X)),
    ("(I - 1*1'/n)*X", {"X": "n d"}, lambda X: X - X.mean(axis=0)),
    ("(I - 1 1'/n) X", {"X": "n d"}, lambda X: X - X.mean(axis=0)),
    ("x*1.0 + 1*x", {"x": "n"}, lambda x: 2 * x),
    ("I*x", {"I": "n m", "x": "m"}, lambda I, x: I @ x),
    # matrixcalculus.org
    ("norm1(x) + norm2(x)", {}, lambda x: np.sum(np.abs(x)) + np.linalg.norm(x)),
    ("norm2(A*x - y)^2", {}, lambda A, x, y: np.sum((A @ x - y) ** 2)),
    ("vector(1)'*x", {"x": "n"}, lambda x: np.sum(x)),
    ("X*vector(2)", {}, lambda X: 2 * X.sum(axis=1)),
    ("tr(A*X*B)", {}, lambda A, X, B: np.trace(A @ X @ B)),
    ("sum(log(exp(-y.*(X*w)) + vector(1)))", {}, lambda X, w, y: np.sum(np.log(np.exp(-y * (X @ w)) + 1))),
    ("tr((X - matrix(1))'*(X - matrix(1)))", {"X": "n d"}, lambda X: np.sum((X - 1) ** 2)),
    # Julia and MATLAB
    ("exp.(x) .+ 1 .- σ.(x)", {"x": "n"}, lambda x: np.exp(x) + 1 - cr.sigmoid(x)),
    ("max.(0, 1 .- x)", {"x": "n"}, lambda x: np.maximum(0, 1 - x)),
    ("sum(x.^2) ./ 2 + sum(x .> 0)", {"x": "n"}, lambda x: np.sum(x**2) / 2 + np.sum(x > 0)),
    ("sum(X, dims=1) + sum(X; dims=1)", {"X": "n d"}, lambda X: 2 * X.sum(axis=0)),
    ("sum(cumsum(x).^2) + sum(cumsum(X, dims=1))", {"x": "n", "X": "n d"},
     lambda x, X: np.sum(np.cumsum(x) ** 2) + np.sum(np.cumsum(X, axis=0))),
    ("sum(lgamma(x)) - digamma(a) + trigamma(a) * erfc(a)", {"x": "n", "a": ""},
     lambda x, a: np.sum(special.gammaln(x)) - special.digamma(a) + special.polygamma(1, a) * special.erfc(a)),
    (r"\log\Gamma(a) + \Gamma(b)", {"a": "", "b": ""}, lambda a, b: special.gammaln(a) + special.gamma(b)),
    ("sum(x.^2) + Γ(sum(x.^2))", {"x": "2"}, lambda x: np.sum(x**2) + special.gamma(np.sum(x**2))),
    ("x' Γ x", {}, lambda x, Γ: x @ Γ @ x),
    ("sum(huber(x)) + huber(a, b^2 + 1) + huber(a, delta=0.5)", {"x": "n", "a": "", "b": ""},
     lambda x, a, b: np.sum(special.huber(1, x)) + special.huber(b * b + 1, a) + special.huber(0.5, a)),
    ("sum_i x[i] y[i]^2", VECTORS, lambda x, y: np.sum(x * y**2)),
    ("dot(x, y) + x ⋅ y", VECTORS, lambda x, y: 2 * x @ y),
    ("trace(A' * B) + Tr(A)", SQUARE, lambda A, B: np.trace(A.T @ B) + np.trace(A)),
    ("X*ones(d, 1) + (ones(1, d)*X')'", {"X": "n d"}, lambda X: 2 * X.sum(axis=1)),
    ("X @ np.ones((d, 1))", {"X": "n d"}, lambda X: X.sum(axis=1, keepdims=True)),
    ("tr(X) + sum(X .* eye)", {"X": "n n"}, lambda X: 2 * np.trace(X)),
    ("norm(X, 'fro')", {}, lambda X: np.linalg.norm(X)),
    ("norm(X)_F + norm(x)_1", {"x": "n", "X": "n d"}, lambda X, x: np.linalg.norm(X) + np.sum(np.abs(x))),
    ("sum(x)/length(x) + sum(X)/(size(X, 1)*size(X, 2)) + numel(X)", {"x": "n", "X": "n d"},
     lambda x, X: np.mean(x) + np.mean(X) + X.size),
    # tensor and inner products
    ("x ⊗ y", {}, lambda x, y: np.outer(x, y)),
    ("norm(kron(A, X))^2", {}, lambda A, X: np.sum(np.kron(A, X) ** 2)),
    ("tr(kron(A, X)) + det(B)", {}, lambda A, X, B: np.trace(A) * np.trace(X) + np.linalg.det(B)),
    ("(A ⊗ B) x", {"A": "n 3", "B": "d 2", "x": "6"}, lambda A, B, x: np.kron(A, B) @ x),
    ("sum(kron(A, B) .* C)", {}, lambda A, B, C: np.sum(np.kron(A, B) * C)),
    ("kron(A, B)*vec(X)", {"A": "n n", "B": "d d", "X": "d n"}, lambda A, B, X: (B @ X @ A.T).flatten("F")),
    ("⟨A x, y⟩", {}, lambda A, x, y: y @ A @ x),
    # LaTeX
    (r"\frac{1}{2} x^\top A x", {}, lambda x, A: 0.5 * x @ A @ x),
    (r"$x^{\top} \mathbf{A} x$", {}, lambda x, A: x @ A @ x),
    (r"\frac12 \lVert X w - y\rVert_2^2 + \frac{\lambda}{2}\|w\|^2", {},
     lambda X, w, y, **rest: 0.5 * np.sum((X @ w - y) ** 2) + rest["lambda"] / 2 * w @ w),
    (r"\mathrm{tr}(A X B) + \operatorname{tr}\left(A X B\right)", {}, lambda A, X, B: 2 * np.trace(A @ X @ B)),
    (r"\log\det A + b^\top A^{-1} b", {},
     lambda A, b: np.log(np.linalg.det(A)) + b @ np.linalg.solve(A, b)),
    (r"-\log \sigma(w^\top x)", {}, lambda w, x: -np.log(cr.sigmoid(w @ x))),
    (r"\log \sum \exp(x)", {}, lambda x: np.log(np.sum(np.exp(x)))),
    (r"\frac{x}{\|x\|}", {}, lambda x: x / np.linalg.norm(x)),
    (r"\sqrt{x^\top x} + \|x\|_1 + \|x\|_\infty + \|x\|_{2}", {},
     lambda x: 2 * np.linalg.norm(x) + np.sum(np.abs(x)) + np.max(np.abs(x))),
    (r"\|X\|_F^2", {}, lambda X: np.sum(X**2)),
    (r"\hat{y} \odot y", {"ŷ": "n", "y": "n"}, lambda y, **rest: rest["ŷ"] * y),
    (r"\beta_0 + \beta_{1} x", {"x": ""}, lambda x, beta_0, beta_1: beta_0 + beta_1 * x),
    (r"W_1 x_{0}", {"W_1": "h d", "x_0": "d"}, lambda W_1, x_0: W_1 @ x_0),
    (r"\mathbf{1}^\top x", {}, lambda x: np.sum(x)),
    (r"x \otimes y", {}, lambda x, y: np.outer(x, y)),
    (r"\langle x, y \rangle", VECTORS, lambda x, y: x @ y),
    (r"\exp(-\tfrac{1}{2} x^\top x) \cdot 2", {}, lambda x: 2 * np.exp(-0.5 * x @ x)),
    (r"\max(0, 1 - y \cdot (w^\top x))", {"y": ""}, lambda y, w, x: np.maximum(0, 1 - y * (w @ x))),
    (r"\left\| A x \right\| \, \alpha", {}, lambda A, x, alpha: np.linalg.norm(A @ x) * alpha),
    # letters in a row
    ("||Ax-b||_2^2", {}, lambda A, x, b: np.sum((A @ x - b) ** 2)),
    ("tr(AXB)", {}, lambda A, X, B: np.trace(A @ X @ B)),
    ("AXB", {}, lambda A, X, B: A @ X @ B),
    ("xTAx", {}, lambda x, A: x @ A @ x),
    ("x^TAx + x'Ax", {}, lambda x, A: 2 * x @ A @ x),
    ("x^2 + 2xy + y^2", {}, lambda x, y: (x + y) ** 2),
    ("ax^2 + bx + c", {}, lambda a, x, b, c: a * x**2 + b * x + c),
    ("(y-Xb)T(y-Xb)", {}, lambda X, y, b: np.sum((y - X @ b) ** 2)),
    (r"(y-Xb)^T(y-Xb) + \lambda b^\top b", {},
     lambda X, y, b, **rest: np.sum((y - X @ b) ** 2) + rest["lambda"] * b @ b),
    ("x' (A + λI) x", {}, lambda x, A, λ: x @ (A + λ * np.eye(len(x))) @ x),
    ("tr(inv(Sw) Sb)", {"Sw": "n n", "Sb": "n n"}, lambda Sw, Sb: np.trace(np.linalg.inv(Sw) @ Sb)),
    ("Wx x + Wh h", {}, lambda Wx, x, Wh, h: Wx @ x + Wh @ h),
    ("XT X", {}, lambda X: X.T @ X),
    ("norm(W2 tanh(W1x + b1) + b2)^2", {},
     lambda W1, W2, x, b1, b2: np.sum((W2 @ np.tanh(W1 @ x + b1) + b2) ** 2)),
    (r"\lambda(\|U\|^2+\|V\|^2)", {}, lambda U, V, **rest: rest["lambda"] * (np.sum(U**2) + np.sum(V**2))),
    # sums over indices
    ("sum_i x_i^2 + ∑_{i} x_i", {}, lambda x: np.sum(x**2) + np.sum(x)),
    (r"\frac{1}{n}\sum_{i=1}^n (y_i - w^\top x_i)^2", {}, lambda X, w, y: np.mean((y - X @ w) ** 2)),
    (r"\sum_{i=1}^{n} \log(1 + \exp(-y_i x_i^T w))", {}, lambda X, w, y: np.sum(np.log(1 + np.exp(-y * (X @ w))))),
    (r"\sum_i (y_i - a x_i - b)^2", {}, lambda x, y, a, b: np.sum((y - a * x - b) ** 2)),
    ("-Σ_i y_i log p_i + ∑ᵢ₌₁ⁿ yᵢ²", {}, lambda y, p: np.sum(y**2) - np.sum(y * np.log(p))),
    ("Σ_i ‖x_i − c‖", {}, lambda X, c: np.sum(np.linalg.norm(X - c, axis=1))),
    ("Σ_i a_i ‖x_i − c‖²", {}, lambda a, X, c: a @ np.sum((X - c) ** 2, axis=1)),
    (r"\frac{1}{n}\sum_{i=1}^n \|y_i - W x_i\|_2^2", {}, lambda Y, X, W: np.sum((Y - X @ W.T) ** 2) / len(Y)),
    ("sum_i norm(x_i - 2 c)^2", {}, lambda X, c: np.sum((X - 2 * c) ** 2)),
    (r"\sum_i \|x_i - c\|_1", {}, lambda X, c: np.sum(np.abs(X - c))),
    ("(x - μ)' Σ_k^-1 (x - μ)", {}, lambda x, μ, Σ_k: (x - μ) @ np.linalg.solve(Σ_k, x - μ)),
    # functions without parentheses
    ("sin x cos x + log det(X)", {"x": ""}, lambda x, X: np.sin(x) * np.cos(x) + np.log(np.linalg.det(X))),
    ("sin² x + tan^-1 x + sin⁻¹(x) + exp x", {"x": ""},
     lambda x: np.sin(x) ** 2 + np.arctan(x) + np.arcsin(x) + np.exp(x)),
    ("log N(x; 0, s^2) + log x - 1", {"x": "", "s": ""},
     lambda x, s: -np.log(2 * np.pi * s**2) / 2 - x**2 / (2 * s**2) + np.log(x) - 1),
    ("|a||b| + |x|_1 + ‖x‖_∞", {"a": "", "b": "", "x": "n"},
     lambda a, b, x: np.abs(a * b) + np.sum(np.abs(x)) + np.max(np.abs(x))),
    ("z₁/zₜ + ifelse(zₜ > 0, 1, z₁)", {"z1": "", "z_t": ""}, lambda z1, z_t: z1 / z_t + np.where(z_t > 0, 1, z1)),
    ("3x^2y", {"x": "", "y": ""}, lambda x, y: 3 * x**2 * y),
    (r"-\sum_i y_i \log p_i", {}, lambda y, p: -np.sum(y * np.log(p))),
    (r"\sum_{i,j} A_{ij} x_i y_j", {}, lambda A, x, y: x @ A @ y),
    (r"\sum_{i,j} a_i a_j y_i y_j K_{ij}", {}, lambda a, y, K: (a * y) @ K @ (a * y)),
    (r"-\sum_k y_k \log \frac{e^{z_k}}{\sum_j e^{z_j}}", {}, lambda y, z: -y @ np.log(np.exp(z) / np.sum(np.exp(z)))),
    (r"\sum_k \pi_k e^{-(x-\mu_k)^2/2}", {}, lambda pi, x, mu: np.sum(pi * np.exp(-((x - mu) ** 2) / 2))),
    (r"\sum_{i,j} A_{ji} x_i y_j", {}, lambda A, x, y: y @ A @ x),
    (r"\sum_i (y_i - \sum_j A_{ij} x_j)^2", {}, lambda A, x, y: np.sum((y - A @ x) ** 2)),
    (r"\sum_{ij} (X_{ij} - u_i v_j)^2 + \sum_k X_{kk}", {},
     lambda X, u, v: np.sum((X - np.outer(u, v)) ** 2) + np.trace(X)),
    (r"\sum_{i,j,k} A_{ij} B_{jk} C_{ki}", {}, lambda A, B, C: np.trace(A @ B @ C)),
    # other programs
    ("sum(abs2, x) + mean(exp, x)", {}, lambda x: np.sum(x**2) + np.mean(np.exp(x))),
    ("norm(X(:) - Y(:))^2 + sum(X(:).^2)", {}, lambda X, Y: np.sum((X - Y) ** 2) + np.sum(X**2)),
    ("X(:)'*v", {"X": "3 2", "v": "6"}, lambda X, v: X.flatten("F") @ v),
    ("sum([x; y].^2) + norm(concatenate([x, y]))", {},
     lambda x, y: np.sum(x**2) + np.sum(y**2) + np.sqrt(np.sum(x**2) + np.sum(y**2))),
    ("np.einsum('ij,jk->ik', A, B) + einsum('ij,jk', A, B)", {}, lambda A, B: 2 * A @ B),
    ("torch.nn.functional.softplus(x) + tf.math.exp(x)", {}, lambda x: np.logaddexp(x, 0) + np.exp(x)),
    ("tf.reduce_sum(tf.square(x)) + torch.mean(x)", {}, lambda x: np.sum(x**2) + np.mean(x)),
    ("sum(diff(x).^2)", {}, lambda x: np.sum(np.diff(x) ** 2)),
    ("corr(x, y)", {}, lambda x, y: np.corrcoef(x, y)[0, 1]),
    # more of LaTeX
    (r"\log_2 x + \log_{10}(x) + \ln x", {}, lambda x: np.log2(x) + np.log10(x) + np.log(x)),
    (r"\sin^{-1} x + \tan^{-1}(x) + \sin^2 x", {}, lambda x: np.arcsin(x) + np.arctan(x) + np.sin(x) ** 2),
    (r"\sqrt[3]{x} + \sqrt[4]{x} + \sqrt{x}", {}, lambda x: np.cbrt(x) + x**0.25 + np.sqrt(x)),
    (r"\mathcal{N}(x; \mu, \sigma^2)", {},
     lambda x, mu, sigma: np.exp(-((x - mu) ** 2) / (2 * sigma**2)) / np.sqrt(2 * np.pi * sigma**2)),
    (r"\mathcal{N}(x; \mu, \Sigma)", {},
     lambda x, mu, Sigma: np.exp(-(x - mu) @ np.linalg.solve(Sigma, x - mu) / 2)
     / np.sqrt((2 * np.pi) ** len(x) * np.linalg.det(Sigma))),
    # powers of matrices
    ("tr(X^3) + tr(X^-2)", {}, lambda X: np.trace(X @ X @ X) + np.trace(np.linalg.inv(X @ X))),
    ("x' A^2 x", {}, lambda x, A: x @ A @ A @ x),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shapes", "meant"), SPELLINGS, ids=[text for text, _, _ in SPELLINGS])
def test_a_spelling_computes_what_it_says(text: str, shapes: dict[str, str], meant: Callable[..., Any]) -> None:
    with np.errstate(all="ignore"):
        found, held = evaluated(text, **shapes)
        expected = np.asarray(meant(**held))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("text", "ranks"),
    [
        ("x/sum(x)", "x: 1"),
        ("exp(x)/sum(exp(x))", "x: 1"),
        ("exp(x - max(x))/sum(exp(x - max(x)))", "x: 1"),
        ("exp(x/tau)/sum(exp(x/tau))", "x: 1, tau: 0"),
        ("softmax(x/T)", "x: 1, T: 0"),
        ("(x - mean(x))/std(x)", "x: 1"),
        ("x/norm(x)", "x: 1"),
        ("X/sum(X)", "X: 2"),
        ("N*log(sigma) + sum((x - mu)^2)/(2*sigma^2)", "N: 0, sigma: 0, x: 1, mu: 1"),
        ("-N/2*logdet(Sigma) - tr(inv(Sigma)*S)/2", "N: 0, Sigma: 2, S: 2"),
        ("-n/2*log(2*pi*sigma^2) - sum((x - mu)^2)/(2*sigma^2)", "n: 0, sigma: 0, x: 1, mu: 1"),
        ("n*lambda - sum(x)*log(lambda)", "n: 0, lambda: 0, x: 1"),
        ("k*log(p) + (n - k)*log(1 - p)", "k: 0, p: 0, n: 0"),
        (
            "n*alpha*log(beta) - n*lgamma(alpha) + (alpha - 1)*sum(log(x)) - beta*sum(x)",
            "n: 0, alpha: 0, beta: 0, x: 1",
        ),
        ("(a - 1)*sum(log(x)) + (b - 1)*sum(log(1 - x)) - n*log(B(a, b))", "a: 0, x: 1, b: 0, n: 0"),
        ("C*sum(max(0, 1 - y.*(X*w))) + w'*w/2", "C: 0, y: 1, X: 2, w: 1"),
        ("softmax(Q*K'/sqrt(d))*V", "Q: 2, K: 2, d: 0, V: 2"),
        (r"\|y - X\beta\|^2 + \lambda", "y: 1, X: 2, beta: 1, lambda: 0"),
        ("norm(y - X*beta)^2", "y: 1, X: 2, beta: 1"),
        ("1 - X", "X: 2"),
        ("X - mu", "X: 2, mu: 0"),
        ("A x λ", "A: 2, x: 1, λ: 0"),
        ("C*x", "C: 2, x: 1"),
        ("W*x + b", "W: 2, x: 1, b: 1"),
        ("x'*N*x", "x: 1, N: 2"),
        ("sum(sum(A))", "A: 2"),
        ("tanh(w2*tanh(w1*x + b1) + b2)", "w2: 0, w1: 0, x: 0, b1: 0, b2: 0"),
        ("a*x + b*y + c*z + d", "a: 0, x: 0, b: 0, y: 0, c: 0, z: 0, d: 0"),
        ("a.*x + b.*y + c", "a: 1, x: 1, b: 1, y: 1, c: 1"),
        ("G*m1*m2/r^2", "G: 0, m1: 0, m2: 0, r: 0"),
        ("n*R*T/V", "n: 0, R: 0, T: 0, V: 0"),
        ("A*exp(-E/(R*T))", "A: 0, E: 0, R: 0, T: 0"),
        ("V*S/(K+S)", "V: 0, S: 0, K: 0"),
        ("V*x^n/(K^n + x^n)", "V: 0, x: 0, n: 0, K: 0"),
        ("P*(1 + r/n)^(n*t)", "P: 0, r: 0, n: 0, t: 0"),
        ("4*D*((s/r)^m - (s/r)^n)", "D: 0, s: 0, r: 0, m: 0, n: 0"),
        ("A*x/(n + 1)", "A: 2, x: 1, n: 0"),
        ("A*x^p", "A: 2, x: 1, p: 1"),
        ("A*x/n^2", "A: 2, x: 1, n: 0"),
        ("X*w/N", "X: 2, w: 1, N: 0"),
        ("sum((sigmoid(X*theta) - y).^2)/(2*m)", "X: 2, theta: 1, y: 1, m: 0"),
        ("A^-1*x/r^2", "A: 2, x: 1, r: 1"),
        ("sum_i (y_i - w x_i)^2", "y: 1, w: 0, x: 1"),
    ],
)
def test_shapes_are_inferred_as_they_are_meant(text: str, ranks: str) -> None:
    found = ", ".join(f"{node.name}: {len(node.type.shape)}" for node in cr.trace(text).inputs)
    assert found == ranks


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("einsum('bhqd,bhkd->bhqk', Q, K)", "(b, h, q, d) (b, h, k, d)"),
        ("einsum('ab,ac->abc', T, M)", "(a, b) (a, c)"),
        ("einsum('ij,j', A, x)", "(i, j) (j,)"),
    ],
)
def test_the_axes_that_einsum_names_have_these_names(text: str, shapes: str) -> None:
    program = cr.trace(text)
    assert " ".join(str(node.type.shape) for node in program.inputs) == shapes


@pytest.mark.parametrize(
    "text",
    [r"-\log\frac{e^{z_y}}{\sum_j e^{z_j}}", r"\log \sum_{j=1}^K e^{z_j} - z_y", r"\log \sum_j e^{z_j - z_y}"],
)
def test_beside_a_sum_over_its_elements_a_vector_with_an_index_is_an_element(text: str) -> None:
    derivation = cr.derive(text, "z")
    assert {node.name: node.type.dtype.is_float for node in cr.trace(text).inputs} == {"z": True, "y": False}
    assert "∂L/∂z = softmax(z) − onehot(y)" in derivation.text(detail="brief")
    assert {node.name for node in cr.trace(text, z_y="").inputs} == {"z_y", "z"}


@pytest.mark.parametrize(
    ("text", "gradient"),
    [
        ("log(softmax(z/T)[c])", "(onehot(c) − softmax(z / T)) / T"),
        ("log(sum(exp(z))) - z[c]", "softmax(z) − onehot(c)"),
        ("(A*z)[c]^2", "2 (A z)[c] · A[c]"),
    ],
)
def test_an_index_in_brackets_picks_an_element_of_any_vector(text: str, gradient: str) -> None:
    derivation = cr.derive(text, "z")
    assert not {node.name: node for node in derivation.record.program.inputs}["c"].type.dtype.is_float
    assert f"∂L/∂z = {gradient}" in derivation.text(detail="brief")


def test_the_index_of_an_element_may_be_a_letter_that_sums_have_too() -> None:
    assert str(cr.equations(cr.trace(r"\log \sum_j e^{z_j} - z_k"))) == "L = ln(Σ exp(z)) − z[k]"
    assert str(cr.equations(cr.trace(r"\log \sum_j e^{z_j - z_k}"))) == "L = ln(Σ exp(z − z[k]))"


def test_an_element_over_the_sum_of_another_vector_is_no_softmax() -> None:
    text = cr.derive(r"-\log\frac{e^{z_y}}{\sum_j e^{z_j + x_j}}", "z").text(detail="brief")
    assert "∂L/∂z = softmax(z + x) − onehot(y)" in text


def test_side_by_side_is_never_element_by_element() -> None:
    assert "A B" in str(cr.equations(cr.trace("A B", A="n n", B="n n")))
    with pytest.raises(cr.FormulaError, match="side by side"):
        cr.trace("x x", x="n")


def test_the_name_of_the_identity_may_be_a_variable() -> None:
    assert [node.name for node in cr.trace("sum(I)", I="n").inputs] == ["I"]
    assert [node.name for node in cr.trace("I = x + 1; sum(I)", x="n").inputs] == ["x"]
    with pytest.raises(cr.DerivationError, match="'I' in wrt"):
        cr.derive("x'*(A + I)*x", "I")


def test_the_cross_entropy_of_a_softmax_with_two_indices_is_recognized() -> None:
    text = cr.derive(r"-\sum_k y_k \log \frac{e^{z_k}}{\sum_j e^{z_j}}", "z").text(detail="brief")
    assert "∂L/∂z = (Σ y) · softmax(z) − y" in text
