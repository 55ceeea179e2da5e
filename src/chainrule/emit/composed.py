"""The passes of a derivation as one program, with names for what is between, for languages with loops.

In the program of a function with recurrences each is a scan, and its gradients are one in the other direction: the
expressions of a step are those of its record, and of its values the scan forwards keeps those that the other one reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from chainrule.calculus import Accumulation, Carried, Constant, Recurrence, Sequenced, entry
from chainrule.derivation import Loop, Record, Recurrent, Result, at_step, is_upstream, output_name
from chainrule.emit.neutral import without_neutral
from chainrule.emit.passes import PREFIXES, refuse_random
from chainrule.emit.steps import NoLoopError
from chainrule.ir import Apply, ArrayType, Const, Input, Node, Program, applies, rebuild, substitute, topological_order
from chainrule.primitives import Broadcast, Reshape, permute, zeros


@dataclass(frozen=True)
class Composed:
    """Outputs and gradients as functions of the inputs of `program`, and names for what is between.

    The gradients are in the order of `wrt`; the name of each begins with `prefix`.
    """

    program: Program
    wrt: tuple[Input, ...]
    outputs: tuple[Node, ...]
    gradients: tuple[Node, ...]
    names: dict[Node, str]
    prefix: str

    @property
    def whole(self) -> Program:
        """The program of all results."""
        alive = set(topological_order([*self.outputs, *self.gradients]))
        named = [node for node in self.names if isinstance(node, Apply) and node in alive]
        names: dict[Node, str] = {node: self.names[node] for node in named}
        return Program(self.program.inputs, (*self.outputs, *self.gradients), names)


def composed(subject: Record | Recurrent) -> Composed:
    """Return the passes of a derivation.

    Raises NoLoopError for a recurrence whose steps are written one after another, and EmitError for random numbers.
    """
    return _of_recurrences(subject) if isinstance(subject, Recurrent) else _of_record(subject)


def _of_record(record: Record) -> Composed:
    back = record.backward
    refuse_random(record.program.nodes, back.stages)
    names: dict[Node, str] = {}
    known: dict[Node, Node] = {}
    for stage in back.stages:
        names[stage.node] = stage.name
        known[stage.symbol] = stage.node
    prefix = _prefix([*(node.name for node in record.program.inputs), *names.values()])
    for each in back.accumulations:
        (known[each.cotangent],) = substitute([each.result], known)
        names.setdefault(known[each.cotangent], prefix + each.symbol.name)
    upstream = [node for node in record.program.inputs if is_upstream(node)]
    by_name = {stage.name: stage.node for stage in back.stages}
    outputs = tuple(by_name[output_name(node)] for node in upstream) or record.program.outputs
    return Composed(record.program, tuple(back.wrt), outputs, tuple(back.gradients), names, prefix)


def _prefix(taken: Sequence[str]) -> str:
    """Return what the names of gradients begin with."""
    return next(p for p in PREFIXES if not any(p + name in taken for name in taken))


def _of_recurrences(recurrent: Recurrent) -> Composed:
    steps = [stage for loop in recurrent.loops for stage in loop.record.backward.stages]
    outside = recurrent.outer.backward.stages if recurrent.outer is not None else ()
    refuse_random(recurrent.program.nodes, [*outside, *steps])
    names = [*(node.name for node in recurrent.program.inputs), *(each.name for each in outside)]
    prefix = _prefix([*names, *(at_step(stage.name, "") for stage in steps)])
    return _Whole(recurrent, prefix).composed()


class _Whole:
    """What is outside of recurrences: `known` are its symbols and gradients in terms of the inputs."""

    def __init__(self, recurrent: Recurrent, prefix: str) -> None:
        self.recurrent, self.prefix = recurrent, prefix
        self.given = [node for node in recurrent.program.inputs if is_upstream(node)]
        self.known: dict[Node, Node] = {node: node for node in recurrent.program.inputs}
        self.names: dict[Node, str] = {}
        self.steps: dict[Loop, _Steps] = {}
        self.entries: dict[Input, Accumulation] = {}
        self.from_loops: dict[Input, Node] = {}
        """The gradients that a recurrence gives as a whole."""

    def value(self, node: Node) -> Node:
        """Return a value in terms of the inputs."""
        return substitute([node], self.known)[0]

    def composed(self) -> Composed:
        self._forward()
        self._backward()
        wanted = [output_name(node) for node in self.given] or [self.recurrent.loss_name]
        symbols = {node.name: value for node, value in self.known.items() if isinstance(node, Input)}
        outputs = tuple(symbols[name] for name in wanted)
        found = [each for symbol in self.recurrent.wrt if (each := self._gradient(symbol)) is not None]
        if len(found) < len(self.recurrent.wrt):
            raise NoLoopError
        program = self.recurrent.program
        return Composed(program, self.recurrent.wrt, outputs, tuple(found), self.names, self.prefix)

    def _forward(self) -> None:
        record = self.recurrent.outer
        pending = [] if record is None else list(record.backward.stages)
        if record is not None:
            total = record.loss if self.given or record.loss.name != self.recurrent.loss_name else None
            pending = [stage for stage in pending if stage.symbol is not total]
            entries = record.backward.accumulations
            self.entries = {each.symbol: each for each in entries if each.symbol is not record.loss}
        loops = list(self.recurrent.loops)
        while pending or loops:
            ready = next((stage for stage in pending if all(x in self.known for x in stage.operands)), None)
            if ready is not None:
                pending.remove(ready)
                self._name(ready.symbol, self.value(ready.expression), ready.name)
            elif loops:
                loop = loops.pop(0)
                self.steps[loop] = _Steps(self, loop)
            else:
                raise NoLoopError

    def _name(self, symbol: Input, value: Node, name: str) -> None:
        self.known[symbol] = value
        self.names.setdefault(value, name)

    def _backward(self) -> None:
        cotangents: set[Node] = {each.cotangent for each in self.entries.values()}
        if self.recurrent.outer is not None:
            cotangents |= {node for node in self.recurrent.outer.program.inputs if is_upstream(node)}
        pending = [each for each in self.entries.values() if each.cotangent not in self.known]
        loops = list(self.recurrent.loops)
        while pending or loops:
            ready = next((each for each in pending if _read(each, cotangents) <= set(self.known)), None)
            if ready is not None:
                pending.remove(ready)
                self._name(ready.cotangent, self.value(ready.result), self.prefix + ready.symbol.name)
            elif loops:
                loop = loops.pop()
                for part, value in zip(loop.parts, self.steps[loop].gradients(), strict=True):
                    self.names.setdefault(value, self.prefix + part.target.name)
                    if part.given is None:
                        self.from_loops[part.target] = value
                    else:
                        self.known[part.given] = value
                pending = [each for each in pending if each.cotangent not in self.known]
            else:
                raise NoLoopError

    def _gradient(self, symbol: Input) -> Node | None:
        """Return the gradient by a value outside; None if the result does not depend on it."""
        if symbol in self.from_loops:
            return self.from_loops[symbol]
        if symbol in self.entries:
            return self.known[self.entries[symbol].cotangent]
        is_loss = symbol.name == self.recurrent.loss_name and not self.given
        return Const(1.0, symbol.type) if is_loss else None

    def gradient(self, result: Result) -> Node | None:
        """Return the gradient by what a recurrence gives."""
        return self._gradient(result.symbol)


def _read(each: Accumulation, cotangents: Collection[Node]) -> set[Node]:
    """Return the gradients that a gradient is computed from."""
    return {part for part in topological_order([each.result]) if part in cotangents}


@dataclass
class _Step:
    """The parts of a recurrence in the making: its carries, sequences, ys, terms and names."""

    loop: Loop
    constants: Callable[[Collection[Node]], list[Constant]]
    carries: list[Carried] = field(default_factory=list)
    sequences: list[Sequenced] = field(default_factory=list)
    ys: list[Node] = field(default_factory=list)
    terms: list[Node] = field(default_factory=list)
    names: dict[Node, str] = field(default_factory=dict)

    def made(self, reverse: bool) -> Recurrence:
        """Return the recurrence, with what its step reads."""
        carries, ys, terms = tuple(self.carries), tuple(self.ys), tuple(self.terms)
        used = set(topological_order([*(each.following for each in carries), *ys, *terms]))
        read = tuple(each for each in self.sequences if each.symbol in used)
        known = used - {each.symbol for each in carries} - {each.symbol for each in read}
        names = tuple((node, name) for node, name in self.names.items() if node in used and isinstance(node, Apply))
        length = self.loop.length
        return Recurrence(carries, read, tuple(self.constants(known)), ys, terms, length, reverse, names)


class _Steps:
    """One recurrence: forwards, which is known to `whole`, and as `gradients`, backwards."""

    def __init__(self, whole: _Whole, loop: Loop) -> None:
        self.whole, self.loop = whole, loop
        self.record = loop.record
        stages = [stage for stage in self.record.backward.stages if stage.symbol is not self.record.loss]
        self.values = {stage.symbol: stage.node for stage in stages}
        self.symbols = {stage.name: stage.symbol for stage in stages}
        step = self._step()
        for state in loop.states:
            following = self.values[self.symbols[state.name]]
            step.carries.append(Carried(state.before, whole.value(state.initial), following))
        step.sequences += self._elements()
        step.names = {stage.node: at_step(stage.name, "") for stage in stages}
        self.states = {state.name: number for number, state in enumerate(loop.states)}
        given = [each.output for each in loop.results if each.output not in self.states]
        self.read = self._read_backwards()
        kept = [symbol for symbol in self.read if symbol.name not in self.states]
        self.kept = list(dict.fromkeys([*(self.symbols[name] for name in given), *kept]))
        step.ys = [self.values[symbol] for symbol in self.kept]
        self.forward = step.made(loop.reverse)
        self.results: list[Node] = [*self.forward.results()]
        for name, stack in zip([*self.states, *(symbol.name for symbol in self.kept)], self.results, strict=True):
            whole.names.setdefault(stack, at_step(name, ""))
        for result in loop.results:
            whole.known[result.symbol] = self._given(result)

    def _step(self) -> _Step:
        return _Step(self.loop, self._constants)

    def _elements(self) -> list[Sequenced]:
        """Return the sequences whose elements a step reads."""
        known = self.whole.known
        found = [Sequenced(each.symbol, known[each.array], each.axis) for each in self.loop.elements]
        return [*found, *(Sequenced(symbol, array) for symbol, array in self.loop.listed)]

    def _constants(self, used: Collection[Node]) -> list[Constant]:
        """Return what is the same in all steps, of what is used."""
        inputs = [node for node in self.record.program.inputs if node in used]
        return [Constant(node, self.whole.known[node]) for node in inputs]

    def _given(self, result: Result) -> Node:
        """Return what the recurrence gives."""
        if result.output not in self.states:
            return self.results[len(self.states) + self.kept.index(self.symbols[result.output])]
        states, last = self.results[self.states[result.output]], self.loop.length
        match result.place:
            case "whole":
                return states
            case "last":
                return entry(states, 0 if self.loop.reverse else last)
            case "before":
                return self.forward.before(states)
        return self.forward.after(states)

    # Backwards

    def _read_backwards(self) -> list[Input]:
        """Return the values of a step that its gradients are computed from."""
        entries = [each for each in self.record.backward.accumulations if each.symbol is not self.record.loss]
        order = topological_order([each.result for each in entries])
        return [node for node in order if isinstance(node, Input) and node in self.values]

    def gradients(self) -> list[Node]:
        """Return what the recurrence adds to the gradients, for each of its parts."""
        loop, prefix = self.loop, self.whole.prefix
        self.entries = {
            each.symbol: each for each in self.record.backward.accumulations if each.symbol is not self.record.loss
        }
        step = self._step()
        for state in loop.states:
            step.sequences.append(Sequenced(state.before, self.forward.before(self.results[self.states[state.name]])))
        step.sequences += self._elements()
        for symbol in self.read:
            if symbol.name in self.states:
                stack: Node = self.forward.after(self.results[self.states[symbol.name]])
            else:
                stack = self.results[len(self.states) + self.kept.index(symbol)]
            step.sequences.append(Sequenced(symbol, stack))
        self.carried: dict[str, tuple[Input, Node, Node | None]] = {}
        """The symbol of the gradient by each state that is handed on, its start, and what it receives before a step."""
        self.known: dict[Node, Node] = {}
        needed = set(topological_order([each.result for each in self.entries.values()]))
        for node in self.record.program.inputs:
            if is_upstream(node) and node in needed:
                self._receive(node, step)
        cotangents = {each.cotangent for each in self.entries.values()}
        pending = [each for each in self.entries.values() if each.cotangent not in self.known]
        while pending:
            each = next(e for e in pending if _read(e, cotangents) - {e.cotangent} <= set(self.known))
            pending.remove(each)
            (value,) = rebuild(substitute([each.result], self.known), without_neutral)
            self.known[each.cotangent] = value
            step.names.setdefault(value, prefix + at_step(each.symbol.name, ""))
        return self._parts(step)

    def _receive(self, node: Input, step: _Step) -> None:
        """Define what a result of the step receives: from outside, and from the next step."""
        loop, name = self.loop, output_name(node)
        count = loop.length
        state = next((each for each in loop.states if each.name == name), None)
        base = self.whole.prefix + at_step(name, "")
        terms: list[Node] = []
        starts: list[Node] = []
        handed: list[Node] = []
        for result in loop.direct(name):
            found = self.whole.gradient(result)
            if found is None:
                continue
            if result.place == "last":
                starts.append(found)
                continue
            if result.place == "whole":
                starts.append(entry(found, 0 if loop.reverse else count))
                found = self.forward.before(found)
            element = _same_everywhere(found, node.type)
            if element is None:
                element = Input(f"{base} {len(step.sequences)}", node.type)
                step.sequences.append(Sequenced(element, found))
            (terms if result.place in ("after", "ys") else handed).append(element)
        if state is not None and state.before in self.entries:
            symbol = Input(f"{base} carried", node.type)
            self.carried[name] = symbol, _sum(starts, node), _sum(handed, node) if handed else None
            terms.insert(0, symbol)
        elif starts or handed:
            raise NoLoopError
        if not terms:
            raise NoLoopError
        self.known[node] = _sum(terms, node)
        if len(terms) > 1:
            step.names.setdefault(self.known[node], base)

    def _parts(self, step: _Step) -> list[Node]:
        """Return the parts of gradients as results of the recurrence backwards."""
        by_state = {state.name: self.entries.get(state.before) for state in self.loop.states}
        carried = list(self.carried)
        for name, (symbol, start, handed) in self.carried.items():
            found = by_state[name]
            assert found is not None
            following = self.known[found.cotangent]
            step.carries.append(Carried(symbol, start, following if handed is None else following + handed))
            step.names[step.carries[-1].following] = self.whole.prefix + at_step(name, "")
        own = {part: self.entries.get(part.source) for part in self.loop.parts}
        ys = [part for part in self.loop.parts if part.kind == "element" and own[part] is not None]
        terms = [part for part in self.loop.parts if part.kind == "constant" and own[part] is not None]
        for parts, outputs in ((ys, step.ys), (terms, step.terms)):
            outputs += [self.known[found.cotangent] for part in parts if (found := own[part]) is not None]
        recurrence = step.made(not self.loop.reverse)
        results: list[Node] = [*recurrence.results()]
        for name, stack in zip(carried, results, strict=False):
            self.whole.names.setdefault(stack, self.whole.prefix + at_step(name, ""))
        axes = {each.symbol: each.axis for each in self.loop.elements}
        found_parts: list[Node] = []
        for part in self.loop.parts:
            if part.kind == "initial":
                name = next(state.name for state in self.loop.states if state.before is part.source)
                if name not in carried:
                    raise NoLoopError
                found_parts.append(entry(results[carried.index(name)], self.loop.length if self.loop.reverse else 0))
            elif part in ys:
                stack, axis = results[len(carried) + ys.index(part)], axes[part.source]
                order = [*range(1, axis + 1), 0, *range(axis + 1, stack.type.ndim)]
                found_parts.append(permute(stack, order))
            elif part in terms:
                found_parts.append(results[len(carried) + len(ys) + terms.index(part)])
            else:
                found_parts.append(zeros(part.target.type))
        return found_parts


def _same_everywhere(array: Node, type_: ArrayType) -> Node | None:
    """Return an element of an array of equal numbers."""
    while applies(array, Broadcast, Reshape):
        (array,) = array.operands
    return Const(array.value, type_) if isinstance(array, Const) and array.is_filled else None


def _sum(terms: Sequence[Node], like: Input) -> Node:
    """Return the sum of some gradients, zeros without any."""
    if not terms:
        return zeros(like.type)
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
