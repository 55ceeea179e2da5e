"""The record of one call of a traced function: whether it is still running, and its side effects."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field

from chainrule.ir import Input


@dataclass(eq=False)
class Recording:
    """The trace of one call. Traced values belong to it and become invalid when it ends.

    `unsigned` tells whether unsigned integers, which are stored as int64, were given. `refusals` are the errors raised
    for unsupported operations, `draws` descriptions of random numbers drawn from external generators, `symbols` stand
    for values within the steps of recurrences.
    """

    name: str
    parent: Recording | None = None
    unsigned: bool = False
    alive: bool = True
    refusals: list[Exception] = field(default_factory=list)
    draws: list[str] = field(default_factory=list)
    symbols: set[Input] = field(default_factory=set)

    @property
    def depth(self) -> int:
        """The number of enclosing traces."""
        return 0 if self.parent is None else self.parent.depth + 1

    def refused(self, error: Exception) -> None:
        """Record an error in this trace and every enclosing one, since a caller may catch it."""
        recording: Recording | None = self
        while recording is not None:
            recording.refusals.append(error)
            recording = recording.parent

    def encloses(self, other: Recording | None) -> bool:
        """Whether `other` is this trace or an inner one."""
        while other is not None and other is not self:
            other = other.parent
        return other is self


given_unsigned: ContextVar[bool] = ContextVar("given_unsigned", default=False)
"""Whether the arrays given to the next trace include unsigned integers."""

recording: ContextVar[Recording | None] = ContextVar("recording", default=None)
"""The innermost active trace."""
