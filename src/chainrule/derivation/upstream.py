"""Layers, which have no loss: the gradient of a later loss by their output is given.

The layer O = f(x) is derived as L = ⟨∂L/∂O, O⟩ with ∂L/∂O held constant. Every loss that depends on O has this
differential, so the derived gradients are those of any such loss.
"""

from __future__ import annotations

import itertools

from chainrule.calculus import COTANGENT
from chainrule.ir import Apply, Input, Node, Program, ProgramError
from chainrule.primitives import Multiply, Sum

GIVEN = "∂given "
"""The prefix of the name of a given gradient if the output is used again, so that its cotangent differs."""

_OUTPUT_NAMES = ("Y", "O", "out")


def is_upstream(node: Node) -> bool:
    """Whether `node` is a given gradient, as created by `with_upstream`."""
    return isinstance(node, Input) and node.name.startswith((COTANGENT, GIVEN))


def output_name(upstream: Input) -> str:
    """Return the name of the output whose gradient is `upstream`."""
    return upstream.name.removeprefix(COTANGENT).removeprefix(GIVEN)


def with_upstream(program: Program, always: bool = False) -> Program:
    """Return `program` if its output is one number; otherwise L = Σ ⟨∂L/∂O, O⟩ over its outputs O, with inputs ∂L/∂O.

    With `always` one number is such an output too.

    Raises ProgramError for an output that is not of floats, or is an unchanged input.
    """
    if len(program.outputs) == 1 and program.outputs[0].type.shape == () and not always:
        return program
    taken = {node.name for node in program.inputs} | set(program.names.values())
    names = dict(program.names)
    upstream: list[Input] = []
    total: Node | None = None
    used_again = {operand for node in program.nodes if isinstance(node, Apply) for operand in node.operands}
    for output in dict.fromkeys(program.outputs):
        if not output.type.dtype.is_float:
            raise ProgramError(f"a gradient needs a function that returns floats, not {output.type.dtype.value}")
        if isinstance(output, Input):
            raise ProgramError(f"the function returns its argument {output.name} unchanged; there is nothing to derive")
        if output not in names:
            names[output] = _fresh(_OUTPUT_NAMES, taken)
            taken.add(names[output])
        given = Input((GIVEN if output in used_again else COTANGENT) + names[output], output.type)
        upstream.append(given)
        product: Node = Multiply()(given, output)
        term = Sum(tuple(range(product.type.ndim)))(product) if product.type.ndim else product
        total = term if total is None else total + term
    assert total is not None
    names[total] = _fresh(("L",), taken)
    return Program((*program.inputs, *upstream), (total,), names, declared=program.declared)


def _fresh(names: tuple[str, ...], taken: set[str]) -> str:
    numbered = (f"{names[0]}{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain(names, numbered) if name not in taken)
