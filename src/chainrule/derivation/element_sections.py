"""Sections that write equations element by element, with sums over named indices."""

from __future__ import annotations

from collections.abc import Sequence

from chainrule.derivation.document import Block, Equation, Paragraph, Words
from chainrule.derivation.index_notation import IndexNames, index_notation
from chainrule.derivation.names import name_parts
from chainrule.derivation.sections import Sections
from chainrule.derivation.words import join
from chainrule.ir import Const, Input, Node, cached_property
from chainrule.primitives import Infix, Notation, Number, indexed


class ElementSections(Sections):
    """Common parts of the pages that write elements."""

    @cached_property
    def indices(self) -> IndexNames:
        """The letters of indices, none of which is a name or the subscript of one."""
        used = {*self.record.names, *(symbol.name for symbol, _ in self.record.constants.named)}
        used |= {part for name in used for part in name_parts(name)[1]}  # W_j with an index i is not W with j and i
        return IndexNames(self.record.program.dim_names, used)

    def declared_indices(self) -> list[Block]:
        """Say over which size each letter runs that has been used."""
        declared = [
            self.say("runs over", join(self.language, [(letter,) for letter in letters], "list letters"), str(dim))
            for dim, letters in self.indices.runs
        ]
        return [Paragraph(self.say("index note", join(self.language, declared, "list semicolon")))] if declared else []

    def by_elements(
        self,
        left: Sequence[Notation],
        right: Sequence[Node],
        reasons: tuple[Words, ...] = (),
        of: Input | None = None,
    ) -> Equation:
        """Write an element of each side."""
        index = self.indices.indices(right[0].type.shape)
        sides = [indexed(name, index) for name in left]
        sides += [self.element(node, index) for node in right]
        return Equation(tuple(dict.fromkeys(sides)), self.shape(right[0].type), reasons, elements=right[0], of=of)

    def element(self, node: Node, index: Sequence[Notation]) -> Notation:
        """Write one element of an expression, in sums over further indices."""
        return index_notation(node, index, self.leaf, self.indices, whole=self.notator.exact)

    def leaf(self, node: Node, index: Sequence[Notation]) -> Notation:
        """Write one element of a named or constant array."""
        if isinstance(node, Const):
            shown = self.notator.literal(node)
            if node.is_filled or isinstance(shown, Number):
                return shown
            if isinstance(shown, Infix):  # 1 − I
                return Infix(shown.operator, (shown.operands[0], indexed(shown.operands[1], list(index))))
            return indexed(shown, list(index))
        assert isinstance(node, Input)
        return indexed(self.notator.symbol(node), list(index))
