"""Products of two functions of one value that are a third one, such as sin(x) / cos(x), which is tan(x)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chainrule.calculus.examples import some_x, some_y
from chainrule.calculus.rules import Rule, rule
from chainrule.calculus.terms import Term, divides_anew, factors, product_of
from chainrule.ir import Apply, Node, applies
from chainrule.primitives import (
    Abs,
    Cos,
    Cosh,
    Divide,
    Multiply,
    Primitive,
    Relu,
    Sign,
    Sin,
    Sinh,
    Tan,
    Tanh,
    greater,
    indicator,
)

_TANGENTS: Mapping[type[Primitive], tuple[Callable[[Node], Node], Callable[[Node], Node]]] = {
    Sin: (Cos(), Tan()),
    Sinh: (Cosh(), Tanh()),
}


@rule("sin(x) / cos(x) → tan(x), sinh(x) / cosh(x) → tanh(x)", Multiply, Divide, examples=lambda: [
    Sinh()(some_x()) / Cosh()(some_x()),
    (some_y() / Cosh()(some_x())) * Sinh()(some_x()),
    Sin()(some_x()) / Cos()(some_x()),
    (some_y() / Cos()(some_x())) * Sin()(some_x()),
])  # fmt: skip
def _tangent(node: Apply) -> Node | None:
    term = factors(node)
    powers = dict(term.powers)
    for factor, exponent in term.powers:
        match factor:
            case Apply(sine, (x,)) if exponent > 0 and type(sine) in _TANGENTS:
                cosine, tangent = _TANGENTS[type(sine)]
                if powers.get(cosine(x), 0) < 0:
                    return product_of(term.times(Term(1, ((factor, -1), (cosine(x), 1), (tangent(x), 1)))), node.type)
    return None


@rule("sign(x)·|x| → x, sign(x) / |x| → 1/x", Multiply, Divide, examples=lambda: [
    Sign()(some_x()) * Abs()(some_x()),
    Sign()(some_x()) / Abs()(some_x()),
    (some_y() / Abs()(some_x())) * Sign()(some_x()),
])  # fmt: skip
def _sign_and_absolute(node: Apply) -> Node | None:
    term = factors(node)
    powers = dict(term.powers)
    for factor, exponent in term.powers:
        match factor:
            case Apply(Sign(), (x,)) if exponent > 0 and (absolute := powers.get(Abs()(x), 0)):
                one = 1 if absolute > 0 else -1
                if divides_anew(node, 1 / Abs()(x)):
                    return None
                return product_of(term.times(Term(1, ((factor, -1), (Abs()(x), -one), (x, one)))), node.type)
    return None


@rule("x·sign(x) → |x|", Multiply, examples=lambda: [
    some_x() * Sign()(some_x()),
    Sign()(some_x()) * (some_y() * some_x()),
])  # fmt: skip
def _sign_and_value(node: Apply) -> Node | None:
    term = factors(node)
    powers = dict(term.powers)
    for factor, exponent in term.powers:
        match factor:
            case Apply(Sign(), (x,)) if exponent > 0 and powers.get(x, 0) > 0:
                return product_of(term.times(Term(1, ((factor, -1), (x, -1), (Abs()(x), 1)))), node.type)
    return None


@rule("relu(x)·1[x > 0] → relu(x)", Multiply, examples=lambda: [
    Relu()(some_x()) * indicator(greater(some_x(), 0), some_x()),
    (2 * Relu()(some_x())) * (some_y() * indicator(greater(some_x(), 0), some_x())),
])  # fmt: skip
def _positive_part(node: Apply) -> Node | None:
    return _without_indicator(node, {})


def positive_parts(definitions: Mapping[Node, Node]) -> Rule:
    """Return the same rule for names: a·1[x > 0] is a, if a = relu(x).

    `definitions` maps symbols to their values. It is not in the table, since it holds for these symbols only.
    """
    named = {symbol: value for symbol, value in definitions.items() if applies(value, Relu)}
    return Rule("a positive part where it is positive", (Multiply,), lambda node: _without_indicator(node, named), list)


def _without_indicator(node: Apply, definitions: Mapping[Node, Node]) -> Node | None:
    term = factors(node)
    powers = dict(term.powers)
    for factor, exponent in term.powers:
        match definitions.get(factor, factor):
            case Apply(Relu(), (x,)) if exponent > 0 and powers.get(sign := indicator(greater(x, 0), x), 0) > 0:
                return product_of(term.times(Term(1, ((sign, -1),))), node.type)
    return None
