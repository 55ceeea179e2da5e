"""Interleaved timing: every contender runs once per round, so that a drift of the machine's speed meets all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Run = Callable[[], float]
"""Does the whole job and gives the final loss."""


@dataclass(frozen=True)
class Contender:
    """Somebody who does the job; `run` is timed, compilation included only where `prepare` did not do it."""

    name: str
    run: Run
    rounds: int | None = None


@dataclass(frozen=True)
class Timing:
    """The seconds of each round of one contender, and the loss that it reached."""

    name: str
    seconds: tuple[float, ...]
    loss: float

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def interleave(contenders: Sequence[Contender], rounds: int) -> list[Timing]:
    """Time each contender `rounds` times, in turn; a slow one may ask for fewer rounds."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    losses: dict[str, float] = {}
    for contender in contenders:
        losses[contender.name] = contender.run()
    for number in range(rounds):
        for contender in contenders:
            if contender.rounds is not None and number >= contender.rounds:
                continue
            start = time.perf_counter()
            losses[contender.name] = contender.run()
            seconds[contender.name].append(time.perf_counter() - start)
    return [Timing(c.name, tuple(seconds[c.name]), losses[c.name]) for c in contenders]


def check_same_loss(timings: Sequence[Timing], tolerance: float) -> None:
    """Everybody must have done the same job: the losses agree to a relative `tolerance`."""
    first = timings[0]
    for timing in timings[1:]:
        if abs(timing.loss - first.loss) > tolerance * abs(first.loss):
            raise SystemExit(
                f"{timing.name} reached the loss {timing.loss}, {first.name} {first.loss}: not the same job"
            )
