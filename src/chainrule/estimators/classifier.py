"""`MLPClassifier`: a drop-in for scikit-learn's, with extensions."""

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
    """A multilayer perceptron classifier, trained in native code.

    A drop-in for `sklearn.neural_network.MLPClassifier`: parameters, methods, attributes and defaults are the same, and
    the same `random_state` gives the same network. The parameters from `class_weight` on are extensions.

    Parameters
    ----------
    hidden_layer_sizes
        The width of each hidden layer; a number stands for one layer, `()` for none, which is a linear model.
    activation
        The activation of the hidden layers: "identity", "logistic", "tanh" or "relu"; also "gelu", "silu", "elu",
        "selu", "mish", "leaky_relu", "softplus" or "softsign", a formula in z such as "z * sigmoid(1.7 * z)", or a
        NumPy function. A list has one entry per hidden layer.
    solver
        "adam"; "sgd", gradient descent with momentum; or "lbfgs", which uses all rows at once.
    alpha
        λ in the penalty `½ λ Σ W² / n` on the weights, n being the rows of the batch, or the sum of their weights.
    batch_size
        Rows in a batch; "auto" is 200, or all where there are fewer.
    learning_rate
        For "sgd": "constant"; "invscaling", `learning_rate_init / t^power_t` with t the number of rows used so far;
        "adaptive", which divides the learning rate by 5 instead of stopping, until it is at most 10⁻⁶.
    learning_rate_init, power_t
        The initial learning rate, and the exponent of "invscaling".
    max_iter
        Maximum number of epochs; for "lbfgs", of iterations.
    shuffle
        Whether to shuffle the rows in each epoch.
    random_state
        A seed, a RandomState, or None, for initial weights, held-out rows and row orders, drawn as in scikit-learn.
    tol, n_iter_no_change
        Training ends after more than `n_iter_no_change` consecutive epochs without an improvement of at least `tol` in
        the training loss, or with `early_stopping` in the validation score.
    verbose
        True prints a line per epoch; "progress" shows a progress bar with the loss and the remaining time.
    warm_start
        Whether `fit` starts from the weights of the last `fit`.
    momentum, nesterovs_momentum
        For "sgd": the momentum, and whether to use Nesterov's.
    early_stopping, validation_fraction
        Whether to hold out a fraction of the rows, stratified for two classes, stop by the score on them, and keep the
        weights with the best score.
    beta_1, beta_2, epsilon
        For "adam": the decay rates of the two moments, and the constant added to the denominator.
    max_fun
        For "lbfgs": the maximum number of loss evaluations.
    class_weight
        The weight of each class, `{label: weight}`; or "balanced", inversely proportional to the class frequencies. It
        multiplies `sample_weight`. For a multilabel problem, a list of one dict per label.
    loss
        "log_loss", the cross-entropy; "focal" (Lin et al. 2017); or a formula or NumPy function of prediction p, the
        probabilities, and target y, zeros and ones, such as "(p - y)^2".
    label_smoothing
        For "log_loss": the fraction of each target that is distributed over all classes.
    gamma
        For "focal": the exponent of `1 − p`.
    output_activation
        A name, a formula or a function that replaces softmax or the logistic function; for custom losses.
    dropout
        The probability of dropping a hidden unit in an update; a list has one entry per hidden layer.
    weight_decay
        λ of decoupled weight decay, `W ← (1 − learning_rate · λ) W` (Loshchilov and Hutter 2019).
    normalization
        "layer" (Ba et al. 2016) or "batch" (Ioffe and Szegedy 2015), before each hidden activation.
    clip_norm
        The maximum global norm of the gradients.
    validation_data
        (X, y) or (X, y, sample_weight): validation rows to use instead of held-out ones, also for `early_stopping`. In
        a pipeline, pass them to `fit` as X_val and y_val.
    scoring
        The quantity monitored by early stopping: None for accuracy, "loss" for the validation loss, the name of a
        scorer, or a function of (estimator, X, y).
    threads
        The maximum number of threads of one fit. None selects OMP_NUM_THREADS if it is set, as in workers of joblib,
        Dask and Ray, and otherwise lets the engine choose. The result does not depend on it.
    engine
        "native"; "xla", which trains through JAX on its devices (GPUs, TPUs or CPUs) and takes no `threads`; or "auto",
        which is "xla" where JAX finds a GPU or TPU or several processes were launched, else "native".
    dtype
        "float64" or "float32"; None selects that of X if it is one of these, else float64.
    n_restarts
        The number of networks to train in parallel from different initial weights. The best one is kept, by validation
        score if there is one, else by loss. The first is the one that a single fit trains.
    n_jobs
        The number of restarts trained concurrently, in threads; None means the number of processors, or the setting of
        `joblib.parallel_config`, whose backend is used, including clusters.

    Attributes
    ----------
    classes_ : array or list
        The class labels, in the order of the columns of `predict_proba`.
    loss_ : float
        The loss of the last epoch.
    best_loss_ : float or None
        The lowest loss of an epoch; None with `early_stopping`.
    loss_curve_ : list of float
        The training loss of each epoch, computed for each batch before its update.
    validation_scores_, best_validation_score_ : list of float and float, or None
        The scores on the validation rows and their maximum, if there are such rows.
    validation_loss_curve_ : list of float or None
        The loss on the validation rows after each epoch, without penalty.
    t_ : int
        The number of rows used for training, counting repetitions.
    coefs_, intercepts_ : lists of arrays
        For each layer the weights (inputs, outputs) and the biases (outputs,).
    normalization_ : dict
        Gains, shifts and statistics of the normalizations, named as in the derivation.
    restart_scores_ : list of float or None
        The score of each restart, higher is better; None for a single one.
    n_features_in_, feature_names_in_ : int and array of str
        The number of columns seen in `fit`, and their names if all are named.
    n_iter_, n_layers_, n_outputs_ : int
        The number of epochs, of layers including the input, and of output columns.
    out_activation_ : str
        The activation of the output.

    Notes
    -----
    Sparse X is accepted everywhere. Training converts it to a dense array, in memory up to 2 GiB and otherwise in a
    memory-mapped temporary file; prediction does so block by block.

    Callbacks of scikit-learn 1.9 receive each epoch as a task, with an estimator that predicts as if `fit` had ended
    there, and may stop training.

    A fit with non-finite values raises `DivergenceError`, a ValueError. With `early_stopping`, or if the loss only grew
    out of proportion, it warns with ConvergenceWarning instead, as scikit-learn does. The weights are those with the
    best validation score, or else those at the beginning of the epoch with the lowest loss.

    Weights may be assigned, for example in federated averaging: `coefs_` and `intercepts_` determine predictions, and
    `partial_fit` and `warm_start` continue from them.

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
        engine: Literal["native", "xla", "auto"] = "native",
        dtype: str | None = None,
        n_restarts: int = 1,
        n_jobs: int | None = None,
    ) -> None:
        self._keep(locals())

    def predict(self, X: Any) -> Array:
        """Return the class of each row of `X` (rows, features); for a multilabel problem zeros and ones.

        The result is sparse if the `y` of the fit was.
        """
        outputs = self._outputs(X)
        classes: Array = self._labels.decode(outputs)
        return classes

    def predict_proba(self, X: Any) -> Array:
        """Return class probabilities, of shape (rows, classes), in the order of `classes_`."""
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):
            logarithms: Array = np.log(self.predict_proba(X))
        return logarithms

    @available_if(MultilayerPerceptron._is_stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Train for one epoch on these rows, continuing from the last call.

        `classes` lists all labels that will ever occur; the first call requires it. Raises ValueError if it is missing,
        or if labels or features differ from those before.
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
        if hasattr(self, "classes_") and "_labels" not in vars(self):  # it was assigned
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
