"""The passes of a function with recurrences, in which each recurrence is a loop: backpropagation through time.

The loop forwards keeps the states, and of the other values of a step those that the loop backwards reads. That one goes
through the steps in the other direction: the gradient by a state comes from outside and from the step that follows, and
what all steps share receives the sum over them. The lines are those of the records of what is outside and of the steps.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chainrule.calculus import Accumulation
from chainrule.derivation import Loop, Recurrent, at_step, is_upstream, output_name
from chainrule.emit.arrays import ArrayWriter
from chainrule.emit.expressions import Arena, Expr, Number, ordered
from chainrule.emit.names import Names
from chainrule.emit.passes import PREFIXES, Argument, Passes, Scope, in_order_of_writing, refuse_random
from chainrule.emit.seeds import seed_of, seeded
from chainrule.emit.sharing import (
    Line,
    Repeat,
    alive,
    keep_for_later,
    plain_lines,
    shared,
    shortened,
    written_where_used,
)
from chainrule.emit.steps import Context, NoLoopError, Steps, is_name_or_number
from chainrule.ir import DType, Input, Node, topological_order


def find_loops(recurrent: Recurrent, reserved: Sequence[str], with_seed: bool, writer: type[ArrayWriter]) -> Passes:
    """Return the passes with loops, for a target that writes expressions with `writer`, as `find_passes` does.

    Raises NoLoopError for a recurrence whose steps are written one after another.
    """
    arena = Arena()
    at_hand = [arena.variable("x", (), DType.FLOAT64)]

    def length(x: Expr) -> int:
        return len(str(writer(Names(), at_hand, {}).write(x)))

    names = Names(reserved)
    context = Context(arena, names, writer.knows, length, writer.line_limit, Scope(arena, writer.knows), "current step")
    return _Builder(recurrent, context, with_seed).passes()


class _Builder:
    def __init__(self, recurrent: Recurrent, context: Context, with_seed: bool) -> None:
        self.recurrent, self.context, self.outer = recurrent, context, context.outer
        program, record = recurrent.program, recurrent.outer
        self.given = [node for node in program.inputs if is_upstream(node)]
        self.arguments = [self._argument(node) for node in program.inputs if node not in self.given]
        self.places = {context.place: context.names.take("t")}
        self.output_names = [output_name(node) for node in self.given] or [recurrent.loss_name]
        self.entries: dict[Input, Accumulation] = {}
        stages = []
        if record is not None:
            stages = list(record.backward.stages)
            self.entries = {
                each.symbol: each for each in record.backward.accumulations if each.symbol is not record.loss
            }
            if self.given or record.loss.name != recurrent.loss_name:  # paired with what the recurrences give
                stages = [stage for stage in stages if stage.symbol is not record.loss]
        self.stages = in_order_of_writing(stages, list(program.names.values()))
        steps = [stage for loop in recurrent.loops for stage in loop.record.backward.stages]
        refuse_random(program.nodes, [*self.stages, *steps])
        self.stage_names = {stage.name: context.names.take(stage.name) for stage in self.stages}
        bars = [symbol.name for symbol in self.entries]
        bars += [at_step(e.symbol.name, "") for loop in recurrent.loops for e in loop.record.backward.accumulations]
        self.prefix = context.prefix = context.names.prefix([*self.output_names, *bars], PREFIXES)
        self.seeds = [self.outer.define(node, self._bar(output_name(node))) for node in self.given]
        self.seed: Input | None = None
        if with_seed and not self.given:
            self.seed = seed_of(DType.FLOAT64)
            self.seeds.append(self.outer.define(self.seed, self._bar(recurrent.loss_name)))
        self.steps: dict[Loop, Steps] = {}
        self.from_loops: dict[Input, Expr] = {}
        """The gradients that a recurrence gives as a whole."""
        self.markers: dict[Expr, list[Line | Repeat]] = {}
        """What stands for a loop among the lines, with the lines of the loop."""

    def _argument(self, node: Input) -> Argument:
        variable = self.outer.define(node, self.context.names.take(node.name))
        return Argument(node.name, variable, node in self.recurrent.wrt, self.recurrent.program.properties(node))

    def _bar(self, name: str) -> str:
        return self.context.names.take(self.prefix + name)

    def passes(self) -> Passes:
        forward = self._forward()
        outputs = [self._output(name, forward) for name in self.output_names]
        backward, loops = self._backward()
        gradients = [self._gradient(symbol) for symbol in self.recurrent.wrt]
        used: set[Expr] = {*outputs, *gradients}
        for each in self.steps.values():
            each.finish()
            used |= each.reads
        for marker, loop, is_back in loops:
            self.markers[marker] = self.steps[loop].backward if is_back else self.steps[loop].forward
        used |= set(self.markers)
        written = self._written(forward, backward, used)
        return self._joined(*written, outputs, gradients)

    # Lines outside --------------------------------------------------------------------------------------------------

    def _forward(self) -> list[Line]:
        """Return the lines of what is outside, with a marker for each loop."""
        lines: list[Line] = []
        pending, loops = list(self.stages), list(self.recurrent.loops)
        self.loops: list[tuple[Expr, Loop, bool]] = []
        while pending or loops:
            ready = next((s for s in pending if all(x in self.outer.variables for x in s.operands)), None)
            if ready is not None:
                pending.remove(ready)
                exact = ready.name in self.output_names
                lines.append(self.outer.forward_line(ready, self.stage_names[ready.name], exact))
                continue
            if not loops:
                raise NoLoopError
            loop = loops.pop(0)
            lines.append(self._marker(loop, is_back=False))
            self.steps[loop] = Steps(self.context, loop)
        return lines

    def _marker(self, loop: Loop, is_back: bool) -> Line:
        marker = self.context.arena.variable(f"loop {len(self.loops)}", (), DType.FLOAT64)
        self.loops.append((marker, loop, is_back))
        return Line(marker, marker, "")

    def _output(self, name: str, forward: list[Line]) -> Expr:
        """Return the variable of an output, with a line for one that is a part of an array."""
        found = next(
            value for node, value in self.outer.variables.items() if isinstance(node, Input) and node.name == name
        )
        if is_name_or_number(found):
            return found
        variable = self.context.variable(self.context.names.take(name), found.shape, found)
        forward.append(Line(variable, found, name))
        return variable

    def _backward(self) -> tuple[list[Line], list[tuple[Expr, Loop, bool]]]:
        lines: list[Line] = []
        cotangents = {entry.cotangent for entry in self.entries.values()}
        givens = {
            node for node in (self.recurrent.outer.program.inputs if self.recurrent.outer else ()) if is_upstream(node)
        }
        known = self.outer.lowering.known
        pending = [entry for entry in self.entries.values() if entry.cotangent not in givens]
        names = {entry.symbol: self._bar(entry.symbol.name) for entry in pending}
        loops = list(self.recurrent.loops)
        results = {result.symbol: result for loop in loops for result in loop.results}
        while pending or loops:
            entry = next((e for e in pending if _read(e, cotangents | givens) <= set(known)), None)
            if entry is None:
                if not loops:
                    raise NoLoopError
                lines += self._loop_backward(loops.pop())
                continue
            pending.remove(entry)
            result = entry.result
            if self.seed is not None:
                result = seeded(result, cotangents | givens, self.seed)
            line = self.outer.backward_line(entry, result, names[entry.symbol], entry.symbol in self.recurrent.wrt)
            value = known[entry.cotangent] if line is None else line.variable
            if line is not None:
                lines.append(line)
            assert entry.symbol not in results or is_name_or_number(value)
        return lines, self.loops

    def _loop_backward(self, loop: Loop) -> list[Line]:
        steps = self.steps[loop]
        self.from_loops.update(steps.write_backward(self._gradient_of_result))
        starts = [carry.start for carry in steps.carries.values()]
        return [*starts, self._marker(loop, is_back=True), *steps.ends]

    def _gradient_of_result(self, symbol: Input) -> Expr | None:
        """Return the gradient by what a recurrence gives; it may lack axes that it would be repeated along."""
        if symbol in self.from_loops:
            return self.from_loops[symbol]
        if symbol in self.entries:
            return self.outer.lowering.loose(self.entries[symbol].cotangent)
        if symbol.name != self.recurrent.loss_name or self.given:
            return None
        if self.seed is not None:
            return self.outer.variables[self.seed]
        return self.context.arena.make(Number(1.0), (), (), symbol.type.dtype)

    def _gradient(self, symbol: Input) -> Expr:
        if symbol in self.from_loops:
            return self.from_loops[symbol]
        if symbol not in self.entries:
            raise NoLoopError
        found = self.outer.lowering.known[self.entries[symbol].cotangent]
        if not is_name_or_number(found):
            raise NoLoopError
        return found

    # The text -------------------------------------------------------------------------------------------------------

    def _written(
        self, forward: Sequence[Line], backward: Sequence[Line], used: Collection[Expr]
    ) -> tuple[list[Line | Repeat], list[Line | Repeat]]:
        """Return the lines as they are written, with the loops at their places.

        Backwards, values are only shared between lines that no loop separates, since loops assign anew.
        """
        context, arena, names = self.context, self.context.arena, self.context.names
        live = {line.variable for line in alive([*forward, *backward], list(used))}
        ahead = [line for line in forward if line.variable in live]
        back = [line for line in backward if line.variable in live]
        ahead, back = keep_for_later(arena, names, ahead, back)
        ahead = shortened(arena, names, shared(arena, names, ahead), context.length, context.limit)
        result: list[Line | Repeat] = []
        for part in self._segments(back):
            own = {line.variable for line in part}
            read = {x for line in back if line.variable not in own for x in ordered([line.value])}
            lines = written_where_used(arena, shared(arena, names, part), {*used, *read}, context.length)
            result += self._with_loops(shortened(arena, names, lines, context.length, context.limit))
        return self._with_loops(ahead), result

    def _segments(self, lines: Sequence[Line]) -> list[list[Line]]:
        """Divide lines after each marker of a loop."""
        parts: list[list[Line]] = [[]]
        for line in lines:
            parts[-1].append(line)
            if line.variable in self.markers:
                parts.append([])
        return parts

    def _with_loops(self, lines: Sequence[Line]) -> list[Line | Repeat]:
        return [item for line in lines for item in self.markers.get(line.variable, [line])]

    def _joined(
        self,
        forward: Sequence[Line | Repeat],
        backward: Sequence[Line | Repeat],
        outputs: Sequence[Expr],
        gradients: Sequence[Expr],
    ) -> Passes:
        back = plain_lines(backward)
        own = {line.variable for line in back} | set(self.seeds)
        needed = {x for line in back for x in ordered([line.value])} | set(gradients)
        arrays = [argument.variable for argument in self.arguments]
        made = [*arrays, *(line.variable for line in plain_lines(forward))]
        order = {argument.name: place for place, argument in enumerate(self.arguments)}
        by_name = dict(zip((symbol.name for symbol in self.recurrent.wrt), gradients, strict=True))
        return Passes(
            tuple(self.arguments),
            tuple(outputs),
            tuple(forward),
            tuple(x for x in dict.fromkeys(made) if x in needed and x not in own and is_name_or_number(x)),
            tuple(self.seeds),
            tuple(backward),
            tuple(by_name[name] for name in sorted(by_name, key=order.__getitem__)),
            not self.given,
            self.context.names,
            self.places,
        )


def _read(entry: Accumulation, symbols: Collection[Node]) -> set[Node]:
    """Return the gradients that a gradient is computed from."""
    return {part for part in topological_order([entry.result]) if part in symbols}
