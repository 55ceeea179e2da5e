"""The chain rule path by path: the factors, and the chains that they form."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from chainrule.calculus import Accumulation, Contribution, simplify, with_powers
from chainrule.derivation.claims import Claim, GradientRecord, StageRecord
from chainrule.derivation.document import Block, Equation, Heading, Paragraph, Words
from chainrule.derivation.naming import is_activation
from chainrule.derivation.properties import operation_total
from chainrule.derivation.sections import WRITTEN_OUT_LIMIT, Sections
from chainrule.derivation.upstream import is_upstream
from chainrule.ir import Apply, Input, Node, applies, substitute, topological_order
from chainrule.primitives import (
    Broadcast,
    Call,
    Contract,
    Fraction,
    Infix,
    Multiply,
    Notation,
    Number,
    Permute,
    Symbol,
)

CHAINS_LIMIT = 4
"""The number of chains to a parameter above which they are grouped at the quantities where they meet."""
FACTORS_LIMIT = 8
"""The number of factors above which a chain begins with the gradient of an intermediate quantity."""
FACTORS_KEPT = 5


class PathForm(Sections):
    """Writes one record path by path."""

    def derivation(self) -> list[Block]:
        self._entries = {entry.symbol: entry for entry in self.record.backward.accumulations}
        self._meetings: set[Input] = set()
        self._introduced: set[Input] = set()
        blocks: list[Block] = [Heading(self.say("factors"))]
        marked = self._direct_part()
        if marked is not None:
            loss, operand = Symbol(self.record.loss_name), Symbol(marked.operand.name)
            blocks.append(Paragraph(self.say("direct in equation", self.factor(marked), loss, operand)))
        for stage in reversed(self.stages if self.record.is_layer else list(self.record.stages)):
            blocks += self._factors(stage)
        if not self.full:
            return [*blocks, Heading(self.say("chains")), *self._chains_in_brief()]
        gathered = self._gathered()
        blocks.append(Heading(self.say("chains")))
        for symbol in gathered:
            blocks += [*self._gather(symbol), *self.remarks(symbol)]
        for gradient in self.record.gradients:
            blocks += [*self._chains(gradient), *self.remarks(gradient.symbol)]
        shown = {*gathered, *self.record.backward.wrt}
        for entry in self.record.backward.accumulations:
            if entry.symbol not in shown:
                blocks += self.remarks(entry.symbol)
        return blocks

    def _direct_part(self) -> Contribution | None:
        """Return the direct contribution of the loss to a quantity on which it also depends through others, or None."""
        for entry in self.record.backward.accumulations:
            for contribution in entry.contributions:
                if (
                    len(entry.contributions) > 1
                    and self.is_loss(contribution.stage.symbol)
                    and not self.reasons.is_given(contribution)
                ):
                    return contribution
        return None

    # Factors

    def _factors(self, record: StageRecord) -> list[Block]:
        """Write ∂stage/∂operand for every operand: a value for the loss and for activations, otherwise a pairing."""
        blocks: list[Block] = self._delta(record.stage.symbol)
        for contribution, entry in self._links_of(record):
            blocks += self._factor(record, contribution, entry)
        return blocks

    def _links_of(self, record: StageRecord) -> list[tuple[Contribution, Accumulation]]:
        """Return the contributions of an equation: parameters first, but those of the loss as its operands stand."""
        entries = [step.accumulation for step in self.record.steps]
        found = [(c, entry) for entry in entries for c in entry.contributions if c.stage is record.stage]
        parameters = set() if self.is_loss(record.stage.symbol) else set(self.record.backward.wrt)
        operands = record.stage.operands
        rest = [link for link in found if link[0].operand not in parameters]
        rest.sort(key=lambda link: operands.index(link[0].operand))
        return [*(link for link in found if link[0].operand in parameters), *rest]

    def _delta(self, symbol: Input) -> list[Block]:
        """Write `δ2 = ∂L/∂z2 = ∂L/∂a2 · ∂a2/∂z2 = …` before its first use, unless a factor has introduced it."""
        if symbol in self._introduced or self.is_loss(symbol):
            return []
        step = next((each for each in self.record.steps if each.accumulation.symbol is symbol), None)
        if step is None or not step.accumulation.contributions:
            return []
        if step.merge is None and symbol not in self.notator.delta_symbols:
            return []
        self._introduced.add(symbol)
        value = step.chain.right if step.merge is None else step.merge.right
        terms = [self._link(contribution) for contribution in step.accumulation.contributions]
        total: Notation = terms[0] if len(terms) == 1 else Infix("+", tuple(terms))
        sides = dict.fromkeys((*self.names_of(symbol), total, self.notator.of(value, explicit=True)))
        why = tuple(self.cancellation(step))
        return [
            *self.definitions(value),
            Equation(tuple(sides), self.shape(value), why, value, of=step.accumulation.cotangent),
        ]

    def _link(self, contribution: Contribution) -> Notation:
        """Return ∂L/∂stage · ∂stage/∂operand."""
        factor = self.factor(contribution)
        return (
            factor if self.is_from_loss(contribution) else Infix("·", (self.notator.of(contribution.cotangent), factor))
        )

    def _introduced_by(self, entry: Accumulation) -> list[Notation]:
        """Return the names of a gradient that is a single factor; those of a parameter are written with its chain."""
        if len(entry.contributions) > 1 or entry.merged is not None or entry.symbol in self.record.backward.wrt:
            return []
        self._introduced.add(entry.symbol)
        return self.names_of(entry.symbol)

    def _factor(self, record: StageRecord, contribution: Contribution, entry: Accumulation) -> list[Block]:
        factor, shape = self.factor(contribution), self.shape(contribution.operand.type)
        if self.is_from_loss(contribution):
            node = entry.chain if len(entry.contributions) == 1 else self.record.write_out(contribution.adjoint)
            names = list(dict.fromkeys((*self._introduced_by(entry), factor)))
            of = entry.cotangent if len(entry.contributions) == 1 else None
            return self._equation(names, node, shape, contribution, of)
        if record.derivative is not None and record.derivative_symbol is not None:
            sides = [factor, self.notator.symbol(record.derivative_symbol)]
            change = self.notator.tangent(record.stage.symbol)
            linear_map = self.notator.of(self.record.linear_map(contribution), explicit=True)
            why = self.say("because", Infix("=", (change, linear_map)))
            general = self.reasons.once(self.say("elementwise")) if contribution.operand.type.shape else ()
            if general:
                why = (*why, *self.say("semicolon"), *general)
            blocks = self.definitions(record.derivative.right)
            value = self.notator.of(record.derivative.right)
            reasons = (why,) if self.full else ()
            of = record.derivative_symbol
            return [*blocks, Equation((*sides, value), shape, reasons, record.derivative.right, of=of)]
        link = self.record.links.get(contribution)
        if link is not None:
            return self._derivative(record, contribution, link)
        adjoint = self.record.adjoint(contribution)
        introduced = self._introduced_by(entry)
        of = entry.cotangent if introduced else None
        return self._equation([*introduced, self._link(contribution)], adjoint, self.shape(adjoint), contribution, of)

    def _derivative(self, record: StageRecord, contribution: Contribution, link: Claim) -> list[Block]:
        """Write ∂u/∂v as the coefficient of dv in the differential."""
        change = self.notator.tangent(record.stage.symbol)
        linear_map = self.notator.of(self.record.linear_map(contribution), explicit=True)
        several = len(record.stage.operands) > 1
        why = self.say("loss term", change, self.notator.tangent(contribution.operand), linear_map) if several else ()
        why = why or self.say("because", Infix("=", (change, linear_map)))
        value = self.notator.of(link.right, explicit=True)
        equation = Equation((self.factor(contribution), value), self.shape(link.right), (why,), link.right)
        return [*self.definitions(link.right), equation if self.full else replace(equation, reasons=())]

    def result(self, gradient: GradientRecord) -> list[Node]:
        found = self.written_out(gradient)
        if (self.record.links or self._is_of_numbers) and found:
            return list(dict.fromkeys(map(self._in_one_notation, found if self.full else found[:1])))
        found = super().result(gradient)
        if not self.record.in_steps:
            return found
        collected = [node for node in found if self._partials.isdisjoint(topological_order([node]))]
        return collected or found

    @functools.cached_property
    def _partials(self) -> frozenset[Node]:
        """The gradients ∂L/∂u by quantities between, which have no name of their own, as δ is."""
        named = {*self.notator.delta_symbols.values(), *filter(is_upstream, self.record.program.inputs)}
        return self.record.cotangents - named

    @functools.cached_property
    def _is_of_numbers(self) -> bool:
        """Whether the forward pass is split into steps between numbers."""
        return self.record.in_steps and not any(stage.symbol.type.shape for stage in self.record.backward.stages)

    @functools.cached_property
    def _derivatives(self) -> dict[Node, Node]:
        """The values of σ′(z), where the loss is such a function itself, whose derivative is written by its value."""
        of_loss = self.record.stages[-1].stage.expression
        if not self._is_of_numbers or not isinstance(of_loss, Apply) or not is_activation(of_loss.primitive):
            return {}
        return {
            self.record.derivative_symbols[stage]: self.record.short(value)
            for stage, value in self.record.activation_factors.items()
        }

    def _in_one_notation(self, node: Node) -> Node:
        """Return a product of derivatives either all by their names, as σ′(z), or all by their values."""
        (found,) = substitute([node], self._derivatives)
        return found

    def _value(self, gradient: GradientRecord) -> Node:
        """Return the value of the product of a chain."""
        unfolded = None if gradient.unfolded is None else self._in_one_notation(gradient.unfolded.right)
        found = self.result(gradient)
        return [node for node in found if node is not unfolded or len(found) == 1][-1]

    def _equation(
        self, sides: list[Notation], value: Node, shape: str, contribution: Contribution, of: Input | None
    ) -> list[Block]:
        short = self.record.short(value)
        written = self.notator.of(short, explicit=True)
        if self.full:
            reasons = [self.reasons.of(contribution)]
        else:
            reasons = [phrase for phrase in [self.reasons.in_brief((contribution,))] if phrase]
        return [*self.definitions(short), Equation((*sides, written), shape, tuple(reasons), short, of=of)]

    # Chains

    def _tail(self, symbol: Input) -> tuple[Input, list[Contribution]]:
        """Return the last quantity where chains to `symbol` meet, or the loss, and the contributions from there on."""
        tail: list[Contribution] = []
        while not self.is_loss(symbol) and len(self._entries[symbol].contributions) == 1:
            (contribution,) = self._entries[symbol].contributions
            tail.insert(0, contribution)
            symbol = contribution.stage.symbol
        return symbol, tail

    def _is_gathered(self, gradient: GradientRecord) -> bool:
        too_many = gradient.path_count > CHAINS_LIMIT or not gradient.paths
        return too_many or self._tail(gradient.symbol)[0] in self._meetings

    def _gathered(self) -> list[Input]:
        """Return the quantities where too many chains meet, from the loss backwards."""
        pending = [gradient.symbol for gradient in self.record.gradients if self._is_gathered(gradient)]
        found = self._meetings
        while pending:
            meeting, _ = self._tail(pending.pop())
            if self.is_loss(meeting) or meeting in found:
                continue
            found.add(meeting)
            pending += [c.stage.symbol for c in self._entries[meeting].contributions]
        wanted = found - set(self.record.backward.wrt)
        return [entry.symbol for entry in self.record.backward.accumulations if entry.symbol in wanted]

    def _gather(self, symbol: Input) -> list[Block]:
        """Write `∂L/∂R = ∂L/∂Y · ∂Y/∂R + …`, where chains meet; a term is for all chains through a Y."""
        entry = self._entries[symbol]
        terms = tuple(self._folded(contribution) for contribution in entry.contributions)
        total = terms if len(terms) < 2 else (Infix("+", terms),)
        value = self.record.short(entry.result)
        partial = self.notator.partial(symbol)
        sides = tuple(dict.fromkeys((*self.names_of(symbol), *total, self.notator.of(value, explicit=True))))
        why = self.reasons.once(self.say("folded terms"))
        return [
            Heading(self.say("meeting", partial, str(len(terms))), 3),
            *self.definitions(value),
            Equation(sides, self.shape(symbol.type), (why,) if why else (), value, of=entry.cotangent),
        ]

    def _folded(self, contribution: Contribution) -> Notation:
        """Replace the factors before a contribution by ∂L/∂q, where q is the last quantity where chains meet."""
        meeting, tail = self._tail(contribution.stage.symbol)
        factors = [self.factor(each) for each in (*tail, contribution)]
        if not self.is_loss(meeting):
            factors.insert(0, self.notator.of(self._entries[meeting].cotangent))
        return factors[0] if len(factors) == 1 else Infix("·", tuple(factors))

    def _chains(self, gradient: GradientRecord) -> list[Block]:
        partial = self.notator.partial(gradient.symbol)
        loss, symbol = Symbol(self.record.loss_name), Symbol(gradient.symbol.name)
        entry = self._entries[gradient.symbol]
        if not entry.contributions:  # the loss does not depend on it
            return []
        if self._is_gathered(gradient):
            if len(entry.contributions) > 1:
                return self._gather(gradient.symbol)
            value = self.record.short(entry.result)
            folded = self._folded(entry.contributions[0])
            title = self.say("chains folded", partial, str(gradient.path_count))
            sides: tuple[Notation, ...] = (partial, folded, self.notator.of(value, explicit=True))
            return [
                Heading(title, 3),
                *self.definitions(value),
                Equation(sides, self.shape(value), node=value, of=entry.cotangent),
            ]
        if len(gradient.paths) == 1:
            return [Heading(self.say("chain of", partial), 3), *self._chain(gradient)]
        title = self.say("chains of", partial, str(len(gradient.paths)), loss, symbol)
        blocks: list[Block] = [Heading(title, 3)]
        for path in gradient.paths:
            product = _product([self.factor(each) for each in path.contributions])
            value = self._in_one_notation(path.claim.right)
            if operation_total(value) > WRITTEN_OUT_LIMIT:
                blocks.append(Equation((product,), self.shape(gradient.symbol.type)))
                continue
            blocks += self.definitions(value)
            sides = (product, *self._multiplied(path.contributions, value), self.notator.of(value, explicit=True))
            blocks.append(Equation(tuple(dict.fromkeys(sides)), self.shape(value), node=value))
        total = self._value(gradient) if self.record.links else self.record.short(entry.result)
        added = Equation(
            (partial, self.notator.of(total, explicit=True)),
            self.shape(total),
            (self.say("sum of chains"),),
            total,
            of=entry.cotangent,
        )
        return [*blocks, *self.definitions(total), added]

    def _chain(self, gradient: GradientRecord) -> list[Block]:
        """Write the single chain to a parameter, with its first factors combined if it is long."""
        (path,) = gradient.paths
        partial = self.notator.partial(gradient.symbol)
        contributions = list(path.contributions)
        reasons: list[Words] = []
        factors = [self.factor(each) for each in contributions]
        if len(factors) > FACTORS_LIMIT:
            folded = len(factors) - FACTORS_KEPT
            head = contributions[folded - 1].operand
            cotangent = self.notator.of(self._entries[head].cotangent)
            reasons.append(self.say("folds", cotangent, str(folded), self.notator.partial(head)))
            factors = [cotangent, *factors[folded:]]
        value = self._value(gradient)
        multiplied = self._multiplied(path.contributions, value)
        sides = (partial, _product(factors), *multiplied, self.notator.of(value, explicit=True))
        return [
            *self.definitions(value),
            Equation(
                tuple(dict.fromkeys(sides)),
                self.shape(value),
                tuple(reasons),
                value,
                of=self._entry(gradient.symbol).cotangent,
            ),
        ]

    def _multiplied(self, contributions: Sequence[Contribution], value: Node) -> list[Notation]:
        """Return the values of the factors of a chain as a product, and collected, if each is a number or elementwise.

        Factors of 1 are left out. There is none if fewer than two others are left, or if `value` has the same factors.
        What is collected has no further names of the forward pass, as `value` does.
        """
        names = set(self.record.derivative_symbols.values()) & set(topological_order([value]))
        by_name = bool(names) or not self._is_of_numbers
        values = [self._value_of_factor(contribution, by_name) for contribution in contributions]
        factors = [each for each in values if each is not None and self.notator.of(each) != Number(1)]
        if None in values or not 1 < len(factors) <= FACTORS_LIMIT or len({each.type.shape for each in factors}) > 1:
            return []
        if any(applies(part, Broadcast, Contract, Permute) for part in topological_order(factors)):
            return []
        product = Infix("⊙" if value.type.shape else "·", tuple(map(self._beside, factors)))
        if _factors_in(product) == _factors_in(self.notator.of(value, explicit=True)):
            return []
        collected = with_powers(simplify(functools.reduce(Multiply(), factors)))
        written = self.notator.of(collected, explicit=True)
        return [product] if _factors_in(product) == _factors_in(written) else [product, written]

    def _beside(self, node: Node) -> Notation:
        """Write a factor beside others, a fraction in brackets, lest 1/u in front be read as a size, as in (1/n) x."""
        written = self.notator.of(node)
        return Call("", (written,)) if isinstance(written, Fraction) and not node.type.shape else written

    def _value_of_factor(self, contribution: Contribution, by_name: bool) -> Node | None:
        """Return ∂stage/∂operand as it is written among the factors, or None if it is not elementwise."""
        if self.is_from_loss(contribution):
            return self.record.short(self.record.write_out(contribution.adjoint))
        if contribution.stage.symbol.type.shape != contribution.operand.type.shape:
            return None
        if contribution.stage in self.record.derivative_symbols:
            factor = self.record.derivative_symbols[contribution.stage]
            return factor if by_name else self.record.short(self.record.activation_factors[contribution.stage])
        link = self.record.links.get(contribution)
        return None if link is None else link.right

    def _chains_in_brief(self) -> list[Block]:
        """Write each gradient as the product, or the sum of products, of its last factors, and the result."""
        blocks: list[Block] = []
        written_out = {gradient.symbol: gradient.written_out.right for gradient in self.record.gradients}
        for symbol in [*self._gathered_in_brief(), *self.record.backward.wrt]:
            entry = self._entries[symbol]
            if not entry.contributions:
                continue
            terms = tuple(self._folded(contribution) for contribution in entry.contributions)
            total: Notation = terms[0] if len(terms) == 1 else Infix("+", terms)
            sides = tuple(dict.fromkeys((*self.names_of(symbol), total)))
            if len(sides) == 1:  # the factor is the gradient
                continue
            value = written_out.get(symbol)
            if value is None or operation_total(value) > WRITTEN_OUT_LIMIT:
                value = self.record.short(entry.result)
            blocks += self.definitions(value)
            sides = tuple(dict.fromkeys((*sides, self.notator.of(value, explicit=True))))
            blocks.append(Equation(sides, self.shape(value), node=value, of=entry.cotangent))
        return blocks

    def _gathered_in_brief(self) -> list[Input]:
        wanted = {self._tail(symbol)[0] for symbol in self.record.backward.wrt} - {self.record.loss}
        pending = list(wanted)
        while pending:
            for contribution in self._entries[pending.pop()].contributions:
                meeting, _ = self._tail(contribution.stage.symbol)
                if not self.is_loss(meeting) and meeting not in wanted:
                    wanted.add(meeting)
                    pending.append(meeting)
        wanted -= set(self.record.backward.wrt)
        return [entry.symbol for entry in self.record.backward.accumulations if entry.symbol in wanted]


def _product(factors: list[Notation]) -> Notation:
    return factors[0] if len(factors) == 1 else Infix("·", tuple(factors))


def _factors_in(notation: Notation) -> list[object]:
    """Return the factors of a product in a row; a sum is equal to one in another order."""
    if not isinstance(notation, Infix) or notation.operator not in ("", "·", "⊙", "+"):
        return [notation]
    if notation.operator == "+":
        terms = (frozenset(Counter(_factors_in(term)).items()) for term in notation.operands)
        return [frozenset(Counter(terms).items())]
    return [factor for operand in notation.operands for factor in _factors_in(operand)]
