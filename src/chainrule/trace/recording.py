"""One call of a function that is being traced: whether it still goes on, and what happened in it besides operations."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass(eq=False)
class Recording:
    """The trace of one call. Traced values belong to it and are of no use after it has ended.

    `unsigned` tells that unsigned integers were given, which are held as int64. `refusals` are the errors raised in it
    for what cannot be recorded, `draws` the descriptions of random numbers drawn from generators outside of it.
    """

    name: str
    parent: Recording | None = None
    unsigned: bool = False
    alive: bool = True
    refusals: list[Exception] = field(default_factory=list)
    draws: list[str] = field(default_factory=list)

    @property
    def depth(self) -> int:
        """How many traces this one is inside of."""
        return 0 if self.parent is None else self.parent.depth + 1

    def refused(self, error: Exception) -> None:
        """Note an error here and in every trace around this one: whoever catches it hides a refusal from all."""
        recording: Recording | None = self
        while recording is not None:
            recording.refusals.append(error)
            recording = recording.parent

    def encloses(self, other: Recording | None) -> bool:
        """Whether `other` is this trace or one inside of it."""
        while other is not None and other is not self:
            other = other.parent
        return other is self


given_unsigned: ContextVar[bool] = ContextVar("given_unsigned", default=False)
"""Whether the arrays that the next trace stands for have unsigned integers among them."""

recording: ContextVar[Recording | None] = ContextVar("recording", default=None)
"""The innermost trace under way."""
