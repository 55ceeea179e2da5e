"""Finds the rounds of a loop that were recorded one after another, and writes them as a recurrence.

Rounds are alike if their expressions are the same up to what a recurrence hands on and what stands in a sequence. So
the results of all rounds, h₁ … h_T, are compared in lockstep: where all are the same value, it is a constant; where
they are the elements of an array in order, a sequence; where they are h₀ … h_{T−1}, the carry of h₁ … h_T; where they
are the same operation, its operands are compared in turn; otherwise the rounds are not alike. Which values to compare
is guessed from the depth of similar expressions, and a wrong guess only fails.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from chainrule.calculus.recurrence.scan import Carried, Constant, Recurrence, Scan, Sequenced, entry, part
from chainrule.ir import Apply, Const, Input, Node, Program, Shape, applies, rebuild_all, topological_order
from chainrule.primitives import (
    Broadcast,
    Concatenate,
    Contract,
    Permute,
    Reshape,
    Slice,
    expand_dims,
    permute,
    reshape,
    reverse,
)

LEAST = 4
"""The number of rounds from which they are written as a recurrence."""

LEAST_APART = 8
"""The number of rounds for rounds that do not depend on each other."""

_MOST_GUESSES = 200
_NUMBERED = re.compile(r"(.*\D)(\d+)")
_STRIDES = 6
"""The number of similar operations in a round up to which they are told apart."""

Rounds: TypeAlias = tuple[Node, ...]
"""One value in each round."""


class _UnlikeError(Exception):
    """The rounds are not alike."""


StepNames: TypeAlias = dict[Hashable, dict[Node, str]]
"""The names of values in the steps of recurrences, by `Scan.together`: `z` for what is z1, z2, … in the rounds."""


def rolled(program: Program, step_names: StepNames | None = None) -> Program:
    """Return the program with rounds that are alike as recurrences; the same program if there are none.

    The values in the rounds keep their names, though they are no part of it: a name tells where a run diverged.

    For a reader, the names in the steps are added to `step_names`: the states are named values as far as possible, and
    no step computes what no round did, unless that has a name.
    """
    outputs, names = program.outputs, dict(program.names)
    while True:
        made = _one_rolled(outputs, names, step_names)
        if made is None:
            break
        outputs = tuple(made[output] for output in outputs)
        names = {made[node]: name for node, name in names.items() if node in made}
    if outputs == program.outputs:
        return program
    within = set(topological_order(outputs))
    named = {node: name for node, name in names.items() if node in within}
    return Program(program.inputs, outputs, {**program.names, **named}, declared=program.declared)


def _one_rolled(
    outputs: Sequence[Node], names: Mapping[Node, str], step_names: StepNames | None
) -> dict[Node, Node] | None:
    """Return every node with one recurrence written as such; None if there is none."""
    size = len(topological_order(outputs))
    guesses: Iterable[Rounds] = itertools.islice(_guesses(outputs, names), _MOST_GUESSES)
    if step_names is not None:
        guesses = sorted(guesses, key=lambda rounds: not _stem_of(rounds, names))
    for guess in guesses:
        for rounds in (guess, guess[1:], guess[:-1], guess[2:]):
            for exact in (False,) if step_names is None else (False, True):
                comparison = _compared(rounds, exact)
                if comparison is None or not comparison.is_worthwhile:
                    continue
                if step_names is not None and not exact and not comparison.hands_on_names(names):
                    continue
                made = comparison.written(outputs)
                if made is not None and len(topological_order([made[output] for output in outputs])) < size:
                    if step_names is not None:
                        step_names.update(comparison.step_names(names))
                    return made
    return None


def _compared(rounds: Rounds, exact: bool) -> _Comparison | None:
    """Return the comparison of rounds and of those before them; None if they are not alike.

    A round may be nested too deeply to be compared.
    """
    if len(rounds) < LEAST:
        return None
    try:
        comparison = _Comparison(rounds, exact)
    except (_UnlikeError, RecursionError):
        return None
    while (earlier := comparison.earlier()) is not None:
        try:
            comparison = _Comparison(earlier, exact)
        except (_UnlikeError, RecursionError):
            break
    return comparison


def _guesses(outputs: Sequence[Node], names: Mapping[Node, str]) -> Iterator[Rounds]:
    """Yield values that may be those of one name in all rounds, the deepest first."""
    depths: dict[Node, int] = {}
    similar: dict[Hashable, list[Node]] = {}
    guesses: list[tuple[int, Rounds]] = []
    for node in topological_order(outputs):
        if not isinstance(node, Apply):
            depths[node] = 0
            continue
        depths[node] = 1 + max((depths[operand] for operand in node.operands), default=0)
        similar.setdefault(_looks(node), []).append(node)
        if isinstance(node.primitive, Concatenate):
            parts = tuple(_within(operand) for operand in node.operands)
            if len(parts) >= LEAST:
                guesses += [(depths[node], parts), (depths[node], parts[::-1])]
    for named in _numbered(depths, names):
        # States that depend on each other are at irregular depths.
        guesses.append((depths[named[-1]], named))
    for nodes in similar.values():
        if len(nodes) < LEAST:
            continue
        ordered = sorted(nodes, key=lambda node: depths[node])
        for stride in range(1, _STRIDES + 1):
            for last in range(len(ordered) - 1, len(ordered) - 1 - stride, -1):
                chain = ordered[last::-stride][::-1] if last >= 0 else []
                regular = _regular([depths[node] for node in chain])
                if regular >= LEAST:
                    guesses.append((depths[chain[-1]], tuple(chain[-regular:])))
    guesses.sort(key=lambda guess: (-guess[0], -len(guess[1])))
    yield from dict.fromkeys(rounds for _, rounds in guesses)


def _numbered(nodes: Iterable[Node], names: Mapping[Node, str]) -> Iterator[Rounds]:
    """Yield the values whose names differ by numbers in a row, as h1, h2, …, where they are similar."""
    found: dict[Hashable, dict[int, Node]] = {}
    for node in nodes:
        match = _NUMBERED.fullmatch(names.get(node, ""))
        if match and isinstance(node, Apply):
            found.setdefault((match[1], _looks(node)), {})[int(match[2])] = node
    for numbered in found.values():
        run: list[Node] = []
        for number in sorted(numbered):
            run = [*run, numbered[number]] if number - 1 in numbered else [numbered[number]]
            if len(run) >= LEAST and number + 1 not in numbered:
                yield tuple(run)


def _regular(depths: Sequence[int]) -> int:
    """Return how many of the last depths have equal distances; the first of them may be a little off."""
    if len(depths) < LEAST:
        return 0
    distance, count = depths[-1] - depths[-2], 1
    if distance <= 0:
        return 0
    while count < len(depths) and depths[-count] - depths[-count - 1] == distance:
        count += 1
    # The first rounds may be as deep as what they begin with.
    return count + sum(1 for k in range(count, min(count + 2, len(depths))) if depths[-k] > depths[-k - 1])


def _looks(node: Apply) -> Hashable:
    """What equals in all rounds of a loop."""
    return _kind(node), node.type, tuple(_kind(operand) for operand in node.operands)


def _kind(node: Node) -> Hashable:
    if not isinstance(node, Apply):
        return None
    primitive = node.primitive
    return (Slice, primitive.sizes, primitive.strides) if isinstance(primitive, Slice) else primitive


def _within(node: Node) -> Node:
    """Return what is one of the arrays of a stack, without the axis of the stack."""
    if isinstance(node, Apply) and len(node.operands) == 1 and not isinstance(node.primitive, Slice):
        (operand,) = node.operands
        for axis in range(node.type.ndim):
            if node.type.shape == (*operand.type.shape[:axis], 1, *operand.type.shape[axis:]):
                return operand if expand_dims(operand, axis) is node else node
    return node


@dataclass(frozen=True)
class _Element:
    """The elements of `array` along `axis`, from `start`, `step` apart."""

    array: Node
    axis: int
    start: int
    step: int


class _Comparison:
    """The rounds in which the values `rounds` are computed, compared in lockstep."""

    def __init__(self, rounds: Rounds, exact: bool) -> None:
        self.rounds, self.count, self.exact = rounds, len(rounds), exact
        self.known: dict[Rounds, Node] = {}
        """The expression of the step for the values that were compared."""
        self.computed: list[Rounds] = []
        """The values that the step computes."""
        self.symbols: dict[Hashable, Input] = {}
        self.constants: dict[Node, Constant] = {}
        self.elements: dict[Input, _Element] = {}
        self.listed: dict[Input, tuple[Const, ...]] = {}
        self.carries: dict[Input, tuple[Node, Rounds]] = {}
        self._whole: dict[Rounds, Rounds] = {}
        """The values of all rounds, by those of all but the last."""
        self._following: dict[Rounds, Node] = {}
        """What comes after some values in a row."""
        if len(set(rounds)) < self.count or not all(isinstance(node, Apply) for node in rounds):
            raise _UnlikeError
        self.put(rounds)
        pending = True
        while pending:
            pending = False
            for _, following in list(self.carries.values()):
                if following not in self.known:
                    self.put(following)
                    pending = True
        self.inside = {node: (values, t) for values in self.computed for t, node in enumerate(values)}

    @property
    def is_worthwhile(self) -> bool:
        """Whether a recurrence is shorter than the rounds, which may be stacked elements only.

        Rounds that read what each step of another recurrence gives belong to that one.
        """
        if self.carries or any(self._is_of_steps(element) for element in self.elements.values()):
            return True
        firsts = [rounds[0] for rounds in self.computed]
        return self.count >= LEAST_APART and any(applies(node, Contract) for node in firsts)

    def _is_of_steps(self, element: _Element) -> bool:
        """Whether the elements are what the steps of a recurrence give, in the order of the rounds."""
        whole, _ = _sequence(element, self.count, element.step < 0)
        source = whole.operands[0] if isinstance(whole, Apply) and isinstance(whole.primitive, Slice) else whole
        return element.axis == 0 and applies(source, Scan) and source.primitive.length == self.count

    def hands_on_names(self, names: Mapping[Node, str]) -> bool:
        """Whether every carry is a named value."""
        return all(_stem_of(rounds, names) for _, rounds in self.carries.values())

    def earlier(self) -> Rounds | None:
        """Return the values with that of one more round before the first, if it is known."""
        for initial, following in self.carries.values():
            if following == self.rounds and isinstance(initial, Apply):
                return (initial, *following)
        return None

    def put(self, rounds: Rounds) -> Node:
        """Return the expression of the step for the values in all rounds."""
        found = self.known.get(rounds)
        if found is None:
            found = self._compared(rounds)
            self.known[rounds] = found
        return found

    def _compared(self, rounds: Rounds) -> Node:
        first = rounds[0]
        if all(node is first for node in rounds):
            if isinstance(first, Const) and first.is_filled:
                return first
            if isinstance(first, Apply) and isinstance(first.primitive, Broadcast | Permute):
                return Apply(first.primitive, (self.put(first.operands * self.count),))
            if first not in self.constants:
                self.constants[first] = Constant(self._symbol("k", first), first)
            return self.constants[first].symbol
        carried = self._whole.get(rounds[1:])
        if carried is None and not self.exact and not _alike(rounds) and (last := self._after(rounds[1:])) is not None:
            carried = (*rounds[1:], last)
            self._enter(carried)
        if carried is not None:
            symbol = self._symbol("c", rounds)
            self.carries[symbol] = first, carried
            return symbol
        element = _element(rounds)
        if element is not None:
            symbol = Input(f"x{len(self.elements)}", first.type.with_shape(_without(first, element.axis)))
            self.elements[symbol] = element
            return expand_dims(symbol, element.axis)
        if all(isinstance(node, Const) and node.type == first.type for node in rounds):
            if not all(isinstance(dim, int) for dim in first.type.shape):
                raise _UnlikeError  # numbers are listed as an array, whose sizes are numbers
            symbol = Input(f"l{len(self.listed)}", first.type)
            self.listed[symbol] = tuple(node for node in rounds if isinstance(node, Const))
            return symbol
        if not _alike(rounds):
            raise _UnlikeError
        assert isinstance(first, Apply)
        self._enter(rounds)
        self.computed.append(rounds)
        operands = tuple(
            self.put(tuple(node.operands[place] for node in rounds if isinstance(node, Apply)))
            for place in range(len(first.operands))
        )
        if isinstance(first.primitive, Reshape):
            return reshape(_unexpanded(operands[0], first), first.type.shape)
        return Apply(first.primitive, operands)

    def _symbol(self, letter: str, key: Node | Rounds) -> Input:
        type_ = key.type if isinstance(key, Node) else key[0].type
        if not isinstance(key, Node) and any(node.type != type_ for node in key):
            raise _UnlikeError
        number = sum(1 for symbol in self.symbols.values() if symbol.name.startswith(letter))
        return self.symbols.setdefault(key, Input(f"{letter}{number}", type_))

    def _enter(self, rounds: Rounds) -> None:
        """Note values of all rounds, so that those of the rounds before are recognized."""
        self._whole[rounds[:-1]] = rounds
        self._following[rounds[:-1]] = rounds[-1]
        self._following[rounds[:-2]] = rounds[-2]

    def _after(self, values: Rounds) -> Node | None:
        """Return the value that follows values in a row, by the operation that gives each of them; None if unknown."""
        first = values[0]
        if values in self._following:
            return self._following[values]
        if all(node is first for node in values):
            return first
        if values[1:] in self._following:
            return self._following[values[1:]]
        element = _element(values)
        if element is not None:
            return _slice_at(values[-1], element)
        if not _alike(values):
            return None
        self._following[values[:-1]] = values[-1]
        assert isinstance(first, Apply)
        operands = []
        for place in range(len(first.operands)):
            last = self._after(tuple(node.operands[place] for node in values if isinstance(node, Apply)))
            if last is None:
                return None
            operands.append(last)
        return Apply(first.primitive, tuple(operands))

    def written(self, outputs: Sequence[Node]) -> dict[Node, Node] | None:
        """Return every node of `outputs`, with the rounds as a recurrence; None if it cannot stand alone."""
        order = topological_order(outputs)
        leaves = [
            *(initial for initial, _ in self.carries.values()),
            *(element.array for element in self.elements.values()),
            *self.constants,
        ]
        if not set(topological_order(leaves)).isdisjoint(self.inside):
            return None
        backwards = bool(self.elements) and all(element.step < 0 for element in self.elements.values())
        wanted = {self.inside[node][0]: None for node in outputs if node in self.inside}
        for node in order:
            if isinstance(node, Apply) and node not in self.inside:
                wanted.update({self.inside[each][0]: None for each in node.operands if each in self.inside})
        following = {rounds: symbol for symbol, (_, rounds) in self.carries.items()}
        ys = [rounds for rounds in wanted if rounds not in following]
        recurrence = Recurrence(
            tuple(Carried(symbol, initial, self.known[rounds]) for symbol, (initial, rounds) in self.carries.items()),
            (
                *(Sequenced(symbol, *_sequence(each, self.count, backwards)) for symbol, each in self.elements.items()),
                *(Sequenced(symbol, _listed(each, backwards)) for symbol, each in self.listed.items()),
            ),
            tuple(self.constants.values()),
            tuple(self.known[rounds] for rounds in ys),
            (),
            self.count,
            backwards,
        )
        self._written = recurrence
        neat = recurrence.neat()
        results = neat.results()
        self._states = results[: len(self.carries)]
        stacks: dict[Rounds, Node] = {}
        for number, (_, rounds) in enumerate(self.carries.values()):
            stacks[rounds] = neat.after(results[number])
        stacks.update(zip(ys, results[len(self.carries) :], strict=True))
        return self._replaced(outputs, {rounds: stacks[rounds] for rounds in wanted}, backwards)

    def step_names(self, names: Mapping[Node, str]) -> StepNames:
        """Return the names of the values of the step that is written."""
        found = {rounds: _stem_of(rounds, names) for rounds in self.known}
        named = [rounds for rounds, name in found.items() if name]
        written = self._written
        expressions = tuple(self.known[rounds] for rounds in named)
        wider = replace(written, ys=(*written.ys, *expressions)).neat()
        neat, count = written.neat().results()[0], len(wider.outputs)
        step = dict(zip(wider.outputs[count - len(named) :], named, strict=True))
        of_step = set(topological_order(neat.primitive.outputs))
        return {neat.primitive.together: {node: found[rounds] for node, rounds in step.items() if node in of_step}}

    def _replaced(self, outputs: Sequence[Node], stacks: Mapping[Rounds, Node], backwards: bool) -> dict[Node, Node]:
        replaced: dict[Node, Node] = {}
        for rounds, stacked in stacks.items():
            for t, node in enumerate(rounds):
                replaced[node] = entry(stacked, self.count - 1 - t if backwards else t)
        for node in topological_order(outputs):
            if isinstance(node, Apply) and isinstance(node.primitive, Concatenate) and node not in self.inside:
                whole = self._joined(node, stacks, backwards)
                if whole is not None:
                    replaced[node] = whole
        return rebuild_all(outputs, replaced.get)

    def _joined(self, node: Apply, stacks: Mapping[Rounds, Node], backwards: bool) -> Node | None:
        """Return the values of rounds that are joined, in a row; those of a carry may begin with the initial one."""
        axis = node.primitive.axis
        parts = [_within(operand) for operand in node.operands]
        rounds = next((self.inside[each][0] for each in parts if each in self.inside), None)
        if rounds is None or rounds not in stacks:
            return None
        line, stacked = rounds, stacks[rounds]
        for (initial, following), states in zip(self.carries.values(), self._states, strict=True):
            if following == rounds:
                line, stacked = (initial, *rounds), states
        for forwards in (True, False):
            ordered = node.operands if forwards else node.operands[::-1]
            start = next((k for k, value in enumerate(line) if _stacks(ordered[0], value, axis)), len(line))
            values = line[start : start + len(ordered)]
            if len(values) < len(ordered) or not all(map(_stacks, ordered, values, itertools.repeat(axis))):
                continue
            taken = part(stacked, len(line) - start - len(ordered) if backwards else start, len(ordered))
            result = taken if forwards != backwards else reverse(taken, [0])
            return permute(result, [*range(1, axis + 1), 0, *range(axis + 1, result.type.ndim)])
        return None


def _stacks(operand: Node, value: Node, axis: int) -> bool:
    """Whether `operand` is a value with a new axis along which it is joined."""
    return operand.type.ndim == value.type.ndim + 1 and operand is expand_dims(value, axis)


def _stem_of(rounds: Rounds, names: Mapping[Node, str]) -> str:
    """Return the name that values have but for the number of the round: `z` for z1, z2, …, z1 for z1_1, z1_2, ….

    Most of them have it; the last round may have another name. "" if there is none.
    """
    counts: dict[tuple[str, int], int] = {}
    for before, after in itertools.pairwise(names.get(node, "") for node in rounds):
        for pattern in (r"(.+)_(\d+)", r"(.*\D)(\d+)"):
            first, second = re.fullmatch(pattern, before), re.fullmatch(pattern, after)
            if first and second and first[1] == second[1] and int(second[2]) > int(first[2]):
                key = first[1], int(second[2]) - int(first[2])
                counts[key] = counts.get(key, 0) + 1
                break
    best = max(counts, key=lambda name: counts[name], default=("", 0))
    return best[0] if best[0] and 2 * counts[best] >= len(rounds) - 2 else ""


def _alike(rounds: Rounds) -> bool:
    """Whether the values are made by the same operation on as many operands."""
    first = rounds[0]
    return isinstance(first, Apply) and all(
        isinstance(node, Apply)
        and node.primitive == first.primitive
        and len(node.operands) == len(first.operands)
        and node.type == first.type
        for node in rounds
    )


def _element(rounds: Rounds) -> _Element | None:
    """Return the array of which the values are the elements in order, with an axis of length 1."""
    slices = [node for node in rounds if isinstance(node, Apply) and isinstance(node.primitive, Slice)]
    first = slices[0] if len(slices) == len(rounds) else None
    if first is None or any(node.operands != first.operands or _kind(node) != _kind(first) for node in slices):
        return None
    starts = [node.primitive.starts for node in slices]
    if not all(isinstance(start, int) for each in starts for start in each):
        return None
    moving = [axis for axis in range(first.type.ndim) if any(each[axis] != starts[0][axis] for each in starts)]
    if len(moving) != 1 or first.type.shape[moving[0]] != 1:
        return None
    (axis,) = moving
    step = starts[1][axis] - starts[0][axis]
    if step == 0 or any(each[axis] != starts[0][axis] + step * t for t, each in enumerate(starts)):
        return None
    (array,) = first.operands
    primitive = first.primitive
    if any(
        k != axis and (primitive.starts[k], primitive.sizes[k], primitive.strides[k]) != (0, dim, 1)
        for k, dim in enumerate(array.type.shape)
    ):
        whole = array.type.shape[axis]
        across = replace(
            primitive,
            starts=tuple(0 if k == axis else start for k, start in enumerate(primitive.starts)),
            sizes=tuple(whole if k == axis else size for k, size in enumerate(primitive.sizes)),
            strides=tuple(1 if k == axis else stride for k, stride in enumerate(primitive.strides)),
        )
        array = across(array)
    return _Element(array, axis, starts[0][axis], step)


def _slice_at(last: Node, element: _Element) -> Node | None:
    """Return the slice after the last one, if there is one."""
    assert isinstance(last, Apply)
    primitive, axis = last.primitive, element.axis
    start = primitive.starts[axis] + element.step
    if not 0 <= start < last.operands[0].type.shape[axis]:
        return None
    starts = (*primitive.starts[:axis], start, *primitive.starts[axis + 1 :])
    return Apply(replace(primitive, starts=starts), last.operands)


def _without(node: Node, axis: int) -> Shape:
    return (*node.type.shape[:axis], *node.type.shape[axis + 1 :])


def _sequence(element: _Element, count: int, backwards: bool) -> tuple[Node, int]:
    """Return the array whose elements along an axis are those of the rounds, in their order or backwards."""
    start, step = element.start, element.step
    if backwards:
        start, step = start + (count - 1) * step, -step
    shape = element.array.type.shape
    if (start, step, count) == (0, 1, shape[element.axis]):
        return element.array, element.axis

    starts, strides = [0] * len(shape), [1] * len(shape)
    starts[element.axis], strides[element.axis] = start, step
    sizes = (*shape[: element.axis], count, *shape[element.axis + 1 :])
    return Slice(tuple(starts), sizes, tuple(strides))(element.array), element.axis


def _listed(values: Sequence[Const], backwards: bool) -> Const:
    """Return constants of the rounds as an array."""
    type_ = values[0].type
    arrays = [np.broadcast_to(np.asarray(each.value, type_.dtype.numpy), type_.concrete_shape) for each in values]
    stacked = np.stack(arrays[::-1] if backwards else arrays)
    return Const(stacked, type_.with_shape(stacked.shape))


def _unexpanded(operand: Node, node: Node) -> Node:
    """Return the element that a slice of length 1 contains, if `node` takes it out."""
    inner = _within(operand)
    return inner if inner.type.shape == node.type.shape else operand
