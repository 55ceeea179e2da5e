"""Training runs for an estimator's parameters, one or several in parallel."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from joblib import Parallel, cpu_count, delayed
from joblib.parallel import get_active_backend
from numpy.typing import NDArray

from chainrule.engines import engine_name
from chainrule.networks import (
    Architecture,
    MomentumSGD,
    TrainingSettings,
    TrainingState,
    UncorrectedAdam,
    Validation,
    train,
)
from chainrule.training import LBFGS, Optimizer

Array = NDArray[Any]

_MOST = 1e300
"""Replaces an infinite tolerance."""

STOCHASTIC = ("sgd", "adam")

_LEAST_GAIN = 1e7 * 2.0**-52
"""SciPy's default, which scikit-learn uses: an iteration with a smaller gain is the last."""


@dataclass(frozen=True)
class Job:
    """The arguments of one run of `train`, which can be sent to another process."""

    network: Architecture
    start: TrainingState
    X: Array
    y: Array
    weights: Array | None
    settings: TrainingSettings
    validation: Validation | None
    threads: int | None

    def run(self, on_epoch: Callable[[TrainingState], object] | None = None) -> TrainingState:
        """Train."""
        return train(
            self.network,
            None,
            self.X,
            self.y,
            self.weights,
            self.settings,
            self.validation,
            resume=self.start,
            on_epoch=on_epoch,
            threads=thread_limit() if self.threads is None and self.settings.engine == "native" else self.threads,
        )

    @property
    def has_batches(self) -> bool:
        """Whether the order of the rows has an effect."""
        size = self.settings.batch_size
        return size is not None and size < len(self.y)


def thread_limit() -> int | None:
    """Return OMP_NUM_THREADS, which limits the threads of workers of joblib, Dask or Ray; None if it is not set.

    The engine's own variable, CHAINRULE_NUM_THREADS, takes precedence.
    """
    told = os.environ.get("OMP_NUM_THREADS", "").strip()
    if "CHAINRULE_NUM_THREADS" in os.environ or not (told.isascii() and told.isdigit()):
        return None
    return max(1, int(told))


def solver_for(parameters: Mapping[str, Any]) -> Optimizer | LBFGS:
    """Return the solver for an estimator's parameters."""
    if parameters["solver"] == "lbfgs":
        return LBFGS(tolerance=min(parameters["tol"], _MOST), least_gain=_LEAST_GAIN, evaluations=parameters["max_fun"])
    learning_rate, clip_norm = float(parameters["learning_rate_init"]), parameters["clip_norm"]
    if parameters["solver"] == "adam":
        betas = (parameters["beta_1"], parameters["beta_2"])
        return UncorrectedAdam(learning_rate, betas, parameters["epsilon"], clip_norm=clip_norm)
    return MomentumSGD(learning_rate, parameters["momentum"], parameters["nesterovs_momentum"], clip_norm)


def settings_for(
    parameters: Mapping[str, Any], solver: Optimizer | LBFGS, epochs: int, batch_size: int | None, monitor: Any
) -> TrainingSettings:
    """Return the training settings for an estimator's parameters, except for seed and order."""
    settings = TrainingSettings(
        solver,
        epochs,
        batch_size,
        shuffle=False,
        monitor=monitor,
        tolerance=min(parameters["tol"], _MOST),
        patience=None if monitor == "loss" and isinstance(solver, LBFGS) else parameters["n_iter_no_change"],
        restore_best=monitor != "loss",
        engine=engine_name(parameters["engine"]),
    )
    if isinstance(solver, LBFGS):
        return settings
    learning_rates: dict[str, Any] = {}
    if parameters["solver"] == "sgd" and parameters["learning_rate"] == "adaptive":
        learning_rates["plateau"] = "divide"
    if parameters["solver"] == "sgd" and parameters["learning_rate"] == "invscaling":
        learning_rates["learning_rate_power"] = parameters["power_t"]
    return replace(settings, weight_decay=float(parameters["weight_decay"]), **learning_rates)


def run_side_by_side(jobs: Sequence[Job], n_jobs: int | None) -> list[TrainingState]:
    """Run all jobs, in threads or on joblib's active backend; threads share the processors."""
    backend, active = get_active_backend(prefer="threads")
    if n_jobs is None and active in (None, 1) and getattr(backend, "supports_sharedmem", False):
        processors = thread_limit() or cpu_count()
        n_jobs = min(len(jobs), processors)
        share = max(1, processors // n_jobs)
        jobs = [replace(job, threads=job.threads or share) if job.settings.engine == "native" else job for job in jobs]
    states: list[TrainingState] = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(Job.run)(job) for job in jobs)
    return states
