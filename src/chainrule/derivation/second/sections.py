"""What the pages of Hessians and of Jacobians share: each equation in matrices, or by its elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.derivation.claims import StageRecord
from chainrule.derivation.document import Block, Detail, Equation, Frame, Words
from chainrule.derivation.element_sections import ElementSections
from chainrule.derivation.record import Record
from chainrule.derivation.valuation import Valuation
from chainrule.derivation.worked import WorkedExample
from chainrule.ir import Input, Node
from chainrule.primitives import Call, Infix, Notation, Number, Postfix, Symbol, zeros
from chainrule.words import Language


class FurtherSections(ElementSections):
    """Writes derivatives beside the backward pass; with `by_index` every equation by its elements."""

    def __init__(
        self, record: Record, language: Language, detail: Detail, by_index: bool, values: Valuation | None = None
    ) -> None:
        super().__init__(record, language, detail, values)
        self.by_index = by_index

    def _example(self, values: Valuation) -> WorkedExample:
        return WorkedExample(self.record, self.notator, self.language, values, {}, self.known(), whole=False)

    def known(self) -> Mapping[Notation, Node]:
        """Return the names beside those of the backward pass that have a value, with what they stand for."""
        return {}

    def body(self) -> list[Block]:
        blocks = self.sections()
        return [*self.declared_indices(), *blocks]

    def sections(self) -> list[Block]:
        """Return the blocks after the opening."""
        raise NotImplementedError

    def _convention(self) -> Words | None:
        return None

    def written(self, node: Node) -> Notation:
        """Write an expression in matrix notation; an array of zeros is 0."""
        return Number(0) if node is zeros(node.type) else self.notator.of(node, explicit=True)

    def line(self, left: Sequence[Notation], *nodes: Node) -> list[Block]:
        """Write `left = nodes`, all of one value, after the definitions that it needs."""
        if self.by_index:
            equation = self.by_elements(left, nodes)
        else:
            sides = dict.fromkeys((*left, *map(self.written, nodes)))
            equation = Equation(tuple(sides), self.shape(nodes[-1]), node=nodes[-1])
        return [*self.definitions(*nodes), equation]

    def vec_text(self) -> Words:
        """Explain vec, and the matrices that write a product and a transpose."""
        a, b, x, k = (Symbol(name) for name in "ABXK")
        turned = Postfix("ᵀ", b)
        product = Infix("=", (_vec(Infix("", (a, x, b))), Infix("", (Infix("⊗", (turned, a)), _vec(x)))))
        return self.say("vec text", product, Infix("=", (Infix("", (k, _vec(x))), _vec(Postfix("ᵀ", x)))), x)

    def forward_equation(self, record: StageRecord) -> Equation:
        if self.by_index:
            return self.by_elements([Symbol(record.stage.name)], [record.forward.right])
        return super().forward_equation(record)

    def definition(self, symbol: Input, value: Node) -> Equation:
        if self.by_index:
            return self.by_elements([Symbol(symbol.name)], [value], self.abbreviates())
        return super().definition(symbol, value)


def _vec(notation: Notation) -> Notation:
    return Call("vec", (notation,))


def framed(blocks: Sequence[Block]) -> Frame:
    """Return results in a frame."""
    return Frame(tuple(block for block in blocks if isinstance(block, Equation)))
