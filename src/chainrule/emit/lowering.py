"""Lowering of nodes to array expressions, without broadcasts that are implicit and with `keepdims`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from chainrule.emit.errors import EmitError
from chainrule.emit.expressions import (
    Arena,
    Expr,
    Function,
    Indexed,
    Inserted,
    Number,
    Picked,
    Reduction,
    ReductionName,
    Repeated,
    Reshaped,
    Structured,
    Table,
    Taken,
    Transposed,
)
from chainrule.emit.products import contraction
from chainrule.ir import Apply, Const, Dim, DType, Input, Node, Shape, topological_order
from chainrule.primitives import (
    Broadcast,
    Cast,
    Contract,
    Divide,
    DivideNoNan,
    LogNoNan,
    LogSumExp,
    Max,
    Mean,
    Min,
    Multiply,
    Norm,
    NotExpandableError,
    OneHot,
    Permute,
    Primitive,
    Reshape,
    Slice,
    Square,
    Sum,
    divide,
    equal,
    expanded,
    log,
    where,
)

_REDUCTIONS: dict[type, ReductionName] = {Sum: "sum", Mean: "mean", Max: "max", Min: "min", LogSumExp: "logsumexp"}
_STRUCTURE = (Broadcast, Contract, Permute, Reshape, Slice)
_TABLE_LIMIT = 64


class Lowering:
    """Converts nodes to expressions; `known` maps a node to its variable.

    A primitive that the target does not `have` is decomposed, if possible.
    """

    def __init__(self, arena: Arena, has: Callable[[Primitive], bool]) -> None:
        self.arena = arena
        self.has = has
        self.known: dict[Node, Expr] = {}
        self._variables: set[Node] = set()

    def define(self, node: Node, variable: Expr) -> None:
        """Define `variable` as the value of `node`."""
        self.known[node] = variable
        self._variables.add(node)

    def loose(self, node: Node) -> Expr:
        """Return `node` as an expression whose shape broadcasts to that of the node."""
        for part in topological_order([node], stop=self.known):
            if part in self.known:
                continue
            if isinstance(part, Const):
                self.known[part] = self._literal(part)
            elif isinstance(part, Apply):
                self.known[part] = self._applied(part)
            else:
                assert isinstance(part, Input)
                raise EmitError(f"{part.name} is used before it is defined")
        return self.known[node]

    def strict(self, node: Node) -> Expr:
        """Return `node` as an expression of exactly its shape."""
        found = self.loose(node)
        wanted = node.type.shape
        if isinstance(node, Const) and node.is_filled and wanted and node.type.dtype is DType.INT64:
            sizes = [dim for dim in wanted if isinstance(dim, int)]
            if len(sizes) == len(wanted) and math.prod(sizes) <= _TABLE_LIMIT:  # as an index it needs an array
                table = Table(id(node), np.full(sizes, node.value).tolist())
                return self.arena.make(table, (), wanted, node.type.dtype)
        if found.shape == wanted:
            return found
        missing = len(wanted) - found.ndim
        if all(dim == 1 for dim in wanted[:missing]) and found.shape == wanted[missing:]:
            return self.expanded(found, tuple(range(missing)))
        return self.arena.make(Repeated(wanted), (found,), wanted, found.dtype)

    def _literal(self, node: Const) -> Expr:
        if not isinstance(node.value, np.ndarray):
            return self.arena.make(Number(node.value), (), (), node.type.dtype)
        if node.value.size > _TABLE_LIMIT:
            raise EmitError(
                f"an array of {node.value.size} numbers is part of the function; make it an argument, so that the "
                "source need not spell it out"
            )
        return self.arena.make(Table(id(node), node.value.tolist()), (), node.type.shape, node.type.dtype)

    def _applied(self, node: Apply) -> Expr:
        primitive = node.primitive
        in_parts = written_in_parts(node, self.has)
        if in_parts is not None:
            return self.loose(in_parts)
        match node:
            case Apply(Square(), (Apply(Norm() as norm, (x,)) as root,)) if root not in self._variables:
                return self.loose(norm.squared(x))  # ‖x‖² without the square root
        if primitive.is_pointwise:
            return self._pointwise(node)
        if type(primitive) in _REDUCTIONS:
            return self._reduction(node, _REDUCTIONS[type(primitive)])
        match node:
            case Apply(Broadcast(axes=axes), (x,)):
                return self.aligned(self.loose(x), x.type.ndim, axes, node.type.ndim)
            case Apply(Contract() as contract, factors):
                return contraction(
                    self.arena,
                    contract,
                    [self.loose(x) for x in factors],
                    [x.type for x in factors],
                    lambda: [self.strict(x) for x in factors],
                    node.type,
                )
            case Apply(Permute(order), (x,)):
                return self._transposed(self.strict(x), order)
            case Apply(Reshape(shape), (x,)):
                return self._reshaped(self.strict(x), shape)
            case Apply(Slice() as cut, (x,)):
                return self._sliced(self.strict(x), cut)
        operands = [self.strict(x) for x in node.operands]
        return self.arena.make(Structured(primitive), operands, node.type.shape, node.type.dtype)

    # Elementwise operations -------------------------------------------------------------------------------------------

    def _pointwise(self, node: Apply) -> Expr:
        operands = [self.loose(x) for x in node.operands]
        if isinstance(node.primitive, Multiply):
            second = _mask(operands[1], operands[0])
            return self.product(_mask(operands[0], second), second)
        return self.function(node.primitive, operands, node.type.dtype)

    def product(self, x: Expr, y: Expr) -> Expr:
        """Return `x * y` with at most one number, in front; a reciprocal factor becomes a division."""
        dtype = x.dtype if x.dtype.is_float else y.dtype
        (number, x_rest), (other, y_rest) = _numbers_apart(x), _numbers_apart(y)
        if (number != 1 and other != 1) or 1 in (_value(x), _value(y)):
            factor = self.arena.make(Number(number * other), (), (), dtype)
            parts = [*([factor] if number * other != 1 else []), *self._rest(x, x_rest), *self._rest(y, y_rest)]
            result = parts[0] if parts else factor
            for part in parts[1:]:
                result = self._times(result, part, dtype)
            return result
        return self._times(x, y, dtype)

    def _rest(self, x: Expr, rest: bool) -> list[Expr]:
        """Return a product without its number, as a list of at most one expression."""
        if not rest:
            return []
        if not isinstance(x.operation, Function) or _numbers_apart(x)[0] == 1:
            return [x]
        first, second = x.operands
        one = self.arena.make(Number(1.0), (), (), x.dtype)
        if isinstance(x.operation.primitive, Multiply):
            parts = [*self._rest(first, _numbers_apart(first)[1]), *self._rest(second, _numbers_apart(second)[1])]
            result = parts[0]
            for part in parts[1:]:
                result = self._times(result, part, x.dtype)
            return [result]
        above = self._rest(first, _numbers_apart(first)[1])
        return [self.function(Divide(), [above[0] if above else one, second], x.dtype)]

    def _times(self, x: Expr, y: Expr, dtype: DType) -> Expr:
        for quotient, factor in ((x, y), (y, x)):
            match quotient:
                case Expr(Function(Divide()), (one, divisor)) if _value(one) == 1 and not factor.is_number:
                    return self.function(Divide(), [factor, divisor], dtype)
        return self.function(Multiply(), [x, y], dtype)

    def function(self, primitive: Primitive, operands: Sequence[Expr], dtype: DType) -> Expr:
        """Apply a pointwise primitive to operands that broadcast."""
        assert primitive.is_pointwise
        return self.arena.make(Function(primitive), operands, _broadcast(*(x.shape for x in operands)), dtype)

    def aligned(self, x: Expr, ndim: int, axes: Sequence[int], rank: int) -> Expr:
        """Return `x`, an array of `ndim` axes, as one of `rank` axes whose axis `axes[k]` is axis k of `x`."""
        kept = [axes[k] for k in range(ndim - x.ndim, ndim)]
        if not kept:
            return x
        inserted = tuple(k - kept[0] for k in range(kept[0], rank) if k not in kept)
        return self.expanded(x, inserted) if inserted else x

    def expanded(self, x: Expr, inserted: tuple[int, ...]) -> Expr:
        """Insert axes of size 1 at the positions `inserted` of the result, with `keepdims` if that suffices."""
        if not inserted:
            return x
        rank = x.ndim + len(inserted)
        kept = [k for k in range(rank) if k not in inserted]
        sizes = dict(zip(kept, x.shape, strict=True))
        shape = tuple(sizes.get(k, 1) for k in range(rank))
        operation = x.operation
        if self._gives_axes(x, inserted):
            if isinstance(operation, Reduction):
                kept_axes = Reduction(operation.name, operation.axes, keepdims=True)
                return self.arena.make(kept_axes, x.operands, shape, x.dtype)
            if isinstance(operation, Reshaped | Indexed):
                return x.operands[0]
            operands = [self.aligned(operand, x.ndim, kept, rank) for operand in x.operands]
            assert isinstance(operation, Function)
            function = self.function(operation.primitive, operands, x.dtype)
            if function.shape == shape:  # its operands lack leading axes of size 1
                return function
        if isinstance(operation, Inserted):
            (inner,) = x.operands
            before = [k for k in range(x.ndim) if k not in operation.axes]
            places = {kept[k] for k in before}
            return self.arena.make(Inserted(tuple(k for k in range(rank) if k not in places)), (inner,), shape, x.dtype)
        return self.arena.make(Inserted(inserted), (x,), shape, x.dtype)

    def _gives_axes(self, x: Expr, inserted: tuple[int, ...]) -> bool:
        """Whether the new axes are free: a reduction keeps them, or the operand of a squeeze has them."""
        rank = x.ndim + len(inserted)
        operation = x.operation
        if isinstance(operation, Reduction):
            return not operation.keepdims and x.operands[0].ndim == rank and operation.axes == inserted
        if isinstance(operation, Reshaped):
            sizes = iter(x.shape)
            wanted = tuple(1 if k in inserted else next(sizes) for k in range(rank))
            return x.operands[0].shape == wanted
        if isinstance(operation, Function) and x.shape:
            return any(operand.ndim == x.ndim and self._gives_axes(operand, inserted) for operand in x.operands)
        return False

    # Axes -----------------------------------------------------------------------------------------------------------

    def _reduction(self, node: Apply, name: ReductionName) -> Expr:
        (x,) = node.operands
        axes: tuple[int, ...] = node.primitive.axes
        operand = self.loose(x)
        missing = x.type.ndim - operand.ndim
        if any(axis < missing or operand.shape[axis - missing] != x.type.shape[axis] for axis in axes):
            operand, missing = self.strict(x), 0
        here = tuple(axis - missing for axis in axes)
        shape = tuple(dim for axis, dim in enumerate(operand.shape) if axis not in here)
        picked = self._picked(operand) if name == "sum" and here == (operand.ndim - 1,) else None
        if picked is not None:
            return picked
        return self.arena.make(Reduction(name, here, keepdims=False), (operand,), shape, operand.dtype)

    def _picked(self, product: Expr) -> Expr | None:
        """Return the elements selected by labels, for a sum over one-hot rows times `x`, or None."""
        match product:
            case Expr(Function(Multiply()), factors):
                for rows, x in (factors, factors[::-1]):
                    match rows:
                        case Expr(Structured(OneHot()), (labels,), shape) if x.shape == shape:
                            return self.arena.make(Picked(), (x, labels), shape[:-1], x.dtype)
        return None

    def _transposed(self, x: Expr, order: tuple[int, ...]) -> Expr:
        if isinstance(x.operation, Transposed):
            inner = x.operation.order
            order, x = tuple(inner[axis] for axis in order), x.operands[0]
            if order == tuple(range(len(order))):
                return x
        return self.arena.make(Transposed(order), (x,), (x.shape[axis] for axis in order), x.dtype)

    def _reshaped(self, x: Expr, shape: Shape) -> Expr:
        inserted = _inserted_axes(x.shape, shape)
        if inserted is not None:
            return self.expanded(x, inserted)
        removed = _inserted_axes(shape, x.shape)
        if removed is not None:
            operation = x.operation
            if isinstance(operation, Inserted) and operation.axes == removed:
                return x.operands[0]
            if isinstance(operation, Reduction) and operation.keepdims and operation.axes == removed:
                kept = Reduction(operation.name, operation.axes, keepdims=False)
                return self.arena.make(kept, x.operands, shape, x.dtype)
            if isinstance(operation, Indexed):
                return self._element(x, removed, shape)
        if isinstance(x.operation, Reshaped) and x.operands[0].shape != shape:
            x = x.operands[0]
        return self.arena.make(Reshaped(shape), (x,), shape, x.dtype)

    def _element(self, x: Expr, removed: tuple[int, ...], shape: Shape) -> Expr:
        """Replace a slice of size 1 by an index, which removes the axis."""
        assert isinstance(x.operation, Indexed)
        entries: list[Taken] = []
        axis = 0
        for entry in x.operation.entries:
            if isinstance(entry, tuple):
                entries.append(entry[0] if axis in removed else entry)
                axis += 1
            else:
                entries.append(entry)
        return self.arena.make(Indexed(tuple(entries)), x.operands, shape, x.dtype)

    def _sliced(self, x: Expr, primitive: Slice) -> Expr:
        entries = tuple(zip(primitive.starts, primitive.sizes, primitive.strides, strict=True))
        return indexed(self.arena, x, entries)


def indexed(arena: Arena, x: Expr, entries: Sequence[Taken]) -> Expr:
    """Return what an index takes of an array; of a part of one by a single index, if that has no strides."""
    shape = tuple(entry[1] for entry in entries if isinstance(entry, tuple))
    if isinstance(x.operation, Indexed):
        inner = x.operation.entries
        if all(entry[2] == 1 for entry in inner if isinstance(entry, tuple)):
            outer = iter(entries)
            entries = [_composed(entry[0], next(outer)) if isinstance(entry, tuple) else entry for entry in inner]
            (x,) = x.operands
    return arena.make(Indexed(tuple(entries)), (x,), shape, x.dtype)


def _composed(start: Dim, entry: Taken) -> Taken:
    return (start + entry[0], *entry[1:]) if isinstance(entry, tuple) else start + entry


def _value(x: Expr) -> float | None:
    """Return the number of a literal `x`, or None."""
    value = x.operation.value if isinstance(x.operation, Number) else None
    return value if isinstance(value, float) else None


def _numbers_apart(x: Expr) -> tuple[float, bool]:
    """Return the literal number in a product, and whether there are other factors."""
    value = _value(x)
    if value is not None:
        return value, False
    match x:
        case Expr(Function(Divide()), (above, _)):
            return _numbers_apart(above)[0], True
        case Expr(Function(Multiply()), (first, second)):
            (number, rest), (other, more) = _numbers_apart(first), _numbers_apart(second)
            return number * other, rest or more
    return 1.0, True


def written_in_parts(node: Apply, has: Callable[[Primitive], bool]) -> Node | None:
    """Decompose a primitive that the target lacks; also the operations at 0 in derivatives of norms and powers."""
    match node:
        case Apply(DivideNoNan(), (x, y)):
            return divide(x, where(equal(y, 0), math.inf, y))  # x / ∞ is 0, without a warning about 0 / 0
        case Apply(LogNoNan(), (x,)):
            return log(where(equal(x, 0), 1, x))
    if isinstance(node.primitive, _STRUCTURE) or type(node.primitive) in _REDUCTIONS or has(node.primitive):
        return None
    try:
        return expanded(node)
    except NotExpandableError:
        return None


def _mask(x: Expr, other: Expr) -> Expr:
    """Return a condition unchanged if it multiplies floats, which converts it to numbers."""
    match x:
        case Expr(Function(Cast()), (condition,)) if condition.dtype is DType.BOOL:
            return condition if other.dtype.is_float and not other.is_number else x
    return x


def _inserted_axes(shape: Shape, longer: Shape) -> tuple[int, ...] | None:
    """Return the axes of size 1 that `longer` has and `shape` lacks; None if they differ otherwise."""
    if len(longer) <= len(shape):
        return None
    inserted: list[int] = []
    place = 0
    for axis, dim in enumerate(longer):
        if place < len(shape) and dim == shape[place] and len(longer) - axis - 1 >= len(shape) - place - 1:
            if dim == 1 and len(longer) - axis > len(shape) - place:
                inserted.append(axis)
                continue
            place += 1
        elif dim == 1:
            inserted.append(axis)
        else:
            return None
    return tuple(inserted) if place == len(shape) else None


def _broadcast(*shapes: Shape) -> Shape:
    rank = max(map(len, shapes))
    result: list[Dim] = []
    for k in range(-rank, 0):
        dims = [shape[k] for shape in shapes if len(shape) >= -k and shape[k] != 1]
        result.append(dims[0] if dims else 1)
    return tuple(result)
