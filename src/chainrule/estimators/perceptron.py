"""The common part of classifier and regressor: fitting, network outputs, and the network itself."""

from __future__ import annotations

import copy
import os
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.deriving import Derivation
from chainrule.estimators.as_model import model_of
from chainrule.estimators.errors import ParameterError
from chainrule.estimators.fitting import Fit, network_for
from chainrule.estimators.inputs import dense, is_sparse, row_blocks, with_names
from chainrule.estimators.loading import attributes_of, parameters_of
from chainrule.estimators.losses import activation_title
from chainrule.estimators.scikit import (
    CallbackSupport,
    Estimator,
    check_is_fitted,
    get_config,
    validate_data,
    with_callbacks,
)
from chainrule.estimators.settings import check_parameters
from chainrule.estimators.training import STOCHASTIC
from chainrule.exports import export_model
from chainrule.models import Model, load_model, save_model
from chainrule.networks import (
    Architecture,
    GradientReport,
    Loss,
    gradient_report,
    loss_function,
    network_derivation,
    predict_rows,
)
from chainrule.tables import Target
from chainrule.words import Named, at_callers_line

Array = NDArray[Any]

_READY = (np.dtype(np.float64), np.dtype(np.float32))


class MultilayerPerceptron(Named, CallbackSupport, Estimator):
    """The common base of `MLPClassifier` and `MLPRegressor`; not to be instantiated."""

    _target_name = "y"

    dtype: Any
    early_stopping: bool
    loss: Any
    solver: str
    validation_data: Any
    warm_start: bool

    best_loss_: float | None
    best_validation_score_: float | None
    coefs_: list[Array]
    intercepts_: list[Array]
    loss_: float
    loss_curve_: list[float]
    n_iter_: int
    n_layers_: int
    n_outputs_: int
    normalization_: dict[str, Array]
    out_activation_: str
    restart_scores_: list[float] | None
    t_: int
    validation_loss_curve_: list[float] | None
    validation_scores_: list[float] | None
    _column_means: list[float]
    _network: Architecture
    _sample: tuple[Any, Array]

    _numeric_targets: ClassVar[bool]

    def _keep(self, given: Mapping[str, Any]) -> None:
        """Store the arguments of `__init__` unchanged."""
        vars(self).update({name: value for name, value in given.items() if name not in ("self", "__class__")})

    @at_callers_line
    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train on `X` (rows, features) and `y`, (rows,) or (rows, outputs).

        `X` is an array, a sparse matrix, or a table of pandas, polars or Arrow. `sample_weight` (rows,) weights the
        loss. `X_val` and `y_val` are validation rows that replace `validation_data`.

        Raises ValueError for invalid parameters and data, `DivergenceError` if training produces non-finite numbers;
        warns with ConvergenceWarning if `max_iter` is reached.
        """
        if (X_val is None) != (y_val is None):
            raise ParameterError("X_val and y_val belong together; give both, or none")
        parameters = self._checked_parameters()
        held = self.validation_data if X_val is None else (X_val, y_val, sample_weight_val)
        Fit(self, parameters, incremental=False).run(X, y, sample_weight, held)
        return self

    def _fit_one_epoch(self, X: Any, y: Any, sample_weight: Any) -> None:
        """Train for one epoch, continuing from the last one."""
        parameters = self.get_params(deep=False) if hasattr(self, "coefs_") else self._checked_parameters()
        if self.early_stopping:
            raise ParameterError("partial_fit sees one epoch at a time and cannot stop early; set early_stopping=False")
        Fit(self, parameters, incremental=True).run(X, y, sample_weight, self.validation_data)

    def _checked_parameters(self) -> dict[str, Any]:
        parameters = self.get_params(deep=False)
        if not get_config()["skip_parameter_validation"]:
            check_parameters(type(self).__name__, parameters)
        return parameters

    def _is_stochastic(self) -> bool:
        """Whether `partial_fit` is available; raises AttributeError with the reason if not."""
        if self.solver not in STOCHASTIC:
            raise AttributeError(f"partial_fit needs the solver 'sgd' or 'adam'; {self.solver!r} uses all rows at once")
        return True

    def _outputs(self, X: Any) -> Array:
        """Return the network's output (rows, outputs) for `X`."""
        known = vars(self)
        if "_shown" in known:
            return self._shown_outputs(X)
        network = self._current_network()
        outputs = self._computed(network, X)
        if not np.isfinite(outputs.sum()):
            self._check_outputs(outputs)
        return outputs

    def _check_outputs(self, outputs: Array) -> None:
        """Raise ParameterError for non-finite outputs, which determine no class."""
        bad = ~np.isfinite(outputs).all(axis=1)
        if not bad.any():
            return
        for name in ("coefs_", "intercepts_"):
            if not all(np.isfinite(np.asarray(array, float)).all() for array in getattr(self, name)):
                raise ParameterError(f"{name} holds numbers that are not finite; fit again, or set finite ones")
        raise ParameterError(f"row {int(bad.argmax())} of X holds numbers too large for this model")

    def _computed(self, network: Architecture, X: Any) -> Array:
        if not self._is_ready(X):
            X = validate_data(self, with_names(X), accept_sparse=["csr", "csc"], reset=False)
        if not is_sparse(X):
            return predict_rows(network, self._parameters(), X)
        rows, columns = X.shape
        by_rows = X.tocsr()
        parts = [
            predict_rows(network, self._parameters(), dense(by_rows[part], network.dtype))
            for part in row_blocks(rows, columns)
        ]
        return np.concatenate(parts)

    def _is_ready(self, X: Any) -> bool:
        """Whether `X` passes a quick check; otherwise it is checked in full."""
        return (
            type(X) is np.ndarray
            and X.dtype in _READY
            and X.ndim == 2
            and X.shape[1] == vars(self).get("n_features_in_")
            and X.shape[0] > 0
            and "feature_names_in_" not in vars(self)
            and bool(np.isfinite(X.sum()))
        )

    def _with_outputs(self, X: Any, outputs: Array) -> Any:
        """Return a copy of this estimator that returns `outputs` for `X` and rejects other rows."""
        shown = copy.copy(self)
        vars(shown)["_shown"] = X, outputs
        for name in ("coefs_", "intercepts_"):
            vars(shown).pop(name, None)
        return shown

    def _shown_outputs(self, X: Any) -> Array:
        rows, outputs = vars(self)["_shown"]
        if X is not rows:
            raise ParameterError(
                "while a network trains, scoring sees the validation rows only; predict no others there"
            )
        shown: Array = outputs
        return shown

    def _parameters(self) -> dict[str, Array]:
        """Return the parameters by the names in the derivation; a bias may be a row (1, outputs)."""
        learnt = {}
        for k, (weight, bias) in enumerate(zip(self.coefs_, self.intercepts_, strict=True), start=1):
            learnt[f"W{k}"] = np.asarray(weight)
            learnt[f"b{k}"] = np.asarray(bias).reshape(-1) if np.shape(bias)[:1] == (1,) else np.asarray(bias)
        return {**learnt, **vars(self).get("normalization_", {})}

    def _current_network(self) -> Architecture:
        """Return the fitted network, or the one implied by assigned weights of any widths.

        Raises NotFittedError if there are no weights, ParameterError for inconsistent weights.
        """
        check_is_fitted(self, ["coefs_", "intercepts_"])
        known: Architecture | None = vars(self).get("_network")
        shapes = [np.shape(weight) for weight in self.coefs_]
        if len(self.intercepts_) != len(shapes):
            raise ParameterError(
                f"coefs_ has {len(shapes)} arrays and intercepts_ {len(self.intercepts_)}; "
                "give one of each for each layer"
            )
        if known is not None and shapes == list(pairwise(known.widths)):
            return known
        for k, shape in enumerate(shapes):
            if len(shape) != 2 or (k and shape[0] != shapes[k - 1][1]):
                after = f" after one of {shapes[k - 1]}" if k else ""
                raise ParameterError(f"coefs_[{k}] has the shape {shape}{after}; give (inputs, outputs) of each layer")
        widths = [shapes[0][0], *(shape[1] for shape in shapes)]
        dtype = np.result_type(*(np.asarray(weight).dtype for weight in self.coefs_))
        self._prepare_for(widths[-1])
        return network_for(
            self, self.get_params(deep=False), self._loss(), widths, "float32" if dtype == np.float32 else "float64"
        )

    def _prepare_for(self, outputs: int) -> None:
        """Set up the targets for a network with this number of outputs whose weights were assigned."""

    def _attributes(self, learnt: Mapping[str, Array]) -> dict[str, Any]:
        """The inverse of `_parameters`: attributes from parameters."""
        depth = self._network.depth
        named = {f"{name}{k}" for k in range(1, depth + 1) for name in "Wb"}
        return {
            "coefs_": [learnt[f"W{k}"] for k in range(1, depth + 1)],
            "intercepts_": [learnt[f"b{k}"] for k in range(1, depth + 1)],
            "normalization_": {name: array for name, array in learnt.items() if name not in named},
        }

    def derive(self) -> Derivation:
        """Derive the gradients of this network and its loss, to print and to verify.

        `n` stands for the rows; widths are those of the network. Raises NotFittedError before `fit`.
        """
        return network_derivation(self._current_network())

    def gradient_report(self, X: Any = None, y: Any = None) -> GradientReport:
        """Report whether gradients vanish or explode in the network in its current state, where, and why.

        Uses the gradient of the loss, without the penalty, on the rows of `X` and `y`, at most the first 1,000; by
        default on as many rows of the last fit, which stay in memory and are not pickled. Raises NotFittedError before
        `fit`, ParameterError if no rows are available, and what `fit` raises for invalid data.
        """
        network = self._current_network()
        if X is None and y is None:
            if "_sample" not in vars(self):
                raise ParameterError("the rows of the fit do not travel with the estimator; give X and y to look at")
            inputs, read = self._sample
        elif X is None or y is None:
            raise ParameterError("X and y belong together; give both, or none")
        else:
            inputs = validate_data(self, with_names(X), accept_sparse=["csr", "csc"], reset=False)
            read = self._read_held_targets(np.asarray(y))
        target = self._targets_for(network.loss, read, network.dtype)
        learnt = {name: array for name, array in self._parameters().items() if name in network.params}
        # Without the penalty, whose gradient reaches every weight directly.
        loss = loss_function(replace(network, alpha=0.0))
        return gradient_report(loss, learnt, {"X": dense(inputs, network.dtype), "y": target})

    def to_model(self) -> Model:
        """Return the trained network as a `Model`, which predicts without scikit-learn.

        It takes arrays; if the estimator was fitted on a table, it also finds the columns by name, and replaces an
        empty cell by the mean of the training rows. Raises NotFittedError before `fit`.
        """
        network = self._current_network()
        metrics = {
            "loss": getattr(self, "loss_", None),
            "epochs": getattr(self, "n_iter_", None),
            "best_validation_score": getattr(self, "best_validation_score_", None),
        }
        columns = None
        if hasattr(self, "feature_names_in_"):
            columns = dict(zip(map(str, self.feature_names_in_), self._column_means, strict=True))
        settings = {"estimator": type(self).__name__, **self.get_params(deep=False), "validation_data": None}
        return model_of(network, self._parameters(), columns, self._target(), settings, metrics)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write `to_model()` to one file, which `chainrule.models.load_model` and `chainrule predict` read.

        The write is atomic. Raises NotFittedError before `fit`, FileError for a path that cannot be written.
        """
        save_model(os.fspath(path), self.to_model())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Any:
        """Load an estimator written by `save`, which makes the same predictions and can be continued by `partial_fit`.

        Values that the file does not contain have their defaults: parameters that are Python objects, such as a
        RandomState, and the optimizer state. Raises ModelError for an invalid model, or one with user functions (pickle
        preserves these), ParameterError for another kind of model.

        >>> import os, tempfile
        >>> from chainrule.estimators import MLPRegressor
        >>> X = np.linspace(-1, 1, 20)[:, None]
        >>> model = MLPRegressor(hidden_layer_sizes=(4,), tol=0.1, random_state=0).fit(X, X[:, 0])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(os.path.join(folder, "model.safetensors"))
        ...     again = MLPRegressor.load(os.path.join(folder, "model.safetensors"))
        >>> bool((again.predict(X) == model.predict(X)).all()), again.tol
        (True, 0.1)
        """
        model = load_model(path)
        loaded = cls(**parameters_of(cls, model))
        vars(loaded).update(attributes_of(model))
        vars(loaded).update(loaded._attributes(model.params))
        loaded.out_activation_ = activation_title(loaded._network.output.name)
        loaded._adopt(model)
        return loaded

    def _adopt(self, model: Model) -> None:
        """Set up the targets of a loaded model."""

    def export(self, to: str, path: str | os.PathLike[str], train: bool = False) -> list[str]:
        """Export the network: `to` is "onnx", "c", "numpy" or "torch". Returns the paths written.

        With `train`, C code also contains a training step. Raises NotFittedError before `fit`, ExportError for what a
        target does not support.
        """
        return export_model(self.to_model(), to, path, train)

    @abstractmethod
    def _target(self) -> Target | None:
        """The prediction target of a model; None for several labels or outputs."""

    @abstractmethod
    def _read_targets(self, y: Any, incremental: bool) -> Array:
        """Validate `y` and return it as an array (rows, columns)."""

    @abstractmethod
    def _read_held_targets(self, y: Any) -> Array:
        """Validate `y` of validation rows and return it in the same form."""

    @abstractmethod
    def _loss(self) -> Loss:
        """Return the loss for the parameters."""

    @abstractmethod
    def _targets_for(self, loss: Loss, target: Array, dtype: str) -> Array:
        """Convert the result of `_read_targets` to the form that the loss takes."""

    @abstractmethod
    def _labelled(self, target: Array) -> Any:
        """Convert the result of `_read_targets` to the form passed to `fit`."""

    @abstractmethod
    def _width(self, loss: Loss, columns: int) -> int:
        """Return the number of network outputs for this number of target columns."""

    @abstractmethod
    def _output_activation(self, loss: Loss) -> Any:
        """Return the output activation; None selects the one paired with the loss."""

    @abstractmethod
    def _judge(self, loss: Loss) -> Callable[[Array, Array, Array | None], float]:
        """Return the default score for early stopping."""

    def __getstate__(self) -> dict[str, Any]:
        state = cast(dict[str, Any], super().__getstate__())
        return {name: value for name, value in state.items() if name != "_sample"}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
