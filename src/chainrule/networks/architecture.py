"""The architecture of a network: its layers, activations and loss, without parameters.

It is plain data: `forward` builds functions from it, `objectives` and `prediction` build programs.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from chainrule.ir import ShapeError, cached_property, refuse_subclass
from chainrule.networks.activations import ACTIVATIONS, OUTPUTS, Activation, ActivationLike, read_activation
from chainrule.networks.errors import NetworkError
from chainrule.networks.initialization import SCHEMES, Random, uniform_layer
from chainrule.networks.losses import FormulaLoss, FunctionLoss, LossLike, check_custom, mean_over_rows, read_loss
from chainrule.networks.scores import class_accuracy, r2_score, share_accuracy
from chainrule.schema import COUNT, NOT_NEGATIVE, SHARE, checked, each, keep, one_of

Array: TypeAlias = NDArray[Any]
Normalization: TypeAlias = Literal["layer", "batch"]

_OUTPUT_FUNCTIONS: Final = {**ACTIVATIONS, **OUTPUTS}


@dataclass(frozen=True)
class Architecture:
    """A multi-layer perceptron: hidden layers `a = f(a W + b)`, an output layer, and the training loss.

    Parameters
    ----------
    inputs, hidden, outputs
        The widths of the input, of each hidden layer, and of the output.
    activations
        One for all hidden layers, or a sequence with one for each: a name in `ACTIVATIONS`, a formula in z, or a NumPy
        function.
    output_activation
        The same for the output, or "softmax" or "exp"; None selects the one that the loss is paired with.
    loss
        A name in `LOSS_TYPES`, a loss such as `Huber(2.0)`, a formula in `p` (or `y_hat`, `prediction`) and `y` (or
        `target`), or a NumPy function of the two. It is summed over outputs and averaged over rows. A named loss with
        its paired output activation is computed from the logits.
    dropout
        The fraction of each hidden layer's units to drop in training; one number for all, or a sequence.
    normalization
        `"layer"` (Ba et al. 2016) or `"batch"` (Ioffe and Szegedy 2015), applied before each activation.
    alpha
        The penalty `½ alpha Σ W² / rows`, for the rows of a batch, or their total weight.
    penalty_rows
        The `rows` by which the penalty is divided instead. With those of the whole table, the penalty of an epoch does
        not depend on the number of batches.
    members
        The number of networks that are trained side by side, each on its own loss, and whose outputs are averaged for a
        prediction (Lakshminarayanan et al. 2017). If there are several, each parameter has them as its first axis.
    dtype
        `"float64"` or `"float32"`.

    Raises NetworkError and TrainingError for inconsistent arguments, FormulaError and TraceError for formulas and
    functions that cannot be parsed or traced.

    Examples
    --------
    >>> network = Architecture(4, (8,), 3, activations="tanh", loss="cross_entropy")
    >>> network.output_activation
    'softmax'
    >>> {name: shape for name, shape in network.params.items()}
    {'W1': (4, 8), 'b1': (8,), 'W2': (8, 3), 'b2': (3,)}
    >>> Architecture(4, (8,), 3, members=5).params["W1"], Architecture(4, (8,), 3, members=5).params["b1"]
    ((5, 4, 8), (5, 1, 8))

    """

    inputs: Annotated[int, COUNT]
    hidden: Annotated[tuple[int, ...], each(COUNT)] = ()
    outputs: Annotated[int, COUNT] = 1
    activations: Any = "relu"
    output_activation: Any = None
    loss: Any = "squared"
    dropout: Annotated[Any, each(SHARE)] = 0.0
    normalization: Annotated[Normalization, one_of(*get_args(Normalization))] | None = None
    alpha: Annotated[float, NOT_NEGATIVE] = 0.0
    dtype: Annotated[str, one_of("float64", "float32")] = "float64"
    penalty_rows: Annotated[int, COUNT] | None = None
    members: Annotated[int, COUNT] = 1

    def __post_init__(self) -> None:
        widths: Any = self.hidden
        hidden = (widths,) if isinstance(widths, numbers.Integral) else tuple(widths)
        self._keep("hidden", hidden)
        self._keep("activations", self._for_each_layer("activations", self.activations))
        self._keep("dropout", self._for_each_layer("dropout", self.dropout))
        keep(self, NetworkError)
        loss = read_loss(self.loss)
        self._keep("loss", loss)
        if self.output_activation is None:
            self._keep("output_activation", loss.output)
        assert len(self.layers) == len(self.hidden)
        self._check_output()

    def _keep(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _for_each_layer(self, name: str, given: Any) -> tuple[Any, ...]:
        several = isinstance(given, Sequence | np.ndarray) and not isinstance(given, str)
        entries = tuple(given) if several else (given,) * len(self.hidden)
        if len(entries) != len(self.hidden):
            raise NetworkError(
                f"{name} has {len(entries)} entries for {len(self.hidden)} hidden layers; give one for each"
            )
        return entries

    def _check_output(self) -> None:
        loss, output = self.loss, self.output
        if isinstance(loss, FormulaLoss | FunctionLoss):
            check_custom(loss, self.outputs)
        elif loss.output in ("softmax", "sigmoid") and output.name != loss.output:
            raise NetworkError(f"the loss {loss.name} belongs to the output {loss.output!r}, not {output.name!r}")
        if output.name == "softmax" and self.outputs < 2:
            raise NetworkError("outputs is 1, of which softmax gives always 1; give an output for each class")
        loss.width(self.outputs)

    @property
    def depth(self) -> int:
        """The number of layers with weights."""
        return len(self.hidden) + 1

    @property
    def widths(self) -> tuple[int, ...]:
        """The width of the input, of each hidden layer and of the output."""
        return (self.inputs, *self.hidden, self.outputs)

    @cached_property
    def layers(self) -> tuple[Activation, ...]:
        """The activation of each hidden layer."""
        return tuple(
            read_activation(f"activations[{k}]" if len(self.hidden) > 1 else "activation", given)
            for k, given in enumerate(self.activations)
        )

    @cached_property
    def output(self) -> Activation:
        """The activation of the output."""
        return read_activation("output_activation", self.output_activation, _OUTPUT_FUNCTIONS)

    @property
    def params(self) -> dict[str, tuple[int, ...]]:
        """The shape of each learned parameter, by name."""
        shapes: dict[str, tuple[int, ...]] = {}
        for k, (inputs, outputs) in enumerate(zip(self.widths, self.widths[1:], strict=False), start=1):
            shapes[f"W{k}"] = (inputs, outputs) if self.members == 1 else (self.members, inputs, outputs)
            shapes[f"b{k}"] = self._vector(outputs)
            if self.normalization is not None and k < self.depth:
                shapes[f"gain{k}"] = shapes[f"shift{k}"] = self._vector(outputs)
        return shapes

    def _vector(self, width: int) -> tuple[int, ...]:
        """The shape of a parameter with a number for each unit, which broadcasts over rows."""
        return (width,) if self.members == 1 else (self.members, 1, width)

    @property
    def statistics(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the population statistics of batch normalization, by name; empty without it."""
        if self.normalization != "batch":
            return {}
        return {
            f"{what}{k}": self._vector(width) for k, width in enumerate(self.hidden, 1) for what in ("mean", "variance")
        }

    @cached_property
    def takes_weights(self) -> bool:
        """Whether rows can be weighted: not if the loss returns one number for a whole batch."""
        p = np.full((2, self.outputs), 0.5)
        if not isinstance(self.loss, FormulaLoss | FunctionLoss):
            return True
        with np.errstate(all="ignore"):
            return bool(np.ndim(self.loss.after(p, p)) > 0)

    @cached_property
    def is_stated(self) -> bool:
        """Whether activations and loss are all given by name or formula, not as functions."""
        own = (layer.name.startswith("function ") for layer in (*self.layers, self.output))
        return not isinstance(self.loss, FunctionLoss) and not any(own)

    def initial(self, random: Random | int | None = None, scheme: str = "auto") -> dict[str, Array]:
        """Initialize: weights drawn by name, biases and shifts 0, gains 1.

        `scheme` is one of `SCHEMES`, or "scikit-learn", which draws weights and then biases, layer by layer, as
        scikit-learn does from the same RandomState. Several members are drawn one after the other.
        """
        checked("scheme", scheme, one_of(*SCHEMES, "scikit-learn"), NetworkError)
        if random is None or isinstance(random, int | np.integer):
            random = np.random.default_rng(random)
        if self.members > 1:
            one = replace(self, members=1)
            drawn_each = [one.initial(random, scheme) for _ in range(self.members)]
            return {
                name: np.stack([each[name] for each in drawn_each]).reshape(shape)
                for name, shape in self.params.items()
            }
        drawn: dict[str, Array] = {}
        for k, (inputs, outputs) in enumerate(zip(self.widths, self.widths[1:], strict=False), start=1):
            if scheme == "scikit-learn":
                logistic = any(layer.name == "sigmoid" for layer in self.layers)
                drawn[f"W{k}"], drawn[f"b{k}"] = uniform_layer(random, inputs, outputs, logistic)
            else:
                activation = self.layers[k - 1].name if k < self.depth else ""
                drawn[f"W{k}"] = SCHEMES[scheme](random, (inputs, outputs), activation)
        for name, shape in self.params.items():
            if name not in drawn:
                drawn[name] = np.ones(shape) if name.startswith("gain") else np.zeros(shape)
        return {name: np.asarray(drawn[name], self.dtype) for name in self.params}

    def score(self, y: Array, p: Array, weights: Array | None = None) -> float:
        """Score predictions `p` for targets `y`, in the form the loss takes them: accuracy for classes, else R²."""
        if self.output.name == "softmax":
            return class_accuracy(y, p, weights)
        return (share_accuracy if self.loss.score == "accuracy" else r2_score)(y, p, weights)

    def checked_input(self, X: Any) -> Array:
        """Return `X` as a numeric array (rows, inputs); raise ShapeError or NetworkError."""
        refuse_subclass(X)
        rows: Array = np.asarray(X)
        if rows.ndim != 2 or rows.shape[1] != self.inputs:
            raise ShapeError(
                f"X has the shape {rows.shape}; this network takes (rows, {self.inputs}), one row for each sample"
            )
        if rows.dtype.kind not in "fiub":
            raise NetworkError(f"X holds {rows.dtype}; give numbers")
        return rows if rows.dtype.kind == "f" else rows.astype(self.dtype)

    def checked_target(self, given: Any, rows: int) -> Array:
        """Return the targets of `rows` rows in the form the loss takes them.

        Labels are int64 (rows,); other targets are floats (rows, columns), also if given as (rows,). Raises ShapeError
        or NetworkError.
        """
        refuse_subclass(given)
        y: Array = np.asarray(given)
        if y.dtype.kind not in "fiub":
            raise NetworkError(f"y holds {y.dtype}; give numbers")
        columns = self.loss.width(self.outputs)
        labels = self.loss.kind == "labels"
        if labels and y.shape == (rows,) and y.dtype.kind in "iub":
            y = y.astype(np.int64)
        elif labels and (y.shape != (rows, columns) or self.loss.name != "cross_entropy"):
            raise ShapeError(
                f"y has the shape {y.shape} and holds {y.dtype}; {self.loss.name} takes integer labels of shape "
                f"({rows},), one for each row of X"
            )
        else:
            y = y[:, None] if y.shape == (rows,) and columns == 1 else y
            if y.shape != (rows, columns):
                raise ShapeError(
                    f"y has the shape {y.shape}; it should be ({rows}, {columns}), one row for each row of X"
                )
            y = y.astype(self.dtype, copy=False)
        self.loss.check(y, self.outputs)
        return y

    def describe(self) -> dict[str, Any]:
        """Return a description that can be stored as JSON; functions are represented as `function NAME`."""
        described: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        described["activations"] = [layer.name for layer in self.layers]
        described["output_activation"] = self.output.name
        described["loss"] = self.loss.describe()
        return {key: list(value) if isinstance(value, tuple) else value for key, value in described.items()}

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> Architecture:
        """Return the architecture that `describe` described; raise NetworkError if it is invalid or has functions."""
        known = [field.name for field in fields(cls)]
        for key in description:
            checked("a setting of an architecture", key, one_of(*known), NetworkError)
        names = [*description.get("activations", ()), description.get("output_activation")]
        for name in names:
            if isinstance(name, str) and name.startswith("function "):
                raise NetworkError(
                    f"an activation was the {name}, which a description does not hold; give the function itself"
                )
        return cls(**description)


__all__ = ["ActivationLike", "Architecture", "LossLike", "Normalization", "mean_over_rows"]
