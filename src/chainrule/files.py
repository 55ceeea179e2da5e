"""Atomic file writing, temporary files, and system errors as one sentence."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, cast

from chainrule.interrupts import deferred
from chainrule.words import ChainruleError

if sys.platform != "win32":  # where an open file cannot be removed in any case
    import fcntl

_UNFINISHED = ".unfinished"
_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "it is larger than files may be here",
    errno.EROFS: "the file system is read-only",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ELOOP: "its links lead in a circle",
}


MODEL_FILES: Final[dict[str, Callable[..., Any]]] = {}
"""How a network is written and read, "save" and "load"; filled by the package, whose later rooms define models."""


class FileError(ChainruleError):
    """A file cannot be read or written; the message is one sentence with its path."""


@contextmanager
def file_errors(path: str, doing: str = "read") -> Iterator[None]:
    """Convert system errors on `path` in the block to a FileError; `doing` is "read" or "write"."""
    cannot = f"{path} cannot be {'read' if doing == 'read' else 'written'}"
    try:
        yield
    except FileNotFoundError:
        if doing == "read":
            raise FileError(f"{path} does not exist; check the path") from None
        folder = os.path.dirname(path) or "."
        reason = "no file can be made there" if os.path.isdir(folder) else f"there is no folder {folder}"
        raise FileError(f"{cannot}: {reason}") from None
    except IsADirectoryError:
        raise FileError(f"{path} is a folder; give a file") from None
    except NotADirectoryError:
        raise FileError(f"{cannot}: {os.path.dirname(path)} is not a folder") from None
    except PermissionError:
        raise FileError(f"{cannot}: permission denied") from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileError(f"{cannot}: {_REASONS.get(error.errno or 0, error.strerror or error)}") from None
    except ValueError as error:
        if "\0" in path:
            raise FileError(f"{path!r} is not a path: it holds a null character") from None
        raise error


def check_writable(path: str) -> None:
    """Raise FileError if `path` evidently cannot be written, before any work is done."""
    if not path:
        raise FileError("the name of the file to write is empty; give one")
    with file_errors(path, "write"):
        folder = os.path.dirname(os.path.realpath(path))
        if os.path.isdir(path):
            raise IsADirectoryError
        if not os.path.isdir(folder):
            raise FileError(f"{path} cannot be written: there is no folder {os.path.dirname(path) or folder}")
        if os.path.exists(path) and not os.path.isfile(path):
            if not os.access(path, os.W_OK):
                raise PermissionError
            return
        descriptor, trial = _created(os.path.realpath(path))  # permissions show only when the file is opened
        try:
            os.unlink(trial)
        finally:
            os.close(descriptor)


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A context manager for a file that replaces `path` when the block ends without an error.

    Until then, and if the block or the disk fails, the existing file is unchanged. The new file has the permissions of
    the one that it replaces. A killed process leaves an unfinished file beside `path`, which the next writer removes.
    Raises FileError for system errors.

    >>> import os, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = os.path.join(folder.name, "numbers.txt")
    >>> with replacing(path) as stream:
    ...     _ = stream.write(b"1 2 3")
    >>> os.listdir(folder.name)
    ['numbers.txt']
    >>> folder.cleanup()
    """
    with file_errors(path, "write"):
        target = os.path.realpath(path)
        if os.path.isdir(target):
            raise IsADirectoryError
        if os.path.exists(target) and not os.path.isfile(target):
            with open(target, "wb") as stream:  # a device or a pipe cannot be replaced
                yield stream
            return
        _remove_leftovers(target)
        descriptor, temporary = _created(target)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
                if os.path.exists(target):
                    os.chmod(temporary, os.stat(target).st_mode & 0o7777)
                if sys.platform != "win32":
                    os.replace(temporary, target)  # while it is locked
            if sys.platform == "win32":
                os.replace(temporary, target)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
        _make_lasting(os.path.dirname(target))


@dataclass(frozen=True)
class Scratch:
    """A temporary file: `stream` to write to it, and `path`, by which this process may reopen it."""

    stream: BinaryIO
    path: str


def scratch() -> Scratch:
    """Create a temporary file that disappears once it is unreferenced, or with the process, even if that is killed.

    On Linux it has no name. Elsewhere it is a locked file in the temporary folder; if the process is killed, it remains
    until the next call removes it. Raises OSError for system errors.

    >>> found = scratch()
    >>> _ = found.stream.write(b"1 2 3")
    >>> found.stream.flush()
    >>> with open(found.path, "rb") as stream:
    ...     stream.read()
    b'1 2 3'
    """
    if sys.platform == "linux":
        unnamed = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115  (`_discard` closes it)
        made = Scratch(unnamed, f"/proc/self/fd/{unnamed.fileno()}")
        if os.path.exists(made.path):
            weakref.finalize(made, _discard, unnamed, None)
            return made
        unnamed.close()
    target = os.path.join(tempfile.gettempdir(), "chainrule")
    _remove_leftovers(target)
    descriptor, path = _created(target)
    os.chmod(path, 0o600)
    made = Scratch(os.fdopen(descriptor, "w+b"), path)
    weakref.finalize(made, _discard, made.stream, path)
    return made


@contextmanager
def filling(path: str) -> Iterator[str]:
    """A context manager for a new folder, whose files are put into the folder `path` when the block ends without error.

    Until then, and if the block or the disk fails, `path` is unchanged, and none is made. Files that are in it and are
    not written again stay. Ctrl-C waits until all files are in place. Raises FileError for system errors.

    >>> import os, tempfile
    >>> root = tempfile.TemporaryDirectory()
    >>> path = os.path.join(root.name, "pages")
    >>> with filling(path) as folder:
    ...     with open(os.path.join(folder, "index.html"), "w") as stream:
    ...         _ = stream.write("<p>one</p>")
    ...     os.path.exists(path)
    False
    >>> os.listdir(path)
    ['index.html']
    >>> root.cleanup()
    """
    with file_errors(path, "write"):
        target = os.path.realpath(path)
        if os.path.exists(target) and not os.path.isdir(target):
            raise FileError(f"{path} is a file; give a folder")
        parent = target if os.path.isdir(target) else os.path.dirname(target)
        os.makedirs(parent, exist_ok=True)
        folder = os.path.join(parent, f".{secrets.token_hex(8)}{_UNFINISHED}")
        os.mkdir(folder)
        try:
            yield folder
            with deferred():
                if parent == target:
                    for name in os.listdir(folder):
                        os.replace(os.path.join(folder, name), os.path.join(target, name))
                else:
                    os.rename(folder, target)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        _make_lasting(parent)


_FOLDER = "chainrule-folder-"


@contextmanager
def scratch_folder() -> Iterator[str]:
    """A context manager for a temporary folder; if this process is killed, the next one to create one removes it.

    >>> with scratch_folder() as folder:
    ...     os.path.isdir(folder)
    True
    >>> os.path.exists(folder)
    False
    """
    if sys.platform == "win32":
        with tempfile.TemporaryDirectory(prefix=_FOLDER, ignore_cleanup_errors=True) as folder:
            yield folder
        return
    with suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(_FOLDER):
                with suppress(OSError):
                    _remove_folder_if_left(entry.path)
    folder, descriptor = _locked_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _locked_folder() -> tuple[str, int]:
    while True:
        folder = tempfile.mkdtemp(prefix=_FOLDER)
        with suppress(FileNotFoundError):  # it was removed as a leftover before it was locked
            descriptor = os.open(folder, os.O_RDONLY)
            if _locked(descriptor) and os.path.exists(folder):
                return folder, descriptor
            os.close(descriptor)


def _remove_folder_if_left(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    finally:
        os.close(descriptor)


def _discard(stream: BinaryIO, path: str | None) -> None:
    with suppress(OSError):
        stream.close()
    if path is not None:
        with suppress(OSError):
            os.unlink(path)


def _stem(target: str) -> str:
    """Return the prefix of names of unfinished files for `target`: a short part of a possibly long name."""
    return f".{os.path.basename(target)[:30]}."


def _created(target: str) -> tuple[int, str]:
    """Create a file beside `target`, locked while it is open, with the permissions of a new file."""
    while True:
        name = f"{_stem(target)}{secrets.token_hex(8)}{_UNFINISHED}"
        path = os.path.join(os.path.dirname(target), name)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        if _locked(descriptor):
            with suppress(FileNotFoundError):  # it was removed as a leftover before it was locked
                if os.path.samestat(os.stat(path), os.fstat(descriptor)):
                    return descriptor, path
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Whether this process now holds the lock of a file; True if the system has no locks."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _remove_leftovers(target: str) -> None:
    """Remove unfinished files of dead processes: those without a lock."""
    folder, stem = os.path.dirname(target), _stem(target)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(stem) and entry.name.endswith(_UNFINISHED):
                with suppress(OSError):
                    _remove_if_left(entry.path)


def _remove_if_left(path: str) -> None:
    if sys.platform == "win32":
        os.unlink(path)
        return
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    finally:
        os.close(descriptor)


def _make_lasting(folder: str) -> None:
    """Sync the folder, so that the new name persists, if the system allows folders to be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
