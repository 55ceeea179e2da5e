"""The page in Firefox: a picture of it is drawn, with what modules and styles put there."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from support.subprocesses import HANG

import chainrule as cr

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
ACCENT = np.array([0x1F, 0x5F, 0xBF])
"""The colour of what an open line uses in the graph, which the script of the page marks."""
FRAME = """<!doctype html>
<style>body { margin: 0 } iframe { border: 0; width: 1280px; height: 900px } img { position: fixed; bottom: 0 }</style>
<iframe src="page"></iframe><img src="drawn" alt="">
<script>
  const frame = document.querySelector("iframe");
  (function look() {
    if (frame.contentDocument?.querySelector(".line.open")) new Image().src = "open";
    else requestAnimationFrame(look);
  })();
</script>
"""
"""A page whose picture loads when the page in its frame has a line open: Firefox takes its picture of a document when
all of it has loaded, and does not wait for what a module awaits."""


@contextmanager
def framed(page: bytes) -> Iterator[str]:
    """The address of `FRAME` around a page, as long as the context is open."""
    opened = Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/open":
                opened.set()
            if self.path == "/drawn":
                opened.wait(HANG)
            body = {"/": FRAME.encode(), "/page": page}.get(self.path, b"")
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep what is asked for out of the tests' output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            opened.set()
            server.shutdown()


@pytest.mark.skipif(FIREFOX is None, reason="no Firefox is installed: no page is drawn in it")
def test_a_page_is_drawn(tmp_path: Path) -> None:
    image = pytest.importorskip("matplotlib.image", reason="matplotlib is not installed: no picture is read")
    assert FIREFOX is not None
    page, shot, profile = tmp_path / "page.html", tmp_path / "page.png", tmp_path / "profile"
    cr.explore("sum((sigmoid(X @ w) - y)^2)", {"w": [1.0, 2.0]}, {"X": [[1.0, 2.0]], "y": [1.0]}).save(page)
    profile.mkdir()
    (profile / "user.js").write_text('user_pref("ui.systemUsesDarkTheme", 0);\n')
    command = [FIREFOX, "--headless", "--no-remote", "--profile", str(profile), "--window-size", "1280,900"]
    environment = {**os.environ, "HOME": str(tmp_path), "MOZ_HEADLESS": "1"}
    with framed(page.read_bytes()) as address:
        command += ["--screenshot", str(shot), address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANG, env=environment)
    assert shot.exists(), done.stderr[-2000:]
    pixels = np.round(255 * image.imread(shot)[..., :3])
    assert pixels.shape[1] == 1280
    assert np.any(np.all(np.abs(pixels - ACCENT) <= 2, axis=-1))
