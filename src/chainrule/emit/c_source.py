"""Export as a C99 header: static sizes, no allocation, no library except libm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from chainrule.derivation import Derivatives, Record, Recurrent
from chainrule.emit.c_file import function, header_text, structure
from chainrule.emit.c_unit import CUnit, declarations
from chainrule.emit.c_values import C_TYPES
from chainrule.emit.loop_source import LoopSource, PassFunction, Structure, check_all_sizes, listed
from chainrule.emit.names import ascii_identifier, member_names
from chainrule.emit.nests import Place
from chainrule.emit.unit import Member
from chainrule.ir import ArrayType, DType, bind_dim, concrete

_RESTRICT = "CHAINRULE_RESTRICT"
_BYTES = {DType.FLOAT32: 4, DType.FLOAT64: 8, DType.INT64: 4, DType.BOOL: 1}


def c_source(
    subject: Record | Recurrent,
    name: str,
    sizes: Mapping[str, int],
    dtype: str,
    derivatives: Derivatives | None = None,
) -> str:
    """Return the header; `sizes` has a number for each symbolic size."""
    check_all_sizes("C", subject.program, sizes)
    return _CSource(subject, ascii_identifier(name), sizes, DType(dtype), derivatives).text()


class _CSource(LoopSource):
    unit_type = CUnit

    @property
    def _real(self) -> str:
        return C_TYPES[self.dtype]

    def name_sizes(self, sizes: Sequence[str]) -> dict[str, str]:
        upper = self.name.upper()
        names = {size: f"{upper}_{ascii_identifier(size).upper()}" for size in sizes}
        if len(set(names.values())) < len(names):
            names = {size: f"{upper}_{member}" for size, member in member_names(sorted(sizes)).items()}
        return names

    def structure_parameter(self, name: str, is_read: bool = False) -> tuple[str, str]:
        return f"{'const ' if is_read else ''}{self.name}_{name} *{_RESTRICT} {name}", f"&{name}"

    def array_parameter(self, name: str, type_: ArrayType) -> tuple[str, str]:
        if type_.ndim == 0:
            return f"{C_TYPES[type_.dtype]} {name}", name
        return f"const {C_TYPES[type_.dtype]} *{_RESTRICT} {name}", name

    def number_parameter(self, name: str, example: str) -> tuple[str, str]:
        return f"{self._real} {name}", example

    def file(self, structures: Sequence[Structure], functions: Sequence[PassFunction], results: Sequence[Place]) -> str:
        lines = [
            *self._enumeration(),
            *(line for each in structures for line in self._structure(each)),
            *self.unit.preamble,
            *(line for each in functions for line in self._function(each)),
        ]
        return header_text(self.name, self._heading(structures, functions, results), ["math"], lines, _RESTRICT)

    def _function(self, each: PassFunction) -> list[str]:
        parameters = [parameter for parameter, _ in each.parameters]
        return function(each.comment, f"{self._result(each)} {each.title}", parameters, each.statements)

    def _result(self, each: PassFunction) -> str:
        return self._real if each.returns_loss else "void"

    def _enumeration(self) -> list[str]:
        """Return the symbolic sizes as constants."""
        entries = [f"    {self.size_names[size]} = {k}" for size, k in self.sizes.items() if size in self.size_names]
        return ["enum {", *(f"{each}," for each in entries[:-1]), entries[-1], "};", ""] if entries else []

    def _structure(self, each: Structure) -> list[str]:
        return structure(f"{self.name}_{each.label}", each.comment, declarations(each.members, self.size_names))

    def _heading(
        self, structures: Sequence[Structure], functions: Sequence[PassFunction], results: Sequence[Place]
    ) -> list[str]:
        sizes = ", ".join(f"{name} = {size}" for name, size in self.sizes.items())
        memory = ", ".join(f"{each.label} {sum(map(self._bytes, each.members)):,}" for each in structures)
        calls = [f"{self._result(each)} loss = {each.call}" if each.returns_loss else each.call for each in functions]
        return [
            f"{self.name}: forward and backward pass in C99, derived by chainrule.",
            "",
            f"Sizes: {sizes or 'none are named'}. Memory in bytes, all of it the caller's: {memory}.",
            "Arrays are given in row-major order. Nothing is allocated; link with -lm.",
            *([f"The gradients assume {self.assumed}."] if self.assumed else []),
            *([f"The forward pass leaves {listed(results)}."] if self.is_layer else []),
            "",
            *(f"    static {self.name}_{each.label} {each.label};" for each in structures),
            *(f"    {call};" for call in calls),
        ]

    def _bytes(self, member: Member) -> int:
        return math.prod(concrete(bind_dim(dim, self.sizes)) for dim in member.type.shape) * _BYTES[member.type.dtype]
