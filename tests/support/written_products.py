"""What printed matrix mathematics says, read by its own rules and with no look at the expression it was printed from.

Juxtaposition is the true product of matrices and a vector in it is a column; ᵀ transposes; 1 is a vector of ones, as
long as its neighbours ask. Elementwise operations repeat as NumPy does. Two conventions are allowed besides: `1 b`
repeats a vector as rows where it is a term of something elementwise, and `1ᵀ M` as a whole is a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.primitives import (
    Call,
    Fraction,
    Infix,
    Notation,
    Number,
    Postfix,
    PowerNotation,
    Prefix,
    Symbol,
)

Array = NDArray[Any]
ONE = Number(1)
ROW = Postfix("ᵀ", ONE)


class UnknownFormError(Exception):
    """A form that this reader does not know."""


class UnsaidLengthError(UnknownFormError):
    """Ones at the end of a product, as many as something that is said elsewhere."""


class NoSuchProductError(Exception):
    """Mathematics that says nothing, or not what it should."""


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "exp": np.exp,
    "ln": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "σ": lambda x: 1 / (1 + np.exp(-x)),
    "tr": np.trace,
}
REDUCTIONS: dict[str, Callable[..., Any]] = {"Σ": np.sum, "mean": np.mean}
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": np.add,
    "−": np.subtract,
    "⊙": np.multiply,
    "·": np.multiply,
    "/": np.divide,
}


class Reader:
    """Finds the values of notation; `symbols` are those of its names, vectors as arrays of one dimension."""

    def __init__(self, symbols: Mapping[Notation, Array]) -> None:
        self._symbols = symbols

    def read(self, notation: Notation, shape: tuple[int, ...], changes: bool = False) -> Array:
        """The value of a right side whose quantity has `shape`; `changes` tells that it may be `1 db` alone."""
        value = self._value(notation, shape, repeats=changes)
        if value.shape != shape:
            raise NoSuchProductError(f"{notation} has shape {value.shape}, not {shape}")
        return value

    def _value(self, notation: Notation, shape: tuple[int, ...] | None, repeats: bool) -> Array:
        if notation in self._symbols:
            return self._symbols[notation]
        if isinstance(notation, Number):
            return np.asarray(float(notation.value)) if shape in (None, ()) or repeats else self._ones(shape)
        if isinstance(notation, Postfix):
            return self._matrix(notation, shape)
        if isinstance(notation, Prefix) and notation.operator == "−":
            return -self._value(notation.operand, shape, repeats)
        if isinstance(notation, Prefix) and notation.operator == "Σ":
            return np.asarray(np.sum(self._value(notation.operand, None, False)))
        if isinstance(notation, Fraction):
            return np.divide(*(self._value(part, shape, True) for part in (notation.numerator, notation.denominator)))
        if isinstance(notation, PowerNotation):
            return np.power(self._value(notation.base, shape, True), self._value(notation.exponent, (), True))
        if isinstance(notation, Call) and not notation.function:  # brackets
            return self._value(notation.arguments[0], shape, repeats)
        if isinstance(notation, Call):
            return self._call(notation)
        if isinstance(notation, Infix):
            if notation.operator == "":
                return self._juxtaposed(notation, shape, repeats)
            if notation.operator == "·":  # numbers in front of an array
                *numbers, last = notation.operands
                value = self._value(last, shape, repeats)
                for part in numbers:
                    number = self._value(part, (), True)
                    if number.ndim and value.ndim:
                        raise NoSuchProductError(f"{notation} multiplies two arrays")
                    value = number * value
                return np.asarray(value)
            if notation.operator in OPERATIONS:
                values = [self._value(part, shape, True) for part in notation.operands]
                result = values[0]
                for value in values[1:]:
                    result = OPERATIONS[notation.operator](result, value)
                return np.asarray(result)
        raise UnknownFormError(str(notation))

    def _ones(self, shape: tuple[int, ...] | None) -> Array:
        if shape is None or len(shape) != 1:
            raise NoSuchProductError(f"1 is a vector, and stands for an array of shape {shape}")
        return np.ones(shape)

    def _call(self, notation: Call) -> Array:
        if notation.primes or any(not isinstance(part, Number) for part in notation.subscript):
            raise UnknownFormError(str(notation))
        values = [self._value(part, None, False) for part in notation.arguments]
        if notation.function in REDUCTIONS:
            axes = tuple(int(part.value) for part in notation.subscript if isinstance(part, Number)) or None
            return np.asarray(REDUCTIONS[notation.function](values[0], axis=axes))
        if notation.function not in FUNCTIONS or notation.subscript:
            raise UnknownFormError(str(notation))
        return np.asarray(FUNCTIONS[notation.function](*values))

    def _juxtaposed(self, notation: Infix, shape: tuple[int, ...] | None, repeats: bool) -> Array:
        factors = list(_flat(notation))
        if repeats and len(factors) == 2 and factors[0] == ONE and shape is not None:
            repeated = self._value(factors[1], None, False)
            if repeated.ndim < len(shape) <= 2:
                return np.broadcast_to(repeated, shape)
        product = self._matrix(notation, shape)
        if product.ndim > 2:  # a stack of matrices times one vector, as NumPy has it
            last = self._value(factors[-1], None, False)
            return product[..., 0] if last.ndim == 1 else product
        whole_row = factors[0] == ROW and (shape is None or len(shape) < 2)
        if product.shape == (1, 1) and (shape is None or len(shape) == 0):
            return np.asarray(product[0, 0])
        if shape is not None and len(shape) == 2:
            return product
        if product.shape[1] == 1:
            return product[:, 0]
        return product[0] if whole_row else product

    def _matrix(self, notation: Notation, shape: tuple[int, ...] | None) -> Array:
        """A factor of a product: two dimensions, or a stack of matrices."""
        if isinstance(notation, Postfix):
            inner = shape[::-1] if shape is not None and len(shape) == 2 else None
            value = self._matrix(notation.operand, inner)
            if notation.operator in ("⁻¹", "⁻ᵀ"):
                value = np.linalg.inv(value)
            return value if notation.operator == "⁻¹" else np.swapaxes(value, -1, -2)
        if not isinstance(notation, Infix) or notation.operator != "":
            value = self._value(notation, None, False)
            if value.ndim == 0:
                return value.reshape(1, 1)
            return value[:, None] if value.ndim == 1 else value
        factors = list(_flat(notation))
        arrays: list[Array | None] = [
            None if factor in (ONE, ROW) else self._matrix(factor, None) for factor in factors
        ]
        product: Array | None = None
        for place, (factor, array) in enumerate(zip(factors, arrays, strict=True)):
            if array is None:
                after = arrays[place + 1] if place + 1 < len(arrays) else None
                between = factor == ROW and factors[place + 1 : place + 2] == [ONE]
                array = self._fitting(factor, place, len(factors), product, after, shape, between)
            if product is None:
                product = array
                continue
            if product.shape[-1] != array.shape[-2]:
                raise NoSuchProductError(f"{notation}: no product of {product.shape} and {array.shape}")
            if product.ndim > 2 and min(array.shape) == 1 and place < len(factors) - 1:
                raise NoSuchProductError(f"{notation}: a stack times a vector is no factor")
            product = product @ array
        assert product is not None
        return product

    def _fitting(
        self,
        factor: Notation,
        place: int,
        count: int,
        before: Array | None,
        after: Array | None,
        shape: tuple[int, ...] | None,
        between: bool,
    ) -> Array:
        """Ones as many as the neighbours ask, or at an end the result; `1ᵀ 1` says the length of neither."""
        length: int | None = None
        if factor == ONE:
            length = before.shape[-1] if before is not None else None if not shape else shape[0]
        elif after is not None:
            length = after.shape[-2]
        elif place == count - 1 and shape is not None and len(shape) == 2:
            length = shape[1]
        if length is None and (between or (shape is None and place in (0, count - 1))):
            raise UnsaidLengthError(str(factor))
        if length is None:
            raise NoSuchProductError(f"how many ones is {factor}, number {place} of {count} factors?")
        return np.ones((length, 1) if factor == ONE else (1, length))


def _flat(notation: Notation) -> list[Notation]:
    """The factors of a chain of products; a row of ones is a factor as it stands."""
    if isinstance(notation, Infix) and notation.operator == "":
        return [factor for part in notation.operands for factor in _flat(part)]
    return [notation]


def named(sizes: Mapping[str, int]) -> dict[Notation, Array]:
    """The names of sizes, as mathematics has them."""
    return {Symbol(name): np.asarray(float(size)) for name, size in sizes.items()}
