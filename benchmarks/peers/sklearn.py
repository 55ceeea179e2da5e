"""scikit-learn's `MLPClassifier.fit`, without momentum, penalty, shuffling and early stopping, which the jobs lack."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from benchmarks.jobs import Job
from benchmarks.measure import Contender
from benchmarks.peers.absent import AbsentError, optional

NAME = "scikit-learn"


def contenders(job: Job) -> list[Contender]:
    """Start from the job's parameters; raise AbsentError for XOR, whose loss scikit-learn does not have."""
    networks = optional("sklearn.neural_network", "scikit-learn")
    exceptions = optional("sklearn.exceptions", "scikit-learn")
    if job.loss != "cross_entropy":
        raise AbsentError("it has no squared error of a logistic output")
    X, y = job.data()
    if job.sizes[-1] == 2:
        # For two classes it has one logistic output. Indicator columns keep two, with the job's softmax.
        y = np.eye(2, dtype=np.int64)[y]
    network = networks.MLPClassifier(
        job.sizes[1:-1],
        activation="relu",
        solver=job.optimizer,
        alpha=0.0,
        batch_size=job.batch,
        learning_rate_init=job.learning_rate,
        max_iter=1,
        shuffle=False,
        momentum=0.0,
        n_iter_no_change=np.inf,
        warm_start=True,
    )

    def fit() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", exceptions.ConvergenceWarning
            )  # the epochs are fewer than convergence needs
            network.fit(X, y)

    fit()
    network.out_activation_ = "softmax"
    network.set_params(max_iter=job.epochs)

    def run() -> list[Any]:
        initial = job.initial()
        network.coefs_, network.intercepts_ = initial[::2], initial[1::2]
        fit()
        return [p for pair in zip(network.coefs_, network.intercepts_, strict=True) for p in pair]

    return [Contender("scikit-learn, MLPClassifier", run)]
