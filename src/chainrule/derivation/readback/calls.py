"""Functions and operators of printed lines, with what stands below them."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from chainrule.derivation.readback import arrangements, decompositions, functions, matrices
from chainrule.derivation.readback.cursor import unset
from chainrule.derivation.readback.indices import Indices
from chainrule.derivation.readback.tokens import DECOMPOSED, Token, parted
from chainrule.derivation.readback.values import (
    Meaning,
    ReadingError,
    UnknownNotationError,
    Value,
    elementwise,
    known,
)


class Calls(Indices, ABC):
    """Evaluates functions of arguments, and sums over letters or steps."""

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
        return [self._size(part) for part in parted(unset(below[0]), "×")]

    def _below(self, entry: str) -> float:
        value = self._inner(entry)
        if value.shape != () or value.data.size != 1:
            raise ReadingError(f"{entry} below a function is not a number")
        return float(value.data.reshape(()))

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
                text = unset(self._take().text)
                if text.startswith("["):
                    return arrangements.padded(x, [self._range(entry) for entry in parted(text[1:-1])])
                widths.append(self._size(text))
            else:
                widths.append(round(float(known(self.expression()).data.reshape(()))))
        return arrangements.bordered(x, widths, [int(self._below(each)) for each in below])
