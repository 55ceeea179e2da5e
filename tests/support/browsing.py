"""Pages in headless Chromium, driven by Playwright, with everything that a page must not do recorded."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""The browser, which `.ci/run` installs."""

WIDTHS = (390, 768, 1280)


@dataclass
class Visit:
    """An open page, with the requests, the messages and the errors that it has caused."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def is_quiet(self) -> bool:
        """Whether the page asked for nothing and complained of nothing."""
        return not self.requests and not self.complaints


@contextmanager
def launched() -> Iterator[Browser]:
    """A headless browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no page is tested")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: no page is tested in a browser")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def visiting(
    browser: Browser,
    path: Path,
    fragment: str = "",
    width: int = 1280,
    scheme: Literal["light", "dark"] = "light",
    still: bool = True,
) -> Iterator[Visit]:
    """Open a file at a width, as a phone below 500 pixels; `still` asks for reduced motion."""
    narrow = width < 500
    context = browser.new_context(
        viewport={"width": width, "height": 844 if narrow else 900},
        color_scheme=scheme,
        reduced_motion="reduce" if still else "no-preference",
        has_touch=narrow,
        is_mobile=narrow,
        offline=True,
    )
    try:
        page = context.new_page()
        visit = Visit(page)
        page.on("pageerror", lambda error: visit.complaints.append(str(error)))
        page.on(
            "console", lambda said: visit.complaints.append(said.text) if said.type in ("error", "warning") else None
        )
        page.on(
            "request",
            lambda asked: None if asked.url.partition("#")[0] == path.as_uri() else visit.requests.append(asked.url),
        )
        page.goto(path.as_uri() + fragment)
        reach(page, "globalThis.explorer === null || globalThis.explorer?.state !== undefined")
        yield visit
    finally:
        context.close()


def reach(page: Page, condition: str) -> None:
    """Wait until a condition holds, which is looked at in every frame; a page's policy admits no other way."""
    look = f"const look = () => ({condition} ? done() : requestAnimationFrame(look))"
    page.evaluate(f"() => new Promise((done) => {{ {look}; look(); }})")


def shown(written: str) -> str:
    """Return what is written in formulas in plain letters, without spaces."""
    return "".join(unicodedata.normalize("NFKC", written).translate(dict.fromkeys((0x2061, 0x2062))).split())
