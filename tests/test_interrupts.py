"""Ctrl-C in work that must not be torn: noted, and never lost."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.interrupts import ENOUGH, Interrupt, deferred, interruptible
from chainrule.networks import Architecture, TrainingSettings, train


def press() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def same_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGINT)
    yield
    assert signal.getsignal(signal.SIGINT) is before is signal.default_int_handler


def test_a_press_that_is_answered_is_no_exception() -> None:
    with deferred() as interrupt:
        before = interrupt.pressed
        press()
        assert (before, interrupt.pressed) == (False, True)
        assert interrupt.answer()
        assert (interrupt.pressed, interrupt.answer()) == (False, False)


def test_a_press_that_nobody_answers_is_raised_when_the_block_ends() -> None:
    reached = False
    with pytest.raises(KeyboardInterrupt), deferred():  # noqa: PT012  # where it is raised is the point
        press()
        reached = True
    assert reached


def test_work_that_never_looks_is_left_in_the_end() -> None:
    presses = []
    with pytest.raises(KeyboardInterrupt), deferred() as interrupt:  # noqa: PT012
        for _ in range(ENOUGH + 1):
            press()
            presses.append(interrupt.presses)
    assert len(presses) == ENOUGH - 1


def test_a_press_does_not_hide_an_error() -> None:
    with pytest.raises(ValueError, match="mistake"), deferred():  # noqa: PT012
        press()
        raise ValueError("mistake")


def test_blocks_within_a_block_share_its_interrupt() -> None:
    with deferred() as outer:
        with deferred() as inner:
            press()
        assert inner is outer
        assert outer.answer()


def test_code_of_others_is_interrupted_at_once() -> None:
    passed = []

    def other() -> int:
        press()
        passed.append(1)
        return 1

    with deferred() as interrupt:
        assert interruptible(lambda: 2) == 2
        assert not interrupt.pressed
        assert interruptible(other) is None
        assert interrupt.answer()
    assert not passed
    with pytest.raises(KeyboardInterrupt):
        interruptible(other)


def test_code_of_others_may_raise_it_itself() -> None:
    def other() -> None:
        raise KeyboardInterrupt

    with deferred() as interrupt:
        assert interruptible(other) is None
        assert interrupt.answer()


def test_a_block_within_code_of_others_ends_whole_and_then_raises() -> None:
    reached = []

    def other() -> None:
        with deferred():
            press()
            reached.append("block")
        reached.append("after")

    with deferred() as interrupt:
        interruptible(other)
        assert interrupt.answer()
    assert reached == ["block"]


def test_a_press_that_code_of_others_swallows_counts_all_the_same() -> None:
    def swallowing() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            press()

    def swallowing_late() -> None:
        with contextlib.suppress(KeyboardInterrupt), deferred():
            press()

    for other in (swallowing, swallowing_late):
        with deferred() as interrupt:
            interruptible(other)
            assert interrupt.answer()


def test_an_answer_within_code_of_others_is_enough() -> None:
    def other() -> str:
        with deferred() as interrupt:
            press()
            interrupt.answer()
        return "went on"

    with deferred() as interrupt:
        assert interruptible(other) == "went on"
        assert not interrupt.pressed


def test_other_threads_and_other_handlers_are_left_alone() -> None:
    found: list[Interrupt] = []

    def work() -> None:
        with deferred() as interrupt:
            found.append(interrupt)

    def handler(number: int, frame: Any) -> None:
        seen.append(number)

    seen: list[int] = []
    with deferred() as interrupt:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert found[0] is not interrupt
    signal.signal(signal.SIGINT, handler)
    try:
        with deferred() as interrupt:
            press()
            assert not interrupt.pressed
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    assert seen == [signal.SIGINT]


class Thing:
    """Something whose end is noticed."""


def lost_press() -> None:
    """Ctrl-C in a callback of the garbage collector, where Python prints the exception and goes on."""
    thing = Thing()
    reference = weakref.ref(thing, lambda _: press())
    del thing
    assert reference() is None


def test_a_press_that_python_loses_ends_the_training_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ignored: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: ignored.append(unraisable.exc_type))
    X = np.random.default_rng(0).standard_normal((20, 2))
    calls: list[int] = []

    def look(*_: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            lost_press()

    state = train(Architecture(2, (3,), 1), None, X, X[:, 0], settings=TrainingSettings(epochs=50), on_epoch=look)
    assert (state.status, state.epoch) == ("interrupted", 2)
    assert ignored == [KeyboardInterrupt]

    def loss(x: Any, w: Any) -> Any:
        return np.mean((x @ w) ** 2)

    calls.clear()
    for optimizer in (cr.SGD(0.1), cr.LBFGS()):
        calls.clear()
        result = cr.fit(loss, {"w": np.ones(2)}, {"x": X}, optimizer=optimizer, epochs=10**6, callback=look)
        assert result.status == "interrupted"
        assert len(calls) == 2
