"""The gallery's functions in other systems of automatic differentiation.

A function is run with their array module as `np`, and with independent implementations, defined here, as `cr`.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType, SimpleNamespace
from typing import Any

import autograd
import autograd.numpy
import numpy as np
from autograd.extend import defvjp, primitive
from numpy.typing import NDArray

Array = NDArray[Any]
Objective = Callable[..., Any]


@primitive  # type: ignore[untyped-decorator]
def _erf(x: Array) -> Array:
    return np.asarray(np.vectorize(math.erf)(x))


defvjp(_erf, lambda result, x: lambda cotangent: cotangent * 2 / math.sqrt(math.pi) * np.exp(-(x**2)))


class _ArrayModule:
    """An array module, with additional functions."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self.lib = SimpleNamespace(
            stride_tricks=SimpleNamespace(sliding_window_view=lambda x, size, axis: _windows(module, x, size, axis))
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def _windows(xp: Any, x: Any, size: int, axis: int) -> Any:
    """Return every window of `size` along `axis`, in a new last axis."""
    before = (slice(None),) * axis
    count = x.shape[axis] - size + 1
    return xp.stack([x[(*before, slice(k, k + count))] for k in range(size)], axis=-1)


def _functions(xp: Any, erf: Callable[[Any], Any]) -> SimpleNamespace:
    def sigmoid(x: Any) -> Any:
        return 1 / (1 + xp.exp(-x))

    def logsumexp(x: Any, axis: int) -> Any:
        return xp.log(xp.sum(xp.exp(x), axis=axis))

    def softmax(x: Any, axis: int = -1) -> Any:
        powers = xp.exp(x)
        return powers / xp.sum(powers, axis=axis, keepdims=True)

    def conv2d(x: Any, kernels: Any, bias: Any) -> Any:
        rows, columns = kernels.shape[2:]
        windows = _windows(xp, _windows(xp, x, rows, 2), columns, 3)
        return xp.einsum("nchwkl,ockl->nohw", windows, kernels) + bias[:, None, None]

    def pooled(x: Any, size: int) -> Any:
        n, c, h, w = x.shape
        return xp.reshape(x, (n, c, h // size, size, w // size, size))

    return SimpleNamespace(
        sigmoid=sigmoid,
        log_sigmoid=lambda x: xp.log(sigmoid(x)),
        relu=lambda x: xp.maximum(x, 0),
        silu=lambda x: x * sigmoid(x),
        gelu=lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
        softmax=softmax,
        logsumexp=logsumexp,
        one_hot=lambda labels, size: np.eye(size)[np.asarray(labels)],
        conv2d=conv2d,
        max_pool2d=lambda x, size: xp.max(xp.max(pooled(x, size), axis=5), axis=3),
        avg_pool2d=lambda x, size: xp.mean(pooled(x, size), axis=(3, 5)),
    )


def _in_terms_of(function: Objective, array_module: Any, functions: SimpleNamespace) -> Objective:
    """Return the function with other meanings of `np` and `cr`."""
    assert isinstance(function, FunctionType)
    names = {**function.__globals__, "np": array_module, "cr": functions}
    return FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)


def objective(function: Objective, array_module: Any, functions: SimpleNamespace, given: Sequence[Array]) -> Objective:
    """Return the loss; for a layer, the pairing of its outputs with the gradients `given`."""
    run = _in_terms_of(function, array_module, functions)

    def total(*arguments: Any) -> Any:
        result = run(*arguments)
        if not given:
            return result
        outputs = result if isinstance(result, tuple) else (result,)
        return sum(array_module.sum(g * y) for g, y in zip(given, outputs, strict=True))

    return total


def autograd_gradients(
    function: Objective, arguments: Sequence[Array], given: Sequence[Array], places: Sequence[int]
) -> list[Array]:
    """Return the gradients of the arguments at `places`, by HIPS autograd."""
    module = _ArrayModule(autograd.numpy)
    total = objective(function, module, _functions(autograd.numpy, _erf), given)
    return [np.asarray(autograd.grad(total, place)(*arguments)) for place in places]


def jax_gradients(
    function: Objective, arguments: Sequence[Array], given: Sequence[Array], places: Sequence[int]
) -> list[Array]:
    """Return the gradients of the arguments at `places`, by JAX in float64."""
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        total = objective(function, _ArrayModule(jnp), _functions(jnp, jax.scipy.special.erf), given)

        def of_chosen(*chosen: Any) -> Any:
            placed: list[Any] = list(arguments)
            for place, value in zip(places, chosen, strict=True):
                placed[place] = value
            return total(*placed)

        # Compiled whole, which is sooner than every operation by itself.
        gradient = jax.jit(jax.grad(of_chosen, tuple(range(len(places)))))
        return [np.asarray(each) for each in gradient(*(jnp.asarray(arguments[place]) for place in places))]


REFERENCES: Mapping[str, Callable[..., list[Array]]] = {
    "autograd": autograd_gradients,
    **({"jax": jax_gradients} if importlib.util.find_spec("jax") else {}),
}
"""The installed references; the first always is."""
