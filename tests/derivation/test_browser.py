"""Formulas in a browser: roots and fences are drawn with DejaVu as the only font, on narrow and wide screens.

Runs where Chromium is installed, and the fonts of DejaVu.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.subprocesses import HANG

import chainrule as cr

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DEJAVU = next((path for path in Path("/usr/share/fonts").glob("**/DejaVuSans.ttf")), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None or DEJAVU is None, reason="no Chromium, or no DejaVu, is installed")

QUIET = shlex.split(
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=2000 --dump-dom"
)
MEASURE = """
<script>
const box = e => e.getBoundingClientRect();
const em = e => parseFloat(getComputedStyle(e).fontSize);
document.documentElement.setAttribute("data-measured", JSON.stringify({
  roots: [...document.querySelectorAll("msqrt")].map(e => (box(e).width - box(e.firstElementChild).width) / em(e)),
  fences: [...document.querySelectorAll("mrow > mo:first-child")]
    .filter(e => e.parentElement.querySelector(":scope > mfrac"))
    .map(e => box(e).height / em(e)),
  page: document.documentElement.scrollWidth - innerWidth,
}));
</script>
"""


def attention(Q: Any, K: Any, V: Any, d: Any) -> Any:
    O = cr.softmax(Q @ K.T / np.sqrt(d)) @ V
    return np.sqrt(np.sum(O**2) / (1 + np.sum(np.abs(V / (1 + d)))))


def measured(folder: Path, width: int) -> dict[str, Any]:
    """Measure a derivation in the browser, with DejaVu as the only font."""
    assert CHROMIUM is not None
    assert DEJAVU is not None
    (folder / "fonts").mkdir()
    for path in DEJAVU.parent.glob("DejaVuS*.ttf"):
        shutil.copy(path, folder / "fonts")
    settings = folder / "fonts.conf"
    settings.write_text(
        f"<fontconfig><dir>{folder / 'fonts'}</dir><cachedir>{folder / 'cache'}</cachedir></fontconfig>"
    )
    page = folder / "page.html"
    page.write_text(cr.derive(attention, wrt="d", Q="n k", K="n k", V="n m", d="").html() + MEASURE, encoding="utf-8")
    command = [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900", page.as_uri()]
    environment = {**os.environ, "FONTCONFIG_FILE": str(settings)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=HANG)
    found = re.search('data-measured="([^"]+)"', done.stdout)
    assert found is not None, done.stderr[-1000:]
    read: dict[str, Any] = json.loads(unescape(found[1]))
    return read


def test_roots_and_fences_are_drawn(tmp_path: Path) -> None:
    drawn = measured(tmp_path, 500)
    assert drawn["roots"]
    assert min(drawn["roots"]) > 0.3
    assert max(drawn["fences"]) > 1.8
    assert drawn["page"] <= 0
