"""Recognition of handwritten functions: 1/(1 + e⁻ˣ) is σ(x), e^z over its sum is softmax, …

These are entries of the table of rules; `recognize` applies only these, to a forward pass. The named function has the
same value, does not overflow, and has a derivative in its usual form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from functools import partial

from chainrule.calculus.examples import filled, some, some_x, some_y
from chainrule.calculus.rules import (
    RULES,
    Rule,
    along_kept,
    beneath_arrangement,
    both_orders,
    counts_up,
    is_filled,
    with_operand,
)
from chainrule.calculus.rules import rule as any_rule
from chainrule.calculus.settling import settle_kinks
from chainrule.calculus.simplify import Rewrite, Simplifier
from chainrule.ir import (
    Apply,
    ArrayType,
    Const,
    DType,
    Input,
    Node,
    Program,
    applies,
    named_dim,
    parse_shape,
    substitute,
    topological_order,
)
from chainrule.primitives import (
    Abs,
    Add,
    Broadcast,
    Cast,
    Compare,
    Contract,
    Cos,
    Divide,
    Exp,
    Gather,
    Log,
    Log1p,
    LogAddExp,
    LogSumExp,
    Max,
    Maximum,
    Mean,
    Minimum,
    Multiply,
    Negate,
    Relu,
    Reshape,
    Sigmoid,
    Sin,
    Softmax,
    Softplus,
    SpecialFunction,
    Subtract,
    Sum,
    Tan,
    Where,
    positions,
)

rule = partial(any_rule, sees_node_alone=False)  # but also the names, in `recognize`
_FIRST = len(RULES)
_COMPOSING = [entry for entry in RULES if entry.name == "compose sums and broadcasts"]


def _positive(x: Node) -> Node:
    return Compare(">")(x, Const(0, x.type))


def _decay(x: Node) -> Node:
    return Exp()(-Abs()(x))


def _kept(x: Node) -> Node:
    return Reshape(parse_shape("n 1"))(x)


def _column(x: Node) -> Node:
    return Broadcast(parse_shape("n m"), (0,))(x)


@rule("1/(1 + e⁻ˣ) → σ(x)", Divide, examples=lambda: [
    1 / (1 + Exp()(-some_x())),
    1 / (Exp()(-some_x()) + 1),
    some_y() / (1 + Exp()(-some_x())),
    Exp()(some_x()) / (1 + Exp()(some_x())),
    1 / (1 + Exp()((-some_x("n m")) @ some("w", "m"))),
])  # fmt: skip
def _sigmoid(node: Apply) -> Node | None:
    match node:
        case Apply(Divide(), (Const(1), Apply(Add(), (Const(1), Apply(Exp(), (x,))) | (Apply(Exp(), (x,)), Const(1))))):
            return Sigmoid()(_negative(x))
        case Apply(Divide(), (Apply(Exp(), (x,)) as above, Apply(Add(), (Const(1), e) | (e, Const(1))))) if above is e:
            return Sigmoid()(x)
        case Apply(Divide(), (c, Apply(Add(), (Const(1), Apply(Exp(), (x,))) | (Apply(Exp(), (x,)), Const(1))))):
            return c * Sigmoid()(_negative(x)) if isinstance(beneath_arrangement(c), Input) else None
    return None


@rule("sin(x) / cos(x) → tan(x)", Divide, examples=lambda: [Sin()(some_x()) / Cos()(some_x())])
def _tangent(node: Apply) -> Node | None:
    match node:
        case Apply(Divide(), (Apply(Sin(), (x,)), Apply(Cos(), (y,)))) if x is y:
            return Tan()(x)
    return None


@rule("ln Γ(x) → gammaln(x)", Log, examples=lambda: [Log()(SpecialFunction("gamma")(Exp()(some_x())))])
def _logarithm_of_gamma(node: Apply) -> Node | None:
    match node:
        case Apply(Log(), (Apply(SpecialFunction("gamma"), (x,)),)):
            return SpecialFunction("gammaln")(x)
    return None


@rule("eˣ / Σ eˣ → softmax(x)", Divide, examples=lambda: [
    Exp()(some_x()) / _column(Sum((1,))(Exp()(some_x()))),
    Exp()(Gather(0)(some_x("n"), Const(1, ArrayType((), DType.INT64)))) / Sum((0,))(Exp()(some_x("n"))),
])  # fmt: skip
def _softmax(node: Apply) -> Node | None:
    match node:
        case Apply(
            Divide(),
            (Apply(Exp(), (Apply(Gather() as picked, (x, index)),)), Apply(Sum((0,)), (Apply(Exp(), (y,)),))),
        ) if x is y and x.type.ndim == 1:
            return picked(Softmax((0,))(x), index)
        case Apply(Divide(), (Apply(Exp(), (x,)) as e, below)) if repeated := _repeated(below):
            axes = _repeated_axes(repeated)
            return Softmax(axes)(x) if repeated.operands[0] is Sum(axes)(e) else None
    return None


@rule("softmax(x − max x) → softmax(x)", Softmax, examples=lambda: [
    Softmax((1,))(some_x() - _column(Max((1,))(some_x()))),
])  # fmt: skip
def _shifted_softmax(node: Apply) -> Node | None:
    match node:
        case Apply(Softmax(axes) as softmax, (Apply(Subtract(), (x, shift)),)) if repeated := _repeated(shift):
            return softmax(x) if set(axes) <= set(_repeated_axes(repeated)) else None
    return None


@rule("ln Σ eˣ → logsumexp(x)", Log, examples=lambda: [
    Log()(Sum((0, 1))(Exp()(some_x()))),
    Log()(Sum((1,))(Exp()(some_x()))),
    Log()(_kept(Sum((1,))(Exp()(some_x())))),
])  # fmt: skip
def _logsumexp(node: Apply) -> Node | None:
    (arranged,) = node.operands
    match beneath_arrangement(arranged):
        case Apply(Sum(axes), (Apply(Exp(), (x,)),)) as total:
            (result,) = substitute([arranged], {total: LogSumExp(axes)(x)})
            return result
    return None


@rule("ln(1 + eˣ) → softplus(x)", Log, Log1p, examples=lambda: [
    Log()(1 + Exp()(some_x())),
    Log()(Exp()(some_x()) + 1),
    Log1p()(Exp()(some_x())),
])  # fmt: skip
def _softplus(node: Apply) -> Node | None:
    match node:
        case Apply(Log1p(), (Apply(Exp(), (x,)),)):
            return Softplus()(x)
        case Apply(Log(), (Apply(Add(), (Const(1), Apply(Exp(), (x,))) | (Apply(Exp(), (x,)), Const(1))),)):
            return Softplus()(x)
    return None


@rule("logaddexp(x, 0) → softplus(x)", LogAddExp, examples=lambda: [
    LogAddExp()(some_x(), filled(0)),
    LogAddExp()(filled(0), some_x()),
])  # fmt: skip
def _logaddexp_of_zero(node: Apply) -> Node | None:
    match node:
        case Apply(LogAddExp(), (x, Const(0)) | (Const(0), x)):
            return Softplus()(x)
    return None


@rule("counts as floats", Cast, examples=lambda: [
    Cast(DType.FLOAT64)(Cast(DType.INT64)(positions(named_dim("n")))),
    Cast(DType.FLOAT64)(Cast(DType.INT64)(positions(named_dim("n"), 1))),
])  # fmt: skip
def _counts_as_floats(node: Apply) -> Node | None:
    match node:
        case Apply(Cast(dtype), (Apply(Cast(DType.INT64), (x,)),)) if x.type.dtype is dtype and counts_up(x):
            return x
    return None


def _distance(x: Node, y: Node) -> Node:
    return Softplus()(-Abs()(x - y))


@rule("max(x, y) + ln(1 + e^−|x − y|) → logaddexp(x, y)", Add, Subtract, examples=lambda: [
    Maximum()(some_x(), filled(0)) + Softplus()(-Abs()(some_x())),
    (Relu()(some_x()) - some_y()) + Softplus()(-Abs()(some_x())),
    Softplus()(-Abs()(some_x())) + Relu()(-some_x()),
    Minimum()(some_x(), filled(0)) - Softplus()(-Abs()(some_x())),
    Maximum()(some_x(), some_y()) + _distance(some_y(), some_x()),
    (some_y() - _distance(some_x(), some_y())) - Maximum()(some_x(), some_y()),
    Minimum()(some_x(), some_y()) - _distance(some_x(), some_y()),
])  # fmt: skip
def _stable_logaddexp(node: Apply) -> Node | None:
    """Add the terms, each of which has a kink where x = y, while the sum has none."""
    terms = _signed_terms(node)
    for place, (sign, term) in enumerate(terms):
        match term:
            case Apply(Maximum(), (x, y)):
                found = LogAddExp()(x, y)
            case Apply(Relu(), (x,)):
                y = Const(0, x.type)
                found = LogAddExp()(x, y)
            case Apply(Minimum(), (x, y)):  # min(x, y) = −max(−x, −y)
                sign, found = -sign, LogAddExp()(_negative(x), _negative(y))
            case _:
                continue
        for other, (other_sign, correction) in enumerate(terms):
            match correction:
                case Apply(Softplus(), (Apply(Negate(), (Apply(Abs(), (distance,)),)),)):
                    if other_sign == sign and _is_difference(distance, x, y):
                        joined = (sign, _logaddexp_of_zero(found) or found)
                        return _sum_with(terms, {place: joined, other: None})
    return None


@rule("x + softplus(−x) → softplus(x)", Add, Subtract, examples=lambda: [
    some_x() + Softplus()(-some_x()),
    (Softplus()(-some_x()) + some_x()) - some_x() * some_y(),
    Softplus()(some_x()) - some_x(),
])  # fmt: skip
def _turned_softplus(node: Apply) -> Node | None:
    terms = _signed_terms(node)
    for place, (sign, term) in enumerate(terms):
        match term:
            case Apply(Softplus(), (opposite,)):
                x = _negative(opposite)
            case _:
                continue
        for other, (other_sign, part) in enumerate(terms):
            # s·softplus(−x) + s·x, where the sum holds ±x or ±(−x)
            if (part is x and other_sign == sign) or (part is opposite and other_sign == -sign):
                return _sum_with(terms, {place: (sign, Softplus()(x)), other: None})
    return None


@rule("−(−softplus(x)) → softplus(x)", Negate, Subtract, Softplus, examples=lambda: [
    -Sum((0,))(Negate()(Softplus()(some_x()))),
    Sum((0,))(some_y()) - Sum((0,))(Negate()(Softplus()(some_x()))),
    some_y() - Negate()(Softplus()(some_x())),
    Negate()(Negate()(Softplus()(some_x()))),
    Softplus()(Negate()(Negate()(some_x("n m")) @ some("w", "m"))),
])  # fmt: skip
def _negative_log_likelihood(node: Apply) -> Node | None:
    """Write what is left of −ln σ(x), where ln σ(x) is −softplus(−x), without a double sign."""
    match node:
        case Apply(Softplus(), (Apply(Negate(), (x,)),)):
            opposite = _negative(x)
            return None if applies(opposite, Negate) else Softplus()(opposite)
        case Apply(Negate(), (x,)):
            return _opposite_of_softplus(x)
        case Apply(Subtract(), (x, y)):
            opposite_y = _opposite_of_softplus(y)
            return None if opposite_y is None else x + opposite_y
    return None


def _opposite_of_softplus(node: Node) -> Node | None:
    """Return softplus(x) for −softplus(x) without a name, or sums of them."""
    match node:
        case Apply(Negate(), (Apply(Softplus()) as found,)) if node not in _named.get():
            return found
        case Apply(Sum() | Mean() as total, (x,)) if node not in _named.get():
            opposite = _opposite_of_softplus(x)
            return None if opposite is None else total(opposite)
    return None


@rule("m + logsumexp(x − m) → logsumexp(x)", Add, examples=lambda: [
    Max((1,))(some_x()) + LogSumExp((1,))(some_x() - _column(Max((1,))(some_x()))),
    LogSumExp((0, 1))(some_x() - Broadcast(parse_shape("n m"), ())(Max((0, 1))(some_x()))) + Max((0, 1))(some_x()),
    _kept(Max((1,))(some_x())) + _kept(LogSumExp((1,))(some_x() - _column(Max((1,))(some_x())))),
])  # fmt: skip
def _shifted_logsumexp(node: Apply) -> Node | None:
    for shift, shifted in both_orders(node):
        match beneath_arrangement(shifted):
            case Apply(LogSumExp(axes), (Apply(Subtract(), (x, m)),)) as found if repeated := _repeated(m):
                taken_off = along_kept(repeated, found)
            case _:
                continue
        if taken_off is None:
            continue
        (expected,) = substitute([shifted], {found: taken_off})
        if _arranged(expected) is _arranged(shift):
            (result,) = substitute([shifted], {found: LogSumExp(axes)(x)})
            return result
    return None


@rule("a choice between equals", Where, examples=lambda: [
    Where()(_positive(some_x()), some_y(), some_y()),
    Where()(_positive(some_x()), Sigmoid()(Abs()(some_x())), Sigmoid()(-Abs()(some_x()))),
    Where()(_positive(some_x()), some_x(), Minimum()(some_x(), filled(0))),
])  # fmt: skip
def _equal_branches(node: Apply) -> Node | None:
    """Return the branch if both are equal, given that the condition holds in the first and fails in the second."""
    match node:
        case Apply(Where(), (_, x, y)) if x is y:
            return x
        case Apply(Where(), (Apply(Compare(">" | ">="), (larger, smaller)), x, y)):
            pass
        case Apply(Where(), (Apply(Compare("<" | "<="), (smaller, larger)), x, y)):
            pass
        case _:
            return None
    if not larger.type.dtype.is_float:
        return None
    (first,), (second,) = substitute([x], _known(larger, smaller)), substitute([y], _known(smaller, larger))
    if (first, second) != (x, y):
        first, second = map(Simplifier(_within_branches()), (first, second))
    return first if first is second else None


@rule("(1 or e^−|x|) / (1 + e^−|x|) → σ(x)", Divide, examples=lambda: [
    Where()(_positive(some_x()), filled(1), _decay(some_x())) / (1 + _decay(some_x())),
])  # fmt: skip
def _sigmoid_by_choice(node: Apply) -> Node | None:
    match node:
        case Apply(Divide(), (Apply(Where(), (condition, *branches)), below)):
            quotients = (Divide()(branch, below) for branch in branches)
            found = _equal_branches(Where()(condition, *(_sigmoid(each) or each for each in quotients)))
            return found if applies(found, Sigmoid) else None
    return None


def _within_branches() -> list[Rule]:
    return [entry for entry in RULES[_FIRST:] if entry.name not in ("a choice between equals",)] + _SIGNS


def _known(larger: Node, smaller: Node) -> dict[Node, Node]:
    """Return the values of maxima, minima and magnitudes for `larger` ≥ `smaller`."""
    known: dict[Node, Node] = {}
    for x, y in ((larger, smaller), (smaller, larger)):
        known[Maximum()(x, y)] = larger
        known[Minimum()(x, y)] = smaller
        distance = Abs()(x - y)
        known[distance] = larger - smaller
        known[-distance] = smaller - larger
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
        known[-Abs()(argument)] = below
        kept = argument is above
        known[Relu()(argument)] = argument if kept else zero
        for order in ((argument, zero), (zero, argument)):
            known[Maximum()(*order)] = argument if kept else zero
            known[Minimum()(*order)] = zero if kept else argument
    return known


_SIGNS = [entry for entry in RULES if entry.name == "−(−x) → x"]
_ARRANGEMENTS = (
    *("steps between windows", "a flip of a flip", "a cumulative sum between flips is reversed"),
    *("Σ diag(A) → tr(A)", "onehot(0, 1, …) → I", "I[y] → onehot(y)"),
)
_RECOGNITIONS = [*RULES[_FIRST:], *(entry for entry in RULES if entry.name in _ARRANGEMENTS)]


def _repeated(node: Node) -> Apply | None:
    """Return nested broadcasts as one, without axes of size 1 in between; None for other nodes."""
    repeated = beneath_arrangement(node)
    stand_in = Input("repeated", repeated.type)  # the broadcast operand must not be simplified
    (chain,) = substitute([node], {repeated: stand_in})
    (composed,) = substitute([Simplifier(_COMPOSING)(chain)], {stand_in: repeated})
    return composed if applies(composed, Broadcast) else None


def _arranged(node: Node) -> Node:
    """Return `node` with its reshapes and broadcasts composed."""
    return Simplifier(_COMPOSING)(node)


_MOST_TERMS = 50
"""The number of terms up to which a sum is taken apart: an accumulation over the rounds of a loop has as many terms."""


def _signed_terms(node: Node) -> list[tuple[int, Node]]:
    """Return a sum as terms with signs; of a long one, the terms that are added last, and the rest as terms."""
    pending, terms = [(1, node)], list[tuple[int, Node]]()
    while pending:
        if len(terms) + len(pending) >= _MOST_TERMS:
            return terms + pending[::-1]
        match pending.pop():
            case sign, Apply(Add(), (x, y)):
                pending += [(sign, y), (sign, x)]
            case sign, Apply(Subtract(), (x, y)):
                pending += [(-sign, y), (sign, x)]
            case sign, Apply(Negate(), (x,)):
                pending.append((-sign, x))
            case term:
                terms.append(term)
    return terms


def _sum_with(terms: Sequence[tuple[int, Node]], changes: Mapping[int, tuple[int, Node] | None]) -> Node:
    """Return the sum of the terms, some of them replaced or removed."""
    kept = [changed for k, term in enumerate(terms) if (changed := changes.get(k, term)) is not None]
    sign, result = kept[0]
    result = result if sign > 0 else -result
    for sign, term in kept[1:]:
        result = result + term if sign > 0 else result - term
    return result


_named: ContextVar[frozenset[Node]] = ContextVar("named", default=frozenset())
"""The values with names, which are kept."""


def _negative(node: Node) -> Node:
    """Return −x without a double sign."""
    match node:
        case Const(0):
            return node
        case Apply(Negate(), (x,)):
            return x
        case Apply(Contract() | Multiply() | Divide(), operands) if node not in _named.get():
            for place, operand in enumerate(operands):
                match operand:
                    case Apply(Negate(), (x,)):
                        return with_operand(node, place, x)
    return -node


def _is_difference(node: Node, x: Node, y: Node) -> bool:
    """Whether `node` is x − y or y − x."""
    for first, second in ((x, y), (y, x)):
        if is_filled(second, 0) and node in (first, _negative(first)):
            return True
        if node is first - second:
            return True
    return False


def _repeated_axes(node: Apply) -> tuple[int, ...]:
    return tuple(axis for axis in range(node.type.ndim) if axis not in node.primitive.axes)


def recognize(program: Program) -> tuple[Program, tuple[Rewrite, ...]]:
    """Replace handwritten functions by named ones; return the program and the rewrites."""
    simplifier = Simplifier(_RECOGNITIONS, comparisons=True)
    token = _named.set(frozenset(program.names))
    try:
        outputs = tuple(simplifier(output) for output in program.outputs)
    finally:
        _named.reset(token)
    alive = set(topological_order(outputs))
    names: dict[Node, str] = {}
    for node, name in program.names.items():
        found = simplifier(node)
        if found in alive and isinstance(found, Apply):
            names.setdefault(found, name)
    recognized, settled = settle_kinks(Program(program.inputs, outputs, names))
    return recognized, (*simplifier.rewrites, *settled)
