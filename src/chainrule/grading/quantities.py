"""The quantities of a reference, and what values are in their terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chainrule.grading.comparison import Array
from chainrule.grading.vocabulary import Kind
from chainrule.ir import cached_property


@dataclass(frozen=True)
class Point:
    """Values of the inputs and of every named quantity at one point, by name; `∂ O` is the given gradient of O.

    `held` are the values of the forward pass's arguments and variables as they are there, nested, and its constants.
    """

    values: Mapping[str, Array]
    sizes: Mapping[str, int]
    rate: float
    held: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Quantity:
    """A correct quantity: its name, its kind, its named value, and its value at each point.

    `summand_of` are the named values of whose gradients it is a summand.
    """

    label: str
    kind: Kind
    symbol: str | None
    values: tuple[Array, ...]
    summand_of: frozenset[str] = frozenset()

    @cached_property
    def squeezed(self) -> tuple[int, ...]:
        return tuple(d for d in self.values[0].shape if d != 1)


@dataclass(frozen=True)
class Match:
    """The identity of a value: `factor` times `quantity`, possibly transposed, described by `text`.

    `reshaped` if it has further axes of size 1, or lacks some. `index` if it is an entry of the quantity, in a loop.
    """

    quantity: Quantity
    factor: str = ""
    transposed: bool = False
    reshaped: bool = False
    index: str = ""

    @property
    def is_exact(self) -> bool:
        return not self.factor and not self.transposed and not self.index

    @property
    def text(self) -> str:
        label = self.quantity.label
        simple = all(c.isalnum() or c in "∂/′_()[]" for c in label)
        if (self.factor or self.transposed or self.index) and not (simple and not (self.transposed and "/" in label)):
            label = f"({label})"
        if self.transposed:
            label += "ᵀ"
        label += self.index
        joint = "" if self.factor in ("−", "") else " "
        return f"{self.factor}{joint}{label}"
