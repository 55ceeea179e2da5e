"""Sizes of axes while they are being found: known ones, and unknowns that are made equal to others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, Union

from chainrule.ir import Dim, DType


@dataclass(eq=False)
class Unknown:
    """A size that is not known yet: axis `axis` of the variable `name`. `same` is what it was found equal to."""

    name: str
    axis: int
    same: Size | None = None


Size: TypeAlias = Union["Dim", Unknown]
Sizes: TypeAlias = tuple[Size, ...]


def found(size: Size) -> Size:
    """What a size is, as far as known."""
    while isinstance(size, Unknown) and size.same is not None:
        size = size.same
    return size


def unify(first: Size, second: Size) -> bool:
    """Make two sizes equal; False where they cannot be."""
    a, b = found(first), found(second)
    if a is b:
        return True
    if isinstance(a, Unknown):
        a.same = b
        return True
    if isinstance(b, Unknown):
        b.same = a
        return True
    return a == b


def equal(first: Size, second: Size) -> bool:
    """Whether two sizes are known to be the same."""
    a, b = found(first), found(second)
    return a is b or (not isinstance(a, Unknown) and not isinstance(b, Unknown) and a == b)


def can_equal(first: Size, second: Size) -> bool:
    """Whether two sizes may be the same."""
    a, b = found(first), found(second)
    return isinstance(a, Unknown) or isinstance(b, Unknown) or a == b


def sizes_text(sizes: Sizes) -> str:
    """`(n, d)`, with `?` for what is not known."""
    words = ["?" if isinstance(size, Unknown) else str(size) for size in map(found, sizes)]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a value: its sizes and dtype; whether a vector lies as a row; where its shape is from.

    `open` says that an unknown takes part in it, `lone` that it is nothing but one.
    """

    sizes: Sizes
    row: bool = False
    dtype: DType = DType.FLOAT64
    open: bool = False
    lone: bool = False

    @property
    def rank(self) -> int:
        return len(self.sizes)

    @property
    def text(self) -> str:
        """`a number`, `a column (n,)`, `a row (n,)`, `a matrix (n, d)`."""
        if self.rank == 0:
            return "a number"
        if self.rank == 1:
            return f"{'a row' if self.row else 'a column'} {sizes_text(self.sizes)}"
        return f"{'a matrix' if self.rank == 2 else 'an array'} {sizes_text(self.sizes)}"
