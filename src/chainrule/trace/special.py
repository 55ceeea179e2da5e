"""The functions of `scipy.special` in terms of primitives, which SciPy passes on as ufuncs: `expit`, `gammainc`, …"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from chainrule import primitives
from chainrule.ir import Const, Node, Operand
from chainrule.primitives import (
    as_floats,
    betaln,
    broadcast_together,
    equal,
    exp,
    less,
    less_equal,
    log,
    logical_and,
    logical_or,
    multiply,
    negate,
    power,
    special_function,
    special_function_of,
    where,
)
from chainrule.trace.literals import as_node, as_operand
from chainrule.trace.source import refusal
from chainrule.trace.ufuncs import UFUNC_CALLS, Handler, binary, isnan, unary


def _log_sigmoid(x: Node) -> Node:
    return negate(primitives.softplus(negate(as_floats(x))))


def _logit(x: Node) -> Node:
    number = as_floats(x)
    return log(number) - primitives.log1p(negate(number))


def _ndtr(x: Node) -> Node:
    return multiply(0.5, primitives.erfc(multiply(as_floats(x), -math.sqrt(0.5))))


def _xlogy(x: Operand, y: Operand) -> Node:
    return _times_log(x, y, log)


def _xlog1py(x: Operand, y: Operand) -> Node:
    return _times_log(x, y, primitives.log1p)


def _times_log(x: Operand, y: Operand, logarithm: Callable[[Node], Node]) -> Node:
    """The product of x with a logarithm; 0 where x is 0, unless y is NaN."""
    x, y = broadcast_together(x, y, floats=True)
    nothing = logical_and(equal(x, 0.0), equal(y, y))
    return where(nothing, 0.0, x * logarithm(where(nothing, 1.0, y)))


def _entr(x: Node) -> Node:
    """−x ln x: 0 at 0, and −∞ below."""
    number = as_floats(x)
    return where(less(number, 0.0), -math.inf, negate(_xlogy(number, where(less(number, 0.0), 1.0, number))))


def _loggamma(x: Node) -> Node:
    """The logarithm of Γ; below 0, where it is complex, NaN."""
    number = as_floats(x)
    return where(less(number, 0.0), math.nan, special_function("gammaln", 0)(number))


def _rel_entr(x: Operand, y: Operand) -> Node:
    """X ln(x/y) of positive numbers; 0 where x is 0 and y is not negative, elsewhere ∞."""
    return _divergence(x, y, 0.0, 0.0)


def _kl_div(x: Operand, y: Operand) -> Node:
    """X ln(x/y) − x + y of positive numbers; y where x is 0 and y is not negative, elsewhere ∞."""
    x, y = broadcast_together(x, y, floats=True)
    return _divergence(x, y, y - x, y)


def _divergence(x: Operand, y: Operand, added: Operand, at_zero: Operand) -> Node:
    x, y = broadcast_together(x, y, floats=True)
    inside = logical_and(less(0.0, x), less(0.0, y))
    of_logarithm = x * log(where(inside, x, 1.0) / where(inside, y, 1.0))
    outside = where(logical_and(equal(x, 0.0), less_equal(0.0, y)), at_zero, math.inf)
    unknown = logical_or(isnan(x), isnan(y))
    return where(unknown, math.nan, where(inside, of_logarithm + added, outside))


def _gammasgn(x: Node) -> Node:
    """The sign of Γ, which changes at each whole number below 1."""
    number = as_floats(x)
    floor = primitives.Floor.of(number)
    below = where(equal(2.0 * primitives.Floor.of(0.5 * floor), floor), 1.0, -1.0)
    return where(less(number, 0.0), below, 1.0)


def _rgamma(x: Node) -> Node:
    """1/Γ, also where Γ overflows."""
    return _gammasgn(x) * exp(negate(special_function("gammaln", 0)(as_floats(x))))


def huber(delta: Operand, r: Operand) -> Node:
    """½r² up to |r| = delta, from there on linear."""
    match delta:
        case float() | int() | Const(float() | int()):
            number = delta.value if isinstance(delta, Const) else delta
            assert isinstance(number, float | int)
            half: Operand = 0.5 * number
        case _:
            half = multiply(0.5, delta)
    delta, r = broadcast_together(delta, r, floats=True)
    size = primitives.abs_(r)
    return where(less_equal(size, delta), 0.5 * primitives.square(r), delta * (size - half))


def _huber(delta: Operand, r: Operand) -> Node:
    """Huber's function; ∞ for a negative delta."""
    found = huber(delta, r)
    if isinstance(delta, float | int) and delta >= 0:
        return found
    threshold, _ = broadcast_together(delta, r, floats=True)
    return where(less(threshold, 0.0), math.inf, found)


def _pseudo_huber(delta: Operand, r: Operand) -> Node:
    """Delta² (√(1 + (r/delta)²) − 1)."""
    delta, r = broadcast_together(delta, r, floats=True)
    return primitives.square(delta) * (primitives.sqrt(1 + primitives.square(r / delta)) - 1)


def _of_order(name: str) -> Handler:
    """A Bessel function, whose order is a whole number."""

    def handler(v: object, x: object) -> Node:
        match as_node(v):
            case Const(float() | int() as order) if order == int(order):
                return special_function(name, int(order))(as_node(x))
        raise refusal(
            f"the order of {name} is recorded as one whole number; give it as a number, as in {name}(2, x), and "
            "several orders one by one"
        )

    return handler


def _special_of_several(name: str, *operands: object) -> Node:
    return special_function_of(name, *map(as_operand, operands))


_SPECIAL = {
    **{name: (name, 0) for name in ("gamma", "gammaln", "digamma", "erfinv", "erfcinv", "ndtri", "log_ndtr")},
    **{name: (name, 0) for name in ("exp1", "expi", "spence", "dawsn", "erfcx")},
    **{
        f"{kind}{order}{scaled}": (f"{kind}v{scaled}", order)
        for order in (0, 1)
        for kind, scaled in (("i", ""), ("i", "e"), ("j", ""), ("y", ""), ("k", ""), ("k", "e"))
    },
    "psi": ("digamma", 0),
}
"""Functions that SciPy computes, with their orders."""

CALLS: dict[str, Handler] = {
    **UFUNC_CALLS,
    "expit": unary(primitives.sigmoid),
    "log_expit": unary(_log_sigmoid),
    "erf": unary(primitives.erf),
    "erfc": unary(primitives.erfc),
    "loggamma": unary(_loggamma),
    "gammasgn": unary(_gammasgn),
    "rgamma": unary(_rgamma),
    "logit": unary(_logit),
    "ndtr": unary(_ndtr),
    "xlogy": binary(_xlogy),
    "xlog1py": binary(_xlog1py),
    "entr": unary(_entr),
    **{name: unary(special_function(*function)) for name, function in _SPECIAL.items()},
    **{name: _of_order(name) for name in ("jv", "yv", "iv", "ive", "kv", "kve")},
    **{"yn": _of_order("yv"), "kn": _of_order("kv")},
    **{name: partial(_special_of_several, name) for name in ("gammainc", "gammaincc", "betainc")},
    "rel_entr": binary(_rel_entr),
    "kl_div": binary(_kl_div),
    "huber": binary(_huber),
    "pseudo_huber": binary(_pseudo_huber),
    "exp10": unary(lambda x: power(10.0, as_floats(x))),
    "betaln": binary(betaln),
    "beta": binary(lambda a, b: exp(betaln(a, b))),
}
"""With those of `scipy.special`."""
