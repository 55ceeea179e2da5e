"""The error of this package."""

from __future__ import annotations

from chainrule.words import ChainruleError


class LearnerError(ChainruleError, ValueError):
    """Settings that do not fit the table or each other."""
