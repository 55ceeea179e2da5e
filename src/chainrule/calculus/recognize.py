"""Functions written out by hand, recognised: 1/(1 + e⁻ˣ) is σ(x), e^z over its sum is softmax, …

They are entries of the table of rules like any other; `recognize` applies these alone, to a forward pass. The named
function has the same value, does not overflow, and has the derivative that a reader knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.calculus.rules import RULES, Rule, applied, is_filled, rule
from chainrule.calculus.settling import settle_kinks
from chainrule.calculus.simplify import Rewrite, Simplifier
from chainrule.ir import Apply, ArrayType, Const, Input, Node, Program, parse_shape, substitute, topological_order
from chainrule.primitives import (
    Abs,
    Add,
    Broadcast,
    Compare,
    Divide,
    Exp,
    Log,
    Log1p,
    LogAddExp,
    LogSumExp,
    Max,
    Maximum,
    Minimum,
    Multiply,
    Negate,
    Relu,
    Reshape,
    Sigmoid,
    Softmax,
    Softplus,
    Subtract,
    Sum,
    Where,
)

_FIRST = len(RULES)
_COMPOSING = [entry for entry in RULES if entry.name == "compose sums and broadcasts"]


def _x() -> Node:
    return Input("x", ArrayType(parse_shape("n m")))


def _one() -> Node:
    return Const(1, _x().type)


def _y() -> Node:
    return Input("y", ArrayType(parse_shape("n m")))


def _positive(x: Node) -> Node:
    return Compare(">")(x, Const(0, x.type))


def _decay(x: Node) -> Node:
    return Exp()(Negate()(Abs()(x)))


def _kept(x: Node) -> Node:
    return Reshape(parse_shape("n 1"))(x)


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
    Log()(_kept(Sum((1,))(Exp()(_x())))),
])  # fmt: skip
def _logsumexp(node: Apply) -> Node | None:
    (arranged,) = node.operands
    total = applied(_beneath_arrangement(arranged), Sum)
    exponential = None if total is None else applied(total.operands[0], Exp)
    if total is None or exponential is None:
        return None
    (result,) = substitute([arranged], {total: LogSumExp(total.primitive.axes)(exponential.operands[0])})
    return result


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


@rule("logaddexp(x, 0) → softplus(x)", LogAddExp, examples=lambda: [
    LogAddExp()(_x(), Const(0, _x().type)),
    LogAddExp()(Const(0, _x().type), _x()),
])  # fmt: skip
def _logaddexp_of_zero(node: Apply) -> Node | None:
    x, y = node.operands
    if is_filled(y, 0):
        return Softplus()(x)
    return Softplus()(y) if is_filled(x, 0) else None


def _distance(x: Node, y: Node) -> Node:
    return Softplus()(Negate()(Abs()(Subtract()(x, y))))


@rule("max(x, y) + ln(1 + e^−|x − y|) → logaddexp(x, y)", Add, Subtract, examples=lambda: [
    Add()(Maximum()(_x(), Const(0, _x().type)), Softplus()(Negate()(Abs()(_x())))),
    Add()(Subtract()(Relu()(_x()), _y()), Softplus()(Negate()(Abs()(_x())))),
    Add()(Softplus()(Negate()(Abs()(_x()))), Relu()(Negate()(_x()))),
    Subtract()(Minimum()(_x(), Const(0, _x().type)), Softplus()(Negate()(Abs()(_x())))),
    Add()(Maximum()(_x(), _y()), _distance(_y(), _x())),
    Subtract()(Subtract()(_y(), _distance(_x(), _y())), Maximum()(_x(), _y())),
    Subtract()(Minimum()(_x(), _y()), _distance(_x(), _y())),
])  # fmt: skip
def _stable_logaddexp(node: Apply) -> Node | None:
    """Both terms have a kink where x = y, and their sum has none."""
    terms = _signed_terms(node)
    for place, (sign, term) in enumerate(terms):
        operands, turned = _extremum(term)
        if operands is None:
            continue
        for other, (other_sign, correction) in enumerate(terms):
            softplus = applied(correction, Softplus)
            negated = None if softplus is None else applied(softplus.operands[0], Negate)
            distance = None if negated is None else applied(negated.operands[0], Abs)
            if distance is None or other_sign != (-sign if turned else sign):
                continue
            if not _is_difference(distance.operands[0], *operands):
                continue
            x, y = (_negative(operand) for operand in operands) if turned else operands
            found = Softplus()(x) if is_filled(y, 0) else Softplus()(y) if is_filled(x, 0) else LogAddExp()(x, y)
            return _sum_with(terms, {place: (other_sign, found), other: None})
    return None


@rule("x + softplus(−x) → softplus(x)", Add, Subtract, examples=lambda: [
    Add()(_x(), Softplus()(Negate()(_x()))),
    Subtract()(Add()(Softplus()(Negate()(_x())), _x()), Multiply()(_x(), _y())),
    Subtract()(Softplus()(_x()), _x()),
])  # fmt: skip
def _turned_softplus(node: Apply) -> Node | None:
    terms = _signed_terms(node)
    for place, (sign, term) in enumerate(terms):
        softplus = applied(term, Softplus)
        if softplus is None:
            continue
        turned = _negative(softplus.operands[0])
        for other, (other_sign, x) in enumerate(terms):
            # s·softplus(−x) + s·x, where the sum holds ±x or ±(−x)
            same = x is turned and other_sign == sign
            opposite = x is softplus.operands[0] and other_sign == -sign
            if same or opposite:
                return _sum_with(terms, {place: (sign, Softplus()(turned)), other: None})
    return None


@rule("m + logsumexp(x − m) → logsumexp(x)", Add, examples=lambda: [
    Add()(Max((1,))(_x()), LogSumExp((1,))(Subtract()(_x(), _column(Max((1,))(_x()))))),
    Add()(LogSumExp((0, 1))(Subtract()(_x(), Broadcast(parse_shape("n m"), ())(Max((0, 1))(_x())))), Max((0, 1))(_x())),
    Add()(_kept(Max((1,))(_x())), _kept(LogSumExp((1,))(Subtract()(_x(), _column(Max((1,))(_x())))))),
])  # fmt: skip
def _shifted_logsumexp(node: Apply) -> Node | None:
    for shift, shifted in (node.operands, node.operands[::-1]):
        found = applied(_beneath_arrangement(shifted), LogSumExp)
        difference = None if found is None else applied(found.operands[0], Subtract)
        repeated = None if difference is None else _repeated(difference.operands[1])
        if found is None or difference is None or repeated is None:
            continue
        axes = found.primitive.axes
        if not set(axes) <= set(_repeated_axes(repeated)):
            continue
        kept = [axis for axis in range(repeated.type.ndim) if axis not in axes]
        taken_off = Broadcast(found.type.shape, tuple(map(kept.index, repeated.primitive.axes)))(repeated.operands[0])
        (expected,) = substitute([shifted], {found: taken_off})
        if _arranged(expected) is _arranged(shift):
            (result,) = substitute([shifted], {found: LogSumExp(axes)(difference.operands[0])})
            return result
    return None


@rule("a choice between equals", Where, examples=lambda: [
    Where()(_positive(_x()), _y(), _y()),
    Where()(_positive(_x()), Sigmoid()(Abs()(_x())), Sigmoid()(Negate()(Abs()(_x())))),
    Where()(_positive(_x()), _x(), Minimum()(_x(), Const(0, _x().type))),
])  # fmt: skip
def _equal_branches(node: Apply) -> Node | None:
    """Both branches are one function, given that the condition holds in the first and fails in the second."""
    condition, *branches = node.operands
    comparison = applied(condition, Compare)
    if branches[0] is not branches[1] and comparison is not None and comparison.operands[0].type.dtype.is_float:
        larger, smaller = comparison.operands
        if comparison.primitive.comparison in ("<", "<="):
            larger, smaller = smaller, larger
        elif comparison.primitive.comparison not in (">", ">="):
            return None
        ordered = ((larger, smaller), (smaller, larger))
        known = [substitute([x], _known(*pair))[0] for x, pair in zip(branches, ordered, strict=True)]
        if known != branches:
            branches = list(map(Simplifier(_within_branches()), known))
    return branches[0] if branches[0] is branches[1] else None


@rule("(1 or e^−|x|) / (1 + e^−|x|) → σ(x)", Divide, examples=lambda: [
    Divide()(Where()(_positive(_x()), _one(), _decay(_x())), Add()(_one(), _decay(_x()))),
])  # fmt: skip
def _sigmoid_by_choice(node: Apply) -> Node | None:
    choice = applied(node.operands[0], Where)
    if choice is None:
        return None
    condition, *branches = choice.operands
    found = _equal_branches(Where()(condition, *(_sigmoid_of(x, node.operands[1]) for x in branches)))
    return found if found is not None and applied(found, Sigmoid) is not None else None


def _sigmoid_of(above: Node, below: Node) -> Node:
    quotient = Divide()(above, below)
    found = _sigmoid(quotient)
    return quotient if found is None else found


def _within_branches() -> list[Rule]:
    return [entry for entry in RULES[_FIRST:] if entry.name not in ("a choice between equals",)] + _SIGNS


def _known(larger: Node, smaller: Node) -> dict[Node, Node]:
    """What maxima, minima and magnitudes are where `larger` ≥ `smaller`."""
    known: dict[Node, Node] = {}
    for x, y in ((larger, smaller), (smaller, larger)):
        known[Maximum()(x, y)] = larger
        known[Minimum()(x, y)] = smaller
        distance = Abs()(Subtract()(x, y))
        known[distance] = Subtract()(larger, smaller)
        known[Negate()(distance)] = Subtract()(smaller, larger)
    if is_filled(smaller, 0):
        known |= _known_sign(larger, positive=True)
    if is_filled(larger, 0):
        known |= _known_sign(smaller, positive=False)
    return known


def _known_sign(x: Node, positive: bool) -> dict[Node, Node]:
    zero = Const(0, x.type)
    opposite = _negative(x)
    above, below = (x, opposite) if positive else (opposite, x)
    known: dict[Node, Node] = {}
    for argument in (x, opposite):
        known[Abs()(argument)] = above
        known[Negate()(Abs()(argument))] = below
        kept = argument is above
        known[Relu()(argument)] = argument if kept else zero
        for order in ((argument, zero), (zero, argument)):
            known[Maximum()(*order)] = argument if kept else zero
            known[Minimum()(*order)] = zero if kept else argument
    return known


_SIGNS = [entry for entry in RULES if entry.name == "−(−x) → x"]
_RECOGNITIONS = [*RULES[_FIRST:], *(entry for entry in RULES if entry.name == "steps between windows")]


def _beneath_arrangement(node: Node) -> Node:
    """What `node` reshapes and repeats."""
    while isinstance(node, Apply) and isinstance(node.primitive, Broadcast | Reshape):
        (node,) = node.operands
    return node


def _repeated(node: Node) -> Apply | None:
    """`node` as one repetition, axes of size 1 that were kept in between left out."""
    repeated = _beneath_arrangement(node)
    stand_in = Input("repeated", repeated.type)  # what is repeated is to stay as it is
    (chain,) = substitute([node], {repeated: stand_in})
    (composed,) = substitute([Simplifier(_COMPOSING)(chain)], {stand_in: repeated})
    return applied(composed, Broadcast)


def _arranged(node: Node) -> Node:
    """`node` with its reshapes and repetitions composed."""
    return Simplifier(_COMPOSING)(node)


def _signed_terms(node: Node) -> list[tuple[int, Node]]:
    """A sum as terms with signs."""
    pending, terms = [(1, node)], list[tuple[int, Node]]()
    while pending:
        sign, part = pending.pop()
        if isinstance(part, Apply) and isinstance(part.primitive, Add):
            pending += [(sign, operand) for operand in reversed(part.operands)]
        elif isinstance(part, Apply) and isinstance(part.primitive, Subtract):
            pending += [(-sign, part.operands[1]), (sign, part.operands[0])]
        elif isinstance(part, Apply) and isinstance(part.primitive, Negate):
            pending.append((-sign, part.operands[0]))
        else:
            terms.append((sign, part))
    return terms


def _sum_with(terms: Sequence[tuple[int, Node]], changes: Mapping[int, tuple[int, Node] | None]) -> Node:
    """The sum of the terms, some of them changed or left out."""
    kept = [changed for k, term in enumerate(terms) if (changed := changes.get(k, term)) is not None]
    sign, result = kept[0]
    result = result if sign > 0 else Negate()(result)
    for sign, term in kept[1:]:
        result = (Add() if sign > 0 else Subtract())(result, term)
    return result


def _extremum(term: Node) -> tuple[tuple[Node, Node] | None, bool]:
    """What a maximum, also with 0, is taken of; and whether it is a minimum."""
    found = applied(term, Maximum, Minimum, Relu)
    if found is None:
        return None, False
    if isinstance(found.primitive, Relu):
        return (found.operands[0], Const(0, found.type)), False
    x, y = found.operands
    return (x, y), isinstance(found.primitive, Minimum)


def _negative(node: Node) -> Node:
    """−x without a sign in front of a sign."""
    negated = applied(node, Negate)
    if isinstance(node, Const) and node.filled_with(0):
        return node
    return Negate()(node) if negated is None else negated.operands[0]


def _is_difference(node: Node, x: Node, y: Node) -> bool:
    """Whether `node` is x − y or y − x."""
    for first, second in ((x, y), (y, x)):
        if is_filled(second, 0) and node in (first, _negative(first)):
            return True
        if node is Subtract()(first, second):
            return True
    return False


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
    recognized, settled = settle_kinks(Program(program.inputs, outputs, names))
    return recognized, (*simplifier.rewrites, *settled)
