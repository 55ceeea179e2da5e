"""Simplification of products with the identity, which transposed traces introduce, and of 1×1 matrices."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from itertools import pairwise

from chainrule.calculus.chains import chain_of, is_column, is_row, product_of_chain
from chainrule.calculus.examples import some, some_x, some_y
from chainrule.calculus.rules import Rule, both_orders, is_scale, number_of, rule, with_operand
from chainrule.calculus.simplify import simplify
from chainrule.calculus.terms import Term, factors, product_of, with_powers
from chainrule.ir import Apply, Const, Node, Shape, applies, named_dim, parse_shape, substitute, topological_order
from chainrule.primitives import (
    Add,
    Adjugate,
    Broadcast,
    Contract,
    Determinant,
    Diagonal,
    DiagonalMatrix,
    Divide,
    Inverse,
    Kronecker,
    Multiply,
    Permute,
    Reshape,
    Square,
    Subtract,
    Sum,
    Trace,
    broadcast_to,
    identity,
    is_identity,
)

Labels = tuple[int, ...]


def _i() -> Node:
    return identity(named_dim("n"))


def _identity(node: Node) -> Node | None:
    """Return the scalar c if `node` is c·I, possibly broadcast along leading axes; otherwise None."""
    match node:
        case Apply(Broadcast(axes=axes), (matrix,)) if axes == (node.type.ndim - 2, node.type.ndim - 1):
            return _identity(matrix)
        case Apply(Multiply(), (factor, matrix)) if (one := _identity(matrix)) and number_of(one) == 1:
            match factor:
                case Const() if factor.is_filled:
                    return Const(factor.value, one.type)
                case Apply(Broadcast(axes=()), (c,)):
                    return c
        case Apply(Divide(), (matrix, Apply(Broadcast(axes=()), (c,)))) if one := _identity(matrix):
            return one / c
        case Apply(DiagonalMatrix(), (Const() as diagonal,)) if node.type.ndim == 2 and diagonal.is_filled:
            return Const(diagonal.value, node.type.with_shape(()))
    return None


@rule("product with the identity", Contract, examples=lambda: [
    some_x("m n") @ _i(),
    _i() @ some_x("n m"),
    Contract(((0, 1), (2, 1)), (2, 0))(_i(), some_x("m n")),
    some_x("n n") @ (some_y("") * _i()),
    some_x("n n") @ (_i() / some_y("")),
    Contract(((0, 1), (1, 0)), ())(some_x("n n"), _i()),
    Contract(((0, 1), (1, 2), (2, 3)), (0, 3))(some_x("m n"), _i(), some_y("n k")),
    some_x("m n n") @ broadcast_to(_i(), parse_shape("m n n")),
])  # fmt: skip
def _product_with_identity(node: Apply) -> Node | None:
    for k, operand in enumerate(node.operands):
        factor = _identity(operand)
        if factor is None or len(node.operands) < 2:
            continue
        operands = (*node.operands[:k], *node.operands[k + 1 :])
        inputs = (*node.primitive.inputs[:k], *node.primitive.inputs[k + 1 :])
        *batch, first, second = node.primitive.inputs[k]
        if any(all(label not in labels for labels in inputs) for label in batch):
            return None
        result = equated(first, second, operands, inputs, node.primitive.output)
        if result is not None:
            return result if number_of(factor) == 1 else factor * result
    return None


def equated(first: int, second: int, operands: Sequence[Node], inputs: Sequence[Labels], output: Labels) -> Node | None:
    """Return a contraction in which one label replaces two that an identity equates."""
    if not any(label in labels for labels in inputs for label in (first, second)):
        return None
    if any(first in labels and second in labels for labels in inputs):
        trace = len(operands) == 1 and output == () and set(inputs[0]) == {first, second}
        return Trace()(operands[0]) if trace else None
    if first in output and second in output:
        return None
    one = [tuple(first if label == second else label for label in labels) for labels in (*inputs, output)]
    if len(operands) > 1:
        return Contract(tuple(one[:-1]), one[-1])(*operands)
    (x,), (labels, wanted) = operands, one
    summed = tuple(axis for axis, label in enumerate(labels) if label not in wanted)
    kept = [label for label in labels if label in wanted]
    x = Sum(summed)(x) if summed else x
    return x if kept == list(wanted) else Permute(tuple(kept.index(label) for label in wanted))(x)


def _of_diagonals(node: Apply) -> Node | None:
    links = chain_of(node)
    for place, pair in enumerate(pairwise(links)):
        match pair:
            case (Apply(DiagonalMatrix(), (a,)), _), (Apply(DiagonalMatrix(), (b,)), _) if a.type.ndim == 1:
                joined = DiagonalMatrix()(simplify(with_powers(a * b)))
                return product_of_chain((*links[:place], (joined, False), *links[place + 2 :]))
    return None


PRODUCT_OF_DIAGONALS = Rule("diag(a) diag(b) → diag(a ⊙ b)", (Contract,), _of_diagonals, list)
"""Not in the table: along a chain each factor diag(σ′(z)) is seen."""


@rule("Σ diag(A) → tr(A)", Sum, examples=lambda: [
    Sum((0,))(Diagonal()(some_x("n n"))),
    Sum((1,))(Diagonal()(some_x("m n n"))),
])  # fmt: skip
def _sum_of_a_diagonal(node: Apply) -> Node | None:
    match node:
        case Apply(Sum(axes), (Apply(Diagonal(), (x,)) as diagonal,)) if axes == (diagonal.type.ndim - 1,):
            return Trace()(x)
    return None


@rule("Σ (A ⊙ I) → tr(A)", Sum, examples=lambda: [
    Sum((0, 1))(some_x("n n") * _i()),
    Sum((0, 1))(_i() * some_x("n n")),
    Sum((1, 2))(some_x("m n n") * broadcast_to(_i(), parse_shape("m n n"))),
])  # fmt: skip
def _sum_of_diagonal(node: Apply) -> Node | None:
    match node:
        case Apply(Sum(axes), (Apply(Multiply()) as product,)) if axes == (node.type.ndim, node.type.ndim + 1):
            for x, matrix in both_orders(product):
                factor = _identity(matrix)
                if factor is not None and number_of(factor) == 1:
                    return Trace()(x)
    return None


@rule("a matrix of one entry", Trace, Diagonal, DiagonalMatrix, examples=lambda: [
    Trace()(some_x("1 1")),
    Diagonal()(some_x("n 1 1")),
    DiagonalMatrix()(some_x("n 1")),
    identity(1),
])  # fmt: skip
def _matrix_of_one_entry(node: Apply) -> Node | None:
    match node.operands:
        case (Const() as entry,) if entry.type.shape[-1] == 1 and entry.is_filled:
            return Const(entry.value, node.type)
        case (entry,) if entry.type.shape[-1] == 1:
            return Reshape(node.type.shape)(entry)
    return None


@rule("diag(x yᵀ) → x ⊙ y", Diagonal, examples=lambda: [
    Diagonal()(Contract(((0,), (1,)), (0, 1))(some_x("n"), some_y("n"))),
    Diagonal()(Contract(((1,), (0,)), (0, 1))(some_x("n"), some_x("n"))),
    Diagonal()(some("z", "n m") @ Contract(((0,), (1,)), (0, 1))(some_x("m"), some_y("n"))),
    Diagonal()(
        Contract(((0,), (1,)), (0, 1))(some_x("n"), some_y("n")) @ some("z", "n n")
        - Contract(((0,), (1,)), (0, 1))(some("z", "n n") @ some_y("n"), some_x("n"))
    ),
])  # fmt: skip
def _diagonal_of_outer(node: Apply) -> Node | None:
    return _outer_diagonal(node.operands[0])


@rule("tr(x yᵀ) → xᵀ y", Trace, examples=lambda: [
    Trace()(Contract(((0,), (1,)), (0, 1))(some_x("n"), some_y("n"))),
    Trace()(Contract(((1,), (0,)), (0, 1))(some_x("n"), some_x("n"))),
    Trace()(some("z", "n m") @ Contract(((0,), (1,)), (0, 1))(some_x("m"), some_y("n"))),
])  # fmt: skip
def _trace_of_outer(node: Apply) -> Node | None:
    (x,) = node.operands
    found = _column_and_row(x)
    return None if found is None else Contract(((0,), (0,)), ())(*found)


def _column_and_row(node: Node) -> tuple[Node, Node] | None:
    """Return x and y for a product of matrices that is x yᵀ; None for another."""
    links = chain_of(node) if applies(node, Contract) else ()
    for place in range(1, len(links)):
        if is_column(links[place - 1]) and is_row(links[place]):
            return product_of_chain(links[:place]), product_of_chain(links[place:])
    return None


def _outer_diagonal(node: Node) -> Node | None:
    """Return the diagonal of a column times a row, or of a sum of such products."""
    match node:
        case Apply((Add() | Subtract()) as plus, (x, y)):
            first, second = _outer_diagonal(x), _outer_diagonal(y)
            return None if first is None or second is None else plus(first, second)
        case Apply(Contract()) if (found := _column_and_row(node)) is not None:
            column, row = found
            return Square()(column) if column is row else column * row
    return None


@rule("diag(d) x → d ⊙ x", Contract, examples=lambda: [
    DiagonalMatrix()(some_x("n")) @ some_y("n"),
    some_y("n") @ DiagonalMatrix()(some_x("n")),
])  # fmt: skip
def _diagonal_times_vector(node: Apply) -> Node | None:
    match node:
        case Apply(Contract(), (Apply(DiagonalMatrix(), (d,)), x) | (x, Apply(DiagonalMatrix(), (d,)))):
            is_product = node.type.ndim == x.type.ndim == d.type.ndim == 1 and not is_scale(d)
            return d * x if is_product and node.primitive.product is not None else None
    return None


@rule("diagonal of a transpose", Diagonal, Trace, examples=lambda: [
    Diagonal()(Permute((1, 0))(some_x("n n"))),
    Diagonal()(Permute((0, 2, 1))(some_x("m n n"))),
    Trace()(Permute((1, 0))(some_x("n n"))),
])  # fmt: skip
def _diagonal_of_transpose(node: Apply) -> Node | None:
    match node:
        case Apply((Diagonal() | Trace()) as diagonal, (Apply(Permute(order), (x,)),)):
            last = (*range(x.type.ndim - 2), x.type.ndim - 1, x.type.ndim - 2)
            return diagonal(x) if order == last else None
    return None


@rule("adj(A⁻¹) → det(A⁻¹)·A", Adjugate, examples=lambda: [
    Adjugate()(Inverse()(some_x("n n")), Determinant()(Inverse()(some_x("n n")))),
    Adjugate()(Inverse()(some_x("m n n")), Determinant()(Inverse()(some_x("m n n")))),
])  # fmt: skip
def _adjugate_of_inverse(node: Apply) -> Node | None:
    match node:
        case Apply(Adjugate(), (Apply(Inverse(), (x,)), determinant)):
            return Broadcast(x.type.shape, tuple(range(x.type.ndim - 2)))(determinant) * x
    return None


MULTIPLY_OUT = "multiply out a sum with the identity"
"""The name of the rule that a matrix in closed form, such as Aᵀ (I − p pᵀ) A, does without."""


@rule(MULTIPLY_OUT, Contract, examples=lambda: [
    some_x("n n") @ (_i() + some_y("n n")),
    (some_y("n n") - _i()) @ some_x("n n"),
    some_x("n n") @ (2 * _i() - some_y("n n")),
])  # fmt: skip
def _multiply_out(node: Apply) -> Node | None:
    return _multiplied_out(node, ())


def _multiplied_out(node: Apply, kept: Container[Node]) -> Node | None:
    for k, operand in enumerate(node.operands):
        match operand:
            case Apply((Add() | Subtract()) as plus, (x, y)) if _identity(x) or _identity(y):
                if operand not in kept:
                    return plus(with_operand(node, k, x), with_operand(node, k, y))
    return None


def sums_with_identity(definitions: Mapping[Node, Node]) -> Rule:
    """Return the same rule for what the definitions do not have: a sum that the user wrote, such as I − K H, stays.

    It is computed in the forward pass.
    """
    kept: set[Node] = set()
    for part in topological_order(list(definitions.values())):
        match part:
            case Apply(Add() | Subtract(), (x, y)) if _identity(x) or _identity(y):
                kept.add(simplify(part))
                kept.add(simplify(y - x) if applies(part, Subtract) else y + x)
    return Rule(MULTIPLY_OUT, (Contract,), lambda node: _multiplied_out(node, kept), list)


@rule("(A ⊗ B)ᵀ → Aᵀ ⊗ Bᵀ", Permute, examples=lambda: [Permute((1, 0))(Kronecker()(some_x("n m"), some_y("m k")))])
def _transposed_kronecker(node: Apply) -> Node | None:
    match node:
        case Apply(Permute((1, 0)) as transpose, (Apply(Kronecker() as kronecker, (a, b)),)):
            return kronecker(transpose(a), transpose(b))
    return None


@rule("⟨A ⊗ B, ∂A ⊗ C⟩ → A · ⟨B, C⟩", Contract, examples=lambda: [
    Contract(((0, 1, 2, 3), (1, 3)), (0, 2))(_blocks(), some_y("k n")),
    Contract(((0, 1, 2, 3), (0, 2)), (1, 3))(_blocks(), some_y("n m")),
    Contract(((0, 1, 2, 3), (1, 3)), (0, 2))(
        Reshape(parse_shape("n k n k"))(identity(parse_shape("n*k")[0])), some_y("k k")
    ),
])  # fmt: skip
def _contracted_kronecker(node: Apply) -> Node | None:
    """Add up A ⊗ B, with an axis for each of A and of B, over the axes of one of them: the other is a factor."""
    match node:
        case Apply(Contract(((m, k, n, l), others), output), (Apply(Reshape(shape), (blocks,)), c)):
            pair = _kronecker_factors(blocks, shape)
        case _:
            return None
    if pair is not None:
        a, b = pair
        for factor, kept, (x, added) in (a, (m, n), (b, (k, l))), (b, (k, l), (a, (m, n))):
            if output == kept and set(others) == set(added):
                number = Contract((added, others), ())(x, c)
                return Broadcast(factor.type.shape, ())(number) * factor
    return None


def _kronecker_factors(blocks: Node, shape: Shape) -> tuple[Node, Node] | None:
    """Return A and B of A ⊗ B, of which I is an instance, if `shape` has an axis for each of theirs."""
    match blocks:
        case Apply(Kronecker(), (a, b)):
            pass
        case _ if is_identity(blocks) and len(shape) == 4:
            a, b = (identity(dim, blocks.type.dtype) for dim in shape[:2])
        case _:
            return None
    expected = (a.type.shape[0], b.type.shape[0], a.type.shape[1], b.type.shape[1])
    return (a, b) if tuple(shape) == expected else None


def _blocks() -> Node:
    """Return a Kronecker product with an axis for each axis of its factors."""
    return Reshape(parse_shape("n k m n"))(Kronecker()(some_x("n m"), some("z", "k n")))


@rule("I ⊗ I → I", Kronecker, examples=lambda: [Kronecker()(_i(), identity(named_dim("m")))])
def _kronecker_of_identities(node: Apply) -> Node | None:
    first, second = node.operands
    both = is_identity(first) and is_identity(second)
    return identity(node.type.shape[0], node.type.dtype) if both else None


def _adjugate_over_determinant() -> list[Node]:
    matrix, stack = some_x("n n"), some_x("m n n")
    determinant, determinants = Determinant()(matrix), Determinant()(stack)
    transposed = Permute((1, 0))(Adjugate()(matrix, determinant))
    return [
        transposed / determinant,
        (2 / determinant) * transposed,
        (transposed @ some_y("n n")) / determinant,
        Adjugate()(stack, determinants) / Broadcast(stack.type.shape, (0,))(determinants),
    ]


@rule("adj(A) / det(A) → A⁻¹", Multiply, Divide, examples=_adjugate_over_determinant)
def _inverse_of_adjugate(node: Apply) -> Node | None:
    term = factors(node)
    for factor, exponent in term.powers:
        match _adjugate_in(factor) if exponent > 0 else None:
            case Apply(Adjugate(), (matrix, determinant)) as adjugate:
                below = next((other for other, e in term.powers if e < 0 and _repeats(other, determinant)), None)
                if below is not None:
                    (changed,) = substitute([factor], {adjugate: Inverse()(matrix)})
                    return product_of(term.times(Term(1, ((factor, -1), (below, 1), (changed, 1)))), node.type)
    return None


def _adjugate_in(node: Node) -> Node | None:
    """Return the adjugate in `node`: itself, transposed, or one factor of a matrix product; otherwise None."""
    match node:
        case Apply(Adjugate()):
            return node
        case Apply(Permute() | Contract(), operands):
            return next((found for operand in operands if (found := _adjugate_in(operand)) is not None), None)
    return None


def _repeats(node: Node, number: Node) -> bool:
    """Whether `node` is a number for each matrix, broadcast over its entries."""
    match node:
        case Apply(Broadcast(), (repeated,)):
            return repeated is number
    return False
