"""The comparison of printed formulas: what is the same, and what is not."""

from __future__ import annotations

import pytest
from support.printed_formulas import FormulaTextError, parsed, same_formula, symbols

AXES = {
    "A": 2,
    "B": 2,
    "X": 2,
    "a": 1,
    "b": 1,
    "x": 1,
    "y": 1,
    "c": 0,
    "n": 0,
    "lam": 0,
    "L": 0,
    "δ1": 1,
    "x_hat": 2,
    "i": 0,
    "k": 0,
}

SAME = [
    ("a − b", "−b + a"),
    ("a + b − x", "−x + b + a"),
    ("a + (b − x)", "a + b − x"),
    ("2 A x", "A (2 x)"),
    ("2 A x", "2 · (A x)"),
    ("lam · (A x)", "A x · lam"),
    ("a ⊙ b", "b ⊙ a"),
    ("a ⊙ (b ⊙ x)", "x ⊙ a ⊙ b"),
    ("(A B) X", "A (B X)"),
    ("x / (2 c)", "½ x / c"),
    ("(1/n) x", "x / n"),
    ("x / c / n", "x / (n · c)"),
    ("2 (x / y)", "2 x / y"),
    ("2 (x ⊙ y)", "y ⊙ 2 x"),
    ("(1/√n) x", "x / √n"),
    ("aᵀ x", "xᵀ a"),
    ("(xᵀ A y) · a", "a xᵀ A y"),
    ("a (xᵀ y)", "(yᵀ x) · a"),
    ("c · A⁻ᵀ", "A⁻ᵀ c"),
    ("c⁻¹ · x", "x / c"),
    ("A x ⊙ y", "(A x) ⊙ y"),
    ("((A + Aᵀ) x − 2 L · x) / (xᵀ x)", "((Aᵀ + A) x − x · 2 L) / (xᵀ x)"),
    ("1[x > 0]", "1[0 < x]"),
    ("max(x, 0)", "max(0, x)"),
    ("c ‖x‖²", "‖x‖² · c"),
    ("σ(x) ⊙ (1 − σ(x))", "(−σ(x) + 1) ⊙ σ(x)"),
    ("∂L/∂x ⊙ a", "a ⊙ ∂L/∂x"),
    ("0.5 x", "½ x"),
    ("Σ (x²)", "Σ x²"),
    ("2 Σₖ A[i,k] x[k]", "2 · (Σₖ x[k] A[i,k])"),
    ("Σₖ (A[i,k]) x[k]", "Σₖ A[i,k] x[k]"),
]
OTHERS = [
    ("A B", "B A"),
    ("A x", "x A"),
    ("a − b", "b − a"),
    ("−(a − b)", "b − a"),
    ("a − (b − x)", "a − b − x"),
    ("a − (b − x)", "a − b + x"),
    ("2 A x", "A x"),
    ("2 A x", "3 A x"),
    ("a bᵀ", "b aᵀ"),
    ("aᵀ b", "a bᵀ"),
    ("(A B)ᵀ", "Bᵀ Aᵀ"),
    ("A x + B x", "(A + B) x"),
    ("A (x ⊙ y)", "(A x) ⊙ y"),
    ("A A", "A ⊙ A"),
    ("x ⊙ x", "x²"),
    ("x", "x / 1 ⊙ x / x"),
    ("xᵀ A y", "yᵀ A x"),
    ("xᵀ A y", "xᵀ A a"),
    ("x yᵀ a", "a yᵀ x"),
    ("1ᵀ A", "A 1"),
    ("1 xᵀ", "x 1ᵀ"),
    ("A⁻ᵀ", "A⁻¹"),
    ("A⁻¹", "Aᵀ"),
    ("x / y", "y / x"),
    ("x / (a ⊙ b)", "x / a ⊙ b"),
    ("1[x > 0]", "1[x < 0]"),
    ("1[x > 0]", "1[x ≥ 0]"),
    ("|x|", "x"),
    ("‖x‖", "‖x‖²"),
    ("σ(x)", "σ′(x)"),
    ("softmax(x)", "softmax(y)"),
    ("mean₀(A)", "mean₁(A)"),
    ("a if c > 0, else b", "b if c > 0, else a"),
    ("∂L/∂x", "∂L/∂y"),
    ("a", "δ1"),
    ("x^c", "x^n"),
    ("A[:2]", "A[2:]"),
    ("a + 0 b", "a"),
    ("Σₖ A[i,k]", "Σₖ A[k,i]"),
    ("Σₖ A[i,k]", "Σᵢ A[i,k]"),
    ("Σₖ A[i,k] + c", "Σₖ (A[i,k] + c)"),
]
NO_FORMULAS = ["a +", "(a", "a)", "q", "a § b", "a b ] c", "1[a > ", "a if c > 0"]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_formulas_that_are_the_same(one: str, other: str) -> None:
    assert same_formula(one, other, AXES)


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_formulas_that_are_not_the_same(one: str, other: str) -> None:
    assert not same_formula(one, other, AXES)


@pytest.mark.parametrize("text", NO_FORMULAS)
def test_what_is_no_formula(text: str) -> None:
    with pytest.raises(FormulaTextError):
        parsed(text, AXES)


@pytest.mark.parametrize(
    ("text", "count"), [("a", 1), ("2 a xᵀ", 4), ("(a + b) x", 6), ("A⁻ᵀ ⊙ x_hat", 4), ("∂L/∂x", 1), ("σ(x)", 4)]
)
def test_a_reader_counts_symbols(text: str, count: int) -> None:
    assert symbols(text) == count
