"""What a derivation prints: headings, sentences and equations, before any renderer has touched them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from chainrule.primitives import Notation

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
    """`sides[0] = sides[1] = …`; `shape` is the shape of the sides in words, `reasons` say why they are equal."""

    sides: tuple[Notation, ...]
    shape: str = ""
    reasons: tuple[Words, ...] = ()


Block: TypeAlias = Heading | Paragraph | Equation


@dataclass(frozen=True)
class Document:
    """Blocks in reading order, in one language (`en` or `zh`)."""

    blocks: tuple[Block, ...]
    language: str
