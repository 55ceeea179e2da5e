"""The engine that is right by being short: each primitive's NumPy definition, one node after another."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from chainrule.engines.divergence import all_finite, first_non_finite
from chainrule.engines.loop import Array, Loop, Outcome, Report
from chainrule.engines.shuffle import permutation
from chainrule.ir import Dim, Node, Program, ProgramError, ShapeError, SymbolicDim, bind_dim, shape_text
from chainrule.primitives import evaluate_nodes


def bind_sizes(program: Program, inputs: Mapping[str, Array]) -> Program:
    """`program` with its named sizes read off the shapes of `inputs`; raises ShapeError where two disagree."""
    sizes: dict[str, Dim] = {}
    origins: dict[str, str] = {}
    for node in program.inputs:
        if node.name not in inputs:
            raise ProgramError(f"the input {node.name!r} has no value")
        shape = np.shape(inputs[node.name])
        if len(shape) != node.type.ndim:
            raise ShapeError(f"{node.name} has the shape {shape}; it should be {shape_text(node.type.shape)}")
        for dim, size in zip(node.type.shape, shape, strict=True):
            found = _solved(dim, size)
            if found is not None:
                name, size = found
                if sizes.setdefault(name, size) != size:
                    raise ShapeError(
                        f"the size {name} is {sizes[name]} in {origins[name]} but {size} in {node.name}, "
                        f"which has the shape {shape}"
                    )
                origins.setdefault(name, node.name)
    for node in program.inputs:
        shape = np.shape(inputs[node.name])
        expected = tuple(bind_dim(dim, sizes) for dim in node.type.shape)
        if expected != shape:
            raise ShapeError(f"{node.name} has the shape {shape}; it should be {shape_text(expected)}")
    return program.bind(sizes) if sizes else program


def evaluate(program: Program, inputs: Mapping[str, Array]) -> list[Array]:
    """The outputs of `program` on `inputs` by name; named sizes are read off the arrays.

    Raises ShapeError where two inputs disagree on a size, ProgramError where an input is missing.
    """
    bound = bind_sizes(program, inputs)
    known: dict[Node, Array] = {node: np.asarray(inputs[node.name], node.type.dtype.numpy) for node in bound.inputs}
    values = evaluate_nodes(bound.outputs, known)
    return [values[output] for output in bound.outputs]


def _solved(dim: Dim, size: int) -> tuple[str, int] | None:
    """The name in a size that is a name or a multiple of one, as n and 2·n are, and what it must be."""
    if not isinstance(dim, SymbolicDim) or len(dim.terms) != 1:
        return None
    ((names, factor),) = dim.terms
    return (names[0], size // factor) if len(names) == 1 and factor > 0 and size % factor == 0 else None


class ReferenceEngine:
    """NumPy, node by node."""

    name = "reference"

    def compile(self, program: Program) -> Callable[[Mapping[str, Array]], list[Array]]:
        return lambda inputs: [np.array(value) for value in evaluate(program, inputs)]

    def run(
        self,
        loop: Loop,
        state: Mapping[str, Array],
        data: Mapping[str, Array],
        epochs: int,
        seed: int,
        report: Report | None = None,
        threads: int | None = None,
    ) -> Outcome:
        current, data = loop.prepare(state, data)
        losses = np.empty(epochs)
        done = steps = 0
        if not all_finite(current.values()):
            culprit = first_non_finite(loop.step, {**current, **_first_rows(loop, data)})
            return Outcome(current, losses[:0], 0, 0, "diverged", culprit, 0)
        try:
            for epoch in range(epochs):
                order = permutation(seed, epoch, loop.row_count) if loop.shuffles else np.arange(loop.row_count)
                total = 0.0
                for start in range(0, loop.row_count, loop.batch_size):
                    chosen = order[start : start + loop.batch_size]
                    program = loop.steps[len(chosen)]
                    inputs = {**current, **data, **{name: data[name][chosen] for name in loop.rows}}
                    with np.errstate(all="ignore"):
                        loss, *following = evaluate(program, inputs)
                    if not all_finite([loss, *following]):
                        culprit = first_non_finite(program, inputs)
                        return Outcome(current, losses[:done], done, steps, "diverged", culprit, steps)
                    current = dict(zip(loop.state, following, strict=True))
                    steps += 1
                    total += float(loss) * (len(chosen) / loop.row_count)
                losses[epoch] = total
                done = epoch + 1
                if report is not None:
                    report(done, losses[:done])
        except KeyboardInterrupt:
            return Outcome(current, losses[:done], done, steps, "interrupted")
        return Outcome({name: np.array(value) for name, value in current.items()}, losses, done, steps, "finished")


def _first_rows(loop: Loop, data: Mapping[str, Array]) -> dict[str, Array]:
    count = loop.batch_sizes[0]
    return {name: value[:count] if name in loop.rows else value for name, value in data.items()}
