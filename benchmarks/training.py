"""Training jobs by all contenders: time per step, and a check that all reach the same loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks import product
from benchmarks.jobs import Job
from benchmarks.measure import BenchmarkError, Contender, Timing, interleave
from benchmarks.peers import chainrule, fann, gather
from benchmarks.settings import Settings, say

ROUGH = 0.2
"""The relative tolerance of FANN's loss: its derivative is not exactly that of the logistic function."""


def run(job: Job, settings: Settings) -> dict[str, Any]:
    """Measure `job`; raise BenchmarkError if the final loss of a contender differs from ours."""
    job = job.shortened() if settings.quick else job
    say(f"{job.name}: preparing {job.steps:,} steps")
    contenders, absent = gather(job)
    beside: list[Contender] = [chainrule.one_epoch(job)]
    if job.against_product:
        beside.append(product.contender())
    say(f"{job.name}: measuring {', '.join(contender.name for contender in contenders)}")
    timings = interleave([*contenders, *beside], settings.rounds, settings.least)
    measured, (one_epoch, *products) = timings[: len(contenders)], timings[len(contenders) :]
    ours = measured[0]
    losses = [job.evaluate(timing.outcome) for timing in measured]
    check_losses(job, measured, losses)
    report: dict[str, Any] = {
        "title": job.title,
        "steps": job.steps,
        "initial_loss": job.evaluate(job.initial()),
        "contenders": [
            {
                **timing.report(),
                "seconds_per_step": timing.median / job.steps,
                "times_ours": timing.median / ours.median,
                "loss": loss,
            }
            for timing, loss in zip(measured, losses, strict=True)
        ],
        "absent": absent,
        "overhead_seconds": _overhead(job, ours, one_epoch),
    }
    if products:
        reached, possible = job.product_operations * job.steps / ours.median, product.rate(products[0])
        report["products"] = {
            "operations_per_step": job.product_operations,
            "ours_per_second": reached,
            "machine_per_second": possible,
            "fraction": reached / possible,
        }
    return report


def check_losses(job: Job, timings: Sequence[Timing], losses: Sequence[float]) -> None:
    """Check that the losses lie within the tolerance of the job around the first."""
    for timing, loss in zip(timings, losses, strict=True):
        tolerance = ROUGH if timing.name == fann.TITLE else job.tolerance
        if not abs(loss - losses[0]) <= tolerance * abs(losses[0]):
            raise BenchmarkError(
                f"{job.name}: {timing.name} reached the loss {loss!r}, {timings[0].name} {losses[0]!r}; "
                f"they should agree to {tolerance:.1g}, relatively"
            )


def _overhead(job: Job, ours: Timing, one_epoch: Timing) -> float | None:
    """The time of a call before its first step: the line through one epoch and all epochs, extrapolated to none."""
    if job.epochs == 1:
        return None
    per_epoch = (ours.median - one_epoch.median) / (job.epochs - 1)
    return min(max(0.0, one_epoch.median - per_epoch), one_epoch.median)


def text(report: dict[str, Any]) -> str:
    """Return the report as a table."""
    lines = [f"{'':44}{'median':>11}{'fastest':>11}{'slowest':>11}{'a step':>13}{'times ours':>12}"]
    for timing in report["contenders"]:
        lines.append(
            f"{timing['name']:44}{timing['median_seconds'] * 1e3:8.2f} ms{timing['fastest_seconds'] * 1e3:8.2f} ms"
            f"{timing['slowest_seconds'] * 1e3:8.2f} ms{timing['seconds_per_step'] * 1e6:10.3f} µs"
            f"{timing['times_ours']:12.2f}"
        )
    lines.append(
        f"{report['steps']:,} steps, the same for all, from the loss {report['initial_loss']:.6g} to "
        f"{report['contenders'][0]['loss']:.6g}, where all agree"
    )
    first = report["contenders"][0]
    lines.append(f"our very first run, which derives and compiles: {first['first_seconds'] * 1e3:.0f} ms")
    if report["overhead_seconds"] is not None:
        lines.append(f"of each of our later runs, before the first step: {report['overhead_seconds'] * 1e3:.2f} ms")
    if "products" in report:
        products = report["products"]
        lines.append(
            f"matrix products: {products['ours_per_second'] / 1e9:.1f} of the machine's "
            f"{products['machine_per_second'] / 1e9:.1f} GFLOP/s (1024³, float32, NumPy), "
            f"{100 * products['fraction']:.0f} %"
        )
    lines += [f"not measured: {name}: {reason}" for name, reason in report["absent"].items()]
    return "\n".join(lines)
