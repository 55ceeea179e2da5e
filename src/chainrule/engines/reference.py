"""The reference engine: evaluates each primitive's NumPy definition, one node after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.divergence import all_finite, first_non_finite
from chainrule.engines.loop import Array, Loop, Outcome, Position, Report, Run
from chainrule.engines.session import Engine, Session
from chainrule.engines.shuffle import permutation
from chainrule.ir import Node, Program
from chainrule.primitives import evaluate_nodes


def bind_sizes(program: Program, inputs: Mapping[str, Array]) -> Program:
    """Replace the symbolic sizes of `program` by those of `inputs`; raise ShapeError if two inputs disagree."""
    sizes = program.sizes({name: np.shape(value) for name, value in inputs.items()})
    return program.bind(sizes) if sizes else program


def evaluate(program: Program, inputs: Mapping[str, Array]) -> list[Array]:
    """Return the outputs of `program` for `inputs`, given by name. Symbolic sizes are read from the arrays.

    Raises ShapeError if two inputs disagree on a size, ProgramError if an input is missing.
    """
    bound = bind_sizes(program, inputs)
    known: dict[Node, Array] = {node: np.asarray(inputs[node.name], node.type.dtype.numpy) for node in bound.inputs}
    values = evaluate_nodes(bound.outputs, known)
    return [values[output] for output in bound.outputs]


class ReferenceEngine(Engine):
    """An engine that evaluates programs with NumPy, node by node."""

    name = "reference"

    def compile(self, program: Program) -> Callable[[Mapping[str, Array]], list[Array]]:
        return lambda inputs: [np.array(value) for value in evaluate(program, inputs)]

    def begin(self, run: Run, threads: int | None = None) -> ReferenceSession:
        return ReferenceSession(run.checked())


class ReferenceSession(Session):
    """A session that executes one step after another."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self._state = dict(run.state)

    def _advance(
        self, epochs: int, report: Report | None, order: NDArray[np.int64] | None, losses: NDArray[np.float64]
    ) -> Outcome:
        start = self._position
        if not all_finite(self._state.values()):
            inputs = {**self._state, **_first_rows(self.loop, self._data)}
            return self._outcome("diverged", start, losses, first_non_finite(self.loop.step, inputs))
        presses = self._interrupt.presses
        for done in range(epochs):
            drawn = self._drawn(start.epoch + done) if order is None else order[done]
            spoilt = self._epoch(drawn, losses[done : done + 1])
            if spoilt is not None:
                return self._outcome("diverged", start, losses, spoilt[0])
            if self._interrupt.presses > presses:
                return self._outcome("interrupted", start, losses)
            if report is not None and report(done + 1, losses[: done + 1]) is False and done + 1 < epochs:
                return self._outcome("stopped", start, losses)
        return self._outcome("finished", start, losses)

    def _drawn(self, epoch: int) -> NDArray[np.int64]:
        rows = self.loop.row_count
        return permutation(self.seed, epoch, rows) if self.loop.shuffles else np.arange(rows)

    def _epoch(self, order: NDArray[np.int64], mean: NDArray[np.float64]) -> tuple[str | None] | None:
        """Run the rest of the epoch and write its loss to `mean`; return a 1-tuple of the culprit on divergence."""
        loop, presses = self.loop, self._interrupt.presses
        for start in range(self._position.step * loop.batch_size, loop.row_count, loop.batch_size):
            chosen = order[start : start + loop.batch_size]
            program = loop.steps[len(chosen)]
            inputs = {**self._state, **self._data, **{name: self._data[name][chosen] for name in loop.rows}}
            with np.errstate(all="ignore"):
                loss, *following = evaluate(program, inputs)
            if not all_finite([loss, *following]):
                return (first_non_finite(program, inputs),)
            epoch, step, total = self._position
            total += float(loss) * (len(chosen) / loop.row_count)
            mean[0] = total
            self._state = dict(zip(loop.state, following, strict=True))
            whole = start + loop.batch_size >= loop.row_count
            self._position = Position(epoch + 1) if whole else Position(epoch, step + 1, total)
            if self._interrupt.presses > presses:
                break
        return None

    def _settle(self) -> None:
        """Nothing to do: every step updates the position."""

    def _read(self) -> dict[str, Array]:
        return {name: np.array(value) for name, value in self._state.items()}

    def _write(self, state: dict[str, Array], position: Position) -> None:
        self._state, self._position = state, position

    def _change(self, name: str, value: Array) -> None:
        self._data = {**self._data, name: value}


def _first_rows(loop: Loop, data: Mapping[str, Array]) -> dict[str, Array]:
    count = loop.batch_sizes[0]
    return {name: value[:count] if name in loop.rows else value for name, value in data.items()}
