"""The index form: every equation element by element, with sums over named indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chainrule.calculus import Contribution
from chainrule.derivation.document import Block, Equation, Heading, Paragraph, Words
from chainrule.derivation.index_notation import IndexNames, index_notation
from chainrule.derivation.names import name_parts
from chainrule.derivation.properties import sums_away
from chainrule.derivation.record import GradientRecord, StageRecord, StepRecord
from chainrule.derivation.sections import Sections
from chainrule.derivation.words import join
from chainrule.ir import Const, Input, Node
from chainrule.primitives import BigOperator, Infix, Notation, Number, Symbol, indexed


class IndexForm(Sections):
    """Writes one record element by element."""

    in_matrices = False

    def body(self) -> list[Block]:
        record = self.record
        used = {*record.names, *(symbol.name for symbol, _ in record.constants.named)}
        used |= {part for name in used for part in name_parts(name)[1]}  # W_j with an index i is not W with j and i
        self._indices = IndexNames(record.program.dim_names, used)
        blocks = [*self.forward(), Heading(self.say("chain rule heading" if self.full else "backward brief"))]
        for step in self.steps:
            blocks += self._step(step)
        blocks += self.results()
        declared = [
            self.say("runs over", join(self.language, [(letter,) for letter in letters], "list letters"), str(dim))
            for dim, letters in self._indices.runs
        ]
        if not declared:
            return blocks
        return [Paragraph(self.say("index note", join(self.language, declared, "list semicolon"))), *blocks]

    def forward(self) -> list[Block]:
        blocks: list[Block] = [Heading(self.say("forward"))]
        for record in self.stages:
            blocks += self.definitions(record.forward.right)
            blocks.append(self.forward_equation(record))
            if record.derivative is not None:
                blocks += [*self.definitions(record.derivative.right), self.derivative(record)]
        return blocks

    def forward_equation(self, record: StageRecord) -> Equation:
        return self._equation([Symbol(record.stage.name)], [record.forward.right])

    def definition(self, symbol: Input, value: Node) -> Equation:
        return self._equation([Symbol(symbol.name)], [value], self.abbreviates())

    def derivative(self, record: StageRecord) -> Equation:
        assert record.derivative is not None
        assert record.derivative_symbol is not None
        index = self._indices.indices(record.stage.symbol.type.shape)
        left = self._leaf(record.derivative_symbol, index)
        right = self._element(record.derivative.right, index)
        general = self.reasons.once(self.say("derivative")) if self.full else ()
        return Equation(
            (left, right),
            self.shape(record.stage.symbol.type),
            (general,) if general else (),
            elements=record.derivative.right,
        )

    def result_equation(self, gradient: GradientRecord, nodes: Sequence[Node]) -> Equation:
        shown = nodes if self.record.in_steps else nodes[:1]
        return self._equation([self.notator.partial(gradient.symbol)], shown)

    def _equation(self, left: Sequence[Notation], right: Sequence[Node], reasons: tuple[Words, ...] = ()) -> Equation:
        index = self._indices.indices(right[0].type.shape)
        sides = [indexed(name, index) for name in left]
        sides += [self._element(node, index) for node in right]
        return Equation(tuple(dict.fromkeys(sides)), self.shape(right[0].type), reasons, elements=right[0])

    def _step(self, step: StepRecord) -> list[Block]:
        """Derive one gradient element by element: the general chain rule, then the nonzero terms of its sum."""
        entry = step.accumulation
        names = self.names_of(entry.symbol)
        if self.is_given(step):
            index = self._indices.indices(entry.symbol.type.shape)
            sides = tuple(indexed(name, index) for name in names)
            given = entry.cotangent
            return [Equation(sides, self.shape(entry.symbol.type), (self.say("given"),), elements=given)]
        right = [step.chain.right] if step.merge is None else [step.chain.right, step.merge.right]
        blocks = self.definitions(*right)
        if not self.full:
            return [*blocks, self._equation(names, right[-1:], tuple(self.cancellation(step)))]
        equation = self._equation(names, right)
        reasons = [*self._chain_rule(step, equation), *self.cancellation(step)]
        return [*blocks, replace(equation, reasons=tuple(reasons)), *self.remarks(entry.symbol)]

    def _chain_rule(self, step: StepRecord, equation: Equation) -> list[Words]:
        entry = step.accumulation
        index = self._indices.indices(entry.symbol.type.shape)
        terms = [self._term(contribution, index) for contribution in entry.contributions]
        if not terms:
            return []
        if all(map(self.is_from_loss, entry.contributions)):
            return [self.say("differentiate", Symbol(self.record.loss.name))]
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
        own = self._indices.indices(stage.type.shape, letters)
        factor = self.notator.quotient(stage, operand, own, index)
        if stage is self.record.loss and self.has_other_uses(contribution):
            factor = self.notator.direct(factor)
        if isinstance(contribution.cotangent, Const):
            return factor
        cotangent = indexed(self.notator.of(contribution.cotangent), own)
        running = tuple(entry for entry in own if isinstance(entry, Symbol))
        product = Infix("·", (cotangent, factor))
        return BigOperator("Σ", running, product) if running else product

    def _element(self, node: Node, index: Sequence[Notation]) -> Notation:
        return index_notation(node, index, self._leaf, self._indices, whole=self.notator.exact)

    def _leaf(self, node: Node, index: Sequence[Notation]) -> Notation:
        if isinstance(node, Const):
            shown = self.notator.literal(node)
            if node.is_filled or isinstance(shown, Number):
                return shown
            if isinstance(shown, Infix):  # 1 − I
                return Infix(shown.operator, (shown.operands[0], indexed(shown.operands[1], list(index))))
            return indexed(shown, list(index))
        assert isinstance(node, Input)
        return indexed(self.notator.symbol(node), list(index))
