"""Expressions over arrays as NumPy and its kin compute them: operands broadcast, reductions may keep their axes.

A node of a program states every broadcast; source code leaves most of them unsaid. Expressions here are what is left,
and their shapes are those that arrays have when the code runs: an axis may be missing in front, or have size 1, where
the node that it stands for is longer. Made by an `Arena`, which shares equal expressions.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from chainrule.ir import Dim, DType, Shape, SymbolicDim
from chainrule.primitives import Primitive

ReductionName: TypeAlias = Literal["sum", "mean", "max", "min", "logsumexp"]


@dataclass(frozen=True)
class Variable:
    """An argument or a local variable."""

    name: str


@dataclass(frozen=True)
class Number:
    """A number or a size, which takes the dtype of what it meets."""

    value: float | int | bool | SymbolicDim


@dataclass(frozen=True)
class Table:
    """A literal array; `key` tells it from others, and `rows` are its elements as nested lists."""

    key: int
    rows: Any = field(compare=False)


@dataclass(frozen=True)
class Function:
    """A primitive that acts element by element; its operands broadcast."""

    primitive: Primitive


@dataclass(frozen=True)
class Reduction:
    """A sum, mean or extremum over `axes`, which disappear or, with `keepdims`, stay with size 1."""

    name: ReductionName
    axes: tuple[int, ...]
    keepdims: bool


@dataclass(frozen=True)
class MatrixProduct:
    """`x @ y`, with NumPy's rules for vectors and batches."""


@dataclass(frozen=True)
class Outer:
    """Every product of an element of one vector and one of another."""


@dataclass(frozen=True)
class TensorDot:
    """A sum of products over some axes of each operand; the other axes follow one another."""

    axes: tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Einsum:
    """Any other sum of products, by index lists."""

    inputs: tuple[tuple[int, ...], ...]
    output: tuple[int, ...]


@dataclass(frozen=True)
class Transposed:
    """Axes in another order."""

    order: tuple[int, ...]


@dataclass(frozen=True)
class Reshaped:
    """The elements in row-major order, in another shape."""

    shape: Shape


@dataclass(frozen=True)
class Inserted:
    """New axes of size 1 at these positions of the result."""

    axes: tuple[int, ...]


@dataclass(frozen=True)
class Repeated:
    """The operand broadcast to a shape, where leaving it to the operation that follows will not do."""

    shape: Shape


@dataclass(frozen=True)
class Indexed:
    """Square brackets: for each axis a position, which takes the axis away, or (start, size, stride)."""

    entries: tuple[Dim | tuple[Dim, Dim, int], ...]


@dataclass(frozen=True)
class Picked:
    """From each row (the last axis) of the first operand the element that the second, an array of labels, names."""


@dataclass(frozen=True)
class Structured:
    """Any other primitive, on operands of exactly the shapes that it states."""

    primitive: Primitive


Operation: TypeAlias = (
    Variable
    | Number
    | Table
    | Function
    | Reduction
    | MatrixProduct
    | Outer
    | TensorDot
    | Einsum
    | Transposed
    | Reshaped
    | Inserted
    | Repeated
    | Indexed
    | Picked
    | Structured
)


@dataclass(frozen=True, eq=False)
class Expr:
    """An operation on expressions, with the shape and dtype that the array has."""

    operation: Operation
    operands: tuple[Expr, ...]
    shape: Shape
    dtype: DType

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def is_number(self) -> bool:
        """Whether it is made of numbers and sizes alone."""
        return (
            self.dtype.is_float and not self.shape and all(isinstance(leaf.operation, Number) for leaf in leaves(self))
        )


class Arena:
    """Makes expressions; equal ones are one object."""

    def __init__(self) -> None:
        self._made: dict[Any, Expr] = {}

    def make(self, operation: Operation, operands: Iterable[Expr], shape: Iterable[Dim], dtype: DType) -> Expr:
        operands, shape = tuple(operands), tuple(shape)
        # A float and an integer number are equal and hash alike, but they are written differently.
        kind = type(operation.value) if isinstance(operation, Number) else None
        key = (operation, kind, operands, shape, dtype)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Expr(operation, operands, shape, dtype)
        return found

    def variable(self, name: str, shape: Shape, dtype: DType) -> Expr:
        return self.make(Variable(name), (), shape, dtype)

    def rebuilt(self, root: Expr, replacement: Mapping[Expr, Expr]) -> Expr:
        """`root` with each key of `replacement` that lies in it replaced by its value."""
        done: dict[Expr, Expr] = dict(replacement)
        for part in ordered([root], stop=replacement):
            if part not in done:
                operands = tuple(done[operand] for operand in part.operands)
                done[part] = (
                    part if operands == part.operands else self.make(part.operation, operands, part.shape, part.dtype)
                )
        return done[root]


def name_of(x: Expr) -> str:
    """The name of a variable."""
    assert isinstance(x.operation, Variable)
    return x.operation.name


def ordered(roots: Iterable[Expr], stop: Container[Expr] = ()) -> list[Expr]:
    """Every expression that `roots` are made of, operands first; those in `stop` are listed but not entered."""
    order: list[Expr] = []
    seen: set[Expr] = set()
    stack: list[tuple[Expr, bool]] = [(root, False) for root in reversed(list(roots))]
    while stack:
        part, ready = stack.pop()
        if ready:
            order.append(part)
        elif part not in seen:
            seen.add(part)
            stack.append((part, True))
            if part not in stop:
                stack.extend((operand, False) for operand in reversed(part.operands))
    return order


def leaves(root: Expr) -> list[Expr]:
    """The variables and literals in `root`."""
    return [part for part in ordered([root]) if not part.operands]


def parents_of(roots: Iterable[Expr]) -> dict[Expr, int]:
    """How often each expression is used in `roots`."""
    uses: dict[Expr, int] = {}
    seen: set[Expr] = set()
    stack = list(roots)
    for root in stack:
        uses[root] = uses.get(root, 0) + 1
    while stack:
        part = stack.pop()
        if part in seen:
            continue
        seen.add(part)
        for operand in part.operands:
            uses[operand] = uses.get(operand, 0) + 1
            stack.append(operand)
    return uses


def occurrences(roots: Iterable[Expr]) -> dict[Expr, int]:
    """How often each expression stands in `roots` when they are written out."""
    counts: dict[Expr, int] = {}
    for root in roots:
        here = {root: 1}
        for part in reversed(ordered([root])):
            for operand in part.operands:
                here[operand] = here.get(operand, 0) + here[part]
        for part, count in here.items():
            counts[part] = counts.get(part, 0) + count
    return counts
