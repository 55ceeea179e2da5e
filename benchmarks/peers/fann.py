"""FANN, the Fast Artificial Neural Network Library, in C and float32, with its own loop `fann_train_on_data`.

An installed libfloatfann is used, or one built from the source tree that the variable CHAINRULE_FANN names. FANN
computes the derivative of a logistic unit from an activation clipped to [0.01, 0.99], and works in float32: its loss
agrees only roughly.
"""

from __future__ import annotations

import ctypes
import os
from ctypes.util import find_library
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.jobs import Array, Job
from benchmarks.measure import Contender
from benchmarks.peers.absent import AbsentError
from benchmarks.peers.library import built

NAME = "FANN"
TITLE = "FANN (C, float32), loss roughly"
VARIABLE = "CHAINRULE_FANN"
BATCH_TRAINING, SIGMOID, LINEAR_ERROR = 1, 3, 0

_FLOATS = ctypes.POINTER(ctypes.c_float)
_FILL = ctypes.CFUNCTYPE(None, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, _FLOATS, _FLOATS)
_CONNECTION = np.dtype([("source", np.uint32), ("target", np.uint32), ("weight", np.float32)])
"""FANN's `struct fann_connection`, in the order of its weights. All versions have these calls."""


def contenders(job: Job) -> list[Contender]:
    """Train with batches of all rows; raise AbsentError for a job in batches or without the library."""
    if job.loss != "squared_error":
        raise AbsentError("it has no cross-entropy")
    fann = _library()
    widths = (ctypes.c_uint * len(job.sizes))(*job.sizes)
    X, y = (np.ascontiguousarray(a, np.float32) for a in job.data())

    def fill(row: int, inputs: int, outputs: int, place: Any, target: Any) -> None:
        for k in range(inputs):
            place[k] = X[row, k]
        for k in range(outputs):
            target[k] = y[row, k]

    data = ctypes.c_void_p(fann.fann_create_train_from_callback(job.rows, job.sizes[0], job.sizes[-1], _FILL(fill)))
    network = ctypes.c_void_p(fann.fann_create_standard_array(len(job.sizes), widths))
    fann.fann_set_training_algorithm(network, BATCH_TRAINING)
    fann.fann_set_train_error_function(network, LINEAR_ERROR)
    # A logistic unit of FANN's is 1 / (1 + exp(−2 · steepness · z)).
    for layer in ("hidden", "output"):
        getattr(fann, f"fann_set_activation_function_{layer}")(network, SIGMOID)
        getattr(fann, f"fann_set_activation_steepness_{layer}")(network, ctypes.c_float(0.5))
    # FANN divides the rate by the number of rows; the job's gradient is that of the sum.
    fann.fann_set_learning_rate(network, ctypes.c_float(job.learning_rate * job.rows))
    connections = np.zeros(fann.fann_get_total_connections(network), _CONNECTION)
    where = ctypes.c_void_p(connections.ctypes.data)

    def run() -> list[Array]:
        fann.fann_get_connection_array(network, where)
        connections["weight"] = flattened(job.initial())
        fann.fann_set_weight_array(network, where, len(connections))
        fann.fann_train_on_data(network, data, job.epochs, 0, ctypes.c_float(0))
        fann.fann_get_connection_array(network, where)
        return separated(connections["weight"], job.sizes)

    return [Contender(TITLE, run)]


def _library() -> ctypes.CDLL:
    source = os.environ.get(VARIABLE)
    installed = find_library("floatfann")
    if source is not None:
        path = Path(source) / "src" / "floatfann.c"
        if not path.is_file():
            raise AbsentError(f"there is no src/floatfann.c in {source}, which {VARIABLE} names")
        fann = built(path, f"-I{path.parent / 'include'}", "-w", "-fopenmp")
    elif installed is not None:
        fann = ctypes.CDLL(installed)
    else:
        raise AbsentError(f"not installed (libfann-dev, or its source tree in the variable {VARIABLE})")
    for function in ("fann_create_train_from_callback", "fann_create_standard_array"):
        getattr(fann, function).restype = ctypes.c_void_p
    return fann


def flattened(parameters: list[Array]) -> Array:
    """Return the parameters in FANN's order: unit by unit, each with the weights of its inputs and then its bias."""
    layers = zip(parameters[::2], parameters[1::2], strict=True)
    return np.concatenate([np.vstack([W, b[None]]).T.ravel() for W, b in layers]).astype(np.float32)


def separated(flat: Array, sizes: tuple[int, ...]) -> list[Array]:
    """Return the parameters from FANN's order."""
    parameters: list[Array] = []
    start = 0
    for inputs, outputs in pairwise(sizes):
        stop = start + (inputs + 1) * outputs
        units = flat[start:stop].reshape(outputs, inputs + 1).T
        parameters += [units[:-1], units[-1]]
        start = stop
    return parameters
