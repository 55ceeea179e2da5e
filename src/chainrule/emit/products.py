"""Contractions in source code: `@` if possible, else `outer`, `tensordot` or `einsum`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainrule.emit.expressions import Arena, Einsum, Expr, Function, MatrixProduct, Outer, TensorDot, Transposed
from chainrule.ir import ArrayType
from chainrule.primitives import Contract, Multiply, product_of

Labels = tuple[int, ...]


def contraction(
    arena: Arena,
    primitive: Contract,
    loose: Sequence[Expr],
    types: Sequence[ArrayType],
    strict: Callable[[], Sequence[Expr]],
    type: ArrayType,
) -> Expr:
    """Write a contraction of operands of `types`: `loose` with implicit broadcasting, `strict` with exact shapes."""
    if len(loose) == 2:
        output = primitive.output
        missing = [t.ndim - x.ndim for x, t in zip(loose, types, strict=True)]
        if any(missing) and all(x.shape == t.shape[k:] for x, t, k in zip(loose, types, missing, strict=True)):
            left, right = (labels[k:] for labels, k in zip(primitive.inputs, missing, strict=True))
            if set(output) <= {*left, *right} and min(len(left), len(right)) > 1:
                found = _named_product(arena, loose[0], loose[1], (left, right), output, type)
                if found is not None:
                    return found
    operands = strict()
    if len(operands) == 2:
        a, b = operands
        found = _named_product(arena, a, b, primitive.inputs, primitive.output, type)
        found = found or _tensordot(arena, a, b, primitive.inputs, primitive.output, type)
        if found is not None:
            return found
    return arena.make(Einsum(primitive.inputs, primitive.output), operands, type.shape, type.dtype)


def _named_product(
    arena: Arena, a: Expr, b: Expr, inputs: Sequence[Labels], output: Labels, type: ArrayType
) -> Expr | None:
    product = product_of(inputs, output)
    if product is None or product.added or product.kind in ("rows", "trace"):
        return None
    x, y = ((a, b)[factor.operand] for factor in (product.left, product.right))
    match product.kind:
        case "scaling":
            return arena.make(Function(Multiply()), (a, b), y.shape, a.dtype)
        case "outer":
            return arena.make(Outer(), (x, y), type.shape, type.dtype)
        case "vector" if product.left.transposed and x.ndim == 2:
            operands = y, x  # v @ M is shorter than M.T @ v
        case _:
            operands = _turned(arena, x, product.left.transposed), _turned(arena, y, product.right.transposed)
    return arena.make(MatrixProduct(), operands, type.shape, type.dtype)


def _turned(arena: Arena, x: Expr, turn: bool) -> Expr:
    """Swap the last two axes of `x`."""
    if not turn:
        return x
    order = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    if isinstance(x.operation, Transposed) and x.operation.order == order:
        return x.operands[0]
    return arena.make(Transposed(order), (x,), (x.shape[axis] for axis in order), x.dtype)


def _tensordot(
    arena: Arena, a: Expr, b: Expr, inputs: Sequence[Labels], output: Labels, type: ArrayType
) -> Expr | None:
    left, right = inputs
    for x, y, first, second in ((a, b, left, right), (b, a, right, left)):
        shared = [label for label in first if label in second]
        kept = tuple(label for label in first if label not in shared) + tuple(l for l in second if l not in shared)
        if shared and kept == output:
            axes = tuple(map(first.index, shared)), tuple(map(second.index, shared))
            return arena.make(TensorDot(axes), (x, y), type.shape, type.dtype)
    return None
