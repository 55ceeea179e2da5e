"""Names for unnamed random draws of a function: a dropout mask is one symbol on paper."""

from __future__ import annotations

import itertools

from chainrule.ir import Apply, Input, Node, Program, applies
from chainrule.primitives import Compare, RandomUniform


def name_draws(program: Program) -> Program:
    """Name values that depend only on random numbers: `m` for a mask, `u` and `eps` for other noise."""
    names = dict(program.names)
    contents = _contents(program)
    floats = {node for node in contents if node.type.dtype.is_float}
    inner = {
        operand
        for node in program.nodes
        if isinstance(node, Apply) and node in contents and node not in names
        for operand in node.operands
    }
    taken = {node.name for node in program.inputs} | set(names.values())
    groups: dict[str, list[Node]] = {}
    for node in program.nodes:
        if node in floats and node not in inner and node not in names and node not in program.outputs:
            letter = "u" if _is_draw(node) else "m" if contents[node] else "eps"
            groups.setdefault(letter, []).append(node)
    for letter, nodes in groups.items():
        numbered = (letter + str(k) for k in itertools.count(1))
        free = (name for name in numbered if name not in taken)
        alone = len(nodes) == 1 and letter not in taken
        names.update(zip(nodes, [letter] if alone else free, strict=False))
    return Program(program.inputs, program.outputs, names) if groups else program


def _contents(program: Program) -> dict[Node, bool]:
    """Return the nodes computed only from random numbers, without named values; whether by a comparison."""
    found: dict[Node, bool] = {}
    constant: set[Node] = set()
    for node in program.nodes:
        if _is_draw(node):
            found[node] = False
        elif isinstance(node, Apply):
            drawn = [found[operand] for operand in node.operands if operand in found and operand not in program.names]
            others = [operand for operand in node.operands if operand not in found]
            if drawn and constant.issuperset(others):
                found[node] = any(drawn) or isinstance(node.primitive, Compare)
            elif constant.issuperset(node.operands):
                constant.add(node)
        elif not isinstance(node, Input):
            constant.add(node)
    return found


def _is_draw(node: Node) -> bool:
    return applies(node, RandomUniform)
