"""Class labels as the arrays that a network is trained on, and back; the weight of each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.errors import ParameterError
from chainrule.estimators.scikit import LabelBinarizer, check_sample_weight, compute_sample_weight

Array = NDArray[Any]


class Labels:
    """Classes, and how they stand in an array of zeros and ones: one column for two classes, else one for each.

    `kind` is "binary", "multiclass" or "multilabel-indicator". Raises ValueError for labels of no such kind.
    """

    def __init__(self, y: Any) -> None:
        self._binarizer = LabelBinarizer().fit(y)
        self.classes: Array = self._binarizer.classes_
        self.kind: str = self._binarizer.y_type_

    def encode(self, y: Any) -> NDArray[np.bool_]:
        """`y` as True and False, of shape (rows, outputs); a label that is no class has False everywhere."""
        places = self._places(y)
        if places is not None:
            wanted = np.arange(len(self.classes)) if self.kind == "multiclass" else np.array([1])
            chosen: NDArray[np.bool_] = places[:, None] == wanted
            return chosen
        columns: NDArray[np.bool_] = self._binarizer.transform(y).astype(bool)
        return columns

    def holds(self, y: Any) -> bool:
        """Whether `y` is seen at a glance to have known labels only; what is not is checked in full."""
        places = self._places(y)
        return places is not None and bool((places >= 0).all())

    def _places(self, y: Any) -> NDArray[np.intp] | None:
        """The place of each label among the classes, −1 where it is none; None where that takes a closer look."""
        simple = type(y) is np.ndarray and y.ndim == 1 and y.dtype == self.classes.dtype and y.dtype.kind in "biuU"
        if not simple or self.kind not in ("binary", "multiclass") or len(self.classes) < 2:
            return None
        places: NDArray[np.intp] = np.minimum(np.searchsorted(self.classes, y), len(self.classes) - 1)
        places[self.classes[places] != y] = -1
        return places

    def decode(self, scores: Array) -> Any:
        """The labels for probabilities (rows, outputs): the likeliest class, or each that has more than a half."""
        if len(self.classes) > 1:
            if self.kind == "multiclass":
                return self.classes[scores.argmax(axis=1)]
            if self.kind == "binary":
                return self.classes[(scores[:, 0] > 0.5).astype(np.intp)]
        return self._binarizer.inverse_transform(scores[:, 0] if scores.shape[1] == 1 else scores)


def row_weights(
    y: Any, X: Any, sample_weight: Any, class_weight: Mapping[Any, float] | list[Any] | str | None, dtype: Any
) -> Array | None:
    """The weight of each row, that of its sample times that of its class; None where all are equal.

    Raises ValueError for weights that do not fit the rows, that are not finite, or of which none is above zero.
    """
    weights = None if sample_weight is None else check_sample_weight(sample_weight, X)
    if weights is not None and not np.any(weights):
        raise ParameterError("the sample weights are all zero; at least one has to be above zero")
    if class_weight is not None:
        of_class = compute_sample_weight(class_weight, y)
        weights = of_class if weights is None else weights * of_class
    return None if weights is None else np.asarray(weights, dtype)
