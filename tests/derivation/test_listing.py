from __future__ import annotations

from typing import Any

import numpy as np

import chainrule as cr


def test_a_line_for_each_named_value_and_each_output() -> None:
    def model(X: Any, W: Any, c: Any) -> Any:
        z = X @ W
        a = np.tanh(z)
        return c * a, np.sum(a**2), X

    assert cr.equations(cr.trace(model, X="n d", W="d h", c="")).splitlines() == [
        "z = X W",
        "a = tanh(z)",
        "output1 = c · a",
        "output2 = Σ a²",
    ]


def test_an_optimizer_as_equations() -> None:
    assert cr.equations(cr.Adam(clip_norm=1.0).program()).splitlines() == [
        "corrected_learning_rate = learning_rate · √(1 − β2^(step + 1)) / (1 − β1^(step + 1))",
        "share1 = 1 − β1",
        "gradient_norm = √(Σ (∂L/∂W)²)",
        "clip_factor = min(clip_norm / (gradient_norm + 10⁻⁶), 1)",
        "next_W_mean = W_mean + share1 · (clip_factor · ∂L/∂W − W_mean)",
        "share2 = 1 − β2",
        "next_W_mean_square = β2 · W_mean_square + share2 · (clip_factor · ∂L/∂W)²",
        "corrected_ε = ε · √(1 − β2^(step + 1))",
        "next_W = W − corrected_learning_rate · next_W_mean / (√next_W_mean_square + corrected_ε)",
    ]


def test_a_schedule_is_part_of_the_equations() -> None:
    listed = cr.equations(cr.SGD(cr.schedules.StepDecay(0.1, every=5)).program())
    assert (
        listed.splitlines()[0]
        == "learning_rate = learning_rate_learning_rate · learning_rate_factor^(⌊step / learning_rate_every⌋)"
    )
