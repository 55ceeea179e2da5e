"""Removal of the axis of rows from a prediction, for use on small devices."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from chainrule.exports.subject import ROWS, X
from chainrule.ir import Apply, ArrayType, Const, Dim, Input, Node, Program, named_dim
from chainrule.primitives import (
    Broadcast,
    Contract,
    LogSoftmax,
    LogSumExp,
    Max,
    Mean,
    Min,
    Reshape,
    Softmax,
    Sum,
    reshape,
)

_ALONG_AXES = (LogSoftmax, LogSumExp, Max, Mean, Min, Softmax, Sum)


class _HasRowsError(Exception):
    """The axis of rows is used other than as the first axis."""


def one_row(program: Program) -> Program:
    """Specialize `program` to `X` (width,) with outputs (outputs,); to `X` (1, width) if it mixes rows with other axes.

    >>> from chainrule.trace import trace
    >>> print(one_row(trace(lambda X, W, b: X @ W + b, X="n d", W="d h", b="h")).outputs[0].type)
    float64[h]
    """
    made: dict[Node, Node] = {}
    try:
        for node in [*program.inputs, *program.nodes]:
            if node not in made:
                made[node] = _narrowed(node, made)
    except _HasRowsError:
        return program.bind({ROWS: 1})
    inputs = [made[node] for node in program.inputs]
    names = {made[node]: name for node, name in program.names.items() if node in made}
    kept = tuple(node for node in inputs if isinstance(node, Input))
    return Program(kept, tuple(made[node] for node in program.outputs), names)


def _has_rows(type_: ArrayType) -> bool:
    """Whether the first axis is that of rows; raises _HasRowsError if another axis is."""
    rows = [axis for axis, dim in enumerate(type_.shape) if ROWS in getattr(dim, "names", ())]
    if rows and (rows != [0] or type_.shape[0] != named_dim(ROWS)):
        raise _HasRowsError
    return bool(rows)


def _narrowed(node: Node, made: dict[Node, Node]) -> Node:
    type_ = node.type.with_shape(node.type.shape[1:]) if _has_rows(node.type) else node.type
    if isinstance(node, Input):
        return Input(node.name, type_) if node.name == X else node
    if isinstance(node, Const):
        if not node.is_filled or ROWS in getattr(node.value, "names", ()):
            if _has_rows(node.type) or ROWS in getattr(node.value, "names", ()):
                raise _HasRowsError
            return node
        return Const(node.value, type_)
    assert isinstance(node, Apply)
    wide = [_has_rows(operand.type) for operand in node.operands]
    operands = tuple(made[operand] for operand in node.operands)
    primitive = node.primitive
    if not any(wide) and not _has_rows(node.type):
        return Apply(primitive, operands)
    if primitive.is_pointwise and all(wide):
        return Apply(primitive, operands)
    match primitive, operands:
        case Contract(), _:
            return Apply(_contraction(primitive, wide), operands)
        case Broadcast(), (x,) if _has_rows(node.type):
            return _broadcast(primitive, x, node.type.shape, wide[0])
        case Reshape(), (x,) if wide[0] and _has_rows(node.type):
            return reshape(x, type_.shape)
    if isinstance(primitive, _ALONG_AXES) and 0 not in primitive.axes:
        return Apply(dataclasses.replace(primitive, axes=tuple(axis - 1 for axis in primitive.axes)), operands)
    raise _HasRowsError


def _contraction(primitive: Contract, wide: Sequence[bool]) -> Contract:
    rows = {labels[0] for labels, has in zip(primitive.inputs, wide, strict=True) if has}
    if len(rows) != 1 or primitive.output[:1] != tuple(rows):
        raise _HasRowsError
    inputs = tuple(tuple(label for label in labels if label not in rows) for labels in primitive.inputs)
    return dataclasses.replace(primitive, inputs=inputs, output=primitive.output[1:])


def _broadcast(primitive: Broadcast, operand: Node, shape: tuple[Dim, ...], wide: bool) -> Node:
    axes = primitive.axes
    if wide != (0 in axes[:1]):
        raise _HasRowsError
    kept = tuple(axis - 1 for axis in (axes[1:] if wide else axes))
    if operand.type.shape == shape[1:]:
        return operand
    return Broadcast(shape[1:], kept)(operand)
