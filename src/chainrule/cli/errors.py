"""What a command stops with: one line on standard error, and an exit status."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

USAGE = 2
INTERRUPTED = 130


class CommandError(Exception):
    """Stops a command; the message is one sentence for the user."""


def one_line(message: str) -> str:
    """`message` on one line, a colon between a line of code and what is said of it."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return " ".join(line if line[-1] in ".,;:" or line is lines[-1] else f"{line}:" for line in lines)


@contextmanager
def file_errors(path: str, doing: str = "read") -> Iterator[None]:
    """Turn what the system says of `path` into a CommandError."""
    try:
        yield
    except FileNotFoundError:
        if doing == "read":
            raise CommandError(f"{path} does not exist; check the path") from None
        folder = os.path.dirname(path) or "."
        reason = "no file can be made there" if os.path.isdir(folder) else f"there is no folder {folder}"
        raise CommandError(f"{path} cannot be written: {reason}") from None
    except IsADirectoryError:
        raise CommandError(f"{path} is a folder; give a file") from None
    except PermissionError:
        raise CommandError(f"{path} cannot be {'read' if doing == 'read' else 'written'}: permission denied") from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from None
