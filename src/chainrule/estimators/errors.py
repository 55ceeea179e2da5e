"""Errors of the estimators, besides those of scikit-learn and of other packages."""

from __future__ import annotations

from chainrule.words import ChainruleError


class ParameterError(ChainruleError, ValueError, TypeError):
    """A parameter or argument of an estimator is out of range or of the wrong type.

    Both a ValueError and a TypeError, so that it matches scikit-learn's exceptions.
    """


class DivergenceError(ChainruleError, ValueError):
    """Training produced non-finite numbers; the estimator keeps the weights of its best epoch."""
