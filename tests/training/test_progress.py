"""The progress bar of `fit`: in terminals and notebooks, never where output is piped."""

from __future__ import annotations

import io
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.training import progress

ROWS = {"x": np.arange(4.0), "y": np.arange(4.0)}


class Screen(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        return True


def trained(**settings: Any) -> cr.FitResult:
    return cr.fit("mean((w*x - y)^2)", {"w": 0.0}, ROWS, cr.SGD(0.01), epochs=40, **settings)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "DELAY", 0.0)
    monkeypatch.setenv("TERM", "xterm")


@pytest.mark.usefixtures("at_once")
def test_a_terminal_shows_the_epochs_and_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    trained(validation=ROWS)
    assert "40/40" in screen.getvalue()
    assert "loss 0.01218" in screen.getvalue()
    assert "validation 0" in screen.getvalue()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("screen", "wanted"), [(Screen(), False), (io.StringIO(), None)], ids=["refused", "piped"])
def test_there_is_no_bar(screen: Any, wanted: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen)
    trained(progress=wanted)
    assert screen.getvalue() == ""


def test_a_short_run_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(progress, "DELAY", 1e9)
    monkeypatch.setattr(sys, "stderr", screen)
    trained()
    assert screen.getvalue() == ""


@pytest.mark.usefixtures("at_once")
def test_a_notebook_updates_one_output(monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[dict[str, str]] = []

    class Handle:
        def update(self, page: dict[str, str], raw: bool) -> None:
            assert raw
            pages.append(page)

    def display(page: dict[str, str], display_id: bool, raw: bool) -> Handle:
        assert display_id
        assert raw
        pages.append(page)
        return Handle()

    ipython, shown = ModuleType("IPython"), ModuleType("IPython.display")
    vars(ipython)["get_ipython"] = lambda: type("ZMQInteractiveShell", (), {})()
    vars(shown)["display"] = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    trained()
    assert "epoch 40/40 loss 0.01218" in pages[-2]["text/html"]
    assert pages[-1] == {"text/html": "", "text/plain": ""}


def test_the_bar_does_not_change_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = trained(progress=False)
    monkeypatch.setattr(sys, "stderr", Screen())
    monkeypatch.setattr(progress, "DELAY", 0.0)
    np.testing.assert_array_equal(trained(progress=True).params["w"], silent.params["w"])
