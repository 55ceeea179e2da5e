"""Draws the picture of the READMEs: a function of a few lines beside its derivation, as the package prints it.

    python docs/hooks/picture.py

writes `docs/images/derivation.svg` and `derivation.zh-CN.svg`.
"""

from __future__ import annotations

import inspect
import re
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.words import Language, width_of, wrapped

IMAGES = Path(__file__).parents[1] / "images"
SHAPES = {"X": "n d", "y": "n k", "W1": "d h", "b1": "h", "W2": "h k", "b2": "k"}
COLUMN, LINE = 8.4, 21
"""Width of a character and height of a line, in pixels."""
MARGIN = 22

STYLE = """
text { font: 14px "DejaVu Sans Mono", "SFMono-Regular", Menlo, Consolas, "Noto Sans Mono CJK SC", monospace;
  fill: #1f2328; white-space: pre }
.head { font-weight: bold; fill: #0a5fb4 }
.soft { fill: #656d76 }
.paper { fill: #ffffff; stroke: #d1d9e0 }
.code { fill: #f6f8fa; stroke: #d1d9e0 }
.box { fill: none; stroke: #0a5fb4 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .head { fill: #79b8ff } .soft { fill: #9198a1 }
  .paper { fill: #0d1117; stroke: #3d444d } .code { fill: #161b22; stroke: #3d444d }
  .box { stroke: #79b8ff }
}
"""


def loss(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """The function in the picture."""
    z = X @ W1 + b1
    a = np.tanh(z)
    r = a @ W2 + b2 - y
    return np.sum(r**2) / 2


def code() -> list[str]:
    """Return the source of `loss` without its annotations."""
    lines = inspect.getsource(loss).splitlines()
    return [line.replace(": Any", "").replace(" -> Any", "") for line in lines if '"""' not in line]


def picture(lang: Language) -> str:
    """Return the picture as SVG."""
    derivation = cr.derive(loss, **SHAPES)
    shown = derivation.text(lang=lang, width=62, detail="brief").splitlines()
    start = next(k for k, line in enumerate(shown) if line.startswith(("Forward", "前向")))
    left, right = code(), _compact(shown[start:])
    first = round(max(map(width_of, left)) * COLUMN) + 2 * MARGIN
    second = round(max(map(width_of, right)) * COLUMN) + 2 * MARGIN
    height, code_height = len(right) * LINE + 2 * MARGIN, len(left) * LINE + 2 * MARGIN
    said = re.split("[;；]", derivation.verify().text(lang))[0]  # without the errors, which differ between machines
    verdict = wrapped(said, int((first - 2 * MARGIN) / COLUMN))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {first + second + MARGIN} {height + 2}" role="img">',
        f"<title>{escape(left[0])}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="code" x="1" y="1" width="{first}" height="{code_height}" rx="8"/>',
        f'<rect class="paper" x="{first + MARGIN - 1}" y="1" width="{second}" height="{height}" rx="8"/>',
        *_lines(left, 1, 0),
        *_lines([SOFT + line for line in verdict], 1, code_height),
        *_lines(right, first + MARGIN - 1, 0),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


HEAD, SOFT = "\x01", "\x02"
"""Marks of a heading, and of a line of less weight."""


def _compact(lines: list[str]) -> list[str]:
    """Return the lines with headings marked, and without the rules and empty lines beneath them."""
    found: list[str] = []
    for line in lines:
        if line and set(line) == {"-"}:
            found[-1] = HEAD + found[-1]
        elif line or (found and not found[-1].startswith(HEAD)):
            found.append((SOFT if line.startswith("      ") else "") + line)
    return found


def _lines(lines: list[str], left: int, top: int) -> list[str]:
    """Return text elements, each stretched to the width of its characters, so that columns agree in any font."""
    found, box = [], 0
    for k, line in enumerate(lines):
        kind = {HEAD: ' class="head"', SOFT: ' class="soft"'}.get(line[:1], "")
        text = line.lstrip(HEAD + SOFT)
        y = top + MARGIN + LINE * k
        if text.startswith("┌"):
            box = y
        elif text.startswith("└"):
            width = width_of(text) * COLUMN
            found.append(
                f'<rect class="box" x="{left + MARGIN}" y="{box + 6}" width="{width:.0f}" height="{y - box}" rx="5"/>'
            )
        else:
            found += [_text(part, at, left, y, kind) for part, at in _parts(text.replace("│", " "))]
    return found


def _parts(text: str) -> list[tuple[str, int]]:
    """Return the parts of a line between wide gaps, each with its column."""
    return [(found.group(), width_of(text[: found.start()])) for found in re.finditer(r"\S+(?: \S+)*", text)]


def _text(part: str, column: int, left: int, y: int, kind: str) -> str:
    x, width = left + MARGIN + COLUMN * column, width_of(part) * COLUMN
    return f'<text{kind} x="{x:.1f}" y="{y + 15}" textLength="{width:.1f}">{escape(part)}</text>'


PICTURES: dict[str, Language] = {"derivation.svg": "en", "derivation.zh-CN.svg": "zh"}

if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name, lang in PICTURES.items():
        (IMAGES / name).write_text(picture(lang), encoding="utf-8")
