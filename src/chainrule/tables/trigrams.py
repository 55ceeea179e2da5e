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
_REMEMBERED = 40
"""The length of a word up to which its hashes are remembered."""

_AT_ONCE = 1 << 20
"""Hashes that are counted at once, so that long texts take little memory."""


def hashed(cells: Sequence[str | None], size: int) -> Floats:
    """Return texts as (rows, size), zeros for missing ones.

    >>> hashed(["red", None, "Red  red"], 4).round(3).tolist()
    [[0.0, 0.447, 0.0, -0.894], [0.0, 0.0, 0.0, 0.0], [0.0, 0.447, 0.0, -0.894]]
    """
    result = np.zeros((len(cells), size))
    numbers: list[int] = []
    lengths: list[int] = []
    for row, cell in enumerate(cells, 1):
        before = len(numbers)
        for word in (cell or "").lower().split():
            numbers += hashes(word) if len(word) <= _REMEMBERED else map(murmur, trigrams(word))
        lengths.append(len(numbers) - before)
        if len(numbers) >= _AT_ONCE or row == len(cells):
            result[row - len(lengths) : row] = _counts(numbers, lengths, size)
            numbers, lengths = [], []
    norms = np.sqrt((result * result).sum(axis=1, keepdims=True))
    return result / np.where(norms, norms, 1)


def _counts(numbers: Sequence[int], lengths: Sequence[int], size: int) -> Floats:
    """Return the counts (rows, size) of the hashes of rows, of which each has so many."""
    found = np.array(numbers, np.int64)
    places = np.repeat(np.arange(len(lengths)) * size, lengths) + np.abs(found) % size
    signs = np.where(found < 0, -1.0, 1.0)
    return np.bincount(places, signs, len(lengths) * size).reshape(len(lengths), size)


def trigrams(word: str) -> Iterable[str]:
    """Return the trigrams of a word.

    >>> list(trigrams("apple"))
    [' ap', 'app', 'ppl', 'ple', 'le ']
    """
    padded = f" {word} "
    for start in range(len(padded) - LENGTH + 1):
        yield padded[start : start + LENGTH]


@lru_cache(maxsize=1 << 16)
def hashes(word: str) -> tuple[int, ...]:
    """Return the hashes of the trigrams of a word, which are remembered, as most words of a text occur often.

    >>> hashes("fo") == (murmur(" fo"), murmur("fo "))
    True
    """
    return tuple(map(murmur, trigrams(word)))


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
