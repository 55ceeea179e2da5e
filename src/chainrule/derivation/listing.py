"""Any program as equations: one for each value that has a name, and one for each output."""

from __future__ import annotations

from chainrule.derivation.notate import literal, scaled
from chainrule.derivation.text import text_of
from chainrule.ir import Apply, Const, Node, Program, topological_order
from chainrule.primitives import Notation, Partial, Symbol


def equations(program: Program) -> str:
    """`program` in Unicode, a line for each named value and each output, in the order of computation.

    A name with spaces in it is written with underscores; outputs that are not named are called output1, output2, ….

    >>> from chainrule.trace import trace
    >>> def model(X, W, b):
    ...     z = X @ W + b
    ...     return 1 / (1 + z**2)
    >>> print(equations(trace(model, X="n d", W="d h", b="h")))
    z = X W + b
    output1 = 1 / (1 + z²)
    """
    unnamed = [node for node in program.outputs if isinstance(node, Apply) and node not in program.names]
    names = {node: name.replace(" ", "_") for node, name in program.names.items() if isinstance(node, Apply)}
    names.update({node: f"output{k}" for k, node in enumerate(unnamed, 1)})
    symbols: dict[Node, Notation] = {node: _symbol(node.name) for node in program.inputs}
    lines = []
    for node in program.nodes:
        if node in names:
            lines.append(f"{names[node]} = {text_of(_notation(node, symbols))}")
            symbols[node] = Symbol(names[node])
    return "\n".join(lines)


def _symbol(name: str) -> Notation:
    of, _, by = name.removeprefix("∂").partition("/∂")
    return Partial(Symbol(of), Symbol(by)) if by else Symbol(name.replace(" ", "_"))


def _notation(node: Node, symbols: dict[Node, Notation]) -> Notation:
    """`node` in terms of `symbols`."""
    written = dict(symbols)
    for part in topological_order([node], stop=symbols):
        if part not in written:
            written[part] = _written(part, written)
    return written[node]


def _written(node: Node, written: dict[Node, Notation]) -> Notation:
    if isinstance(node, Const):
        return literal(node)
    assert isinstance(node, Apply)
    operands = [written[operand] for operand in node.operands]
    result: Notation | None = scaled(node, operands)
    return node.primitive.notation(operands, [each.type for each in node.operands]) if result is None else result
