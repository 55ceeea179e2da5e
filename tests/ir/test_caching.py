"""Cached properties and cached functions."""

from __future__ import annotations

import os
import threading
import warnings
from dataclasses import dataclass

import pytest

from chainrule.ir import Memo, cached_property


@dataclass(frozen=True)
class Square:
    side: float
    calls: list[float]

    @cached_property
    def area(self) -> float:
        """How large it is."""
        self.calls.append(self.side)
        return self.side**2


def test_it_is_computed_once_for_each_instance() -> None:
    calls: list[float] = []
    one, two = Square(3.0, calls), Square(4.0, calls)
    assert (one.area, one.area, two.area, two.area) == (9.0, 9.0, 16.0, 16.0)
    assert calls == [3.0, 4.0]
    assert Square.__dict__["area"].__doc__ == "How large it is."


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # where another test has brought in JAX
def test_a_child_forked_while_another_thread_computes_one_computes_its_own() -> None:
    begun, ended = threading.Event(), threading.Event()

    class Slow:
        def __init__(self, waits: bool) -> None:
            self.waits = waits

        @cached_property
        def value(self) -> int:
            if self.waits:
                begun.set()
                ended.wait(60)
            return 7

    slow = Slow(True)
    thread = threading.Thread(target=lambda: slow.value)
    thread.start()
    assert begun.wait(60)
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forking beside threads
        child = os.fork()
    if child == 0:
        computed = threading.Thread(target=lambda: os.write(writing, b"%d" % Slow(False).value), daemon=True)
        computed.start()
        computed.join(30)
        os._exit(0)
    os.close(writing)
    ended.set()
    thread.join()
    os.waitpid(child, 0)
    assert os.read(reading, 10) == b"7"
    os.close(reading)


def test_a_memo_keeps_what_was_used_last() -> None:
    memo: Memo[str, int] = Memo(2)
    assert memo.made("a", lambda: 1) == 1
    assert memo.made("b", lambda: 2) == 2
    assert memo.made("a", lambda: 0) == 1
    memo.made("c", lambda: 3)
    assert len(memo) == 2
    assert [memo.made(key, lambda: 0) for key in "acb"] == [1, 3, 0]


def test_a_memo_keeps_the_value_that_came_first() -> None:
    memo: Memo[str, list[int]] = Memo(1)
    first, second = [1], [1]

    def overtaken() -> list[int]:
        assert memo.made("a", lambda: first) is first
        return second

    assert memo.made("a", overtaken) is first
    assert memo.made("a", lambda: second) is first


def test_threads_share_a_memo() -> None:
    memo: Memo[int, object] = Memo(4)
    found: list[list[object]] = [[] for _ in range(8)]
    together = threading.Barrier(8)

    def work(mine: list[object]) -> None:
        together.wait()
        mine += [memo.made(n % 4, object) for n in range(2000)]

    threads = [threading.Thread(target=work, args=(mine,)) for mine in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(mine == found[0] for mine in found)
    assert len(memo) == 4
