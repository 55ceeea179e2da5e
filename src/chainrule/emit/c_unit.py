"""A file in C: functions of programs with caller-defined locations, helpers and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.emit.c_file import helper_lines, table_lines
from chainrule.emit.c_values import C_TYPES, CWriter
from chainrule.emit.code import written_dim
from chainrule.emit.layout import broken
from chainrule.emit.unit import Member, Unit
from chainrule.ir import Dim


class CUnit(Unit):
    """A C file; the size names are constants of the file."""

    language = "C"
    writer = CWriter

    @property
    def preamble(self) -> list[str]:
        lines = [*table_lines(self._table_rows()), *helper_lines(self.name, self.dtype, self.helpers)]
        return [piece for line in lines for piece in broken(line)]


def declarations(members: Sequence[Member], size_names: Mapping[str, str], indent: int = 4) -> list[str]:
    """Return the members as array declarations."""
    return [
        f"{' ' * indent}{C_TYPES[m.type.dtype]} {m.name}{''.join(f'[{_size(d, size_names)}]' for d in m.type.shape)};"
        for m in members
    ]


def _size(dim: Dim, size_names: Mapping[str, str]) -> str:
    return str(written_dim(dim, size_names.__getitem__))
