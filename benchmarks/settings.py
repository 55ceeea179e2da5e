"""Settings of measurements."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """`rounds` per contender; `quick` shortens the jobs, for a check that they run."""

    rounds: int = 7
    quick: bool = False

    @property
    def least(self) -> float:
        """The minimum seconds of a contender's turn."""
        return 0.0 if self.quick else 0.2


def say(line: str) -> None:
    """Print a progress line on standard error, so that standard output has only the results."""
    print(line, file=sys.stderr, flush=True)
