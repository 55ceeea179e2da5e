"""Values that the forward pass has named are used where they occur again, also transposed, negated or scaled.

x̂ in the gradient of a normalization, u = A⁻¹ b in that of a linear system, K in that of a Kalman update: what equals a
definition is written by its name. In a product of matrices a part of the chain of factors is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from chainrule.calculus.chains import Chain, Link, chain_of, number_within, product_of_chain, transposed_chain
from chainrule.calculus.reading import reading_cost
from chainrule.calculus.rules import RULES, Rule, beneath_arrangement, is_scale
from chainrule.calculus.simplify import Simplifier
from chainrule.calculus.symmetry import upright
from chainrule.calculus.terms import Term, divides_anew, factors, operation_count, product_of
from chainrule.ir import Apply, ArrayType, Node, applies, substitute
from chainrule.primitives import (
    Broadcast,
    Cast,
    Contract,
    Divide,
    DivideNoNan,
    Multiply,
    Negate,
    Permute,
    Reshape,
    Sqrt,
    Subtract,
)


@dataclass(frozen=True)
class _Names:
    """Values by the names that they have: whole expressions, and chains of factors."""

    values: Mapping[Node, Node]
    chains: Mapping[Chain, Link]


def named_values(definitions: Mapping[Node, Node], symmetric: Container[Node], rules: Sequence[Rule]) -> Rule:
    """Return the rule that writes the value of a definition by its name.

    `definitions` maps symbols to their values, and `rules` are those that hold for these symbols besides the table.
    """
    names = _names(definitions, symmetric, Simplifier([*RULES, *rules]))

    def named(node: Apply) -> Node | None:
        found = names.values.get(node)
        return found if found is not None else _with_names_in_chain(node, names.chains, symmetric)

    primitives = {type(value.primitive) for value in names.values if isinstance(value, Apply)}
    return Rule("a value that has a name", tuple(primitives | {Contract}), named, list)


def _names(definitions: Mapping[Node, Node], symmetric: Container[Node], simplifier: Simplifier) -> _Names:
    values: dict[Node, Node] = {}
    chains: dict[Chain, Link] = {}
    for symbol, definition in definitions.items():
        value = simplifier(definition)
        match definition:
            case Apply(Divide(), (above, below)):  # where the quotient is defined, the other is equal to it
                values.setdefault(simplifier(DivideNoNan()(above, below)), symbol)
        for found, name in _forms(value, symbol, simplifier):
            if not _is_short(found):
                values.setdefault(found, name)
        links = upright(chain_of(value), symmetric)
        if len(links) > 1 and symbol.type.ndim and number_within(links) is None:
            chains.setdefault(links, (symbol, False))
            chains.setdefault(upright(transposed_chain(links), symmetric), (symbol, True))
    return _Names(values, chains)


def named_products(
    definitions: Mapping[Node, Node], simplifier: Simplifier, is_cotangent: Callable[[Node], bool] = lambda node: False
) -> Rule:
    """Return the rule that writes the factors of a product that are a definition by its name: x²·y is x·L for L = x·y.

    A product of which a factor `is_cotangent` stays as it is.

    Where a definition divides by a root √v, a product divides by v as by its square: x/v is x̂/√v for x̂ = x/√v.
    """
    products: list[tuple[Node, Term]] = []
    for symbol, definition in definitions.items():
        if applies(definition, Multiply, Divide) and not is_scale(definition):
            products += [(symbol, factors(each)) for each in dict.fromkeys((simplifier(definition), definition))]

    def within(node: Apply) -> Node | None:
        term = factors(node)
        if any(is_cotangent(beneath_arrangement(factor)) for factor, _ in term.powers):
            return None  # ∂L/∂o ⊙ σ′(z) is read as a chain, and a name across its links hides them
        for symbol, product in products if len(term.powers) > 1 else ():
            rest = _with_name(term, product, symbol, node.type)
            result = None if rest is None else product_of(rest, node.type)
            if result is not None and _is_better(result, node):
                return result
        return None

    return Rule("a product that has a name", (Multiply, Divide) if products else (), within, list)


def _is_better(result: Node, node: Node) -> bool:
    shorter = reading_cost(result) < reading_cost(node) and operation_count(result) <= operation_count(node)
    return shorter and not divides_anew(node, result)


def _with_name(term: Term, product: Term, symbol: Node, type_: ArrayType) -> Term | None:
    """Return a term with the factors of `product` written as `symbol`; None if it does not have them."""
    if len(product.powers) < 2:
        return None
    if symbol.type.shape == type_.shape:
        name, powers = symbol, product.powers
    elif not symbol.type.ndim:
        repeat = Broadcast(type_.shape, ())
        name, powers = repeat(symbol), tuple((repeat(factor), exponent) for factor, exponent in product.powers)
    else:
        return None
    found = dict(_with_roots(term, dict(powers)).powers)
    if not all(_holds(found.get(factor, 0), exponent) for factor, exponent in powers):
        return None
    wanted = dict(powers)
    rest: dict[Node, int] = {}
    for factor, exponent in found.items():
        if factor is powers[0][0]:
            rest[name] = rest.get(name, 0) + 1
        rest[factor] = rest.get(factor, 0) + exponent - wanted.get(factor, 0)
    remaining = tuple((factor, exponent) for factor, exponent in rest.items() if exponent)
    return Term(term.number / product.number, remaining)


def _with_roots(term: Term, wanted: Mapping[Node, int]) -> Term:
    """Return a product with (√v)⁻² for each v⁻¹ of which the root is `wanted`."""
    roots: dict[Node, Node] = {}
    for each in wanted:
        match beneath_arrangement(each):
            case Apply(Sqrt(), (v,)) as bare:
                (arranged,) = substitute([each], {bare: v})
                roots[arranged] = each
    result = Term(term.number, ())
    for factor, exponent in term.powers:
        root = roots.get(factor)
        power = (factor, exponent) if root is None or exponent != -1 else (root, -2)
        result = result.times(Term(1, (power,)))
    return result


def _holds(exponent: int, part: int) -> bool:
    """Whether x to the `exponent` has the factor x to the `part`."""
    return exponent >= part > 0 or exponent <= part < 0


def _is_short(value: Node) -> bool:
    """Whether a value is as short as a name: a symbol, or one that is arranged, negated or scaled, such as 2 x."""
    match value:
        case Apply(Permute() | Broadcast() | Reshape() | Cast() | Negate(), (x,)):
            return _is_short(x)
        case Apply(Multiply(), (c, x)) if is_scale(c):
            return _is_short(x)
    return not isinstance(value, Apply) or is_scale(value)


def _forms(value: Node, symbol: Node, simplifier: Simplifier) -> Iterator[tuple[Node, Node]]:
    """Yield the value of a symbol, and expressions of the symbol that are as short, with their values."""
    yield value, symbol
    match value:
        case Apply(Subtract(), (x, y)):
            yield y - x, -symbol
        case Apply(Reshape(), (x,)):  # an axis that is kept with size 1
            yield x, Reshape(x.type.shape)(symbol)
        case Apply(Multiply(), (c, x)) if is_scale(c) and operation_count(x) > 1:
            yield x, simplifier((1 / c) * symbol)
    if symbol.type.ndim == 2:
        yield simplifier(Permute((1, 0))(value)), Permute((1, 0))(symbol)


def _with_names_in_chain(node: Apply, chains: Mapping[Chain, Link], symmetric: Container[Node]) -> Node | None:
    """Return a product with the longest part of its factors that has a name written by it."""
    if not chains or not applies(node, Contract):
        return None
    links = upright(chain_of(node), symmetric)
    for length in range(len(links), 1, -1):
        for first in range(len(links) - length + 1):
            name = chains.get(links[first : first + length])
            if name is not None:
                result = product_of_chain((*links[:first], name, *links[first + length :]))
                shorter = operation_count(result) < operation_count(node)
                return result if shorter and result.type == node.type else None
    return None
