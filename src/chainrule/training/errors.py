"""Errors and warnings of training."""

from __future__ import annotations

import numpy as np

from chainrule.words import ChainruleError


class TrainingError(ChainruleError, ValueError):
    """Parameters, data or settings of a run are invalid or inconsistent."""


class DivergenceWarning(UserWarning):
    """A value became non-finite, or the loss grew far beyond its initial scale."""


class BroadcastWarning(UserWarning):
    """Shapes (rows, 1) and (rows,) were broadcast to (rows, rows), which is rarely intended."""


class UndividedWarning(UserWarning):
    """The rows of a batch cannot be divided among devices, which then gain nothing."""


def is_false(answer: object) -> bool:
    """Whether a callback returned False, as a Python or NumPy bool."""
    return isinstance(answer, bool | np.bool_) and not answer


def carrying(error: BaseException, result: object) -> BaseException:
    """Attach the partial result of training to `error`, as its attribute `result`."""
    error.result = result  # type: ignore[attr-defined]
    error.add_note("The results of training until then are in the attribute `result` of this exception.")
    return error
