"""Simplification of arrays that are reversed, cut and joined."""

from __future__ import annotations

from chainrule.calculus.examples import some, some_x, some_y
from chainrule.calculus.rules import both_orders, is_scaling, refilled, rule
from chainrule.ir import Apply, Const, Dim, Node, applies, parse_shape
from chainrule.primitives import (
    Add,
    Broadcast,
    Concatenate,
    Contract,
    CumulativeSum,
    Exp,
    Multiply,
    Negate,
    Pad,
    Reshape,
    Slice,
    reversal,
    reverse,
    zeros,
)


def _reversed_axes(node: Node) -> tuple[int, ...] | None:
    """Return the axes along which `node` only reverses its operand; None for other expressions."""
    match node:
        case Apply(Slice(strides=strides) as cut, (x,)):
            axes = tuple(axis for axis, stride in enumerate(strides) if stride < 0)
            return axes if axes and cut == reversal(x.type.shape, axes) else None
    return None


@rule("a flip of a flip", Slice, examples=lambda: [
    reverse(reverse(some_x(), (0,)), (0,)),
    reverse(reverse(some_x(), (0, 1)), (0, 1)),
])  # fmt: skip
def _double_flip(node: Apply) -> Node | None:
    match node.operands:
        case (Apply(Slice(), (x,)) as inner,) if (axes := _reversed_axes(node)) and axes == _reversed_axes(inner):
            return x
    return None


@rule("a cumulative sum between flips is reversed", Slice, examples=lambda: [
    reverse(CumulativeSum(0)(reverse(some_x("n"), (0,))), (0,)),
    reverse(CumulativeSum(1)(reverse(some_x(), (1,))), (1,)),
    reverse(CumulativeSum(0, reverse=True)(reverse(some_x(), (0,))), (0,)),
])  # fmt: skip
def _flipped_cumulative_sum(node: Apply) -> Node | None:
    match node.operands:
        case (Apply(CumulativeSum(axis, backwards), (Apply(Slice(), (x,)) as inner,)),):
            if _reversed_axes(node) == (axis,) == _reversed_axes(inner):
                return CumulativeSum(axis, not backwards)(x)
    return None


def _pieces() -> tuple[Node, Node, Node]:
    """Return three arrays among zeros that lie side by side."""
    (n,) = parse_shape("n")
    return (
        Pad((0, 0), (n + 1, 0), (0, 0))(some_x("2 m")),
        Pad((2, 0), (n, 0), (0, 0))(some_y("1 m")),
        Pad((3, 0), (0, 0), (0, 0))(some("z", "n m")),
    )


@rule("pieces side by side → concatenate", Add, examples=lambda: [
    _pieces()[0] + _pieces()[1],
    _pieces()[2] + _pieces()[1],
    (_pieces()[2] + _pieces()[0]) + _pieces()[1],
])  # fmt: skip
def _joined_pieces(node: Apply) -> Node | None:
    terms = _summands(node)
    for k, first in enumerate(terms):
        for l, second in enumerate(terms):
            joined = _side_by_side(first, second) if k != l else None
            if joined is not None:
                rest = [term for j, term in enumerate(terms) if j not in (k, l)]
                total = joined
                for term in rest:
                    total = total + term
                return total
    return None


@rule("a piece among zeros + pieces → pieces", Add, examples=lambda: [
    _pieces()[1] + Concatenate(0)(some("a", "2 m"), some("b", "1 m"), some("z", "n m")),
    Concatenate(0)(some("a", "2 m"), some("b", "1 m"), some("z", "n m")) + _pieces()[2],
    Pad((0,), (2,), (0,))(Reshape((1,))(some_x("")))
    + Concatenate(0)(Reshape((1,))(some_y("")), some("z", "2")),
])  # fmt: skip
def _added_to_a_piece(node: Apply) -> Node | None:
    """Add a piece among zeros to the piece that lies where it does."""
    for among, joined in both_orders(node):
        match among, joined:
            case Apply(Pad() as pad, (x,)), Apply(Concatenate(axis) as join, parts) if not any(pad.interior):
                pass
            case _:
                continue
        if any(_is_padded(pad, other) for other in range(x.type.ndim) if other != axis):
            continue
        start: Dim = 0
        for place, part in enumerate(parts):
            if start == pad.low[axis] and part.type == x.type:
                return join(*parts[:place], _plus(part, x), *parts[place + 1 :])
            start = start + part.type.shape[axis]
    return None


@rule("[A; 0] + [0; B] → [A; B]", Add, examples=lambda: [
    Concatenate(0)(some_x("k m"), zeros(some_y("n m").type)) + Concatenate(0)(zeros(some_x("k m").type), some_y("n m")),
    Concatenate(1)(zeros(some_x("n m").type), some_y("n k")) + Concatenate(1)(some_x("n m"), zeros(some_y("n k").type)),
])  # fmt: skip
def _joined_among_zeros(node: Apply) -> Node | None:
    """Add joined arrays of the same shapes, of which one is zero wherever they are joined."""
    match node.operands:
        case Apply(Concatenate() as join, parts), Apply(Concatenate() as other, others) if join == other:
            pairs = list(zip(parts, others, strict=False))
            same = len(parts) == len(others) and all(x.type == y.type for x, y in pairs)
            if same and all(_is_zero(x) or _is_zero(y) for x, y in pairs):
                return join(*(y if _is_zero(x) else x for x, y in pairs))
    return None


def _is_zero(node: Node) -> bool:
    return isinstance(node, Const) and node.fill == 0


def _plus(x: Node, y: Node) -> Node:
    """Return x + y; the sum of two numbers in one place each is taken before they are put there."""
    match x, y:
        case Apply(Reshape() as place, (a,)), Apply(Reshape() as other, (b,)) if place == other and a.type == b.type:
            return place(a + b)
    return x + y


def _summands(node: Node) -> list[Node]:
    match node:
        case Apply(Add(), (x, y)):
            return [*_summands(x), *_summands(y)]
    return [node]


def _side_by_side(first: Node, second: Node) -> Node | None:
    """Return two arrays among zeros as one, if the second begins where the first ends."""
    match first, second:
        case Apply(Pad() as one, (x,)), Apply(Pad() as other, (y,)):
            pass
        case _:
            return None
    if any(one.interior) or any(other.interior):
        return None
    axes = [axis for axis in range(first.type.ndim) if _is_padded(one, axis) or _is_padded(other, axis)]
    if len(axes) != 1 or one.low[axes[0]] + x.type.shape[axes[0]] != other.low[axes[0]]:
        return None
    (axis,) = axes
    pieces = [part for piece in (x, y) for part in _parts(piece, axis)]
    joined = Concatenate(axis)(*pieces)
    around = Pad(one.low, other.high, one.interior)
    return around(joined) if _is_padded(around, axis) else joined


def _is_padded(pad: Pad, axis: int) -> bool:
    return pad.low[axis] != 0 or pad.high[axis] != 0


def _parts(node: Node, axis: int) -> tuple[Node, ...]:
    return node.operands if applies(node, Concatenate) and node.primitive.axis == axis else (node,)


def _first_rows(node: Node) -> Node:
    """Return all but the last row."""
    rows, *others = node.type.shape
    return Slice((0,) * node.type.ndim, (rows - 1, *others), (1,) * node.type.ndim)(node)


@rule("a piece of c·x → c · a piece", Slice, examples=lambda: [
    _first_rows(2 * some_x("k n")),
    _first_rows(Broadcast(parse_shape("k n"), ())(Exp()(some_y(""))) * some_x("k n")),
    _first_rows(-some_x("k n")),
])  # fmt: skip
def _piece_of_a_multiple(node: Apply) -> Node | None:
    match node:
        case Apply(Slice() as cut, (Apply(Negate(), (x,)),)):
            return -cut(x)
        case Apply(Slice() as cut, (Apply(Multiply(), (c, x)),)) if is_scaling(c, x):
            return refilled(c, node.type) * cut(x)
        case Apply(Slice() as cut, (Apply(Multiply(), (Apply(Broadcast(axes=()), (c,)), x)),)):
            return Broadcast(node.type.shape, ())(c) * cut(x)
    return None


@rule("a piece of a product → product with a piece", Slice, examples=lambda: [
    _first_rows(some_x("k n") @ some_y("n m")),
    _first_rows(Contract(((0,), (1,)), (0, 1))(some_x("k"), some_y("m"))),
    _first_rows(some_x("k n") @ some_y("n")),
])  # fmt: skip
def _piece_of_a_product(node: Apply) -> Node | None:
    """Cut the factors, where each axis that is cut belongs to one of them."""
    match node:
        case Apply(Slice() as cut, (Apply(Contract(inputs, output) as product, factors),)):
            pass
        case _:
            return None
    ranges = dict(zip(output, zip(cut.starts, cut.sizes, cut.strides, strict=True), strict=True))
    parts = list[Node]()
    for factor, labels in zip(factors, inputs, strict=True):
        whole = [(0, size, 1) for size in factor.type.shape]
        wanted = [ranges.get(label, every) for label, every in zip(labels, whole, strict=True)]
        starts, sizes, strides = (tuple(each) for each in zip(*wanted, strict=True)) if wanted else ((), (), ())
        parts.append(factor if wanted == whole else Slice(starts, sizes, strides)(factor))
    return product(*parts)


@rule("a piece of joined pieces", Slice, examples=lambda: [
    Slice((0, 0), parse_shape("n m"), (1, 1))(Concatenate(0)(some_x("n m"), some_y("k m"))),
    Slice((*parse_shape("n"), 0), parse_shape("k m"), (1, 1))(Concatenate(0)(some_x("n m"), some_y("k m"))),
    Slice((0, *parse_shape("n")), parse_shape("m k"), (1, 1))(Concatenate(1)(some_x("m n"), some_y("m k"))),
])  # fmt: skip
def _piece_of_pieces(node: Apply) -> Node | None:
    match node:
        case Apply(Slice(starts, sizes, strides), (Apply(Concatenate(axis), parts),)) if set(strides) == {1}:
            start: Dim = 0
            for part in parts:
                if part.type.shape == sizes and starts == (*(0,) * axis, start, *(0,) * (len(sizes) - axis - 1)):
                    return part
                start = start + part.type.shape[axis]
    return None
