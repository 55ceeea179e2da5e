"""Backward passes of softmax attention, whose sizes count no samples and whose gradients have one shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.grading import batch_size


def attention(Q: Any, K: Any, V: Any, G: Any) -> Any:
    S = Q @ K.T / np.sqrt(Q.shape[1])
    E = np.exp(S - S.max(axis=1, keepdims=True))
    A = E / E.sum(axis=1, keepdims=True)
    O = A @ V
    return np.sum(O * G)


ONE_SIZE: dict[str, Any] = dict.fromkeys("QKVG", "n d")
SIZES: dict[str, Any] = {"Q": "n d", "K": "m d", "V": "m e", "G": "n e"}


def unscaled(Q: Any, K: Any, V: Any, G: Any, A: Any) -> Any:
    dV = A.T @ G
    dA = G @ V.T
    dS = A * (dA - (dA * A).sum(axis=1, keepdims=True))
    dQ = dS @ K
    dK = dS.T @ Q
    return dQ, dK, dV


def without_sum(Q: Any, K: Any, V: Any, G: Any, A: Any) -> Any:
    dV = A.T @ G
    dS = A * (G @ V.T)
    dQ = dS @ K / np.sqrt(Q.shape[1])
    dK = dS.T @ Q / np.sqrt(Q.shape[1])
    return dQ, dK, dV


def swapped(Q: Any, K: Any, V: Any, G: Any, A: Any) -> Any:
    dV = A.T @ G
    dA = G @ V.T
    dS = A * (dA - (dA * A).sum(axis=1, keepdims=True))
    dK = dS @ K / np.sqrt(Q.shape[1])
    dQ = dS.T @ Q / np.sqrt(Q.shape[1])
    return dQ, dK, dV


@pytest.mark.parametrize(("sizes", "wrt"), [(ONE_SIZE, ["Q", "K", "V"]), (SIZES, ["Q", "K", "V"]), (SIZES, ["K"])])
def test_a_scale_that_is_forgotten_is_no_matter_of_one_sample(sizes: dict[str, Any], wrt: list[str]) -> None:
    grade = cr.grade(unscaled, attention, wrt=wrt, **sizes)
    found = [line.diagnosis for line in grade.lines if line.diagnosis is not None]
    assert {(each.kind, each.values["factor"], each.single) for each in found} == {("factor", "√d", False)}


def test_the_queries_count_their_samples() -> None:
    program = cr.derive(attention, **SIZES).record.traced
    assert batch_size(program, ["Q", "K", "V"]) == "n"


def _of_mean(X: Any, y: Any, W: Any, lam: Any) -> Any:
    return np.mean(np.sum((X @ W - y) ** 2, axis=1)) + lam * np.sum(W * W)


def _of_sum(X: Any, y: Any, W: Any, lam: Any) -> Any:
    dZ = 2 * (X @ W - y)
    return X.T @ dZ + 2 * lam * W


def test_a_mean_that_is_forgotten_is_right_for_one_sample() -> None:
    first = cr.grade(_of_sum, _of_mean, wrt="W", X="n d", y="n k", W="d k", lam="").first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert first.diagnosis.single


def _of_columns(X: Any, y: Any, b: Any) -> Any:
    P = b * X.sum(axis=0) / np.sqrt(X.shape[0])
    return np.sum((P - y) ** 2)


def _of_columns_unscaled(X: Any, y: Any, P: Any) -> Any:
    dP = 2 * (P - y)
    db = np.sum(dP * X.sum(axis=0))
    return {"b": db}


def test_one_entry_of_what_is_added_before_a_square_is_no_sample() -> None:
    first = cr.grade(_of_columns_unscaled, _of_columns, wrt="b", X="d n", y="n", b="").first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert (first.diagnosis.values["factor"], first.diagnosis.single) == ("√d", False)


def test_the_missing_term_of_a_product_has_all_of_its_factors() -> None:
    first = cr.grade(without_sum, attention, wrt=["Q", "K", "V"], **ONE_SIZE).first_wrong
    assert first is not None
    assert first.diagnosis is not None
    assert (first.diagnosis.kind, first.diagnosis.values["after"]) == ("missing term", "A ⊙ ((∂L/∂A ⊙ A) 1 1ᵀ)")


def test_exchanged_gradients_are_explained_once() -> None:
    grade = cr.grade(swapped, attention, wrt=["Q", "K", "V"], **ONE_SIZE)
    found = [line.diagnosis for line in grade.lines if line.diagnosis is not None]
    assert [each.kind for each in found] == ["exchanged", "exchanged"]
    assert grade.text().count("∂L/∂Q stands here, and ∂L/∂K in line") == 1
    assert "by itself" not in grade.text()


def crossed(Q: Any, K: Any, V: Any, G: Any, A: Any) -> Any:
    dV = A.T @ G
    dA = G @ V.T
    dS = A * (dA - (dA * A).sum(axis=1, keepdims=True))
    dQ = dS @ K / np.sqrt(Q.shape[1])
    dK = dS.T @ Q / np.sqrt(Q.shape[1])
    return {"Q": dK, "K": dQ, "V": dV}


def swapped_and_doubled(Q: Any, K: Any, V: Any, G: Any, A: Any) -> Any:
    dV = 2 * (A.T @ G)
    dA = G @ V.T
    dS = A * (dA - (dA * A).sum(axis=1, keepdims=True))
    dK = dS @ K / np.sqrt(Q.shape[1])
    dQ = dS.T @ Q / np.sqrt(Q.shape[1])
    return dQ, dK, dV


def test_lines_that_are_what_they_are_called_are_not_exchanged() -> None:
    grade = cr.grade(crossed, attention, wrt=["Q", "K", "V"], **ONE_SIZE)
    wrong = [line.source.strip() for line in grade.lines if line.status == "wrong"]
    assert wrong == ['return {"Q": dK, "K": dQ, "V": dV}']


def test_an_exchange_hides_no_other_mistake() -> None:
    first = cr.grade(swapped_and_doubled, attention, wrt=["Q", "K", "V"], **ONE_SIZE).first_wrong
    assert first is not None
    assert first.source.strip() == "dV = 2 * (A.T @ G)"
