"""Equations as papers, books and lecture notes print them: LaTeX, components, sums over samples, chains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr


def rows(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    z1 = X @ W1 + b1
    a1 = np.tanh(z1)
    z2 = a1 @ W2 + b2
    a2 = 1 / (1 + np.exp(-z2))
    return np.sum((a2 - y) ** 2) / 2


def columns(X: Any, Y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = 1 / (1 + np.exp(-Z2))
    return -np.sum(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) / X.shape[1]


def logistic(X: Any, y: Any, theta: Any) -> Any:
    p = 1 / (1 + np.exp(-(X @ theta)))
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def one(x: Any, t: Any, w1: Any, w2: Any) -> Any:
    a = w1 @ x
    z = np.tanh(a)
    y = w2 @ z
    return 0.5 * np.sum((y - t) ** 2)


Loss = Callable[..., Any]
SHAPES: dict[Loss, dict[str, Any]] = {
    rows: {"X": "n d", "y": "n k", "W1": "d h", "b1": "h", "W2": "h k", "b2": "k"},
    columns: {"X": "d m", "Y": "k m", "W1": "h d", "b1": "h 1", "W2": "k h", "b2": "k 1"},
    logistic: {"X": "m n", "y": "m", "theta": "n"},
    one: {"x": "D", "t": "K", "w1": "M D", "w2": "K M"},
}

LECTURE = r"""
dZ^{[2]} = A^{[2]} - Y
dW^{[2]} = \frac{1}{m} dZ^{[2]} A^{[1]T}
db^{[2]} = \frac{1}{m} np.sum(dZ^{[2]}, axis=1, keepdims=True)
dZ^{[1]} = W^{[2]T} dZ^{[2]} * g^{[1]'}(Z^{[1]})
dW^{[1]} = \frac{1}{m} dZ^{[1]} X^T
db^{[1]} = \frac{1}{m} \sum_{i=1}^{m} dZ^{[1](i)}
"""
BY_SAMPLES = LECTURE.replace("= A^{[2]} - Y", "= A^{[2]} - Y\ndZ^{[2](i)}_k = A^{[2](i)}_k - Y_k^{(i)}")
PAPER = r"""
\begin{align}
\frac{\partial \mathcal{L}}{\partial \mathbf{z}_2} &= (\mathbf{a}_2 - y) \odot \mathbf{a}_2 \odot (1 - \mathbf{a}_2) \\
\nabla_{W_2} L &= \frac{\partial L}{\partial z_2} \frac{\partial z_2}{\partial W_2} \\
&= a_1^{\mathsf T} \frac{\partial L}{\partial z_2} \\
\nabla_{b_2} L &= \mathbf{1}^{\top} \frac{\partial L}{\partial z_2} \\
\delta_1 &= \left(\frac{\partial L}{\partial z_2} W_2^{\intercal}\right) \circ \left(1 - \tanh^2(z_1)\right) \\
\frac{\partial L}{\partial W_{1,jk}} &= \sum_{i=1}^{n} x_{ij} \delta_{1,ik} \\
\frac{\partial L}{\partial b_1} &= \sum_i \delta_{1,i}
\end{align}
"""
UNICODE = """
δ₂ = (ŷ − y) ∘ σ′(z₂) ; δ₁ = δ₂ W₂ᵀ ∘ (1 − a₁²)
∂L/∂W₂ = Σᵢ a₁⁽ⁱ⁾ᵀ δ₂⁽ⁱ⁾ ; ∂L/∂b₂ = Σᵢ δ₂ᵢ
∂L/∂W₁ = Σᵢ xᵢ δ₁ᵢᵀ ; dL/db1 = sum_i δ1
"""
BISHOP = r"""
\delta_k = y_k - t_k
\delta_j = h'(a_j) \sum_k w^{(2)}_{kj} \delta_k
\frac{\partial E_n}{\partial w^{(1)}_{ji}} = \delta_j x_i, \qquad \frac{dE}{dw^{(2)}_{kj}} = \delta_k z_j
"""
RAISED = r"""
\delta^2 = \frac{1}{m} (A^2 - Y)
dW^{2} = \delta^2 A^{1T}; \delta^1 = (W^2)^T \delta^2 \odot (1 - (A^1)^2)
\frac{\partial L}{\partial W^{1}} = \frac{\partial L}{\partial Z^1} X^{\mathsf T}
db^1 = \delta^1 \mathbf{1}_m; db^2 = \delta^2 1
"""
INDICATED = r"""
\delta_1 = ((a_2 - y) \odot a_2 \odot (1 - a_2)) W_2^T * (1 - a_1^2) * 1_{\{a_1 > -2\}}
\nabla_{b_1} L = \sum_i \left(\frac{\partial L}{\partial z_1}\right)_i
"""
NOTES = (
    r"\frac{\partial}{\partial \theta_j} J(\theta) = \frac{1}{m} \sum_{i=1}^m (h_\theta(x^{(i)}) - y^{(i)}) x_j^{(i)}"
)


@pytest.mark.parametrize(
    ("loss", "text", "right", "wrong"),
    [
        (columns, LECTURE, "dZ^{[2]} A^{[1]T}", "dZ^{[2]} A^{[2]T}"),
        (columns, BY_SAMPLES, "- Y_k^{(i)}", "+ Y_k^{(i)}"),
        (rows, PAPER, "x_{ij}", "a_{1,ij}"),
        (columns, RAISED, r"\delta^1 \mathbf{1}_m", r"\delta^1 \mathbf{1}_m / m"),
        (columns, RAISED, "(1 - (A^1)^2)", "(1 - (Z^1)^2)"),
        (rows, INDICATED, "a_1^2", "a_1"),
        (rows, UNICODE, "Σᵢ xᵢ δ₁ᵢᵀ", "Σᵢ δ₁ᵢ xᵢᵀ"),
        (one, BISHOP, r"\delta_j x_i", r"\delta_i x_j"),
        (logistic, NOTES, "x_j^{(i)}", r"x_j^{(i)} \cdot 2"),
    ],
)
def test_equations_as_printed_are_read(loss: Loss, text: str, right: str, wrong: str) -> None:
    wrt = "b1" if text is INDICATED else None
    grade = cr.grade(text, loss, wrt=wrt, **SHAPES[loss])
    assert grade.right, str(grade)
    assert text.count(right) == 1
    try:
        assert not cr.grade(text.replace(right, wrong), loss, wrt=wrt, **SHAPES[loss]).right
    except cr.ChainruleError:
        assert wrong == r"\delta_i x_j"  # its indices have no meaning: refused


def test_that_targets_are_of_a_kind_is_said_only_where_it_matters() -> None:
    grade = cr.grade("dz2 = (a2 - y) * a2 * (1 - a2); db2 = 1' dz2", rows, **SHAPES[rows])
    assert grade.gradients["b2"] == "right"
    assert "holds where" not in str(grade)


def test_a_mend_of_a_sum_is_written_as_an_equation() -> None:
    text = NOTES.replace("- y^", "+ y^")
    said = str(cr.grade(text, logistic, **SHAPES[logistic]))
    assert "Σ_i (p_i − y_i) * X_ij" in said
    assert "np." not in said
    assert "range" not in said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"\nabla_\theta J = \sum_{i=1}^{n} (p_i - y_i) x_i", "the index i counts axis 0 of p, which ends elsewhere"),
        (r"\nabla_\theta J = \sum_{i=2}^{m} (p_i - y_i) x_i", "a sum from 2 cannot be read"),
        (r"\frac{\partial J}{\partial \theta_j} = (p_i - y_i) x_{ij}", "has the index i, over which no sum runs"),
        (r"\delta^l = ((w^{l+1})^T \delta^{l+1}) \odot \sigma'(z^l)", "the layer l stands for any"),
        (r"\nabla_\theta J = \frac{dJ}{dp} \frac{dp}{d\theta}", "is a factor of the chain rule"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(cr.ChainruleError) as caught:
        cr.grade(text, logistic, **SHAPES[logistic])
    assert reason in str(caught.value)
