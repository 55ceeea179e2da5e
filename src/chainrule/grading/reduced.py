"""Formulas as a person writes them: λ/m for 2 λ / (2 m), 1/N for 1/6 where N = 6."""

from __future__ import annotations

import math
from collections.abc import Mapping

from chainrule.ir import Apply, Const, Node, SymbolicDim, dim_quotient, named_dim, substitute, topological_order
from chainrule.primitives import Divide, Multiply


def reduced(node: Node) -> Node:
    """Return `node` without whole numbers that both a numerator and its denominator, a size, are multiplied by."""
    known: dict[Node, Node] = {}
    for part in topological_order([node]):
        match part:
            case Apply(Divide(), (Apply(Multiply(), (Const(int() | float() as number), rest)), Const() as size)):
                whole = size.value if isinstance(size.value, SymbolicDim) and number > 1 and number % 1 == 0 else None
                quotient = None if whole is None else dim_quotient(whole, int(number))
                if quotient is not None:
                    known[part] = Apply(Divide(), (rest, Const(quotient, size.type)))
    return substitute([node], known)[0] if known else node


def counted(node: Node, counts: Mapping[str, int]) -> Node:
    """Return `node` with 1/N in place of 1/6 where the reference has N = 6 for a size that is given as a number."""
    known: dict[Node, Node] = {}
    for name, count in counts.items():
        for const in (n for n in topological_order([node]) if isinstance(n, Const)):
            if isinstance(const.fill, float) and math.isclose(const.fill * count, 1):
                one, size = Const(1, const.type), Const(named_dim(name), const.type)
                known.setdefault(const, Apply(Divide(), (one, size)))
    return substitute([node], known)[0]
