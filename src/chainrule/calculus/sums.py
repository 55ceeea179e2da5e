"""Simplifications of sums and repetitions: what does not vary along a summed axis comes out, what is computed from
repeated values is computed once and then repeated.
"""

from __future__ import annotations

from collections.abc import Mapping

from chainrule.calculus.rules import Rule, applied, is_scale, rule
from chainrule.calculus.simplify import simplify
from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    Input,
    Node,
    dim_product,
    parse_shape,
    substitute,
    topological_order,
)
from chainrule.primitives import (
    Add,
    Broadcast,
    Compare,
    Divide,
    Exp,
    Log,
    Maximum,
    Mean,
    Minimum,
    Multiply,
    OneHot,
    Pad,
    Power,
    Reshape,
    Softmax,
    Sqrt,
    Square,
    Subtract,
    Sum,
)


def _x(shape: str = "n m") -> Node:
    return Input("x", ArrayType(parse_shape(shape)))


def _y(shape: str = "n m") -> Node:
    return Input("y", ArrayType(parse_shape(shape)))


def _column(x: Node) -> Node:
    return Broadcast(parse_shape("n m"), (0,))(x)


@rule(
    "repeat the result",
    Add, Compare, Divide, Exp, Log, Maximum, Minimum, Multiply, Power, Sqrt, Square, Subtract,
    examples=lambda: [
        Square()(_column(_x("n"))),
        Multiply()(_column(_x("n")), _column(_y("n"))),
        Subtract()(Const(1, _x().type), _column(_y("n"))),
    ],
)  # fmt: skip
def _repeat_result(node: Apply) -> Node | None:
    repeated = [applied(operand, Broadcast) for operand in node.operands]
    first = next((entry for entry in repeated if entry is not None), None)
    if first is None or (isinstance(node.primitive, Multiply) and None in repeated):
        return None
    source, operands = first.operands[0].type, []
    for operand, entry in zip(node.operands, repeated, strict=True):
        if entry is not None and entry.primitive == first.primitive:
            operands.append(entry.operands[0])
        elif isinstance(operand, Const) and operand.is_filled:
            operands.append(Const(operand.value, source))
        else:
            return None
    return Apply(first.primitive, (Apply(node.primitive, tuple(operands)),))


@rule("what does not vary out of the sum", Sum, Mean, examples=lambda: [
    Sum((1,))(Multiply()(_x(), _column(_y("n")))),
    Sum((1,))(Divide()(_x(), _column(Exp()(_y("n"))))),
    Sum((1,))(Multiply()(_x(), Divide()(Exp()(_x()), _column(Exp()(_y("n")))))),
    Mean((0, 2))(Multiply()(Broadcast(parse_shape("n m k"), (1,))(_y("m")), _x("n m k"))),
])  # fmt: skip
def _out_of_sum(node: Apply) -> Node | None:
    product = applied(node.operands[0], Multiply, Divide)
    if product is None:
        return None
    for place, operand in enumerate(product.operands):
        quotient = applied(operand, Divide)
        if quotient is not None and isinstance(product.primitive, Multiply):
            divisor = _along_kept(quotient.operands[1], node)
            if divisor is not None:
                rest = Multiply()(*(quotient.operands[0] if k == place else o for k, o in enumerate(product.operands)))
                return Divide()(Apply(node.primitive, (rest,)), divisor)
        factor = _along_kept(operand, node)
        if factor is None or (isinstance(product.primitive, Divide) and place == 0):
            continue
        rest = Apply(node.primitive, (product.operands[1 - place],))
        operands = (rest, factor) if place else (factor, rest)
        return Apply(product.primitive, operands)
    return None


def _along_kept(operand: Node, reduction: Apply) -> Node | None:
    """`operand` as an array shaped as the result of `reduction`, if it varies along no axis that is reduced."""
    repeated = applied(operand, Broadcast)
    axes = reduction.primitive.axes
    if repeated is None or not set(repeated.primitive.axes).isdisjoint(axes):
        return None
    kept = [axis for axis in range(operand.type.ndim) if axis not in axes]
    places = tuple(kept.index(axis) for axis in repeated.primitive.axes)
    (source,) = repeated.operands
    return source if source.type.shape == reduction.type.shape else Broadcast(reduction.type.shape, places)(source)


@rule("probabilities sum to one", Sum, examples=lambda: [
    Sum((1,))(Softmax((1,))(_x())),
    Sum((0, 1))(Softmax((0, 1))(_x())),
])  # fmt: skip
def _softmax_sum(node: Apply) -> Node | None:
    softmax = applied(node.operands[0], Softmax)
    return Const(1, node.type) if softmax is not None and softmax.primitive.axes == node.primitive.axes else None


@rule("sum of what is repeated", Sum, examples=lambda: [
    Sum((1,))(_column(_x("n"))),
    Sum((0, 1))(_column(_x("n"))),
    Sum((0,))(_column(_x("n"))),
    Sum((0, 2))(Broadcast(parse_shape("n m k"), (1,))(_x("m"))),
    Sum((1, 2))(Broadcast(parse_shape("n m k"), (0, 2))(_x("n k"))),
])  # fmt: skip
def _sum_of_repeated(node: Apply) -> Node | None:
    repeated = applied(node.operands[0], Broadcast)
    axes = node.primitive.axes
    if repeated is None:
        return None
    (source,), places = repeated.operands, repeated.primitive.axes
    count = dim_product(repeated.type.shape[axis] for axis in axes if axis not in places)
    summed = tuple(k for k, axis in enumerate(places) if axis in axes)
    total = Sum(summed)(source) if summed else source
    kept = [axis for axis in range(repeated.type.ndim) if axis not in axes]
    if total.type.shape != node.type.shape:
        total = Broadcast(node.type.shape, tuple(kept.index(axis) for axis in places if axis in kept))(total)
    return Multiply()(Const(count, node.type), total)


@rule("sum of what is among zeros", Sum, examples=lambda: [
    Sum((0,))(Pad((1, 0), (2, 0), (0, 0))(_x())),
    Sum((0, 1))(Pad((1, 2), (2, 0), (0, 1))(_x())),
    Sum((1,))(Pad((1, 2), (2, 0), (1, 0))(_x())),
])  # fmt: skip
def _sum_of_padded(node: Apply) -> Node | None:
    padded = applied(node.operands[0], Pad)
    if padded is None or not _falls_away(padded, node):
        return None
    kept = [axis for axis in range(padded.type.ndim) if axis not in node.primitive.axes]
    total = Apply(node.primitive, padded.operands)
    low, high, interior = (
        tuple(each[axis] for axis in kept)
        for each in (padded.primitive.low, padded.primitive.high, padded.primitive.interior)
    )
    return total if total.type == node.type else Pad(low, high, interior)(total)


def _falls_away(padded: Apply, reduction: Apply) -> bool:
    """Whether some of the zeros lie along an axis that is summed."""
    return any(padded.type.shape[axis] != padded.operands[0].type.shape[axis] for axis in reduction.primitive.axes)


@rule("sum of each term", Sum, examples=lambda: [
    Sum((1,))(Add()(Softmax((1,))(_x()), Const(1, _x().type))),
    Sum((1,))(Subtract()(Multiply()(_column(_y("n")), Softmax((1,))(_x())), _column(_y("n")))),
    Sum((0,))(Add()(Const(1, _x("3 m").type), Pad((0, 0), (2, 0), (0, 0))(_x("1 m")))),
])  # fmt: skip
def _sum_of_terms(node: Apply) -> Node | None:
    """Term by term, where the sum of each is known, or lacks the zeros around it."""
    total = applied(node.operands[0], Add, Subtract)
    if total is None or not _has_known_sum(total, node):
        return None
    return Apply(total.primitive, tuple(Apply(node.primitive, (operand,)) for operand in total.operands))


def _has_known_sum(node: Node, reduction: Apply) -> bool:
    if is_scale(node) or _along_kept(node, reduction) is not None:
        return True
    if not isinstance(node, Apply):
        return False
    if isinstance(node.primitive, Pad):
        return _falls_away(node, reduction)
    if isinstance(node.primitive, Softmax):
        return bool(node.primitive.axes == reduction.primitive.axes)
    if isinstance(node.primitive, OneHot):
        return bool(reduction.primitive.axes == (node.type.ndim - 1,))
    if isinstance(node.primitive, Add | Subtract):
        return all(_has_known_sum(operand, reduction) for operand in node.operands)
    if isinstance(node.primitive, Multiply):
        fixed, rest = node.operands
        return (is_scale(fixed) or _along_kept(fixed, reduction) is not None) and _has_known_sum(rest, reduction)
    return False


def known_sums(definitions: Mapping[Node, Node]) -> Rule:
    """A rule for sums whose value follows from what names stand for: the softmax P has Σ P = 1, and Σ (x − μ) is 0.

    `definitions` gives what a symbol stands for. It is no entry of the table, since it holds for these symbols only.
    """
    found: dict[Node, Node | None] = {}

    def known_sum(node: Apply) -> Node | None:
        if node not in found:
            (summand,) = node.operands
            written_out = definitions.get(summand, summand)
            if written_out is summand and applied(summand, Add, Subtract) is None:
                return None
            used = topological_order([written_out])
            inlined = {part: definitions[part] for part in used if part in definitions and _is_fact(definitions[part])}
            (written_out,) = substitute([written_out], inlined)
            result = written_out if written_out is summand else simplify(Apply(node.primitive, (written_out,)))
            found[node] = result if isinstance(result, Const) and result.is_filled else None
        return found[node]

    return Rule("a sum that is known", (Sum,), known_sum, list)


def _is_fact(definition: Node) -> bool:
    """Whether a definition is a mean, or probabilities, beneath kept axes."""
    while isinstance(definition, Apply) and isinstance(definition.primitive, Broadcast | Reshape):
        (definition,) = definition.operands
    return applied(definition, Mean, OneHot, Softmax) is not None
