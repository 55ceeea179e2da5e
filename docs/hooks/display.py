"""The result of a block of code on a page, as a notebook would show it."""

from __future__ import annotations

from typing import cast

from chainrule.derivation.document import Document, Heading
from chainrule.derivation.forms import Form
from chainrule.derivation.html import render_html
from chainrule.derivation.words import say
from chainrule.deriving import Derivation
from chainrule.words import Language


def displayed(printed: str, value: object, parts: str, language: str) -> str:
    """Return Markdown with what a block printed and its value.

    Of a derivation only the sections named in `parts` are shown, as in `"forward, results"`; `""` means all, and
    `brief` and `path` select the detail and the form.
    """
    results = []
    if printed.strip():
        results.append(f"```text\n{printed.rstrip()}\n```")
    if isinstance(value, Derivation):
        results.append(_derivation(value, parts, cast(Language, language)))
    elif hasattr(value, "_repr_html_"):
        results.append(f'<div class="result">{_one_block(value._repr_html_())}</div>')
    elif value is not None:
        results.append(f"```text\n{value!r}\n```")
    return "".join(f"\n\n{result}" for result in results)


def _derivation(derivation: Derivation, parts: str, language: Language) -> str:
    names = [part.strip() for part in parts.split(",") if part.strip()]
    form: Form = "path" if "path" in names else "index" if "index" in names else "matrix"
    document = derivation.document(form, language, "brief" if "brief" in names else "full")
    sections = [name for name in names if name not in ("path", "index", "brief")]
    if sections:
        document = _with_sections(document, sections)
    return f'<div class="result">{_one_block(render_html(document, standalone=False))}</div>'


def _with_sections(document: Document, sections: list[str]) -> Document:
    """Keep some of the sections, without their headings."""
    headings = {say(document.language, name) for name in sections}
    kept, inside = [], False
    for block in document.blocks:
        if isinstance(block, Heading) and block.level <= 2:
            inside = block.words in headings
            headings.discard(block.words)
        elif inside:
            kept.append(block)
    if headings:
        raise ValueError(f"the derivation has no section {', '.join(str(words) for words in headings)}")
    return Document(tuple(kept), document.language, document.verbatim)


def _one_block(html: str) -> str:
    """Remove empty lines, at which Markdown would end a block of HTML."""
    return "\n".join(line for line in html.splitlines() if line.strip())
