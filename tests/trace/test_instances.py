"""Methods of instances: attributes become inputs and names, and the user's instance stays as it was."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from chainrule.primitives import evaluate_nodes
from chainrule.trace import TraceError, trace


class NeuralNet:
    def __init__(self) -> None:
        draw = np.random.RandomState(0)
        self.weights_input_hidden = draw.randn(2, 4)
        self.weights_hidden_output = draw.randn(4, 1)
        self.bias_hidden = np.zeros((1, 4))
        self.bias_output = np.zeros((1, 1))
        self.learning_rate = 0.1
        self.history: list[Any] = []

    def sigmoid(self, x: Any) -> Any:
        return 1 / (1 + np.exp(-x))

    def feedforward(self, X: Any) -> Any:
        self.hidden_input = np.dot(X, self.weights_input_hidden) + self.bias_hidden
        self.hidden = self.sigmoid(self.hidden_input)
        self.output_input = np.dot(self.hidden, self.weights_hidden_output) + self.bias_output
        self.output = self.sigmoid(self.output_input)
        self.history.append(self.output)
        return self.output

    def hidden_only(self, X: Any) -> Any:
        self.bias_hidden = self.bias_hidden - 1.0
        return np.tanh(X @ self.weights_input_hidden + self.bias_hidden)

    def broken(self, X: Any) -> Any:
        self.bias_hidden = self.bias_hidden * 2
        return X @ self.weights_hidden_output


def test_attributes_become_inputs_and_names() -> None:
    network = NeuralNet()
    program = trace(network.feedforward, X="n 2")
    assert [node.name for node in program.inputs] == [
        "X",
        "weights_input_hidden",
        "weights_hidden_output",
        "bias_hidden",
        "bias_output",
    ]
    assert list(program.names.values()) == ["hidden_input", "hidden", "output_input", "output"]


def test_shapes_of_attributes_can_be_given() -> None:
    program = trace(
        NeuralNet().feedforward,
        X="n d",
        weights_input_hidden="d h",
        weights_hidden_output="h o",
        bias_hidden="1 h",
        bias_output="1 o",
    )
    assert str(program.outputs[0].type) == "float64[n, o]"


def test_a_network_that_has_run_before_gives_the_same_program() -> None:
    network = NeuralNet()
    fresh = trace(network.feedforward, X="n 2")
    network.feedforward(np.ones((5, 2)))
    again = trace(network.feedforward, X="n 2")
    assert again.outputs == fresh.outputs
    assert again.inputs == fresh.inputs
    assert dict(again.names) == dict(fresh.names)


@pytest.mark.parametrize("method", ["feedforward", "hidden_only", "broken"])
def test_the_instance_is_left_as_it_was(method: str) -> None:
    network = NeuralNet()
    attributes = dict(vars(network))
    values = copy.deepcopy(attributes)
    try:
        trace(getattr(network, method), X="n 2")
    except ValueError:
        assert method == "broken"
    assert vars(network).keys() == attributes.keys()
    for name, value in vars(network).items():
        assert value is attributes[name]
        np.testing.assert_array_equal(value, values[name])


def test_only_attributes_that_are_used_become_inputs() -> None:
    names = [node.name for node in trace(NeuralNet().hidden_only, X="n 2").inputs]
    assert names == ["X", "weights_input_hidden", "bias_hidden"]


class Dense:
    def __init__(self, rows: int, columns: int) -> None:
        self.W = np.full((rows, columns), 0.5)
        self.b = np.zeros(columns)

    def __call__(self, x: Any) -> Any:
        self.z = x @ self.W + self.b
        return np.tanh(self.z)


class Stacked:
    def __init__(self) -> None:
        self.layers = [Dense(3, 4), Dense(4, 2)]
        self.head = {"scale": np.ones(2), "kind": "linear"}
        self.activation = self.relu

    def relu(self, x: Any) -> Any:
        self.last = np.maximum(x, 0)
        return self.last

    def forward(self, X: Any) -> Any:
        for layer in self.layers:
            X = layer(X)
        assert self.head["kind"] == "linear"
        return self.activation(X) * self.head["scale"]


def test_layers_of_their_own_class() -> None:
    network = Stacked()
    program = trace(network.forward, X=(5, 3))
    assert [node.name for node in program.inputs] == [
        "X",
        "layers_0_W",
        "layers_0_b",
        "layers_1_W",
        "layers_1_b",
        "scale",
    ]
    assert list(program.names.values()) == ["z1", "X1", "z2", "X2", "last"]
    assert not hasattr(network, "last")
    assert not hasattr(network.layers[0], "z")
    arrays = [np.random.default_rng(1).normal(size=node.type.concrete_shape) for node in program.inputs]
    values = evaluate_nodes(program.outputs, dict(zip(program.inputs, arrays, strict=True)))
    network.layers[0].W, network.layers[0].b, network.layers[1].W, network.layers[1].b = arrays[1:5]
    network.head["scale"] = arrays[5]
    np.testing.assert_allclose(values[program.outputs[0]], network.forward(arrays[0]), rtol=1e-14)


def test_a_method_without_its_instance_is_refused() -> None:
    with pytest.raises(TraceError, match=r"give that of an instance, as in trace\(network.feedforward"):
        trace(NeuralNet.feedforward, X="n 2")


def test_a_misspelt_attribute_is_refused() -> None:
    with pytest.raises(TraceError, match="did you mean 'bias_hidden'"):
        trace(NeuralNet().feedforward, X="n 2", bias_hiden="1 4")
