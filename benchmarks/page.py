"""The page of `chainrule explore` in headless Chromium: the time to open it, to answer a pointer, and to train.

Each figure has two times: by the clock, and of the processor in the page's own thread, which other processes on the
machine affect less. A loop of additions, timed in the same way, tells how busy the machine was.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.javascript import mlp
from benchmarks.jobs import JOBS
from benchmarks.peers import optional
from benchmarks.settings import Settings, say
from chainrule.explorer import explore

TITLE = "pages of the explorer, in headless Chromium"
FRAME = 16.0
"""Milliseconds of a frame at 60 frames per second, within which a pointer should be answered."""

HOVERED = """() => {
  explorer.select(explorer.state.structure.lines.findIndex((line) => line.key === "∂ W1"));
  globalThis.hovered = [...document.querySelectorAll(".line.open .cell")].filter((cell) => cell.index);
  globalThis.awaited = [];
  globalThis.frame = { requestAnimationFrame, cancelAnimationFrame };
  globalThis.requestAnimationFrame = (act) => awaited.push(act);
  globalThis.cancelAnimationFrame = () => (awaited.length = 0);
  return hovered.length;
}"""
"""From here on, what is asked for in the next frame waits until `SENTENCE`."""
HOVER = """(number) => {
  const start = performance.now();
  hovered[number].dispatchEvent(new PointerEvent("pointerover", { bubbles: true, pointerType: "mouse" }));
  document.body.getBoundingClientRect();
  return performance.now() - start;
}"""
"""Points at an entry of a line, which marks others, with the layout that follows; returns milliseconds."""
SENTENCE = """() => {
  const start = performance.now();
  for (const act of awaited.splice(0)) act(start);
  document.body.getBoundingClientRect();
  return performance.now() - start;
}"""
"""The next frame, which writes the entry out, with the layout that follows; returns milliseconds."""
LEFT = "() => { Object.assign(globalThis, frame); }"
TRAIN = "(steps) => { explorer.state.train(steps); return explorer.state.run.holder.name; }"
ADDITIONS = "() => { let sum = 0; for (let k = 0; k < 1e8; k++) sum += k & 7; return sum; }"
AS_FAST_AS_IT_CAN = "() => { explorer.state.restart(); explorer.state.speed = 0; explorer.refresh(); }"


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and of the processor in the thread of a page."""

    clock: float
    processor: float

    def per(self, count: int) -> dict[str, float]:
        """Return how many of `count` there were in a second of each."""
        return {"clock": count / self.clock, "processor": count / self.processor}


class _Page:
    """A page in the browser, with the time that its thread spends."""

    def __init__(self, browser: Any, path: Path) -> None:
        self.page = browser.new_page()
        start = time.perf_counter()
        self.page.goto(path.as_uri())
        self.page.locator(".line.open").wait_for()
        self.opened = time.perf_counter() - start
        self._session = self.page.context.new_cdp_session(self.page)
        self._session.send("Performance.enable")

    def _processor(self) -> float:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return next(float(each["value"]) for each in metrics if each["name"] == "ThreadTime")

    def spent(self, act: Callable[[], object]) -> Spent:
        before, start = self._processor(), time.perf_counter()
        act()
        clock = time.perf_counter() - start
        return Spent(clock, self._processor() - before)

    def evaluated(self, code: str, argument: object = None) -> Spent:
        return self.spent(lambda: self.page.evaluate(code, argument))


def run(settings: Settings) -> dict[str, Any]:
    """Measure the pages; raise AbsentError without Playwright or a browser."""
    playwright = optional("playwright.sync_api", "playwright")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as folder, playwright.sync_playwright() as driver:
        small, large = Path(folder) / "small.html", Path(folder) / "large.html"
        say("page: writing")
        explore().save(small)
        _explore_mlp().save(large)
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        say("page: measuring two layers on XOR in Chromium")
        report = {"title": TITLE, "bytes": small.stat().st_size, **_small(_Page(browser, small), settings)}
        say("page: measuring 784-128-10 in Chromium")
        report["large"] = _trained(_Page(browser, large), 2 if settings.quick else 300)
        browser.close()
        return report


def _explore_mlp() -> Any:
    job = JOBS["mlp"]
    params = dict(zip(("W1", "b1", "W2", "b2"), job.initial(), strict=True))
    X, y = job.data()
    rows = slice(job.batch)
    return explore(mlp, params, {"X": np.round(X[rows], 3), "y": y[rows]})


def _small(page: _Page, settings: Settings) -> dict[str, Any]:
    busy = page.evaluated(ADDITIONS)
    count = page.page.evaluate(HOVERED)
    numbers = list(range(count)) * (1 if settings.quick else 12)
    empty = sorted(page.evaluated("() => 0").processor for _ in range(30))[15]  # the call itself
    times: dict[str, dict[str, list[float]]] = {}
    for number in numbers:
        for name, code in (("marks", HOVER), ("sentence", SENTENCE)):
            each = times.setdefault(name, {"clock": [], "processor": []})
            found: list[float] = []
            spent = page.spent(partial(_told, page, code, number, found))
            each["clock"] += found
            each["processor"].append(1000 * max(0.0, spent.processor - empty))
    page.page.evaluate(LEFT)
    hovered = {name: {clock: _quantiles(found) for clock, found in each.items()} for name, each in times.items()}
    trained = _trained(page, 2000 if settings.quick else 1_000_000)
    page.page.evaluate(AS_FAST_AS_IT_CAN)
    button = page.page.locator("button.train").first

    def press() -> None:
        button.click()
        page.page.wait_for_timeout(100 if settings.quick else 1500)
        button.click()

    pressed = page.spent(press)
    return {
        "open_seconds": page.opened,
        "busy": busy.clock / busy.processor,
        "hover_ms": hovered,
        "within_a_frame": all(each["processor"]["p99"] <= FRAME for each in hovered.values()),
        "small": trained,
        "button": pressed.per(page.page.evaluate("explorer.state.run.steps")),
    }


def _told(page: _Page, code: str, number: int, found: list[float]) -> None:
    found.append(page.page.evaluate(code, number))


def _trained(page: _Page, steps: int) -> dict[str, Any]:
    """Return steps per second, after a warm-up, and the engine that made them."""
    engine = page.page.evaluate(TRAIN, steps // 2)
    return {"engine": engine, **page.evaluated(TRAIN, steps).per(steps)}


def _quantiles(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {"median": ordered[len(ordered) // 2], "p99": ordered[int(0.99 * len(ordered))], "worst": ordered[-1]}


def text(report: dict[str, Any]) -> str:
    """Write the report."""
    lines = [
        f"  {report['bytes'] / 1000:.0f} kB, opens in {1000 * report['open_seconds']:.0f} ms; "
        f"a loop of additions took {report['busy']:.1f} times its processor time",
        f"  {'':46}{'by the clock':>16}{'of the processor':>20}",
    ]
    for kind, act in (("marks", "pointing at an entry"), ("sentence", "the sentence, in the next frame")):
        for name, share in (("median", "median"), ("p99", "99 %")):
            clock, processor = (report["hover_ms"][kind][each][name] for each in ("clock", "processor"))
            lines.append(f"  {f'{act}, {share}':46}{clock:13.1f} ms{processor:17.1f} ms")
    for label, rates in (
        (f"XOR, steps per second ({report['small']['engine']})", report["small"]),
        ("XOR, with the button, as many as there is time for", report["button"]),
        (f"784-128-10, batches of 128 ({report['large']['engine']})", report["large"]),
    ):
        lines.append(f"  {label:46}{rates['clock']:16,.0f}{rates['processor']:20,.0f}")
    return "\n".join(lines)
