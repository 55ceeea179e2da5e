"""What a traced array holds: memory of its own, or a view of that of another. Writing to either changes both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from chainrule.ir import ArrayType, Node
from chainrule.trace.assignment import assigned, fitted, held, value_of
from chainrule.trace.fills import Fill, selection
from chainrule.trace.source import located, refusal
from chainrule.trace.views import Sharing

Select: TypeAlias = Callable[[Node], Node]


class Memory:
    """Elements that belong to one array. `version` counts the writes; `row_major` is whether their order is known."""

    __slots__ = ("_fill", "_node", "row_major", "type", "version")

    def __init__(self, node: Node, row_major: bool = True) -> None:
        self._node = node
        self._fill: Fill | None = None
        self.type: ArrayType = node.type
        self.version = 0
        self.row_major = row_major

    @property
    def node(self) -> Node:
        """The array as it is now."""
        if self._fill is not None:
            self._node, self._fill = self._fill.joined(), None
        return self._node

    @property
    def known(self) -> Node | None:
        """The array, unless nothing has read it since its last element was written."""
        return self._node if self._fill is None else None

    def read(self, select: Select, index: object) -> Node:
        """Return the elements that `select`, which is indexing by `index` if that is not None, takes."""
        chosen = None if self._fill is None or index is None else selection(index, self.type.shape)
        part = None if chosen is None or self._fill is None else self._fill.read(chosen.box)
        return select(self.node) if chosen is None or part is None else chosen.of(part)

    def write(self, select: Select, index: object, value: object) -> None:
        """Replace the elements that `select` takes."""
        chosen = None if index is None else selection(index, self.type.shape)
        if chosen is None:
            self.replace(assigned(self.node, select, value))
            return
        _, shape = chosen.shapes(self.type.shape)
        self._fill = self._fill or Fill(self._node)
        self._fill.write(chosen.box, chosen.piece(fitted(held(value_of(value), self.type.dtype), shape)))
        self.version += 1

    def replace(self, node: Node) -> None:
        """Replace all elements."""
        self._node, self._fill = node, None
        self.version += 1


class View:
    """Elements that `select` takes from another array, by `index` if that is not None."""

    __slots__ = ("_node", "_place", "_seen", "_select", "_sharing", "index", "parent", "row_major", "type")

    def __init__(
        self,
        node: Node,
        parent: Memory | View,
        select: Select,
        index: object = None,
        sharing: Sharing = Sharing.VIEW,
        row_major: bool = False,
    ) -> None:
        self._node = node
        self._seen = parent.version
        self._select = select
        self._sharing = sharing
        self._place = located("") if sharing is Sharing.UNKNOWN else ""
        self.type: ArrayType = node.type
        self.index = index
        self.parent = parent
        self.row_major = row_major

    @property
    def version(self) -> int:
        """The number of writes to the memory."""
        return self.parent.version

    @property
    def node(self) -> Node:
        """The elements as they are now."""
        if self._seen != self.parent.version:
            if self._sharing is Sharing.UNKNOWN:
                raise refusal(_unknown("the array of which it was made is written later"), self._place)
            self._node = self.parent.read(self._select, self.index)
            self._seen = self.parent.version
        return self._node

    @property
    def known(self) -> Node | None:
        """The elements as they were when they were last read."""
        return self._node

    def read(self, select: Select, index: object) -> Node:
        """Return some of the elements."""
        return select(self.node)

    def write(self, select: Select, index: object, value: object) -> None:
        """Replace some of the elements."""
        self.replace(assigned(self.node, select, value))

    def replace(self, node: Node) -> None:
        """Replace all elements."""
        if self._sharing is Sharing.READ_ONLY:
            raise refusal("NumPy gives a view here that is read-only; write to a copy of it, as in y = x.copy()")
        if self._sharing is Sharing.UNKNOWN:
            raise refusal(_unknown("it is written later"), self._place)
        self.parent.write(self._select, self.index, node)
        self._node, self._seen = node, self.parent.version


def _unknown(written: str) -> str:
    return (
        "whether this array has memory of its own depends on how another lies in memory, which is not recorded, and "
        f"{written}; make it a copy, as in y = x.reshape(…).copy()"
    )
