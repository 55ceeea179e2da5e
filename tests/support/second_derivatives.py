"""Hessians and Jacobians as textbooks print them, with the same in NumPy."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.deriving import FurtherDerivation

Array = np.ndarray[Any, Any]
SIZES = {"n": 3, "m": 4, "d": 2, "k": 5}


def sigmoid(z: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-z)))


def softmax(z: Array) -> Array:
    return np.asarray(np.exp(z) / np.sum(np.exp(z)))


def _hessian_of_mean(a: Array, p: Array) -> Array:
    g = p * (a - a @ p)
    return np.asarray(np.diag(g) - np.outer(g, p) - np.outer(p, g))


# For each loss of one parameter the printed Hessian, and the same written down in NumPy.
HESSIANS: dict[str, tuple[str, dict[str, Any], str, Callable[..., Any]]] = {
    "a' @ softmax(x)": (
        "x",
        {"a": "n", "x": "n"},
        "diag(g) − g pᵀ − p gᵀ",
        lambda a, x: _hessian_of_mean(a, softmax(x)),
    ),
    "sum(softmax(x) * a)": (
        "x",
        {"a": "n", "x": "n"},
        "diag(g) − g pᵀ − p gᵀ",
        lambda a, x: _hessian_of_mean(a, softmax(x)),
    ),
    "sqrt(sqrt(x))*sqrt(x)*x": ("x", {"x": ""}, "1.3125 / √(√x)", lambda x: 21 / 16 * x**-0.25),
    "sum(abs(x)^3)": ("x", {"x": "n"}, "6 diag(|x|)", lambda x: 6 * np.diag(np.abs(x))),
    "sum(sqrt(1 + x^2))": (
        "x",
        {"x": "n"},
        "diag(1 / s³)",
        lambda x: np.diag((1 + x**2) ** -1.5),
    ),
    "sum(log(cosh(X @ w - y)))": (
        "w",
        {"X": "n d", "y": "n", "w": "d"},
        "Xᵀ diag(1 − tanh(X w − y)²) X",
        lambda X, w, y: X.T @ np.diag(1 - np.tanh(X @ w - y) ** 2) @ X,
    ),
    "exp(-norm(x - c)^2/2)": (
        "x",
        {"x": "n", "c": "n"},
        "L · ((x − c) (x − c)ᵀ − I)",
        lambda x, c: np.exp(-((x - c) @ (x - c)) / 2) * (np.outer(x - c, x - c) - np.eye(len(x))),
    ),
    "var(x)": ("x", {"x": "n"}, "(2/n) (I − (1/n) · 1 1ᵀ)", lambda x: 2 / len(x) * (np.eye(len(x)) - 1 / len(x))),
    "norm(x)^3": (
        "x",
        {"x": "n"},
        "3 (‖x‖ · I + x xᵀ / ‖x‖)",
        lambda x: 3 * (np.linalg.norm(x) * np.eye(len(x)) + np.outer(x, x) / np.linalg.norm(x)),
    ),
    "log(1 + norm(x)^2)": (
        "x",
        {"x": "n"},
        "2 (I − 2 x xᵀ / u) / u",
        lambda x: 2 * np.eye(len(x)) / (1 + x @ x) - 4 * np.outer(x, x) / (1 + x @ x) ** 2,
    ),
    "sum(y*exp(-X @ w) + X @ w)": (
        "w",
        {"X": "n d", "y": "n", "w": "d"},
        "Xᵀ diag(u) X",
        lambda X, w, y: X.T @ np.diag(y * np.exp(-X @ w)) @ X,
    ),
    "0.5*(x - m)' @ inv(S) @ (x - m)": (
        "x",
        {"x": "n", "m": "n", "S": "n n", "assume": "S symmetric"},
        "S⁻¹",
        lambda x, m, S: np.linalg.inv(S),
    ),
    "sigmoid(a' @ x)": (
        "x",
        {"a": "n", "x": "n"},
        "(1 − 2 L) · L · (1 − L) · a aᵀ",
        lambda a, x: (p := sigmoid(a @ x)) * (1 - p) * (1 - 2 * p) * np.outer(a, a),
    ),
    "x^4/4 - x^2/2": ("x", {"x": ""}, "3 x² − 1", lambda x: 3 * x**2 - 1),
    "4*((1/r)^12 - (1/r)^6)": ("r", {"r": ""}, "624 / r¹⁴ − 168 / r⁸", lambda r: 624 / r**14 - 168 / r**8),
    "x' @ A @ x + (b' @ x)^4": (
        "x",
        {"A": "n n", "b": "n", "assume": "A symmetric"},
        "2 (A + 6 (bᵀ x)² · b bᵀ)",
        lambda x, A, b: 2 * A + 12 * (b @ x) ** 2 * np.outer(b, b),
    ),
    "0.5*norm(X @ w - y)^2": ("w", {"X": "n d", "y": "n"}, "Xᵀ X", lambda X, y, w: X.T @ X),
    "sum((X @ w - y)^2)/(2*n)": (
        "w",
        {"X": "n d", "y": "n", "w": "d"},
        "(1/n) Xᵀ X",
        lambda X, y, w: X.T @ X / len(y),
    ),
    "norm(A @ x - b)^2": ("x", {"A": "m n", "b": "m"}, "2 Aᵀ A", lambda A, x, b: 2 * A.T @ A),
    "norm(X @ w - y)^2 + λ*norm(w)^2": (
        "w",
        {"X": "n d", "y": "n", "λ": ""},
        "2 (λ · I + Xᵀ X)",
        lambda X, w, y, λ: 2 * (X.T @ X + λ * np.eye(len(w))),
    ),
    "0.5*(A @ x - b)' @ W @ (A @ x - b)": (
        "x",
        {"A": "m n", "b": "m", "W": "m m"},
        "½ Aᵀ (W + Wᵀ) A",
        lambda A, x, b, W: 0.5 * A.T @ (W + W.T) @ A,
    ),
    "x' @ A @ x": ("x", {"A": "n n"}, "A + Aᵀ", lambda x, A: A + A.T),
    "0.5*x' @ A @ x - b' @ x": ("x", {"A": "n n", "b": "n"}, "½ (A + Aᵀ)", lambda x, A, b: (A + A.T) / 2),
    "x' @ A' @ A @ x": ("x", {"A": "m n"}, "2 Aᵀ A", lambda x, A: 2 * A.T @ A),
    "0.5*norm(x)^2": ("x", {"x": "n"}, "I", lambda x: np.eye(len(x))),
    "norm(x)": (
        "x",
        {"x": "n"},
        "(I − x xᵀ / L²) / L",
        lambda x: (np.eye(len(x)) - np.outer(x, x) / (x @ x)) / np.sqrt(x @ x),
    ),
    "norm(x - a)": (
        "x",
        {"x": "n", "a": "n"},
        "(I − (x − a) (x − a)ᵀ / L²) / L",
        lambda x, a: (np.eye(len(x)) - np.outer(x - a, x - a) / np.sum((x - a) ** 2)) / np.linalg.norm(x - a),
    ),
    "norm(A @ x - b)": (
        "x",
        {"A": "m n", "b": "m"},
        "Aᵀ (I − (A x − b) (A x − b)ᵀ / L²) A / L",
        lambda A, x, b: (
            A.T @ (np.eye(len(b)) / np.linalg.norm(A @ x - b)) @ A
            - np.outer(A.T @ (A @ x - b), A.T @ (A @ x - b)) / np.linalg.norm(A @ x - b) ** 3
        ),
    ),
    "sqrt(1 + norm(x)^2)": (
        "x",
        {"x": "n"},
        "(I − x xᵀ / L²) / L",
        lambda x: np.eye(len(x)) / np.sqrt(1 + x @ x) - np.outer(x, x) / (1 + x @ x) ** 1.5,
    ),
    "norm(x)^4": (
        "x",
        {"x": "n"},
        "4 (‖x‖² · I + 2 x xᵀ)",
        lambda x: 4 * (x @ x) * np.eye(len(x)) + 8 * np.outer(x, x),
    ),
    "exp(norm(x)^2)": (
        "x",
        {"x": "n"},
        "2 L · (I + 2 x xᵀ)",
        lambda x: np.exp(x @ x) * (2 * np.eye(len(x)) + 4 * np.outer(x, x)),
    ),
    "exp(-0.5*norm(x)^2)": (
        "x",
        {"x": "n"},
        "L · (x xᵀ − I)",
        lambda x: np.exp(-0.5 * x @ x) * (np.outer(x, x) - np.eye(len(x))),
    ),
    "1/(x' @ A @ x)": (
        "x",
        {"A": "n n", "x": "n", "assume": "A symmetric"},
        "2 L² · (4 L · A x xᵀ A − A)",
        lambda x, A: 8 * np.outer(A @ x, A @ x) / (x @ A @ x) ** 3 - 2 * A / (x @ A @ x) ** 2,
    ),
    "exp(a' @ x)": ("x", {"a": "n"}, "L · a aᵀ", lambda a, x: np.exp(a @ x) * np.outer(a, a)),
    "log(a' @ x)": ("x", {"a": "n"}, "−a aᵀ / (aᵀ x)²", lambda a, x: -np.outer(a, a) / (a @ x) ** 2),
    "(a' @ x)*(b' @ x)": (
        "x",
        {"a": "n", "b": "n", "x": "n"},
        "b aᵀ + a bᵀ",
        lambda a, x, b: np.outer(a, b) + np.outer(b, a),
    ),
    "log(sum(exp(x)))": (
        "x",
        {"x": "n"},
        "diag(p) − p pᵀ",
        lambda x: np.diag(softmax(x)) - np.outer(softmax(x), softmax(x)),
    ),
    "p = softmax(x); -sum(t * log(p))": (
        "x",
        {"x": "n", "t": "n"},
        "(Σ t) · (diag(p) − p pᵀ)",
        lambda x, t: np.sum(t) * (np.diag(softmax(x)) - np.outer(softmax(x), softmax(x))),
    ),
    "logsumexp(A @ x + b)": (
        "x",
        {"A": "m n", "b": "m"},
        "Aᵀ (diag(p) − p pᵀ) A",
        lambda A, x, b: A.T @ (np.diag(softmax(A @ x + b)) - np.outer(softmax(A @ x + b), softmax(A @ x + b))) @ A,
    ),
    "p = sigmoid(X @ w); -sum(y*log(p) + (1 - y)*log(1 - p))": (
        "w",
        {"X": "n d", "y": "n", "w": "d"},
        "Xᵀ diag(p ⊙ (1 − p)) X",
        lambda X, w, y: X.T @ np.diag(sigmoid(X @ w) * (1 - sigmoid(X @ w))) @ X,
    ),
    "sum(log(1 + exp(-y*(X @ w))))": (
        "w",
        {"X": "n d", "y": "n", "w": "d"},
        "Xᵀ diag(y² ⊙ σ(z1) ⊙ (1 − σ(z1))) X",
        lambda y, X, w: X.T @ np.diag(y**2 * sigmoid(-y * (X @ w)) * sigmoid(y * (X @ w))) @ X,
    ),
    "sum(exp(X @ w) - y*(X @ w))": (
        "w",
        {"X": "n d", "y": "n", "w": "d"},
        "Xᵀ diag(exp(u)) X",
        lambda X, w, y: X.T @ np.diag(np.exp(X @ w)) @ X,
    ),
    "-sum(log(b - A @ x))": (
        "x",
        {"A": "m n", "b": "m"},
        "Aᵀ diag(1 / (b − A x)²) A",
        lambda b, A, x: A.T @ np.diag(1 / (b - A @ x) ** 2) @ A,
    ),
    "-sum(log(x))": ("x", {"x": "n"}, "diag(1 / x²)", lambda x: np.diag(1 / x**2)),
    "sum(x*log(x))": ("x", {"x": "n"}, "diag(1/x)", lambda x: np.diag(1 / x)),
    "sum(x^4)/4": ("x", {"x": "n"}, "3 diag(x²)", lambda x: 3 * np.diag(x**2)),
    "sum(sin(x))": ("x", {"x": "n"}, "−diag(sin(x))", lambda x: -np.diag(np.sin(x))),
    "λ - k*log(λ)": ("λ", {"λ": "", "k": ""}, "k / λ²", lambda λ, k: k / λ**2),
    "λ*sum(t) - n*log(λ)": ("λ", {"λ": "", "n": "", "t": "m"}, "n / λ²", lambda λ, t, n: n / λ**2),
    "logdet(X)": (
        "X",
        {"X": "n n"},
        "−(X⁻¹ ⊗ X⁻ᵀ) K_nn",
        lambda X: -np.kron(np.linalg.inv(X), np.linalg.inv(X).T) @ commutation(len(X), len(X)),
    ),
    "tr(inv(X) @ A)": (
        "X",
        {"X": "n n", "A": "n n"},
        "((X⁻¹ A X⁻¹) ⊗ X⁻ᵀ + X⁻¹ ⊗ (X⁻ᵀ Aᵀ X⁻ᵀ)) K_nn",
        lambda X, A: (
            (
                np.kron(np.linalg.inv(X) @ A @ np.linalg.inv(X), np.linalg.inv(X).T)
                + np.kron(np.linalg.inv(X), np.linalg.inv(X).T @ A.T @ np.linalg.inv(X).T)
            )
            @ commutation(len(X), len(X))
        ),
    ),
    "norm(A @ X - B)^2": (
        "X",
        {"A": "m n", "X": "n k", "B": "m k"},
        "2 I ⊗ (Aᵀ A)",
        lambda A, X, B: 2 * np.kron(np.eye(X.shape[1]), A.T @ A),
    ),
    "norm(X)^2": ("X", {"X": "n m"}, "2 I", lambda X: 2 * np.eye(X.size)),
    "a' @ X @ X' @ a": (
        "X",
        {"X": "n m", "a": "n"},
        "2 I ⊗ (a aᵀ)",
        lambda a, X: 2 * np.kron(np.eye(X.shape[1]), np.outer(a, a)),
    ),
    "tr(X' @ A @ X @ B)": (
        "X",
        {"X": "n m", "A": "n n", "B": "m m"},
        "B ⊗ Aᵀ + Bᵀ ⊗ A",
        lambda X, A, B: np.kron(B, A.T) + np.kron(B.T, A),
    ),
    "logsumexp(W @ x)": (
        "W",
        {"W": "k d", "x": "d"},
        "(x xᵀ) ⊗ (diag(p) − p pᵀ)",
        lambda W, x: np.kron(np.outer(x, x), np.diag(softmax(W @ x)) - np.outer(softmax(W @ x), softmax(W @ x))),
    ),
    "f(g(x))": ("x", {}, "f′′(g(x)) · g′(x)² + f′(g(x)) · g′′(x)", lambda x: None),
    "f(x)*g(x)": ("x", {}, "2 f′(x) · g′(x) + f(x) · g′′(x) + g(x) · f′′(x)", lambda x: None),
    "sum(f(A @ x))": ("x", {"A": "m n", "x": "n"}, "Aᵀ diag(f′′(A x)) A", lambda x: None),
    "f(A @ x)": ("x", {"A": "m n", "x": "n", "functions": "f: m ->"}, "Aᵀ ∇²f(A x) A", lambda x: None),
}

# The blocks for several parameters.
BLOCKS: dict[str, tuple[list[str], dict[str, Any], list[str]]] = {
    "100*(y - x^2)^2 + (1 - x)^2": (
        ["x", "y"],
        {},
        ["∂²L/∂x² = 1200 x² − 400 y + 2", "∂²L/∂x∂y = −400 x", "∂²L/∂y² = 200"],
    ),
    "0.5*log(2*pi*s^2) + (x - m)^2/(2*s^2)": (
        ["m", "s"],
        {},
        ["∂²L/∂m² = 1 / s²", "∂²L/∂m∂s = 2 (x − m) / s³", "∂²L/∂s² = 3 (x − m)² / s⁴ − 1 / s²"],
    ),
    "p = sigmoid(X @ w + b); -sum(y*log(p) + (1 - y)*log(1 - p))": (
        ["w", "b"],
        {"X": "n d", "y": "n", "w": "d", "b": ""},
        [
            "∂²L/∂w∂wᵀ = Xᵀ diag(p ⊙ (1 − p)) X",
            "∂²L/∂w∂b = Xᵀ (p ⊙ (1 − p))",
            "∂²L/∂b² = pᵀ (1 − p)",
        ],
    ),
    "u' @ A @ v": (
        ["u", "v"],
        {"A": "n m", "u": "n", "v": "m"},
        ["∂²L/∂u∂uᵀ = 0", "∂²L/∂u∂vᵀ = A", "∂²L/∂v∂vᵀ = 0"],
    ),
    "f(x, y)": (["x", "y"], {}, ["∂²L/∂x² = ∂₁₁f(x, y)", "∂²L/∂x∂y = ∂₁₂f(x, y)", "∂²L/∂y² = ∂₂₂f(x, y)"]),
}


def commutation(rows: int, columns: int) -> Array:
    """K with K vec(X) = vec(Xᵀ)."""
    result = np.zeros((rows * columns, rows * columns))
    for i in range(rows):
        for j in range(columns):
            result[j + i * columns, i + j * rows] = 1
    return result


def equations(text: str) -> list[str]:
    """The equations of a page, without their shapes."""
    lines = [line.strip("│ ") for line in text.splitlines() if line.startswith(("  ", "│"))]
    return [re.split(r"\s{3,}", line)[0] for line in lines if "=" in line]


def in_order(text: str) -> str:
    """The text with summands, and factors of products of numbers and of elements in a diagonal, in alphabetic order."""

    def ordered(match: re.Match[str]) -> str:
        return "diag(" + " ⊙ ".join(sorted(match[1].split(" ⊙ "))) + ")"

    text = re.sub(r"diag\(((?:[^()]|\([^()]*(?:\([^()]*\))?[^()]*\))*)\)", ordered, text)
    if "+" not in text or any(sign in re.sub(r"\(\w\)", "", text) for sign in "()−["):
        return text
    summands = [(re.match(r"\d* ?", each), each) for each in text.split(" + ")]
    return " + ".join(sorted(n[0] + " · ".join(sorted(each[n.end() :].split(" · "))) for n, each in summands if n))


def hessian_of(formula: str, **options: Any) -> FurtherDerivation:
    wrt, shapes, *_ = HESSIANS[formula]
    derivation: FurtherDerivation = cr.derive(formula, wrt, order=2, **{**shapes, **options})
    return derivation


JACOBIANS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "A @ x": ("x", {"A": "m n", "x": "n"}, "A", "Aᵀ"),
    "A @ X @ B": ("X", {"A": "m n", "X": "n k", "B": "k d"}, "Bᵀ ⊗ A", "B ⊗ Aᵀ"),
    "X @ w": ("X", {"X": "n d", "w": "d"}, "wᵀ ⊗ I", "w ⊗ I"),
    "inv(X)": ("X", {"X": "n n"}, "−Yᵀ ⊗ Y", "−Y ⊗ Yᵀ"),
    "X'": ("X", {"X": "n m"}, "K_nm", "K_nmᵀ"),
    "softmax(x)": ("x", {"x": "n"}, "diag(Y) − Y Yᵀ", "diag(Y) − Y Yᵀ"),
    "softmax(A @ x)": ("x", {"A": "m n", "x": "n"}, "(diag(Y) − Y Yᵀ) A", "Aᵀ (diag(Y) − Y Yᵀ)"),
    "tanh(A @ x)": ("x", {"A": "m n", "x": "n"}, "diag(1 − Y²) A", "Aᵀ diag(1 − Y²)"),
    "[A x; tanh(x)]": (
        "x",
        {"A": "m n", "x": "n"},
        "[A; diag(1 − tanh(x)²)]",
        "[A; diag(1 − tanh(x)²)]ᵀ",
    ),
    "[t; t^2; sin(t)]": (
        "t",
        {"t": "n"},
        "[I; 2 diag(t); diag(cos(t))]",
        "[I; 2 diag(t); diag(cos(t))]ᵀ",
    ),
    "x - a' @ x": ("x", {"a": "n", "x": "n"}, "I − 1 aᵀ", "I − a 1ᵀ"),
    "log(softmax(x))": ("x", {"x": "n"}, "I − 1 softmax(x)ᵀ", "I − softmax(x) 1ᵀ"),
    "a*sin(t)": ("t", {"a": "n", "t": ""}, "cos(t) · a", "cos(t) · a"),
    "x / norm(x)": (
        "x",
        {"x": "n"},
        "(I − Y Yᵀ) / ‖x‖",
        "(I − Y Yᵀ) / ‖x‖",
    ),
    "(x - mean(x)) / std(x)": (
        "x",
        {"x": "n"},
        "(I − (1/n) · 1 1ᵀ − (1/n) Y Yᵀ) / √(mean((x − mean(x))²))",
        "(I − (1/n) · 1 1ᵀ − (1/n) Y Yᵀ) / √(mean((x − mean(x))²))",
    ),
    "(x' A x) x": (
        "x",
        {"A": "n n", "x": "n", "assume": "A symmetric"},
        "(xᵀ u) · I + 2 x uᵀ",
        "(xᵀ u) · I + 2 u xᵀ",
    ),
}
