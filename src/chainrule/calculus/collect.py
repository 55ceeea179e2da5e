"""Expansion of products over sums, cancellation of factors, and collection of like terms.

This simplifies expressions such as (−y/a + (1−y)/(1−a))·a·(1−a), as one does on paper.

An elementwise expression is treated as a sum of terms, each a number times powers of factors; a factor is a node that
is not itself arithmetic. A sum in a denominator is one factor, so that it can cancel before anything is expanded.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from chainrule.calculus.examples import some_x, some_y
from chainrule.calculus.reading import reading_cost
from chainrule.calculus.rules import is_scale, number_of, refilled, rule, scalar_of
from chainrule.ir import Apply, ArrayType, Const, Node, applies, topological_order
from chainrule.primitives import (
    Add,
    Broadcast,
    Cast,
    Contract,
    Divide,
    DivideNoNan,
    Exp,
    LessOne,
    Multiply,
    Negate,
    Norm,
    Permute,
    Power,
    Reshape,
    Square,
    Subtract,
    Sum,
)

_TERM_LIMIT = 12
_LEAF_LIMIT = 24
_OCCURRENCE_LIMIT = 256
_POWER_LIMIT = 17
_ARITHMETIC = (Add, Subtract, Multiply, Divide, Negate, Broadcast, Reshape)
_FREE = (Broadcast, Permute, Reshape, Cast)  # rearrangements and conversions, which do not count as operations


@dataclass(frozen=True)
class Term:
    """`number` times the product of factor ** exponent."""

    number: float
    powers: tuple[tuple[Node, int], ...]

    def times(self, other: Term) -> Term:
        powers = dict(self.powers)
        for factor, exponent in other.powers:
            powers[factor] = powers.get(factor, 0) + exponent
        return Term(self.number * other.number, tuple((f, e) for f, e in powers.items() if e))

    def to_the(self, exponent: int) -> Term:
        return Term(self.number**exponent, tuple((factor, e * exponent) for factor, e in self.powers))

    def inverse(self) -> Term:
        return Term(1 / self.number, tuple((factor, -exponent) for factor, exponent in self.powers))


def operation_count(node: Node, leaves: Container[Node] = ()) -> int:
    """Count the operations of an expression, shared parts once; a repeated number such as 2/n has none.

    Expressions beneath `leaves` are not counted.
    """
    order = topological_order([node], stop=leaves)
    repeated = {part for part in order if scalar_of(part) is not None}
    if repeated:
        order = topological_order([node], stop=repeated.union(part for part in order if part in leaves))
    return sum(
        1 for part in order if isinstance(part, Apply) and not isinstance(part.primitive, _FREE) and not is_scale(part)
    )


def factors(node: Node) -> Term:
    """Return `node` as one term; a sum is a factor."""
    match node:
        case Const(float() | int()) if (number := number_of(node)) is not None:
            return Term(number, ())
        case Apply(Multiply(), (x, y)):
            return factors(x).times(factors(y))
        case Apply(Divide(), (x, y)) if (divisor := factors(y)).number:
            return factors(x).times(divisor.inverse())
        case Apply(Negate(), (x,)):
            return Term(-1, ()).times(factors(x))
        case Apply(Square(), (x,)):
            return factors(x).to_the(2)
        case Apply((Broadcast() | Reshape()) as repeat, (x,)) if (term := factors(x)).powers != ((x, 1),):
            powers = [(refilled(f, node.type) if is_scale(f) else repeat(f), e) for f, e in term.powers]
            return Term(term.number, tuple(powers))
        case Apply(Power(), (x, _)) if exponent := _whole_exponent(node):
            return factors(x).to_the(exponent)
        case Apply(Power()) if quotient := _power_as_quotient(node):
            return quotient
    return Term(1, ((node, 1),))


def _whole_exponent(node: Node) -> int | None:
    """Return the exponent n of xⁿ if it is a small whole number, otherwise None."""
    match node:
        case Apply(Power(), (_, Const(float(n)))) if n in range(2, _POWER_LIMIT):
            return int(n)
    return None


def _power_as_quotient(node: Node) -> Term | None:
    """Return x^(y − 1) as x^y / x; None for other expressions."""
    match node:
        case Apply(Power(), (x, Apply(LessOne(), (y,)))):
            return Term(1, ((Power()(x, y), 1), (x, -1)))
        case Apply(Power(), (x, Apply(Broadcast() as repeat, (Apply(LessOne(), (y,)),)))):
            return Term(1, ((Power()(x, repeat(y)), 1), (x, -1)))
    return None


def terms_of(node: Node) -> list[Term]:
    """Return a sum as its terms, not expanded."""
    match node:
        case Apply(Add(), (x, y)):
            return [*terms_of(x), *terms_of(y)]
        case Apply(Subtract(), (x, y)):
            return [*terms_of(x), *(Term(-1, ()).times(term) for term in terms_of(y))]
    return [factors(node)]


def _is_sum(node: Node) -> bool:
    return applies(node, Add, Subtract)


def _has_quotient(terms: Sequence[Term]) -> bool:
    return any(exponent < 0 for term in terms for _, exponent in term.powers)


def _expand(term: Term, every: bool, known: dict[Node, list[Term]]) -> list[Term] | None:
    """Expand `term`: sums that contain quotients first, and with `every` the other sums too.

    Returns None for too many terms. `known` caches the terms of sums.
    """

    def terms(factor: Node) -> list[Term]:
        if factor not in known:
            known[factor] = terms_of(factor)
        return known[factor]

    pending = [term]
    done: list[Term] = []
    while pending:
        if len(pending) + len(done) > _TERM_LIMIT:
            return None
        current = pending.pop(0)
        sums = [factor for factor, exponent in current.powers if exponent > 0 and _is_sum(factor)]
        chosen = next((factor for factor in sums if _has_quotient(terms(factor))), sums[0] if sums and every else None)
        if chosen is None:
            done.append(current)
            continue
        rest = current.times(Term(1, ((chosen, -1),)))
        pending += [rest.times(part) for part in terms(chosen)]
    return done


def _with_lessened(powers: tuple[tuple[Node, int], ...]) -> tuple[tuple[Node, int], ...]:
    """Write x^y / x as x^(y − 1), which is also defined at x = 0."""
    found = dict(powers)
    for factor, exponent in powers:
        repeat, power = (factor.primitive, factor.operands[0]) if applies(factor, Broadcast) else (_as_it_is, factor)
        match power:
            case Apply(Power(), (x, y)) if exponent == 1 and found.get(repeat(x)) == -1:
                less = y.primitive(LessOne()(*y.operands)) if applies(y, Broadcast) else LessOne()(y)
                lessened = repeat(Power()(x, less))
                found = {lessened if f is factor else f: e for f, e in found.items() if f is not repeat(x)}
    return tuple(found.items())


def _as_it_is(node: Node) -> Node:
    return node


def _product(number: float, powers: tuple[tuple[Node, int], ...], like: ArrayType) -> Node:
    powers = _with_lessened(powers)
    above, below = _powers([(f, e) for f, e in powers if not isinstance(f, Const)])
    size_above, size_below = _powers([(f, e) for f, e in powers if isinstance(f, Const)])
    scale: Node = Const(number, like)
    if size_above is not None:
        scale = Multiply()(scale, size_above)
    if size_below is not None:
        scale = Divide()(scale, size_below)
    if below is not None:
        return _times(scale, Divide()(Const(1, like) if above is None else above, below))
    return scale if above is None else _times(scale, above)


def product_of(term: Term, like: ArrayType) -> Node:
    """Return a term as an expression."""
    product = _product(abs(term.number), term.powers, like)
    return product if term.number > 0 else Negate()(product)


def with_powers(node: Node) -> Node:
    """Write products and quotients with their number in front and equal factors as powers, also in terms of a sum."""
    match node:
        case Apply((Add() | Subtract()) as plus, (x, y)):
            return plus(with_powers(x), with_powers(y))
        case Apply(Negate(), (x,)):
            return -with_powers(x)
        case Apply(Multiply() | Divide()):
            term = factors(node)
        case _:
            return node
    above = _power_product([(f, e) for f, e in term.powers if e > 0])
    below = _power_product([(f, -e) for f, e in term.powers if e < 0])
    if below is None:
        return node if above is None else _times(Const(term.number, node.type), above)
    if above is None:
        return Divide()(Const(term.number, node.type), below)
    return _times(Const(term.number, node.type), Divide()(above, below))


def expanded(node: Node) -> Node:
    """Return a sum with products over sums multiplied out and like terms added, if that is no longer; with powers."""
    candidates = [with_powers(node)]
    for every in (False, True):
        terms = _collected(terms_of(node), every, {})
        if terms:
            candidates.insert(0, _sum_with_powers(terms, node.type))
    return min(candidates, key=operation_count)


def _sum_with_powers(terms: Sequence[Term], like: ArrayType) -> Node:
    """Return the sum of terms as powers, positive ones first and a bare number last."""
    ordered = sorted(terms, key=lambda term: (not term.powers, term.number < 0))
    total: Node | None = None
    for term in ordered:
        part = with_powers(product_of(Term(abs(term.number), term.powers), like))
        if total is None:
            total = part if term.number > 0 else with_powers(product_of(term, like))
        else:
            total = (Add() if term.number > 0 else Subtract())(total, part)
    return Const(0, like) if total is None else total


def _power_product(powers: Sequence[tuple[Node, int]]) -> Node | None:
    product: Node | None = None
    for factor, exponent in powers:
        power = factor if exponent == 1 else factor**exponent
        product = power if product is None else Multiply()(product, power)
    return product


def without_factor(node: Node, factor: Node) -> Node | None:
    """Return the elementwise cofactor of `factor` in the product `node`; None if it is not such a product."""
    term = factors(node)
    powers = dict(term.powers)
    if powers.pop(factor, 0) != 1:
        return None
    rest = product_of(Term(term.number, tuple(powers.items())), node.type)
    return None if factor in topological_order([rest]) else rest


def _times(scale: Node, x: Node) -> Node:
    return x if number_of(scale) == 1 else Multiply()(scale, x)


def _powers(powers: list[tuple[Node, int]]) -> tuple[Node | None, Node | None]:
    """Return the products of the factors with positive and with negative exponents."""
    products: list[Node | None] = [None, None]
    for factor, exponent in powers:
        side = 0 if exponent > 0 else 1
        product, power = products[side], power_of(factor, abs(exponent))
        products[side] = power if product is None else Multiply()(product, power)
    return products[0], products[1]


def power_of(factor: Node, exponent: int) -> Node:
    """Return factorⁿ: as a power of a number, for an array by squares and products, which are computed sooner."""
    if exponent == 1:
        return factor
    if exponent == 2 or factor.type.ndim == 0:
        return factor**exponent
    half = power_of(factor, exponent // 2) ** 2
    return Multiply()(half, factor) if exponent % 2 else half


@rule("expand, cancel, collect", Add, Subtract, Multiply, Divide, examples=lambda: [
    (some_y() / Exp()(some_x())) * Exp()(some_x()),
    (some_y() * Exp()(some_x())) / Exp()(some_x()),
    Exp()(some_x()) ** 3 / Exp()(some_x()),
    some_y() + 2 * some_y(),
    some_y() - some_y(),
    (-(some_y() / (e := Exp()(some_x()))) + (1 - some_y()) / (1 - e)) * e * (1 - e),
])  # fmt: skip
def _expand_and_collect(node: Apply) -> Node | None:
    leaves = _leaves(node)
    if all(count == 1 for count in leaves.values()):
        return None
    terms = terms_of(node)
    candidates: list[Node] = []
    known: dict[Node, list[Term]] = {}
    for every in (True, False):
        collected = _collected(terms, every, known)
        if collected is not None:
            candidates += [with_common_factor(collected, node.type), sum_of_terms(collected, node.type)]
    if not candidates:
        return None
    fewest, _, result = min((operation_count(found, leaves), k, found) for k, found in enumerate(candidates))
    return result if fewest < operation_count(node, leaves) and not divides_anew(node, result) else None


def _norm(x: Node) -> Node:
    """Return Σ x², repeated; its root is the norm."""
    return Broadcast(x.type.shape, ())(Sum(tuple(range(x.type.ndim)))(Square()(x)))


@rule("y·(x/y) → x, both 0 at 0", Multiply, Divide, examples=lambda: [
    some_y() * DivideNoNan()(Exp()(some_x()), some_y()),
    (2 * DivideNoNan()(Exp()(some_x()), some_y())) * some_y(),
    _norm(some_x()) * DivideNoNan()(some_x(), Broadcast(some_x().type.shape, ())(Norm((0, 1))(some_x()))),
    some_y() * DivideNoNan()(some_y(), Exp()(some_x())) / Exp()(some_x()),
    Norm((0, 1))(some_x()) * Contract(((0, 1), (0, 1)), ())(
        DivideNoNan()(some_x(), Broadcast(some_x().type.shape, ())(Norm((0, 1))(some_x()))), some_y()
    ),
])  # fmt: skip
def _cancel_norm(node: Apply) -> Node | None:
    """Cancel y with the division by it, or divide by y² at once: y is a norm, and where it is 0, so is x."""
    term = factors(node)
    powers = dict(term.powers)
    for factor, exponent in term.powers:
        match factor:
            case Apply(DivideNoNan(), (x, y)) if exponent > 0 and powers.get(y, 0) != 0:
                rest = term.times(Term(1, ((factor, -1), (y, -1))))
                return product_of(rest.times(factors(x)), node.type)
            case Apply(DivideNoNan(), (x, y)) if exponent > 0 and (square := _square_of_norm(y)) is not None:
                if powers.get(square, 0) > 0:
                    rest = term.times(Term(1, ((factor, -1), (square, -1), (y, 1))))
                    return product_of(rest.times(factors(x)), node.type)
            case Apply(Contract(), operands) if exponent == 1:
                for k, operand in enumerate(operands):
                    match operand:
                        case Apply(DivideNoNan(), (x, Apply(Broadcast(axes=()), (y,)))) if powers.get(y, 0) > 0:
                            product = Apply(factor.primitive, (*operands[:k], x, *operands[k + 1 :]))
                            rest = term.times(Term(1, ((factor, -1), (y, -1), (product, 1))))
                            return product_of(rest, node.type)
    return None


@rule("(x/y)/y → x/y², both with 0 at 0", Divide, DivideNoNan, examples=lambda: [
    DivideNoNan()(some_x(), Exp()(some_y())) / Exp()(some_y()),
    DivideNoNan()(some_x(), 1 / Exp()(some_y())),
    DivideNoNan()(DivideNoNan()(some_x(), Exp()(some_y())), Exp()(some_y())),
])  # fmt: skip
def _divided_norm(node: Apply) -> Node | None:
    """Divide by a norm twice, or by the inverse of one."""
    match node:
        case Apply(Divide(), (Apply(DivideNoNan(), (x, y)), z)) if y is z:
            return x / _squared(y)
        case Apply(DivideNoNan(), (Apply(DivideNoNan(), (x, y)), z)) if y is z:
            return DivideNoNan()(x, _squared(y))
        case Apply(DivideNoNan(), (x, y)):
            match y:
                case Apply(Broadcast() as repeat, (Apply(Divide(), (Const(1), z)),)):
                    return x * repeat(z)
                case Apply(Divide(), (Const(1), z)):
                    return x * z
    return None


def _squared(node: Node) -> Node:
    """Return the square of a number or an array, beneath its repetition."""
    match node:
        case Apply(Broadcast() as repeat, (x,)):
            return repeat(Square()(x))
    return Square()(node)


def _square_of_norm(node: Node) -> Node | None:
    """Return ‖x‖², as it is simplified, for a norm that may be broadcast."""
    match node:
        case Apply((Broadcast() | Reshape()) as repeat, (norm,)) if (square := _square_of_norm(norm)) is not None:
            return repeat(square)
        case Apply(Norm() as norm, (x,)):
            return norm.squared(x)
    return None


@rule("x·y·x → x²·y", Multiply, Divide, examples=lambda: [
    (some_x() * some_y()) * some_x(),
    some_y() / ((Exp()(some_x()) * some_y()) * Exp()(some_x())),
    some_x("") ** 2 * some_x(""),
])  # fmt: skip
def _equal_factors(node: Apply) -> Node | None:
    """Write equal factors as a power; of an array only as a square, since other powers are slow."""
    if any(_is_repeated_number(operand) for operand in node.operands):  # its factors are equal no more
        return None
    exponents = [abs(exponent) for _, exponent in factors(node).powers]
    if max(exponents, default=1) not in range(2, 3 if node.type.ndim else _POWER_LIMIT):
        return None
    result = with_powers(node)
    shorter = reading_cost(result) < reading_cost(node) and not divides_anew(node, result)
    return result if shorter else None


def _is_repeated_number(node: Node) -> bool:
    match node:
        case Apply(Broadcast(axes=())):
            return node.type.ndim > 0
    return False


def divides_anew(before: Node, after: Node) -> bool:
    """Whether `after` divides by a base of x^(y − 1) by which `before` does not divide.

    x^(y − 1) is zero at x = 0 for y > 1, where x^y / x is undefined.
    """
    bases = {
        part.operands[0]
        for part in topological_order([before])
        if isinstance(part, Apply) and _power_as_quotient(part) is not None
    }
    return bool(bases) and not bases.isdisjoint(_divisors(after) - _divisors(before))


def _divisors(node: Node) -> set[Node]:
    """Return the divisors in `node`."""
    quotients = [part for part in topological_order([node]) if isinstance(part, Apply)]
    divisors = [factors(part.operands[1]) for part in quotients if isinstance(part.primitive, Divide)]
    return {factor for divisor in divisors for factor, _ in divisor.powers}


def _leaves(node: Node) -> dict[Node, int]:
    """Count the occurrences of each leaf of the arithmetic of `node`, without numbers; empty for too many.

    Shared parts are visited once, since an expression may be exponentially long when written out.
    """
    parts: dict[Node, tuple[Node, ...]] = {}
    found: dict[Node, int] = {}
    occurrences = {node: 1}
    for part in reversed(_arithmetic_order(node, parts)):
        count = occurrences[part]
        if part in parts:
            for operand in parts[part]:
                occurrences[operand] = occurrences.get(operand, 0) + count
        elif not is_scale(part):
            found[part] = count
    return {} if len(found) > _LEAF_LIMIT or sum(found.values()) > _OCCURRENCE_LIMIT else found


def _arithmetic_order(node: Node, parts: dict[Node, tuple[Node, ...]]) -> list[Node]:
    """Return the arithmetic of `node` and its leaves in topological order; `parts` receives the operands."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack: list[tuple[Node, bool]] = [(node, False)]
    while stack:
        part, ready = stack.pop()
        if ready:
            order.append(part)
        elif part not in seen:
            seen.add(part)
            stack.append((part, True))
            operands = _arithmetic_operands(part)
            if operands is not None:
                parts[part] = operands
                stack += [(operand, False) for operand in operands]
    return order


def _arithmetic_operands(part: Node) -> tuple[Node, ...] | None:
    """Return the operands of arithmetic, each as often as it is a factor; None for a leaf."""
    if is_scale(part):
        return None
    match part:
        case Apply(Square(), (x,)):
            return (x, x)
        case Apply(primitive, operands) if isinstance(primitive, _ARITHMETIC):
            return operands
        case Apply(Power(), (x, _)) if exponent := _whole_exponent(part):
            return (x,) * exponent
        case Apply(Power(), (x, _)) if _power_as_quotient(part):
            return (x,)
    return None


def _collected(terms: Sequence[Term], every: bool, known: dict[Node, list[Term]]) -> list[Term] | None:
    """Expand the terms and add like ones."""
    found: list[Term] = []
    for term in terms:
        expanded = _expand(term, every, known)
        if expanded is None:
            return None
        found += expanded
    return like_terms(found)


def like_terms(terms: Sequence[Term]) -> list[Term]:
    """Return the terms with like ones added."""
    found: dict[frozenset[tuple[Node, int]], Term] = {}
    for term in terms:
        key = frozenset(term.powers)
        like = found.get(key)
        found[key] = term if like is None else Term(like.number + term.number, like.powers)
    return [term for term in found.values() if term.number != 0]


def sum_of_terms(terms: Sequence[Term], like: ArrayType) -> Node:
    """Return the sum of the terms, those with a positive number first."""
    result: Node = Const(0, like)
    for place, term in enumerate(sorted(terms, key=lambda term: term.number < 0)):
        product = _product(abs(term.number), term.powers, like)
        if place == 0:
            result = product if term.number > 0 else Negate()(product)
        else:
            result = (Add() if term.number > 0 else Subtract())(result, product)
    return result


def with_common_factor(terms: Sequence[Term], like: ArrayType) -> Node:
    """Return the sum of the terms with their common factor in front."""
    common = common_factor(terms)
    if len(terms) < 2 or (not common.powers and common.number == 1):
        return sum_of_terms(terms, like)
    rest = sum_of_terms([term.times(common.inverse()) for term in terms], like)
    above = tuple((factor, exponent) for factor, exponent in common.powers if exponent > 0)
    below = tuple((factor, exponent) for factor, exponent in common.powers if exponent < 0)
    return _product(common.number, (*above, (rest, 1), *below), like)


def common_factor(terms: Sequence[Term]) -> Term:
    """Return the number, up to sign, and the powers that all terms share."""
    if not terms:
        return Term(1, ())
    first, *others = terms
    number = abs(first.number) if all(abs(term.number) == abs(first.number) for term in others) else 1.0
    shared: list[tuple[Node, int]] = []
    for factor, exponent in first.powers:
        exponents = [exponent, *(dict(term.powers).get(factor, 0) for term in others)]
        if min(exponents) > 0:
            shared.append((factor, min(exponents)))
        elif max(exponents) < 0:
            shared.append((factor, max(exponents)))
    return Term(number, tuple(shared))


@rule("common factor", Add, Subtract, examples=lambda: [
    Exp()(some_x()) * some_y() - Exp()(some_x()) * Exp()(some_y()),
    some_y() * Exp()(some_x()) + Exp()(some_y()) * Exp()(some_x()),
    Exp()(some_x()) - Exp()(some_x()) * some_y(),
    Exp()(some_y()) / Exp()(some_x()) - some_y() / Exp()(some_x()),
])  # fmt: skip
def _collect_common_factor(node: Apply) -> Node | None:
    sign = Term(-1 if isinstance(node.primitive, Subtract) else 1, ())
    terms = [factors(node.operands[0]), sign.times(factors(node.operands[1]))]
    if any(abs(exponent) > _OCCURRENCE_LIMIT for term in terms for _, exponent in term.powers):
        return None
    common = common_factor(terms)
    if not common.powers and common.number == 1:
        return None
    leaves = _leaves(node)
    result = with_common_factor(terms, node.type)
    saved = operation_count(node, leaves) - operation_count(result, leaves)
    is_alone = isinstance(node.primitive, Add) and any(not t.times(common.inverse()).powers for t in terms)
    worthwhile = result is not node and saved >= (1 if is_alone else 0)
    return result if worthwhile and not divides_anew(node, result) else None
