"""Multi-layer perceptrons of any depth, for regression and classification."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule import functions
from chainrule.deriving import Derivation
from chainrule.files import MODEL_FILES
from chainrule.networks.activations import OUTPUTS, ActivationLike
from chainrule.networks.architecture import Architecture
from chainrule.networks.derivation import network_derivation
from chainrule.networks.display import layers_html
from chainrule.networks.errors import NetworkError
from chainrule.networks.forward import loss_function, prediction_function
from chainrule.networks.gradient_flow import GradientReport, gradient_report
from chainrule.networks.losses import CrossEntropy, Loss
from chainrule.networks.prediction import check_finite
from chainrule.schema import COUNT, checked, one_of
from chainrule.training import LBFGS, SGD, Adam, FitResult, Optimizer, TrainingError, fit
from chainrule.words import Named, at_callers_line

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


_OUTPUTS: Final = {name: OUTPUTS[name] for name in LOSSES}
_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "squared": functions.mean_squared_error,
    "cross_entropy": functions.cross_entropy,
    "binary_cross_entropy": functions.binary_cross_entropy,
}
"""The functions by which losses can be given too."""


class MLP(Named):
    """A multi-layer perceptron with layers `a = f(a W + b)`.

    Parameters
    ----------
    sizes
        At least two widths, those of the input, of each hidden layer and of the output, such as `[4, 32, 3]`.
    activation
        The activation of the hidden layers: one of `ACTIVATIONS`, a formula in z such as `"z * sigmoid(z)"`, or a NumPy
        function such as `cr.relu`; or a list with one for each hidden layer.
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

    Raises NetworkError and TrainingError for invalid or inconsistent arguments.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> network = cr.MLP([2, 8, 1], activation="tanh", output="sigmoid", seed=0)
    >>> network
    <MLP 2 → 8 tanh → 1 sigmoid, loss binary_cross_entropy, 33 parameters>
    >>> result = network.fit(X, [0, 1, 1, 0], epochs=500)
    >>> network.predict(X)
    array([0, 1, 1, 0])

    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: ActivationLike | Sequence[ActivationLike] = "relu",
        output: str | Callable[[Any], Any] | None = None,
        loss: str | Callable[..., Any] | None = None,
        seed: int | None = None,
        dtype: str = "float64",
    ) -> None:
        if isinstance(sizes, int | np.integer) or not isinstance(sizes, Sequence | np.ndarray):
            raise NetworkError(f"sizes is {sizes!r}; give the widths of all layers in a list, as in MLP([2, 4, 1])")
        if len(sizes) < 2:
            raise NetworkError(f"sizes is {sizes!r}; give at least two widths, the input's and the output's")
        self.sizes = tuple(checked(f"sizes[{k}]", size, COUNT, TrainingError) for k, size in enumerate(sizes))
        loss = None if loss is None else checked("loss", _named(loss, _FUNCTIONS), one_of(*_OBJECTIVES), NetworkError)
        if output is None:
            output = next((name for name, natural in LOSSES.items() if natural == loss), "linear")
        self.output: str = checked("output", _named(output, _OUTPUTS), one_of(*LOSSES), NetworkError)
        self.loss: str = LOSSES[self.output] if loss is None else loss
        self._architecture = Architecture(
            self.sizes[0],
            self.sizes[1:-1],
            self.sizes[-1],
            activations=activation,
            output_activation=self.output,
            loss=_OBJECTIVES[self.loss],
            dtype=dtype,
        )
        self.params: dict[str, Array] = self._architecture.initial(seed)
        self._columns = True

    @property
    def activation(self) -> tuple[str, ...]:
        """The activation of each hidden layer, as its name, its formula, or `function NAME`."""
        return tuple(layer.name for layer in self._architecture.layers)

    @at_callers_line
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        epochs: int = 100,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        seed: int = 0,
        callback: Callable[[int, NDArray[np.float64]], object] | None = None,
        optimizer: Optimizer | LBFGS | str | None = None,
        *,
        validation: tuple[ArrayLike, ArrayLike] | None = None,
        patience: int | None = None,
        progress: bool | None = None,
    ) -> FitResult:
        """Train on `X` (rows, inputs) and `y` (rows, outputs).

        For the cross-entropy, y are integer labels (rows,), or a probability for each class. With one output, `y` may
        have the shape (rows,). The default optimizer is `Adam(0.01)`; a `learning_rate` without an optimizer selects
        plain gradient descent. Training continues from the current parameters; the columns of X should have mean 0 and
        standard deviation 1, approximately. `validation` is a tuple of further X and y; it, `patience`, `progress`, the
        callback and the result are as in `chainrule.fit`.

        Raises ShapeError for wrong shapes, TrainingError for settings that are not positive and non-finite data,
        NetworkError for a learning rate given with an optimizer.
        """
        if learning_rate is not None and optimizer is not None:
            raise NetworkError(
                f"learning_rate is {learning_rate!r} and an optimizer is given too; give the learning rate to the "
                "optimizer, as in Adam(0.001)"
            )
        if validation is not None and not (isinstance(validation, tuple | list) and len(validation) == 2):
            raise NetworkError(
                f"validation is a {type(validation).__name__}; give a tuple of further rows, as in (X, y)"
            )
        data = self._rows(X, y)
        self._columns = np.ndim(y) > 1
        result = fit(
            self.loss_function,
            params=self.params,
            data=data,
            optimizer=optimizer or (Adam(0.01) if learning_rate is None else SGD(learning_rate)),
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            callback=callback,
            validation=None if validation is None else self._rows(*validation),
            patience=patience,
            progress=progress,
        )
        self.params = result.params
        return result

    @at_callers_line
    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return predictions for `X` (rows, inputs).

        After the cross-entropies these are classes: with softmax the number of the likeliest, of shape (rows,), and
        with sigmoid 0 or 1 for each output. Other losses predict the output. Except for softmax the shape is
        (rows, outputs), or (rows,) if the y of the last `fit` had this shape.

        Raises ShapeError for a wrong shape, NetworkError for data that are not numeric, and for a row whose numbers
        overflow.
        """
        outputs = self._outputs(X)
        if self.loss == "cross_entropy":
            return np.argmax(outputs, axis=1)
        predicted = (outputs > 0.5).astype(np.int64) if self.loss == "binary_cross_entropy" else outputs
        return predicted if self._columns or self.sizes[-1] > 1 else predicted[:, 0]

    @at_callers_line
    def predict_proba(self, X: ArrayLike) -> NDArray[np.floating[Any]]:
        """Return the probability of each class (rows, outputs) for `X` (rows, inputs); with sigmoid, that of 1.

        Raises NetworkError for the loss `"squared"`, which has no classes, and what `predict` raises.
        """
        if self.loss == "squared":
            raise NetworkError(
                "the loss 'squared' has no classes and no probabilities; use predict, or loss='cross_entropy'"
            )
        return self._outputs(X)

    def _outputs(self, X: Any) -> NDArray[np.floating[Any]]:
        """Return the output of the network (rows, outputs)."""
        X = self._checked_input(X)
        with np.errstate(over="ignore", invalid="ignore"):
            outputs: NDArray[np.floating[Any]] = prediction_function(self._architecture)(X, **self.params)
        check_finite(outputs, X)
        return outputs

    def derive(self) -> Derivation:
        """Derive the gradients of the loss for `n` rows, in this network's widths.

        >>> print(MLP([2, 3, 1], seed=0).derive().text(detail="brief"))  # doctest: +ELLIPSIS
        Backward pass of L
        ...
        """
        return network_derivation(self._architecture)

    @at_callers_line
    def gradient_report(self, X: ArrayLike, y: ArrayLike) -> GradientReport:
        """Report whether gradients vanish or explode in the network in its current state, where, and why.

        Uses at most the first 1,000 rows; raises as `fit` does for wrong shapes.

        >>> MLP([2, 8, 8, 1], seed=0).gradient_report(np.eye(2), [0.0, 1.0]).status
        'healthy'
        """
        return gradient_report(self.loss_function, self.params, self._rows(X, y))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to `path`, as `save_model` does: for `load`, for `load_model`, and for the command line."""
        MODEL_FILES["save"](path, self)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a network from a file written by `save`.

        Raises ModelError if it cannot be read, NetworkError if it holds another kind of network or a table's model,
        which `load_model` reads.

        >>> import os, tempfile
        >>> network = MLP([2, 3, 1], seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     network.save(os.path.join(folder, "network"))
        ...     again = MLP.load(os.path.join(folder, "network"))
        >>> bool((again.predict(np.eye(2)) == network.predict(np.eye(2))).all())
        True
        """
        model = MODEL_FILES["load"](path)
        made = None if model.preprocessing or model.target else cls._of(model.network())
        if made is None:
            raise NetworkError(f"{os.fspath(path)} holds a model that is not an MLP; read it with cr.load_model")
        made.params = dict(model.params)
        return made

    @classmethod
    def _of(cls, network: Architecture) -> Self | None:
        """Return an untrained network of this architecture; None if it has other settings than an MLP."""
        if network.loss.name not in _OBJECTIVES or network.output.name not in LOSSES:
            return None
        names = [layer.name for layer in network.layers]
        made = cls(network.widths, names, network.output.name, network.loss.name, dtype=network.dtype)
        return made if made.architecture.describe() == network.describe() else None

    @property
    def architecture(self) -> Architecture:
        """The network with its loss, as used by `train` and models."""
        return replace(self._architecture, loss=self.loss)

    @property
    def loss_function(self) -> Callable[..., Any]:
        """Return the loss as a NumPy function of `X`, `y`, `W1`, `b1`, …, to derive, differentiate or fit."""
        return loss_function(self._architecture)

    def _rows(self, X: Any, y: Any) -> Mapping[str, Array]:
        rows = self._checked_input(X)
        return {"X": rows, "y": self._architecture.checked_target(y, len(rows))}

    def _checked_input(self, X: Any) -> Array:
        return self._architecture.checked_input(X).astype(self.params["W1"].dtype, copy=False)

    def __repr__(self) -> str:
        layers = zip(self.sizes[1:], (*self.activation, self.output), strict=True)
        text = " → ".join([f"{self.sizes[0]}", *(f"{size} {name}" for size, name in layers)])
        count = sum(array.size for array in self.params.values())
        return f"<MLP {text}, loss {self.loss}, {count:,} parameters>"

    def _repr_html_(self) -> str:
        return layers_html(repr(self)[1:-1], self.params, (*self.activation, self.output))


def _named(given: Any, known: Mapping[str, Callable[..., Any]]) -> Any:
    """Return the name of a function in `known`; anything else unchanged."""
    return next((name for name, function in known.items() if given is function), given)
