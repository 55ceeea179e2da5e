"""Verification of a derivation with recurrences.

The lines of each record hold for any values of what the others give, and are verified alone, those of a step once for
all steps. The lines that join them are compared with finite differences of the whole loss: in the state after a step,
and in what a recurrence reads, with everything after it computed again. Then the printed page is read back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.calculus import Scan
from chainrule.derivation.claims import Claim, LossDerivative
from chainrule.derivation.differences import DIFFERENCE_TOLERANCE, SAFETY, derivative_at_zero, drowned
from chainrule.derivation.points import Array, Evaluator, NoPointError, bind_nodes
from chainrule.derivation.recurrent.loops import Loop, Part
from chainrule.derivation.recurrent.parts import Recurrent
from chainrule.derivation.recurrent.proofreading import RecurrentProofreader
from chainrule.derivation.recurrent.scene import Scene
from chainrule.derivation.small_sizes import small_sizes
from chainrule.derivation.verification import Failure, Verification
from chainrule.derivation.verify import POINTS, PRINTED, REDRAWS, TINY, Verifier
from chainrule.ir import Apply, Input, Node, applies, concrete, topological_order

SAMPLED = 5
"""The number of steps at which the state is changed, of those of a long recurrence."""
READ = (*PRINTED, ("path", "text"))
"""The printed pages that are read back."""


def verified_recurrence(recurrent: Recurrent, points: int = POINTS, seed: int = 0) -> Verification:
    """Verify every line of a derivation with recurrences."""
    outcome: Verification | None = None
    for record in recurrent.every_record:
        found = Verifier(record, seed, printed=()).run(points)
        outcome = found if outcome is None else outcome.joined(found)
    joining = _Joining(recurrent, seed).run(points)
    return joining if outcome is None else outcome.joined(joining)


def recurrent_gradients(recurrent: Recurrent, inputs: Mapping[str, Array]) -> dict[Input, Array]:
    """Return the gradients that the lines of a derivation with recurrences give at a point; `inputs` are by name."""
    scene = Scene(recurrent, inputs, small_sizes(recurrent.whole), True)
    found = {symbol: scene.gradient(symbol) for symbol in recurrent.wrt}
    return {symbol: np.zeros_like(inputs[symbol.name]) if g is None else g for symbol, g in found.items()}


@dataclass(frozen=True, eq=False)
class _Nudge:
    """A change of an input, of an operand of a recurrence, or of a state after a step."""

    kind: str
    loop: int = 0
    place: int = 0
    step: int = 0
    symbol: Input | None = None


@dataclass(frozen=True, eq=False)
class _Line:
    """A line that joins records: its claim, its value at a point, and what is changed to check it."""

    claim: Claim
    value: Callable[[Scene], Array]
    nudge: _Nudge


class _Joining:
    """Checks the lines that join the records of one derivation."""

    def __init__(self, recurrent: Recurrent, seed: int) -> None:
        self.recurrent = recurrent
        self.random = np.random.default_rng(seed)
        self.verifier = Verifier(recurrent.joined, seed, claims=[])
        self.sizes = self.verifier.sizes
        (loss,) = recurrent.whole.outputs
        bound = bind_nodes([loss], self.sizes)
        numbers = {
            bound[node]: number
            for number, recurrence in enumerate(recurrent.scans)
            for node in recurrence.results()
            if node in bound
        }
        self.simulation = _Simulation(bound[loss], numbers)
        inputs = bind_nodes(recurrent.whole.inputs, self.sizes)
        self.inputs = {node: inputs[node] for node in recurrent.whole.inputs}

    def lines(self) -> Iterator[_Line]:
        """Yield the lines that join the records."""
        for number, loop in enumerate(self.recurrent.loops):
            active = {entry.symbol: entry.cotangent for entry in loop.record.backward.accumulations}
            for place, state in enumerate(loop.states):
                if state.after not in active:
                    continue
                claim = Claim("recurrence", LossDerivative(state.after, active[state.after]), active[state.after])
                for step in self._sampled(loop):
                    yield _Line(claim, _of_state(loop, step, state.after), _Nudge("state", number, place, step))
            for part in loop.parts:
                cotangent = active.get(part.source, part.source)
                claim = Claim("recurrence", LossDerivative(part.target, cotangent), cotangent)

                def received(scene: Scene, part: Part = part) -> Array:
                    return scene.received[part]

                yield _Line(claim, received, _Nudge("operand", number, loop.places[part.source]))
        for symbol in self.recurrent.wrt:
            if self.recurrent.outer is None:
                continue
            entry = next((e for e in self.recurrent.outer.backward.accumulations if e.symbol is symbol), None)
            if entry is None:
                continue
            claim = Claim("recurrence", LossDerivative(symbol, entry.cotangent), entry.result)

            def outside(scene: Scene, symbol: Input = symbol) -> Array:
                found = scene.gradient(symbol)
                assert found is not None
                return found

            yield _Line(claim, outside, _Nudge("input", symbol=symbol))

    def _sampled(self, loop: Loop) -> list[int]:
        steps = list(loop.steps)
        if len(steps) <= SAMPLED:
            return steps
        middle = self.random.choice(steps[1:-2], SAMPLED - 3, replace=False)
        return [steps[0], *(int(each) for each in sorted(middle)), steps[-2], steps[-1]]

    def run(self, points: int) -> Verification:
        lines = list(self.lines())
        numbers = {claim: k for k, claim in enumerate(dict.fromkeys(line.claim for line in lines), start=1)}
        failures: dict[int, Failure] = {}
        told = dict.fromkeys(numbers.values(), 0)
        worst = 0.0
        scene: Scene | None = None
        for _ in range(points + REDRAWS):
            if all(count >= points for count in told.values()):
                break
            try:
                values = self.verifier.point()
            except NoPointError:
                break
            given = {node: np.asarray(values[bound]) for node, bound in self.inputs.items()}
            scene = Scene(self.recurrent, {node.name: value for node, value in given.items()}, self.sizes, True)
            start = {self.inputs[node]: value for node, value in given.items()}
            known = {number for number, count in told.items() if count >= points}
            for line in lines:
                number = numbers[line.claim]
                error = None if number in known else self._error(line, scene, start)
                if error is None:
                    continue
                told[number] += 1
                if error > DIFFERENCE_TOLERANCE:
                    failures.setdefault(number, Failure(number, line.claim, error))
                else:
                    worst = max(worst, error)
        readings = []
        if scene is not None and not failures:
            proofreader = RecurrentProofreader(self.recurrent, scene, self.random)
            readings = [proofreader.read(form, script) for form, script in READ]
        return Verification(
            tuple(told.values()),
            points,
            0.0,
            worst,
            tuple(failures[number] for number in sorted(failures)),
            sum(reading.read for reading in readings),
            tuple(misread for reading in readings for misread in reading.misreadings),
            tuple(each for reading in readings for each in reading.unread),
        )

    def _error(self, line: _Line, scene: Scene, start: Mapping[Node, Array]) -> float | None:
        """Return the relative error of a line; None next to a kink or where rounding hides the derivative."""
        value = np.asarray(line.value(scene), float)
        direction = self.random.standard_normal(value.shape)
        stated = float(np.sum(value * direction))
        nudge, inputs = line.nudge, self.inputs

        def along(step: float) -> Array:
            change = step * direction
            if nudge.kind == "input":
                assert nudge.symbol is not None
                node = inputs[nudge.symbol]
                return self.simulation({**start, node: start[node] + change}, None, change)
            return self.simulation(start, nudge, change)

        found = self._difference(along, stated, value)
        if found is not None and found <= DIFFERENCE_TOLERANCE:
            return found
        # A large step may lead to where an iteration converges to something else.
        scale = 2.0**-8
        again = self._difference(lambda step: along(step * scale), stated * scale, value * scale)
        return min((each for each in (found, again) if each is not None), default=None)

    def _difference(self, along: Callable[[float], Array], stated: float, value: Array) -> float | None:
        """Return the relative error of a directional derivative."""
        with np.errstate(all="ignore"):
            found, error = derivative_at_zero(along)
            hidden = SAFETY * float(np.max(drowned(found, [(along, found, error)])))
        if max(abs(float(found)), abs(stated)) <= hidden:
            return 0.0  # both are 0 but for rounding
        difference = abs(float(found) - stated)
        size = max(abs(float(found)), abs(stated), TINY * float(np.max(np.abs(value), initial=0.0)), 1e-9)
        if not np.isfinite(difference):
            return None
        if difference > DIFFERENCE_TOLERANCE * size and error > 1e-2 * difference:
            return None
        return difference / size


def _of_state(loop: Loop, step: int, symbol: Input) -> Callable[[Scene], Array]:
    def value(scene: Scene) -> Array:
        record = scene.record_of(loop)
        cotangent = next(e.cotangent for e in record.backward.accumulations if e.symbol is symbol)
        return scene.steps[loop][step](cotangent)

    return value


class _Simulation:
    """Evaluates the loss with something changed within; `numbers` are those of the recurrences, by their results."""

    def __init__(self, loss: Node, numbers: Mapping[Node, int]) -> None:
        self.loss = loss
        self.order = topological_order([loss])
        self.evaluate = Evaluator()
        self.numbers: dict[object, int] = {}
        self.steps: dict[object, list[Node]] = {}
        for node in self.order:
            if applies(node, Scan):
                key = node.primitive.together, node.operands
                self.numbers[key] = numbers[node]
                self.steps.setdefault(key, topological_order(node.primitive.outputs))

    def __call__(self, inputs: Mapping[Node, Array], nudge: _Nudge | None, change: Array) -> Array:
        known: dict[Node, Array] = {}
        done: dict[object, list[Array]] = {}
        for node in self.order:
            if not isinstance(node, Apply):
                known[node] = inputs[node] if isinstance(node, Input) else self.evaluate(node, {})
                continue
            operands = [known[operand] for operand in node.operands]
            if not isinstance(node.primitive, Scan):
                known[node] = node.primitive.value(*operands)
                continue
            key = node.primitive.together, node.operands
            if key not in done:
                own = nudge if nudge is not None and nudge.loop == self.numbers[key] else None
                if own is not None and own.kind == "operand":
                    operands[own.place] = operands[own.place] + change
                done[key] = self._scanned(node.primitive, operands, self.steps[key], own, change)
            known[node] = done[key][node.primitive.output]
        return np.asarray(known[self.loss])

    def _scanned(
        self, scan: Scan, operands: list[Array], order: list[Node], nudge: _Nudge | None, change: Array
    ) -> list[Array]:
        """Return the results of a recurrence, with the state after one step changed."""
        carries, sequences, constants = scan.split(operands)
        count = concrete(scan.length)
        lines: list[list[Array]] = [[carry] for carry in carries] + [[] for _ in scan.outputs[scan.carries :]]
        for t in range(count - 1, -1, -1) if scan.reverse else range(count):
            elements = [np.take(x, t, axis) for x, axis in zip(sequences, scan.axes, strict=True)]
            given: dict[Node, Array] = dict(zip(scan.inputs, [*carries, *elements, *constants], strict=True))
            found = self.evaluate.along(order, given)
            results = [found[output] for output in scan.outputs]
            if nudge is not None and nudge.kind == "state" and nudge.step == t + 1:
                results[nudge.place] = results[nudge.place] + change
                # What the step makes of its own state is computed again.
                found = self._again(order, given, {scan.outputs[nudge.place]: results[nudge.place]})
                results = [found[output] for output in scan.outputs]
            carries = results[: scan.carries]
            for line, value in zip(lines, results, strict=True):
                line.append(value)
        return [np.stack(line[::-1] if scan.reverse else line) for line in lines]

    def _again(self, order: list[Node], given: Mapping[Node, Array], fixed: Mapping[Node, Array]) -> dict[Node, Array]:
        known: dict[Node, Array] = {**given, **fixed}
        for node in order:
            if node in known:
                continue
            if isinstance(node, Apply):
                known[node] = np.asarray(node.primitive.value(*[known[operand] for operand in node.operands]))
            else:
                known[node] = self.evaluate(node, {})
        return known
