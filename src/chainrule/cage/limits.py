"""Resource limits of an answer, and their enforcement in the process that runs it.

`confine` is called in the child, before any part of the answer is read. The kernel's limits come first; the audit hook
is a second line that stops accidents and simple attempts, and can be circumvented by determined code.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

if sys.platform != "win32":
    import resource

_NEW_MOUNTS, _NEW_IPC, _NEW_USERS, _NEW_PROCESSES, _NEW_NETWORK = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
_DEATH_SIGNAL, _NO_NEW_PRIVILEGES = 1, 38
_KILL = 9
_FILE_BYTES = 2**20
_OPEN_FILES = 64
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_REFUSED = (
    "socket.",
    "subprocess.",
    "ctypes.",
    "ftplib.",
    "http.",
    "imaplib.",
    "poplib.",
    "smtplib.",
    "telnetlib.",
    "urllib.",
    "pty.",
    "signal.pthread_kill",
    "os.exec",
    "os.fork",
    "os.kill",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.system",
    "os.putenv",
    "winreg.",
)
_CHANGING = (
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "os.utime",
)


@dataclass(frozen=True)
class Limits:
    """The limits of grading an answer.

    Attributes
    ----------
    seconds
        Maximum time in seconds until the answer's values are known.
    memory
        Maximum memory in bytes, in addition to that of Python and NumPy.

    """

    seconds: float = 10.0
    memory: int = 2**30

    @property
    def run_seconds(self) -> float:
        """The maximum run time at one point, checked in loops."""
        return self.seconds / 2

    @property
    def memory_text(self) -> str:
        """The memory limit, formatted for a sentence."""
        gibibytes = self.memory / 2**30
        return f"{gibibytes:g} GiB" if gibibytes >= 1 else f"{self.memory // 2**20} MiB"


def isolate() -> bool:
    """Isolate from the network and from other processes, if the system allows it to an ordinary user.

    The next child process is the first in a new PID namespace: everything that it starts ends with it.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_NEW_USERS | _NEW_NETWORK | _NEW_PROCESSES | _NEW_IPC) != 0:
        return False
    with contextlib.suppress(OSError):
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as stream:
                stream.write(text)
    return True


def end_with_parent() -> None:
    """Make the system end this process when its parent ends, if supported."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_DEATH_SIGNAL, _KILL, 0, 0, 0)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def confine(limits: Limits, folder: str, search_seconds: float) -> None:
    """Apply `limits` to this process, with `folder` as the only writable place."""
    sys.dont_write_bytecode = True
    os.chdir(folder)
    os.environ.update({"HOME": folder, "TMPDIR": folder, "TEMP": folder, "TMP": folder})
    if sys.platform != "win32":
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_FSIZE, _FILE_BYTES)
        _limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
        _limit(resource.RLIMIT_NPROC, 0)
        _limit(resource.RLIMIT_CPU, int(2 * limits.seconds + search_seconds) + 1)
        _limit(resource.RLIMIT_AS, _address_space() + limits.memory)
    sys.addaudithook(_guard(os.path.realpath(folder)))


def _limit(what: int, most: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(ValueError, OSError):  # macOS does not limit the address space
            hard = resource.getrlimit(what)[1]
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(what, (most, most))


def _address_space() -> int:
    """Return the address space already in use, in bytes, by libraries and their reservations."""
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:
            return int(stream.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 2**32


def _guard(folder: str) -> Callable[[str, tuple[Any, ...]], None]:
    """Return an audit hook that rejects forbidden operations."""
    inside, join, real = folder + os.sep, os.path.join, os.path.realpath
    refused, changing, writing = _REFUSED, _CHANGING, _WRITING

    def may_change(path: object) -> bool:
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        return isinstance(path, str) and (real(join(folder, path)) + os.sep).startswith(inside)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            changes = bool(flags & writing) if isinstance(flags, int) else any(c in str(mode) for c in "wax+")
            if changes and path not in ("/dev/null", "nul") and not isinstance(path, int) and not may_change(path):
                raise PermissionError("an answer may write to its own temporary folder alone")
        elif event.startswith(changing):
            if not all(may_change(path) for path in arguments[:2] if isinstance(path, str | bytes)):
                raise PermissionError("an answer may change its own temporary folder alone")
        elif event.startswith(refused):
            raise PermissionError(f"an answer may not use {event}")

    return hook
