"""A random draw is one symbol in a derivation, and every line holds for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr


def named(function: Any, **shapes: str) -> dict[str, str]:
    """Return the names of a derivation's equations, with their right sides."""
    derivation = cr.derive(function, **shapes)
    assert derivation.verify().ok
    lines = derivation.text(width=200).split("Forward pass")[1].split("Linearize")[0].splitlines()
    equations = [line.split("  ")[1].split(" = ") for line in lines if " = " in line]
    return {left: right.strip() for left, right in equations}


def test_masks_are_named_m() -> None:
    def loss(X: Any, W: Any, V: Any) -> Any:
        h = cr.dropout(np.tanh(X @ W), 0.5)
        return np.sum(cr.dropout(h @ V, 0.2) ** 2)

    lines = named(loss, X="n d", W="d h", V="h o")
    assert lines["m1"] == "2 1[uniform(1) ≥ ½]"
    assert lines["h"].endswith("⊙ m1")
    assert lines["m2"] == "1.25 1[uniform(2) ≥ 0.2]"
    assert (lines["U"], lines["L"]) == ("(h V) ⊙ m2", "Σ U²")  # the gradient repeats it


def test_a_single_mask_is_m_unless_the_user_has_an_m() -> None:
    assert "m" in named(lambda X, w: np.sum(cr.dropout(X, 0.5) @ w), X="n d", w="d")
    lines = named(lambda m, w: np.sum(cr.dropout(m, 0.5) @ w), m="n d", w="d")
    assert "m1" in lines
    assert "m" not in lines


def test_noise_is_named_eps_and_u() -> None:
    lines = named(lambda mu, s: np.sum((mu + s * cr.random_normal(mu.shape)) ** 2), mu="n", s="")
    assert lines["ε"].startswith("√(−2 ln(1 − uniform(1))) ⊙ cos(")
    assert (lines["u"], lines["L"]) == ("μ + s · ε", "Σ u²")
    lines = named(lambda a: np.sum(a * cr.random_uniform(a.shape)), a="n")
    assert lines == {"u": "uniform(1)", "L": "Σ (a ⊙ u)"}


def test_names_that_the_user_gave_stay() -> None:
    def loss(w: Any) -> Any:
        noise = cr.random_normal(w.shape)
        keep = cr.random_uniform(w.shape) < 0.9
        return np.sum(w * noise * np.where(keep, 1.0, 0.0))

    assert {"noise", "keep"} <= named(loss, w="n").keys()
    assert "eps" not in named(loss, w="n")


@pytest.mark.parametrize(("lang", "words"), [("en", "uniform(k) is draw number k"), ("zh", "uniform(k) 为第 k 次")])
def test_the_legend_says_what_a_draw_is_and_shapes_are_those_of_arguments(lang: Any, words: str) -> None:
    derivation = cr.derive(lambda X, w: np.sum(cr.dropout(X, 0.5) @ w), X="n d", w="d")
    for form in ("matrix", "path", "index"):
        text = derivation.text(form=form, lang=lang)
        assert words in " ".join(text.split())
        assert "rng" not in text
    assert r"\operatorname{uniform}(1)" in derivation.latex()
