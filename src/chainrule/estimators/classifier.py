"""`MLPClassifier`: scikit-learn's estimator of that name, and what its users have asked it for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.as_model import class_target
from chainrule.estimators.errors import ParameterError
from chainrule.estimators.judging import Accuracy
from chainrule.estimators.loading import classes_of
from chainrule.estimators.losses import classification_loss
from chainrule.estimators.perceptron import MultilayerPerceptron
from chainrule.estimators.scikit import Classifier, available_if, column_or_1d, type_of_target, unique_labels
from chainrule.estimators.targets import Labels
from chainrule.models import Model
from chainrule.networks import Loss
from chainrule.tables import Target

Array = NDArray[Any]


class MLPClassifier(Classifier, MultilayerPerceptron):
    """A multilayer perceptron that tells classes apart, trained in native code.

    A drop-in for `sklearn.neural_network.MLPClassifier`: parameters, methods, attributes and defaults are the same, and
    the same `random_state` gives the same network. The parameters from `class_weight` on are this package's own.

    Parameters
    ----------
    hidden_layer_sizes
        The width of each hidden layer; a number stands for one layer, `()` for none, which is a linear model.
    activation
        Of the hidden layers: "identity", "logistic", "tanh" or "relu"; beyond that "gelu", "silu", "elu", "selu",
        "mish", "leaky_relu", "softplus" or "softsign", a formula in z such as "z * sigmoid(1.7 * z)", or a NumPy
        function. A list has one for each hidden layer.
    solver
        "adam"; "sgd", gradient descent with momentum; or "lbfgs", which uses all rows at once.
    alpha
        λ in the penalty `½ λ Σ W² / n` on the weights, n being the rows of the batch, or the sum of their weights.
    batch_size
        Rows in a batch; "auto" is 200, or all where there are fewer.
    learning_rate
        For "sgd": "constant"; "invscaling", `learning_rate_init / t^power_t` with t the rows used so far; "adaptive",
        which divides the rate by 5 instead of stopping, until it is at most 10⁻⁶.
    learning_rate_init, power_t
        The first rate, and the exponent of "invscaling".
    max_iter
        The most epochs; for "lbfgs" the most iterations.
    shuffle
        Whether each epoch has an order of rows of its own.
    random_state
        A seed, a RandomState, or None: draws initial weights, held-out rows and orders, by scikit-learn's calls.
    tol, n_iter_no_change
        Training ends after more than `n_iter_no_change` epochs in a row that do not improve the training loss, or with
        `early_stopping` the validation score, by `tol`.
    verbose
        True writes a line for each epoch; "progress" shows a live bar with the loss and the time left.
    warm_start
        Whether `fit` starts from the weights of the last `fit`.
    momentum, nesterovs_momentum
        For "sgd": the factor of the velocity, and whether its step looks ahead.
    early_stopping, validation_fraction
        Whether to hold out a share of the rows, stratified where there are two classes, to stop by the score on them,
        and to keep the weights that scored best.
    beta_1, beta_2, epsilon
        For "adam": the decay of the two running means, and what is added to the root of the second.
    max_fun
        For "lbfgs": the most evaluations of the loss.
    class_weight
        The weight of each class, `{label: weight}`; or "balanced", in inverse proportion to how often it occurs. It
        multiplies `sample_weight`. A list of dicts has one for each label of a multilabel problem.
    loss
        "log_loss", the cross-entropy; "focal" (Lin et al. 2017); or a formula or NumPy function of prediction p, the
        probabilities, and target y, zeros and ones, such as "(p - y)^2".
    label_smoothing
        For "log_loss": the share of each target that is spread over all classes.
    gamma
        For "focal": the exponent of `1 − p`.
    output_activation
        A name, a formula or a function in the place of softmax or the logistic function; for losses of one's own.
    dropout
        The probability with which a hidden unit is left out of an update; a list has one for each hidden layer.
    weight_decay
        λ of a decay apart from the gradient, `W ← (1 − rate · λ) W` (Loshchilov and Hutter 2019).
    normalization
        "layer" (Ba et al. 2016) or "batch" (Ioffe and Szegedy 2015), before each hidden activation.
    clip_norm
        The largest norm of the gradients of all weights together.
    validation_data
        (X, y) or (X, y, sample_weight): rows to watch instead of held-out ones; with `early_stopping` they decide. In
        a pipeline, give them to `fit` as X_val and y_val.
    scoring
        What early stopping watches: None for accuracy, "loss" for the validation loss, the name of a scorer, or a
        function of (estimator, X, y).
    threads
        The most threads of one fit. None leaves the number to the engine, or to OMP_NUM_THREADS where that is set, as
        workers of joblib, Dask and Ray have it. The result does not depend on it.
    dtype
        "float64" or "float32"; None takes that of X, and float64 for other numbers.
    n_restarts
        How many networks to train, each from weights of its own, side by side; the best is kept: by its validation
        score, or where there is none by its loss. The first of them is the one that a single fit trains.
    n_jobs
        How many restarts train at a time, in threads; None is as many as there are processors, or what
        `joblib.parallel_config` says, whose backend is used, a cluster too.

    Attributes
    ----------
    classes_ : array or list
        The class labels, in the order of the columns of `predict_proba`.
    loss_ : float
        The loss of the last epoch.
    best_loss_ : float or None
        The least loss of an epoch; None with `early_stopping`.
    loss_curve_ : list of float
        The training loss of each epoch, each batch's taken before its update.
    validation_scores_, best_validation_score_ : list of float and float, or None
        The scores on the validation rows, and the best of them, where there are such rows.
    validation_loss_curve_ : list of float or None
        The loss on the validation rows after each epoch, without penalty.
    t_ : int
        Rows used for training, each as often as it was.
    coefs_, intercepts_ : lists of arrays
        For each layer the weights (inputs, outputs) and the biases (outputs,).
    normalization_ : dict
        Gains, shifts and statistics of the normalizations, named as in the derivation.
    restart_scores_ : list of float or None
        What each restart is judged by, higher being better; None for a single one.
    n_features_in_, feature_names_in_ : int and array of str
        The columns seen in `fit`; names where all columns have one.
    n_iter_, n_layers_, n_outputs_ : int
        Epochs run, layers with the input's, columns of the output.
    out_activation_ : str
        The activation of the output.

    Notes
    -----
    Sparse X is accepted everywhere. Training writes it out as a dense array, in memory up to 2 GiB and above that in a
    temporary file that is mapped into memory; prediction does so block by block.

    Callbacks of scikit-learn 1.9 see each epoch as a task, with an estimator that predicts as if `fit` had ended there,
    and may stop it.

    A fit that stops being finite raises `DivergenceError`, a ValueError. With `early_stopping`, or where only the loss
    grew beyond any scale, it warns with ConvergenceWarning instead, as scikit-learn does. The weights are those that
    scored best on the validation, or else those with which the epoch of the least loss began.

    Weights may be set: what is put into `coefs_` and `intercepts_`, as federated averaging does, is what predicts and
    what `partial_fit` and `warm_start` go on from.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), "tanh", learning_rate_init=0.01, tol=1e-3, max_iter=500, random_state=0)
    >>> model.fit(X, y).score(X, y) > 0.95
    True

    """

    class_weight: Any
    gamma: float
    label_smoothing: float
    output_activation: Any
    classes_: Any
    _labels: Labels

    _numeric_targets = False

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str | Callable[[Any], Any] | Sequence[str | Callable[[Any], Any]] = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int | str = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: Mapping[Any, float] | list[Mapping[Any, float]] | str | None = None,
        loss: str | Callable[[Any, Any], Any] = "log_loss",
        label_smoothing: float = 0.0,
        gamma: float = 2.0,
        output_activation: str | Callable[[Any], Any] | None = None,
        dropout: float | Sequence[float] = 0.0,
        weight_decay: float = 0.0,
        normalization: Literal["layer", "batch"] | None = None,
        clip_norm: float | None = None,
        validation_data: tuple[Any, ...] | None = None,
        scoring: str | Callable[..., float] | None = None,
        threads: int | None = None,
        dtype: str | None = None,
        n_restarts: int = 1,
        n_jobs: int | None = None,
    ) -> None:
        self._keep(locals())

    def predict(self, X: Any) -> Any:
        """The class of each row of `X` (rows, features); for a multilabel problem zeros and ones, (rows, labels)."""
        outputs = self._outputs(X)
        return self._labels.decode(outputs)

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class for the rows of `X`, of shape (rows, classes), in the order of `classes_`."""
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs

    def predict_log_proba(self, X: Any) -> Array:
        """The logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            logarithms: Array = np.log(self.predict_proba(X))
        return logarithms

    @available_if(MultilayerPerceptron._is_stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Train for one epoch on these rows, going on from where the last call stopped.

        `classes` lists all labels that will ever occur; the first call needs it. Raises ValueError where it is
        missing, and where labels or features are others than before.
        """
        if not hasattr(self, "classes_"):
            self._first_labels(y, classes)
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ParameterError(f"classes is {classes!r}; the first call to partial_fit had {self.classes_!r}")
        self._fit_one_epoch(X, y, sample_weight)
        return self

    def _prepare_for(self, outputs: int) -> None:
        if "_labels" in vars(self):
            return
        if not hasattr(self, "classes_"):
            raise ParameterError("coefs_ and intercepts_ were set by hand; set classes_, the labels in order, too")
        several = outputs > 1 and vars(self).get("out_activation_") == "logistic"
        self._labels = Labels(np.eye(outputs, dtype=int) if several else np.asarray(self.classes_))
        if not several and outputs != (1 if len(self.classes_) == 2 else len(self.classes_)):
            del self._labels
            raise ParameterError(
                f"classes_ has {len(self.classes_)} labels for {outputs} outputs; two classes take 1 output, and more "
                "one for each"
            )

    def _adopt(self, model: Model) -> None:
        self._labels = Labels(classes_of(model))
        self.classes_ = self._labels.classes

    def _first_labels(self, y: Any, classes: Any) -> None:
        if classes is None:
            raise ParameterError("the first call to partial_fit needs classes, a list of all labels there will be")
        self.classes_ = unique_labels(classes)
        self._labels = Labels(y if type_of_target(y).startswith("multilabel") else classes)

    def _read_targets(self, y: Any, incremental: bool) -> Array:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if hasattr(self, "classes_") and "_labels" not in vars(self):  # it was set by hand
            self._labels = Labels(np.asarray(self.classes_))
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self._labels = Labels(y)
            self.classes_ = self._labels.classes
        elif self.warm_start or not self._labels.holds(y):
            self._check_classes(unique_labels(y))
        if incremental and isinstance(self.class_weight, str):
            raise ParameterError(
                "class_weight 'balanced' needs all rows, and partial_fit sees a part of them; give a dict, such as "
                "compute_class_weight makes of all labels"
            )
        return self._labels.encode(y)

    def _read_held_targets(self, y: Any) -> Array:
        self._check_known(unique_labels(y))
        return self._labels.encode(y)

    def _check_classes(self, found: Array) -> None:
        if self.warm_start and set(found) != set(self.classes_):
            raise ParameterError(
                f"warm_start needs the same classes as in the last fit, {self.classes_}; y has {found}"
            )
        self._check_known(found)

    def _check_known(self, found: Array) -> None:
        unknown = np.setdiff1d(found, self.classes_, assume_unique=True)
        if len(unknown):
            raise ParameterError(f"y has the classes {unknown}, which are not among {self.classes_}")

    def _loss(self) -> Loss:
        return classification_loss(self.loss, self._labels.kind, self.label_smoothing, self.gamma)

    def _output_activation(self, loss: Loss) -> Any:
        if self.output_activation is not None or loss.output in ("softmax", "sigmoid"):
            return self.output_activation
        return "softmax" if self._labels.kind == "multiclass" else "sigmoid"

    def _width(self, loss: Loss, columns: int) -> int:
        return columns

    def _targets_for(self, loss: Loss, target: Array, dtype: str) -> Array:
        return target.argmax(axis=1) if loss.kind == "labels" else target.astype(dtype)

    def _labelled(self, target: Array) -> Any:
        return self._labels.decode(target.astype(float))

    def _target(self) -> Target | None:
        several = self._labels.kind == "multilabel-indicator"
        return None if several else class_target(self._target_name, self.classes_)

    def _judge(self, loss: Loss) -> Callable[[Array, Array, Array | None], float]:
        return Accuracy(self._labels.kind)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
