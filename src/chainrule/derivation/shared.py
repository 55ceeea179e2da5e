"""Names for shared and nonlinear parts of expressions that would be exponentially long.

An expression ends at named values, so a function with the user's names has no long expressions.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

from chainrule.ir import Apply, Input, Node, Program, topological_order
from chainrule.primitives import Broadcast, Cast, Linear, Multilinear, Permute, Reshape

LONGEST = 200
"""The number of operations of an expanded line of the forward pass above which shared parts are named."""

LONGEST_GRADIENT = 1000
"""The same limit for a gradient."""

_LEAST = 4
"""The minimum number of operations of a named part."""

_FREE = (Broadcast, Permute, Reshape, Cast)


def name_shared(program: Program) -> Program:
    """Name shared parts `t1`, `t2`, …, if an expression is longer than `LONGEST`."""
    named = set(program.names)
    if longest(program.outputs, named) <= LONGEST:
        return program
    uses = Counter(operand for node in program.nodes if isinstance(node, Apply) for operand in node.operands)
    return _with_names(program, lambda node, length: uses[node] > 1 and length >= _LEAST)


def name_nonlinear(program: Program) -> Program:
    """Name nonlinear parts, since a derivative repeats the gradient that it multiplies."""
    return _with_names(program, lambda node, length: not isinstance(node.primitive, Linear | Multilinear))


def longest(expressions: Sequence[Node], named: set[Node]) -> int:
    """Return the operations of the longest expanded expression or named part, up to a bound."""
    known: dict[Node, int] = {}
    for node in topological_order(expressions):
        known[node] = _length(node, known, named)
    return max(known.values(), default=0)


def _with_names(program: Program, wanted: Callable[[Apply, int], bool]) -> Program:
    taken = {node.name for node in program.inputs} | set(program.names.values())
    free = (name for k in itertools.count(1) if (name := f"t{k}") not in taken)
    names, named = dict(program.names), set(program.names)
    known: dict[Node, int] = {}
    for node in program.nodes:
        known[node] = _length(node, known, named)
        if not isinstance(node, Apply) or isinstance(node.primitive, _FREE) or not node.type.dtype.is_float:
            continue
        if node not in named and node not in program.outputs and wanted(node, known[node]):
            names[node] = next(free)
            named.add(node)
    return Program(program.inputs, program.outputs, names, program.demands)


def _length(node: Node, known: dict[Node, int], named: set[Node]) -> int:
    """Return the operations of `node` when expanded; a named value has none."""
    if not isinstance(node, Apply):
        return 0
    below = sum(0 if operand in named or isinstance(operand, Input) else known[operand] for operand in node.operands)
    return min(below, 2 * LONGEST_GRADIENT) + (not isinstance(node.primitive, _FREE))
