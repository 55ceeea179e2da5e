"""Products with broadcast numbers and vectors: each factor is written with its shape in the product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.gallery import GALLERY


@pytest.mark.parametrize(
    ("formula", "shapes", "expected"),
    [
        ("sum(A@B@C)", {}, {"A": "1 1ᵀ Cᵀ Bᵀ", "B": "Aᵀ 1 1ᵀ Cᵀ", "C": "Bᵀ Aᵀ 1 1ᵀ"}),
        ("sum(X@W)", {"X": "n d", "W": "d h"}, {"X": "1 1ᵀ Wᵀ", "W": "Xᵀ 1 1ᵀ"}),
        ("sum(W@x)", {"W": "m n", "x": "n"}, {"W": "1 xᵀ", "x": "Wᵀ 1"}),
        (
            "mean(X@W+b)",
            {"X": "n d", "W": "d k", "b": "k"},
            {"X": "(1 / (k · n)) · 1 1ᵀ Wᵀ", "W": "(1 / (k · n)) Xᵀ 1 1ᵀ", "b": "(1/k) · 1"},
        ),
    ],
)
def test_a_repeated_number_is_a_product_of_vectors_of_ones(
    formula: str, shapes: dict[str, str], expected: dict[str, str]
) -> None:
    derivation = cr.derive(formula, wrt=list(expected), **shapes)
    assert derivation.verify().ok
    text = derivation.text()
    for name, gradient in expected.items():
        assert f"│ ∂L/∂{name} = {gradient} " in text


def test_a_contraction_that_is_no_product_of_matrices_is_not_written_as_one() -> None:
    text = cr.derive(GALLERY["mixture_of_experts"].function).text()
    assert "∂L/∂W = einsum(ke,d→ked, " in text


def test_the_shapes_of_two_factors_are_given_to_two_factors_only() -> None:
    text = cr.derive("x' * inv(A) * x", wrt="A").text()
    (line,) = [line for line in text.splitlines() if line.startswith("│ ∂L/∂A")]
    assert "−A⁻ᵀ x xᵀ A⁻ᵀ" in line
    assert "(n×n)(n×n)" not in line


def test_every_matrix_of_a_stack_meets_the_vector() -> None:
    derivation = cr.derive("sum((A@v - y)**2)", wrt="A", A="b h n k", v="k", y="b h n")
    assert derivation.verify().ok
    assert "Σ (A v − y)²" in derivation.text(detail="brief")


def tangent(x: Any) -> Any:
    r = np.tan(x)
    return np.sum(r * np.array([0.3, 0.2]))


def divided_by_root_and_number(v: Any, x: Any) -> Any:
    r = x / np.sqrt(v)
    return np.sum(r * x) / v


def correlations(t: Any) -> Any:
    c = t / 4
    r = c / np.sqrt(np.diagonal(c))[:, None] / np.sqrt(np.diagonal(c))
    return np.sum(r * np.array([[1.0, 2.0], [3.0, -4.0]]))


@pytest.mark.parametrize(
    ("function", "shapes", "differential"),
    [
        (tangent, {"x": "2"}, "dr = (1 + r²) ⊙ dx"),
        (divided_by_root_and_number, {"v": "", "x": "2"}, "dr = −dv · r / (2 v)"),
        (correlations, {"t": "2 2"}, "− ½ r ⊙ ("),
    ],
)
def test_a_product_that_has_a_name_is_taken_out_once(function: Any, shapes: dict[str, str], differential: str) -> None:
    derivation = cr.derive(function, **shapes)
    assert derivation.verify().ok
    assert differential in derivation.text()
