"""Formulas as MathML in which every named value says which it is, so that a page can point at it.

A name is a `mrow` of the class `s` with the key of its value in `data-s`. In the index form it has its indices in
`data-i`, and a sum is a `mrow` of the class `sum` with its letters in `data-i`, its sign first and its body second, so
that a page can put in numbers and write the sum out.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from chainrule.derivation.boxes import Box, Pieces, row
from chainrule.derivation.mathml import MathWriter
from chainrule.derivation.notator import Notator
from chainrule.derivation.record import Record
from chainrule.derivation.text import text_of
from chainrule.derivation.valuation import written_names
from chainrule.ir import Input
from chainrule.primitives import BigOperator, Indexed, Notation, Postfix


def keys_of(record: Record, notator: Notator) -> dict[Notation, str]:
    """Return the key of the value behind each name of a derivation, as it is written."""
    keys = {notation: node.name for notation, node in written_names(record, notator) if isinstance(node, Input)}
    return keys | {notator.symbol(symbol): symbol.name for symbol in record.derivative_symbols.values()}


class MarkedWriter(MathWriter):
    """Writes formulas with the keys of values."""

    def __init__(self, keys: Mapping[Notation, str], language: str = "en", inline: bool = False) -> None:
        super().__init__(language, inline)
        self._keys = keys
        self._plain = MathWriter(language, inline)
        if not inline:
            self._inline = type(self)(keys, language, inline=True)

    def pieces(self, notation: Notation, nesting: int = 0) -> Pieces:
        """Write a name, an element of a name, or its transpose in one box that has its key."""
        key = self._keys.get(notation)
        indices = ""
        if key is None and isinstance(notation, Postfix):
            key = self._keys.get(notation.operand)
        if key is None and isinstance(notation, Indexed):
            key = self._keys.get(notation.base)
            written = ",".join(text_of(index) for index in notation.indices)
            indices = f' data-i="{escape(written)}"'
        if key is not None:
            return [self._marked(self._plain.pieces(notation, nesting), f'class="s" data-s="{escape(key)}"{indices}')]
        if isinstance(notation, BigOperator) and notation.operator == "Σ":
            letters = ",".join(text_of(index) for index in notation.indices)
            sign = self._marked([self.big_operator(notation.operator, notation.indices)], "")
            body = self._marked(self.operand(notation.body, notation, nesting=nesting), "")
            return [self._marked([sign, body], f'class="sum" data-i="{escape(letters)}"')]
        return super().pieces(notation, nesting)

    def _marked(self, pieces: Pieces, attributes: str) -> Box:
        whole = row(pieces)
        opening = f"<mrow {attributes}>" if attributes else "<mrow>"
        return Box(f"{opening}{whole.text}</mrow>", whole.width, whole.tall)
