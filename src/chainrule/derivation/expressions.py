"""Expressions in matrix notation; broadcasts are written where the shapes leave them ambiguous."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TypeGuard

from chainrule.calculus import TANGENT, counts_up, is_scale
from chainrule.derivation.contractions import is_by_indices, is_matrix_product
from chainrule.derivation.correlation import correlation
from chainrule.derivation.factors import (
    as_factor,
    column_of_sums,
    ends,
    filled,
    is_elementwise,
    is_juxtaposed,
    is_of_matrices_alone,
    is_open,
    repetition,
    stands_as_factor,
    sums_matrix,
    takes_factors,
    with_numbers_in_front,
)
from chainrule.derivation.lookups import looked_up, scattered
from chainrule.derivation.orientation import as_columns
from chainrule.derivation.repetition import (
    NUMBER,
    Extent,
    is_column,
    is_reshaped,
    is_unsaid,
    shows_all,
    together,
    unsaid,
    whole,
    with_new_axes,
)
from chainrule.derivation.stacks import stacked
from chainrule.derivation.unasked import stretched
from chainrule.ir import Apply, Const, Dim, DType, Input, Node, applies, sizes_text, topological_order
from chainrule.primitives import (
    Add,
    Broadcast,
    Call,
    Cast,
    Commutation,
    Contract,
    Divide,
    Fraction,
    Indexed,
    Infix,
    LogSumExp,
    Mark,
    Max,
    Mean,
    Min,
    Multiply,
    Norm,
    Notation,
    Number,
    OverlapAdd,
    Pairing,
    Permute,
    Postfix,
    Reshape,
    Slice,
    Sum,
    Symbol,
    is_identity,
    transposed,
)


class ExpressionWriter(ABC):
    """Writes expressions; subclasses define the names of inputs and of constant arrays."""

    @abstractmethod
    def symbol(self, node: Input) -> Notation:
        """Return the name of an input."""

    @abstractmethod
    def literal(self, node: Const) -> Notation:
        """Return a number, a size, or the name of an array."""

    @property
    @abstractmethod
    def identity(self) -> Symbol:
        """The name of the identity matrix."""

    def commutation(self, primitive: Commutation) -> Symbol:
        """Return the name of a commutation matrix, K with the two sizes."""
        sizes = [str(primitive.rows), str(primitive.columns)]
        joint = "" if all(len(size) == 1 for size in sizes) else "_"
        return Symbol("K_" + joint.join(sizes) if all(map(str.isalnum, sizes)) else "K")

    def of(self, node: Node, explicit: bool = False) -> Notation:
        """Write `node` in matrix notation; `explicit` writes broadcasts as products with a vector of ones.

        Otherwise a broadcast is written only if the shapes do not determine it.
        """
        sheet = self._sheet(node, explicit)
        return sheet.factors[node] if stands_as_factor(node) else sheet.alone(node)

    def exact(self, node: Node) -> Notation:
        """Write `node` with exactly its axes, so that indices can be attached."""
        return self._sheet(node, explicit=False).sized(node)

    def _sheet(self, node: Node, explicit: bool) -> _Sheet:
        """Write all parts of `node`."""
        sheet = _Sheet()
        order = topological_order([node])
        plain = stretched(order) if explicit else set()
        for part in order:
            ones = explicit and part not in plain
            write = partial(self._write, explicit=explicit, ones=ones, sheet=sheet)
            sheet.written[part] = write(part, sheet.counted(part) if takes_factors(part) else sheet.written)
            sheet.extents[part] = _extent(part, sheet)
            sheet.open[part] = _is_open(part, sheet)
            if part.type.dtype is DType.BOOL and sheet.is_thin(part):
                sheet.factors[part] = sheet.spread(part)
            elif is_reshaped(part):
                sheet.factors[part] = sheet.upright(part)
            elif part.type.ndim > 2 and sheet.is_thin(part):
                sheet.factors[part] = sheet.sized(part)
            else:
                sheet.factors[part] = as_factor(part, sheet.written, sheet.counted(part), write)
        return sheet

    def _write(
        self, node: Node, written: Mapping[Node, Notation], explicit: bool, ones: bool, sheet: _Sheet
    ) -> Notation:
        if isinstance(node, Input):
            return self.symbol(node)
        if isinstance(node, Const):
            return self.literal(node)
        assert isinstance(node, Apply)
        if is_identity(node):
            return self.identity
        commutation = commutation_of(node)
        if commutation is not None:
            return self.commutation(commutation)
        if node.type.ndim == 0 and is_reshaped(node):
            return _element(node, sheet.written) or sheet.only_element(node.operands[0])
        if _holds_counts(node):
            return written[node.operands[0]]
        factors = sheet.counted(node)
        fitting = sheet.fitting(node, written)
        operands = sheet.grouped(node, [fitting[operand] for operand in node.operands])
        if is_elementwise(node) and sum(size != 1 for size in node.type.shape) == 1:
            operands = as_columns(operands)
        plain = [
            factors[each.operands[0]] if _repeats_number(each) else operand
            for each, operand in zip(node.operands, operands, strict=True)
        ]
        special = (
            sheet.outer(node)
            or sheet.projected(node)
            or scaled(node, plain)
            or correlation(node, written)
            or _element(node, fitting)
        )
        special = special or looked_up(node, written) or scattered(node, sheet.factors) or stacked(node, sheet.sized)
        if special is None and takes_factors(node):
            special = _product(node, operands, factors)
        if special is None and ones:
            special = _with_ones(node, operands, sheet)
        if special is None and explicit:
            special = _pairing(node, sheet)
        if special is not None:
            return special
        result: Notation = node.primitive.notation(operands, [operand.type for operand in node.operands])
        return result


class _Sheet:
    """The written parts of one expression, each also as a factor of a matrix product."""

    def __init__(self) -> None:
        self.written: dict[Node, Notation] = {}
        self.factors: dict[Node, Notation] = {}
        self.extents: dict[Node, Extent] = {}
        self.open: dict[Node, bool] = {}
        """Whether the notation of a node does not determine one of its sizes."""

    def counted(self, node: Node) -> Mapping[Node, Notation]:
        """Return the factors of `node`; a sum shows its sizes, since they determine the number of terms."""
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
            return {
                each: self.written[each]
                if total and not self.is_repeated(each) and not (counts and self.open[each])
                else self.sized(each)
                for each in node.operands
            }
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
        extents = [NUMBER if is_product and _repeats_number(each) else self.extents[each] for each in node.operands]
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


def _extent(node: Node, sheet: _Sheet) -> Extent:
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


def _is_open(node: Node, sheet: _Sheet) -> bool:
    """Whether the notation of `node` does not determine a size: it ends in ones, or all its operands do."""
    if is_open(sheet.written[node]):
        return True
    if not isinstance(node, Apply):
        return False
    if is_unsaid(node) and sheet.written[node] == sheet.written[node.operands[0]]:
        return sheet.open[node.operands[0]]
    if not is_elementwise(node):
        return False
    arrays = [sheet.open[each] for each in node.operands if sheet.extents[each] != NUMBER]
    return bool(arrays) and all(arrays)


def _extent_of_product(node: Apply, sheet: _Sheet) -> Extent:
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


def commutation_of(node: Node) -> Commutation | None:
    """Return the primitive of a commutation matrix: its rows are those of the identity in another order."""
    match node:
        case Apply(Commutation() as commutation, (one,)) if is_identity(one):
            return commutation
    return None


def _product(node: Apply, operands: list[Notation], factors: Mapping[Node, Notation]) -> Notation | None:
    """Return a contraction or sum of factors, with numbers in front, or None."""
    match node:
        case Apply(Permute()):
            return None
        case Apply(Sum(), (x,)) if is_of_matrices_alone(x):
            return column_of_sums(node, factors)
        case Apply(primitive, factors_):
            types = [factor.type for factor in factors_]
            return with_numbers_in_front(operands, lambda shown: primitive.notation(shown, types))


def _with_ones(node: Apply, operands: list[Notation], sheet: _Sheet) -> Notation | None:
    """Return `1 b` for a vector repeated as rows, `u 1ᵀ` as columns, `1 c` for a number repeated."""
    if not isinstance(node.primitive, Broadcast) or not 1 <= len(node.primitive.shape) <= 2:
        return None
    if node.type.dtype is DType.BOOL:  # a condition is not multiplied
        return None
    repeated = [axis for axis in range(node.type.ndim) if axis not in node.primitive.axes]
    if len(repeated) != 1 or node.primitive.shape[repeated[0]] == 1:
        return None
    upright = is_juxtaposed(operands[0]) or is_column(sheet.extents[node.operands[0]])
    if node.type.ndim == 2 and (repeated == [1] or upright):
        return repetition(node, sheet.factors)
    return Infix("", (Number(1), operands[0]))


def scaled(node: Apply, operands: Sequence[Notation]) -> Notation | None:
    """Return `2/n · x` for a product with a repeated number, which is not written with ⊙, or None."""
    if not applies(node, Multiply):
        return None
    for k, operand in enumerate(node.operands):
        if is_scale(operand) or _is_number_throughout(operand):
            return _over(operand, operands[k], operands[1 - k]) or Infix("·", (operands[k], operands[1 - k]))
    return None


def _over(scale: Node, coefficient: Notation, x: Notation) -> Notation | None:
    """Return `c x / s` for a quotient of numbers c/s that is repeated, where s is more than a size."""
    match scale:
        case Apply(Broadcast(axes=()), (Apply(Divide(), (_, below)),)) if not is_scale(below):
            pass
        case _:
            return None
    if not isinstance(coefficient, Fraction) or isinstance(x, Fraction):
        return None
    above = coefficient.numerator
    return Fraction(x if above == Number(1) else Infix("·", (above, x)), coefficient.denominator)


def _holds_counts(node: Apply) -> bool:
    """Whether `node` converts whole numbers that count up to integers, and so leaves their values as they are."""
    match node:
        case Apply(Cast(DType.INT64), (x,)):
            return counts_up(x)
    return False


def _is_number_throughout(node: Node) -> bool:
    """Whether all elements of `node` are one number, repeated, or a product of such numbers."""
    match node:
        case Apply(Multiply(), (a, b)):
            return _is_number_throughout(a) and _is_number_throughout(b)
    return _repeats_number(node)


def _repeats_number(node: Node) -> TypeGuard[Apply]:
    match node:
        case Apply(Broadcast(axes=())):
            return node.type.ndim > 0
    return False


def _element(node: Apply, written: Mapping[Node, Notation]) -> Notation | None:
    """Return `x[0]` for a slice of size 1 whose axis is removed, or None."""
    match node:
        case Apply(Reshape(), (Apply(Slice(starts)) as first,)):
            pass
        case _:
            return None
    shown = written[first]
    sizes, shape = first.type.shape, node.type.shape
    if not isinstance(shown, Indexed) or [d for d in sizes if d != 1] != [d for d in shape if d != 1]:
        return None
    dropped = len(sizes) - len(shape)
    entries: list[Notation] = []
    kept: list[Dim] = []
    for start, size, entry in zip(starts, sizes, shown.indices, strict=True):
        if size == 1 and dropped and isinstance(start, int):
            dropped -= 1
            entries.append(Number(start))
        else:
            entries.append(entry)
            kept.append(size)
    while entries and entries[-1] == Mark(":"):
        entries.pop()
    return Indexed(shown.base, tuple(entries)) if tuple(kept) == shape != sizes else None


def _pairing(node: Apply, sheet: _Sheet) -> Notation | None:
    match node:
        case Apply(Sum(), (Apply(Multiply(), (x, y)) as product,)) if not node.type.ndim:
            pass
        case _:
            return None
    if not any(isinstance(part, Input) and part.name.startswith(TANGENT) for part in topological_order([product])):
        return None
    left, right = (sheet.written[each] if sheet.extents[each] == NUMBER else sheet.alone(each) for each in (x, y))
    if is_open(left) and is_open(right):  # nothing else determines the number of ones
        right = sheet.sized(y)
    return Pairing(left, right)
