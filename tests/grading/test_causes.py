"""Causes that lie beside the line at which a value is first wrong, or that random points alone would not show."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.published import made

import chainrule as cr


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def slope(z: Any) -> Any:
    return sigmoid(z)


def _difference(output: Any, y: Any) -> Any:
    return y - output


def _triplet(a: Any, b: Any, c: Any) -> Any:
    near = np.sum((a - b) ** 2, axis=1)
    far = np.sum((a - c) ** 2, axis=1)
    return np.mean(np.maximum(near - far + 0.2, 0))


def _rectified(X: Any, y: Any, W1: Any, W2: Any) -> Any:
    Z = X @ W1
    A = np.maximum(Z, 0)
    return np.sum((A @ W2 - y) ** 2)


def _hinge(x: Any, y: Any) -> Any:
    correct = x[np.arange(5), y]
    margins = np.maximum(0, x - correct[:, np.newaxis] + 1.0)
    return np.sum(margins * (1 - np.eye(3)[y]))


def _network(X: Any, y: Any, W1: Any, W2: Any) -> Any:
    z1 = X @ W1
    a1 = sigmoid(z1)
    z2 = a1 @ W2
    a2 = sigmoid(z2)
    return np.sum((a2 - y) ** 2) / 2


def _listed(x: Any, y: Any, weights: Any, biases: Any) -> Any:
    a = x
    for w, b in zip(weights, biases, strict=True):
        a = sigmoid(w @ a + b)
    return np.sum((a - y) ** 2) / 2


def _standardized(x: Any) -> Any:
    xmu = x - np.mean(x, axis=0)
    var = np.mean(xmu**2, axis=0)
    sqrtvar = np.sqrt(var + 1e-5)
    ivar = 1.0 / sqrtvar
    return xmu * ivar


def _regression(X: Any, y: Any, W: Any, b: Any) -> Any:
    return np.mean(np.sum((X @ W + b - y) ** 2, axis=1))


def _layer(x: Any, y: Any, W: Any) -> Any:
    return np.sum((W @ x - y) ** 2)


def _one_layer(X: Any, y: Any, syn0: Any) -> Any:
    l1 = sigmoid(X @ syn0)
    return np.sum((l1 - y) ** 2) / 2


def _two_states(x: Any, a: Any, b: Any) -> Any:
    s, p = 0.5, 0.3
    for t in range(3):
        s = np.tanh(a * s + x[t])
        p = np.tanh(b * p + s)
    return p**2


MATRICES: dict[str, Any] = {"X": "n d", "y": "n k", "W1": "d h", "W2": "h k"}


def _active(margin: float) -> Any:
    def backward(a: Any, b: Any, c: Any) -> Any:
        near = np.sum((a - b) ** 2, axis=1)
        far = np.sum((a - c) ** 2, axis=1)
        active = 2 * (near - far + margin > 0)[:, None] / len(a)
        return active * (c - b), active * (b - a), active * (a - c)

    return backward


def test_a_margin_that_is_left_out_is_noticed() -> None:
    shapes: dict[str, Any] = {"a": "n d", "b": "n d", "c": "n d"}
    assert cr.grade(_active(0.2), _triplet, **shapes).right
    assert not cr.grade(_active(0.0), _triplet, **shapes).right


def _of_pairs(a: Any, p: Any, q: Any) -> Any:
    near = np.sum((a - p) ** 2, axis=1)
    far = np.sum((a - q) ** 2, axis=1)
    active = (near - far > 0)[:, None] / len(a)
    da = active * 2 * (q - p)
    dpos = active * -2 * (a - p)
    dneg = active * 2 * (a - q)
    return da, dpos, dneg


def test_a_margin_that_is_left_out_is_named_where_it_belongs_and_every_returned_gradient_counts() -> None:
    def triplet(a: Any, p: Any, q: Any) -> Any:
        return _triplet(a, p, q)

    grade = cr.grade(_of_pairs, triplet, a="n d", p="n d", q="n d")
    assert grade.first_wrong is not None
    assert grade.first_wrong.diagnosis is not None
    assert grade.first_wrong.diagnosis.code == "active = (near - far + 0.2 > 0)[:, None] / len(a)"
    assert list(grade.gradients) == ["a", "p", "q"]


def _with_cost(X: Any, y: Any, w: Any, b: Any) -> Any:
    dz = 2 * (X @ w + b - y)
    grads = {"d" + "w": X.T @ dz, "d" + "b": np.sum(dz)}
    return 0.5, [grads]


def test_a_number_before_the_gradients_is_no_gradient_of_an_array() -> None:
    def loss(X: Any, y: Any, w: Any, b: Any) -> Any:
        return np.sum((X @ w + b - y) ** 2)

    assert cr.grade(_with_cost, loss, wrt=["w", "b"], X="n d", y="n:int", w="d", b="").right


def _masked_at_one(X: Any, y: Any, W1: Any, W2: Any) -> Any:
    Z = X @ W1
    A = np.maximum(Z, 0)
    dout = 2 * (A @ W2 - y)
    dZ = dout @ W2.T
    dZ[Z <= 1] = 0  # ✗
    return {"W1": X.T @ dZ, "W2": A.T @ dout}


def _masked_below(x: Any, y: Any) -> Any:
    margins = np.maximum(0, x - x[np.arange(5), y][:, np.newaxis] + 1.0)
    margins[np.arange(5), y] = 0
    active = np.sum(margins > 0, axis=1)
    dx = np.zeros_like(x)
    dx[margins < 0] = 1  # ✗
    dx[np.arange(5), y] -= active
    return dx


def _overwritten(X: Any, y: Any, W1: Any, W2: Any, lr: Any) -> Any:
    a1 = sigmoid(X @ W1)
    a2 = sigmoid(a1 @ W2)
    d2 = (a2 - y) * a2 * (1 - a2)
    d1 = d2 @ W2.T * a1 * (1 - a1)
    W2 -= lr * a1.T @ d2
    W1 = lr * X.T @ d1  # ✗
    return W1, W2


def _twice(X: Any, y: Any, W1: Any, W2: Any) -> Any:
    a1 = sigmoid(X @ W1)
    a2 = sigmoid(a1 @ W2)
    d2 = (a2 - y) * (1 - a2)  # ✗
    d1 = d2 @ W2.T * (1 - a1)  # ✗
    return X.T @ d1, a1.T @ d2


def _without_last_slope(x: Any, y: Any, weights: Any, biases: Any) -> Any:
    activations = [x]
    for w, b in zip(weights, biases, strict=True):
        activations.append(sigmoid(w @ activations[-1] + b))
    nabla_b: list[Any] = [None] * 3
    nabla_w: list[Any] = [None] * 3
    delta = activations[-1] - y  # ✗
    for k in (2, 1, 0):
        nabla_b[k] = delta
        nabla_w[k] = delta @ activations[k].T
        if k:
            delta = weights[k].T @ delta * activations[k] * (1 - activations[k])
    return nabla_b, nabla_w


def _unsquared(x: Any, dout: Any) -> Any:
    xmu = x - np.mean(x, axis=0)
    var = np.mean(xmu**2, axis=0)
    sqrtvar = np.sqrt(var + 1e-5)
    total = np.sum(dout * xmu, axis=0)
    dsqrtvar = -1.0 / sqrtvar * total  # ✗
    dvar = 0.5 / sqrtvar * dsqrtvar
    dxmu = dout / sqrtvar + 2 * xmu * dvar / x.shape[0]
    return dxmu - np.mean(dxmu, axis=0)


def _unscaled_beside_scaled(X: Any, y: Any, W: Any, b: Any) -> Any:
    n = X.shape[0]
    dW, db = np.zeros_like(W), np.zeros_like(b)
    for i in range(n):
        d = 2 * (X[i] @ W + b - y[i])
        dW += np.outer(X[i], d)
        db += d
    return dW, db / n  # ✗


def _without_own_class(x: Any, y: Any) -> Any:
    dx = np.zeros_like(x)
    for i in range(5):
        for j in range(3):
            margin = x[i, j] - x[i, y[i]] + 1.0
            if j != y[i] and margin > 0:
                dx[i, j] += 1  # ✗
    return dx


def _uphill(X: Any, y: Any, syn0: Any) -> Any:
    l1 = sigmoid(X @ syn0)
    l1_delta = (l1 - y) * l1 * (1 - l1)
    syn0 += X.T @ l1_delta  # ✗
    return syn0


def _in_comprehension(X: Any, y: Any, syn0: Any) -> Any:
    l1 = list(sigmoid(X @ syn0))
    deltas = [(1 - a) * (a - t) for a, t in zip(l1, y, strict=True)]  # ✗
    return {"syn0": X.T @ deltas}


def _inner(x: Any, y: Any, W: Any) -> Any:
    d = W @ x - y
    dW = np.dot(d, y)  # ✗
    return {"W": dW}


def _never_handed_on(x: Any, a: Any, b: Any) -> Any:
    ss, ps = [0.5], [0.3]
    for t in range(3):
        ss.append(np.tanh(a * ss[-1] + x[t]))
        ps.append(np.tanh(b * ps[-1] + ss[-1]))
    da, db = 0.0, 0.0
    ds_next, dp_next = 0.0, 2 * ps[-1]
    for t in (2, 1, 0):
        dp = dp_next * (1 - ps[t + 1] ** 2)
        db += dp * ps[t]
        ds = (ds_next + dp) * (1 - ss[t + 1] ** 2)
        da += ds * ss[t]
        dp_prev = dp * b  # ✗ # noqa: F841
        ds_prev = ds * a  # ✗ # noqa: F841
    return da, db


def _entropy(X: Any, y: Any, W1: Any, W2: Any) -> Any:
    z1 = X @ W1
    a1 = np.tanh(z1)
    z2 = a1 @ W2
    a2 = sigmoid(z2)
    return -np.mean(y * np.log(a2) + (1 - y) * np.log(1 - a2))


def _once_too_often(X: Any, y: Any, W1: Any, W2: Any) -> Any:
    a1 = np.tanh(X @ W1)
    a2 = sigmoid(a1 @ W2)
    dz2 = (a2 - y) * a2 * (1 - a2) / len(X)  # ✗
    return X.T @ (dz2 @ W2.T * (1 - a1**2)), a1.T @ dz2


def _penalized(X: Any, y: Any, W1: Any, W2: Any) -> Any:
    z1 = X @ W1
    a1 = np.tanh(z1)
    return np.sum((a1 @ W2 - y) ** 2) / 2 + 0.05 * (np.sum(W1**2) + np.sum(W2**2))


def _all_uphill(X: Any, y: Any, W1: Any, W2: Any, epsilon: float) -> None:
    a1 = np.tanh(X @ W1)
    delta3 = a1 @ W2 - y
    dW2 = a1.T @ delta3
    delta2 = delta3 @ W2.T * (1 - a1**2)
    dW1 = X.T @ delta2
    dW2 += 0.1 * W2
    dW1 += 0.1 * W1
    W1 += epsilon * dW1  # ✗
    W2 += epsilon * dW2  # ✗


@pytest.mark.parametrize(
    ("answer", "forward", "shapes", "kind", "mend"),
    [
        (_all_uphill, _penalized, MATRICES, "direction", "W1 -= epsilon * dW1"),
        (_masked_at_one, _rectified, MATRICES, "mask", "dZ[Z <= 0] = 0"),
        (_masked_below, _hinge, {"x": "5 3", "y": "5:int"}, "mask", "dx[margins > 0] = 1"),
        (_overwritten, _network, MATRICES, "missing term", "W1 -= lr * X.T @ d1"),
        (_once_too_often, _entropy, {"X": "n d", "y": "n 1", "W1": "d h", "W2": "h 1"}, "extra derivative", ""),
        (_twice, _network, MATRICES, "derivative", ""),
        (
            _without_last_slope,
            _listed,
            {"x": "4 1", "y": "2 1", "weights": [(3, 4), (3, 3), (2, 3)], "biases": [(3, 1), (3, 1), (2, 1)]},
            "missing derivative",
            "",
        ),
        (_unscaled_beside_scaled, _regression, {"X": "n d", "y": "n k", "W": "d k", "b": "k"}, "factor", "dW / n"),
        (_without_own_class, _hinge, {"x": "5 3", "y": "5:int"}, "missing term", ""),
        (_uphill, _one_layer, {"X": "n d", "y": "n", "syn0": "d"}, "direction", "syn0 -= X.T @ l1_delta"),
        (
            _in_comprehension,
            _one_layer,
            {"X": "n d", "y": "n", "syn0": "d"},
            "missing operand",
            "deltas = [(1 - a) * (a - t) * a for a, t in zip(l1, y, strict=True)]",
        ),
        (_inner, _layer, {"x": "3", "y": "2", "W": "2 3"}, "outer", ""),
        (_never_handed_on, _two_states, {"x": "3", "a": "", "b": ""}, "target", "dp_next = dp * b"),
        (_unsquared, _standardized, {"x": "n d"}, "power", "dsqrtvar = -1.0 / sqrtvar ** 2 * total"),
    ],
)
def test_the_cause_is_named(answer: Any, forward: Any, shapes: dict[str, Any], kind: str, mend: str) -> None:
    grade = cr.grade(answer, forward, wrt=["W1", "W2"] if "W1" in shapes else None, **shapes)
    wrong = [line.split("  #")[0].strip() for line in inspect.getsource(answer).splitlines() if "# ✗" in line]
    marked = [(line.source, line.diagnosis) for line in grade.lines if line.diagnosis is not None]
    assert [source for source, _ in marked] == wrong, str(grade)
    assert {diagnosis.kind for _, diagnosis in marked} == {kind}
    assert marked[0][1].code == mend


def _of_a_sample(x: Any, g: Any) -> Any:
    n = x.shape[0]
    centred = x - x.mean(0, keepdims=True)
    var = 1 / (n - 1) * (centred**2).sum(0, keepdims=True)
    return np.sum(g * np.tanh(centred * (var + 1e-5) ** -0.5))


def _of_all(x: Any, g: Any) -> Any:
    n = x.shape[0]
    inv = (x.var(0, keepdims=True, ddof=1) + 1e-5) ** -0.5
    out = (x - x.mean(0, keepdims=True)) * inv
    dout = g * (1 - np.tanh(out) ** 2)
    return inv / n * (n * dout - dout.sum(0) - out * (dout * out).sum(0))


def test_the_term_that_lacks_the_factor_of_a_sample_variance_is_named() -> None:
    first = cr.grade(_of_all, _of_a_sample, wrt="x", x="n d", g="1 d").first_wrong
    assert first is not None
    assert first.diagnosis is not None
    values = first.diagnosis.values
    assert (values["before"], values["after"]) == ("out * (dout * out).sum(0)", "n/(n − 1)")


def _of_helpers(X: Any, y: Any, W1: Any, W2: Any) -> Any:
    z1 = X @ W1
    a1 = sigmoid(z1)
    z2 = a1 @ W2
    d2 = (sigmoid(z2) - y) * slope(z2)
    return X.T @ (d2 @ W2.T * slope(z1)), a1.T @ d2


def _of_difference(X: Any, y: Any, W1: Any, W2: Any) -> Any:
    a1 = sigmoid(X @ W1)
    a2 = sigmoid(a1 @ W2)
    d2 = _difference(a2, y) * a2 * (1 - a2)
    d1 = d2 @ W2.T * a1 * (1 - a1)
    return X.T @ d1, a1.T @ d2


@pytest.mark.parametrize(
    ("answer", "mend"),
    [
        (_of_helpers, "return sigmoid(z) * (1 - sigmoid(z))"),
        (_of_difference, "return output - y"),
    ],
)
def test_a_mistake_in_a_helper_is_named_there(answer: Any, mend: str) -> None:
    grade = cr.grade(answer, _network, wrt=["W1", "W2"], **MATRICES)
    assert grade.first_wrong is not None
    assert grade.first_wrong.diagnosis is not None
    assert grade.first_wrong.diagnosis.code == mend


def nonlin(x: Any, deriv: bool = False) -> Any:
    if deriv:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))


def _of_values(X: Any, y: Any, W1: Any, W2: Any) -> Any:
    a1 = np.tanh(X @ W1)
    a2 = nonlin(a1 @ W2)
    d2 = (a2 - y) * nonlin(a2)
    d1 = d2 @ W2.T * np.tanh(a1)
    return X.T @ d1, a1.T @ d2


@pytest.mark.parametrize("product", ["d * h * (1 - h)", "d * (1 - h) * h", "h * (1 - h) * d"])
def test_the_derivative_of_the_sigmoid_in_that_of_the_hyperbolic_tangent_is_named(product: str, tmp_path: Path) -> None:
    def loss(x: Any, y: Any, W1: Any, W2: Any) -> Any:
        h = np.tanh(x @ W1)
        return np.sum((h @ W2 - y) ** 2) / 2

    source = f"def back(x, y, W1, W2, h):\n    d = (h @ W2 - y) @ W2.T\n    return x.T @ ({product})\n"
    answer = made(source, "back", tmp_path)
    first = cr.grade(answer, loss, x="n 2", y="n 1", W1="2 3", W2="3 1", wrt=["W1"]).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.diagnosis.kind == "derivative"
    assert "tanh′(z1)" in str(first.diagnosis)


def test_an_activation_in_the_place_of_its_derivative_is_written_as_the_derivative() -> None:
    def loss(X: Any, y: Any, W1: Any, W2: Any) -> Any:
        a1 = np.tanh(X @ W1)
        a2 = nonlin(a1 @ W2)
        return np.sum((a2 - y) ** 2) / 2

    grade = cr.grade(_of_values, loss, **MATRICES)
    diagnoses = [line.diagnosis for line in grade.lines if line.diagnosis is not None]
    assert [each.kind for each in diagnoses] == ["derivative", "derivative"]
    assert [each.code.partition(" = ")[2] for each in diagnoses] == [
        "(a2 - y) * nonlin(a2, deriv=True)",
        "d2 @ W2.T * (1 - a1 ** 2)",
    ]
    assert "The activation itself, np.tanh(a1)," in str(grade)


def _along_rows(dout: Any, x: Any, xhat: Any, var: Any) -> Any:
    n = x.shape[1]
    return (n * dout - np.sum(dout, axis=0) - xhat * np.sum(dout * xhat, axis=0)) / (n * np.sqrt(var + 1e-5))


def test_the_axis_of_every_sum_in_a_line_may_be_wrong() -> None:
    def normalized(x: Any) -> Any:
        mu = np.mean(x, axis=1, keepdims=True)
        var = np.mean((x - mu) ** 2, axis=1, keepdims=True)
        xhat = (x - mu) / np.sqrt(var + 1e-5)
        return xhat  # noqa: RET504  # its name is that of a value

    first = cr.grade(_along_rows, normalized, x="n d").first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert (first.diagnosis.kind, first.diagnosis.code.count("axis=1, keepdims=True")) == ("axis", 2)


class _Dense:
    def __init__(self) -> None:
        self.W = np.arange(6.0).reshape(3, 2)

    def forward(self, x: Any) -> Any:
        self.x = x
        return x @ self.W

    def backward(self, dout: Any) -> Any:
        self.dW = self.x.T @ dout
        return dout @ self.W.T


def test_the_sizes_of_a_bound_method_follow_from_the_arrays_of_its_instance() -> None:
    layer = _Dense()
    layer.forward(np.ones((4, 3)))
    assert cr.grade(layer.backward, layer.forward, x="n d").right
    with pytest.raises(cr.ShapeError, match="do not fit"):
        cr.grade(layer.backward, layer.forward, x="5 7")


def test_shapes_that_are_equal_at_one_point_only_are_no_obstacle_to_a_cause() -> None:
    def loss(X: Any, y: Any, W: Any, lam: Any) -> Any:
        p = sigmoid(X @ W)
        return np.sum((y - p) ** 2) / 2 + lam * np.sum(W**2)

    def backward(X: Any, y: Any, W: Any, p: Any) -> Any:
        d = (p - y) * p * (1 - p)
        return X.T @ d

    first = cr.grade(backward, loss, wrt="W", X="n 3", y="n 1", W="3 1", lam="").first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert (first.diagnosis.kind, first.diagnosis.values["after"]) == ("missing term", "2 λ · W")
