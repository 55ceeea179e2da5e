"""What the estimators raise beside what scikit-learn and the other rooms do."""

from __future__ import annotations

from chainrule.words import ChainruleError


class ParameterError(ChainruleError, ValueError, TypeError):
    """An estimator was given a parameter or an argument that is out of its range or of the wrong type.

    Both a ValueError and a TypeError, as what scikit-learn raises is.
    """


class DivergenceError(ChainruleError, ValueError):
    """Training led to numbers that are not finite; the estimator keeps those with which its best epoch began."""
