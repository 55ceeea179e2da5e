"""Errors of commands: one line on standard error, and an exit status."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from chainrule.files import check_writable

USAGE = 2


class CommandError(Exception):
    """Ends a command; the message is one sentence for the user."""


def one_line(message: str) -> str:
    """Join `message` into one line, with a colon between a line of code and the error."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    line = " ".join(line if line[-1] in ".,;:，；：" or line is lines[-1] else f"{line}:" for line in lines)
    return re.sub("(?<=[，；：]) ", "", line)


def check_outputs(outputs: Mapping[str, str | None], inputs: Iterable[str | None]) -> None:
    """Raise FileError or CommandError, before any work, if a file cannot be written or is also an input.

    `outputs` has the path for each option, or None.
    """
    read = {os.path.realpath(path) for path in inputs if path}
    written: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        check_writable(path)
        real = os.path.realpath(path)
        if real in read:
            raise CommandError(f"{option} is {path}, which is read; give another name")
        if real in written and os.path.isfile(real) | (not os.path.exists(real)):
            raise CommandError(f"{written[real]} and {option} are both {path}; give each a name of its own")
        written[real] = option
