"""Answers that attack the grader: none is accepted, runs forever or ends without a message."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Protocol

import pytest

import chainrule as cr
from chainrule.cage import FORKS, Limits
from chainrule.cage.process import _nursery
from chainrule.grading import AnswerFile, Grade, GradeError
from chainrule.grading.grading import grade_against
from chainrule.grading.references import Truths

WRONG = "    return {'w': X @ (X @ w - y)}"
LONG = Limits(seconds=60)
"""On a busy machine the limits of what ends by itself are not what is tested."""
WORLD = pytest.mark.skipif(sys.platform != "linux", reason="a matter of Linux")


@pytest.fixture(scope="module")
def truths() -> Truths:
    return Truths("0.5 * sum((X @ w - y)^2)", None, {"X": "n d", "y": "n", "w": "d"})


class Grader(Protocol):
    def __call__(self, top: str, body: str = ..., limits: Limits = ..., fork: bool = ...) -> Grade: ...


@pytest.fixture
def graded(tmp_path: Path, truths: Truths) -> Grader:
    def grade(top: str, body: str = WRONG, limits: Limits = LONG, fork: bool = FORKS) -> Grade:
        path = tmp_path / "answer.py"
        path.write_text(f"import numpy as np\n{top}\ndef backward(X, y, w):\n{body}\n", encoding="utf-8")
        return grade_against(AnswerFile(str(path), "backward"), truths, "loss", limits, fork)

    return grade


CHEATS = {
    "allclose": "np.allclose = np.array_equal = lambda *a, **k: True",
    "arithmetic": "np.max = np.abs = np.sum = lambda *a, **k: 0.0",
    "isfinite": "np.isfinite = lambda *a: True\nnp.ndarray.__class__",
    "chainrule": "import chainrule.cage.wire as wire\nwire.encode = lambda value: b''.join([])",
    "comparison": "import chainrule.grading.comparison as c\nc.equal = c.agree = lambda *a: True",
    "modules": "import sys\nfor name in [m for m in sys.modules if 'chainrule.' in m]:\n    sys.modules[name] = None",
    "executor": (
        "import gc\nfrom chainrule.cage.execution import Executor\n"
        "for e in gc.get_objects():\n    if type(e) is Executor:\n        e.run = lambda *a: [{'values': {}}] * 3"
    ),
    "collector": (
        "import gc\nfor o in gc.get_objects():\n"
        "    if type(o).__name__ in ('Truth', 'Quantity'):\n        raise SystemError('the truth is here')"
    ),
    "frames": (
        "import sys\nframe = sys._getframe()\nwhile frame:\n"
        "    for v in list(frame.f_locals.values()):\n        if type(v).__name__ == 'Truth': raise SystemError\n"
        "    frame = frame.f_back"
    ),
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_wrong_answer_cannot_make_itself_right(name: str, graded: Grader) -> None:
    said = outcome(graded, CHEATS[name])
    assert said.startswith(("wrong", "refused"))
    assert not any(word in said for word in ("\n", "the truth is here", "SystemError", "∂L"))


def outcome(graded: Grader, top: str) -> str:
    """The verdict with what lines were said to be, or the sentence that there is none."""
    try:
        grade = graded(top)
    except cr.GradeError as error:
        return f"refused: {error}"
    return f"{'right' if grade.right else 'wrong'}: {[line.meaning for line in grade.lines]}"


ENDS = {
    "exit": ("import os; os._exit(0)", WRONG, r"ended the process \(status 0\)"),
    "exit in the function": ("import os", "    os._exit(0)", r"ended the process \(status 0\)"),
    "system exit": ("raise SystemExit(0)", WRONG, "ends the program"),
    "interrupt": ("raise KeyboardInterrupt", WRONG, "KeyboardInterrupt"),
    "abort": ("import os; os.abort()", WRONG, "crashed|ended the process"),
    "loop": ("while True: pass", WRONG, "did not finish within 0.5 s"),
    "loop in C": ("sum(iter(int, 1))", WRONG, "did not finish within 0.5 s"),
    "large integer": ("9**9**9", WRONG, "did not finish within 0.5 s"),
    "large integer in the function": ("", "    return {'w': w * float(9**9**9 % 7)}", "did not finish within 0.5 s"),
    "endless function": ("", "    while True: w = w", "does this loop end"),
    "memory": ("x = bytearray(2**33)", WRONG, "used more than 128 MiB of memory"),
    "memory in the function": ("", "    return {'w': np.ones(2**33)[:3]}", "used more than 128 MiB of memory"),
    "memory bit by bit": ("x = []\nwhile True: x.append(bytearray(2**20))", WRONG, "128 MiB of memory"),
    "standard input": ("input()", WRONG, "EOFError"),
    "error": ("1 / 0", WRONG, "answer.py:2: ZeroDivisionError"),
    "syntax": ("def (", WRONG, "answer.py:2: "),
    "words": ("", "    return {'w': 'text'}", "is a str"),
    "complex": ("", "    return {'w': w + 1j}", "complex128"),
    "objects": ("", "    return {'w': np.array([object()] * len(w))}", "of object"),
    "infinite": ("", "    return {'w': w / 0}", "nan or inf"),
    "large result": ("", "    return {'w': np.zeros(2**22)}", "4194304 entries"),
    "view of much": ("", "    return {'w': np.broadcast_to(w[0], (10**9,))}", "1000000000 entries"),
    "own class": ("class A:\n    def __getattr__(self, n): raise RuntimeError", "    return A()", "returns a A"),
    "many values": ("", "    return [w] * 10**6", "returns 1000000 values"),
}


@pytest.mark.parametrize("name", ENDS)
def test_no_verdict_is_one_sentence(name: str, graded: Grader) -> None:
    top, body, sentence = ENDS[name]
    limits = Limits(0.5 if "0.5 s" in sentence or "loop" in sentence else LONG.seconds, 2**27)
    with pytest.raises(cr.GradeError, match=sentence) as raised:
        graded(top, body, limits)
    assert "\n" not in str(raised.value)


def test_deep_recursion_is_an_error_of_the_answer(graded: Grader) -> None:
    with pytest.raises(cr.GradeError, match=r"RecursionError|crashed"):
        graded("def f(x): return f(x)\nf(1)")


@WORLD
@pytest.mark.parametrize(
    "attempt",
    [
        "open({outside!r}, 'w')",
        "import os; os.remove({outside!r})",
        "import os; os.rename({outside!r}, {outside!r} + '2')",
        "import socket; socket.create_connection(('127.0.0.1', {port}), 1)",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.kill({pid}, 9)",
        "import os; os.fork()",
    ],
)
def test_what_an_answer_has_no_business_with_is_refused(attempt: str, graded: Grader, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_text("as it was")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        code = attempt.format(outside=str(outside), port=listening.getsockname()[1], pid=os.getpid())
        with pytest.raises(cr.GradeError, match=r"answer\.py:2: PermissionError: an answer may"):
            graded(code)
    assert outside.read_text() == "as it was"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["answer.py", "precious"]


def test_an_answer_may_write_a_little_into_its_own_folder_and_print_much(graded: Grader) -> None:
    top = (
        "import sys, tempfile\nopen('notes', 'w').write('x')\nfor stream in (sys.stdout, sys.stderr):\n"
        "    stream.write('x' * 10**7)\n    stream.flush()"
    )
    grade = graded(top, "    return {'w': X.T @ (X @ w - y)}")
    assert grade.right
    assert not Path("notes").exists()


def test_a_large_file_cannot_be_written(graded: Grader) -> None:
    with pytest.raises(cr.GradeError, match=r"OSError|File too large|ended the process"):
        graded("with open('notes', 'wb') as f: f.write(bytes(10**8))")


def test_what_lies_beside_the_answer_can_be_imported(graded: Grader, tmp_path: Path) -> None:
    (tmp_path / "helpers_of_mine.py").write_text("def t(a): return a.T\n")
    assert graded("from helpers_of_mine import t", "    return {'w': t(X) @ (X @ w - y)}").right
    assert "helpers_of_mine" not in sys.modules


def test_a_module_called_numpy_beside_the_answer_is_not_taken_for_numpy(graded: Grader, tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemError\n")
    assert graded("", "    return {'w': X.T @ (X @ w - y)}").right


def test_without_fork_each_answer_has_an_interpreter(graded: Grader) -> None:
    assert graded("", "    return {'w': X.T @ (X @ w - y)}", fork=False).right
    with pytest.raises(cr.GradeError, match=r"ended the process \(status 3\)"):
        graded("import os; os._exit(3)", fork=False)


def test_two_answers_are_graded_at_once(tmp_path: Path, truths: Truths) -> None:
    found: dict[str, bool] = {}

    def grade(name: str, body: str) -> None:
        path = tmp_path / f"{name}.py"
        path.write_text(f"def backward(X, y, w):\n    return {{'w': {body}}}\n")
        found[name] = grade_against(AnswerFile(str(path), "backward"), truths, "loss", LONG).right

    bodies = {"right": "X.T @ (X @ w - y)", "wrong": "X.T @ (X @ w + y)", "again": "(X @ w - y) @ X"}
    threads = [threading.Thread(target=grade, args=item) for item in bodies.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"right": True, "wrong": False, "again": True}


@pytest.mark.parametrize(
    "source",
    [
        b"\xef\xbb\xbfdef backward(X, y, w):\r\n\tr = X @ w - y\r\n\treturn {'w': X.T @ r}\r\n",
        b"# -*- coding: latin-1 -*-\n# \xe9\ndef backward(X, y, w):\n    r = X @ w - y\n    return {'w': X.T @ r}\n",
        b"def backward(X, y, w):\n    r = X @ w - y\n\x0c\n    return {'w': X.T @ r}",
    ],
)
def test_files_are_read_as_python_reads_them(source: bytes, tmp_path: Path, truths: Truths) -> None:
    path = tmp_path / "answer.py"
    path.write_bytes(source)
    assert grade_against(AnswerFile(str(path), "backward"), truths, "loss", LONG).right


@pytest.mark.parametrize(
    "source", [b"\xff\xfe\x00", b"def backward(X):\n    '\xe9'\n", b"\x00" * 50, b"#" * (2**20 + 1)]
)
def test_what_is_no_text_is_refused(source: bytes, tmp_path: Path, truths: Truths) -> None:
    path = tmp_path / "answer.py"
    path.write_bytes(source)
    with pytest.raises(cr.ChainruleError, match=r"answer\.py"):
        grade_against(AnswerFile(str(path), "backward"), truths, "loss", LONG)


def test_an_interrupt_leaves_no_process_behind(tmp_path: Path) -> None:
    (tmp_path / "answer.py").write_text(
        "import os, pathlib\npathlib.Path('/proc/self/stat')\nprint()\n"
        "def backward(X, y, w):\n    while True:\n        w = w\n"
    )
    code = (
        "import select, signal, threading, sys, os, _thread, chainrule as cr\n"
        "def ended(process):\n"
        "    try:\n"
        "        return bool(select.select([os.pidfd_open(int(process))], [], [], 50)[0])\n"
        "    except ProcessLookupError:\n"
        "        return True\n"
        "from chainrule.cage import process, Limits\n"
        "ask, sent = process._Forked.ask, []\n"
        "def asked(self, message, seconds):\n"
        "    if b'run' in message[:60] and not sent:\n"  # a second one would interrupt what is printed
        "        sent.append(threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)))\n"
        "        sent[0].start()\n"
        "    return ask(self, message, seconds)\n"
        "process._Forked.ask = asked\n"
        "try:\n"
        "    cr.grade('answer.py:backward', 'sum((X@w-y)^2)', X='n d', y='n', w='d', limits=Limits(100))\n"
        "except KeyboardInterrupt:\n"
        "    n = process._nurseries[-1]._process.pid\n"
        "    kids = open(f'/proc/{n}/task/{n}/children').read() if os.path.exists('/proc') else ''\n"
        "    print('interrupted', all(map(ended, kids.split())))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.stdout == "interrupted True\n", done.stderr


@WORLD
def test_the_processes_end_with_the_one_that_grades(tmp_path: Path) -> None:
    (tmp_path / "answer.py").write_text("import time\ntime.sleep(1000)\n")
    code = (
        "import os, sys, threading, chainrule as cr\n"
        "from chainrule.cage import process, Limits\n"
        "ask = process._Forked.ask\n"
        "def asked(self, message, seconds):\n"
        "    print(process._nurseries[-1]._process.pid, self._child, flush=True)\n"
        "    threading.Timer(0.1, os._exit, (7,)).start()\n"
        "    return ask(self, message, seconds)\n"
        "process._Forked.ask = asked\n"
        "cr.grade('answer.py:backward', 'sum((X@w-y)^2)', X='n d', y='n', w='d', limits=Limits(100))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True, timeout=100)
    assert done.returncode == 7
    for number in map(int, done.stdout.split()):
        _await_end(number)


def _await_end(number: int) -> None:
    """Wait until a process that is not ours has ended; the test's own limit of time is what bounds this."""
    try:
        handle = os.pidfd_open(number)
    except ProcessLookupError:
        return
    try:
        import select

        assert select.select([handle], [], [], 60)[0], f"{number} is still there"
    finally:
        os.close(handle)


def test_the_nursery_is_made_again_when_it_is_gone(graded: Grader) -> None:
    if not FORKS:
        pytest.skip("nothing is forked here")
    process = _nursery()._process
    process.kill()
    process.wait()
    assert graded("", "    return {'w': X.T @ (X @ w - y)}").right


FORGED = {
    "no number": b'{"d":[["cpu",{"f":"nan"}],["value",{"d":[["line",1]]}]]}',
    "negative": b'{"d":[["cpu",-1e9],["value",{"d":[["line",1]]}]]}',
    "part of it": b'{"d":[["cpu",99.5],["value",{"d":[["line",1],["name","f"]]}]]}',
    "deep": b"[" * 100_000,
    "large": b'{"d":[["cpu",99.5],["value",{"a":["<f8",[1099511627776,1099511627776],0]}]]}',
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_reply_is_no_verdict(name: str, graded: Grader) -> None:
    text = FORGED[name]
    message = len(text).to_bytes(8, "little") + text
    whole = len(message).to_bytes(8, "little") + message
    with pytest.raises(GradeError, match=r"nothing to grade|not a value"):
        graded(
            "import os\n"
            "for number in range(3, 60):\n"
            "    try:\n"
            f"        os.write(number, {whole!r})\n"
            "    except OSError:\n"
            "        pass\n"
        )


def test_secrets_in_the_environment_are_not_passed_on(tmp_path: Path) -> None:
    (tmp_path / "answer.py").write_text("import os\nraise ValueError(sorted(os.environ))\n")
    code = (
        "import os, chainrule as cr\n"
        "os.environ['A_TOKEN'] = 'swordfish'\n"
        "try:\n"
        "    cr.grade('answer.py:backward', 'sum(w^2)')\n"
        "except cr.ChainruleError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "PATH" in done.stdout
    assert "A_TOKEN" not in done.stdout


def test_what_a_terminal_would_obey_is_shown_as_text(graded: Grader) -> None:
    with pytest.raises(GradeError, match=r"\\x1b\[2JRight") as caught:
        graded("raise ValueError('\\x1b[2JRight')")
    assert "\x1b" not in str(caught.value)
    right = graded("", "    dw = X.T @ (X @ w - y)  + len('\x1b[2J') * 0\n    return {'w': dw}")
    assert right.right
    assert "\x1b" not in str(right)
