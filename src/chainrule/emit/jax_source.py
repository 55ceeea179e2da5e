"""Export as a JAX function with a custom backward pass: `jax.custom_vjp`."""

from __future__ import annotations

from chainrule.derivation import Derivatives, Record, Recurrent
from chainrule.emit.expressions import name_of
from chainrule.emit.further import further_functions
from chainrule.emit.jax_writer import JaxWriter
from chainrule.emit.layout import block, bracketed, docstring
from chainrule.emit.loops import find_loops
from chainrule.emit.passes import find_passes
from chainrule.emit.python_file import (
    backward_body,
    body,
    functions,
    gradients_sentence,
    heading,
    module_text,
    needs_of,
    parameters,
    shapes_of,
    unpacked,
    what_it_gives,
)

_RESERVED = ("math", "saved", "cotangents", "step", "carry", *JaxWriter.imported, *JaxWriter.helpers)


def jax_source(record: Record | Recurrent, name: str, derivatives: Derivatives | None = None) -> str:
    """Return the function `name` with the derived gradient, in loops for recurrences, and those of `derivatives`."""
    ahead, back = f"{name}_forward", f"{name}_backward"
    reserved = (*_RESERVED, name, ahead, back)
    if isinstance(record, Recurrent):
        passes = find_loops(record, reserved, with_seed=True, writer=JaxWriter)
    else:
        passes = find_passes(record, reserved, with_seed=True, writer=JaxWriter)
    sizes = dict(passes.places)
    backward, backward_lines, saved = backward_body(passes, JaxWriter, sizes)
    arguments = [argument.variable for argument in passes.arguments]
    forward = JaxWriter(passes.names, arguments, sizes)
    forward_lines = body(forward, passes.forward, arguments)
    kept, names, outputs = ([name_of(x) for x in group] for group in (saved, arguments, passes.outputs))
    seeds = [name_of(x) for x in passes.seeds]
    found = dict(zip((a.name for a in passes.differentiated), map(name_of, passes.gradients), strict=True))
    gradients = [found.get(argument.name, "None") for argument in passes.arguments]
    result = outputs[0] if len(outputs) == 1 else f"({', '.join(outputs)})"
    further = further_functions(derivatives, JaxWriter, reserved, f"{name}_")
    uses = [each for function in further for each in function.uses]
    needs = needs_of(JaxWriter, ("jax", *forward.uses, *backward.uses, *uses))
    zero = "" if len(found) == len(gradients) else " None stands for the others."
    lines = [
        *functions(needs.helpers),
        "",
        "",
        "@jax.custom_vjp",
        *bracketed(f"def {name}(", names, "):"),
        *docstring(
            [f"{what_it_gives(passes)}; differentiable by {parameters(passes)}.", shapes_of(passes.arguments)], 4
        ),
        *bracketed(f"return {ahead}(", names, ")[0]", 4),
        "",
        "",
        *bracketed(f"def {ahead}(", names, "):"),
        *docstring([f"{what_it_gives(passes)}, and what the backward pass needs."], 4),
        *block(forward_lines, 4),
        *bracketed(f"return {result}, (", kept, ")", 4, is_tuple=True),
        "",
        "",
        f"def {back}(saved, {seeds[0] if len(seeds) == 1 else 'cotangents'}):",
        *docstring([gradients_sentence(passes) + zero], 4),
        *unpacked(kept, "saved", 4),
        *([] if len(seeds) == 1 else unpacked(seeds, "cotangents", 4)),
        *block(backward_lines, 4),
        *bracketed("return (", gradients, ")", 4, plain="return " if len(gradients) > 1 else None, is_tuple=True),
        "",
        "",
        f"{name}.defvjp({ahead}, {back})",
        *(line for function in further for line in function.lines),
    ]
    return module_text(docstring([heading(name, "JAX")], 0), needs.standard, needs.library, lines)
