"""Thresholds of kinks are noticed when they are left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.published import made

import chainrule as cr

TRIPLET = """
def forward(a: "n d", p: "n d", q: "n d", margin: ""):
    near = np.sum((a - p) ** 2, axis=1)
    far = np.sum((a - q) ** 2, axis=1)
    return np.mean(np.maximum(near - far + margin, 0))
"""


@pytest.mark.parametrize("seed", [1, 2, 3, 7])
@pytest.mark.parametrize(("margin", "right"), [(" + margin", True), ("", False)])
def test_a_margin_left_out_is_noticed_whatever_its_sign(
    margin: str, right: bool, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng
    monkeypatch.setattr("chainrule.grading.points.np.random.default_rng", lambda _: generator(seed))
    source = f"""
    def backward(a, p, q, margin):
        near = ((a - p) ** 2).sum(1)
        far = ((a - q) ** 2).sum(1)
        active = (near - far{margin} > 0)[:, None]
        da = 2 * active * (q - p) / len(a)
        return da
    """
    grade = cr.grade(made(source, "backward", tmp_path), made(TRIPLET, "forward", tmp_path), wrt="a")
    assert grade.right == right


SAMPLED = """
def forward(v: "d", u: "d", N: "k d"):
    return -np.log(1 / (1 + np.exp(-np.dot(u, v)))) - np.sum(np.log(1 / (1 + np.exp(np.dot(N, v)))))
"""


@pytest.mark.parametrize("function", ["1 / (1 + np.exp({}))", "sigmoid({})"])
def test_a_sign_forgotten_inside_a_function(function: str, tmp_path: Path) -> None:
    inner = ("np.dot(N, v)", "-np.dot(N, v)") if "exp" in function else ("-np.dot(N, v)", "np.dot(N, v)")
    source = f"""
    def backward(v, u, N):
        near = {function.format("-np.dot(u, v)" if "exp" in function else "np.dot(u, v)")}
        far = {function.format(inner[0])}
        dv = (near - 1) * u + np.dot(far, N)
        du = (near - 1) * v
        dN = np.outer(far, v)
        return dv, du, dN
    """
    first = cr.grade(
        made(source, "backward", tmp_path), made(SAMPLED, "forward", tmp_path), wrt=("v", "u", "N")
    ).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.name == "far"
    assert first.diagnosis.kind == "sign"
    assert first.diagnosis.code == f"far = {function.format(inner[1])}"
