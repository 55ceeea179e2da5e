"""One recurrence as a loop forwards, which keeps what the loop backwards reads, and as that one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainrule.calculus import Accumulation
from chainrule.derivation import Loop, at_step, is_upstream, output_name
from chainrule.emit.expressions import Arena, Blank, Expr, Number, Repeated, Variable, name_of, ordered
from chainrule.emit.lowering import indexed
from chainrule.emit.names import Names
from chainrule.emit.passes import Scope, in_order_of_writing
from chainrule.emit.sharing import Line, Repeat, alive, keep_for_later, shared, shortened, written_where_used
from chainrule.ir import Const, Dim, Input, Node, Shape, SymbolicDim, topological_order
from chainrule.primitives import Add, Primitive


class NoLoopError(Exception):
    """A recurrence whose steps are written one after another."""


@dataclass
class Context:
    """What all loops of a source share: `place` is the name of the size that stands for the current step."""

    arena: Arena
    names: Names
    has: Callable[[Primitive], bool]
    length: Callable[[Expr], int]
    limit: int
    outer: Scope
    place: str
    prefix: str = ""

    @property
    def t(self) -> SymbolicDim:
        """The current step, counted from 0."""
        return SymbolicDim((((self.place,), 1),))

    def variable(self, name: str, shape: Shape, like: Expr | Node) -> Expr:
        dtype = like.dtype if isinstance(like, Expr) else like.type.dtype
        return self.arena.variable(name, shape, dtype)

    def element(self, x: Expr, place: Dim, axis: int = 0) -> Expr:
        """Return the element of an array at a place along an axis."""
        entries = [place if k == axis else (0, dim, 1) for k, dim in enumerate(x.shape)]
        return indexed(self.arena, x, entries)

    def run(self, x: Expr, start: int, size: int) -> Expr:
        """Return `size` elements of an array along its first axis."""
        return indexed(self.arena, x, [(start, size, 1), *((0, dim, 1) for dim in x.shape[1:])])

    def blank(self, shape: Shape, like: Expr, *, is_zero: bool = False, as_operand: bool = False) -> Expr:
        """Return a new array with the dtype of another, and its shape where that is the same."""
        operands = (like,) if as_operand and like.shape == shape else ()
        return self.arena.make(Blank(is_zero), operands, shape, like.dtype)


@dataclass
class _Carry:
    """The gradient by a state that one step hands on to the next, and the variable of what it hands on."""

    variable: Expr
    start: Line
    handed: Expr
    further: list[Expr]
    """What it receives from outside besides, within a step."""


class Steps:
    """A recurrence as two loops; `forward` and `backward` are complete after `finish`."""

    def __init__(self, context: Context, loop: Loop) -> None:
        self.context, self.loop = context, loop
        self.scope = Scope(context.arena, context.has)
        self.record = loop.record
        self.t = context.t
        self.stacks: dict[Expr, Expr] = {}
        """The arrays of values of a step that are kept, with these values of the current step."""
        self.places: dict[Expr, Dim] = {}
        """The places of values in these arrays, where that is not the number of the step."""
        self.allocated: list[Line] = []
        self.lines: list[Line] = []
        self.back_lines: list[Line] = []
        self.carries: dict[str, _Carry] = {}
        self.puts: dict[Expr, Line] = {}
        """In a step backwards the variables of parts of gradients, each with the line that puts it into the whole."""
        self.zeros: list[Line] = []
        self.ends: list[Line] = []
        self.forward: list[Line | Repeat] = []
        self.backward: list[Line | Repeat] = []
        self._read()
        self._step()
        self._give()

    # Forwards -------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Define what a step reads."""
        context, loop, scope, outer = self.context, self.loop, self.scope, self.context.outer
        self.states: dict[str, Expr] = {}
        for state in loop.states:
            name = context.names.take(at_step(state.name, ""))
            shape = (loop.length + 1, *state.before.type.shape)
            stack = self.states[state.name] = context.variable(name, shape, state.before)
            initial = state.initial
            is_zero = isinstance(initial, Const) and initial.filled_with(0)
            self.allocated.append(Line(stack, context.blank(shape, stack, is_zero=is_zero), state.name))
            if not is_zero:
                value = outer.lowering.loose(initial)
                place = context.element(stack, -1 if loop.reverse else 0)
                self.allocated.append(Line(place, value, state.name))
            scope.call(state.before, context.element(stack, self.t + 1 if loop.reverse else self.t))
        for symbol, array in loop.listed:
            value = outer.lowering.strict(array)
            table = context.variable(context.names.take(at_step(symbol.name, "")), value.shape, value)
            self.allocated.append(Line(table, value, symbol.name))
            scope.call(symbol, context.element(table, self.t))
        for each in loop.elements:
            whole = outer.variables[each.array]
            if whole.shape != each.array.type.shape:
                raise NoLoopError
            scope.call(each.symbol, context.element(whole, self.t, each.axis))
        for node in self.record.program.inputs:
            if node not in scope.variables and not is_upstream(node):
                scope.call(node, outer.variables[node])

    def _step(self) -> None:
        """Write the lines of a step."""
        context, back = self.context, self.record.backward
        stages = in_order_of_writing(
            [stage for stage in back.stages if stage.symbol is not self.record.loss],
            list(self.record.program.names.values()),
        )
        given = {result.output for result in self.loop.results}
        self.given: dict[str, Expr] = {}
        for stage in stages:
            stack = self.states.get(stage.name)
            name = context.names.take(at_step(stage.name, "")) if stack is None else name_of(stack)
            line = self.scope.forward_line(stage, name, stack is not None or stage.name in given)
            self.lines.append(line)
            self.given[stage.name] = line.variable
            if stack is not None:
                self.stacks[line.variable] = stack
                self.places[line.variable] = self.t if self.loop.reverse else self.t + 1

    def _give(self) -> None:
        """Define what the recurrence gives."""
        context, count, reverse = self.context, self.loop.length, self.loop.reverse
        for result in self.loop.results:
            stack = self.states.get(result.output)
            if stack is None:
                value = self._kept(self.given[result.output])
            elif result.place == "whole":
                value = stack
            elif result.place == "last":
                value = context.element(stack, 0 if reverse else -1)
            else:
                value = context.run(stack, int((result.place == "before") == reverse), count)
            context.outer.call(result.symbol, value)

    def _kept(self, variable: Expr) -> Expr:
        """Return the array in which a value of a step is kept."""
        if variable not in self.stacks:
            shape = (self.loop.length, *variable.shape)
            stack = self.stacks[variable] = self.context.variable(name_of(variable), shape, variable)
            self.allocated.append(Line(stack, self.context.blank(shape, stack), ""))
        return self.stacks[variable]

    # Backwards ------------------------------------------------------------------------------------------------------

    def write_backward(self, gradient: Callable[[Input], Expr | None]) -> dict[Input, Expr]:
        """Write the lines of a step backwards; `gradient` gives that by a value outside.

        Returns the variables of the gradients by targets that receive no other part.
        """
        back = self.record.backward
        self.entries = {each.symbol: each for each in back.accumulations if each.symbol is not self.record.loss}
        results = [entry.result for entry in self.entries.values()]
        needed = set(topological_order(results))
        for node in self.record.program.inputs:
            if is_upstream(node) and node in needed:
                self._receive(node, gradient)
        self._write_entries()
        return self._put_parts()

    def _receive(self, node: Input, gradient: Callable[[Input], Expr | None]) -> None:
        """Define what a result of the step receives: from outside, and from the next step."""
        context, loop = self.context, self.loop
        name = output_name(node)
        base = context.prefix + at_step(name, "")
        state = next((each for each in loop.states if each.name == name), None)
        is_carried = state is not None and state.before in self.entries
        terms: list[Expr] = []
        starts: list[Expr] = []
        handed: list[Expr] = []
        for result in loop.direct(name):
            found = gradient(result.symbol)
            if found is None:
                continue
            shape, forwards = result.symbol.type.shape, not loop.reverse
            if result.place == "last":
                starts.append(found)
            elif result.place in ("after", "ys"):
                terms.append(self._along(found, shape, self.t))
            else:
                if result.place == "whole":
                    starts.append(self._along(found, shape, loop.length if forwards else 0))
                place = self.t + 1 if result.place == "whole" and loop.reverse else self.t
                handed.append(self._along(found, shape, place))
        if (starts or handed) and not is_carried:
            raise NoLoopError
        cotangents = {entry.cotangent for entry in self.entries.values()}
        again = any(e.symbol.name == name and e.cotangent is not node for e in self.entries.values())
        if is_carried:
            assert state is not None
            type_ = state.before.type
            alone = not terms and not again
            variable = context.variable(context.names.take(base if alone else f"{base}_next"), type_.shape, node)
            if starts:
                start = self._sum(starts)
                if start.shape != type_.shape:
                    start = context.arena.make(Repeated(type_.shape), (start,), type_.shape, start.dtype)
            else:
                start = context.blank(type_.shape, context.element(self.states[name], 0), is_zero=True, as_operand=True)
            to_hand = context.variable(context.names.local(f"{base}_t"), type_.shape, node)
            self.carries[name] = _Carry(variable, Line(variable, start, name), to_hand, handed)
            terms.insert(0, variable)
        if not terms:
            raise NoLoopError
        total = self._sum(terms)
        if len(terms) > 1 and node in cotangents:
            line = Line(context.variable(context.names.take(base), total.shape, total), total, name)
            self.back_lines.append(line)
            total = line.variable
        self.scope.call(node, total)

    def _along(self, x: Expr, shape: Shape, place: Dim) -> Expr:
        """Return the element of a gradient by a sequence, which may lack axes that it would be repeated along."""
        if x.ndim < len(shape):
            return x
        return self.context.element(x, 0 if x.shape[0] == 1 != shape[0] else place)

    def _sum(self, terms: Sequence[Expr]) -> Expr:
        total = terms[0]
        for term in terms[1:]:
            total = self.scope.lowering.function(Add(), [total, term], total.dtype)
        return total

    def _write_entries(self) -> None:
        """Write the gradients within a step, in order of computation."""
        context, lowering = self.context, self.scope.lowering
        cotangents = {entry.cotangent for entry in self.entries.values()}
        sources = {state.before: state for state in self.loop.states}
        wanted = {part.source for part in self.loop.parts}
        pending = [entry for entry in self.entries.values() if entry.cotangent not in self.scope.variables]
        self.parts: dict[Input, Expr] = {}
        done: set[Node] = set(self.scope.variables)
        while pending:
            entry = next(e for e in pending if _inputs(e) & cotangents - {e.cotangent} <= done)
            pending.remove(entry)
            done.add(entry.cotangent)
            symbol = entry.symbol
            base = context.prefix + at_step(symbol.name, "")
            if symbol in sources:
                carry = self.carries.get(sources[symbol].name)
                if carry is None:
                    raise NoLoopError
                value = self._sum([lowering.strict(entry.result), *carry.further])
                self.back_lines.append(Line(carry.handed, value, symbol.name))
            elif symbol in wanted:
                value = lowering.loose(entry.result)
                variable = context.variable(context.names.local(f"{base}_t"), value.shape, value)
                self.parts[symbol] = variable
                self.back_lines.append(Line(variable, value, symbol.name))
            else:
                line = self.scope.backward_line(entry, entry.result, context.names.take(base), exact=False)
                if line is not None:
                    self.back_lines.append(line)

    def _put_parts(self) -> dict[Input, Expr]:
        """Put the parts of gradients into the whole."""
        context, outer = self.context, self.context.outer
        found: dict[Input, Expr] = {}
        for part in self.loop.parts:
            name = context.names.take(context.prefix + part.target.name)
            whole = context.variable(name, part.target.type.shape, part.target)
            if part.given is None:
                found[part.target] = whole
            else:
                outer.call(part.given, whole)
            if part.kind == "initial":
                state = next(each for each in self.loop.states if each.before is part.source)
                if state.name not in self.carries:
                    raise NoLoopError
                self.ends.append(Line(whole, self.carries[state.name].variable, part.target.name))
                continue
            own = self.parts.get(part.source)
            is_sum = part.kind == "constant"
            blank = context.blank(
                whole.shape, outer.variables[part.target], is_zero=is_sum or own is None, as_operand=True
            )
            self.zeros.append(Line(whole, blank, part.target.name))
            if own is None:
                continue
            if is_sum:
                self.puts[own] = Line(whole, own, part.target.name, adds=True)
            else:
                axis = next(each.axis for each in self.loop.elements if each.symbol is part.source)
                self.puts[own] = Line(context.element(whole, self.t, axis), own, part.target.name)
        return found

    # Both together --------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Make the loops of the lines."""
        context, arena, names = self.context, self.context.arena, self.context.names
        carries = list(self.carries.values())
        handed = {carry.handed for carry in carries}
        ends = [*self.stacks, *handed, *self.puts]
        live = {line.variable for line in alive([*self.lines, *self.back_lines], ends)}
        forward = [line for line in self.lines if line.variable in live]
        backward = [line for line in self.back_lines if line.variable in live]
        forward, backward = keep_for_later(arena, names, forward, backward)
        forward, backward = shared(arena, names, forward), shared(arena, names, backward)
        backward = written_where_used(arena, backward, {*handed, *self.puts}, context.length)
        forward = shortened(arena, names, forward, context.length, context.limit)
        backward = shortened(arena, names, backward, context.length, context.limit)
        made = {line.variable for line in forward}
        for x in dict.fromkeys(x for line in backward for x in ordered([line.value])):
            if x in made:
                self._kept(x)
        current = {
            x: context.element(stack, self.places.get(x, self.t)) for x, stack in self.stacks.items() if x in made
        }

        def put(line: Line) -> Line:
            variable = arena.rebuilt(line.variable, current)
            return Line(variable, arena.rebuilt(line.value, current), line.about, line.adds)

        reverse = self.loop.reverse
        body = tuple(map(put, forward))
        self.forward = [*self.allocated, Repeat(context.place, self.loop.length, reverse, body)]
        back = tuple(map(put, self._with_puts(backward, carries)))
        self.backward = [*self.zeros, Repeat(context.place, self.loop.length, not reverse, back)]

    def _with_puts(self, lines: Sequence[Line], carries: Sequence[_Carry]) -> list[Line]:
        """Return the lines with those that put their values into gradients, and at the end what the step hands on."""
        read = {x for line in lines for x in ordered([line.value])}
        own = {carry.handed: carry for carry in carries}
        found: list[Line] = []
        handing: list[tuple[_Carry, Line]] = []
        for line in lines:
            variable, value = line.variable, line.value
            if (variable in self.puts or variable in own) and variable in read:
                found.append(line)
                value = variable
            if variable in self.puts:
                wanted = self.puts[variable]
                found.append(Line(wanted.variable, value, wanted.about, wanted.adds))
            elif variable in own:
                handing.append((own[variable], Line(own[variable].variable, value, line.about)))
            else:
                found.append(line)
        while handing:
            free = [
                each
                for each in handing
                if not any(each[0].variable in ordered([other.value]) for _, other in handing if other is not each[1])
            ]
            if not free:  # each is still read by another: all are computed before one is assigned
                found += [Line(carry.handed, line.value, line.about) for carry, line in handing]
                found += [Line(carry.variable, carry.handed, line.about) for carry, line in handing]
                break
            found.append(free[0][1])
            handing.remove(free[0])
        return found

    @property
    def reads(self) -> set[Expr]:
        """The variables that the loops read."""
        found: set[Expr] = set()
        for item in (*self.forward, *self.backward):
            for line in item.lines if isinstance(item, Repeat) else (item,):
                found.update(x for x in ordered([line.value, line.variable]) if isinstance(x.operation, Variable))
        return found


def _inputs(entry: Accumulation) -> set[Node]:
    return {part for part in topological_order([entry.result]) if isinstance(part, Input)}


def is_name_or_number(x: Expr) -> bool:
    """Whether an expression is written as one name or number."""
    return isinstance(x.operation, Variable | Number)
