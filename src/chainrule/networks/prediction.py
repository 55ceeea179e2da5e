"""Predictions and losses of many rows, in padded blocks of one size through compiled programs.

A row's prediction does not depend on other rows, so padding has no effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.calculus import recognize
from chainrule.engines import get_engine
from chainrule.ir import ArrayType, DType, Program
from chainrule.networks import forward
from chainrule.networks.architecture import Architecture
from chainrule.networks.errors import NetworkError
from chainrule.networks.objectives import remembered
from chainrule.trace import trace

Array: TypeAlias = NDArray[Any]

BLOCK = 128
"""Rows in a block. Fixed, since the last bits of a row depend on how many are computed together."""


def predict_rows(architecture: Architecture, params: Mapping[str, Array], X: Any) -> Array:
    """Return the output (rows, outputs) for `X` (rows, inputs), computed in blocks of rows by the native engine.

    Raises ShapeError for a wrong number of columns, NetworkError for data that are not numeric.
    """
    program, rows = prediction_program(architecture, BLOCK), architecture.checked_input(X)
    return predict_in_blocks(program, checked_parameters(architecture, params), rows)


def predict_in_blocks(program: Program, values: Mapping[str, Array], X: Array) -> Array:
    """Apply a program of `X` (BLOCK, inputs) and further `values` to any number of rows, including zero."""
    output = program.outputs[0].type
    predicted = np.empty((len(X), *output.concrete_shape[1:]), output.dtype.numpy)
    if len(X):
        compiled = get_engine("native").compile(program)
        for start, stop, block in _blocks(X, BLOCK, program.input("X").type.dtype.numpy):
            (p,) = compiled({"X": block, **values})
            predicted[start:stop] = p[: stop - start]
    return predicted


def check_finite(predicted: Array, X: Any) -> None:
    """Raise NetworkError for the first row of `X` whose prediction is non-finite, with the reason."""
    if np.isfinite(predicted.sum()):
        return
    bad = ~np.isfinite(predicted).all(axis=1)
    if bad.any():
        row = int(bad.argmax())
        if np.isfinite(np.asarray(X[row], float)).all():
            raise NetworkError(f"row {row} of X holds numbers too large for this network")
        raise NetworkError(f"row {row} of X is not finite; remove or replace such values")


def checked_parameters(architecture: Architecture, params: Mapping[str, Array]) -> dict[str, Array]:
    """Return the `params` that a prediction needs; raise NetworkError if one is missing or has a wrong shape."""
    values = {}
    for name, shape in {**architecture.params, **architecture.statistics}.items():
        if name not in params:
            raise NetworkError(f"the parameters lack {name!r}, of shape {shape}")
        if np.shape(params[name]) != shape:
            raise NetworkError(f"{name} has the shape {np.shape(params[name])}; this network takes {shape}")
        values[name] = np.ascontiguousarray(params[name], architecture.dtype)
    return values


def prediction_program(architecture: Architecture, rows: int) -> Program:
    """The prediction of `rows` rows as a Program."""
    return remembered(architecture, ("prediction", rows), lambda: _traced(architecture, rows, None))


def evaluation_program(architecture: Architecture, rows: int, target: ArrayType) -> Program:
    """Loss and prediction of `rows` rows as a Program; `target` is the type of y."""
    return remembered(architecture, ("evaluation", rows, target), lambda: _traced(architecture, rows, target))


def _traced(architecture: Architecture, rows: int, target: ArrayType | None) -> Program:
    dtype = DType.of(np.dtype(architecture.dtype))
    given = {"X": ArrayType((rows, architecture.inputs), dtype)}
    if target is not None:
        given["y"] = target
        if architecture.takes_weights:
            given["weights"] = ArrayType((rows,), dtype)
    for name, shape in {**architecture.params, **architecture.statistics}.items():
        given[name] = ArrayType(shape, dtype)
    function = forward.prediction_function if target is None else forward.evaluation_function
    program, _ = recognize(trace(function(architecture), **given).bind({}, dtype))
    return program


def _blocks(X: Array, size: int, dtype: Any) -> Iterator[tuple[int, int, Array]]:
    """Yield each block of rows with its begin and end; the last is padded with its first row."""
    for start in range(0, len(X), size):
        stop = min(start + size, len(X))
        yield start, stop, filled_up(X[start:stop], size, dtype)


def filled_up(rows: Array, size: int, dtype: Any = None) -> Array:
    """Return `rows` in row-major order, padded to `size` with copies of the first."""
    if len(rows) < size:
        rows = np.concatenate([rows, np.broadcast_to(rows[:1], (size - len(rows), *rows.shape[1:]))])
    return np.ascontiguousarray(rows, dtype)
