"""The parent's side of a sandboxed process: starting, requests, limits, termination."""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from chainrule.cage.execution import Executor
from chainrule.cage.finding import Refusal
from chainrule.cage.limits import Limits
from chainrule.cage.wire import MOST_BYTES, WireError, decode, encode
from chainrule.cage.worker import HEAD, answered
from chainrule.files import scratch_folder

_START_SECONDS = 60.0
"""Maximum time to start an interpreter on a busy machine; not counted as the answer's time."""
_ENDING_SECONDS = 5.0
FORKS = hasattr(os, "fork") and hasattr(socket, "send_fds")


class Stopped(Refusal):  # users see the sentence
    """The process of an answer has ended, or was ended for exceeding a limit; the message is one sentence."""


class Caller(Protocol):
    """The interface to a running answer."""

    @property
    def cpu(self) -> float:
        """CPU seconds that the answer has used outside of this thread."""

    def call(self, request: str, *arguments: Any) -> Any:
        """Return the executor's reply as plain data; raise Refusal, or Stopped if the process has ended."""


class Inside:
    """An answer that runs in this process, such as a function defined here."""

    def __init__(self, limits: Limits) -> None:
        self._executor = Executor(limits)
        self.cpu = 0.0  # counted by the calling thread

    def load(self, function: Callable[..., Any]) -> dict[str, Any]:
        """Describe a function of this process."""
        found: dict[str, Any] = decode(encode(self._executor.load_function(function)))
        return found

    def use(self, names: Mapping[str, Any]) -> None:
        """Set the global names of statements that are not a function."""
        self._executor.set_globals(names)

    def call(self, request: str, *arguments: Any) -> Any:
        return _opened(decode(answered(self._executor, pickle.dumps((request, arguments)))))


class Caged:
    """An answer in a separate process."""

    def __init__(self, title: str, limits: Limits, folder: str, fork: bool = FORKS) -> None:
        self._title = title
        self._limits = limits
        self.cpu = 0.0
        self._line: _Line = _Forked(limits, folder) if fork else _Spawned(limits, folder)
        self._ended: Stopped | None = None

    def call(self, request: str, *arguments: Any, seconds: float | None = None) -> Any:
        if self._ended is not None:
            raise self._ended
        limit = self._limits.seconds if seconds is None else seconds
        message = pickle.dumps((request, arguments))
        try:
            reply = self._line.ask(len(message).to_bytes(HEAD, "little") + message, limit)
            opened = decode(reply)
            cpu = opened.get("cpu") if isinstance(opened, dict) else None
            if not isinstance(cpu, float) or not self.cpu <= cpu < math.inf:
                raise WireError("no reply")
            self.cpu = cpu
        except TimeoutError:
            self._stop(f"{self._title} did not finish within {limit:g} s")
        except (OSError, EOFError):
            self._stop(self._why(self._line.end()))
        except WireError:
            self._stop(f"{self._title} answered with something that is not a value")
        return _opened(opened)

    def _stop(self, sentence: str) -> None:
        self._line.end()
        self._ended = Stopped(sentence)
        raise self._ended from None

    def _why(self, status: int) -> str:
        """Describe why the process ended on its own."""
        if sys.platform != "win32" and status < 0:
            name = signal.Signals(-status).name if -status in {s.value for s in signal.Signals} else f"signal {-status}"
            if name == "SIGXCPU":
                return f"{self._title} took more computing time than the limit of {self._limits.seconds:g} s allows"
            if name != "SIGKILL":
                return (
                    f"{self._title} crashed ({name}); it may have nested too deeply or used more than its "
                    f"{self._limits.memory_text} of memory"
                )
            return f"{self._title} was killed; it may have used more memory than there is"
        return f"{self._title} ended the process (status {status}), so that there is nothing to grade"

    def end(self) -> None:
        """End the process."""
        self._line.end()


def _opened(reply: dict[str, Any]) -> Any:
    if "refused" in reply:
        raise Refusal(str(reply["refused"]))
    return reply.get("value")


@contextlib.contextmanager
def caged(title: str, limits: Limits, fork: bool = FORKS) -> Iterator[Caged]:
    """A context manager for the process of one answer and its temporary folder."""
    with scratch_folder() as folder:
        process = Caged(title, limits, folder, fork)
        try:
            yield process
        finally:
            process.end()


class _Line(Protocol):
    """A connection to a process."""

    def ask(self, message: bytes, seconds: float) -> bytes: ...

    def end(self) -> int:
        """End the process if it is running; return its status, or the negative number of the signal that ended it."""


class _Forked:
    """A process forked by the nursery, connected by a socket."""

    def __init__(self, limits: Limits, folder: str) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        with theirs:
            self._nursery, self._child = _begun(json.dumps([limits.seconds, limits.memory, folder]), theirs)
        self._status: int | None = None

    def ask(self, message: bytes, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        self._socket.settimeout(seconds)
        self._socket.sendall(message)
        head = self._read(HEAD, deadline)
        length = int.from_bytes(head, "little")
        if length > MOST_BYTES:
            raise WireError("too long")
        return self._read(length, deadline)

    def _read(self, count: int, deadline: float) -> bytes:
        parts = []
        while count:
            self._socket.settimeout(max(deadline - time.monotonic(), 1e-3))
            part = self._socket.recv(min(count, 2**20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
            if time.monotonic() > deadline:
                raise TimeoutError
        return b"".join(parts)

    def end(self) -> int:
        if self._status is None:
            self._socket.close()
            self._status = self._nursery.end(self._child)
        return self._status


class _Spawned:
    """A process with a new interpreter, connected by two pipes."""

    def __init__(self, limits: Limits, folder: str) -> None:
        terms = json.dumps([limits.seconds, limits.memory, folder])
        self._process = subprocess.Popen(  # noqa: S603  # this interpreter
            _command("child", terms), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment(), bufsize=0
        )
        self._begun = self._closed = False

    def ask(self, message: bytes, seconds: float) -> bytes:
        assert self._process.stdin is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds if self._begun else seconds + _START_SECONDS, stop)
        timer.start()
        try:
            view = memoryview(message)
            while view:
                view = view[self._process.stdin.write(view) :]
            length = int.from_bytes(self._read(HEAD), "little")
            if length > MOST_BYTES:
                raise WireError("too long")
            self._begun = True
            return self._read(length)
        except (OSError, EOFError):
            if late.is_set():
                raise TimeoutError from None
            self._closed = True
            raise
        finally:
            timer.cancel()

    def _read(self, count: int) -> bytes:
        assert self._process.stdout is not None
        parts = []
        while count:
            part = self._process.stdout.read(min(count, 2**20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def end(self) -> int:
        with contextlib.suppress(subprocess.TimeoutExpired):  # one that has closed its pipes is about to end
            self._process.wait(_ENDING_SECONDS if self._closed else 0)
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        return self._process.wait()


# The nursery


class _Nursery:
    """An interpreter from which children are forked, for the lifetime of this process."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # this interpreter
                _command("nursery", str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,
            )

    def begin(self, terms: str, channel: socket.socket) -> int:
        with self._lock:
            socket.send_fds(self._control, [terms.encode()], [channel.fileno()])
            return self._reply()

    def end(self, child: int) -> int:
        with self._lock:
            try:
                self._control.sendall(f"end {child}".encode())
                return self._reply()
            except (OSError, EOFError):
                return -int(signal.SIGKILL)

    def _reply(self) -> int:
        self._control.settimeout(_START_SECONDS)
        text = b""
        while not text.endswith(b"\n"):
            part = self._control.recv(64)
            if not part:
                raise EOFError
            text += part
        return int(text)

    @property
    def lives(self) -> bool:
        return self.owner == os.getpid() and self._process.poll() is None

    def close(self) -> None:
        self._control.close()
        if self.owner == os.getpid():
            self._process.wait()


_nurseries: list[_Nursery] = []
_starting = threading.Lock()


def warm_up() -> None:
    """Start the nursery, so that it is ready when needed."""
    if FORKS:
        _nursery()


def _nursery() -> _Nursery:
    with _starting:
        if not _nurseries or not _nurseries[-1].lives:
            _nurseries.append(_Nursery())
            if len(_nurseries) == 1:
                atexit.register(_close)
        return _nurseries[-1]


def _close() -> None:
    for nursery in _nurseries:
        if nursery.owner == os.getpid():
            nursery.close()


def _begun(terms: str, channel: socket.socket) -> tuple[_Nursery, int]:
    nursery = _nursery()
    try:
        return nursery, nursery.begin(terms, channel)
    except (OSError, EOFError):
        raise Stopped(
            "the process that answers are run in cannot be started; is this Python installation whole?"
        ) from None


def _command(*arguments: str) -> list[str]:
    """The command of an interpreter without the user's start-up files, with this process's import paths."""
    folders = (os.path.dirname(os.path.dirname(__file__)), os.path.dirname(np.__file__))  # of this package, and NumPy's
    homes = {os.path.dirname(os.path.abspath(folder)) for folder in folders}
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    around = {"", os.getcwd(), os.path.dirname(os.path.abspath(main)) if main else ""}
    paths = [path for path in sys.path if path in homes or path not in around]
    code = "import sys; sys.path[:] = {!r}; from chainrule.cage.worker import main; main(sys.argv[1:])"
    return [sys.executable, "-I", "-c", code.format(paths), *arguments]


_PASSED_ON = re.compile(r"PATH|LANG|LC_\w+|TZ|(LD|DYLD)_LIBRARY_PATH|SYSTEMROOT|WINDIR|TE?MP|TMPDIR", re.IGNORECASE)


def _environment() -> dict[str, str]:
    """Return the environment variables that an interpreter needs; others may contain secrets.

    Linear algebra uses one thread: threads need memory and do not survive a fork.
    """
    needed = {name: value for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)}
    single = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    return {**needed, **dict.fromkeys(single, "1"), "PYTHONUTF8": "1"}
