"""The progress bar of `fit` in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


class TerminalBar:
    """A line of standard error that is updated in place and cleared at the end."""

    def __init__(self, total: int) -> None:
        columns = (
            TextColumn("epoch"),
            BarColumn(bar_width=20),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(compact=True),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("", total=total, said="")
        self._progress.start()

    def show(self, done: int, said: str) -> None:
        self._progress.update(self._task, completed=done, said=said)

    def close(self) -> None:
        self._progress.stop()
