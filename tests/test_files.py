"""Files are replaced completely or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.subprocesses import HANG, script

from chainrule.files import FileError, check_writable, file_errors, filling, replacing, scratch_folder


def write(path: Path, content: bytes) -> None:
    with replacing(str(path)) as stream:
        stream.write(content)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def fail_half_way(path: Path, error: BaseException) -> None:
    with replacing(str(path)) as stream:
        stream.write(b"sec")
        raise error


@pytest.mark.parametrize("error", [RuntimeError(), KeyboardInterrupt(), SystemExit()])
def test_a_block_that_fails_leaves_the_old_file_alone(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "file"
    write(path, b"first")
    with pytest.raises(type(error)):
        fail_half_way(path, error)
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == {"file"}


def test_links_and_permissions_are_kept(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    write(path, b"first")
    os.chmod(path, 0o640)
    link.symlink_to(path)
    write(link, b"second")
    assert path.read_bytes() == b"second"
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == {"file", "link"}


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write(tmp_path / "file", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o666 & ~mask


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "the disk quota is used up"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EIO, os.strerror(errno.EIO)),
        (errno.EACCES, "permission denied"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_what_the_system_refuses_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str, call: str
) -> None:
    path = tmp_path / "file"
    write(path, b"first")

    def refuse(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(FileError) as caught:
        write(path, b"second")
    monkeypatch.undo()
    assert str(caught.value) == f"{path} cannot be written: {said}"
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == {"file"}


@pytest.mark.skipif(sys.platform == "win32", reason="limits on the size of files are POSIX's")
def test_a_file_that_may_not_grow_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"first")
    said = script(
        """
        import resource, signal, sys
        from chainrule.files import FileError, replacing
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        try:
            with replacing(sys.argv[1]) as stream:
                for _ in range(100):
                    stream.write(bytes(10_000))
        except FileError as error:
            print(error)
        """,
        str(tmp_path / "file"),
    )
    assert said == f"{tmp_path / 'file'} cannot be written: it is larger than files may be here\n"
    assert (tmp_path / "file").read_bytes() == b"first"
    assert names(tmp_path) == {"file"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
def test_a_full_device() -> None:
    with pytest.raises(FileError, match="cannot be written: the disk is full"):
        write(Path("/dev/full"), bytes(100_000))


@pytest.mark.parametrize("check", [check_writable, lambda path: write(Path(path), b"")])
def test_paths_that_cannot_be_written(tmp_path: Path, check: Callable[[str], None]) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    for path, said in {
        tmp_path: "is a folder; give a file",
        tmp_path / "none" / "file": f"cannot be written: there is no folder {tmp_path / 'none'}",
        tmp_path / ("x" * 300): "cannot be written: its name is too long",
        Path("/proc/chainrule"): "cannot be written: no file can be made there",
    }.items():
        if str(path).startswith("/proc") and not os.path.isdir("/proc/self"):
            continue
        if len(path.name) > 255 and check is check_writable:
            continue  # only the writing itself meets this
        with pytest.raises(FileError) as caught:
            check(str(path))
        assert str(caught.value) == f"{path} {said}"
    with pytest.raises(FileError, match="null character"):
        check(str(tmp_path) + "/a\0b")
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_long_names_can_be_written(tmp_path: Path) -> None:
    for name in ("x" * 255, "数" * 85):
        write(tmp_path / name, b"whole")
        assert (tmp_path / name).read_bytes() == b"whole"


def test_an_empty_path_is_asked_for() -> None:
    with pytest.raises(FileError, match="is empty; give one"):
        check_writable("")


def test_checking_leaves_nothing_behind(tmp_path: Path) -> None:
    check_writable(str(tmp_path / "file"))
    assert not names(tmp_path)


def test_reading_says_what_is_wrong(tmp_path: Path) -> None:
    for path, said in {
        tmp_path / "none": "does not exist; check the path",
        tmp_path: "is a folder; give a file",
    }.items():
        with pytest.raises(FileError) as caught, file_errors(str(path)), open(path, "rb"):
            pass
        assert str(caught.value) == f"{path} {said}"


@pytest.mark.skipif(sys.platform == "win32", reason="folders have no locks")
def test_the_folder_that_a_killed_process_leaves_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that of a living one is not."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    text = (
        "import os, signal, sys\nfrom chainrule.files import scratch_folder\n"
        "with scratch_folder() as folder:\n"
        "    open(os.path.join(folder, 'x'), 'w').close(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", text], env=environment, timeout=HANG, check=False)
    (left,) = names(tmp_path)
    with scratch_folder() as one:
        assert not (tmp_path / left).exists()
        with scratch_folder() as other:
            assert {str(path) for path in tmp_path.iterdir()} == {one, other}
    assert not names(tmp_path)


def test_what_a_killed_process_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    """And what a living one is writing is not."""
    path = tmp_path / "file"
    text = (
        "import sys\nfrom chainrule.files import replacing\n"
        "with replacing(sys.argv[1]) as stream:\n"
        "    stream.write(b'half'); stream.flush(); print('ready', flush=True); sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", text, str(path)]
    dead, living = (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}) for _ in range(2)
    )
    for process in (dead, living):
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    dead.send_signal(signal.SIGKILL)
    dead.wait(timeout=HANG)
    assert len(names(tmp_path)) == 2
    write(path, b"whole")
    assert path.read_bytes() == b"whole"
    assert len(names(tmp_path)) == 2
    living.communicate(b"\n", timeout=HANG)
    assert path.read_bytes() == b"half"
    assert names(tmp_path) == {"file"}
    assert dead.stdin is not None
    assert dead.stdout is not None
    dead.stdin.close()
    dead.stdout.close()


def test_many_writers_of_one_file_never_disturb_each_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    failures: list[BaseException] = []

    def work(letter: bytes) -> None:
        try:
            for _ in range(20):
                write(path, letter * 1000)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(bytes([65 + k]),)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    content = path.read_bytes()
    assert content == content[:1] * 1000
    assert names(tmp_path) == {"file"}


def _filled(path: Path, text: str, error: BaseException | None = None) -> None:
    with filling(str(path)) as folder:
        Path(folder, "index.html").write_text(text)
        if error is not None:
            raise error


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_folder_that_fails_to_be_filled_is_as_before(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "pages"
    with pytest.raises(FileError if isinstance(error, OSError) else KeyboardInterrupt):
        _filled(path, "first", error)
    assert [*tmp_path.iterdir()] == []
    _filled(path, "first")
    (path / "CNAME").write_text("own")
    with pytest.raises(FileError if isinstance(error, OSError) else KeyboardInterrupt):
        _filled(path, "second", error)
    assert {each.name: each.read_text() for each in path.iterdir()} == {"index.html": "first", "CNAME": "own"}
    _filled(path, "second")
    assert {each.name: each.read_text() for each in path.iterdir()} == {"index.html": "second", "CNAME": "own"}


def test_a_file_in_the_place_of_a_folder_is_refused_before_any_work(tmp_path: Path) -> None:
    path = tmp_path / "pages"
    path.write_text("own")
    with pytest.raises(FileError, match="is a file; give a folder"), filling(str(path)):
        raise AssertionError
    assert path.read_text() == "own"
