"""A derivation as HTML: one file that needs nothing else, or a part of another page, such as a notebook.

Formulas are MathML; nothing here needs a script, a font or a connection. Layout follows the width of the surrounding
page: shapes stand at the right where there is room, below where there is not, and lines break at operators.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from itertools import groupby

from chainrule.derivation.document import Block, Box, Document, Equation, Heading, Remark, Words
from chainrule.derivation.mathml import MathWriter, parted, written_width
from chainrule.derivation.names import is_shape
from chainrule.derivation.style import PAGE_STYLE, STYLE
from chainrule.derivation.text import TextWriter
from chainrule.derivation.words import say
from chainrule.derivation.writing import NESTING, Pieces, flat
from chainrule.primitives import Infix, Notation, Precedence, precedence
from chainrule.words import HTML_LANGUAGES, Language

_DISPLAY_WIDTH = 20
"""Formulas of their own are parted into pieces of at most about this many letters, which a phone has room for."""
_SENTENCE_WIDTH = 24
_LEFT_WIDTH = 9
"""A left side that is wider has a line of its own where there is little room."""
_SHORT_SHAPE = 7
"""A shape of no more letters stays beside its equation on a phone."""
_CONTENTS = 3
"""From so many sections on, a page begins with links to them."""
_CLOSING = re.compile(r"[,.;:!?)\]，。、；：！？）」』】》〉”’]+")
_OPENING = re.compile(r"[(\[（「『【《〈“‘]+$")


def render_html(document: Document, verdict: str = "", standalone: bool = True) -> str:
    """The document as a page, or as an element for another one; `verdict`, a sentence, is its footer.

    The page has no scripts and asks for nothing from elsewhere.
    """
    body = _Page(document.language).article(document.blocks, verdict, standalone)
    if not standalone:
        return f"<style>{STYLE}</style>\n{body}\n"
    return (
        f'<!DOCTYPE html>\n<html lang="{HTML_LANGUAGES[document.language]}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(_title(document))}</title>\n<style>{STYLE}{PAGE_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _title(document: Document) -> str:
    """The document's own heading as plain text."""
    writer = TextWriter(document.language)
    for block in document.blocks:
        if isinstance(block, Heading):
            return "".join(part if isinstance(part, str) else writer.write(part) for part in block.words)
    return "chainrule"


class _Page:
    """Writes blocks in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._display = MathWriter(language)
        self._inline = MathWriter(language, inline=True)
        self._sections = 0

    def article(self, blocks: Sequence[Block], verdict: str, standalone: bool) -> str:
        """The whole derivation: its heading, links to its sections, the sections, the verdict."""
        sections = _sections(blocks)
        parts = []
        for place, section in enumerate(sections):
            parts.append(self._section(section, place))
            if place == 0 and standalone and len(sections) > _CONTENTS:
                parts.append(self._contents(sections[1:]))
        footer = f"<footer><p>{self.sentence((verdict,))}</p></footer>\n" if verdict else ""
        element = "main" if standalone else "div"
        inner = "\n".join(parts)
        return f'<{element} class="chainrule" lang="{HTML_LANGUAGES[self._language]}">\n{inner}\n{footer}</{element}>'

    def _contents(self, sections: Sequence[Sequence[Block]]) -> str:
        links = []
        for place, section in enumerate(sections, 1):
            heading = section[0]
            assert isinstance(heading, Heading)
            links.append(f'<li><a href="#section-{place}">{self.sentence(heading.words)}</a></li>')
        label = escape("".join(map(str, say(self._language, "contents"))))
        return f'<nav aria-label="{label}"><ol>{"".join(links)}</ol></nav>'

    def _section(self, blocks: Sequence[Block], place: int) -> str:
        inner = self.blocks(blocks, place)
        return f"<section>\n{inner}\n</section>" if place else f"<header>\n{inner}\n</header>"

    def blocks(self, blocks: Sequence[Block], place: int = 0) -> str:
        """Blocks below one another; equations in a row share their equality signs up to the next reason."""
        parts: list[str] = []
        for equations, run in groupby(blocks, lambda block: isinstance(block, Equation)):
            if equations:
                parts.append(self.equations([block for block in run if isinstance(block, Equation)]))
            else:
                parts += [self._block(block, place) for block in run]
        return "\n".join(parts)

    def _block(self, block: Block, place: int) -> str:
        if isinstance(block, Box):
            return f'<div class="box">\n{self.blocks(block.blocks)}\n</div>'
        assert not isinstance(block, Equation)
        sentence = self.sentence(block.words)
        if isinstance(block, Heading):
            anchor = f' id="section-{place}"' if block.level == 2 and place else ""
            return f"<h{block.level}{anchor}>{sentence}</h{block.level}>"
        return f'<p class="remark">{sentence}</p>' if isinstance(block, Remark) else f"<p>{sentence}</p>"

    def equations(self, run: Sequence[Equation]) -> str:
        """Rows of one grid for equations without reasons in between; a grid and its reasons for the others."""
        parts: list[str] = []
        rows: list[str] = []
        for place, equation in enumerate(run):
            rows.append(self._row(equation))
            if equation.reasons or place + 1 == len(run):
                grid = '<div class="equations">\n' + "\n".join(rows) + "\n</div>"
                reasons = self._reasons(equation)
                parts.append(f'<div class="step">\n{grid}\n{reasons}\n</div>' if reasons else grid)
                rows = []
        return "\n".join(parts)

    def _reasons(self, equation: Equation) -> str:
        sentences = [self.sentence(reason) for reason in equation.reasons]
        if len(sentences) > 1:
            return '<ul class="why">' + "".join(f"<li>{sentence}</li>" for sentence in sentences) + "</ul>"
        return f'<p class="why">{sentences[0]}</p>' if sentences else ""

    def _row(self, equation: Equation) -> str:
        """Left side, right sides and shape: three cells of a grid."""
        written = [self._side(side) for side in equation.sides]
        shape = self._shape(equation.shape) if equation.shape else ""
        if len(written) == 1:
            return f'<div class="equation"><div class="whole">{self._parted(written[0])}</div>{shape}</div>'
        equal = self._display.infix("=")
        sides = "<wbr>".join(f'<span class="side">{self._parted([equal, *side])}</span>' for side in written[1:])
        wide = " wide" if written_width(flat(written[0])) > _LEFT_WIDTH else ""
        left = f'<div class="left">{self._parted(written[0])}</div>'
        return f'<div class="equation{wide}">{left}<div class="right">{sides}</div>{shape}</div>'

    def _side(self, side: Notation) -> Pieces:
        """One side of an equation; a comparison is bracketed."""
        if isinstance(side, Infix) and precedence(side) is Precedence.COMPARISON:
            return self._display.bracketed(self._display.pieces(side, NESTING))
        return self._display.side(side)

    def _parted(self, pieces: Pieces) -> str:
        return parted(pieces, _DISPLAY_WIDTH, display=True)

    def _shape(self, shape: str) -> str:
        """The cell of a shape, read out as one."""
        label = escape("".join(map(str, say(self._language, "shape label"))))
        size = " short" if len(shape) <= _SHORT_SHAPE else ""
        return f'<div class="shape{size}"><span class="hidden">{label}</span>{_size(shape)}</div>'

    def sentence(self, words: Words) -> str:
        """Text with formulas in it; punctuation stays on the line of the formula that it follows."""
        result = ""
        for place, part in enumerate(words):
            before = words[place - 1] if place else ""
            after = words[place + 1] if place + 1 < len(words) else ""
            if isinstance(part, str):
                text = part
                if not isinstance(before, str):
                    text = _CLOSING.sub("", text, count=1) if _CLOSING.match(text) else text
                if not isinstance(after, str):
                    text = _OPENING.sub("", text)
                result += _size(part) if is_shape(part) else escape(text, quote=False)
                continue
            opening = _OPENING.search(before) if isinstance(before, str) else None
            closing = _CLOSING.match(after) if isinstance(after, str) else None
            formulas = parted(self._inline.pieces(part), _SENTENCE_WIDTH, display=False)
            result += _held(opening.group() if opening else "", formulas, closing.group() if closing else "")
        return result


def _size(shape: str) -> str:
    """A shape, its names in italics; where it is a product, the result may go to the next line."""
    if not is_shape(shape):
        return escape(shape)
    names = re.sub(r"[^\W\d]\w*", lambda match: f"<i>{match.group()}</i>", escape(shape))
    product, equal, result = names.partition(" = ")
    if equal:
        return f'<span class="size">{product}</span> <span class="size">= {result}</span>'
    return f'<span class="size">{names}</span>'


def _held(opening: str, formulas: str, closing: str) -> str:
    """Formulas with the punctuation at either end held to the first and the last of them."""
    if opening:
        end = formulas.index("</math>") + len("</math>")
        start = formulas.index("<math")
        formulas = f'{formulas[:start]}<span class="held">{opening}{formulas[start:end]}</span>{formulas[end:]}'
    if closing:
        start, end = formulas.rindex("<math"), formulas.rindex("</math>") + len("</math>")
        formulas = f'{formulas[:start]}<span class="held">{formulas[start:end]}{closing}</span>{formulas[end:]}'
    return formulas


def _sections(blocks: Sequence[Block]) -> list[list[Block]]:
    """The blocks before the first heading of level 2, then those from each such heading on."""
    sections: list[list[Block]] = [[]]
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2:
            sections.append([])
        sections[-1].append(block)
    return sections
