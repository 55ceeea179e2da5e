"""sign(x) f, where f is 0 at x = 0 with a kink, as in sign(x) ln(1 + |x|): smooth, though neither factor is.

The sign has the derivative 0 and the value 0 there, so that the chain rule would give 0. As a choice, −f if x < 0,
otherwise f, the product has a kink that coincides with that of f.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterator

import numpy as np

from chainrule.calculus.coinciding import Leaves, evaluated, find_ties
from chainrule.calculus.kinks import Kink, find_kinks
from chainrule.calculus.rules import with_operand
from chainrule.ir import Apply, Const, Node, Program, applies, topological_order
from chainrule.primitives import Compare, Divide, Multiply, Negate, Sign, Where

_ALIKE = 1e-2
"""The relative tolerance of f between the sides, and of f from 0 at x = 0; an odd f differs by twice its size."""
_FACTORS = 32
"""The number of factors above which products are left unchanged."""


def signs_as_choices(program: Program) -> tuple[Program, dict[Node, Node]]:
    """Rewrite each such product as a choice; return the program and the rewritten products."""
    if not any(applies(node, Sign) for node in program.nodes):
        return program, {}
    named = program.names.keys()
    products = [(node, sign) for node in program.nodes for sign in _signs(node, named)]
    within = {part for node, _ in products if isinstance(node, Apply) for part in node.operands}
    chosen = {node: sign for node, sign in products if node not in within and _is_smooth(program, node, sign)}
    if not chosen:
        return program, {}
    made: dict[Node, Node] = {}
    choices: dict[Node, Node] = {}
    for node in program.nodes:
        made[node] = node
        if isinstance(node, Apply):
            made[node] = Apply(node.primitive, tuple(made[operand] for operand in node.operands))
        if node in chosen:
            x = made[chosen[node].operands[0]]
            rest = _without(made[node], made[chosen[node]])
            choices[made[node]] = Where()(Compare("<")(x, Const(0, x.type)), -rest, rest)
            made[node] = choices[made[node]]
    outputs = tuple(made[output] for output in program.outputs)
    used = {*program.inputs, *topological_order(outputs)}  # a named sign may have been removed
    names = {made[node]: name for node, name in program.names.items() if made[node] in used}
    return Program(program.inputs, outputs, names), choices


def _signs(node: Node, named: Container[Node]) -> Iterator[Apply]:
    """Yield the only sign among the factors of a product that has others."""
    found = list(itertools.islice(_factors(node, named), _FACTORS + 1))
    if not 1 < len(found) <= _FACTORS:
        return
    signs = [factor for factor in found if applies(factor, Sign)]
    if len(signs) == 1:
        yield signs[0]


def _factors(node: Node, named: Container[Node] = ()) -> Iterator[Node]:
    """Yield the factors of a product, without divisors; a named product is one factor."""
    left = [node]
    while left:
        match left.pop():
            case part if part in named and part is not node:
                yield part
            case Apply(Multiply() | Negate(), operands):
                left += reversed(operands)
            case Apply(Divide(), (above, _)):
                left.append(above)
            case factor:
                yield factor


def _without(product: Node, sign: Node) -> Node:
    """Return the product of the other factors."""
    if product is sign:
        return Const(1, sign.type)
    assert isinstance(product, Apply)
    place = 0 if sign in _factors(product.operands[0]) or len(product.operands) == 1 else 1
    rest = with_operand(product, place, _without(product.operands[place], sign))
    match rest:
        case Apply(Multiply(), (Const(1), other) | (other, Const(1))):
            return other
    return rest


def _is_smooth(program: Program, product: Node, sign: Apply) -> bool:
    """Whether the rest has a kink, is 0 wherever the sign is, and agrees on both sides of that to first order."""
    (x,) = sign.operands
    rest = _without(product, sign)
    if not find_kinks(Program(program.inputs, (rest,))):
        return False
    zero = Const(0, x.type)
    turn = Kink(sign, x, zero)
    assert isinstance(product, Apply)
    group = [turn, Kink(product, product, zero)]
    leaves = Leaves(program, group)
    ties = find_ties(turn, group, leaves)
    for tie in ties:
        at, below, above = (np.asarray(evaluated(rest, values)) for values in (tie.at, tie.below, tie.above))
        size = np.maximum(np.abs(below), np.abs(above))
        if not (
            np.all(np.abs(at) <= _ALIKE * size) and np.all(np.abs(above - below) <= _ALIKE * size) and np.any(size > 0)
        ):
            return False
    return bool(ties)
