"""A progress bar of `fit`, in terminals and notebooks, for runs of more than a second."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from chainrule.charts import escape

DELAY = 1.0
"""Seconds before the bar appears."""


class Bar(Protocol):
    """A display of the finished epochs."""

    def show(self, done: int, said: str) -> None: ...

    def close(self) -> None: ...


class _NotebookBar:
    """An output of the cell that is updated in place."""

    def __init__(self, total: int) -> None:
        display: Any = importlib.import_module("IPython.display").display
        self._total = total
        self._handle: Any = display(self._page(0, ""), display_id=True, raw=True)

    def show(self, done: int, said: str) -> None:
        self._handle.update(self._page(done, said), raw=True)

    def close(self) -> None:
        self._handle.update({"text/html": "", "text/plain": ""}, raw=True)

    def _page(self, done: int, said: str) -> dict[str, str]:
        line = f"epoch {done:,}/{self._total:,} {said}"
        bar = f'<progress value="{done}" max="{self._total}"></progress>'
        return {"text/plain": line, "text/html": f"{bar} {escape(line)}"}


def bar_maker(wanted: bool | None) -> Callable[[int], Bar] | None:
    """Return what makes a bar here: in a notebook, or a terminal; None if there is neither, or none is `wanted`.

    With `wanted=True` the bar is also written to a standard error that is no terminal.
    """
    if wanted is False:
        return None
    if _in_notebook():
        return _NotebookBar
    seen = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    return _terminal_bar if seen or wanted else None


def _terminal_bar(total: int) -> Bar:
    """Return a bar on standard error; rich is imported only for it."""
    bar: Bar = importlib.import_module("chainrule.training.terminal_bar").TerminalBar(total)
    return bar


def _in_notebook() -> bool:
    """Whether this is a kernel of Jupyter, which displays objects in cells."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def is_shown(wanted: bool | None) -> bool:
    """Whether a bar would be shown here."""
    return bar_maker(wanted) is not None


@contextmanager
def showing(wanted: bool | None, total: int) -> Iterator[Callable[[int, Callable[[], str]], None]]:
    """Return a function of the finished epochs and of a description, which shows a bar after `DELAY` seconds."""
    maker, begun = bar_maker(wanted), time.monotonic()
    bar: Bar | None = None

    def show(done: int, said: Callable[[], str]) -> None:
        nonlocal bar
        if maker is None:
            return
        if bar is None and time.monotonic() - begun >= DELAY:
            bar = maker(total)
        if bar is not None:
            bar.show(done, said())

    try:
        yield show
    finally:
        if bar is not None:
            bar.close()
