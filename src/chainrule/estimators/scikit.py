"""All imports from scikit-learn, for its last three minor versions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from chainrule.words import MissingDependencyError

try:
    from sklearn import __version__, get_config
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import d2_pinball_score, get_scorer
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import LabelBinarizer
    from sklearn.utils import check_array, check_random_state, column_or_1d
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.metaestimators import available_if as _available_if
    from sklearn.utils.multiclass import type_of_target, unique_labels
    from sklearn.utils.validation import _check_sample_weight as check_sample_weight
    from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data
except ImportError as error:
    raise MissingDependencyError(
        f"the estimators need scikit-learn 1.7 or later ({error}); install it with pip install 'chainrule[tables]'"
    ) from None

READS_TABLES = tuple(map(int, __version__.split(".")[:2])) >= (1, 9)
"""Whether scikit-learn reads the column names of any table; earlier versions read those of pandas and Arrow."""

Method = TypeVar("Method", bound=Callable[..., Any])

if TYPE_CHECKING:

    class Estimator:
        """`BaseEstimator` for the type checker, with the attributes set by fitting."""

        n_features_in_: int
        feature_names_in_: Any

        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Any: ...
        def set_fit_request(self, **metadata: Any) -> Any: ...
        def set_score_request(self, **metadata: Any) -> Any: ...
        def __sklearn_tags__(self) -> Any: ...

    class Classifier:
        """`ClassifierMixin` for the type checker."""

        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float: ...

    class Regressor:
        """`RegressorMixin` for the type checker."""

        def score(self, X: Any, y: Any, sample_weight: Any = None) -> float: ...

    class CallbackSupport:
        """`CallbackSupportMixin` for the type checker."""

        def set_callbacks(self, *callbacks: Any) -> Any: ...
        def _init_callback_context(self, task_name: str = "fit", max_subtasks: int | None = 0) -> Any: ...

    def with_callbacks(method: Method) -> Method:
        """`sklearn.callback.with_callbacks` for the type checker."""
        return method

else:
    Estimator, Classifier, Regressor = BaseEstimator, ClassifierMixin, RegressorMixin
    try:
        from sklearn.callback import CallbackSupportMixin as CallbackSupport
        from sklearn.callback import with_callbacks
    except ImportError:  # before scikit-learn 1.9

        class CallbackSupport:
            """An empty class, if scikit-learn has no callbacks."""

        def with_callbacks(method):
            """Return the method unchanged, if scikit-learn has no callbacks."""
            return method


def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """`sklearn.utils.metaestimators.available_if`, with types."""
    decorate: Callable[[Method], Method] = _available_if(check)
    return decorate


__all__ = [
    "READS_TABLES",
    "CallbackSupport",
    "Classifier",
    "ConvergenceWarning",
    "Estimator",
    "LabelBinarizer",
    "Regressor",
    "available_if",
    "check_array",
    "check_is_fitted",
    "check_random_state",
    "check_sample_weight",
    "column_or_1d",
    "compute_sample_weight",
    "d2_pinball_score",
    "get_config",
    "get_scorer",
    "has_fit_parameter",
    "is_classifier",
    "train_test_split",
    "type_of_target",
    "unique_labels",
    "validate_data",
    "with_callbacks",
]
