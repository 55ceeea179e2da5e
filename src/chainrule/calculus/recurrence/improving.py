"""Makes the recurrences of a program cheaper: what is not used is left out, and what was computed before is read.

A transposed recurrence needs values of the forward steps. Its step computes them again from the states before the step;
if that takes more than arithmetic, the forward recurrence gives them as further ys, which are read instead. Steps are
simplified by the table of rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from chainrule.calculus.recurrence.scan import Recurrence, Scan, Sequenced, part
from chainrule.calculus.simplify import Simplifier
from chainrule.ir import Apply, Const, Input, Node, applies, rebuild, substitute, topological_order
from chainrule.primitives import (
    Add,
    Broadcast,
    Cast,
    Compare,
    Divide,
    Multiply,
    Negate,
    Pad,
    Permute,
    Reshape,
    Slice,
    Square,
    Subtract,
    Where,
)

_ARITHMETIC = (Add, Compare, Divide, Multiply, Negate, Square, Subtract, Where)
_CHEAP = (*_ARITHMETIC, Broadcast, Cast, Pad, Permute, Reshape, Slice)
"""Operations that cost no more than to read their result."""


def improved(outputs: Sequence[Node]) -> tuple[Node, ...]:
    """Return `outputs` with cheaper recurrences."""
    if not any(applies(node, Scan) for node in topological_order(outputs)):
        return tuple(outputs)
    outputs = _changed(outputs, lambda recurrence: recurrence.neat())
    outputs = _with_values_kept(outputs)
    outputs = _changed(outputs, _simplified)
    return _without_unused(outputs)


def _changed(outputs: Sequence[Node], change: Callable[[Recurrence], Recurrence]) -> tuple[Node, ...]:
    """Return `outputs` with each recurrence changed; its results stay in their order. Windows of padding are cut."""
    done: dict[object, list[Apply]] = {}
    made: dict[Node, Node] = {}
    for node in topological_order(outputs):
        if not isinstance(node, Apply):
            made[node] = node
            continue
        operands = tuple(made[operand] for operand in node.operands)
        if applies(node, Scan):
            key = node.primitive.together, node.operands
            if key not in done:
                done[key] = change(Recurrence.of(node.primitive, operands)).results()
            made[node] = done[key][node.primitive.output]
        else:
            made[node] = _window(Apply(node.primitive, operands))
    return tuple(made[output] for output in outputs)


def _window(node: Apply) -> Node:
    """Return a slice along one axis in its shortest form."""
    if not isinstance(node.primitive, Slice):
        return node
    kind, (array,) = node.primitive, node.operands
    cut = [axis for axis, dim in enumerate(array.type.shape) if kind.sizes[axis] != dim]
    if len(cut) == 1 and kind.strides[cut[0]] == 1:
        return part(array, kind.starts[cut[0]], kind.sizes[cut[0]], cut[0])
    return node


def _simplified(recurrence: Recurrence) -> Recurrence:
    """Return a recurrence with a simplified step; one that a carry is constant in has that constant."""
    simplifier = Simplifier()
    return replace(
        recurrence,
        carries=tuple(replace(each, following=simplifier(each.following)) for each in recurrence.carries),
        ys=tuple(map(simplifier, recurrence.ys)),
        terms=tuple(map(simplifier, recurrence.terms)),
    ).neat()


@dataclass(frozen=True, eq=False)
class _Group:
    """A recurrence of a program, and its results by number."""

    recurrence: Recurrence
    results: Mapping[int, Node]


def _groups(outputs: Sequence[Node]) -> list[_Group]:
    """Return the recurrences in the order in which they can be computed."""
    found: dict[object, dict[int, Node]] = {}
    firsts: dict[object, Apply] = {}
    for node in topological_order(outputs):
        if isinstance(node, Apply) and isinstance(node.primitive, Scan):
            key = node.primitive.together, node.operands
            found.setdefault(key, {})[node.primitive.output] = node
            firsts.setdefault(key, node)
    return [_Group(Recurrence.of(node.primitive, node.operands), found[key]) for key, node in firsts.items()]


def _with_values_kept(outputs: Sequence[Node]) -> tuple[Node, ...]:
    """Return `outputs` with recurrences that read what earlier ones with the same states have computed."""
    groups = _groups(outputs)
    kept: dict[_Group, dict[Node, Input]] = {}
    """For an earlier recurrence, the expressions of its step that are kept, and symbols that stand for their stacks."""
    changes: dict[Node, Node] = {}
    for group in groups:
        source = _source(group, groups)
        if source is None:
            continue
        reading = _Reading(group.recurrence, source.recurrence, kept.setdefault(source, {}))
        results = reading.changed().results()
        changes.update({node: results[number] for number, node in group.results.items()})
    if not changes:
        return tuple(outputs)
    stacks: dict[Node, Node] = {}
    for group, values in kept.items():
        recurrence, ys = group.recurrence, len(group.recurrence.ys)
        if not values:
            continue
        results = replace(recurrence, ys=(*recurrence.ys, *values)).results()
        ends = len(recurrence.carries) + ys
        stacks.update(zip(values.values(), results[ends : ends + len(values)], strict=True))
        changes.update(
            {node: results[number if number < ends else number + len(values)] for number, node in group.results.items()}
        )
    return _followed(outputs, changes, stacks)


def _followed(outputs: Sequence[Node], changes: Mapping[Node, Node], stacks: Mapping[Node, Node]) -> tuple[Node, ...]:
    """Return `outputs` with some nodes changed, also in what they are changed to, and the stacks for symbols."""
    while True:
        changed = rebuild(outputs, lambda node: changes.get(node, stacks.get(node)))
        if changed == tuple(outputs):
            return changed
        outputs = changed


def _source(group: _Group, groups: Sequence[_Group]) -> _Group | None:
    """Return the earlier recurrence whose states before each step the step of `group` reads."""
    read = {each.array for each in group.recurrence.sequences}
    for other in groups:
        if other is group:
            return None
        same = other.recurrence.length == group.recurrence.length
        if same and not read.isdisjoint(map(other.recurrence.before, _states(other.recurrence))):
            return other
    return None


def _states(recurrence: Recurrence) -> list[Apply]:
    return recurrence.results()[: len(recurrence.carries)]


class _Reading:
    """A recurrence whose step reads values that an earlier one, `source`, computes in the same places."""

    def __init__(self, recurrence: Recurrence, source: Recurrence, kept: dict[Node, Input]) -> None:
        self.recurrence, self.source, self.kept = recurrence, source, kept
        self.stacks: dict[Node, Node] = {}
        """The stacks that there are of expressions of the step of `source`."""
        results = source.results()
        states = results[: len(source.carries)]
        for carry, whole in zip(source.carries, states, strict=True):
            self.stacks[carry.following] = source.after(whole)
        self.stacks.update(zip(source.ys, results[len(states) :], strict=False))
        for carry, whole in zip(source.carries, states, strict=True):
            self.stacks[carry.symbol] = source.before(whole)
        by_array = {(array, 0): symbol for symbol, array in self.stacks.items()}
        by_array.update({(each.array, each.axis): each.symbol for each in source.sequences})
        by_value = {each.value: each.symbol for each in source.constants}
        self.known: dict[Node, Node] = {}
        """The nodes of the step that `source` knows, as expressions of its step."""
        for one in recurrence.sequences:
            if (one.array, one.axis) in by_array:
                self.known[one.symbol] = by_array[one.array, one.axis]
        for constant in recurrence.constants:
            if constant.value in by_value:
                self.known[constant.symbol] = by_value[constant.value]
        for node in topological_order(recurrence.outputs):
            if isinstance(node, Const):
                self.known[node] = node
            elif isinstance(node, Apply) and all(operand in self.known for operand in node.operands):
                self.known[node] = Apply(node.primitive, tuple(self.known[operand] for operand in node.operands))
        self.made: dict[Node, Node] = {}
        self.added: list[Sequenced] = []

    def changed(self) -> Recurrence:
        """Return the recurrence with a step that reads what takes more than arithmetic."""
        outputs = self.recurrence.outputs
        for node in topological_order(outputs):
            if isinstance(node, Apply) and node not in self.known:
                for operand in node.operands:
                    self._read(operand)
        for output in outputs:
            self._read(output)
        count, ends = len(self.recurrence.carries), len(outputs) - len(self.recurrence.terms)
        new = rebuild(outputs, self.made.get)
        return replace(
            self.recurrence,
            carries=tuple(
                replace(each, following=node) for each, node in zip(self.recurrence.carries, new, strict=False)
            ),
            sequences=(*self.recurrence.sequences, *self.added),
            ys=new[count:ends],
            terms=new[ends:],
        ).neat()

    def _read(self, node: Node) -> None:
        """Decide how a known value is read: what is expensive in it from memory."""
        pending = [node]
        while pending:
            each = pending.pop()
            if each not in self.known or each in self.made or not isinstance(each, Apply):
                continue
            expression = self.known[each]
            if not self._varies(expression):
                continue
            stack = self.stacks.get(expression)
            if stack is None and isinstance(each.primitive, _CHEAP):
                pending += each.operands
                continue
            if stack is None:
                shape = (self.source.length, *each.type.shape)
                name = f"kept {len(self.kept)}"
                stack = self.kept.setdefault(expression, Input(name, each.type.with_shape(shape)))
            symbol = Input(f"read {len(self.added)}", each.type)
            self.added.append(Sequenced(symbol, stack))
            self.made[each] = symbol

    def _varies(self, expression: Node) -> bool:
        """Whether an expression is not the same in all steps."""
        constants = {each.symbol for each in self.source.constants}
        return any(isinstance(node, Input) and node not in constants for node in topological_order([expression]))


def _without_unused(outputs: Sequence[Node]) -> tuple[Node, ...]:
    """Return `outputs` without results of recurrences that nothing uses, and what only they need."""
    groups = {id(group): group for group in _groups(outputs)}
    owner = {node: group for group in groups.values() for node in group.results.values()}
    live: set[Node] = set()
    kept: dict[int, tuple[list[int], list[int], list[int]]] = {}
    order = topological_order(outputs)
    wanted = set(outputs)
    needed: dict[int, set[int]] = {key: set() for key in groups}
    remaining = {key: len(group.results) for key, group in groups.items()}
    for node in reversed(order):
        group = owner.get(node)
        if group is None:
            if node in wanted:
                live.add(node)
                if isinstance(node, Apply):
                    wanted.update(node.operands)
            continue
        key = id(group)
        remaining[key] -= 1
        if node in wanted:
            needed[key] |= {number for number, one in group.results.items() if one is node}
        if remaining[key] == 0:  # the first result; everything that uses one of them comes after it
            kept[key] = _needed(group.recurrence, needed[key])
            if needed[key]:
                first = _cut(group.recurrence, kept[key]).results()[0]
                wanted.update(first.operands)
    made: dict[Node, Node] = {}
    done: dict[int, list[Apply]] = {}
    for node in order:
        group = owner.get(node)
        if group is None:
            if node in live or not isinstance(node, Apply):
                operands = tuple(made[operand] for operand in node.operands) if isinstance(node, Apply) else ()
                made[node] = Apply(node.primitive, operands) if isinstance(node, Apply) else node
            continue
        key = id(group)
        (number,) = (number for number, one in group.results.items() if one is node)
        if number not in needed[key]:
            continue
        if key not in done:
            cut = _cut(group.recurrence, kept[key])
            done[key] = _moved(cut, made).neat().results()
        numbers = [number for numbers in kept[key] for number in numbers]
        made[node] = done[key][numbers.index(number)]
    return tuple(made[output] for output in outputs)


def _needed(recurrence: Recurrence, results: set[int]) -> tuple[list[int], list[int], list[int]]:
    """Return the numbers of the carries, ys and terms that some results need."""
    outputs, count = recurrence.outputs, len(recurrence.carries)
    symbols: dict[Node, int] = {each.symbol: number for number, each in enumerate(recurrence.carries)}
    found: set[int] = set()
    pending = list(results)
    while pending:
        number = pending.pop()
        if number in found:
            continue
        found.add(number)
        pending += [symbols[node] for node in topological_order([outputs[number]]) if node in symbols]
    ends = len(outputs) - len(recurrence.terms)
    return (
        [number for number in range(count) if number in found],
        [number for number in range(count, ends) if number in found],
        [number for number in range(ends, len(outputs)) if number in found],
    )


def _cut(recurrence: Recurrence, kept: tuple[list[int], list[int], list[int]]) -> Recurrence:
    """Return a recurrence with some of its results."""
    outputs = recurrence.outputs
    carries, ys, terms = kept
    return replace(
        recurrence,
        carries=tuple(recurrence.carries[number] for number in carries),
        ys=tuple(outputs[number] for number in ys),
        terms=tuple(outputs[number] for number in terms),
    ).neat()


def _moved(recurrence: Recurrence, made: Mapping[Node, Node]) -> Recurrence:
    """Return a recurrence on other operands."""

    def put(node: Node) -> Node:
        return made[node] if node in made else substitute([node], made)[0]

    return replace(
        recurrence,
        carries=tuple(replace(each, initial=put(each.initial)) for each in recurrence.carries),
        sequences=tuple(replace(each, array=put(each.array)) for each in recurrence.sequences),
        constants=tuple(replace(each, value=put(each.value)) for each in recurrence.constants),
    )
