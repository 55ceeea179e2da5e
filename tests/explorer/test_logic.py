"""The page's modules that need no document, under node."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest
from support.subprocesses import HANG

NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="no node is installed: the page's modules are not tested")
def test_the_modules_without_a_document_pass_under_node() -> None:
    assert NODE is not None
    command = [NODE, "--test", str(Path(__file__).with_name("logic.test.mjs"))]
    environment = {**os.environ, "MODULES": str(files("chainrule.explorer") / "page")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=HANG)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "# fail 0" in done.stdout
