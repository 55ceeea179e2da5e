"""The value of every quantity of a derivation with recurrences at one point: in every step, and outside.

Forward values come from the equations of the records. The gradients come from the lines of the derivation, from the
last step to the first.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from chainrule.calculus import TANGENT
from chainrule.derivation.points import Array, Evaluator, bind_nodes
from chainrule.derivation.record import Record
from chainrule.derivation.recurrent.loops import Loop, Part
from chainrule.derivation.recurrent.parts import Recurrent
from chainrule.derivation.upstream import is_upstream
from chainrule.ir import Const, Input, Node, substitute, topological_order


class RecordValues:
    """The values of one record, each computed when it is asked for."""

    def __init__(self, record: Record, sizes: Mapping[str, int], bound: dict[Node, Node], evaluate: Evaluator) -> None:
        self.record, self._sizes, self._bound, self._evaluate = record, sizes, bound, evaluate
        self.known: dict[Node, Array] = {}
        self._random: np.random.Generator | None = None
        self._rules: dict[Node, Node] = {stage.symbol: stage.expression for stage in record.backward.stages}
        for stage, factor in record.activation_factors.items():
            self._rules[record.derivative_symbols[stage]] = factor
        for entry in record.backward.accumulations:
            if entry.result is not entry.cotangent:
                self._rules[entry.cotangent] = entry.result
        whole: dict[Node, Node] = {}
        for abbreviation in record.abbreviations:
            (whole[abbreviation.symbol],) = substitute([abbreviation.value], whole)
            self._rules[abbreviation.symbol] = whole[abbreviation.symbol]

    def with_tangents(self, random: np.random.Generator) -> None:
        """Draw the changes of the inputs; those of the values are consistent with them."""
        self._random = random
        for stage in self.record.stages:
            if stage.differential is not None:
                self._rules[Input(TANGENT + stage.stage.name, stage.stage.symbol.type)] = stage.differential.right

    def __call__(self, node: Node) -> Array:
        """Return the value of an expression over the symbols of the record."""
        pending = [node]
        while pending:
            needed = [
                part
                for part in topological_order([self._rules.get(pending[-1], pending[-1])])
                if isinstance(part, Input) and part not in self.known and part is not pending[-1]
            ]
            if needed:
                pending += needed
                continue
            symbol = pending.pop()
            if symbol not in self.known:
                self.known[symbol] = self._value(self._rules.get(symbol, symbol))
        return self.known[node]

    def has(self, node: Node) -> bool:
        """Whether every symbol in an expression is one of the record."""
        symbols = [part for part in topological_order([node]) if isinstance(part, Input)]
        return all(part in self.known or part in self._rules for part in symbols)

    def _value(self, node: Node) -> Array:
        if node in self.known:
            return self.known[node]
        if node not in self._bound:
            self._bound.update(bind_nodes([node], self._sizes))
        bound = self._bound[node]
        if isinstance(node, Input):
            if self._random is None or not node.name.startswith(TANGENT):
                raise KeyError(node.name)
            return np.asarray(self._random.standard_normal(bound.type.concrete_shape))
        inputs = [part for part in topological_order([node]) if isinstance(part, Input)]
        for part in inputs:
            if part not in self._bound:
                self._bound.update(bind_nodes([part], self._sizes))
        return np.asarray(self._evaluate(bound, {self._bound[part]: self.known[part] for part in inputs}))


class Scene:
    """The values of a derivation at one point; `inputs` are by name.

    Attributes
    ----------
    outer : RecordValues or None
        The values outside.
    steps : dict
        For each recurrence the values in each step, by its number.
    received : dict
        What each recurrence contributes to a gradient.

    """

    def __init__(
        self, recurrent: Recurrent, inputs: Mapping[str, Array], sizes: Mapping[str, int], in_steps: bool
    ) -> None:
        self.recurrent, self.sizes, self.in_steps = recurrent, sizes, in_steps
        self._evaluate = Evaluator()
        outer = recurrent.outer_in_steps if in_steps else recurrent.outer
        self.outer = None if outer is None else RecordValues(outer, sizes, {}, self._evaluate)
        self._outside: dict[Node, Array] = {}
        for node in recurrent.whole.inputs:
            self._outside[node] = inputs[node.name]
        if self.outer is not None:
            self.outer.known.update(self._outside)
        self.steps: dict[Loop, dict[int, RecordValues]] = {}
        self.received: dict[Part, Array] = {}
        for loop in recurrent.loops:
            self._forwards(loop)
        for loop in reversed(recurrent.loops):
            self._backwards(loop)
        if self.outer is not None:
            # A recurrence gives nothing to a value that depends on no parameter.
            for node in self.outer.record.program.inputs:
                if is_upstream(node) and node not in self.outer.known:
                    self.outer.known[node] = np.zeros(node.type.bind(sizes).concrete_shape)

    def outside(self, symbol: Input | Const) -> Array:
        """Return a value outside."""
        if isinstance(symbol, Const):
            return np.broadcast_to(np.asarray(symbol.value, float), symbol.type.bind(self.sizes).concrete_shape)
        if symbol in self._outside:
            return self._outside[symbol]
        assert self.outer is not None
        return self.outer(symbol)

    def gradient(self, symbol: Input) -> Array | None:
        """Return the gradient by a value outside; None if the loss does not depend on it."""
        for _, part in self.recurrent.parts_of(symbol):
            if part.given is None:
                return self.received[part]
        if self.outer is None:
            return np.ones(()) if symbol.name == self.recurrent.loss_name else None
        entry = next((e for e in self.outer.record.backward.accumulations if e.symbol is symbol), None)
        return None if entry is None else self.outer(entry.cotangent)

    def record_of(self, loop: Loop) -> Record:
        return loop.in_steps if self.in_steps else loop.record

    def _forwards(self, loop: Loop) -> None:
        record, bound = self.record_of(loop), dict[Node, Node]()
        own = {state.before for state in loop.states} | {each.symbol for each in loop.elements}
        own |= {symbol for symbol, _ in loop.listed}
        outputs = [*(state.name for state in loop.states), *(result.output for result in loop.results)]
        own |= {node for name in outputs if (node := loop.given(name)) is not None}
        shared: dict[Node, Array] = {node: self.outside(node) for node in record.program.inputs if node not in own}
        arrays = [(each.symbol, np.moveaxis(self.outside(each.array), each.axis, 0)) for each in loop.elements]
        arrays += [(symbol, self.outside(array)) for symbol, array in loop.listed]
        carried = {state.name: self.outside(state.initial) for state in loop.states}
        lines: dict[str, dict[int, Array]] = {state.name: {loop.start: carried[state.name]} for state in loop.states}
        self.steps[loop] = {}
        for t in loop.steps:
            values = RecordValues(record, self.sizes, bound, self._evaluate)
            values.known.update(shared)
            for symbol, array in arrays:
                values.known[symbol] = array[t - 1]
            for state in loop.states:
                values.known[state.before] = carried[state.name]
            carried = {state.name: values(state.after) for state in loop.states}
            for name, value in carried.items():
                lines[name][t] = value
            for result in loop.results:
                if result.output not in carried:
                    stage = next(each for each in record.backward.stages if each.name == result.output)
                    lines.setdefault(result.output, {})[t] = values(stage.symbol)
            self.steps[loop][t] = values
        for result in loop.results:
            line = lines[result.output]
            if result.place == "last":
                value = line[loop.last]
            else:
                places = sorted(line)
                if result.place in ("after", "ys"):
                    places = sorted(loop.steps)
                elif result.place == "before":
                    places = sorted(t - loop.forwards for t in loop.steps)
                value = np.stack([line[t] for t in places])
            self._outside[result.symbol] = value
            if self.outer is not None:
                self.outer.known[result.symbol] = value

    def _backwards(self, loop: Loop) -> None:
        record = self.record_of(loop)
        cotangents = {entry.symbol: entry.cotangent for entry in record.backward.accumulations}
        for t in reversed(loop.steps):
            values = self.steps[loop][t]
            for name in dict.fromkeys([*(s.name for s in loop.states), *(r.output for r in loop.results)]):
                given = loop.given(name)
                if given is None:
                    continue
                values.known[given] = self.direct(loop, name, t, given)
                state = next((each for each in loop.states if each.name == name), None)
                later = self.steps[loop].get(t + loop.forwards)
                if state is not None and later is not None and state.before in cotangents:
                    values.known[given] = values.known[given] + later(cotangents[state.before])
        for part in loop.parts:
            zero = np.zeros(part.source.type.bind(self.sizes).concrete_shape)
            if part.source not in cotangents:
                found = dict.fromkeys(loop.steps, zero)
            else:
                found = {t: self.steps[loop][t](cotangents[part.source]) for t in loop.steps}
            if part.kind == "constant":
                value = np.sum([found[t] for t in sorted(loop.steps)], axis=0)
            elif part.kind == "element":
                axis = next(each.axis for each in loop.elements if each.symbol is part.source)
                value = np.moveaxis(np.stack([found[t] for t in sorted(loop.steps)]), 0, axis)
            else:
                state = next(each for each in loop.states if each.before is part.source)
                value = found[loop.first] + self.direct(loop, state.name, loop.start, state.before)
            self.received[part] = np.asarray(value)
            if self.outer is not None and part.given is not None:
                self.outer.known[part.given] = self.received[part]

    def direct(self, loop: Loop, name: str, t: int, like: Input) -> Array:
        """Return what the result of step t receives from outside; that of the initial state if t is its number."""
        total = np.zeros(like.type.bind(self.sizes).concrete_shape)
        for result in loop.direct(name):
            gradient = self.gradient(result.symbol)
            if gradient is None:
                continue
            places = {
                "last": [loop.last],
                "after": sorted(loop.steps),
                "ys": sorted(loop.steps),
                "before": sorted(each - loop.forwards for each in loop.steps),
                "whole": sorted([*loop.steps, loop.start]),
            }[result.place]
            if t in places:
                total = total + (gradient if result.place == "last" else gradient[places.index(t)])
        return total
