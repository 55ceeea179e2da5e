"""The sections shared by all forms of a derivation: subject, forward pass, remarks, results."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.calculus import RELU, RULES, SHARED, SIDED, Accumulation, Contribution
from chainrule.derivation.claims import GradientRecord, StageRecord, StepRecord
from chainrule.derivation.document import Block, Detail, Document, Equation, Frame, Heading, Paragraph, Remark, Words
from chainrule.derivation.legend import constants_legend, legend, repetition_legend
from chainrule.derivation.notator import SOFTMAX, Notator, operands_of, product_shapes, shape_of
from chainrule.derivation.properties import one_hot_remark, operation_total, product_shapes_of_stage
from chainrule.derivation.reasons import Reasons
from chainrule.derivation.record import Record
from chainrule.derivation.remarks import Observation
from chainrule.derivation.spelling import distinguished
from chainrule.derivation.upstream import is_upstream, output_name
from chainrule.derivation.valuation import Valuation
from chainrule.derivation.words import enumerated, join, say
from chainrule.derivation.worked import WorkedExample
from chainrule.functions import RNG_SEED, RNG_STEP
from chainrule.ir import Apply, ArrayType, Const, Declaration, Input, Node, applies, topological_order
from chainrule.primitives import Broadcast, Contract, Infix, Notation, Number, Symbol
from chainrule.words import Language

WRITTEN_OUT_LIMIT = 14
"""The number of operations above which a gradient stays in terms of δ in the summary."""
DERIVATIVE_LIMIT = 4
"""The number of operations above which σ′(z) has a line of its own in the brief form."""


_SAMPLES = frozenset({"x", "data", "inputs", "features", "images", "batch", "phi", "φ"})
"""Names of data whose rows or columns are samples, in lower case."""


class Sections:
    """Common parts of the forms; a form defines `body` and the notation of expressions."""

    in_matrices = True
    """Whether products are matrix products, with factors that change sides."""

    def __init__(
        self, record: Record, language: Language, detail: Detail = "full", values: Valuation | None = None
    ) -> None:
        self.record = record
        self.language = language
        self.full = detail == "full"
        self.notator = Notator(record)
        self.reasons = Reasons(record, self.notator, language, self.in_matrices)
        self._defined: set[Input] = set()
        self._values = values

    def document(self) -> Document:
        """Return the whole derivation, with values if there are any."""
        body = without_empty_sections(self.body())
        opening = self._opening(body)
        if self._values is not None:
            example = self._example(self._values)
            body = [*example.opening(), *example.worked(body)]
        document = Document((*opening, *body), self.language)
        return distinguished(document, sorted(self.record.names), self.record.symmetric_names)

    def _example(self, values: Valuation) -> WorkedExample:
        contributions = [c for entry in self.record.backward.accumulations for c in entry.contributions]
        factors = {self.factor(each): each for each in contributions if not self.reasons.is_given(each)}
        return WorkedExample(self.record, self.notator, self.language, values, factors)

    def title(self) -> Words:
        """Return the title of the document."""
        return self.say("title", self.subject())

    def body(self) -> list[Block]:
        """Return everything after the opening."""
        return [*self.forward(), *self.derivation(), *self.results()]

    def derivation(self) -> list[Block]:
        """Return the blocks between the forward pass and the results."""
        raise NotImplementedError

    def say(self, key: str, *parts: str | Notation | Words) -> Words:
        return say(self.language, key, *parts)

    def shape(self, subject: Node | ArrayType) -> str:
        """Return a shape in words, for a product with those of its factors; `scalar` for a number."""
        written = product_shapes(subject) if isinstance(subject, Node) else shape_of(subject)
        return written or "".join(map(str, self.say("scalar shape")))

    # The opening

    def _opening(self, body: list[Block]) -> list[Block]:
        blocks: list[Block] = [Heading(self.title(), 1)]
        named = [node for node in self.record.program.inputs if node.name not in (RNG_SEED, RNG_STEP)]
        shapes = [self.shape_words(node) for node in named if not is_upstream(node)]
        blocks.append(Paragraph(self.say("shapes", join(self.language, shapes))))
        blocks += self.declared()
        blocks += self.upstream([node for node in named if is_upstream(node)])
        recognized: list[Words] = [(identity,) for identity in self.recognized()]
        if recognized:
            blocks.append(Paragraph(self.say("recognized", join(self.language, recognized, "list semicolon"))))
        constants = constants_legend(self.record.constants, body, self.language)
        if constants:
            blocks.append(Paragraph(constants))
        if self.full:
            blocks += self._conventions(body)
        return blocks + self.deltas() if self.full else blocks

    def deltas(self) -> list[Block]:
        """Explain the gradients that are named δ."""
        deltas: list[Words] = [
            (Infix("=", (self.notator.of(cotangent), self.notator.partial(symbol))),)
            for symbol, cotangent in reversed(self.notator.delta_symbols.items())
        ]
        if not deltas:
            return []
        softmax = operands_of(self.record, *SOFTMAX) & set(self.notator.delta_symbols)
        key = "delta or softmax" if softmax else "delta"
        return [Paragraph(self.say(key, join(self.language, deltas, "list letters")))]

    def declared(self) -> list[Block]:
        """State what is declared of the arguments, and which gradient is meant for a constrained one."""
        declared = self.record.program.declared
        if not declared:
            return []
        phrases = [declared_phrase(each, self.language) for each in declared]
        blocks: list[Block] = [Paragraph(self.say("declared", join(self.language, phrases, "list semicolon")))]
        constrained = {each.name for each in declared if each.property.rank is not None}
        names: list[Words] = [(Symbol(node.name),) for node in self.record.backward.wrt if node.name in constrained]
        if names:
            blocks.append(Paragraph(self.say("unconstrained", enumerated(self.language, names))))
        return blocks

    def subject(self) -> Words:
        """Return the subject: the loss, or the results of a layer."""
        if not self.record.is_layer:
            return (Symbol(self.record.loss_name),)
        names = [output_name(node) for node in self.record.program.inputs if is_upstream(node)]
        return join(self.language, [(Symbol(name),) for name in names], "list letters")

    def upstream(self, given: Sequence[Input]) -> list[Block]:
        """Explain the given gradients of the results of a layer."""
        if not given:
            return []
        loss, names = Symbol(self.record.loss_name), [Symbol(output_name(node)) for node in given]
        key = "upstream" if len(given) == 1 else "upstream several"
        symbols: list[Words] = [(self.notator.of(node),) for node in given]
        words = self.say(
            key, enumerated(self.language, [(name,) for name in names]), loss, enumerated(self.language, symbols)
        )
        for node, name in zip(given, names, strict=True):
            if self.notator.of(node) != self.notator.partial(Input(name.name, node.type)):
                partial = self.notator.partial(Input(name.name, node.type))
                words = (*words, *self.say("outside part", self.notator.of(node), partial, name))
        return [Paragraph(words)]

    def _conventions(self, body: list[Block]) -> list[Block]:
        blocks: list[Block] = []
        convention = self._convention()
        if convention is not None:
            blocks.append(Paragraph(convention))
        marks = legend(body, self.language)
        if marks:
            blocks.append(Paragraph(self.say("legend", join(self.language, marks, "list semicolon"))))
        repetition = repetition_legend(body, self.language)
        if repetition is not None and self.repeats_vectors():
            blocks.append(Paragraph(repetition))
        return blocks

    def repeats_vectors(self) -> bool:
        """Whether the forward pass broadcasts a vector, and not only a number."""
        return any(
            applies(part, Broadcast) and any(size != 1 for size in part.operands[0].type.shape)
            for stage in self.record.backward.stages
            for part in topological_order([stage.expression])
        )

    def recognized(self) -> list[Notation]:
        """Return each identity by which a function was recognised, on the rule's example, and the settled kinks."""
        used = {rewrite.rule for rewrite in self.record.recognitions}
        identities: list[Notation] = []
        for entry in (*RULES, RELU):
            if entry.name in used:
                example = entry.examples()[0]
                assert isinstance(example, Apply)
                after = entry.rewrite(example)
                assert after is not None
                identities.append(Infix("=", (self.notator.of(example), self.notator.of(after))))
        for rewrite in self.record.recognitions:
            if rewrite.rule in (SHARED, SIDED):
                identities.append(Infix("=", (self.notator.of(rewrite.before), self.notator.of(rewrite.after))))
        return identities

    def shape_words(self, node: Input) -> Words:
        if node.type.ndim == 1:
            return self.say("length of", Symbol(node.name), shape_of(node.type))
        if node.type.ndim == 0:
            return self.say("is a scalar", Symbol(node.name))
        return self.say("shape of", Symbol(node.name), shape_of(node.type))

    def _convention(self) -> Words | None:
        """Return the orientation of samples, from the first product of data and a parameter."""
        parameters = set(self.record.backward.wrt)
        inputs = set(self.record.program.inputs) - parameters
        data = {node for node in inputs if node.name.rstrip("0123456789_").lower() in _SAMPLES}
        for stage in self.record.backward.stages:
            for node in topological_order([stage.expression]):
                if not applies(node, Contract) or len(node.operands) != 2:
                    continue
                left, right = node.operands
                shown = self.notator.of(node)
                if left in data and right in parameters and left.type.ndim == 2 and node.primitive.output[:1] == (0,):
                    return self.say("rows", self.notator.of(left), shown)
                if left in parameters and right in data and left.type.ndim == 2 and right.type.ndim <= 2:
                    several = right.type.ndim == 2 and right.type.shape[1] != 1
                    return self.say("columns of a batch" if several else "columns", self.notator.of(right), shown)
        return None

    # The forward pass

    @property
    def stages(self) -> list[StageRecord]:
        """Return the equations that are shown, without the pairing of a layer with a given gradient."""
        hidden = self.record.loss if self.record.is_layer else None
        return [record for record in self.record.stages if record.stage.symbol is not hidden]

    def forward(self) -> list[Block]:
        blocks: list[Block] = [Heading(self.say("forward"))]
        for record in self.stages:
            blocks += self.definitions(record.forward.right)
            blocks.append(self.forward_equation(record))
        return blocks

    def forward_equation(self, record: StageRecord) -> Equation:
        stage = record.stage
        shape = product_shapes_of_stage(stage) or self.shape(stage.symbol.type)
        sides = (Symbol(stage.name), self.notator.of(record.forward.right))
        return Equation(sides, shape, node=record.forward.right, of=stage.symbol)

    def definitions(self, *nodes: Node) -> list[Block]:
        """Define the abbreviations in `nodes` that have not been defined yet."""
        claims = self.record.abbreviation_claims
        blocks: list[Block] = []
        for part in topological_order(nodes):
            if isinstance(part, Input) and part in claims and part not in self._defined:
                blocks += self.definitions(claims[part].right)
                self._defined.add(part)
                blocks.append(self.definition(part, claims[part].right))
        return blocks

    def definition(self, symbol: Input, value: Node) -> Equation:
        sides = (Symbol(symbol.name), self.notator.of(value))
        return Equation(sides, self.shape(value), self.abbreviates(), value, of=symbol)

    def abbreviates(self) -> tuple[Words, ...]:
        """Return the sentence on the first abbreviation."""
        words = self.reasons.once(self.say("abbreviates")) if self.full else ()
        return (words,) if words else ()

    def derivative(self, record: StageRecord) -> Equation:
        """Return σ′(z), in terms of values of the forward pass."""
        assert record.derivative is not None
        assert record.derivative_symbol is not None
        sides = (self.notator.symbol(record.derivative_symbol), self.notator.of(record.derivative.right))
        general = self.reasons.once(self.say("derivative")) if self.full else ()
        return Equation(
            sides,
            self.shape(record.stage.symbol.type),
            (general,) if general else (),
            record.derivative.right,
            of=record.derivative_symbol,
        )

    # Steps

    @property
    def steps(self) -> list[StepRecord]:
        """Return the gradients from the loss backwards, without that of the loss; in brief without the results."""
        steps = [step for step in self.record.steps if step.accumulation.symbol is not self.record.loss]
        if self.full:
            return steps
        return [step for step in steps if step.accumulation.symbol not in self.record.backward.wrt]

    def names_of(self, symbol: Input) -> list[Notation]:
        """Return `δ2 = ∂L/∂z2`, or only `∂L/∂W2`."""
        partial = self.notator.partial(symbol)
        cotangent = self.notator.delta_symbols.get(symbol)
        return [partial] if cotangent is None else [self.notator.of(cotangent), partial]

    def is_given(self, step: StepRecord) -> bool:
        """Whether the step is the given gradient of a result."""
        return step.chain.right is step.accumulation.cotangent

    def derivatives_of(self, step: StepRecord) -> list[StageRecord]:
        """Return the σ′(z) that a step uses."""
        used = {contribution.stage for contribution in step.accumulation.contributions}
        return [each for each in self.stages if each.derivative is not None and each.stage in used]

    def cancellation(self, step: StepRecord) -> list[Words]:
        """Explain the cancellation in a merged result."""
        if step.merge is None:
            return []
        reasons = [self.say("cancel", self._written_out_names(step))] if self.full else []
        remark = one_hot_remark(step.merge.right)
        if remark is not None:
            y, difference, axis = remark
            ndim = y.type.ndim
            key = " vector" if ndim == 1 else "" if axis == ndim - 1 else " columns" if axis == ndim - 2 else " axis"
            reasons.append(self.say("one-hot" + key, self.notator.of(y), self.notator.of(difference), str(axis)))
        return reasons

    def _written_out_names(self, step: StepRecord) -> Words:
        """Return the later cotangents that are substituted in a merged result."""
        assert step.merge is not None
        known = {entry.cotangent for entry in self.record.backward.accumulations}
        known = known - set(topological_order([step.merge.right])) or known
        used = [node for node in topological_order([step.chain.right]) if node in known and isinstance(node, Input)]
        return enumerated(self.language, [(self.notator.symbol(node),) for node in used])

    def remarks(self, place: Input | None) -> list[Block]:
        """Return the remarks that follow the step of `place`, or end the derivation."""
        if not self.full:
            return []
        found = [each for each in self.record.observations if each.place is place]
        return [Remark(self.say("remark " + each.key, *self._parts(each))) for each in found]

    def _parts(self, observation: Observation) -> list[str | Notation]:
        parts: list[str | Notation] = []
        for part in observation.parts:
            if not isinstance(part, Node):
                parts.append(part)
            elif part is observation.vanishing:
                parts.append(Infix("=", (self.notator.of(part, explicit=True), Number(0))))
            else:
                parts.append(self.notator.of(self.record.short(part)))
        return parts

    # The results

    def results(self) -> list[Block]:
        """Return the requested gradients, in a frame."""
        blocks: list[Block] = []
        rows: list[Equation] = []
        for gradient in self.record.gradients:
            nodes = self.result(gradient)
            blocks += self.definitions(*nodes)
            rows.append(self.result_equation(gradient, nodes))
        blocks += [*self.remarks(None), Heading(self.say("results"))]
        if not self.full:
            phrases = [
                self.reasons.in_brief(self._entry(gradient.symbol).contributions) for gradient in self.record.gradients
            ]
            why = join(self.language, [phrase for phrase in phrases if phrase], "list semicolon")
            blocks += [Paragraph(self.say("why", why))] if why else []
        return [*blocks, Frame(tuple(rows))]

    def _entry(self, symbol: Input) -> Accumulation:
        return next(entry for entry in self.record.backward.accumulations if entry.symbol is symbol)

    def result(self, gradient: GradientRecord) -> list[Node]:
        """Return a gradient in terms of δ; in full detail also without δ if that is short. All forms share it."""
        result = self._entry(gradient.symbol).result
        nodes = [self.record.short(result)]
        if self.full:
            named = self.record.cotangents.isdisjoint(topological_order([result]))
            nodes += [
                each for each in self.written_out(gradient) if not named or each is not gradient.written_out.right
            ]
        return list(dict.fromkeys(nodes))

    def written_out(self, gradient: GradientRecord) -> list[Node]:
        """Return a gradient without δ, and without the names of arguments, as far as each is short."""
        claims = [gradient.written_out, gradient.unfolded]
        values = [claim.right for claim in claims if claim is not None]
        return [value for value in values if operation_total(value) <= WRITTEN_OUT_LIMIT]

    def result_equation(self, gradient: GradientRecord, nodes: Sequence[Node]) -> Equation:
        sides = [self.notator.partial(gradient.symbol), *(self.notator.of(node, explicit=True) for node in nodes)]
        cotangent = self._entry(gradient.symbol).cotangent
        return Equation(tuple(dict.fromkeys(sides)), self.shape(nodes[0]), node=nodes[0], of=cotangent)

    def factor(self, contribution: Contribution) -> Notation:
        """Return ∂stage/∂operand, marked as the direct part if the loss also depends on the operand through others."""
        from_loss = self.is_loss(contribution.stage.symbol)
        if from_loss and self.reasons.is_given(contribution):
            return self.notator.of(contribution.adjoint)
        partial = self.notator.quotient(contribution.stage.symbol, contribution.operand)
        return self.notator.direct(partial) if from_loss and self.has_other_uses(contribution) else partial

    def is_loss(self, symbol: Input) -> bool:
        """Whether a value is what is differentiated, also if the gradients by other results are given beside it."""
        return symbol is self.record.loss or symbol.name == self.record.loss_name

    def has_other_uses(self, contribution: Contribution) -> bool:
        return len(self._entry(contribution.operand).contributions) > 1

    def is_from_loss(self, contribution: Contribution) -> bool:
        return isinstance(contribution.cotangent, Const)


def declared_phrase(declaration: Declaration, language: Language) -> Words:
    """Say what is declared."""
    return say(language, f"declared {declaration.property.value}", Symbol(declaration.name))


def without_empty_sections(blocks: Sequence[Block]) -> list[Block]:
    """Return `blocks` without headings of empty sections."""
    kept: list[Block] = []
    below: int | None = 0  # the level of the next heading: 0 at the end, None before other blocks
    for block in reversed(blocks):
        if isinstance(block, Heading):
            if below is not None and below <= block.level:
                continue
            below = block.level
        else:
            below = None
        kept.append(block)
    return kept[::-1]
