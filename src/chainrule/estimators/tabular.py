"""Estimators that take a table as it is, and do what `chainrule train` does."""

from __future__ import annotations

import json
import os
import warnings
from abc import abstractmethod
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import ALONE, Processes, engine_name, get_engine
from chainrule.estimators.as_model import class_target
from chainrule.estimators.errors import DivergenceError, ParameterError
from chainrule.estimators.inputs import with_names
from chainrule.estimators.scikit import (
    Classifier,
    ConvergenceWarning,
    Estimator,
    Regressor,
    check_array,
    check_is_fitted,
    check_random_state,
    column_or_1d,
    type_of_target,
    validate_data,
)
from chainrule.exports import export_model
from chainrule.learners import (
    MOST_MEMBERS,
    SOLVER_NAMES,
    Data,
    Learner,
    Plan,
    learners,
    table_data,
    whole_learner,
)
from chainrule.models import Model, save_model
from chainrule.networks import Validation, train
from chainrule.schema import COUNT, FLAG, NOT_NEGATIVE, POSITIVE, SHARE, checked, one_of, whole
from chainrule.tables import ClassTarget, FrameSource, Kind, TableError, Task, as_frame
from chainrule.training import DivergenceWarning
from chainrule.words import Named

Array = NDArray[Any]

FEWEST_ROWS = 2
STOPPING = 0.1
"""The share of the rows that decides when to stop."""


class TabularNetwork(Named, Estimator):
    """The common base of `TabularClassifier` and `TabularRegressor`; not to be instantiated."""

    _task: ClassVar[Task]

    hidden_layer_sizes: Any
    activation: str
    loss: Any
    solver: str
    learning_rate: float | None
    alpha: float
    ensemble: int | None
    batch_size: int | None
    max_epochs: int | None
    patience: int
    dropout: float
    normalization: Any
    kinds: Any
    drop: Any
    merge_spellings: bool
    target_name: str
    refit: bool
    random_state: Any
    n_jobs: int | None
    engine: Literal["native", "xla", "auto"]
    rows: Literal["all", "own"]

    model_: Model
    n_epochs_: int
    loss_curve_: list[float]
    validation_loss_curve_: list[float]
    columns_: dict[str, str]

    def fit(self, X: Any, y: Any) -> Self:
        """Train on a table `X` (rows, columns) and `y` (rows,).

        `X` is a table of pandas, polars or Arrow, with columns of numbers, texts, categories, truth values and dates,
        and with missing values; or an array of numbers. With `rows="own"`, both are those of this process. Raises
        ValueError for parameters and data that do not fit, `DivergenceError` if training produces numbers that are not
        finite.
        """
        self._check_parameters()
        processes = get_engine(self.engine).processes
        with processes.together():
            return self._fitted(X, y, processes)

    def _fitted(self, X: Any, y: Any, processes: Processes) -> Self:
        sharing = processes if self.rows == "own" else ALONE
        frame = self._read(X, fitting=True)
        codes, target = self._targets(y, frame.height, sharing)
        seed = int(processes.agreed("the seed", self._seed())[0])
        plan = self._plan(_free_name(self.target_name, frame.columns), seed)
        table = frame.with_columns(type(frame)({plan.target: codes}).to_series())
        try:
            data = table_data(FrameSource(table), plan, STOPPING, scored=False, processes=sharing)
        except TableError as error:
            raise ValueError(str(error)) from None
        (learner,) = learners(plan, data)
        state, kept = self._trained(learner, data)
        prepared = data.prepared
        self.model_ = Model.of(
            kept.architecture,
            state.learnt,
            prepared.preprocessing,
            data.target if target is None else target,
            {"estimator": type(self).__name__, "plan": plan.to_json()},
            {},
            prepared.fingerprint,
        )
        self.columns_ = {
            found.name: found.kind if found.name in prepared.preprocessing.groups else f"left out: {found.reason}"
            for found in prepared.findings
        }
        return self

    def _trained(self, learner: Learner, data: Data) -> Any:
        """Train with early stopping, then on all rows."""
        validation = Validation(data.X_choosing, data.y_choosing) if len(data.y_choosing) else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DivergenceWarning)
            state = train(
                learner.architecture,
                learner.initial(),
                data.X,
                data.y,
                data.weights,
                learner.settings,
                validation,
                threads=self.n_jobs,
            )
            self._check_finite(state)
            self.loss_curve_ = state.loss_curve.tolist()
            self.validation_loss_curve_ = state.validation_losses.tolist()
            self.n_epochs_ = state.best_epoch or state.epoch
            if state.status == "finished" and not validation:
                warnings.warn(
                    f"all {state.epoch} epochs are done, and the loss still improves; give a larger max_epochs",
                    ConvergenceWarning,
                    stacklevel=4,
                )
            if not self.refit or data.whole_count == data.row_count or state.status == "interrupted":
                return state, learner
            X, y, weights = data.everything()
            kept = whole_learner(learner, data.whole_count, self.n_epochs_)
            last = train(kept.architecture, kept.initial(), X, y, weights, kept.settings, threads=self.n_jobs)
        return (state, learner) if last.status in ("diverged", "interrupted") else (last, kept)

    def _check_finite(self, state: Any) -> None:
        if state.status == "diverged":
            raise DivergenceError(f"training diverged: {state.reason}; give a smaller learning_rate")

    def _outputs(self, X: Any) -> Any:
        check_is_fitted(self)
        try:
            return self.model_.predict_frame(self._read(X, fitting=False))
        except TableError as error:
            raise ValueError(str(error)) from None

    def _read(self, X: Any, fitting: bool) -> Any:
        """Return a table as a polars frame, with `n_features_in_` and `feature_names_in_` set or compared."""
        if type(X) is dict:  # not a sparse array that is one
            raise ParameterError("X is a dict; give a table of pandas, polars or Arrow, or an array of numbers")
        if hasattr(X, "columns") or hasattr(X, "schema"):
            validate_data(self, with_names(X), reset=fitting, skip_check_array=True)
            frame = as_frame(X)
            if fitting and frame.height < FEWEST_ROWS:
                raise ValueError(f"X has n_samples={frame.height} rows; give at least {FEWEST_ROWS}")
            return frame
        least = FEWEST_ROWS if fitting else 1
        rows = validate_data(self, X, reset=fitting, ensure_all_finite="allow-nan", ensure_min_samples=least)
        return as_frame({f"x{k}": rows[:, k] for k in range(rows.shape[1])})

    @abstractmethod
    def _targets(self, y: Any, rows: int, processes: Processes) -> tuple[Any, ClassTarget | None]:
        """Return the cells of the target, and the classes of all processes in their dtype."""

    def _plan(self, target: str, seed: int) -> Plan:
        hidden = self.hidden_layer_sizes
        widths = (hidden,) if isinstance(hidden, int | np.integer) else tuple(hidden)
        return Plan(
            target=target,
            task=self._task,
            drop=tuple(self.drop or ()),
            kinds=tuple(_kinds(self.kinds).items()),
            hidden=(tuple(int(width) for width in widths),),
            learning_rates=(self.learning_rate,),
            alphas=(float(self.alpha),),
            activation=self.activation,
            output_activation=None,
            loss=self.loss,
            dropout=float(self.dropout),
            normalization=self.normalization,
            solver=self.solver,
            epochs=self.max_epochs,
            batch_size=self.batch_size,
            patience=self.patience,
            class_weight=None,
            validation=None,
            delimiter=None,
            seed=seed,
            engine=None if engine_name(self.engine) == "native" else "xla",
            ensemble=self.ensemble,
            refit=self.refit,
            merge_spellings=bool(self.merge_spellings) or None,
            rows=None if self.rows == "all" else self.rows,
        )

    def _seed(self) -> int:
        if isinstance(self.random_state, int | np.integer):
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _check_parameters(self) -> None:
        widths = self.hidden_layer_sizes
        for width in (widths,) if isinstance(widths, int | np.integer) else tuple(widths):
            checked("hidden_layer_sizes", width, COUNT, ParameterError)
        checked("solver", self.solver, one_of(*SOLVER_NAMES), ParameterError)
        checked("alpha", self.alpha, NOT_NEGATIVE, ParameterError)
        checked("dropout", self.dropout, SHARE, ParameterError)
        checked("patience", self.patience, COUNT, ParameterError)
        checked("merge_spellings", self.merge_spellings, FLAG, ParameterError)
        for name, rule in (
            ("learning_rate", POSITIVE),
            ("ensemble", whole(at_least=1, at_most=MOST_MEMBERS)),
            ("batch_size", COUNT),
            ("max_epochs", COUNT),
            ("n_jobs", COUNT),
        ):
            if getattr(self, name) is not None:
                checked(name, getattr(self, name), rule, ParameterError)
        checked("engine", self.engine, one_of("native", "xla", "auto"), ParameterError)
        checked("rows", self.rows, one_of("all", "own"), ParameterError)
        if self.rows == "own" and engine_name(self.engine) != "xla":
            raise ParameterError('rows="own" is for engine="xla", whose processes train together; give both or none')
        if self.n_jobs is not None and engine_name(self.engine) == "xla":
            raise ParameterError('n_jobs is not for engine="xla", which uses all processors; leave it out')
        if self.normalization not in (None, "layer", "batch"):
            checked("normalization", self.normalization, one_of("layer", "batch"), ParameterError)

    def to_model(self) -> Model:
        """Return the fitted network with its preprocessing as a `Model`, as `chainrule train --save` writes it."""
        check_is_fitted(self)
        return self.model_

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_model()` to one file, which `chainrule.models.load_model` and `chainrule predict` read."""
        save_model(os.fspath(path), self.to_model())

    def export(self, to: str, path: str | os.PathLike[str]) -> list[str]:
        """Export networks and preprocessing: `to` is "onnx", "c", "numpy" or "torch". Returns the paths written."""
        return export_model(self.to_model(), to, path)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.non_deterministic = False
        return tags


class TabularClassifier(Classifier, TabularNetwork):
    """A classifier of tables: an ensemble of networks, with the preprocessing inside.

    Columns are classified and encoded as by `chainrule train`: numbers are scaled, categories and truth values become 0
    and 1, dates their parts, missing values are filled and flagged, and columns that say nothing are left out. A tenth
    of the rows decides when to stop; then all rows are trained on for the epochs found.

    Parameters
    ----------
    hidden_layer_sizes
        The widths of the hidden layers; () for a linear model.
    activation, loss, solver, learning_rate, alpha, batch_size, patience, dropout, normalization
        As the options of `chainrule train`: names or formulas, numbers, and None for the default. The penalty is
        `½ alpha Σ W² / rows`.
    ensemble
        The number of networks whose probabilities are averaged; None for 8, fewer for large tables.
    max_epochs
        The maximum number of epochs; None for 400, fewer for large tables.
    kinds
        The kind of columns by name, `{"zip": "category"}`: number, category, boolean, date, text, or identifier,
        which is left out.
    drop
        Names of columns to ignore.
    merge_spellings
        Whether levels of a category that differ only in case or blanks are one. Classes in `y` are taken as they are.
    target_name
        The name of the target in models and exports.
    refit
        Whether to train on all rows at the end.
    random_state
        The seed; None for a different result each time.
    n_jobs
        The maximum number of threads; the result does not depend on it.
    engine
        "native" for this processor, "xla" for GPUs and several processes, through JAX, or "auto" for "xla" where JAX
        finds a GPU or TPU or several processes were launched, else "native".
    rows
        What each of several processes that train together gives to `fit`: "all" rows, or its "own", of which the
        columns, classes and scales are found together.

    Attributes
    ----------
    classes_
        The classes, sorted.
    model_
        The network with its preprocessing, as a `Model`.
    columns_
        For each column its kind, or why it is left out.
    n_epochs_
        The number of epochs found.
    loss_curve_, validation_loss_curve_
        The losses of each epoch.

    Examples
    --------
    >>> import pandas as pd
    >>> from chainrule.estimators import TabularClassifier
    >>> table = pd.DataFrame({"size": [1.5, 7.2, None, 6.8] * 20, "colour": ["red", "blue", "red", "blue"] * 20})
    >>> model = TabularClassifier((8,), ensemble=2, max_epochs=400, learning_rate=0.05, random_state=0)
    >>> model.fit(table, ["a", "b"] * 40).predict(pd.DataFrame({"size": [7.0], "colour": ["blue"]}))
    array(['b'], dtype='<U1')

    """

    _task: ClassVar[Task] = "classification"
    classes_: Array

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        activation: str = "relu",
        loss: Any = None,
        solver: str = "adam",
        learning_rate: float | None = None,
        alpha: float = 3.0,
        ensemble: int | None = None,
        batch_size: int | None = None,
        max_epochs: int | None = None,
        patience: int = 20,
        dropout: float = 0.0,
        normalization: Any = None,
        kinds: Any = None,
        drop: Any = None,
        merge_spellings: bool = False,
        target_name: str = "y",
        refit: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        engine: Literal["native", "xla", "auto"] = "native",
        rows: Literal["all", "own"] = "all",
    ) -> None:
        vars(self).update({name: value for name, value in locals().items() if name not in ("self", "__class__")})

    def predict(self, X: Any) -> Array:
        """Return the class (rows,) of each row of a table."""
        places = self.predict_proba(X).argmax(axis=1)
        return self.classes_[places]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each of `classes_` (rows, classes)."""
        return np.asarray(self._outputs(X).probabilities, float)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def _targets(self, y: Any, rows: int, processes: Processes) -> tuple[Any, ClassTarget | None]:
        labels = _column(y, rows)
        kind = type_of_target(labels, input_name="y", raise_unknown=True)
        if kind not in ("binary", "multiclass"):
            raise ValueError(f"Unknown label type: {kind}; give classes, or use TabularRegressor for numbers")
        self.classes_ = _classes(labels, processes)
        places = np.searchsorted(self.classes_, labels)
        if len(self.classes_) < 2:
            raise ValueError(f"y has one class, {self.classes_[0]!r}; a classifier needs at least two classes")
        return [f"{place:06}" for place in places], class_target(self.target_name, self.classes_)


class TabularRegressor(Regressor, TabularNetwork):
    """A regressor of tables; see `TabularClassifier` for parameters and attributes.

    `loss` is the name of a loss for numbers, such as "huber", or a formula in p and y.

    Examples
    --------
    >>> import pandas as pd
    >>> from chainrule.estimators import TabularRegressor
    >>> table = pd.DataFrame({"rooms": [1, 2, 3, 4] * 30, "city": ["Oslo", "Rome", "Rome"] * 40})
    >>> price = 100.0 * table["rooms"] + 50.0 * (table["city"] == "Oslo")
    >>> model = TabularRegressor((16,), ensemble=2, max_epochs=60, learning_rate=0.02, random_state=0)
    >>> model.fit(table, price).score(table, price) > 0.95
    True

    """

    _task: ClassVar[Task] = "regression"

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        *,
        activation: str = "relu",
        loss: Any = None,
        solver: str = "adam",
        learning_rate: float | None = None,
        alpha: float = 3.0,
        ensemble: int | None = None,
        batch_size: int | None = None,
        max_epochs: int | None = None,
        patience: int = 20,
        dropout: float = 0.0,
        normalization: Any = None,
        kinds: Any = None,
        drop: Any = None,
        merge_spellings: bool = False,
        target_name: str = "y",
        refit: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        engine: Literal["native", "xla", "auto"] = "native",
        rows: Literal["all", "own"] = "all",
    ) -> None:
        vars(self).update({name: value for name, value in locals().items() if name not in ("self", "__class__")})

    def predict(self, X: Any) -> Array:
        """Return the number (rows,) predicted for each row of a table."""
        return np.asarray(self._outputs(X).predictions, float)

    def _targets(self, y: Any, rows: int, processes: Processes) -> tuple[Any, ClassTarget | None]:
        try:
            numbers = _column(y, rows).astype(float)
        except (TypeError, ValueError) as error:
            if "convert" not in str(error):
                raise
            raise ValueError("y holds texts; give numbers, or use TabularClassifier for classes") from None
        return numbers, None


def _classes(labels: Array, processes: Processes) -> Array:
    """Return the labels of all processes, each once, sorted; raise ValueError if those of one are of another kind."""
    own: Array = np.unique(labels)
    if processes.count == 1:
        return own
    kind = {"b": "truth values", "M": "times"}.get(own.dtype.kind, "text" if own.dtype.kind in "OUS" else "numbers")
    values = own.astype(str) if own.dtype.kind in "MS" else own  # as JSON has them
    told = json.dumps([kind, own.dtype.str, values.tolist()]).encode()
    found = [json.loads(each) for each in processes.gathered("the classes", told)]
    for number, (other, _, _) in enumerate(found):
        if other != found[0][0]:
            raise ValueError(
                f"y of process {number} holds {other}, and that of process 0 {found[0][0]}; give classes of one kind"
            )
    return np.unique(np.concatenate([np.array(each, dtype) for _, dtype, each in found]))


def _column(y: Any, rows: int) -> Array:
    """Return the target (rows,); raise ValueError for another shape and for numbers that are not finite."""
    values = np.asarray(column_or_1d(y, warn=True))
    if len(values) != rows:
        raise ValueError(f"X has {rows} rows and y has {len(values)}; inconsistent numbers of samples")
    return (
        np.asarray(check_array(values, ensure_2d=False, dtype=None, input_name="y"))
        if values.dtype.kind == "f"
        else values
    )


def _free_name(name: str, taken: Any) -> str:
    """Return the name of the target, changed if a column has it."""
    while name in taken:
        name += "'"
    return name


def _kinds(given: Any) -> dict[str, Kind]:
    return {} if given is None else dict(given)


__all__ = ["TabularClassifier", "TabularRegressor"]
