"""A file in JavaScript: functions of programs with caller-defined locations, helpers and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chainrule.emit.code import Level, atom, written_dim
from chainrule.emit.js_functions import helper_text
from chainrule.emit.js_values import JS_ARRAYS, JsWriter
from chainrule.emit.layout import broken
from chainrule.emit.unit import Member, Unit
from chainrule.ir import ArrayType, DType


class JsUnit(Unit):
    """A JavaScript module; the size names are variables. Arrays are flat, in row-major order."""

    language = "JavaScript"
    writer = JsWriter

    @property
    def preamble(self) -> list[str]:
        lines = [*array_lines(self._table_rows()), *helper_text(self.name, self.helpers)]
        return [piece for line in lines for piece in broken(line)]


def array_lines(tables: Mapping[str, tuple[str, DType, int]]) -> list[str]:
    """Return the literal arrays, by name: elements, dtype and count."""
    return [
        line
        for name, (numbers, dtype, _) in tables.items()
        for line in (f"const {name} = new {JS_ARRAYS[dtype]}([{numbers}]);", "")
    ]


def allocations(members: Sequence[Member], size_names: Mapping[str, str], indent: int = 8) -> list[str]:
    """Return the properties of an object with an array of zeros, or the number 0, for each member."""
    return [f"{' ' * indent}{member.name}: {_allocated(member.type, size_names)}," for member in members]


def _allocated(type_: ArrayType, size_names: Mapping[str, str]) -> str:
    if not type_.ndim:
        return "0"
    sizes = [written_dim(dim, size_names.__getitem__) for dim in type_.shape if dim != 1] or [atom("1")]
    text = str(sizes[0]) if len(sizes) == 1 else " * ".join(size.at(Level.PRODUCT) for size in sizes)
    return f"new {JS_ARRAYS[type_.dtype]}({text})"
