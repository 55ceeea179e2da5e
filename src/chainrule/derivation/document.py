"""The printed parts of a derivation, independent of the renderer: headings, sentences and equations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from numpy.typing import NDArray

from chainrule.ir import Input, Node
from chainrule.primitives import Notation
from chainrule.words import Language

Detail: TypeAlias = Literal["brief", "full"]
DETAILS: Final = ("brief", "full")
"""Levels of detail: equations with short reasons, as on a slide, or all differentials and pairings."""

Words: TypeAlias = tuple[str | Notation, ...]
"""A sentence with formulas in it."""


@dataclass(frozen=True)
class Heading:
    """The title of a section; `level` 1 is the title of the document."""

    words: Words
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """A sentence or two."""

    words: Words


@dataclass(frozen=True)
class Equation:
    """`sides[0] = sides[1] = …`; `shape` is the shape of the sides in words, `reasons` say why they are equal.

    `node` is the expression whose value all sides have, where the equation as a whole has one; where they are its
    elements, it is that of `elements`. `of` is the symbol that the equation determines: a named value, σ′(z), or the
    gradient by a quantity. The last sides, as many as `rounded`, are rounded numbers. `value` is the value of `node` in
    a worked example.
    """

    sides: tuple[Notation, ...]
    shape: str = ""
    reasons: tuple[Words, ...] = ()
    node: Node | None = field(default=None, compare=False, repr=False)
    elements: Node | None = field(default=None, compare=False, repr=False)
    of: Input | None = field(default=None, compare=False, repr=False)
    rounded: int = 0
    value: NDArray[Any] | None = field(default=None, compare=False, repr=False)

    @property
    def signs(self) -> list[str]:
        """The sign before each side after the first."""
        exact = len(self.sides) - 1 - self.rounded
        return ["="] * exact + ["≈"] * self.rounded


@dataclass(frozen=True)
class Remark:
    """A further insight into the previous result, in a line or two, which a renderer sets apart."""

    words: Words


@dataclass(frozen=True)
class Frame:
    """Results in a frame: equations, and paragraphs that define the names in them."""

    blocks: tuple[Equation | Paragraph, ...]


Block: TypeAlias = Heading | Paragraph | Equation | Remark | Frame


@dataclass(frozen=True)
class Document:
    """Blocks in reading order, in one language; names in `verbatim` are set as typed."""

    blocks: tuple[Block, ...]
    language: Language
    verbatim: frozenset[str] = frozenset()


def displays(blocks: Iterable[Block]) -> Iterator[Heading | Paragraph | Remark | Frame | tuple[Equation, ...]]:
    """Group equations into displays, each up to an equation with reasons or to another block."""
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
