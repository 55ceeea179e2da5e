"""Renaming of sizes that have the name of a value: `(2/n) n` would be ambiguous."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from chainrule.derivation.names import name_parts
from chainrule.ir import Dim, Program, named_dim


def with_sizes_apart(program: Program) -> Program:
    """Rename each size that looks like an input or a named value, for example `n` to `N`."""
    values = [*(node.name for node in program.inputs), *program.names.values()]
    taken = {name_parts(name) for name in values}
    clashing = [name for name in program.dim_names if name_parts(name) in taken]
    if not clashing:
        return program
    taken |= {name_parts(name) for name in program.dim_names}
    renamed: dict[str, Dim] = {}
    for name in clashing:
        new = next(each for each in _others(name) if name_parts(each) not in taken)
        taken.add(name_parts(new))
        renamed[name] = named_dim(new)
    return program.bind(renamed)


def _others(name: str) -> Iterator[str]:
    yield name.upper()
    yield name.lower()
    yield from (f"{name}_{number}" for number in itertools.count(2))
