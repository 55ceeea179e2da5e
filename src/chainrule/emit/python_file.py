"""The common part of NumPy, JAX and PyTorch files: function bodies, docstrings, imports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from chainrule.emit.arrays import ArrayWriter
from chainrule.emit.errors import EmitError
from chainrule.emit.expressions import Expr, name_of
from chainrule.emit.layout import Text, bracketed, shape_comment
from chainrule.emit.passes import Argument, Passes
from chainrule.emit.sharing import Line, Repeat
from chainrule.ir import SymbolicDim

Ending = Callable[[Line, str], str]
"""A function from a line and its right-hand side to the target's form of it."""


def heading(name: str, library: str) -> str:
    """Return the first sentence of a file."""
    return f"Forward and backward pass of {name} in {library}, derived by chainrule."


def what_it_gives(passes: Passes) -> str:
    """Describe the results of the forward pass, as the subject of a sentence."""
    names = [name_of(x) for x in passes.outputs]
    if passes.is_loss:
        return f"The loss {names[0]}"
    return f"The result {names[0]}" if len(names) == 1 else f"The results {listed(names)}"


def listed(names: Sequence[str]) -> str:
    """Join names as `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def parameters(passes: Passes) -> str:
    """List the differentiated arguments."""
    return listed([name_of(argument.variable) for argument in passes.differentiated])


def shapes_of(arguments: Sequence[Argument]) -> str:
    """Describe the arguments with their shapes, and what is assumed of them, for a docstring."""
    entries = (f"{name_of(a.variable)} {_described(a.variable)}".replace(" ", "\u00a0") for a in arguments)
    assumed = [f"{name_of(a.variable)} {each.value}" for a in arguments for each in a.declared]
    given = f" The gradients assume {', '.join(assumed)}." if assumed else ""
    return "; ".join(entries) + "." + given


def _described(x: Expr) -> str:
    kind = "" if x.dtype.is_float else "integers " if x.dtype.value == "int64" else "booleans "
    return f"{kind}{shape_comment(x.shape)}"


def gradients_sentence(passes: Passes) -> str:
    """Describe the results of the backward pass."""
    subject = "The gradient" if len(passes.gradients) == 1 else "The gradients"
    if not passes.seeds:
        return f"{subject} of the loss by {parameters(passes)}."
    given = listed([name_of(x) for x in passes.seeds])
    return f"{subject} by {parameters(passes)}, given {given}."


def body(
    writer: ArrayWriter, items: Sequence[Line | Repeat], arrays: Sequence[Expr], ending: Ending | None = None
) -> list[Text]:
    """Return the lines of a pass, beginning with those that read sizes.

    Raises EmitError if a required size occurs in no array.
    """
    written = []
    counted = set()
    defined: set[Expr] = set()
    for item in items:
        if isinstance(item, Repeat):
            counted.add(item.place)
            roots = dict.fromkeys(
                line.variable.operands[0] if line.variable.operands else line.variable for line in item.lines
            )
            carried = [name_of(x) for x in roots if x in defined]
            written += writer.loop(item, _assignments(writer, item.lines, ending), carried)
        else:
            defined.add(item.variable)
            written += _assignments(writer, [item], ending)
    reading, lost = _size_lines({name: text for name, text in writer.sizes.items() if name not in counted}, arrays)
    if lost:
        raise EmitError(f"the size {lost[0]} is that of no argument; give an argument with an axis of this size")
    return [*(Text(line) for line in reading), *written]


def _assignments(writer: ArrayWriter, lines: Sequence[Line], ending: Ending | None) -> list[Text]:
    written = []
    for line in lines:
        value = str(writer.write(line.value, line.about))
        right = value if ending is None else ending(line, value)
        written.append(Text(writer.assignment(line.variable, right, line.adds), shape_comment(line.variable.shape)))
    return written


def _size_lines(needed: Mapping[str, str], arrays: Sequence[Expr]) -> tuple[list[str], list[str]]:
    """Return lines that read the `needed` sizes from shapes, and the sizes that no array has."""
    lines: list[str] = []
    left = dict(needed)
    for x in arrays:
        found = {
            str(dim): axis for axis, dim in enumerate(x.shape) if str(dim) in left and isinstance(dim, SymbolicDim)
        }
        if not found:
            continue
        name = name_of(x)
        if len(found) == 1:
            ((size, axis),) = found.items()
            lines.append(f"{left.pop(size)} = {name}.shape[{axis}]")
        else:
            entries = [left[str(dim)] if found.get(str(dim)) == axis else "_" for axis, dim in enumerate(x.shape)]
            lines.append(f"{', '.join(entries)} = {name}.shape")
            for size in found:
                left.pop(size)
    for x in arrays:
        for axis, dim in enumerate(x.shape):
            if isinstance(dim, SymbolicDim) and len(dim.terms) == 1:
                ((names, factor),) = dim.terms
                if len(names) == 1 and names[0] in left:  # an axis of size 2·h determines h
                    lines.append(f"{left.pop(names[0])} = {name_of(x)}.shape[{axis}] // {factor}")
    return lines, list(left)


def backward_body(
    passes: Passes, kind: type[ArrayWriter], sizes: dict[str, str], ending: Ending | None = None
) -> tuple[ArrayWriter, list[Text], list[Expr]]:
    """Return the lines of the backward pass, and the values that the forward pass must save for them.

    An argument is saved only for its shape if no other saved value has that size.
    """
    arguments = [argument.variable for argument in passes.arguments]
    candidates = [x for x in arguments if x not in passes.saved]
    for extra in ([], *([x] for x in candidates), candidates):
        kept = {*passes.saved, *extra}
        saved = [*(x for x in arguments if x in kept), *(x for x in passes.saved if x not in arguments)]
        available = [*saved, *passes.seeds]
        writer = kind(passes.names, available, sizes)
        try:
            return writer, body(writer, passes.backward, available, ending), saved
        except EmitError:
            if extra == candidates:
                raise
    raise AssertionError("the last attempt returns or raises")


def unpacked(names: Sequence[str], source: str, indent: int) -> list[str]:
    """`a, b = source`; empty without names."""
    if not names:
        return []
    if len(names) == 1:
        return bracketed("(", [f"{names[0]},"], f") = {source}", indent)
    line = f"{' ' * indent}{', '.join(names)} = {source}"
    return [line] if len(line) <= 88 else bracketed("(", names, f") = {source}", indent)


@dataclass(frozen=True)
class Needs:
    """The requirements of a source file: helpers, standard library modules, and other imports."""

    helpers: tuple[str, ...]
    standard: tuple[str, ...]
    library: tuple[str, ...]


def needs_of(kind: type[ArrayWriter], names: Iterable[str]) -> Needs:
    """Return the requirements for the names used by writers of a `kind`."""
    used = dict.fromkeys(names)
    helpers = [helper for name, helper in kind.helpers.items() if name in used]
    used.update(dict.fromkeys(need for helper in helpers for need in helper.needs))
    standard = [name for name in used if name not in kind.helpers and name not in kind.imported]
    library = [text for name, text in kind.imported.items() if name in used]
    return Needs(tuple(helper.text for helper in helpers), tuple(standard), tuple(library))


def functions(texts: Iterable[str]) -> list[str]:
    """Join functions of a module, separated by two blank lines."""
    return [line for text in texts for line in ("", "", text)]


def module_text(head: Sequence[str], standard: Iterable[str], library: Sequence[str], lines: Sequence[str]) -> str:
    """Return a module: docstring, standard library imports, other imports, and lines."""
    first = sorted(f"import {name}" for name in set(standard))
    imports = [*([""] if first else []), *first, *([""] if library else []), *library]
    return "\n".join([*head, *imports, *lines]) + "\n"
