"""Expressions in matrix notation; broadcasts are written where the shapes leave them ambiguous."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial

from chainrule.calculus import TANGENT, counts_up, is_scale
from chainrule.derivation.correlation import correlation
from chainrule.derivation.factors import (
    as_factor,
    column_of_sums,
    is_elementwise,
    is_juxtaposed,
    is_of_matrices_alone,
    is_open,
    repetition,
    stands_as_factor,
    takes_factors,
    with_numbers_in_front,
)
from chainrule.derivation.lookups import looked_up, scattered
from chainrule.derivation.minus import with_sign_in_front
from chainrule.derivation.orientation import as_columns
from chainrule.derivation.repetition import (
    NUMBER,
    is_column,
    is_reshaped,
)
from chainrule.derivation.sheet import Sheet, extent_of, leaves_open, repeats_number
from chainrule.derivation.stacks import stacked
from chainrule.derivation.unasked import stretched
from chainrule.ir import Apply, Const, Dim, DType, Input, Node, applies, topological_order
from chainrule.primitives import (
    Broadcast,
    Cast,
    Commutation,
    Divide,
    DivideNoNan,
    Fraction,
    Indexed,
    Infix,
    Mark,
    Multiply,
    Notation,
    Number,
    Pairing,
    Permute,
    Reshape,
    Slice,
    Sum,
    Symbol,
    is_identity,
)


class ExpressionWriter(ABC):
    """Writes expressions; subclasses define the names of inputs and of constant arrays."""

    @abstractmethod
    def symbol(self, node: Input) -> Notation:
        """Return the name of an input."""

    @abstractmethod
    def literal(self, node: Const) -> Notation:
        """Return a number, a size, or the name of an array."""

    @abstractmethod
    def identity(self, node: Node) -> Symbol:
        """Return the name of an identity matrix."""

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

    def _sheet(self, node: Node, explicit: bool) -> Sheet:
        """Write all parts of `node`."""
        sheet = Sheet()
        order = topological_order([node])
        plain = stretched(order) if explicit else set()
        for part in order:
            ones = explicit and part not in plain
            write = partial(self._write, explicit=explicit, ones=ones, sheet=sheet)
            sheet.written[part] = write(part, sheet.counted(part) if takes_factors(part) else sheet.written)
            sheet.extents[part] = extent_of(part, sheet)
            sheet.open[part] = leaves_open(part, sheet)
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
        self, node: Node, written: Mapping[Node, Notation], explicit: bool, ones: bool, sheet: Sheet
    ) -> Notation:
        if isinstance(node, Input):
            return self.symbol(node)
        if isinstance(node, Const):
            return self.literal(node)
        assert isinstance(node, Apply)
        if is_identity(node):
            return self.identity(node)
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
            factors[each.operands[0]] if repeats_number(each) else operand
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
        if special is None:
            special = node.primitive.notation(operands, [operand.type for operand in node.operands])
        return with_sign_in_front(special)


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


def _with_ones(node: Apply, operands: list[Notation], sheet: Sheet) -> Notation | None:
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
    if applies(node, Divide, DivideNoNan):
        return _over_both(node, operands)
    if not applies(node, Multiply):
        return None
    for k, operand in enumerate(node.operands):
        if isinstance(operand, Const) and operands[k] == Number(1):  # which would be a vector of ones beside a matrix
            return operands[1 - k]
    for k, operand in enumerate(node.operands):
        if is_scale(operand) or _is_number_throughout(operand):
            return (
                _over(operand, operands[k], operands[1 - k])
                or _numerator_scaled(operand, operands[k], operands[1 - k])
                or _joined(operand, operands[k], operands[1 - k])
                or Infix("·", (operands[k], operands[1 - k]))
            )
    return None


def _over_both(node: Apply, operands: Sequence[Notation]) -> Notation | None:
    """Return `c / (s · x)` for a quotient c/s of numbers over an array, repeated, or in a literal such as 1/(4π)."""
    above, below = operands
    match node.operands[0], above:
        case Const(), Fraction(number, divisor):
            return Fraction(number, Infix("·", (divisor, below)))
        case Apply(Multiply(), (Const(), _) | (_, Const())), Infix("·", (Fraction(number, divisor), x)):
            return Fraction(x if number == Number(1) else Infix("·", (number, x)), Infix("·", (divisor, below)))
    match node.operands[0]:
        case Apply(Broadcast(axes=()), (Apply(Divide()),)) if isinstance(above, Fraction):
            return Fraction(above.numerator, Infix("·", (above.denominator, below)))
    return None


def _numerator_scaled(scale: Node, coefficient: Notation, x: Notation) -> Notation | None:
    """Return `c · x / y` for a number that depends on values, times a quotient of arrays."""
    if is_scale(scale) or isinstance(coefficient, Fraction) or not isinstance(x, Fraction):
        return None
    return Fraction(Infix("·", (coefficient, x.numerator)), x.denominator)


def _over(scale: Node, coefficient: Notation, x: Notation) -> Notation | None:
    """Return `c x / s` for a quotient of numbers c/s that is repeated, where s is more than a size."""
    if not _repeats_a_quotient(scale) or not isinstance(coefficient, Fraction) or isinstance(x, Fraction):
        return None
    above = coefficient.numerator
    return Fraction(x if above == Number(1) else Infix("·", (above, x)), coefficient.denominator)


def _joined(scale: Node, coefficient: Notation, x: Notation) -> Notation | None:
    """Return `c x / (s · y)` for a number c/s, such as 1/(4π), times a quotient of arrays."""
    if not isinstance(scale, Const) or not isinstance(coefficient, Fraction) or not isinstance(x, Fraction):
        return None
    above = x.numerator
    if coefficient.numerator != Number(1):
        above = coefficient.numerator if above == Number(1) else Infix("·", (coefficient.numerator, above))
    return Fraction(above, Infix("·", (coefficient.denominator, x.denominator)))


def _repeats_a_quotient(node: Node) -> bool:
    """Whether `node` repeats a quotient of numbers of which the lower one is more than a size."""
    match node:
        case Apply(Broadcast(axes=()), (Apply(Divide(), (_, below)),)):
            return not is_scale(below)
    return False


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
    return repeats_number(node)


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


def _pairing(node: Apply, sheet: Sheet) -> Notation | None:
    match node:
        case Apply(Sum(), (Apply(Multiply(), (x, y)) as product,)) if not node.type.ndim:
            pass
        case _:
            return None
    if not any(isinstance(part, Input) and part.name.startswith(TANGENT) for part in topological_order([product])):
        return None
    left, right = (sheet.written[each] if sheet.extents[each] == NUMBER else sheet.alone(each) for each in (x, y))
    if (is_open(left) or sheet.open[x]) and (is_open(right) or sheet.open[y]):  # nothing else determines the sizes
        right = sheet.sized(y)
    return Pairing(left, right)
