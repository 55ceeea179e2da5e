"""Random configurations of the estimators, and comparison of our fits with scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import neural_network

from chainrule.estimators import MLPClassifier, MLPRegressor

Array = NDArray[Any]

TARGETS = ["binary", "multiclass", "multilabel", "one", "several", "poisson"]


def drawn(seed: int) -> tuple[str, dict[str, Any], Array, Array, Array | None]:
    """Draw a kind of target, parameters, X, y and optional weights."""
    random = np.random.default_rng(seed)

    def one_of(*values: Any) -> Any:
        return values[random.integers(len(values))]

    kind = TARGETS[seed % len(TARGETS)]
    rows, columns = int(random.integers(25, 90)), int(random.integers(2, 8))
    X = random.normal(size=(rows, columns))
    hidden = X @ random.normal(size=(columns, 4))
    y = {
        "binary": np.where(hidden[:, 0] > 0.2, 7, 3),
        "multiclass": hidden[:, :3].argmax(axis=1) * 10,
        "multilabel": (hidden[:, :3] > 0).astype(int),
        "one": np.sin(hidden[:, 0]),
        "several": hidden[:, :2] ** 2,
        "poisson": np.random.RandomState(seed).poisson(np.exp(0.3 * np.tanh(hidden[:, 0]))).astype(float),
    }[kind]
    solver = one_of("adam", "sgd")
    parameters = {
        "solver": solver,
        "hidden_layer_sizes": one_of((5,), (8, 4), (3, 6, 3), 7, ()),
        "activation": one_of("relu", "tanh", "logistic", "identity"),
        "alpha": one_of(0.0, 1e-4, 0.1),
        "batch_size": one_of("auto", 1 + int(random.integers(3, 20)), rows),
        "learning_rate_init": one_of(0.001, 0.01),
        "max_iter": int(random.integers(5, 60)),
        "shuffle": bool(random.random() < 0.75),
        "tol": one_of(1e-4, 1e-2, 0.0),
        "n_iter_no_change": one_of(2, 5, np.inf),
        "early_stopping": bool(random.random() < 0.35),
        "validation_fraction": one_of(0.1, 0.3),
        "random_state": int(random.integers(1000)),
    }
    if solver == "sgd":
        parameters |= {
            "learning_rate": one_of("constant", "invscaling", "adaptive"),
            "momentum": one_of(0.0, 0.5, 0.9),
            "nesterovs_momentum": one_of(True, False),
            "power_t": one_of(0.5, 0.25),
        }
    else:
        parameters |= {"beta_1": one_of(0.9, 0.5), "beta_2": one_of(0.999, 0.9), "epsilon": one_of(1e-8, 1e-3)}
    if kind == "poisson":
        parameters["loss"] = "poisson"
    weights = random.uniform(0.1, 3, rows) if random.random() < 0.4 else None
    return kind, parameters, X, y, weights


def both(kind: str, parameters: dict[str, Any]) -> tuple[Any, Any]:
    """Return our estimator and scikit-learn's."""
    name = "MLPClassifier" if kind in ("binary", "multiclass", "multilabel") else "MLPRegressor"
    ours = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name]
    return ours(**parameters), getattr(neural_network, name)(**parameters)


def close(ours: Any, theirs: Any, tolerance: float = 1e-6) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape
        assert mine.dtype == other.dtype
        assert np.abs(mine - other).max() <= tolerance * np.abs(other).max()


def same(ours: Any, theirs: Any, tolerance: float = 1e-6) -> None:
    """Assert that the fits agree, except for losses of several outputs, which have a separate test."""
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    close(ours.coefs_, theirs.coefs_, tolerance)
    close(ours.intercepts_, theirs.intercepts_, tolerance)
    assert ours._no_improvement_count == theirs._no_improvement_count
    if theirs.validation_scores_ is None:
        assert ours.validation_scores_ is None
        assert ours.best_validation_score_ is None
    else:
        np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(ours.best_validation_score_, theirs.best_validation_score_, rtol=tolerance)
        assert ours.best_loss_ is None
    if hasattr(theirs, "classes_") or theirs.n_outputs_ == 1:
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=tolerance)
        np.testing.assert_allclose(ours.loss_, theirs.loss_, rtol=tolerance)
        if theirs.best_loss_ is not None:
            np.testing.assert_allclose(ours.best_loss_, theirs.best_loss_, rtol=tolerance)
    if hasattr(theirs, "classes_"):
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
