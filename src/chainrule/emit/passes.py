"""The forward and backward pass of a derivation as named lines over array expressions.

The lines are the stages and cotangents of the record. Dead lines are removed; values that both passes need are computed
once and saved; values used twice in one pass are named; short cotangents used once are inlined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chainrule.calculus import Accumulation, Stage
from chainrule.derivation import Record, is_upstream, output_name
from chainrule.emit.arrays import ArrayWriter
from chainrule.emit.errors import EmitError
from chainrule.emit.expressions import Arena, Expr, Number, Variable, ordered
from chainrule.emit.lowering import Lowering
from chainrule.emit.names import Names
from chainrule.emit.neutral import without_neutral
from chainrule.emit.seeds import seed_of, seeded
from chainrule.emit.sharing import Line, Repeat, alive, keep_for_later, shared, shortened, written_where_used
from chainrule.ir import Input, Node, Property, applies, rebuild, topological_order
from chainrule.primitives import Gelu, Primitive, RandomUniform, Silu, erfc, sigmoid

PREFIXES = ("d", "d_", "grad_", "grad_of_")


@dataclass(frozen=True)
class Argument:
    """An argument of the function: its name, its variable, and what is declared of its values."""

    name: str
    variable: Expr
    is_differentiated: bool
    declared: tuple[Property, ...] = ()


@dataclass(frozen=True)
class Passes:
    """The forward and the backward pass of one function.

    `seeds` are the upstream gradients: those of the outputs of a layer; for a loss, one number if requested.
    `gradients` are in the order of the differentiated arguments.
    """

    arguments: tuple[Argument, ...]
    outputs: tuple[Expr, ...]
    forward: tuple[Line | Repeat, ...]
    saved: tuple[Expr, ...]
    seeds: tuple[Expr, ...]
    backward: tuple[Line | Repeat, ...]
    gradients: tuple[Expr, ...]
    is_loss: bool
    names: Names
    places: Mapping[str, str] = field(default_factory=dict)
    """The variables of loops, by the sizes that stand for them."""

    @property
    def differentiated(self) -> tuple[Argument, ...]:
        return tuple(argument for argument in self.arguments if argument.is_differentiated)


def find_passes(record: Record, reserved: Sequence[str], with_seed: bool, writer: type[ArrayWriter]) -> Passes:
    """Return the passes of the derivation `record`, for a target that writes expressions with `writer`."""
    builder = _Builder(record, reserved, with_seed, writer.knows)

    # A shape may have to be written explicitly if no array of it is available.
    at_hand = [builder.arena.variable("x", (), builder.loss.type.dtype)]

    def length(x: Expr) -> int:
        return len(str(writer(Names(), at_hand, {}).write(x)))

    return builder.passes(length, writer.line_limit)


class Scope:
    """Writes the equations of a record as lines, with a variable for each of its symbols."""

    def __init__(self, arena: Arena, has: Callable[[Primitive], bool]) -> None:
        self.arena, self.lowering = arena, Lowering(arena, has)
        self.variables: dict[Node, Expr] = {}

    def define(self, node: Input, name: str) -> Expr:
        """Define a variable for a symbol that is given."""
        return self.call(node, self.arena.variable(name, node.type.shape, node.type.dtype))

    def call(self, node: Input, value: Expr) -> Expr:
        """Let `value` be that of a symbol."""
        self.variables[node] = value
        self.lowering.define(node, value)
        return value

    def forward_line(self, stage: Stage, name: str, exact: bool) -> Line:
        """Return the line of a value; with `exact` it has the shape of its symbol."""
        (expression,) = rebuild([stage.expression], written_out)
        value = (self.lowering.strict if exact else self.lowering.loose)(expression)
        variable = self.call(stage.symbol, self.arena.variable(name, value.shape, value.dtype))
        self.lowering.define(stage.expression, variable)
        return Line(variable, value, stage.name)

    def backward_line(self, entry: Accumulation, result: Node, name: str, exact: bool) -> Line | None:
        """Return the line of a cotangent; None for an inexact one that is only another name or a number."""
        value = (self.lowering.strict if exact else self.lowering.loose)(result)
        if isinstance(value.operation, Variable | Number) and not exact:
            self.lowering.define(entry.cotangent, value)
            return None
        variable = self.call(entry.cotangent, self.arena.variable(name, value.shape, value.dtype))
        return Line(variable, value, entry.symbol.name)


class _Builder:
    def __init__(
        self, record: Record, reserved: Sequence[str], with_seed: bool, has: Callable[[Primitive], bool]
    ) -> None:
        self.back = record.backward
        self.program = record.program
        self.loss = record.loss
        self.with_seed = with_seed
        refuse_random(self.program.nodes, self.back.stages)
        self.arena = Arena()
        self.scope = Scope(self.arena, has)
        self.names = Names(reserved)
        self.given = [node for node in self.program.inputs if is_upstream(node)]
        self.stages = in_order_of_writing(
            [s for s in self.back.stages if not (self.given and s.symbol is self.loss)],
            list(self.program.names.values()),
        )
        by_name = {stage.name: stage for stage in self.stages}
        self.output_stages = (
            [by_name[output_name(node)] for node in self.given]
            if self.given
            else [next(s for s in self.stages if s.symbol is self.loss)]
        )

    def passes(self, length: Callable[[Expr], int], limit: int) -> Passes:
        arguments = [self._argument(node) for node in self.program.inputs if node not in self.given]
        entries = {entry.symbol: entry for entry in self.back.accumulations if entry.symbol is not self.loss}
        forward_names = {stage: self._name(stage) for stage in self.stages}
        seeds, bars = self._name_cotangents(entries)
        forward = [
            self.scope.forward_line(stage, forward_names[stage], stage in self.output_stages) for stage in self.stages
        ]
        outputs = tuple(self.scope.variables[stage.symbol] for stage in self.output_stages)
        backward = self._backward_lines(entries, bars)
        gradients = [self.scope.variables[entries[symbol].cotangent] for symbol in self.back.wrt]
        live = {line.variable for line in alive([*forward, *backward], [*outputs, *gradients])}
        forward = [line for line in forward if line.variable in live]
        backward = [line for line in backward if line.variable in live]
        forward, backward = keep_for_later(self.arena, self.names, forward, backward)
        forward, backward = shared(self.arena, self.names, forward), shared(self.arena, self.names, backward)
        backward = written_where_used(self.arena, backward, set(gradients), length)
        forward = shortened(self.arena, self.names, forward, length, limit)
        backward = shortened(self.arena, self.names, backward, length, limit)
        own = {line.variable for line in backward} | set(seeds)
        needed = {part for line in backward for part in ordered([line.value])} | {*gradients}
        saved = [
            x
            for x in (*(a.variable for a in arguments), *(line.variable for line in forward))
            if x in needed and x not in own
        ]
        order = {a.name: k for k, a in enumerate(arguments)}
        by_argument = dict(zip((symbol.name for symbol in self.back.wrt), gradients, strict=True))
        return Passes(
            tuple(arguments),
            outputs,
            tuple(forward),
            tuple(saved),
            tuple(seeds),
            tuple(backward),
            tuple(by_argument[name] for name in sorted(by_argument, key=order.__getitem__)),
            not self.given,
            self.names,
        )

    def _argument(self, node: Input) -> Argument:
        variable = self.scope.define(node, self.names.take(node.name))
        return Argument(node.name, variable, node in self.back.wrt, self.back.program.properties(node))

    def _name(self, stage: Stage) -> str:
        return self.names.take(stage.name)

    def _name_cotangents(self, entries: dict[Input, Accumulation]) -> tuple[list[Expr], dict[Input, str]]:
        """Return variables for upstream gradients, and names for the others: `dW1` if it is free."""
        symbols = [output_name(node) for node in self.given] + [symbol.name for symbol in entries]
        if self.with_seed and not self.given:
            symbols.append(self.loss.name)
        prefix = self.names.prefix(symbols, PREFIXES)
        seeds = []
        for node in self.given:
            name = self.names.take(prefix + output_name(node))
            seeds.append(self.scope.define(node, name))
        if self.with_seed and not self.given:
            self.seed = seed_of(self.loss.type.dtype)
            seeds.append(self.scope.define(self.seed, self.names.take(f"{prefix}{self.loss.name}")))
        bars = {}
        for symbol, entry in entries.items():
            if entry.cotangent not in self.scope.variables:
                again = any(output_name(node) == symbol.name for node in self.given)
                bars[symbol] = self.names.take(f"{prefix}{symbol.name}{'_total' if again else ''}")
        return seeds, bars

    def _backward_lines(self, entries: dict[Input, Accumulation], bars: dict[Input, str]) -> list[Line]:
        """Return the cotangents in order of computation, each parameter's as early as possible."""
        cotangents = {entry.cotangent for entry in entries.values()}
        pending = [entry for symbol, entry in entries.items() if symbol in bars]
        done: set[Node] = set(self.given)
        lines: list[Line] = []
        while pending:
            ready = [e for e in pending if _cotangents_in(e.result, cotangents) <= done]
            parameters = [e for e in ready if e.symbol in self.back.wrt]
            entry = parameters[0] if parameters else ready[0]
            pending.remove(entry)
            done.add(entry.cotangent)
            result = entry.result
            if self.with_seed and not self.given:
                result = seeded(result, cotangents, self.seed)
            is_gradient = entry.symbol in self.back.wrt
            line = self.scope.backward_line(entry, result, bars[entry.symbol], is_gradient)
            if line is not None:
                lines.append(line)
        return lines


def written_out(node: Node) -> Node | None:
    """Expand an activation whose derivative reuses a part, σ(z) of SiLU, erfc of GELU; leave out neutral numbers."""
    if applies(node, Silu):
        (z,) = (rebuild([operand], written_out)[0] for operand in node.operands)
        return z * sigmoid(z)
    if applies(node, Gelu):
        (z,) = (rebuild([operand], written_out)[0] for operand in node.operands)
        return 0.5 * z * erfc(-(1 / math.sqrt(2) * z))
    found = without_neutral(node)
    return None if found is None else rebuild([found], written_out)[0]


def in_order_of_writing(stages: list[Stage], names: list[str]) -> list[Stage]:
    """Return the stages in the user's order, as far as dependencies permit."""
    places = {name: place for place, name in enumerate(names)}
    pending = sorted(stages, key=lambda stage: places.get(stage.name, len(places)))
    symbols = {stage.symbol for stage in stages}
    result: list[Stage] = []
    while pending:
        done = {stage.symbol for stage in result}
        stage = next(s for s in pending if symbols.intersection(s.operands) <= done)
        pending.remove(stage)
        result.append(stage)
    return result


def refuse_random(nodes: Sequence[Node], stages: Sequence[Stage]) -> None:
    """Raise EmitError if random numbers are drawn: standalone source does not include the generator."""
    for stage in stages:
        for node in topological_order([stage.expression]):
            if applies(node, RandomUniform):
                raise EmitError(
                    f"{stage.name} draws random numbers, which the source of a target cannot repeat; make the noise "
                    "or the mask an argument of the function"
                )


def _cotangents_in(node: Node, cotangents: set[Input]) -> set[Node]:
    return {part for part in topological_order([node]) if part in cotangents}
