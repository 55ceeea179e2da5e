"""Multi-layer perceptrons of any depth, for regression and classification."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule import functions
from chainrule.ir import ChainruleError, ShapeError
from chainrule.training import LBFGS, SGD, FitResult, Optimizer, fit, positive_integer

Array = NDArray[Any]
Activation = Callable[[Any], Any]


class NetworkError(ChainruleError, ValueError):
    """A network was asked for with sizes or names that do not fit together."""


ACTIVATIONS: Final[Mapping[str, Activation]] = {
    "relu": functions.relu,
    "tanh": np.tanh,
    "sigmoid": functions.sigmoid,
    "gelu": functions.gelu,
    "silu": functions.silu,
    "elu": functions.elu,
    "leaky_relu": functions.leaky_relu,
    "softplus": functions.softplus,
    "linear": lambda x: x,
}
OUTPUTS: Final[Mapping[str, Activation]] = {
    "linear": ACTIVATIONS["linear"],
    "sigmoid": functions.sigmoid,
    "softmax": functions.softmax,
}
LOSSES: Final = {"linear": "squared", "sigmoid": "binary_cross_entropy", "softmax": "cross_entropy"}
"""The loss that belongs to each output."""

_BY_POSITION_OR_NAME: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD


class MLP:
    """Layers `a = f(a W + b)`; `sizes` has the width of the input, of each hidden layer, and of the output.

    Parameters
    ----------
    sizes
        At least two widths, such as `[4, 32, 3]`.
    hidden
        The activation of the hidden layers, one of `ACTIVATIONS`, or a list with one for each hidden layer.
    output
        `"linear"`, `"sigmoid"` or `"softmax"`. None takes the one that belongs to `loss`, or `"linear"`.
    loss
        `"squared"`, the mean of (prediction − y)²; `"cross_entropy"`, for softmax and integer labels; or
        `"binary_cross_entropy"`, for sigmoid and y from 0 to 1. The last two are computed from the values before the
        output's activation, so that nothing overflows. None takes the one that belongs to `output`.
    seed
        Draws the initial weights: normal, with variance 2 / inputs before a rectifier (He et al. 2015, equation 10),
        else 2 / (inputs + outputs) (Glorot and Bengio 2010, equation 12). Biases begin at zero.
    dtype
        `"float64"` or `"float32"`.

    Attributes
    ----------
    parameters : dict
        `W1` of shape (inputs, outputs), `b1` of shape (outputs,), and so on.

    """

    def __init__(
        self,
        sizes: Sequence[int],
        hidden: str | Sequence[str] = "relu",
        output: str | None = None,
        loss: str | None = None,
        seed: int | None = None,
        dtype: str = "float64",
    ) -> None:
        if len(sizes) < 2:
            raise NetworkError(f"sizes is {sizes!r}; give at least two widths, the input's and the output's")
        self.sizes = tuple(positive_integer(f"sizes[{k}]", size) for k, size in enumerate(sizes))
        depth = len(self.sizes) - 1
        names = [hidden] * (depth - 1) if isinstance(hidden, str) else list(hidden)
        if len(names) != depth - 1:
            raise NetworkError(
                f"hidden names {len(names)} activations for {depth - 1} hidden layers; give one for each"
            )
        self.hidden = tuple(_choice("hidden", name, ACTIVATIONS) for name in names)
        if output is None:
            output = next((name for name, natural in LOSSES.items() if natural == loss), "linear")
        self.output = _choice("output", output, OUTPUTS)
        self.loss = _checked_loss(self.output, LOSSES[self.output] if loss is None else loss)
        if dtype not in ("float64", "float32"):
            raise NetworkError(f"dtype is {dtype!r}; it can be 'float64' or 'float32'")
        self.parameters: dict[str, Array] = self._drawn(np.random.default_rng(seed), np.dtype(dtype))

    def fit(
        self,
        X: Any,
        y: Any,
        epochs: int = 100,
        rate: float | None = None,
        batch_size: int | None = None,
        seed: int = 0,
        callback: Callable[[int, NDArray[np.float64]], None] | None = None,
        optimizer: Optimizer | LBFGS | None = None,
    ) -> FitResult:
        """Train on `X` (rows, inputs) and `y`: integer labels (rows,) for the cross-entropy, else (rows, outputs).

        With one output, `y` of shape (rows,) does too. `rate` is that of gradient descent, 0.1 where it is None;
        another `optimizer` has a rate of its own.

        Raises ShapeError for other shapes, TrainingError for settings that are not positive and data that are not
        finite, NetworkError for a rate beside an optimizer.
        """
        if rate is not None and optimizer is not None:
            raise NetworkError(
                f"rate is {rate!r} beside an optimizer; give the rate to the optimizer, as in Adam(0.001)"
            )
        X, y = self._checked(X, y)
        result = fit(
            self.loss_function,
            params=self.parameters,
            data={"X": X, "y": y},
            optimizer=optimizer or SGD(0.1 if rate is None else rate),
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            callback=callback,
        )
        self.parameters = result.params
        return result

    def predict(self, X: Any) -> Array:
        """The output for `X` (rows, inputs): values, or probabilities; of shape (rows, outputs)."""
        X = self._checked_input(X)
        predicted: Array = OUTPUTS[self.output](_logits(X, self.parameters, self.hidden))
        return predicted

    @property
    def loss_function(self) -> Callable[..., Any]:
        """The loss as a NumPy function of `X`, `y`, `W1`, `b1`, …, to derive, to differentiate or to fit."""
        parameters = [inspect.Parameter(name, _BY_POSITION_OR_NAME) for name in ("X", "y", *self.parameters)]
        signature = inspect.Signature(parameters)

        def loss(*args: Any, **kwargs: Any) -> Any:
            given = signature.bind(*args, **kwargs).arguments
            z = _logits(given["X"], given, self.hidden)
            if self.loss == "cross_entropy":
                return functions.cross_entropy(z, given["y"])
            if self.loss == "binary_cross_entropy":
                return functions.binary_cross_entropy(z, given["y"])
            p = OUTPUTS[self.output](z)
            return functions.mean_squared_error(p, given["y"])

        vars(loss)["__signature__"] = signature
        return loss

    def _drawn(self, random: np.random.Generator, dtype: np.dtype[Any]) -> dict[str, Array]:
        drawn: dict[str, Array] = {}
        for k, (inputs, outputs) in enumerate(zip(self.sizes, self.sizes[1:], strict=False), start=1):
            rectified = k <= len(self.hidden) and self.hidden[k - 1] in ("relu", "leaky_relu", "elu", "gelu", "silu")
            variance = 2 / inputs if rectified else 2 / (inputs + outputs)
            drawn[f"W{k}"] = (random.standard_normal((inputs, outputs)) * np.sqrt(variance)).astype(dtype)
            drawn[f"b{k}"] = np.zeros(outputs, dtype)
        return drawn

    def _checked_input(self, X: Any) -> Array:
        rows: Array = np.asarray(X)
        if rows.ndim != 2 or rows.shape[1] != self.sizes[0]:
            raise ShapeError(
                f"X has the shape {rows.shape}; this network takes (rows, {self.sizes[0]}), one row for each sample"
            )
        if rows.dtype.kind not in "fiub":
            raise NetworkError(f"X holds {rows.dtype}; give numbers")
        return rows.astype(self.parameters["W1"].dtype, copy=False)

    def _checked(self, X: Any, y: Any) -> tuple[Array, Array]:
        X, y = self._checked_input(X), np.asarray(y)
        if self.loss == "cross_entropy":
            if y.shape != (len(X),) or y.dtype.kind not in "iu":
                raise ShapeError(
                    f"y has the shape {y.shape} and holds {y.dtype}; cross_entropy takes integer labels of shape "
                    f"({len(X)},), one for each row of X"
                )
            if y.size and not (y.min() >= 0 and y.max() < self.sizes[-1]):
                raise NetworkError(
                    f"y has labels from {y.min()} to {y.max()}; a network with {self.sizes[-1]} outputs takes 0 to "
                    f"{self.sizes[-1] - 1}"
                )
            return X, y
        if y.shape == (len(X),) and self.sizes[-1] == 1:
            y = y[:, None]
        if y.shape != (len(X), self.sizes[-1]):
            raise ShapeError(
                f"y has the shape {y.shape}; it should be ({len(X)}, {self.sizes[-1]}), one row for each row of X"
            )
        if y.dtype.kind not in "fiub":
            raise NetworkError(f"y holds {y.dtype}; give numbers")
        return X, y.astype(X.dtype, copy=False)


def _logits(X: Any, parameters: Mapping[str, Any], hidden: Sequence[str]) -> Any:
    """The values before the output's activation; `hidden` are the activations of the other layers."""
    a = X
    for k, name in enumerate(hidden, start=1):
        z = a @ parameters[f"W{k}"] + parameters[f"b{k}"]
        a = ACTIVATIONS[name](z)
    last = len(hidden) + 1
    z = a @ parameters[f"W{last}"] + parameters[f"b{last}"]
    return z  # noqa: RET504  # the name is shown in derivations


def _choice(what: str, name: object, known: Mapping[str, Any]) -> str:
    if name not in known or not isinstance(name, str):
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it can be {', '.join(known)}"
        raise NetworkError(f"{what} is {name!r}; {hint}")
    return name


def _checked_loss(output: str, loss: str) -> str:
    known = {"squared": None, "cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}
    needed = known[_choice("loss", loss, known)]
    if needed is not None and output != needed:
        raise NetworkError(f"the loss {loss} belongs to the output {needed!r}, not {output!r}")
    return loss
