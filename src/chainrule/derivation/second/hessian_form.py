"""The document of second derivatives: dg, the Hessian, its products with a vector, and the steps of Newton."""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.derivation.claims import Claim, Expression
from chainrule.derivation.document import Block, Detail, Equation, Heading, Paragraph, Remark, Words
from chainrule.derivation.second.curvature import Curvature
from chainrule.derivation.second.hessian import BlockRecord, SecondOrder, stacked
from chainrule.derivation.second.names import SecondNotator, stacked_notation
from chainrule.derivation.second.sections import FurtherSections, framed
from chainrule.derivation.valuation import Valuation
from chainrule.derivation.words import join
from chainrule.ir import Input, Node, topological_order
from chainrule.primitives import Call, Infix, Notation, Number, Postfix, PowerNotation, Prefix, Symbol
from chainrule.words import Language

_M, _D, _V = Symbol("M"), Symbol("D"), Symbol("v")
_TURNED = Postfix("ᵀ", _M)
_U = Symbol("u")


def _length(vector: Notation) -> Notation:
    """Return ‖vector‖²."""
    return PowerNotation(Call("norm", (vector,)), Number(2))


_PATTERNS: dict[str, tuple[Notation, ...]] = {
    "Gram": (
        Infix("", (_TURNED, _M)),
        Infix("", (Postfix("ᵀ", _V), _TURNED, _M, _V)),
        Infix("≥", (_length(Infix("", (_M, _V))), Number(0))),
    ),
    "congruent": (Infix("", (_TURNED, _D, _M)), _D),
    "projection": (
        Infix("−", (Symbol("I"), Infix("", (_U, Postfix("ᵀ", _U))))),
        Call("norm", (_U,)),
        Infix("−", (_length(_V), PowerNotation(Call("", (Infix("", (Postfix("ᵀ", _U), _V)),)), Number(2)))),
    ),
}
"""The formulas in the reasons why a matrix is positive semidefinite."""


class SecondForm(FurtherSections):
    """Writes the second derivatives of one loss; with `by_index` the Hessian by its elements."""

    def __init__(
        self,
        order: SecondOrder,
        language: Language,
        detail: Detail = "full",
        by_index: bool = False,
        values: Valuation | None = None,
    ) -> None:
        super().__init__(order.first, language, detail, by_index, values)
        self.order = order
        self.notator: SecondNotator = SecondNotator(order)
        if values is not None:
            for symbol, value in order.defined.items():
                values.define(symbol, value)
            for step, array in order.step(values).items():
                values.define(step, array)

    def known(self) -> Mapping[Notation, Node]:
        pairs = zip(self.order.parameters, self.order.gradients, strict=True)
        return {self.notator.gradient(symbol): claim.right for symbol, claim in pairs}

    def title(self) -> Words:
        return self.say("second title", self.subject())

    def deltas(self) -> list[Block]:
        return [] if self.order.is_closed else super().deltas()

    def sections(self) -> list[Block]:
        blocks = [*self.forward(), Heading(self.say("gradient"))]
        for claim, symbol in zip(self.order.gradients, self.order.parameters, strict=True):
            blocks += self.line([self.notator.gradient(symbol), self.notator.partial(symbol)], claim.right)
        for section in (self._changes, self._hessian, self._products, self._newton, self._gauss_newton, self._results):
            blocks += section()
        return blocks

    # The differential of the gradient

    def _changes(self) -> list[Block]:
        blocks: list[Block] = [Heading(self.say("differential of gradient"))]
        if self.full:
            blocks.append(Paragraph(self.say("differentials text")))
            blocks += self._differentials()
        if not self.order.is_closed:
            return [*blocks, *self._lines()]
        for claim, symbol in zip(self.order.tangent_claims, self.order.parameters, strict=True):
            local = [self.order.first.short(self.order.local_changes[symbol])] if self.full else []
            blocks += self.line([self.notator.change(symbol)], *local, claim.right)
        return blocks

    def _differentials(self) -> list[Block]:
        """Write the differential of each equation of the forward pass that the gradient needs."""
        blocks: list[Block] = []
        used = self.order.tangents_in_use
        for record in self.stages:
            if record.differential is None or self.order.differentials.tangents[record.stage.symbol] not in used:
                continue
            right = self.order.first.short(self.order.change_of(record.stage.symbol))
            blocks += self.line([self.notator.tangent(record.stage.symbol)], right)
        return blocks

    def _lines(self) -> list[Block]:
        """Write the differential of each line of the backward pass."""
        blocks: list[Block] = [Paragraph(self.say("second lines", Symbol("g")))]
        for entry, claim in self.order.lines:
            blocks += self.line([self.notator.symbol_of_change(entry.cotangent)], claim.right)
        return blocks

    # The Hessian

    def _hessian(self) -> list[Block]:
        blocks: list[Block] = [Heading(self.say("Hessian"))]
        every = self.order.blocks
        rows = [block for block in every if self._claim(block) is not None]
        others = [block for block in every if block.matrix is None and block.array is not None and block not in rows]
        if self.full and (rows or others):
            blocks.append(Paragraph(self._definition()))
        for block in rows:
            blocks += self._block(block)
        if others:
            blocks.append(Paragraph(self.say("elements only" if rows else "elements instead")))
        for block in others:
            blocks += self._block(block)
        if len(rows) + len(others) < len(every):
            blocks.append(Paragraph(self.say("no closed form" if rows or others else "no form")))
        curvature = Curvature(self.order)
        for remark in curvature.remarks if self.full and not self.by_index else ():
            given = [] if remark.given is None else [Symbol(remark.given.name)]
            why = self.say("semidefinite " + remark.why, *_PATTERNS.get(remark.why, ())) if remark.why else ()
            convex = self.say("convex" if remark.everywhere else "convex where defined")
            blocks.append(Remark(self.say("remark " + remark.key, why, convex, *given)))
        return blocks

    def _definition(self) -> Words:
        """Say what H is: dg = H dw, for matrices of vectors of columns, in which layout."""
        words: list[Words] = []
        for symbol in self.order.parameters:
            change = self.notator.change(symbol)
            terms = [self.notator.term(symbol, by, self.notator.tangent(by)) for by in self.order.parameters]
            total = terms[0] if len(terms) == 1 else Infix("+", tuple(terms))
            words.append((Infix("=", (stacked_notation(change, symbol), total)),))
        if self.by_index:
            return self.say("Hessian by elements")
        sentence = self.say("Hessian text", join(self.language, words))
        if any(symbol.type.ndim == 2 for symbol in self.order.parameters):
            sentence = (*sentence, *self.vec_text())
        if len(self.order.parameters) > 1 or self.order.layout == "denominator":
            sentence = (*sentence, *self.say("layout " + self.order.layout))
        return sentence

    def _claim(self, block: BlockRecord) -> Claim | None:
        return block.array if self.by_index else block.matrix

    def _block(self, block: BlockRecord, result: bool = False) -> list[Block]:
        """Write a block, with its name unless it is a `result`."""
        claim = self._claim(block)
        if self.by_index or claim is None:
            assert block.array is not None
            return [self._elements(block, block.array)]
        left = self.notator.second_partial(block.symbol, block.by)
        if result:
            return self.line([left], claim.right)
        nabla = [self.notator.nabla] if len(self.order.parameters) == 1 and block.symbol.type.ndim == 1 else []
        return self.line([self.notator.block(block.symbol, block.by), *nabla, left], claim.right)

    def _elements(self, block: BlockRecord, claim: Claim) -> Equation:
        """Write one element of a block, with indices of both variables."""
        index = self.indices.indices(claim.right.type.shape)
        count = block.symbol.type.ndim
        left = self.notator.second_partial_at(block.symbol, index[:count], block.by, index[count:])
        return Equation((left, self.element(claim.right, index)), self.shape(claim.right.type), elements=claim.right)

    # Products and steps

    def _products(self) -> list[Block]:
        blocks: list[Block] = [Heading(self.say("products"))]
        tangents = [self.notator.tangent(symbol) for symbol in self.order.parameters]
        directions = [self.notator.symbol(self.order.directions[symbol]) for symbol in self.order.parameters]
        pairs: list[Words] = [
            (Infix("=", (tangent, direction)),) for tangent, direction in zip(tangents, directions, strict=True)
        ]
        blocks.append(Paragraph(self.say("products text", join(self.language, pairs))))
        for symbol, claim in zip(self.order.parameters, self.order.products, strict=False):
            blocks += self._product(symbol, claim)
        return blocks

    def _product(self, symbol: Input, claim: Claim) -> list[Block]:
        """Write one row of H v; where a block is not written, as the change of the gradient."""
        row = [block for block in self.order.blocks if symbol in (block.symbol, block.by)]
        if self.by_index or any(block.matrix is None and block.array is None for block in row):
            return self.line([self.notator.change(symbol)], claim.right)
        return self.line([self.notator.product(symbol)], stacked(claim.right))

    def _newton(self) -> list[Block]:
        if not self.order.newton or self.by_index:
            return []
        blocks: list[Block] = [Heading(self.say("Newton"))]
        names, steps, equations = list[Words](), list[Words](), list[Words]()
        for symbol in self.order.parameters:
            step = self.notator.symbol(self.order.steps[symbol])
            names.append((step,))
            steps.append((Infix("+", (Symbol(symbol.name), step)),))
            gradient = stacked_notation(self.notator.gradient(symbol), symbol)
            terms = [
                self.notator.term(symbol, by, self.notator.symbol(self.order.steps[by])) for by in self.order.parameters
            ]
            left = terms[0] if len(terms) == 1 else Infix("+", tuple(terms))
            equations.append((Infix("=", (left, Prefix("−", gradient))),))
        words = (join(self.language, each) for each in (names, steps, equations))
        blocks.append(Paragraph(self.say("Newton text", *words)))
        for claim in self.order.newton:
            assert isinstance(claim.left, Expression)
            node = claim.left.node
            blocks += self.definitions(node, claim.right)
            sides = self.written(node), self.written(claim.right)
            blocks.append(Equation(sides, self.shape(claim.right.type), node=claim.right))
        for each in self.order.steps.values():
            if self._values is not None and self._values.has(each):
                blocks.append(Equation((self.notator.symbol(each),), self.shape(each.type), node=each))
        return blocks

    def _gauss_newton(self) -> list[Block]:
        found = self.order.gauss_newton
        if found is None or self.by_index:
            return []
        blocks: list[Block] = [Heading(self.say("Gauss-Newton"))]
        residual = self.notator.symbol(found.symbol)
        if found.residual is not None:
            blocks += self.line([residual], found.residual.right)
        jacobian = self.notator.jacobian_symbol
        by = Symbol(self.order.parameters[0].name)
        blocks += self.line([jacobian, self.notator.residual_derivative], found.jacobian.right)
        left = jacobian if self.order.layout == "denominator" else Postfix("ᵀ", jacobian)
        right = Postfix("ᵀ", jacobian) if self.order.layout == "denominator" else jacobian
        product: Notation = Infix("", (left, right))
        scale = self.notator.of(found.scale)
        product = product if scale == Number(1) else Infix("·", (scale, product))
        exact = self.order.blocks[0].matrix
        is_exact = exact is not None and exact.right is found.matrix.right
        varies = not self.order.differentials.tangents.keys().isdisjoint(topological_order([found.jacobian.right]))
        key = ("Gauss-Newton pieces" if varies else "Gauss-Newton exact") if is_exact else "Gauss-Newton text"
        reason = self.say(key, residual, by)
        equation = Equation(
            (product, self.written(found.matrix.right)), self.shape(found.matrix.right), (reason,), found.matrix.right
        )
        return [*blocks, equation]

    # The results

    def _results(self) -> list[Block]:
        rows: list[Block] = []
        for claim, symbol in zip(self.order.gradients, self.order.parameters, strict=True):
            name = [self.notator.gradient(symbol)] if self.order.names_gradient else []
            rows += self.line([*name, self.notator.partial(symbol)], claim.right)
        for block in self.order.blocks:
            rows += self._block(block, result=True) if block.matrix or block.array else []
        for symbol, claim in zip(self.order.parameters, self.order.products, strict=False):
            rows += self._product(symbol, claim)
        return [Heading(self.say("second results")), framed(rows)]
