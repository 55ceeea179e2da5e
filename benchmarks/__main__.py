"""`python -m benchmarks NAME [--rounds N] [--json]`."""

from __future__ import annotations

import argparse
import json

from benchmarks import xor

JOBS = {"xor": xor}


def main() -> None:
    """Run one job and print a table, or one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed beside the peers, in one run.")
    parser.add_argument("job", choices=[*JOBS, "all"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    report = {}
    for name in JOBS if arguments.job == "all" else [arguments.job]:
        timings, missing, compile_seconds = JOBS[name].run(arguments.rounds)
        ours = timings[0]
        report[name] = {
            "compile_seconds": compile_seconds,
            "missing": missing,
            "contenders": {
                t.name: {
                    "median_seconds": t.median,
                    "seconds": t.seconds,
                    "loss": t.loss,
                    "ratio": t.median / ours.median,
                }
                for t in timings
            },
        }
        if arguments.json:
            continue
        print(f"{name}: {JOBS[name].__doc__}")
        print(f"{'':28}{'median':>12}{'fastest':>12}{'slowest':>12}{'times ours':>12}")
        for t in timings:
            low, high = min(t.seconds), max(t.seconds)
            print(
                f"{t.name:28}{t.median * 1e3:9.2f} ms{low * 1e3:9.2f} ms{high * 1e3:9.2f} ms"
                f"{t.median / ours.median:12.1f}"
            )
        print(f"tracing, differentiating and compiling, once, first of all: {compile_seconds * 1e3:.0f} ms")
        if missing:
            print(f"not installed, so not measured: {', '.join(missing)}")
    if arguments.json:
        print(json.dumps(report))


main()
