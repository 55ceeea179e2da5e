"""Values of printed expressions: arrays with strict shapes, broadcast only where the notation says so.

A vector has no orientation; in a matrix product it is a column. `1` is a vector of ones of any length, so an axis can
be free. There is a leading axis for each index letter, for the value at each index.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
Operation: TypeAlias = Callable[..., Any]


CHOICES = 2000
"""The maximum number of combinations of sizes that are tried for an expression of unknown sizes."""


class ReadingError(ValueError):
    """A printed expression has no meaning, or an ambiguous one."""


class UnknownNotationError(Exception):
    """A printed expression has a notation that the reader does not evaluate."""


class ChainFactorError(UnknownNotationError):
    """The expression is a factor of the chain rule, such as ∂a/∂z, which is a linear map and not an array."""


@dataclass(frozen=True, eq=False)
class Value:
    """An array whose first `letters` axes belong to indices; along `free` axes it is constant and of any length."""

    data: Array
    letters: int = 0
    free: frozenset[int] = field(default_factory=frozenset)
    is_row: bool = False
    side: str = ""
    """"row" or "column" for a vector that is a product; a sum of both would be a matrix to a reader."""

    @property
    def shape(self) -> Shape:
        return self.data.shape[self.letters :]

    @property
    def ndim(self) -> int:
        return self.data.ndim - self.letters

    def with_axes(self, places: Sequence[int], ndim: int) -> Array:
        """Return the data with axis k at `places[k]` of `ndim`, and axes of size 1 elsewhere."""
        shape = [1] * ndim
        for place, size in zip(places, self.shape, strict=True):
            shape[place] = size
        return self.data.reshape(self.data.shape[: self.letters] + tuple(shape))


@dataclass(frozen=True, eq=False)
class Open:
    """A value with sizes that only the context determines, such as the number of classes in `onehot(y)`."""

    make: Callable[..., Value]
    unknown: int
    ndim: int
    inside: frozenset[int] = frozenset()
    """Sizes within the expression, which are candidates for its own."""
    total: Value | None = None
    """The sum of all elements, if it is independent of the sizes."""

    def fitted(self, accepts: Callable[[Value], bool], sizes: Sequence[int]) -> Value:
        """Return the only accepted value, where `sizes` are those of the context."""
        return _only(self.fitting(accepts, sizes))

    def fitting(self, accepts: Callable[[Value], bool], sizes: Sequence[int]) -> list[Value]:
        """Return the distinct accepted values, with sizes up to twice those of the context, and 1 if it occurs there.

        If there are too many combinations, only the sizes of the context are tried.
        """
        found: list[Value] = []
        around = {*sizes, *self.inside}
        choices = sorted(around.union(range(2, 2 * max(around, default=0) + 1)))
        if len(choices) ** self.unknown > CHOICES:
            choices = sorted(around)
        if len(choices) ** self.unknown > CHOICES:
            raise UnknownNotationError("too many sizes are not determined")
        for chosen in itertools.product(choices, repeat=self.unknown):
            try:
                value = self.make(*chosen)
            except ReadingError:
                continue
            if accepts(value) and not any(_equal(value, each) for each in found):
                found.append(value)
        return found

    def restricted(self, accepts: Callable[[Value], bool]) -> Open:
        """Restrict the value to the sizes with which it is accepted."""

        def make(*sizes: int) -> Value:
            value = self.make(*sizes)
            if not accepts(value):
                raise ReadingError(f"shape {value.shape} does not fit")
            return value

        return replace(self, make=make, total=None)

    def then(self, operation: Callable[[Value], Value]) -> Open:
        """Apply `operation`, which keeps the number of axes."""
        return replace(self, make=lambda *sizes: operation(self.make(*sizes)), total=None)


Meaning: TypeAlias = "Value | Open"


def _equal(a: Value, b: Value) -> bool:
    return a.shape == b.shape and np.array_equal(a.data, b.data)


def _only(values: Sequence[Value]) -> Value:
    if not values:
        raise ReadingError("no size fits")
    if len(values) > 1:
        raise ReadingError("more than one size fits")
    return values[0]


def known(value: Meaning) -> Value:
    """Return a value whose sizes are all determined; raise ReadingError for others."""
    if isinstance(value, Open):
        raise ReadingError("a size is not determined")
    return value


def ones(letters: int) -> Value:
    """Return the vector of ones, of any length."""
    return Value(np.ones((1,) * letters + (1,)), letters, frozenset({0}))


def is_ones(value: Meaning) -> bool:
    """Whether the value is a vector of ones of any length."""
    return isinstance(value, Value) and value.shape == (1,) and value.free == {0} and bool(np.all(value.data == 1))


def elementwise(operation: Operation, *operands: Meaning) -> Meaning:
    """Apply `operation` elementwise, with a broadcast if the shapes allow a single one."""
    if len(operands) == 1:
        (x,) = operands
        if isinstance(x, Open):
            return x.then(lambda value: _unary(operation, value))
        return _unary(operation, x)
    if len(operands) > 2:
        return _several_beside(operation, operands)
    first, second = operands
    if isinstance(first, Open) or isinstance(second, Open):
        return _opened(operation, first, second)
    sides = {first.side, second.side} - {""}
    if first.ndim == second.ndim == 1 and len(sides) > 1:
        raise ReadingError("a row and a column beside each other")
    a, b = _aligned(first, second)
    is_row = a.ndim == 1 and (first.is_row or second.is_row)
    side = next(iter(sides), "") if a.ndim == 1 else ""
    return Value(np.asarray(operation(a.data, b.data)), a.letters, a.free & b.free, is_row, side)


def _several_beside(operation: Operation, operands: Sequence[Meaning]) -> Meaning:
    """Apply `operation` to more than two operands; those of known sizes determine the sizes of the others."""
    told = [each for each in operands if isinstance(each, Value) and each.ndim and not each.free]
    largest = max(told, key=lambda each: each.ndim, default=None)
    opened = max((each for each in operands if isinstance(each, Open)), key=lambda each: each.ndim, default=None)

    def beside(one: Value | None) -> Value:
        if one is None:
            return _several(operation, [known(each) for each in operands])
        fitted = [
            each.fitted(lambda value: _matches(value, one), one.shape) if isinstance(each, Open) else each
            for each in operands
        ]
        return _several(operation, fitted)

    return opened.then(beside) if largest is None and opened is not None else beside(largest)


def _several(operation: Operation, operands: Sequence[Value]) -> Value:
    """Apply `operation` to more than two operands; numbers are broadcast to the shape of all others."""
    arrays = [each for each in operands if each.ndim]
    if not arrays:
        return Value(np.asarray(operation(*(each.data for each in operands))), operands[0].letters)
    largest = max(arrays, key=lambda each: each.ndim)
    for each in arrays:
        largest, _ = _aligned(largest, each) if largest.ndim >= each.ndim else (each, largest)
    aligned = [_aligned(each, largest)[0] for each in operands]
    free = frozenset.intersection(*(each.free for each in aligned))
    return Value(np.asarray(operation(*(each.data for each in aligned))), largest.letters, free)


def _unary(operation: Operation, x: Value) -> Value:
    return Value(np.asarray(operation(x.data)), x.letters, x.free, x.is_row, x.side)


def _opened(operation: Operation, first: Meaning, second: Meaning) -> Meaning:
    if isinstance(first, Open) and isinstance(second, Open):
        return _both_opened(operation, first, second)
    if isinstance(first, Open) and isinstance(second, Value):
        return _opened_beside(first, second, operation)
    assert isinstance(first, Value)
    assert isinstance(second, Open)
    return _opened_beside(second, first, lambda x, y: operation(y, x))


def _opened_beside(opened: Open, other: Value, operation: Operation) -> Meaning:
    """Apply `operation` to a value of unknown sizes and another, which may determine them."""
    if other.ndim and not other.free and 0 < opened.ndim <= other.ndim:
        fitting = opened.fitting(lambda value: _matches(value, other), other.shape)
        fitting = fitting or _least_repeated(opened.fitting(lambda value: _meets(value, other), other.shape), other)
        if opened.ndim == other.ndim and not fitting:
            raise ReadingError("no size fits")
        if len(fitting) == 1:
            return elementwise(operation, fitting[0], other)
    elif opened.ndim == other.ndim and opened.fitting(lambda value: _matches(value, other), other.shape):
        opened = opened.restricted(lambda value: _matches(value, other))
    result = opened.then(lambda value: known(elementwise(operation, value, other)))
    return replace(result, ndim=max(opened.ndim, other.ndim), inside=result.inside | set(other.shape))


def _least_repeated(values: Sequence[Value], other: Value) -> list[Value]:
    """Return the values that are broadcast along the fewest axes."""

    def repeated(value: Value) -> int:
        return sum(m != n for m, n in zip(value.shape, other.shape, strict=False)) if value.ndim == other.ndim else 0

    least = min(map(repeated, values), default=0)
    return [value for value in values if repeated(value) == least]


def _both_opened(operation: Operation, first: Open, second: Open) -> Open:
    """Apply `operation` to two values of unknown but equal sizes."""
    if first.ndim != second.ndim:
        raise ReadingError("a size is not determined")

    def make(*sizes: int) -> Value:
        a, b = first.make(*sizes[: first.unknown]), second.make(*sizes[first.unknown :])
        if a.shape != b.shape and not a.free | b.free:
            raise ReadingError(f"shapes {a.shape} and {b.shape} do not agree")
        return known(elementwise(operation, a, b))

    return Open(make, first.unknown + second.unknown, first.ndim, first.inside | second.inside)


def _meets(value: Value, other: Value) -> bool:
    """Whether the shapes determine how the value is broadcast to the other."""
    try:
        _aligned(value, other)
    except ReadingError:
        return False
    return True


def _matches(value: Value, other: Value) -> bool:
    """Whether nothing is broadcast except axes of any length; axes of size 1 may be omitted."""
    shapes = [[(n, axis in x.free) for axis, n in enumerate(x.shape)] for x in (value, other)]
    if value.ndim != other.ndim:
        shapes = [[(n, free) for n, free in shape if n != 1 or free] for shape in shapes]
    one, two = shapes
    return len(one) == len(two) and all(m == n or f or g for (m, f), (n, g) in zip(one, two, strict=True))


def _aligned(a: Value, b: Value) -> tuple[Value, Value]:
    """Give both values the same number of axes."""
    if a.ndim == 0 or b.ndim == 0:
        ndim = max(a.ndim, b.ndim)
        every = frozenset(range(ndim))
        return tuple(  # type: ignore[return-value]
            Value(x.with_axes((), ndim), x.letters, every) if x.ndim == 0 else x for x in (a, b)
        )
    if a.ndim < b.ndim:
        embedded = _embedded(a, b)
        return embedded, b
    if b.ndim < a.ndim:
        return a, _embedded(b, a)
    stretched: set[str] = set()
    for axis, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)):
        if m == n or axis in a.free or axis in b.free:
            continue
        if 1 not in (m, n):
            raise ReadingError(f"shapes {a.shape} and {b.shape} do not agree")
        stretched.add("a" if m == 1 else "b")
    if len(stretched) == 2:
        raise ReadingError(f"shapes {a.shape} and {b.shape} would both be repeated, which is not written")
    return a, b


def _embedded(small: Value, large: Value) -> Value:
    """Insert the missing axes of `small`, if its sizes allow a single way."""
    axes = [axis for axis in range(large.ndim) if axis not in large.free]
    places = _places(small, large, axes) or _places(small, large, range(large.ndim))
    if small.free:
        long = [axis for axis in range(large.ndim) if axis in large.free or large.shape[axis] != 1]
        if small.ndim > 1 or len(long) != 1:
            raise ReadingError("a vector of ones meets a matrix")
        return Value(small.with_axes(long, large.ndim), small.letters)
    if len(places) != 1:
        how = "no way" if not places else "more than one way"
        raise ReadingError(f"{how} to repeat shape {small.shape} to {large.shape}")
    (chosen,) = places.values()
    last = range(large.ndim - small.ndim, large.ndim)
    moved = [k for k, (place, axis) in enumerate(zip(chosen, last, strict=True)) if place != axis]
    if large.ndim > 2 and any(small.shape[k] != 1 for k in moved):
        raise ReadingError(f"shape {small.shape} beside {large.shape} is repeated along the first axes alone")
    return Value(small.with_axes(chosen, large.ndim), small.letters, large.free - set(chosen))


def _places(small: Value, large: Value, axes: Sequence[int]) -> dict[tuple[tuple[int, int], ...], tuple[int, ...]]:
    """Return the distinct ways to place the axes of `small` among `axes` of `large`."""

    def fits(size: int, place: int) -> bool:
        return size in (1, large.shape[place]) or place in large.free

    return {
        tuple((place, size) for place, size in zip(chosen, small.shape, strict=True) if size != 1): chosen
        for chosen in itertools.combinations(axes, small.ndim)
        if all(map(fits, small.shape, chosen))
    }


def transposed(x: Meaning) -> Meaning:
    """Exchange the last two axes; a vector becomes a row."""
    if isinstance(x, Open):
        return x.then(lambda value: known(transposed(value)))
    if x.ndim == 0:
        return x
    if x.ndim == 1:
        return Value(x.data, x.letters, x.free, not x.is_row)
    last = x.ndim - 1
    swapped = {last: last - 1, last - 1: last}
    return Value(np.swapaxes(x.data, -1, -2), x.letters, frozenset(swapped.get(axis, axis) for axis in x.free))


def product(factors: Sequence[Meaning]) -> Meaning:
    """Multiply adjacent factors: numbers, and matrices with vectors as columns; `1 b` is b as rows."""
    opened = [k for k, factor in enumerate(factors) if isinstance(factor, Open)]
    if len(opened) > 1:
        return _product_of_opened(factors)
    if opened:
        return _opened_product(factors, opened[0])
    values = [known(factor) for factor in factors]
    numbers = [value for value in values if value.ndim == 0]
    arrays = [value for value in values if value.ndim > 0]
    if not arrays:
        return _scaled(numbers[0], numbers[1:])
    if len(arrays) == 1:
        return _scaled(arrays[0], numbers)
    if len(arrays) == 2 and is_ones(arrays[0]) and not arrays[0].is_row and _is_column(arrays[1]):
        rows = arrays[1]
        data = rows.data[(slice(None),) * rows.letters + (None,)]
        return _scaled(Value(data, rows.letters, frozenset({0, *(axis + 1 for axis in rows.free)})), numbers)
    first, last = arrays[0], arrays[-1]
    total = as_matrix(first)
    for factor in arrays[1:]:
        total = _matmul(total, as_matrix(factor))
    axes = total.ndim
    dropped = [axes - 2] if first.ndim == 1 and first.is_row else []
    dropped += [axes - 1] if last.ndim == 1 and not last.is_row else []
    for axis in dropped:
        if total.shape[axis] != 1:
            raise ReadingError("a stack of products has no single row")
    data = total.data.reshape(
        total.data.shape[: total.letters] + tuple(n for axis, n in enumerate(total.shape) if axis not in dropped)
    )
    free = frozenset(axis - sum(d < axis for d in dropped) for axis in total.free if axis not in dropped)
    side = ("row" if dropped[0] == axes - 2 else "column") if len(dropped) == 1 and axes == 2 else ""
    return _scaled(Value(data, total.letters, free, side=side), numbers)


def _is_column(value: Value) -> bool:
    return value.ndim == 1 and not value.is_row and not value.free


def _scaled(value: Value, numbers: Sequence[Value]) -> Value:
    for number in numbers:
        value = known(elementwise(np.multiply, value, number))
    return value


def as_matrix(x: Value) -> Value:
    """Return a vector as a matrix of one column, or of one row if it is transposed."""
    if x.ndim != 1:
        return x
    axis = 0 if x.is_row else 1
    data = x.data[..., None, :] if x.is_row else x.data[..., None]
    return Value(data, x.letters, frozenset({1 - axis}) if x.free else frozenset())


def _matmul(a: Value, b: Value) -> Value:
    left, right = a.data, b.data
    inner_a, inner_b = a.ndim - 1, b.ndim - 2
    if inner_a in a.free and inner_b in b.free:
        raise ReadingError("the number of ones is not determined")
    if inner_a in a.free:
        left = np.repeat(left, right.shape[-2], axis=-1)
    if inner_b in b.free:
        right = np.repeat(right, left.shape[-1], axis=-2)
    if left.shape[-1] != right.shape[-2]:
        raise ReadingError(f"no product of shapes {a.shape} and {b.shape}")
    stacks = zip(a.shape[:-2], b.shape[:-2], strict=False)
    agree = all(m == n or axis in a.free or axis in b.free for axis, (m, n) in enumerate(stacks))
    if a.ndim > 2 and b.ndim > 2 and (a.ndim != b.ndim or not agree):
        raise ReadingError(f"no product of shapes {a.shape} and {b.shape}")
    ndim = max(a.ndim, b.ndim)
    left = left.reshape(left.shape[: a.letters] + (1,) * (ndim - a.ndim) + left.shape[a.letters :])
    right = right.reshape(right.shape[: b.letters] + (1,) * (ndim - b.ndim) + right.shape[b.letters :])
    free = {ndim - 2} if a.ndim - 2 in a.free else set()
    free |= {axis for axis in a.free & b.free if axis < ndim - 2 and a.ndim == b.ndim}
    free |= {ndim - 1} if b.ndim - 1 in b.free else set()
    return Value(np.matmul(left.astype(float), right.astype(float)), a.letters, frozenset(free))


def _opened_product(factors: Sequence[Meaning], place: int) -> Meaning:
    """Return a product with one factor of unknown size, which the neighbours or the result determine."""
    opened = factors[place]
    assert isinstance(opened, Open)
    others = [known(factor) for k, factor in enumerate(factors) if k != place]
    if all(other.ndim == 0 for other in others):
        result: Meaning = opened
        for number in others:
            result = elementwise(np.multiply, result, number)
        return result

    def whole(*sizes: int) -> Value:
        return known(product([*factors[:place], opened.make(*sizes), *factors[place + 1 :]]))

    def works(*sizes: int) -> bool:
        try:
            whole(*sizes)
        except ReadingError:
            return False
        return True

    if works(*[1_009] * opened.unknown) and works(*[1_013] * opened.unknown):
        return Open(whole, opened.unknown, whole(*[1_009] * opened.unknown).ndim)
    sizes = [size for other in others for size in other.shape]
    fitting = Open(whole, opened.unknown, 0, opened.inside).fitting(lambda value: True, sizes)
    if len(fitting) == 1 or not fitting:
        return _only(fitting)
    return Open(whole, opened.unknown, fitting[0].ndim, opened.inside | set(sizes))  # the context determines it


def _product_of_opened(factors: Sequence[Meaning]) -> Open:
    """Return a product with several factors of unknown size, such as onehot(i)ᵀ onehot(j)."""
    unknown = [factor.unknown if isinstance(factor, Open) else 0 for factor in factors]
    inside = frozenset[int]().union(*(each.inside if isinstance(each, Open) else each.shape for each in factors))

    def whole(*sizes: int) -> Value:
        left = iter(sizes)
        made = [
            factor.make(*itertools.islice(left, count)) if isinstance(factor, Open) else factor
            for factor, count in zip(factors, unknown, strict=True)
        ]
        return known(product(made))

    fitting = Open(whole, sum(unknown), 0, inside).fitting(lambda value: True, ())
    if not fitting:
        raise ReadingError("no size fits")
    return Open(whole, sum(unknown), fitting[0].ndim, inside)


def settle(value: Meaning, shape: Shape) -> Array:
    """Return the data as an array of `shape`, index axes first; free axes take their sizes from it."""
    if isinstance(value, Open):
        value = value.fitted(lambda found: fitted_to(found, shape) is not None, shape)
    data = fitted_to(value, shape)
    if data is None:
        raise ReadingError(f"it has shape {value.shape}, not {shape}")
    return np.broadcast_to(data, data.shape[: value.letters] + shape)


def fitted_to(value: Value, shape: Shape) -> Array | None:
    """Return the data with an axis for each of `shape`, with vectors as rows or columns; None if it does not fit."""
    front = value.data.shape[: value.letters]
    if value.ndim == len(shape):
        sizes = value.shape
        places = list(range(value.ndim))
    else:
        kept = [axis for axis, size in enumerate(value.shape) if size != 1 or axis in value.free]
        places = [axis for axis, size in enumerate(shape) if size != 1]
        if len(kept) != len(places):
            return None
        sizes = tuple(value.shape[axis] for axis in kept)
    free = [axis in value.free for axis in range(value.ndim)]
    if value.ndim != len(shape):
        free = [axis in value.free for axis in kept]
    if not all(m == shape[place] or f for m, place, f in zip(sizes, places, free, strict=True)):
        return None
    whole = [1] * len(shape)
    for size, place in zip(sizes, places, strict=True):
        whole[place] = size
    return value.data.reshape(front + tuple(whole))
