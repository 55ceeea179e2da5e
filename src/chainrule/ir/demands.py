"""What a program demands of the numbers that it is given, besides their types."""

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
    """That every element of `node` lies within the documented range of a function's argument."""

    node: Node
    least: int
    most: Dim
    function: str
    what: str
    """The argument, in the plural, as in "labels"."""
    mend: str

    def check(self, values: NDArray[Any], name: str | None = None) -> None:
        """Raise ProgramError, naming the first place, where `values` of the node are not within the range.

        `name` is what the caller calls them, the argument's name if there is none.
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
            f"{values[place]:g}; {self.mend}"
        )

    @property
    def source(self) -> Input | None:
        """The input that the node is, in its own dtype or in another; None where it is computed."""
        node = self.node
        if isinstance(node, Apply) and len(node.operands) == 1 and node.operands[0].type.shape == node.type.shape:
            converted = node.operands[0].type.dtype != node.type.dtype
            node = node.operands[0] if converted else node
        return node if isinstance(node, Input) else None


def needed_by(demands: Sequence[Demand], made: Mapping[Node, Node]) -> tuple[Demand, ...]:
    """`demands` on what their nodes became; those on nodes that are no longer there are left out."""
    return tuple(
        Demand(made[each.node], each.least, each.most, each.function, each.what, each.mend)
        for each in demands
        if each.node in made
    )
