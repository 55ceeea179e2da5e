"""polars in a process that was forked from one in which it ran: rejected in one sentence, without a deadlock."""

from __future__ import annotations

import os

import pytest
from support.subprocesses import script

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")

PROGRAM = """
    import os, sys, threading, warnings
    from chainrule.tables import Preprocessing, TableError, open_table
    warnings.simplefilter("ignore")
    with open(sys.argv[1], "w") as stream:
        stream.write("x,y\\n" + "1.5,a\\n2.5,b\\n" * 20)
    if sys.argv[2] == "used":
        list(open_table(sys.argv[1]).batches())
    elif sys.argv[2] == "imported":
        import polars
    def child():
        try:
            print(sum(batch.frame.height for batch in open_table(sys.argv[1]).batches()), flush=True)
        except TableError as error:
            print(error, flush=True)
    pid = os.fork()
    if not pid:
        thread = threading.Thread(target=child, daemon=True)
        thread.start()
        thread.join(30)
        os._exit(int(thread.is_alive()))
    print(os.waitpid(pid, 0)[1])
"""


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("used", "this process was forked from one in which polars ran"),
        ("imported", "40\n"),
        ("not imported", "40\n"),
    ],
)
def test_a_forked_child_reads_tables_or_says_why_not(tmp_path: object, before: str, says: str) -> None:
    said = script(PROGRAM, f"{tmp_path}/data.csv", before)
    assert says in said
    assert said.endswith("\n0\n"), said
    assert ("get_context('spawn')" in said) == (before == "used")
