"""Accumulators of recurrences as sums: s_t = s_{t−1} + e_t, of which only the last value is used, is s₀ + Σ_t e_t."""

from __future__ import annotations

from dataclasses import replace

from chainrule.calculus.recurrence.rolling import StepNames
from chainrule.calculus.recurrence.scan import Recurrence, Scan, entry
from chainrule.ir import Apply, Const, Input, Node, Program, applies, rebuild_all, topological_order
from chainrule.primitives import Add, Negate, Subtract, Sum


def with_sums(program: Program, step_names: StepNames) -> Program:
    """Return the program with accumulators as sums of further ys; `step_names` gets the names of the new steps."""
    while True:
        made = _one_summed(program, step_names)
        if made is None:
            return program
        program = made


def _one_summed(program: Program, step_names: StepNames) -> Program | None:
    order = topological_order(program.outputs)
    groups: dict[object, dict[int, Node]] = {}
    for node in order:
        if applies(node, Scan):
            groups.setdefault((node.primitive.together, node.operands), {})[node.primitive.output] = node
    for found in groups.values():
        some = next(iter(found.values()))
        assert isinstance(some, Apply)
        recurrence = Recurrence.of(some.primitive, some.operands)
        for number, carry in enumerate(recurrence.carries):
            term = _term(recurrence, number)
            last = _last(order, program, recurrence, number) if term is not None and number in found else None
            if term is None or last is None:
                continue
            carries = (*recurrence.carries[:number], *recurrence.carries[number + 1 :])
            changed = replace(recurrence, carries=carries, ys=(*recurrence.ys, term))
            results = changed.results()
            count = len(carries) + len(recurrence.ys)
            names = step_names.get(some.primitive.together, {})
            step_names[results[0].primitive.together] = {
                node: name for node, name in names.items() if node not in (carry.symbol, carry.following)
            }
            total = Sum((0,))(results[count])
            zero = isinstance(carry.initial, Const) and carry.initial.filled_with(0)
            moved = {last: total if zero else carry.initial + total}
            for place, node in found.items():
                if place != number:
                    moved[node] = results[place - (number < place) + (place > count)]
            made = rebuild_all(program.outputs, moved.get)
            names_of_values = {made[node]: name for node, name in program.names.items() if node in made}
            stem = names.get(carry.following, "")
            if stem and last in program.names and stem not in program.names.values():
                names_of_values[made[last]] = stem
            outputs = tuple(made[output] for output in program.outputs)
            within = set(topological_order(outputs))
            return Program(
                program.inputs,
                outputs,
                {node: name for node, name in names_of_values.items() if node in within},
                declared=program.declared,
            )
    return None


def _term(recurrence: Recurrence, number: int) -> Node | None:
    """Return what each step adds to a carry that it uses for nothing else."""
    carry = recurrence.carries[number]
    match carry.following:
        case Apply(Add(), (one, other)) if one is carry.symbol:
            term = other
        case Apply(Add(), (other, one)) if one is carry.symbol:
            term = other
        case Apply(Subtract(), (one, other)) if one is carry.symbol:
            term = Negate()(other)
        case _:
            return None
    others = [output for place, output in enumerate(recurrence.outputs) if place != number]
    return None if carry.symbol in topological_order([*others, term]) or isinstance(term, Input | Const) else term


def _last(order: list[Node], program: Program, recurrence: Recurrence, number: int) -> Node | None:
    """Return the last state of a carry, if that is all that is used of it."""
    states = recurrence.results()[number]
    last = entry(states, 0 if recurrence.reverse else recurrence.length)
    assert isinstance(last, Apply)
    (window,) = last.operands
    users = {x: [node for node in order if isinstance(node, Apply) and x in node.operands] for x in (states, window)}
    alone = users == {states: [window], window: [last]} and {states, window}.isdisjoint(program.outputs)
    return last if alone else None
