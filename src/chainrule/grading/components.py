r"""Equations between components and samples: `∂L/∂W_{jk} = \sum_i a_{ij} δ_{ik}`, `\sum_i δ^{(i)} x^{(i)T}`.

They become comprehensions: `a_{ij}` is `a[i, j]`, and the sample `x^{(i)}` is `x[i]`, or `x[:, i]` where samples are
columns.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

_INDEXED = re.compile(r"(?P<stem>.+?)(?:_(?P<letters>[a-z]{1,3}))?(?:_of_(?P<sample>[a-z]))?")


class ComponentError(Exception):
    """An equation between components that has no meaning; the message says why."""


@dataclass(frozen=True)
class Element:
    """A name with the indices of a component, and that of a sample: `a_{1,j}^{(i)}` is a1, "j" and "i"."""

    stem: str
    letters: str = ""
    sample: str = ""

    @property
    def indices(self) -> str:
        return self.letters + self.sample

    @property
    def shown(self) -> str:
        below = f"_{self.letters}" if self.letters else ""
        return f"{self.stem}{below}^({self.sample})" if self.sample else f"{self.stem}{below}"


def element(name: str) -> Element | None:
    """Return the parts of a name with indices; None for others.

    >>> element("a1_j_of_i"), element("W2_jk"), element("W2")
    (Element(stem='a1', letters='j', sample='i'), Element(stem='W2', letters='jk', sample=''), None)
    """
    found = _INDEXED.fullmatch(name)
    if found is None or not (found["letters"] or found["sample"]):
        return None
    return Element(found["stem"], found["letters"] or "", found["sample"] or "")


@dataclass(frozen=True)
class _Range:
    """What an index counts: an axis of an array."""

    array: str
    axis: int
    length: int


class Components:
    """The indices in use while an equation is read, and what each of them counts."""

    def __init__(self, values: Mapping[str, Any], batch: int | None) -> None:
        self._values, self._batch = values, batch
        self._ranges: dict[str, _Range] = {}
        self._active: list[str] = []
        self.rows = False
        """Whether the vector of a sample is a row, so that `aᵀ δ` is a matrix."""
        self.sampled = False
        """Whether a vector of a sample has been read in the equation."""

    @contextmanager
    def within(self, letters: Sequence[str]) -> Iterator[None]:
        """Read what stands below a sum over indices, or right of a component with them."""
        kept = {letter: self._ranges.pop(letter) for letter in letters if letter in self._ranges}
        self._active += letters
        try:
            yield
        finally:
            del self._active[len(self._active) - len(letters) :]
            for letter in letters:
                self._ranges.pop(letter, None)
            self._ranges |= kept

    def counts(self, letters: str) -> bool:
        """Whether all indices are in use."""
        return set(letters) <= set(self._active)

    def taken(self, array: str, found: Element) -> ast.expr:
        """Return the component, or the vector of a sample, of an array."""
        free = [letter for letter in found.indices if letter not in self._active]
        if free:
            raise ComponentError(
                f"{found.shown} has the index {free[0]}, over which no sum runs; write a sum over it, or whole arrays"
            )
        shape = np.shape(self._values[array])
        letters = self._places(array, found, shape)
        for axis, letter in enumerate(letters):
            if letter is not None:
                self._count(letter, _Range(array, axis, shape[axis]), found)
        if len(letters) - letters.count(None) < len(shape):
            self.sampled = True
        index: list[ast.expr] = []
        for axis, letter in enumerate(letters):
            if letter is not None:
                index.append(ast.Name(letter, ast.Load()))
            elif shape[axis] == 1 and len(found.letters) == 1 and not found.sample:
                index.append(ast.Constant(0))
            else:
                index.append(ast.Slice())
        while isinstance(index[-1], ast.Slice):
            index.pop()
        which = index[0] if len(index) == 1 else ast.Tuple(index, ast.Load())
        return ast.Subscript(ast.Name(array, ast.Load()), which, ast.Load())

    def _places(self, array: str, found: Element, shape: tuple[int, ...]) -> list[str | None]:
        """Return the index of each axis; None for an axis that is taken whole."""
        rank = len(shape)
        letters: list[str | None] = list(found.letters)
        if not rank:
            raise ComponentError(f"{array} is a number, so that {found.shown} has no meaning")
        if not found.sample and len(letters) == rank:
            return list(letters)
        at = self._sample_axis(shape)
        if found.sample and at is None:
            raise ComponentError(f"{found.shown} has the index of a sample, and {array} has no axis of samples")
        if found.sample and at is not None and len(letters) in (0, rank - 1):
            others = letters or [None] * (rank - 1)
            return [*others[:at], found.sample, *others[at:]]
        if len(letters) == 1 and rank == 2:
            if at is None and 1 in shape:
                return [None, letters[0]] if shape[0] == 1 else [letters[0], None]
            if at is not None:
                return [letters[0], None] if at == 0 else [None, letters[0]]
        raise ComponentError(
            f"the indices of {found.shown} are {len(found.indices)} in number, and {array} has an axis for "
            f"{rank} of them"
        )

    def _sample_axis(self, shape: tuple[int, ...]) -> int | None:
        return shape.index(self._batch) if self._batch is not None and self._batch in shape else None

    def _count(self, letter: str, of: _Range, found: Element) -> None:
        known = self._ranges.setdefault(letter, of)
        if known.length != of.length:
            raise ComponentError(
                f"the index {letter} counts axis {known.axis} of {known.array} and axis {of.axis} of {found.stem}, "
                "which have different sizes; where a sample's index is left out, write it, and the sum over it"
            )

    def summed(self, letters: str, bound: int | None, body: ast.expr) -> ast.expr | None:
        """Return the sum of `body` over indices that stand in it; None if none of them does."""
        missing = [letter for letter in letters if letter not in self._ranges]
        if len(missing) == len(letters):
            return None
        if missing:
            raise ComponentError(f"what is summed over {missing[0]} has no index {missing[0]}")
        length = self._ranges[letters[0]].length
        if bound is not None and bound != length:
            of = self._ranges[letters[0]]
            raise ComponentError(f"the index {letters[0]} counts axis {of.axis} of {of.array}, which ends elsewhere")
        for letter in reversed(letters):
            rounds = ast.ListComp(body, [self._loop(letter)])
            body = _of_numpy("sum", rounds, axis=0)
        return body

    def gathered(self, left: Element, body: ast.expr) -> ast.expr:
        """Return the array whose components, or samples, are `body`."""
        missing = [letter for letter in left.indices if letter not in self._ranges]
        if missing:
            raise ComponentError(f"{left.shown} has the index {missing[0]}, which does not stand right of =")
        last = left.sample and self._ranges[left.sample].axis > 0
        order = (left.letters + left.sample) if last else (left.sample + left.letters)
        for letter in reversed(order):
            body = ast.ListComp(body, [self._loop(letter)])
        rank = len(np.shape(self._values[self._ranges[order[0]].array]))
        if len(order) == 1 and self._ranges[order].axis > 0 and rank > 1 and self.sampled:
            return _of_numpy("stack", body, axis=-1)
        return _of_numpy("array", body)

    def total(self, value: ast.expr, shape: tuple[int, ...] | None) -> ast.expr | None:
        """Return the sum of whole arrays over their samples; None if they have no axis of samples."""
        at = None if shape is None else self._sample_axis(shape)
        return None if at is None else _of_numpy("sum", value, axis=at)

    def _loop(self, letter: str) -> ast.comprehension:
        of = self._ranges[letter]
        shape = ast.Attribute(ast.Name(of.array, ast.Load()), "shape", ast.Load())
        length = ast.Subscript(shape, ast.Constant(of.axis), ast.Load())
        rounds = ast.Call(ast.Name("range", ast.Load()), [length], [])
        return ast.comprehension(ast.Name(letter, ast.Store()), rounds, [], 0)


def _of_numpy(name: str, argument: ast.expr, **options: int) -> ast.expr:
    keywords = [ast.keyword(key, ast.Constant(value)) for key, value in options.items()]
    return ast.Call(ast.Attribute(ast.Name("np", ast.Load()), name, ast.Load()), [argument], keywords)
