"""Recurrences of as many steps, of which one reads what the other computes in the same step, as one recurrence."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from chainrule.calculus.recurrence.rolling import StepNames
from chainrule.calculus.recurrence.scan import Carried, Constant, Recurrence, Scan, Sequenced
from chainrule.ir import Apply, Input, Node, Program, applies, rebuild_all, substitute, topological_order


def fused(program: Program, step_names: StepNames) -> Program:
    """Return the program with recurrences made one where possible; `step_names` gets the names of the new steps."""
    while (made := _one_fused(program, step_names)) is not None:
        program = made
    return program


def _one_fused(program: Program, step_names: StepNames) -> Program | None:
    groups: dict[Hashable, Apply] = {}
    present: dict[Hashable, list[Apply]] = {}
    for node in topological_order(program.outputs):
        if isinstance(node, Apply) and isinstance(node.primitive, Scan):
            key = node.primitive.together, node.operands
            groups.setdefault(key, node)
            present.setdefault(key, []).append(node)
    for source, reader in itertools.permutations(groups, 2):
        first, second = groups[source], groups[reader]
        one = Recurrence.of(first.primitive, first.operands)
        other = Recurrence.of(second.primitive, second.operands)
        joined = _joined(one, other, str(len(groups)))
        if joined is None:
            continue
        recurrence, renamed, states = joined
        names = dict(step_names.get(first.primitive.together, {}))
        inner = step_names.get(second.primitive.together, {})
        for node, made in zip(inner, substitute(list(inner), renamed), strict=True):
            names.setdefault(made, inner[node])
        results = recurrence.results()
        step_names[results[0].primitive.together] = names
        moved: dict[Node, Node] = {}
        count, carries = len(one.carries), len(recurrence.carries)
        for each in present[source]:
            place = each.primitive.output
            moved[each] = results[place if place < count else place - count + carries]
        for each in present[reader]:
            place, own = each.primitive.output, len(other.carries)
            moved[each] = results[states[place] if place < own else place - own + carries + len(one.ys)]
        return _replaced(program, moved)
    return None


def _replaced(program: Program, moved: Mapping[Node, Node]) -> Program:
    made = rebuild_all(program.outputs, moved.get)
    outputs = tuple(made[output] for output in program.outputs)
    within = set(topological_order(outputs))
    names = {made[node]: name for node, name in program.names.items() if made.get(node) in within}
    return Program(program.inputs, outputs, names, declared=program.declared)


def _joined(
    one: Recurrence, other: Recurrence, mark: str
) -> tuple[Recurrence, Mapping[Node, Node], Sequence[int]] | None:
    """Return both as one recurrence, what stands for the symbols of the second in its step, and where its carries are.

    A carry that both have is there once.
    """
    if (one.length, one.reverse) != (other.length, other.reverse) or one.terms or other.terms:
        return None
    results = one.results()
    given: dict[Node, Node] = {}
    for carry, states in zip(one.carries, results, strict=False):
        given[one.after(states)] = carry.following
        given[one.before(states)] = carry.symbol
    given.update(zip(results[len(one.carries) :], one.ys, strict=True))
    read = [each for each in other.sequences if each.axis == 0 and each.array in given]
    rest = [each for each in other.sequences if each not in read]
    outside: Sequence[Node] = [
        *(each.initial for each in other.carries),
        *(each.array for each in rest),
        *(each.value for each in other.constants),
    ]
    if not read or not set(results).isdisjoint(topological_order(outside)):
        return None
    if any(applies(node, Scan) for node in topological_order([*one.outputs, *other.outputs])):
        return None
    renamed: dict[Node, Node] = {each.symbol: given[each.array] for each in read}
    # What both read has one symbol.
    sequences = {(each.array, each.axis): each.symbol for each in one.sequences}
    constants = {each.value: each.symbol for each in one.constants}
    renamed.update({e.symbol: sequences[e.array, e.axis] for e in rest if (e.array, e.axis) in sequences})
    renamed.update({each.symbol: constants[each.value] for each in other.constants if each.value in constants})
    rest = [each for each in rest if each.symbol not in renamed]
    own = [each for each in other.constants if each.symbol not in renamed]
    remaining = [*(each.symbol for each in other.carries), *(each.symbol for each in rest)]
    for node in [*remaining, *(each.symbol for each in own)]:
        renamed[node] = Input(f"{node.name} {mark}", node.type)
    same = _same_carries(one, other, renamed)
    renamed.update({other.carries[place].symbol: one.carries[known].symbol for place, known in same.items()})
    outputs = substitute(other.outputs, renamed)
    count = len(other.carries)
    new = [place for place in range(count) if place not in same]

    def symbol(node: Input) -> Input:
        found = renamed[node]
        assert isinstance(found, Input)
        return found

    carries = (Carried(symbol(other.carries[k].symbol), other.carries[k].initial, outputs[k]) for k in new)
    joined = replace(
        one,
        carries=(*one.carries, *carries),
        sequences=(*one.sequences, *(Sequenced(symbol(each.symbol), each.array, each.axis) for each in rest)),
        constants=(*one.constants, *(Constant(symbol(each.symbol), each.value) for each in own)),
        ys=(*one.ys, *outputs[count:]),
    )
    places = {**same, **{place: len(one.carries) + number for number, place in enumerate(new)}}
    return joined, renamed, [places[place] for place in range(count)]


def _same_carries(one: Recurrence, other: Recurrence, renamed: Mapping[Node, Node]) -> dict[int, int]:
    """Return the carries of the second recurrence that the first one has as well, by their numbers."""
    candidates = {
        place: [
            known
            for known, carry in enumerate(one.carries)
            if (each.initial, each.symbol.type) == (carry.initial, carry.symbol.type)
        ]
        for place, each in enumerate(other.carries)
    }
    while True:
        same = {place: known[0] for place, known in candidates.items() if known}
        taken: dict[Node, Node] = {**renamed}
        taken.update({other.carries[place].symbol: one.carries[known].symbol for place, known in same.items()})
        outputs = substitute(other.outputs, taken)
        wrong = [place for place, known in same.items() if outputs[place] is not one.carries[known].following]
        if not wrong:
            return same
        for place in wrong:
            del candidates[place][0]
