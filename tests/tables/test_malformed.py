"""Every malformed table is rejected in one line that states the error and its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.malformed_files import GOOD
from support.malformed_tables import CASES

from chainrule.tables import TableError, open_table, prepare


@pytest.mark.parametrize("title", CASES)
def test_it_is_refused_in_one_line(tmp_path: Path, title: str) -> None:
    case = CASES[title]
    path = tmp_path / case.file
    path.write_bytes(case.content)
    with pytest.raises(TableError) as caught:
        prepare(open_table(str(path), case.delimiter), "kind", **case.wishes)
    message = str(caught.value)
    for part in case.says:
        assert part.replace("{path}", str(path)) in message
    assert message.splitlines() == [message]
    assert message.isprintable()
    assert len(message) < 500 + 2 * len(str(path))
    assert path.read_bytes() == case.content


def test_the_table_that_they_are_made_from_is_good(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(GOOD)
    prepared = prepare(open_table(str(path)), "kind")
    assert prepared.X.shape[0] == 24
    assert len(prepared.y_held) == 6


def test_there_are_many() -> None:
    assert len(CASES) >= 150
