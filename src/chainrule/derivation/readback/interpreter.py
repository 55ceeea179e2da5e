"""Evaluation of the tokens of a printed line as a reader of mathematics would."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from chainrule.derivation.readback import arrangements, decompositions, functions, matrices
from chainrule.derivation.readback.abstract import NamedFunction
from chainrule.derivation.readback.text_tokens import text_tokens
from chainrule.derivation.readback.tokens import DECOMPOSED, Token, Vocabulary, parted
from chainrule.derivation.readback.values import (
    Array,
    ChainFactorError,
    Meaning,
    Open,
    ReadingError,
    Shape,
    UnknownNotationError,
    Value,
    elementwise,
    fitted_to,
    known,
    ones,
    product,
    transposed,
)

Lexer = Callable[[str, Vocabulary], Iterable[Token]]

_COMPARISONS: dict[str, Callable[..., Array]] = {
    "<": lambda x, y: np.less(x, y) & ~_alike(x, y),
    "≤": lambda x, y: np.less(x, y) | _alike(x, y),
    ">": lambda x, y: np.greater(x, y) & ~_alike(x, y),
    "≥": lambda x, y: np.greater(x, y) | _alike(x, y),
    "=": lambda x, y: _alike(x, y),
    "≠": lambda x, y: ~_alike(x, y),
}


def _alike(x: Array, y: Array) -> Array:
    """Whether two numbers differ only by rounding, which depends on the order of operations."""
    return np.isclose(x, y, rtol=1e-13, atol=0)


_STARTS = frozenset(("number", "ones", "name", "function", "applied", "partial", "quotient"))
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


_AT_NUMBER = re.compile("[₀-₉]$")
"""A value in a numbered step of a recurrence, in text."""


class Interpreter:
    """Evaluates one line; a literal 1 in a matrix product is the vector of ones."""

    def __init__(self, words: Iterable[Token], lexer: Lexer, surroundings: Surroundings) -> None:
        self._words = [*words, _END]
        self._place = 0
        self._lexer = lexer
        self._around = surroundings
        self._bars = dict.fromkeys("|‖", 0)

    # Tokens

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

    @property
    def is_number(self) -> bool:
        """Whether the line is a single literal number."""
        return [word.kind for word in self._words] == ["number", "end"]

    # Levels of precedence, lowest first

    def expression(self) -> Meaning:
        """Evaluate an expression as it may occur in brackets."""
        value = self._condition()
        if not self._at("if"):
            return value
        self._take()
        condition = self._condition()
        self._expect(",")
        self._expect("else")
        otherwise = self.expression()
        return elementwise(np.where, condition, value, otherwise)

    def _condition(self) -> Meaning:
        value = self._comparison()
        while self._at("∧", "∨"):
            operation = np.logical_and if self._take().text == "∧" else np.logical_or
            value = elementwise(operation, value, self._comparison())
        return value

    def _comparison(self) -> Meaning:
        if self._at("¬"):
            self._take()
            return elementwise(np.logical_not, self._power())
        value = self._sum()
        if self._next.kind == "sign" and self._next.text in _COMPARISONS:
            operation = _COMPARISONS[self._take().text]
            return elementwise(operation, value, self._sum())
        return value

    def _sum(self) -> Meaning:
        if self._at("−"):
            self._take()
            value = elementwise(np.negative, self._numeric(self._product()))
        else:
            value = self._product()
        while self._at("+", "−"):
            operation = np.add if self._take().text == "+" else np.subtract
            value = elementwise(operation, self._numeric(value), self._numeric(self._product()))
        return value

    def _numeric(self, value: Meaning) -> Meaning:
        if isinstance(value, Value) and value.data.dtype == bool:
            raise ReadingError("a condition is used as a number")
        return value

    def _product(self) -> Meaning:
        first = self._place
        value = self._chain()
        while self._at("⊙", "⊗", "·", "/", "⋆"):
            sign = self._take().text
            start = self._place
            other = self._chain()
            if sign == "⋆":
                raise UnknownNotationError("⋆")
            if sign == "⊗":
                ends = start - 2 == first and self._words[first].text == "1", self._place == start + 1
                value = ones(len(self._around.letters)) if ends[0] and self._words[first].kind == "number" else value
                other = ones(len(self._around.letters)) if ends[1] and self._words[start].text == "1" else other
                value = matrices.kronecker(self._numeric(value), self._numeric(other))
                continue
            if sign == "/":
                value = elementwise(np.true_divide, self._numeric(value), self._numeric(other))
                continue
            if sign == "·":
                if _is_array(value) and _is_array(other):
                    single = _single(value)
                    value, other = (single, other) if single is not value else (value, _single(other))
                alone = self._place == start + 1 and self._words[start].text == "1"
                if alone and self._around.letters == {}:
                    other = ones(0)
                if _is_ones(other):
                    value = product([_single(value), other])
                    continue
                sizes = [each for each in (value, other) if isinstance(each, Open) or each.ndim]
                if len(sizes) > 1:
                    raise ReadingError("· between two arrays")
            value = elementwise(np.multiply, self._numeric(value), self._numeric(other))
        return value

    def _starts_factor(self) -> bool:
        token = self._next
        if token.kind in _STARTS:
            return True
        return token.kind == "sign" and (token.text in "(⌊⌈⟨√" or self._bars.get(token.text) == 0)

    def _chain(self) -> Meaning:
        factors: list[Meaning] = []
        literal: list[bool] = []
        while True:
            start = self._place
            factors.append(self._power())
            literal.append(self._place == start + 1 and self._words[start].kind == "number")
            if not self._starts_factor():
                break
        if len(factors) == 1:
            return factors[0]
        letters = len(self._around.letters)
        numbers = letters and all(isinstance(factor, Value) and factor.ndim == 0 for factor in factors)
        for k, (factor, plain) in enumerate(zip(factors, literal, strict=True)):
            if plain and not numbers and isinstance(factor, Value) and np.all(factor.data == 1):
                factors[k] = ones(letters)
        return product([self._numeric(factor) for factor in factors])

    def _power(self) -> Meaning:
        start = self._place
        value = self._atom()
        while True:
            token = self._next
            if token.kind == "raised":
                self._take()
                literal = self._place == start + 2 and self._words[start].kind == "number"
                if token.text == "transpose" and literal and known(value).data == 1:
                    value = ones(len(self._around.letters))
                if literal and self._words[start].text == "10" and token.text == "power":
                    value = self._number(float(f"1e{token.number:.0f}"))  # 10⁻⁵ is the number nearest to it
                else:
                    value = self._raised(value, token)
            elif token.kind == "index":
                self._take()
                value = self._item(value, token, self._words[start], self._place == start + 2)
            elif self._at("^"):
                self._take()
                value = elementwise(_raise, value, self._atom())
            else:
                return value

    def _raised(self, value: Meaning, token: Token) -> Meaning:
        if token.text == "transpose":
            return transposed(value)
        if token.text == "inverse transpose":
            return transposed(matrices.inverse(value))
        if token.number == -1:
            return matrices.inverse(value)
        exponent = token.number
        return elementwise(lambda x: _raise(x, exponent), self._numeric(value))

    def _atom(self) -> Meaning:
        token = self._take()
        if token.kind == "number":
            if token.text in ("true", "false"):
                return self._around.of(np.asarray(bool(token.number)))
            return self._number(token.number)
        if token.kind == "ones":
            return ones(len(self._around.letters))
        if token.kind == "name":
            if token.text in self._around.letters:
                return self._around.letter(token.text)
            if token.text == self._around.identity and token.text not in self._around.names:
                return Open(lambda size: self._around.of(np.eye(size)), 1, 2)
            return self._named(self._around.names, token.text)
        if token.kind == "partial":
            if token.text == self._around.loss and token.entries[0] in self._around.gradients:
                return self._named(self._around.gradients, token.entries[0])
            if token.text == self._around.loss and _AT_NUMBER.search(token.entries[0]):
                raise ReadingError(f"no gradient by {token.entries[0]} is known")
            raise ChainFactorError
        if token.kind == "quotient":
            raise ChainFactorError
        if token.kind == "function":
            return self._function(token)
        if token.kind == "applied":
            return self._applied(token)
        if token.text == "(":
            bars, self._bars = self._bars, dict.fromkeys("|‖", 0)
            value = self.expression()
            self._bars = bars
            self._expect(")")
            return value
        if token.text == "|":
            self._bars["|"] += 1
            value = self.expression()
            self._bars["|"] -= 1
            self._expect("|")
            return elementwise(np.abs, value)
        if token.text == "‖":
            self._bars["‖"] += 1
            value = self.expression()
            self._bars["‖"] -= 1
            self._expect("‖")
            return functions.norm(self._numeric(value), self._frobenius())
        if token.text == "⌊":
            value = self.expression()
            self._expect("⌋")
            return elementwise(np.floor, value)
        if token.text == "⌈":
            value = self.expression()
            self._expect("⌉")
            return elementwise(np.ceil, value)
        if token.text == "⟨":
            left = self.expression()
            self._expect(",")
            right = self.expression()
            self._expect("⟩")
            return _pairing(left, right)
        if token.text == "√":
            return elementwise(np.sqrt, self._atom())
        raise ReadingError(f"{token.text or token.kind!r} is not expected")

    def _frobenius(self) -> bool:
        """Read the subscript of a norm, if it has one."""
        if self._next.kind != "index":
            return False
        if _unset(self._take().entries[0]) != "F":
            raise ReadingError("a norm of another kind")
        return True

    def _named(self, names: Mapping[str, Array], name: str) -> Value:
        if name not in names:
            raise ReadingError(f"{name} is not a name that the page defines")
        return self._around.of(names[name])

    # Functions and operators

    def _function(self, token: Token) -> Meaning:
        name, primes = token.text, 0
        below: tuple[str, ...] = ()
        while self._next.kind in ("primes", "below"):
            word = self._take()
            if word.kind == "primes":
                primes = int(word.number)
            else:
                below = word.entries
        if name == "Σ" and below == ("t",) and self._around.rounds:
            return self._over_steps()
        letters = [each for each in below if each in self._around.letters]
        if below and len(letters) == len(below) and name in ("Σ", "sum", "max", "min"):
            return self._bound(name, letters)
        if name == "Σ" and not below:
            return functions.reduction("Σ", self._power(), ())
        self._expect("(")
        bars, self._bars = self._bars, dict.fromkeys("|‖", 0)
        value = self._call(name, primes, below)
        self._bars = bars
        self._expect(")")
        return value

    def _applied(self, token: Token) -> Meaning:
        """Evaluate a function without a definition, with the marks of its derivative."""
        marks = tuple(map(int, token.entries))
        if self._next.kind == "primes":
            marks = (1,) * int(self._take().number)
        self._expect("(")
        bars, self._bars = self._bars, dict.fromkeys("|‖", 0)
        arguments = self._arguments()
        self._bars = bars
        self._expect(")")
        return self._around.functions[token.text].of(marks, arguments)

    def _bound(self, name: str, letters: Sequence[str]) -> Meaning:
        """Evaluate a sum over index letters of the following product."""
        value = known(self._product())
        data = value.data
        for letter in letters:
            axis = list(self._around.letters).index(letter)
            if data.shape[axis] == 1:
                data = np.repeat(data, self._around.letters[letter], axis=axis)
            data = np.asarray(functions.REDUCTIONS[name](data, axis=axis, keepdims=True))
        return Value(data, value.letters, value.free)

    def _over_steps(self) -> Meaning:
        """Evaluate a sum over the steps of a recurrence of the following product."""
        around, start = self._around, self._place
        total: Meaning | None = None
        for step in around.rounds:
            self._around, self._place = step, start
            term = self._numeric(self._product())
            total = term if total is None else elementwise(np.add, total, term)
        self._around = around
        assert total is not None
        return total

    def _arguments(self) -> list[Meaning]:
        arguments = [self._numeric(self.expression())]
        while self._at(","):
            self._take()
            arguments.append(self._numeric(self.expression()))
        return arguments

    def _call(self, name: str, primes: int, below: Sequence[str]) -> Meaning:
        if name in ("windows", "overlap_add", "correlate", "uniform", "commuted", "add_along"):
            raise UnknownNotationError(name)
        if name == "einsum":
            spec = self._take()
            if spec.kind != "mark":
                raise ReadingError("einsum without letters")
            self._expect(",")
            return arrangements.einsum(spec.text, self._arguments())
        if name == "pad":
            return self._padded(below)
        arguments = [self.expression()] if name in ("reshape", "repeat") else self._arguments()
        if name in ("reshape", "repeat") and len(arguments) == 1:
            sizes = self._sizes(below)
            return (
                arrangements.reshaped(arguments[0], sizes)
                if name == "reshape"
                else arrangements.repeated(arguments[0], sizes)
            )
        parameters = [self._below(each) for each in below]
        axes = [int(number) for number in parameters]
        if name == "clip" and len(arguments) == 3:
            lower = elementwise(np.maximum, arguments[0], arguments[1])
            return elementwise(np.minimum, lower, arguments[2])
        if name == "gammainc_a" and len(arguments) == 2:
            return elementwise(lambda a, x: functions.gammainc_by_first(a, x, axes[0]), *arguments)
        if name in functions.BINARY and len(arguments) == 2:
            return elementwise(functions.BINARY[name], *arguments)
        if name == "scatter_add" and len(arguments) > 1:
            return arrangements.scatter_add(arguments[0], arguments[1:], axes[0] if axes else 0)
        if name == "take_along" and len(arguments) == 2:
            return arrangements.taken_along(arguments[0], arguments[1], axes[0])
        if name == "stack":
            return arrangements.stacked(arguments, axes)
        if name in ("rows", "columns"):
            return arrangements.blocks(arguments, int(name == "columns"))
        if name == "concatenate":
            return arrangements.concatenated(arguments, axes)
        if name in ("expm", "dexpm"):
            return decompositions.exponential(name, *arguments)
        if len(arguments) != 1:
            raise ReadingError(f"{name} of {len(arguments)} arguments")
        (x,) = arguments
        if primes:
            return self._derivative(name, primes, x, parameters)
        if name in functions.ELEMENTWISE:
            return elementwise(lambda data: functions.ELEMENTWISE[name](data, *parameters), x)
        if name in functions.REDUCTIONS:
            return functions.reduction(name, x, axes)
        shaped: dict[str, Callable[[], Meaning]] = {
            "softmax": lambda: functions.softmax(name, x, axes),
            "log_softmax": lambda: functions.softmax(name, x, axes),
            "cumsum": lambda: functions.cumulative(name, x, axes),
            "reverse_cumsum": lambda: functions.cumulative(name, x, axes),
            "refft": lambda: functions.transformed(name, x, axes),
            "imfft": lambda: functions.transformed(name, x, axes),
            "median": lambda: functions.quantile(x, 0.5, axes),
            "quantile": lambda: functions.quantile(x, parameters[0], axes[1:]),
            **{each: partial(functions.order, each, x, axes) for each in functions.ORDERS},
            "nanmedian": lambda: functions.quantile(x, 0.5, axes, np.nanquantile),
            "nanquantile": lambda: functions.quantile(x, parameters[0], axes[1:], np.nanquantile),
            "flip": lambda: arrangements.flipped(x, axes),
            "permute": lambda: arrangements.permuted(x, axes),
            "diag": lambda: matrices.diagonal(x),
            "tr": lambda: matrices.trace(x),
            "tril": lambda: matrices.triangle(x, axes, below=True),
            "triu": lambda: matrices.triangle(x, axes, below=False),
            "adj": lambda: matrices.adjugate(x),
            "chol": lambda: matrices.cholesky(x),
            "pinv": lambda: matrices.pseudoinverse(x),
            **{each: partial(decompositions.decomposed, each, x) for each in DECOMPOSED},
            "det": lambda: matrices.determinant(x),
            "vec": lambda: matrices.vec(x),
            "onehot": lambda: arrangements.one_hot(x),
            "norm": lambda: functions.norm(x, frobenius=x.ndim == 2),
        }
        if name not in shaped:
            raise ReadingError(f"{name} is called")
        return shaped[name]()

    def _derivative(self, name: str, order: int, x: Meaning, parameters: Sequence[float]) -> Meaning:
        if name not in functions.ELEMENTWISE:
            raise UnknownNotationError(f"{name}′")
        return elementwise(lambda data: functions.derivative(name, data, parameters, order), x)

    def _sizes(self, below: Sequence[str]) -> list[int]:
        """Return the sizes of `n×(l-k+1)`."""
        if len(below) != 1:
            raise ReadingError("of which shape?")
        return [size_of(part, self._around.sizes) for part in parted(_unset(below[0]), "×")]

    def _below(self, entry: str) -> float:
        value = self._inner(entry)
        if value.shape != () or value.data.size != 1:
            raise ReadingError(f"{entry} below a function is not a number")
        return float(value.data.reshape(()))

    def _inner(self, entry: str) -> Value:
        """Evaluate an expression in an index or below a function."""
        reader = Interpreter(self._lexer(entry, self._around.vocabulary), self._lexer, self._around)
        value = known(reader.expression())
        reader.end()
        return value

    def _padded(self, below: Sequence[str]) -> Meaning:
        """Evaluate `pad(x, 1)`, with zeros on each side, or `pad(x, [2:5])`, with x at that range among zeros."""
        x = self._numeric(self.expression())
        widths: list[int] = []
        while self._at(","):
            self._take()
            token = self._next
            if token.kind == "below":
                return arrangements.padded(x, [self._range(entry) for entry in self._take().entries])
            if token.kind == "mark":
                text = _unset(self._take().text)
                if text.startswith("["):
                    return arrangements.padded(x, [self._range(entry) for entry in parted(text[1:-1])])
                widths.append(size_of(text, self._around.sizes))
            else:
                widths.append(round(float(known(self.expression()).data.reshape(()))))
        return arrangements.bordered(x, widths, [int(self._below(each)) for each in below])

    # Indices

    def _item(self, base: Meaning, token: Token, first: Token, plain: bool) -> Meaning:
        """Evaluate an element, a slice, or elements selected by labels; `1[x > 0]` is an indicator."""
        if plain and first.kind == "number" and first.number == 1 and _unset(token.entries[0]) != "∗":
            value = self._inner(token.entries[0])
            if value.data.dtype != bool or len(token.entries) > 1:
                raise ReadingError("1 has no entries")
            return elementwise(lambda data: np.asarray(data, float), value)
        if (
            token.entries == ("direct",)
            or token.entries == ("\\mathrm{direct}",)
            or token.entries == ("\\mathit{direct}",)
        ):
            raise ChainFactorError
        if isinstance(base, Open) and plain and first.text == self._around.identity and len(token.entries) == 2:
            row, column = map(self._inner, token.entries)
            return elementwise(lambda i, j: np.asarray(i == j, float), row, column)
        if isinstance(base, Open):
            return self._opened_item(base, token, first)
        value = known(base)
        entries = [_unset(entry) if _is_range(entry) or "ast" in entry else entry for entry in token.entries]
        kept = sum(entry != "∗" for entry in entries)
        if kept > value.ndim or value.is_row or not self._leave_free(value, entries):
            raise ReadingError(f"{len(entries)} indices of shape {value.shape}")
        picked: list[tuple[int, Array]] = []
        axis = 0
        data = value.data
        free: set[int] = set()
        before = 0
        ahead = 0  # entries that an earlier one was read with
        for position, entry in enumerate(entries):
            at = axis + value.letters
            if ahead:
                ahead -= 1
                before += 1
                continue
            is_free = entry != "∗" and before in value.free
            before += entry != "∗"
            if is_free and entry == ":":
                free.add(axis)
            if entry == "∗":
                data = np.expand_dims(data, at)
                free.add(axis)
                axis += 1
            elif _is_range(entry):
                data = data[(slice(None),) * at + (self._range(entry),)]
                axis += 1
            else:
                index = self._inner(entry)
                if index.letters and (index.ndim or value.data.shape[: value.letters] != (1,) * value.letters):
                    raise UnknownNotationError("labels at an index")
                if index.letters:
                    picked.append((axis, index.data))
                    axis += 1
                else:
                    together = [index, *self._paired_with(index, entries[position + 1 :])]
                    chosen = [_integers(each.data) for each in together]
                    for array, size in zip(chosen, data.shape[at:], strict=False):
                        if np.any(array >= size) or np.any(array < -size):
                            raise ReadingError(f"{entry} is beyond the end of shape {value.shape}")
                    data = np.asarray(data[(slice(None),) * at + tuple(chosen)])
                    axis += index.ndim
                    ahead = len(together) - 1
        if not picked:
            free |= {k + axis - before for k in value.free if k >= before}
            return Value(data, value.letters, frozenset(free))
        if free:
            raise UnknownNotationError("a new axis at an index")
        own = data.reshape(data.shape[value.letters :])
        places = [place for place, _ in picked]
        others = [k for k in range(own.ndim) if k not in places]
        own = np.transpose(own, places + others)
        indices, inside = [], np.asarray(True)
        for k, (_, place) in enumerate(picked):
            integers = _integers(np.where(np.isnan(place), -1, place))  # an index that was out of range
            inside = inside & (integers >= 0) & (integers < own.shape[k])
            indices.append(np.clip(integers, 0, max(own.shape[k] - 1, 0)))
        found = own[tuple(np.broadcast_arrays(*indices))]
        if not np.all(inside):
            mask = np.broadcast_to(inside, found.shape[: value.letters]).reshape(inside.shape + (1,) * len(others))
            found = np.where(mask, found, np.nan)
        return Value(found, value.letters)

    def _paired_with(self, index: Value, following: Sequence[str]) -> list[Value]:
        """Return the arrays of indices after `index` whose elements belong to its own, as in NumPy."""
        found: list[Value] = []
        for entry in following if index.ndim else ():
            if entry == "∗" or _is_range(entry):
                break
            each = self._inner(entry)
            if each.shape != index.shape or each.letters:
                break
            found.append(each)
        return found

    def _opened_item(self, base: Open, token: Token, first: Token) -> Open:
        """Index a value of unknown sizes."""
        ndim, ahead = base.ndim, 0
        for place, entry in enumerate(token.entries):
            if ahead:
                ndim, ahead = ndim - 1, ahead - 1
            elif _unset(entry) == "∗":
                ndim += 1
            elif not _is_range(entry):
                if self._around.letters:
                    raise UnknownNotationError("an element of what has an unknown size")
                index = self._inner(entry)
                ndim += index.ndim - 1
                ahead = len(self._paired_with(index, [_unset(each) for each in token.entries[place + 1 :]]))
        inside = base.inside
        return Open(lambda *n: known(self._item(base.make(*n), token, first, plain=False)), base.unknown, ndim, inside)

    def _leave_free(self, value: Value, entries: Sequence[str]) -> bool:
        """Whether one element, or all, are selected along the axes of any length."""
        own = [entry for entry in entries if entry != "∗"]
        return all(entry in (":", "0") for k, entry in enumerate(own) if k in value.free)

    def _range(self, entry: str) -> slice:
        parts = entry.split(":")
        numbers = [size_of(part, self._around.sizes) if part.strip() else None for part in parts]
        start, stop, step = (*numbers, None)[:3] if len(numbers) == 2 else numbers[:3]
        return slice(start, stop, step)


def _is_ones(value: Meaning) -> bool:
    """Whether the value is a column or a row of ones of any length."""
    return isinstance(value, Value) and value.ndim == 1 and value.free == {0} and bool(np.all(value.data == 1))


def _is_array(value: Meaning) -> bool:
    return isinstance(value, Value) and value.ndim > 0


def _single(value: Meaning) -> Meaning:
    """Return an array of one element as a number."""
    if isinstance(value, Value) and value.ndim and not value.free and set(value.shape) == {1}:
        return Value(value.data.reshape(value.data.shape[: value.letters]), value.letters)
    return value


def _unset(entry: str) -> str:
    """Return a slice or shape that LaTeX sets as text in its plain form."""
    match = re.fullmatch(r"\\mathrm\{(.*)\}", entry)
    inner = match[1] if match is not None else entry
    for command, sign in (("{:}", ":"), ("\\times ", "×"), ("\\cdot ", "·"), ("\\ast", "∗"), ("\\_", "_")):
        inner = inner.replace(command, sign)
    return inner.strip()


def size_of(text: str, sizes: Mapping[str, float]) -> int:
    """Return a printed size, `n`, `2·d+1`, as a number."""
    vocabulary = Vocabulary(dict.fromkeys(sizes, 0))
    around = Surroundings(vocabulary, {name: np.asarray(size) for name, size in sizes.items()}, {}, "")
    reader = Interpreter(text_tokens(text, vocabulary), text_tokens, around)
    value = known(reader.expression())
    reader.end()
    if value.shape:
        raise ReadingError(f"{text} is not a size")
    return round(float(value.data))


def _is_range(entry: str) -> bool:
    """Whether an index is a slice; a colon within brackets belongs to an index of its own, as in `T[y[1:]]`."""
    return len(parted(_unset(entry), ":")) > 1


def _integers(array: Array) -> Array:
    integers = np.rint(array).astype(int)
    if not np.allclose(integers, array):
        raise ReadingError("an index that is not a whole number")
    return integers


def _raise(x: Array, exponent: Array | float) -> Array:
    whole = np.all(np.equal(np.mod(exponent, 1), 0))
    return np.asarray(
        np.power(
            np.asarray(x, float), np.asarray(exponent, int if whole and np.all(np.asarray(exponent) >= 0) else float)
        )
    )


def _fitted(value: Open, shape: Shape) -> Value:
    return value.fitted(lambda each: fitted_to(each, shape) is not None, shape)


def _pairing(left: Meaning, right: Meaning) -> Meaning:
    """Return the sum of all elements of the elementwise product."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Open) and isinstance(other, Value):
            return _pairing(_fitted(one, other.shape), other)
    a, b = known(left), known(right)
    if a.ndim == 0 or b.ndim == 0:
        return functions.reduction("Σ", known(elementwise(np.multiply, a, b)), ())
    if a.ndim == b.ndim and a.free and b.free and not a.free & b.free:  # each determines the free sizes of the other
        return functions.reduction("Σ", known(elementwise(np.multiply, a, b)), ())
    for one, other in ((a, b), (b, a)):
        data = None if other.free else fitted_to(one, other.shape)
        if data is not None:
            return functions.reduction("Σ", Value(np.asarray(data * other.data), a.letters), ())
    raise ReadingError(f"⟨⟩ of shapes {a.shape} and {b.shape}")
