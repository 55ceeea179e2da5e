"""Entries on disk: each is found again, validated, and never a cause of failure."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest

from chainrule import caches
from chainrule.caches import ABANDONED, DiskCache, current_cache, key_of, key_of_sources

KEY = key_of("a program", "a processor")
PAYLOAD = bytes(range(256)) * 8


@pytest.fixture
def cache(tmp_path: Path) -> DiskCache:
    return DiskCache(str(tmp_path / "parent" / "cache"))


def files(cache: DiskCache) -> list[Path]:
    return sorted(Path(cache.folder).iterdir())


def refuse(number: int) -> Any:
    def fail(*arguments: object, **options: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


def test_what_was_put_is_got(cache: DiskCache) -> None:
    assert cache.get(KEY) is None
    cache.put(KEY, PAYLOAD)
    assert cache.get(KEY) == PAYLOAD
    assert cache.get(key_of("another")) is None
    cache.put(KEY, b"")
    assert cache.get(KEY) == b""


def test_keys_tell_parts_apart() -> None:
    keys = {key_of(*parts) for parts in [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"), ("ab", "d")]}
    assert len(keys) == 6
    assert key_of("ab", "c") == key_of("ab", "c")


def test_folder_and_files_are_the_users_alone(cache: DiskCache) -> None:
    cache.put(KEY, PAYLOAD)
    assert stat.S_IMODE(os.stat(cache.folder).st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(cache)] == [0o600]


def spoilt(data: bytes) -> list[bytes]:
    """Return damaged versions of a file."""
    cut = [data[:length] for length in (0, 1, 10, 19, 30, 35, 36, len(data) // 2, len(data) - 1)]
    places = (0, 18, 19, 34, 35, len(data) // 2, len(data) - 1)
    flipped = [data[:k] + bytes([data[k] ^ 0x10]) + data[k + 1 :] for k in places]
    return [*cut, *flipped, data + b"\0", b"\0" * len(data), data[36:], PAYLOAD]


def test_a_damaged_file_is_no_entry_and_makes_room_for_one(cache: DiskCache) -> None:
    cache.put(KEY, PAYLOAD)
    (path,) = files(cache)
    for data in spoilt(path.read_bytes()):
        path.write_bytes(data)
        assert cache.get(KEY) is None
        assert not path.exists()
        cache.put(KEY, PAYLOAD)
        assert cache.get(KEY) == PAYLOAD


def test_a_file_under_another_name_is_no_entry(cache: DiskCache) -> None:
    cache.put(KEY, PAYLOAD)
    (path,) = files(cache)
    other = key_of("another")
    path.rename(path.with_name(path.name.replace(KEY, other)))
    assert cache.get(other) is None


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o707, 0o1777])
def test_a_folder_that_others_may_write_to_is_not_used(mode: int, cache: DiskCache) -> None:
    cache.put(KEY, PAYLOAD)
    os.chmod(cache.folder, mode)
    assert cache.get(KEY) is None
    cache.put(key_of("another"), PAYLOAD)
    assert len(files(cache)) == 1


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_to_is_not_used(mode: int, cache: DiskCache) -> None:
    cache.put(KEY, PAYLOAD)
    files(cache)[0].chmod(mode)
    assert cache.get(KEY) is None


def test_what_belongs_to_somebody_else_is_not_used(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put(KEY, PAYLOAD)
    monkeypatch.setattr(os, "geteuid", lambda: os.stat(cache.folder).st_uid + 1)
    assert cache.get(KEY) is None
    cache.put(key_of("another"), PAYLOAD)
    assert len(files(cache)) == 1


@pytest.mark.parametrize(
    ("function", "number"), [("open", errno.EROFS), ("open", errno.ENOSPC), ("replace", errno.EIO)]
)
def test_a_disk_that_cannot_be_written_to_changes_nothing(
    function: str, number: int, cache: DiskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.put(KEY, PAYLOAD)
    monkeypatch.setattr(os, function, refuse(number))
    cache.put(KEY, b"new")
    cache.put(key_of("another"), PAYLOAD)
    assert cache.get(KEY) == PAYLOAD
    assert len(files(cache)) == 1


def test_a_disk_that_fills_up_leaves_no_half_file(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put(KEY, PAYLOAD)
    monkeypatch.setattr(caches, "_wrap", refuse(errno.ENOSPC))
    cache.put(key_of("another"), PAYLOAD)
    assert len(files(cache)) == 1


def test_a_folder_that_can_only_be_read_still_serves(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put(KEY, PAYLOAD)
    for function in ("utime", "unlink", "mkdir", "makedirs", "replace"):
        monkeypatch.setattr(os, function, refuse(errno.EROFS))
    assert cache.get(KEY) == PAYLOAD
    files(cache)[0].write_bytes(b"damaged")
    assert cache.get(KEY) is None
    cache.put(KEY, PAYLOAD)
    assert cache.get(KEY) is None


def test_a_folder_that_cannot_be_made_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for cache in (DiskCache(str(tmp_path / "file")), DiskCache(str(tmp_path / "file" / "cache"))):
        cache.put(KEY, PAYLOAD)
        assert cache.get(KEY) is None
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_folder_deleted_under_way_is_made_again(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.put(KEY, PAYLOAD)
    shutil.rmtree(cache.folder)
    assert cache.get(KEY) is None
    cache.put(KEY, PAYLOAD)
    assert cache.get(KEY) == PAYLOAD

    def replace(*paths: str) -> None:
        shutil.rmtree(cache.folder)
        raise FileNotFoundError

    monkeypatch.setattr(os, "replace", replace)
    cache.put(key_of("another"), PAYLOAD)
    assert cache.get(KEY) is None


def test_files_deleted_while_room_is_made_are_no_matter(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    small = DiskCache(cache.folder, max_bytes=1)
    cache.put(KEY, PAYLOAD)
    monkeypatch.setattr(os, "unlink", refuse(errno.ENOENT))
    small.put(key_of("another"), PAYLOAD)
    assert cache.get(key_of("another")) == PAYLOAD


def aged(cache: DiskCache, key: str, seconds: float) -> None:
    when = time.time() - seconds
    for path in files(cache):
        if path.name.startswith(key):
            os.utime(path, (when, when))


@pytest.mark.parametrize("limits", [{"max_bytes": 8 * 1100}, {"max_files": 8}])
def test_the_least_recently_used_make_room(limits: dict[str, int], tmp_path: Path) -> None:
    cache = DiskCache(str(tmp_path), **limits)
    own = tmp_path / "thesis.txt"
    own.write_bytes(bytes(100_000))
    keys = [key_of(str(k)) for k in range(8)]
    for k, key in enumerate(keys):
        cache.put(key, bytes(1000))
        aged(cache, key, 1000 - k)
    assert all(key in " ".join(path.name for path in files(cache)) for key in keys)
    assert cache.get(keys[0]) is not None
    cache.put(KEY, bytes(1000))
    kept = [key for key in (*keys, KEY) if cache.get(key) is not None]
    assert kept == [keys[0], *keys[4:], KEY]
    assert own.exists()


def test_a_full_folder_is_not_scanned_for_each_entry(cache: DiskCache, monkeypatch: pytest.MonkeyPatch) -> None:
    limited, scan, scans = DiskCache(cache.folder, max_files=320), os.scandir, 0

    def scandir(path: str) -> Any:
        nonlocal scans
        scans += 1
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    for k in range(500):
        limited.put(key_of(str(k)), b"x")
        assert len(os.listdir(cache.folder)) <= 320 + 320 // 64
    assert scans < 250
    large = DiskCache(cache.folder, max_bytes=64_000)
    for k in range(40):
        large.put(key_of("large", str(k)), bytes(990 + 500 * k))
        assert sum(path.stat().st_size for path in files(cache)) <= 65_000


def test_what_a_dead_process_left_is_cleared_away(cache: DiskCache) -> None:
    cache.put(KEY, PAYLOAD)
    for name in ("old", "new"):
        Path(cache.folder, f"{name}.1.2.chainrule.partial").write_bytes(b"half")
    aged(cache, "old", ABANDONED + 60)
    aged(cache, KEY, ABANDONED + 60)
    cache.put(key_of("another"), PAYLOAD)
    assert [path.name.split(".")[0] for path in files(cache)] == sorted([KEY, key_of("another"), "new"])


TWO_AT_ONCE = """
import sys
from chainrule.caches import DiskCache, key_of
cache = DiskCache(sys.argv[1], max_bytes=20_000)
entries = [(key_of(str(k)), bytes([k]) * (500 * k + 1)) for k in range(12)]
for turn in range(40):
    for key, payload in entries[turn % 3 :: 3]:
        assert cache.get(key) in (None, payload)
        cache.put(key, payload)
"""


def test_two_processes_at_once_see_whole_entries(cache: DiskCache) -> None:
    command = [sys.executable, "-c", TWO_AT_ONCE, cache.folder]
    for process in [subprocess.Popen(command) for _ in range(2)]:
        assert process.wait() == 0
    assert not [path for path in files(cache) if path.name.endswith("partial")]
    assert sum(path.stat().st_size for path in files(cache)) <= 20_000


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def place() -> str | None:
        cache = current_cache()
        return None if cache is None else cache.folder

    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("XDG_CACHE_HOME", "CHAINRULE_CACHE", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    assert place() == "/home/ada/.cache/chainrule"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/invalid")
    assert place() == "/home/ada/.cache/chainrule"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/ada")
    assert place() == "/var/cache/ada/chainrule"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert place() == "/home/ada/Library/Caches/chainrule"
    monkeypatch.setattr(sys, "platform", "win32")
    assert place() is None
    monkeypatch.setenv("LOCALAPPDATA", "/Users/ada/AppData/Local")
    assert place() == "/Users/ada/AppData/Local/chainrule/cache"
    monkeypatch.setenv("CHAINRULE_CACHE", "~/elsewhere")
    assert place() == "/home/ada/elsewhere"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAINRULE_CACHE", "here")
    assert place() == str(tmp_path / "here")
    for word in ("off", "OFF", "0", " 0 "):
        monkeypatch.setenv("CHAINRULE_CACHE", word)
        assert place() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pipes and links are made otherwise there")
@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "device", "large", "socket"])
def test_what_is_no_file_of_the_cache_is_no_entry_and_is_not_waited_for(
    kind: str, cache: DiskCache, tmp_path: Path
) -> None:
    cache.put(KEY, PAYLOAD)
    path = Path(cache.folder) / f"{KEY}.chainrule.o"
    content = path.read_bytes()
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "folder":
        path.mkdir(0o700)
    elif kind == "socket":
        folder = os.open(cache.folder, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as server:  # whose path has to be short
            server.bind(f"/proc/self/fd/{folder}/s")
        os.close(folder)
        (Path(cache.folder) / "s").rename(path)
    elif kind == "large":
        with path.open("wb") as file:
            file.truncate(caches.MAX_BYTES + 1)
    else:
        (tmp_path / "elsewhere").write_bytes(content)
        path.symlink_to("/dev/zero" if kind == "device" else tmp_path / "elsewhere")
    assert cache.get(KEY) is None
    cache.put(KEY, PAYLOAD)
    assert cache.get(KEY) == (None if kind == "folder" else PAYLOAD)
    if kind == "link":
        assert (tmp_path / "elsewhere").read_bytes() == content


@pytest.mark.parametrize("name", ["a.py", "page/a.js"])
def test_every_file_of_the_package_changes_its_key(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caches, "__file__", str(tmp_path / "caches.py"))
    for each in (name, "__pycache__/b.pyc"):
        (tmp_path / each).parent.mkdir(exist_ok=True)
        (tmp_path / each).write_text("1", encoding="utf-8")
    first = key_of_sources.__wrapped__()
    (tmp_path / "__pycache__/b.pyc").write_text("2", encoding="utf-8")
    assert key_of_sources.__wrapped__() == first
    (tmp_path / name).write_text("2", encoding="utf-8")
    assert key_of_sources.__wrapped__() != first
