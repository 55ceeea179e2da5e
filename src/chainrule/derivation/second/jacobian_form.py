"""The document of Jacobians: differentials, J, and its products with vectors."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.derivation.claims import Claim
from chainrule.derivation.document import Block, Detail, Equation, Heading, Paragraph, Words
from chainrule.derivation.notator import Notator
from chainrule.derivation.second.hessian import stacked
from chainrule.derivation.second.jacobians import JacobianRecord, Jacobians
from chainrule.derivation.second.names import direction_of, free_name, stacked_notation
from chainrule.derivation.second.sections import FurtherSections, framed
from chainrule.derivation.valuation import Valuation
from chainrule.derivation.words import join
from chainrule.ir import Apply, Input, applies, topological_order
from chainrule.primitives import Concatenate, Infix, Notation, Partial, Postfix, Reshape, Symbol, indexed, transposed
from chainrule.words import Language


class JacobianNotator(Notator):
    """Writes Jacobians: J, or J_Y_x if there are several, and the directions v."""

    def __init__(self, jacobians: Jacobians) -> None:
        super().__init__(jacobians.first)
        self._jacobians = jacobians
        names = jacobians.first.names
        self._several = len(jacobians.blocks) > 1
        self._letter = free_name(("J", "Jac", "Jacobian"), names)
        for symbol in jacobians.parameters:
            direction = direction_of(symbol, names)
            name = f"{direction}_{symbol.name}" if len(jacobians.parameters) > 1 else direction
            self._symbols[jacobians.directions[symbol]] = Symbol(name)

    def block(self, result: Input, by: Input) -> Symbol:
        """Return `J`, or `J_Y_x`."""
        return Symbol(f"{self._letter}_{result.name}_{by.name}" if self._several else self._letter)

    def derivative(self, result: Input, by: Input) -> Notation:
        """Return `∂Y/∂x`, with vec for matrices."""
        of, wrt = (stacked_notation(Symbol(x.name), x) for x in (result, by))
        return Partial(of, wrt)

    def product(self, result: Input) -> Notation:
        """Return `J v`, or the sum over the parameters."""
        return self._sum(result, [self.symbol(v) for v in self._jacobians.directions.values()])

    def change(self, result: Input) -> Notation:
        """Return `J dx`, or the sum over the parameters."""
        return self._sum(result, [self.tangent(symbol) for symbol in self._jacobians.parameters])

    def _sum(self, result: Input, vectors: Sequence[Notation]) -> Notation:
        terms = []
        for by, shown in zip(self._jacobians.parameters, vectors, strict=True):
            block: Notation = self.block(result, by)
            vector = stacked_notation(shown, by)
            if not by.type.ndim:
                terms.append(Infix("·", (stacked_notation(block, result), vector)))
                continue
            turned = self._jacobians.layout == "denominator"
            terms.append(Infix("", (Postfix("ᵀ", block) if turned else block, vector)))
        return terms[0] if len(terms) == 1 else Infix("+", tuple(terms))


class JacobianForm(FurtherSections):
    """Writes the Jacobians of one function; with `by_index` by their elements."""

    def __init__(
        self,
        jacobians: Jacobians,
        language: Language,
        detail: Detail = "full",
        by_index: bool = False,
        values: Valuation | None = None,
    ) -> None:
        super().__init__(jacobians.first, language, detail, by_index, values)
        self.jacobians = jacobians
        self.notator: JacobianNotator = JacobianNotator(jacobians)

    def title(self) -> Words:
        return self.say("Jacobian title", self.subject())

    def upstream(self, given: Sequence[Input]) -> list[Block]:
        return []

    def deltas(self) -> list[Block]:
        return []

    def sections(self) -> list[Block]:
        blocks = self.forward()
        if self.full:
            blocks += [Heading(self.say("differentials")), Paragraph(self.say("differentials text"))]
            blocks += self._differentials()
        blocks.append(Heading(self.say("Jacobian heading")))
        rows = [block for block in self.jacobians.blocks if self._claim(block) is not None]
        if rows:
            blocks.append(Paragraph(self._definition()))
        for block in rows:
            blocks += self._block(block)
        if len(rows) < len(self.jacobians.blocks):
            blocks.append(Paragraph(self.say("no closed form" if rows else "no form")))
        products = [
            line
            for result, claim in zip(self.jacobians.results, self.jacobians.products, strict=False)
            for line in self._product(result, claim)
        ]
        if products:
            tangents: list[Words] = [
                (Infix("=", (self.notator.tangent(symbol), self.notator.symbol(self.jacobians.directions[symbol]))),)
                for symbol in self.jacobians.parameters
            ]
            blocks.append(Heading(self.say("products")))
            blocks.append(Paragraph(self.say("Jacobian products text", join(self.language, tangents))))
            blocks += products
        results = [line for block in rows for line in self._block(block, result=True)]
        return [*blocks, Heading(self.say("second results")), framed((*results, *products))]

    def _differentials(self) -> list[Block]:
        blocks: list[Block] = []
        for record in self.stages:
            change = self.jacobians.differentials.stages.get(record.stage.symbol)
            if change is None:
                continue
            nodes = [change]
            total = self.jacobians.changes.get(record.stage.symbol)
            if total is not None and self.jacobians.is_closed:
                nodes.append(total)
            blocks += self.line([self.notator.tangent(record.stage.symbol)], *map(self.jacobians.first.short, nodes))
        return blocks

    def _claim(self, block: JacobianRecord) -> Claim | None:
        return block.array if self.by_index else block.matrix

    def _definition(self) -> Words:
        words: list[Words] = []
        for result in self.jacobians.results:
            change = stacked_notation(self.notator.tangent(result), result)
            words.append((Infix("=", (change, self.notator.change(result))),))
        if self.by_index:
            return self.say("Jacobian by elements")
        sentence = (
            *self.say("Jacobian text", join(self.language, words)),
            *self.say("layout " + self.jacobians.layout),
        )
        arrays = (*self.jacobians.parameters, *self.jacobians.results)
        if any(symbol.type.ndim == 2 for symbol in arrays):
            sentence = (*sentence, *self.vec_text())
        matrices = [block.matrix.right for block in self.jacobians.blocks if block.matrix is not None]
        if any(applies(part, Concatenate) and part.type.ndim == 2 for part in topological_order(matrices)):
            sentence = (*sentence, *self.say("joined rows"))
        return sentence

    def _block(self, block: JacobianRecord, result: bool = False) -> list[Block]:
        """Write a Jacobian, with its name unless it is a `result`; that of a number is a row, its gradient turned."""
        claim = self._claim(block)
        assert claim is not None
        if self.by_index:
            return [self._elements(block, claim)]
        name = [] if result else [self.notator.block(block.result, block.by)]
        left = self.notator.derivative(block.result, block.by)
        match claim.right:
            case Apply(Reshape(), (gradient,)) if not block.result.type.ndim:
                sides = (*name, Postfix("ᵀ", left), transposed(self.written(gradient)))
                return [*self.definitions(gradient), Equation(sides, self.shape(claim.right), node=claim.right)]
        return self.line([*name, left], claim.right)

    def _elements(self, block: JacobianRecord, claim: Claim) -> Equation:
        """Write one element of a Jacobian, with indices of the result and of the variable."""
        index = self.indices.indices(claim.right.type.shape)
        count = block.result.type.ndim
        left = Partial(indexed(Symbol(block.result.name), index[:count]), indexed(Symbol(block.by.name), index[count:]))
        return Equation((left, self.element(claim.right, index)), self.shape(claim.right.type), elements=claim.right)

    def _product(self, result: Input, claim: Claim) -> list[Block]:
        """Write J v; where a Jacobian is not written, as the change of the result."""
        blocks = [block for block in self.jacobians.blocks if block.result is result]
        if self.by_index or any(block.matrix is None for block in blocks):
            return self.line([self.notator.tangent(result)], claim.right)
        return self.line([self.notator.product(result)], stacked(claim.right))
