"""Interleaved timing: every contender runs once per round, so that a drift of the machine's speed meets all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

PAUSE = 0.05
"""Seconds of sleep before a contender's turn: the threads of some libraries spin that long after their last work."""

LEAST = 0.2
"""Seconds that a turn lasts at least; a shorter run is repeated, and the median of the repetitions counts."""

MOST, FEWEST_ROUNDS = 20.0, 3
"""A contender that has used up so many seconds takes part in no further round after that many."""


class BenchmarkError(Exception):
    """A contender failed, or has not done the same job as the others."""


@dataclass(frozen=True)
class Contender:
    """Somebody who does a job. `run` is what is timed; it gives what a judge may want to look at."""

    name: str
    run: Callable[[], Any]


@dataclass(frozen=True)
class Timing:
    """The seconds of one contender: of its very first run, which compiles, and of each round; and its last outcome."""

    name: str
    first: float
    seconds: tuple[float, ...]
    outcome: Any

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def report(self) -> dict[str, Any]:
        """The figures, ready for JSON."""
        return {
            "name": self.name,
            "median_seconds": self.median,
            "fastest_seconds": min(self.seconds),
            "slowest_seconds": max(self.seconds),
            "first_seconds": self.first,
            "seconds": list(self.seconds),
        }


def interleave(contenders: Sequence[Contender], rounds: int, least: float = LEAST) -> list[Timing]:
    """Run each contender once to warm it up, and then `rounds` times in turn."""
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
