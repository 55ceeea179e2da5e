"""Values as factors of matrix products, where a vector is a column and a broadcast a product with ones.

Elsewhere `1 b` repeats the vector b as rows, and broadcasts of numbers are omitted, as in NumPy. Beside a matrix these
would be wrong as matrix products: there the rows are `1 bᵀ`, and an array filled with c is `c 1 1ᵀ`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeGuard

from chainrule.calculus import COTANGENT, TANGENT, is_scale
from chainrule.derivation.upstream import is_upstream
from chainrule.ir import Apply, Input, Node, applies, topological_order
from chainrule.primitives import (
    Broadcast,
    Call,
    Contract,
    Fraction,
    Infix,
    Kronecker,
    Multiply,
    Negate,
    Notation,
    Number,
    Permute,
    Postfix,
    PowerNotation,
    Prefix,
    Primitive,
    Sum,
    transposed,
)

Written: TypeAlias = Mapping[Node, Notation]

_ONES = Number(1)
_COLUMN_OF_ONES = Infix("", (_ONES,))
_ROW_OF_ONES = Postfix("ᵀ", _ONES)
_MATRIX_OF_ONES = Infix("", (_ONES, _ROW_OF_ONES))
_FILLED = (_COLUMN_OF_ONES, _MATRIX_OF_ONES)
BOTH_AXES = frozenset({0, 1})


def takes_factors(node: Node) -> bool:
    """Whether the notation of `node` writes its operands side by side or transposed."""
    return applies(node, Contract, Kronecker, Permute) or sums_matrix(node)


def is_repeated(node: Node) -> bool:
    """Whether `node` is a broadcast number or vector."""
    return is_scale(node) or applies(node, Broadcast)


def stands_as_factor(node: Node) -> bool:
    """Whether a right side consists only of broadcast numbers and vectors, and so is written as a product with ones.

    The tangent of a broadcast, `1 db`, is written as in the sum of which it is a term.
    """
    changes = (isinstance(part, Input) and part.name.startswith(TANGENT) for part in topological_order([node]))
    return _is_thin(node) and not any(changes)


def is_chain(operand: Node) -> bool:
    """Whether the factor `operand` of a product is itself a product."""
    if is_repeated(operand) or sums_matrix(operand):
        return True
    match operand:
        case Apply(Permute() | Negate(), (x,)):
            return is_chain(x)
        case Apply(Multiply(), factors):
            return any(map(is_chain, factors)) and any(map(_is_number, factors))
        case Apply(Contract()):
            return True
    return False


def is_juxtaposed(notation: Notation) -> bool:
    """Whether `notation` is a product of matrices, or one with a number in front."""
    while isinstance(notation, Infix) and notation.operator == "·":
        notation = notation.operands[-1]
    return isinstance(notation, Infix) and notation.operator == ""


def ends(notation: Notation) -> tuple[Notation, Notation]:
    """Return the first and the last factor of a matrix product, without a number in front."""
    first = last = notation
    while isinstance(first, Infix) and first.operator in ("", "·"):
        first = first.operands[0 if first.operator == "" else -1]
    while isinstance(last, Infix) and last.operator in ("", "·"):
        last = last.operands[-1]
    return first, last


def is_open(notation: Notation) -> bool:
    """Whether a product with ones at its end does not determine a size, as `u 1ᵀ`."""
    return bool(open_axes(notation))


def open_axes(notation: Notation) -> frozenset[int]:
    """Return the axes of which a product with ones does not determine the size: of `u 1ᵀ` the second one.

    Terms beside each other determine what one of them leaves open: `u 1ᵀ − 1 vᵀ` has both sizes.
    """
    match notation:
        case Infix(""):
            return _open_ends(*ends(notation))
        case Infix("·", operands):
            return open_axes(operands[-1])
        case Infix("+" | "−" | "⊙", operands):
            return _open_in_all(operands)
        case Prefix("−", operand) | Call("", (operand,)):
            return open_axes(operand)
        case PowerNotation(base, Number()):
            return open_axes(base)
        case Call(_, arguments, _, ()):
            return _open_in_all(arguments)
        case Fraction(numerator, denominator):
            return _open_in_all((numerator, denominator))
    return frozenset()


def _open_ends(first: Notation, last: Notation) -> frozenset[int]:
    """Return the open axes of a product of factors with these ends; both for ones that may be a vector."""
    if last == Postfix("ᵀ", Number(1)):
        return BOTH_AXES if first == Number(1) else frozenset({1})
    if first == Number(1):
        return frozenset({0}) if isinstance(last, Postfix) and last.operator == "ᵀ" else BOTH_AXES
    return frozenset()


def _open_in_all(operands: Sequence[Notation]) -> frozenset[int]:
    return BOTH_AXES.intersection(*(open_axes(each) for each in operands if not isinstance(each, Number)))


def as_factor(node: Node, written: Written, factors: Written, write: Callable[[Node, Written], Notation]) -> Notation:
    """Return `node` in the shape of its type, vectors as columns; `write` writes it with other operands."""
    shown = written[node]
    if node.type.ndim not in (1, 2):
        return shown
    if is_scale(node):
        return _line_filled(shown, node) or filled(shown, node.type.ndim)
    match node:
        case Apply(Broadcast()):
            return repetition(node, factors)
        case Apply(Sum()) if sums_matrix(node):
            return column_of_sums(node, factors)
        case Apply(Contract()) if node.type.ndim == 2 and is_juxtaposed(shown):
            # A stack of matrices times one vector is not a factor of a chain: its rows are the products.
            stacked = max(operand.type.ndim for operand in node.operands) > 2
            return Call("", (shown,)) if stacked else shown
    if not is_elementwise(node):
        return shown
    if all(map(_is_number, node.operands)):
        numbers = {each: _number_within(factors[each]) for each in node.operands}
        return filled(write(node, numbers), node.type.ndim)
    alone = all(map(_is_thin, node.operands))
    unsaid = {each for each in node.operands if _is_unsaid(each, alone)}
    operands = {each: (written if each in unsaid else factors)[each] for each in node.operands}
    if all(each in unsaid or is_open(operands[each]) for each in operands):  # the number of repetitions is open
        operands |= {each: factors[each] for each in unsaid if not _is_number(each)}
    return shown if all(operands[each] == written[each] for each in operands) else write(node, operands)


def repetition(node: Apply, factors: Written) -> Notation:
    """Return a broadcast number or vector as a product with ones."""
    (operand,) = node.operands
    factor = factors[operand]
    if operand.type.ndim == 0:
        return filled(factor, node.type.ndim)
    if node.type.ndim > 2:
        return factor
    if operand.type.ndim == node.type.ndim:
        grown = [m != n for m, n in zip(operand.type.shape, node.type.shape, strict=True)]
        if len(grown) < 2 or not any(grown):
            return factor

        def stretched(operands: Sequence[Notation]) -> Notation:
            ends = (_ONES,) * grown[0], (_ROW_OF_ONES,) * grown[1]
            return Infix("", (*ends[0], *operands, *ends[1]))

        return with_numbers_in_front([factor], stretched)
    rows = node.primitive.axes == (1,)
    repeated = node.type.shape[0 if rows else 1] != 1

    def product(operands: Sequence[Notation]) -> Notation:
        (column,) = operands
        line = transposed(column) if rows else column
        if not repeated:
            return line
        return Infix("", (_ONES, line) if rows else (line, _ROW_OF_ONES))

    return with_numbers_in_front([factor], product)


def column_of_sums(node: Apply, factors: Written) -> Notation:
    """Return the sums of a matrix along its rows, `M 1`, or along its columns, `Mᵀ 1`."""

    def product(operands: Sequence[Notation]) -> Notation:
        (matrix,) = operands
        return Infix("", (transposed(matrix) if node.primitive.axes == (0,) else matrix, _ONES))

    return with_numbers_in_front([factors[node.operands[0]]], product)


def with_numbers_in_front(operands: Sequence[Notation], product: Callable[[Sequence[Notation]], Notation]) -> Notation:
    """Return `product` of the operands, with the numbers that fill some of them in front."""
    numbers: list[Notation] = []
    rest: list[Notation] = []
    for operand in operands:
        factor = operand
        if isinstance(operand, Infix) and operand.operator == "·" and operand.operands[1] in _FILLED:
            number, factor = operand.operands
            numbers.append(number)
        rest.append(_ONES if factor == _COLUMN_OF_ONES else factor)
    result = product(rest)
    for number in reversed(numbers):
        result = Infix("·", (number, result))
    return result


def is_of_matrices_alone(node: Node) -> bool:
    """Whether `node` consists of matrix products of forward values; its column sums are not the gradient of a bias."""
    return all(applies(part, Contract, Permute) or _is_forward_value(part) for part in topological_order([node]))


def _is_forward_value(node: Node) -> bool:
    """Whether `node` is a symbol other than a derivative."""
    return isinstance(node, Input) and not node.name.startswith((TANGENT, COTANGENT)) and not is_upstream(node)


def sums_matrix(node: Node) -> bool:
    """Whether `node` is the sums of a matrix along its rows or columns."""
    match node:
        case Apply(Sum(), (x,)):
            return (node.type.ndim, x.type.ndim) == (1, 2)
    return False


def is_elementwise(node: Node) -> TypeGuard[Apply]:
    """Whether an element of `node` depends only on the elements of its operands at the same position."""
    match node:
        case Apply(Primitive(is_pointwise=True)):
            return True
    return False


def _is_thin(node: Node) -> bool:
    """Whether `node` is an elementwise function of broadcast numbers and vectors only."""
    return is_repeated(node) or (is_elementwise(node) and all(map(_is_thin, node.operands)))


def _is_unsaid(operand: Node, alone: bool) -> bool:
    """Whether the broadcast of an operand of an elementwise operation is omitted; `alone`: no other operand is full."""
    return _is_number(operand) or (not alone and _is_thin(operand))


def _is_number(node: Node) -> bool:
    """Whether `node` is a broadcast number."""
    match node:
        case _ if is_scale(node):
            return True
        case Apply(Broadcast(axes=axes)):
            return not axes
    return node.type.ndim > 0 and is_elementwise(node) and all(map(_is_number, node.operands))


def _number_within(filled: Notation) -> Notation:
    """Return the number in a notation of `filled`."""
    return filled.operands[0] if isinstance(filled, Infix) and filled.operator == "·" else _ONES


def _line_filled(number: Notation, node: Node) -> Notation | None:
    """Return a matrix of one column or of one row, filled with a number; None for others."""
    shape = node.type.shape
    if len(shape) != 2 or (shape[0] == 1) == (shape[1] == 1):
        return None
    if shape[1] == 1:
        return filled(number, 1)
    return _ROW_OF_ONES if number == Number(1) else Infix("·", (number, _ROW_OF_ONES))


def filled(number: Notation, ndim: int) -> Notation:
    """Return a vector or matrix filled with a number, as a product with ones."""
    ones = _COLUMN_OF_ONES if ndim == 1 else _MATRIX_OF_ONES
    if number == Number(-1):
        return Prefix("−", ones)
    return ones if number == Number(1) else Infix("·", (number, ones))
