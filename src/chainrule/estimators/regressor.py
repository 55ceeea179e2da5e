"""`MLPRegressor`: a drop-in for scikit-learn's, with extensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chainrule.estimators.as_model import number_target
from chainrule.estimators.errors import ParameterError
from chainrule.estimators.judging import Quantiles, Variance
from chainrule.estimators.losses import regression_loss
from chainrule.estimators.perceptron import MultilayerPerceptron
from chainrule.estimators.scikit import Regressor, available_if, check_array, column_or_1d
from chainrule.estimators.scores import quantile_score
from chainrule.networks import Loss, Quantile
from chainrule.tables import Target

Array = NDArray[Any]


class MLPRegressor(Regressor, MultilayerPerceptron):
    """A multilayer perceptron regressor, trained in native code.

    A drop-in for `sklearn.neural_network.MLPRegressor`: parameters, methods, attributes and defaults are the same, and
    the same `random_state` gives the same network. The parameters from `quantile` on, and all losses but the first two,
    are extensions.

    There is one difference: for several outputs, scikit-learn reports the mean over them of half the squared error, but
    uses the gradient of their sum. Here `loss_`, `loss_curve_` and `best_loss_` are the sum, so they, and the scale of
    `tol` for the training loss, are larger by the number of outputs. The networks are the same, except with "lbfgs",
    whose line search requires that loss and gradient agree.

    Parameters
    ----------
    loss
        "squared_error"; "poisson", for counts; "gamma", for positive amounts; and "tweedie", for cases in between, all
        three with the output activation exp; "absolute_error"; "huber"; "log_cosh"; "quantile"; or a formula or NumPy
        function of prediction p and target y, such as "abs(p - y)^1.5". Losses of rows are averaged; a formula that
        sums over the batch, such as "sum((p - y)^2)", multiplies the effective learning rate by the batch size.
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
        Whether to hold out a fraction of the rows, stop by the score on them, and keep the weights with the best score.
    beta_1, beta_2, epsilon
        For "adam": the decay rates of the two moments, and the constant added to the denominator.
    max_fun
        For "lbfgs": the maximum number of loss evaluations.
    quantile
        For "quantile": the level between 0 and 1, or a list of levels, for which `predict` returns one column each.
    delta
        For "huber": the residual from which the loss grows linearly.
    power
        For "tweedie": the variance is the mean to this power; 1 is "poisson", 2 is "gamma".
    output_activation
        A name, a formula or a function that replaces the activation paired with the loss.
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
        The quantity monitored by early stopping: None for R², "loss" for the validation loss, the name of a scorer, or
        a function of (estimator, X, y).
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
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = MLPRegressor("quantile", (8,), quantile=[0.1, 0.9], learning_rate_init=0.05, max_iter=500, tol=0.01)
    >>> low, high = model.set_params(random_state=0).fit(10 * X, y).predict(10 * X).T
    >>> bool(0.7 < ((low < y) & (y < high)).mean() < 0.9)
    True

    """

    delta: float
    output_activation: Any
    power: float
    quantile: Any

    _numeric_targets = True

    def __init__(
        self,
        loss: str | Callable[[Any, Any], Any] = "squared_error",
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
        quantile: float | Sequence[float] = 0.5,
        delta: float = 1.0,
        power: float = 1.5,
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
        """Return the prediction for the rows of `X`, of shape (rows,), or (rows, outputs) if there are several."""
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R² of the prediction, averaged over outputs.

        For several quantiles, return the relative reduction of the pinball loss compared to constant quantiles,
        averaged.
        """
        levels = _several_levels(self._loss())
        if levels:
            return quantile_score(levels, np.asarray(y).reshape(-1, 1), self.predict(X), sample_weight)
        return super().score(X, y, sample_weight)

    @available_if(MultilayerPerceptron._is_stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train for one epoch on these rows, continuing from the last call.

        Raises ValueError if features or outputs differ from those before.
        """
        self._fit_one_epoch(X, y, sample_weight)
        return self

    def _read_targets(self, y: Any, incremental: bool) -> Array:
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        target: Array = y[:, None] if y.ndim == 1 else y
        return target

    def _read_held_targets(self, y: Any) -> Array:
        return self._read_targets(check_array(y, ensure_2d=False, dtype="numeric", input_name="y_val"), True)

    def _loss(self) -> Loss:
        return regression_loss(self.loss, self.quantile, self.delta, self.power)

    def _output_activation(self, loss: Loss) -> Any:
        return self.output_activation

    def _width(self, loss: Loss, columns: int) -> int:
        levels = _several_levels(loss)
        if levels and columns > 1:
            raise ParameterError(f"y has {columns} columns; several quantiles, {list(levels)}, are learnt of one")
        return len(levels) or columns

    def _targets_for(self, loss: Loss, target: Array, dtype: str) -> Array:
        return target.astype(dtype, copy=False)

    def _labelled(self, target: Array) -> Any:
        return target[:, 0] if target.shape[1] == 1 else target

    def _target(self) -> Target | None:
        return number_target(self._target_name) if self.n_outputs_ == 1 else None

    def _judge(self, loss: Loss) -> Callable[[Array, Array, Array | None], float]:
        levels = _several_levels(loss)
        return Quantiles(levels) if levels else Variance()


def _several_levels(loss: Loss) -> tuple[float, ...]:
    """Return the levels of a loss for several quantiles; empty for any other."""
    return loss.levels if isinstance(loss, Quantile) and len(loss.levels) > 1 else ()
