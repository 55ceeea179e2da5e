"""The index form: every equation element by element, with sums over named indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chainrule.calculus import Contribution
from chainrule.derivation.claims import GradientRecord, StageRecord, StepRecord
from chainrule.derivation.document import Block, Equation, Heading, Words
from chainrule.derivation.element_sections import ElementSections
from chainrule.derivation.properties import sums_away
from chainrule.ir import Const, Input, Node
from chainrule.primitives import BigOperator, Infix, Notation, Symbol, indexed


class IndexForm(ElementSections):
    """Writes one record element by element."""

    in_matrices = False

    def body(self) -> list[Block]:
        blocks = super().body()
        return [*self.declared_indices(), *blocks]

    def derivation(self) -> list[Block]:
        blocks: list[Block] = [Heading(self.say("chain rule heading" if self.full else "backward brief"))]
        for step in self.steps:
            blocks += self._step(step)
        return blocks

    def forward(self) -> list[Block]:
        blocks: list[Block] = [Heading(self.say("forward"))]
        for record in self.stages:
            blocks += self.definitions(record.forward.right)
            blocks.append(self.forward_equation(record))
            if record.derivative is not None:
                blocks += [*self.definitions(record.derivative.right), self.derivative(record)]
        return blocks

    def forward_equation(self, record: StageRecord) -> Equation:
        return self.by_elements([Symbol(record.stage.name)], [record.forward.right], of=record.stage.symbol)

    def definition(self, symbol: Input, value: Node) -> Equation:
        return self.by_elements([Symbol(symbol.name)], [value], self.abbreviates(), symbol)

    def derivative(self, record: StageRecord) -> Equation:
        assert record.derivative is not None
        assert record.derivative_symbol is not None
        index = self.indices.indices(record.stage.symbol.type.shape)
        left = self.leaf(record.derivative_symbol, index)
        right = self.element(record.derivative.right, index)
        general = self.reasons.once(self.say("derivative")) if self.full else ()
        return Equation(
            (left, right),
            self.shape(record.stage.symbol.type),
            (general,) if general else (),
            elements=record.derivative.right,
            of=record.derivative_symbol,
        )

    def result_equation(self, gradient: GradientRecord, nodes: Sequence[Node]) -> Equation:
        shown = nodes if self.record.in_steps else nodes[:1]
        cotangent = self._entry(gradient.symbol).cotangent
        return self.by_elements([self.notator.partial(gradient.symbol)], shown, of=cotangent)

    def _step(self, step: StepRecord) -> list[Block]:
        """Derive one gradient element by element: the general chain rule, then the nonzero terms of its sum."""
        entry = step.accumulation
        names = self.names_of(entry.symbol)
        if self.is_given(step):
            index = self.indices.indices(entry.symbol.type.shape)
            sides = tuple(indexed(name, index) for name in names)
            given = entry.cotangent
            words = (self.say("given"),)
            return [Equation(sides, self.shape(entry.symbol.type), words, elements=given, of=given)]
        right = [step.chain.right] if step.merge is None else [step.chain.right, step.merge.right]
        blocks = self.definitions(*right)
        if not self.full:
            reasons = tuple(self.cancellation(step))
            return [*blocks, self.by_elements(names, right[-1:], reasons, entry.cotangent)]
        equation = self.by_elements(names, right, of=entry.cotangent)
        why = (*self._chain_rule(step, equation), *self.cancellation(step))
        return [*blocks, replace(equation, reasons=why), *self.remarks(entry.symbol)]

    def _chain_rule(self, step: StepRecord, equation: Equation) -> list[Words]:
        entry = step.accumulation
        index = self.indices.indices(entry.symbol.type.shape)
        terms = [self._term(contribution, index) for contribution in entry.contributions]
        if not terms:
            return []
        if all(map(self.is_from_loss, entry.contributions)):
            return [self.say("differentiate", Symbol(self.record.loss_name))]
        chain: Notation = terms[0] if len(terms) == 1 else Infix("+", tuple(terms))
        words = self.say("chain rule", chain)
        if sums_away(terms, equation.sides[-1]):
            vanishing = self.reasons.once(self.say("vanishing"))
            if vanishing:
                words = (*words, *self.say("semicolon"), *vanishing)
        return [words]

    def _term(self, contribution: Contribution, index: tuple[Notation, ...]) -> Notation:
        """Return `Σₖ ∂L/∂z[k] · ∂z[k]/∂a[j]`, the sum over every element of the result of the equation."""
        if self.reasons.is_given(contribution):
            return indexed(self.notator.of(contribution.adjoint), index)
        stage, operand = contribution.stage.symbol, contribution.operand
        letters = [entry.name for entry in index if isinstance(entry, Symbol)]
        own = self.indices.indices(stage.type.shape, letters)
        factor = self.notator.quotient(stage, operand, own, index)
        if stage is self.record.loss and self.has_other_uses(contribution):
            factor = self.notator.direct(factor)
        if isinstance(contribution.cotangent, Const):
            return factor
        cotangent = indexed(self.notator.of(contribution.cotangent), own)
        running = tuple(entry for entry in own if isinstance(entry, Symbol))
        product = Infix("·", (cotangent, factor))
        return BigOperator("Σ", running, product) if running else product
