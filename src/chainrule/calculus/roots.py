"""Sums of products of v, √v and √√v are collected as powers of one root: x·s/√x + √x·s is 2·√x·s for s = √√x."""

from __future__ import annotations

from chainrule.calculus.collect import arithmetic_leaves, collected_terms
from chainrule.calculus.examples import some_x
from chainrule.calculus.reading import reading_cost
from chainrule.calculus.rules import rule
from chainrule.calculus.terms import Term, divides_anew, operation_count, sum_of_terms
from chainrule.ir import Apply, Input, Node, applies, substitute, topological_order
from chainrule.primitives import Add, Divide, Exp, Multiply, Sqrt, Subtract

_MOST_ROOTS = 3


def _v() -> Node:
    return Exp()(some_x(""))


def _s() -> Node:
    return Sqrt()(Sqrt()(_v()))


@rule("x·s/√x + √x·s → 2·√x·s for s = √√x", Add, Subtract, Multiply, Divide, examples=lambda: [
    _v() * _s() / Sqrt()(_v()) + Sqrt()(_v()) * _s(),
    Sqrt()(_v()) * (Sqrt()(_v()) / (2 * _s()) + _s()),
    _v() / (2 * Sqrt()(_v())) + Sqrt()(_v()),
])  # fmt: skip
def _powers_of_root(node: Apply) -> Node | None:
    chain = _roots(node)
    if chain is None:
        return None
    root = Input("√", node.type)
    powers: dict[Node, Node] = {}
    for doublings, each in enumerate(chain):
        powers[each] = root if not doublings else root ** (2**doublings)
    (by_root,) = substitute([node], powers)
    terms = collected_terms(by_root)
    if not terms:
        return None
    result = sum_of_terms([_with_roots(term, root, chain) for term in terms], node.type)
    if root in topological_order([result]):  # it is within a function
        return None
    fewer = operation_count(result) < operation_count(node) and reading_cost(result) < reading_cost(node)
    return result if fewer and not divides_anew(node, result) else None


def _roots(node: Apply) -> list[Node] | None:
    """Return √√v, √v and v for a root among the factors of a number, beside what it is the root of."""
    leaves = () if node.type.ndim else arithmetic_leaves(node)
    longest: list[Node] | None = None
    for leaf in leaves:
        chain: list[Node] = [leaf]
        while applies(chain[-1], Sqrt) and len(chain) <= _MOST_ROOTS:
            chain.append(chain[-1].operands[0])
        if any(each in leaves for each in chain[1:]) and len(chain) > len(longest or ()):
            longest = chain
    return longest


def _with_roots(term: Term, root: Node, chain: list[Node]) -> Term:
    """Return a power of the root in a term as a product of v, √v and √√v."""
    powers = dict(term.powers)
    exponent = powers.pop(root, 0)
    sign, exponent = (1 if exponent > 0 else -1), abs(exponent)
    for place in range(len(chain) - 1, -1, -1):
        count, exponent = divmod(exponent, 2**place)
        if count:
            powers[chain[place]] = powers.get(chain[place], 0) + sign * count
    return Term(term.number, tuple(powers.items()))
