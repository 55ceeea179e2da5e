"""What a command stops with: one line on standard error, and an exit status."""

from __future__ import annotations

USAGE = 2
INTERRUPTED = 130


class CommandError(Exception):
    """Stops a command; the message is one sentence for the user."""


def one_line(message: str) -> str:
    """`message` on one line, a colon between a line of code and what is said of it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ".join(line if line[-1] in ".,;:" or line is lines[-1] else f"{line}:" for line in lines)
