"""Simplification of sums and broadcasts: factors that are constant along a summed axis are moved out, and
operations on broadcast values are performed before the broadcast.
"""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.calculus.examples import size, some_x, some_y
from chainrule.calculus.rules import (
    Rule,
    along_kept,
    beneath_arrangement,
    both_orders,
    is_scale,
    refilled,
    rule,
    with_operand,
)
from chainrule.calculus.simplify import simplify
from chainrule.calculus.stages import TANGENT
from chainrule.calculus.terms import Term, factors
from chainrule.ir import Apply, Const, Input, Node, applies, dim_product, parse_shape, substitute, topological_order
from chainrule.primitives import (
    Add,
    Broadcast,
    Compare,
    Contract,
    Divide,
    DivideNoNan,
    Exp,
    Log,
    Maximum,
    Mean,
    Minimum,
    Multiply,
    OneHot,
    Pad,
    Permute,
    Power,
    Softmax,
    Sqrt,
    Square,
    Subtract,
    Sum,
)


def _column(x: Node) -> Node:
    return Broadcast(parse_shape("n m"), (0,))(x)


def _row(x: Node) -> Node:
    return Broadcast(parse_shape("n m"), (1,))(x)


@rule(
    "repeat the result",
    Add, Compare, Divide, Exp, Log, Maximum, Minimum, Multiply, Power, Sqrt, Square, Subtract,
    examples=lambda: [
        _column(some_x("n")) ** 2,
        _column(some_x("n")) * _column(some_y("n")),
        1 - _column(some_y("n")),
    ],
)  # fmt: skip
def _repeat_result(node: Apply) -> Node | None:
    repeated = [operand for operand in node.operands if applies(operand, Broadcast)]
    if not repeated or (isinstance(node.primitive, Multiply) and len(repeated) < 2):
        return None
    repeat, like = repeated[0].primitive, repeated[0].operands[0].type
    sources: list[Node] = []
    for operand in node.operands:
        match operand:
            case Apply(Broadcast() as another, (x,)) if another == repeat:
                sources.append(x)
            case Const() as number if number.is_filled:
                sources.append(Const(number.value, like))
            case _:
                return None
    return Apply(repeat, (Apply(node.primitive, tuple(sources)),))


@rule("what does not vary out of the sum", Sum, Mean, examples=lambda: [
    Sum((1,))(some_x() * _column(some_y("n"))),
    Sum((1,))(some_x() / _column(Exp()(some_y("n")))),
    Sum((1,))(DivideNoNan()(some_x(), _column(Exp()(some_y("n"))))),
    Sum((1,))(some_x() * (Exp()(some_x()) / _column(Exp()(some_y("n"))))),
    Mean((1,))(DivideNoNan()(some_x(), _column(Exp()(some_y("n")))) * Exp()(some_x())),
    Mean((0, 2))(Broadcast(parse_shape("n m k"), (1,))(some_y("m")) * some_x("n m k")),
])  # fmt: skip
def _out_of_sum(node: Apply) -> Node | None:
    total: Sum | Mean = node.primitive
    match node.operands:
        case (Apply(Multiply()) as product,):
            for place, (factor, x) in enumerate(both_orders(product)):
                match factor:
                    case Apply((Divide() | DivideNoNan()) as quotient, (above, below)) if (
                        divisor := along_kept(below, node)
                    ) is not None:
                        return quotient(total(above * x if place == 0 else x * above), divisor)
                fixed = along_kept(factor, node)
                if fixed is not None:
                    return fixed * total(x) if place == 0 else total(x) * fixed
        case (Apply((Divide() | DivideNoNan()) as quotient, (x, divisor)),):
            fixed = along_kept(divisor, node)
            return None if fixed is None else quotient(total(x), fixed)
    return None


@rule("probabilities sum to one", Sum, examples=lambda: [
    Sum((1,))(Softmax((1,))(some_x())),
    Sum((0, 1))(Softmax((0, 1))(some_x())),
])  # fmt: skip
def _softmax_sum(node: Apply) -> Node | None:
    match node:
        case Apply(Sum(axes), (Apply(Softmax(along)),)) if along == axes:
            return Const(1, node.type)
    return None


@rule("sum of what is repeated", Sum, examples=lambda: [
    Sum((1,))(_column(some_x("n"))),
    Sum((0, 1))(_column(some_x("n"))),
    Sum((0,))(_column(some_x("n"))),
    Sum((0, 2))(Broadcast(parse_shape("n m k"), (1,))(some_x("m"))),
    Sum((1, 2))(Broadcast(parse_shape("n m k"), (0, 2))(some_x("n k"))),
])  # fmt: skip
def _sum_of_repeated(node: Apply) -> Node | None:
    match node:
        case Apply(Sum(axes), (Apply(Broadcast(shape, places), (x,)),)):
            count = dim_product(dim for axis, dim in enumerate(shape) if axis in axes and axis not in places)
            summed = tuple(k for k, axis in enumerate(places) if axis in axes)
            total = Sum(summed)(x) if summed else x
            kept = [axis for axis in range(len(shape)) if axis not in axes]
            if total.type.shape != node.type.shape:
                total = Broadcast(node.type.shape, tuple(kept.index(axis) for axis in places if axis in kept))(total)
            return Const(count, node.type) * total
    return None


@rule("sum of what is among zeros", Sum, examples=lambda: [
    Sum((0,))(Pad((1, 0), (2, 0), (0, 0))(some_x())),
    Sum((0, 1))(Pad((1, 2), (2, 0), (0, 1))(some_x())),
    Sum((1,))(Pad((1, 2), (2, 0), (1, 0))(some_x())),
])  # fmt: skip
def _sum_of_padded(node: Apply) -> Node | None:
    match node:
        case Apply(Sum(axes) as total, (Apply(Pad() as pad, (x,)) as padded,)) if _falls_away(padded, node):
            kept = [axis for axis in range(padded.type.ndim) if axis not in axes]
            low, high = (tuple(each[axis] for axis in kept) for each in (pad.low, pad.high))
            around = Pad(low, high, tuple(pad.interior[axis] for axis in kept))
            return total(x) if total(x).type == node.type else around(total(x))
    return None


def _falls_away(padded: Apply, reduction: Apply) -> bool:
    """Whether some of the padding lies along a summed axis."""
    return any(padded.type.shape[axis] != padded.operands[0].type.shape[axis] for axis in reduction.primitive.axes)


@rule("sum of each term", Sum, examples=lambda: [
    Sum((1,))(Softmax((1,))(some_x()) + 1),
    Sum((1,))(_column(some_y("n")) * Softmax((1,))(some_x()) - _column(some_y("n"))),
    Sum((0,))(1 + Pad((0, 0), (2, 0), (0, 0))(some_x("1 m"))),
    Sum((1,))(_column(some_x("n")) - _row(some_y("m"))),
    Sum((0, 1))(_column(some_x("n")) - _row(some_y("m"))),
])  # fmt: skip
def _sum_of_terms(node: Apply) -> Node | None:
    """Sum term by term, if the sum of each is known, or avoids its padding."""
    match node:
        case Apply(Sum() as total, (Apply((Add() | Subtract()) as plus, (x, y)) as terms,)):
            return plus(total(x), total(y)) if _has_known_sum(terms, node) else None
    return None


def _has_known_sum(node: Node, reduction: Apply) -> bool:
    axes = reduction.primitive.axes
    if is_scale(node) or along_kept(node, reduction) is not None:
        return True
    match node:
        case Apply(Broadcast()):  # it is counted along what it is repeated along
            return node.type.ndim < 3
        case Apply(Pad()):
            return _falls_away(node, reduction)
        case Apply(Softmax(along)):
            return bool(along == axes)
        case Apply(OneHot()):
            return bool(axes == (node.type.ndim - 1,))
        case Apply(Add() | Subtract(), terms):
            return all(_has_known_sum(term, reduction) for term in terms)
        case Apply(Multiply(), (fixed, x)):
            return (is_scale(fixed) or along_kept(fixed, reduction) is not None) and _has_known_sum(x, reduction)
    return False


@rule("x − (1/n) Σ x → x − mean(x)", Subtract, examples=lambda: [
    some_x("n") - Broadcast(parse_shape("n"), ())(Sum((0,))(some_x("n")) / size("n", "")),
    some_x("4") - 0.25 * Broadcast(parse_shape("4"), ())(Sum((0,))(some_x("4"))),
])  # fmt: skip
def _centred(node: Apply) -> Node | None:
    x, y = node.operands
    if x.type.ndim != 1:
        return None
    (count,) = x.type.shape
    term = factors(y)
    for factor, exponent in term.powers:
        match factor:
            case Apply(Broadcast(axes=()) as repeat, (Apply(Sum((0,)), (summed,)),)) if summed is x and exponent == 1:
                rest = term.times(Term(1, ((factor, -1),)))
                match rest.number, rest.powers:
                    case (1, ((Const(divisor), -1),)) if divisor == count:
                        return x - repeat(Mean((0,))(x))
                    case (number, ()) if isinstance(count, int) and number == 1 / count:
                        return x - repeat(Mean((0,))(x))
    return None


def known_sums(definitions: Mapping[Node, Node]) -> Rule:
    """Return a rule for sums whose value follows from definitions: the softmax P has Σ P = 1, and Σ (x − μ) is 0.

    `definitions` maps symbols to their values. It is not in the table, since it holds for these symbols only.
    """
    found: dict[Node, Node | None] = {}

    def known_sum(node: Apply) -> Node | None:
        if node not in found:
            (summand,) = node.operands
            written_out = definitions.get(summand, summand)
            if written_out is summand and not applies(summand, Add, Subtract):
                return None
            used = topological_order([written_out])
            inlined = {part: definitions[part] for part in used if part in definitions and _is_fact(definitions[part])}
            (written_out,) = substitute([written_out], inlined)
            result = written_out if written_out is summand else simplify(Apply(node.primitive, (written_out,)))
            found[node] = result if isinstance(result, Const) and result.is_filled else None
        return found[node]

    return Rule("a sum that is known", (Sum,), known_sum, list)


def shifted_products(sums: Rule) -> Rule:
    """Return the rule (x + c)ᵀ p → xᵀ p + c for probabilities p, of which `sums` knows that they sum to 1."""

    def shifted(node: Apply) -> Node | None:
        match node:
            case Apply(Contract(product=kind)) if kind is not None and kind.kind == "inner":
                pass
            case _:
                return None
        for place, (x, p) in enumerate(both_orders(node)):
            match x:
                case Apply((Add() | Subtract()) as plus, terms) if any(map(_repeated_number, terms)):
                    pass
                case _:
                    continue
            total = simplify(Sum((0,))(p))
            known = sums.rewrite(total) if isinstance(total, Apply) and applies(total, Sum) else total
            if isinstance(known, Const) and known.is_filled:
                numbers = map(_repeated_number, terms)
                parts = (
                    with_operand(node, place, term) if number is None else number * known
                    for term, number in zip(terms, numbers, strict=True)
                )
                return plus(*parts)
        return None

    return Rule("(x + c)ᵀ p → xᵀ p + c, where Σ p is 1", (Contract,), shifted, list)


def _repeated_number(node: Node) -> Node | None:
    """Return the number that an array repeats; None for another array."""
    match node:
        case Apply(Broadcast(axes=()), (number,)):
            return number
    return refilled(node, node.type.with_shape(())) if is_scale(node) else None


def _is_fact(definition: Node) -> bool:
    """Whether a definition is a mean or probabilities, possibly with kept axes or transposed."""
    bare = beneath_arrangement(definition)
    match bare:
        case Apply(Permute(), (x,)):
            return applies(x, OneHot, Softmax)
    return applies(bare, Mean, OneHot, Softmax)


def centred_factors(definitions: Mapping[Node, Node]) -> Rule:
    """Return the rule Σ c ⊙ (dx − m) → Σ c ⊙ dx for a c that sums to 0, such as a centred one, and one number m.

    It is for changes: of two values both stay centred, as they are usually written. `definitions` maps symbols to their
    values.
    """
    known: dict[tuple[Node, tuple[int, ...]], bool] = {}

    def sums_to_zero(c: Node, axes: tuple[int, ...]) -> bool:
        if (c, axes) not in known:
            used = {part: definitions[part] for part in topological_order([c]) if part in definitions}
            total = simplify(Sum(axes)(*substitute([c], used)))
            known[c, axes] = isinstance(total, Const) and total.filled_with(0)
        return known[c, axes]

    def without_mean(node: Apply) -> Node | None:
        match node:
            case Apply(Sum(axes) | Mean(axes), (Apply(Multiply()) as product,)):
                pass
            case Apply(Contract(product=kind)) if kind is not None and kind.kind == "inner":
                axes, product = (0,), node
            case _:
                return None
        for place, (shifted, c) in enumerate(both_orders(product)):
            match shifted:
                case Apply(Subtract(), (change, mean)) if _is_change(change) and _is_constant(mean, axes):
                    if sums_to_zero(c, axes):
                        product = with_operand(product, place, change)
                        return product if applies(node, Contract) else with_operand(node, 0, product)
        return None

    return Rule("Σ c (dx − m) → Σ c dx, where Σ c is 0", (Sum, Mean, Contract), without_mean, list)


def _is_change(node: Node) -> bool:
    """Whether an expression has a tangent such as dx in it."""
    return any(isinstance(part, Input) and part.name.startswith(TANGENT) for part in topological_order([node]))


def _is_constant(node: Node, axes: tuple[int, ...]) -> bool:
    """Whether a term is the same along summed axes."""
    match node:
        case Apply(Broadcast(axes=kept)):
            return set(kept).isdisjoint(axes)
    return is_scale(node)
