"""The meaning of operators for values of given shapes, in particular which product `*` is.

Vectors have one axis and are columns; `'` turns a column into a row. `*` between

- a number and anything scales;
- a row and a column is the inner product, a column and a row the outer one; a row and a matrix, and a matrix and a
  column, are matrix products;
- two columns, or two rows, is elementwise, since it is no matrix product;
- two matrices is whichever of the two products fits; if both fit, `@` elsewhere in the formula means that `*` is
  elementwise, `.*` or else a notation of linear algebra (`'`, `tr`, `inv`, operands side by side) that it is the matrix
  product; otherwise the formula is rejected;
- a matrix, or a row, and a literal `1` is the product with a vector of ones, and `1'` is a row of ones.

`@` is NumPy's matrix product; `.*` is always elementwise and broadcasts as NumPy does, and so does `**`. Operands side
by side are never multiplied element by element.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from chainrule.ir import DType, dim_product
from chainrule.trace.formula.errors import Span
from chainrule.trace.formula.sizes import Kind, Size, Unknown, can_equal, equal, found, sizes_text, unify

Meaning: TypeAlias = Literal["elementwise", "matmul", "outer", "kronecker", "power"]


class MisfitError(Exception):
    """Shapes do not match at a position. Cheap to raise, since inference catches it often."""

    def __init__(self, message: str, span: Span) -> None:
        super().__init__(message)
        self.message = message
        self.span = span


def elementwise(kinds: Sequence[Kind], span: Span, doing: str = "element by element") -> Kind:
    """Return the kind of an elementwise operation with NumPy broadcasting."""
    vectors = [kind for kind in kinds if kind.rank == 1 and not _is_one(kind)]
    if len({kind.row for kind in vectors}) > 1:
        raise MisfitError(
            f"{_listed(kinds)} do not fit {doing}; transpose one of them, or write outer(x, y) and dot(x, y)", span
        )
    rank = max((kind.rank for kind in kinds), default=0)
    for kind in kinds:
        for other in kinds:
            if kind.rank == 1 and other.rank > 1 and (kind.open or other.open) and not kind.lone:
                raise MisfitError(f"{_listed(kinds)} do not fit {doing}", span)
    sizes: list[Size] = []
    for axis in range(-rank, 0):
        size: Size = 1
        for kind in kinds:
            if kind.rank < -axis:
                continue
            each = found(kind.sizes[axis])
            if each == 1:
                continue
            if found(size) == 1:
                size = each
            elif not unify(size, each):
                raise MisfitError(
                    f"{_listed(kinds)} do not fit {doing}: the sizes {found(size)} and {each} differ", span
                )
        sizes.append(size)
    row = rank == 1 and any(kind.row for kind in vectors)
    return Kind(tuple(sizes), row, open=any(kind.open for kind in kinds))


def _is_one(kind: Kind) -> bool:
    return all(found(size) == 1 for size in kind.sizes)


def _listed(kinds: Sequence[Kind]) -> str:
    return " and ".join(dict.fromkeys(kind.text for kind in kinds if kind.rank)) or "numbers"


def matmul(a: Kind, b: Kind, span: Span) -> Kind:
    """Return the kind of `a @ b`, with NumPy's rules for vectors and batches."""
    if not a.rank or not b.rank:
        number = "the left side" if not a.rank else "the right side"
        raise MisfitError(f"@ is the product of arrays, and {number} is a number; write * to scale", span)
    if b.rank == 1 and b.row:
        if a.rank == 1 and not a.row:
            raise MisfitError(
                "a column @ a row is the inner product in NumPy and a matrix on paper; write outer(x, y) for the "
                "matrix, dot(x, y) for the number",
                span,
            )
        raise MisfitError(f"{a.text} @ {b.text} has a row on the right; leave the transpose out", span)
    inner = b.sizes[-2 if b.rank > 1 else 0]
    if not unify(a.sizes[-1], inner):
        raise MisfitError(
            f"{a.text} and {b.text} do not fit in a matrix product: the summed sizes {found(a.sizes[-1])} and "
            f"{found(inner)} differ{_turned(a, b)}",
            span,
        )
    batch = elementwise([Kind(a.sizes[:-2]), Kind(b.sizes[:-2])], span, "as batches of matrices").sizes
    rows = a.sizes[-2:-1]
    columns = b.sizes[-1:] if b.rank > 1 else ()
    row = a.rank == 1 and a.row and b.rank == 2
    sizes = (*batch, *rows, *columns)
    return Kind(sizes, row, open=bool(sizes) and (a.open or b.open))


def _turned(a: Kind, b: Kind) -> str:
    """Suggest the transpose with which the product would fit."""
    if b.rank == 2 and equal(a.sizes[-1], b.sizes[-1]):
        return "; with the right side transposed they fit"
    if a.rank == 2 and equal(a.sizes[-2], b.sizes[-2 if b.rank > 1 else 0]):
        return "; with the left side transposed they fit"
    return ""


def outer(a: Kind, b: Kind) -> Kind:
    """Return the kind of `x yᵀ` for two vectors."""
    return Kind((a.sizes[0], b.sizes[0]), open=a.open or b.open)


def meanings_of_star(a: Kind, b: Kind, style: str, span: Span) -> list[Meaning]:
    """Return the possible meanings of `a * b`; `style` is "@" or ".*" if the formula uses only one of these.

    Raises MisfitError if there is none.
    """
    if not a.rank or not b.rank or DType.BOOL in (a.dtype, b.dtype):
        return ["elementwise"]
    if a.rank == 1 and b.rank == 1:
        return ["elementwise"] if a.row == b.row else ["matmul"] if a.row else ["outer"]
    if a.rank == 1 and b.rank == 2:
        if a.row:
            return ["matmul"]
        raise MisfitError(
            f"{a.text} * {b.text} is no product of matrices; write x' * A for the product, or x .* A for element by "
            "element",
            span,
        )
    if a.rank == 2 and b.rank == 1:
        if b.row:
            raise MisfitError(
                f"{a.text} * {b.text} is no product of matrices; write A * x, or A .* x for element by element", span
            )
        if style == "@" and _broadcasts(a, b):
            raise MisfitError(
                "* of a matrix and a vector goes element by element in NumPy and is a product on paper, and both fit; "
                "write A @ x, or A .* x for element by element",
                span,
            )
        return ["matmul"]
    both: list[Meaning] = ["matmul"] if can_equal(a.sizes[-1], b.sizes[-2 if b.rank > 1 else 0]) else []
    if _broadcasts(a, b):
        both.append("elementwise")
    if not both:
        raise MisfitError(
            f"{a.text} and {b.text} fit neither in a matrix product nor element by element{_turned(a, b)}", span
        )
    if len(both) == 2 and style:
        return ["elementwise"] if style == "@" else ["matmul"]
    return both


def beside(a: Kind, b: Kind, span: Span) -> Meaning:
    """Return the meaning of `a b` without an operator: a scaling, or a product of linear algebra.

    Raises MisfitError for two columns, two rows, or a column and a matrix, which have no such product.
    """
    if not a.rank or not b.rank:
        return "elementwise"
    if a.rank == 1 and b.rank == 1 and a.row == b.row:
        raise MisfitError(
            f"{a.text} and {b.text} side by side are no product; write x' y, x y', or x .* y for element by element",
            span,
        )
    if a.rank == 1 and not a.row and b.rank == 2:
        raise MisfitError(f"{a.text} and {b.text} side by side are no product; write x' A, or x .* A", span)
    if b.rank == 1 and b.row and a.rank == 2:
        raise MisfitError(f"{a.text} and {b.text} side by side are no product; write A x, or A .* x", span)
    return "outer" if a.rank == 1 and b.rank == 1 and b.row else "matmul"


def tensor(a: Kind, b: Kind, span: Span) -> Kind:
    """Return the kind of `x ⊗ y`: `x yᵀ` for two vectors, the Kronecker product for two matrices."""
    if a.rank == b.rank == 1 and not (_is_capital(a) and _is_capital(b)):
        return outer(a, b)
    return kronecker(a, b, span)


def kronecker(a: Kind, b: Kind, span: Span) -> Kind:
    """Return the kind of the Kronecker product of two matrices, whose sizes must be known."""
    sizes = [(found(x), found(y)) for x, y in zip(a.sizes, b.sizes, strict=False)]
    known = [dim_product((x, y)) for x, y in sizes if not isinstance(x, Unknown) and not isinstance(y, Unknown)]
    if a.rank == b.rank == 2 and len(known) == 2:
        return Kind(tuple(known))
    if a.open or b.open:
        raise MisfitError(
            'the sizes of a Kronecker product are products; state those of its factors, as in --shape "A: n m, B: p q"',
            span,
        )
    raise MisfitError(f"a Kronecker product is of two matrices, not {a.text} and {b.text}; write outer(x, y)", span)


def _is_capital(kind: Kind) -> bool:
    """Whether a value is a variable of unknown shape whose name is that of a matrix."""
    (size,) = kind.sizes
    return kind.lone and isinstance(size, Unknown) and size.name[:1].isupper()


def _broadcasts(a: Kind, b: Kind) -> bool:
    return all(can_equal(x, y) or 1 in (found(x), found(y)) for x, y in zip(a.sizes[::-1], b.sizes[::-1], strict=False))


BOTH_FIT = (
    "* may be the product of matrices or go element by element here; write @ for the matrix product, .* for element by "
    "element"
)
POWER_OF_SQUARE = (
    "^ of a square matrix may be a power of the matrix or go element by element; write A @ A, or inv(A), for the "
    "matrix, A ** 2 for element by element"
)


CROSS = (
    "× of two vectors may be their cross product, which is not in the language, or go element by element; write x .* y "
    "for element by element"
)
BARS_OF_MATRIX = "bars around a matrix may be its determinant or go element by element; write det(A) or abs(A)"


def power(a: Kind, b: Kind, span: Span) -> Kind:
    """Return the kind of `a ^ b`, elementwise; `^` of a square matrix is rejected once sizes are known."""
    if b.rank and a.rank == 0:
        return elementwise([a, b], span)
    if b.rank and b.rank != a.rank:
        raise MisfitError(f"{a.text} to the power of {b.text}; an exponent is a number, or as large as its base", span)
    return elementwise([a, b], span)


def transpose(kind: Kind) -> Kind:
    """Return the kind of `x'`; for a vector, only the orientation changes."""
    if kind.rank == 1:
        return Kind(kind.sizes, not kind.row, kind.dtype, kind.open, kind.lone)
    return Kind(kind.sizes[::-1], dtype=kind.dtype, open=kind.open)


def square(kind: Kind, what: str, span: Span) -> Kind:
    """Return a square matrix; raise MisfitError for anything else."""
    if kind.rank != 2:
        raise MisfitError(f"{what} takes a square matrix, not {kind.text}", span)
    if not unify(kind.sizes[0], kind.sizes[1]):
        raise MisfitError(f"{what} takes a square matrix, not one of shape {sizes_text(kind.sizes)}", span)
    return kind
