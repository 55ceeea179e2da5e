"""Multi-layer perceptrons of any depth, for regression and classification."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from chainrule import functions
from chainrule.networks.activations import ACTIVATIONS
from chainrule.networks.architecture import Architecture
from chainrule.networks.errors import NetworkError
from chainrule.networks.forward import loss_function, prediction_function
from chainrule.networks.losses import CrossEntropy, Loss
from chainrule.networks.prediction import check_finite
from chainrule.schema import COUNT, checked, one_of
from chainrule.training import LBFGS, SGD, Adam, FitResult, Optimizer, TrainingError, fit

Array = NDArray[Any]

LOSSES: Final = {"linear": "squared", "sigmoid": "binary_cross_entropy", "softmax": "cross_entropy"}
"""The loss paired with each output."""


@dataclass(frozen=True)
class _MeanSquared(Loss):
    """The mean of (p − y)² over rows and outputs."""

    name: ClassVar[str] = "mean_squared"

    def after(self, p: Any, y: Any) -> Any:
        return functions.mean_squared_error(p, y)


@dataclass(frozen=True)
class _MeanBinaryCrossEntropy(Loss):
    """The mean of the binary cross-entropies over rows and outputs."""

    name: ClassVar[str] = "mean_binary_cross_entropy"
    output: ClassVar[str] = "sigmoid"

    def before(self, z: Any, y: Any) -> Any:
        return functions.binary_cross_entropy(z, y)

    def after(self, p: Any, y: Any) -> Any:
        return self.before(np.log(p) - np.log1p(-p), y)


_OBJECTIVES: Final[dict[str, Loss]] = {
    "squared": _MeanSquared(),
    "cross_entropy": CrossEntropy(),
    "binary_cross_entropy": _MeanBinaryCrossEntropy(),
}


class MLP:
    """A multi-layer perceptron with layers `a = f(a W + b)`.

    Parameters
    ----------
    sizes
        At least two widths, those of the input, of each hidden layer and of the output, such as `[4, 32, 3]`.
    activation
        The activation of the hidden layers, one of `ACTIVATIONS`, or a list with one for each hidden layer.
    output
        `"linear"`, `"sigmoid"` or `"softmax"`. None selects the one paired with `loss`, or `"linear"`.
    loss
        `"squared"`, the mean of (prediction − y)²; `"cross_entropy"`, for softmax and integer labels; or
        `"binary_cross_entropy"`, for sigmoid and y from 0 to 1. The last two are computed from the logits, without
        overflow. None selects the one paired with `output`.
    seed
        Seed of the initial weights: normal, with variance 2 / inputs before a rectifier (He et al. 2015, equation 10),
        else 2 / (inputs + outputs) (Glorot and Bengio 2010, equation 12). Biases begin at zero.
    dtype
        `"float64"` or `"float32"`.

    Attributes
    ----------
    params : dict
        `W1` of shape (inputs, outputs), `b1` of shape (outputs,), and so on.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 40)[:, None]
    >>> network = cr.MLP([1, 8, 1], "tanh", seed=0)
    >>> result = network.fit(X, X**2, epochs=300)
    >>> result.history["loss"][-1] < 0.01
    np.True_
    >>> network.predict(X).shape
    (40, 1)
    >>> cr.derive(network.loss_function, X="n 1", y="n 1", W1="1 h", b1="h", W2="h 1", b2="1").verify().ok
    True

    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: str | Sequence[str] = "relu",
        output: str | None = None,
        loss: str | None = None,
        seed: int | None = None,
        dtype: str = "float64",
    ) -> None:
        if len(sizes) < 2:
            raise NetworkError(f"sizes is {sizes!r}; give at least two widths, the input's and the output's")
        self.sizes = tuple(checked(f"sizes[{k}]", size, COUNT, TrainingError) for k, size in enumerate(sizes))
        depth = len(self.sizes) - 1
        names = [activation] * (depth - 1) if isinstance(activation, str) else list(activation)
        if len(names) != depth - 1:
            raise NetworkError(f"activation has {len(names)} entries for {depth - 1} hidden layers; give one for each")
        self.activation = tuple(checked("activation", name, one_of(*ACTIVATIONS), NetworkError) for name in names)
        if output is None:
            output = next((name for name, natural in LOSSES.items() if natural == loss), "linear")
        self.output = checked("output", output, one_of(*LOSSES), NetworkError)
        self.loss = checked("loss", LOSSES[self.output] if loss is None else loss, one_of(*_OBJECTIVES), NetworkError)
        self._architecture = Architecture(
            self.sizes[0],
            self.sizes[1:-1],
            self.sizes[-1],
            activations=self.activation,
            output_activation=self.output,
            loss=_OBJECTIVES[self.loss],
            dtype=dtype,
        )
        self.params: dict[str, Array] = self._architecture.initial(seed)

    def fit(
        self,
        X: Any,
        y: Any,
        epochs: int = 100,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        seed: int = 0,
        callback: Callable[[int, NDArray[np.float64]], object] | None = None,
        optimizer: Optimizer | LBFGS | None = None,
    ) -> FitResult:
        """Train on `X` (rows, inputs) and `y` (rows, outputs).

        For the cross-entropy, y are integer labels (rows,), or a probability for each class. With one output, `y` may
        have the shape (rows,). The default optimizer is `Adam(0.01)`; a `learning_rate` without an optimizer selects
        plain gradient descent. Training continues from the current parameters; the columns of X should have mean 0 and
        standard deviation 1, approximately. The callback and the result are as in `chainrule.fit`.

        Raises ShapeError for wrong shapes, TrainingError for settings that are not positive and non-finite data,
        NetworkError for a learning rate given with an optimizer.
        """
        if learning_rate is not None and optimizer is not None:
            raise NetworkError(
                f"learning_rate is {learning_rate!r} and an optimizer is given too; give the learning rate to the "
                "optimizer, as in Adam(0.001)"
            )
        X = self._checked_input(X)
        y = self._architecture.checked_target(y, len(X))
        result = fit(
            self.loss_function,
            params=self.params,
            data={"X": X, "y": y},
            optimizer=optimizer or (Adam(0.01) if learning_rate is None else SGD(learning_rate)),
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            callback=callback,
        )
        self.params = result.params
        return result

    def predict(self, X: Any) -> Array:
        """Return the output for `X` (rows, inputs): values, or probabilities; of shape (rows, outputs).

        Raises ShapeError for a wrong shape, NetworkError for data that are not numeric, and for a row whose numbers
        overflow.
        """
        X = self._checked_input(X)
        with np.errstate(over="ignore", invalid="ignore"):
            predicted: Array = prediction_function(self._architecture)(X, **self.params)
        check_finite(predicted, X)
        return predicted

    @property
    def architecture(self) -> Architecture:
        """The network with its loss, as used by `train` and models."""
        return replace(self._architecture, loss=self.loss)

    @property
    def loss_function(self) -> Callable[..., Any]:
        """Return the loss as a NumPy function of `X`, `y`, `W1`, `b1`, …, to derive, differentiate or fit."""
        return loss_function(self._architecture)

    def _checked_input(self, X: Any) -> Array:
        return self._architecture.checked_input(X).astype(self.params["W1"].dtype, copy=False)
