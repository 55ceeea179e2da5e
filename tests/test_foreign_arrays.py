"""Masked arrays, matrices and other libraries' arrays: taken for what they mean, or refused with what to write."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import chainrule as cr
from chainrule.estimators import MLPClassifier, MLPRegressor
from chainrule.networks import train

X = np.random.default_rng(0).normal(size=(12, 2))
Y = X[:, 0] * 2
LABELS = (Y > 0).astype(int)
NETWORK = cr.MLP([2, 3, 1], seed=0)
SMALL: dict[str, Any] = {"hidden_layer_sizes": (3,), "max_iter": 1, "random_state": 0}

ENTRIES: dict[str, Callable[[Any, Any], Any]] = {
    "MLP.fit": lambda X, y: cr.MLP([2, 3, 1], seed=0).fit(X, y, epochs=1),
    "MLP.predict": lambda X, y: NETWORK.predict(X),
    "NeuralNetwork.train": lambda X, y: cr.NeuralNetwork(2, 3, 1, seed=0).train(X, y[:, None], 1, 0.1, None),
    "NeuralNetwork.feedforward": lambda X, y: cr.NeuralNetwork(2, 3, 1, seed=0).feedforward(X),
    "gradient_report": lambda X, y: cr.gradient_report(lambda X, w: np.sum((X @ w) ** 2), {"w": np.ones(2)}, {"X": X}),
    "MLPRegressor.fit": lambda X, y: MLPRegressor(**SMALL).fit(X, y),
    "MLPRegressor.partial_fit": lambda X, y: MLPRegressor(**SMALL).partial_fit(X, y),
    "MLPRegressor.predict": lambda X, y: MLPRegressor(**SMALL).fit(np.asarray(X), np.asarray(y)).predict(X),
    "MLPClassifier.fit": lambda X, y: MLPClassifier(**SMALL).fit(X, (np.asarray(y) > 0).astype(int)),
}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning", "ignore::sklearn.exceptions.ConvergenceWarning")
def test_rows_of_another_class_are_refused(entry: str) -> None:
    with pytest.raises(cr.DTypeError, match="lose its mask"):
        ENTRIES[entry](np.ma.array(X, mask=X > 1), Y)
    with pytest.raises(cr.DTypeError, match=r"np\.matrix"):
        ENTRIES[entry](np.asmatrix(X), Y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_targets_and_weights_with_gaps_are_refused() -> None:
    masked = np.ma.array(Y, mask=Y > 1)
    for attempt in (
        lambda: cr.MLP([2, 3, 1], seed=0).fit(X, masked, epochs=1),
        lambda: MLPRegressor(**SMALL).fit(X, masked),
        lambda: train(NETWORK.architecture, NETWORK.params, X, Y[:, None], weights=np.ma.array(Y**2, mask=Y > 1)),
        lambda: MLPRegressor(**SMALL).fit(X, Y, sample_weight=np.ma.array(np.ones(12), mask=Y > 1)),
        lambda: MLPClassifier(**SMALL).fit(X, np.ma.array(LABELS, mask=Y > 1)),
    ):
        with pytest.raises(cr.DTypeError, match="lose its mask"):
            attempt()


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_another_class_of_a_closure_is_refused_on_either_side() -> None:
    masked, matrix, x = np.ma.array([1.0, 2.0], mask=[False, True]), np.asmatrix([[1.0, 2.0]]), np.ones(2)
    for held, message in ((masked, "lose its mask"), (matrix, r"np\.matrix")):
        for operation in (
            lambda x, held=held: held * x,
            lambda x, held=held: x * held,
            lambda x, held=held: held + x,
            lambda x, held=held: held - x,
            lambda x, held=held: held / x,
            lambda x, held=held: held > x,
            lambda x, held=held: held @ x,
        ):
            with pytest.raises(cr.TraceError, match=message):
                cr.grad(lambda x, operation=operation: np.sum(operation(x)))(x)


def test_a_record_of_arrays_is_a_parameter_of_a_fit_and_stays_as_it_is() -> None:
    held = SimpleNamespace(w=np.ones(2))
    result = cr.fit(lambda p: np.sum(p.w**2), {"p": held}, {}, cr.SGD(0.25), epochs=1)
    np.testing.assert_array_equal(result.params["p"].w, 0.5)
    np.testing.assert_array_equal(held.w, 1)


def test_a_target_out_of_range_is_told_with_all_its_digits() -> None:
    with pytest.raises(cr.ProgramError, match=r"but targets\[0\] is 1\.0000001;"):
        cr.binary_cross_entropy([0.5, 0.5], [1.0000001, 0.0])


def test_columns_of_tables_keep_their_place() -> None:
    series, x = pd.Series([1.0, 2.0, 3.0], index=[5, 1, 0]), np.ones(3)
    for function in (lambda x: np.sum(x * series), lambda x: np.sum(series * x)):
        np.testing.assert_array_equal(cr.grad(function)(x), [1, 2, 3])
    np.testing.assert_array_equal(cr.grad(lambda x, c: np.sum(c - c * x))(x, series), [-1, -2, -3])


def test_what_has_labels_or_no_numbers_is_refused() -> None:
    frame, x = pd.DataFrame({"a": [1.0, 2.0, 3.0]}), np.ones(3)
    for function in (lambda x: np.sum(x * frame), lambda x: np.sum(frame * x)):
        with pytest.raises(cr.TraceError, match=r"df\.to_numpy\(\)"):
            cr.grad(function)(x)
    for argument in (frame, frame["a"], range(3)):
        with pytest.raises(cr.ProgramError, match=r"argument 0 is a .*np\.asarray"):
            cr.grad(lambda x: np.sum(x**2))(argument)


class _Failing:
    def __array__(self, *args: object, **options: object) -> Any:
        raise RuntimeError("call detach() first")


def test_what_another_library_says_of_its_arrays_is_passed_on() -> None:
    for attempt in (
        lambda: cr.sigmoid(_Failing()),
        lambda: cr.grad(lambda x: np.sum(x * _Failing()))(np.ones(3)),
        lambda: cr.fit(lambda w, c: np.sum(w * c), {"w": 1.0}, {"c": _Failing()}, epochs=1),
    ):
        with pytest.raises(cr.ChainruleError, match=r"_Failing .*call detach\(\) first"):
            attempt()
