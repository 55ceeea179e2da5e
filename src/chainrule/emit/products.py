"""A contraction in the words of source code: `@` where that says it, else `outer`, `tensordot` or `einsum`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainrule.emit.expressions import Arena, Einsum, Expr, Function, MatrixProduct, Outer, TensorDot, Transposed
from chainrule.ir import ArrayType
from chainrule.primitives import Contract, Multiply

Labels = tuple[int, ...]


def contraction(
    arena: Arena,
    primitive: Contract,
    loose: Sequence[Expr],
    types: Sequence[ArrayType],
    strict: Callable[[], Sequence[Expr]],
    type: ArrayType,
) -> Expr:
    """`primitive` applied to operands of `types`: `loose` as they broadcast, `strict` as the types say."""
    if len(loose) == 2:
        output = primitive.output
        missing = [t.ndim - x.ndim for x, t in zip(loose, types, strict=True)]
        if any(missing) and all(x.shape == t.shape[k:] for x, t, k in zip(loose, types, missing, strict=True)):
            left, right = (labels[k:] for labels, k in zip(primitive.inputs, missing, strict=True))
            if set(output) <= {*left, *right} and min(len(left), len(right)) > 1:
                found = _matrix_product(arena, loose[0], loose[1], left, right, output, type)
                if found is not None:
                    return found
    operands = strict()
    if len(operands) == 2:
        (a, b), (left, right), output = operands, primitive.inputs, primitive.output
        for found in (
            _scaled(arena, a, b, left, right, output),
            _matrix_product(arena, a, b, left, right, output, type),
            _tensordot(arena, a, b, left, right, output, type),
        ):
            if found is not None:
                return found
    return arena.make(Einsum(primitive.inputs, primitive.output), operands, type.shape, type.dtype)


def _scaled(arena: Arena, a: Expr, b: Expr, left: Labels, right: Labels, output: Labels) -> Expr | None:
    """One operand is a number, and the other is not summed."""
    if (left, right) in (((), output), (output, ())):
        return arena.make(Function(Multiply()), (a, b), (a if left else b).shape, a.dtype)
    return None


def _matrix_product(
    arena: Arena, a: Expr, b: Expr, left: Labels, right: Labels, output: Labels, type: ArrayType
) -> Expr | None:
    summed = [label for label in left if label in right and label not in output]
    lost = [label for label in (*left, *right) if label not in output and label not in summed]
    if lost or len(summed) > 1:
        return None
    if not summed:
        if len(left) == len(right) == 1 and set(left).isdisjoint(right):
            a, b = (a, b) if output == left + right else (b, a)
            return arena.make(Outer(), (a, b), type.shape, type.dtype)
        return None
    (label,) = summed
    for x, y, first, second in ((a, b, left, right), (b, a, right, left)):
        found = _ordered_product(arena, x, y, first, second, output, label, type)
        if found is not None:
            return found
    return None


def _ordered_product(
    arena: Arena, x: Expr, y: Expr, first: Labels, second: Labels, output: Labels, label: int, type: ArrayType
) -> Expr | None:
    """`x @ y`, each with its last two axes exchanged where the summed one is not where `@` wants it."""
    if len(first) == 1 and len(second) > 2:
        return None
    if len(first) == 1:
        # v @ M sums over the rows of M; where it should be the columns, M @ v says the same.
        if second[-1] == label and len(second) == 2:
            return None
        return arena.make(MatrixProduct(), (x, y), type.shape, type.dtype)
    if first.index(label) < len(first) - 2 or (len(second) > 1 and second.index(label) < len(second) - 2):
        return None
    row = first[-1] if first[-2] == label else first[-2]
    before = first[:-2]
    if len(second) == 1:
        if output != (*before, row):
            return None
        # M.T @ v is v @ M, which is shorter.
        if first[-2] == label and len(first) == 2:
            return arena.make(MatrixProduct(), (y, x), type.shape, type.dtype)
        return arena.make(MatrixProduct(), (_turned(arena, x, first[-2] == label), y), type.shape, type.dtype)
    column = second[-1] if second[-2] == label else second[-2]
    behind = second[:-2]
    if output[-2:] != (row, column) or row == column:
        return None
    batch = output[:-2]
    # Batches align at their ends, as shapes do when they broadcast.
    if batch not in (before, behind) or batch[len(batch) - len(before) :] != before:
        return None
    if batch[len(batch) - len(behind) :] != behind:
        return None
    x, y = _turned(arena, x, first[-2] == label), _turned(arena, y, second[-1] == label)
    return arena.make(MatrixProduct(), (x, y), type.shape, type.dtype)


def _turned(arena: Arena, x: Expr, turn: bool) -> Expr:
    """`x` with its last two axes exchanged."""
    if not turn:
        return x
    order = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    if isinstance(x.operation, Transposed) and x.operation.order == order:
        return x.operands[0]
    return arena.make(Transposed(order), (x,), (x.shape[axis] for axis in order), x.dtype)


def _tensordot(
    arena: Arena, a: Expr, b: Expr, left: Labels, right: Labels, output: Labels, type: ArrayType
) -> Expr | None:
    for x, y, first, second in ((a, b, left, right), (b, a, right, left)):
        shared = [label for label in first if label in second]
        kept = tuple(label for label in first if label not in shared) + tuple(l for l in second if l not in shared)
        if shared and kept == output:
            axes = tuple(map(first.index, shared)), tuple(map(second.index, shared))
            return arena.make(TensorDot(axes), (x, y), type.shape, type.dtype)
    return None
