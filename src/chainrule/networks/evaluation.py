"""Loss and score of validation rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import get_engine
from chainrule.ir import ArrayType, DType, refuse_subclass
from chainrule.networks.architecture import Architecture
from chainrule.networks.errors import NetworkError
from chainrule.networks.prediction import BLOCK, checked_parameters, evaluation_program, filled_up
from chainrule.networks.settings import Validation

Array: TypeAlias = NDArray[Any]


MOST_KEPT = 64
"""Maximum number of prepared blocks that are kept; more are recreated each time to save memory."""


_LOOKED_AT = 4096


class Evaluator:
    """Computes the weighted mean loss, without a penalty, and the predictions of given rows for any parameters.

    A loss that returns one number for a whole batch is computed from all rows at once, any other in blocks of rows.
    Raises NetworkError and ShapeError for rows that do not fit.
    """

    def __init__(self, architecture: Architecture, X: Any, y: Any, weights: Any = None) -> None:
        self.architecture = architecture
        self.X = architecture.checked_input(X)
        if not len(self.X):
            raise NetworkError("there are no rows to evaluate; X is empty")
        self.y = architecture.checked_target(y, len(self.X))
        for name, array in (("X", self.X), ("y", self.y)):
            _check_finite(name, array)
        self.weights = None if weights is None else checked_weights(weights, len(self.X), architecture.dtype)
        self.size = BLOCK if architecture.takes_weights else len(self.X)
        target = ArrayType((self.size, *self.y.shape[1:]), DType.of(self.y.dtype))
        self.compiled = get_engine("native").compile(evaluation_program(architecture, self.size, target))
        few = len(self.X) <= MOST_KEPT * self.size
        self._kept = list(self._made()) if few else None

    def _made(self) -> Iterator[tuple[slice, float, dict[str, Array]]]:
        return (self._block(start) for start in range(0, len(self.X), self.size))

    def _block(self, start: int) -> tuple[slice, float, dict[str, Array]]:
        """Return rows padded to the size of a block, the padding with weight 0, and the total weight."""
        rows = slice(start, min(start + self.size, len(self.X)))
        dtype = self.architecture.dtype
        block = {
            "X": filled_up(self.X[rows], self.size, dtype),
            "y": filled_up(self.y[rows], self.size),
        }
        weights = np.zeros(self.size, dtype)
        weights[: rows.stop - start] = 1 if self.weights is None else self.weights[rows]
        if self.architecture.takes_weights:
            block["weights"] = weights
        return rows, float(weights.sum()), block

    def loss_and_predictions(self, params: Mapping[str, Array]) -> tuple[float, Array]:
        """Return the loss, and predictions (rows, outputs)."""
        values = checked_parameters(self.architecture, params)
        predicted = np.empty((len(self.X), self.architecture.outputs), self.architecture.dtype)
        total = weight = 0.0
        for rows, share, block in self._made() if self._kept is None else self._kept:
            loss, p = self.compiled({**block, **values})
            predicted[rows] = p[: rows.stop - rows.start]
            total += share * float(loss) if share else 0.0
            weight += share
        return total / weight if weight else float("nan"), predicted


class Validator:
    """Computes loss and score of a validation after an epoch."""

    def __init__(self, architecture: Architecture, validation: Validation) -> None:
        self.rows = Evaluator(architecture, validation.X, validation.y, validation.weights)
        self.score = validation.score or architecture.score

    def __call__(self, params: Mapping[str, Array]) -> tuple[float, float]:
        loss, predicted = self.rows.loss_and_predictions(params)
        if not np.isfinite(predicted).all():
            return loss, float("nan")
        return loss, float(self.score(self.rows.y, predicted, self.rows.weights))


def _check_finite(name: str, array: Array) -> None:
    """Raise NetworkError, naming the position, for a non-finite element; checks blocks of rows."""
    for start in range(0, len(array), _LOOKED_AT):
        bad = ~np.isfinite(array[start : start + _LOOKED_AT])
        if bad.any():
            place = np.unravel_index(int(bad.argmax()), bad.shape)
            where = (start + int(place[0]), *map(int, place[1:]))
            raise NetworkError(
                f"{name} of the validation is not finite: {name}[{', '.join(map(str, where))}] is {array[where]}; "
                "remove or replace such values"
            )


def checked_weights(weights: Any, rows: int, dtype: Any) -> Array:
    """Return weights (rows,) as floats; raise NetworkError for invalid or negative ones, or if all are 0."""
    refuse_subclass(weights)
    array = np.asarray(weights)
    if array.shape != (rows,) or array.dtype.kind not in "fiub":
        raise NetworkError(
            f"the weights have the shape {array.shape} and hold {array.dtype}; give ({rows},) numbers, one for each row"
        )
    bad = ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        place = int(bad.argmax())
        raise NetworkError(f"weights[{place}] is {array[place]}; give finite numbers of at least 0")
    if not array.any():
        raise NetworkError("all weights are 0; give at least one row a weight above 0")
    return array.astype(dtype)
