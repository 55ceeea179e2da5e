"""Export as two NumPy functions: the forward pass, which also returns saved values, and the backward pass."""

from __future__ import annotations

from chainrule.derivation import Derivatives, Record, Recurrent
from chainrule.emit.expressions import name_of
from chainrule.emit.further import further_functions
from chainrule.emit.layout import block, bracketed, docstring
from chainrule.emit.loops import find_loops
from chainrule.emit.numpy_writer import NumPyWriter
from chainrule.emit.passes import find_passes
from chainrule.emit.python_file import (
    backward_body,
    body,
    functions,
    gradients_sentence,
    heading,
    module_text,
    needs_of,
    shapes_of,
    unpacked,
    what_it_gives,
)

_RESERVED = ("math", "forward", "backward", "saved", *NumPyWriter.imported, *NumPyWriter.helpers)


def numpy_source(record: Record | Recurrent, name: str, derivatives: Derivatives | None = None) -> str:
    """Return `forward` and `backward` in NumPy, with a loop for a recurrence, and the functions of `derivatives`."""
    if isinstance(record, Recurrent):
        passes = find_loops(record, _RESERVED, with_seed=False, writer=NumPyWriter)
    else:
        passes = find_passes(record, _RESERVED, with_seed=False, writer=NumPyWriter)
    sizes = dict(passes.places)
    backward, backward_lines, saved = backward_body(passes, NumPyWriter, sizes)
    arguments = [argument.variable for argument in passes.arguments]
    forward = NumPyWriter(passes.names, arguments, sizes)
    forward_lines = body(forward, passes.forward, arguments)
    kept = [name_of(x) for x in saved]
    further = further_functions(derivatives, NumPyWriter, _RESERVED)
    uses = [name for function in further for name in function.uses]
    needs = needs_of(NumPyWriter, (*forward.uses, *backward.uses, *uses))
    lines = [
        *functions(needs.helpers),
        "",
        "",
        *bracketed("def forward(", [name_of(x) for x in arguments], "):"),
        *docstring([f"{what_it_gives(passes)}, and what `backward` needs.", shapes_of(passes.arguments)], 4),
        *block(forward_lines, 4),
        *bracketed(f"return {', '.join(map(name_of, passes.outputs))}, (", kept, ")", 4, is_tuple=True),
        "",
        "",
        *bracketed("def backward(", ["saved", *map(name_of, passes.seeds)], "):"),
        *docstring([gradients_sentence(passes)], 4),
        *unpacked(kept, "saved", 4),
        *block(backward_lines, 4),
        *bracketed("return (", [name_of(x) for x in passes.gradients], ")", 4, plain="return "),
        *(line for function in further for line in function.lines),
    ]
    return module_text(docstring([heading(name, "NumPy")], 0), needs.standard, needs.library, lines)
