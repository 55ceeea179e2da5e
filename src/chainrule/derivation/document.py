"""What a derivation prints: headings, sentences and equations, before any renderer has touched them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from chainrule.ir import Node
from chainrule.primitives import Notation
from chainrule.words import Language

Detail: TypeAlias = Literal["brief", "full"]
DETAILS: Final = ("brief", "full")
"""How much is said: the equations with a phrase of reason, as on a slide, or every differential and every pairing."""

Words: TypeAlias = tuple[str | Notation, ...]
"""A sentence with mathematics in it."""


@dataclass(frozen=True)
class Heading:
    """The title of a section; `level` 1 is the document's own."""

    words: Words
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A sentence or two."""

    words: Words


@dataclass(frozen=True)
class Equation:
    """`sides[0] = sides[1] = …`; `shape` is the shape of the sides in words, `reasons` say why they are equal.

    `node` is the expression whose value all sides have, where the equation as a whole has one.
    """

    sides: tuple[Notation, ...]
    shape: str = ""
    reasons: tuple[Words, ...] = ()
    node: Node | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Remark:
    """A sharper way to see what was just derived, in a line or two; a renderer sets it apart from the argument."""

    words: Words


@dataclass(frozen=True)
class Frame:
    """What a reader takes away: equations, and paragraphs that name what they use, in one frame."""

    blocks: tuple[Equation | Paragraph, ...]


Block: TypeAlias = Heading | Paragraph | Equation | Remark | Frame


@dataclass(frozen=True)
class Document:
    """Blocks in reading order, in one language; the names in `verbatim` are set as they are typed."""

    blocks: tuple[Block, ...]
    language: Language
    verbatim: frozenset[str] = frozenset()


def displays(blocks: Iterable[Block]) -> Iterator[Heading | Paragraph | Remark | Frame | tuple[Equation, ...]]:
    """`blocks` in order, with equations in displays, each up to one with reasons or to another block."""
    display: tuple[Equation, ...] = ()
    for block in blocks:
        if display and (display[-1].reasons or not isinstance(block, Equation)):
            yield display
            display = ()
        if isinstance(block, Equation):
            display += (block,)
        else:
            yield block
    if display:
        yield display
