"""Progress of a fit: a line for each epoch, or a progress bar with the loss and the remaining time."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column


class Display(Protocol):
    """A context manager that displays the progress of a run."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def show(self, epoch: int, loss: float, score: float | None) -> None:
        """Show that `epoch` epochs are done, with the loss and, if any, the validation score."""

    def say(self, sentence: str) -> None:
        """Show a sentence on how the run continues or why it ends."""


class Lines:
    """Prints two numbers per epoch to standard output."""

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
    """A progress bar with epochs, loss, validation score and the maximum remaining time, on standard error.

    If standard error is not a terminal, only the sentences are written, as lines.
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
        if not self._progress.disable:  # rich before 14.2 prints an empty line even if nothing was drawn
            self._progress.stop()

    def show(self, epoch: int, loss: float, score: float | None) -> None:
        numbers = f"loss {loss:.4g}" if score is None else f"loss {loss:.4g} score {score:.4f}"
        self._progress.update(self._task, completed=epoch, numbers=numbers)

    def say(self, sentence: str) -> None:
        self._console.print(sentence, markup=False, highlight=False)


def _whole() -> Column:
    """Return a column that is not truncated while the bar can still shrink."""
    return Column(no_wrap=True)


def display_for(verbose: bool | int | str, title: str, epochs: int) -> Display | None:
    """Return the display for `verbose`: None for False, `Live` for "progress", else `Lines`."""
    if verbose == "progress":
        return Live(title, epochs)
    return Lines() if verbose else None
