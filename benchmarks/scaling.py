"""The growth of the time of a step with width, depth, batch, rows and threads, with JAX for comparison.

Around the `tabular` job for width, depth and rows; around `mlp` for batch and threads, whose steps are worth sharing.
Widths come in pairs, a power of two and one unit more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from statistics import median
from typing import Any

from benchmarks import machine
from benchmarks.jobs import JOBS, Job
from benchmarks.measure import Contender, interleave
from benchmarks.peers import AbsentError, chainrule, jax
from benchmarks.settings import Settings, say

TITLE = "time over width, depth, batch, rows and threads"
LINEAR, SLOWER = 0.15, 0.10
"""Tolerance of the time per row around its median over the numbers of rows, and of the cost of one more thread."""

STEPS = 400


@dataclass(frozen=True)
class Axis:
    """A varied parameter; `of` returns the job for a value. Values are numbers of threads if `threads`."""

    name: str
    title: str
    values: Sequence[int]
    of: Callable[[int], Job]
    threads: bool = False


def axes(quick: bool) -> list[Axis]:
    """Return the five axes, with few values of each if `quick`."""
    small, large = JOBS["tabular"], replace(JOBS["mlp"], rows=2_560)

    def sized(job: Job, steps: int = STEPS) -> Job:
        return replace(job, epochs=max(1, (steps // 20 if quick else steps) // job.steps_per_epoch))

    def some(values: Sequence[int]) -> Sequence[int]:
        return values[:2] if quick else values

    def wide(width: int) -> Job:
        return sized(replace(small, sizes=(20, width, width, 2), rows=640))

    def deep(layers: int) -> Job:
        return sized(replace(small, sizes=(64, *[64] * layers, 2), rows=640, learning_rate=0.001))

    def batched(batch: int) -> Job:
        return sized(replace(large, batch=batch, rows=10 * batch), 100)

    def tall(rows: int) -> Job:
        return replace(small, rows=rows, epochs=1 if quick else 20)

    threads = [*range(1, machine.cores() + 1)]
    return [
        Axis("width", "20-w-w-2, batches of 64", some([16, 17, 32, 33, 64, 65, 128, 129, 256, 257]), wide),
        Axis("depth", "layers of 64, batches of 64", some([1, 2, 4, 8, 16]), deep),
        Axis("batch", "784-128-10", some([16, 32, 64, 128, 256, 512]), batched),
        Axis("rows", "20-64-2, batches of 64, an epoch", some([6_400, 12_800, 25_600, 51_200, 102_400]), tall),
        Axis("threads", "784-128-10, batches of 128", threads, lambda _: sized(large, 200), threads=True),
        Axis("threads, small", "20-64-2, batches of 64", threads, lambda _: sized(small, 2_000), threads=True),
    ]


def run(settings: Settings) -> dict[str, Any]:
    """Measure each axis with its values interleaved; check rows and threads."""
    report: dict[str, Any] = {"title": TITLE, "axes": {}, "absent": {}}
    for axis in axes(settings.quick):
        say(f"scaling: {axis.name}")
        jobs = [axis.of(value) for value in axis.values]
        ours = [
            Contender(chainrule.NAME, partial(chainrule.train, job, value if axis.threads else None))
            for job, value in zip(jobs, axis.values, strict=True)
        ]
        beside: list[Contender] = []
        if not axis.threads:  # JAX fixes its number of threads when the process starts
            try:
                beside = [contender for job in jobs for contender in jax.contenders(job)]
            except AbsentError as reason:
                report["absent"][jax.NAME] = str(reason)
        timings = interleave([*ours, *beside], settings.rounds, settings.least / 2)
        steps = [job.epochs if axis.name == "rows" else job.steps for job in jobs] * 2
        seconds = [timing.median / count for timing, count in zip(timings, steps, strict=False)]
        report["axes"][axis.name] = {
            "title": axis.title,
            "values": list(axis.values),
            "ours_seconds": seconds[: len(jobs)],
            "jax_seconds": seconds[len(jobs) :] or None,
        }
    report["checks"] = checks(report["axes"])
    return report


def checks(measured: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Check whether time is linear in rows, and no slower with more threads; `worst` is the largest deviation."""
    rows = measured["rows"]
    per_row = [seconds / value for seconds, value in zip(rows["ours_seconds"], rows["values"], strict=True)]
    bent = max(abs(each / median(per_row) - 1) for each in per_row)
    found = {"linear in rows": {"worst": bent, "limit": LINEAR, "holds": bent <= LINEAR}}
    slower = 0.0
    for name in ("threads", "threads, small"):
        seconds = measured[name]["ours_seconds"]
        slower = max([slower, *(after / before - 1 for before, after in pairwise(seconds))])
    found["never slower with more threads"] = {"worst": slower, "limit": SLOWER, "holds": slower <= SLOWER}
    return found


def text(report: dict[str, Any]) -> str:
    """Return each axis as a line of values and lines of times."""
    lines: list[str] = []
    for name, axis in report["axes"].items():
        lines.append(f"{name} ({axis['title']}), µs {'an epoch' if name == 'rows' else 'a step'}")
        lines.append(f"  {'':10}" + "".join(f"{value:>10,}" for value in axis["values"]))
        lines.append(f"  {'chainrule':10}" + _row(axis["ours_seconds"]))
        if axis["jax_seconds"] is not None:
            lines.append(f"  {'JAX':10}" + _row(axis["jax_seconds"]))
    for name, check in report["checks"].items():
        verdict = "holds" if check["holds"] else "DOES NOT HOLD"
        lines.append(
            f"{name}: {verdict} (off by {100 * check['worst']:.0f} % at most; limit {100 * check['limit']:.0f} %)"
        )
    lines += [f"not measured: {name}: {reason}" for name, reason in report["absent"].items()]
    return "\n".join(lines)


def _row(seconds: Sequence[float]) -> str:
    return "".join(f"{each * 1e6:10,.1f}" for each in seconds)
