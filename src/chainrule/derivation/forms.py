"""A record as a document, in one of three forms: the matrix form, the chain rule path by path, the index form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from chainrule.calculus import RULES, Contribution
from chainrule.derivation.document import Block, Box, Detail, Document, Equation, Heading, Paragraph, Words
from chainrule.derivation.index_form import IndexNames, index_notation
from chainrule.derivation.legend import legend, repetition_legend
from chainrule.derivation.notate import Notator, literal, product_shapes, shape_of
from chainrule.derivation.reading import (
    one_hot_remark,
    operation_total,
    operations_on,
    product_shapes_of_stage,
    repeated_sizes,
    sums_away,
)
from chainrule.derivation.record import GradientRecord, Record, StageRecord, StepRecord
from chainrule.derivation.upstream import is_upstream
from chainrule.derivation.words import Language, join, say
from chainrule.functions import RNG_SEED, RNG_STEP
from chainrule.ir import Apply, Const, Input, Node, topological_order
from chainrule.primitives import (
    BigOperator,
    Broadcast,
    Call,
    Contract,
    Indexed,
    Infix,
    Notation,
    Pairing,
    Partial,
    Reshape,
    Softmax,
    Sum,
    Symbol,
    indexed,
)

Form: TypeAlias = Literal["path", "matrix", "index"]
FORMS: Final = ("path", "matrix", "index")

WRITTEN_OUT_LIMIT = 14
"""A gradient with more operations than this stays in terms of δ in the summary."""
FOLDED_LIMIT = 40
"""A chain with more operations than this ends in δ, not in the written-out product."""


class Writer:
    """Writes one record in one language."""

    def __init__(self, record: Record, language: Language, detail: Detail = "full") -> None:
        self.record = record
        self.language = language
        self.detail = detail
        self.notator = Notator(record)
        self._said: set[Words] = set()
        self._active = {entry.symbol for entry in record.backward.accumulations}

    def document(self, form: Form) -> Document:
        """The whole derivation in one form; a general remark is made once, where it first applies."""
        self._said.clear()
        body = {"matrix": self._matrix, "path": self._path, "index": self._index}[form]()
        return Document((*self._opening(body), *body), self.language)

    def _say(self, key: str, *parts: str | Notation | Words) -> Words:
        return say(self.language, key, *parts)

    # What every form begins with

    def _opening(self, body: list[Block]) -> list[Block]:
        loss = Symbol(self.record.loss.name)
        blocks: list[Block] = [Heading(self._say("title", loss), 1)]
        named = [node for node in self.record.program.inputs if node.name not in (RNG_SEED, RNG_STEP)]
        shapes = [self._shape_words(node) for node in named if not is_upstream(node)]
        blocks.append(Paragraph(self._say("shapes", join(self.language, shapes))))
        given: list[Words] = [(self.notator.of(node),) for node in named if is_upstream(node)]
        if given:
            blocks.append(Paragraph(self._say("upstream", join(self.language, given), loss)))
        recognized = [(identity,) for identity in self._recognized()]
        if recognized:
            blocks.append(Paragraph(self._say("recognized", join(self.language, list(recognized), "list semicolon"))))
        convention = self._convention()
        if convention is not None:
            blocks.append(Paragraph(convention))
        marks = legend(body, self.language)
        if marks:
            blocks.append(Paragraph(self._say("legend", join(self.language, marks, "list semicolon"))))
        repetition = repetition_legend(body, self.language)
        if repetition is not None:
            blocks.append(Paragraph(repetition))
        deltas: list[Words] = [
            (Infix("=", (self.notator.of(cotangent), self.notator.partial(symbol))),)
            for symbol, cotangent in reversed(self.notator.delta_symbols.items())
        ]
        if deltas:
            blocks.append(Paragraph(self._say("delta", join(self.language, deltas))))
        return blocks

    def _recognized(self) -> list[Notation]:
        """Each identity by which a function written by hand was recognised, on the rule's own example."""
        used = {rewrite.rule for rewrite in self.record.recognitions}
        identities: list[Notation] = []
        for entry in RULES:
            if entry.name in used:
                example = entry.examples()[0]
                assert isinstance(example, Apply)
                after = entry.rewrite(example)
                assert after is not None
                identities.append(Infix("=", (self.notator.of(example), self.notator.of(after))))
        return identities

    def _shape_words(self, node: Input) -> Words:
        if node.type.ndim == 1:
            return self._say("length of", Symbol(node.name), shape_of(node.type))
        return self._say("shape of", Symbol(node.name), shape_of(node.type) or self._say("scalar"))

    def _convention(self) -> Words | None:
        """Which way round samples lie, read off the first product of data with a parameter."""
        parameters = set(self.record.backward.wrt)
        data = set(self.record.program.inputs) - parameters
        for stage in self.record.backward.stages:
            for node in topological_order([stage.expression]):
                if not isinstance(node, Apply) or not isinstance(node.primitive, Contract) or len(node.operands) != 2:
                    continue
                left, right = node.operands
                shown = self.notator.of(node)
                if left in data and right in parameters and left.type.ndim == 2 and node.primitive.output[:1] == (0,):
                    return self._say("rows", self.notator.of(left), shown)
                if left in parameters and right in data and left.type.ndim == 2 and right.type.ndim <= 2:
                    several = right.type.ndim == 2 and right.type.shape[1] != 1
                    return self._say("columns of a batch" if several else "columns", self.notator.of(right), shown)
        return None

    def _forward(self) -> list[Block]:
        blocks: list[Block] = [Heading(self._say("forward"))]
        for record in self.record.stages:
            stage = record.stage
            sides = (Symbol(stage.name), self.notator.of(stage.expression))
            blocks.append(Equation(sides, product_shapes_of_stage(stage)))
        return blocks

    def _differentials(self) -> list[Block]:
        blocks: list[Block] = [Heading(self._say("differentials")), Paragraph(self._say("differentials text"))]
        for record in self.record.stages:
            if record.differential is not None:
                left = Symbol(record.stage.name, "d")
                right = self.notator.of(record.differential.right, explicit=True)
                blocks.append(Equation((left, right), shape_of(record.stage.symbol.type)))
            if record.derivative is not None:
                blocks.append(self._derivative(record))
        return blocks

    def _derivative(self, record: StageRecord) -> Equation:
        assert record.derivative is not None
        assert record.derivative_symbol is not None
        sides = (self.notator.symbol(record.derivative_symbol), self.notator.of(record.derivative.right))
        return Equation(sides, shape_of(record.stage.symbol.type), (self._say("derivative"),))

    # The matrix form

    def _matrix(self) -> list[Block]:
        loss, anything = Symbol(self.record.loss.name), Symbol("q")
        gradient = Partial(loss, anything)
        change = Infix("=", (Symbol(loss.name, "d"), Pairing(gradient, Symbol("q", "d"))))
        blocks = [*self._forward(), *self._differentials(), Heading(self._say("backward"))]
        blocks.append(Paragraph(self._say("backward text", gradient, change, anything)))
        blocks += [self._step(step) for step in self.record.steps]
        return [*blocks, *self._results()]

    def _step(self, step: StepRecord) -> Equation:
        """One gradient, with the reason for each of its terms."""
        entry = step.accumulation
        if step.chain.right is entry.cotangent:
            return Equation(
                tuple(self._names_of(entry.symbol)), shape_of(entry.symbol.type), (self._say("upstream step"),)
            )
        chain = self.notator.of(step.chain.right, explicit=True)
        sides = [*self._names_of(entry.symbol), chain]
        reasons: list[Words] = []
        if not entry.contributions:
            reasons.append(self._say("seed"))
        for contribution in entry.contributions:
            why = self._reason(contribution)
            if len(entry.contributions) > 1:
                why = self._say("from", Symbol(contribution.stage.name), why)
            reasons.append(why)
        if len(entry.contributions) > 1:
            reasons.append(self._say("several uses", Symbol(entry.symbol.name), str(len(entry.contributions))))
        if step.merge is not None:
            sides.append(self.notator.of(step.merge.right, explicit=True))
            reasons.append(self._say("cancel", self._written_out_names(step)))
            remark = one_hot_remark(step.merge.right)
            if remark is not None:
                reasons.append(self._say("one-hot", *(self.notator.of(node) for node in remark)))
        return Equation(tuple(sides), product_shapes(entry.result), tuple(reasons))

    def _written_out_names(self, step: StepRecord) -> Words:
        """The later cotangents that a merged result has written out."""
        known = {entry.cotangent for entry in self.record.backward.accumulations}
        used = [node for node in topological_order([step.chain.right]) if node in known and isinstance(node, Input)]
        return join(self.language, [(self.notator.symbol(node),) for node in used])

    def _names_of(self, symbol: Input) -> list[Notation]:
        """`δ2 = ∂L/∂z2`, or `∂L/∂W2` alone."""
        partial = self.notator.partial(symbol)
        cotangent = self.notator.delta_symbols.get(symbol)
        return [partial] if cotangent is None else [self.notator.of(cotangent), partial]

    def _pairing_equation(self, contribution: Contribution) -> Notation:
        """⟨δ, J dx⟩ = ⟨Jᵀδ, dx⟩."""
        adjoint = self.notator.of(self.record.adjoint(contribution), explicit=True)
        right = Pairing(adjoint, self.notator.of(contribution.tangent))
        linear_map = self.notator.of(self.record.linear_map(contribution), explicit=True)
        if isinstance(contribution.cotangent, Const):
            return right if linear_map == right else Infix("=", (linear_map, right))
        return Infix("=", (Pairing(self.notator.of(contribution.cotangent), linear_map), right))

    def _reason(self, contribution: Contribution) -> Words:
        """Why the contribution is what it is, by the operations between the operand and the result."""
        if self.record.linear_map(contribution) is contribution.tangent:
            return self._say("identity", Symbol(contribution.stage.name), Symbol(contribution.operand.name))
        equation = self._pairing_equation(contribution)
        if isinstance(contribution.cotangent, Const):
            change = Symbol(contribution.stage.name, "d")
            active = [operand for operand in contribution.stage.operands if operand in self._active]
            if len(active) > 1:
                return self._say("loss term", change, self.notator.of(contribution.tangent), equation)
            sides = equation.operands if isinstance(equation, Infix) and equation.operator == "=" else (equation,)
            return self._say("because", Infix("=", (change, *sides)))
        because = self._say("because", equation)
        extra = self._general_reason(contribution)
        if not extra or extra in self._said:
            return because
        self._said.add(extra)
        return (*because, "; " if self.language == "en" else "；", *extra)

    def _general_reason(self, contribution: Contribution) -> Words:
        """The remark that holds for every map of this kind."""
        path = operations_on(contribution)
        expression = contribution.stage.expression
        if contribution.stage in self.record.derivative_symbols:
            return self._say("elementwise")
        if isinstance(expression, Apply) and isinstance(expression.primitive, Softmax):
            return self._say("softmax")
        if any(isinstance(node.primitive, Contract) for node in path):
            matrices = all(isinstance(self.notator.of(n), Infix) for n in path if isinstance(n.primitive, Contract))
            return self._say("product") if matrices else ()
        if repeated_sizes(path) and all(isinstance(node.primitive, Broadcast | Reshape) for node in path):
            return self._say("broadcast", "×".join(map(str, repeated_sizes(path))))
        if path and all(isinstance(node.primitive, Sum) for node in path):
            return self._say("sum")
        return ()

    def _results(self) -> list[Block]:
        rows = [
            Equation(tuple(self._written_out(gradient)), product_shapes(gradient.written_out.right))
            for gradient in self.record.gradients
        ]
        return [Heading(self._say("results")), Box(tuple(rows))]

    def _written_out(self, gradient: GradientRecord) -> list[Notation]:
        entry = next(e for e in self.record.backward.accumulations if e.symbol is gradient.symbol)
        sides: list[Notation] = [self.notator.partial(gradient.symbol)]
        short = self.notator.of(entry.result, explicit=True)
        sides.append(short)
        if operation_total(gradient.written_out.right) <= WRITTEN_OUT_LIMIT:
            long = self.notator.of(gradient.written_out.right, explicit=True)
            if long != short:
                sides.append(long)
        return sides

    # The chain rule, path by path

    def _path(self) -> list[Block]:
        blocks = [*self._forward(), Heading(self._say("factors"))]
        direct = [c for e in self.record.backward.accumulations if len(e.contributions) > 1 for c in e.contributions]
        marked = next((c for c in direct if c.stage.symbol is self.record.loss), None)
        if marked is not None:
            blocks.append(Paragraph(self._say("direct", self._factor(marked), Symbol(marked.operand.name))))
        for stage in reversed(self.record.stages):
            blocks += self._factors(stage)
        blocks.append(Heading(self._say("chains")))
        for gradient in self.record.gradients:
            blocks += self._chains(gradient)
        return blocks if all(gradient.paths for gradient in self.record.gradients) else [*blocks, *self._results()]

    def _factors(self, record: StageRecord) -> list[Block]:
        """∂stage/∂operand for every operand: a value for the loss and for activations, a pairing for other maps."""
        blocks: list[Block] = []
        for step in self.record.steps:
            for contribution in step.accumulation.contributions:
                if contribution.stage is not record.stage:
                    continue
                factor = self._factor(contribution)
                if record.stage.symbol is self.record.loss:
                    value = self.notator.of(step.accumulation.chain, explicit=True)
                    if len(step.accumulation.contributions) > 1:
                        value = self.notator.of(self.record.write_out(contribution.adjoint), explicit=True)
                    blocks.append(
                        Equation((factor, value), shape_of(contribution.operand.type), (self._reason(contribution),))
                    )
                elif record.derivative is not None and record.derivative_symbol is not None:
                    sides = (
                        factor,
                        self.notator.symbol(record.derivative_symbol),
                        self.notator.of(record.derivative.right),
                    )
                    change = Symbol(record.stage.name, "d")
                    linear_map = self.notator.of(self.record.linear_map(contribution), explicit=True)
                    why = self._say("because", Infix("=", (change, linear_map)))
                    general = self._say("elementwise")
                    if general not in self._said:
                        self._said.add(general)
                        why = (*why, "; " if self.language == "en" else "；", *general)
                    blocks.append(Equation(sides, shape_of(contribution.operand.type), (why,)))
                else:
                    cotangent = self.notator.of(contribution.cotangent)
                    adjoint = self.notator.of(self.record.adjoint(contribution), explicit=True)
                    blocks.append(
                        Equation(
                            (Infix("·", (cotangent, factor)), adjoint),
                            product_shapes(contribution.adjoint),
                            (self._reason(contribution),),
                        )
                    )
        return blocks

    def _factor(self, contribution: Contribution) -> Notation:
        """∂stage/∂operand; where the loss also depends on the operand through others, marked as the direct part."""
        partial = Partial(Symbol(contribution.stage.name), Symbol(contribution.operand.name))
        if contribution.stage.symbol is self.record.loss and self._has_other_uses(contribution):
            return Indexed(Call("", (partial,)), (Symbol("direct"),))
        return partial

    def _has_other_uses(self, contribution: Contribution) -> bool:
        entry = next(e for e in self.record.backward.accumulations if e.symbol is contribution.operand)
        return len(entry.contributions) > 1

    def _chains(self, gradient: GradientRecord) -> list[Block]:
        partial = self.notator.partial(gradient.symbol)
        loss, symbol = Symbol(self.record.loss.name), Symbol(gradient.symbol.name)
        if not gradient.paths:
            return [
                Heading((partial,), 3),
                Paragraph(self._say("many chains", str(gradient.path_count), loss, symbol)),
            ]
        several = len(gradient.paths) > 1
        title = (
            self._say("chains of", partial, str(len(gradient.paths)), loss, symbol)
            if several
            else self._say("chain of", partial)
        )
        blocks: list[Block] = [Heading(title, 3)]
        for path in gradient.paths:
            factors = tuple(map(self._factor, path.contributions))
            product: Notation = factors[0] if len(factors) == 1 else Infix("·", factors)
            shown = path.claim.right
            if not several and operation_total(shown) > FOLDED_LIMIT:
                # Nested too deep to read: δ folds what comes before it.
                shown = path.contributions[-1].adjoint
            sides: tuple[Notation, ...] = (product, self.notator.of(shown, explicit=True))
            if not several:
                final = sides[-1]
                if operation_total(gradient.written_out.right) <= FOLDED_LIMIT:
                    final = self.notator.of(gradient.written_out.right, explicit=True)
                merged = (final,) if final not in sides and len(path.contributions) > 1 else ()
                sides = (*sides, *merged) if product == partial else (partial, *sides, *merged)
            blocks.append(Equation(sides, product_shapes(path.claim.right)))
        if gradient.path_sum is not None:
            total = self.notator.of(gradient.path_sum.right, explicit=True)
            blocks.append(Equation((partial, total), shape_of(gradient.symbol.type), (self._say("sum of chains"),)))
        return blocks

    # The index form

    def _index(self) -> list[Block]:
        used = {node.name for node in self.record.program.inputs} | {s.name for s in self.record.backward.stages}
        names = IndexNames(self.record.program.dim_names, used)
        blocks: list[Block] = [Heading(self._say("forward"))]
        for record in self.record.stages:
            blocks.append(self._index_equation([Symbol(record.stage.name)], [record.stage.expression], names))
            if record.derivative is not None and record.derivative_symbol is not None:
                index = names.indices(record.stage.symbol.type.shape)
                left = self._leaf(record.derivative_symbol, index)
                right = index_notation(record.derivative.right, index, self._leaf, names)
                blocks.append(Equation((left, right), "", (self._say("derivative"),)))
        blocks.append(Heading(self._say("chain rule heading")))
        for step in self.record.steps:
            blocks.append(self._index_step(step, names))
        declared = [
            self._say("runs over", join(self.language, [(letter,) for letter in letters]), str(dim))
            for dim, letters in names.runs
        ]
        return (
            [Paragraph(self._say("index note", join(self.language, declared, "list semicolon"))), *blocks]
            if declared
            else blocks
        )

    def _index_equation(self, left: Sequence[Notation], right: Sequence[Node], names: IndexNames) -> Equation:
        index = names.indices(right[0].type.shape)
        sides = [indexed(name, index) for name in left]
        sides += [index_notation(node, index, self._leaf, names) for node in right]
        return Equation(tuple(sides))

    def _index_step(self, step: StepRecord, names: IndexNames) -> Equation:
        """One gradient element by element: the general chain rule, then what is left of its sum."""
        entry = step.accumulation
        right = [step.chain.right] if step.merge is None else [step.chain.right, step.merge.right]
        equation = self._index_equation(self._names_of(entry.symbol), right, names)
        index = names.indices(entry.symbol.type.shape)
        terms = [self._index_term(contribution, index, names) for contribution in entry.contributions]
        if not terms:
            return Equation(equation.sides, "", (self._say("seed"),))
        chain: Notation = terms[0] if len(terms) == 1 else Infix("+", tuple(terms))
        if all(isinstance(contribution.cotangent, Const) for contribution in entry.contributions):
            reasons = [self._say("differentiate", Symbol(self.record.loss.name))]
        else:
            reasons = [self._say("chain rule", chain)]
            vanishing = self._say("vanishing", Symbol(entry.symbol.name))
            if sums_away(terms, equation.sides[-1]) and vanishing not in self._said:
                self._said.add(vanishing)
                reasons[0] = (*reasons[0], "; " if self.language == "en" else "；", *vanishing)
        if step.merge is not None:
            reasons.append(self._say("cancel", self._written_out_names(step)))
        return Equation(equation.sides, "", tuple(reasons))

    def _index_term(self, contribution: Contribution, index: tuple[Notation, ...], names: IndexNames) -> Notation:
        """`Σₖ ∂L/∂z[k] · ∂z[k]/∂a[j]`: the sum over every element of the equation's result."""
        stage, operand = contribution.stage.symbol, contribution.operand
        letters = [entry.name for entry in index if isinstance(entry, Symbol)]
        own = names.indices(stage.type.shape, letters)
        factor: Notation = Partial(indexed(Symbol(stage.name), own), indexed(Symbol(operand.name), index))
        if stage is self.record.loss and self._has_other_uses(contribution):
            factor = Indexed(Call("", (factor,)), (Symbol("direct"),))
        if isinstance(contribution.cotangent, Const):
            return factor
        cotangent = indexed(self.notator.of(contribution.cotangent), own)
        running = tuple(entry for entry in own if isinstance(entry, Symbol))
        product = Infix("·", (cotangent, factor))
        return BigOperator("Σ", running, product) if running else product

    def _leaf(self, node: Node, index: Sequence[Notation]) -> Notation:
        if isinstance(node, Const):
            return literal(node) if node.is_filled else indexed(literal(node), list(index))
        assert isinstance(node, Input)
        return indexed(self.notator.symbol(node), list(index))
