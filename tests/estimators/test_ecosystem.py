"""The estimators within scikit-learn: pipelines, searches, calibration, inspection, copies, routing."""

from __future__ import annotations

import io
import pickle
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingRegressor, StackingClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPClassifier as Theirs
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.estimators.training import thread_limit

Array = NDArray[Any]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 25, "learning_rate_init": 0.05, "random_state": 0}


@pytest.fixture(scope="module")
def flowers() -> tuple[Array, Array]:
    X, y = load_iris(return_X_y=True)
    return X, y


def test_a_search_over_a_pipeline_in_two_processes(flowers: tuple[Array, Array]) -> None:
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**SETTINGS))
    grid = {"mlpclassifier__dropout": [0.0, 0.3], "mlpclassifier__alpha": [0.01]}
    search = GridSearchCV(pipeline, grid, n_jobs=2, cv=2).fit(*flowers)
    alone = GridSearchCV(pipeline, grid, n_jobs=1, cv=2).fit(*flowers)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert search.best_score_ > 0.8


def test_cross_validation_gives_what_scikit_learn_gives(flowers: tuple[Array, Array]) -> None:
    scores = [cross_val_score(cls(**SETTINGS), *flowers, cv=3) for cls in (MLPClassifier, Theirs)]
    np.testing.assert_array_equal(*scores)


def test_restarts_run_on_the_backend_that_is_active(flowers: tuple[Array, Array]) -> None:
    model = MLPClassifier(n_restarts=3, **SETTINGS)
    threads = clone(model).fit(*flowers)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        processes = clone(model).fit(*flowers)
    assert threads.restart_scores_ == processes.restart_scores_
    np.testing.assert_array_equal(threads.coefs_[0], processes.coefs_[0])


@pytest.mark.parametrize(
    ("variables", "limit"),
    [
        ({}, None),
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"OMP_NUM_THREADS": "0"}, 1),
        ({"OMP_NUM_THREADS": "4,2"}, None),
        ({"OMP_NUM_THREADS": "3", "CHAINRULE_NUM_THREADS": "2"}, None),
    ],
)
def test_workers_use_the_threads_that_they_are_told(
    variables: dict[str, str], limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "CHAINRULE_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert thread_limit() == limit


def test_a_worker_of_joblib_is_told() -> None:
    with joblib.parallel_config(backend="loky", n_jobs=2):
        (told,) = joblib.Parallel()([joblib.delayed(thread_limit)()])
    assert told is not None
    assert told >= 1


def test_calibration_bagging_stacking_and_importance(flowers: tuple[Array, Array]) -> None:
    X, y = flowers
    assert CalibratedClassifierCV(MLPClassifier(**SETTINGS), cv=2).fit(X, y).score(X, y) > 0.8
    assert StackingClassifier([("mlp", MLPClassifier(**SETTINGS))], cv=2).fit(X, y).score(X, y) > 0.8
    assert BaggingRegressor(MLPRegressor(**SETTINGS), n_estimators=2).fit(X, y).predict(X).shape == (150,)
    assert MultiOutputRegressor(MLPRegressor(**SETTINGS)).fit(X, X[:, :2]).predict(X).shape == (150, 2)
    found = permutation_importance(MLPClassifier(**SETTINGS).fit(X, y), X, y, n_repeats=2, random_state=0)
    assert found.importances_mean[2:].max() > 0.1


def test_copies_predict_the_same_bits(flowers: tuple[Array, Array]) -> None:
    X, y = flowers
    model = MLPClassifier(activation="z*sigmoid(z)", normalization="layer", **SETTINGS).fit(X, y)
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    buffer.seek(0)
    for copied in (pickle.loads(pickle.dumps(model)), joblib.load(buffer)):
        np.testing.assert_array_equal(copied.predict_proba(X), model.predict_proba(X))
        assert copied.get_params() == model.get_params()
    again = clone(model)
    assert not hasattr(again, "coefs_")
    np.testing.assert_array_equal(again.fit(X, y).predict_proba(X), model.predict_proba(X))


def test_parameters_are_those_of_scikit_learn_and_more() -> None:
    theirs, ours = Theirs().get_params(), MLPClassifier().get_params()
    assert {name: ours[name] for name in theirs} == theirs
    regressor = sklearn.neural_network.MLPRegressor().get_params()
    assert {name: MLPRegressor().get_params()[name] for name in regressor} == regressor
    assert repr(MLPClassifier(alpha=0.5, dropout=0.1)) == "MLPClassifier(alpha=0.5, dropout=0.1)"


def test_the_representation_for_notebooks(flowers: tuple[Array, Array]) -> None:
    model: Any = MLPClassifier(**SETTINGS).fit(*flowers)
    page = model._repr_html_()
    assert "MLPClassifier" in page
    assert "<" in page


def test_metadata_are_routed(flowers: tuple[Array, Array]) -> None:
    X, y = flowers
    weights = np.linspace(0.1, 2, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier(**SETTINGS).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(model, X, y, params={"sample_weight": weights}, cv=2, return_estimator=True)
        plain = cross_validate(MLPClassifier(**SETTINGS), X, y, cv=2, return_estimator=True)
        assert not np.array_equal(found["estimator"][0].coefs_[0], plain["estimator"][0].coefs_[0])
        watching = MLPClassifier(**SETTINGS).set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), watching, transform_input=["X_val"])
        pipeline.fit(X[::2], y[::2], X_val=X[1::2], y_val=y[1::2])
    assert pipeline[-1].validation_scores_[-1] == pipeline.score(X[1::2], y[1::2])
