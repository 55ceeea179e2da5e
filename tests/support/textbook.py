"""Comparison of expressions as on paper: up to the order of terms and factors, and the notation of broadcasts and sums.

An expression becomes a sum of products of factors. A factor is a name with the labels of its axes, a function, or a
sum over labels, so that `a @ b`, `np.sum(a * b)` and a contraction are equal, and so are `x / n` and `(1 / n) * x`.
Products are not expanded: x (a + b) and x a + x b differ.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chainrule.ir import Apply, Const, Input, Node, SymbolicDim, dim_product
from chainrule.primitives import (
    Add,
    Broadcast,
    Contract,
    Divide,
    Elementwise,
    Mean,
    Multiply,
    Negate,
    Permute,
    Reshape,
    Square,
    Subtract,
    Sum,
    Where,
)

Labels = tuple[Any, ...]
Key = Any
Monomial = frozenset[tuple[Key, int]]
Total = dict[Monomial, float]

ONE: Monomial = frozenset()


def same(x: Node, y: Node) -> bool:
    """Whether two expressions are the same up to the order in which they are written."""
    return x.type == y.type and frozen(x) == frozen(y)


def frozen(node: Node) -> Key:
    """Return the normal form of an expression."""
    return _freeze(_Canon()(node, tuple(range(node.type.ndim))))


def _freeze(total: Total) -> Key:
    return frozenset((monomial, round(number, 12)) for monomial, number in total.items() if round(number, 12))


class _Canon:
    def __init__(self) -> None:
        self._bound = itertools.count()

    def __call__(self, node: Node, labels: Labels) -> Total:
        if isinstance(node, Input):
            return _atom((node.name, labels))
        if isinstance(node, Const):
            return self._constant(node)
        assert isinstance(node, Apply)
        rule: Callable[[Apply, Labels], Total] | None = _RULES.get(type(node.primitive), _Canon._function).__get__(self)
        assert rule is not None
        return rule(node, labels)

    def _constant(self, node: Const) -> Total:
        if isinstance(node.value, SymbolicDim):
            return _atom(("size", str(node.value)))
        if isinstance(node.value, float | int):
            return {ONE: float(node.value)}
        return _atom(("array", repr(node.value)))

    def _add(self, node: Apply, labels: Labels) -> Total:
        signs = {Add: (1, 1), Subtract: (1, -1), Negate: (-1,)}[type(node.primitive)]
        total: Total = {}
        for sign, operand in zip(signs, node.operands, strict=True):
            for monomial, number in self(operand, labels).items():
                total[monomial] = total.get(monomial, 0.0) + sign * number
        return total

    def _multiply(self, node: Apply, labels: Labels) -> Total:
        return _product([self(operand, labels) for operand in node.operands])

    def _square(self, node: Apply, labels: Labels) -> Total:
        (factor,) = (self(operand, labels) for operand in node.operands)
        return _product([factor, factor])

    def _divide(self, node: Apply, labels: Labels) -> Total:
        above, below = (self(operand, labels) for operand in node.operands)
        return _product([above, _inverse(below)])

    def _broadcast(self, node: Apply, labels: Labels) -> Total:
        return self(node.operands[0], tuple(labels[axis] for axis in node.primitive.axes))

    def _permute(self, node: Apply, labels: Labels) -> Total:
        order = node.primitive.order
        return self(node.operands[0], tuple(labels[order.index(axis)] for axis in range(len(order))))

    def _reshape(self, node: Apply, labels: Labels) -> Total:
        (operand,) = node.operands
        kept = [label for label, dim in zip(labels, node.type.shape, strict=True) if dim != 1]
        if [dim for dim in operand.type.shape if dim != 1] != [dim for dim in node.type.shape if dim != 1]:
            return self._function(node, labels)
        remaining = iter(kept)
        return self(operand, tuple(None if dim == 1 else next(remaining) for dim in operand.type.shape))

    def _sum(self, node: Apply, labels: Labels) -> Total:
        (operand,) = node.operands
        axes, free = node.primitive.axes, iter(labels)
        bound = {axis: self._fresh() for axis in axes}
        inner = self(operand, tuple(bound[a] if a in axes else next(free) for a in range(operand.type.ndim)))
        total = _summed(inner, list(bound.values()))
        if isinstance(node.primitive, Mean):
            count = dim_product(operand.type.shape[axis] for axis in axes)
            size = _atom(("size", str(count))) if isinstance(count, SymbolicDim) else {ONE: float(count)}
            total = _product([total, _inverse(size)])
        return total

    def _contract(self, node: Apply, labels: Labels) -> Total:
        named = dict(zip(node.primitive.output, labels, strict=True))
        summed = {label for indices in node.primitive.inputs for label in indices} - named.keys()
        named.update({label: self._fresh() for label in sorted(summed)})
        factors = [
            self(operand, tuple(named[label] for label in indices))
            for operand, indices in zip(node.operands, node.primitive.inputs, strict=True)
        ]
        return _summed(_product(factors), [named[label] for label in sorted(summed)])

    def _function(self, node: Apply, labels: Labels) -> Total:
        if isinstance(node.primitive, Elementwise | Where):
            operands = tuple(_freeze(self(operand, labels)) for operand in node.operands)
            return _atom((repr(node.primitive), operands, type(node.primitive).__name__))
        operands = tuple(frozen(operand) for operand in node.operands)
        return _atom((repr(node.primitive), operands, labels))

    def _fresh(self) -> tuple[str, int]:
        return ("bound", next(self._bound))


_RULES: Mapping[type, Any] = {
    Add: _Canon._add,
    Subtract: _Canon._add,
    Negate: _Canon._add,
    Multiply: _Canon._multiply,
    Square: _Canon._square,
    Divide: _Canon._divide,
    Broadcast: _Canon._broadcast,
    Permute: _Canon._permute,
    Reshape: _Canon._reshape,
    Sum: _Canon._sum,
    Mean: _Canon._sum,
    Contract: _Canon._contract,
}


def _atom(key: Key) -> Total:
    return {frozenset({(key, 1)}): 1.0}


def _single(total: Total) -> tuple[Monomial, float]:
    """Return a total as one product; a sum becomes a factor, whose first term has a positive sign."""
    entries = [(monomial, number) for monomial, number in total.items() if number]
    if len(entries) == 1:
        return entries[0]
    if not entries:
        return ONE, 0.0
    first = min(entries, key=lambda entry: _text(entry[0]))
    sign = 1.0 if first[1] > 0 else -1.0
    key = ("sum", _freeze({monomial: sign * number for monomial, number in entries}))
    return frozenset({(key, 1)}), sign


def _product(totals: Sequence[Total]) -> Total:
    if len([t for t in totals if len(t) > 1]) == 1:
        numbers = [number for t in totals if len(t) == 1 for monomial, number in t.items() if monomial == ONE]
        if len(numbers) == len(totals) - 1 and all(abs(number) == 1 for number in numbers):
            (long,) = (t for t in totals if len(t) > 1)
            return {monomial: number * (-1) ** numbers.count(-1.0) for monomial, number in long.items()}
    powers: dict[Key, int] = {}
    result = 1.0
    for total in totals:
        monomial, number = _single(total)
        result *= number
        for key, exponent in monomial:
            powers[key] = powers.get(key, 0) + exponent
    return {frozenset((key, exponent) for key, exponent in powers.items() if exponent): result}


def _inverse(total: Total) -> Total:
    monomial, number = _single(total)
    return {frozenset((key, -exponent) for key, exponent in monomial): 1 / number}


def _summed(total: Total, bound: list[Any]) -> Total:
    """Return the sum over bound labels; independent factors are moved out, nested sums merged."""
    monomial, number = _single(total)
    outside: set[tuple[Key, int]] = set()
    inside: set[tuple[Key, int]] = set()
    for key, exponent in monomial:
        (inside if _mentions(key, set(bound)) else outside).add((key, exponent))
    names = list(bound)
    flat: set[tuple[Key, int]] = set()
    for key, exponent in inside:
        if key[0] == "Σ" and exponent == 1:
            renamed = {old: ("bound", next(_FRESH)) for old in key[1]}
            flat |= {(_renamed(inner, renamed), e) for inner, e in key[2]}
            names += renamed.values()
        else:
            flat.add((key, exponent))
    if not names or not flat:
        return {frozenset(outside | flat): number}
    choices = []
    for order in itertools.permutations(range(len(names))):
        places = {name: ("index", place) for name, place in zip(names, order, strict=True)}
        choices.append(frozenset((_renamed(key, places), exponent) for key, exponent in flat))
    least = min(choices, key=_text)
    key = ("Σ", tuple(("index", place) for place in range(len(names))), least)
    return {frozenset({*outside, (key, 1)}): number}


_FRESH = itertools.count(10**6)


def _mentions(key: Key, names: set[Any]) -> bool:
    if isinstance(key, tuple | frozenset):
        return (isinstance(key, tuple) and key in names) or any(_mentions(part, names) for part in key)
    return False


def _renamed(key: Key, names: Mapping[Any, Any]) -> Key:
    if isinstance(key, tuple):
        return names[key] if key in names else tuple(_renamed(part, names) for part in key)
    if isinstance(key, frozenset):
        return frozenset(_renamed(part, names) for part in key)
    return key


def _text(key: Key) -> str:
    """Return a sort key as text, the same in every run."""
    if isinstance(key, frozenset):
        return "{" + ",".join(sorted(map(_text, key))) + "}"
    if isinstance(key, tuple):
        return "(" + ",".join(map(_text, key)) + ")"
    return repr(key)
