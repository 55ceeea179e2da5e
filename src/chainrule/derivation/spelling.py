"""The last changes to names: those that a format would render alike are told apart, no function has a user's name,
and the name of a symmetric matrix is not transposed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, cast

from chainrule.derivation.document import Block, Document, Equation, Frame, Words
from chainrule.derivation.legend import notations
from chainrule.derivation.names import name_parts, step_of
from chainrule.primitives import (
    BigOperator,
    Call,
    Indexed,
    Mark,
    Notation,
    Number,
    Partial,
    Postfix,
    Prefix,
    Symbol,
    Verbatim,
)

_FUNCTIONS = {"σ": "sigmoid", "Σ": "sum"}
"""Functions that are written with a letter, and their names in words."""


def distinguished(document: Document, names: Iterable[str], symmetric: Collection[str] = ()) -> Document:
    """Return `document` with all `names` rendered differently, and those of `symmetric` matrices not transposed."""
    names = list(names)
    verbatim = frozenset([*_alike(names), *_like_elements(names, document)])
    functions = {
        name: word for name, word in _FUNCTIONS.items() if any(name_parts(each) == (name, ()) for each in names)
    }
    if not verbatim and not functions and not symmetric:
        return document

    def change(notation: Notation) -> Notation:
        if isinstance(notation, Symbol):
            return _spelled(notation, verbatim)
        if isinstance(notation, Call) and notation.function in functions:
            return replace(notation, function=functions[notation.function])
        if isinstance(notation, BigOperator) and notation.operator in functions:
            return replace(notation, operator=functions[notation.operator])
        if isinstance(notation, Prefix) and notation.operator in functions:
            return Call(functions[notation.operator], (notation.operand,))
        match notation:
            case Postfix("ᵀ", Symbol(name, prefix="") as symbol) if name in symmetric:
                return symbol
        return notation

    blocks = tuple(changed(block, change) for block in document.blocks)
    return Document(blocks, document.language, verbatim)


def spelled(symbol: Notation, document: Document) -> Notation:
    """Return a symbol as `document` renders it."""
    return _spelled(symbol, document.verbatim) if isinstance(symbol, Symbol) else symbol


def _spelled(symbol: Symbol, verbatim: frozenset[str]) -> Symbol:
    if symbol.name not in verbatim or isinstance(symbol, Mark):
        return symbol
    return Verbatim(symbol.name, symbol.prefix)


def _alike(names: Iterable[str]) -> Iterator[str]:
    """Yield the names that are rendered as another is, such as `W_1` beside `W1`, or h1 beside h₁ of a step."""
    groups: dict[object, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(name_parts(name), []).append(name)
    for group in groups.values():
        yield from sorted(group, key=lambda name: (not step_of(name), len(name)))[1:]


def _like_elements(names: Iterable[str], document: Document) -> Iterator[str]:
    """Yield the names, such as `x0`, that are rendered like an element, x[0], in the document."""
    numbered: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
    for name in names:
        head, parts = name_parts(name)
        if parts and parts[-1].isdigit():
            numbered.setdefault(head, []).append((name, parts))
    if not numbered:
        return
    for part in notations(document.blocks):
        if isinstance(part, Indexed):
            base = part.base.by if isinstance(part.base, Partial) else part.base
            if isinstance(base, Symbol):
                head, parts = name_parts(base.name)
                known = numbered.get(head, ())
                for index in itertools.takewhile(lambda each: isinstance(each, Number), part.indices):
                    parts = (*parts, str(cast("Number", index).value))
                    yield from (name for name, own in known if own == parts)


def changed(block: Block, change: Callable[[Notation], Notation]) -> Block:
    """Apply `change` to every notation in a block, innermost first."""
    known: dict[Notation, Notation] = {}

    def rebuilt(notation: Notation) -> Notation:
        if notation not in known:
            parts: Mapping[str, Any] = {each.name: inner(getattr(notation, each.name)) for each in fields(notation)}
            known[notation] = change(replace(notation, **parts))
        return known[notation]

    def inner(part: Any) -> Any:
        if isinstance(part, tuple):
            return tuple(map(inner, part))
        return rebuilt(cast("Notation", part)) if is_dataclass(part) else part

    def words(sentence: Words) -> Words:
        return tuple(map(inner, sentence))

    if isinstance(block, Frame):
        return Frame(tuple(cast("Any", changed(each, change)) for each in block.blocks))
    if isinstance(block, Equation):
        return replace(block, sides=tuple(map(rebuilt, block.sides)), reasons=tuple(map(words, block.reasons)))
    return replace(block, words=words(block.words))
