"""A folder of pages for a web site: the network of two layers and every entry of the gallery, with an index."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path

from chainrule.deriving import derive
from chainrule.explorer.exploring import Explorer, explore
from chainrule.files import filling
from chainrule.gallery import GALLERY
from chainrule.words import LANGUAGES, Language, html_page, used_language

FIRST = "network"
"""The name of the page of the network of two layers."""

_WORDS: Mapping[Language, tuple[str, str, str]] = {
    "en": (
        "Backward passes, alive",
        "Click a line, point at a number, change a weight. Each page works offline.",
        "中文",
    ),
    "zh": ("可以操作的反向传播", "点击一行，指向一个数，修改一个权重。每个页面都可离线使用。", "English"),
}
_GROUPS: Mapping[Language, tuple[str, str]] = {"en": ("Networks and losses", "Layers"), "zh": ("网络与损失", "层")}
_FILES: Mapping[Language, str] = {"en": "index.html", "zh": "index.zh.html"}
_STYLE = """:root { color-scheme: light dark }
body { font: 17px/1.6 "Iowan Old Style", Palatino, "Noto Serif", "Noto Serif CJK SC", serif; max-width: 44rem;
  margin: 0 auto; padding: 2rem 1.2rem 4rem; background: light-dark(#fffefb, #17191d);
  color: light-dark(#1d2026, #e6e7ea) }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem }
header { display: flex; justify-content: space-between; gap: 1rem; align-items: baseline }
ul { list-style: none; margin: 0; padding: 0; columns: 17rem 2; column-gap: 2rem }
li { padding: .22rem 0; break-inside: avoid }
a { color: light-dark(#1f5fbf, #8ab4ff); text-underline-offset: 3px }"""


def write_site(folder: str | os.PathLike[str], told: Callable[[str], None] = lambda path: None) -> list[str]:
    """Write the pages to a folder, which is created if it is missing, and return their paths; `told` gets each name.

    Links are relative, and each page is complete, so that the folder works from a disk as from a server. All pages are
    written before the first is put there, so that after an error or Ctrl-C the folder is as before.
    Raises FileError if a file cannot be written, ChainruleError if a page cannot be made.
    """
    titles: dict[str, Mapping[Language, str]] = {}
    layers: set[str] = set()
    written: list[str] = []
    with filling(os.fspath(folder)) as unfinished:

        def write(name: str, text: str) -> None:
            Path(unfinished, name).write_bytes(text.encode(errors="backslashreplace"))
            written.append(name)
            told(name)

        for name, explorer in _explorers():
            titles[name] = {lang: explorer.title(lang) for lang in LANGUAGES}
            if explorer.derivation.record.is_layer:
                layers.add(name)
            for lang in LANGUAGES:
                write(_page(name, lang), explorer.html(lang))
        for lang in LANGUAGES:
            write(_FILES[lang], _index(titles, layers, lang))
    return [os.path.join(folder, name) for name in written]


def _explorers() -> Iterator[tuple[str, Explorer]]:
    yield FIRST, explore()
    for name, entry in GALLERY.items():
        yield name, explore(derive(entry.function, entry.wrt))


def _page(name: str, lang: Language) -> str:
    return f"{name}.html" if lang == "en" else f"{name}.{lang}.html"


def _index(titles: Mapping[str, Mapping[Language, str]], layers: set[str], lang: Language) -> str:
    heading, hint, other = _WORDS[lang]
    (there,) = (each for each in LANGUAGES if each != used_language(lang))
    parts = [
        f"<header><h1>{heading}</h1><a href='{_FILES[there]}' hreflang='{there}'>{other}</a></header>\n<p>{hint}</p>",
    ]
    for title, is_layer in zip(_GROUPS[lang], (False, True), strict=True):
        items = [
            f"<li><a href='{_page(name, lang)}'>{escape(titles[name][lang])}</a></li>"
            for name in titles
            if (name in layers) == is_layer
        ]
        parts.append("\n".join([f"<h2>{title}</h2>", "<ul>", *items, "</ul>"]))
    return html_page(lang, heading, _STYLE, "\n".join(parts))
