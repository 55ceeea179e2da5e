"""Detection of divergence: which value became non-finite, and whether the loss grew out of proportion."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import Scan
from chainrule.engines.loop import Run
from chainrule.ir import Apply, Const, Input, Node, Program, concrete, topological_order
from chainrule.primitives import Several, evaluate_nodes

GROWTH = 1e6
"""A run has diverged if its final loss exceeds this multiple of the initial loss, or of 1 if that is larger."""

MOST_BATCHES = 100
"""The maximum number of batches used to compute the loss before the first step."""


def exploded(losses: NDArray[np.float64], initial_loss: Callable[[], float]) -> bool:
    """Whether a run with finite losses, one per epoch, has diverged.

    The last loss is compared with the magnitude of the first. If the first is itself large, it is compared with
    `initial_loss()`, the loss before the first step, since a run may diverge within its first epoch. Magnitudes below 1
    count as 1, so a loss that begins near 0 may grow by any factor. Intermediate losses are ignored, so a run may
    recover; a loss may decrease without limit.

    >>> exploded(np.array([0.7, 1e100, 1e262]), lambda: 0.7), exploded(np.array([0.7, 1e9, 0.5]), lambda: 0.7)
    (True, False)
    """
    if not losses.size or not losses[-1] > GROWTH:
        return False
    return bool(losses[-1] > GROWTH * abs(losses[0]) or losses[-1] > GROWTH * max(1.0, abs(initial_loss())))


def first_loss(run: Run) -> float:
    """Return the mean loss at the beginning of a run over a sample of batches from all parts of the data."""
    loop, size = run.loop, run.loop.batch_sizes[0]
    loss = Program(loop.step.inputs, loop.step.outputs[:1], loop.step.names)
    starts = np.arange(0, run.rows_here - size + 1, size)
    if not starts.size:
        return math.inf  # a process with less than a batch leaves it to the others
    chosen = starts[np.linspace(0, len(starts) - 1, min(len(starts), MOST_BATCHES)).astype(int)]
    values = []
    for start in chosen.tolist():
        batch = {name: run.data[name][start : start + size] for name in loop.rows}
        given = {**run.state, **run.data, **batch}
        known: dict[Node, NDArray[Any]] = {
            node: np.asarray(given[node.name], node.type.dtype.numpy) for node in loss.inputs
        }
        with np.errstate(all="ignore"):
            values.append(float(evaluate_nodes(loss.outputs, known)[loss.outputs[0]]))
    return float(np.mean(values))


def all_finite(arrays: Iterable[NDArray[Any]]) -> bool:
    """Whether every element is finite; integers always are."""
    return all(bool(np.isfinite(array).all()) for array in arrays)


def first_non_finite(program: Program, values: Mapping[str, NDArray[Any]]) -> str | None:
    """Return the name of the first value of `program` that is non-finite for these inputs, or a description of it.

    Values are visited in the order of computation: forward pass, gradients, updates. An unnamed value is described
    together with the nearest named value that depends on it: `L, by log(…)`.
    """
    known: dict[Node, NDArray[Any]] = {node: np.asarray(values[node.name]) for node in program.inputs}
    for node in program.inputs:
        if not all_finite([known[node]]):
            return node.name
    with np.errstate(all="ignore"):
        computed = evaluate_nodes(program.outputs, known)
    # A literal such as -inf is intended, and values computed from it may be finite.
    spoilt = [node for node in program.nodes if isinstance(node, Apply) and not all_finite([computed[node]])]
    if not spoilt:
        return None
    if _is_several(spoilt[0]):
        found = _named_elsewhere(program, values, computed) or _named_in_step(spoilt[0], computed)
        if found is not None:
            return found
    reached: set[Node] = {spoilt[0]}
    for apply in spoilt:
        if apply is spoilt[0] or reached.intersection(apply.operands):
            reached.add(apply)
            if apply in program.names:
                name = program.names[apply]
                return name if apply is spoilt[0] else f"{name}, by {describe(spoilt[0], program)}"
    return describe(spoilt[0], program)


def _is_several(node: Node) -> bool:
    return isinstance(node, Apply) and isinstance(node.primitive, Several)


def _named_elsewhere(
    program: Program, values: Mapping[str, NDArray[Any]], computed: Mapping[Node, object]
) -> str | None:
    """Return the name of the first value in the rounds of a loop, which are no part of the program, as `h4`."""
    named = [node for node in program.names if node not in computed and isinstance(node, Apply)]
    jointly: set[Node] = set()
    for node in topological_order(named):
        if isinstance(node, Apply) and (_is_several(node) or not jointly.isdisjoint(node.operands)):
            jointly.add(node)
    rounds = [node for node in named if node not in jointly]
    inputs = {node for node in topological_order(rounds) if isinstance(node, Input)}
    if not inputs <= set(program.inputs):
        return None
    return first_non_finite(Program(program.inputs, tuple(rounds), program.names), values)


def _named_in_step(node: Apply, computed: Mapping[Node, NDArray[Any]]) -> str | None:
    """Return the name of the first value in the steps of a recurrence, with the number of the step, as `h4`."""
    scan = node.primitive
    if not isinstance(scan, Scan) or not scan.names:
        return None
    names = dict(scan.names)
    named = [each for each in topological_order([*scan.outputs, *names]) if each in names]
    carries, sequences, constants = scan.split([computed[operand] for operand in node.operands])
    count = concrete(scan.length)
    for number in range(count):
        t = count - 1 - number if scan.reverse else number
        elements = [np.take(x, t, axis) for x, axis in zip(sequences, scan.axes, strict=True)]
        given: dict[Node, NDArray[Any]] = dict(zip(scan.inputs, [*carries, *elements, *constants], strict=True))
        with np.errstate(all="ignore"):
            found = evaluate_nodes([*scan.outputs, *named], given)
        for each in named:
            if not all_finite([found[each]]):
                return f"{names[each]}{number + 1}"
        carries = [found[output] for output in scan.outputs[: scan.carries]]
    return None


def describe(node: Node, program: Program) -> str:
    """Return a short description of a value: its name, or the operation and its operands."""
    if node in program.names:
        return program.names[node]
    if isinstance(node, Input):
        return node.name
    if isinstance(node, Const):
        return str(node.value) if node.is_filled else "a constant"
    assert isinstance(node, Apply)
    arguments = [
        program.names.get(operand) or (describe(operand, program) if not isinstance(operand, Apply) else "…")
        for operand in node.operands
    ]
    return f"{type(node.primitive).__name__.lower()}({', '.join(arguments)})"
