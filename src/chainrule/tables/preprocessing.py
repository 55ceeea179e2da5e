"""From a table to an array: which columns are learnt from, and how each is encoded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from chainrule.tables.features import Feature, LeftOut


@dataclass(frozen=True)
class Preprocessing:
    """The features of a table in the order of its columns, and the columns that are left out."""

    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The encoded columns, such as `age` and `city=Oslo`."""
        return tuple(name for feature in self.features for name in feature.columns)

    @property
    def width(self) -> int:
        """How many encoded columns there are."""
        return len(self.names)

    @cached_property
    def groups(self) -> dict[str, slice]:
        """The encoded columns of each feature, by its name."""
        groups, start = {}, 0
        for feature in self.features:
            end = start + len(feature.columns)
            groups[feature.name] = slice(start, end)
            start = end
        return groups
