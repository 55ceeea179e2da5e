"""Elementwise functions that SciPy computes: the gamma function and its kin, Bessel functions, integrals, quantiles.

The derivatives are those of Abramowitz and Stegun: 5.1.26 (exponential integrals), 6.3.1, 6.4.1, 6.5.25 and 6.6.1
(gamma and beta), 7.1 and 7.4 (errors and the normal distribution), 9.1.27 and 9.6.26 (Bessel), 27.7 (dilogarithm).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, final

import numpy as np

from chainrule.ir import ArrayType, Node, Operand, ProgramError, named_dim
from chainrule.primitives.base import Array, Composite, Example, NeverExpandableError, same_type
from chainrule.primitives.exponentials import exp, log
from chainrule.primitives.incomplete_gamma import gammainc_by_first
from chainrule.primitives.notation import Call, Notation, Number
from chainrule.primitives.piecewise import sign
from chainrule.primitives.replication import as_floats, broadcast_together
from chainrule.words import MissingDependencyError

Slope = Callable[["SpecialFunction", Node, Node], Node]
"""The derivative of a function of one operand, given it and the value."""
Slopes = Callable[["SpecialFunction", Sequence[Node], Node], "Sequence[Node | None]"]
"""The derivatives of a function by each of its operands; None where there is no formula."""


def _bessel(direction: int) -> Slope:
    """Half of the orders below and above, the latter with a sign; of order 0 both have the same value up to it."""

    def slope(function: SpecialFunction, x: Node, result: Node) -> Node:
        above = SpecialFunction(function.name, function.order + 1)(x)
        signed: Node = above if direction > 0 else -above
        return signed if function.order == 0 else 0.5 * (SpecialFunction(function.name, function.order - 1)(x) + signed)

    return slope


def _bessel_k(function: SpecialFunction, x: Node) -> Node:
    """−½ (K₋ + K₊) of the orders below and above."""
    below, above = (SpecialFunction(function.name, abs(function.order + step))(x) for step in (-1, 1))
    return -above if function.order == 0 else -0.5 * (below + above)


def _gamma_density(a: Node, x: Node) -> Node:
    """∂P(a, x)/∂x = x^(a − 1) e^−x / Γ(a)."""
    return exp((a - 1) * log(x) - x - SpecialFunction("gammaln")(a))


def _gamma_by_first(function: SpecialFunction, operands: Sequence[Node], result: Node) -> Sequence[Node | None]:
    """∂ᵏ⁺¹P/∂aᵏ∂x is the k-th derivative of the density by a, which is its product with a polynomial."""
    a, x = operands
    slopes = [log(x) - SpecialFunction("digamma")(a)]
    slopes += [-SpecialFunction("polygamma", k)(a) for k in range(1, function.order)]
    factors: list[Node] = [_gamma_density(a, x)]
    for k in range(function.order):
        terms = [math.comb(k, j) * (slopes[j] * factors[k - j]) for j in range(k + 1)]
        factors.append(sum(terms[1:], terms[0]))
    return SpecialFunction(function.name, function.order + 1)(a, x), factors[-1]


def _beta_density(operands: Sequence[Node]) -> Node:
    """∂I(a, b, x)/∂x = x^(a − 1) (1 − x)^(b − 1) / B(a, b)."""
    a, b, x = operands
    gammaln = SpecialFunction("gammaln")
    return exp((a - 1) * log(x) + (b - 1) * log(1 - x) + gammaln(a + b) - gammaln(a) - gammaln(b))


_SLOPES_OF_SEVERAL: Final[Mapping[str, Slopes]] = {
    "gammainc": lambda f, ax, y: (SpecialFunction("gammainc_a", 1)(*ax), _gamma_density(*ax)),
    "gammaincc": lambda f, ax, y: (-SpecialFunction("gammainc_a", 1)(*ax), -_gamma_density(*ax)),
    "gammainc_a": _gamma_by_first,
    "betainc": lambda f, abx, y: (None, None, _beta_density(abx)),
}

_SLOPES: Final[Mapping[str, Slope]] = {
    "gamma": lambda f, x, y: y * SpecialFunction("digamma")(x),
    "gammaln": lambda f, x, y: SpecialFunction("digamma")(x),
    "digamma": lambda f, x, y: SpecialFunction("polygamma", 1)(x),
    "polygamma": lambda f, x, y: SpecialFunction("polygamma", f.order + 1)(x),
    "jv": _bessel(-1),
    "yv": _bessel(-1),
    "iv": _bessel(1),
    "ive": lambda f, x, y: _bessel(1)(f, x, y) - sign(x) * y,
    "kv": lambda f, x, y: _bessel_k(f, x),
    "kve": lambda f, x, y: _bessel_k(f, x) + y,
    "exp1": lambda f, x, y: -exp(-x) / x,
    "expi": lambda f, x, y: exp(x) / x,
    "spence": lambda f, x, y: log(x) / (1 - x),
    "dawsn": lambda f, x, y: 1 - 2 * (x * y),
    "erfcx": lambda f, x, y: 2 * (x * y) - 2 / math.sqrt(math.pi),
    "erfcinv": lambda f, x, y: -0.5 * math.sqrt(math.pi) * exp(y * y),
    "erfinv": lambda f, x, y: 0.5 * math.sqrt(math.pi) * exp(y * y),
    "ndtri": lambda f, x, y: math.sqrt(2 * math.pi) * exp(0.5 * (y * y)),
    "log_ndtr": lambda f, x, y: (1 / math.sqrt(2 * math.pi)) * exp(-0.5 * (x * x) - y),
}

_NOTATION: Final[Mapping[str, str]] = {
    "gamma": "Gamma",
    "jv": "besselJ",
    "yv": "besselY",
    "iv": "besselI",
    "ive": "besselIe",
    "kv": "besselK",
    "kve": "besselKe",
}
"""Names in notation that differ from SciPy's."""

_DOMAINS: Final[Mapping[str, tuple[float, float]]] = {
    **dict.fromkeys(("gamma", "gammaln", "digamma", "polygamma", "yv"), (0.5, 4.0)),
    **dict.fromkeys(("jv", "iv", "log_ndtr"), (-3.0, 3.0)),
    **{"ive": (0.2, 3.0), "erfinv": (-0.8, 0.8), "ndtri": (0.1, 0.9), "erfcinv": (0.2, 1.8)},
    **dict.fromkeys(("kv", "kve", "exp1", "expi"), (0.5, 4.0)),
    **{"spence": (1.5, 4.0), "dawsn": (-3.0, 3.0), "erfcx": (-1.0, 3.0)},
}
_ARITIES: Final[Mapping[str, int]] = {"gammainc": 2, "gammaincc": 2, "gammainc_a": 2, "betainc": 3}
_WITH_ORDER = ("polygamma", "jv", "yv", "iv", "ive", "kv", "kve", "gammainc_a")


@final
@dataclass(frozen=True)
class SpecialFunction(Composite):
    """The function `name` of `scipy.special`; with its order, if it has one."""

    is_pointwise: ClassVar[bool] = True

    name: str
    order: int = 0

    @classmethod
    def examples(cls) -> Sequence[Example]:
        operand = ArrayType((named_dim("n"), named_dim("m")))
        orders = {"polygamma": (1,), "jv": (0, 1), "iv": (1,), "kv": (0, 2)}
        of_one = [
            Example(cls(name, order), (operand,), (domain,))
            for name, domain in _DOMAINS.items()
            for order in orders.get(name, (0,))
        ]
        of_two = (cls("gammainc"), cls("gammaincc"), cls("gammainc_a", 1))
        return [*of_one, *(Example(each, (operand, operand), ((0.5, 4.0), (0.3, 5.0))) for each in of_two)]

    @property
    def has_order(self) -> bool:
        return self.name in _WITH_ORDER

    def type(self, *operands: ArrayType) -> ArrayType:
        return same_type(self, operands, _ARITIES.get(self.name, 1))

    def value(self, *operands: Array) -> Array:
        special = _scipy(self.name)
        with np.errstate(all="ignore"):
            if self.name == "gammainc_a":
                found = gammainc_by_first(special, self.order, *operands)
            else:
                order = (self.order,) if self.has_order else ()
                found = getattr(special, self.name)(*order, *operands)
        return np.asarray(found, operands[0].dtype)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        subscript = (Number(self.order),) if self.has_order else ()
        return Call(_NOTATION.get(self.name, self.name), tuple(operands), subscript=subscript)

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        if self.name in _SLOPES:
            slopes: Sequence[Node | None] = (_SLOPES[self.name](self, operands[0], result),)
        else:
            slopes = _SLOPES_OF_SEVERAL[self.name](self, operands, result)
        total: Node | None = None
        for slope, tangent in zip(slopes, tangents, strict=True):
            if tangent is None:
                continue
            if slope is None:
                raise ProgramError(
                    f"{self.name} has a derivative by its last argument only; give numbers that are not differentiated "
                    "for the others"
                )
            total = slope * tangent if total is None else total + slope * tangent
        return total

    def expand(self, *operands: Node) -> Node:
        raise NeverExpandableError("a special function is computed by SciPy, and not written out")


def _scipy(name: str) -> Any:
    try:
        from scipy import special
    except ImportError:
        raise MissingDependencyError(
            f"{name} is computed by SciPy; install it with pip install 'chainrule[scipy]'"
        ) from None
    return special


def special_function(name: str, order: int = 0) -> Callable[[Node], Node]:
    """Return a function of `scipy.special`, of arrays as floats."""
    return lambda x: SpecialFunction(name, order)(as_floats(x))


def special_function_of(name: str, *operands: Operand) -> Node:
    """Return a function of `scipy.special` of several operands, broadcast, as floats."""
    return SpecialFunction(name)(*broadcast_together(*operands, floats=True))


def betaln(a: Operand, b: Operand) -> Node:
    """Ln B(a, b) of positive numbers, as floats."""
    first, second = broadcast_together(a, b, floats=True)
    function = SpecialFunction("gammaln")
    return function(first) + function(second) - function(first + second)
