"""`chainrule explore`: a page for every kind of target, in a file, and one line for every error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from chainrule.explorer.page import unpacked

Run = Callable[..., Result]


def first_structure(path: Path) -> Any:
    structures = unpacked(path.read_text(encoding="utf-8"))["structures"]
    assert isinstance(structures, list)
    return structures[0]


@pytest.fixture(autouse=True)
def without_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)


def test_a_file_is_written_and_the_verdict_printed(run: Run) -> None:
    found = run("explore", "gallery:linear_regression", "--output", "page.html", "--lang", "zh")
    assert found.exit_code == 0, found.output
    assert "page.html" in found.stdout
    data = unpacked(Path("page.html").read_text(encoding="utf-8"))
    assert data["language"] == "zh"
    assert data["title"] == {
        "en": "Linear regression, mean squared error: the backward pass",
        "zh": "线性回归（均方误差）：反向传播",
    }


def test_a_formula_opens_at_given_values(run: Run) -> None:
    found = run("explore", "norm(A @ x - b)^2", "--wrt", "x", "--at", "A=[[1,2],[3,4]], x=[1,-1], b=[0,1]", "--json")
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert report["verified"] is True
    path = Path(report["output"])
    assert path.stat().st_size == report["bytes"]
    assert first_structure(path)["inputs"]["x"]["data"] == [1, -1]


def test_without_a_browser_the_file_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(url: str) -> bool:
        raise AssertionError("no browser may be started without a screen")

    monkeypatch.setattr("webbrowser.open", opened)
    found = run("explore", "gallery:huber")
    assert found.exit_code == 0, found.output
    assert "open it in a browser" in " ".join(found.stdout.split())


def test_with_a_screen_the_page_opens(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    urls: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("webbrowser.open", urls.append)
    found = run("explore", "gallery:huber")
    assert found.exit_code == 0, found.output
    assert len(urls) == 1
    assert urls[0].startswith("file:///")
    assert urls[0].endswith("huber.html")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gallery:nothing"], "has no 'nothing'"),
        (["--wrt", "x"], "without one"),
        (["sum(x^2)", "--output", "missing/page.html"], "there is no folder missing"),
        (["sum(x^2)", "--at", "y=1"], "which the function does not"),
        (["sum(f(x))", "--output", "page.html"], "no definition"),
        (["sum(x^2)", "--site", "folder"], "--site writes a whole folder"),
        (["--serve", "--json"], "--serve shows the page in the browser"),
        (["--port", "8000"], "--port is for --serve"),
    ],
)
def test_a_mistake_is_one_line(run: Run, arguments: list[str], words: str) -> None:
    found = run("explore", *arguments)
    assert found.exit_code == 2, found.output
    assert words in found.stderr
    assert found.stderr.count("\n") == 1
    assert not Path("page.html").exists()
