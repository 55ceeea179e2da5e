"""Invalid parameters are rejected at the start of `fit`, in a sentence with the allowed values."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn import neural_network
from sklearn.utils._param_validation import InvalidParameterError

from chainrule.estimators import MLPClassifier, MLPRegressor, ParameterError
from chainrule.estimators.settings import RULES
from chainrule.words import ChainruleError

X = np.random.default_rng(0).normal(size=(20, 3))
y = np.where(X[:, 0] > 0, 1, 0)

WRONG: list[tuple[str, Any]] = [
    ("hidden_layer_sizes", 0), ("hidden_layer_sizes", (3, -1)), ("hidden_layer_sizes", "many"),
    ("hidden_layer_sizes", 2.5), ("activation", 3), ("solver", "sdg"), ("solver", None), ("alpha", -1),
    ("alpha", np.nan), ("alpha", "0.1"), ("batch_size", 0), ("batch_size", "all"), ("batch_size", 2.5),
    ("learning_rate", "fast"), ("learning_rate_init", 0), ("learning_rate_init", np.inf), ("power_t", -0.5),
    ("max_iter", 0), ("max_iter", 1.5), ("shuffle", 1), ("random_state", -1), ("random_state", "seed"),
    ("tol", -1e-4), ("verbose", -1), ("verbose", "yes"), ("warm_start", None), ("momentum", 1.1),
    ("nesterovs_momentum", "no"), ("early_stopping", 0.5), ("validation_fraction", 1.0), ("beta_1", 1.0),
    ("beta_2", -0.1), ("epsilon", 0), ("n_iter_no_change", 0), ("n_iter_no_change", 2.5), ("max_fun", 0), ("loss", 1),
    ("output_activation", ()), ("dropout", 1.0), ("dropout", [0.1, "b"]), ("weight_decay", -1),
    ("normalization", "group"), ("clip_norm", 0), ("validation_data", np.ones(3)), ("scoring", 3), ("threads", 0),
    ("dtype", "float16"), ("n_restarts", 0), ("n_jobs", 0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda value: repr(value)[:20])
def test_a_wrong_parameter_is_named(name: str, value: Any) -> None:
    for estimator in (MLPClassifier(), MLPRegressor()):
        title = type(estimator).__name__
        estimator.set_params(**{name: value})
        with pytest.raises(ParameterError, match=f"^{name} of {title} is .*; it should be ") as caught:
            estimator.fit(X, y)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (MLPClassifier, "class_weight", "balancd"), (MLPClassifier, "class_weight", [1, 2]),
        (MLPClassifier, "label_smoothing", 1.0), (MLPClassifier, "gamma", -1), (MLPRegressor, "quantile", [0.5, 1.0]),
        (MLPRegressor, "quantile", []), (MLPRegressor, "delta", 0), (MLPRegressor, "power", 0.5),
        (MLPRegressor, "power", 0),
    ],
)  # fmt: skip
def test_a_wrong_parameter_of_one_of_them(cls: Any, name: str, value: Any) -> None:
    with pytest.raises(ParameterError, match=f"^{name} of {cls.__name__} is "):
        cls(**{name: value}).fit(X, y)


@pytest.mark.parametrize(
    ("name", "value"), [pair for pair in WRONG if pair[0] in neural_network.MLPRegressor().get_params()]
)
def test_scikit_learn_refuses_the_same_with_the_same_types(name: str, value: Any) -> None:
    theirs = neural_network.MLPRegressor().set_params(**{name: value})
    with pytest.raises(ValueError, match=name):
        theirs.fit(X, y)
    assert set(InvalidParameterError.__bases__) <= set(ParameterError.__mro__)
    assert issubclass(ParameterError, ChainruleError)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"solver": "adm"}, "did you mean 'adam'?"),
        ({"activation": "reluu"}, "did you mean 'relu'?"),
        ({"loss": "hubr"}, "did you mean 'huber'?"),
        ({"activation": "tanh(w)"}, "a formula here is in z or x"),
        (
            {"activation": ["relu"], "hidden_layer_sizes": (3, 3)},
            "activation of MLPRegressor has 1 entries for 2 hidden layers",
        ),
        ({"dropout": [0.1], "hidden_layer_sizes": (3, 3)}, "dropout of MLPRegressor has 1 entries for 2 hidden layers"),
        ({"loss": "(p - q)^2"}, "a formula here is in p or y_hat or prediction and y or target"),
        ({"loss": "y^2"}, "does not use the prediction"),
        ({"loss": "poisson"}, "targets of at least 0, but y[0, 0] is -3"),
        ({"loss": "gamma"}, "targets above 0"),
        (
            {"solver": "lbfgs", "clip_norm": 1.0},
            "clip_norm of MLPRegressor is 1.0, and the solver 'lbfgs' has no steps",
        ),
    ],
)
def test_mistakes_of_meaning_are_explained(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        MLPRegressor(**given).fit(X, np.full(20, -3.0))


def test_several_quantiles_of_several_columns_are_refused() -> None:
    with pytest.raises(ValueError, match=r"y has 2 columns; several quantiles, \[0.1, 0.9\], are learnt of one"):
        MLPRegressor("quantile", quantile=[0.1, 0.9]).fit(X, X[:, :2])


def test_every_parameter_has_a_rule_that_its_default_keeps() -> None:
    for cls in (MLPClassifier, MLPRegressor):
        for name, parameter in inspect.signature(cls).parameters.items():
            assert RULES[name].holds(parameter.default), name


def test_checks_may_be_skipped() -> None:
    with sklearn.config_context(skip_parameter_validation=True):
        MLPRegressor(alpha=np.float64(0.1), tol=np.inf, max_iter=30).fit(X, y)


def test_a_divergence_is_an_error_that_keeps_what_was_finite() -> None:
    model = MLPRegressor(solver="sgd", learning_rate_init=1e4, random_state=0)
    with pytest.raises(ValueError, match=r"diverged: .* is no longer finite in epoch \d+; .*StandardScaler") as caught:
        model.fit(X, y)
    assert isinstance(caught.value, ChainruleError)
    assert all(np.isfinite(layer).all() for layer in model.coefs_)
