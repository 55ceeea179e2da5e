"""Jobs side by side: results in order, errors in turn, Ctrl-C for all."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from chainrule.interrupts import deferred
from chainrule.networks import side_by_side


def waiting_for(event: threading.Event, number: int) -> int:
    assert event.wait(30)
    return number


def until_ended(begun: threading.Event, ended: list[int], number: int) -> int:
    """Work until Ctrl-C."""
    begun.set()
    with deferred() as interrupt:
        while not interrupt.answer():
            threading.Event().wait(0.001)
    ended.append(number)
    return number


def test_results_are_taken_in_order_whichever_ends_first_and_no_more_run_than_asked() -> None:
    last, running, most = threading.Event(), [0], [0]
    turn = threading.Lock()

    def job(number: int) -> int:
        with turn:
            running[0] += 1
            most[0] = max(most[0], running[0])
        if number == 0:
            waiting_for(last, number)
        if number == 4:
            last.set()
        with turn:
            running[0] -= 1
        return number

    taken: list[int] = []
    side_by_side((partial(job, number) for number in range(5)), 2, taken.append)
    assert taken == [0, 1, 2, 3, 4]
    assert most == [2]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_raised_in_its_turn_and_nothing_begins_after_it(workers: int) -> None:
    failed, begun = threading.Event(), []

    def fails() -> int:
        failed.set()
        raise ZeroDivisionError

    def jobs() -> Iterator[Callable[[], int]]:
        yield lambda: 0 if workers == 1 else waiting_for(failed, 0)
        yield fails
        for number in range(2, 9):
            begun.append(number)
            yield partial(int, number)

    taken: list[int] = []
    with pytest.raises(ZeroDivisionError):
        side_by_side(jobs(), workers, taken.append)
    assert taken == [0]
    assert len(begun) <= 1  # one may begin before the thread of the second is seen to have failed


def test_who_takes_no_more_ends_those_that_run() -> None:
    begun, ended = threading.Event(), list[int]()
    jobs: list[Callable[[], int]] = [partial(waiting_for, begun, 0), partial(until_ended, begun, ended, 1)]
    with deferred() as interrupt:
        side_by_side(jobs, 2, lambda number: False)
        assert ended == [1]
        assert not interrupt.pressed


@pytest.mark.parametrize("workers", [1, 2])
def test_a_press_ends_all_and_is_left_to_the_caller(workers: int) -> None:
    ended: list[int] = []
    taken: list[int] = []

    def jobs() -> Iterator[Callable[[], int]]:
        for number in range(3):
            if number == workers - 1:
                signal.raise_signal(signal.SIGINT)
            yield partial(until_ended, threading.Event(), ended, number)

    with deferred() as interrupt:
        side_by_side(jobs(), workers, taken.append)
        assert interrupt.answer()
    assert taken == sorted(ended) == [0, 1, 2]


def test_a_press_that_nobody_answers_is_raised_when_all_have_ended() -> None:
    taken: list[int] = []

    def job() -> int:
        signal.raise_signal(signal.SIGINT)
        return 1

    with pytest.raises(KeyboardInterrupt):
        side_by_side([job, job], 2, taken.append)
    assert taken == [1, 1]
