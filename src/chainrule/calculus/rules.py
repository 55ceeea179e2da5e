"""The table of simplifications: named identities, each with examples from which its own test is generated.

A rule looks at one application whose operands are simplified already, and gives an equal expression or None. The
identities hold over the real numbers; `0·x → 0` and `(x/y)·y → x` also where floating point would give NaN. What they
ask of an expression, such as whether it is a number, is here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainrule.ir import Apply, ArrayType, Const, Input, Node, topological_order
from chainrule.primitives import Broadcast, Divide, Multiply, Sqrt

_SCALING = (Divide, Multiply, Sqrt)

Pattern = Callable[[Apply], Node | None]


@dataclass(frozen=True)
class Rule:
    """A named identity: `rewrite` applies it, `examples` are left-hand sides on which it must fire."""

    name: str
    primitives: tuple[type, ...]
    rewrite: Pattern
    examples: Callable[[], Sequence[Node]]


RULES: list[Rule] = []


def rule(name: str, *primitives: type, examples: Callable[[], Sequence[Node]]) -> Callable[[Pattern], Pattern]:
    """Enter a rewrite into the table, for applications of `primitives`."""

    def enter(rewrite: Pattern) -> Pattern:
        RULES.append(Rule(name, primitives, rewrite, examples))
        return rewrite

    return enter


def is_filled(node: Node, number: float) -> bool:
    """Whether every element of `node` is the literal `number`."""
    return isinstance(node, Const) and node.filled_with(number)


def number_of(node: Node) -> float | None:
    """The number that fills `node`, if it is such a literal."""
    if isinstance(node, Const) and isinstance(node.value, float | int) and not isinstance(node.value, bool):
        return node.value
    return None


def applied(node: Node, *primitives: type) -> Apply | None:
    """`node` if it applies one of `primitives`."""
    return node if isinstance(node, Apply) and type(node.primitive) in primitives else None


def is_scale(node: Node) -> bool:
    """Whether `node` is one number repeated: a literal, or products and quotients of literals such as 2/n and 1/√d."""
    if isinstance(node, Const):
        return node.is_filled
    if not isinstance(node, Apply) or type(node.primitive) not in _SCALING:
        return False
    for operand in node.operands:  # before what is below them: a long product has a factor that is none at its end
        if not (isinstance(operand, Const) or (isinstance(operand, Apply) and type(operand.primitive) in _SCALING)):
            return False
    return all(map(is_scale, node.operands))


def is_coefficient(node: Node) -> bool:
    """Whether `node` is a number with a name in it, such as λ/n: made of scalars alone, of which one is an input."""
    if node.type.ndim or not node.type.dtype.is_float:
        return False
    parts = topological_order([node])
    return all(part.type.ndim == 0 for part in parts) and any(isinstance(part, Input) for part in parts)


def scalar_of(node: Node) -> Node | None:
    """The coefficient that `node` repeats, if that is what it is."""
    found = applied(node, Broadcast)
    if found is None or found.primitive.axes or not node.type.ndim or not is_coefficient(found.operands[0]):
        return None
    return found.operands[0]


def scaled(node: Node) -> tuple[Node, Node] | None:
    """(c, x) of a product c·x with a literal number c."""
    product = applied(node, Multiply)
    if product is not None and is_scale(product.operands[0]) and not is_scale(product.operands[1]):
        return product.operands[0], product.operands[1]
    return None


def refilled(scale: Node, type_: ArrayType) -> Node:
    """The repeated number `scale`, repeated to another shape."""
    if isinstance(scale, Const):
        return Const(scale.value, type_)
    assert isinstance(scale, Apply)
    return Apply(scale.primitive, tuple(refilled(operand, type_) for operand in scale.operands))
