"""Table entries shared by NumPy, JAX and PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chainrule.emit.arrays import ArrayWriter, Entry, EntryWriter, primitive_of
from chainrule.emit.code import Code, Level, binary, call, difference, entries_of, product, subscript, total
from chainrule.emit.expressions import Expr
from chainrule.ir import Dim
from chainrule.primitives import (
    Abs,
    Adjugate,
    Cholesky,
    Concatenate,
    CumulativeSum,
    Determinant,
    Gather,
    IntegerArithmetic,
    Inverse,
    LogDeterminant,
    LogicalAnd,
    LogicalNot,
    LogicalOr,
    OneHot,
    OverlapAdd,
    Pad,
    Pseudoinverse,
    SignDeterminant,
    Triangle,
    Windows,
)


def infix(operator: str, level: Level) -> EntryWriter:
    """A binary operator."""
    return lambda writer, x, operands: binary(operator, operands[0], operands[1], level)


_INTEGERS: Mapping[str, Callable[..., Code]] = {
    "add": total,
    "subtract": difference,
    "multiply": product,
    "floor_divide": lambda x, y: binary("//", x, y, Level.PRODUCT),
    "remainder": lambda x, y: binary("%", x, y, Level.PRODUCT),
}


def _integer(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, IntegerArithmetic)
    if primitive.operation in ("maximum", "minimum"):
        return writer.function(primitive.operation, *operands)
    if primitive.operation in _INTEGERS:
        return _INTEGERS[primitive.operation](*operands)
    symbol = {"and": "&", "or": "|", "xor": "^"}[primitive.operation]
    left, right = (operand.at(Level.SUM) for operand in operands)
    return Code(f"{left} {symbol} {right}", Level.BIT_AND if symbol == "&" else Level.BIT_OR)


def _not(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    return Code(f"~{operands[0].at(Level.SIGN)}", Level.SIGN)


def _gather(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, Gather)
    return subscript(operands[0], *[":"] * primitive.axis, *operands[1:])


def concatenated(function: str, option: str) -> EntryWriter:
    """Concatenation along an axis, by default the first."""

    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        primitive = primitive_of(x)
        assert isinstance(primitive, Concatenate)
        options = {option: str(primitive.axis)} if primitive.axis else {}
        return writer.function(function, f"[{', '.join(map(str, operands))}]", **options)

    return write


def cumulative_sum(option: str) -> EntryWriter:
    """The cumulative sum; the reverse one flips the axis twice."""

    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        primitive = primitive_of(x)
        assert isinstance(primitive, CumulativeSum)
        axis = str(primitive.axis)
        around = f"({axis},)"
        if not primitive.reverse:
            return writer.function("cumsum", operands[0], **{option: axis})
        turned = writer.function("flip", operands[0], around)
        return writer.function("flip", writer.function("cumsum", turned, **{option: axis}), around)

    return write


def on_matrices(function: str, first: str, second: str) -> EntryWriter:
    """A function of the last two axes, with the names of the options that select them."""

    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        options = {first: "-2", second: "-1"} if x.operands[0].ndim > 2 else {}
        return writer.function(function, operands[0], **options)

    return write


def triangle(option: str) -> EntryWriter:
    """`tril` and `triu`, with the name of the option that numbers the diagonal."""

    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        primitive = primitive_of(x)
        assert isinstance(primitive, Triangle)
        options = {option: str(primitive.offset)} if primitive.offset else {}
        return writer.function("triu" if primitive.upper else "tril", operands[0], **options)

    return write


def diagonal_matrix(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """A diagonal matrix from a vector; for more axes, the last one times the identity."""
    if x.ndim == 2:
        return writer.function("diag", operands[0])
    identity = writer.function("eye", writer.dim(x.shape[-1]), dtype=writer.dtype())
    return product(subscript(operands[0], "...", "None"), identity)


def padded(around: EntryWriter) -> EntryWriter:
    """Zero padding; interior padding by a helper function."""

    def write(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
        primitive = primitive_of(x)
        assert isinstance(primitive, Pad)
        if not any(primitive.interior):
            return around(writer, x, operands)
        parts = zip(primitive.low, x.operands[0].shape, primitive.interior, x.shape, strict=True)
        places = entries_of([_place(writer, *part) for part in parts])
        return writer.helper("place", writer.shape(x.shape), places, operands[0])

    return write


def _place(writer: ArrayWriter, low: Dim, size: Dim, interior: int, whole: Dim) -> Code:
    if interior == 0 and low == 0 and size == whole:
        return call("slice", "None")
    if interior == 0:
        return call("slice", writer.dim(low), writer.dim(low + size))
    last = writer.dim(low + (size - 1) * (interior + 1) + 1)
    return call("slice", writer.dim(low), last, str(interior + 1))


def pad(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    """Zero padding with NumPy's argument format."""
    primitive = primitive_of(x)
    assert isinstance(primitive, Pad)
    pairs = zip(primitive.low, primitive.high, strict=True)
    return writer.function("pad", operands[0], entries_of([entries_of([*map(writer.dim, pair)]) for pair in pairs]))


def window_parts(x: Expr) -> list[tuple[int, Dim, Dim, int, int, bool]]:
    """Return axis, count, size, stride and dilation of the windows per axis, and whether more would fit."""
    primitive, whole = primitive_of(x), x.operands[0].shape
    assert isinstance(primitive, Windows)
    columns = primitive.axes, primitive.counts, primitive.sizes, primitive.strides, primitive.dilations
    found = []
    for axis, count, size, stride, dilation in zip(*columns, strict=True):
        left = whole[axis] - (size - 1) * dilation - 1 - (count - 1) * stride
        found.append((axis, count, size, stride, dilation, not isinstance(left, int) or left >= stride))
    return found


def _overlap_add(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    primitive = primitive_of(x)
    assert isinstance(primitive, OverlapAdd)
    steps = map(entries_of, (primitive.axes, primitive.strides, primitive.dilations))
    return writer.helper("overlap_add", operands[0], writer.shape(x.shape), *steps)


def _adjugate(writer: ArrayWriter, x: Expr, operands: Sequence[Code]) -> Code:
    return writer.helper("adjugate", operands[0])


LIBRARY: Mapping[type, Entry] = {
    Abs: "{np}.abs({})",
    Adjugate: _adjugate,
    Cholesky: "{np}.linalg.cholesky({})",
    Determinant: "{np}.linalg.det({})",
    Gather: _gather,
    IntegerArithmetic: _integer,
    Inverse: "{np}.linalg.inv({})",
    # The determinant can overflow or underflow where its logarithm and its sign do not.
    LogDeterminant: "{np}.linalg.slogdet({})[1]",
    LogicalAnd: infix("&", Level.BIT_AND),
    LogicalNot: _not,
    LogicalOr: infix("|", Level.BIT_OR),
    Pseudoinverse: "{np}.linalg.pinv({})",
    OneHot: "{np}.eye({size}, dtype={dtype})[{}]",
    OverlapAdd: _overlap_add,
    SignDeterminant: "{np}.linalg.slogdet({})[0]",
}
"""Entries with names common to all of them."""


def overlap_add_source(zeros: str, indices: str, add: str) -> str:
    """Return the overlap-add helper for a library's `zeros`, `indices` and `add`."""
    return f'''def overlap_add(windows, shape, axes, strides, dilations):
    """Windows put back to where they were taken from an array of `shape`, and added up."""
    result = {zeros}
    for place in {indices}:
        where = [slice(None)] * len(shape)
        for axis, k, stride, dilation in zip(axes, place, strides, dilations, strict=True):
            first, count = k * dilation, windows.shape[axis]
            where[axis] = slice(first, first + count * stride, stride)
        {add}
    return result'''


def adjugate_source(np: str, boolean: str) -> str:
    """Return the adjugate helper for a library and its type of conditions."""
    return f'''def adjugate(x):
    """The transposed cofactors, det(x) inv(x), also where x has no inverse."""
    u, s, v = {np}.linalg.svd(x)
    others = {np}.where({np}.eye(s.shape[-1], dtype={boolean}), 1.0, s[..., None, :]).prod(-1)
    sign = {np}.sign({np}.linalg.det(u) * {np}.linalg.det(v))
    return sign[..., None, None] * ({np}.swapaxes(v, -1, -2) * others[..., None, :]) @ {np}.swapaxes(u, -1, -2)'''
