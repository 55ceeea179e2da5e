"""Mends and formulas read as a person would write them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.published import made

import chainrule as cr
from chainrule.grading import Grade

AFFINE = """
def forward(x: "n d", w: "d m", b: "m"):
    out = x @ w + b
    return out
"""
LINEAR = """
def forward(X: "n d", W: "d c", b: "c", Y: "n c"):
    R = X @ W + b - Y
    return 0.5 * np.sum(R ** 2)
"""
VECTOR = """
def forward(x: "d", W: "h d", b: "h", t: "h"):
    a = np.tanh(W @ x + b)
    return 0.5 * np.sum((a - t) ** 2)
"""
HUBER = """
def forward(X: "n d", y: "n", w: "d", delta: ""):
    r = X @ w - y
    return np.mean(np.where(np.abs(r) <= delta, 0.5 * r ** 2, delta * (np.abs(r) - 0.5 * delta)))
"""
PENALTY = """
def forward(X: "{n} d", y: "{n}", w: "d", lam: ""):
    m = X.shape[0]
    r = X @ w - y
    return np.sum(r ** 2) / m + lam / (2 * m) * np.sum(w ** 2)
"""


def graded(source: str, forward: str, folder: Path) -> Grade:
    return cr.grade(made(source, "backward", folder), made(forward, "forward", folder))


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("dw = dout.T @ x", "dw = x.T @ dout"),
        ("dw = np.dot(dout.T, x)", "dw = np.dot(x.T, dout)"),
        ("dw = dout.T.dot(x)", "dw = x.T.dot(dout)"),
    ],
)
def test_the_transpose_of_a_product_is_the_product_of_transposes(wrong: str, right: str, tmp_path: Path) -> None:
    source = f"""
    def backward(dout, x, w, b):
        dx = dout @ w.T
        {wrong}
        db = dout.sum(axis=0)
        return dx, dw, db
    """
    first = graded(source, AFFINE, tmp_path).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.diagnosis.kind == "transposed"
    assert first.diagnosis.code == right
    assert first.diagnosis.values["after"] == right.partition(" = ")[2]


@pytest.mark.parametrize(
    ("db", "dW", "kind", "code"),
    [
        ("dz[None, :]", "np.outer(dz, x)", "shape", "db = dz"),
        ("dz[np.newaxis, :]", "np.outer(dz, x)", "shape", "db = dz"),
        ("dz", "dz[None, :] * x[:, None]", "transposed", "dW = dz[:, None] * x[None, :]"),
    ],
)
def test_axes_that_an_index_adds(db: str, dW: str, kind: str, code: str, tmp_path: Path) -> None:
    source = f"""
    def backward(x, W, b, t):
        a = np.tanh(W @ x + b)
        dz = (a - t) * (1 - a ** 2)
        db = {db}
        dW = {dW}
        return dW, db
    """
    first = graded(source, VECTOR, tmp_path).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.diagnosis.kind == kind
    assert first.diagnosis.code == code


def test_an_axis_added_where_a_sum_belongs(tmp_path: Path) -> None:
    source = """
    def backward(X, W, b, Y):
        R = X @ W + b - Y
        dW = X.T @ R
        db = R[None, :]
        return dW, db
    """
    first = graded(source, LINEAR, tmp_path).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.diagnosis.kind == "missing sum"
    assert first.diagnosis.code == "db = R.sum(axis=0)"


@pytest.mark.parametrize(
    ("lines", "wrong", "code"),
    [
        (
            "dr = r.copy()\n        far = np.abs(r) > delta\n        dr[far] = delta",
            "dr[far] = delta",
            "dr[far] = delta * np.sign(r[far])",
        ),
        (
            "dr = np.where(np.abs(r) <= delta, r, delta)",
            "dr = np.where(np.abs(r) <= delta, r, delta)",
            "dr = np.where(np.abs(r) <= delta, r, delta * np.sign(r))",
        ),
        (
            "dr = np.zeros(len(y))\n        for i in range(len(y)):\n            dr[i] = r[i]\n"
            "            if abs(r[i]) > delta:\n                dr[i] = delta",
            "dr[i] = delta",
            "dr[i] = delta * np.sign(r[i])",
        ),
    ],
    ids=["mask", "where", "loop"],
)
def test_a_forgotten_sign_of_a_far_residual(lines: str, wrong: str, code: str, tmp_path: Path) -> None:
    source = f"""
    def backward(X, y, w, delta):
        r = X @ w - y
        {lines}
        dw = X.T @ dr / len(y)
        return dw
    """
    first = graded(source, HUBER, tmp_path).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.source == wrong
    assert first.diagnosis.kind == "missing operand"
    assert first.diagnosis.code == code


@pytest.mark.parametrize("n", ["n", "6"])
def test_a_penalty_over_twice_the_number_of_samples_is_reduced(n: str, tmp_path: Path) -> None:
    source = """
    def backward(X, y, w, lam):
        m = len(y)
        dw = 2 / m * X.T @ (X @ w - y)
        return dw
    """
    first = graded(source, PENALTY.replace("{n}", n), tmp_path).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.diagnosis.kind == "missing term"
    said = f"{first.diagnosis.values['after']} {first.diagnosis.formula}"
    assert "2 λ" not in said
    assert "1/6" not in said
    assert first.diagnosis.values["after"] in ("(λ / n) w", "(1/m) λ · w")


def test_an_underscore_is_no_name(tmp_path: Path) -> None:
    source = """
    def backward(X, W, b, Y):
        _ = Y - X @ W - b
        dW = X.T @ _
        db = _.sum(axis=0)
        return dW, db
    """
    grade = graded(source, LINEAR, tmp_path)
    assert "_ should" not in str(grade)
    assert "_ is" not in str(grade)


@pytest.mark.parametrize(("axis", "status"), [(0, "confirmed"), (1, "consequence")])
def test_what_a_helper_gives_in_a_container_is_judged_where_it_is_called(
    axis: int, status: str, tmp_path: Path
) -> None:
    source = f"""
    def inner(R, X):
        return {{"W": X.T @ R, "b": R.sum(axis={axis})}}

    def backward(X, W, b, Y):
        R = X @ W + b - Y
        grads = inner(R, X)
        return grads
    """
    lines = {line.name: line for line in graded(source, LINEAR, tmp_path).lines}
    assert lines["grads"].status == status
    assert lines["grads"].meaning == ("" if axis else "∂L/∂W, ∂L/∂b")
