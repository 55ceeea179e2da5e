"""Profile of a step: cycles counted around every loop nest and every wait of the generated code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.jobs import JOBS, Job
from benchmarks.peers.chainrule import arguments, traced
from benchmarks.settings import Settings, say
from chainrule import SGD, Adam, begin_training
from chainrule.engines.native import NativeEngine

MEASURED = ("mlp", "tabular", "adam", "wide", "deep")
SHOWN = 12
"""The number of lines of a table; the remaining parts are summed in one."""


def run(settings: Settings) -> dict[str, Any]:
    """Measure the cycles of each part of a step, with one thread and with two, for every job made of loops."""
    jobs = {}
    for name in MEASURED:
        say(f"cycles: {name}")
        job = replace(JOBS[name], epochs=1) if settings.quick else JOBS[name]
        jobs[name] = {str(threads): counted(job, threads) for threads in (1, 2)}
    return {"title": "cycles of the time stamp counter in a step, by loop nest and by thread", "jobs": jobs}


def counted(job: Job, threads: int) -> list[dict[str, Any]]:
    """Return each part of a step with the cycles of every thread."""
    parameters, data = arguments(job)
    optimizer = SGD(job.learning_rate) if job.optimizer == "sgd" else Adam(job.learning_rate)
    training = begin_training(traced(job), parameters, data, optimizer, job.batch, shuffle=False)
    found = NativeEngine().metered(training.run, job.epochs, threads)
    return [{"part": label, "cycles": cycles} for label, cycles in found]


def text(report: dict[str, Any]) -> str:
    """Return a table for each job and number of threads."""
    lines = []
    for name, counts in report["jobs"].items():
        for threads, parts in counts.items():
            total = sum(max(part["cycles"]) for part in parts)
            lines.append(f"\n{name}, {threads} thread{'s' * (threads != '1')}: cycles in a step")
            ordered = sorted(parts, key=lambda part: -max(part["cycles"]))
            rest = [sum(each) for each in zip(*(part["cycles"] for part in ordered[SHOWN:]), strict=True)]
            for part in [*ordered[:SHOWN], *([{"part": "all the rest", "cycles": rest}] if rest else [])]:
                columns = "".join(f"{cycles:12,.0f}" for cycles in part["cycles"])
                lines.append(f"{max(part['cycles']) / total:6.1%}{columns}  {part['part']}")
    return "\n".join(lines)
