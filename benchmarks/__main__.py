"""`python -m benchmarks NAME … [--rounds N] [--quick] [--json] [--plot FILE.png]`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from math import isfinite
from pathlib import Path
from typing import Any

from benchmarks import (
    accelerators,
    chart,
    coldstart,
    cycles,
    estimators,
    javascript,
    machine,
    page,
    scaling,
    search,
    tables,
    training,
)
from benchmarks.grading import mutants, variants
from benchmarks.jobs import JOBS
from benchmarks.measure import BenchmarkError
from benchmarks.peers import AbsentError, optional
from benchmarks.settings import Settings, say

Report = dict[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark by name: the function that runs it, and the layout of its report."""

    run: Callable[[Settings], Report]
    text: Callable[[Report], str]


def accuracy(settings: Settings) -> Report:
    """Return the worst errors of the elementary functions; without mpmath, a report without figures."""
    report: Report = {"title": "the worst errors of the native engine's elementary functions, against mpmath"}
    try:
        optional("mpmath", "mpmath")
    except AbsentError as reason:
        return {**report, "table": f"not measured: mpmath: {reason}", "functions": []}
    module = import_module("benchmarks.accuracy")
    found = module.run(6_000 if settings.quick else 600_000)
    functions = [asdict(each) for each in found]
    for function in functions:  # JSON has no infinity
        function["units"] = function["units"] if isfinite(function["units"]) else None
    return {**report, "table": module.table(found), "functions": functions}


APART = {
    "mutants": Benchmark(mutants.run, mutants.text),
    "variants": Benchmark(variants.run, variants.text),
    "search": Benchmark(search.run, search.text),
}
"""What is measured is not speed: `all` leaves these out."""
BENCHMARKS = {
    **{name: Benchmark(partial(training.run, job), training.text) for name, job in JOBS.items()},
    "coldstart": Benchmark(coldstart.run, coldstart.text),
    "estimators": Benchmark(estimators.run, estimators.text),
    "tables": Benchmark(tables.run, tables.text),
    "scaling": Benchmark(scaling.run, scaling.text),
    "javascript": Benchmark(javascript.run, javascript.text),
    "cycles": Benchmark(cycles.run, cycles.text),
    "page": Benchmark(page.run, page.text),
    "accelerators": Benchmark(accelerators.run, accelerators.text),
    **APART,
    "accuracy": Benchmark(accuracy, lambda report: str(report["table"])),
}


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line; exit with status 2 and one line for an error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Speed compared with other libraries, in one run, from the same weights to the same loss.",
        epilog="Set CHAINRULE_FANN to FANN's source tree to include it. To measure on fewer cores, put "
        "`taskset -c 0` before the command.",
    )
    parser.add_argument(
        "names", nargs="+", metavar="NAME", choices=[*BENCHMARKS, "all"], help=", ".join([*BENCHMARKS, "all"])
    )
    parser.add_argument("--rounds", type=_positive, default=7, help="how often each contender runs (default 7)")
    parser.add_argument(
        "--quick", action="store_true", help="shortened jobs, for a check that they run, not for figures"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output instead of tables")
    parser.add_argument("--plot", type=_picture, metavar="FILE.png", help="also draw the times (needs matplotlib)")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} should be a whole number of at least 1")
    return int(text)


def _picture(text: str) -> Path:
    path = Path(text)
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise argparse.ArgumentTypeError(f"{text!r} should end in .png, .svg or .pdf")
    if not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {str(path.parent)!r}")
    if not chart.available():
        raise argparse.ArgumentTypeError("drawing needs matplotlib: pip install matplotlib")
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the named benchmarks and print tables, or one JSON object."""
    options = parsed(sys.argv[1:] if arguments is None else arguments)
    names = (
        [name for name in BENCHMARKS if name not in APART]
        if "all" in options.names
        else list(dict.fromkeys(options.names))
    )
    settings = Settings(options.rounds, options.quick)
    os.environ["CHAINRULE_CACHE"] = "off"  # so that the very first run compiles
    described = machine.describe()
    reports: dict[str, Report] = {}
    if not options.json:
        versions = ", ".join(f"{name} {version}" for name, version in machine.versions().items())
        print(f"{described['processor']}, {described['cores']} cores; Python {described['python']}, {versions}")
    for name in names:
        benchmark = BENCHMARKS[name]
        try:
            reports[name] = benchmark.run(settings)
        except BenchmarkError as error:
            sys.exit(str(error))
        except KeyboardInterrupt:
            say("interrupted")
            sys.exit(130)
        if not options.json:
            print(f"\n{name}: {reports[name]['title']}\n{benchmark.text(reports[name])}", flush=True)
    if options.json:
        print(json.dumps({"machine": described, "benchmarks": reports}, allow_nan=False))
    if options.plot is not None:
        chart.draw(reports, described, options.plot)


if __name__ == "__main__":
    main()
