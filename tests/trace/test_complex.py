"""Complex values and Fourier transforms: values as NumPy's, gradients as differences of NumPy's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

import chainrule as cr
from chainrule.trace import TraceError

fft = np.fft
X = np.random.default_rng(0).uniform(0.2, 1.5, (4, 6))
W = np.random.default_rng(1).standard_normal((4, 6))
FILTER = np.exp(1j * np.arange(6))

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "fft": lambda x: np.abs(fft.fft(x)) ** 2,
    "fft along": lambda x: fft.fft(x, axis=0).real + fft.fft(x, axis=0).imag,
    "fft padded": lambda x: fft.fft(x, n=9).imag,
    "fft cut": lambda x: fft.fft(x, n=3, axis=1).real,
    "ortho": lambda x: np.real(fft.fft(x, norm="ortho")) - np.imag(fft.ifft(x, norm="ortho")),
    "forward": lambda x: np.real(fft.fft(x, norm="forward")) - np.imag(fft.ifft(x, norm="forward")),
    "ifft": lambda x: fft.ifft(fft.fft(x) * FILTER).real,
    "rfft": lambda x: np.angle(fft.rfft(x)[:, 1:3]),
    "irfft": lambda x: fft.irfft(fft.rfft(x) * np.array([1, 2j, 3, 4 + 1j])),
    "irfft odd": lambda x: fft.irfft(fft.rfft(x) * (1 - 2j), n=7),
    "irfft cut": lambda x: fft.irfft(fft.rfft(x) * (1 - 2j), n=4),
    "irfft of reals": lambda x: fft.irfft(x),
    "irfft along": lambda x: fft.irfft(1j * x, axis=0, norm="forward"),
    "hfft": lambda x: fft.hfft(x + 2j * x**2),
    "ihfft": lambda x: fft.ihfft(x, norm="ortho").imag,
    "fft2": lambda x: np.abs(fft.fft2(x)),
    "ifft2": lambda x: fft.ifft2(x * 1j).imag + fft.ifft2(x).imag,
    "fftn": lambda x: fft.fftn(x, s=(3, 8), axes=(0, 1)).imag,
    "ifftn": lambda x: fft.ifftn(x, axes=(0,)).imag,
    "rfft2": lambda x: np.abs(fft.rfft2(x)),
    "irfft2": lambda x: fft.irfft2(fft.rfft2(x) * (1 + 1j)),
    "rfftn": lambda x: np.real(fft.rfftn(x, s=(5, 4), axes=(0, 1)) * 1j),
    "irfftn": lambda x: fft.irfftn(fft.rfftn(x) ** 2, s=(4, 6), axes=(0, 1)),
    "shift": lambda x: fft.ifftshift(fft.fftshift(x, axes=0) * W) + np.abs(fft.fftshift(fft.fft(x))),
    "arithmetic": lambda x: np.abs((1j * x + 2) / (x - 3j) - (1 - 1j) * x),
    "negated": lambda x: (-(1j * x) + 5).imag,
    "exp": lambda x: np.exp((0.5 + 2j) * x).real + np.exp(1j * x).imag,
    "log": lambda x: np.log(x + 1j * x**2).imag + np.log(-1j * x).real,
    "sqrt": lambda x: np.sqrt(x - 2j).imag,
    "powers": lambda x: ((x + 1j) ** 3).real + ((x + 1j) ** -2).imag + ((x + 1j) ** 0.5).real + (2j**x).real,
    "trigonometric": lambda x: np.abs(np.sin(x + 1j) + np.cos(2j * x)) + np.tanh(x + 1j).imag,
    "hyperbolic": lambda x: np.sinh(x - 1j * x).real * np.cosh(1j * x + 1).imag,
    "squares": lambda x: np.square(x + 2j).imag + np.square(1j * x).real,
    "reciprocal": lambda x: np.reciprocal(x + 2j).imag,
    "conjugate": lambda x: (np.conj(x + 1j * x**2) * (x + 1j)).imag,
    "angle": lambda x: np.angle(x + 2j * x**2, deg=True) + np.angle(1j * x),
    "matrix products": lambda x: np.abs((x + 1j) @ (x.T * 2j) @ W),
    "einsum": lambda x: np.einsum("ij,kj->ik", x + 1j * x**2, W + 1j).imag,
    "dot": lambda x: np.dot(x + 1j, x.T).imag + np.outer(x[0, :4], 1j * x[1, :4]).imag,
    "vdot": lambda x: np.vdot(x + 1j * x**2, x * (2 - 1j)).imag,
    "where": lambda x: np.where(x > 0.7, x * 1j, 2 + x).real,
    "joined": lambda x: np.concatenate([x * 1j, W, 1 - x], axis=1).imag + np.stack([x, 1j * x], 0).imag.sum(),
    "arranged": lambda x: np.roll((x + 1j * x**2).reshape(6, 4).T[1:, ::-1], 1, axis=0).imag,
    "reduced": lambda x: np.abs((x + 1j * x**2).sum(0)) + np.mean(2j * x, axis=0).imag + np.var(x + 1j * x**2),
    "products": lambda x: np.prod(x + 1j, axis=1).imag + np.prod(x[0] - 1j).real,
    "norm": lambda x: np.linalg.norm(x + 1j * x**2, axis=1),
    "converted": lambda x: np.abs(x.astype(complex) + 1j),
    "zeros": lambda x: (1j * np.zeros_like(x) + x).real,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_are_numpys_and_gradients_those_of_differences(name: str) -> None:
    function = FUNCTIONS[name]

    def weighted(x: Any) -> Any:
        found = function(x)
        return np.sum(found * np.cos(np.arange(found.size)).reshape(found.shape)) if np.ndim(found) else found

    value, gradient = cr.value_and_grad(weighted)(X)
    np.testing.assert_allclose(value, weighted(X), rtol=1e-11)
    for direction in np.random.default_rng(2).standard_normal((2, *X.shape)):
        step = 1e-5
        change = (weighted(X + step * direction) - weighted(X - step * direction)) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), change, rtol=2e-6, atol=1e-7)


def test_the_gradient_of_a_power_spectrum_is_written_as_transforms() -> None:
    def loss(x: Any, w: Any) -> Any:
        p = np.abs(np.fft.rfft(x)) ** 2
        return np.sum(w * np.log(p + 1))

    derivation = cr.derive(loss, wrt=["x"], x="8", w="5")
    assert derivation.verify().ok
    text = derivation.text(detail="brief")
    assert "∂L/∂x = refft(pad(2 ∂L/∂p ⊙ refft(x)[:5], [:5]))" in text
    assert "+ imfft(pad(2 ∂L/∂p ⊙ imfft(x)[:5], [:5]))" in text
    for target in ("numpy", "torch", "jax", "c", "js"):
        assert derivation.source(target)


def test_machine_code_calls_numpy_for_long_transforms() -> None:
    def loss(x: Any) -> Any:
        return np.sum(np.cos(np.abs(np.fft.rfft(x))))

    x = np.random.default_rng(3).standard_normal((2, 200))
    fits = [
        cr.fit(loss, {"x": x}, {}, cr.SGD(1e-3), epochs=3, engine=engine).params["x"]
        for engine in ("native", "reference")
    ]
    np.testing.assert_allclose(fits[0], fits[1], rtol=1e-10)
    with pytest.raises(cr.ChainruleError, match="up to 64 numbers"):
        cr.derive(loss, x="2 200").source("c")


@pytest.mark.parametrize(
    ("function", "shape", "message"),
    [
        (lambda x: np.fft.fft(x), "4", "returns a complex value; return a real one"),
        (lambda x: np.abs(np.fft.fft(x)).sum(), "n", "np.fft.fft along an axis of the named size n needs its number"),
        (lambda x: np.sort(1j * x).real, "4", "np.sort of complex values is not recorded"),
        (lambda x: np.arctan(1j * x).real, "4", "np.arctan of complex values is not recorded"),
        (lambda x: cr.softmax(1j * x), "4", "takes real arrays, and the argument is complex"),
        (lambda x: np.fft.rfft(1j * x).real, "4", "write np.fft.fft"),
        (lambda x: np.fft.fft(x, norm=cast(Any, "other")).real, "4", "is not one of 'backward', 'ortho', 'forward'"),
        (lambda x: 1.0 if 1j * x else 0.0, "4", "has no truth"),
    ],
)
def test_refusals_say_what_to_write(function: Callable[[Any], Any], shape: str, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        cr.trace(function, x=shape)
