"""The tokens of a printed line, and the context in which they are read."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from chainrule.derivation.readback.abstract import NamedFunction
from chainrule.derivation.readback.text_tokens import text_tokens
from chainrule.derivation.readback.tokens import Token, Vocabulary, parted
from chainrule.derivation.readback.values import Array, Meaning, ReadingError, Value, known

Lexer: TypeAlias = Callable[[str, Vocabulary], Iterable[Token]]

_END = Token("end")


@dataclass(frozen=True)
class Surroundings:
    """The context of a line: the meanings of its names, gradients by the name of their variable, index letters.

    Each letter has an axis of the size of its range.
    """

    vocabulary: Vocabulary
    names: Mapping[str, Array]
    gradients: Mapping[str, Array]
    loss: str
    letters: Mapping[str, int] = field(default_factory=dict)
    identity: str = ""
    sizes: Mapping[str, float] = field(default_factory=dict)
    """Sizes by their printed names."""
    functions: Mapping[str, NamedFunction] = field(default_factory=dict)
    rounds: tuple[Surroundings, ...] = ()
    """The surroundings in each step of a recurrence, over which Σ_t runs."""

    def of(self, array: Array) -> Value:
        count = len(self.letters)
        return Value(array.reshape((1,) * count + array.shape), count)

    def letter(self, name: str) -> Value:
        axis, count = list(self.letters).index(name), len(self.letters)
        shape = [1] * count
        shape[axis] = self.letters[name]
        return Value(np.arange(self.letters[name]).reshape(shape), count)


class Cursor(ABC):
    """A place among the tokens of a line; a subclass evaluates what stands there."""

    def __init__(self, words: Iterable[Token], lexer: Lexer, surroundings: Surroundings) -> None:
        self._words = [*words, _END]
        self._place = 0
        self._lexer = lexer
        self._around = surroundings
        self._bars = dict.fromkeys("|‖", 0)

    @abstractmethod
    def expression(self) -> Meaning:
        """Evaluate an expression as it may occur in brackets."""

    @abstractmethod
    def _product(self) -> Meaning:
        """Evaluate a product."""

    @abstractmethod
    def _power(self) -> Meaning:
        """Evaluate an operand with its powers and indices."""

    @property
    def _next(self) -> Token:
        return self._words[self._place]

    def _take(self) -> Token:
        token = self._words[self._place]
        self._place += 1
        return token

    def _at(self, *signs: str) -> bool:
        return self._next.kind in ("sign", "mark") and self._next.text in signs

    def _expect(self, sign: str) -> None:
        if not self._at(sign):
            raise ReadingError(f"{sign!r} is missing before {self._next.text or self._next.kind!r}")
        self._place += 1

    def _number(self, value: float) -> Value:
        return self._around.of(np.asarray(value))

    def end(self) -> None:
        """Raise ReadingError unless all tokens have been read."""
        if self._next.kind != "end":
            raise ReadingError(f"{self._next.text or self._next.kind!r} is not expected")

    def _numeric(self, value: Meaning) -> Meaning:
        if isinstance(value, Value) and value.data.dtype == bool:
            raise ReadingError("a condition is used as a number")
        return value

    def _inner(self, entry: str) -> Value:
        """Evaluate an expression in an index or below a function."""
        reader = type(self)(self._lexer(entry, self._around.vocabulary), self._lexer, self._around)
        value = known(reader.expression())
        reader.end()
        return value

    def _size(self, text: str) -> int:
        return self.size_of(text, self._around.sizes)

    @classmethod
    def size_of(cls, text: str, sizes: Mapping[str, float]) -> int:
        """Return a printed size, `n`, `2·d+1`, as a number."""
        vocabulary = Vocabulary(dict.fromkeys(sizes, 0))
        around = Surroundings(vocabulary, {name: np.asarray(size) for name, size in sizes.items()}, {}, "")
        reader = cls(text_tokens(text, vocabulary), text_tokens, around)
        value = known(reader.expression())
        reader.end()
        if value.shape:
            raise ReadingError(f"{text} is not a size")
        return round(float(value.data))


def unset(entry: str) -> str:
    """Return a slice or shape that LaTeX sets as text in its plain form."""
    match = re.fullmatch(r"\\mathrm\{(.*)\}", entry)
    inner = match[1] if match is not None else entry
    for command, sign in (("{:}", ":"), ("\\times ", "×"), ("\\cdot ", "·"), ("\\ast", "∗"), ("\\_", "_")):
        inner = inner.replace(command, sign)
    return inner.strip()


def is_range(entry: str) -> bool:
    """Whether an index is a slice; a colon within brackets belongs to an index of its own, as in `T[y[1:]]`."""
    return len(parted(unset(entry), ":")) > 1
