"""The lines of a derivation for the page: one for each value and gradient, each in every form, with its reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from chainrule.calculus import TANGENT
from chainrule.derivation import (
    FORMS,
    Claim,
    Document,
    Equation,
    Form,
    Frame,
    MarkedWriter,
    Notator,
    Record,
    Remark,
    Words,
    keys_of,
    parted,
    sentence_html,
    write_document,
)
from chainrule.explorer.pictures import Picture, picture_of
from chainrule.ir import Input
from chainrule.words import LANGUAGES, Language

_WIDTH = 20
"""The approximate width in letters of the parts of a formula between which a line may break."""

Kind: TypeAlias = Literal["abbreviation", "forward", "derivative", "gradient"]


@dataclass(frozen=True)
class Line:
    """One line: the value `key` by its `claim`, as MathML in each form, with reasons and remarks in each language.

    `of` is the quantity that a gradient belongs to. An equation of the forward pass has its `differential`.
    """

    key: str
    kind: Kind
    of: str
    claim: Claim
    shape: str
    forms: dict[Form, str]
    reasons: dict[Language, tuple[str, ...]]
    remarks: dict[Language, tuple[str, ...]]
    differential: str
    picture: Picture


def lines_of(record: Record) -> tuple[Line, ...]:
    """Return the lines of a record in reading order: each value, each σ′(z), each gradient."""
    return tuple(_Lines(record).lines())


class _Lines:
    def __init__(self, record: Record) -> None:
        self._record = record
        keys = keys_of(record, Notator(record))
        self._display = MarkedWriter(keys)
        self._inline = {language: MarkedWriter(keys, language, inline=True) for language in LANGUAGES}
        self._claims = dict(_claims(record))
        documents = {language: write_document(record, "matrix", language, "full") for language in LANGUAGES}
        self._equations: dict[Form, dict[Input, Equation]] = {
            form: _first(
                _determining(documents["en"] if form == "matrix" else write_document(record, form, "en", "full"))
            )
            for form in FORMS
        }
        self._reasons = {language: _first(_determining(document)) for language, document in documents.items()}
        self._remarks = {language: _remarks(document) for language, document in documents.items()}

    def lines(self) -> Iterator[Line]:
        for symbol, equation in self._equations["matrix"].items():
            found = self._claims.get(symbol)
            if found is None:  # a differential, which its equation shows
                continue
            kind, of, claim = found
            forms: dict[Form, str] = {
                form: self._formula(equations[symbol])
                for form, equations in self._equations.items()
                if symbol in equations
            }
            reasons = {each: self._sentences(self._reasons[each][symbol].reasons, each) for each in LANGUAGES}
            remarks = {each: self._sentences(self._remarks[each].get(symbol, ()), each) for each in LANGUAGES}
            differential = self._equations["matrix"].get(Input(TANGENT + symbol.name, symbol.type))
            yield Line(
                symbol.name,
                kind,
                of,
                claim,
                equation.shape,
                forms,
                reasons,
                remarks,
                "" if differential is None else self._formula(differential),
                picture_of(claim.right),
            )

    def _formula(self, equation: Equation) -> str:
        """Write an equation; lines break at the equality signs, and at operators of long sides."""
        first, *others = [self._display.side(side) for side in equation.sides]
        signs = map(self._display.infix, equation.signs)
        rest = [
            f'<span class="side">{parted([sign, *side], _WIDTH, True)}</span>'
            for sign, side in zip(signs, others, strict=True)
        ]
        return "<wbr>".join([f'<span class="side">{parted(first, _WIDTH, True)}</span>', *rest])

    def _sentences(self, sentences: Sequence[Words], language: Language) -> tuple[str, ...]:
        return tuple(sentence_html(sentence, self._inline[language]) for sentence in sentences)


def _claims(record: Record) -> Iterator[tuple[Input, tuple[Kind, str, Claim]]]:
    """Yield the symbol that each line determines, with its claim."""
    for symbol, claim in record.abbreviation_claims.items():
        yield symbol, ("abbreviation", symbol.name, claim)
    for stage in record.stages:
        yield stage.stage.symbol, ("forward", stage.stage.name, stage.forward)
        if stage.derivative is not None and stage.derivative_symbol is not None:
            yield stage.derivative_symbol, ("derivative", stage.stage.name, stage.derivative)
    for step in record.steps:
        entry = step.accumulation
        if step.chain.right is not entry.cotangent:
            yield entry.cotangent, ("gradient", entry.symbol.name, step.merge or step.chain)


def _determining(document: Document) -> Iterator[tuple[Input, Equation]]:
    for block in document.blocks:
        for equation in block.blocks if isinstance(block, Frame) else (block,):
            if isinstance(equation, Equation) and equation.of is not None:
                yield equation.of, equation


def _first(pairs: Iterator[tuple[Input, Equation]]) -> dict[Input, Equation]:
    """Return the first equation of each symbol."""
    found: dict[Input, Equation] = {}
    for symbol, equation in pairs:
        found.setdefault(symbol, equation)
    return found


def _remarks(document: Document) -> dict[Input, tuple[Words, ...]]:
    """Return the remarks that follow the line of each symbol; those on the whole pass follow the last."""
    found: dict[Input, tuple[Words, ...]] = {}
    symbol: Input | None = None
    for block in document.blocks:
        if isinstance(block, Equation) and block.of is not None:
            symbol = block.of
        if isinstance(block, Remark) and symbol is not None:
            found[symbol] = (*found.get(symbol, ()), block.words)
    return found
