"""A run as one executable: any number of steps from any position, chosen when it is called.

Every step of a run is executed by the same code, however the run is divided into calls, so the bits are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from chainrule.engines.loop import Loop
from chainrule.engines.xla.dependency import jax, jnp, lax
from chainrule.engines.xla.lowerings import evaluated
from chainrule.engines.xla.placement import Placement
from chainrule.ir import Program

MOST_STEPS = 2**14
"""The maximum number of steps in a call."""


class Arrays(NamedTuple):
    """The arrays that a call reads: the rows, the constants, and the order of the rows in each epoch of the call.

    `order` has the shape (epochs, rows); None if rows are taken as they are. If each device has its own rows, the shape
    is (epochs, devices, rows of a device).
    """

    rows: tuple[Any, ...]
    constants: tuple[Any, ...]
    order: Any


class Progress(NamedTuple):
    """The state of a call after `number` steps, counted from the beginning of its first epoch.

    `losses` has MOST_STEPS entries, the first for the first step of the call. `finite` is whether the last loss is.
    """

    number: Any
    state: tuple[Any, ...]
    losses: Any
    finite: Any


Batch: TypeAlias = Callable[[Arrays, Any, Any, int], Sequence[Any]]


def compiled_run(
    loop: Loop, placement: Placement, batch_of: Batch
) -> Callable[[tuple[Any, ...], Arrays, Any, Any], Progress]:
    """Return `run(state, arrays, first, last)`, which executes the steps from `first` up to `last`.

    It ends early, after a step with a non-finite loss. At the end, `finite` also covers the state.
    """
    full, *remainders = loop.batch_sizes
    batches = loop.row_count // full

    def run(state: tuple[Any, ...], arrays: Arrays, first: Any, last: Any) -> Progress:
        def step(progress: Progress, size: int) -> Progress:
            epoch, place = progress.number // loop.steps_per_epoch, progress.number % loop.steps_per_epoch
            batch = batch_of(arrays, epoch, place * full, size)
            rows = [lax.with_sharding_constraint(each, placement.of_batch(size)) for each in batch]
            values = dict(zip(loop.rows, rows, strict=True)) | dict(zip(loop.constants, arrays.constants, strict=True))
            loss, *following = _applied(loop.steps[size], dict(zip(loop.state, progress.state, strict=True)) | values)
            kept = [lax.with_sharding_constraint(each, placement.replicated) for each in (loss, *following)]
            losses = progress.losses.at[progress.number - first].set(kept[0])
            return Progress(progress.number + 1, tuple(kept[1:]), losses, jnp.isfinite(kept[0]))

        def going(progress: Progress) -> Any:
            return (progress.number < last) & progress.finite

        def before_the_rest(progress: Progress) -> Any:
            return going(progress) & (progress.number % loop.steps_per_epoch < batches)

        def epoch(progress: Progress) -> Progress:
            progress = lax.while_loop(before_the_rest, lambda each: step(each, full), progress)
            after: Progress = lax.cond(
                going(progress), lambda each: step(each, remainders[0]), lambda each: each, progress
            )
            return after

        losses = jnp.zeros(MOST_STEPS, loop.step.outputs[0].type.dtype.numpy)
        progress = Progress(first, state, losses, jnp.asarray(True))
        progress = lax.while_loop(going, epoch if remainders else lambda each: step(each, full), progress)
        floats = [each for each in progress.state if jnp.issubdtype(each.dtype, jnp.floating)]
        return progress._replace(finite=jnp.stack([progress.finite, *map(_is_finite, floats)]).all())

    compiled: Callable[[tuple[Any, ...], Arrays, Any, Any], Progress] = jax.jit(run)
    return compiled


def common_batch(arrays: Arrays, epoch: Any, start: Any, size: int) -> Sequence[Any]:
    """Return the rows of a batch of a table that every device has; the batch begins at a place of the order."""
    if arrays.order is None:
        whole = all(each.shape[0] == size for each in arrays.rows)
        return arrays.rows if whole else [lax.dynamic_slice_in_dim(each, start, size) for each in arrays.rows]
    chosen = lax.dynamic_slice(arrays.order, (epoch, start), (1, size))[0]
    return [jnp.take(each, chosen, axis=0, mode="clip") for each in arrays.rows]


def _is_finite(x: Any) -> Any:
    """Whether all of `x` is, in one pass: on CPUs, XLA writes an array of booleans first for `isfinite(x).all()`."""
    return jnp.sum(x * 0) == 0


def _applied(program: Program, values: dict[str, Any]) -> list[Any]:
    return evaluated(program.outputs, {node: values[node.name] for node in program.inputs})
