"""The frame of a page in HTML: one file that needs nothing else."""

from __future__ import annotations

from html import escape

from chainrule.words.columns import printable
from chainrule.words.languages import HTML_LANGUAGES, Language


def html_page(language: Language, title: str, style: str, body: str) -> str:
    """Return a page with `title`, which is text, and `style` and `body`, which stand in it as they are.

    >>> html_page("zh", "a < b", "", "<p>1</p>").splitlines()[1]
    '<html lang="zh-Hans">'
    """
    return (
        f'<!DOCTYPE html>\n<html lang="{HTML_LANGUAGES[language]}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(printable(title))}</title>\n<style>{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
