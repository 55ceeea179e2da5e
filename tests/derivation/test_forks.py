"""Derivations in child processes that are forked while other threads derive."""

from __future__ import annotations

import os

import pytest
from support.subprocesses import script

COUNT = os.environ.get("CHAINRULE_FORKS", "2")

PROGRAM = """
    import os, sys, threading, warnings
    import chainrule as cr
    warnings.simplefilter("ignore")
    def one(power):
        found = cr.derive(f"sum((sigmoid(W2@sigmoid(W1@x+b1)+b2)-y)**{power})", wrt=["W1"], W1="h d", W2="o h",
                          x="d", b1="h", b2="o", y="o")
        return found.verify().ok and bool(found.text())
    one(2)  # a module that is half imported stays so in a child
    stopped = threading.Event()
    def work():
        power = 2
        while not stopped.is_set():
            one(power)
            power = 2 + power % 5
    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for power in range(2, 2 + int(sys.argv[1])):
        pid = os.fork()
        if not pid:
            answer = []
            thread = threading.Thread(target=lambda: answer.append(one(power % 7 + 2)), daemon=True)
            thread.start()
            thread.join(60)
            os._exit(0 if answer == [True] else 1)
        assert os.waitpid(pid, 0)[1] == 0
    stopped.set()
    for thread in threads:
        thread.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_a_child_forked_while_threads_derive_derives() -> None:
    script(PROGRAM, COUNT)
