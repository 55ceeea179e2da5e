"""Fuzzing of the formula parser and the tracer: `python -m support.fuzz --count 20000`.

Each input is accepted, or rejected with an error of the package in one line, within a second; errors of the user's
code, or of NumPy at a line of the user, are propagated. While a formula is parsed nothing is compiled, executed,
imported or opened. Prints the number of each result, and every finding; exits with 1 if there is one.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.cli.errors import one_line
from chainrule.words import width_of
from support.hostile_formulas import TYPED_SHAPES, formulas, sensible
from support.hostile_functions import functions
from support.watching import watched

LONGEST_MESSAGE = 1_000
_PACKAGE = os.path.dirname(cr.__file__) + os.sep


@dataclass
class Report:
    """The number of each result, and the findings."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def checked(self, what: str, action: Callable[[], object], limit: float) -> None:
        """Run an action; record its result, and any violation."""
        start = time.thread_time()
        try:
            action()
            self.outcomes["accepted"] += 1
        except cr.ChainruleError as error:
            self.outcomes[type(error).__name__] += 1
            self._check_message(what, error)
        except Exception as error:
            if _is_of_the_package(error):
                self.findings.append(f"{what}\n{''.join(traceback.format_exception(error)[-4:])}")
            self.outcomes["of the user's code"] += 1
        seconds = time.thread_time() - start
        self.slowest = max(self.slowest, seconds)
        if seconds > limit:
            self.findings.append(f"{what}\ntook {seconds:.1f} s")

    def _check_message(self, what: str, error: cr.ChainruleError) -> None:
        message = one_line(str(error))
        if not message or len(message) > LONGEST_MESSAGE or not message.isprintable():
            self.findings.append(f"{what}\nmessage: {message!r}")
        if isinstance(error, cr.FormulaError):
            if "\n" in str(error):
                self.findings.append(f"{what}\nmessage of several lines: {message!r}")
            excerpt = error.excerpt.split("\n")
            if excerpt != [""] and (
                len(excerpt) != 2 or set(excerpt[1].strip()) != {"^"} or max(width_of(line) for line in excerpt) > 80
            ):
                self.findings.append(f"{what}\nexcerpt: {error.excerpt!r}")


def _is_of_the_package(error: Exception) -> bool:
    """Whether an error was raised in the package, except for a missing attribute, or a type, of a traced value.

    NumPy's constructors are called from `constructor`, its functions of arrays of numbers from `buffers`, and those
    with a traced value only as `out=` from `into`, with the user's arguments.
    """
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return (
        place is not None
        and place.tb_frame.f_code.co_filename.startswith(_PACKAGE)
        and place.tb_frame.f_code.co_name not in ("__getattr__", "constructor", "into")
        and os.path.basename(place.tb_frame.f_code.co_filename) != "buffers.py"
    )


def fuzz_formulas(count: int, seed: int, limit: float = 1.0) -> Report:
    """Parse `count` texts as formulas."""
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        canary = os.path.join(folder, "canary")
        for text, shapes in islice(formulas(seed, canary), count):
            events: list[str] = []

            def read(text: str = text, shapes: dict[str, str] = shapes, events: list[str] = events) -> None:
                with watched() as seen:
                    try:
                        cr.trace(text, **shapes)
                    finally:
                        events += seen

            report.checked(f"{text[:300]!r} {shapes}", read, limit)
            if events:
                report.findings.append(f"{text[:300]!r}\n{events[:3]}")
        if os.listdir(folder):
            report.findings.append(f"a formula made {os.listdir(folder)}")
    return report


def fuzz_derivations(count: int, seed: int, limit: float = 10.0) -> Report:
    """Derive and print consistent formulas."""
    report, rng = Report(), random.Random(seed)
    for _ in range(count):
        text = sensible(rng)
        shapes = {name: shape for name, shape in TYPED_SHAPES.items() if name in text}
        report.checked(text, partial(_derived, text, shapes), limit)
    return report


def _derived(text: str, shapes: dict[str, str]) -> None:
    used = {node.name for node in cr.trace(text, **{k: v for k, v in shapes.items() if k in _words(text)}).inputs}
    derivation = cr.derive(text, **{name: shape for name, shape in shapes.items() if name in used})
    derivation.text()
    derivation.latex()


def _words(text: str) -> set[str]:
    return {"".join(letters) for letters in _split(text)}


def _split(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() or letter == "_" else " " for letter in text).split()


def fuzz_functions(count: int, seed: int, limit: float = 1.0) -> Report:
    """Trace `count` functions."""
    report = Report()
    for source, shapes in islice(functions(seed), count):
        space: dict[str, Any] = {"__name__": "fuzzed"}
        try:
            exec(compile(source, "<fuzzed>", "exec"), space)
        except SyntaxError:
            report.outcomes["no Python"] += 1
            continue
        body = source.partition("v=3.0):\n")[2]
        report.checked(f"{body}{shapes}", partial(cr.trace, space["f"], **shapes), limit)
    return report


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--derivations", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    found = 0
    for name, run, count in (
        ("formulas", fuzz_formulas, options.count),
        ("functions", fuzz_functions, options.count),
        ("derivations", fuzz_derivations, options.derivations),
    ):
        report = run(count, options.seed)
        found += len(report.findings)
        outcomes = ", ".join(f"{kind} {number:,}" for kind, number in report.outcomes.most_common())
        sys.stdout.write(f"{count:,} {name}: {outcomes}; slowest {report.slowest:.2f} s\n")
        for finding in report.findings[:20]:
            sys.stdout.write(f"FINDING {finding}\n")
    sys.stdout.write(f"{found} findings\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
