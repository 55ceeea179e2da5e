"""Letters for inferred sizes without a name."""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator, Mapping

from chainrule.ir import Dim, named_dim
from chainrule.trace.formula.sizes import Size, Sizes, Unknown, found

_USUAL = {
    ("X", 2): "nd", ("Y", 2): "no", ("y", 1): "n", ("t", 1): "n", ("w", 1): "d", ("x", 1): "n", ("b", 1): "m",
    ("labels", 1): "n", ("logits", 2): "nk",
}  # fmt: skip
_WEIGHTS = "WUVKQH"
_ORDER = "nmkpqrstuvghl"
_LAYER_ORDER = "hokmpqrstuvgd"


class Letters:
    """A name for each unknown size among `variables`, except those in `taken`; `labels` are names that axes have."""

    def __init__(
        self, variables: Mapping[str, Sizes], taken: Container[str], labels: Mapping[str, str] | None = None
    ) -> None:
        labels = labels or {}
        layered = any(name[:1] in _WEIGHTS and len(axes) == 2 for name, axes in variables.items())
        hints: dict[Unknown, list[str]] = {}
        # A matrix names its axes before a vector does.
        for rank in sorted({len(axes) for axes in variables.values()}, reverse=True):
            for name, axes in variables.items():
                if len(axes) == rank:
                    for axis, size in enumerate(map(found, axes)):
                        if isinstance(size, Unknown):
                            usual = labels.get(name) or _usual(name, rank, layered)
                            hints.setdefault(size, []).extend(usual[axis : axis + 1])
        used: set[str] = set()
        self._names: dict[Unknown, str] = {}
        met = dict.fromkeys(size for axes in variables.values() for size in map(found, axes))
        for hinted in (True, False):
            for size in met:
                if isinstance(size, Unknown) and bool(hints[size]) == hinted:
                    wanted = hints[size]
                    first = ["n"] if {"m", "n"} <= set(wanted) else []
                    name = next(
                        letter
                        for letter in itertools.chain(first, wanted, _more(_LAYER_ORDER if layered else _ORDER))
                        if letter not in taken and letter not in used
                    )
                    used.add(name)
                    self._names[size] = name

    def size(self, size: Size) -> Dim:
        """Return the name of a size, or its number."""
        known = self.known(size)
        assert known is not None
        return known

    def known(self, size: Size) -> Dim | None:
        """Return the name of a size, or its number; None if no variable has it."""
        known = found(size)
        if not isinstance(known, Unknown):
            return known
        return named_dim(self._names[known]) if known in self._names else None


def _usual(name: str, rank: int, layered: bool) -> str:
    stem = name.rstrip("0123456789_")
    if (stem, rank) in _USUAL and not (layered and stem in ("x", "y", "b")):
        return _USUAL[stem, rank]
    if layered and rank == 1:
        return {"x": "d", "y": "o", "t": "o"}.get(stem, "")
    return "" if stem[:1] in _WEIGHTS else "mn" if rank == 2 else "n"


def _more(order: str) -> Iterator[str]:
    yield from order
    number = 1
    while True:
        number += 1
        for letter in order:
            yield f"{letter}{number}"
