"""Printing: wrapped lines, aligned columns, numbers, and a progress bar on terminals."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from chainrule.words import table, width_of, wrapped

Report: TypeAlias = Callable[[int, NDArray[np.float64]], None]


def page_width() -> int:
    """Return the page width: 80 columns, or the terminal's between 60 and 100."""
    if not sys.stdout.isatty():
        return 80
    return min(max(shutil.get_terminal_size().columns, 60), 100)


def say_line(text: str = "") -> None:
    """Print a sentence, wrapped."""
    for line in wrapped(text, page_width()):
        click.echo(line)


def in_color() -> bool:
    """Whether standard output is a terminal with colors, and they are not refused by NO_COLOR."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def heading(text: str) -> None:
    """Print a heading: underlined, and bold on a terminal with colors."""
    click.echo(click.style(text, bold=True) if in_color() else text)
    click.echo("-" * width_of(text))


def print_json(record: dict[str, Any]) -> None:
    """Print one JSON object."""
    click.echo(json.dumps(record, ensure_ascii=False, indent=2))


def aligned(rows: Sequence[Sequence[str]], indent: str = "  ") -> None:
    """Print rows in columns of equal width."""
    for line in table(rows, indent=indent):
        click.echo(line)


def duration(seconds: float) -> str:
    """Format a duration with a suitable unit, as `3.2 ms`.

    >>> duration(0.0032), duration(0.99961), duration(250.3)
    ('3.2 ms', '1.00 s', '250 s')
    """
    for size, unit in ((1e-3, "µs"), (1.0, "ms")):
        if seconds < 0.9995 * size:  # 1000 is rounded to 1e+03
            return f"{seconds / size * 1000:.3g} {unit}"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s"


@contextmanager
def progress(description: str, epochs: int) -> Iterator[Report | None]:
    """A progress bar on standard error, as a callback for `fit`; None without a terminal."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    columns = (TextColumn(description), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=epochs, loss="")

        def report(epochs_done: int, losses: NDArray[np.float64]) -> None:
            bar.update(task, completed=epochs_done, loss=f"{losses[-1]:.4g}" if len(losses) else "")

        yield report
