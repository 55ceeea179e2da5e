"""Proofreading: printed lines of a derivation are parsed again, and compared with the values that they claim.

The renderers print, `readback` parses; they share only the printed line and the meaning of its names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import TANGENT
from chainrule.derivation.document import Block, Document, Equation, Frame, Paragraph, Remark, Words
from chainrule.derivation.forms import Form, write_document
from chainrule.derivation.latex import LatexWriter, render_latex
from chainrule.derivation.notator import Notator
from chainrule.derivation.readback import (
    TOLERANCE,
    NamedFunction,
    Page,
    ReadingError,
    joined,
    joined_latex,
    letters_of,
    read,
)
from chainrule.derivation.record import Record
from chainrule.derivation.spelling import spelled
from chainrule.derivation.text import TextWriter, render_text
from chainrule.derivation.valuation import meanings
from chainrule.derivation.writing import Writer
from chainrule.ir import Dim, Input, Node, SymbolicDim, bind_dim
from chainrule.primitives import Abstract, AbstractMap, Application, Infix, Notation, Partial, SecondPartial, Symbol
from chainrule.words import Language

Array = NDArray[Any]
Script: TypeAlias = Literal["text", "latex"]


@dataclass(frozen=True)
class Misreading:
    """A printed line with another meaning than its claim; `reason` says how it reads."""

    form: Form
    script: Script
    line: str
    reason: str


@dataclass(frozen=True)
class Reading:
    """The number of printed lines that were read, the lines that cannot be evaluated, and the misreadings."""

    read: int
    unread: tuple[str, ...]
    misreadings: tuple[Misreading, ...]

    def confirmed_by(self, other: Reading) -> Reading:
        """Keep only the misreadings that another reading has as well."""
        lines = {each.line for each in other.misreadings}
        return replace(self, misreadings=tuple(each for each in self.misreadings if each.line in lines))


class Proofreader:
    """Reads the pages of one record at one point; `value` evaluates its expressions there."""

    def __init__(self, record: Record, sizes: Mapping[str, int], value: Callable[[Node], Array]) -> None:
        self._record = record
        self._value = value
        self._sizes = sizes
        self._notator = Notator(record)
        self._documents: dict[tuple[Form, Language], Document] = {}

    def read(self, form: Form, script: Script, language: Language = "en") -> Reading:
        """Read every line of one page."""
        document = self._document(form, language)
        writer: Writer = TextWriter(language) if script == "text" else LatexWriter(language, inline=True)
        count, unread, wrong = 0, [], []
        try:
            page = self.page(script, document)
        except ReadingError as error:
            return Reading(0, (), (Misreading(form, script, "", str(error)),))
        for block in filter(self._reads, _unboxed(document.blocks)):
            for line, node in _lines(block, script, document.language, writer):
                try:
                    expected = None if node is None else self._value(node)
                    outcome = read(line, page, expected)
                    if outcome.error > TOLERANCE:
                        reason = f"as read, its sides differ by {outcome.error:.1e}"
                        wrong.append(Misreading(form, script, line, reason))
                except ReadingError as error:
                    wrong.append(Misreading(form, script, line, str(error)))
                    continue
                if not outcome.left_out and outcome.sides + (expected is not None) > 1:
                    count += 1
                else:
                    unread.append(line)
        return Reading(count, tuple(unread), tuple(wrong))

    def _reads(self, block: Block) -> bool:
        """Whether the lines of a block are read back."""
        return True

    def _document(self, form: Form, language: Language) -> Document:
        key = form, language
        if key not in self._documents:
            self._documents[key] = write_document(self._record, form, language)
        return self._documents[key]

    # Meanings of names

    def _symbols(self) -> Iterator[tuple[Notation, Array]]:
        """Yield the meaning of each symbol."""
        yield from meanings(self._record, self._notator, self._value, self._sizes)
        for entry in self._record.backward.accumulations:
            tangent = Input(TANGENT + entry.symbol.name, entry.symbol.type)
            yield self._notator.symbol(tangent), self._value(tangent)

    def page(self, script: Script, document: Document) -> Page:
        """Return the table of printed names and their meanings; raise ReadingError for an ambiguous name."""
        writer: Writer = TextWriter(document.language) if script == "text" else LatexWriter(inline=True)
        names: dict[str, Array] = {}
        gradients: dict[str, Array] = {}
        for symbol, value in self._symbols():
            if isinstance(symbol, Partial) and (symbol.of, type(symbol.by)) == (Symbol(self._record.loss_name), Symbol):
                _enter(gradients, writer.write(spelled(symbol.by, document)), value)
            elif isinstance(symbol, Symbol | Partial | SecondPartial | Application):
                _enter(names, writer.write(spelled(symbol, document)), value)
        sizes = {name: float(size) for name, size in self._sizes.items()}
        letters: dict[str, int] = {}
        for block in document.blocks:
            if isinstance(block, Paragraph) and str(block.words[0]).startswith(_INDICES):
                letters = letters_of(render_text(Document((block,), document.language)).replace("\n", " "), sizes)
        loss = writer.write(spelled(Symbol(self._record.loss_name), document))
        identity = writer.write(spelled(self._record.constants.identity, document))
        functions: dict[str, NamedFunction] = {}
        for notation, function in self._functions():
            functions[writer.write(_spelled(notation, document))] = function
        return Page(script, names, gradients, loss, letters, identity, sizes, functions)

    def _functions(self) -> Iterator[tuple[Application, NamedFunction]]:
        """Yield the meanings of functions without a definition, and of their Jacobians."""
        for primitive in self._record.abstract_functions:
            name = Application(Symbol(primitive.name), ())
            if isinstance(primitive, Abstract):
                yield name, NamedFunction(partial(_values, primitive))
                continue
            values = partial(_values_of_map, replace(primitive, outputs=tuple(map(self._size, primitive.outputs))))
            yield name, NamedFunction(values, of_vector=True)
            if primitive.arity == 1:
                yield replace(name, jacobian=True), NamedFunction(values, of_vector=True, jacobian=True)

    def _size(self, dim: Dim) -> Dim:
        return bind_dim(dim, self._sizes) if isinstance(dim, SymbolicDim) else dim


def _spelled(notation: Application, document: Document) -> Notation:
    return replace(notation, function=cast("Symbol", spelled(notation.function, document)))


def _values(primitive: Abstract, by: Sequence[int]) -> Callable[..., Array]:
    orders = tuple(sum(each == k + 1 for each in by) for k in range(len(primitive.orders)))
    derivative = replace(primitive, orders=orders)
    return lambda *arguments: derivative.value(*np.broadcast_arrays(*arguments))


def _values_of_map(primitive: AbstractMap, by: Sequence[int]) -> Callable[..., Array]:
    return replace(primitive, by=tuple(place - 1 for place in by)).value


_INDICES = ("Indices", "下标")


def _enter(table: dict[str, Array], name: str, value: Array) -> None:
    known = table.setdefault(name, value)
    if known is not value and not (known.shape == value.shape and np.array_equal(known, value, equal_nan=True)):
        raise ReadingError(f"{name} is the name of two things")


def _unboxed(blocks: Sequence[Block]) -> Iterator[Block]:
    for block in blocks:
        if isinstance(block, Frame):
            yield from block.blocks
        else:
            yield block


def _lines(block: Block, script: Script, language: Language, writer: Writer) -> Iterator[tuple[str, Node | None]]:
    """Yield the printed equations of a block, each with its expression."""
    if isinstance(block, Equation):
        bare = Document((Equation(block.sides, block.shape),), language)
        if script == "text":
            line = joined(render_text(bare).rstrip("\n").split("\n"), block.shape)
        else:
            line = joined_latex(render_latex(bare).rstrip("\n").split("\n"))
        yield line, block.node
        for reason in block.reasons:
            yield from _equations_in(reason, writer)
    elif isinstance(block, Remark):
        yield from _equations_in(block.words, writer)


def _equations_in(words: Words, writer: Writer) -> Iterator[tuple[str, None]]:
    for piece in words:
        if isinstance(piece, Infix) and piece.operator == "=":
            yield writer.write(piece), None
