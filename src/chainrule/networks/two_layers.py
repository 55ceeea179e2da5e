"""The two-layer network commonly used to explain backpropagation."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.functions import sigmoid
from chainrule.ir import Program, ShapeError, refuse_subclass
from chainrule.networks.architecture import Architecture
from chainrule.networks.display import layers_html
from chainrule.schema import COUNT, checked
from chainrule.trace import trace
from chainrule.training import SGD, FitResult, TrainingError, fit
from chainrule.words import Named, at_callers_line

Array = NDArray[np.float64]


def two_layer_loss(X: Any, y: Any, W1: Any, b1: Any, W2: Any, b2: Any) -> Any:
    """The loss ½ Σ (a2 − y)², summed over the rows of `X`; its gradients are derived from this code."""
    z1 = X @ W1 + b1
    a1 = sigmoid(z1)
    z2 = a1 @ W2 + b2
    a2 = sigmoid(z2)
    return 0.5 * np.sum((a2 - y) ** 2)


@cache
def two_layer_program() -> Program:
    """Trace the loss for symbolic sizes: n rows, d inputs, h hidden units, o outputs."""
    shapes = {"X": "n d", "y": "n o", "W1": "d h", "b1": "1 h", "W2": "h o", "b2": "1 o"}
    return trace(two_layer_loss, **shapes)


class NeuralNetwork(Named):
    """A network of two linear layers with logistic activations σ, trained by gradient descent on ½ Σ (a2 − y)².

    Weights are standard normal draws from `RandomState(seed)`, those of the hidden layer first; biases begin at zero.
    Raises TrainingError for a size that is not a positive whole number.

    Attributes
    ----------
    weights_input_hidden, weights_hidden_output : arrays of shape (input, hidden) and (hidden, output)
    bias_hidden, bias_output : arrays of shape (1, hidden) and (1, output)
    loss_history : array
        The mean squared error at the start of each epoch that `train` has run, over all its calls.

    Examples
    --------
    >>> import chainrule as cr
    >>> import numpy as np
    >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([[0], [1], [1], [0]])
    >>> network = cr.NeuralNetwork(2, 4, 1, seed=0)
    >>> network.train(X, y, epochs=5000, learning_rate=0.5, report_every=None)
    >>> network.feedforward(X).round().astype(int).ravel()
    array([0, 1, 1, 0])

    """

    def __init__(self, input_size: int, hidden_size: int, output_size: int, seed: int | None = None) -> None:
        self.input_size = checked("input_size", input_size, COUNT, TrainingError)
        self.hidden_size = checked("hidden_size", hidden_size, COUNT, TrainingError)
        self.output_size = checked("output_size", output_size, COUNT, TrainingError)
        random = np.random.RandomState(seed)
        self.weights_input_hidden: Array = random.randn(self.input_size, self.hidden_size)
        self.weights_hidden_output: Array = random.randn(self.hidden_size, self.output_size)
        self.bias_hidden: Array = np.zeros((1, self.hidden_size))
        self.bias_output: Array = np.zeros((1, self.output_size))
        self.loss_history: Array = np.empty(0)

    @property
    def architecture(self) -> Architecture:
        """The architecture for models; there the loss is averaged over rows, not summed."""
        return Architecture(self.input_size, (self.hidden_size,), self.output_size, "sigmoid", "sigmoid", "squared")

    @property
    def params(self) -> dict[str, Array]:
        """The parameters `W1`, `W2`, and `b1`, `b2`, the biases without their first axis."""
        return {
            "W1": self.weights_input_hidden,
            "b1": self.bias_hidden[0],
            "W2": self.weights_hidden_output,
            "b2": self.bias_output[0],
        }

    def __repr__(self) -> str:
        sizes = f"{self.input_size} → {self.hidden_size} sigmoid → {self.output_size} sigmoid"
        return f"<NeuralNetwork {sizes}, loss ½ Σ (a2 − y)²>"

    def _repr_html_(self) -> str:
        return layers_html(repr(self)[1:-1], self.params, ("sigmoid", "sigmoid"))

    def sigmoid(self, x: Any) -> Array:
        """The logistic function 1 / (1 + e⁻ˣ)."""
        value: Array = sigmoid(x)
        return value

    def sigmoid_derivative(self, a: Array) -> Array:
        """The derivative of σ as a function of its value `a = σ(x)`: a (1 − a)."""
        return a * (1 - a)

    @at_callers_line
    def feedforward(self, X: Any) -> Array:
        """Return the output (rows, output) for `X` (rows, input)."""
        refuse_subclass(X)
        if np.ndim(X) != 2 or np.shape(X)[1] != self.input_size:
            raise ShapeError(
                f"X has the shape {np.shape(X)}; this network takes (rows, {self.input_size}), one row for each sample"
            )
        hidden = self.sigmoid(X @ self.weights_input_hidden + self.bias_hidden)
        return self.sigmoid(hidden @ self.weights_hidden_output + self.bias_output)

    @at_callers_line
    def backward(self, X: Any, y: Any, learning_rate: float) -> None:
        """Perform one update, W ← W − learning_rate · ∂L/∂W, of every weight and bias."""
        self._descend(X, y, 1, learning_rate, engine="reference")

    @at_callers_line
    def train(self, X: Any, y: Any, epochs: int, learning_rate: float, report_every: int | None = 4000) -> None:
        """Perform `epochs` updates on all rows of `X` (rows, input) and `y` (rows, output), in native code.

        Writes the mean squared error at the start of every `report_every`-th epoch to standard output; 0 or None
        disables this. Ctrl-C ends training early and keeps the parameters.

        Raises ShapeError for shapes that do not fit the network, TrainingError for a number of epochs or a learning
        rate that is not positive.
        """
        written = 0

        def report(epochs_done: int, losses: Array) -> None:
            nonlocal written
            while report_every and written < epochs_done:
                sys.stdout.write(f"Epoch {written}, loss {2 * losses[written] / np.size(y):.6f}\n")
                written += report_every

        result = self._descend(X, y, epochs, learning_rate, engine="native", report=report)
        errors = 2 * result.history["loss"] / np.size(y)
        report(len(errors), result.history["loss"])
        self.loss_history = np.concatenate([self.loss_history, errors])

    def _descend(self, X: Any, y: Any, epochs: int, learning_rate: float, engine: str, report: Any = None) -> FitResult:
        refuse_subclass(X)
        refuse_subclass(y)
        X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
        if X.ndim != 2 or X.shape[1] != self.input_size or y.shape != (len(X), self.output_size):
            raise ShapeError(
                f"X and y have the shapes {X.shape} and {y.shape}; this network takes (rows, {self.input_size}) and "
                f"(rows, {self.output_size}), one row for each sample"
            )
        result = fit(
            two_layer_program(),
            params={
                "W1": self.weights_input_hidden,
                "b1": self.bias_hidden,
                "W2": self.weights_hidden_output,
                "b2": self.bias_output,
            },
            data={"X": X, "y": y},
            optimizer=SGD(learning_rate),
            epochs=epochs,
            engine=engine,
            callback=report,
        )
        self.weights_input_hidden, self.bias_hidden = result.params["W1"], result.params["b1"]
        self.weights_hidden_output, self.bias_output = result.params["W2"], result.params["b2"]
        return result
