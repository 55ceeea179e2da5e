"""Weights set by the user: they predict, and training continues from them, as in scikit-learn."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import neural_network
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from chainrule.estimators import MLPClassifier, MLPRegressor, ParameterError
from chainrule.models import load_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((80, 4))
TARGETS = {"classes": np.where(X[:, 0] + X[:, 1] * X[:, 2] > 0, "yes", "no"), "numbers": X[:, 0] * X[:, 1]}
OURS: dict[str, Any] = {"classes": MLPClassifier, "numbers": MLPRegressor}
THEIRS: dict[str, Any] = {"classes": neural_network.MLPClassifier, "numbers": neural_network.MLPRegressor}
Kinds = pytest.mark.parametrize("kind", OURS)


def outputs(model: Any) -> NDArray[Any]:
    found: NDArray[Any] = model.predict_proba(X)[:, -1] if hasattr(model, "predict_proba") else model.predict(X)
    return found


def made(cls: Any, **settings: Any) -> Any:
    return cls(hidden_layer_sizes=(5,), max_iter=5, random_state=0, **settings)


def shrink(model: Any) -> None:
    model.coefs_ = [0.5 * weight for weight in model.coefs_]
    model.intercepts_ = [bias + 1 for bias in model.intercepts_]


def put_one(model: Any) -> None:
    model.coefs_[0] = np.zeros_like(model.coefs_[0])


def edit_in_place(model: Any) -> None:
    model.coefs_[0] *= -2
    model.intercepts_[1][:] = 3


def narrow(model: Any) -> None:
    model.coefs_ = tuple(np.asfortranarray(weight, np.float32) for weight in model.coefs_)
    model.intercepts_ = np.array([bias.astype(">f8") for bias in model.intercepts_], dtype=object)


def use_rows(model: Any) -> None:
    model.intercepts_ = [bias[None] for bias in model.intercepts_]


def widen(model: Any) -> None:
    other = clone(model).set_params(hidden_layer_sizes=(7,), random_state=1).fit(X, model._y)
    model.coefs_, model.intercepts_ = other.coefs_, other.intercepts_


CHANGES: list[Callable[[Any], None]] = [shrink, put_one, edit_in_place, narrow, use_rows, widen]


@Kinds
@pytest.mark.parametrize("change", CHANGES)
def test_they_predict_and_travel(kind: str, change: Callable[[Any], None], tmp_path: Any) -> None:
    pair = [made(classes[kind]).fit(X, TARGETS[kind]) for classes in (OURS, THEIRS)]
    for model in pair:
        model._y = TARGETS[kind]
        change(model)
    ours, theirs = pair
    np.testing.assert_allclose(outputs(ours), outputs(theirs), rtol=1e-5)
    for again in (pickle.loads(pickle.dumps(ours)), copy.deepcopy(ours)):
        np.testing.assert_array_equal(outputs(again), outputs(ours))
    assert not hasattr(clone(ours), "coefs_")
    ours.save(str(tmp_path / "model.safetensors"))
    loaded = load_model(str(tmp_path / "model.safetensors"))
    np.testing.assert_allclose(loaded.predict_encoded(X)[:, -1], outputs(ours), rtol=1e-6)


@Kinds
@pytest.mark.parametrize("way", ["partial_fit", "warm_start"])
@pytest.mark.parametrize("change", [shrink, put_one, edit_in_place])
def test_training_goes_on_from_them(kind: str, way: str, change: Callable[[Any], None]) -> None:
    first = {"classes": ["no", "yes"]} if kind == "classes" else {}
    pair = []
    for classes in (OURS, THEIRS):
        model = made(classes[kind], warm_start=way == "warm_start")
        if way == "partial_fit":
            model.partial_fit(X, TARGETS[kind], **first)
        else:
            model.fit(X, TARGETS[kind])
        change(model)
        pair.append(model.partial_fit(X, TARGETS[kind]) if way == "partial_fit" else model.fit(X, TARGETS[kind]))
    np.testing.assert_allclose(outputs(pair[0]), outputs(pair[1]), rtol=1e-6)


@Kinds
def test_federated_averaging(kind: str) -> None:
    scores = []
    for classes in (OURS, THEIRS):
        server = made(classes[kind], learning_rate_init=0.02)
        first = {"classes": ["no", "yes"]} if kind == "classes" else {}
        server.partial_fit(X[:20], TARGETS[kind][:20], **first)
        for _ in range(15):
            clients = [copy.deepcopy(server) for _ in range(4)]
            for k, client in enumerate(clients):
                client.partial_fit(X[k::4], TARGETS[kind][k::4])
            for k in range(2):
                server.coefs_[k] = np.mean([client.coefs_[k] for client in clients], axis=0)
                server.intercepts_[k] = np.mean([client.intercepts_[k] for client in clients], axis=0)
        scores.append(server.score(X, TARGETS[kind]))
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)


@Kinds
def test_a_server_that_was_never_fitted(kind: str) -> None:
    fitted, server = made(OURS[kind]).fit(X, TARGETS[kind]), made(OURS[kind])
    with pytest.raises(NotFittedError):
        server.predict(X)
    server.coefs_, server.intercepts_ = fitted.coefs_, fitted.intercepts_
    if kind == "classes":
        with pytest.raises(ParameterError, match="set classes_"):
            server.predict(X)
        server.classes_ = np.array(["no", "yes", "perhaps"])
        with pytest.raises(ParameterError, match="3 labels for 1 outputs"):
            server.predict(X)
        server.classes_ = fitted.classes_
    np.testing.assert_array_equal(server.predict(X), fitted.predict(X))
    assert server.derive().verify().ok
    going_on = made(OURS[kind], warm_start=True)
    going_on.coefs_, going_on.intercepts_ = fitted.coefs_, fitted.intercepts_
    expected = copy.deepcopy(fitted).set_params(warm_start=True)
    first = float(expected.fit(X, TARGETS[kind]).loss_curve_[5])
    if kind == "classes":
        going_on.classes_ = fitted.classes_
    assert going_on.fit(X, TARGETS[kind]).loss_curve_[0] == first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: setattr(model, "coefs_", model.coefs_[:1]), "coefs_ has 1 arrays and intercepts_ 2"),
        (lambda model: setattr(model, "coefs_", [np.zeros(3), np.zeros(3)]), r"coefs_\[0\] has the shape \(3,\)"),
        (lambda model: model.coefs_.__setitem__(0, np.zeros((4, 3))), r"coefs_\[1\] .* after one of \(4, 3\)"),
        (lambda model: model.intercepts_.__setitem__(0, np.zeros(3)), r"b1 has the shape \(3,\)"),
    ],
)
def test_those_that_do_not_fit_are_refused(change: Callable[[Any], None], message: str) -> None:
    model = made(MLPRegressor).fit(X, TARGETS["numbers"])
    change(model)
    with pytest.raises(ValueError, match=message):
        model.predict(X)
