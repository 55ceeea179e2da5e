"""Machine code kept on disk, so that a program met before need not be compiled again.

The cache helps or does nothing: whatever goes wrong with a file or a folder, a caller gets no entry, and compiles. As
what is read is executed, nothing is taken from a folder or a file that somebody else could have written.
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
from hashlib import blake2b

VARIABLE = "CHAINRULE_CACHE"
"""The environment variable that names the folder, or says `off` or `0`; it is read at every use."""

MAX_BYTES = 64 * 2**20
MAX_FILES = 2048
"""Looking through so many files takes a few milliseconds, which a compilation can bear."""

SHARE_KEPT = 0.75
"""How much of the cap is left when old entries are removed, so that not every new entry removes one."""

ABANDONED = 600.0
"""Seconds after which a file that was never renamed is that of a process that died."""

_MAGIC = b"chainrule object 1\n"
_DIGEST_SIZE = 16
_SUFFIX = ".chainrule.o"
_TEMPORARY = ".chainrule.partial"


def key_of(*parts: str) -> str:
    """A name for what is made from these parts; it differs wherever they do."""
    digest = blake2b(digest_size=20)
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


@dataclass(frozen=True)
class ObjectCache:
    """Entries by key in one folder, shared by all processes of the user; the least recently used go first."""

    folder: str
    max_bytes: int = MAX_BYTES
    max_files: int = MAX_FILES

    def get(self, key: str) -> bytes | None:
        """What was put under `key`, or None: never put, removed since, damaged, or not to be trusted."""
        path = self._path(key)
        try:
            if not _trusted(os.stat(self.folder)):
                return None
            # Opening a pipe would wait for a writer, and a link may lead to what has no end.
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
        """Keep `payload` under `key`, if that is possible: a reader sees the whole entry or none."""
        try:
            os.makedirs(os.path.dirname(self.folder), exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.mkdir(self.folder, 0o700)
            if not _trusted(os.stat(self.folder)):
                return
            self._write(key, payload)
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
        """(time of last use, size, path) of each file of the cache."""
        with os.scandir(self.folder) as found:
            for entry in found:
                if entry.name.endswith((_SUFFIX, _TEMPORARY)):
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        yield status.st_mtime, status.st_size, entry.path

    def _remove_oldest(self) -> None:
        entries = sorted(self._entries())
        total, count = sum(size for _, size, _ in entries), len(entries)
        share = SHARE_KEPT if total > self.max_bytes or count > self.max_files else 1.0
        now = time.time()
        for used, size, path in entries:
            abandoned = path.endswith(_TEMPORARY) and now - used > ABANDONED
            if abandoned or total > share * self.max_bytes or count > share * self.max_files:
                with contextlib.suppress(OSError):  # it may be gone, or be a folder
                    os.unlink(path)
                total, count = total - size, count - 1


def current_cache() -> ObjectCache | None:
    """The cache in the folder that CHAINRULE_CACHE names, or in the user's own; None if there is to be none."""
    folder = os.environ.get(VARIABLE, "").strip()
    if folder.lower() in ("off", "0"):
        return None
    folder = os.path.abspath(os.path.expanduser(folder)) if folder else _user_folder()
    return ObjectCache(folder) if os.path.isabs(folder) else None


def _user_folder() -> str:
    """The folder that the platform sets aside for caches; relative if there is no home."""
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA", ""), "chainrule", "cache")
    if sys.platform == "darwin":
        return os.path.join(os.path.expanduser("~"), "Library", "Caches", "chainrule")
    base = os.environ.get("XDG_CACHE_HOME", "")
    return os.path.join(base if os.path.isabs(base) else os.path.expanduser("~/.cache"), "chainrule")


def _trusted(status: os.stat_result) -> bool:
    """Whether only this user can have written it; on Windows the profile's own permissions see to that."""
    if sys.platform == "win32":
        return True
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _digest(key: str, payload: bytes) -> bytes:
    return blake2b(payload, digest_size=_DIGEST_SIZE, key=key.encode()).digest()


def _wrap(key: str, payload: bytes) -> bytes:
    return _MAGIC + _digest(key, payload) + payload


def _unwrap(key: str, data: bytes) -> bytes | None:
    """The payload, if `data` is exactly what was written under `key`."""
    start = len(_MAGIC) + _DIGEST_SIZE
    if not data.startswith(_MAGIC) or data[len(_MAGIC) : start] != _digest(key, data[start:]):
        return None
    return data[start:]
