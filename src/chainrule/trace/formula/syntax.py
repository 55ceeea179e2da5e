"""The syntax tree of formulas. Nodes are compared by identity; each has its position in the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, Union

from chainrule.trace.formula.errors import Span

Option: TypeAlias = "float | int | bool | str | tuple[int, ...] | None"
WORDS: dict[str, Option] = {"true": True, "false": False, "none": None}
"""Words that are values of options."""

Syntax: TypeAlias = Union["Number", "Name", "Unary", "Binary", "Call"]


@dataclass(frozen=True, eq=False, slots=True)
class Number:
    """A literal."""

    value: float
    span: Span
    depth: int = 1


@dataclass(frozen=True, eq=False, slots=True)
class Name:
    """A variable, an intermediate, a constant such as π, or the name of a size."""

    name: str
    span: Span
    depth: int = 1


@dataclass(frozen=True, eq=False, slots=True)
class Unary:
    """`-x`, a transpose `x'`, an inverse `A⁻¹`: `operator` is `-`, `'`, `.T`, `inverse`, or `^-1`.

    The last is the inverse of a matrix, and the reciprocals of anything else.
    """

    operator: str
    operand: Syntax
    span: Span
    depth: int


@dataclass(frozen=True, eq=False, slots=True)
class Binary:
    """`left operator right`; `mark` is the position of the operator.

    Operators are `+ - * / @ ^ **`, the elementwise `.* ./ .^`, the dot `·`, `⊗`, comparisons, and a space between
    operands side by side.
    """

    operator: str
    left: Syntax
    right: Syntax
    mark: Span
    span: Span
    depth: int


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """`function(arguments, option=value)`; `mark` is the position of the function's name."""

    function: str
    arguments: tuple[Syntax, ...]
    options: Mapping[str, tuple[Option, Span]]
    mark: Span
    span: Span
    depth: int


@dataclass(frozen=True, eq=False, slots=True)
class Statement:
    """An expression, with its name, if any."""

    name: str | None
    value: Syntax
    name_span: Span


def parts(node: Syntax) -> tuple[Syntax, ...]:
    """Return the operands of a node."""
    if isinstance(node, Unary):
        return (node.operand,)
    if isinstance(node, Binary):
        return (node.left, node.right)
    return node.arguments if isinstance(node, Call) else ()
