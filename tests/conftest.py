"""Common setup of all tests."""

from __future__ import annotations

import os

# Tests run in parallel. A BLAS thread without a free processor would wait by spinning, in every process.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import gc
import signal
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import settings

from chainrule.cli import app
from chainrule.engines.launching import ADDRESS, LAUNCHERS
from chainrule.words import use

# The examples are the same in every run; `--hypothesis-profile=explore` draws new ones.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile("suite")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background, as by nohup, a process ignores Ctrl-C and its children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


HERE = Path(__file__).parent

WORKER = "PYTEST_XDIST_WORKER" in os.environ
"""Whether this is a process of pytest-xdist, which inherits the environment of its parent."""

COMPILED = pytest.StashKey[tempfile.TemporaryDirectory[str]]()
"""The folder of compiled code shared by the processes of one session."""

CORE = (
    "test_house.py",
    "test_transforms.py",
    "ir",
    "trace/test_tracing.py",
    "trace/test_numpy.py",
    "primitives/test_definition.py",
    "primitives/test_generated.py",
    "calculus/test_rules.py",
    "derivation/test_two_layers.py",
    "derivation/test_text.py",
    "engines/test_reference.py",
    "engines/test_runs.py",
)
"""The tests of `pytest -m core`: some of each room on the way from a function to a trained derivation."""


@cache
def is_core(path: Path) -> bool:
    return any(path.is_relative_to(HERE / each) for each in CORE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import files that are deselected."""
    asked = config.getoption("markexpr") == "core"
    return True if asked and collection_path.suffix == ".py" and not is_core(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_core(item.path):
            item.add_marker(pytest.mark.core)


def pytest_collection() -> None:
    """Collect without looking for cycles: a million objects, which all stay, would be looked at again and again."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()  # without gc.freeze(), which would hide the functions of tests: a trace looks for those that run a code


def pytest_configure(config: pytest.Config) -> None:
    """Share compiled code between processes; the user's cache is not used.

    Tests of the cache, and of compilation, have a folder of their own or none.
    """
    if not WORKER:
        config.stash[COMPILED] = folder = tempfile.TemporaryDirectory(prefix="chainrule-tests-")
        os.environ["CHAINRULE_CACHE"] = os.path.join(folder.name, "cache")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not WORKER:
        config.stash[COMPILED].cleanup()


@pytest.fixture(scope="session", autouse=True)
def bytecode() -> None:
    """Let interpreters started by tests share bytecode if Python cannot write it beside the source."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(os.environ["CHAINRULE_CACHE"]).parent / "code")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return a function that runs the command line in an empty folder, in English, as no launcher's process.

    An example of `join_processes` leaves the place of its process in the environment, as it says.
    """
    monkeypatch.chdir(tmp_path)
    for name in ("LC_ALL", "LC_MESSAGES", ADDRESS, *(variable for names in LAUNCHERS.values() for variable in names)):
        if name is not None:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    return lambda *arguments: CliRunner().invoke(app, list(arguments), prog_name="chainrule")


@pytest.fixture(autouse=True)
def language() -> Iterator[None]:
    """No language is in use when a test begins, whatever another test has left."""
    use()
    yield
    use()


@pytest.fixture
def state_of_pages() -> Iterator[None]:
    """Restore what the code of a page sets for a session: how NumPy prints."""
    options = np.get_printoptions()
    yield
    np.set_printoptions(**options)
