"""The forward pass of an architecture in NumPy, for training and prediction, with the names used in derivations.

Layer k is `zk = a W + b`, `nk` (optional normalization), `ak = f(…)`, `dk` (dropout, in training).
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from chainrule.functions import dropout, layer_norm
from chainrule.networks.activations import ACTIVATIONS, OUTPUTS, Activation
from chainrule.networks.architecture import Architecture
from chainrule.networks.losses import mean_over_rows, total_weight
from chainrule.networks.stability import stable
from chainrule.trace import named

NORM_EPS: Final = 1e-5
"""Added to variances before the square root, as in the papers on both normalizations."""

SMALLEST_SHARE: Final = 1e-7
"""The bound of a mean probability in the loss of a prediction, near the precision of float32."""

_BY_POSITION_OR_NAME: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD


def logits(architecture: Architecture, X: Any, parameters: Mapping[str, Any], training: bool) -> Any:
    """Return the values before the output activation.

    In training, batches are normalized by their own mean and variance and units are dropped; otherwise the population
    statistics `mean1`, `variance1`, … in `parameters` are used, without dropout.
    """
    a = X
    for k in range(1, architecture.depth):
        z = linear(k, a, parameters)
        a = activated(architecture, k, z, parameters, training)
        rate = architecture.dropout[k - 1]
        if training and rate:
            a = named(f"d{k}", dropout(a, rate))
    return linear(architecture.depth, a, parameters)


def linear(k: int, a: Any, parameters: Mapping[str, Any]) -> Any:
    """`zk = a Wk + bk`."""
    return named(f"z{k}", a @ parameters[f"W{k}"] + parameters[f"b{k}"])


def activated(architecture: Architecture, k: int, z: Any, parameters: Mapping[str, Any], training: bool) -> Any:
    """Apply normalization, if any, and the activation of hidden layer k."""
    if architecture.normalization is not None:
        gain, shift = parameters[f"gain{k}"], parameters[f"shift{k}"]
        if architecture.normalization == "layer":
            normal = layer_norm(z, gain, shift, NORM_EPS)
        elif training:
            centred = z - _mean_of_rows(architecture, z)
            normal = centred / np.sqrt(_mean_of_rows(architecture, centred**2) + NORM_EPS) * gain + shift
        else:
            scale = gain / np.sqrt(parameters[f"variance{k}"] + NORM_EPS)
            normal = (z - parameters[f"mean{k}"]) * scale + shift
        z = named(f"n{k}", normal)
    return named(f"a{k}", each_member(architecture, architecture.layers[k - 1], z))


def _mean_of_rows(architecture: Architecture, z: Any) -> Any:
    """The mean over the rows of a batch, of each member."""
    return np.mean(z, axis=0) if architecture.members == 1 else np.mean(z, axis=-2, keepdims=True)


def each_member(architecture: Architecture, activation: Activation, z: Any) -> Any:
    """Apply an activation to the values of each member; one that is not named here may number the axes."""
    if architecture.members == 1 or activation.name in ACTIVATIONS or activation.name in OUTPUTS:
        return activation(z)
    return np.stack([activation(z[member]) for member in range(architecture.members)])


def data_loss(architecture: Architecture, z: Any, y: Any, weights: Any, rows: Any) -> Any:
    """The weighted mean of the loss over rows, without a penalty; `z` are the values before the output activation.

    Of several members it is the sum, whose gradient with respect to the parameters of one is that of its own loss.
    """
    if architecture.members == 1:
        return _member_loss(architecture, z, y, weights, rows)
    losses = [_member_loss(architecture, z[member], y, weights, rows) for member in range(architecture.members)]
    return functools.reduce(operator.add, losses)


def _member_loss(architecture: Architecture, z: Any, y: Any, weights: Any, rows: Any) -> Any:
    loss, output = architecture.loss, architecture.output
    if output.name == loss.output:
        return mean_over_rows(loss.before(z, y), weights, rows)
    p = named("p", output(z))
    return mean_over_rows(stable(loss.after(p, y), output.name, z, p), weights, rows)


def combined(architecture: Architecture, z: Any) -> Any:
    """The prediction (rows, outputs): the mean of the members' outputs."""
    if architecture.members == 1:
        return architecture.output(z)
    return np.mean(each_member(architecture, architecture.output, z), axis=0)


def combined_loss(architecture: Architecture, z: Any, y: Any, weights: Any, rows: Any) -> Any:
    """The loss of the prediction, which for several members is that of the mean of their outputs."""
    if architecture.members == 1:
        return data_loss(architecture, z, y, weights, rows)
    p = combined(architecture, z)
    if architecture.output.name in ("softmax", "sigmoid"):  # of which a mean may be rounded to 0 or 1
        p = np.clip(p, SMALLEST_SHARE, 1 - SMALLEST_SHARE if architecture.output.name == "sigmoid" else 1.0)
    return mean_over_rows(architecture.loss.after(p, y), weights, rows)


def penalty(architecture: Architecture, parameters: Mapping[str, Any], alpha: Any, weight: Any) -> Any:
    """The penalty `½ alpha Σ W² / weight` over all weight matrices, as in scikit-learn, or `½ alpha Σ W² / rows`."""
    weight = weight if architecture.penalty_rows is None else architecture.penalty_rows
    each = [np.sum(parameters[f"W{k}"] ** 2) for k in range(1, architecture.depth + 1)]
    squares = functools.reduce(operator.add, each)
    return named("penalty", 0.5 * alpha * squares / weight)


def loss_function(architecture: Architecture, weighted: bool = False) -> Callable[..., Any]:
    """Return the training loss as a NumPy function of `X`, `y`, `alpha` (if any), `W1`, `b1`, ….

    With `weighted`, `weights` (rows,) follow `y`.
    """
    extra = (["weights"] if weighted else []) + (["alpha"] if architecture.alpha else [])

    def loss(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        X, weights = given["X"], given.get("weights")
        rows = X.shape[0]
        z = logits(architecture, X, given, training=True)
        if not architecture.alpha:
            return data_loss(architecture, z, given["y"], weights, rows)
        mean_loss = data_loss(architecture, z, given["y"], weights, rows)
        return mean_loss + penalty(architecture, given, given["alpha"], total_weight(weights, rows))

    signature = _signed(loss, ["X", "y", *extra, *architecture.params])
    return loss


def prediction_function(architecture: Architecture) -> Callable[..., Any]:
    """Return the prediction as a NumPy function of `X`, `W1`, `b1`, …, and population statistics `mean1`, …."""

    def predict(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        p = combined(architecture, logits(architecture, given["X"], given, training=False))
        return p  # noqa: RET504  # the name is shown

    signature = _signed(predict, ["X", *architecture.params, *architecture.statistics])
    return predict


def evaluation_function(architecture: Architecture) -> Callable[..., Any]:
    """Return the weighted mean loss and the prediction as a function of `X`, `y`, `weights` and the parameters."""

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        given = signature.bind(*args, **kwargs).arguments
        X, weights = given["X"], given.get("weights")
        z = logits(architecture, X, given, training=False)
        return combined_loss(architecture, z, given["y"], weights, X.shape[0]), combined(architecture, z)

    extra = ["weights"] if architecture.takes_weights else []
    signature = _signed(evaluate, ["X", "y", *extra, *architecture.params, *architecture.statistics])
    return evaluate


def _signed(function: Callable[..., Any], names: Sequence[str]) -> inspect.Signature:
    """Set the signature of a function whose arguments depend on the architecture."""
    signature = inspect.Signature([inspect.Parameter(name, _BY_POSITION_OR_NAME) for name in names])
    vars(function)["__signature__"] = signature
    return signature
