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
        """`y` as True and False, of shape (rows, outputs)."""
        columns: NDArray[np.bool_] = self._binarizer.transform(y).astype(bool)
        return columns

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
