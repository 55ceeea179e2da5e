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
        recurrence, renamed = joined
        names = dict(step_names.get(first.primitive.together, {}))
        inner = step_names.get(second.primitive.together, {})
        for node, made in zip(inner, substitute(list(inner), renamed), strict=True):
            names.setdefault(made, inner[node])
        results = recurrence.results()
        step_names[results[0].primitive.together] = names
        moved: dict[Node, Node] = {}
        count, added = len(one.carries), len(other.carries)
        for each in present[source]:
            place = each.primitive.output
            moved[each] = results[place if place < count else place + added]
        for each in present[reader]:
            place = each.primitive.output
            moved[each] = results[count + place if place < added else place + count + len(one.ys)]
        return _replaced(program, moved)
    return None


def _replaced(program: Program, moved: Mapping[Node, Node]) -> Program:
    made = rebuild_all(program.outputs, moved.get)
    outputs = tuple(made[output] for output in program.outputs)
    within = set(topological_order(outputs))
    names = {made[node]: name for node, name in program.names.items() if made.get(node) in within}
    return Program(program.inputs, outputs, names, declared=program.declared)


def _joined(one: Recurrence, other: Recurrence, mark: str) -> tuple[Recurrence, Mapping[Node, Node]] | None:
    """Return both as one recurrence, and what stands for the symbols of the second one in its step."""
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
    outputs = substitute(other.outputs, renamed)
    count = len(other.carries)

    def symbol(node: Input) -> Input:
        found = renamed[node]
        assert isinstance(found, Input)
        return found

    carries = (
        Carried(symbol(each.symbol), each.initial, following)
        for each, following in zip(other.carries, outputs, strict=False)
    )
    return replace(
        one,
        carries=(*one.carries, *carries),
        sequences=(*one.sequences, *(Sequenced(symbol(each.symbol), each.array, each.axis) for each in rest)),
        constants=(*one.constants, *(Constant(symbol(each.symbol), each.value) for each in own)),
        ys=(*one.ys, *outputs[count:]),
    ), renamed
