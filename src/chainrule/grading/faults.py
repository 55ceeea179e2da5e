"""Isolation of failures in explanations from the verdict."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_T = TypeVar("_T")
_P = ParamSpec("_P")
_log = logging.getLogger(__name__)


def spared(stage: Callable[_P, _T], otherwise: _T, *arguments: _P.args, **options: _P.kwargs) -> _T:
    """Return the result of a stage of an explanation; `otherwise` if it fails for any reason, which is logged.

    Only explanations use this: a line without one is "not what it should be". The verdict does not, so that no failure
    makes a wrong answer right.
    """
    try:
        return stage(*arguments, **options)
    except Exception:  # a defect of the grader, or unexpected values of an answer
        _log.debug("a stage of grading failed", exc_info=True)
        return otherwise
