"""What a derivation says, in English or Chinese: sentences with formulas in them."""

from __future__ import annotations

import re

from chainrule.derivation.document import Words
from chainrule.derivation.sentences import SENTENCES
from chainrule.primitives import Notation
from chainrule.words import Language, Sentences

_TABLE = Sentences(SENTENCES)


def say(language: Language, key: str, *parts: str | Notation | Words) -> Words:
    """Return the sentence `key` with `parts` in place of its marks."""
    pieces: list[str | Notation] = []
    for piece in re.split(r"(\{\d\})", _TABLE.template(language, key)):
        if not piece:
            continue
        if re.fullmatch(r"\{\d\}", piece):
            part = parts[int(piece[1:-1])]
            pieces.extend(part if isinstance(part, tuple) else (part,))
        else:
            pieces.append(piece)
    return tuple(pieces)


def enumerated(language: Language, items: list[Words]) -> Words:
    """Return `h1, h2 and h3`."""
    if len(items) < 2:
        return join(language, items)
    return join(language, [join(language, items[:-1], "list letters"), items[-1]], "list and")


def join(language: Language, items: list[Words], separator: str = "list comma") -> Words:
    """Join phrases with commas or semicolons."""
    pieces: list[str | Notation] = []
    for place, item in enumerate(items):
        if place:
            pieces.extend(say(language, separator))
        pieces.extend(item)
    return tuple(pieces)
