"""Explaining a wrong answer may fail; that it is wrong stands all the same."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

_T = TypeVar("_T")
_P = ParamSpec("_P")
_log = logging.getLogger(__name__)


def spared(stage: Callable[_P, _T], otherwise: _T, *arguments: _P.args, **options: _P.kwargs) -> _T:
    """What a stage of an explanation finds; `otherwise` where it fails, for whatever reason, which is logged.

    Only what explains goes through here: a line of which nothing is known is "not what it should be". The verdict does
    not, so that no failure makes a wrong answer right.
    """
    try:
        return stage(*arguments, **options)
    except Exception:  # a fault of ours, or values of an answer that no stage was prepared for
        _log.debug("a stage of grading failed", exc_info=True)
        return otherwise
