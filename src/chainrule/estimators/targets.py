"""Encoding and decoding of class labels; row weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.errors import ParameterError
from chainrule.estimators.scikit import LabelBinarizer, check_sample_weight, compute_sample_weight

Array = NDArray[Any]


class Labels:
    """The classes, and their encoding as zeros and ones: one column for two classes, else one per class.

    `kind` is "binary", "multiclass" or "multilabel-indicator". Raises ValueError for other kinds of labels.
    """

    def __init__(self, y: Any) -> None:
        self._binarizer = LabelBinarizer().fit(y)
        self.classes: Array = self._binarizer.classes_
        self.kind: str = self._binarizer.y_type_

    def encode(self, y: Any) -> NDArray[np.bool_]:
        """Encode `y` as booleans of shape (rows, outputs); an unknown label is False everywhere."""
        places = self._places(y)
        if places is not None:
            wanted = np.arange(len(self.classes)) if self.kind == "multiclass" else np.array([1])
            chosen: NDArray[np.bool_] = places[:, None] == wanted
            return chosen
        columns: NDArray[np.bool_] = self._binarizer.transform(y).astype(bool)
        return columns

    def holds(self, y: Any) -> bool:
        """Whether a quick check finds only known labels in `y`; otherwise it is checked in full."""
        places = self._places(y)
        return places is not None and bool((places >= 0).all())

    def _places(self, y: Any) -> NDArray[np.intp] | None:
        """Return the class index of each label, −1 for an unknown one; None if a full check is needed."""
        simple = type(y) is np.ndarray and y.ndim == 1 and y.dtype == self.classes.dtype and y.dtype.kind in "biuU"
        if not simple or self.kind not in ("binary", "multiclass") or len(self.classes) < 2:
            return None
        places: NDArray[np.intp] = np.minimum(np.searchsorted(self.classes, y), len(self.classes) - 1)
        places[self.classes[places] != y] = -1
        return places

    def decode(self, scores: Array) -> Any:
        """Return the labels for probabilities (rows, outputs): the most likely class, or each above one half."""
        if len(self.classes) > 1:
            if self.kind == "multiclass":
                return self.classes[scores.argmax(axis=1)]
            if self.kind == "binary":
                return self.classes[(scores[:, 0] > 0.5).astype(np.intp)]
        return self._binarizer.inverse_transform(scores[:, 0] if scores.shape[1] == 1 else scores)


def row_weights(
    y: Any, X: Any, sample_weight: Any, class_weight: Mapping[Any, float] | list[Any] | str | None, dtype: Any
) -> Array | None:
    """Return the weight of each row, the product of its sample and class weights; None if all are equal.

    Raises ValueError for weights that do not fit the rows, are non-finite, or are all 0.
    """
    weights = None if sample_weight is None else check_sample_weight(sample_weight, X)
    if weights is not None and not np.any(weights):
        raise ParameterError("the sample weights are all zero; at least one has to be above zero")
    if class_weight is not None:
        of_class = compute_sample_weight(class_weight, y)
        weights = of_class if weights is None else weights * of_class
    return None if weights is None else np.asarray(weights, dtype)
