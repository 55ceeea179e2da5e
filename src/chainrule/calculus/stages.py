"""The forward pass, divided at the names that the user gave."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.ir import (
    Apply,
    Input,
    Node,
    Program,
    rebuild,
    topological_order,
)
from chainrule.primitives import (
    Several,
)

TANGENT = "d "

COTANGENT = "∂ "


@dataclass(frozen=True, eq=False)
class Stage:
    """One equation of the forward pass, `symbol = expression`, over the symbols `operands`.

    `node` is the same value as an expression over the inputs of the program.
    """

    symbol: Input
    node: Node
    expression: Node
    operands: tuple[Input, ...]

    @property
    def name(self) -> str:
        return self.symbol.name


def split_stages(program: Program) -> tuple[Stage, ...]:
    """Split the program into equations between named values; an output without a name becomes `L`, `L2`, …"""
    taken = {node.name for node in program.inputs} | set(program.names.values())
    names = dict(program.names)
    results = [node for node in program.nodes if isinstance(node, Apply) and isinstance(node.primitive, Several)]
    for node in (*program.outputs, *results):  # several results have their gradients together, each by its name
        if node not in names:
            names[node] = _fresh("L" if node in program.outputs else "s", taken)
            taken.add(names[node])
    symbols: dict[Node, Node] = {}
    stages: list[Stage] = []
    for node in program.nodes:
        if node not in names or (isinstance(node, Input) and node not in program.outputs):
            continue

        def stand_in(part: Node, defined: Node = node) -> Node | None:
            return None if part is defined else symbols.get(part)

        (expression,) = rebuild([node], stand_in)
        operands = tuple(part for part in topological_order([expression]) if isinstance(part, Input))
        symbol = Input(names[node], node.type)
        symbols[node] = symbol
        stages.append(Stage(symbol, node, expression, operands))
    return tuple(stages)


def _fresh(stem: str, taken: set[str]) -> str:
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}{number}", number + 1
    return name
