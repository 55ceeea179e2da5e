"""The frame of a self-contained HTML page."""

from __future__ import annotations

from html import escape

from chainrule.words.columns import printable
from chainrule.words.languages import HTML_LANGUAGES
from chainrule.words.speaking import Language


def html_page(language: Language, title: str, style: str, body: str) -> str:
    """Return a page; `title` is escaped, `style` and `body` are inserted unchanged."""
    return (
        f'<!DOCTYPE html>\n<html lang="{HTML_LANGUAGES[language]}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(printable(title))}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
