"""The base class of all errors, and the error of a missing optional dependency.

Each message is one sentence: what was wrong, where, and the mend.
"""

from __future__ import annotations


class ChainruleError(Exception):
    """The base class of every error that the package raises deliberately."""


class MissingDependencyError(ChainruleError, ImportError):
    """A package that a feature requires is not installed; the message names the command that installs it."""


class ArgumentError(ChainruleError, TypeError):
    """A call has a keyword that the function does not take; the message names the right one."""
