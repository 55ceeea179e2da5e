"""Convolution and pooling in the gallery: the textbook's formulas, as expressions and as they are read."""

from __future__ import annotations

import numpy as np
import pytest
from support.gallery_samples import derived

import chainrule as cr
from chainrule import primitives as p
from chainrule.derivation import Form
from chainrule.deriving import Derivation
from chainrule.gallery import GALLERY
from chainrule.ir import Apply, ArrayType, Dim, Input, Node, named_dim, parse_shape

N, C, O, H, W, K, L = map(named_dim, "ncohwkl")


def gradient(derivation: Derivation, name: str) -> Node:
    """What the derivation says that ∂L/∂name is, over the symbols of the backward pass."""
    return next(entry.result for entry in derivation.record.backward.accumulations if entry.symbol.name == name)


def given(name: str, *shape: Dim) -> Input:
    return Input(name, ArrayType(shape))


@pytest.mark.parametrize("name", ["conv1d", "conv2d", "max_pool", "avg_pool"])
def test_every_line_holds(name: str) -> None:
    assert derived(name).verify().ok
    assert GALLERY[name].title_zh in {"一维卷积", "二维卷积", "最大池化", "平均池化"}


def test_the_gradients_of_a_convolution_of_images() -> None:
    """δ padded and correlated with the turned kernel; the input correlated with δ; the sum of δ for the bias."""
    derivation = derived("conv2d")
    x, kernel = given("x", N, C, H, W), given("W", O, C, K, L)
    delta = given("∂ y", N, O, H - K + 1, W - L + 1)
    around = p.pad(delta, ((0, 0), (0, 0), (K - 1, K - 1), (L - 1, L - 1)))
    turned = p.reverse(kernel, (2, 3))
    by_x = p.einsum("nohwkl,ockl->nchw", p.sliding_windows(around, (K, L), (2, 3)), turned)
    by_kernel = p.einsum("nchwkl,nohw->ockl", p.sliding_windows(x, (K, L), (2, 3)), delta)
    assert up_to_order(gradient(derivation, "x"), by_x)
    assert up_to_order(gradient(derivation, "W"), by_kernel)
    assert gradient(derivation, "b") is p.Sum((0, 2, 3))(delta)


def test_the_gradients_of_a_convolution_of_sequences() -> None:
    derivation = derived("conv1d")
    delta, kernel = given("∂ y", N, O, L - K + 1), given("W", O, C, K)
    around = p.pad(delta, ((0, 0), (0, 0), (K - 1, K - 1)))
    by_x = p.einsum("nolk,ock->ncl", p.sliding_windows(around, (K,), (2,)), p.reverse(kernel, (2,)))
    assert up_to_order(gradient(derivation, "x"), by_x)


def up_to_order(found: Node, expected: Node) -> bool:
    """Whether two contractions are the same but for the order of their factors."""
    assert isinstance(expected, Apply)
    inputs, output = expected.primitive.inputs, expected.primitive.output
    return found is expected or found is p.Contract(inputs[::-1], output)(*expected.operands[::-1])


def test_pooling_by_windows_side_by_side() -> None:
    """Each entry receives from its one window: all of ∂L/∂y if it is the largest alone, a quarter in a mean."""
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    seed = np.asarray([[[[1.0, 2.0], [3.0, 4.0]]]])
    largest = np.zeros((1, 1, 4, 4))
    largest[0, 0, 1::2, 1::2] = seed[0, 0]
    for name, expected in (("max_pool", largest), ("avg_pool", np.kron(seed, np.ones((2, 2))) / 4)):
        (found,) = cr.vjp(GALLERY[name].function, x)[1](seed)
        np.testing.assert_array_equal(found, expected)


READ: list[tuple[str, Form, str]] = [
    ("conv1d", "matrix", "∂L/∂x = pad₂(∂L/∂y, k-1) ⋆ flip₂(W)"),
    ("conv1d", "matrix", "∂L/∂W = x ⋆ ∂L/∂y"),
    ("conv2d", "matrix", "y = x ⋆ W + b"),
    ("conv2d", "matrix", "∂L/∂x = pad₂₃(∂L/∂y, k-1, l-1) ⋆ flip₂₃(W)"),
    ("conv2d", "path", "∂L/∂y · ∂y/∂W = x ⋆ ∂L/∂y"),
    ("conv2d", "index", "y[i,q,t,u] = Σⱼᵣₛ x[i,j,t+r,u+s] W[q,j,r,s] + b[q]"),
    ("conv2d", "index", "∂L/∂W[q,j,r,s] = Σᵢₜᵤ x[i,j,t+r,u+s] (∂L/∂y[i,q,t,u])"),
    ("conv2d", "index", "∂L/∂b[q] = Σᵢₜᵤ ∂L/∂y[i,q,t,u]"),
    ("max_pool", "matrix", "y = max₄₅(u)"),
    ("max_pool", "matrix", "⊙ (1[u = y[:,:,:,:,∗,∗]] / Σ₄₅(1[u = y[:,:,:,:,∗,∗]])[:,:,:,:,∗,∗]))"),
    ("avg_pool", "matrix", "∂L/∂x = ¼ overlap_add(∂L/∂y)"),
    ("avg_pool", "index", "∂L/∂x[i,j,r,s] = ¼ (∂L/∂y[i,j,⌊r/2⌋,⌊s/2⌋])"),
]


@pytest.mark.parametrize(("name", "form", "line"), READ)
def test_it_reads_as_in_a_textbook(name: str, form: Form, line: str) -> None:
    assert line in derived(name).text(form=form)


def test_the_reasons_say_why_the_kernel_turns_round() -> None:
    english, chinese = (" ".join(derived("conv2d").text(lang=lang).split()) for lang in ("en", "zh"))
    assert "seen from the input, the kernel is turned round" in english
    assert "weight i meets the entry at p + i of every window p" in english
    assert "卷积核被翻转" in chinese.replace(" ", "")


def test_shapes_may_be_multiples_of_a_name() -> None:
    assert parse_shape("n 2*h") == (N, 2 * H)
    program = cr.trace(GALLERY["max_pool"].function, "n c 2*h 2*w")
    assert program.outputs[0].type.shape == (N, C, H, W)
