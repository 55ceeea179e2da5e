"""The written parts of one expression, with what each shows of its axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeGuard

from chainrule.calculus import is_scale
from chainrule.derivation.contractions import is_by_indices, is_matrix_product
from chainrule.derivation.factors import (
    BOTH_AXES,
    ends,
    filled,
    is_elementwise,
    is_juxtaposed,
    open_axes,
    sums_matrix,
    takes_factors,
)
from chainrule.derivation.repetition import (
    NUMBER,
    Extent,
    is_column,
    is_unsaid,
    shows_all,
    together,
    unsaid,
    whole,
    with_new_axes,
)
from chainrule.ir import Apply, Const, DType, Input, Node, applies, sizes_text
from chainrule.primitives import (
    Add,
    Broadcast,
    Call,
    Contract,
    Indexed,
    Infix,
    Kronecker,
    LogSumExp,
    Mark,
    Max,
    Mean,
    Min,
    Multiply,
    Negate,
    Norm,
    Notation,
    Number,
    OverlapAdd,
    Postfix,
    Subtract,
    Sum,
    is_identity,
    transposed,
)


class Sheet:
    """The written parts of one expression, each also as a factor of a matrix product."""

    def __init__(self) -> None:
        self.written: dict[Node, Notation] = {}
        self.factors: dict[Node, Notation] = {}
        self.extents: dict[Node, Extent] = {}
        self.open: dict[Node, frozenset[int]] = {}
        """The axes of which the notation of a node does not determine the size."""

    def counted(self, node: Node) -> Mapping[Node, Notation]:
        """Return the factors of `node`, with sizes where they determine a number of terms or of blocks."""
        if isinstance(node, Apply) and applies(node, Kronecker, Contract):
            numbers = [each for each in node.operands if each.type.ndim and self.extents[each] == NUMBER]
            if applies(node, Contract):
                numbers = _uncounted(node, numbers)
            if numbers:  # nothing else tells their number
                return {**self.factors, **{each: self.sized(each) for each in numbers}}
        if not sums_matrix(node) or not isinstance(node, Apply) or not self.open[node.operands[0]]:
            return self.factors
        return {node.operands[0]: self.sized(node.operands[0])}

    def is_thin(self, node: Node) -> bool:
        """Whether the notation of `node` does not show all of its axes, or shows more."""
        return not shows_all(self.extents[node], node.type.shape)

    def is_repeated(self, node: Node) -> bool:
        """Whether the notation of `node` omits a broadcast, which would be lost at the end of a line."""
        shown = self.extents[node].shown
        return [size for size in node.type.shape if size != 1] != [self.extents[node].shape[k] for k in shown]

    def spread(self, node: Node) -> Notation:
        """Write `node` with every axis: as a product with ones, or with ∗ for an axis along which it is repeated."""
        if not self.is_thin(node):
            return self.written[node]
        factor = self.factors.get(node)
        multiplied = node.type.dtype is not DType.BOOL and node.type.ndim <= 2
        if multiplied and factor is not None and factor != self.written[node]:
            return factor
        if self.extents[node] != NUMBER and not self.is_repeated(node):
            return Call("reshape", (self._told(node),), subscript=(Mark(sizes_text(node.type.shape)),))
        return self.with_axes(node)

    def with_axes(self, node: Node) -> Notation:
        """`Y[:,∗]`: `node` with ∗ for each axis along which it is repeated."""
        return with_new_axes(self._told(node), self.extents[node], node.type.shape)

    def _told(self, node: Node) -> Notation:
        """Write `node`, with its sizes if a product with ones does not determine one."""
        shown, shape = self.written[node], self.extents[node].shape
        return Call("repeat", (shown,), subscript=(Mark(sizes_text(shape)),)) if self.open[node] and shape else shown

    def only_element(self, node: Node) -> Notation:
        """Return the element of an array of size 1; a product or a sum is written as the number that it is."""
        extent = self.extents[node]
        met = is_elementwise(node) and extent.shape
        if isinstance(node, Input) or len(extent.shape) > 2 or met:
            return Indexed(self.written[node], (Number(0),) * len(extent.shape))
        return self.written[node]

    def upright(self, node: Node) -> Notation:
        """Return a vector with changed axes of size 1 as a factor: a column or a row, by its type."""
        extent, shape = self.extents[node], node.type.shape
        shown = self.written[node]
        if isinstance(node, Apply) and sums_matrix(node.operands[0]):
            shown = self.factors[node.operands[0]]
        if extent == NUMBER and 1 <= len(shape) <= 2:
            return filled(shown, len(shape))
        if self.is_repeated(node) and len(shape) == 2 and len(extent.shape) <= 2:
            return self._repeated_vector(shown, extent)
        if len(extent.shape) > 2 or len(shape) > 2:
            return self.with_axes(node) if self.is_thin(node) else shown
        is_row = len(extent.shape) == 2 and extent.shape[0] == 1 and extent.shape[1] != 1
        wants_row = len(shape) == 2 and shape[0] == 1 and shape[1] != 1
        return shown if is_row == wants_row else transposed(shown)

    def outer(self, node: Apply) -> Notation | None:
        """Return `u vᵀ` for a product of values repeated along columns and along rows, or None."""
        if not applies(node, Multiply) or node.type.ndim != 2:
            return None
        for each, other in (node.operands, node.operands[::-1]):
            match each, other:
                case Apply(Broadcast(axes=(0,)), (u,)), Apply(Broadcast(axes=(1,)), (v,)):
                    return Infix("", (self.factors[u], transposed(self.factors[v])))
        return None

    def projected(self, node: Apply) -> Notation | None:
        """Return `y yᵀ x` for the vector y times the number yᵀ x, or None."""
        if not applies(node, Multiply) or node.type.ndim != 1:
            return None
        for each, y in (node.operands, node.operands[::-1]):
            match each:
                case Apply(Broadcast(axes=()), (Apply(Contract(output=()), (a, b)),)):
                    if a.type.ndim == b.type.ndim == 1 and not self.is_thin(y):
                        left, right = (b, a) if y is b else (a, b)
                        return Infix("", (self.factors[y], transposed(self.factors[left]), self.factors[right]))
        return None

    def _repeated_vector(self, shown: Notation, extent: Extent) -> Notation:
        """Return `u 1ᵀ` for columns, `1 uᵀ` for rows."""
        if not extent.shown:
            return filled(shown, 2)
        ((axis, place),) = extent.shown.items()
        column = transposed(shown) if axis == 1 else shown
        ones = Number(1)
        return Infix("", (ones, transposed(column)) if place else (column, Postfix("ᵀ", ones)))

    def sized(self, node: Node) -> Notation:
        """Write `node` with every axis, and the sizes of those along which it is repeated."""
        if not self.is_thin(node):
            shown = self.written[node]
            if not node.type.ndim or not self.open[node]:
                return shown
            return Call("repeat", (shown,), subscript=(Mark(sizes_text(node.type.shape)),))
        alike = self.extents[node] != NUMBER and not self.is_repeated(node)
        shown = self._told(node) if alike else self.written[node] if self.extents[node] == NUMBER else self.spread(node)
        return Call("reshape" if alike else "repeat", (shown,), subscript=(Mark(sizes_text(node.type.shape) or "1"),))

    def alone(self, node: Node) -> Notation:
        """Write `node` as a side of an equation, where a vector may be a row or a column of the same length."""
        extent = self.extents[node]
        turned = len(extent.shape) == node.type.ndim and extent.shape != node.type.shape
        return self.spread(node) if turned or self.is_repeated(node) else self.written[node]

    def fitting(self, node: Apply, written: Mapping[Node, Notation]) -> Mapping[Node, Notation]:
        """Return the operands of `node` as written in it."""
        if is_by_indices(node):
            return {each: self.sized(each) for each in node.operands}
        if takes_factors(node):
            return self._stacked(node, written)
        if is_unsaid(node) or isinstance(node.primitive, OverlapAdd):  # a value for each window fills the window
            return written
        if not is_elementwise(node):
            total = node.type.ndim == 0 and isinstance(node.primitive, Sum | Mean | Max | Min | LogSumExp | Norm)
            counts = isinstance(node.primitive, Sum | LogSumExp | Norm)  # the number of terms must be determined

            def is_told(each: Node) -> bool:
                unlike = isinstance(node.primitive, Norm) and self.is_thin(each)  # a matrix has norms of its own
                return total and not self.is_repeated(each) and not (counts and self.open[each]) and not unlike

            return {each: self.written[each] if is_told(each) else self.sized(each) for each in node.operands}
        if applies(node, Add, Subtract) and any(map(_has_identity, node.operands)):
            return {each: _filled_matrix(each, written[each]) for each in node.operands}
        extents = [self._extent(each, written) for each in node.operands]
        if _met(node, extents) is not None:
            return written
        return {
            each: self.spread(each) if extent.shape and written[each] == self.written[each] else written[each]
            for each, extent in zip(node.operands, extents, strict=True)
        }

    def grouped(self, node: Apply, operands: list[Notation]) -> list[Notation]:
        """Return the operands; `a ⊙ (b ⊙ c)` keeps its brackets if b beside a would be ambiguous."""
        if not isinstance(node.primitive, Add | Multiply):
            return operands
        first, *others = (self._parts(each, shown, node) for each, shown in zip(node.operands, operands, strict=True))
        if all(len(parts) == 1 for parts in others):
            return operands
        if together([extent for parts in (first, *others) for extent in parts]) is not None:
            return operands
        rest = [Call("", (shown,)) if len(p) > 1 else shown for p, shown in zip(others, operands[1:], strict=True)]
        return [operands[0], *rest]

    def _parts(self, node: Node, shown: Notation, parent: Apply) -> list[Extent]:
        """Return the extents of the factors, or terms, of an operand that are adjacent to those of the others."""
        if isinstance(node, Apply) and isinstance(shown, Infix) and shown.operator in ("⊙", "+"):
            if is_unsaid(node) and shown == self.written[node.operands[0]]:
                parts = self._parts(node.operands[0], shown, parent)
                return [extent for part in parts if (extent := unsaid(node, part)) is not None]
            if type(node.primitive) is type(parent.primitive):
                pairs = zip(node.operands, shown.operands, strict=True)
                return [extent for each, notation in pairs for extent in self._parts(each, notation, parent)]
        return [self._extent(node, {node: shown})]

    def _stacked(self, node: Apply, written: Mapping[Node, Notation]) -> Mapping[Node, Notation]:
        """Return the factors of a product; a matrix that multiplies a whole stack is written once, as in NumPy."""
        if len(node.operands) != 2 or not is_matrix_product(node):
            return written
        result = dict(written)
        for each, other in zip(node.operands, reversed(node.operands), strict=True):
            ndim = each.type.ndim
            once = ndim > 2 and self.extents[each].places == (ndim - 2, ndim - 1)
            if once and other.type.ndim == ndim and not self.is_thin(other):
                result[each] = self.written[each]
        return result

    def _extent(self, node: Node, written: Mapping[Node, Notation]) -> Extent:
        return self.extents[node] if written[node] == self.written[node] else whole(node.type.shape)

    def together(self, node: Apply) -> Extent:
        """Return the joint extent of the operands of an elementwise operation."""
        is_product = isinstance(node.primitive, Multiply)
        extents = [NUMBER if is_product and repeats_number(each) else self.extents[each] for each in node.operands]
        total = _met(node, extents)
        if total is None and node.type.ndim == 1:
            total = together([self._spread_extent(each) for each in node.operands])
        return whole(node.type.shape) if total is None else total

    def _spread_extent(self, node: Node) -> Extent:
        """Return the extent of `spread`: a vector that was a row is written as a column."""
        extent = self.extents[node]
        if len(extent.shape) == 2 and self.spread(node) == self.factors[node]:
            return Extent((*node.type.shape, 1), (0, -1))
        return whole(node.type.shape) if extent.shape else extent


def _met(node: Apply, extents: Sequence[Extent]) -> Extent | None:
    """Return the joint extent of operands; None also if some have more axes than the result and others do not.

    A vector beside a column is a column.
    """
    ndim = node.type.ndim
    larger = {len(each.shape) > ndim for each in extents if each.shape and not (ndim == 1 and is_column(each))}
    return together(extents) if len(larger) < 2 else None


def _uncounted(product: Apply, numbers: Sequence[Node]) -> list[Node]:
    """Return the repeated numbers in a product that are summed along an axis that no other factor has."""
    inputs, output = product.primitive.inputs, product.primitive.output
    pairs = list(zip(product.operands, inputs, strict=True))
    told = {*output, *(label for each, labels in pairs if each not in numbers for label in labels)}
    return [each for each, labels in pairs if each in numbers and not told.issuperset(labels)]


def extent_of(node: Node, sheet: Sheet) -> Extent:
    """Return the extent of the notation of `node`."""
    shape = node.type.shape
    if not isinstance(node, Apply):
        return NUMBER if isinstance(node, Const) and node.is_filled else whole(shape)
    if is_elementwise(node):
        return sheet.together(node)
    if is_unsaid(node) and shape:
        (operand,) = node.operands
        if sheet.written[node] == sheet.written[operand]:
            extent = unsaid(node, sheet.extents[operand])
            assert extent is not None
            return extent
        return whole(shape)
    if isinstance(node.primitive, Contract) and len(node.operands) == 2:
        return _extent_of_product(node, sheet)
    return whole(shape)


def leaves_open(node: Node, sheet: Sheet) -> frozenset[int]:
    """Return the axes of which the notation of `node` does not determine the size: it has ones there in all terms."""
    found = open_axes(sheet.written[node])
    if found or not isinstance(node, Apply):
        return found
    if is_unsaid(node) and sheet.written[node] == sheet.written[node.operands[0]]:
        return sheet.open[node.operands[0]]
    arrays = [BOTH_AXES if is_identity(each) else sheet.open[each] for each in node.operands]
    if applies(node, Kronecker):  # the number of blocks, or their size
        return BOTH_AXES if any(arrays) else found
    if not is_elementwise(node):
        return found
    arrays = [axes for axes, each in zip(arrays, node.operands, strict=True) if sheet.extents[each] != NUMBER]
    return BOTH_AXES.intersection(*arrays) if arrays else found


def _extent_of_product(node: Apply, sheet: Sheet) -> Extent:
    """Return the extent of a product; one that begins with a row, or ends in a column, is a vector in any shape."""
    shape = node.type.shape
    shown = sheet.written[node]
    if len(shape) != 2 or 1 not in shape or not is_juxtaposed(shown):
        return whole(shape)
    if all(len(sheet.extents[each].shape) != 1 for each in node.operands):
        return whole(shape)
    vectors = {sheet.written[part] for part, extent in sheet.extents.items() if len(extent.shape) == 1} | {Number(1)}
    first, last = ends(shown)
    begins, closes = isinstance(first, Postfix) and first.operand in vectors, last in vectors
    if not begins and not closes:
        return whole(shape)
    return Extent(shape[:1], (0,)) if shape[1] == 1 else Extent(shape[1:], (1,))


def repeats_number(node: Node) -> TypeGuard[Apply]:
    """Whether `node` is a number, repeated along axes."""
    match node:
        case Apply(Broadcast(axes=())):
            return node.type.ndim > 0
    return False


def _has_identity(node: Node) -> bool:
    """Whether the identity matrix is a term of a sum, possibly times a number."""
    match node:
        case Apply(Add() | Subtract(), terms):
            return any(map(_has_identity, terms))
        case Apply(Multiply(), (c, x)) if is_scale(c) or repeats_number(c):
            return _has_identity(x)
        case Apply(Negate(), (x,)):
            return _has_identity(x)
    return is_identity(node)


def _filled_matrix(node: Node, shown: Notation) -> Notation:
    """Return what is shown, of a number that fills a matrix as a product with ones."""
    return filled(shown, 2) if shown != Number(1) and (is_scale(node) or repeats_number(node)) else shown
