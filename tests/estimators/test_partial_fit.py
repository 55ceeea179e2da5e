"""Continued fits as in scikit-learn: `partial_fit`, `warm_start`, and repeated fits."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from support.estimator_parity import both, same

from chainrule.estimators import MLPClassifier, MLPRegressor

Array = NDArray[Any]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS: list[dict[str, Any]] = [
    {"solver": "adam"},
    {"solver": "sgd"},
    {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1},
    {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False},
]


def data(kind: str, rows: int = 60, seed: int = 0) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    X = random.normal(size=(rows, 4))
    targets = {
        "binary": X[:, 0] > 0,
        "multiclass": X[:, :3].argmax(axis=1),
        "multilabel": (X[:, :3] > 0).astype(int),
        "one": np.sin(X[:, 0]),
        "several": X[:, :2] ** 2,
    }
    return X, targets[kind]


def classes(kind: str) -> dict[str, Any]:
    known: dict[str, list[Any]] = {"binary": [False, True], "multiclass": [0, 1, 2], "multilabel": [0, 1, 2]}
    return {"classes": known[kind]} if kind in known else {}


@pytest.mark.parametrize(
    ("kind", "solver"), [*zip(["binary", "multiclass", "multilabel", "one", "several"], SOLVERS, strict=True)], ids=str
)
@pytest.mark.parametrize("shuffle", [True, False])
def test_partial_fits_are_those_of_scikit_learn(kind: str, solver: dict[str, Any], shuffle: bool) -> None:
    estimators = both(
        kind, {**solver, "hidden_layer_sizes": (5,), "batch_size": 9, "shuffle": shuffle, "random_state": 3}
    )
    for estimator in estimators:
        for call, rows in enumerate((31, 31, 22)):
            X, y = data(kind, 40, seed=call)
            estimator.partial_fit(X[:rows], y[:rows], **(classes(kind) if call == 0 else {}))
    same(*estimators)


@pytest.mark.parametrize(
    ("kind", "solver"), [*zip(["multiclass", "several", "one", "binary", "several"], SOLVERS, strict=True)], ids=str
)
def test_warm_starts_are_those_of_scikit_learn(kind: str, solver: dict[str, Any]) -> None:
    X, y = data(kind, 42)
    weights = np.linspace(0.5, 1.5, len(X))
    estimators = both(
        kind,
        {**solver, "hidden_layer_sizes": (5,), "batch_size": 9, "warm_start": True, "max_iter": 7, "random_state": 3},
    )
    for estimator in estimators:
        estimator.fit(X, y)
        estimator.set_params(max_iter=4, random_state=8).fit(X, y, sample_weight=weights)
        estimator.partial_fit(X, y)
        estimator.fit(X[:24], y[:24])
    same(*estimators)
    assert len(estimators[0].loss_curve_) == len(estimators[1].loss_curve_)


def test_a_warm_start_with_early_stopping() -> None:
    X, y = data("multiclass")
    estimators = both("multiclass", {"early_stopping": True, "warm_start": True, "max_iter": 5, "random_state": 1})
    for estimator in estimators:
        estimator.fit(X, y).fit(X, y)
    same(*estimators)


def test_a_random_state_is_left_as_scikit_learn_leaves_it() -> None:
    X, y = data("one")
    for parameters in (
        {"max_iter": 30, "tol": 0.05, "batch_size": 10},
        {"max_iter": 5, "batch_size": 60},
        {"max_iter": 5, "batch_size": 10, "early_stopping": True},
        {"max_iter": 5, "shuffle": False},
    ):
        states = []
        for estimator in both("one", {**parameters, "hidden_layer_sizes": (3,)}):
            random = np.random.RandomState(5)
            estimator.set_params(random_state=random).fit(X, y).fit(X, y)
            states.append(random.randint(2**31))
        assert states[0] == states[1]


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_partial_fits_agree_with_a_fit(solver: dict[str, Any]) -> None:
    X, y = data("multiclass")
    settings = {**solver, "hidden_layer_sizes": (5,), "batch_size": 9, "shuffle": False, "random_state": 0, "tol": 0.0}
    settings["n_iter_no_change"] = np.inf
    whole = MLPClassifier(max_iter=6, **settings).fit(X, y)
    pieces = MLPClassifier(**settings)
    for _ in range(6):
        pieces.partial_fit(X, y, classes=[0, 1, 2])
        pieces = pickle.loads(pickle.dumps(pieces))
    for one, other in zip(whole.coefs_, pieces.coefs_, strict=True):
        np.testing.assert_array_equal(one, other)
    assert whole.loss_curve_ == pieces.loss_curve_
    assert whole.t_ == pieces.t_
    assert pieces.n_iter_ == 1


def test_the_first_partial_fit_is_a_fit_of_one_epoch() -> None:
    X, y = data("one")
    parameters: dict[str, Any] = {"random_state": 4, "batch_size": 7}
    one, other = MLPRegressor(max_iter=1, **parameters).fit(X, y), MLPRegressor(**parameters).partial_fit(X, y)
    np.testing.assert_array_equal(one.coefs_[0], other.coefs_[0])


def test_dropout_goes_on_from_epoch_to_epoch() -> None:
    X, y = data("one")
    settings: dict[str, Any] = {"dropout": 0.3, "shuffle": False, "random_state": 0, "n_iter_no_change": np.inf}
    whole = MLPRegressor(max_iter=3, **settings).fit(X, y)
    pieces = MLPRegressor(**settings)
    for _ in range(3):
        pieces.partial_fit(X, y)
    np.testing.assert_array_equal(whole.coefs_[0], pieces.coefs_[0])


def test_changed_weights_are_gone_on_from() -> None:
    X, y = data("one")
    estimators = both("one", {"hidden_layer_sizes": (3,), "warm_start": True, "max_iter": 3, "random_state": 0})
    for estimator in estimators:
        estimator.fit(X, y)
        estimator.coefs_ = [weights * 0.5 for weights in estimator.coefs_]
        estimator.fit(X, y)
    same(*estimators)


def test_what_cannot_go_on_is_refused() -> None:
    X, y = data("multiclass")
    model = MLPClassifier((4,), max_iter=2, random_state=0, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match=r"same classes as in the last fit, \[0 1 2\]; y has \[5\]"):
        model.fit(X, np.full(len(X), 5))
    with pytest.raises(ValueError, match=r"W1 of the network as it was fitted has the shape \(4, 4\), .* say \(4, 9\)"):
        clone(model).fit(X, y).set_params(hidden_layer_sizes=(9,)).fit(X, y)
    with pytest.raises(ValueError, match="X has 3 features, but MLPClassifier is expecting 4"):
        model.fit(X[:, :3], y)
    with pytest.raises(ValueError, match=r"needs classes"):
        MLPClassifier().partial_fit(X, y)
    started = MLPClassifier((4,)).partial_fit(X, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"y has the classes \[7\], which are not among \[0 1 2\]"):
        started.partial_fit(X, np.full(len(X), 7))
    with pytest.raises(ValueError, match=r"classes is \[0, 1\]; the first call to partial_fit had"):
        started.partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ValueError, match="cannot stop early"):
        MLPRegressor(early_stopping=True).partial_fit(X, y)
    with pytest.raises(ValueError, match="needs all rows, and partial_fit sees a part"):
        MLPClassifier(class_weight="balanced").partial_fit(X, y, classes=[0, 1, 2])
    assert not hasattr(MLPRegressor(solver="lbfgs"), "partial_fit")
    with pytest.raises(AttributeError):
        MLPClassifier(solver="lbfgs").partial_fit(X, y, classes=[0, 1, 2])
