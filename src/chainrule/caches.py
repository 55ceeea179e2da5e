"""A cache on disk of what takes long to make: compiled code, and what a page of the explorer is made of.

Errors with files or folders never propagate: the caller gets no entry, and makes it. Because the content is executed,
nothing is read from a folder or a file that another user could have written.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path

VARIABLE = "CHAINRULE_CACHE"
"""The environment variable that names the folder, or is `off` or `0`; read at every use."""

MAX_BYTES = 64 * 2**20
MAX_FILES = 2048
"""Maximum number of files; scanning that many takes a few milliseconds, little beside a compilation."""

SHARE_KEPT = 0.75
"""Fraction of the size limit that is kept when old entries are removed, so that not every new entry removes one."""

ABANDONED = 600.0
"""Age in seconds after which a temporary file is assumed to belong to a dead process."""

_SHARE_UNSEEN = 64
"""A process scans the folder again after adding one part in so many of its files, or of the size limit.

It exceeds the limits by no more than that.
"""

_unseen: dict[str, tuple[int, int]] = {}
"""For each folder, the number of entries and of bytes that this process adds before it scans the folder again."""

_MAGIC = b"chainrule object 1\n"
_DIGEST_SIZE = 16
_SUFFIX = ".chainrule.o"
_TEMPORARY = ".chainrule.partial"


def key_of(*parts: str) -> str:
    """Return a key derived from `parts`; different parts give different keys."""
    digest = blake2b(digest_size=20)
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


@cache
def key_of_sources() -> str:
    """Return a key derived from every file of this package, for entries that depend on many of them."""
    root = Path(__file__).parent
    files = (path for path in root.rglob("*") if "__pycache__" not in path.parts and path.is_file())
    contents = {path.relative_to(root).as_posix(): blake2b(path.read_bytes()).hexdigest() for path in files}
    return key_of(*(f"{name} {digest}" for name, digest in sorted(contents.items())))


@dataclass(frozen=True)
class DiskCache:
    """Entries by key in one folder, shared by all processes of the user; the least recently used are removed first."""

    folder: str
    max_bytes: int = MAX_BYTES
    max_files: int = MAX_FILES

    def get(self, key: str) -> bytes | None:
        """Return the entry for `key`, or None if it is absent, damaged or untrusted."""
        path = self._path(key)
        try:
            if not _trusted(os.stat(self.folder)):
                return None
            # Opening a pipe would wait for a writer, and a link may lead to an endless file.
            if not self._is_entry(os.lstat(path)):
                return None
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                if not self._is_entry(status):
                    return None
                data = file.read(status.st_size)
        except OSError:
            return None
        payload = _unwrap(key, data)
        if payload is None:
            with contextlib.suppress(OSError):
                os.unlink(path)
        else:
            with contextlib.suppress(OSError):
                os.utime(path)
        return payload

    def put(self, key: str, payload: bytes) -> None:
        """Store `payload` under `key` if possible. The write is atomic: a reader sees the whole entry or none."""
        try:
            os.makedirs(os.path.dirname(self.folder), exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.folder, 0o700)
            if not _trusted(os.stat(self.folder)):
                return
            self._write(key, payload)
            if self._is_due(len(payload)):
                self._remove_oldest()
        except OSError:
            return

    def _is_entry(self, status: os.stat_result) -> bool:
        return stat.S_ISREG(status.st_mode) and status.st_size <= self.max_bytes and _trusted(status)

    def _path(self, key: str) -> str:
        return os.path.join(self.folder, key + _SUFFIX)

    def _write(self, key: str, payload: bytes) -> None:
        unique = f"{os.getpid()}.{threading.get_ident()}.{os.urandom(4).hex()}"
        temporary = os.path.join(self.folder, f"{key}.{unique}{_TEMPORARY}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            with open(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(_wrap(key, payload))
            os.replace(temporary, self._path(key))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def _entries(self) -> Iterator[tuple[float, int, str]]:
        """Return (time of last use, size, path) for each file of the cache."""
        with os.scandir(self.folder) as found:
            for entry in found:
                if entry.name.endswith((_SUFFIX, _TEMPORARY)):
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        yield status.st_mtime, status.st_size, entry.path

    def _is_due(self, size: int) -> bool:
        """Whether old entries are to be removed after adding one of `size` bytes.

        A scan of a full folder takes milliseconds, so that one for each entry would add up where many are compiled.
        """
        count, room = _unseen.get(self.folder, (0, 0))
        _unseen[self.folder] = count - 1, room - size
        return count < 1 or room < size

    def _remove_oldest(self) -> None:
        entries = sorted(self._entries())
        total, count = sum(size for _, size, _ in entries), len(entries)
        share = SHARE_KEPT if total > self.max_bytes or count > self.max_files else 1.0
        now = time.time()
        for used, size, path in entries:
            abandoned = path.endswith(_TEMPORARY) and now - used > ABANDONED
            if abandoned or total > share * self.max_bytes or count > share * self.max_files:
                with contextlib.suppress(OSError):  # it may have been removed, or be a folder
                    os.unlink(path)
                total, count = total - size, count - 1
        _unseen[self.folder] = count // _SHARE_UNSEEN, self.max_bytes // _SHARE_UNSEEN


def current_cache() -> DiskCache | None:
    """Return the cache in the folder named by CHAINRULE_CACHE, or in the user's default folder; None if disabled."""
    folder = os.environ.get(VARIABLE, "").strip()
    if folder.lower() in ("off", "0"):
        return None
    folder = os.path.abspath(os.path.expanduser(folder)) if folder else _user_folder()
    return DiskCache(folder) if os.path.isabs(folder) else None


def _user_folder() -> str:
    """The platform's cache folder; relative if there is no home folder."""
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA", ""), "chainrule", "cache")
    if sys.platform == "darwin":
        return os.path.join(os.path.expanduser("~"), "Library", "Caches", "chainrule")
    base = os.environ.get("XDG_CACHE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.cache"), "chainrule")


def _trusted(status: os.stat_result) -> bool:
    """Whether only this user can have written the file; on Windows, the permissions of the profile ensure this."""
    if sys.platform == "win32":
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _digest(key: str, payload: bytes) -> bytes:
    return blake2b(payload, digest_size=_DIGEST_SIZE, key=key.encode()).digest()


def _wrap(key: str, payload: bytes) -> bytes:
    return _MAGIC + _digest(key, payload) + payload


def _unwrap(key: str, data: bytes) -> bytes | None:
    """Return the payload, or None unless `data` is exactly what was written under `key`."""
    start = len(_MAGIC) + _DIGEST_SIZE
    if not data.startswith(_MAGIC) or data[len(_MAGIC) : start] != _digest(key, data[start:]):
        return None
    return data[start:]
