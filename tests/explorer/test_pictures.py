"""The layout of products, and of networks."""

from __future__ import annotations

import pytest
from support.gallery_samples import derived

import chainrule as cr
from chainrule.explorer.lines import lines_of
from chainrule.explorer.network import network_of
from chainrule.explorer.pictures import Factor, Picture, has_columns, picture_of
from chainrule.gallery import GALLERY


def products(name: str) -> dict[str, tuple[str | None, Factor | None, Factor | None]]:
    record = derived(name).record
    pictures = {stage.stage.name: picture_of(stage.forward.right) for stage in record.stages}
    pictures |= {step.accumulation.cotangent.name: picture_of(step.chain.right) for step in record.steps}
    return {key: (each.product, each.left, each.right) for key, each in pictures.items() if each.product}


def test_products_of_rows_stand_in_the_order_of_their_factors() -> None:
    assert products("two_layer_rows") == {
        "z1": ("matrix", Factor("X"), Factor("W1")),
        "z2": ("matrix", Factor("a1"), Factor("W2")),
        "∂ W2": ("matrix", Factor("a1", True), Factor("∂ z2")),
        "∂ b2": ("ones", Factor(""), Factor("∂ z2")),
        "∂ a1": ("matrix", Factor("∂ z2"), Factor("W2", True)),
        "∂ W1": ("matrix", Factor("X", True), Factor("∂ z1")),
        "∂ b1": ("ones", Factor(""), Factor("∂ z1")),
    }


def test_products_of_columns_are_in_their_order_too() -> None:
    assert products("two_layer_columns") == {
        "z1": ("matrix", Factor("W1"), Factor("x")),
        "z2": ("matrix", Factor("W2"), Factor("a1")),
        "∂ W2": ("matrix", Factor("∂ z2"), Factor("a1", True)),
        "∂ a1": ("matrix", Factor("W2", True), Factor("∂ z2")),
        "∂ W1": ("matrix", Factor("∂ z1"), Factor("x", True)),
    }


def test_vectors_are_columns_in_products() -> None:
    record = cr.derive("z = W @ x + b; sum(sin(z)^2)", ["W", "x"]).record
    assert picture_of(record.stages[0].forward.right) == Picture(("W", "x", "b"), "vector", Factor("W"), Factor("x"))
    pictures = {step.accumulation.symbol.name: picture_of(step.chain.right) for step in record.steps}
    assert (pictures["W"].product, pictures["W"].right) == ("outer", Factor("x"))
    assert (pictures["x"].product, pictures["x"].left) == ("vector", Factor("W", True))


@pytest.mark.parametrize(
    ("formula", "are_columns"),
    [
        ("z = A @ x; sum(z^2)", True),
        ("sum((X @ w - y)^2)", True),  # the product is part of a larger expression
        ("sum((X @ W + b)^2)", False),  # b is a row
        ("sum((sin(X @ W + b) @ v - y)^2)", False),
        ("sum(x .* y)", False),
    ],
)
def test_vectors_are_columns_where_matrices_multiply_them(formula: str, are_columns: bool) -> None:
    shapes = {"X": "n d", "W": "d h", "b": "h", "v": "h", "y": "n"} if "b)" in formula else {}
    known = {name: shape for name, shape in shapes.items() if name in formula}
    assert has_columns(cr.derive(formula, **known).record) == are_columns


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("two_layer_rows", ["X", "a1", "a2"]),
        ("two_layer_columns", ["x", "a1", "a2"]),
        ("relu_mlp", ["X", "a1", "a2", "y_hat"]),
    ],
)
def test_the_layers_of_a_network_are_found(name: str, values: list[str]) -> None:
    network = network_of(derived(name).record)
    assert network is not None
    assert [layer.value for layer in network.layers] == values
    assert len(network.weights) == len(values) - 1


@pytest.mark.parametrize("name", ["attention", "layer_norm", "huber", "conv2d"])
def test_what_is_no_chain_of_layers_is_no_network(name: str) -> None:
    assert network_of(derived(name).record) is None


def test_weights_that_are_used_transposed_are_not_drawn_as_lines() -> None:
    def layer(weights: str) -> str:
        return f"z = X @ {weights}; a = sigmoid(z); sum((a - y)^2)"

    shapes = {"X": "n d", "y": "n h"}
    assert network_of(cr.derive(layer("W"), ["W"], W="d h", **shapes).record) is not None
    assert network_of(cr.derive(layer("W'"), ["W"], W="h d", **shapes).record) is None


def test_what_cancels_has_the_operands_of_the_result() -> None:
    lines = {line.key: line for line in lines_of(cr.derive(GALLERY["softmax_regression"].function).record)}
    assert set(lines["∂ Z"].picture.operands) == {"P", "Y"}
