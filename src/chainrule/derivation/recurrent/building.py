"""From a program with recurrences to the records of its derivation: one for each step, one for all that is outside.

Outside, the results of a recurrence are inputs, and what goes into it has a given gradient. So each record holds for
any values of the others, and is verified alone; `verification` checks what joins them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from chainrule.calculus import COTANGENT, Recurrence, Scan, StepNames, entry, fused, rolled, with_sums
from chainrule.derivation.names import at_step
from chainrule.derivation.record import Record
from chainrule.derivation.recurrent.loops import Element, Loop, Part, Place, Result, State, StepRecord, Use, step_record
from chainrule.derivation.recurrent.parts import OuterRecord, Recurrent
from chainrule.derivation.upstream import GIVEN, is_upstream, output_name
from chainrule.ir import (
    Apply,
    Const,
    DType,
    Input,
    Node,
    Program,
    applies,
    concrete,
    rebuild,
    rebuild_all,
    substitute,
    topological_order,
)
from chainrule.primitives import Multiply, Reshape, Slice, Sum, cast

R = TypeVar("R", bound=Record)


class _UnsupportedError(Exception):
    """A recurrence that is not derived as one."""


def recurrent(program: Program, wrt: Sequence[Input]) -> Recurrent | None:
    """Return the parts of a program in which rounds are alike; None if there are none, or if they do not stand alone.

    A recurrence within the step of another is not derived as such, nor is one that hands on integers.
    """
    names: StepNames = {}
    whole = rolled(program, names)
    if whole is program or not any(applies(node, Scan) for node in whole.nodes):
        return None
    whole = with_sums(fused(whole, names), names)
    try:
        builder = _Builder(program, whole, tuple(wrt), names)
        built = builder.built()
    except _UnsupportedError:
        return None
    # A result of a layer that is a last state is called as it is in the step.
    return recurrent(_with_results(program, builder.results_renamed), wrt) if builder.results_renamed else built


def _with_results(program: Program, names: Mapping[Input, str]) -> Program:
    """Return the program of a layer with other names of results; they are of given gradients."""
    given = {node: Input(name, node.type) for node, name in names.items()}
    own = {output_name(node): output_name(given[node]) for node in names}
    moved: dict[Node, Node] = dict(given.items())
    made = rebuild_all(program.outputs, moved.get)
    return replace(
        program,
        inputs=tuple(given.get(node, node) for node in program.inputs),
        outputs=tuple(made[output] for output in program.outputs),
        names={made[node]: own.get(name, name) for node, name in program.names.items()},
    )


class _Builder:
    def __init__(self, program: Program, whole: Program, wrt: tuple[Input, ...], names: StepNames) -> None:
        self.program, self.whole, self.wrt, self.step_names = program, whole, wrt, names
        self.taken = {node.name for node in whole.inputs} | set(whole.names.values()) | set(whole.dim_names)
        self.taken |= {name for step in names.values() for name in step.values()}
        self.running: set[str] = set()
        """The names of values of steps, without their index."""
        self.outside: dict[Node, Node] = {}
        """The symbols outside for what recurrences give."""
        self.names: dict[Node, str] = {}
        """The names of values outside, which are rebuilt with the symbols."""
        self.active: set[Node] = set(wrt)
        self.drafts: list[_Draft] = []
        self.results_renamed: dict[Input, str] = {}
        """The given gradients of results of a layer that are last states, with the names that these have."""

    def built(self) -> Recurrent:
        order = topological_order(self.whole.outputs)
        self.order = order
        done: set[object] = set()
        for node in order:
            if not isinstance(node, Apply):
                continue
            if not isinstance(node.primitive, Scan):
                if node.type.dtype.is_float and not self.active.isdisjoint(node.operands):
                    self.active.add(node)
                continue
            key = node.primitive.together, node.operands
            if key not in done:
                done.add(key)
                self.drafts.append(_Draft(self, len(self.drafts), node))
        self._name_the_outside()
        for draft in self.drafts:
            draft.finish()
        return self._joined()

    # Names

    def fresh(self, *wanted: str) -> str:
        """Return the first of some names that is free, and take it."""
        stems = [name for name in wanted if name]
        numbered = (f"{stems[-1]}{number}" for number in itertools.count(2))
        found = next(name for name in itertools.chain(stems, numbered) if name not in self.taken)
        self.taken.add(found)
        return found

    def step_name(self, *wanted: str) -> str:
        """Return the first of some names that no other value of a step has, with the index t."""
        stems = [name for name in wanted if name]
        numbered = (f"{stems[0]}{number}" for number in itertools.count(2))
        found = next(name for name in itertools.chain(stems, numbered) if name not in self.running)
        self.running.add(found)
        return at_step(found, "t")

    def _name_the_outside(self) -> None:
        for node, name in self.whole.names.items():
            if node not in self.outside:
                (made,) = rebuild([node], self.outside.get)
                if isinstance(made, Apply) and not (self._is_of_a_step(name) and self._is_part_of_a_result(made)):
                    self.names[made] = name

    def _is_of_a_step(self, name: str) -> bool:
        """Whether a name is one of a step with a number behind it: c3 and c₃ look alike."""
        return re.sub(r"_?\d+$", "", name) in self.running

    def _is_part_of_a_result(self, node: Node) -> bool:
        """Whether a value outside is a piece of what a recurrence gives."""
        while isinstance(node, Apply) and isinstance(node.primitive, Slice | Reshape):
            (node,) = node.operands
        return node in self.outside.values()

    def outer(self, node: Node) -> Node:
        """Return a value outside in terms of the symbols."""
        (made,) = rebuild([node], self.outside.get)
        return made

    def name_of(self, value: Node, *wanted: str) -> Input:
        """Return the symbol of a value outside, which gets a name if it has none."""
        if isinstance(value, Input):
            return value
        if value not in self.names:
            self.names[value] = self.fresh(*wanted)
        return Input(self.names[value], value.type)

    def renames(self, node: Node, name: str) -> None:
        """Note the name of a last state, if it is a result of a layer that has another one."""
        former = self.whole.names.get(node, "")
        for given in filter(is_upstream, self.whole.inputs):
            if output_name(given) == former != name:
                users = [each.operands for each in self.order if isinstance(each, Apply) and node in each.operands]
                used_again = any(given not in operands for operands in users)
                self.results_renamed[given] = (GIVEN if used_again else COTANGENT) + name

    # The parts together

    def _joined(self) -> Recurrent:
        (loss,) = map(self.outer, self.whole.outputs)
        layer = any(map(is_upstream, self.program.inputs))
        loss_name = self.names.get(loss, loss.name if isinstance(loss, Input) else "")
        if not loss_name:
            loss_name = self.fresh("L")
        if isinstance(loss, Apply):
            self.names[loss] = loss_name
        paired = list(dict.fromkeys(node for draft in self.drafts for node in draft.outer_operands))
        total, given, parts = self._paired(loss, paired, layer)
        reached = set(topological_order([total]))
        outer = outer_in_steps = None
        if isinstance(total, Apply):
            inputs = [node for node in (*self.whole.inputs, *self.results(), *given) if node in reached]
            wrt = [node for node in (*self.results(), *self.wrt) if node in reached and node in self.active]
            if total is not loss:
                names = {node: name for node, name in self.names.items() if node in reached}
                if layer:
                    names.pop(loss, None)
                names[total] = self.fresh("L" if layer else "J")
            else:
                names = {node: name for node, name in self.names.items() if node in reached}
            known = {node.name for node in inputs}
            declared = tuple(each for each in self.whole.declared if each.name in known)
            program = Program(tuple(inputs), (total,), names, declared=declared)
            elsewhere = frozenset(node.name for node in self.whole.inputs)
            outer = OuterRecord(program, wrt, loss_name, elsewhere)
            outer_in_steps = _apart(outer, OuterRecord(outer.traced, wrt, loss_name, elsewhere, outer))
        loops: list[Loop] = []
        others: set[str] = set()
        for draft in self.drafts:
            record = step_record(draft, loss_name, self.step_name, frozenset(others), len(self.drafts) == 1)
            in_steps = _apart(
                record, StepRecord(record.traced, draft.wrt, loss_name, record.others, record.alone, record)
            )
            others |= {stage.name for each in (record, in_steps) for stage in each.backward.stages}
            loops.append(
                Loop(
                    record,
                    in_steps,
                    tuple(draft.states),
                    tuple(draft.elements),
                    tuple(draft.listed),
                    tuple(draft.results),
                    tuple(parts[draft.number]),
                    draft.places,
                    draft.length,
                    draft.recurrence.reverse,
                )
            )
        scans = tuple(draft.recurrence for draft in self.drafts)
        return Recurrent(self.program, self.whole, self.wrt, loss_name, outer, outer_in_steps, tuple(loops), scans)

    def results(self) -> Iterator[Input]:
        for draft in self.drafts:
            yield from (result.symbol for result in draft.results)

    def _paired(
        self, loss: Node, paired: Sequence[Node], layer: bool
    ) -> tuple[Node, list[Input], dict[int, list[Part]]]:
        """Return the loss with ⟨G, v⟩ for each part G of a gradient by a value v outside, the G and all parts."""
        uses: dict[Input, list[tuple[int, Input, Use]]] = {}
        values: dict[Input, Node] = {}
        for draft in self.drafts:
            for source, value, kind in draft.uses:
                target = self.name_of(value)
                values[target] = value
                uses.setdefault(target, []).append((draft.number, source, kind))
        seen = set(topological_order([loss, *(node for node in paired if isinstance(node, Apply))]))
        operands = {part for node in seen if isinstance(node, Apply) for part in node.operands}
        parts: dict[int, list[Part]] = {draft.number: [] for draft in self.drafts}
        total, given = loss, list[Input]()
        for target, places in uses.items():
            value = values[target]
            is_input = isinstance(value, Input)
            if is_input and len(places) == 1 and value not in seen:
                number, source, kind = places[0]
                parts[number].append(Part(source, target, None, kind))
                continue
            alone = not is_input and len(places) == 1 and value not in operands
            for place, (number, source, kind) in enumerate(places):
                name = target.name if place == 0 else self.fresh(f"{target.name}{place + 1}")
                symbol = Input((COTANGENT if alone else GIVEN) + name, target.type)
                parts[number].append(Part(source, target, symbol, kind))
                given.append(symbol)
                total = total + _inner(symbol, value)
        inactive = [node for node in paired if isinstance(node, Apply) and node not in values.values()]
        for value in inactive:
            measured = value if value.type.dtype.is_float else cast(value, DType.FLOAT64)
            symbol = Input(GIVEN + self.name_of(value).name, measured.type)
            given.append(symbol)
            total = total + _inner(symbol, measured)
        return total, given, parts


def _apart(record: R, in_steps: R) -> R:
    """Return the record with compositions taken apart, or the first one if there are none."""
    numbers = any(not link.stage.symbol.type.shape for link in in_steps.links)
    return in_steps if in_steps.program.names != record.program.names or numbers else record


def _inner(given: Input, value: Node) -> Node:
    product = Multiply()(given, value)
    return Sum(tuple(range(product.type.ndim)))(product) if product.type.ndim else product


class _Draft:
    """One recurrence, as far as it is known before the others are."""

    def __init__(self, builder: _Builder, number: int, some: Apply) -> None:
        self.builder, self.number = builder, number
        scan = some.primitive
        assert isinstance(scan, Scan)
        self.recurrence = recurrence = Recurrence.of(scan, some.operands)
        if any(applies(node, Scan) for node in topological_order(recurrence.outputs)) or recurrence.terms:
            raise _UnsupportedError
        self.length = concrete(recurrence.length)
        self.names = builder.step_names.get(scan.together, {})
        self.results: list[Result] = []
        self.found: list[tuple[Node, str, Place, Node]] = []
        """The values outside that are made of values of the steps, with the name, the place and the value of these."""
        self.outer_operands: list[Node] = []
        self.again: set[str] = set()
        """The results of a step that it uses itself, whose gradient is not only what comes from outside."""
        self._activate()
        self._name_states()
        self._find_results()
        for each in self.found:
            self._result(*each)

    def _activate(self) -> None:
        """Find which values of a step depend on the parameters."""
        active = self.builder.active
        sources = [
            *((each.symbol, each.initial) for each in self.recurrence.carries),
            *((each.symbol, each.array) for each in self.recurrence.sequences),
            *((each.symbol, each.value) for each in self.recurrence.constants),
        ]
        found = {symbol for symbol, value in sources if value in active and symbol.type.dtype.is_float}
        while True:
            reached: set[Node] = set(found)
            for node in topological_order(self.recurrence.outputs):
                if isinstance(node, Apply) and node.type.dtype.is_float and not reached.isdisjoint(node.operands):
                    reached.add(node)
            new = {each.symbol for each in self.recurrence.carries if each.following in reached} - found
            if not new:
                break
            found |= new
        if not found:
            raise _UnsupportedError
        self.active, self.reached = found, reached

    def _name_states(self) -> None:
        builder, recurrence = self.builder, self.recurrence
        self.state_names: list[str] = []
        for carry in recurrence.carries:
            if not carry.symbol.type.dtype.is_float:
                raise _UnsupportedError
            initial = builder.whole.names.get(carry.initial, getattr(carry.initial, "name", ""))
            own = self.names.get(carry.following, "") or self.names.get(carry.symbol, "")
            begun = re.fullmatch(r"(.+?)_?0", initial)
            name = builder.step_name(own or (begun[1] if begun else ""), "h", "s", "u")
            self.state_names.append(name)
            self.again.add(name)

    # What is used outside

    def _find_results(self) -> None:
        builder, recurrence = self.builder, self.recurrence
        every = recurrence.results()
        order, present = builder.order, set(builder.order)
        count = len(recurrence.carries)
        for number, name in enumerate(self.state_names):
            states = every[number]
            if states not in present:
                continue
            last = entry(states, 0 if recurrence.reverse else self.length)
            places: dict[Node, Place] = {
                recurrence.after(states): "after",
                recurrence.before(states): "before",
                last: "last",
            }
            inner = {node for node in places if node in present}
            windows = {part for node in inner for part in getattr(node, "operands", ())} | inner
            others = [
                node for node in order if isinstance(node, Apply) and states in node.operands and node not in windows
            ]
            used = {
                node: [user for user in order if isinstance(user, Apply) and node in user.operands] for node in windows
            }
            stray = any(
                set(users) - windows for node, users in used.items() if node not in inner and node is not states
            )
            if others or stray or states in builder.whole.outputs:
                self.found.append((states, name, "whole", recurrence.carries[number].following))
                continue
            for node in sorted(inner, key=order.index):
                self.found.append((node, name, places[node], recurrence.carries[number].following))
        self.ys: list[tuple[Node, str]] = []
        by_node = {carry.following: name for carry, name in zip(recurrence.carries, self.state_names, strict=True)}
        for number, y in enumerate(recurrence.ys, start=count):
            stack = every[number]
            if stack not in present:
                continue
            if y in by_node:
                self.found.append((stack, by_node[y], "ys", y))
                continue
            if not y.type.dtype.is_float or not isinstance(y, Apply):
                raise _UnsupportedError
            of_stack = builder.whole.names.get(stack, "")
            again = self._is_used_in_the_step(y)
            own = self.names.get(y, "") or ("" if again else of_stack)
            wanted = [
                name for name in (own, "ℓ" if y.type.ndim == 0 else "y", "v", "u") if not again or name != of_stack
            ]
            name = builder.step_name(*wanted)
            by_node[y] = name
            if again:
                self.again.add(name)
            self.ys.append((y, name))
            self.found.append((stack, name, "ys", y))

    def _result(self, node: Node, output: str, place: Place, value: Node) -> None:
        """Make a value outside an input there; `value` is what it consists of, in the step."""
        base = output[:-1]
        builder = self.builder
        name = builder.whole.names.get(node, "")
        if place != "last" and name == base and output in self.again:
            raise _UnsupportedError  # ∂L/∂h_t would be that of an element of h, and of the state
        if place == "last" and (not name or re.sub(r"_?\d*$", "", name) == base):
            if self._has_other_uses(output, value):
                name = builder.fresh(f"{base}_last")
            else:
                name = at_step(base, "1" if self.recurrence.reverse else str(self.length))
                builder.taken.add(name)
            builder.renames(node, name)
        elif not name:
            name = builder.fresh(*([] if output in self.again else [base]), base.upper(), base + "s")
        symbol = Input(name, node.type)
        builder.outside[node] = symbol
        if value in self.reached:
            builder.active |= {node, symbol}
        self.results.append(Result(symbol, output, place))

    def _has_other_uses(self, output: str, value: Node) -> bool:
        """Whether the last value of a step is used but as such, so that its gradient has further terms."""
        stacked = any(name == output and place in ("after", "whole", "ys") for _, name, place, _ in self.found)
        return stacked or self._is_used_in_the_step(value)

    def _is_used_in_the_step(self, value: Node) -> bool:
        order = topological_order(self.recurrence.outputs)
        return any(isinstance(node, Apply) and value in node.operands for node in order)

    # The step

    def finish(self) -> None:
        """Make the step, once everything outside has its name."""
        builder, recurrence = self.builder, self.recurrence
        made: dict[Node, Node] = {}
        self.states, self.elements = list[State](), list[Element]()
        self.listed = list[tuple[Input, Const]]()
        self.uses: list[tuple[Input, Node, Use]] = []
        self.values: dict[Node, str] = {}
        sources: list[tuple[Input, bool]] = []
        back = "t+1" if recurrence.reverse else "t-1"
        for carry, name in zip(recurrence.carries, self.state_names, strict=True):
            symbol = Input(at_step(name, back), carry.symbol.type)
            initial = builder.outer(carry.initial)
            start = at_step(name, str(self.length + 1 if recurrence.reverse else 0))
            if isinstance(initial, Apply) and re.sub(r"_?\d*$", "", builder.names.get(initial, "")) == name[:-1]:
                builder.names[initial] = start  # h1 before the loop is h₀
            shown = initial if isinstance(initial, Const) else builder.name_of(initial, start)
            self._enters(symbol, initial, carry.symbol, "initial", carry.initial)
            made[carry.symbol] = symbol
            self.states.append(State(symbol, name, shown))
            sources.append((symbol, carry.symbol in self.active))
        for one in recurrence.sequences:
            array = builder.outer(one.array)
            if isinstance(array, Const):
                symbol = Input(builder.step_name(self.names.get(one.symbol, ""), "c", "k"), one.symbol.type)
                self.listed.append((symbol, array))
            else:
                whole = builder.name_of(array, self.names.get(one.symbol, ""), "X", "S")
                lower = whole.name.lower() if len(whole.name) == 1 else ""
                own = self.names.get(one.symbol, "") or (lower if lower not in builder.taken else "")
                symbol = Input(builder.step_name(own or whole.name, whole.name), one.symbol.type)
                self.elements.append(Element(symbol, whole, one.axis))
                self._enters(symbol, array, one.symbol, "element", one.array)
            made[one.symbol] = symbol
            sources.append((symbol, one.symbol in self.active))
        for constant in recurrence.constants:
            value = builder.outer(constant.value)
            if isinstance(value, Const):
                made[constant.symbol] = value
                continue
            symbol = builder.name_of(value, "k" if value.type.ndim == 0 else "v" if value.type.ndim == 1 else "K")
            made[constant.symbol] = symbol
            self._enters(symbol, value, constant.symbol, "constant", constant.value)
            sources.append((symbol, constant.symbol in self.active))
        operands = [each.symbol for each in recurrence.parts]
        self.places = {
            made[operand]: place for place, operand in enumerate(operands) if isinstance(made[operand], Input)
        }
        self._make_outputs(made)
        self.inputs = list(dict.fromkeys(symbol for symbol, _ in sources))
        wrt = [symbol for symbol, is_active in sources if is_active]
        reached = set(topological_order(list(self.outputs)))
        self.wrt = list(dict.fromkeys(symbol for symbol in wrt if symbol in reached))

    def _enters(self, symbol: Input, value: Node, inner: Input, kind: Use, original: Node) -> None:
        """Note a value outside that the step reads."""
        if isinstance(value, Apply):
            self.outer_operands.append(value)
        if inner in self.active and original in self.builder.active:
            self.uses.append((symbol, value, kind))

    def _make_outputs(self, made: Mapping[Node, Node]) -> None:
        recurrence = self.recurrence
        wanted = [*((carry.following, name) for carry, name in zip(recurrence.carries, self.state_names, strict=True))]
        wanted += self.ys
        nodes = [node for node, _ in wanted]
        named = {node: name for node, name in self.names.items() if isinstance(node, Apply) and node not in nodes}
        results = substitute([*nodes, *named], made)
        outputs = results[: len(nodes)]
        if len(set(outputs)) < len(outputs) or not all(isinstance(node, Apply) for node in outputs):
            raise _UnsupportedError
        self.outputs = {node: name for node, (_, name) in zip(outputs, wanted, strict=True)}
        for node, name in zip(results[len(nodes) :], named.values(), strict=True):
            if isinstance(node, Apply) and node not in self.outputs and node not in self.values:
                self.values[node] = self.builder.step_name(name)
