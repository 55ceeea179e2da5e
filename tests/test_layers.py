"""Convolution and pooling: the definition place by place, PyTorch where it is installed, both engines, misfits."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

import chainrule as cr
from chainrule.calculus import backward
from chainrule.engines import get_engine

Array = NDArray[Any]
RNG = np.random.default_rng(0)
SEQUENCE, IMAGE = RNG.normal(size=(2, 3, 11)), RNG.normal(size=(2, 3, 9, 10))
KERNEL, SQUARE = RNG.normal(size=(4, 3, 3)), RNG.normal(size=(4, 3, 3, 2))
BIAS = RNG.normal(size=4)

CONVOLUTIONS: list[tuple[str, tuple[Array, ...], dict[str, Any]]] = [
    ("conv1d", (SEQUENCE, KERNEL, BIAS), {}),
    ("conv1d", (SEQUENCE, KERNEL), {"padding": 1}),
    ("conv1d", (SEQUENCE, KERNEL, BIAS), {"stride": 2}),
    ("conv1d", (SEQUENCE, KERNEL, BIAS), {"stride": 3, "padding": 2}),
    ("conv1d", (SEQUENCE, KERNEL, BIAS), {"dilation": 2, "padding": 1}),
    ("conv1d", (SEQUENCE, KERNEL, BIAS), {"padding": "same"}),
    ("conv2d", (IMAGE, SQUARE, BIAS), {}),
    ("conv2d", (IMAGE, SQUARE), {"padding": (1, 0)}),
    ("conv2d", (IMAGE, SQUARE, BIAS), {"stride": (2, 3), "padding": 1}),
    ("conv2d", (IMAGE, SQUARE, BIAS), {"dilation": (1, 2), "stride": 2}),
    ("conv2d", (IMAGE, SQUARE, BIAS), {"padding": "same"}),
    ("conv2d", (IMAGE, SQUARE, BIAS), {"padding": "valid"}),
]
POOLS: list[tuple[str, Array, dict[str, Any]]] = [
    ("max_pool1d", SEQUENCE, {"size": 2}),
    ("max_pool1d", SEQUENCE, {"size": 3, "stride": 1}),
    ("max_pool1d", SEQUENCE, {"size": 3, "stride": 2, "padding": 1}),
    ("avg_pool1d", SEQUENCE, {"size": 2}),
    ("avg_pool1d", SEQUENCE, {"size": 3, "stride": 1, "padding": 1}),
    ("max_pool2d", IMAGE, {"size": 2}),
    ("max_pool2d", IMAGE, {"size": (3, 2), "stride": (2, 1), "padding": 1}),
    ("avg_pool2d", IMAGE, {"size": 2}),
    ("avg_pool2d", IMAGE, {"size": (2, 3), "stride": (3, 1), "padding": 1}),
]


def weights(shape: tuple[int, ...]) -> Array:
    return np.asarray(np.cos(np.arange(np.prod(shape))).reshape(shape))


def slid(x: Array, sizes: tuple[int, ...], options: dict[str, Any], fill: float) -> list[tuple[tuple[int, ...], Array]]:
    """For each place in the window, what stands there in every window: written by slices of the padded array."""
    rank = len(sizes)

    def each(value: Any) -> tuple[int, ...]:
        return tuple(value) if isinstance(value, tuple) else (value,) * rank

    strides, dilations = each(options.get("stride", 1)), each(options.get("dilation", 1))
    padding = options.get("padding", 0)
    if padding == "same":
        around = [(d * (k - 1) // 2, d * (k - 1) - d * (k - 1) // 2) for k, d in zip(sizes, dilations, strict=True)]
    else:
        around = [(p, p) for p in each(0 if padding == "valid" else padding)]
    x = np.pad(x, [(0, 0), (0, 0), *around], constant_values=fill)
    spans = [d * (k - 1) + 1 for k, d in zip(sizes, dilations, strict=True)]
    counts = [(n - span) // s + 1 for n, span, s in zip(x.shape[2:], spans, strides, strict=True)]
    parts = []
    for place in np.ndindex(*sizes):
        firsts = [k * d for k, d in zip(place, dilations, strict=True)]
        cut = tuple(slice(f, f + (c - 1) * s + 1, s) for f, c, s in zip(firsts, counts, strides, strict=True))
        parts.append((place, x[(slice(None), slice(None), *cut)]))
    return parts


def plain(name: str, options: dict[str, Any]) -> Callable[..., Array]:
    """The definition, place by place of the window."""
    if name.startswith("conv"):

        def convolution(x: Array, w: Array, b: Array | None = None) -> Array:
            parts = slid(x, w.shape[2:], options, 0.0)
            last = np.moveaxis(w, (0, 1), (-2, -1))
            total = sum(np.einsum("nc...,oc->no...", part, last[at]) for at, part in parts)
            return np.asarray(total if b is None else total + b.reshape(-1, *[1] * (w.ndim - 2)))

        return convolution
    size = options["size"] if isinstance(options["size"], tuple) else (options["size"],) * int(name[-2])
    moved = {"stride": options["size"], **options}

    def pool(x: Array) -> Array:
        highest = name.startswith("max")
        stacked = np.stack([part for _, part in slid(x, size, moved, -np.inf if highest else 0.0)])
        return np.asarray(stacked.max(axis=0) if highest else stacked.mean(axis=0))

    return pool


def plain_gradients(function: Callable[..., Array], arguments: tuple[Array, ...]) -> tuple[Array, list[Array]]:
    """The value, and the gradients of its weighted sum by differences, which are exact where it is linear."""
    value = function(*arguments)

    def loss(*values: Array) -> float:
        return float(np.sum(function(*values) * weights(value.shape)))

    gradients = []
    for k, argument in enumerate(arguments):
        gradient = np.zeros_like(argument)
        for place in np.ndindex(*argument.shape):
            moved = []
            for step in (1e-4, -1e-4):
                changed = argument.copy()
                changed[place] += step
                moved.append(loss(*arguments[:k], changed, *arguments[k + 1 :]))
            gradient[place] = (moved[0] - moved[1]) / 2e-4
        gradients.append(gradient)
    return value, gradients


def torch_gradients(function: Callable[..., Any], arguments: tuple[Array, ...]) -> tuple[Array, list[Array]]:
    """PyTorch's value, and the gradients of its weighted sum."""
    torch: Any = importlib.import_module("torch")
    tensors = [torch.tensor(value, requires_grad=True) for value in arguments]
    result = function(torch.nn.functional, *tensors)
    (result * torch.tensor(weights(tuple(result.shape)))).sum().backward()
    return result.detach().numpy(), [tensor.grad.numpy() for tensor in tensors]


REFERENCES = ["plain", *(["torch"] if importlib.util.find_spec("torch") else [])]


def assert_agrees(
    function: Callable[..., Any], arguments: tuple[Array, ...], value: Array, wanted: list[Array], error: float
) -> None:
    """On plain arrays, traced and differentiated, and compiled; gradients to within `error`."""

    def loss(*values: Any) -> Any:
        return np.sum(function(*values) * weights(value.shape))

    np.testing.assert_allclose(function(*arguments), value, rtol=1e-12, atol=1e-12)
    positions = tuple(range(len(arguments)))
    for found, expected in zip(cr.grad(loss, argnums=positions)(*arguments), wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=error, atol=error)
    program = cr.trace(loss, *(argument.shape for argument in arguments))
    gradients = backward(program, program.inputs).gradient_program()
    inputs = {node.name: argument for node, argument in zip(program.inputs, arguments, strict=True)}
    _, *compiled = get_engine("native").compile(gradients)(inputs)
    for found, expected in zip(compiled, wanted, strict=True):
        np.testing.assert_allclose(found, expected, rtol=error, atol=error)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths:UserWarning")
@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize(("name", "arguments", "options"), CONVOLUTIONS)
def test_convolutions_are_those_of_the_reference(
    name: str, arguments: tuple[Array, ...], options: dict[str, Any], reference: str
) -> None:
    if reference == "torch":
        value, wanted = torch_gradients(lambda f, *values: getattr(f, name)(*values, **options), arguments)
    else:
        value, wanted = plain_gradients(plain(name, options), arguments)
    error = 1e-10 if reference == "torch" else 1e-8
    assert_agrees(lambda *values: getattr(cr, name)(*values, **options), arguments, value, wanted, error)


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize(("name", "x", "options"), POOLS)
def test_pools_are_those_of_the_reference(name: str, x: Array, options: dict[str, Any], reference: str) -> None:
    renamed = {"kernel_size": options["size"], **{key: value for key, value in options.items() if key != "size"}}
    if reference == "torch":
        value, wanted = torch_gradients(lambda f, values: getattr(f, name)(values, **renamed), (x,))
    else:
        value, wanted = plain_gradients(plain(name, options), (x,))
    error = 1e-10 if reference == "torch" else 1e-8
    assert_agrees(lambda values: getattr(cr, name)(values, **options), (x,), value, wanted, error)


def test_windows_as_numpy_users_take_them() -> None:
    """Strided slices of windows, also by the axes of matrices, as a convolution and as a pool."""

    def loss(x: Any, w: Any) -> Any:
        windows = sliding_window_view(x, (3, 2), axis=(2, 3))[:, :, ::2, 1::3]
        products = np.einsum("nchwij,ocij->nohw", windows, w)
        return np.sum(products**2) + np.sum(np.max(sliding_window_view(x, 4, axis=-1)[..., ::4, :], axis=-1))

    cr.check_grads(loss, (IMAGE, SQUARE), rtol=1e-4)
    assert cr.grad(loss)(IMAGE, SQUARE).shape == IMAGE.shape


@pytest.mark.parametrize(
    ("shape", "window", "axis"), [((7,), 3, None), ((4, 5), (2, 3), None), ((2, 6, 3), 4, 1), ((5, 6), (2, 2), (0, 0))]
)
def test_windows_are_those_of_numpy(shape: tuple[int, ...], window: Any, axis: Any) -> None:
    x = RNG.normal(size=shape)
    program = cr.trace(lambda x: sliding_window_view(x, window, axis=axis), shape)
    (found,) = get_engine("reference").compile(program)({"x": x})
    np.testing.assert_array_equal(found, sliding_window_view(x, window, axis=axis))


def test_equal_maxima_share_the_derivative() -> None:
    x = np.zeros((1, 1, 4))
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(cr.max_pool1d(x, 2)))(x), np.full((1, 1, 4), 0.5))


def test_single_precision_and_integers() -> None:
    narrow = cr.conv2d(IMAGE.astype(np.float32), SQUARE.astype(np.float32), padding=1)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, cr.conv2d(IMAGE, SQUARE, padding=1), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(cr.max_pool1d(np.arange(6).reshape(1, 1, 6), 3), [[[2.0, 5.0]]])
    narrow = cr.max_pool2d(IMAGE.astype(np.float32), 3, padding=1)
    assert narrow.dtype == np.float32


def conv1d(**options: Any) -> Any:
    return cr.conv1d(SEQUENCE, KERNEL, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cr.conv1d(IMAGE, KERNEL), r"conv1d takes an input of shape \(n, channels, length\), not \(2, 3, 9"),
        (lambda: cr.conv2d(IMAGE, SQUARE[:, :2]), r"takes kernels of shape \(o, 3, k, l\), not \(4, 2, 3, 2\)"),
        (lambda: cr.conv1d(SEQUENCE, KERNEL, BIAS[:3]), r"takes a bias of shape \(4,\), not \(3,\)"),
        (lambda: conv1d(stride=0), "stride of conv1d is a whole number from 1 on"),
        (lambda: conv1d(stride=1.5), r"stride of conv1d is a whole number.*not 1\.5"),
        (lambda: cr.conv2d(IMAGE, SQUARE, dilation=(1, 1, 1)), "dilation of conv2d"),
        (lambda: conv1d(padding=-1), "padding of conv1d is a whole number from 0 on"),
        (lambda: conv1d(padding="full"), "'same' or 'valid', not 'full'"),
        (lambda: cr.max_pool2d(IMAGE, 20), "a window of size 20 does not fit on an axis of size 9"),
        (lambda: cr.max_pool1d(SEQUENCE, 0), "size of max_pool1d is a whole number from 1 on"),
        (lambda: cr.trace(lambda x: cr.max_pool1d(x, 2), "n c l"), "depends on l; give that axis a number"),
        (
            lambda: cr.trace(lambda x, w: cr.conv1d(x, w, padding="same"), "n c l", "o c k"),
            "needs kernels whose sizes are numbers",
        ),
        (lambda: cr.trace(lambda x: sliding_window_view(x, (2, 2)), "n"), "2 window sizes do not go with 1 axes"),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(cr.ShapeError, match=message):
        call()


def test_the_gradient_of_a_convolution_is_a_convolution() -> None:
    """Recorded as such, also where zeros are put around the input, and true for steps and dilations."""

    def lines(shapes: dict[str, str], **options: Any) -> str:
        derivation = cr.derive(lambda x, W: cr.conv2d(x, W, **options), **shapes)
        assert derivation.verify().ok
        return derivation.text()

    named = lines({"x": "n c h w", "W": "o c k l"})
    assert "∂L/∂x = pad₂₃(∂L/∂Y, k-1, l-1) ⋆ flip₂₃(W)" in named
    assert "∂L/∂W = x ⋆ ∂L/∂Y" in named
    same = lines({"x": "n c h w", "W": "o c 3 3"}, padding="same")
    assert "Y = pad₂₃(x, 1) ⋆ W" in same
    assert "∂L/∂x = pad₂₃(∂L/∂Y, 1) ⋆ flip₂₃(W)" in same
    strided = lines({"x": "n c 8 9", "W": "o c 3 3"}, stride=2, padding=1)
    assert "∂L/∂x = pad(∂L/∂Y, [:,:,1:9:2,1::2]) ⋆ flip₂₃(W)" in strided
    assert "∂L/∂W = correlate[/2](pad₂₃(x, 1), ∂L/∂Y)" in strided
    lines({"x": "n c 9 12", "W": "o c 2 3"}, dilation=(1, 2), stride=(3, 2))


def test_a_product_summed_by_hand_is_a_convolution_too() -> None:
    derivation = cr.derive(lambda x, w: np.sum(sliding_window_view(x, w.shape[0]) * w, axis=1), x="l", w="k")
    assert "∂L/∂x = pad(∂L/∂Y, k-1) ⋆ flip₀(w)" in derivation.text()
    assert derivation.verify().ok
