"""Expansion of a primitive in terms of others, for source targets that have no function for it."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.ir import Apply, Const, Node
from chainrule.primitives.activations import sigmoid, softplus
from chainrule.primitives.base import Composite, Elementwise, Linear, Multilinear
from chainrule.primitives.comparison import compare, logical_and, logical_not, logical_or, where
from chainrule.primitives.emitter import Comparison, IntegerOperation, MathFunction
from chainrule.primitives.exponentials import power
from chainrule.primitives.integers import IntegerArithmetic
from chainrule.primitives.piecewise import abs_
from chainrule.primitives.special import erf, erfc
from chainrule.primitives.ufunc import UFUNCS

_FUNCTIONS: dict[MathFunction, Callable[..., Node]] = {
    "abs": abs_,
    "power": power,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "erf": erf,
    "erfc": erfc,
}
"""Primitives that NumPy lacks or has under another name."""


def expanded(node: Node) -> Node | None:
    """Return `node` as an expression in directly computed primitives; None if it is one.

    An elementwise rule is applied to whole arrays. Raises NotExpandableError as `Composite.expand` does.
    """
    if not isinstance(node, Apply):
        return None
    if isinstance(node.primitive, Composite | Linear | Multilinear):
        return node.primitive.expand(*node.operands)
    if isinstance(node.primitive, Elementwise):
        result = node.primitive.lower(_Arrays(), *node.operands)
        return None if result == node else result
    return None


class _Arrays:
    """The scalars of an elementwise rule, implemented by whole arrays of one shape."""

    def constant_like(self, value: float, x: Node) -> Node:
        return Const(value, x.type)

    def add(self, x: Node, y: Node) -> Node:
        return x + y

    def subtract(self, x: Node, y: Node) -> Node:
        return x - y

    def multiply(self, x: Node, y: Node) -> Node:
        return x * y

    def divide(self, x: Node, y: Node) -> Node:
        return x / y

    def negate(self, x: Node) -> Node:
        return -x

    def math(self, function: MathFunction, *x: Node) -> Node:
        return _FUNCTIONS[function](*x) if function in _FUNCTIONS else UFUNCS[function].of(*x)

    def compare(self, comparison: Comparison, x: Node, y: Node) -> Node:
        return compare(comparison, x, y)

    def logical_and(self, x: Node, y: Node) -> Node:
        return logical_and(x, y)

    def logical_or(self, x: Node, y: Node) -> Node:
        return logical_or(x, y)

    def logical_not(self, x: Node) -> Node:
        return logical_not(x)

    def integer(self, operation: IntegerOperation, x: Node, y: Node) -> Node:
        return IntegerArithmetic(operation)(x, y)

    def select(self, condition: Node, x: Node | Callable[[], Node], y: Node | Callable[[], Node]) -> Node:
        return where(condition, x() if callable(x) else x, y() if callable(y) else y)
