"""Texts as hashed counts of their character trigrams, as scikit-learn's `HashingVectorizer` has them.

With `analyzer="char_wb"` and `ngram_range=(3, 3)`: letters are lower case, each word has a blank on both sides, and a
trigram adds 1 or −1 to one of `size` columns, both chosen by its hash (Weinberger et al. 2009); rows are divided by
their norm. The hash is MurmurHash3 for 32 bits (Appleby 2011) of the bytes in UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from chainrule.tables.arithmetic import Floats

LENGTH = 3
_BITS = 0xFFFFFFFF


def hashed(cells: Sequence[str | None], size: int) -> Floats:
    """Return texts as (rows, size), zeros for missing ones.

    >>> hashed(["red", None, "Red  red"], 4).round(3).tolist()
    [[0.0, 0.447, 0.0, -0.894], [0.0, 0.0, 0.0, 0.0], [0.0, 0.447, 0.0, -0.894]]
    """
    result = np.zeros((len(cells), size))
    for row, cell in enumerate(cells):
        for trigram in trigrams(cell or ""):
            number = murmur(trigram)
            result[row, abs(number) % size] += 1 if number >= 0 else -1
    norms = np.sqrt((result * result).sum(axis=1, keepdims=True))
    return result / np.where(norms, norms, 1)


def trigrams(text: str) -> Iterable[str]:
    """Return the trigrams of each word of a text.

    >>> list(trigrams("An apple"))
    [' an', 'an ', ' ap', 'app', 'ppl', 'ple', 'le ']
    """
    for word in text.lower().split():
        padded = f" {word} "
        for start in range(len(padded) - LENGTH + 1):
            yield padded[start : start + LENGTH]


@lru_cache(maxsize=1 << 16)
def murmur(text: str) -> int:
    """Return the hash of a text, a signed number of 32 bits.

    >>> murmur("foo"), murmur(" né")
    (-156908512, 839658476)
    """
    data = text.encode("utf-8", "surrogatepass")
    value = 0
    for start in range(0, len(data), 4):
        part = data[start : start + 4]
        block = int.from_bytes(part, "little") * 0xCC9E2D51 & _BITS
        block = (block << 15 | block >> 17) * 0x1B873593 & _BITS
        value ^= block
        if len(part) == 4:
            value = ((value << 13 | value >> 19) * 5 + 0xE6546B64) & _BITS
    value ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        value = (value ^ value >> shift) * factor & _BITS
    value ^= value >> 16
    return value - (1 << 32) if value >> 31 else value
