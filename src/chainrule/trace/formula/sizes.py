"""Sizes of axes during inference: known sizes, and unknowns that are unified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, Union

from chainrule.ir import Dim, DType


@dataclass(eq=False)
class Unknown:
    """An unknown size: axis `axis` of the variable `name`. `same` is the size it was unified with."""

    name: str
    axis: int
    same: Size | None = None


Size: TypeAlias = Union["Dim", Unknown]
Sizes: TypeAlias = tuple[Size, ...]


def found(size: Size) -> Size:
    """Resolve a size as far as it is known."""
    while isinstance(size, Unknown) and size.same is not None:
        size = size.same
    return size


def unify(first: Size, second: Size) -> bool:
    """Unify two sizes; return False if that is impossible."""
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
    """Whether two sizes are known to be equal."""
    a, b = found(first), found(second)
    return a is b or (not isinstance(a, Unknown) and not isinstance(b, Unknown) and a == b)


def can_equal(first: Size, second: Size) -> bool:
    """Whether two sizes may be equal."""
    a, b = found(first), found(second)
    return isinstance(a, Unknown) or isinstance(b, Unknown) or a == b


def sizes_text(sizes: Sizes) -> str:
    """`(n, d)`, with `?` for unknown sizes."""
    words = ["?" if isinstance(size, Unknown) else str(size) for size in map(found, sizes)]
    return f"({', '.join(words)}{',' if len(words) == 1 else ''})"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a value: its sizes and dtype, whether a vector is a row, and the origin of its shape.

    `open` tells whether it depends on an unknown, `lone` whether it is just an unknown.
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
