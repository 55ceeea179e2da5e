"""Features beyond scikit-learn's: class weights, losses, activations, regularizers, restarts."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.datasets import load_iris
from sklearn.metrics import balanced_accuracy_score, d2_pinball_score, f1_score, log_loss
from sklearn.utils.class_weight import compute_sample_weight

import chainrule as cr
from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.networks import loss_function

Array = NDArray[Any]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SETTINGS: dict[str, Any] = {"hidden_layer_sizes": (6,), "max_iter": 30, "learning_rate_init": 0.02, "random_state": 0}


def flowers() -> tuple[Array, Array]:
    X, y = load_iris(return_X_y=True)
    return (X - X.mean(axis=0)) / X.std(axis=0), y


def numbers() -> tuple[Array, Array]:
    X = np.random.default_rng(0).normal(size=(80, 3))
    return X, np.exp(0.5 * X[:, 0]) + 0.1 * X[:, 1] ** 2


def test_class_weights_are_sample_weights() -> None:
    X, y = flowers()
    weights = np.linspace(0.5, 2, len(y))
    for class_weight in ("balanced", {0: 1.0, 1: 8.0}):
        ours = MLPClassifier(class_weight=class_weight, **SETTINGS).fit(X[:90], y[:90], sample_weight=weights[:90])
        by_hand = weights[:90] * compute_sample_weight(class_weight, y[:90])
        other = MLPClassifier(**SETTINGS).fit(X[:90], y[:90], sample_weight=by_hand)
        np.testing.assert_array_equal(ours.coefs_[0], other.coefs_[0])
    labels = (X[:, :2] > 0.5).astype(int)
    several: list[Any] = [{0: 1.0, 1: 5.0}, {0: 1.0, 1: 1.0}]
    ours = MLPClassifier(class_weight=several, **SETTINGS).fit(X, labels)
    other = MLPClassifier(**SETTINGS).fit(X, labels, sample_weight=compute_sample_weight(several, labels))
    np.testing.assert_array_equal(ours.coefs_[0], other.coefs_[0])


def test_balanced_classes_find_the_rare_one() -> None:
    random = np.random.default_rng(0)
    X = np.concatenate([random.normal(size=(190, 2)), random.normal(1.2, 1, size=(10, 2))])
    y = np.repeat(["often", "rare"], [190, 10])
    plain, weighted = (
        balanced_accuracy_score(y, MLPClassifier(class_weight=given, **SETTINGS).fit(X, y).predict(X))
        for given in (None, "balanced")
    )
    assert weighted > plain + 0.1


def test_a_loss_of_ones_own_is_the_one_with_a_name() -> None:
    X, y = numbers()
    for name, formula, function in (
        ("squared_error", "0.5*(p - y)^2", lambda p, y: 0.5 * (p - y) ** 2),
        ("absolute_error", "abs(y - p)", lambda p, y: np.abs(p - y)),
    ):
        named = MLPRegressor(name, **SETTINGS).fit(X, y)
        for other in (formula, function):
            own = MLPRegressor(other, **SETTINGS).fit(X, y)
            np.testing.assert_allclose(own.coefs_[0], named.coefs_[0], rtol=1e-9, atol=1e-12)
    X, y = flowers()
    brier = MLPClassifier(loss="(p - y)^2", **SETTINGS).fit(X, y)
    assert brier.out_activation_ == "softmax"
    assert brier.score(X, y) > 0.9
    np.testing.assert_allclose(brier.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize(
    ("loss", "output"),
    [("gamma", "exp"), ("tweedie", "exp"), ("huber", "identity"), ("log_cosh", "identity"), ("quantile", "identity")],
)
def test_losses_by_name(loss: str, output: str) -> None:
    X, y = numbers()
    model = MLPRegressor(loss, **{**SETTINGS, "max_iter": 150}).fit(X, y)
    assert model.out_activation_ == output
    assert np.corrcoef(model.predict(X), y)[0, 1] > 0.8
    assert model.loss_curve_[-1] < model.loss_curve_[0]


def test_settings_of_losses_reach_them() -> None:
    X, y = numbers()
    assert MLPRegressor("quantile", quantile=0.9, **SETTINGS).fit(X, y).predict(X).mean() > y.mean()
    wide = MLPRegressor("huber", delta=1e6, **SETTINGS).fit(X, y)
    squared = MLPRegressor(**SETTINGS).fit(X, y)
    np.testing.assert_allclose(wide.coefs_[0], squared.coefs_[0], rtol=1e-9)
    one, two = (MLPRegressor("tweedie", power=power, **SETTINGS).fit(X, y).loss_ for power in (1, 2))
    assert one == pytest.approx(MLPRegressor("poisson", **SETTINGS).fit(X, y).loss_)
    assert two == pytest.approx(MLPRegressor("gamma", **SETTINGS).fit(X, y).loss_)
    X, y = flowers()
    plain, focal = (MLPClassifier(loss=loss, gamma=0.0, **SETTINGS).fit(X, y) for loss in ("log_loss", "focal"))
    np.testing.assert_allclose(plain.coefs_[0], focal.coefs_[0], rtol=1e-6)
    smoothed = MLPClassifier(label_smoothing=0.3, **{**SETTINGS, "max_iter": 300}).fit(X, y)
    assert 0.6 < smoothed.predict_proba(X).max(axis=1).mean() < 0.9


def test_several_quantiles_have_a_column_each() -> None:
    X, y = numbers()
    model = MLPRegressor("quantile", quantile=[0.1, 0.5, 0.9], **{**SETTINGS, "max_iter": 200}).fit(X, y)
    low, middle, high = model.predict(X).T
    assert ((low < middle) & (middle < high)).mean() > 0.9
    expected = np.mean([d2_pinball_score(y, model.predict(X)[:, k], alpha=a) for k, a in enumerate((0.1, 0.5, 0.9))])
    assert model.score(X, y) == pytest.approx(expected)


def test_activations_per_layer_as_formulas_and_functions() -> None:
    X, y = flowers()
    settings = {**SETTINGS, "hidden_layer_sizes": (6, 5)}
    named = MLPClassifier(activation=["silu", "tanh"], **settings).fit(X, y)
    written = MLPClassifier(activation=["z*sigmoid(z)", np.tanh], **settings).fit(X, y)
    np.testing.assert_allclose(written.coefs_[0], named.coefs_[0], rtol=1e-9)
    own = MLPClassifier(activation=lambda z: np.sin(z), **settings).fit(X, y)
    hidden = np.sin(np.sin(X @ own.coefs_[0] + own.intercepts_[0]) @ own.coefs_[1] + own.intercepts_[1])
    scores = hidden @ own.coefs_[2] + own.intercepts_[2]
    np.testing.assert_array_equal(own.predict(X), scores.argmax(axis=1))
    positive = MLPRegressor(output_activation="softplus", **SETTINGS).fit(*numbers())
    assert positive.out_activation_ == "softplus"
    assert positive.predict(10 * numbers()[0]).min() > 0


def test_regularizers_change_what_they_should() -> None:
    X, y = flowers()
    plain = MLPClassifier(**SETTINGS).fit(X, y)
    shrunk = MLPClassifier(weight_decay=1.0, **SETTINGS).fit(X, y)
    assert np.linalg.norm(shrunk.coefs_[0]) < 0.7 * np.linalg.norm(plain.coefs_[0])
    dropped = MLPClassifier(dropout=0.5, **SETTINGS).fit(X, y)
    assert dropped.loss_ > plain.loss_
    np.testing.assert_array_equal(dropped.predict_proba(X), dropped.predict_proba(X))
    np.testing.assert_array_equal(dropped.coefs_[0], MLPClassifier(dropout=0.5, **SETTINGS).fit(X, y).coefs_[0])
    descent: dict[str, Any] = {"solver": "sgd", "momentum": 0.0, "max_iter": 1}
    clipped = MLPClassifier(clip_norm=1e-3, **{**SETTINGS, **descent}).fit(X, y)
    start = MLPClassifier(clip_norm=1e-12, **{**SETTINGS, **descent}).fit(X, y)
    layers = zip(clipped.coefs_ + clipped.intercepts_, start.coefs_ + start.intercepts_, strict=True)
    moved = np.sqrt(sum(np.sum((one - other) ** 2) for one, other in layers))
    assert moved == pytest.approx(0.02 * 1e-3, rel=1e-3)


@pytest.mark.parametrize("kind", ["layer", "batch"])
def test_normalization(kind: Any) -> None:
    X, y = flowers()
    model = MLPClassifier(normalization=kind, **SETTINGS).fit(X, y)
    assert model.score(X, y) > 0.9
    assert {"gain1", "shift1"} <= set(model.normalization_)
    np.testing.assert_array_equal(model.predict_proba(X[:1]), model.predict_proba(X)[:1])
    hidden = X @ model.coefs_[0] + model.intercepts_[0]
    if kind == "batch":
        np.testing.assert_allclose(model.normalization_["mean1"], hidden.mean(axis=0))
    again = MLPClassifier(normalization=kind, warm_start=True, **SETTINGS).fit(X, y).fit(X, y)
    assert again.loss_ < model.loss_


def test_own_validation_data_are_watched() -> None:
    X, y = flowers()
    held = X[::3], y[::3]
    rest = X[1::3], y[1::3]
    watched = MLPClassifier(validation_data=held, **SETTINGS).fit(*rest)
    plain = MLPClassifier(**SETTINGS).fit(*rest)
    np.testing.assert_array_equal(watched.coefs_[0], plain.coefs_[0])
    assert watched.validation_loss_curve_ is not None
    assert watched.validation_scores_ is not None
    assert watched.validation_loss_curve_[-1] == pytest.approx(log_loss(held[1], watched.predict_proba(held[0])))
    assert watched.validation_scores_[-1] == watched.score(*held)
    assert watched.best_validation_score_ == max(watched.validation_scores_)
    assert watched.best_loss_ == plain.best_loss_
    at_fit = MLPClassifier(**SETTINGS).fit(*rest, X_val=held[0], y_val=held[1])
    assert at_fit.validation_loss_curve_ == watched.validation_loss_curve_
    stopped = MLPClassifier(validation_data=held, early_stopping=True, **{**SETTINGS, "max_iter": 200}).fit(*rest)
    assert stopped.n_iter_ < 200
    assert stopped.score(*held) == stopped.best_validation_score_


def test_scorers_and_the_validation_loss_decide() -> None:
    X, y = flowers()
    settings = {**SETTINGS, "early_stopping": True}
    held = X[::4], y[::4]
    by_name = MLPClassifier(scoring="f1_macro", validation_data=held, **settings).fit(X, y)
    assert by_name.best_validation_score_ == pytest.approx(f1_score(held[1], by_name.predict(held[0]), average="macro"))

    def worst_class(estimator: Any, X: Array, y: Array) -> float:
        return float(min((estimator.predict(X) == y)[y == label].mean() for label in np.unique(y)))

    assert MLPClassifier(scoring=worst_class, **settings).fit(X, y).best_validation_score_ is not None
    by_loss = MLPClassifier(scoring="loss", validation_data=held, **settings).fit(X, y)
    assert by_loss.validation_loss_curve_ is not None
    assert by_loss.best_validation_score_ == -min(by_loss.validation_loss_curve_)
    assert log_loss(held[1], by_loss.predict_proba(held[0])) == pytest.approx(min(by_loss.validation_loss_curve_))
    longer = MLPClassifier(scoring="loss", warm_start=True, **settings).fit(X, y).fit(X, y)
    assert longer.validation_loss_curve_ is not None
    assert longer.best_validation_score_ == -min(longer.validation_loss_curve_)
    with pytest.raises(ValueError, match="scoring sees the validation rows only"):
        MLPClassifier(scoring=lambda estimator, X, y: estimator.predict(X[:2])[0], **settings).fit(X, y)


def test_the_best_restart_is_kept() -> None:
    X, y = flowers()
    one = MLPClassifier(**SETTINGS).fit(X, y)
    several = MLPClassifier(n_restarts=4, **SETTINGS).fit(X, y)
    assert several.restart_scores_ is not None
    assert len(set(several.restart_scores_)) == 4
    assert several.restart_scores_[0] == pytest.approx(-one.loss_)
    assert several.loss_ == -max(several.restart_scores_)
    again = MLPClassifier(n_restarts=4, n_jobs=1, threads=1, **SETTINGS).fit(X, y)
    np.testing.assert_array_equal(several.coefs_[0], again.coefs_[0])
    randoms = [np.random.RandomState(3) for _ in range(2)]
    first, single = (
        MLPClassifier(**{**SETTINGS, "n_restarts": count, "random_state": random}).fit(X, y)
        for count, random in zip((2, 1), randoms, strict=True)
    )
    assert first.restart_scores_ is not None
    assert first.restart_scores_[0] == pytest.approx(-single.loss_)
    judged = MLPClassifier(n_restarts=3, early_stopping=True, **SETTINGS).fit(X, y)
    assert judged.restart_scores_ is not None
    assert judged.best_validation_score_ == max(judged.restart_scores_)


def test_the_number_of_threads_changes_nothing() -> None:
    X, y = flowers()
    one, two = (MLPClassifier(threads=threads, **SETTINGS).fit(X, y) for threads in (1, 2))
    np.testing.assert_array_equal(one.coefs_[0], two.coefs_[0])


def test_a_fitted_estimator_derives_its_gradients() -> None:
    X, y = flowers()
    model = MLPClassifier(activation="z*sigmoid(z)", **SETTINGS).fit(X, y)
    derivation = model.derive()
    assert derivation.verify().ok
    text = str(derivation)
    assert "∂L/∂W1" in text
    assert "∂L/∂b2" in text
    regressor = MLPRegressor("huber", alpha=0.0, **SETTINGS).fit(*numbers())
    assert regressor.derive().verify().ok
    with pytest.raises(ValueError, match="not fitted"):
        MLPClassifier().derive()
    gradient = cr.grad(loss_function(model._network), argnums=[3])
    assert callable(gradient)


def test_two_classes_and_labels_have_logistic_outputs() -> None:
    X, y = flowers()
    model = MLPClassifier(loss="focal", **SETTINGS).fit(X, y == 2)
    scores = np.maximum(X @ model.coefs_[0] + model.intercepts_[0], 0) @ model.coefs_[1] + model.intercepts_[1]
    np.testing.assert_allclose(model.predict_proba(X)[:, 1], expit(scores[:, 0]))
    assert model.out_activation_ == "logistic"


def test_a_report_says_where_gradients_go() -> None:
    X, y = flowers()
    model = MLPClassifier(**SETTINGS).fit(X, y)
    report = model.gradient_report(X, y)
    assert report.status == "healthy"
    assert {each.name for each in report.params} == {"W1", "b1", "W2", "b2"}
    deep = MLPRegressor(hidden_layer_sizes=(6,) * 8, activation="logistic", max_iter=1, random_state=0).fit(*numbers())
    assert deep.gradient_report(*numbers()).status == "vanishing"
    normalized = MLPRegressor(normalization="batch", dropout=0.2, **SETTINGS).fit(*numbers())
    assert normalized.gradient_report(*numbers()).rows == 80
    with pytest.raises(ValueError, match="not fitted"):
        MLPClassifier().gradient_report(X, y)


def test_a_report_needs_no_rows_until_the_estimator_travels() -> None:
    X, y = flowers()
    model = MLPClassifier(**SETTINGS).fit(X, y)
    assert model.gradient_report().norms == model.gradient_report(X, y).norms
    with pytest.raises(ValueError, match="belong together"):
        model.gradient_report(X)
    many = np.tile(X, (10, 1))
    assert MLPClassifier(**SETTINGS).fit(many, np.tile(y, 10)).gradient_report().rows == 1_000
    travelled = pickle.loads(pickle.dumps(model))
    with pytest.raises(ValueError, match="do not travel"):
        travelled.gradient_report()
    assert travelled.gradient_report(X, y).norms == model.gradient_report().norms


def test_a_wide_network_with_exp_is_verified() -> None:
    X, y = numbers()
    model = MLPRegressor("tweedie", max_iter=3, tol=1e9, n_iter_no_change=1, random_state=0).fit(X, np.abs(y))
    assert model.get_params()["hidden_layer_sizes"] == (100,)
    assert model.derive().verify().ok
