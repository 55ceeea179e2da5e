"""Networks ready for use: the two-layer network that a learner starts from, and multi-layer perceptrons."""

from chainrule.networks.mlp import ACTIVATIONS, LOSSES, MLP, NetworkError
from chainrule.networks.two_layers import NeuralNetwork, two_layer_loss, two_layer_program

__all__ = ["ACTIVATIONS", "LOSSES", "MLP", "NetworkError", "NeuralNetwork", "two_layer_loss", "two_layer_program"]
