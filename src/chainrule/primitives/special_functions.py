"""Elementwise functions that SciPy computes: the gamma function and its kin, Bessel functions, quantiles.

The derivatives are those of Abramowitz and Stegun: 6.3.1 and 6.4.1 (gamma), 9.1.27 and 9.6.26 (Bessel), 7.1 (normal
distribution).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, final

import numpy as np

from chainrule.ir import ArrayType, Node, Operand, named_dim
from chainrule.primitives.base import Array, Composite, Example, NeverExpandableError, same_type
from chainrule.primitives.exponentials import exp
from chainrule.primitives.notation import Call, Notation, Number
from chainrule.primitives.piecewise import sign
from chainrule.primitives.replication import as_floats, broadcast_together
from chainrule.words import MissingDependencyError

Slope = Callable[["SpecialFunction", Node, Node], Node]
"""The derivative of a function, given its operand and its value."""


def _bessel(direction: int) -> Slope:
    """Half of the orders below and above, the latter with a sign; of order 0 both have the same value up to it."""

    def slope(function: SpecialFunction, x: Node, result: Node) -> Node:
        above = SpecialFunction(function.name, function.order + 1)(x)
        signed: Node = above if direction > 0 else -above
        return signed if function.order == 0 else 0.5 * (SpecialFunction(function.name, function.order - 1)(x) + signed)

    return slope


_SLOPES: Final[Mapping[str, Slope]] = {
    "gamma": lambda f, x, y: y * SpecialFunction("digamma")(x),
    "gammaln": lambda f, x, y: SpecialFunction("digamma")(x),
    "digamma": lambda f, x, y: SpecialFunction("polygamma", 1)(x),
    "polygamma": lambda f, x, y: SpecialFunction("polygamma", f.order + 1)(x),
    "jv": _bessel(-1),
    "yv": _bessel(-1),
    "iv": _bessel(1),
    "ive": lambda f, x, y: _bessel(1)(f, x, y) - sign(x) * y,
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
}
"""Names in notation that differ from SciPy's."""

_DOMAINS: Final[Mapping[str, tuple[float, float]]] = {
    **dict.fromkeys(("gamma", "gammaln", "digamma", "polygamma", "yv"), (0.5, 4.0)),
    **dict.fromkeys(("jv", "iv", "log_ndtr"), (-3.0, 3.0)),
    **{"ive": (0.2, 3.0), "erfinv": (-0.8, 0.8), "ndtri": (0.1, 0.9)},
}


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
        orders = {"polygamma": (1,), "jv": (0, 1), "iv": (1,)}
        return [
            Example(cls(name, order), (operand,), (domain,))
            for name, domain in _DOMAINS.items()
            for order in orders.get(name, (0,))
        ]

    @property
    def has_order(self) -> bool:
        return self.name in ("polygamma", "jv", "yv", "iv", "ive")

    def type(self, *operands: ArrayType) -> ArrayType:
        return same_type(self, operands, 1)

    def value(self, *operands: Array) -> Array:
        function = getattr(_scipy(self.name), self.name)
        with np.errstate(all="ignore"):
            found = function(self.order, operands[0]) if self.has_order else function(operands[0])
        return np.asarray(found, operands[0].dtype)

    def notation(self, operands: Sequence[Notation], types: Sequence[ArrayType]) -> Notation:
        subscript = (Number(self.order),) if self.has_order else ()
        return Call(_NOTATION.get(self.name, self.name), tuple(operands), subscript=subscript)

    def differential(self, operands: Sequence[Node], result: Node, tangents: Sequence[Node | None]) -> Node | None:
        (x,), (tangent,) = operands, tangents
        return None if tangent is None else _SLOPES[self.name](self, x, result) * tangent

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


def betaln(a: Operand, b: Operand) -> Node:
    """Ln B(a, b) of positive numbers, as floats."""
    first, second = broadcast_together(a, b, floats=True)
    function = SpecialFunction("gammaln")
    return function(first) + function(second) - function(first + second)
