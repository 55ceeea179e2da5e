"""Drop-ins for scikit-learn's multilayer perceptrons, trained in native code, with what their users have asked for."""

from chainrule.estimators.classifier import MLPClassifier
from chainrule.estimators.errors import DivergenceError, ParameterError
from chainrule.estimators.regressor import MLPRegressor

__all__ = ["DivergenceError", "MLPClassifier", "MLPRegressor", "ParameterError"]
