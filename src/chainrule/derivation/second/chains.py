"""The chain rule of second order between numbers: each equation's own derivatives, and what they make of a chain.

For u = g(x) and L = f(u) it is Faà di Bruno's first case, ∂²L/∂x² = ∂²L/∂u² (∂u/∂x)² + ∂L/∂u ∂²u/∂x².
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chainrule.calculus import jacobian_tensor, simplify, with_powers
from chainrule.derivation.claims import Claim
from chainrule.derivation.properties import operation_total
from chainrule.derivation.record import Record
from chainrule.derivation.second.differentials import CLOSED_LIMIT, Differentials
from chainrule.derivation.second.quantities import ChainDerivative
from chainrule.ir import Input, Node, cached_property, substitute
from chainrule.primitives import zeros

UNFOLDED_LIMIT = 20
"""The number of operations up to which a result is also written without the names of the steps."""


@dataclass(frozen=True, eq=False)
class ChainTerm:
    """One term of a second derivative: `outer` of the equation, times inner derivatives, `count` times.

    Both are `(u, by)`: the quantity, and what it is differentiated by, once or twice.
    """

    outer: tuple[Input, ...]
    inner: tuple[tuple[Input, tuple[Input, ...]], ...]
    count: int = 1


class SecondChains:
    """The claims on second derivatives of a `record` in steps between numbers, one equation after another.

    The record as a `whole` has the names of the user, and not those of the steps.
    """

    def __init__(self, record: Record, whole: Record) -> None:
        self.first = record
        self.parameters = record.backward.wrt
        self._names = {stage.name for stage in whole.backward.stages}
        self._differentials = Differentials(record)
        self._stages = {stage.symbol: stage for stage in record.backward.stages}

    @property
    def is_written(self) -> bool:
        """Whether every quantity is a number, which the chain rule of second order is written for."""
        return not any(symbol.type.shape for symbol in (*self._stages, *self.parameters))

    # The derivatives of each equation, its other operands held

    @cached_property
    def own(self) -> Mapping[Input, Mapping[Input, Claim]]:
        """`∂u/∂v` for each equation and each of its operands that vary."""
        found: dict[Input, dict[Input, Claim]] = {}
        for symbol, change in self._changes.items():
            for operand in self._operands(symbol):
                value = self._coefficient(change, operand)
                if value is not None:
                    quantity = ChainDerivative(symbol, (operand,), self._stages[symbol].expression, held=True)
                    claim = Claim("derivative of equation", quantity, self._of_equation(symbol, value))
                    found.setdefault(symbol, {})[operand] = claim
        return found

    @property
    def _changes(self) -> Mapping[Input, Node]:
        """The differential of each equation in the tangents of its operands."""
        return self._differentials.stages

    @cached_property
    def own_second(self) -> Mapping[Input, Mapping[tuple[Input, Input], Claim]]:
        """`∂²u/∂v∂w` for each equation and each pair of its operands, if it is not zero."""
        tangents = self._differentials.tangents
        found: dict[Input, dict[tuple[Input, Input], Claim]] = {}
        for symbol, firsts in self.own.items():
            for operand, by in itertools.combinations_with_replacement(firsts, 2):
                value = firsts[operand].right
                change = self._differentials.of(value)
                if change is None:
                    continue
                # The derivative may be written with u itself, as a (1 − a) of a = σ(z).
                (change,) = substitute([change], {tangents[symbol]: self._differentials.stages[symbol]})
                second = self._coefficient(change, by)
                if second is not None:
                    quantity = ChainDerivative(symbol, (operand, by), value, held=True)
                    claim = Claim("derivative of equation", quantity, self._of_equation(symbol, second))
                    found.setdefault(symbol, {})[operand, by] = claim
        return found

    def _operands(self, symbol: Input) -> list[Input]:
        return [each for each in self._stages[symbol].operands if each in self._differentials.tangents]

    def _coefficient(self, change: Node, by: Input) -> Node | None:
        """Return the coefficient of one tangent; None for zero."""
        value = self._derivative(change, self._differentials.tangents[by])
        return None if value is zeros(value.type) else value

    def _derivative(self, change: Node, by: Input) -> Node:
        return with_powers(simplify(jacobian_tensor(change, by)))

    def _of_equation(self, symbol: Input, value: Node) -> Node:
        """Return a derivative of one equation in terms of its operands: other names would vary with them."""
        kept = {symbol, *self._stages[symbol].operands}
        for other, stage in reversed(self._stages.items()):
            if other not in kept:
                (value,) = substitute([value], {other: stage.expression})
        return value

    def is_direct(self, symbol: Input, operand: Input) -> bool:
        """Whether ∂u/∂v is only the part of a change of v that does not pass through other operands of u."""
        return any(operand in self._behind[each] for each in self.own[symbol] if each is not operand)

    @cached_property
    def _behind(self) -> Mapping[Input, set[Input]]:
        """The quantities that each one depends on."""
        found: dict[Input, set[Input]] = {symbol: set() for symbol in self.parameters}
        for symbol in self._stages:
            operands = self._operands(symbol) if symbol in self.own else []
            found[symbol] = {*operands, *(part for each in operands for part in found[each])}
        return found

    # The derivatives by the parameters

    @cached_property
    def totals(self) -> Mapping[tuple[Input, Input], Claim]:
        """`∂u/∂x` of each quantity by each parameter, if it is not zero, in terms of the names."""
        values: dict[tuple[Input, Input], Node] = {}
        found: dict[tuple[Input, Input], Claim] = {}
        for symbol, by in itertools.product(self.own, self.parameters):
            terms = [
                claim.right if operand is by else self._times(claim.right, values[operand, by])
                for operand, claim in self.own[symbol].items()
                if operand is by or (operand, by) in values
            ]
            if terms:
                values[symbol, by] = self._collected(terms)
                quantity = ChainDerivative(symbol, (by,), symbol)
                found[symbol, by] = Claim("derivative of chain", quantity, values[symbol, by])
        return found

    @cached_property
    def second_totals(self) -> Mapping[tuple[Input, Input, Input], Claim]:
        """`∂²u/∂x∂y` of each quantity by each pair of parameters, if it is not zero."""
        found: dict[tuple[Input, Input, Input], Claim] = {}
        for symbol in self.own:
            for x, y in itertools.combinations_with_replacement(self.parameters, 2):
                values = [self._value(symbol, term, found) for term in self.terms(symbol, x, y, found)]
                total = self._collected(values) if values else None
                if total is not None and total is not zeros(total.type):
                    quantity = ChainDerivative(symbol, (x, y), self.totals[symbol, x].right)
                    found[symbol, x, y] = Claim("derivative of chain", quantity, total)
        return found

    def terms(
        self, symbol: Input, x: Input, y: Input, known: Mapping[tuple[Input, Input, Input], Claim] | None = None
    ) -> list[ChainTerm]:
        """Return the terms of `∂²u/∂x∂y`: one for each pair of operands, and one for each that is itself curved."""
        known = self.second_totals if known is None else known
        found = list[ChainTerm]()
        for first, second in self.own_second.get(symbol, {}):
            pairs = [(first, second)] if first is second or x is y else [(first, second), (second, first)]
            for v, w in pairs:
                if self._moves(v, x) and self._moves(w, y):
                    inner = tuple((each, (by,)) for each, by in ((v, x), (w, y)) if each is not by)
                    count = 2 if x is y and first is not second else 1
                    found.append(ChainTerm((symbol, first, second), inner, count))
        for operand in self.own[symbol]:
            if (operand, x, y) in known:
                found.append(ChainTerm((symbol, operand), ((operand, (x, y)),)))
        return found

    def _moves(self, operand: Input, by: Input) -> bool:
        return operand is by or (operand, by) in self.totals

    def _value(self, symbol: Input, term: ChainTerm, known: Mapping[tuple[Input, Input, Input], Claim]) -> Node:
        _, *outer = term.outer
        claim = self.own[symbol][outer[0]] if len(outer) == 1 else self.own_second[symbol][outer[0], outer[1]]
        value = claim.right if term.count == 1 else term.count * claim.right
        for operand, by in term.inner:
            value *= (self.totals[operand, by[0]] if len(by) == 1 else known[operand, by[0], by[1]]).right
        return value

    def _times(self, outer: Node, inner: Node) -> Node:
        return outer * inner

    def _collected(self, terms: Sequence[Node]) -> Node:
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return with_powers(simplify(total))

    # The results

    def unfolded(self, claim: Claim) -> Claim | None:
        """Return a claim without the names of the steps; None if it has none of them, or would be long."""
        value = claim.right
        for symbol, stage in reversed(self._stages.items()):
            if stage.name not in self._names:
                (value,) = substitute([value], {symbol: stage.expression})
        if value is claim.right or operation_total(value) > UNFOLDED_LIMIT:
            return None
        return Claim(claim.kind, claim.left, value)

    @property
    def results(self) -> Iterator[tuple[Input, tuple[Input, ...], Claim | None]]:
        """Yield the derivatives of the loss, with what is differentiated and by what; None for zero."""
        loss = self.first.loss
        for x in self.parameters:
            yield loss, (x,), self.totals.get((loss, x))
        for x, y in itertools.combinations_with_replacement(self.parameters, 2):
            yield loss, (x, y), self.second_totals.get((loss, x, y))

    @property
    def claims(self) -> Iterator[Claim]:
        """Yield every claim that is written, those of first order first."""
        yield from self.first.claims
        for firsts in self.own.values():
            yield from firsts.values()
        for seconds in self.own_second.values():
            yield from seconds.values()
        yield from (claim for claim in (*self.totals.values(), *self.second_totals.values()) if is_short(claim))
        for *_, claim in self.results:
            unfolded = None if claim is None else self.unfolded(claim)
            if unfolded is not None:
                yield unfolded

    @property
    def consistent(self) -> tuple[tuple[Input, Node], ...]:
        """The tangents of all quantities, in an order in which each follows from those before."""
        tangents = self._differentials.tangents
        return tuple((tangents[symbol], node) for symbol, node in self._differentials.stages.items())


def is_short(claim: Claim) -> bool:
    """Whether the value of a claim is written out."""
    return operation_total(claim.right) <= CLOSED_LIMIT
