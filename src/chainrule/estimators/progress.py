"""What a fit shows while it runs: a line for each epoch, or a live display with the loss and the time left."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column


class Display(Protocol):
    """Follows a run; entered before it and left after it."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def show(self, epoch: int, loss: float, score: float | None) -> None:
        """Say that `epoch` epochs are done, with this loss and, where there is one, this validation score."""

    def say(self, sentence: str) -> None:
        """Say how the run goes on or why it ends."""


class Lines:
    """Two numbers for each epoch, on standard output."""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: Any) -> None:
        return None

    def show(self, epoch: int, loss: float, score: float | None) -> None:
        sys.stdout.write(f"Iteration {epoch}, loss = {loss:.8f}\n")
        if score is not None:
            sys.stdout.write(f"Validation score: {score:f}\n")

    def say(self, sentence: str) -> None:
        sys.stdout.write(f"{sentence}\n")


class Live:
    """A bar with epochs, loss, validation score and the time that is left at most, on standard error.

    Where standard error is no terminal, nothing is drawn, and the sentences are written as lines.
    """

    def __init__(self, title: str, epochs: int, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", table_column=_whole()),
            BarColumn(bar_width=None, table_column=Column(ratio=1)),
            MofNCompleteColumn(table_column=_whole()),
            TextColumn("{task.fields[numbers]}", table_column=_whole()),
            TimeRemainingColumn(table_column=_whole()),
            TextColumn("left", table_column=_whole()),
            expand=True,
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task(title, total=epochs, numbers="")

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if not self._progress.disable:  # rich before 14.2 ends also what it did not draw, with an empty line
            self._progress.stop()

    def show(self, epoch: int, loss: float, score: float | None) -> None:
        numbers = f"loss {loss:.4g}" if score is None else f"loss {loss:.4g} score {score:.4f}"
        self._progress.update(self._task, completed=epoch, numbers=numbers)

    def say(self, sentence: str) -> None:
        self._console.print(sentence, markup=False, highlight=False)


def _whole() -> Column:
    """A column that is never cut while the bar can still shrink."""
    return Column(no_wrap=True)


def display_for(verbose: bool | int | str, title: str, epochs: int) -> Display | None:
    """What `verbose` asks for: None for False, `Live` for "progress", else `Lines`."""
    if verbose == "progress":
        return Live(title, epochs)
    return Lines() if verbose else None
