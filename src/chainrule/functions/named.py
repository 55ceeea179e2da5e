"""The named functions of networks and losses."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule import primitives
from chainrule.functions.calling import call, demand
from chainrule.functions.typing import same_shape
from chainrule.ir import (
    Demand,
    Dim,
    DType,
    DTypeError,
    Node,
    ShapeError,
    SymbolicDim,
    shape_text,
)
from chainrule.primitives import as_floats, cast, mean, negate, square, sum_

Axis = int | Sequence[int] | None


def _same_shape(function: str, x: Node, y: Node) -> None:
    if x.type.shape != y.type.shape:
        raise ShapeError(
            f"{function} takes two arrays of one shape, not {shape_text(x.type.shape)} and {shape_text(y.type.shape)}; "
            "reshape one of them"
        )


@same_shape
def sigmoid(x: Any) -> Any:
    """The logistic function σ(x) = 1 / (1 + e⁻ˣ), elementwise, without overflow.

    >>> print(sigmoid(0.0))
    0.5
    """
    return call(primitives.sigmoid, x)


@same_shape
def log_sigmoid(x: Any) -> Any:
    """`ln σ(x) = −softplus(−x)`, elementwise, without overflow.

    >>> print(log_sigmoid(-1000.0))
    -1000.0
    """
    return call(_log_sigmoid, x)


def _log_sigmoid(x: Node) -> Node:
    return negate(primitives.softplus(negate(as_floats(x))))


def logdet(x: ArrayLike) -> Any:
    """Return ln |det x| of a square matrix, or of each matrix in the last two axes; −∞ if it is singular.

    Does not overflow. The derivative is the transposed inverse. In NumPy it is `np.linalg.slogdet(x)[1]`.

    >>> print(logdet([[2.0, 0.0], [0.0, 0.5]]))
    0.0
    """
    return call(primitives.logdet, x)


@same_shape
def softplus(x: Any) -> Any:
    """The softplus function ln(1 + eˣ), elementwise, without overflow. Its derivative is σ.

    >>> print(softplus(1000.0))
    1000.0
    """
    return call(primitives.softplus, x)


@same_shape
def relu(x: Any) -> Any:
    """Return max(x, 0), elementwise. The derivative at 0 is 0, and NaN propagates.

    `np.maximum(x, 0)` is the same function. If another kink coincides with it, as in `relu(x) - relu(-x)`, the
    derivative at 0 is that of the whole expression, here 1.

    >>> relu([-2.0, 3.0])
    array([0., 3.])
    """
    return call(primitives.relu, x)


@same_shape
def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """Return `x` if it is positive, else `negative_slope * x`; the derivative at 0 is `negative_slope`.

    >>> leaky_relu([-2.0, 3.0], negative_slope=0.1)
    array([-0.2,  3. ])
    """
    return call(primitives.leaky_relu, x, negative_slope=negative_slope)


@same_shape
def elu(x: Any, alpha: float = 1.0) -> Any:
    """Return `x` if it is positive, else α (eˣ − 1) (Clevert et al. 2015, equation 15).

    >>> elu([-1000.0, 3.0])
    array([-1.,  3.])
    """
    return call(primitives.elu, x, alpha=alpha)


@same_shape
def silu(x: Any) -> Any:
    """Return `x σ(x)`, also called swish (Elfwing et al. 2017, equation 4).

    >>> silu([-1000.0, 0.0, 1000.0])
    array([  -0.,    0., 1000.])
    """
    return call(primitives.silu, x)


@same_shape
def gelu(x: Any, approximate: bool = False) -> Any:
    """Return `x Φ(x)` with Φ the standard normal distribution function (Hendrycks and Gimpel 2016).

    With `approximate`, return ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))).

    >>> print(f"{gelu(1.0):.6f} {gelu(1.0, approximate=True):.6f}")
    0.841345 0.841192
    """
    return call(primitives.gelu, x, approximate=approximate)


def polygamma(n: int, x: Any) -> Any:
    """The n-th derivative of the digamma function at each element, as `scipy.special.polygamma` of a number n ≥ 0.

    SciPy computes it. Raises ShapeError for a negative n.

    >>> polygamma(1, np.array([1.0, 2.0])).round(4)
    array([1.6449, 0.6449])
    """
    if n < 0:
        raise ShapeError(f"the order of a polygamma function is at least 0, not {n}")
    return call(primitives.special_function(*(("polygamma", n) if n else ("digamma", 0))), x)


@same_shape
def erf(x: Any) -> Any:
    """The error function 2/√π · ∫₀ˣ exp(−t²) dt, elementwise.

    >>> print(f"{erf(1.0):.6f}")
    0.842701
    """
    return call(primitives.erf, x)


@same_shape
def sinh(x: Any) -> Any:
    """The hyperbolic sine (eˣ − e⁻ˣ) / 2, elementwise, also accurate near 0.

    >>> print(f"{sinh(1.0):.6f}")
    1.175201
    """
    return call(primitives.Sinh.of, x)


@same_shape
def cosh(x: Any) -> Any:
    """The hyperbolic cosine (eˣ + e⁻ˣ) / 2, elementwise.

    >>> print(f"{cosh(1.0):.6f}")
    1.543081
    """
    return call(primitives.Cosh.of, x)


@same_shape
def arctan(x: Any) -> Any:
    """The inverse tangent, between −π/2 and π/2, elementwise; its derivative is 1 / (1 + x²).

    >>> print(f"{arctan(1.0):.6f}")
    0.785398
    """
    return call(primitives.Arctan.of, x)


@same_shape
def arctan2(y: Any, x: ArrayLike) -> Any:
    """The angle of the point (x, y), with y the first argument, from −π to π; the arrays broadcast.

    The derivatives are x / (x² + y²) in y and −y / (x² + y²) in x; at the origin they are undefined and NaN.

    >>> print(f"{arctan2(1.0, -1.0):.6f}")
    2.356194
    """
    return call(primitives.Arctan2.of, y, x)


@same_shape
def softmax(x: Any, axis: Axis = -1) -> Any:
    """The softmax eˣ / Σ eˣ, with the sum over `axis` (None for all axes), of the shape of `x`, without overflow.

    >>> softmax([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    return call(primitives.softmax, x, axis=axis)


@same_shape
def log_softmax(x: Any, axis: Axis = -1) -> Any:
    """The logarithm of `softmax(x, axis)`, finite even if that underflows.

    >>> log_softmax([0.0, 1000.0])
    array([-1000.,     0.])
    """
    return call(primitives.log_softmax, x, axis=axis)


def logsumexp(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Any:
    """Return `ln Σ eˣ` over `axis` (None for all axes), without overflow. Its derivative is the softmax.

    >>> print(f"{logsumexp([1000.0, 1000.0]):.6f}")
    1000.693147
    """
    return call(primitives.logsumexp, x, axis=axis, keepdims=keepdims)


def cross_entropy(logits: ArrayLike, labels: ArrayLike) -> np.floating[Any]:
    """The mean cross-entropy of `logits` (…, k) and integer `labels` (…) from 0 to k − 1.

    It is −mean log softmax(logits)[labels]. A label out of range raises ProgramError with its position, also in the
    data of `fit`. The derivative in the logits is (p − y) / count, with p the softmax and y the labels as one-hot rows.

    >>> print(f"{cross_entropy([[2.0, 0.0], [0.0, 1.0]], [0, 1]):.6f}")
    0.220095
    """
    loss: np.floating[Any] = call(_cross_entropy, logits, labels)
    return loss


def _cross_entropy(logits: Node, labels: Node) -> Node:
    logits = as_floats(logits)
    if labels.type.dtype is not DType.INT64:
        raise DTypeError(
            f"cross_entropy takes integer labels, not {labels.type.dtype.value}; state them as 'n:int', or for rows of "
            "probabilities y write -np.mean(np.sum(y * cr.log_softmax(z), axis=-1))"
        )
    if logits.type.ndim == 0 or labels.type.shape != logits.type.shape[:-1]:
        raise ShapeError(
            f"cross_entropy takes logits of shape (…, k) and labels of shape (…), not {shape_text(logits.type.shape)} "
            f"and {shape_text(labels.type.shape)}"
        )
    _demand_labels("cross_entropy", labels, logits.type.shape[-1])
    targets = primitives.one_hot(labels, logits.type.shape[-1], logits.type.dtype)
    return negate(mean(sum_(targets * primitives.log_softmax(logits), -1)))


def _demand_labels(function: str, labels: Node, size: Dim) -> None:
    mend = (
        "to leave such rows out, give them any label and the weight 0: "
        "-np.sum(w * np.sum(cr.one_hot(y, k) * cr.log_softmax(z), axis=-1)) / np.sum(w)"
    )
    if labels.type.dtype is DType.INT64:
        demand(Demand(labels, 0, size - 1, function, "labels", mend))


def binary_cross_entropy(logits: ArrayLike, targets: ArrayLike) -> np.floating[Any]:
    """The mean cross-entropy mean(softplus(z) − y z) of σ(z) and targets y in [0, 1], two arrays of one shape.

    A target out of [0, 1] raises ProgramError with its position, also in the data of `fit`.

    The derivative in the logits z is (σ(z) − y) / count.

    >>> print(binary_cross_entropy([1000.0, -1000.0], [1, 0]))
    0.0
    """
    loss: np.floating[Any] = call(_binary_cross_entropy, logits, targets)
    return loss


def _binary_cross_entropy(logits: Node, targets: Node) -> Node:
    logits, targets = as_floats(logits), as_floats(targets)
    _same_shape("binary_cross_entropy", logits, targets)
    mend = "for classes -1 and 1 give (y + 1) / 2"
    demand(Demand(targets, 0, 1, "binary_cross_entropy", "targets", mend))
    return mean(primitives.softplus(logits) - cast(targets, logits.type.dtype) * logits)


def mean_squared_error(predictions: ArrayLike, targets: ArrayLike) -> np.floating[Any]:
    """The mean squared error mean((predictions − targets)²) of two arrays of one shape.

    >>> print(mean_squared_error([1.0, 2.0], [1.0, 4.0]))
    2.0
    """
    loss: np.floating[Any] = call(_mean_squared_error, predictions, targets)
    return loss


def _mean_squared_error(predictions: Node, targets: Node) -> Node:
    predictions, targets = as_floats(predictions), as_floats(targets)
    _same_shape("mean_squared_error", predictions, targets)
    return mean(square(predictions - cast(targets, predictions.type.dtype)))


@same_shape
def layer_norm(x: Any, gain: ArrayLike | None = None, bias: ArrayLike | None = None, eps: float = 1e-5) -> Any:
    """Layer normalization, (x − mean) / √(var + eps) ⊙ gain + bias over the last axis (Ba et al. 2016, equation 4).

    `gain` and `bias` broadcast against `x`, and the result has the shape of `x`; both are optional.

    >>> import numpy as np
    >>> print(np.round(layer_norm([1.0, 2.0, 3.0], eps=0.0), 6))
    [-1.224745  0.        1.224745]
    """
    return call(_layer_norm, x, gain, bias, eps=eps)


def _layer_norm(x: Node, gain: Node | None, bias: Node | None, eps: float) -> Node:
    x = as_floats(x)
    centred = x - mean(x, -1, keepdims=True)
    normal = centred / primitives.sqrt(mean(square(centred), -1, keepdims=True) + eps)
    return _scaled("layer_norm", normal, gain, bias)


@same_shape
def rms_norm(x: Any, gain: ArrayLike | None = None, eps: float = 1e-6) -> Any:
    """RMS normalization, `x / √(mean(x²) + eps) ⊙ gain` over the last axis (Zhang and Sennrich 2019, equation 4).

    >>> import numpy as np
    >>> print(np.round(rms_norm([3.0, 4.0], eps=0.0), 6))
    [0.848528 1.131371]
    """
    return call(_rms_norm, x, gain, eps=eps)


def _rms_norm(x: Node, gain: Node | None, eps: float) -> Node:
    x = as_floats(x)
    return _scaled("rms_norm", x / primitives.sqrt(mean(square(x), -1, keepdims=True) + eps), gain, None)


def _scaled(function: str, x: Node, gain: Node | None, bias: Node | None) -> Node:
    result = x
    if gain is not None:
        result = result * cast(as_floats(gain), x.type.dtype)
    if bias is not None:
        result = result + cast(as_floats(bias), x.type.dtype)
    if result.type.shape != x.type.shape:
        raise ShapeError(
            f"gain and bias of {function} must broadcast to the shape {shape_text(x.type.shape)} of x, but with them "
            f"the shape is {shape_text(result.type.shape)}"
        )
    return result


def one_hot(labels: ArrayLike, size: Dim) -> NDArray[np.float64]:
    """Encode integer labels (…) as one-hot rows (…, size) in float64.

    A label that is not from 0 to size − 1 raises ProgramError with its position.

    >>> one_hot([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    rows: NDArray[np.float64] = call(_one_hot, labels, size=size)
    return rows


def _one_hot(labels: Node, size: Dim) -> Node:
    size = size if isinstance(size, SymbolicDim) else operator.index(size)
    _demand_labels("one_hot", labels, size)
    return primitives.one_hot(labels, size)


def take(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> Any:
    """Return the slices of `x` along `axis` (of the flat array if None) at integer `indices`, as `np.take`.

    >>> take([[1.0, 2.0], [3.0, 4.0]], [1, 1, 0], axis=0)
    array([[3., 4.],
           [3., 4.],
           [1., 2.]])
    """
    return call(primitives.take, x, indices, axis=axis)
