"""`MLPRegressor`: scikit-learn's estimator of that name, and what its users have asked it for."""

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
    """A multilayer perceptron that predicts numbers, trained in native code.

    A drop-in for `sklearn.neural_network.MLPRegressor`: parameters, methods, attributes and defaults are the same, and
    the same `random_state` gives the same network. The parameters from `quantile` on are this package's own, as are
    the losses but the first two.

    The one difference: for several outputs, scikit-learn reports the mean over them of half the squared error, and
    follows the gradient of their sum. Here `loss_`, `loss_curve_` and `best_loss_` are the sum, whose gradient it is,
    so that they are as many times larger as there are outputs, and so is the `tol` that the training loss is measured
    by. The networks are the same, but for "lbfgs", whose search needs the two to agree.

    Parameters
    ----------
    loss
        "squared_error"; "poisson", for counts; "gamma", for amounts above 0, and "tweedie", for what lies between, all
        three with exp as the output's activation; "absolute_error"; "huber"; "log_cosh"; "quantile"; or a formula or
        NumPy function of prediction p and target y, such as "abs(p - y)^1.5". Values of rows are averaged; a formula
        that sums over a batch itself, as "sum((p - y)^2)" does, takes as many times the rate as a batch has rows.
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
        Whether to hold out a share of the rows to stop by the score on them, and to keep the weights that scored best.
    beta_1, beta_2, epsilon
        For "adam": the decay of the two running means, and what is added to the root of the second.
    max_fun
        For "lbfgs": the most evaluations of the loss.
    quantile
        For "quantile": the level between 0 and 1, or a list of levels, for each of which `predict` has a column.
    delta
        For "huber": the residual from which the loss grows linearly.
    power
        For "tweedie": the variance is the mean to this power; 1 is "poisson", 2 is "gamma".
    output_activation
        A name, a formula or a function in the place of the one that belongs to the loss.
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
        What early stopping watches: None for R², "loss" for the validation loss, the name of a scorer, or a function
        of (estimator, X, y).
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
        dtype: str | None = None,
        n_restarts: int = 1,
        n_jobs: int | None = None,
    ) -> None:
        self._keep(locals())

    def predict(self, X: Any) -> Array:
        """The prediction for the rows of `X`, of shape (rows,), or (rows, outputs) where there are several."""
        outputs = self._outputs(X)
        return outputs[:, 0] if outputs.shape[1] == 1 else outputs

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of the prediction, averaged over outputs.

        For several quantiles it is the share of the pinball loss that they save over constant ones, averaged.
        """
        levels = _several_levels(self._loss())
        if levels:
            return quantile_score(levels, np.asarray(y).reshape(-1, 1), self.predict(X), sample_weight)
        return super().score(X, y, sample_weight)

    @available_if(MultilayerPerceptron._is_stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Train for one epoch on these rows, going on from where the last call stopped.

        Raises ValueError where features or outputs are others than before.
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
    """The levels of a loss for several quantiles; of any other none."""
    return loss.levels if isinstance(loss, Quantile) and len(loss.levels) > 1 else ()
