"""Export as a `torch.autograd.Function`, with a function that applies it.

The backward pass is once differentiable: it saves plain values, so a second derivative through it would ignore their
dependence on the inputs. PyTorch raises an error instead.
"""

from __future__ import annotations

from chainrule.derivation import Derivatives, Record, Recurrent
from chainrule.emit.expressions import Expr, name_of, ordered
from chainrule.emit.further import further_functions
from chainrule.emit.layout import block, bracketed, docstring
from chainrule.emit.loops import find_loops
from chainrule.emit.passes import Passes, find_passes
from chainrule.emit.python_file import (
    Ending,
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
from chainrule.emit.sharing import Line, plain_lines
from chainrule.emit.torch_writer import TorchWriter

_RESERVED = ("torch", "math", "ctx", "once_differentiable", *TorchWriter.helpers)


def torch_source(record: Record | Recurrent, name: str, derivatives: Derivatives | None = None) -> str:
    """Return the class and the function `name`, with a loop for a recurrence, and the functions of `derivatives`."""
    title = _class_name(name)
    reserved = (*_RESERVED, name, title)
    if isinstance(record, Recurrent):
        passes = find_loops(record, reserved, with_seed=True, writer=TorchWriter)
    else:
        passes = find_passes(record, reserved, with_seed=True, writer=TorchWriter)
    found = dict(zip((a.name for a in passes.differentiated), passes.gradients, strict=True))
    sizes, used = dict(passes.places), _read_again(passes)
    needs = {x: passes.names.take(f"needs_{name}") for name, x in found.items() if x not in used}
    backward, backward_lines, saved = backward_body(passes, TorchWriter, sizes, _only_where_needed(needs))
    arguments = [argument.variable for argument in passes.arguments]
    forward = TorchWriter(passes.names, arguments, sizes)
    forward_lines = body(forward, passes.forward, arguments)
    kept, names, outputs = ([name_of(x) for x in group] for group in (saved, arguments, passes.outputs))
    gradients = [name_of(found[a.name]) if a.name in found else "None" for a in passes.arguments]
    flags = [needs.get(found[a.name], "_") if a.name in found else "_" for a in passes.arguments]
    further = further_functions(derivatives, TorchWriter, reserved, f"{name}_")
    uses = [each for function in further for each in function.uses]
    needed = needs_of(TorchWriter, ("torch", *forward.uses, *backward.uses, *uses))
    lines = [
        *functions(needed.helpers),
        "",
        "",
        f"class {title}(torch.autograd.Function):",
        *docstring(
            [f"{what_it_gives(passes)}; differentiable once, by {parameters(passes)}.", shapes_of(passes.arguments)], 4
        ),
        "",
        "    @staticmethod",
        *bracketed("def forward(", ["ctx", *names], "):", 4),
        *block(forward_lines, 8),
        *bracketed("ctx.save_for_backward(", kept, ")", 8),
        f"        return {', '.join(outputs)}",
        "",
        "    @staticmethod",
        "    @once_differentiable",
        *bracketed("def backward(", ["ctx", *map(name_of, passes.seeds)], "):", 4),
        *docstring([gradients_sentence(passes)], 8),
        *unpacked(kept, "ctx.saved_tensors", 8),
        *(unpacked(flags, "ctx.needs_input_grad", 8) if needs else []),
        *block(backward_lines, 8),
        *bracketed("return (", gradients, ")", 8, plain="return "),
        "",
        "",
        *bracketed(f"def {name}(", names, "):"),
        *docstring([f"{what_it_gives(passes)}; differentiable once, by {parameters(passes)}."], 4),
        *bracketed(f"return {title}.apply(", names, ")", 4),
        *(line for function in further for line in function.lines),
    ]
    library = [*needed.library, "from torch.autograd.function import once_differentiable"]
    return module_text(docstring([heading(name, "PyTorch")], 0), needed.standard, library, lines)


def _read_again(passes: Passes) -> set[Expr]:
    """Return the values that another line of the backward pass uses, or adds to, or assigns an element of."""
    lines = plain_lines(passes.backward)
    used = {part for line in lines for part in ordered([line.value])}
    return used.union(*(ordered([line.variable]) for line in lines if line.adds or line.variable.operands))


def _only_where_needed(needs: dict[Expr, str]) -> Ending:
    """Compute a gradient that nothing else uses only if autograd requires it."""

    def ending(line: Line, value: str) -> str:
        if line.variable in needs:
            return f"{value} if {needs[line.variable]} else None"
        return value

    return ending


def _class_name(name: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in name.split("_")) + ("" if "_" in name else "Function")
