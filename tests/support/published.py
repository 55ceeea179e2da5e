"""Answers and forward passes as files, from which they are graded."""

from __future__ import annotations

import linecache
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

HEAD = "import numpy as np\n\n\ndef sigmoid(x):\n    return 1 / (1 + np.exp(-x))\n\n\n"
LOSS = """
def loss(x: "d 1", t: "o 1", w1: "h d", w2: "o h"):
    h = sigmoid(w1 @ x)
    o = sigmoid(w2 @ h)
    return 0.5 * np.sum((o - t) ** 2)
"""


def made(source: str, name: str, folder: Path) -> Callable[..., Any]:
    """Return a function of a file, whose source can be read."""
    path = folder / f"{name.replace('.', '_')}.py"
    text = HEAD + textwrap.dedent(source)
    path.write_text(text, encoding="utf-8")
    linecache.cache[str(path)] = (len(text), None, text.splitlines(keepends=True), str(path))
    namespace: dict[str, Any] = {"__name__": "published"}
    exec(compile(text, str(path), "exec"), namespace)
    found: Callable[..., Any] = namespace[name]
    return found
