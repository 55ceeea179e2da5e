"""Explanations of the marks that occur in a document."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from typing import cast

from chainrule.derivation.constants import Constants, description
from chainrule.derivation.document import Block, Equation, Frame, Words
from chainrule.derivation.repetition import NEW_AXIS
from chainrule.derivation.words import join, say
from chainrule.primitives import (
    Application,
    BigOperator,
    Call,
    Indexed,
    Infix,
    Notation,
    Number,
    Pairing,
    Partial,
    Postfix,
    Symbol,
)
from chainrule.words import Language


def walk(notation: Notation) -> Iterator[Notation]:
    """Yield `notation` and all its parts."""
    pending: list[object] = [notation]
    while pending:
        part = pending.pop()
        if isinstance(part, tuple):
            pending.extend(part)
        elif (names := _fields_of(cast("Hashable", type(part)))) is not None:
            yield cast("Notation", part)
            pending += [getattr(part, name) for name in names]


@cache
def _fields_of(kind: type) -> tuple[str, ...] | None:
    """Return the names of the fields of a kind of notation; None for other types."""
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else None


def notations(blocks: Iterable[Block]) -> Iterator[Notation]:
    """Yield every notation in `blocks`, with all its parts."""
    for block in blocks:
        if isinstance(block, Frame):
            yield from notations(block.blocks)
            continue
        if isinstance(block, Equation):
            pieces: list[str | Notation] = [*block.sides, *(piece for reason in block.reasons for piece in reason)]
        else:
            pieces = list(block.words)
        for piece in pieces:
            if not isinstance(piece, str):
                yield from walk(piece)


def _has_ones(part: Notation) -> bool:
    """Whether a matrix product has a vector of ones among its factors."""
    ones = (Number(1), Postfix("ᵀ", Number(1)))
    return isinstance(part, Infix) and part.operator == "" and any(factor in ones for factor in part.operands)


def legend(blocks: Iterable[Block], language: Language) -> list[Words]:
    """Return an explanation of each mark in `blocks`."""
    parts = list(notations(blocks))
    a, b, x = Symbol("a"), Symbol("b"), Symbol("x")
    product = Infix("⊙", (a, b))
    found: list[Words] = []
    if any(isinstance(part, Infix) and part.operator == "⊙" for part in parts):
        found.append(say(language, "elementwise product"))
    if any(isinstance(part, Postfix) and part.operator == "ᵀ" for part in parts):
        found.append(say(language, "transposed"))
    if any(_has_ones(part) for part in parts):
        found.append(say(language, "ones"))
    if any(isinstance(part, Pairing) for part in parts):
        found.append(say(language, "inner product", Pairing(a, b), product))
    if any(isinstance(part, Call) and part.function == "σ" for part in parts):
        found.append(say(language, "logistic", Call("σ", (x,))))
    if any(isinstance(part, Call) and part.function == "sinc" for part in parts):
        angle = Infix("", (Symbol("π"), x))
        found.append(
            say(language, "sinc", Infix("=", (Call("sinc", (x,)), Infix("/", (Call("sin", (angle,)), angle)))))
        )
    found += abstract_legend(parts, language)
    if any(isinstance(part, Indexed) and part.base == Number(1) for part in parts):
        found.append(say(language, "indicator", Indexed(Number(1), (Infix(">", (x, Number(0))),))))
    if any(isinstance(part, Call) and part.function == "uniform" for part in parts):
        found.append(say(language, "uniform", Call("uniform", (Symbol("k"),))))
    if any(isinstance(part, Call) and part.subscript and part.function in _REDUCTIONS for part in parts):
        found.append(say(language, "axes"))
    if any(isinstance(part, Infix) and part.operator == "⋆" for part in parts):
        x, w, k, p = Symbol("x"), Symbol("w"), Symbol("k"), Symbol("p")
        element = Indexed(Infix("⋆", (x, w)), (p,))
        terms = Infix("", (Indexed(x, (Infix("+", (p, k)),)), Indexed(w, (k,))))
        found.append(say(language, "correlation", element, BigOperator("Σ", (k,), terms)))
    if any(part == NEW_AXIS for part in parts):
        found.append(say(language, "new axis"))
    for function in _EXPLAINED:
        if any(isinstance(part, Call) and part.function == function for part in parts):
            found.append(say(language, f"mark {function}"))
    return found


def abstract_legend(parts: Iterable[Notation], language: Language) -> list[Words]:
    """Explain functions without a definition, and the marks of their derivatives."""
    bare: dict[Symbol, list[Words]] = {}
    primes: dict[Symbol, Words] = {}
    for part in parts:
        if not isinstance(part, Application) or not part.arguments:  # ∇²L is explained where it stands
            continue
        phrase: Words = ()
        function, mark = part.function, replace(part, arguments=())
        if part.primes == 1:
            phrase = primes[function] = say(language, "prime", mark, function)
        elif part.primes:
            phrase = say(language, "primes", mark, function, str(part.primes))
        elif part.by:
            key = "partial derivative" if len(part.by) == 1 else "mixed derivative"
            key = "partial Jacobian" if part.jacobian else "partial gradient" if part.nablas == 1 else key
            phrase = say(language, key, mark, function, ", ".join(map(str, part.by)))
        elif part.nablas:
            phrase = say(language, "gradient of" if part.nablas == 1 else "Hessian of", mark, function)
        elif part.jacobian:
            element = Infix("=", (Indexed(mark, (Symbol("i"), Symbol("j"))), _partial(function)))
            phrase = say(language, "Jacobian", mark, function, element)
        phrases = bare.setdefault(function, [])
        if phrase and phrase not in phrases:
            phrases.append(phrase)
    if not bare:
        return []
    functions = sorted(bare, key=lambda function: function.name)
    found = [
        say(language, "abstract functions" if len(bare) > 1 else "abstract function", _listed(functions, language))
    ]
    if len(primes) == len(bare) > 1:
        marks = [Application(function, (), primes=1) for function in functions]
        found.append(say(language, "several primes", _listed(marks, language)))
    else:
        primes.clear()
    said = set(primes.values())
    return [*found, *(phrase for function in functions for phrase in bare[function] if phrase not in said)]


def _listed(names: Sequence[Notation], language: Language) -> Words:
    return join(language, [(name,) for name in names])


def _partial(function: Symbol) -> Notation:
    return Partial(Indexed(function, (Symbol("i"),)), Indexed(Symbol("x"), (Symbol("j"),)))


_EXPLAINED = ("windows", "overlap_add", "flip", "pad", "repeat", "reshape", "gammainc_a")
_REDUCTIONS = frozenset({"mean", "max", "min", "Σ", "logsumexp", "cumsum", "reverse_cumsum"})


def repetition_legend(blocks: Iterable[Block], language: Language) -> Words | None:
    """Explain `1 b` and `u 1ᵀ`, if a vector is repeated."""
    ones, transposed = Number(1), Postfix("ᵀ", Number(1))
    for part in notations(blocks):
        if (
            isinstance(part, Infix)
            and part.operator == ""
            and (part.operands[0] == ones or part.operands[-1] == transposed)
        ):
            b, u = Symbol("b"), Symbol("u")
            return say(language, "forward broadcast", Infix("", (ones, b)), b, Infix("", (u, transposed)), u)
    return None


def constants_legend(constants: Constants, blocks: Iterable[Block], language: Language) -> Words:
    """Explain the names of constant arrays that are used."""
    used = {part for part in notations(blocks) if isinstance(part, Symbol)}
    found: list[Words] = []
    if constants.identity in used:
        found.append(say(language, "identity matrix", constants.identity))
    for size, identity in constants.identities.items():
        if identity in used:
            found.append(say(language, "sized identity", identity, Symbol(str(size))))
    for symbol, node in constants.named:
        if symbol in used:
            found.append((symbol, f" = {description(node)}"))
    return say(language, "constants", join(language, found, "list semicolon")) if found else ()
