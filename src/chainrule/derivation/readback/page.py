"""Reading of the printed lines of a page, text or LaTeX, possibly wrapped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from chainrule.derivation.readback.abstract import NamedFunction
from chainrule.derivation.readback.cursor import Surroundings
from chainrule.derivation.readback.interpreter import Interpreter
from chainrule.derivation.readback.latex_tokens import latex_tokens
from chainrule.derivation.readback.text_tokens import text_tokens
from chainrule.derivation.readback.tokens import LOWERED, Token, Vocabulary
from chainrule.derivation.readback.values import (
    Array,
    ChainFactorError,
    Meaning,
    ReadingError,
    Shape,
    UnknownNotationError,
    Value,
    settle,
)

Notation: TypeAlias = Literal["text", "latex"]
_LEXERS: dict[Notation, Callable[[str, Vocabulary], Iterator[Token]]] = {"text": text_tokens, "latex": latex_tokens}
TOLERANCE = 1e-7


@dataclass(frozen=True, eq=False)
class Page:
    """The meanings of the names on a page, in one notation."""

    notation: Notation
    names: Mapping[str, Array]
    gradients: Mapping[str, Array]
    loss: str
    letters: Mapping[str, int]
    identity: str
    """The name of the identity matrix, of any size."""
    sizes: Mapping[str, float]
    functions: Mapping[str, NamedFunction] = field(default_factory=dict)
    """Functions without a definition, by printed name."""
    rounds: Sequence[tuple[Mapping[str, Array], Mapping[str, Array]]] = ()
    """The names and gradients in each step of a recurrence, over which Σ_t runs."""

    @cached_property
    def _known(self) -> dict[tuple[str, ...], Surroundings]:
        return {}

    def surroundings(self, line: str) -> Surroundings:
        """Return the context of `line`: the names, and the index letters that occur in it."""
        level = "".join(LOWERED.get(character, character) for character in line)
        letters = tuple(letter for letter in self.letters if letter in level)
        if letters not in self._known:
            axes = {name: array.ndim for name, array in (*self.gradients.items(), *self.names.items())}
            own = {self.identity: 2} if self.identity and self.identity not in axes else {}
            vocabulary = Vocabulary({**axes, **own, **dict.fromkeys(letters, 0)}, self.functions)
            sizes = {letter: self.letters[letter] for letter in letters}
            around = Surroundings(
                vocabulary, self.names, self.gradients, self.loss, sizes, self.identity, self.sizes, self.functions
            )
            rounds = tuple(
                replace(around, names={**self.names, **names}, gradients={**self.gradients, **gradients})
                for names, gradients in self.rounds
            )
            self._known[letters] = replace(around, rounds=rounds)
        return self._known[letters]


@dataclass(frozen=True)
class Outcome:
    """The number of evaluated sides of a line, their largest difference, and the number of sides not evaluated.

    Sides with factors of the chain rule, which are not arrays, count as neither.
    """

    sides: int
    error: float
    left_out: int = 0


def joined(lines: Sequence[str], shape: str = "") -> str:
    """Join an equation printed as text on several lines, without the `shape` at its right."""
    parts: list[str] = []
    found = False
    for line in lines:
        body = line.strip()
        if shape and not found and (body == shape or re.search(r"\s{3,}" + re.escape(shape) + "$", body)):
            body, found = body[: -len(shape)].strip(), True
        parts.append(body)
    return " ".join(part for part in parts if part)


def joined_latex(lines: Sequence[str]) -> str:
    """Join an equation of an `align*` to one line without its tag."""
    text = " ".join(lines)
    match = re.search(r" \\tag\*\{((?:[^{}]|\{[^{}]*\})*)\}", text)
    if match is not None:
        text = text[: match.start()] + text[match.end() :]
    text = re.sub(r"\\begin\{align\*\}|\\end\{align\*\}", "", text)
    depth, parts = 0, []
    for piece in re.split(r"(\\(?:begin|end)\{(?:cases|bmatrix)\}|\\\\(?:\s|$)|(?<!\\)&\\quad|(?<!\\)&)", text):
        depth += piece.startswith(r"\begin")
        depth -= piece.startswith(r"\end")
        outside = depth == 0 and (piece.startswith("\\\\") or piece.startswith("&"))
        parts.append(" " if outside else piece)
    return re.sub(r" +", " ", "".join(parts)).strip()


def sides_of(words: Sequence[Token]) -> list[list[Token]]:
    """Split a line at its equality signs, except those of conditions: `x if i = j, else 0`."""
    sides: list[list[Token]] = [[]]
    depth, conditions = 0, 0
    for word in words:
        if depth == 0 and word.kind in ("mark", "sign"):
            conditions += (word.text == "if") - (word.text == "," and conditions > 0)
        if word.kind == "sign":
            depth += (word.text in "(⟨⌊⌈") - (word.text in ")⟩⌋⌉")
            if word.text == "=" and depth == 0 and not conditions:
                sides.append([])
                continue
        sides[-1].append(word)
    return sides


def read(line: str, page: Page, expected: Array | None = None) -> Outcome:
    """Evaluate every side of `line` and compare them; raise ReadingError for a side without a unique meaning.

    `expected` is the value of all sides; without it they are compared with one another. A side that is a factor of the
    chain rule, or has another notation that is not evaluated, is skipped.
    """
    try:
        with np.errstate(all="ignore"):
            return _read(line, page, expected)
    except (ArithmeticError, IndexError, TypeError, ValueError, np.linalg.LinAlgError) as error:
        raise error if isinstance(error, ReadingError) else ReadingError(str(error)) from error


def _read(line: str, page: Page, expected: Array | None) -> Outcome:
    lexer = _LEXERS[page.notation]
    around = page.surroundings(line)
    meanings: list[tuple[Meaning, bool]] = []
    try:
        words = list(lexer(line, around.vocabulary))
    except UnknownNotationError:
        return Outcome(0, 0.0, 1)
    left_out = 0
    for side in sides_of(words):
        reader = Interpreter(side, lexer, around)
        try:
            meaning = reader.expression()
            reader.end()
        except UnknownNotationError as error:
            left_out += not isinstance(error, ChainFactorError)
            continue
        meanings.append((meaning, reader.is_number))
    if not meanings:
        return Outcome(0, 0.0, left_out)
    shape: Shape | None = None if expected is None else expected.shape
    if shape is None:
        shape = next(
            (m.shape for m, literal in meanings if isinstance(m, Value) and not m.free and not literal),
            next((m.shape for m, _ in meanings if isinstance(m, Value)), None),
        )
    if shape is None:
        raise ReadingError("no size is determined")
    arrays = []
    for meaning, literal in meanings:
        try:
            arrays.append(_settled(meaning, literal, shape))
        except UnknownNotationError:
            left_out += 1
    read_sides = len(arrays)
    if expected is not None:
        count = len(around.letters)
        arrays.insert(0, expected.reshape((1,) * count + expected.shape))
    return Outcome(read_sides, max((_difference(arrays[0], each) for each in arrays[1:]), default=0.0), left_out)


def _settled(meaning: Meaning, literal: bool, shape: Shape) -> Array:
    """Return an array of `shape`; a single 0 is an array of zeros, a single 1 or −1 a vector of these."""
    if literal and isinstance(meaning, Value) and shape:
        number = float(meaning.data.reshape(()))
        if number == 0 or (abs(number) == 1 and sum(size != 1 for size in shape) <= 1):
            return np.full((1,) * meaning.letters + shape, number)
    return settle(meaning, shape)


def _difference(one: Array, other: Array) -> float:
    """Return the largest difference relative to the largest number, except where there was overflow."""
    a, b = np.broadcast_arrays(np.asarray(one, float), np.asarray(other, float))
    told = np.isfinite(a)
    if not np.all(np.isfinite(b[told])):
        return float("inf")
    size = max(float(np.max(np.abs(a), where=told, initial=0.0)), 1e-3)
    return float(np.max(np.abs(a - b), where=told, initial=0.0)) / size


def letters_of(sentence: str, sizes: Mapping[str, float]) -> dict[str, int]:
    """Parse `Indices: i and i′ over n; j over 2·d.` into the range of each letter."""
    found: dict[str, int] = {}
    for part in re.split(r"[;；]", re.sub(r"^[^:：]*[:：]|[.。]\s*$", "", sentence)):
        match = re.fullmatch(r"\s*(.*?)\s*(?:over|遍历)\s*(.*?)\s*", part)
        if match is None:
            raise ReadingError(f"the range of an index is missing: {part!r}")
        size = Interpreter.size_of(match[2], sizes)
        for letter in re.split(r",\s*|、|\s+", match[1]):
            found[letter] = size
    return found
