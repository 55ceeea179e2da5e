"""One fit: conversion of data and parameters to training runs, and of their results to attributes."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.callbacks import EpochTasks
from chainrule.estimators.drawing import draw_parameters
from chainrule.estimators.errors import DivergenceError, ParameterError
from chainrule.estimators.inputs import dense, is_sparse, with_names
from chainrule.estimators.judging import Scorer
from chainrule.estimators.losses import activation_title
from chainrule.estimators.progress import display_for
from chainrule.estimators.scikit import (
    ConvergenceWarning,
    check_random_state,
    get_scorer,
    train_test_split,
    validate_data,
)
from chainrule.estimators.settings import hidden_sizes
from chainrule.estimators.targets import row_weights
from chainrule.estimators.training import STOCHASTIC, Job, run_side_by_side, settings_for, solver_for
from chainrule.ir import refuse_subclass
from chainrule.networks import Architecture, Loss, ShuffledOrder, Squared, TrainingState, Validation

Array = NDArray[Any]

_FLOATS = (np.float64, np.float32)
_MOST_SEED = 2**31 - 1

MOST_SAMPLED = 1_000
"""Maximum number of training rows kept by an estimator, in memory only, to inspect their gradients."""


class Rows(NamedTuple):
    """Input data: X dense or sparse, targets (rows, columns), and weights or None."""

    X: Any
    y: Array
    weights: Array | None

    def part(self, chosen: Array) -> Rows:
        """Return the rows with these numbers."""
        X = self.X.tocsr() if is_sparse(self.X) else self.X
        return Rows(X[chosen], self.y[chosen], None if self.weights is None else self.weights[chosen])


class Fit:
    """A fit of an estimator, or one epoch of it if `incremental`."""

    def __init__(self, estimator: Any, parameters: Mapping[str, Any], incremental: bool) -> None:
        self.estimator, self.parameters, self.incremental = estimator, parameters, incremental
        going_on = parameters["warm_start"] or incremental
        self.fresh = "_network" not in vars(estimator) or not going_on
        self.given = self.fresh and going_on and hasattr(estimator, "coefs_")
        """Whether it starts from weights that were assigned."""
        self.stochastic = parameters["solver"] in STOCHASTIC
        self.title = type(estimator).__name__

    def run(self, X: Any, y: Any, sample_weight: Any, held: Any) -> None:
        """Train, and set the attributes of the estimator."""
        given = self.parameters
        tasks = None if self.incremental else EpochTasks.of(self.estimator, given["max_iter"], X, y, sample_weight)
        rows = self._read(X, y, sample_weight)
        self.estimator._sample = rows.X[:MOST_SAMPLED].copy(), rows.y[:MOST_SAMPLED].copy()
        watched = None if held is None else self._read_held(held, rows)
        random = check_random_state(given["random_state"])
        ahead = copy.deepcopy(random) if given["n_restarts"] > 1 else random
        network = self._network(rows)
        start = self._start(network, random)
        if any(network.dropout) and not start.epoch:
            start = replace(start, seed=int(random.randint(_MOST_SEED)))
        if given["early_stopping"] and self.stochastic and watched is None:
            rows, watched = self._hold_out(rows, random)
        job = self._job(network, start, rows, watched)
        self._prepare(job)
        if self.fresh and given["n_restarts"] > 1:
            state = self._best_of(job, random, ahead)
        else:
            state = self._run(self._shuffled(job, random), tasks)
            self._draw_in_vain(job, state, random)
        self._keep(job, state)
        if tasks is not None:
            tasks.finish(lambda: self.estimator._attributes(state.learnt))
        self._conclude(state, job.settings.monitor)

    def _read(self, X: Any, y: Any, sample_weight: Any) -> Rows:
        estimator = self.estimator
        refuse_subclass(y)
        refuse_subclass(sample_weight)
        asked = self.parameters["dtype"]
        inputs, read = validate_data(
            estimator,
            with_names(X),
            y,
            accept_sparse=["csr", "csc"],
            multi_output=True,
            y_numeric=estimator._numeric_targets,
            dtype=_FLOATS if asked is None else np.dtype(asked),
            reset=self.fresh,
        )
        if self.fresh:
            name = getattr(y, "name", None)
            estimator._target_name = name if isinstance(name, str) and name else "y"
        if self.fresh and hasattr(estimator, "feature_names_in_"):
            estimator._column_means = np.asarray(inputs.mean(axis=0, dtype=float)).ravel().tolist()
        target = estimator._read_targets(read, self.incremental)
        weights = row_weights(read, inputs, sample_weight, self.parameters.get("class_weight"), inputs.dtype)
        return Rows(inputs, target, weights)

    def _read_held(self, held: Any, rows: Rows) -> Rows:
        """Read the user's validation rows."""
        X, y, *rest = held
        inputs = validate_data(
            self.estimator, with_names(X), accept_sparse=["csr", "csc"], dtype=rows.X.dtype, reset=False
        )
        refuse_subclass(y)
        read = np.asarray(y)
        if not read.ndim or len(read) != inputs.shape[0]:
            raise ParameterError(
                f"the validation data have {inputs.shape[0]} rows in X and y of shape {read.shape}; give a y for each"
            )
        target = self.estimator._read_held_targets(read)
        if target.shape[1] != rows.y.shape[1]:
            raise ParameterError(
                f"y of the validation data has {target.shape[1]} columns, and y has {rows.y.shape[1]}; give the same"
            )
        weight = rest[0] if rest else None
        weights = row_weights(read, inputs, weight, self.parameters.get("class_weight"), rows.X.dtype)
        return Rows(inputs, target, weights)

    def _hold_out(self, rows: Rows, random: np.random.RandomState) -> tuple[Rows, Rows]:
        """Return the training and validation rows, drawn as in scikit-learn: stratified for two classes."""
        share = self.parameters["validation_fraction"]
        binary = rows.y.shape[1] == 1 and not self.estimator._numeric_targets
        trained, watched = train_test_split(
            np.arange(len(rows.y)), random_state=random, test_size=share, stratify=rows.y if binary else None
        )
        if len(watched) < 2:
            raise ParameterError(
                f"validation_fraction={share} of {len(rows.y)} rows is fewer than two; "
                "hold out more, or give validation_data"
            )
        return rows.part(trained), rows.part(watched)

    def _network(self, rows: Rows) -> Architecture:
        given, loss = self.parameters, self.estimator._loss()
        asked = given["dtype"]
        return network_for(
            self.estimator,
            given,
            loss,
            (rows.X.shape[1], *hidden_sizes(given["hidden_layer_sizes"]), self.estimator._width(loss, rows.y.shape[1])),
            str(np.dtype(rows.X.dtype if asked is None else asked)),
        )

    def _start(self, network: Architecture, random: np.random.RandomState) -> TrainingState:
        """Return the initial parameters: random, or from an earlier fit."""
        if self.fresh and not self.given:
            return TrainingState(self._drawn(network, random))
        estimator = self.estimator
        params = estimator._parameters()
        for name, shape in network.params.items():
            if name not in params or np.shape(params[name]) != shape:
                has = f"has the shape {np.shape(params[name])}" if name in params else "is missing"
                raise ParameterError(
                    f"{name} of the network as it was fitted {has}, and the parameters now say {shape}; "
                    "its layers cannot change, so fit a new one, with warm_start=False"
                )
        if self.fresh:
            return TrainingState({name: np.array(params[name], network.dtype) for name in network.params})
        best = estimator.best_validation_score_ if self.parameters["early_stopping"] else estimator.best_loss_
        if best is not None and self.parameters["early_stopping"] and self.parameters["scoring"] == "loss":
            best = -best
        state = TrainingState(params, best=best, waiting=estimator._no_improvement_count, rows_seen=estimator.t_)
        if not self.incremental:
            return state
        memory = estimator._memory
        return replace(
            state, optimizer_state=memory["optimizer"], **{k: memory[k] for k in ("epoch", "learning_rate", "seed")}
        )

    def _drawn(self, network: Architecture, random: np.random.RandomState) -> dict[str, Array]:
        activation = self.parameters["activation"]
        each = activation if isinstance(activation, list | tuple) else [activation]
        logistic = any(isinstance(name, str) and name in ("logistic", "sigmoid") for name in each)
        return draw_parameters(network, random, logistic)

    def _job(self, network: Architecture, start: TrainingState, rows: Rows, watched: Rows | None) -> Job:
        given = self.parameters
        monitor = "loss"
        if given["early_stopping"] and watched is not None:
            monitor = "validation_loss" if given["scoring"] == "loss" else "validation_score"
        settings = settings_for(
            given,
            solver_for(given),
            start.epoch + 1 if self.incremental else given["max_iter"],
            self._batch_size(len(rows.y)) if self.stochastic else None,
            monitor,
        )
        if isinstance(network.loss, Squared) and monitor == "loss":
            settings = replace(settings, tolerance=settings.tolerance * network.outputs)
        y = self.estimator._targets_for(network.loss, rows.y, network.dtype)
        validation = None if watched is None else self._validation(network, watched)
        X = dense(rows.X, network.dtype)
        return Job(network, start, X, y, rows.weights, settings, validation, given["threads"])

    def _batch_size(self, rows: int) -> int:
        asked = self.parameters["batch_size"]
        if asked == "auto":
            return min(200, rows)
        if asked > rows:
            warnings.warn(
                f"batch_size is {asked}, and there are {rows} rows to train on; a batch has all of them", stacklevel=6
            )
        return min(int(asked), rows)

    def _validation(self, network: Architecture, watched: Rows) -> Validation:
        estimator, scoring = self.estimator, self.parameters["scoring"]
        score = estimator._judge(network.loss)
        if scoring is not None and scoring != "loss":
            scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
            score = Scorer(estimator, scorer, watched.X, estimator._labelled(watched.y))
        target = estimator._targets_for(network.loss, watched.y, network.dtype)
        return Validation(dense(watched.X, network.dtype), target, watched.weights, score)

    def _prepare(self, job: Job) -> None:
        """Set the attributes that do not depend on training, and reset the curves in a new fit."""
        estimator, network = self.estimator, job.network
        estimator._network = network
        estimator.n_outputs_ = network.outputs
        estimator.n_layers_ = network.depth + 1
        estimator.out_activation_ = activation_title(network.output.name)
        if self.fresh:
            estimator.t_ = 0
            estimator.loss_curve_ = []
            estimator._no_improvement_count = 0
            estimator.best_loss_ = estimator.best_validation_score_ = None
            estimator.validation_scores_ = estimator.validation_loss_curve_ = None
            estimator.restart_scores_ = None
        vars(estimator).update(estimator._attributes(job.start.params))

    def _shuffled(self, job: Job, random: np.random.RandomState) -> Job:
        """Add an order of rows for each epoch to the job, if the order matters."""
        if not (self.stochastic and self.parameters["shuffle"] and job.has_batches):
            return job
        return replace(job, settings=replace(job.settings, shuffle=True, order=ShuffledOrder(random, len(job.y))))

    def _draw_in_vain(self, job: Job, state: TrainingState, random: np.random.RandomState) -> None:
        """Advance a RandomState as scikit-learn does, which draws orders even if they have no effect."""
        if self.stochastic and self.parameters["shuffle"] and not job.has_batches:
            orders = ShuffledOrder(random, len(job.y))
            for epoch in range(state.epoch - job.start.epoch):
                orders(epoch)

    def _run(self, job: Job, tasks: EpochTasks | None) -> TrainingState:
        display = display_for(self.parameters["verbose"], self.title, job.settings.epochs)
        watched = tasks if tasks is not None and tasks.watched else None
        if display is None and watched is None:
            return job.run()
        estimator = self.estimator
        if watched is not None:
            watched.begin(lambda: estimator._attributes(job.start.params))

        def on_epoch(state: TrainingState) -> bool:
            if display is not None:
                score = float(state.validation_scores[-1]) if len(state.validation_scores) else None
                display.show(state.epoch, float(state.loss_curve[-1]), score)
            return watched is None or not watched.end(lambda: self._so_far(job, state))

        if display is None:
            return job.run(on_epoch)
        with display:
            state = job.run(on_epoch)
            display.say(f"{self.title}: {state.reason}")
        return state

    def _so_far(self, job: Job, state: TrainingState) -> dict[str, Any]:
        """Return the attributes as if training had ended here: weights that predict, and the curves."""
        estimator = self.estimator
        curve = [*estimator.loss_curve_, *state.loss_curve.tolist()]
        found = {"loss_curve_": curve, "loss_": curve[-1], "n_iter_": state.epoch - job.start.epoch}
        if job.validation is not None:
            found["validation_loss_curve_"] = [
                *(estimator.validation_loss_curve_ or []), *state.validation_losses.tolist()
            ]  # fmt: skip
        return {**estimator._attributes(state.params), **found}

    def _best_of(self, job: Job, random: np.random.RandomState, ahead: np.random.RandomState) -> TrainingState:
        """Return the best of several runs, the first of which is `job`; the seeds of the others come from `ahead`."""
        # A copy, so that the final state of `random` does not depend on where the restarts run.
        jobs = [self._shuffled(job, copy.deepcopy(random))]
        for seed in ahead.randint(_MOST_SEED, size=self.parameters["n_restarts"] - 1):
            other = np.random.RandomState(seed)
            start = TrainingState(self._drawn(job.network, other), seed=int(seed))
            jobs.append(self._shuffled(replace(job, start=start), other))
        states = run_side_by_side(jobs, self.parameters["n_jobs"])
        scores = [_merit(state, job.settings.monitor) for state in states]
        self.estimator.restart_scores_ = scores
        best = int(np.argmax(scores))
        display = display_for(self.parameters["verbose"], self.title, job.settings.epochs)
        for k, (state, score) in enumerate(zip(states, scores, strict=True), start=1):
            if display is not None:
                display.say(f"{self.title}, restart {k}: {state.reason}; judged by {score:.6g}")
        return states[best]

    def _keep(self, job: Job, state: TrainingState) -> None:
        """Set the attributes that result from training."""
        estimator, monitor = self.estimator, job.settings.monitor
        vars(estimator).update(estimator._attributes(state.learnt))
        estimator.n_iter_ = state.epoch - job.start.epoch
        estimator.loss_curve_ += state.loss_curve.tolist()
        estimator.loss_ = estimator.loss_curve_[-1] if estimator.loss_curve_ else math.nan
        if self.stochastic:
            estimator.t_ = state.rows_seen
        estimator._no_improvement_count = state.waiting
        estimator._memory = {
            "optimizer": state.optimizer_state,
            "epoch": state.epoch,
            "learning_rate": state.learning_rate,
            "seed": state.seed,
        }
        if job.validation is not None:
            losses = state.validation_losses.tolist()
            scores = [-loss for loss in losses] if monitor == "validation_loss" else state.validation_scores.tolist()
            estimator.validation_loss_curve_ = (estimator.validation_loss_curve_ or []) + losses
            estimator.validation_scores_ = (estimator.validation_scores_ or []) + scores
            estimator.best_validation_score_ = _best_score(state, monitor, estimator.validation_scores_)
        estimator.best_loss_ = state.best if monitor == "loss" else None

    def _conclude(self, state: TrainingState, monitor: str) -> None:
        """Raise or warn according to how training ended."""
        if state.status == "diverged":
            watched = monitor != "loss" and state.best_params is not None
            kept = "scored best on the validation" if watched else "its epoch of the least loss began with"
            sentence = (
                f"training of {self.title} diverged: {state.reason}; the weights are those that {kept}. Scale the "
                "columns of X, as StandardScaler does, or try a smaller learning_rate_init"
            )
            # scikit-learn also raises only for non-finite weights, which the best ones never are.
            if monitor == "loss" and state.culprit is not None:
                raise DivergenceError(sentence)
            warnings.warn(sentence, ConvergenceWarning, stacklevel=5)
        if state.status == "interrupted":
            warnings.warn(f"{self.title}: training was interrupted; what was learnt is kept", stacklevel=5)
        elif state.status == "finished" and not self.incremental:
            limit = "max_iter" if self.stochastic else "max_iter and max_fun,"
            warnings.warn(
                f"{self.title} ended in epoch {state.epoch} before it converged ({state.reason}); raise {limit} or tol",
                ConvergenceWarning,
                stacklevel=5,
            )


def network_for(
    estimator: Any, parameters: Mapping[str, Any], loss: Loss, widths: Sequence[int], dtype: str
) -> Architecture:
    """Return the network for an estimator's parameters, with these widths from input to output."""
    activations = parameters["activation"]
    return Architecture(
        inputs=widths[0],
        hidden=tuple(widths[1:-1]),
        outputs=widths[-1],
        activations=tuple(activations) if isinstance(activations, list | tuple) else activations,
        output_activation=estimator._output_activation(loss),
        loss=loss,
        dropout=parameters["dropout"],
        normalization=parameters["normalization"],
        alpha=float(parameters["alpha"]),
        dtype=dtype,
    )


def _best_score(state: TrainingState, monitor: str, scores: list[float]) -> float | None:
    """Return the best validation score; None if there is no number among them."""
    if monitor == "loss":
        return max((score for score in scores if not math.isnan(score)), default=None)
    return state.best if state.best is None or monitor == "validation_score" else -state.best


def _merit(state: TrainingState, monitor: str) -> float:
    """Return the value by which restarts are compared; higher is better."""
    if state.status == "diverged" or not len(state.loss_curve):
        return -math.inf
    if monitor == "loss":
        found = state.validation_scores if len(state.validation_scores) else -state.loss_curve
        return float(found[-1])
    best = math.nan if state.best is None else state.best
    return float(best if monitor == "validation_score" else -best)
