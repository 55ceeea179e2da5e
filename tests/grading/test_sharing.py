"""Changes of an answer are tried on shared arrays, which none of them changes, and screened by single entries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.published import made

import chainrule as cr
from chainrule.cage.running import Snapshot

FORWARD = """
def forward(X: "n d", W1: "d h", b1: "h", W2: "h c", Y: "n c"):
    Z = X @ W1 + b1
    A = np.maximum(Z, 0)
    S = A @ W2
    return 0.5 * np.sum((S - Y) ** 2)
"""


def test_variables_that_are_written_are_copied_with_their_other_names() -> None:
    array, other = np.zeros(2), np.ones(3)
    snapshot = Snapshot({"a": array, "b": array, "c": other, "d": [array, other]}, ["a", "b", "c", "d"], {})
    run = snapshot.copied(shares=True)
    with pytest.raises(ValueError, match="read-only"):
        run["a"] += 1
    assert snapshot.note_written(compile("a += 1", "", "exec"))
    assert not snapshot.note_written(compile("a += 1", "", "exec"))
    run = snapshot.copied(shares=True)
    run["a"] += 1
    assert run["b"] is run["a"] is run["d"][0]
    assert run["c"] is run["d"][1] is other
    assert not array.any()


def test_all_is_copied_that_is_not_shared() -> None:
    array = np.zeros(2)
    snapshot = Snapshot({"a": array, "d": (array,)}, ["a", "d"], {})
    snapshot.copied(shares=True)
    run = snapshot.copied(shares=False)
    run["a"] += 1
    assert run["d"][0] is run["a"]
    assert not array.any()


@pytest.mark.parametrize(
    "mask",
    ["dZ[Z <= 0] = 0", "dZ *= Z > 0", "np.multiply(dZ, Z > 0, out=dZ)", "dZ.shape = Z.shape\n        dZ *= Z > 0"],
)
@pytest.mark.parametrize(
    ("wrong", "kind", "right"),
    [("dS = S + Y", "sign", "dS = S - Y"), ("dW1 = X.T @ A", "operand", "dW1 = X.T @ dZ")],
)
def test_a_mistake_above_or_below_what_is_changed_in_place(
    mask: str, wrong: str, kind: str, right: str, tmp_path: Path
) -> None:
    source = f"""
    def backward(X, W1, b1, W2, Y):
        Z = X @ W1 + b1
        A = np.maximum(Z, 0)
        S = A @ W2
        dS = S - Y
        dW2 = A.T @ dS
        dA = dS @ W2.T
        dZ = dA
        {mask}
        dW1 = X.T @ dZ
        db1 = dZ.sum(axis=0)
        return dW1, db1, dW2
    """.replace(right, wrong)
    grade = cr.grade(made(source, "backward", tmp_path), made(FORWARD, "forward", tmp_path))
    first = grade.first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.source == wrong
    assert first.diagnosis.kind == kind
    assert first.diagnosis.code in (right, right.replace("dZ", "dA"))  # one array with two names


def test_a_gradient_of_low_precision_passes_its_probe(tmp_path: Path) -> None:
    source = """
    def backward(X, W1, b1, W2, Y):
        Z = X @ W1 + b1
        A = np.maximum(Z, 0)
        dS = (A @ W2 + Y).astype(np.float32)
        dZ = (dS @ W2.T.astype(np.float32)) * (Z > 0)
        return X.T.astype(np.float32) @ dZ, dZ.sum(axis=0), A.T.astype(np.float32) @ dS
    """
    first = cr.grade(made(source, "backward", tmp_path), made(FORWARD, "forward", tmp_path)).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.diagnosis.kind == "sign"
