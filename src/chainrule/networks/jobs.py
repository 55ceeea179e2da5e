"""Jobs in threads side by side, whose results are taken in the order of the jobs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from chainrule.engines import available_threads
from chainrule.interrupts import Interrupt, deferred, following

Result = TypeVar("Result")

_LOOK = 0.05
"""Polling interval in seconds: on some systems a signal does not end a wait."""


def shares(jobs: int, threads: int | None = None) -> tuple[int, int]:
    """Return how many of `jobs` to run at once, and how many of at most `threads` threads each of them may use.

    >>> shares(3, 1)
    (1, 1)
    """
    most = available_threads() if threads is None else min(threads, available_threads())
    workers = max(1, min(most, jobs))
    return workers, max(1, most // workers)


def side_by_side(
    jobs: Iterable[Callable[[], Result]], workers: int, take: Callable[[Result], object], name: str = "job"
) -> None:
    """Run `jobs`, at most `workers` of them at once, and `take` their results in order, in the calling thread.

    The next job is asked for when a thread is free. If `take` returns False, or a job fails, whose error is raised in
    its turn, no more are asked for, and those that run then are ended as by Ctrl-C; their results are lost. Within
    `deferred`, a press of Ctrl-C is seen by all jobs, also by those that begin later, and remains for the caller to
    answer. A single worker is the calling thread itself.

    >>> found = []
    >>> side_by_side([lambda: 1, lambda: 2, lambda: 3], 2, found.append)
    >>> found
    [1, 2, 3]
    """
    if workers == 1:
        for job in jobs:
            with following():
                result = job()
            if take(result) is False:
                break
        return
    with deferred() as interrupt, ThreadPoolExecutor(workers, f"chainrule-{name}") as pool:
        _run(iter(jobs), workers, take, pool, Interrupt(interrupt))


def _run(
    jobs: Iterable[Callable[[], Result]],
    workers: int,
    take: Callable[[Result], object],
    pool: ThreadPoolExecutor,
    interrupt: Interrupt,
) -> None:
    def run(job: Callable[[], Result]) -> Result:
        with following(interrupt):
            return job()

    source, asked = iter(jobs), True
    results: deque[Future[Result]] = deque()
    running: list[Future[Result]] = []
    try:
        while True:
            asked = asked and not any(future.done() and future.exception() for future in results)
            while asked and len(running) < workers:
                job = next(source, None)
                if job is None:
                    asked = False
                else:
                    running.append(pool.submit(run, job))
                    results.append(running[-1])
            if not results:
                return
            wait(running, _LOOK, FIRST_COMPLETED)
            running = [future for future in running if not future.done()]
            while results and results[0].done():
                if take(results.popleft().result()) is False:
                    return
    finally:
        interrupt.end_followers()
