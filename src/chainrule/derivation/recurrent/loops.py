"""What a derivation knows of one recurrence: its step as a layer, and what goes into it and comes out of it.

The step is derived as any layer: the gradients by its results are given. They are the sum of what comes back from
outside of the recurrence and from the next step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeAlias

from chainrule.calculus import Accumulation, recognize
from chainrule.derivation.abbreviations import Abbreviation
from chainrule.derivation.names import at_step, step_of
from chainrule.derivation.naming import name_activations
from chainrule.derivation.record import Record
from chainrule.derivation.upstream import is_upstream, output_name, with_upstream
from chainrule.ir import Const, Input, Node, Program, substitute, topological_order

Place: TypeAlias = Literal["after", "before", "whole", "last", "ys"]
Use: TypeAlias = Literal["constant", "element", "initial"]
"""What of a recurrence a value is: the states after each step, or before it, all of them, the last one, or the ys."""


class StepRecord(Record):
    """The record of a step: what its loss is called belongs to the whole, and every value has the index of the step."""

    def __init__(
        self,
        program: Program,
        wrt: Sequence[Input],
        loss: str,
        others: frozenset[str] = frozenset(),
        alone: bool = True,
        whole: Record | None = None,
    ) -> None:
        self._loss_name = loss
        self.alone = alone
        """Whether there is no other recurrence."""
        self.others = others
        """Names in the steps of other recurrences."""
        super().__init__(program, wrt, whole)

    @property
    def loss_name(self) -> str:
        return self._loss_name

    @property
    def numbers_deltas(self) -> bool:
        return self.alone

    def named_apart(self, program: Program) -> Program:
        """Return the program with the index t in the names of all values that differ from step to step."""
        return with_steps(program, self.others)

    def named_symbols(self, found: tuple[Abbreviation, ...]) -> tuple[Abbreviation, ...]:
        """Return abbreviations with the index t, unless their value is the same in all steps."""
        made: list[Abbreviation] = []
        renamed: dict[Node, Node] = {}
        for each in found:
            (value,) = substitute([each.value], renamed)
            symbol = each.symbol
            if any(isinstance(part, Input) and step_of(part.name) for part in topological_order([value])):
                symbol = Input(at_step(symbol.name, "t"), symbol.type)
            renamed[each.symbol] = symbol
            made.append(Abbreviation(symbol, value))
        return tuple(made)

    @property
    def reserved(self) -> set[str]:
        return {"t", *(at_step(name, "") for name in (*self.program.names.values(), *self.others))}


def with_steps(program: Program, others: Collection[str]) -> Program:
    """Return the program with the index t in the name of every value that depends on one with an index."""
    running: set[Node] = set()
    for node in program.nodes:
        operands = getattr(node, "operands", ())
        if (isinstance(node, Input) and step_of(node.name)) or not running.isdisjoint(operands):
            running.add(node)
    names = dict(program.names)
    taken = {node.name for node in program.inputs} | set(names.values()) | set(others)
    for node, name in names.items():
        if node in running and not step_of(name) and node not in program.outputs:
            numbered = itertools.chain([name], (f"{name}{number}" for number in itertools.count(2)))
            names[node] = next(each for stem in numbered if (each := at_step(stem, "t")) not in taken)
            taken.add(names[node])
    return replace(program, names=names)


@dataclass(frozen=True, eq=False)
class State:
    """A carry: h_{t−1}, which the step reads, the name of h_t, which it computes, and the initial value outside."""

    before: Input
    name: str
    initial: Input | Const

    @property
    def after(self) -> Input:
        """The symbol of the value after the step."""
        return Input(self.name, self.before.type)


@dataclass(frozen=True, eq=False)
class Element:
    """The element of a sequence that a step reads, and the sequence outside."""

    symbol: Input
    array: Input
    axis: int


@dataclass(frozen=True, eq=False)
class Result:
    """A value outside that is made of the values of the steps: `output` is the name of that of one step."""

    symbol: Input
    output: str
    place: Place


@dataclass(frozen=True, eq=False)
class Part:
    """What one recurrence contributes to the gradient by `target`, through its own symbol `source` in the step.

    `given` is the name of this part, if there are others; without it the part is the whole gradient.
    """

    source: Input
    target: Input
    given: Input | None
    kind: Use


@dataclass(frozen=True, eq=False)
class Loop:
    """One recurrence of a derivation."""

    record: StepRecord
    in_steps: StepRecord
    states: tuple[State, ...]
    elements: tuple[Element, ...]
    listed: tuple[tuple[Input, Const], ...]
    """Elements of arrays of numbers, with the arrays."""
    results: tuple[Result, ...]
    parts: tuple[Part, ...]
    places: Mapping[Node, int]
    """The place of each symbol of the step among the operands of the recurrence."""
    length: int
    reverse: bool

    @property
    def steps(self) -> range:
        """The steps in the order of the forward pass, numbered from 1."""
        return range(self.length, 0, -1) if self.reverse else range(1, self.length + 1)

    @property
    def start(self) -> int:
        """The number of the initial state."""
        return self.length + 1 if self.reverse else 0

    @property
    def first(self) -> int:
        return self.steps[0]

    @property
    def last(self) -> int:
        return self.steps[-1]

    @property
    def forwards(self) -> int:
        """What is added to t for the next step."""
        return -1 if self.reverse else 1

    @property
    def following(self) -> str:
        return "t-1" if self.reverse else "t+1"

    @property
    def preceding(self) -> str:
        return "t+1" if self.reverse else "t-1"

    def given(self, name: str) -> Input | None:
        """The given gradient by a result of the step."""
        return next(
            (each for each in self.record.program.inputs if is_upstream(each) and output_name(each) == name), None
        )

    def accumulation(self, symbol: Input) -> Accumulation | None:
        """The gradient within one step by a symbol of it."""
        return next((each for each in self.record.backward.accumulations if each.symbol is symbol), None)

    def direct(self, name: str) -> list[Result]:
        """The values outside that are made of a result of the steps."""
        return [each for each in self.results if each.output == name]


class Step(Protocol):
    """A step before it is derived: the names of its results and of its values."""

    inputs: list[Input]
    outputs: dict[Node, str]
    values: dict[Node, str]
    wrt: list[Input]


def step_record(step: Step, loss: str, fresh: Callable[[str], str], others: frozenset[str], alone: bool) -> StepRecord:
    """Return the record of a step, a layer with named results; `fresh` gives a name the index t."""
    program = with_upstream(
        Program(tuple(step.inputs), tuple(step.outputs), {**step.values, **step.outputs}), always=True
    )
    recognized, _ = recognize(program)
    named = name_activations(recognized)
    new = [node for node in named.names if node not in recognized.names]
    stems = [_without_number(named.names[node], named.names.values()) for node in new]
    if new:
        program = replace(recognized, names={**recognized.names, **dict(zip(new, map(fresh, stems), strict=True))})
    return StepRecord(program, step.wrt, loss, others, alone)


def _without_number(name: str, names: Collection[str]) -> str:
    """Return z for z1, if there is no z2."""
    stem = name.rstrip("0123456789")
    return stem if [each for each in names if each.rstrip("0123456789") == stem] == [name] else name
