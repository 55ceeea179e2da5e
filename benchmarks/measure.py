"""Interleaved timing: every contender runs once per round, so that drift of the machine's speed affects all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

PAUSE = 0.05
"""Seconds of sleep before a contender's turn: threads of some libraries spin that long after their last work."""

LEAST = 0.2
"""The minimum seconds of a turn; a shorter run is repeated, and the median of the repetitions counts."""

MOST, FEWEST_ROUNDS = 20.0, 3
"""The seconds and the number of rounds after which a contender takes part in no further round."""


class BenchmarkError(Exception):
    """A contender failed, or did not do the same job as the others."""


@dataclass(frozen=True)
class Contender:
    """A contender for a job. `run` is timed; its result may be checked."""

    name: str
    run: Callable[[], Any]


@dataclass(frozen=True)
class Timing:
    """The seconds of one contender: of its first run, which compiles, and of each round; and its last result."""

    name: str
    first: float
    seconds: tuple[float, ...]
    outcome: Any

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def report(self) -> dict[str, Any]:
        """Return the figures as JSON data."""
        return {
            "name": self.name,
            "median_seconds": self.median,
            "fastest_seconds": min(self.seconds),
            "slowest_seconds": max(self.seconds),
            "first_seconds": self.first,
            "seconds": list(self.seconds),
        }


def interleave(contenders: Sequence[Contender], rounds: int, least: float = LEAST) -> list[Timing]:
    """Run each contender once as a warm-up, then `rounds` times in turn."""
    outcomes: list[Any] = []
    firsts: list[float] = []
    for contender in contenders:
        took, outcome = _timed(contender)
        firsts.append(took)
        outcomes.append(outcome)
    seconds: list[list[float]] = [[] for _ in contenders]
    spent = [0.0] * len(contenders)
    for number in range(rounds):
        for k, contender in enumerate(contenders):
            if number >= FEWEST_ROUNDS and spent[k] > MOST:
                continue
            time.sleep(PAUSE)
            repetitions: list[float] = []
            while not repetitions or sum(repetitions) < least:
                took, outcomes[k] = _timed(contender)
                repetitions.append(took)
            spent[k] += sum(repetitions)
            seconds[k].append(statistics.median(repetitions))
    return [Timing(contender.name, firsts[k], tuple(seconds[k]), outcomes[k]) for k, contender in enumerate(contenders)]


def _timed(contender: Contender) -> tuple[float, Any]:
    start = time.perf_counter()
    outcome = contender.run()
    return time.perf_counter() - start, outcome
