"""C written by hand for XOR, with constant sizes, as an expert would."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

from benchmarks.jobs import Array, Job
from benchmarks.measure import Contender
from benchmarks.peers.absent import AbsentError
from benchmarks.peers.library import built

NAME = "hand-written C"


def contenders(job: Job) -> list[Contender]:
    """Train in one call; raise AbsentError for another network than XOR's, or without a compiler."""
    if job.sizes != (2, 4, 1):
        raise AbsentError("written for XOR only")
    train = built(Path(__file__).with_name("handwritten.c")).train
    train.restype = None
    array = np.ctypeslib.ndpointer(np.float64, flags="C_CONTIGUOUS")
    train.argtypes = [*[array] * 6, ctypes.c_double, ctypes.c_long]
    X, y = job.data()

    def run() -> list[Array]:
        parameters = job.initial()
        train(X, y, *parameters, job.learning_rate, job.epochs)
        return parameters

    return [Contender("C, by hand (-O3 -march=native -ffast-math)", run)]
