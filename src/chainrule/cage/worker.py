"""The process in which an answer runs, and the one from which it is forked.

A nursery is an interpreter that has imported only NumPy and this package. For each answer it forks a child, which
confines itself and then serves requests. On systems without fork, each answer gets a new interpreter.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import socket
from typing import Any

from chainrule.cage.execution import Executor
from chainrule.cage.finding import Refusal
from chainrule.cage.limits import Limits, confine, end_with_parent, isolate
from chainrule.cage.running import said
from chainrule.cage.wire import WireError, encode

HEAD = 8
SEARCH_SECONDS = 60.0
"""Additional CPU seconds, beyond the limit, to search for the mistake in a wrong answer."""


def main(arguments: list[str]) -> None:
    """Run as a nursery, with the socket for requests, or as one child, with pipes."""
    mode, *rest = arguments
    if mode == "nursery":
        with socket.socket(fileno=int(rest[0])) as control:
            _nurse(control)
    else:
        requests, replies = os.dup(0), os.dup(1)
        _silence()
        limits, folder = _terms(rest[0])
        confine(limits, folder, SEARCH_SECONDS)
        _serve(Executor(limits), requests, replies)


def _terms(text: str) -> tuple[Limits, str]:
    seconds, memory, folder = json.loads(text)
    return Limits(seconds, memory), folder


def _silence() -> None:
    """Close standard input, and discard standard output and error."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)


# Unix


def _nurse(control: socket.socket) -> None:
    """Fork children and end them, until the parent process is gone."""
    children: set[int] = set()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            message, handed, _, _ = socket.recv_fds(control, 4096, 1)
        except OSError:
            message, handed = b"", []
        if not message:
            break
        if message.startswith(b"end "):
            child = int(message[4:])
            children.discard(child)
            reply = str(_ended(child))
        else:
            child = os.fork()
            if not child:
                control.close()
                _attend(message.decode(), handed[0])
            children.add(child)
            reply = str(child)
            os.close(handed[0])
        control.sendall(f"{reply}\n".encode())
    for child in children:
        _ended(child)


def _ended(child: int) -> int:
    """Kill a child; return its exit status, or the negative number of the signal that ended it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 0


def _attend(terms: str, channel: int) -> None:
    """Run one answer in its own process, as isolated as the system allows, and end with its status.

    The channel stays open here meanwhile, so that its closing implies that the exit status is available.
    """
    status = 1
    try:
        end_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setpgid(0, 0)
        isolate()
        child = os.fork()
        if not child:
            end_with_parent()
            _silence()
            limits, folder = _terms(terms)
            confine(limits, folder, SEARCH_SECONDS)
            _serve(Executor(limits), channel, channel)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status < 0:
            signal.signal(-status, signal.SIG_DFL) if -status != signal.SIGKILL else None
            os.kill(os.getpid(), -status)
    finally:
        os._exit(status & 0xFF)


# Requests


def _serve(executor: Executor, requests: int, replies: int) -> None:
    """Serve requests until there are no more."""
    read, write = os.read, os.write  # an answer may replace them in the module
    while True:
        head = _read(read, requests, HEAD)
        if head is None:
            return
        message = _read(read, requests, int.from_bytes(head, "little"))
        if message is None:
            return
        reply = answered(executor, message)
        view = memoryview(len(reply).to_bytes(HEAD, "little") + reply)
        while view:
            view = view[write(replies, view) :]


def _read(read: Any, source: int, count: int) -> bytes | None:
    parts = []
    while count:
        part = read(source, min(count, 2**20))
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def answered(executor: Executor, message: bytes) -> bytes:
    """Return the reply to a request: a method of the executor and its arguments, pickled by the parent process."""
    name, arguments = pickle.loads(message)  # noqa: S301  # from the process that began this one
    try:
        return encode({"value": getattr(executor, name)(*arguments), "cpu": _cpu()})
    except Refusal as error:
        return encode({"refused": str(error), "cpu": _cpu()})
    except WireError as error:
        return encode({"refused": f"the answer gives too much: {error}", "cpu": _cpu()})
    except MemoryError:
        return encode({"refused": "the answer used more memory than it may", "cpu": _cpu()})
    except Exception as error:  # objects of the answer may raise any exception
        return encode({"refused": f"the answer cannot be run: {said(error)}", "cpu": _cpu()})


def _cpu() -> float:
    times = os.times()
    return times.user + times.system
