"""The functions without a definition that a formula names."""

from __future__ import annotations

import re

from chainrule.deriving.errors import DerivationError
from chainrule.functions import plain_sizes
from chainrule.ir import (
    Apply,
    Program,
)
from chainrule.primitives import Abstract, AbstractMap


def function_sizes(text: str) -> dict[str, str | None]:
    """Parse `"f, g: n -> m"`: return the names of functions, with the sizes of those of vectors.

    >>> function_sizes("f, g: n -> m")
    {'f': None, 'g': 'n -> m'}
    >>> function_sizes("f: (n, k) -> m")
    {'f': '(n, k) -> m'}
    >>> function_sizes("f: R^m -> R, g: ℝⁿ → ℝᵐ")
    {'f': '(m) -> ', 'g': '(n) -> m'}
    """
    named: dict[str, str | None] = {}
    for part in re.split(r"[,;](?![^()]*\))", text):
        name, colon, sizes = map(str.strip, part.partition(":"))
        if not name.isidentifier():
            raise DerivationError(f"functions has {part.strip()!r}; write names, as in 'f, g: n -> m'")
        if name in named:
            raise DerivationError(f"functions names {name} twice; name it once")
        named[name] = plain_sizes(sizes) if colon else None
    return named


def check_functions(program: Program) -> None:
    """Raise DerivationError where the name of a function without a definition means two things."""
    variables = {node.name for node in program.inputs} | set(program.names.values())
    found: dict[str, Abstract | AbstractMap] = {}
    for node in program.nodes:
        if not isinstance(node, Apply) or not isinstance(node.primitive, Abstract | AbstractMap):
            continue
        name, kind = node.primitive.name, node.primitive
        if name in variables:
            raise DerivationError(f"{name} is a function without a definition and a variable; rename one of them")
        if found.setdefault(name, kind) != kind:
            raise DerivationError(
                f"{name} is called in two ways, with different numbers of arguments or sizes; name the functions apart"
            )
