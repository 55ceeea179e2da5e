"""Functions written out by hand, recognised: 1/(1 + e⁻ˣ) is σ(x), e^z over its sum is softmax, …

They are entries of the table of rules like any other; `recognize` applies these alone, to a forward pass. The named
function has the same value, does not overflow, and has the derivative that a reader knows.
"""

from __future__ import annotations

from chainrule.calculus.rules import RULES, applied, is_filled, rule
from chainrule.calculus.simplify import Rewrite, Simplifier
from chainrule.ir import Apply, ArrayType, Const, Input, Node, Program, parse_shape, substitute, topological_order
from chainrule.primitives import (
    Add,
    Broadcast,
    Divide,
    Exp,
    Log,
    Log1p,
    LogSumExp,
    Max,
    Maximum,
    Negate,
    Relu,
    Reshape,
    Sigmoid,
    Softmax,
    Softplus,
    Subtract,
    Sum,
)

_FIRST = len(RULES)
_COMPOSING = [entry for entry in RULES if entry.name == "compose sums and broadcasts"]


def _x() -> Node:
    return Input("x", ArrayType(parse_shape("n m")))


def _one() -> Node:
    return Const(1, _x().type)


def _column(x: Node) -> Node:
    return Broadcast(parse_shape("n m"), (0,))(x)


@rule("1/(1 + e⁻ˣ) → σ(x)", Divide, examples=lambda: [
    Divide()(_one(), Add()(_one(), Exp()(Negate()(_x())))),
    Divide()(_one(), Add()(Exp()(Negate()(_x())), _one())),
    Divide()(Exp()(_x()), Add()(_one(), Exp()(_x()))),
])  # fmt: skip
def _sigmoid(node: Apply) -> Node | None:
    above, below = node.operands
    total = applied(below, Add)
    if total is None or not any(is_filled(operand, 1) for operand in total.operands):
        return None
    exponential = applied(total.operands[1 if is_filled(total.operands[0], 1) else 0], Exp)
    if exponential is None:
        return None
    (exponent,) = exponential.operands
    if above is exponential:
        return Sigmoid()(exponent)
    negated = applied(exponent, Negate)
    if not is_filled(above, 1):
        return None
    return Sigmoid()(Negate()(exponent) if negated is None else negated.operands[0])


@rule("eˣ / Σ eˣ → softmax(x)", Divide, examples=lambda: [
    Divide()(Exp()(_x()), _column(Sum((1,))(Exp()(_x())))),
])  # fmt: skip
def _softmax(node: Apply) -> Node | None:
    above, below = applied(node.operands[0], Exp), _repeated(node.operands[1])
    if above is None or below is None:
        return None
    axes = _repeated_axes(below)
    return Softmax(axes)(above.operands[0]) if below.operands[0] is Sum(axes)(above) else None


@rule("softmax(x − max x) → softmax(x)", Softmax, examples=lambda: [
    Softmax((1,))(Subtract()(_x(), _column(Max((1,))(_x())))),
])  # fmt: skip
def _shifted_softmax(node: Apply) -> Node | None:
    difference = applied(node.operands[0], Subtract)
    shift = None if difference is None else _repeated(difference.operands[1])
    if difference is None or shift is None or not set(node.primitive.axes) <= set(_repeated_axes(shift)):
        return None
    return Softmax(node.primitive.axes)(difference.operands[0])


@rule("ln Σ eˣ → logsumexp(x)", Log, examples=lambda: [
    Log()(Sum((0, 1))(Exp()(_x()))),
    Log()(Sum((1,))(Exp()(_x()))),
])  # fmt: skip
def _logsumexp(node: Apply) -> Node | None:
    total = applied(node.operands[0], Sum)
    exponential = None if total is None else applied(total.operands[0], Exp)
    return None if total is None or exponential is None else LogSumExp(total.primitive.axes)(exponential.operands[0])


@rule("ln(1 + eˣ) → softplus(x)", Log, Log1p, examples=lambda: [
    Log()(Add()(_one(), Exp()(_x()))),
    Log()(Add()(Exp()(_x()), _one())),
    Log1p()(Exp()(_x())),
])  # fmt: skip
def _softplus(node: Apply) -> Node | None:
    (operand,) = node.operands
    if isinstance(node.primitive, Log):
        total = applied(operand, Add)
        if total is None or not any(is_filled(part, 1) for part in total.operands):
            return None
        operand = total.operands[1 if is_filled(total.operands[0], 1) else 0]
    exponential = applied(operand, Exp)
    return None if exponential is None else Softplus()(exponential.operands[0])


@rule("max(x, 0) → relu(x)", Maximum, examples=lambda: [
    Maximum()(_x(), Const(0, _x().type)),
    Maximum()(Const(0, _x().type), _x()),
])  # fmt: skip
def _relu(node: Apply) -> Node | None:
    x, y = node.operands
    if is_filled(y, 0):
        return Relu()(x)
    return Relu()(y) if is_filled(x, 0) else None


_RECOGNITIONS = [*RULES[_FIRST:], *(entry for entry in RULES if entry.name == "steps between windows")]


def _repeated(node: Node) -> Apply | None:
    """`node` as one repetition, axes of size 1 that were kept in between left out."""
    repeated = node
    while isinstance(repeated, Apply) and isinstance(repeated.primitive, Broadcast | Reshape):
        (repeated,) = repeated.operands
    stand_in = Input("repeated", repeated.type)  # what is repeated is to stay as it is
    (chain,) = substitute([node], {repeated: stand_in})
    (composed,) = substitute([Simplifier(_COMPOSING)(chain)], {stand_in: repeated})
    return applied(composed, Broadcast)


def _repeated_axes(node: Apply) -> tuple[int, ...]:
    return tuple(axis for axis in range(node.type.ndim) if axis not in node.primitive.axes)


def recognize(program: Program) -> tuple[Program, tuple[Rewrite, ...]]:
    """`program` with functions written by hand replaced by the named ones, and the rewrites that did it."""
    simplifier = Simplifier(_RECOGNITIONS, comparisons=True)
    outputs = tuple(simplifier(output) for output in program.outputs)
    alive = set(topological_order(outputs))
    names: dict[Node, str] = {}
    for node, name in program.names.items():
        found = simplifier(node)
        if found in alive and isinstance(found, Apply):
            names.setdefault(found, name)
    return Program(program.inputs, outputs, names), tuple(simplifier.rewrites)
