"""The page in Firefox: a picture of it is drawn, with what modules and styles put there."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.subprocesses import HANG

import chainrule as cr

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
ACCENT = np.array([0x1F, 0x5F, 0xBF])
"""The colour of what an open line uses in the graph, which the script of the page marks."""


@pytest.mark.skipif(FIREFOX is None, reason="no Firefox is installed: no page is drawn in it")
def test_a_page_is_drawn(tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed: no picture is read")
    assert FIREFOX is not None
    page, shot, profile = tmp_path / "page.html", tmp_path / "page.png", tmp_path / "profile"
    cr.explore("sum((sigmoid(X @ w) - y)^2)", {"w": [1.0, 2.0]}, {"X": [[1.0, 2.0]], "y": [1.0]}).save(page)
    profile.mkdir()
    (profile / "user.js").write_text('user_pref("ui.systemUsesDarkTheme", 0);\n')
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--window-size", "1280,900"]
    command += ["--screenshot", str(shot), page.as_uri()]
    environment = {**os.environ, "HOME": str(tmp_path), "MOZ_HEADLESS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=environment)
    assert shot.exists(), done.stderr[-2000:]
    pixels = np.round(255 * image.imread(shot)[..., :3])
    assert pixels.shape[1] == 1280
    assert np.any(np.all(np.abs(pixels - ACCENT) <= 2, axis=-1))
