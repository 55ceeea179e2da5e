"""scikit-learn's callbacks: which task of a fit begins and ends when."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class EpochTasks:
    """The tasks of a fit as its callbacks see them: the fit, and in it one task for each epoch.

    An epoch's task begins where that of the epoch before ends; one that began and is not trained ends with the fit.
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
        """The tasks of a fit that begins; None where scikit-learn has no callbacks."""
        known = hasattr(estimator, "_init_callback_context")
        return cls(estimator, epochs, X, y, sample_weight) if known else None

    @property
    def watched(self) -> bool:
        """Whether there are callbacks, so that epochs have to be told one by one."""
        return bool(getattr(self._estimator, "_skl_callbacks", []))

    def begin(self, attributes: Callable[[], Mapping[str, Any]]) -> None:
        """An epoch begins; `attributes` gives what makes the estimator as it is now ready to predict."""
        self._epoch = self._fit.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(
            estimator=self._estimator, **self._data, reconstruction_attributes=attributes
        )

    def end(self, attributes: Callable[[], Mapping[str, Any]]) -> bool:
        """The epoch ends, and the next begins; whether a callback asks to stop."""
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
        """The fit ends."""
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(estimator=self._estimator)
        self._fit.call_on_fit_task_end(estimator=self._estimator, **self._data, reconstruction_attributes=attributes)
