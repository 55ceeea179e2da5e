"""The named functions of the vocabulary, for plain arrays, for nodes, and for whatever wraps nodes.

Each public function is a `builder`, which makes an expression of nodes, behind `call`. An argument with a method
`__chainrule_call__(builder, arguments, options)` takes the call over (a traced array does); nodes go to the builder as
they are; plain arrays are evaluated by the definition of each primitive, and give an array, or a scalar, of NumPy.
Integers count as float64, and float32 stays float32.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import numpy as np

from chainrule import primitives
from chainrule.ir import (
    ArrayType,
    Const,
    Demand,
    Dim,
    DType,
    DTypeError,
    Input,
    Node,
    ProgramError,
    ShapeError,
    SymbolicDim,
    plain_array,
    shape_text,
)
from chainrule.primitives import as_floats, cast, evaluate_nodes, mean, negate, square, sum_
from chainrule.words import ChainruleError

Axis = int | Sequence[int] | None

RNG_SEED = "rng seed"
RNG_STEP = "rng step"
"""The names of the inputs, int64 scalars, that a program has if it draws random numbers; no argument can clash."""


class RandomSource:
    """Where random numbers come from: the seed and the step, as numbers or as traced values, and a count of draws.

    Draws are numbered from 1 in order of call, and each number is a stream of its own.
    """

    def __init__(self, seed: Any, step: Any) -> None:
        self.seed: Final = seed
        self.step: Final = step
        self._streams = itertools.count(1)

    def stream(self) -> int:
        """The number of the next draw."""
        return next(self._streams)


_source: ContextVar[RandomSource | None] = ContextVar("source", default=None)


@contextmanager
def random_source(source: RandomSource) -> Iterator[RandomSource]:
    """While it lasts, `dropout` and its kin draw from `source`."""
    token = _source.set(source)
    try:
        yield source
    finally:
        _source.reset(token)


@contextmanager
def random_draws(seed: int = 0, step: int = 0) -> Iterator[None]:
    """A block in which random functions draw on plain arrays as step number `step` of a run with that seed does.

    Draws are numbered from the block's beginning, so that one call of a loss inside gives what it is in training. The
    transformations (`grad` and its kin), which draw as of seed 0 and step 0 elsewhere, follow it too.

    >>> with random_draws(seed=1):
    ...     print(dropout(np.ones(6), 0.5))
    [0. 2. 0. 0. 2. 2.]
    """
    with random_source(RandomSource(_as_int64("seed", seed), _as_int64("step", step))):
        yield


def random_inputs() -> dict[str, int]:
    """What the inputs `RNG_SEED` and `RNG_STEP` are where nobody gives them: those of `random_draws`, else 0."""
    source = _source.get()
    seed, step = (0, 0) if source is None else (source.seed, source.step)
    return {RNG_SEED: seed, RNG_STEP: step}


_demands: ContextVar[list[Demand] | None] = ContextVar("demands", default=None)


@contextmanager
def collected_demands() -> Iterator[list[Demand]]:
    """While it lasts, what the named functions demand of their arguments is added to the list that it gives."""
    found: list[Demand] = []
    token = _demands.set(found)
    try:
        yield found
    finally:
        _demands.reset(token)


def demand(demanded: Demand) -> None:
    """Have values checked where they are known: a literal at once, others by whoever collects demands."""
    if isinstance(demanded.node, Const):
        demanded.check(evaluate_nodes([demanded.node], {})[demanded.node])
        return
    collected = _demands.get()
    if collected is not None:
        collected.append(demanded)


def _as_int64(name: str, number: int) -> int:
    try:
        whole = operator.index(number)
    except TypeError:
        raise ProgramError(f"the {name} of random numbers is an integer, not {number!r}") from None
    return (whole + 2**63) % 2**64 - 2**63


def call(builder: Callable[..., Node], *arguments: Any, **options: Any) -> Any:
    """`builder` on arrays of any kind; `arguments` are arrays or None, `options` are static."""
    for argument in (*arguments, *options.values()):
        take_over = getattr(type(argument), "__chainrule_call__", None)
        if take_over is not None:
            return take_over(argument, builder, arguments, options)
    if any(isinstance(argument, Node) for argument in arguments):
        return builder(*(_literal(argument) for argument in arguments), **options)
    inputs: dict[Node, Any] = {}
    nodes: list[Node | None] = []
    for k, argument in enumerate(arguments):
        if argument is None:
            nodes.append(None)
            continue
        array = _array(argument)
        node = Input(f"argument {k + 1}", ArrayType(array.shape, DType.of(array.dtype)))
        inputs[node] = array
        nodes.append(node)
    try:
        with collected_demands() as demands:
            output = builder(*nodes, **options)
        for each in demands:
            each.check(evaluate_nodes([each.node], inputs)[each.node])
        result = np.asarray(evaluate_nodes([output], inputs)[output])
    except ChainruleError:
        raise
    except (TypeError, ValueError, AttributeError) as error:  # of no use to the builder, such as a text for a number
        raise ProgramError(f"these arguments do not fit: {error}") from error
    if result.ndim == 0:
        return result[()]
    return result if result.flags.owndata and result.flags.writeable and output not in inputs else result.copy()


def _array(argument: Any) -> np.ndarray[Any, Any]:
    """An argument as an array of one of the language's dtypes."""
    try:
        array = plain_array(argument)
    except ValueError as error:
        raise ShapeError(f"the rows of {type(argument).__name__} differ in length; give an array") from error
    return array.astype(DType.of(array.dtype).numpy, copy=False)


def _literal(argument: Any) -> Any:
    """A plain array among nodes as a literal; Python numbers stay as they are, since they take the others' dtype."""
    if argument is None or isinstance(argument, Node | float | int):
        return argument
    array = _array(argument)
    return Const(array, ArrayType(array.shape, DType.of(array.dtype)))


def _same_shape(function: str, x: Node, y: Node) -> None:
    if x.type.shape != y.type.shape:
        raise ShapeError(
            f"{function} takes two arrays of one shape, not {shape_text(x.type.shape)} and {shape_text(y.type.shape)}; "
            "reshape one of them"
        )


def sigmoid(x: Any) -> Any:
    """The logistic function σ(x) = 1 / (1 + e⁻ˣ), element by element; no overflow at any x.

    >>> print(sigmoid(0.0))
    0.5
    """
    return call(primitives.sigmoid, x)


def log_sigmoid(x: Any) -> Any:
    """`ln σ(x) = −softplus(−x)`, element by element; no overflow at any x.

    >>> print(log_sigmoid(-1000.0))
    -1000.0
    """
    return call(_log_sigmoid, x)


def _log_sigmoid(x: Node) -> Node:
    return negate(primitives.softplus(negate(x)))


def logdet(x: Any) -> Any:
    """Ln |det x| of a square matrix, or of each on the last two axes; −∞ if it is singular, and no overflow.

    Its derivative is the transposed inverse. NumPy's name for it is `np.linalg.slogdet(x)[1]`.

    >>> print(logdet([[2.0, 0.0], [0.0, 0.5]]))
    0.0
    """
    return call(primitives.logdet, x)


def softplus(x: Any) -> Any:
    """ln(1 + eˣ), element by element; no overflow at any x. Its derivative is σ.

    >>> print(softplus(1000.0))
    1000.0
    """
    return call(primitives.softplus, x)


def relu(x: Any) -> Any:
    """max(x, 0), element by element; the derivative at 0 is 0, and NaN stays NaN.

    `np.maximum(x, 0)` is the same function. Where it is combined with another kink at the same place, as in
    `relu(x) - relu(-x)`, the derivative at 0 is that of the whole, here 1.

    >>> relu([-2.0, 3.0])
    array([0., 3.])
    """
    return call(primitives.relu, x)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """`x` where it is positive, else `negative_slope * x`; the derivative at 0 is `negative_slope`.

    >>> leaky_relu([-2.0, 3.0], negative_slope=0.1)
    array([-0.2,  3. ])
    """
    return call(primitives.leaky_relu, x, negative_slope=negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """`x` where it is positive, else α (eˣ − 1) (Clevert et al. 2015, equation 15).

    >>> elu([-1000.0, 3.0])
    array([-1.,  3.])
    """
    return call(primitives.elu, x, alpha=alpha)


def silu(x: Any) -> Any:
    """`x σ(x)`, also called swish (Elfwing et al. 2017, equation 4).

    >>> silu([-1000.0, 0.0, 1000.0])
    array([  -0.,    0., 1000.])
    """
    return call(primitives.silu, x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """`x Φ(x)` with Φ the standard normal distribution function (Hendrycks and Gimpel 2016).

    With `approximate`, ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))).

    >>> print(f"{gelu(1.0):.6f} {gelu(1.0, approximate=True):.6f}")
    0.841345 0.841192
    """
    return call(primitives.gelu, x, approximate=approximate)


def erf(x: Any) -> Any:
    """The error function 2/√π · ∫₀ˣ exp(−t²) dt, element by element.

    >>> print(f"{erf(1.0):.6f}")
    0.842701
    """
    return call(primitives.erf, x)


def sinh(x: Any) -> Any:
    """(eˣ − e⁻ˣ) / 2, element by element, as accurate near 0 as elsewhere.

    >>> print(f"{sinh(1.0):.6f}")
    1.175201
    """
    return call(primitives.Sinh.of, x)


def cosh(x: Any) -> Any:
    """(eˣ + e⁻ˣ) / 2, element by element.

    >>> print(f"{cosh(1.0):.6f}")
    1.543081
    """
    return call(primitives.Cosh.of, x)


def arctan(x: Any) -> Any:
    """The angle between −π/2 and π/2 whose tangent is `x`, element by element; its derivative is 1 / (1 + x²).

    >>> print(f"{arctan(1.0):.6f}")
    0.785398
    """
    return call(primitives.Arctan.of, x)


def arctan2(y: Any, x: Any) -> Any:
    """The angle of the point (x, y), given y first, from −π to π; the arrays broadcast.

    The derivatives are x / (x² + y²) by y and −y / (x² + y²) by x; at the origin there is none, and they are NaN.

    >>> print(f"{arctan2(1.0, -1.0):.6f}")
    2.356194
    """
    return call(primitives.Arctan2.of, y, x)


def softmax(x: Any, axis: Axis = -1) -> Any:
    """eˣ / Σ eˣ, the sum over `axis` (all axes where it is None), which has the shape of `x`; no overflow.

    >>> softmax([1000.0, 1000.0])
    array([0.5, 0.5])
    """
    return call(primitives.softmax, x, axis=axis)


def log_softmax(x: Any, axis: Axis = -1) -> Any:
    """The logarithm of `softmax(x, axis)`, also where that underflows.

    >>> log_softmax([0.0, 1000.0])
    array([-1000.,     0.])
    """
    return call(primitives.log_softmax, x, axis=axis)


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """`ln Σ eˣ` over `axis`, all axes where it is None; no overflow. Its derivative is the softmax.

    >>> print(f"{logsumexp([1000.0, 1000.0]):.6f}")
    1000.693147
    """
    return call(primitives.logsumexp, x, axis=axis, keepdims=keepdims)


def cross_entropy(logits: Any, labels: Any) -> Any:
    """−mean log softmax(logits)[labels]: `logits` of shape (…, k), integer `labels` of shape (…), from 0 to k − 1.

    Another label raises ProgramError with its place, also in the data of `fit`.

    The derivative by the logits is (p − y) / count, with p the softmax and y the labels as one-hot rows.

    >>> print(f"{cross_entropy([[2.0, 0.0], [0.0, 1.0]], [0, 1]):.6f}")
    0.220095
    """
    return call(_cross_entropy, logits, labels)


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


def binary_cross_entropy(logits: Any, targets: Any) -> Any:
    """mean(softplus(z) − y z): the cross-entropy of σ(z) against targets y in [0, 1], two arrays of one shape.

    A target out of [0, 1] raises ProgramError with its place, also in the data of `fit`.

    The derivative by the logits z is (σ(z) − y) / count.

    >>> print(binary_cross_entropy([1000.0, -1000.0], [1, 0]))
    0.0
    """
    return call(_binary_cross_entropy, logits, targets)


def _binary_cross_entropy(logits: Node, targets: Node) -> Node:
    logits, targets = as_floats(logits), as_floats(targets)
    _same_shape("binary_cross_entropy", logits, targets)
    mend = "for classes -1 and 1 give (y + 1) / 2"
    demand(Demand(targets, 0, 1, "binary_cross_entropy", "targets", mend))
    return mean(primitives.softplus(logits) - cast(targets, logits.type.dtype) * logits)


def mean_squared_error(predictions: Any, targets: Any) -> Any:
    """mean((predictions − targets)²), two arrays of one shape.

    >>> print(mean_squared_error([1.0, 2.0], [1.0, 4.0]))
    2.0
    """
    return call(_mean_squared_error, predictions, targets)


def _mean_squared_error(predictions: Node, targets: Node) -> Node:
    predictions, targets = as_floats(predictions), as_floats(targets)
    _same_shape("mean_squared_error", predictions, targets)
    return mean(square(predictions - cast(targets, predictions.type.dtype)))


def layer_norm(x: Any, gain: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """(x − mean) / √(var + eps) ⊙ gain + bias over the last axis (Ba et al. 2016, equation 4).

    `gain` and `bias` broadcast against `x`, whose shape the result has; each may be left out.

    >>> print(np.round(layer_norm([1.0, 2.0, 3.0], eps=0.0), 6))
    [-1.224745  0.        1.224745]
    """
    return call(_layer_norm, x, gain, bias, eps=eps)


def _layer_norm(x: Node, gain: Node | None, bias: Node | None, eps: float) -> Node:
    x = as_floats(x)
    centred = x - mean(x, -1, keepdims=True)
    normal = centred / primitives.sqrt(mean(square(centred), -1, keepdims=True) + eps)
    return _scaled("layer_norm", normal, gain, bias)


def rms_norm(x: Any, gain: Any = None, eps: float = 1e-6) -> Any:
    """`x / √(mean(x²) + eps) ⊙ gain` over the last axis (Zhang and Sennrich 2019, equation 4).

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


def one_hot(labels: Any, size: Dim) -> Any:
    """Integer labels of shape (…) as rows of shape (…, size): 1 at the label, 0 elsewhere, in float64.

    A label that is not from 0 to size − 1 raises ProgramError with its place.

    >>> one_hot([0, 2], 3)
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    return call(_one_hot, labels, size=size)


def _one_hot(labels: Node, size: Dim) -> Node:
    size = size if isinstance(size, SymbolicDim) else operator.index(size)
    _demand_labels("one_hot", labels, size)
    return primitives.one_hot(labels, size)


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """`np.take`: the slices of `x` along `axis` (of the flat array, where it is None) that integer `indices` name.

    >>> take([[1.0, 2.0], [3.0, 4.0]], [1, 1, 0], axis=0)
    array([[3., 4.],
           [3., 4.],
           [1., 2.]])
    """
    return call(primitives.take, x, indices, axis=axis)


def dropout(x: Any, rate: float, training: bool = True) -> Any:
    """Each element 0 with probability `rate`, else divided by 1 − rate, so that means stay (Srivastava et al. 2014).

    A traced function draws a new mask for each dropout in it and, in `fit`, for each step. Without `training` the
    result is `x`, and so it is on plain arrays, as when a trained network predicts, except within `random_draws`.
    Raises ProgramError for a rate outside of [0, 1).

    >>> dropout([1.0, 2.0], 0.5)
    array([1., 2.])
    """
    source = _source.get() if training else None
    if source is None:
        return call(_dropout, x, None, None, rate=rate)
    return call(_dropout, x, source.seed, source.step, rate=rate, stream=source.stream())


def _dropout(x: Node, seed: Node | int | None, step: Node | int | None, rate: Any, stream: int = 0) -> Node:
    if not isinstance(rate, float | int | np.number) or not 0 <= rate < 1:
        raise ProgramError(f"the rate of dropout is {rate}; give the share of elements to drop, from 0 to below 1")
    x = as_floats(x)
    if rate == 0 or seed is None or step is None:
        return x
    return x * primitives.dropout_mask(_scalar(seed), _scalar(step), x, float(rate), stream)


def random_uniform(shape: Any = (), dtype: Any = np.float64) -> Any:
    """An array of independent numbers, uniform in [0, 1), for use in a traced function; float32 as `dtype=x.dtype`.

    They are drawn anew for each call in the function and, in `fit`, for each step; they do not depend on the number of
    threads. Elsewhere, put the call into a block `with random_draws(seed):`. `shape` may hold sizes as in `x.shape`.

    >>> with random_draws(seed=1):
    ...     print(np.round(random_uniform(2), 6))
    [0.140223 0.8197  ]
    """
    source = _draws_of("random_uniform")
    return call(_uniform, source.seed, source.step, shape=shape, dtype=dtype, stream=source.stream())


def _uniform(seed: Node | int, step: Node | int, shape: Any, dtype: Any, stream: int) -> Node:
    return primitives.random_uniform(_scalar(seed), _scalar(step), _shape(shape), stream, _float(dtype))


def random_normal(shape: Any = (), dtype: Any = np.float64) -> Any:
    """An array of independent standard normal numbers; arguments and use as for `random_uniform`.

    √(−2 ln(1 − u)) cos(2π v) of two uniform draws u and v (Box and Muller 1958).

    >>> with random_draws(seed=1):
    ...     print(np.round(random_normal(2), 6))
    [ 0.343319 -1.177636]
    """
    source = _draws_of("random_normal")
    streams = source.stream(), source.stream()
    return call(_normal, source.seed, source.step, shape=shape, dtype=dtype, streams=streams)


def _normal(seed: Node | int, step: Node | int, shape: Any, dtype: Any, streams: tuple[int, int]) -> Node:
    return primitives.random_normal(_scalar(seed), _scalar(step), _shape(shape), streams, _float(dtype))


def _draws_of(function: str) -> RandomSource:
    source = _source.get()
    if source is None:
        raise ProgramError(
            f"{function} draws numbers in a function that is traced, as by grad, derive and fit; elsewhere, put it "
            "into a block: with cr.random_draws(seed=0): …"
        )
    return source


def _float(dtype: Any) -> DType:
    found = DType.of(np.dtype(dtype))
    if not found.is_float:
        raise DTypeError(f"random numbers are float64 or float32, not {found.value}; compare them for booleans")
    return found


def _shape(shape: Any) -> tuple[Dim, ...]:
    dims = shape if isinstance(shape, tuple | list) else (shape,)
    try:
        return tuple(dim if isinstance(dim, SymbolicDim) else operator.index(dim) for dim in dims)
    except TypeError:
        raise ShapeError(f"{shape!r} is not the shape of an array; give a size or a tuple of sizes") from None


def _scalar(number: Node | int) -> Node:
    return primitives.as_node(number, DType.INT64)
