"""The page of `chainrule explore` in headless Chromium: the time to open it, to answer a pointer, and to train."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.peers import optional
from benchmarks.settings import Settings, say
from chainrule.explorer import explore

TITLE = "the page of two layers on XOR, in headless Chromium"
FRAME = 16.0
"""Milliseconds of a frame at 60 frames per second, within which a pointer should be answered."""

HOVER = """(rounds) => {
  const times = [];
  explorer.select(explorer.state.structure.lines.findIndex((line) => line.key === "∂ W1"));
  const cells = [...document.querySelectorAll(".line.open .cell")].filter((cell) => cell.index);
  for (let round = 0; round < rounds; round++)
    for (const cell of cells) {
      const start = performance.now();
      cell.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, pointerType: "mouse" }));
      document.body.getBoundingClientRect();
      times.push(performance.now() - start);
    }
  return times.sort((a, b) => a - b);
}"""
"""Points at every entry of a line, with the layout that follows."""

TRAIN = """(steps) => {
  const start = performance.now();
  explorer.state.train(steps);
  return (performance.now() - start) / steps;
}"""


def run(settings: Settings) -> dict[str, Any]:
    """Measure the page; raise AbsentError without Playwright or a browser."""
    playwright = optional("playwright.sync_api", "playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    say("page: measuring in Chromium")
    with tempfile.TemporaryDirectory() as folder, playwright.sync_playwright() as driver:
        path = Path(folder) / "page.html"
        explore().save(path)
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        start = time.perf_counter()
        page.goto(path.as_uri())
        page.locator(".line.open").wait_for()
        opened = time.perf_counter() - start
        times = page.evaluate(HOVER, 2 if settings.quick else 20)
        step = page.evaluate(TRAIN, 50 if settings.quick else 2000)
        browser.close()
        return {
            "title": TITLE,
            "bytes": path.stat().st_size,
            "open_seconds": opened,
            "hover_ms": {"median": times[len(times) // 2], "p99": times[int(0.99 * len(times))], "worst": times[-1]},
            "within_a_frame": times[int(0.99 * len(times))] <= FRAME,
            "step_ms": step,
        }


def text(report: dict[str, Any]) -> str:
    """Write the report."""
    hover = report["hover_ms"]
    return (
        f"  {report['bytes'] / 1000:.0f} kB, opens in {1000 * report['open_seconds']:.0f} ms\n"
        f"  pointing at an entry: median {hover['median']:.2f} ms, 99 % within {hover['p99']:.2f} ms, "
        f"worst {hover['worst']:.2f} ms\n"
        f"  a training step {1000 * report['step_ms']:.0f} µs"
    )
