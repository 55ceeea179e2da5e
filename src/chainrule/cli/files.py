"""Files written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from chainrule.cli.errors import CommandError, file_errors


def check_writable(path: str) -> None:
    """Raise CommandError if `path` plainly cannot be written, before any work is done for it."""
    if not path:
        raise CommandError("the name of the file to write is empty; give one, as in model.npz")
    folder = os.path.dirname(os.path.realpath(path))
    if os.path.isdir(path):
        raise CommandError(f"{path} is a folder; give a file")
    if not os.path.isdir(folder):
        raise CommandError(f"{path} cannot be written: there is no folder {os.path.dirname(path) or folder}")
    if os.path.exists(path) and not os.path.isfile(path):
        if not os.access(path, os.W_OK):
            raise CommandError(f"{path} cannot be written: permission denied")
        return
    with file_errors(path, "write"), tempfile.TemporaryFile(dir=folder):  # what is allowed shows only in the doing
        pass


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` when the block ends without an error."""
    with file_errors(path, "write"):
        target = os.path.realpath(path)
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "wb") as stream:  # a device or a pipe has no place to take
                yield stream
            return
        handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", dir=os.path.dirname(target))
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(temporary, _mode(target))
            os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise


def _mode(path: str) -> int:
    """The permissions that a file at `path` has, or would be created with."""
    if os.path.exists(path):
        return os.stat(path).st_mode & 0o7777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
