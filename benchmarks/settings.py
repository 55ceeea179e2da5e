"""How long to measure."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`rounds` per contender; `quick` shortens the jobs, for a look at whether all works."""

    rounds: int = 7
    quick: bool = False

    @property
    def least(self) -> float:
        """Seconds that a contender's turn lasts at least."""
        return 0.0 if self.quick else 0.2


def say(line: str) -> None:
    """A line on what is being done, on standard error, so that standard output holds the results alone."""
    print(line, file=sys.stderr, flush=True)
