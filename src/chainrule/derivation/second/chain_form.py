"""The document of second derivatives path by path: the derivatives of each equation, and the chain rule with them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import ClassVar

from chainrule.derivation.claims import Claim
from chainrule.derivation.document import Block, Detail, Equation, Heading, Paragraph, Words
from chainrule.derivation.notator import Notator
from chainrule.derivation.second.chains import ChainTerm, SecondChains, is_short
from chainrule.derivation.second.sections import FurtherSections, framed
from chainrule.derivation.valuation import Valuation
from chainrule.ir import Input
from chainrule.primitives import Infix, Notation, Number, Partial, PowerNotation, SecondPartial, Symbol
from chainrule.words import Language


class ChainNotator(Notator):
    """Writes ∂u/∂v and ∂²u/∂v∂w, marked as direct where v also acts through other operands of u."""

    def __init__(self, chains: SecondChains) -> None:
        super().__init__(chains.first)
        self._chains = chains

    def of_equation(self, symbol: Input, *by: Input) -> Notation:
        """Return the derivative of one equation, its other operands held."""
        found = self.of_chain(symbol, *by)
        return self.direct(found) if any(self._chains.is_direct(symbol, each) for each in by) else found

    def of_chain(self, symbol: Input, *by: Input) -> Notation:
        """Return the derivative of a quantity along all chains."""
        of, names = Symbol(symbol.name), tuple(Symbol(each.name) for each in by)
        if len(by) == 1:
            return Partial(of, names[0])
        return SecondPartial(of, (PowerNotation(names[0], Number(2)),) if by[0] is by[1] else names)

    def term(self, term: ChainTerm) -> Notation:
        """Return one term of a second derivative."""
        symbol, *by = term.outer
        factors = [self.of_equation(symbol, *by)]
        inner = [self.of_chain(operand, *each) for operand, each in term.inner]
        if len(inner) == 2 and inner[0] == inner[1]:
            inner = [PowerNotation(inner[0], Number(2))]
        factors += inner
        product = factors[0] if len(factors) == 1 else Infix("·", tuple(factors))
        return product if term.count == 1 else Infix("", (Number(term.count), product))


class ChainForm(FurtherSections):
    """Writes the second derivatives of one loss between numbers, chain by chain."""

    times: ClassVar[str] = "·"
    """The sign between the factors of a chain."""

    def __init__(
        self, chains: SecondChains, language: Language, detail: Detail = "full", values: Valuation | None = None
    ) -> None:
        super().__init__(chains.first, language, detail, False, values)
        self.chains = chains
        self.notator: ChainNotator = ChainNotator(chains)

    def title(self) -> Words:
        return self.say("second title", self.subject())

    def deltas(self) -> list[Block]:
        return []

    def sections(self) -> list[Block]:
        blocks = [*self.forward(), Heading(self.say("factors"))]
        if self.full:
            blocks += self._direct()
        for symbol in reversed(list(self.chains.own)):
            blocks += self._own(symbol)
        blocks.append(Heading(self.say("chains")))
        if self.full:
            blocks.append(Paragraph(self.rule()))
        for symbol in self.chains.own:
            if not all(operand in self.chains.parameters for operand in self.chains.own[symbol]):
                blocks += self._totals(symbol)
        return [*blocks, Heading(self.say("second results")), framed(self._results())]

    def rule(self) -> Words:
        """State the chain rule."""
        return self.say("second chains")

    def _direct(self) -> list[Block]:
        """Explain the first derivative that is marked as direct."""
        for symbol, firsts in reversed(list(self.chains.own.items())):
            for operand in firsts:
                if self.chains.is_direct(symbol, operand):
                    marked = self.notator.of_equation(symbol, operand)
                    names = Symbol(symbol.name), Symbol(operand.name)
                    return [Paragraph(self.say("direct in equation", marked, *names))]
        return []

    def _own(self, symbol: Input) -> list[Block]:
        """Write the derivatives of one equation."""
        blocks: list[Block] = []
        for operand, claim in self.chains.own[symbol].items():
            blocks += self._valued([self.notator.of_equation(symbol, operand)], claim)
        for by, claim in self.chains.own_second.get(symbol, {}).items():
            blocks += self._valued([self.notator.of_equation(symbol, *by)], claim)
        return blocks

    def _totals(self, symbol: Input) -> list[Block]:
        """Write the derivatives of one quantity by the parameters, as sums of products of those of the equations."""
        blocks: list[Block] = []
        parameters = self.chains.parameters
        for x in parameters:
            if (symbol, x) in self.chains.totals:
                terms = [self._first_term(symbol, operand, x) for operand in self.chains.own[symbol]]
                total = _sum([term for term in terms if term is not None])
                blocks += self._valued([self.notator.of_chain(symbol, x), total], self.chains.totals[symbol, x])
        for x, y in itertools.combinations_with_replacement(parameters, 2):
            claim = self.chains.second_totals.get((symbol, x, y))
            if claim is not None:
                total = _sum([self.notator.term(term) for term in self.chains.terms(symbol, x, y)])
                blocks += self._valued([self.notator.of_chain(symbol, x, y), total], claim)
        return blocks

    def _first_term(self, symbol: Input, operand: Input, x: Input) -> Notation | None:
        if operand is x:
            return self.notator.of_equation(symbol, x)
        if (operand, x) not in self.chains.totals:
            return None
        return Infix(self.times, (self.notator.of_equation(symbol, operand), self.notator.of_chain(operand, x)))

    def _valued(self, sides: list[Notation], claim: Claim) -> list[Block]:
        """Write an equation, with its value if that is short."""
        if is_short(claim):
            return self.line(sides, self.chains.first.short(claim.right))
        return [Equation(tuple(dict.fromkeys(sides)), self.shape(claim.right.type))]

    def _results(self) -> list[Block]:
        rows: list[Block] = []
        for symbol, by, claim in self.chains.results:
            left = self.notator.of_chain(symbol, *by)
            if claim is None:
                rows.append(Equation((left, Number(0)), self.shape(symbol.type)))
            elif is_short(claim):
                unfolded = self.chains.unfolded(claim)
                nodes = [each.right for each in (claim, unfolded) if each is not None]
                rows += self.line([left], *map(self.chains.first.short, nodes))
        return rows


class VectorChainForm(ChainForm):
    """Writes the Jacobians of a function between vectors, chain by chain."""

    times = ""

    def title(self) -> Words:
        return self.say("Jacobian title", self.subject())

    def upstream(self, given: Sequence[Input]) -> list[Block]:
        return []

    def rule(self) -> Words:
        symbol, (x,), _ = next(iter(self.chains.results))
        change = Infix("", (self.notator.of_chain(symbol, x), self.notator.tangent(x)))
        parts = Infix("=", (self.notator.tangent(symbol), change)) if len(self.chains.parameters) == 1 else change
        return self.say("vector chains", parts)


def _sum(terms: list[Notation]) -> Notation:
    return terms[0] if len(terms) == 1 else Infix("+", tuple(terms))
