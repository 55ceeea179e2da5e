"""What the site prints when it is built: the results of the blocks that are shown, and generated reference tables."""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator
from typing import Any

import generated
from display import displayed
from page_code import Block, Namespace, blocks_of

import chainrule as cr

_CHINESE = "[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
_BROKEN_LINE = re.compile(rf"(?<={_CHINESE})\n(?={_CHINESE})")
"""The end of a line between Chinese letters, where Chinese text has no space."""

_TABLE = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Insert generated tables, then the results of the blocks that are shown."""
    language = "zh" if page.file.src_uri.endswith(".zh.md") else "en"
    markdown = _TABLE.sub(lambda match: generated.TABLES[match[1]](), markdown)
    if language == "zh":
        markdown = _BROKEN_LINE.sub("", markdown)
    return _with_results(markdown, page.file.src_uri, language)


def _with_results(text: str, name: str, language: str) -> str:
    """Execute the blocks of a page that shows results, and write each result after its block."""
    blocks = blocks_of(text)
    if not any(block.is_shown for block in blocks):
        return text
    cr.use(lang=None)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return "".join(_pieces(text, blocks, Namespace(name), language))


def _pieces(text: str, blocks: list[Block], namespace: Namespace, language: str) -> Iterator[str]:
    place = 0
    for block in blocks:
        if not block.is_executed:
            continue
        printed, value = namespace.run(block)
        if block.is_shown:
            yield text[place : block.start]
            yield f"{block.indent}```python\n" + text[block.start : block.end].partition("\n")[2]
            yield displayed(printed, value, block.options["show"], language)
            place = block.end
    yield text[place:]
