"""Live progress on standard error: rows read, epochs, losses, and remaining time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from chainrule.cli.sentences import say
from chainrule.networks import TrainingState
from chainrule.words import Language


class Live:
    """The silent default: displays nothing."""

    shown = False

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def rows(self, doing: str, count: int) -> None:
        """Show the number of rows processed."""

    def begin(self, trial: int, trials: int | None, epochs: int) -> None:
        """Begin a training run, one of `trials`; None if their number is not known."""

    def epoch(self, state: TrainingState) -> None:
        """Show the state of a training run."""

    def warn(self, text: str) -> None:
        """Print a warning once."""
        if text not in self._warned:
            self._warned.add(text)
            self._say(f"warning: {text}")

    def close(self) -> None:
        """Clear the display."""

    def _say(self, line: str) -> None:
        click.echo(line, err=True)


class Nothing(Live):
    """Writes nothing at all, not even warnings."""

    def _say(self, line: str) -> None:
        pass


class Terminal(Live):
    """Shows a status line that is updated in place and cleared at the end."""

    shown = True

    def __init__(self, lang: Language) -> None:
        super().__init__()
        self._lang = lang
        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def rows(self, doing: str, count: int) -> None:
        if self._progress is None:
            self._open(
                Progress(SpinnerColumn(), TextColumn("{task.description}"), console=self._console, transient=True)
            )
        self._update(description=say(self._lang, f"doing {doing}", rows=f"{count:,}"))

    def begin(self, trial: int, trials: int | None, epochs: int) -> None:
        self.close()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(compact=True),
        )
        numbered = f" {trial}" if trials is None else f" {trial}/{trials}" if trials > 1 else ""
        title = say(self._lang, "progress") + numbered
        self._open(Progress(*columns, console=self._console, transient=True), title, epochs)

    def epoch(self, state: TrainingState) -> None:
        said = []
        if len(state.loss_curve):
            said.append(f"{say(self._lang, 'loss')} {state.loss_curve[-1]:.4g}")
        if len(state.validation_scores):
            said.append(f"{say(self._lang, 'on validation')} {state.validation_scores[-1]:.4g}")
        self._update(completed=state.epoch, said="  ".join(said))

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
        self._progress, self._task = None, None

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False)

    def _open(self, progress: Progress, title: str = "", total: float | None = None) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=total, said="")
        progress.start()

    def _update(self, **changes: Any) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, **changes)


@contextmanager
def showing(lang: Language, wanted: bool = True, leads: bool = True) -> Iterator[Live]:
    """Return a live display if standard error is a terminal; one without any words unless this process `leads`."""
    if not leads:
        yield Nothing()
        return
    seen = wanted and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    with Terminal(lang) if seen else Live() as live:
        yield live
