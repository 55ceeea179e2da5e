"""scikit-learn's callbacks: the begin and end of the tasks of a fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class EpochTasks:
    """The tasks of a fit for its callbacks: the fit, and one subtask for each epoch.

    An epoch's task begins when the previous one ends; one that was begun but not trained ends with the fit.
    """

    def __init__(self, estimator: Any, epochs: int, X: Any, y: Any, sample_weight: Any) -> None:
        self._estimator = estimator
        self._epochs = epochs
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._data = {"X": X, "y": y, "metadata": metadata}
        self._fit = estimator._init_callback_context(max_subtasks=epochs)
        self._fit.call_on_fit_task_begin(estimator=estimator, **self._data)
        self._epoch: Any = None
        self._done = 0

    @classmethod
    def of(cls, estimator: Any, epochs: int, X: Any, y: Any, sample_weight: Any) -> EpochTasks | None:
        """Return the tasks of a fit that begins; None if scikit-learn has no callbacks."""
        known = hasattr(estimator, "_init_callback_context")
        return cls(estimator, epochs, X, y, sample_weight) if known else None

    @property
    def watched(self) -> bool:
        """Whether there are callbacks, which must be called for each epoch."""
        return bool(getattr(self._estimator, "_skl_callbacks", []))

    def begin(self, attributes: Callable[[], Mapping[str, Any]]) -> None:
        """Begin an epoch; `attributes` returns the attributes that make the estimator ready to predict."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(
            estimator=self._estimator, **self._data, reconstruction_attributes=attributes
        )

    def end(self, attributes: Callable[[], Mapping[str, Any]]) -> bool:
        """End an epoch and begin the next; return whether a callback requests to stop."""
        stop = bool(
            self._epoch.call_on_fit_task_end(
                estimator=self._estimator, **self._data, reconstruction_attributes=attributes
            )
        )
        self._epoch = None
        self._done += 1
        if not stop and self._done < self._epochs:
            self.begin(attributes)
        return stop

    def finish(self, attributes: Callable[[], Mapping[str, Any]]) -> None:
        """End the fit."""
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(estimator=self._estimator)
        self._fit.call_on_fit_task_end(estimator=self._estimator, **self._data, reconstruction_attributes=attributes)
