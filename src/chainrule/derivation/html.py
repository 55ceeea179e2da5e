"""A derivation as HTML: a self-contained file, or a part of another page, such as a notebook.

Formulas are MathML; no script, font or network access is needed. The layout adapts to the width of the surrounding
page: shapes are at the right if there is room, otherwise below, and lines break at operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from chainrule.derivation.boxes import Pieces, row
from chainrule.derivation.document import Block, Document, Equation, Frame, Heading, Paragraph, Remark, Words, displays
from chainrule.derivation.mathml import MathWriter, parted
from chainrule.derivation.names import is_shape, shape_words
from chainrule.derivation.style import PAGE_STYLE, STYLE
from chainrule.derivation.text import plain
from chainrule.derivation.words import say
from chainrule.primitives import Notation
from chainrule.words import HTML_LANGUAGES, Language, html_page

_DISPLAY_WIDTH = 20
"""The approximate width in letters of the pieces of displayed formulas, which fit on a phone."""
_SENTENCE_WIDTH = 24
_LEFT_WIDTH = 9
"""The width of a left side above which it has a line of its own on a narrow page."""
_SHORT_SHAPE = 7
"""The width of a shape up to which it remains beside its equation on a phone."""
_CONTENTS = 3
"""The number of sections from which a page begins with links to them."""
_CLOSING = ",.;:!?)]，。、；：！？）」』】》〉”’"
_OPENING = "([（「『【《〈“‘"


def render_html(document: Document, verdict: str = "", standalone: bool = True) -> str:
    """Render the document as a page, or as an element of another page; `verdict`, a sentence, is its footer.

    The page has no scripts and asks for nothing from elsewhere.
    """
    body = _Page(document.language).article(document.blocks, verdict, standalone)
    if not standalone:
        return f"<style>{STYLE}</style>\n{body}\n"
    return html_page(document.language, _title(document), STYLE + PAGE_STYLE, body)


def _title(document: Document) -> str:
    """Return the title of the document as plain text."""
    headings = (block.words for block in document.blocks if isinstance(block, Heading))
    return plain(next(headings, ("chainrule",)), document.language)


class _Page:
    """Writes blocks in one language."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._display = MathWriter(language)
        self._inline = MathWriter(language, inline=True)

    def article(self, blocks: Sequence[Block], verdict: str, standalone: bool) -> str:
        """Render the whole derivation: title, links to sections, sections, verdict."""
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
        """Render consecutive blocks; equations in a row are aligned at their equality signs up to the next reason."""
        parts = [
            self._equations(block) if isinstance(block, tuple) else self._block(block, place)
            for block in displays(blocks)
        ]
        return "\n".join(parts)

    def _block(self, block: Heading | Paragraph | Remark | Frame, place: int) -> str:
        if isinstance(block, Frame):
            return f'<div class="box">\n{self.blocks(block.blocks)}\n</div>'
        sentence = self.sentence(block.words)
        if isinstance(block, Heading):
            anchor = f' id="section-{place}"' if block.level == 2 and place else ""
            return f"<h{block.level}{anchor}>{sentence}</h{block.level}>"
        return f'<p class="remark">{sentence}</p>' if isinstance(block, Remark) else f"<p>{sentence}</p>"

    def _equations(self, display: Sequence[Equation]) -> str:
        """Render the rows of one grid, and the reasons for the last."""
        grid = '<div class="equations">\n' + "\n".join(map(self._row, display)) + "\n</div>"
        reasons = self._reasons(display[-1])
        return f'<div class="step">\n{grid}\n{reasons}\n</div>' if reasons else grid

    def _reasons(self, equation: Equation) -> str:
        sentences = [self.sentence(reason) for reason in equation.reasons]
        if len(sentences) > 1:
            return '<ul class="why">' + "".join(f"<li>{sentence}</li>" for sentence in sentences) + "</ul>"
        return f'<p class="why">{sentences[0]}</p>' if sentences else ""

    def _row(self, equation: Equation) -> str:
        """Render left side, right sides and shape: three cells of a grid."""
        written = [self._display.side(side) for side in equation.sides]
        shape = self._shape(equation.shape) if equation.shape else ""
        if len(written) == 1:
            return f'<div class="equation"><div class="whole">{self._parted(written[0])}</div>{shape}</div>'
        equated = zip(map(self._display.infix, equation.signs), written[1:], strict=True)
        sides = "<wbr>".join(f'<span class="side">{self._parted([sign, *side])}</span>' for sign, side in equated)
        wide = " wide" if row(written[0]).width > _LEFT_WIDTH else ""
        left = f'<div class="left">{self._parted(written[0])}</div>'
        return f'<div class="equation{wide}">{left}<div class="right">{sides}</div>{shape}</div>'

    def _parted(self, pieces: Pieces) -> str:
        return parted(pieces, _DISPLAY_WIDTH, display=True)

    def _shape(self, shape: str) -> str:
        """Render the cell of a shape, with one accessible label."""
        label = escape("".join(map(str, say(self._language, "shape label"))))
        size = " short" if len(shape) <= _SHORT_SHAPE else ""
        return f'<div class="shape{size}"><span class="hidden">{label}</span>{_size(shape)}</div>'

    def sentence(self, words: Words) -> str:
        return sentence_html(words, self._inline)


def sentence_html(words: Words, inline: MathWriter) -> str:
    """Render text with formulas; punctuation stays on the line of the formula that it follows."""
    result = ""
    for before, part, after in zip(("", *words), words, (*words[1:], ""), strict=False):
        closing, opening = _punctuation(after)[0], _punctuation(before)[2]
        if not isinstance(part, str):
            result += parted(inline.pieces(part), _SENTENCE_WIDTH, False, opening, closing)
        elif is_shape(part):
            result += _size(part)
        else:
            closing, text, opening = _punctuation(part)
            text = (closing if isinstance(before, str) else "") + text
            result += escape(text + (opening if isinstance(after, str) else ""), quote=False)
    return result


def _punctuation(part: str | Notation) -> tuple[str, str, str]:
    """Split off closing punctuation at the start of a text and opening punctuation at its end."""
    text = part if isinstance(part, str) else ""
    rest = text.lstrip(_CLOSING)
    inner = rest.rstrip(_OPENING)
    return text[: len(text) - len(rest)], inner, rest[len(inner) :]


def _size(shape: str) -> str:
    """Render a shape with names in italics; the result of a product may go to the next line."""
    product, equal, result = shape.partition(" = ")
    sizes = (product, "= " + result) if equal and is_shape(shape) else (shape,)
    return " ".join(map(_named, sizes)) if is_shape(shape) else escape(shape)


def _named(size: str) -> str:
    """Render a part of a shape that stays on one line."""
    written = (f"<i>{word}</i>" if name else word for word, name in shape_words(size))
    return f'<span class="size">{"".join(written)}</span>'


def _sections(blocks: Sequence[Block]) -> list[list[Block]]:
    """Group the blocks before the first heading of level 2, then those from each such heading on."""
    sections: list[list[Block]] = [[]]
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2:
            sections.append([])
        sections[-1].append(block)
    return sections
