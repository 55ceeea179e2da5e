"""Array expressions with NumPy's semantics: operands broadcast, reductions may keep their axes.

A node of a program states every broadcast; source code leaves most of them implicit. The shapes of expressions are
those of the arrays at run time: relative to the node, a leading axis may be missing, or an axis may have size 1.
Created by an `Arena`, which shares equal expressions.
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
    """A number or a size, which adopts the dtype of other operands."""

    value: float | int | bool | SymbolicDim


@dataclass(frozen=True)
class Table:
    """A literal array; `key` identifies it, and `rows` are its elements as nested lists."""

    key: int
    rows: Any = field(compare=False)


@dataclass(frozen=True)
class Function:
    """An elementwise primitive; its operands broadcast."""

    primitive: Primitive


@dataclass(frozen=True)
class Reduction:
    """A sum, mean or extremum over `axes`, which are removed or, with `keepdims`, kept with size 1."""

    name: ReductionName
    axes: tuple[int, ...]
    keepdims: bool


@dataclass(frozen=True)
class MatrixProduct:
    """`x @ y`, with NumPy's rules for vectors and batches."""


@dataclass(frozen=True)
class Outer:
    """All products of an element of one vector and one of another."""


@dataclass(frozen=True)
class TensorDot:
    """A sum of products over some axes of each operand; the remaining axes are concatenated."""

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
    """The operand broadcast explicitly to a shape, where implicit broadcasting does not suffice."""

    shape: Shape


@dataclass(frozen=True)
class Blank:
    """A new array, of zeros or with elements that are assigned later, shaped as the operand if there is one."""

    is_zero: bool


Taken: TypeAlias = Dim | tuple[Dim, Dim, int]
"""Of an index for one axis: a position, which removes the axis, or (start, size, stride)."""


@dataclass(frozen=True)
class Indexed:
    """An index, with an entry for each axis."""

    entries: tuple[Taken, ...]


@dataclass(frozen=True)
class Picked:
    """For each row (the last axis) of the first operand, the element given by an array of labels."""


@dataclass(frozen=True)
class Structured:
    """Any other primitive, on operands of exactly the shapes in its type."""

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
    | Blank
    | Indexed
    | Picked
    | Structured
)


@dataclass(frozen=True, eq=False)
class Expr:
    """An operation on expressions, with the shape and dtype of the array at run time."""

    operation: Operation
    operands: tuple[Expr, ...]
    shape: Shape
    dtype: DType

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def is_number(self) -> bool:
        """Whether it depends on numbers and sizes alone."""
        return (
            self.dtype.is_float and not self.shape and all(isinstance(leaf.operation, Number) for leaf in leaves(self))
        )


class Arena:
    """Creates expressions; equal ones are the same object."""

    def __init__(self) -> None:
        self._made: dict[Any, Expr] = {}

    def make(self, operation: Operation, operands: Iterable[Expr], shape: Iterable[Dim], dtype: DType) -> Expr:
        operands, shape = tuple(operands), tuple(shape)
        # A float and an int may be equal with equal hashes, but are written differently.
        kind = type(operation.value) if isinstance(operation, Number) else None
        key = (operation, kind, operands, shape, dtype)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = Expr(operation, operands, shape, dtype)
        return found

    def variable(self, name: str, shape: Shape, dtype: DType) -> Expr:
        return self.make(Variable(name), (), shape, dtype)

    def rebuilt(self, root: Expr, replacement: Mapping[Expr, Expr]) -> Expr:
        """Replace the keys of `replacement` in `root` by their values."""
        done: dict[Expr, Expr] = dict(replacement)
        for part in ordered([root], stop=replacement):
            if part not in done:
                operands = tuple(done[operand] for operand in part.operands)
                done[part] = (
                    part if operands == part.operands else self.make(part.operation, operands, part.shape, part.dtype)
                )
        return done[root]


def name_of(x: Expr) -> str:
    """Return the name of a variable."""
    assert isinstance(x.operation, Variable)
    return x.operation.name


def ordered(roots: Iterable[Expr], stop: Container[Expr] = ()) -> list[Expr]:
    """Return all subexpressions of `roots`, operands first; those in `stop` are listed but not entered."""
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
    """Return the variables and literals in `root`."""
    return [part for part in ordered([root]) if not part.operands]


def parents_of(roots: Iterable[Expr]) -> dict[Expr, int]:
    """Count the uses of each subexpression of `roots`."""
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
    """Count the occurrences of each subexpression in the written text of `roots`."""
    counts: dict[Expr, int] = {}
    for root in roots:
        here = {root: 1}
        for part in reversed(ordered([root])):
            for operand in part.operands:
                here[operand] = here.get(operand, 0) + here[part]
        for part, count in here.items():
            counts[part] = counts.get(part, 0) + count
    return counts
