"""The base class of all errors, and the error of a missing optional dependency.

Each message is one sentence: what was wrong, where, and the mend. It is English where it is raised, and shown in the
language in use.
"""

from __future__ import annotations

from chainrule.words.catalogue import translated
from chainrule.words.speaking import Language, spoken


class ChainruleError(Exception):
    """The base class of every error that the package raises deliberately.

    `str(error)` is its message in the language that `cr.use` or CHAINRULE_LANG sets, `in_language` in a given one.

    >>> error = ChainruleError("this number is too large")
    >>> error.in_language("zh"), str(error)
    ('这个数过大', 'this number is too large')
    """

    def in_language(self, language: Language) -> str:
        """Return the message in `language`; in English if it has no translation."""
        return translated(super().__str__(), language)

    def __str__(self) -> str:
        return self.in_language(spoken())


class MissingDependencyError(ChainruleError, ImportError):
    """A package that a feature requires is not installed; the message names the command that installs it."""


class ArgumentError(ChainruleError, TypeError):
    """A call has a keyword that the function does not take; the message names the right one."""
