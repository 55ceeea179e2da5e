"""A step of `scan` that is recorded once, on symbols of the carry and of the elements, in place of every round.

The step is called twice, and both calls must give the same expressions and leave everything that the step can reach as
it was. Otherwise, or if it needs numbers where the symbols have none, `UnlikeRoundsError` begins the trace anew, in
which each round is recorded for itself.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from chainrule.calculus import Carried, Constant, Recurrence, Sequenced, entry
from chainrule.functions import collected_demands, demand
from chainrule.ir import Apply, ArrayType, Const, Demand, Input, Node, substitute, topological_order
from chainrule.primitives import cast
from chainrule.trace.buffers import Buffer, content_of
from chainrule.trace.literals import as_node
from chainrule.trace.naming import name_given
from chainrule.trace.recording import Recording, recording
from chainrule.trace.source import is_user_file
from chainrule.trace.traced import Traced, holds_traced, released

LEAST = 4
"""The number of rounds from which the step is recorded once."""

_DEPTH = 3
"""How deep what the step can reach is compared."""

keeps: ContextVar[bool] = ContextVar("keeps", default=False)
"""Whether the program of the trace may contain recurrences."""

_numbers = itertools.count()


class UnlikeRoundsError(BaseException):
    """The rounds of a scan cannot be recorded as one.

    It passes through the traced function, whose handlers of exceptions are not meant for it.
    """


@contextmanager
def keeping_recurrences(kept: bool = True) -> Iterator[None]:
    """A context in which programs may contain recurrences, `Scan`, in place of the rounds of `scan`.

    Within the trace of another program, only if that one may.
    """
    token = keeps.set(kept and (recording.get() is None or keeps.get()))
    try:
        yield
    finally:
        keeps.reset(token)


Step = Callable[[Sequence[Any], Sequence[Any]], tuple[list[Any], list[Any]]]
"""From the leaves of a carry and of an element to those of the next carry and of a y."""


def is_recorded_once(step: Callable[..., Any], carry: Sequence[Any], elements: Sequence[Any], count: int) -> bool:
    """Whether a scan is recorded as a recurrence.

    Integers that are not traced are mostly places, which stay numbers.
    """
    if not keeps.get() or recording.get() is None or count < LEAST:
        return False
    if any(not isinstance(leaf, Traced) and np.asarray(leaf).dtype.kind != "f" for leaf in elements):
        return False
    return holds_traced([*carry, *elements]) or holds_traced(_surroundings(step))


def recorded_once(
    step: Step, around: Callable[..., Any], carry: Sequence[Any], elements: Sequence[Any], count: int, reverse: bool
) -> tuple[list[Any], list[Any]]:
    """Return the leaves of the last carry and of the stacked ys; `around` is the function that the user wrote."""
    here = recording.get()
    assert here is not None
    chain = [here]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    refused = [len(each.refusals) for each in chain]
    try:
        before = _reached(around)
        rounds = _Rounds(step, here, carry, elements)
        if not _equal(before, _reached(around)):
            raise UnlikeRoundsError
        return rounds.results(count, reverse)
    except Exception as error:  # the next trace raises it again, if it is no matter of symbols
        for each, known in zip(chain, refused, strict=True):
            del each.refusals[known:]
        raise UnlikeRoundsError from error


@dataclass(frozen=True)
class _Leaf:
    """A value outside, and the symbol that stands for it in the step."""

    value: Node
    symbol: Input
    weak: bool

    @classmethod
    def of(cls, value: Node, type_: ArrayType, weak: bool) -> _Leaf:
        return cls(value, Input(f"round {next(_numbers)}", type_), weak)


class _Rounds:
    """A step with its symbols, and what it computes of them."""

    def __init__(self, step: Step, here: Recording, carry: Sequence[Any], elements: Sequence[Any]) -> None:
        self.here = here
        self.carries = [_Leaf.of(node, node.type, weak) for node, weak in map(_node_of, carry)]
        nodes = [node for node, _ in map(_node_of, elements)]
        self.elements = [_Leaf.of(node, node.type.with_shape(node.type.shape[1:]), False) for node in nodes]
        first = self._called(step)
        widened = [
            replace(leaf, value=cast(leaf.value, node.type.dtype), symbol=_Leaf.of(node, node.type, False).symbol)
            if leaf.weak and node.type.dtype != leaf.symbol.type.dtype
            else leaf
            for leaf, node in zip(self.carries, first[0], strict=True)
        ]
        if widened != self.carries:
            self.carries = widened
            first = self._called(step)
        self.following, self.ys, self.demands = first
        if self._called(step) != first:
            raise UnlikeRoundsError

    def _called(self, step: Step) -> tuple[list[Node], list[Node], list[Demand]]:
        symbols = [*self.carries, *self.elements]
        self.here.symbols.update(leaf.symbol for leaf in symbols)
        given = [Traced(leaf.symbol, leaf.weak, self.here) for leaf in symbols]
        count = len(self.carries)
        with collected_demands() as demands:
            following, ys = step(given[:count], given[count:])
        return [_node_of(leaf)[0] for leaf in following], [_node_of(leaf)[0] for leaf in ys], list(demands)

    def results(self, count: int, reverse: bool) -> tuple[list[Any], list[Any]]:
        """Return the last carry and the stacked ys, as traced values."""
        symbols = {leaf.symbol for leaf in (*self.carries, *self.elements)}
        outputs = [*self.following, *self.ys]
        inside: set[Node] = set(symbols)
        constants: dict[Node, Node] = {}
        given: list[Constant] = []
        order = topological_order(outputs)
        for node in order:
            if isinstance(node, Apply) and not inside.isdisjoint(node.operands):
                inside.add(node)
        read = [operand for node in order if isinstance(node, Apply) and node in inside for operand in node.operands]
        for node in (*read, *outputs):
            if node not in inside and node not in constants and not isinstance(node, Const):
                symbol = Input(f"constant {len(constants)}", node.type)
                constants[node] = symbol
                given.append(Constant(symbol, node))
        self._demand_of_all(inside)
        names = {node: name for node in order if node in inside and (name := name_given(node)) is not None}
        put = substitute([*outputs, *names], constants)
        following, ys = put[: len(self.carries)], put[len(self.carries) : len(outputs)]
        # What a step hands on, or has received, needs no stack of its own.
        own = [y for y in dict.fromkeys(ys) if y not in following and y not in symbols]
        recurrence = Recurrence(
            tuple(Carried(leaf.symbol, leaf.value, node) for leaf, node in zip(self.carries, following, strict=True)),
            tuple(Sequenced(leaf.symbol, leaf.value) for leaf in self.elements),
            tuple(given),
            tuple(own),
            (),
            count,
            reverse,
            tuple(zip(put[len(outputs) :], names.values(), strict=True)),
        ).neat()
        states, stacks = recurrence.results()[: len(self.carries)], recurrence.results()[len(self.carries) :]
        whole: dict[Node, Node] = {leaf.symbol: leaf.value for leaf in self.elements}
        whole.update({leaf.symbol: recurrence.before(x) for leaf, x in zip(self.carries, states, strict=True)})
        whole.update({node: recurrence.after(x) for node, x in zip(following, states, strict=True)})
        whole.update(zip(own, stacks, strict=True))
        last = [entry(each, 0 if reverse else count) for each in states]
        return (
            [Traced(node, leaf.weak, self.here) for node, leaf in zip(last, self.carries, strict=True)],
            [Traced(whole[y], False, self.here) for y in ys],
        )

    def _demand_of_all(self, inside: set[Node]) -> None:
        """Demand of whole sequences what the step demands of an element."""
        whole: dict[Node, Node] = {leaf.symbol: leaf.value for leaf in self.elements}
        for each in self.demands:
            if each.node in inside and each.node not in whole:
                raise UnlikeRoundsError
            demand(replace(each, node=whole.get(each.node, each.node)))


def _node_of(leaf: Any) -> tuple[Node, bool]:
    """Return the node of a leaf, and whether it adopts the dtype of what it meets."""
    weak = leaf.weak if isinstance(leaf, Traced) else type(leaf) in (bool, int, float)
    return as_node(released(content_of(leaf))), weak


def _surroundings(step: Callable[..., Any]) -> list[object]:
    """Return the objects that a function can reach by its variables, and those that its helpers can reach."""
    found: list[object] = []
    pending: list[Any] = [step]
    seen: set[int] = set()
    while pending:
        function = pending.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        if isinstance(function, partial):
            found += [*function.args, *function.keywords.values()]
            pending.append(function.func)
        elif isinstance(function, MethodType):
            found.append(function.__self__)
            pending.append(function.__func__)
        elif isinstance(function, FunctionType):
            held = list(_contents(function.__closure__ or ()))
            held += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
            names = set(_names_in(function.__code__))
            held += [value for name, value in function.__globals__.items() if name in names]
            is_function = [isinstance(each, FunctionType | MethodType | partial) for each in held]
            found += [each for each, apart in zip(held, is_function, strict=True) if not apart]
            pending += [each for each, apart in zip(held, is_function, strict=True) if apart and _is_users(each)]
        elif isinstance(call := vars(type(function)).get("__call__"), FunctionType):
            found.append(function)
            pending.append(call)
    return [each for each in found if not isinstance(each, ModuleType | type)]


def _is_users(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is None or is_user_file(code.co_filename)


def _contents(cells: Iterable[Any]) -> Iterator[object]:
    """Yield what the variables around a function hold, but for those that have no value yet."""
    for cell in cells:
        with suppress(ValueError):
            yield cell.cell_contents


def _names_in(code: CodeType) -> Iterator[str]:
    """Yield the global names that code uses, with that of functions inside."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _reached(step: Callable[..., Any]) -> list[object]:
    """Return what a step can reach, as a list whose entries are others after a change."""
    found: list[object] = []
    for each in _surroundings(step):
        _describe(each, _DEPTH, found)
    return found


def _describe(value: Any, depth: int, found: list[object]) -> None:
    if type(value) is Buffer:
        value = content_of(value)
    if isinstance(value, Traced):
        found += [value.memory, value.memory.known]
    elif isinstance(value, np.ndarray):
        found += [value.tobytes(), str(value.shape)]
    elif depth and isinstance(value, dict):
        found.append(bytes(str(len(value)), "ascii"))
        for key, entry_ in value.items():
            found.append(key)
            _describe(entry_, depth - 1, found)
    elif depth and isinstance(value, list | tuple | set | frozenset | deque):
        found.append(bytes(str(len(value)), "ascii"))
        for each in value:
            _describe(each, depth - 1, found)
    else:
        found.append(value)
        if depth and hasattr(value, "__dict__") and not isinstance(value, ModuleType | type | FunctionType):
            _describe(vars(value), depth - 1, found)


def _equal(before: Sequence[object], after: Sequence[object]) -> bool:
    return len(before) == len(after) and all(
        one is other or (type(one) in (bytes, str, int, float) and one == other)
        for one, other in zip(before, after, strict=True)
    )
