"""From a trained network to a report: scores compared to baselines, mistakes, importance, gradients."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

import chainrule
from chainrule.cli.dependence import dependence_of
from chainrule.cli.scoring import Scorer
from chainrule.cli.trials import Standing
from chainrule.learners import BATCH, DTYPE, TOLERANCE, Data, Learner, Plan, parameter_count
from chainrule.networks import (
    Architecture,
    Huber,
    LogCosh,
    Squared,
    TrainingSettings,
    Validation,
    gradient_report,
    loss_function,
    one_member,
    predict_rows,
    train,
)
from chainrule.reports import (
    MEDIAN,
    Calibration,
    Column,
    Confusion,
    DataSummary,
    FitSummary,
    Importance,
    Level,
    Refit,
    Report,
    Residuals,
    Rows,
    ScoreSummary,
    Settings,
    Thresholds,
    alone,
    decisive,
    permutation_importance,
)
from chainrule.tables import AS_ASKED, ClassTarget, NumberTarget
from chainrule.training import Adam
from chainrule.words import ChainruleError, Language

Array: TypeAlias = NDArray[Any]
Predict: TypeAlias = Callable[[Array], Array]

LINEAR_ROWS: Final = 20_000
LINEAR_EPOCHS: Final = 100
LINEAR_RATE: Final = 0.01
LINEAR_ALPHAS: Final = (0.3, 3.0, 30.0)
RIDGES: Final = (1e-8, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
"""Penalties of the linear model, in the units of `--alpha`, and those of its least squares."""

TRAINING_ROWS: Final = 5_000
DEEP: Final = 3
"""From this number of hidden layers on, or for a page, the gradient flow is analysed."""


def other_parts(plan: Plan, data: Data) -> int:
    """Return how many parts of the table, each at a path of its own, other processes have."""
    return data.processes.count - 1 if plan.rows == "own" else 0


def make_report(
    path: str,
    plan: Plan,
    data: Data,
    learner: Learner,
    standing: Standing,
    saved: str | None,
    page: bool,
    as_json: bool,
    lang: Language,
) -> Report:
    """Build the report on the best network, with what only a page or JSON shows if it is asked for."""
    architecture, params = learner.architecture, standing.params
    run = standing.run
    assert run is not None
    scorer = Scorer(data, architecture.loss)

    def predict(X: Array) -> Array:
        return predict_rows(architecture, params, X)

    p = predict(data.X_held)
    seen = _spread(len(data.y), TRAINING_ROWS)
    constant, value = _trivial(data, scorer)
    linear = _linear(data, architecture)
    X_seen = np.asarray(data.X[seen])
    target = data.target
    classes = target.classes if isinstance(target, ClassTarget) else ()
    labels = scorer.labels(data.y_held) if classes else data.y_held
    importances = _importances(data, predict, scorer)
    trials = tuple(standing.trials) if len(plan.combinations) > 1 else ()
    return Report(
        data=DataSummary(
            path=path,
            target=target.name,
            task=target.task,
            reason=data.prepared.reason,
            columns=columns_of(data),
            rows=Rows(data.prepared.row_count, data.row_count, len(data.y_choosing), len(data.y_held)),
            classes=classes,
            class_counts=data.prepared.class_counts,
            validation=plan.shown_validation,
            notes=data.prepared.notes,
            fingerprint=data.prepared.fingerprint,
            others=other_parts(plan, data),
        ),
        fit=FitSummary(
            settings=_settings(plan, learner, params),
            run=run,
            trials=tuple(replace(trial, kept=place == standing.best) for place, trial in enumerate(trials)),
            refit=_refit(standing),
            gradients=_gradients(learner, params, data, page, lang),
            loss_divisor=scorer.divisor,
        ),
        scores=ScoreSummary(
            network=scorer(p, data.y_held),
            linear={} if linear is None else scorer(linear(data.X_held), data.y_held),
            trivial=scorer(np.broadcast_to(constant, p.shape), data.y_held),
            trivial_value=value,
            training=scorer(predict(X_seen), data.y[seen]),
            linear_training={} if linear is None else scorer(linear(X_seen), data.y[seen]),
            confusion=Confusion.of(classes, labels, p.argmax(axis=1)) if classes else None,
            residuals=None if isinstance(target, ClassTarget) else _residuals(scorer, target, data.y_held, p),
            levels=() if isinstance(target, ClassTarget) else _levels(scorer, target, data.y_held, p, constant),
            calibration=Calibration.of_rows(classes, labels, p) if classes else None,
            thresholds=Thresholds.of_rows(classes, labels, p) if len(classes) == 2 else None,
            importances=importances,
            dependence=dependence_of(data, predict, scorer, importances) if page or as_json else (),
            alone=_alone(data, scorer),
            divisor=scorer.divisor if isinstance(scorer.loss, Huber | LogCosh) else None,
        ),
        version=f"chainrule {chainrule.__version__}",
        saved=saved,
    )


def _refit(standing: Standing) -> Refit | None:
    state = standing.refit
    return None if state is None else Refit(standing.refit_rows, state.epoch, state.seconds)


def _spread(rows: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))


def _levels(scorer: Scorer, target: NumberTarget, y: Array, p: Array, constant: Array) -> tuple[Level, ...]:
    actual, predicted, constants = target.decode(y[:, 0]), target.decode(p), target.decode(constant)
    return tuple(Level.of(level, actual, predicted[:, k], float(constants[k])) for k, level in enumerate(scorer.levels))


def _residuals(scorer: Scorer, target: NumberTarget, y: Array, p: Array) -> Residuals | None:
    """Return the residuals, of the median for quantiles; None if it is not among them."""
    levels = scorer.levels
    if levels and MEDIAN not in levels:
        return None
    middle = levels.index(MEDIAN) if levels else 0
    return Residuals.of(target.decode(y[:, 0]), target.decode(p[:, middle]))


def _trivial(data: Data, scorer: Scorer) -> tuple[Array, str]:
    """Return constant outputs (class frequencies, or the best constant) and their name."""
    target = data.target
    if isinstance(target, ClassTarget):
        labels = scorer.labels(data.y)
        shares = np.bincount(labels, minlength=len(target.classes)) / len(labels)
        return shares, target.classes[int(shares.argmax())]
    values = np.asarray(data.y[:, 0], float)
    levels = scorer.levels
    if levels:
        constant = np.quantile(values, levels)
        return constant, ", ".join(f"{number:.6g}" for number in target.decode(constant))
    candidates = [np.array([values.mean()]), np.array([np.median(values)])]
    if not isinstance(scorer.loss, Squared):
        with np.errstate(all="ignore"):
            candidates += [np.quantile(values, [level]) for level in (0.1, 0.25, 0.75, 0.9)]
            losses = [scorer.mean_loss(np.broadcast_to(each, data.y.shape), data.y) for each in candidates]
        candidates = [candidates[int(np.argmin(np.nan_to_num(losses, nan=np.inf)))]]
    return candidates[0], f"{float(target.decode(candidates[0])[0]):.6g}"


def _linear(data: Data, architecture: Architecture) -> Predict | None:
    """Return a linear model with the same loss; None if the network is one.

    Its penalty is chosen: for the squared error by cross-validation, for other losses by the rows for stopping.
    """
    if not architecture.hidden:
        return None
    rows = _spread(len(data.y), LINEAR_ROWS)
    X, y = np.asarray(data.X[rows]), data.y[rows]
    if isinstance(architecture.loss, Squared) and architecture.output_activation == "linear":
        return ridge(X, y)
    stopping = bool(len(data.y_choosing))
    validation = Validation(data.X_choosing, data.y_choosing) if stopping else None
    settings = TrainingSettings(
        Adam(LINEAR_RATE),
        epochs=LINEAR_EPOCHS,
        batch_size=min(BATCH, len(y)),
        monitor="validation_loss" if stopping else "loss",
        tolerance=TOLERANCE,
        patience=10,
        restore_best=stopping,
    )
    weights = None if data.weights is None else data.weights[rows]
    models = [
        Architecture(
            architecture.inputs,
            (),
            architecture.outputs,
            output_activation=architecture.output_activation,
            loss=architecture.loss,
            alpha=alpha,
            penalty_rows=len(y),
            dtype=DTYPE,
        )
        for alpha in (LINEAR_ALPHAS if stopping else LINEAR_ALPHAS[:1])
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        states = [train(model, model.initial(0), X, y, weights, settings, validation) for model in models]
    losses = [math.inf if state.best is None or math.isnan(state.best) else state.best for state in states]
    chosen = int(np.argmin(losses))
    return partial(predict_rows, models[chosen], states[chosen].learnt)


def ridge(X: Array, y: Array) -> Predict:
    """Return a ridge regression on `X` (rows, width) and `y` (rows, outputs), from rows to predictions.

    Of `RIDGES`, in units of the mean eigenvalue of the covariance, the penalty with the least generalized
    cross-validation error is taken (Golub, Heath and Wahba 1979, equation 1.4).
    """
    X, y = np.asarray(X, float), np.asarray(y, float)
    mean, middle = X.mean(axis=0), y.mean(axis=0)
    centred = X - mean
    sizes, directions = np.linalg.eigh(centred.T @ centred)
    sizes = np.maximum(sizes, 0.0)
    moments = directions.T @ (centred.T @ (y - middle))
    best, weights = math.inf, np.zeros((X.shape[1], y.shape[1]))
    for penalty in np.multiply(RIDGES, max(float(sizes.mean()), 1e-12)):
        found = directions @ (moments / (sizes + penalty)[:, None])
        freedom = len(X) - 1 - float((sizes / (sizes + penalty)).sum())
        error = float(((y - middle - centred @ found) ** 2).sum()) / max(freedom, 1e-9) ** 2
        if error < best:
            best, weights = error, found

    def predict(X_held: Array) -> Array:
        return np.asarray((np.asarray(X_held, float) - mean) @ weights + middle)

    return predict


def columns_of(data: Data) -> tuple[Column, ...]:
    """Return the content and the treatment of each column."""
    groups = data.prepared.preprocessing.groups
    columns = []
    for found in data.prepared.findings:
        inputs = groups[found.name].stop - groups[found.name].start if found.name in groups else 0
        kind = "dropped" if found.reason == AS_ASKED else found.kind
        columns.append(Column(found.name, kind, found.reason, inputs))
    return tuple(columns)


def _settings(plan: Plan, learner: Learner, params: Mapping[str, Array]) -> Settings:
    architecture, settings = learner.architecture, learner.settings
    loss = architecture.loss.describe()
    name = loss.pop("name")
    parameters = ", ".join(f"{key} {value}" for key, value in loss.items() if value)
    return Settings(
        widths=architecture.widths,
        parameters=parameter_count(params),
        activation=architecture.layers[0].name if architecture.hidden else "–",
        loss=loss.get("text") or (f"{name} ({parameters})" if parameters else name),
        solver=plan.solver,
        learning_rate=learner.combination.learning_rate or getattr(settings.solver, "learning_rate", None),
        alpha=architecture.alpha,
        batch_size=settings.batch_size,
        dropout=plan.dropout,
        normalization=plan.normalization,
        class_weight=plan.class_weight,
        seed=plan.seed,
        epochs=settings.epochs,
        ensemble=architecture.members,
    )


def _importances(data: Data, predict: Predict, scorer: Scorer) -> tuple[Importance, ...]:
    def score(p: Array, y: Array) -> float:
        return decisive(scorer(p, y))

    return permutation_importance(predict, score, data.X_held, data.y_held, data.prepared.preprocessing.groups)


def _alone(data: Data, scorer: Scorer) -> tuple[str, ...]:
    """Return the columns that alone predict the target almost perfectly."""
    seen, held = _spread(len(data.y), TRAINING_ROWS), _spread(len(data.y_held), TRAINING_ROWS)
    y, y_held = data.y[seen], data.y_held[held]
    if isinstance(data.target, ClassTarget):
        y, y_held = scorer.labels(y), scorer.labels(y_held)
    else:
        y, y_held = y[:, 0], y_held[:, 0]
    groups = data.prepared.preprocessing.groups
    return alone(np.asarray(data.X[seen]), y, data.X_held[held], y_held, groups)


def _gradients(
    learner: Learner, params: Mapping[str, Array], data: Data, page: bool, lang: Language
) -> tuple[str, ...]:
    """Return sentences on gradient flow if there is a problem."""
    one, params = one_member(learner.architecture, params)
    architecture = replace(one, alpha=0.0)  # whose gradient does not pass through the layers
    if not (page or len(architecture.hidden) >= DEEP) or not architecture.hidden:
        return ()
    rows = _spread(len(data.y), 500)
    try:
        found = gradient_report(
            loss_function(architecture),
            {name: params[name] for name in architecture.params},
            {"X": np.asarray(data.X[rows]), "y": data.y[rows]},
        )
    except ChainruleError:
        return ()
    return () if found.status == "healthy" else tuple(found.sentences(lang))
