"""Which expressions occur again and again with other names, as in the rounds of a recurrence.

Two expressions have the same form if they, what stands for their symbols, and what defines those, are alike up to the
names of symbols and the positions at which slices begin.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeAlias

from chainrule.ir import Apply, Input, Node, topological_order
from chainrule.primitives import Slice

Form: TypeAlias = tuple[Hashable, ...]


def form(expression: Node, values: Mapping[Node, Node], depth: int, definitions: Mapping[Node, Node]) -> Form:
    """Return the form of an expression over symbols.

    `values` may be written in the place of symbols, up to `depth` times in a row; `definitions` are of the symbols that
    occur then.
    """
    numbers: dict[Node, int] = {}
    written: list[Hashable] = []
    pending = [(expression, depth)]
    for node, left in pending:
        for symbol in _append(node, numbers, written):
            if symbol in values:
                if left:
                    pending.append((values[symbol], left - 1))
            elif symbol in definitions and left >= 0:
                pending.append((definitions[symbol], -1))
    return tuple(written)


def _append(expression: Node, numbers: dict[Node, int], written: list[Hashable]) -> list[Input]:
    """Append an expression to what is written; return the symbols that are new."""
    places: dict[Node, Hashable] = {}
    new: list[Input] = []
    for node in topological_order([expression]):
        if isinstance(node, Input):
            if node not in numbers:
                numbers[node] = len(numbers)
                new.append(node)
            places[node] = numbers[node]
            written.append((numbers[node], node.type))
        elif isinstance(node, Apply):
            kind = node.primitive
            shown = (Slice, kind.sizes, kind.strides) if isinstance(kind, Slice) else kind
            written.append((shown, *(places[operand] for operand in node.operands)))
            places[node] = (len(written),)
        else:
            places[node] = node
    return new
