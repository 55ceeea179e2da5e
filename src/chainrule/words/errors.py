"""The base of all errors, and the one that every room with an optional dependency raises.

Each message is one sentence: what was wrong, where, what would be right.
"""

from __future__ import annotations


class ChainruleError(Exception):
    """Base of every error that the package raises on purpose."""


class MissingDependencyError(ChainruleError, ImportError):
    """A package is not installed that chainrule needs for what was asked; the message names the command."""
