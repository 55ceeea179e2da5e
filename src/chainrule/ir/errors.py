"""The exceptions that callers can catch. Each message is one sentence: what was wrong, where, what would be right."""

from __future__ import annotations


class ChainruleError(Exception):
    """Base of every error that the package raises on purpose."""


class ShapeError(ChainruleError, ValueError):
    """Two shapes do not fit, or a shape is malformed."""


class DTypeError(ChainruleError, TypeError):
    """An operand has a dtype that the operation does not take."""


class ProgramError(ChainruleError, ValueError):
    """A Program breaks its own rules: an undeclared input, a node of an unknown kind, a stale type."""
