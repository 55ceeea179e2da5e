"""Changes that are right by chance are no explanations: what is constantly 1, and sizes that are equal."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from support.published import made

import chainrule as cr
from chainrule.grading.chances import without_changed

SOFTMAX = """
def forward(W: "h d", v: "d", U: "c h", y: "c"):
    h = np.tanh(W @ v)
    z = U @ h
    y_hat = np.exp(z) / np.sum(np.exp(z))
    return -np.sum(y * np.log(y_hat))
"""
ATTENTION = """
def forward(q: "{B} {T} {d}", k: "{B} {T} {d}"):
    B, T, C = q.shape
    nh = {nh}
    hd = C // nh
    qs = q.reshape(B, T, nh, hd).transpose(0, 2, 1, 3)
    ks = k.reshape(B, T, nh, hd).transpose(0, 2, 1, 3)
    return qs @ ks.transpose(0, 1, 3, 2) / np.sqrt(hd)
"""
BACKWARD = """
def backward(dout, q, k, qs, ks):
    B, T, C = q.shape
    nh = {nh}
    hd = C // nh
    dqs = dout @ ks / np.sqrt(C)
    dks = dout.transpose(0, 1, 3, 2) @ qs / np.sqrt(hd)
    dq = dqs.transpose(0, 2, 1, 3).reshape(B, T, C)
    dk = dks.transpose(0, 2, 1, 3).reshape(B, T, C)
    return dq, dk
"""


@pytest.mark.parametrize("factor", ["y_hat[0]", "y_hat.max()", "np.sum(y_hat[1:])"])
def test_a_factor_that_does_not_belong_is_not_made_one_by_a_sum_of_probabilities(factor: str, tmp_path: Path) -> None:
    source = f"""
    def backward(W, v, U, y, h, y_hat):
        dz = y_hat - y
        dU = np.outer(dz, h)
        delta = (U.T @ dz) * (1 - h ** 2)
        dW = np.outer(v, delta).T * {factor}
        return dW, dU
    """
    first = cr.grade(made(source, "backward", tmp_path), made(SOFTMAX, "forward", tmp_path)).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.name == "dW"
    assert first.diagnosis.kind == "extra operand"
    assert first.diagnosis.code == "dW = np.outer(v, delta).T"


@pytest.mark.parametrize(
    ("sizes", "mended"),
    [
        ({"B": 2, "T": 3, "d": 4, "nh": 2}, ""),
        ({"B": 3, "T": 5, "d": 6, "nh": 2}, "dqs = dout @ ks / np.sqrt(C / nh)"),  # hd is B
        ({"B": 5, "T": 4, "d": 6, "nh": 2}, "dqs = dout @ ks / np.sqrt(hd)"),
    ],
)
def test_a_size_is_proposed_only_if_no_other_is_equal(sizes: dict[str, int], mended: str, tmp_path: Path) -> None:
    forward = made(ATTENTION.format(**sizes), "forward", tmp_path)
    first = cr.grade(made(BACKWARD.format(**sizes), "backward", tmp_path), forward).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.name == "dqs"
    assert first.diagnosis.code == mended
    assert mended or first.diagnosis.kind == "factor"


@pytest.mark.parametrize(
    ("before", "after", "less"),
    [
        ("g = a * s[0]", "g = a * s.sum()", ["g = a"]),
        ("g = f(a / np.sqrt(s)) + b", "g = f(a / np.sqrt(t)) + b", ["g = f(a) + b"]),
        ("g = a * (b * s[0])", "g = a * (b * s.sum())", ["g = a", "g = a * b"]),
        ("g = a * 2", "g = a * 1", []),
        ("g = a + s[0]", "g = a + s.sum()", []),
        ("g = s[0] / a", "g = s.sum() / a", ["g = 1 / a"]),
        ("g = a * s[0] / n", "g = a * s.sum() / n", ["g = 1 / n", "g = a / n"]),
    ],
)
def test_changed_factors_are_left_out(before: str, after: str, less: list[str]) -> None:
    old, new = (ast.parse(code).body[0] for code in (before, after))
    assert [ast.unparse(each) for each in without_changed(old, new)] == less
    assert ast.unparse(new) == after
