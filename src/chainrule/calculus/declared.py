"""Simplifications that follow from declared properties of inputs.

They apply to gradients, which are evaluated where the declarations hold, and never to the forward pass before it is
differentiated: WᵀW is the identity at an orthogonal W, and its derivative is not zero.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Mapping, Sequence

from chainrule.calculus.matrices import equated
from chainrule.calculus.rules import Rule, number_of
from chainrule.calculus.symmetry import network, without_transpose
from chainrule.ir import Apply, Const, Input, Node, Property, SymbolicDim
from chainrule.primitives import (
    Abs,
    Add,
    Contract,
    Divide,
    Exp,
    Inverse,
    Maximum,
    Multiply,
    Norm,
    Permute,
    Power,
    Relu,
    Sign,
    Sqrt,
    Square,
    Sum,
    identity,
)

Properties = Mapping[Input, Sequence[Property]]


def declared_symmetric(properties: Properties) -> list[Node]:
    """Return the inputs that equal their transpose."""
    return [node for node, kinds in properties.items() if any(kind.implies_symmetry for kind in kinds)]


def declared_rules(properties: Properties) -> tuple[Rule, ...]:
    """Return the identities that hold for inputs with the given properties, besides those of symmetric matrices."""

    def having(*kinds: Property) -> frozenset[Node]:
        return frozenset(node for node, found in properties.items() if not set(kinds).isdisjoint(found))

    positive = having(Property.POSITIVE)
    nonnegative = positive | having(Property.NONNEGATIVE, Property.SIMPLEX)
    skew, orthogonal = having(Property.SKEW), having(Property.ORTHOGONAL)
    simplex, unit = having(Property.SIMPLEX), having(Property.UNIT)
    rules: list[Rule] = []
    if skew:
        rules.append(Rule("Aᵀ → −A for skew-symmetric A", (Permute, Contract), lambda x: _turned(x, skew), list))
    if orthogonal:
        rules.append(Rule("W⁻¹ → Wᵀ for orthogonal W", (Inverse,), lambda x: _inverse(x, orthogonal), list))
        rules.append(Rule("WᵀW → I for orthogonal W", (Contract,), lambda x: _product(x, orthogonal), list))
    if nonnegative:
        rules.append(Rule("|n| → n for n ≥ 0", (Abs, Relu, Maximum, Sqrt), lambda x: _absolute(x, nonnegative), list))
    if positive:
        rules.append(Rule("sign(n) → 1 for n > 0", (Sign,), lambda x: _sign(x, positive), list))
    if simplex:
        rules.append(Rule("Σ p → 1 on the simplex", (Sum,), lambda x: _sum(x, simplex), list))
    if unit:
        rules.append(Rule("‖x‖ → 1 for unit vectors", (Norm, Contract, Sum), lambda x: _length(x, unit), list))
    return tuple(rules)


def _turned(node: Apply, skew: Container[Node]) -> Node | None:
    upright = without_transpose(node, skew.__contains__)
    return None if upright is None else -upright


def _inverse(node: Apply, orthogonal: Container[Node]) -> Node | None:
    match node:
        case Apply(Inverse(), (w,)) if w in orthogonal:
            last = (*range(w.type.ndim - 2), w.type.ndim - 1, w.type.ndim - 2)
            return Permute(last)(w)
    return None


def _product(node: Apply, orthogonal: Container[Node]) -> Node | None:
    """Return a product without a pair WᵀW or W Wᵀ in it."""
    factors, output = network(node)
    for (k, (w, labels)), (l, (other, others)) in itertools.combinations(enumerate(factors), 2):
        if w is not other or w not in orthogonal or len(labels) != 2:
            continue
        for summed, kept in ((0, 1), (1, 0)):
            rest = [factor for place, factor in enumerate(factors) if place not in (k, l)]
            everywhere = [*output, *(label for _, each in factors for label in each)]
            if labels[summed] != others[summed] or everywhere.count(labels[summed]) != 2:
                continue
            first, second = labels[kept], others[kept]
            if not rest and {first, second} == set(output) and first != second:
                return identity(node.type.shape[0], node.type.dtype)
            if not rest and first == second and not output:
                return Const(w.type.shape[0], node.type)
            if rest and len(rest) < 3 and first != second:
                return equated(first, second, [x for x, _ in rest], [each for _, each in rest], output)
    return None


def is_nonnegative(node: Node, nonnegative: Container[Node]) -> bool:
    """Whether no element of `node` is negative, given inputs of which none is."""
    if node in nonnegative:
        return True
    match node:
        case Const(int() | float() as number):
            return number >= 0
        case Const(SymbolicDim()):
            return True
        case Apply(Exp() | Abs() | Relu() | Sqrt() | Square() | Norm()):
            return True
        case Apply(Add() | Multiply() | Divide() | Sum(), operands):
            return all(is_nonnegative(operand, nonnegative) for operand in operands)
        case Apply(Power(), (x, exponent)):
            power = number_of(exponent)
            return is_nonnegative(x, nonnegative) or (power is not None and power % 2 == 0)
    return False


def _absolute(node: Apply, nonnegative: Container[Node]) -> Node | None:
    match node:
        case Apply(Abs() | Relu(), (x,)) | Apply(Sqrt(), (Apply(Square(), (x,)),)) if is_nonnegative(x, nonnegative):
            return x
        case Apply(Maximum(), (x, Const() as zero)) if zero.filled_with(0) and is_nonnegative(x, nonnegative):
            return x
    return None


def _sign(node: Apply, positive: Container[Node]) -> Node | None:
    match node:
        case Apply(Sign(), (n,)) if n in positive:
            return Const(1, node.type)
    return None


def _sum(node: Apply, simplex: Container[Node]) -> Node | None:
    match node:
        case Apply(Sum(axes), (p,)) if p in simplex and axes == (p.type.ndim - 1,):
            return Const(1, node.type)
    return None


def _length(node: Apply, unit: Container[Node]) -> Node | None:
    """Return 1 for ‖x‖, xᵀx and Σ x² of a unit vector."""
    match node:
        case Apply(Norm(), (x,)) if x in unit and node.type.ndim == x.type.ndim - 1 == 0:
            return Const(1, node.type)
        case Apply(Contract(((0,), (0,)), ()), (x, y)) if x is y and x in unit:
            return Const(1, node.type)
        case Apply(Sum((0,)), (Apply(Square(), (x,)),)) if x in unit and node.type.ndim == 0:
            return Const(1, node.type)
    return None
