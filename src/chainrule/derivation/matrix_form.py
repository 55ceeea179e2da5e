"""The matrix form: linearization, then transposition, with the transposes in place."""

from __future__ import annotations

from chainrule.calculus import TANGENT
from chainrule.derivation.claims import StepRecord
from chainrule.derivation.document import Block, Equation, Heading, Paragraph
from chainrule.derivation.properties import operation_total
from chainrule.derivation.sections import DERIVATIVE_LIMIT, Sections
from chainrule.ir import Input
from chainrule.primitives import Infix, Notation, Pairing, Partial, Symbol


class MatrixForm(Sections):
    """Writes one record in the matrix form."""

    def derivation(self) -> list[Block]:
        blocks: list[Block] = self._differentials() if self.full else []
        blocks.append(Heading(self.say("backward" if self.full else "backward brief")))
        if self.full:
            loss, anything = Symbol(self.record.loss_name), Symbol("q")
            gradient = Partial(loss, anything)
            mark = self.notator.mark
            change = Infix("=", (Symbol(loss.name, mark), Pairing(gradient, Symbol("q", mark))))
            blocks.append(Paragraph(self.say("backward text", gradient, change, anything)))
        for step in self.steps:
            blocks += self._step(step)
        return blocks

    def _differentials(self) -> list[Block]:
        blocks: list[Block] = [Heading(self.say("differentials")), Paragraph(self.say("differentials text"))]
        for record in self.stages:
            if record.differential is not None:
                blocks += self.definitions(record.differential.right)
                stage = record.stage.symbol
                left = self.notator.tangent(stage)
                right = self.notator.of(record.differential.right, explicit=True)
                shape, of = self.shape(stage.type), Input(TANGENT + stage.name, stage.type)
                blocks.append(Equation((left, right), shape, node=record.differential.right, of=of))
            if record.derivative is not None:
                blocks += [*self.definitions(record.derivative.right), self.derivative(record)]
        return blocks

    def _step(self, step: StepRecord) -> list[Block]:
        """Derive one gradient, with the reason for each of its terms."""
        entry = step.accumulation
        names = self.names_of(entry.symbol)
        if self.is_given(step):
            given = entry.cotangent
            return [Equation(tuple(names), self.shape(entry.symbol.type), (self.say("given"),), given, of=given)]
        blocks = self.definitions(step.chain.right, *([] if step.merge is None else [step.merge.right]))
        chain = self.notator.of(step.chain.right, explicit=True)
        merged = None if step.merge is None else self.notator.of(step.merge.right, explicit=True)
        if self.full:
            sides = [*names, chain, *([] if merged is None else [merged])]
            reasons = [*self.reasons.of_step(entry.contributions, entry.symbol), *self.cancellation(step)]
            return [
                *blocks,
                Equation(tuple(sides), self.shape(entry.result), tuple(reasons), step.chain.right, of=entry.cotangent),
                *self.remarks(entry.symbol),
            ]
        sides = [*names, chain if merged is None else merged]
        if merged is None:
            lines, more = self._derivatives_in_brief(step)
            blocks += lines
            sides += more
        phrase = self.reasons.in_brief(entry.contributions)
        reasons = [*([phrase] if phrase else []), *self.cancellation(step)]
        shape, why = self.shape(entry.result), tuple(reasons)
        return [*blocks, Equation(tuple(sides), shape, why, step.chain.right, of=entry.cotangent)]

    def _derivatives_in_brief(self, step: StepRecord) -> tuple[list[Block], list[Notation]]:
        """Write σ′(z) as a further side if it is short, otherwise on a line of its own."""
        blocks: list[Block] = []
        further: list[Notation] = []
        for record in self.derivatives_of(step):
            assert record.derivative is not None
            short = operation_total(record.derivative.right) <= DERIVATIVE_LIMIT
            if short and len(step.accumulation.contributions) == 1:
                (contribution,) = step.accumulation.contributions
                further.append(self.notator.of(self.record.short(contribution.adjoint), explicit=True))
            else:
                blocks += [*self.definitions(record.derivative.right), self.derivative(record)]
        return blocks, further
