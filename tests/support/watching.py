"""Detection of forbidden actions while hostile input is read, by an audit hook of the interpreter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

_FORBIDDEN = (
    "exec", "compile", "open", "import", "os.", "shutil.", "subprocess.", "socket.", "ctypes.", "pickle.", "marshal.",
    "code.", "builtins.input", "builtins.breakpoint", "urllib.", "webbrowser.", "tempfile.", "glob.", "pty.",
)  # fmt: skip

_seen: list[str] | None = None
_hooked = False


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if _seen is not None and event.startswith(_FORBIDDEN):
        _seen.append(f"{event}{arguments!r}"[:200])


@contextmanager
def watched() -> Iterator[list[str]]:
    """Record forbidden events of the block: code compiled or run, files opened, modules imported, processes started."""
    global _seen, _hooked
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    events: list[str] = []
    _seen = events
    try:
        yield events
    finally:
        _seen = None
