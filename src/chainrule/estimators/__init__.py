"""Drop-in replacements for scikit-learn's multilayer perceptrons, trained in native code, with extensions."""

from chainrule.estimators.classifier import MLPClassifier
from chainrule.estimators.errors import DivergenceError, ParameterError
from chainrule.estimators.regressor import MLPRegressor
from chainrule.estimators.tabular import TabularClassifier, TabularRegressor

__all__ = [
    "DivergenceError",
    "MLPClassifier",
    "MLPRegressor",
    "ParameterError",
    "TabularClassifier",
    "TabularRegressor",
]
