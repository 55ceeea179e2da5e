"""What every test starts from."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import settings

from chainrule.cli import app

# The same examples in every run; `--hypothesis-profile=explore` draws new ones.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("suite")

# What a test compiles is compiled, and the user's own cache is left alone; tests of the cache name a folder.
os.environ["CHAINRULE_CACHE"] = "off"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background, as by nohup, a process ignores Ctrl-C and its children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command line in an empty folder, in English."""
    monkeypatch.chdir(tmp_path)
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="chainrule")
