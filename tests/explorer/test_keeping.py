"""What the page of networks is made of is written once for all processes of a user."""

from __future__ import annotations

from pathlib import Path

import pytest

from chainrule.explorer import keeping
from chainrule.explorer.keeping import kept
from chainrule.explorer.payload import Contents

CONTENTS = Contents(
    {"markup": ["<mi>δ</mi>", "\ud800"], "structures": [{"sizes": {"n": 4}}]}, ["export const passes = null;"]
)


class Writer:
    """Writes contents, and counts how often."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> Contents:
        self.count += 1
        return CONTENTS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CHAINRULE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_it_is_written_once_and_found_again(folder: Path) -> None:
    write = Writer()
    assert [kept(write), kept(write)] == [CONTENTS, CONTENTS]
    assert write.count == 1


def test_it_is_written_again_after_a_change_of_the_package(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Writer()
    kept(write)
    monkeypatch.setattr(keeping, "key_of_sources", lambda: "other sources")
    kept(write)
    assert write.count == 2


def test_what_is_damaged_is_written_again(folder: Path) -> None:
    write = Writer()
    kept(write)
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:-1])
    assert kept(write) == CONTENTS
    assert write.count == 2


def test_without_a_cache_or_a_disk_it_is_written_each_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Writer()
    folder.write_text("a file where the folder should be", encoding="utf-8")
    assert [kept(write), kept(write)] == [CONTENTS, CONTENTS]
    monkeypatch.setenv("CHAINRULE_CACHE", "off")
    assert kept(write) == CONTENTS
    assert write.count == 3


def test_one_that_is_interrupted_leaves_nothing(folder: Path) -> None:
    def interrupted() -> Contents:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept(interrupted)
    write = Writer()
    kept(write)
    assert write.count == 1
