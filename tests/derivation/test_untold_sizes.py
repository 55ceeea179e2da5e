"""Lines whose sizes the shapes alone would not determine: a shorter form is unambiguous, or the size is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
from support.printed_programs import misreadings

import chainrule as cr
from chainrule.derivation import render_text, write_document
from chainrule.derivation.readback import Page, ReadingError, read

Function: TypeAlias = Callable[..., Any]


def _ones_between_ones(x: Any, E: Any) -> Any:
    D = E - np.mean(E, axis=1, keepdims=True)
    return np.mean(D.T @ x)


def _the_same_twice(A: Any) -> Any:
    return np.mean(A.T @ A)


def _filled_factor_of_einsum(T: Any) -> Any:
    s = cr.logsumexp(T, axis=(0, 1))
    a = s @ np.swapaxes(T, -1, -2)
    return np.mean(a)


def _thin_factor_of_einsum(A: Any, b: Any) -> Any:
    i = A @ b
    C = i.T / (1 + b**2)
    z = np.sum(i[:, None, :], axis=(1, 2))
    return np.sum(C**2) + np.sum(z**2)


def _number_beside_columns(T: Any) -> Any:
    S = T[0]
    return np.mean(S) + np.mean(S.T @ S)


def _total_beside_three_axes(T: Any) -> Any:
    u = np.max(T, axis=(0, 2))
    c = u[:, None]
    O = u[:, None] * u
    return np.mean(O) + np.sum(np.min(c, axis=(0, 1), keepdims=True))


def _number_beside_padded(t: Any, X: Any) -> Any:
    K = X - t
    return np.mean(K) + np.mean(K[0])


def _repeated_number_of_terms(p: Any, j: Any) -> Any:
    s = np.exp(-((1 - p) ** 2))
    G = (j[None, :] + cr.relu(-p)) * s[:, None]
    return np.mean(G)


def _row_beside_its_column(Z: Any) -> Any:
    t = (Z + 1)[0]
    x = t - Z
    return np.sum(t**2) + np.sum(np.sin(x))


def _scores_of_one_row(w: Any) -> Any:
    x = cr.softmax(w[None, :], axis=0)
    v = (x.T - x) - w
    return np.sum(v**2)


def _norm_of_one_row(w: Any) -> Any:
    r = w[None, :] / np.sqrt(1 + np.sum(w[None, :] ** 2, axis=1, keepdims=True))
    return np.sum(r**2)


def _places_of_places(w: Any, i: Any, j: Any) -> Any:
    s = w[i]
    return np.sum(np.sin(s[j]))


def _an_element_of_delta(δ: Any) -> Any:
    x_0 = δ @ δ.T
    y = cr.logsumexp(x_0, axis=1, keepdims=True)
    return np.sum(np.sin(y))


def _a_name_like_an_element_of_an_unused_row(x: Any, G: Any) -> Any:
    x0 = np.min(G[None, :, :], axis=2)
    return np.sum(x0**2)


def _a_column_repeated_as_rows(V: Any) -> Any:
    W = cr.softmax(V.T, axis=0)
    w = np.sum(W, axis=0, keepdims=True)
    A = W @ w.T
    return np.mean(A)


def _trace_of_one_entry(v: Any) -> Any:
    t = np.trace(v[None, :])
    return np.sin(t)


def _product_that_ends_in_a_row(x: Any, W: Any) -> Any:
    u = np.min(W.T, axis=0, keepdims=True)
    y = x.T @ u.T
    z = y @ u
    s = np.clip(z, -1, 1) * x
    return np.sum(z) + np.sum(s)


def _padded_factor_of_einsum(T: Any) -> Any:
    S = np.swapaxes(T, -1, -2) @ T[0]
    C = np.transpose(S, (1, 2, 0))
    D = C[0]
    return np.sum(np.sin(C)) + np.sum(D)


def _number_as_a_factor(C: Any, δ: Any) -> Any:
    x = δ[None]
    y = x @ δ
    s = (C * δ) * y
    return np.mean(s)


def _padded_beside_columns(X: Any, z: Any) -> Any:
    K = X[0]
    s = np.sum(K, axis=0, keepdims=True)
    a = z @ X
    return np.sum(s**2) + np.sum(a)


def _sum_of_padded_beside_three_axes(S: Any, e: Any) -> Any:
    W = e - S
    R = np.swapaxes(S, -1, -2) @ S
    return np.sum(R**2) + np.sum(np.sin(W[0]))


def _padded_in_a_choice(r: Any) -> Any:
    D = np.where(-r > 0, -r, r)
    return np.sum(D[0])


def _places_of_what_is_repeated(T: Any) -> Any:
    p = np.mean(T, axis=(0, 2))
    q = p[np.array([0, 1, 0])]
    return np.mean(q)


def _number_that_stands_for_a_row(a: Any, X: Any) -> Any:
    r = X[0]
    u = (1e-5 * r) * a[:, :, None] - (-r)
    return np.sum(np.sin(r)) + np.sum(u)


def _factors_in_brackets(r: Any, z: Any) -> Any:
    x = z * r * z.T
    y = np.transpose(x, (0, 2, 1))
    return np.mean(y)


def _lone_entry_beside_columns(W: Any) -> Any:
    V = np.transpose(W, (2, 0, 1))
    Y = np.swapaxes(W, -1, -2) @ np.swapaxes(V, -1, -2)
    Z = np.transpose(W, (1, 0, 2))
    return np.mean(Y) + np.sum(Z)


def _sums_of_what_is_padded(C: Any) -> Any:
    x = np.cumsum(C, axis=0)[0]
    s = cr.logsumexp(x, axis=0, keepdims=True)
    return np.mean(x) + np.sum(np.sin(s))


def _coefficient_as_a_factor(W: Any, c: Any) -> Any:
    A = (1 - c) + W
    B = A.T @ W
    C = B / (1 + (-c) ** 2)
    return np.mean(C)


def _number_of_terms(W: Any) -> Any:
    return np.sum(np.sin(W @ np.ones((3, 2))))


def _padded_along_a_repeated_axis(T: Any) -> Any:
    S = np.max(T, axis=1, keepdims=True)
    p = S[0]
    return np.sum(p**2)


def _padded_beside_one_row(K: Any, s: Any) -> Any:
    z = K[1:]
    E = K @ z.T
    X = K[:, None, :] * s[None, :, :]
    return np.sum(E) + np.mean(X)


def _cumulative_sum_of_one_entry(t: Any) -> Any:
    s = np.sum(t, axis=(0, 1), keepdims=True)
    e = np.cumsum(s.T, axis=1)
    z = t * e
    return np.mean(z)


def _chosen_by_a_constant(X: Any) -> Any:
    return np.sum(np.where(np.eye(3) > 0, X, -1e9))


def _chosen_twice_by_a_constant(X: Any) -> Any:
    return np.sum(np.where(np.eye(3) > 0, np.exp(X), 1) ** 2)


def _identities_of_two_sizes(X: Any, Y: Any) -> Any:
    return np.sum(np.eye(2) @ X) + np.sum(Y @ np.eye(3))


def _columns_beside_three_axes(X: Any, b: Any) -> Any:
    return np.sum((X * b[:, None, None]) ** 2)


def _pairs_beside_three_axes(X: Any, Y: Any) -> Any:
    return np.sum((X[:, None, :] * Y[None, :, :]) ** 2)


def _scaled_identity_of_size_one(r: Any) -> Any:
    return np.sum((np.exp(r) * np.eye(1)) ** 2)


def _product_of_ones_of_size_one(r: Any, x: Any) -> Any:
    return np.sum((np.eye(1) @ (np.exp(r) * np.eye(1)) @ x) ** 2)


def _norm_of_one_entry(r: Any) -> Any:
    return np.linalg.norm(np.exp(r) * np.ones((1, 1)))


def _column_of_ones(a: Any) -> Any:
    return np.sum((np.exp(a) * np.ones((3, 1))) ** 2)


def _scaled_identity(r: Any) -> Any:
    return np.sum((np.exp(r) * np.eye(2)) ** 2)


def _blocks_of_the_identity(A: Any) -> Any:
    return np.sum(np.kron(np.exp(A), np.eye(2)) ** 2)


def _blocks_of_ones(A: Any) -> Any:
    return np.sum(np.kron(np.exp(A), np.ones((2, 1))) ** 2)


def _column_times_row(a: Any, b: Any) -> Any:
    return np.sum((np.exp(a) * b) ** 2)


PROGRAMS: list[tuple[Function, dict[str, str], str, str]] = [
    (_ones_between_ones, {"x": "m n", "E": "m 2"}, "E", "= 0"),
    (_the_same_twice, {"A": "n k"}, "A", "= (2 / (k · k)) A 1 1ᵀ"),
    (_filled_factor_of_einsum, {"T": "n k 2"}, "T", ""),
    (_thin_factor_of_einsum, {"A": "1 m 3", "b": "3"}, "A", "= 2 einsum(ij,k→ijk, reshape[1×m]((C / u) · 1 + z), b)"),
    (_number_beside_columns, {"T": "n n k"}, "T", "repeat[n×k](1 / (k · n) + (2 / (k · k)) S 1 1ᵀ)"),
    (_total_beside_three_axes, {"T": "m n m"}, "T", "(Σ c)"),
    (_number_beside_padded, {"t": "n 1 2", "X": "n 2"}, "X", "= (1/n) · 1 1ᵀ"),
    (_repeated_number_of_terms, {"p": "1", "j": "3"}, "p", ""),
    (_row_beside_its_column, {"Z": "1 2"}, "Z", "= 2 t"),
    (_scores_of_one_row, {"w": "k"}, "w", ""),
    (_norm_of_one_row, {"w": "k"}, "w", ""),
    (_places_of_places, {"w": "k", "i": "m:int", "j": "m:int"}, "w", "= onehot(i)ᵀ onehot(j)ᵀ cos(s[j])"),
    (_an_element_of_delta, {"δ": "1 1"}, "δ", "(cos(y) ⊙ softmax(x_0))ᵀ) δ"),
    (_a_name_like_an_element_of_an_unused_row, {"x": "1 m", "G": "m n"}, "x", "∂L/∂x = 0"),
    (_a_column_repeated_as_rows, {"V": "k m"}, "V", "∂L/∂V = (W ⊙ (∂L/∂W − 1 1ᵀ (∂L/∂W ⊙ W)))ᵀ = 0 · 1 1ᵀ"),
    (_trace_of_one_entry, {"v": "1"}, "v", "⟨∂L/∂t, dv[0]⟩ = ⟨∂L/∂t, dv⟩"),
    (_product_that_ends_in_a_row, {"x": "n 1", "W": "n k"}, "W", "((1 u 1 xᵀ) ⊙ "),
    (_padded_factor_of_einsum, {"T": "3 n n"}, "T", "pad(repeat[1×n×3](1), [0:1,:,:])"),
    (_number_as_a_factor, {"C": "n k n", "δ": "1"}, "δ", "δ[0]"),
    (_padded_beside_columns, {"X": "k 3", "z": "k"}, "X", "pad(repeat[1×3](2 s[0]), [0:1,:]) + z 1ᵀ"),
    (_sum_of_padded_beside_three_axes, {"S": "m n 1", "e": "3"}, "S", "− reshape[m×n×1](Σ₂(pad(reshape[1×n×3](cos("),
    (_padded_in_a_choice, {"r": "k m"}, "r", "else pad(repeat[1×m](1), [0:1,:])"),
    (_places_of_what_is_repeated, {"T": "1 3 3"}, "T", "(1/3) onehot(C)ᵀ 1)[∗,:,∗])"),
    (_number_that_stands_for_a_row, {"a": "1 n", "X": "1 n"}, "X", "= 10⁻⁵ · (Σ r) · (1 1ᵀ)"),
    (_factors_in_brackets, {"r": "k 1 n", "z": "1 n"}, "z", "∂L/∂x ⊙ (z ⊙ r)"),
    (_lone_entry_beside_columns, {"W": "m 1 1"}, "W", "Σ₀₂(W) 1ᵀ"),
    (_sums_of_what_is_padded, {"C": "n m"}, "C", "reverse_cumsum₀(pad("),
    (_coefficient_as_a_factor, {"W": "3 m", "c": ""}, "c", "= −(1 / (m · m)) (m · (Σ W) + 2 (Σ C) · c) / (1 + c²)"),
    (_number_of_terms, {"W": "n 3"}, "W", "L = Σ repeat[n×2](sin(W 1 1ᵀ))"),
    (_padded_along_a_repeated_axis, {"T": "k 2 k"}, "T", "pad(reshape[1×1×k]("),
    (
        _padded_beside_one_row,
        {"K": "2 n", "s": "3 n"},
        "K",
        "z + pad(reshape[1×n](Kᵀ 1), [1:2,:]) + (1 / (6 n)) · 1 1ᵀ s",
    ),
    (_cumulative_sum_of_one_entry, {"t": "1 k"}, "t", "(∂L/∂z ⊙ t) 1"),
    (_chosen_by_a_constant, {"X": "3 3"}, "X", "= 1 if I, else 0"),
    (_chosen_twice_by_a_constant, {"X": "3 3"}, "X", "(U if I, else 1) ⊙ U if I, else 0"),
    (_identities_of_two_sizes, {"X": "2 3", "Y": "2 3"}, "X", "L = Σ (I_2 X) + Σ (Y I_3)"),
    (_columns_beside_three_axes, {"X": "m n k", "b": "m"}, "b", "Σ (X ⊙ b[:,∗,∗])²"),
    (_pairs_beside_three_axes, {"X": "n k", "Y": "m k"}, "Y", "Σ (X[:,∗,:] ⊙ Y[∗,:,:])²"),
    (_scaled_identity_of_size_one, {"r": ""}, "r", "= 2 exp(r)²"),
    (_product_of_ones_of_size_one, {"r": "", "x": "1"}, "r", "exp(r)"),
    (_norm_of_one_entry, {"r": ""}, "r", "‖repeat[1×1](exp(r))‖_F"),
    (_column_of_ones, {"a": ""}, "a", "= 6 exp(a)²"),
    (_scaled_identity, {"r": ""}, "r", "= 4 exp(r)²"),
    (_blocks_of_the_identity, {"A": "2 2"}, "A", "⟨exp(A) ⊗ I, repeat[4×4]((exp(A) ⊙ dA) ⊗ I)⟩"),
    (_blocks_of_ones, {"A": "2 2"}, "A", "exp(A) ⊗ repeat[2×1](1)"),
    (_column_times_row, {"a": "3 1", "b": "1 3"}, "b", "(Σ u²) · b"),
]


@pytest.mark.parametrize(
    ("function", "shapes", "wrt", "line"), PROGRAMS, ids=[function.__name__.strip("_") for function, *_ in PROGRAMS]
)
def test_no_line_leaves_a_size_in_doubt(function: Function, shapes: dict[str, str], wrt: str, line: str) -> None:
    differentiable = [name for name, shape in shapes.items() if not shape.endswith(":int")]
    derivation = cr.derive(function, wrt=differentiable, **shapes)
    read_lines, _, wrong = misreadings(derivation)
    assert read_lines > 10
    assert not wrong
    page = render_text(write_document(derivation.record, "path", "en"))
    assert line in " ".join(page.replace("│", "").split())


A = np.arange(6.0).reshape(2, 3) + 1
PAGE = Page("text", {"A": A, "k": np.array([1, 0])}, {}, "L", {}, "I", {})


def test_zeros_around_a_sum_need_no_size() -> None:
    assert read("Σ₀(pad(A, [0:2,:]))", PAGE, A.sum(axis=0)).error == 0


def test_the_size_of_what_is_cut_is_found() -> None:
    B = np.vstack([A[::-1], np.zeros((2, 3))])
    line = "scatter_add(A, k)[:2,:] + scatter_add(A, k)[2:,:]"
    assert read(line, PAGE, B[:2] + B[2:]).error == 0


def test_only_last_axes_are_repeated_unasked_beside_three() -> None:
    names = {"T": np.ones((4, 2, 3)), "A": np.ones((4, 3)), "b": np.ones(3), "c": np.ones(4)}
    page = Page("text", names, {}, "L", {}, "I", {})
    for line in ("T ⊙ b = T", "T ⊙ A[:,∗,:] = T", "T ⊙ c[:,∗,∗] = T"):
        assert read(line, page).error == 0
    for line in ("T ⊙ A = T", "T ⊙ c = T"):
        with pytest.raises(ReadingError, match="first axes"):
            read(line, page)


@pytest.mark.parametrize("line", ["Σ₀(2 + pad(A, [0:2,:]))", "reshape[1×2×3](1 + A 1 1ᵀ)", "einsum(ij,jk→ik, A, 1 1ᵀ)"])
def test_a_size_that_matters_is_asked_for(line: str) -> None:
    with pytest.raises(ReadingError):
        read(line, PAGE, A.sum(axis=0))
