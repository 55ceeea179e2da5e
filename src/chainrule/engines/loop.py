"""The description of a training run, its position and its outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.indices import check_indices
from chainrule.ir import DType, Program, ProgramError, ShapeError, cached_property
from chainrule.words import ChainruleError

Array: TypeAlias = NDArray[Any]
Report: TypeAlias = Callable[[int, NDArray[np.float64]], object]
Status: TypeAlias = Literal["finished", "stopped", "interrupted", "diverged"]


def packed(value: Array, dtype: np.dtype[Any]) -> Array:
    """Return `value` with the given dtype, C-contiguous and aligned, copied only if necessary."""
    # ascontiguousarray would turn a scalar into an array of one element.
    return np.require(np.asarray(value), dtype, ["C_CONTIGUOUS", "ALIGNED"])


def in_place(value: Array, dtype: np.dtype[Any]) -> Array:
    """Return `value` if generated code can read it in place, with any non-negative strides; otherwise a packed copy."""
    array = np.asarray(value)
    readable = array.dtype == dtype and array.flags.aligned and array.dtype.isnative
    if readable and all(stride >= 0 and stride % array.itemsize == 0 for stride in array.strides):
        return array
    return packed(array, dtype)


class EngineError(ChainruleError, ValueError):
    """An engine was asked for something that it does not support."""


@dataclass(frozen=True, eq=False)
class Loop:
    """A training loop: the step to repeat and the rows to apply it to.

    Each program in `steps` takes the inputs named in `state`, `rows` and `constants`. The leading axis of the `rows`
    has the length of the program's key. The outputs are the loss (a scalar, before the update) and the next value of
    each state. A batch that contains all rows is never shuffled.
    """

    state: tuple[str, ...]
    rows: tuple[str, ...]
    constants: tuple[str, ...]
    steps: Mapping[int, Program]
    row_count: int
    batch_size: int
    shuffle: bool

    def __post_init__(self) -> None:
        if self.row_count < 1 or self.batch_size < 1:
            raise ProgramError(
                f"a run needs at least one row and batches of at least one, not {self.row_count} rows in batches of "
                f"{self.batch_size}"
            )
        named = {*self.state, *self.rows, *self.constants}
        for size in self.batch_sizes:
            if size not in self.steps:
                raise ProgramError(f"there is no step for a batch of {size} rows; give one for each size in use")
            step = self.steps[size]
            inputs = {node.name: node for node in step.inputs}
            if set(inputs) != named:
                raise ProgramError(f"the step takes {sorted(inputs)}; the run names {sorted(named)}")
            if len(step.outputs) != len(self.state) + 1 or step.outputs[0].type.shape != ():
                raise ProgramError("a step gives the loss, a scalar, and then the next value of each state")
            if not step.outputs[0].type.dtype.is_float:
                raise ProgramError(f"the loss must be a float, not {step.outputs[0].type.dtype.value}")
            for name, output in zip(self.state, step.outputs[1:], strict=True):
                if output.type != inputs[name].type:
                    raise ProgramError(f"{name} has the type {inputs[name].type}; its next value has {output.type}")
            for name in self.rows:
                if inputs[name].type.shape[:1] != (size,):
                    raise ShapeError(f"{name} of type {inputs[name].type} has no leading axis of {size} rows")

    @property
    def shuffles(self) -> bool:
        """Whether shuffling changes the result."""
        return self.shuffle and self.batch_size < self.row_count

    @cached_property
    def batch_sizes(self) -> list[int]:
        """The batch sizes in use: the full batch and, if there is one, the remainder."""
        full = min(self.batch_size, self.row_count)
        remainder = self.row_count % full
        return [full, remainder] if remainder else [full]

    @property
    def steps_per_epoch(self) -> int:
        return -(-self.row_count // self.batch_size)

    @property
    def step(self) -> Program:
        """The step for a full batch."""
        return self.steps[self.batch_sizes[0]]

    @cached_property
    def _expected(self) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """The shape and dtype of each input array."""
        expected = {}
        for node in self.step.inputs:
            shape = node.type.concrete_shape
            if node.name in self.rows:
                shape = (self.row_count, *shape[1:])
            expected[node.name] = shape, node.type.dtype.numpy
        return expected

    def prepare(
        self, state: Mapping[str, Array], data: Mapping[str, Array], rows: int
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return checked copies of `state`, and `data`, of so many rows, converted only if necessary.

        Raises ShapeError or ProgramError.
        """
        copies = self._copies("state", self.state, state)
        names = (*self.rows, *self.constants)
        _check_names("data", names, data)
        data_arrays = {name: in_place(self._shaped(name, data[name], rows), self._expected[name][1]) for name in names}
        self._check_indices({**copies, **data_arrays})
        return copies, data_arrays

    def checked_position(self, position: Position) -> Position:
        """Return `position`; raise ProgramError if it lies outside the run."""
        epoch, step, loss = position
        if not 0 <= epoch < LATEST:
            raise ProgramError(f"the first epoch is {epoch}; it should be a whole number, 0 or more")
        if not 0 <= step < self.steps_per_epoch:
            raise ProgramError(
                f"the first step is {step}; it counts the steps within an epoch, which has {self.steps_per_epoch}"
            )
        return Position(int(epoch), int(step), float(loss) if step else 0.0)

    def prepare_state(self, state: Mapping[str, Array]) -> dict[str, Array]:
        """Return checked copies of `state`."""
        copies = self._copies("state", self.state, state)
        self._check_indices(copies)
        return copies

    def prepare_constant(self, name: str, value: Array) -> Array:
        """Return a checked copy of the value of a constant; raise ShapeError or ProgramError."""
        if name not in self.constants:
            raise ProgramError(f"{name!r} is not a constant of this run; {', '.join(self.constants) or 'nothing'} is")
        copies = self._copies("data", (name,), {name: value})
        self._check_indices(copies)
        return copies[name]

    def _check_indices(self, values: Mapping[str, Array]) -> None:
        if self._chooses:
            check_indices(self.step, values)

    @cached_property
    def _chooses(self) -> bool:
        """Whether the loop has integer inputs, which may be used as indices."""
        return any(node.type.dtype is DType.INT64 for node in self.step.inputs)

    def _copies(self, kind: str, names: Sequence[str], given: Mapping[str, Array]) -> dict[str, Array]:
        _check_names(kind, names, given)
        return {
            name: np.array(self._shaped(name, given[name]), dtype=self._expected[name][1], order="C") for name in names
        }

    def _shaped(self, name: str, value: Array, rows: int | None = None) -> Array:
        shape, _ = self._expected[name]
        shape = (rows, *shape[1:]) if rows is not None and name in self.rows else shape
        if np.shape(value) != shape:
            raise ShapeError(f"{name} has the shape {np.shape(value)}; the run expects {shape}")
        return value


def _check_names(kind: str, names: Sequence[str], given: Mapping[str, Array]) -> None:
    for name in names:
        if name not in given:
            raise ProgramError(f"the {kind} lacks {name!r}")


class Position(NamedTuple):
    """The progress of a run.

    `epoch` epochs are finished and `step` steps of the next one. `loss` is the sum of the losses of those steps, each
    weighted by its batch's share of the rows.
    """

    epoch: int = 0
    step: int = 0
    loss: float = 0.0


START = Position()

LATEST = 2**62
"""The upper bound of the epoch numbers."""


@dataclass(frozen=True, eq=False)
class Run:
    """A loop with its arrays: the initial `state`, and `data`, the arrays named in `rows` and `constants`.

    `position` is where an earlier run stopped that left this `state`. The results are then bitwise equal to those of an
    uninterrupted run. With `parts`, the numbers of rows that each process has, the rows in `data` are those of this
    process alone.
    """

    loop: Loop
    state: Mapping[str, Array]
    data: Mapping[str, Array]
    seed: int
    position: Position = START
    parts: tuple[int, ...] | None = None

    @property
    def rows_here(self) -> int:
        """The number of rows in `data`."""
        return self.loop.row_count if self.parts is None else len(self.data[self.loop.rows[0]])

    def checked(self) -> Run:
        """Return this run with `state` copied and checked, and `data` converted only if necessary.

        Raises ShapeError or ProgramError for arrays that do not fit the loop.
        """
        state, data = self.loop.prepare(self.state, self.data, self.rows_here)
        return Run(self.loop, state, data, self.seed, self.loop.checked_position(self.position), self.parts)


@dataclass(frozen=True, eq=False)
class Outcome:
    """The result of a run.

    `losses` has one entry for each finished epoch: the mean of the batch losses, weighted by rows. After a divergence,
    `state` is the last finite one (`Session.retreat` restores a better one), `culprit` the first value that the next
    step made non-finite, and `culprit_step` the number of that step. `threads` is the number of threads used, and
    `workspace_bytes` the memory allocated besides the caller's arrays and the result. For a session that continues, all
    of this describes the last `advance`; `position` is the position of the run as a whole.
    """

    state: dict[str, Array]
    losses: NDArray[np.float64]
    epochs_done: int
    steps_done: int
    status: Status
    culprit: str | None = None
    culprit_step: int | None = None
    threads: int = 1
    workspace_bytes: int = 0
    position: Position = START
