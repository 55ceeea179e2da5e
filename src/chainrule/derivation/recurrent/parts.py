"""The records of the derivation of a program with recurrences: one for each step, one for all that is outside."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chainrule.calculus import Contribution, Recurrence
from chainrule.derivation.record import Record
from chainrule.derivation.recurrent.loops import Loop, Part
from chainrule.ir import Input, Program, cached_property

_LAYER = re.compile(r"[za][0-9]+")


class OuterRecord(Record):
    """The record of what is outside of the recurrences."""

    def __init__(
        self,
        program: Program,
        wrt: Sequence[Input],
        loss: str,
        elsewhere: frozenset[str] = frozenset(),
        whole: Record | None = None,
    ) -> None:
        self._loss_name = loss
        self.elsewhere = elsewhere
        super().__init__(program, wrt, whole)

    @property
    def loss_name(self) -> str:
        return self._loss_name

    @property
    def numbers_deltas(self) -> bool:
        return False  # δ₁ is that of the first step

    def named_apart(self, program: Program) -> Program:
        """Give letters to the numbered values of layers: z₁ is that of the first step."""
        taken = {node.name for node in program.inputs} | set(program.names.values()) | set(program.dim_names)
        letters = itertools.chain("uvqrm", (f"u_{k}" for k in itertools.count(2)))
        free = (name for name in letters if name not in taken)
        own = set(self.traced.names.values())
        names = {
            node: name if name in own or not _LAYER.fullmatch(name) else next(free)
            for node, name in program.names.items()
        }
        return replace(program, names=names)

    def _paths(self, symbol: Input) -> Iterator[tuple[Contribution, ...]]:
        """Yield the chains from the loss, without the link to it from what the given gradients add."""
        for path in super()._paths(symbol):
            chain = tuple(link for link in path if link.operand.name != self._loss_name)
            if chain:  # the last state may be the loss itself
                yield chain


@dataclass(frozen=True, eq=False)
class Recurrent:
    """A program with recurrences, and the records of its parts.

    `whole` has the recurrences as nodes; `outer` is None if nothing is outside, as for a loss that is the last state.
    """

    program: Program
    whole: Program
    wrt: tuple[Input, ...]
    loss_name: str
    outer: OuterRecord | None
    outer_in_steps: OuterRecord | None
    loops: tuple[Loop, ...]
    scans: tuple[Recurrence, ...]
    """The recurrences of `whole`, in the order of `loops`."""

    @property
    def every_record(self) -> tuple[Record, ...]:
        """Every record, with compositions taken apart, and as written where that differs."""
        pairs: list[tuple[Record, Record]] = [(loop.in_steps, loop.record) for loop in self.loops]
        if self.outer is not None and self.outer_in_steps is not None:
            pairs.insert(0, (self.outer_in_steps, self.outer))
        return tuple(dict.fromkeys(record for pair in pairs for record in pair))

    @cached_property
    def joined(self) -> Record:
        """The record of `whole`, in which each recurrence is one value."""
        return Record(self.whole, self.wrt)

    def parts_of(self, target: Input) -> list[tuple[Loop, Part]]:
        """Return what the recurrences contribute to the gradient by a value outside."""
        return [(loop, part) for loop in self.loops for part in loop.parts if part.target is target]
