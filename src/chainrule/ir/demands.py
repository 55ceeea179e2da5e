"""Demands of a program on the values of its inputs, besides their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.ir.dims import Dim
from chainrule.ir.errors import ProgramError
from chainrule.ir.nodes import Apply, Input, Node


@dataclass(frozen=True)
class Demand:
    """The demand that every element of `node` lies within the documented range of a function's argument."""

    node: Node
    least: int
    most: Dim
    function: str
    what: str
    """The argument, in the plural, as in "labels"."""
    mend: str

    def check(self, values: NDArray[Any], name: str | None = None) -> None:
        """Raise ProgramError, naming the first position, if `values` of the node are out of range.

        `name` is the caller's name of the values, by default that of the argument.
        """
        if not isinstance(self.most, int):
            return
        bad = ~((values >= self.least) & (values <= self.most))
        if not bad.any():
            return
        place = tuple(int(k) for k in np.unravel_index(int(bad.argmax()), bad.shape))
        where = f"[{', '.join(map(str, place))}]" if place else ""
        raise ProgramError(
            f"{self.function} takes {self.what} from {self.least} to {self.most}, but {name or self.what}{where} is "
            f"{values[place].item()!r}; {self.mend}"
        )

    @property
    def source(self) -> Input | None:
        """The input that the node is, possibly cast to another dtype; None if it is computed."""
        node = self.node
        if isinstance(node, Apply) and len(node.operands) == 1 and node.operands[0].type.shape == node.type.shape:
            converted = node.operands[0].type.dtype != node.type.dtype
            node = node.operands[0] if converted else node
        return node if isinstance(node, Input) else None


def needed_by(demands: Sequence[Demand], made: Mapping[Node, Node]) -> tuple[Demand, ...]:
    """Translate `demands` to the nodes that replace theirs in `made`; drop those whose nodes are gone."""
    return tuple(
        Demand(made[each.node], each.least, each.most, each.function, each.what, each.mend)
        for each in demands
        if each.node in made
    )
