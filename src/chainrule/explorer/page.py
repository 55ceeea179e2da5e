"""The file: one HTML page with its style, its modules and its data, which asks for nothing from elsewhere.

The modules of the page are ES modules, which tests import one by one. Here they become one script: in an order in which
each uses only those before it, without their imports and exports, so that their top-level names must differ.

The data are compressed, since formulas of similar lines are alike, and with them this script and one for the lines of
each derivation; a line that several scripts have is stored once. A few lines in the open unpack them. The policy of the
page admits its own scripts alone, each by its hash, and WebAssembly where there is any.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from chainrule.derivation import MATH_FONTS, Json, json_text
from chainrule.words import HTML_LANGUAGES, Language, printable

MODULES = (
    "numbers.js",
    "values.js",
    "explain.js",
    "run.js",
    "engine.js",
    "table.js",
    "state.js",
    "embedded.js",
    "address.js",
    "exporting.js",
    "language.js",
    "evaluate.js",
    "mending.js",
    "judge.js",
    "words.js",
    "dom.js",
    "formula.js",
    "matrix.js",
    "graph.js",
    "curve.js",
    "boundary.js",
    "data.js",
    "training.js",
    "download.js",
    "quiz.js",
    "panel.js",
    "ask.js",
    "main.js",
    "open.js",
)
"""The modules of the page, those without a document first; the last unpacks the others."""

EXPORTED = ("inputs", "sizes", "names", "lines", "evaluate", "passes", "descent")
"""What a module of lines exports."""

_COMPILES = "WebAssembly.instantiate"

_NO_SCRIPT = {
    "en": "This page computes in the browser; it needs JavaScript.",
    "zh": "本页在浏览器中计算，需要 JavaScript。",
}


@cache
def _file(name: str) -> str:
    return (files("chainrule.explorer") / "page" / name).read_text(encoding="utf-8")


def page(
    payload: Mapping[str, Json], modules: Sequence[str], title: str, language: Language, asks: bool = False
) -> str:
    """Return the page for a payload, with a module of lines for each of its derivations.

    One that `asks` may send what is typed to the server that it comes from.
    """
    style = _without_empty_lines(_file("style.css").replace("MATH_FONTS", MATH_FONTS))
    scripts = [_lines(number, text) for number, text in enumerate(modules)]
    *parts, opening = (_joined(_file(name)) for name in MODULES)
    program = "\n".join(["globalThis.chainruleStart = (() => {", *parts, "return start;", "})();"])
    allowed = " ".join(_hash(script) for script in (opening, program, *scripts))
    if any(_COMPILES in script for script in scripts):
        allowed += " 'wasm-unsafe-eval'"
    packed = _packed({**payload, "program": program, **_shared(scripts)})
    policy = f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data:"
    if asks:
        policy += "; connect-src 'self'"
    return (
        f'<!DOCTYPE html>\n<html lang="{HTML_LANGUAGES[language]}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(printable(title))}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<div id="explorer"><noscript>{_NO_SCRIPT[language]}</noscript></div>\n'
        f'<script type="text/plain" id="payload">{packed}</script>\n'
        f'<script type="module">{opening}</script>\n</body>\n</html>\n'
    )


def _lines(number: int, module: str) -> str:
    """Return the script that provides a module of lines; in its strings, a half of a letter is escaped."""
    exported = ", ".join(EXPORTED)
    script = f"globalThis.chainruleLines[{number}] = (() => {{\n{_bare(module)}\nreturn {{ {exported} }};\n}})();"
    return script.encode(errors="backslashreplace").decode()


def _joined(module: str) -> str:
    """Return a module of the page as a part of one script: without comments that are lines of their own."""
    text = re.sub(r"^import [^;]*;\n", "", module, flags=re.MULTILINE)
    return _without_empty_lines(re.sub(r"^ *//.*\n", "", _bare(text), flags=re.MULTILINE))


def _without_empty_lines(text: str) -> str:
    """Leave out lines at which Markdown would end a block of HTML, so that a site has what the policy admits."""
    return re.sub(r"^\s*\n", "", text, flags=re.MULTILINE)


def _bare(module: str) -> str:
    return re.sub(r"^export (?=const |(?:async )?function\*? |class )", "", module, flags=re.MULTILINE)


def _shared(scripts: Sequence[str]) -> dict[str, Json]:
    """Return scripts as lists of numbers of lines, and the lines, each once."""
    numbers: dict[str, int] = {}
    lists: list[Json] = [[numbers.setdefault(line, len(numbers)) for line in text.split("\n")] for text in scripts]
    return {"scripts": lists, "texts": [*numbers]}


def _packed(payload: Mapping[str, Json]) -> str:
    """Return data as compressed JSON in base64, which no name in them can end."""
    text = json_text(dict(payload))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def unpacked(text: str) -> dict[str, Json]:
    """Return the data of a page, with the text of each script."""
    found = re.search('id="payload">([^<]*)<', text)
    if found is None:
        raise ValueError("this is no page of the explorer")
    data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(found[1])))
    texts = data.pop("texts")
    return {**data, "scripts": ["\n".join(texts[line] for line in script) for script in data["scripts"]]}


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
